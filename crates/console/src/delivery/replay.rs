//! Sending again: what was selected, or what fits a filter, after a preview of how many.

use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hub::Error;
use hub::delivery::{ReplayFilter, ReplayReport};
use jiff::Timestamp;
use maud::{Markup, html};
use model::{EndpointId, EventRef, Invalid};

use crate::cookie::Said;
use crate::event::endpoint;
use crate::form::{self, Form};
use crate::home::grouped;
use crate::page::{self, Place, done};
use crate::problem;
use crate::visitor::{In, Member};

/// What a form or an address asks for.
///
/// # Errors
/// What cannot be read, with its name.
fn filter(fields: &Form) -> hub::Result<ReplayFilter> {
    let mut invalid = Invalid::default();
    let mut events = Vec::new();
    for text in fields.all("event") {
        match text.parse::<EventRef>() {
            Ok(id) => events.push(id),
            Err(error) => invalid.add("/event", "unknown-value", error.to_string()),
        }
    }
    let mut time = |name: &str| match instant(fields.text(name)) {
        Ok(at) => at,
        Err(why) => {
            invalid.add(format!("/{name}"), "unknown-value", why);
            None
        }
    };
    let (from, to) = (time("from"), time("to"));
    let codes = fields.text("codes").split([',', ' ']);
    let codes = codes.filter(|code| !code.is_empty()).map(str::to_owned);
    let filter = ReplayFilter {
        endpoint: fields.number::<EndpointId>("endpointId"),
        from,
        to,
        only_dead: fields.text("which") != "all" && events.is_empty(),
        codes: codes.collect(),
        events,
    };
    Ok(invalid.or(filter)?)
}

/// A time as a browser's field has it, in UTC, or in full; empty is none.
pub(crate) fn instant(text: &str) -> Result<Option<Timestamp>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let seconds = if text.len() == "2026-11-22T05:00".len() {
        ":00"
    } else {
        ""
    };
    let read = text
        .parse::<Timestamp>()
        .or_else(|_| format!("{text}{seconds}Z").parse());
    read.map(Some)
        .map_err(|_| format!("`{text}` is no time, such as 2026-11-22T05:00"))
}

pub(super) async fn preview(of: In<Member>, uri: Uri) -> Response {
    let asked = form::query(&uri);
    let Some(id) = asked.number::<EndpointId>("endpointId") else {
        return problem::invalid(of.state(), "The address names no destination.");
    };
    let report = match filter(&asked) {
        Ok(filter) => {
            of.hub()
                .replay(&of.actor(), of.scope(), &filter, true)
                .await
        }
        Err(error) => Err(error),
    };
    let said = match &report {
        Ok(report) => html! { (would_be(report)) },
        Err(error @ Error::Invalid(_)) => {
            html! { p.said.bad role="alert" { (problem::sentence(error)) } }
        }
        Err(error) => return problem::of(of.state(), error),
    };
    let documents = report.map_or(0, |report| report.documents);
    let content = html! {
        h1 { "Send again to " (endpoint(&of, id)) }
        (said)
        @if documents > 0 {
            form.actions method="post" action=(of.path("/deliveries/replay")) {
                @for (name, value) in asked.fields() { input type="hidden" name=(name) value=(value); }
                button.main type="submit" { "Send them again" }
            }
        }
        (other(&asked, id))
        p { a href=(of.path(&format!("/deliveries?endpointId={id}&state=dead"))) { "Back to the dead letters" } }
    };
    page::inside(&of, Place::Deliveries, "Send again", &content).into_response()
}

fn would_be(report: &ReplayReport) -> Markup {
    html! {
        p { strong { (grouped(report.documents)) } " documents would be sent again, in the order in which they were published. Receivers know repeats by their " code { "webhook-id" } "." }
    }
}

/// The form for another choice.
fn other(asked: &Form, id: EndpointId) -> Markup {
    let is_all = asked.text("which") == "all";
    html! {
        section.narrow-left {
            h2 { "Choose otherwise" }
            form.stack method="get" {
                input type="hidden" name="endpointId" value=(id);
                fieldset.choices { legend { "Which" }
                    label.choice { input type="radio" name="which" value="dead" checked[!is_all]; span { "dead letters" } }
                    label.choice { input type="radio" name="which" value="all" checked[is_all]; span { "everything that was for it" small { "also what it has taken; say since when" } } }
                }
                label { "Published since (UTC)" input type="datetime-local" name="from" value=(asked.text("from")); }
                label { "Published before (UTC)" input type="datetime-local" name="to" value=(asked.text("to")); }
                label { "Event codes, if not all" input type="text" name="codes" value=(asked.text("codes")) placeholder="cartAdd, ibmcartPurchase"; }
                button type="submit" { "How many are these?" }
            }
        }
    }
}

pub(super) async fn replay(of: In<Member>, form: Form) -> Response {
    let id = form.number::<EndpointId>("endpointId");
    let to = match id {
        Some(id) => of.path(&format!("/deliveries?endpointId={id}")),
        None => of.path("/deliveries"),
    };
    if id.is_none() && form.all("event").next().is_none() {
        let said = Said::bad("Choose what is to be sent again.");
        return page::go(of.state(), &to, &said);
    }
    let result = match filter(&form) {
        Ok(filter) => {
            of.hub()
                .replay(&of.actor(), of.scope(), &filter, false)
                .await
        }
        Err(error) => Err(error),
    };
    done(of.state(), &to, result, |report| {
        format!("{} documents are sent again.", report.documents)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_browsers_field_and_full_ones_are_read() {
        let expected: Timestamp = "2026-11-22T05:00:00Z".parse().expect("a time");
        for text in [
            "2026-11-22T05:00",
            "2026-11-22T05:00:00",
            "2026-11-22T05:00:00Z",
            "2026-11-22T06:00:00+01:00",
        ] {
            assert_eq!(instant(text), Ok(Some(expected)), "{text}");
        }
        assert_eq!(instant(""), Ok(None));
        assert!(instant("yesterday").is_err());
    }
}
