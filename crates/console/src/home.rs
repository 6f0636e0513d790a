//! The first page of an account: what flows, and what needs somebody.

mod attention;
mod picture;
pub(crate) mod trend;
mod ways;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use hub::delivery::DEAD_COUNTED_MAX;
use hub::flow::Standing;
use hub::registry::EndpointEntry;
use hub::traffic::Traffic;
use maud::{Markup, html};
use model::{Endpoint, EndpointId, EndpointStatus, Role, Subscription};

use self::ways::Ways;
use crate::live;
use crate::page::{self, Place, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Viewer};

/// Notices shown.
const NOTICES_MAX: i64 = 3;

/// What the first page is made of.
struct Seen {
    has_endpoints: bool,
    ways: Ways,
    traffic: Traffic,
    standings: Vec<Standing>,
    /// Dead letters by destination.
    dead: BTreeMap<EndpointId, u64>,
    /// Endpoints that are not as they should be.
    troubled: Vec<Arc<EndpointEntry>>,
    /// Attributes published otherwise than declared, by publisher and code.
    drift: BTreeMap<(EndpointId, String), usize>,
    notices: Vec<hub::Notice>,
    now: jiff::Timestamp,
}

/// What is known, as it was saved last: a page that follows by itself does not make the exchange save.
async fn look(of: &In<Viewer>) -> hub::Result<Seen> {
    let (hub, scope) = (of.hub(), of.scope());
    let registry = hub.registry();
    let troubled = registry.endpoints_where(scope.0, |entry| {
        let e = &entry.endpoint;
        let is_stopped = e.status == EndpointStatus::Active && e.disabled_reason.is_some();
        is_stopped || matches!(e.status, EndpointStatus::Failed | EndpointStatus::Pending)
    });
    let mut standings = hub.standings_of(scope);
    standings.sort_unstable_by_key(|standing| standing.endpoint);
    Ok(Seen {
        has_endpoints: registry.has_endpoints(scope.0),
        ways: Ways::of(registry, scope.0, &hub.rates(scope), |_| true),
        traffic: hub.traffic(scope, None),
        standings,
        dead: hub.dead_letters(scope).await?.into_iter().collect(),
        drift: hub.drifting(scope).await?,
        troubled,
        notices: hub.latest_notices(scope, NOTICES_MAX).await?,
        now: hub.now(),
    })
}

/// Destinations that do not take what they should.
fn in_trouble<'a>(
    standings: &'a [Standing],
    dead: impl Iterator<Item = EndpointId> + 'a,
) -> HashSet<EndpointId> {
    let down = standings
        .iter()
        .filter(|s| !s.circuit_closed || s.retrying > 0)
        .map(|s| s.endpoint);
    down.chain(dead).collect()
}

/// What people call an endpoint; one that has not registered yet has only its number.
pub(crate) fn name(endpoint: &Endpoint) -> String {
    match endpoint.definition.name.as_str() {
        "" => format!("endpoint {}", endpoint.id),
        name => name.to_owned(),
    }
}

pub(crate) async fn page(of: In<Viewer>) -> Response {
    // Whoever has just mended something sees that it is.
    let seen = match of.hub().checkpoint().await {
        Ok(_) => look(&of).await,
        Err(error) => Err(error),
    };
    let seen = match seen {
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

/// Subscriptions drawn, with what flows along them; `None` if none is kept. `keep` must not look into the registry.
pub(crate) async fn paths(
    of: &In<Viewer>,
    keep: impl Fn(&Subscription) -> bool,
) -> hub::Result<Option<Markup>> {
    let (hub, scope) = (of.hub(), of.scope());
    let dead = hub.dead_letters(scope).await?;
    let dead = dead.into_iter().map(|(id, _)| id);
    let bad = in_trouble(&hub.standings_of(scope), dead);
    let ways = Ways::of(hub.registry(), scope.0, &hub.rates(scope), keep);
    Ok((!ways.all.is_empty()).then(|| picture::draw(of, &ways, &bad)))
}

/// The part of the first page that changes by itself.
pub(crate) async fn flow(of: In<Viewer>) -> Response {
    match look(&of).await {
        Ok(seen) => live::part(flowing(&of, &seen)),
        Err(error) => problem::of(of.state(), &error),
    }
}

fn flowing(of: &In<Viewer>, seen: &Seen) -> Markup {
    let sum = |each: fn(&Standing) -> u64| seen.standings.iter().map(each).sum::<u64>();
    let lag = seen.standings.iter().filter_map(|s| s.lag).max();
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
                @if seen.ways.all.is_empty() {
                    (nothing("Nothing is subscribed to yet, so nothing is delivered.", &html! { a.button href=(of.path("/subscriptions/new")) { "Subscribe a destination to events" } }))
                } @else {
                    (picture::draw(of, &seen.ways, &in_trouble(&seen.standings, seen.dead.keys().copied())))
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
