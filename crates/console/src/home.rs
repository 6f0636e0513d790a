//! The first page of an account: what flows, and what needs somebody.

mod attention;
mod picture;
pub(crate) mod trend;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use hub::Page;
use hub::delivery::DEAD_COUNTED_MAX;
use hub::flow::Standing;
use hub::registry::EndpointEntry;
use hub::traffic::{Rates, Traffic};
use maud::{Markup, html};
use model::{Endpoint, EndpointId, EndpointStatus, Role, Subscription};

use crate::live;
use crate::page::{self, Place, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Viewer};

/// Subscriptions along which nothing flows just now that are drawn all the same.
const IDLE_MAX: usize = 500;
/// Notices read, to find the latest.
const NOTICES_READ_MAX: i64 = 500;
/// Notices shown.
const NOTICES_MAX: usize = 3;

/// What the first page is made of.
struct Seen {
    has_endpoints: bool,
    subscriptions: Vec<Arc<Subscription>>,
    rates: Rates,
    /// There are more subscriptions, along which nothing flows just now.
    is_cut: bool,
    traffic: Traffic,
    standings: BTreeMap<EndpointId, Standing>,
    /// Dead letters by destination.
    dead: BTreeMap<EndpointId, u64>,
    /// Endpoints that are not as they should be.
    troubled: Vec<Arc<EndpointEntry>>,
    /// Publisher and code of what is published otherwise than declared, and how many attributes that are.
    drift: Vec<(EndpointId, String, usize)>,
    notices: Vec<hub::Notice>,
    /// Of whom something is shown.
    names: BTreeMap<EndpointId, String>,
    now: jiff::Timestamp,
}

async fn look(of: &In<Viewer>) -> hub::Result<Seen> {
    let (hub, scope) = (of.hub(), of.scope());
    let page = Page {
        after: 0,
        limit: NOTICES_READ_MAX,
    };
    let registry = hub.registry();
    let rates = hub.rates(scope);
    let idle = Cell::new(0);
    let subscriptions = registry.subscriptions_where(|s| {
        let is_mine = s.account == scope.0 && !s.deleted;
        let is_busy = is_mine && rates.events.contains_key(&s.id);
        idle.set(idle.get() + usize::from(is_mine && !is_busy));
        is_busy || (is_mine && idle.get() <= IDLE_MAX)
    });
    let standings = hub.standings_of(scope).into_iter();
    let troubled = registry.endpoints_where(scope.0, |entry| {
        let e = &entry.endpoint;
        let is_stopped = e.status == EndpointStatus::Active && e.disabled_reason.is_some();
        is_stopped || matches!(e.status, EndpointStatus::Failed | EndpointStatus::Pending)
    });
    let dead = hub.dead_letters(scope).await?;
    let mut drift = BTreeMap::<(EndpointId, String), usize>::new();
    for one in hub.schema_drift(scope, None).await? {
        *drift.entry((one.endpoint, one.code)).or_default() += 1;
    }
    let mut notices = hub.notices(scope, page).await?;
    notices.reverse();
    notices.truncate(NOTICES_MAX);
    let mut seen = Seen {
        has_endpoints: registry.has_endpoints(scope.0),
        rates,
        is_cut: idle.get() > IDLE_MAX,
        traffic: hub.traffic(scope, None),
        standings: standings.map(|s| (s.endpoint, s)).collect(),
        dead: dead.into_iter().collect(),
        drift: drift
            .into_iter()
            .map(|((id, code), count)| (id, code, count))
            .collect(),
        subscriptions,
        troubled,
        notices,
        names: BTreeMap::new(),
        now: hub.now(),
    };
    let named: Vec<EndpointId> = seen
        .standings
        .keys()
        .chain(seen.dead.keys())
        .copied()
        .collect();
    let drifted: Vec<EndpointId> = seen.drift.iter().map(|(id, ..)| *id).collect();
    for id in named.into_iter().chain(drifted) {
        let endpoint = registry.endpoint(id);
        let name = endpoint.map_or_else(|| format!("endpoint {id}"), |e| name(&e.endpoint));
        seen.names.insert(id, name);
    }
    Ok(seen)
}

impl Seen {
    fn name(&self, id: EndpointId) -> String {
        self.names
            .get(&id)
            .cloned()
            .unwrap_or_else(|| format!("endpoint {id}"))
    }

    fn is_in_trouble(&self, id: EndpointId) -> bool {
        let is_down = self
            .standings
            .get(&id)
            .is_some_and(|s| !s.circuit_closed || s.retrying > 0);
        is_down || self.dead.contains_key(&id)
    }
}

/// What people call an endpoint; one that has not registered yet has only its number.
pub(crate) fn name(endpoint: &Endpoint) -> String {
    match endpoint.definition.name.as_str() {
        "" => format!("endpoint {}", endpoint.id),
        name => name.to_owned(),
    }
}

pub(crate) async fn page(of: In<Viewer>) -> Response {
    let seen = match look(&of).await {
        Ok(seen) => seen,
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        h1 { "What flows" }
        @if !seen.has_endpoints {
            (first_steps(&of))
        } @else {
            div data-live=(of.path("/flow")) { (flowing(&of, &seen)) }
        }
    };
    page::inside(&of, Place::Home, "Home", &content).into_response()
}

/// Subscriptions drawn, with what flows along them.
pub(crate) async fn paths(
    of: &In<Viewer>,
    keep: impl Fn(&Subscription) -> bool,
) -> hub::Result<Markup> {
    let mut seen = look(of).await?;
    seen.subscriptions.retain(|subscription| keep(subscription));
    Ok(picture::draw(of, &seen))
}

/// The part of the first page that changes by itself.
pub(crate) async fn flow(of: In<Viewer>) -> Response {
    match look(&of).await {
        Ok(seen) => live::part(flowing(&of, &seen)),
        Err(error) => problem::of(of.state(), &error),
    }
}

fn flowing(of: &In<Viewer>, seen: &Seen) -> Markup {
    let sum = |each: fn(&Standing) -> u64| seen.standings.values().map(each).sum::<u64>();
    let lag = seen.standings.values().filter_map(|s| s.lag).max();
    let dead: u64 = seen.dead.values().sum();
    html! {
        dl.figures {
            (figure("Delivered", &grouped(sum(|s| s.delivered)), "since the exchange started", false))
            (figure("Waiting", &grouped(sum(|s| s.waiting)), "to be sent for the first time", false))
            (figure("Retrying", &grouped(sum(|s| s.retrying)), "tried, and to be tried again", sum(|s| s.retrying) > 0))
            (figure("Dead letters", &dead_count(dead), "not tried any more", dead > 0))
            (figure("Behind by", &lag.map_or_else(|| "–".to_owned(), time::length), "the oldest that waits", false))
        }
        (trend::draw(&seen.traffic, &trend::OF_ACCOUNT))
        div.beside {
            section {
                h2 { "From whom to whom" }
                @if seen.subscriptions.is_empty() {
                    (nothing("Nothing is subscribed to yet, so nothing is delivered.", &html! { a.button href=(of.path("/subscriptions/new")) { "Subscribe a destination to events" } }))
                } @else {
                    (picture::draw(of, seen))
                }
            }
            (attention::draw(of, seen))
        }
    }
}

fn dead_count(dead: u64) -> String {
    if dead >= DEAD_COUNTED_MAX.unsigned_abs() {
        format!("{dead} or more")
    } else {
        grouped(dead)
    }
}

fn figure(name: &str, value: &str, note: &str, is_bad: bool) -> Markup {
    html! { div.bad[is_bad] { dt { (name) } dd { strong { (value) } span { (note) } } } }
}

/// Thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn first_steps(of: &In<Viewer>) -> Markup {
    html! {
        div.nothing {
            p { "This account has no endpoints yet. Three steps, and events flow:" }
            ol {
                li { "Register an endpoint for each product: one that publishes, one that receives." }
                li { "Give each product its key; it calls " code { "PUT /v1/endpoint" } " with it and becomes ACTIVE." }
                li { "Subscribe the receiver to the publisher's events." }
            }
            @if of.may(Role::Member) { a.button.main href=(of.path("/endpoints/new")) { "Register an endpoint" } }
        }
    }
}
