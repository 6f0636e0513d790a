//! Published events: the latest, and the journey of one to each destination.

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::delivery::{Delivery, DeliveryState, ReplayFilter};
use maud::{Markup, html};
use model::{AccountId, EndpointId, EventRef, Role};

use crate::ConsoleState;
use crate::cookie::Said;
use crate::delivery;
use crate::form;
use crate::home::name;
use crate::page::{self, Place, done, go, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member, Viewer};

/// Events on one page.
const LIMIT: usize = 50;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/events", get(list))
        .route("/console/{accountId}/events/{eventId}", get(one))
        .route("/console/{accountId}/events/{eventId}/replay", post(replay))
}

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let query = form::query(&uri);
    let wanted = query.text("id");
    if !wanted.is_empty() {
        let said = match wanted.parse::<EventRef>() {
            Ok(id) => return go_to(&of, id),
            Err(error) => Said::bad(error.to_string()),
        };
        return go(of.state(), &of.path("/events"), &said);
    }
    let before = query.text("before").parse::<EventRef>().ok();
    let latest = match of.hub().events_latest(of.scope(), before, LIMIT).await {
        Ok(latest) => latest,
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        h1 { "Events" }
        form.search role="search" method="get" {
            label { span.visually-hidden { "Find an event by its id" } input type="search" name="id" placeholder="Publication or event id"; }
            button type="submit" { "Find" }
        }
        @if latest.events.is_empty() {
            (nothing("Nothing has been published lately.", &html! { p { "A publisher sends its first event with " code { "POST /v1/event" } "." } }))
        } @else {
            div.scroll tabindex="0" role="region" aria-label="The latest events" { table {
                thead { tr { th { "Published" } th { "Event" } th { "Publisher" } th { "Id" } } }
                tbody { @for event in &latest.events { tr {
                    td { (time::at(event.published_at)) }
                    td { code { (event.code) } }
                    td { (endpoint(&of, event.publisher)) }
                    td { a href=(of.path(&format!("/events/{}", event.id))) { code { (event.id) } } }
                } } }
            } }
            @if let Some(next) = &latest.next { p.more { a.button href=(of.path(&format!("/events?before={next}"))) { "Older" } } }
        }
    };
    page::inside(&of, Place::Events, "Events", &content).into_response()
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
    let endpoint = of.hub().endpoint(of.scope(), id);
    endpoint.map_or_else(|_| format!("endpoint {id}"), |e| name(&e))
}

async fn one(of: In<Viewer>, Path((_, id)): Path<(AccountId, String)>) -> Response {
    let id = match id.parse::<EventRef>() {
        Ok(id) => id,
        Err(error) => return problem::invalid(of.state(), &error.to_string()),
    };
    let event = match of.hub().event(of.scope(), id).await {
        Ok(event) => event,
        Err(error) => return problem::of(of.state(), &error),
    };
    let body = serde_json::from_str::<serde_json::Value>(&event.body)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| event.body.clone());
    let content = html! {
        div.title {
            h1 { "Event " code { (event.code) } }
            @if of.may(Role::Member) && !event.deliveries.is_empty() {
                (page::button(&of.path(&format!("/events/{id}/replay")), "Send it again to all", "", Some("Send this event again to every destination it is for? Receivers know repeats by their webhook-id.")))
            }
        }
        dl.properties {
            dt { "Published" } dd { (time::at(event.published_at)) " by " (endpoint(&of, event.publisher)) }
            dt { "Id" } dd { code { (event.id) } }
            dt { "Delivered as" } dd { code { (event.document) } }
        }
        h2 { "Its journey" }
        @if event.deliveries.is_empty() { p { "No destination was subscribed to it when it was published." } }
        @for delivery in &event.deliveries { (journey(&of, delivery)) }
        h2 { "As it is delivered" }
        pre.code tabindex="0" { (body) }
    };
    page::inside(&of, Place::Events, "Event", &content).into_response()
}

fn journey(of: &In<Viewer>, delivery: &Delivery) -> Markup {
    let word = delivery.state.as_str();
    html! {
        section.journey {
            h3 { (endpoint(of, delivery.endpoint)) " " span class={ "status " (word) } { (word) } }
            @match (&delivery.exception, delivery.state) {
                (Some(exception), _) => { (delivery::attempts(exception)) }
                (None, DeliveryState::Delivered) => { p { "It was taken at the first attempt." } }
                (None, _) => { p { "It has not been tried yet." } }
            }
        }
    }
}

async fn replay(of: In<Member>, Path((_, id)): Path<(AccountId, String)>) -> Response {
    let id = match id.parse::<EventRef>() {
        Ok(id) => id,
        Err(error) => return problem::invalid(of.state(), &error.to_string()),
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
