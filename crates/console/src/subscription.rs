//! Subscriptions: which events of whom go where; many at once by one form.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::Page;
use hub::subscription::NewSubscription;
use maud::{Markup, html};
use model::event_type::RegistrationType;
use model::{AccountId, Endpoint, EndpointId, EndpointStatus, Role, Subscription, SubscriptionId};

use crate::ConsoleState;
use crate::cookie::Said;
use crate::form::{self, Form};
use crate::home::name;
use crate::page::{self, Place, done, go, nothing};
use crate::problem;
use crate::visitor::{In, Member, Viewer};

/// Subscriptions on one page.
const LIMIT: usize = 100;
/// Endpoints that the form offers.
const ENDPOINTS_MAX: i64 = 500;
/// Subscriptions made by one form.
const PAIRS_MAX: usize = 500;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/subscriptions", get(list))
        .route(
            "/console/{accountId}/subscriptions/new",
            get(new).post(create),
        )
        .route(
            "/console/{accountId}/subscriptions/{subscriptionId}/enable",
            post(enable),
        )
        .route(
            "/console/{accountId}/subscriptions/{subscriptionId}/disable",
            post(disable),
        )
        .route(
            "/console/{accountId}/subscriptions/{subscriptionId}/delete",
            post(delete),
        )
}

type Of = Path<(AccountId, SubscriptionId)>;

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let after = form::query(&uri).number("after").unwrap_or(0);
    let page = Page { after, limit: 101 };
    let mut found = match of.hub().subscriptions(of.scope(), page).await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let next = (found.len() > LIMIT).then(|| found[LIMIT - 1].id);
    found.truncate(LIMIT);
    found.retain(|s| !s.deleted);
    let content = html! {
        div.title {
            h1 { "Subscriptions" }
            @if of.may(Role::Member) { a.button.main href=(of.path("/subscriptions/new")) { "Subscribe" } }
        }
        @if found.is_empty() && after == 0 {
            (nothing("No destination is subscribed to anything.", &html! { p { "A subscription sends one kind of event of one publisher to one destination, from the moment it is made." } }))
        } @else {
            (table(&of, &found))
            @if let Some(next) = next { p.more { a.button href=(of.path(&format!("/subscriptions?after={next}"))) { "More" } } }
        }
    };
    page::inside(&of, Place::Subscriptions, "Subscriptions", &content).into_response()
}

fn table(of: &In<Viewer>, found: &[Subscription]) -> Markup {
    let named = |id: EndpointId| {
        let text = of
            .hub()
            .endpoint(of.scope(), id)
            .map_or_else(|_| format!("endpoint {id}"), |e| name(&e));
        html! { a href=(of.path(&format!("/endpoints/{id}"))) { (text) } }
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Subscriptions" { table {
            thead { tr { th { "Events" } th { "From" } th { "To" } th { "State" } th { span.visually-hidden { "Actions" } } } }
            tbody { @for one in found {
                @let path = |verb: &str| of.path(&format!("/subscriptions/{}/{verb}", one.id));
                tr {
                    td { code { (one.code) } @if let Some(space) = &one.namespace { " in " code { (space) } } }
                    td { (named(one.publisher)) }
                    td { (named(one.destination)) }
                    td { @if one.enabled { span.status.active { "active" } } @else { span.status.disabled { "paused" } } }
                    td.actions { @if of.may(Role::Member) {
                        @if one.enabled { (page::button(&path("disable"), "Pause", "quiet", None)) }
                        @else { (page::button(&path("enable"), "Resume", "quiet", None)) }
                        (page::button(&path("delete"), "End", "quiet danger", Some("End this subscription? What waits for the destination is still delivered; nothing new is.")))
                    } }
                }
            } }
        } }
    }
}

/// What can be subscribed to, and who can be.
struct Offer {
    /// Publisher and code, with the name of both.
    events: BTreeMap<(EndpointId, String), String>,
    destinations: Vec<Endpoint>,
}

async fn offer<R>(of: &In<R>) -> hub::Result<Offer> {
    let page = Page {
        after: 0,
        limit: ENDPOINTS_MAX,
    };
    let mut endpoints = of.hub().endpoints(of.scope(), page).await?;
    endpoints.retain(|e| e.status == EndpointStatus::Active);
    let mut events = BTreeMap::new();
    for endpoint in &endpoints {
        for one in of.hub().event_types(of.scope(), endpoint.id)? {
            if one.registration == RegistrationType::Publish {
                events.insert((endpoint.id, one.code), name(endpoint));
            }
        }
    }
    endpoints.retain(|e| e.definition.event_destination().is_some());
    Ok(Offer {
        events,
        destinations: endpoints,
    })
}

async fn new(of: In<Member>) -> Response {
    let offer = match offer(&of).await {
        Ok(offer) => offer,
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        h1 { "Subscribe" }
        @if offer.events.is_empty() || offer.destinations.is_empty() {
            (nothing("Nothing can be subscribed yet.", &html! { p {
                @if offer.events.is_empty() { "No endpoint has registered an event type that it publishes. " }
                @if offer.destinations.is_empty() { "No active endpoint receives events." }
            } }))
        } @else {
            form.columns method="post" data-summary {
                fieldset {
                    legend { "Events" }
                    @for ((publisher, code), from) in &offer.events {
                        label.choice { input type="checkbox" name="event" value={ (publisher) " " (code) }; span { code { (code) } small { "from " (from) } } }
                    }
                }
                fieldset {
                    legend { "Destinations" }
                    @for one in &offer.destinations {
                        label.choice { input type="checkbox" name="destination" value=(one.id); span { (name(one)) small { (one.definition.provider_name) } } }
                    }
                }
                div.summary {
                    h2 { "Summary" }
                    p data-count { "Choose events and destinations: each destination gets each of the events." }
                    button.main type="submit" { "Subscribe" }
                }
            }
        }
    };
    page::inside(&of, Place::Subscriptions, "Subscribe", &content).into_response()
}

async fn create(of: In<Member>, form: Form) -> Response {
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
        return go(
            of.state(),
            &again,
            &Said::bad("Choose at least one kind of event and one destination."),
        );
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
            match of
                .hub()
                .subscription_create(&of.actor(), of.scope(), new)
                .await
            {
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

async fn enable(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .subscription_enable(&of.actor(), of.scope(), id, true)
        .await;
    done(of.state(), &of.path("/subscriptions"), result, |_| {
        "It is active again, for what is published from now on.".to_owned()
    })
}

async fn disable(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .subscription_enable(&of.actor(), of.scope(), id, false)
        .await;
    done(of.state(), &of.path("/subscriptions"), result, |_| {
        "It is paused: what is published meanwhile is not delivered.".to_owned()
    })
}

async fn delete(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .subscription_delete(&of.actor(), of.scope(), id)
        .await;
    done(of.state(), &of.path("/subscriptions"), result, |()| {
        "The subscription has ended.".to_owned()
    })
}
