//! Published events: the latest, and the journey of one to each destination.

mod request;

use std::collections::HashSet;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::delivery::{Delivery, DeliveryState, EventView, ReplayFilter};
use hub::event::{EventFilter, Listed};
use maud::{Markup, html};
use model::{AccountId, Barred, Endpoint, EndpointId, EventRef, Invalid, Role};

use crate::ConsoleState;
use crate::cookie::Said;
use crate::delivery;
use crate::home::name;
use crate::list::{self, Asked, Column, Rows};
use crate::page::{self, Place, done, go, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member, Viewer};

/// Looks into the log for one file: each through a bounded part of it.
const CSV_LOOKS_MAX: usize = 200;
/// Events found by one look.
const LOOK_ROWS_MAX: usize = 1_000;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/events", get(list))
        .route("/console/{accountId}/events/{eventId}", get(one))
        .route(
            "/console/{accountId}/events/{eventId}/to/{endpointId}",
            get(request::page),
        )
        .route("/console/{accountId}/events/{eventId}/replay", post(replay))
}

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let wanted = asked.text("id");
    if !wanted.is_empty() {
        let said = match wanted.parse::<EventRef>() {
            Ok(id) => return go_to(&of, id),
            Err(error) => Said::bad(error.to_string()),
        };
        return go(of.state(), &of.path("/events"), &said);
    }
    let found = match filter(&asked) {
        Ok(filter) => find(&of, &asked, &filter).await,
        Err(why) => return go(of.state(), &of.path("/events"), &Said::bad(why)),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("events", &columns, &found);
    }
    let content = html! {
        h1 { "Events" }
        (search(&asked))
        @if !found.rows.is_empty() {
            (list::table(&asked, "Events, the latest first", &columns, &found))
        } @else if let Some(next) = &found.next {
            (nothing("Nothing that fits in the part that was looked through.", &html! { a.button href=(asked.with("after", next)) { "Look further back" } }))
        } @else if asked.is_filtered() {
            (nothing("No event fits.", &html! { a href=(of.path("/events")) { "Show the latest" } }))
        } @else {
            (nothing("Nothing has been published lately.", &html! { p { "A publisher sends its first event with " code { "POST /v1/event" } "." } }))
        }
    };
    page::inside(&of, Place::Events, "Events", &content).into_response()
}

/// By id one event, by all else those that fit.
fn search(asked: &Asked) -> Markup {
    let field = |name: &str, label: &str, kind: &str| {
        html! { label { (label) input type=(kind) name=(name) value=(asked.text(name)); } }
    };
    html! {
        form.search role="search" method="get" {
            label { span.visually-hidden { "Find an event by its id" } input type="search" name="id" placeholder="Publication or event id"; }
            button type="submit" { "Find" }
        }
        details.filters open[asked.is_filtered()] {
            summary { "Find by code, person, publisher or time" }
            form.fields role="search" aria-label="By code, person, publisher or time" method="get" {
                (field("code", "Event code", "search"))
                (field("identifier", "Identifier of the person, such as an e-mail", "search"))
                (field("publisher", "Number of the publisher", "search"))
                (field("from", "Published since (UTC)", "datetime-local"))
                (field("to", "Published before (UTC)", "datetime-local"))
                button type="submit" { "Find" }
            }
        }
    }
}

/// # Errors
/// What is wrong, for people.
fn filter(asked: &Asked) -> Result<EventFilter, String> {
    let text = |name| Some(asked.text(name).to_owned()).filter(|text| !text.is_empty());
    Ok(EventFilter {
        code: text("code"),
        publisher: asked.number("publisher"),
        identifier: text("identifier"),
        from: delivery::instant(asked.text("from"))?,
        to: delivery::instant(asked.text("to"))?,
    })
}

/// A page is one look through a part of the log; a file is a few.
async fn find(of: &In<Viewer>, asked: &Asked, filter: &EventFilter) -> hub::Result<Rows<Listed>> {
    let mut before = asked.after().parse::<EventRef>().ok();
    let (rows_max, looks) = if asked.is_csv() {
        (list::CSV_ROWS_MAX, CSV_LOOKS_MAX)
    } else {
        (list::ROWS, 1)
    };
    let mut rows = Vec::new();
    for _ in 0..looks {
        let limit = (rows_max - rows.len()).min(LOOK_ROWS_MAX);
        let looked = of.hub().events_found(of.scope(), filter, before, limit);
        let looked = looked.await?;
        rows.extend(looked.events);
        before = looked.next;
        if before.is_none() || rows.len() >= rows_max {
            break;
        }
    }
    let next = before.map(|id| id.to_string());
    Ok(Rows { rows, next })
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, Listed>> {
    vec![
        list::instant("Published", |e: &Listed| Some(e.published_at)),
        list::column(
            "Event",
            |e: &Listed| html! { code { (e.code) } },
            |e| e.code.clone(),
        ),
        list::column(
            "Publisher",
            |e: &Listed| endpoint(of, e.publisher),
            |e| named(of, e.publisher),
        ),
        list::column(
            "Id",
            |e: &Listed| html! { a href=(of.path(&format!("/events/{}", e.id))) { code { (e.id) } } },
            |e| e.id.to_string(),
        ),
    ]
}

fn go_to(of: &In<Viewer>, id: EventRef) -> Response {
    let to = of.path(&format!("/events/{id}"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// A link to an endpoint, by its name.
pub(crate) fn endpoint<R>(of: &In<R>, id: EndpointId) -> Markup {
    html! { a href=(of.path(&format!("/endpoints/{id}"))) { (named(of, id)) } }
}

/// What people call an endpoint of the account.
pub(crate) fn named<R>(of: &In<R>, id: EndpointId) -> String {
    let entry = of.hub().registry().endpoint(id);
    let own = entry.filter(|entry| entry.endpoint.account == of.account.id);
    own.map_or_else(|| format!("endpoint {id}"), |own| name(&own.endpoint))
}

/// Endpoints of the account that have a text in their names.
pub(crate) fn called<R>(of: &In<R>, text: &str) -> HashSet<EndpointId> {
    let text = text.to_lowercase();
    let is_called = |e: &Endpoint| name(e).to_lowercase().contains(&text);
    let registry = of.hub().registry();
    let found = registry.endpoints_where(of.account.id, |entry| is_called(&entry.endpoint));
    found.iter().map(|entry| entry.endpoint.id).collect()
}

/// The event that an address names.
fn id_of(text: &str) -> hub::Result<EventRef> {
    let id = text.parse::<EventRef>();
    id.map_err(|error| Invalid::one("", "id", error.to_string()).into())
}

async fn found(of: &In<Viewer>, id: &str) -> hub::Result<EventView> {
    of.hub().event(of.scope(), id_of(id)?).await
}

async fn one(of: In<Viewer>, Path((_, id)): Path<(AccountId, String)>) -> Response {
    let event = match found(&of, &id).await {
        Ok(event) => event,
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        div.title {
            h1 { "Event " code { (event.code) } }
            @if of.may(Role::Member) && !event.deliveries.is_empty() {
                (page::button(&of.path(&format!("/events/{}/replay", event.id)), "Send it again to all", "", Some("Send this event again to every destination it is for? Receivers know repeats by their webhook-id.")))
            }
        }
        dl.properties {
            dt { "Published" } dd { (time::at(event.published_at)) " by " (endpoint(&of, event.publisher)) }
            dt { "Id" } dd { code { (event.id) } }
            dt { "Delivered as" } dd { code { (event.document) } }
        }
        h2 { "Its journey" }
        @if event.deliveries.is_empty() { p { "No destination was subscribed to it when it was published." } }
        @for delivery in &event.deliveries { (journey(&of, event.id, delivery)) }
        h2 { "As it was published" }
        pre.code tabindex="0" { (pretty(&event.body)) }
    };
    page::inside(&of, Place::Events, "Event", &content).into_response()
}

/// JSON with lines and indents; another text as it is.
fn pretty(text: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(text);
    value
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| text.to_owned())
}

fn journey(of: &In<Viewer>, id: EventRef, delivery: &Delivery) -> Markup {
    let word = delivery.state.as_str();
    html! {
        section.journey {
            h3 { (endpoint(of, delivery.endpoint)) " " span class={ "status " (word) } { (word) } }
            @match (&delivery.exception, delivery.state) {
                (Some(exception), _) => { (delivery::attempts(exception)) }
                (None, DeliveryState::Delivered) => { p { "It was taken at the first attempt." } }
                (None, DeliveryState::Withheld(why)) => { p { "It was not sent: " (withheld(why)) } }
                (None, _) => { p { "It has not been tried yet." } }
            }
            p { a href=(of.path(&format!("/events/{id}/to/{}", delivery.endpoint))) { "What " (delivery.endpoint_name) " is sent" } }
        }
    }
}

/// Why an event was kept from everybody.
fn withheld(why: Barred) -> &'static str {
    match why {
        Barred::Restricted => "a privacy request restricts whom it is about.",
        Barred::Suppressed => "whom it is about is on the suppression list.",
        Barred::Unconsented => "it says itself that its person does not consent to be contacted.",
    }
}

async fn replay(of: In<Member>, Path((_, id)): Path<(AccountId, String)>) -> Response {
    let id = match id_of(&id) {
        Ok(id) => id,
        Err(error) => return problem::of(of.state(), &error),
    };
    let filter = ReplayFilter {
        events: vec![id],
        ..ReplayFilter::default()
    };
    let result = of
        .hub()
        .replay(&of.actor(), of.scope(), &filter, false)
        .await;
    let to = of.path(&format!("/events/{id}"));
    done(of.state(), &to, result, |report| {
        format!(
            "It is sent again, to {} destinations.",
            report.destinations.len()
        )
    })
}
