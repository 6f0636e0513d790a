//! The first page of an account: what flows, and what needs somebody.

mod picture;

use std::collections::BTreeMap;

use axum::response::{Html, IntoResponse, Response};
use hub::flow::Standing;
use hub::{ExceptionState, Page};
use maud::{Markup, html};
use model::{Endpoint, EndpointId, EndpointStatus, Role, Subscription};

use crate::page::{self, Place, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Viewer};

/// Endpoints and subscriptions that the first page looks at.
const SHOWN_MAX: i64 = 500;
/// Dead letters that are counted one by one; more are told as "more than".
const DEAD_MAX: i64 = 100;
/// Notices shown.
const NOTICES_MAX: usize = 3;

/// What the first page is made of.
struct Seen {
    endpoints: BTreeMap<EndpointId, Endpoint>,
    subscriptions: Vec<Subscription>,
    standings: BTreeMap<EndpointId, Standing>,
    /// Dead letters by destination, of the latest [`DEAD_MAX`].
    dead: BTreeMap<EndpointId, u64>,
    notices: Vec<hub::Notice>,
    now: jiff::Timestamp,
}

async fn look(of: &In<Viewer>) -> hub::Result<Seen> {
    let (hub, scope) = (of.hub(), of.scope());
    let page = Page {
        after: 0,
        limit: SHOWN_MAX,
    };
    let endpoints = hub.endpoints(scope, page).await?;
    let subscriptions = hub.subscriptions(scope, page).await?;
    let standings = hub.standings().into_iter().filter(|s| s.account == scope.0);
    let mut dead = BTreeMap::new();
    for (exception, _) in hub
        .exceptions(scope, Some(ExceptionState::Dead), None, (None, DEAD_MAX))
        .await?
    {
        *dead.entry(exception.endpoint).or_default() += 1;
    }
    let mut notices = hub.notices(scope, page).await?;
    notices.reverse();
    notices.truncate(NOTICES_MAX);
    Ok(Seen {
        endpoints: endpoints
            .into_iter()
            .filter(|e| e.status != EndpointStatus::Deleted)
            .map(|e| (e.id, e))
            .collect(),
        subscriptions: subscriptions.into_iter().filter(|s| !s.deleted).collect(),
        standings: standings.map(|s| (s.endpoint, s)).collect(),
        dead,
        notices,
        now: hub.now(),
    })
}

impl Seen {
    fn name(&self, id: EndpointId) -> String {
        self.endpoints
            .get(&id)
            .map_or_else(|| format!("endpoint {id}"), name)
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
        @if seen.endpoints.is_empty() {
            (first_steps(&of))
        } @else {
            div data-live=(of.path("/flow")) { (flowing(&of, &seen)) }
        }
    };
    page::inside(&of, Place::Home, "Home", &content).into_response()
}

/// The part of the first page that changes by itself.
pub(crate) async fn flow(of: In<Viewer>) -> Response {
    match look(&of).await {
        Ok(seen) => Html(flowing(&of, &seen).into_string()).into_response(),
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
        (attention(of, seen))
        section {
            h2 { "From whom to whom" }
            @if seen.subscriptions.is_empty() {
                (nothing("Nothing is subscribed to yet, so nothing is delivered.", &html! { a.button href=(of.path("/subscriptions/new")) { "Subscribe a destination to events" } }))
            } @else {
                (picture::draw(of, seen))
            }
        }
    }
}

fn dead_count(dead: u64) -> String {
    if dead >= DEAD_MAX.unsigned_abs() {
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

/// What somebody should do something about, each with what mends it.
fn attention(of: &In<Viewer>, seen: &Seen) -> Markup {
    let down = seen.standings.values().filter(|s| !s.circuit_closed);
    let pending = seen
        .endpoints
        .values()
        .filter(|e| e.status == EndpointStatus::Pending);
    let failed = seen
        .endpoints
        .values()
        .filter(|e| e.status == EndpointStatus::Failed);
    let disabled = seen
        .endpoints
        .values()
        .filter_map(|e| Some((e, e.disabled_reason.as_deref()?)));
    let mut items: Vec<Markup> = Vec::new();
    items.extend(down.map(|s| html! {
        strong { (seen.name(s.endpoint)) } " does not take anything: it is only tried now and then. "
        a href=(of.path(&format!("/endpoints/{}", s.endpoint))) { "See why" }
    }));
    items.extend(seen.dead.iter().map(|(id, count)| html! {
        strong { (dead_count(*count)) " dead letters" } " at " (seen.name(*id)) ". "
        a href=(of.path(&format!("/deliveries?endpointId={id}&state=dead"))) { "Look at them and send them again" }
    }));
    items.extend(disabled.map(|(e, why)| {
        html! {
            strong { (name(e)) } " was disabled: " (why) ". "
            a href=(of.path(&format!("/endpoints/{}", e.id))) { "Enable it again" }
        }
    }));
    items.extend(failed.map(|e| {
        html! {
            strong { (name(e)) } " could not be set up by its provider. "
            a href=(of.path(&format!("/endpoints/{}", e.id))) { "See it" }
        }
    }));
    items.extend(pending.map(|e| {
        html! {
            strong { "Endpoint " (e.id) } " waits for its provider to register it with its key. "
            a href=(of.path(&format!("/endpoints/{}", e.id))) { "How to go on" }
        }
    }));
    items.extend(
        seen.notices
            .iter()
            .map(|n| html! { (n.message) " " (time::ago(n.created_at, seen.now)) }),
    );
    if items.is_empty() {
        return html! { p.calm { "Nothing needs you." } };
    }
    html! {
        section {
            h2 { "What needs you" }
            ul.attention { @for item in items { li { (item) } } }
        }
    }
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
