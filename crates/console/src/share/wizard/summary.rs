//! The third step: what would be shared, in full, before it is. Also the estimate of how many would match.

use maud::{Markup, html};
use model::account::Identity;
use model::share::{DataWindow, Guard, Plan, Schedule};
use model::{Endpoint, EndpointId};

use super::{mapping, stations};
use crate::event::endpoint;
use crate::form::Form;
use crate::home::name;
use crate::share::when;
use crate::visitor::{In, Member};

pub(super) async fn page(
    of: &In<Member>,
    form: &Form,
    plan: &Plan,
    schedule: &Schedule,
) -> hub::Result<Markup> {
    let destination = of.hub().endpoint(of.scope(), plan.destination)?;
    let into = &plan.destination_segment;
    let verb = match schedule {
        Schedule::Now => "Share it now",
        _ => "Share it as scheduled",
    };
    Ok(html! {
        h1 { "Share " (into.name) " with " (name(&destination)) "?" }
        (stations(2))
        dl.properties {
            dt { "From" } dd { (endpoint(of, plan.source)) ", audience " code { (plan.segment) } }
            dt { "To" } dd { (endpoint(of, plan.destination)) ", "
                @if let Some(id) = &into.id { "its audience " (into.name) " (" code { (id) } ")" } @else { "a new audience " strong { (into.name) } } }
            dt { "Does" } dd { (plan.action.as_str()) ": " (mapping::meaning(plan.action))
                @if plan.incremental { "; later runs hand over only who came and who went" } }
            dt { "People are known by" } dd { (plan.identifier.source) ", there " (plan.identifier.destination) }
            dt { "When" } dd { (when::told(schedule, of.hub().now())) }
            dt { "Which members" } dd { (window(plan.window)) }
            dt { "Stops and asks" } dd { (asks(plan.guard)) }
            @if plan.upload_identities { dt { "Identities" } dd { "are learnt: identifiers of one row are one person" } }
        }
        h2 { "How many would match" }
        (estimate(of, plan.source, &destination).await?)
        h2 { "Which column becomes which" }
        (columns(plan))
        form.stack method="post" action=(of.path("/shares/new")) {
            @for (field, value) in form.fields() { input type="hidden" name=(field) value=(value); }
            div.actions {
                button.main type="submit" { (verb) }
                button type="submit" formaction=(of.path("/shares/new/mapping")) { "Change something" }
            }
        }
    })
}

pub(in crate::share) fn columns(plan: &Plan) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Columns" { table {
            thead { tr { th scope="col" { "Of the source" } th scope="col" { "At the destination" } } }
            tbody {
                tr { td { (plan.identifier.source) } td { (plan.identifier.destination) " (who it is)" } }
                @for (source, destination) in &plan.attributes { tr { td { (source) } td { (destination) } } }
            }
        } }
    }
}

pub(in crate::share) fn window(window: Option<DataWindow>) -> String {
    match window {
        None => "all that the source can give".to_owned(),
        Some(DataWindow::Days { days: 1 }) => "those of the day of the run".to_owned(),
        Some(DataWindow::Days { days }) => format!("those of the last {days} days"),
        Some(DataWindow::Dates { from, to }) => format!("those of {from} to {to}"),
    }
}

pub(in crate::share) fn asks(guard: Guard) -> String {
    let empty = if guard.empty {
        "when nobody would be left"
    } else {
        "never when nobody would be left"
    };
    match guard.shrink_percent_max {
        Some(percent) => {
            format!("{empty}, and when there are more than {percent} % fewer than the last time")
        }
        None => empty.to_owned(),
    }
}

/// How many of the source's people the destination would know.
pub(super) async fn estimate(
    of: &In<Member>,
    source: EndpointId,
    destination: &Endpoint,
) -> hub::Result<Markup> {
    let estimate = of
        .hub()
        .identity_estimate(of.scope(), source, destination.id)
        .await?;
    let to = name(destination);
    Ok(html! {
        p { @if estimate.direct.is_empty() {
            "They have no type of identifier in common: people meet through what the exchange knows of them."
        } @else {
            "Both know people by " (estimate.direct.join(", ")) ": these meet directly."
        } }
        @match estimate.match_percent {
            Some(percent) => p.estimate {
                progress max="100" value=(percent) aria-label="Estimated match" {}
                " About " strong { (percent) " %" } " of the people who are known here by an identifier of the source are known by one that " (to) " takes."
            },
            None if of.account.policy.identity == Identity::Off => p { "This account keeps no identities, so nothing more can be said." },
            None => p { "Too few people are known here yet for an estimate." },
        }
    })
}
