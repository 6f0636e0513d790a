//! One endpoint: how it stands, what it is, what it publishes and receives, its keys.

use std::sync::Arc;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use hub::{Key, KeysOf};
use maud::{Markup, html};
use model::event_type::RegistrationType;
use model::{Endpoint, EndpointStatus, Environment, EventType, Role, Subscription, catalog};

use super::{Of, roles, status};
use crate::home::{grouped, name, trend};
use crate::live;
use crate::page::{self, Place};
use crate::problem;
use crate::time;
use crate::visitor::{In, Viewer};

/// Subscriptions shown; the rest stands in their list.
const SUBSCRIPTIONS_MAX: usize = 50;

struct Seen {
    endpoint: Endpoint,
    failure: Option<String>,
    event_types: Vec<EventType>,
    subscriptions: Vec<Arc<Subscription>>,
    keys: Vec<Key>,
}

async fn look(of: &In<Viewer>, id: model::EndpointId) -> hub::Result<Seen> {
    let (hub, scope) = (of.hub(), of.scope());
    let endpoint = hub.endpoint(scope, id)?;
    let registry = hub.registry();
    let subscriptions =
        registry.subscriptions_where(|s| !s.deleted && (s.publisher == id || s.destination == id));
    Ok(Seen {
        failure: hub.endpoint_failure(scope, id).await?,
        event_types: hub.event_types(scope, id).unwrap_or_default(),
        subscriptions,
        keys: hub.keys(scope, KeysOf::Endpoint(id)).await?,
        endpoint,
    })
}

pub(super) async fn page(of: In<Viewer>, Path((_, id)): Of) -> Response {
    let seen = match look(&of, id).await {
        Ok(seen) => seen,
        Err(error) => return problem::of(of.state(), &error),
    };
    let endpoint = &seen.endpoint;
    let title = name(endpoint);
    let content = html! {
        div.title { h1 { (title) } (status(endpoint)) @if of.may(Role::Member) { (actions(&of, endpoint)) } }
        @if let Some(why) = &endpoint.disabled_reason { p.warning { "The exchange disabled it: " (why) } }
        @if let Some(why) = &seen.failure { p.warning { "Its provider could not set it up: " (why) } }
        @if endpoint.status == EndpointStatus::Pending {
            p.warning { "Its provider has not registered it yet: the product calls " code { "PUT /v1/endpoint" } " with its key. If the key is lost, make a new one below." }
        }
        @let now = of.path(&format!("/endpoints/{id}/now"));
        div data-live=(now) { (standing(&of, endpoint)) }
        (test(&of, endpoint))
        (definition(endpoint))
        (event_types(&of, &seen))
        (keys(&of, &seen))
    };
    page::inside(&of, Place::Endpoints, &title, &content).into_response()
}

fn actions(of: &In<Viewer>, endpoint: &Endpoint) -> Markup {
    let path = |verb: &str| of.path(&format!("/endpoints/{}/{verb}", endpoint.id));
    html! {
        div.actions {
            @if endpoint.enabled { (page::button(&path("disable"), "Disable", "", None)) }
            @else { (page::button(&path("enable"), "Enable", "main", None)) }
            a.button.danger href=(path("delete")) { "Delete…" }
        }
    }
}

/// How it stands, for whoever follows it.
pub(super) async fn now(of: In<Viewer>, Path((_, id)): Of) -> Response {
    match of.hub().endpoint(of.scope(), id) {
        Ok(endpoint) => live::part(standing(&of, &endpoint)),
        Err(error) => problem::of(of.state(), &error),
    }
}

fn standing(of: &In<Viewer>, endpoint: &Endpoint) -> Markup {
    let Some(standing) = of.hub().standing(endpoint.id) else {
        return html! {};
    };
    let traffic = of.hub().traffic(of.scope(), Some(endpoint.id));
    html! {
        dl.figures {
            div { dt { "Delivered" } dd { strong { (grouped(standing.delivered)) } span { "since the exchange started" } } }
            div { dt { "Waiting" } dd { strong { (grouped(standing.waiting)) } } }
            div.bad[standing.retrying > 0] { dt { "Retrying" } dd { strong { (grouped(standing.retrying)) } } }
            div { dt { "Behind by" } dd { strong { (standing.lag.map_or_else(|| "–".to_owned(), time::length)) } } }
            div.bad[!standing.circuit_closed] { dt { "Reached" } dd { strong { (if standing.circuit_closed { "yes" } else { "no" }) }
                @if !standing.circuit_closed { span { "it fails so often that it is only tried now and then" } } } }
        }
        h2 { "The last hour" }
        (trend::draw(&traffic, &trend::OF_DESTINATION))
        p { a href=(of.path(&format!("/deliveries?endpointId={}", endpoint.id))) { "Deliveries in trouble" } }
    }
}

/// In pilot, where nobody is misled by a made-up event.
fn test(of: &In<Viewer>, endpoint: &Endpoint) -> Markup {
    let is_destination = endpoint.definition.event_destination().is_some();
    let is_pilot = of.account.environment == Environment::Pilot;
    if !is_pilot || !is_destination || !of.may(Role::Member) {
        return html! {};
    }
    html! {
        section {
            h2 { "Try it" }
            p { "The exchange's own publisher sends it a made-up event, which is delivered like any other." }
            form.actions method="post" action=(of.path(&format!("/endpoints/{}/test", endpoint.id))) {
                label { span.visually-hidden { "Event" } select name="code" {
                    @for one in catalog::all() { option value=(one.code) selected[one.code == "cartAdd"] { (one.code) } }
                } }
                button type="submit" { "Send a test event" }
            }
        }
    }
}

fn definition(endpoint: &Endpoint) -> Markup {
    let definition = &endpoint.definition;
    html! {
        section {
            h2 { "What it is" }
            dl.properties {
                dt { "Number" } dd { (endpoint.id) }
                dt { "Does" } dd { (roles(endpoint)) }
                @if !definition.provider_name.is_empty() { dt { "Provider" } dd { (definition.provider_name) } }
                @if let Some(text) = &definition.description { dt { "Description" } dd { (text) } }
                @if let Some(url) = &definition.url { dt { "URL" } dd { code { (url) } } }
                @if let Some(application) = definition.application_id { dt { "Made from" } dd { "application " (application) } }
                @if let Some(algorithm) = definition.hash_algorithm { dt { "Hashes with" } dd { (format!("{algorithm:?}")) } }
                dt { "Registered" } dd { (time::at(endpoint.created_at)) }
                dt { "Changed" } dd { (time::at(endpoint.updated_at)) }
            }
            @let identifiers: Vec<_> = definition.identifiers().collect();
            @if !identifiers.is_empty() {
                h3 { "Identifiers" }
                div.scroll tabindex="0" role="region" aria-label="Identifiers" { table {
                    thead { tr { th { "Its name" } th { "Type" } th { "Hashed" } } }
                    tbody { @for identifier in identifiers { tr {
                        td { (identifier.name) } td { (identifier.kind) } td { (format!("{:?}", identifier.hash_mode)) }
                    } } }
                } }
            }
        }
    }
}

fn event_types(of: &In<Viewer>, seen: &Seen) -> Markup {
    let id = seen.endpoint.id;
    let publishes = seen
        .event_types
        .iter()
        .filter(|t| t.registration == RegistrationType::Publish);
    let publishes: Vec<_> = publishes.collect();
    html! {
        @if !publishes.is_empty() {
            section {
                h2 { "What it publishes" }
                ul.tags { @for one in publishes { li title=[one.description.as_deref()] { (one.code) @if one.is_custom { " (custom)" } } } }
            }
        }
        section {
            h2 { "Subscriptions" }
            @if seen.subscriptions.is_empty() { p { "None." } }
            @else {
                ul { @for one in seen.subscriptions.iter().take(SUBSCRIPTIONS_MAX) {
                    @let other = if one.publisher == id { one.destination } else { one.publisher };
                    @let other_name = of.hub().endpoint(of.scope(), other).map_or_else(|_| format!("endpoint {other}"), |e| name(&e));
                    li {
                        code { (one.code) }
                        @if one.publisher == id { " goes to " } @else { " comes from " }
                        a href=(of.path(&format!("/endpoints/{other}"))) { (other_name) }
                        @if !one.enabled { " (paused)" }
                    }
                } }
                p { "All: " a href=(of.path(&format!("/subscriptions?from={id}"))) { "from here" } ", " a href=(of.path(&format!("/subscriptions?to={id}"))) { "to here" } "." }
            }
        }
    }
}

fn keys(of: &In<Viewer>, seen: &Seen) -> Markup {
    let now = of.hub().now();
    let good = seen
        .keys
        .iter()
        .filter(|k| k.revoked_at.is_none() && k.expires_at.is_none_or(|end| end > now));
    html! {
        section {
            h2 { "Keys" }
            ul { @for key in good { li {
                code { (key.prefix) "…" } " " (key.level.as_str()) ", made " (time::at(key.created_at))
                @if let Some(end) = key.expires_at { ", ends " (time::at(end)) }
            } } }
            @if of.may(Role::Admin) {
                (page::button(&of.path(&format!("/endpoints/{}/key", seen.endpoint.id)), "Make a new key", "", None))
            }
        }
    }
}
