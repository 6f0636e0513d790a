//! What one destination is sent for an event: address, headers and body, as they would be at this moment, without the
//! destination's credentials; and what it answered so far.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use maud::html;
use model::{AccountId, EndpointId};

use super::{endpoint, found};
use crate::delivery;
use crate::page::{self, Place};
use crate::problem;
use crate::visitor::{In, Viewer};

pub(super) async fn page(
    of: In<Viewer>,
    Path((_, id, to)): Path<(AccountId, String, EndpointId)>,
) -> Response {
    let event = match found(&of, &id).await {
        Ok(event) => event,
        Err(error) => return problem::of(of.state(), &error),
    };
    let sent = of.hub().delivery_shown(of.scope(), to, event.document);
    let sent = match sent.await {
        Ok(sent) => sent,
        Err(error) => return problem::of(of.state(), &error),
    };
    let delivery = event.deliveries.iter().find(|d| d.endpoint == to);
    let content = html! {
        h1 { "Event " code { (event.code) } " to " (endpoint(&of, to)) }
        p { a href=(of.path(&format!("/events/{}", event.id))) { "The event and its other destinations" } }
        @if let Some(delivery) = delivery {
            h2 { "How it stands " span class={ "status " (delivery.state.as_str()) } { (delivery.state.as_str()) } }
            @if let Some(exception) = &delivery.exception { (delivery::attempts(exception)) }
        } @else { p.warning { "This event is not for this destination." } }
        @if delivery.is_some() { h2 { "What it is sent" } @match sent {
            None => p { "It is not called for this: it is disabled, fetches event files instead, or may not get it." },
            Some(push) => {
                p { "As it would be sent at this moment: what is known of the person, and how the destination wants it, may have changed since. Credentials are hidden." }
                dl.properties { dt { "Call" } dd { code { "POST " (push.url) } }
                    @for (name, value) in &push.headers { dt { (name) } dd { code { (value) } } } }
                h3 { "Body" }
                pre.code tabindex="0" { (super::pretty(&push.body)) }
            }
        } }
    };
    page::inside(&of, Place::Events, "Delivery", &content).into_response()
}
