//! The library of event types: every kind of event that the account's endpoints publish or receive, with its attributes,
//! who publishes it and who gets it; searched by any of these words.

use std::collections::{BTreeMap, HashMap, HashSet};

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};
use model::event_type::RegistrationType;
use model::{EndpointId, EventType, Role, Subscription};

use crate::ConsoleState;
use crate::event::{called, endpoint, named};
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, nothing};
use crate::visitor::{In, Viewer};

/// Names that stand in one cell; more are counted.
const SHOWN_MAX: usize = 5;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new().route("/console/{accountId}/event-types", get(page))
}

/// A kind of event, with all who deal with it.
struct Kind {
    /// As its first publisher registered it, else its first receiver.
    event_type: EventType,
    publishers: Vec<EndpointId>,
    receivers: Vec<EndpointId>,
}

async fn page(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let wanted = asked.text("q").to_lowercase();
    let mut kinds = kinds(&of);
    if !wanted.is_empty() {
        let called = called(&of, &wanted);
        kinds.retain(|kind| is_wanted(kind, &wanted, &called));
    }
    let found = list::pages(&asked, kinds);
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("event-types", &columns, &found);
    }
    let content = html! {
        div.title {
            h1 { "Event types" }
            div.actions {
                a.button href=(of.path("/schema-drift")) { "Published otherwise than declared" }
                @if of.may(Role::Member) { a.button.main href=(of.path("/subscriptions/new")) { "Subscribe" } }
            }
        }
        (asked.search(&[("q", "Code, name, description, attribute or endpoint")]))
        @if !found.rows.is_empty() {
            (list::table(&asked, "Event types", &columns, &found))
        } @else if asked.is_filtered() {
            (nothing("No event type fits.", &html! { a href=(of.path("/event-types")) { "Show all" } }))
        } @else {
            (nothing("No endpoint has registered an event type yet.", &html! { p { "A publisher says with " code { "POST /v1/eventtype" } " what it publishes, before it does." } }))
        }
    };
    page::inside(&of, Place::EventTypes, "Event types", &content).into_response()
}

fn kinds(of: &In<Viewer>) -> Vec<Kind> {
    let registry = of.hub().registry();
    let account = of.account.id;
    let mut kinds = BTreeMap::<(String, String), Kind>::new();
    for registration in [RegistrationType::Publish, RegistrationType::Subscribe] {
        let entries =
            registry.endpoints_where(account, |e| e.registered(registration).next().is_some());
        for entry in entries {
            for event_type in entry.registered(registration) {
                let key = (event_type.code.clone(), event_type.namespace.clone());
                let kind = kinds.entry(key).or_insert_with(|| Kind {
                    event_type: event_type.clone(),
                    publishers: Vec::new(),
                    receivers: Vec::new(),
                });
                if registration == RegistrationType::Publish {
                    kind.publishers.push(entry.endpoint.id);
                }
            }
        }
    }
    let mut kinds: Vec<Kind> = kinds.into_values().collect();
    let mut of_code = HashMap::<String, Vec<usize>>::new();
    for (at, kind) in kinds.iter().enumerate() {
        let code = kind.event_type.code.clone();
        of_code.entry(code).or_default().push(at);
    }
    registry.each_route(account, |_, code, subscriptions| {
        for &at in of_code.get(code).into_iter().flatten() {
            let Kind {
                event_type,
                receivers,
                ..
            } = &mut kinds[at];
            let takes =
                |s: &Subscription| !s.deleted && s.takes(&event_type.code, &event_type.namespace);
            let subscribed = subscriptions.iter().filter(|s| takes(s));
            receivers.extend(subscribed.map(|s| s.destination));
        }
    });
    for kind in &mut kinds {
        kind.receivers.sort_unstable();
        kind.receivers.dedup();
    }
    kinds
}

/// `called` are the endpoints that have the words in their names.
fn is_wanted(kind: &Kind, wanted: &str, called: &HashSet<EndpointId>) -> bool {
    let one = &kind.event_type;
    let texts = [&one.code, &one.name].into_iter().chain(&one.description);
    let attributes = one.attributes.iter().map(|attribute| &attribute.name);
    let mut texts = texts.chain(attributes);
    texts.any(|text| text.to_lowercase().contains(wanted))
        || kind.publishers.iter().any(|id| called.contains(id))
        || kind.receivers.iter().any(|id| called.contains(id))
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, Kind>> {
    let names = |ids: &[EndpointId]| {
        let names = ids.iter().map(|id| named(of, *id));
        names.collect::<Vec<_>>().join(", ")
    };
    vec![
        list::column(
            "Event type",
            |k: &Kind| {
                html! {
                    code { (k.event_type.code) } @if k.event_type.is_custom { " " span.status { "custom" } }
                    br; (k.event_type.name)
                    @if let Some(text) = &k.event_type.description { br; small { (text) } }
                }
            },
            |k| k.event_type.code.clone(),
        ),
        list::in_file("Name", |k: &Kind| k.event_type.name.clone()),
        list::column(
            "Attributes",
            |k: &Kind| attributes(&k.event_type),
            |k| {
                let attributes = k.event_type.attributes.iter();
                attributes
                    .map(|a| format!("{}: {}", a.name, a.kind))
                    .collect::<Vec<_>>()
                    .join(", ")
            },
        ),
        list::column(
            "Published by",
            |k: &Kind| linked(of, &k.publishers),
            move |k| names(&k.publishers),
        ),
        list::column(
            "Received by",
            |k: &Kind| linked(of, &k.receivers),
            move |k| names(&k.receivers),
        ),
        list::actions(|k: &Kind| {
            let code: String =
                form_urlencoded::byte_serialize(k.event_type.code.as_bytes()).collect();
            html! {
                a href=(of.path(&format!("/events?code={code}"))) { "Latest" } " "
                @if of.may(Role::Member) && !k.publishers.is_empty() { a href=(of.path(&format!("/subscriptions/new?q={code}"))) { "Subscribe" } }
            }
        }),
    ]
}

fn attributes(one: &EventType) -> Markup {
    html! {
        @if one.attributes.is_empty() { "–" } @else {
            details { summary { (one.attributes.len()) @if one.attributes.len() == 1 { " attribute" } @else { " attributes" } }
                ul { @for attribute in &one.attributes { li { code { (attribute.name) } " " (attribute.kind) } } }
            }
        }
    }
}

fn linked(of: &In<Viewer>, ids: &[EndpointId]) -> Markup {
    html! {
        @if ids.is_empty() { "nobody" }
        @for (at, id) in ids.iter().take(SHOWN_MAX).enumerate() { @if at > 0 { ", " } (endpoint(of, *id)) }
        @if ids.len() > SHOWN_MAX { " and " (ids.len() - SHOWN_MAX) " more" }
    }
}
