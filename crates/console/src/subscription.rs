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
use crate::event::{endpoint, named};
use crate::form::Form;
use crate::home::name;
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, done, go, nothing};
use crate::problem;
use crate::visitor::{In, Member, Viewer};

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
    let asked = Asked::of(&uri);
    let found = list::by_id(
        &asked,
        |s: &Subscription| s.id.0,
        |s| !s.deleted && is_wanted(&asked, s),
        |page| of.hub().subscriptions(of.scope(), page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("subscriptions", &columns, &found);
    }
    let content = html! {
        div.title {
            h1 { "Subscriptions" }
            @if of.may(Role::Member) { a.button.main href=(of.path("/subscriptions/new")) { "Subscribe" } }
        }
        (asked.search(&[("code", "Event code"), ("from", "Number of the publisher"), ("to", "Number of the destination")]))
        @if found.rows.is_empty() && asked.is_filtered() {
            (nothing("No subscription fits.", &html! { a href=(of.path("/subscriptions")) { "Show all" } }))
        } @else if found.rows.is_empty() {
            (nothing("No destination is subscribed to anything.", &html! { p { "A subscription sends one kind of event of one publisher to one destination, from the moment it is made." } }))
        } @else {
            (list::table(&asked, "Subscriptions", &columns, &found))
        }
    };
    page::inside(&of, Place::Subscriptions, "Subscriptions", &content).into_response()
}

fn is_wanted(asked: &Asked, one: &Subscription) -> bool {
    let code = asked.text("code").to_lowercase();
    let is = |name: &str, id: EndpointId| {
        asked
            .number(name)
            .is_none_or(|wanted: EndpointId| wanted == id)
    };
    is("from", one.publisher)
        && is("to", one.destination)
        && one.code.to_lowercase().contains(&code)
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, Subscription>> {
    let state = |s: &Subscription| if s.enabled { "active" } else { "paused" };
    vec![
        list::column(
            "Events",
            |s: &Subscription| html! { code { (s.code) } @if let Some(space) = &s.namespace { " in " code { (space) } } },
            |s| s.code.clone(),
        ),
        list::in_file("Namespace", |s: &Subscription| {
            s.namespace.clone().unwrap_or_default()
        }),
        list::column(
            "From",
            |s: &Subscription| endpoint(of, s.publisher),
            |s| named(of, s.publisher),
        ),
        list::column(
            "To",
            |s: &Subscription| endpoint(of, s.destination),
            |s| named(of, s.destination),
        ),
        list::column(
            "State",
            move |s: &Subscription| html! { span class={ "status " (if s.enabled { "active" } else { "disabled" }) } { (state(s)) } },
            move |s| state(s).to_owned(),
        ),
        list::actions(|s| may_do(of, s)),
    ]
}

fn may_do(of: &In<Viewer>, one: &Subscription) -> Markup {
    let path = |verb: &str| of.path(&format!("/subscriptions/{}/{verb}", one.id));
    html! {
        @if of.may(Role::Member) {
            @if one.enabled { (page::button(&path("disable"), "Pause", "quiet", None)) }
            @else { (page::button(&path("enable"), "Resume", "quiet", None)) }
            (page::button(&path("delete"), "End", "quiet danger", Some("End this subscription? What waits for the destination is still delivered; nothing new is.")))
        }
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
