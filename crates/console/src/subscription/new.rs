//! The dialog that subscribes: events, destinations, and what will be made; many to many in one go.
//!
//! What is offered is bounded; a search in the address narrows it down, so that it can be used with thousands and be linked
//! to. The script adds a search inside each column, a box for all that are shown, and a summary that follows.

use std::collections::BTreeMap;

use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hub::subscription::NewSubscription;
use maud::{Markup, html};
use model::event_type::RegistrationType;
use model::{Endpoint, EndpointId, EndpointStatus};

use crate::cookie::Said;
use crate::form::Form;
use crate::home::name;
use crate::list::Asked;
use crate::page::{self, Place, go, nothing};
use crate::problem;
use crate::visitor::{In, Member};

/// Events, and destinations, that one form offers.
const OFFERED_MAX: usize = 300;
/// Subscriptions made by one form.
const PAIRS_MAX: usize = 500;

/// What can be subscribed to, and who can be.
struct Offer {
    /// Publisher and code, with the name of both.
    events: BTreeMap<(EndpointId, String), String>,
    destinations: Vec<Endpoint>,
    /// There is more than is offered.
    is_cut: bool,
}

fn offer(of: &In<Member>, asked: &Asked) -> Offer {
    let registry = of.hub().registry();
    let account = of.account.id;
    let wanted = |name: &str| asked.text(name).to_lowercase();
    let (wanted_events, wanted_to) = (wanted("q"), wanted("to"));
    let is_active = |e: &Endpoint| e.status == EndpointStatus::Active;
    let publishers = registry.endpoints_where(account, |entry| {
        is_active(&entry.endpoint) && entry.registered(RegistrationType::Publish).next().is_some()
    });
    let mut events = BTreeMap::new();
    let mut is_cut = false;
    for entry in &publishers {
        let from = name(&entry.endpoint);
        for one in entry.registered(RegistrationType::Publish) {
            let texts = [&one.code, &one.name, &from];
            if !has(&texts, &wanted_events) {
                continue;
            }
            is_cut |= events.len() >= OFFERED_MAX;
            if !is_cut {
                events.insert((entry.endpoint.id, one.code.clone()), from.clone());
            }
        }
    }
    let found = registry.endpoints_where(account, |entry| {
        let e = &entry.endpoint;
        is_active(e)
            && e.definition.event_destination().is_some()
            && has(&[&name(e), &e.definition.provider_name], &wanted_to)
    });
    is_cut |= found.len() > OFFERED_MAX;
    let found = found.iter().take(OFFERED_MAX);
    Offer {
        events,
        destinations: found.map(|entry| entry.endpoint.clone()).collect(),
        is_cut,
    }
}

/// Whether one of the texts has what is searched for; nothing is in all of them.
fn has(texts: &[&String], wanted: &str) -> bool {
    wanted.is_empty()
        || texts
            .iter()
            .any(|text| text.to_lowercase().contains(wanted))
}

pub(super) async fn page(of: In<Member>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let offer = offer(&of, &asked);
    let is_empty = offer.events.is_empty() || offer.destinations.is_empty();
    let content = html! {
        h1 { "Subscribe" }
        @if is_empty && !asked.is_filtered() {
            (nothing("Nothing can be subscribed yet.", &html! { p {
                @if offer.events.is_empty() { "No endpoint has registered an event type that it publishes. " }
                @if offer.destinations.is_empty() { "No active endpoint receives events." }
            } }))
        } @else {
            (asked.search(&[("q", "Event or publisher"), ("to", "Destination")]))
            @if offer.is_cut { p.warning { "There is more than can be shown here: search for what you need." } }
            (form(&offer, &asked))
        }
    };
    page::inside(&of, Place::Subscriptions, "Subscribe", &content).into_response()
}

fn form(offer: &Offer, asked: &Asked) -> Markup {
    let is_only = |count: usize| count == 1 && asked.is_filtered();
    html! {
        form.columns method="post" data-summary {
            fieldset {
                legend { "Events" }
                (tools("events"))
                div.choose {
                    @if offer.events.is_empty() { p { "None fits." } }
                    @for ((publisher, code), from) in &offer.events {
                        label.choice { input type="checkbox" name="event" value={ (publisher) " " (code) } checked[is_only(offer.events.len())]; span { code { (code) } small { "from " (from) } } }
                    }
                }
            }
            fieldset {
                legend { "Destinations" }
                (tools("destinations"))
                div.choose {
                    @if offer.destinations.is_empty() { p { "None fits." } }
                    @for one in &offer.destinations {
                        label.choice { input type="checkbox" name="destination" value=(one.id) checked[is_only(offer.destinations.len())]; span { (name(one)) small { (one.definition.provider_name) } } }
                    }
                }
            }
            div.summary {
                h2 { "Summary" }
                p data-count aria-live="polite" { "Choose events and destinations: each destination gets each of the events." }
                ul data-pairs hidden {}
                button.main type="submit" { "Subscribe" }
            }
        }
    }
}

/// Shown by the script: a search in the column, and a box for all that are shown.
fn tools(what: &str) -> Markup {
    html! {
        div.tools data-tools hidden {
            input type="search" aria-label={ "Search among these " (what) } placeholder="Search";
            label.choice { input type="checkbox"; span { "All shown" } }
        }
    }
}

pub(super) async fn create(of: In<Member>, form: Form) -> Response {
    let events = form.all("event").filter_map(|text| {
        let (publisher, code) = text.split_once(' ')?;
        Some((publisher.parse::<EndpointId>().ok()?, code.to_owned()))
    });
    let events: Vec<_> = events.collect();
    let destinations: Vec<EndpointId> = form
        .all("destination")
        .filter_map(|text| text.parse().ok())
        .collect();
    let again = of.path("/subscriptions/new");
    let count = events.len() * destinations.len();
    if count == 0 {
        let said = Said::bad("Choose at least one kind of event and one destination.");
        return go(of.state(), &again, &said);
    }
    if count > PAIRS_MAX {
        let why =
            format!("That would be {count} subscriptions; {PAIRS_MAX} at most are made at once.");
        return go(of.state(), &again, &Said::bad(why));
    }
    let (mut made, mut known) = (0, 0);
    for (publisher, code) in &events {
        for destination in &destinations {
            let new = NewSubscription {
                publisher: *publisher,
                code: code.clone(),
                namespace: None,
                destination: *destination,
            };
            let created = of
                .hub()
                .subscription_create(&of.actor(), of.scope(), new)
                .await;
            match created {
                Ok(_) => made += 1,
                Err(hub::Error::Conflict(_)) => known += 1,
                Err(error) => {
                    let why = format!("{} Made before that: {made}.", problem::sentence(&error));
                    return go(of.state(), &again, &Said::bad(why));
                }
            }
        }
    }
    let mut text =
        format!("{made} subscriptions made: what is published from now on is delivered.");
    if known > 0 {
        text = format!("{text} {known} were there already.");
    }
    go(of.state(), &of.path("/subscriptions"), &Said::good(text))
}
