//! The first step: which audience, and to whom. Both lists can be searched; what was chosen stays chosen.

use std::collections::BTreeMap;

use hub::{KnownSegment, SegmentFilter, Window};
use maud::{Markup, html};
use model::segment::SegmentRole;
use model::{Endpoint, EndpointId, EndpointStatus};

use super::draft::audience;
use super::stations;
use crate::form::Form;
use crate::home::name;
use crate::page::nothing;
use crate::time;
use crate::visitor::{In, Member};

/// Audiences and endpoints that are offered at once; others are found by searching.
const OFFERED_MAX: usize = 50;

struct Offered {
    audiences: Vec<KnownSegment>,
    destinations: Vec<Endpoint>,
    has_more: (bool, bool),
}

pub(super) async fn page(of: &In<Member>, query: &Form) -> hub::Result<Markup> {
    let offered = offered(of, query).await?;
    let (q, to) = (query.text("q"), query.text("to"));
    let is_searched = !(q.is_empty() && to.is_empty());
    let is_empty = offered.audiences.is_empty() || offered.destinations.is_empty();
    Ok(html! {
        h1 { "Share an audience" }
        (stations(0))
        @if is_empty && !is_searched {
            (nothing("Nothing can be shared yet.", &html! {
                @if offered.audiences.is_empty() { p { "No endpoint has told of an audience. " a href=(of.path("/segments")) { "Ask the endpoints for their audiences" } "." } }
                @if offered.destinations.is_empty() { p { "No active endpoint receives audiences. " a href=(of.path("/endpoints")) { "See the endpoints" } "." } }
            }))
        } @else {
            form.columns method="get" {
                fieldset { legend { "Which audience" }
                    (search("q", "Find an audience by its name", q))
                    (audiences(of, query, &offered))
                }
                fieldset { legend { "To whom" }
                    (search("to", "Find an endpoint by its name", to))
                    (destinations(query, &offered))
                }
                div.summary { h2 { "Next" } p { "Which column becomes which is proposed to you; you can change it." } button.main type="submit" { "Go on" } }
            }
        }
    })
}

/// A search inside the form of the choice: what is chosen is sent along, and need not be there yet.
fn search(field: &str, label: &str, text: &str) -> Markup {
    html! {
        div.search {
            label { span.visually-hidden { (label) } input type="search" name=(field) value=(text) placeholder="Name"; }
            button type="submit" name="find" value="yes" formnovalidate { "Find" }
        }
    }
}

fn audiences(of: &In<Member>, query: &Form, offered: &Offered) -> Markup {
    let mut names: BTreeMap<EndpointId, String> = BTreeMap::new();
    for known in &offered.audiences {
        names.entry(known.endpoint).or_insert_with(|| {
            let endpoint = of.hub().endpoint(of.scope(), known.endpoint);
            endpoint.map_or_else(|_| format!("endpoint {}", known.endpoint), |e| name(&e))
        });
    }
    let now = of.hub().now();
    html! {
        @if offered.audiences.is_empty() { p { "No audience has this in its name or description." } }
        @for known in &offered.audiences {
            @let value = format!("{} {}", known.endpoint, known.segment.id);
            label.choice { input type="radio" name="segment" required checked[value == query.text("segment")] value=(value);
                span { (known.segment.name) small { "of " (names[&known.endpoint]) ", told " (time::ago(known.updated_at, now)) } } }
        }
        @if offered.has_more.0 { p { small { "There are more: search for them." } } }
    }
}

fn destinations(query: &Form, offered: &Offered) -> Markup {
    html! {
        @if offered.destinations.is_empty() { p { "No endpoint that receives audiences has this in its name." } }
        @for endpoint in &offered.destinations {
            label.choice { input type="radio" name="destination" required checked[endpoint.id.to_string() == query.text("destination")] value=(endpoint.id);
                span { (name(endpoint)) small { (endpoint.definition.provider_name) } } }
        }
        @if offered.has_more.1 { p { small { "There are more: search for them." } } }
    }
}

async fn offered(of: &In<Member>, query: &Form) -> hub::Result<Offered> {
    let filter = SegmentFilter {
        role: Some(SegmentRole::Source),
        anywhere: Some(query.text("q").to_owned()).filter(|text| !text.is_empty()),
        ..SegmentFilter::default()
    };
    let window = Window {
        after: 0,
        skip: 0,
        limit: i64::try_from(OFFERED_MAX + 1).unwrap_or(i64::MAX),
    };
    let mut audiences = of.hub().segments(of.scope(), &filter, window).await?;
    let more_audiences = audiences.len() > OFFERED_MAX;
    audiences.truncate(OFFERED_MAX);
    let mut destinations = receivers(of, query.text("to"));
    let more_destinations = destinations.len() > OFFERED_MAX;
    destinations.truncate(OFFERED_MAX);
    // What is chosen is not lost by searching for something else.
    if let Some((endpoint, id)) = audience(query.text("segment")) {
        let is_chosen = |known: &KnownSegment| known.endpoint == endpoint && known.segment.id == id;
        let list = (endpoint, SegmentRole::Source);
        if !audiences.iter().any(is_chosen)
            && let Ok(known) = of.hub().segment(of.scope(), list, &id).await
        {
            audiences.insert(0, known);
        }
    }
    if let Some(id) = query.number::<EndpointId>("destination")
        && !destinations.iter().any(|endpoint| endpoint.id == id)
        && let Ok(endpoint) = of.hub().endpoint(of.scope(), id)
    {
        destinations.insert(0, endpoint);
    }
    Ok(Offered {
        audiences,
        destinations,
        has_more: (more_audiences, more_destinations),
    })
}

/// Endpoints of the account that take audiences now, by name; one more than is offered at most.
fn receivers(of: &In<Member>, wanted: &str) -> Vec<Endpoint> {
    let wanted = wanted.to_lowercase();
    let registry = of.hub().registry();
    let mut found = registry.endpoints_where(of.account.id, |entry| {
        let endpoint = &entry.endpoint;
        let role = endpoint.definition.roles.segment_destination.as_ref();
        endpoint.status == EndpointStatus::Active
            && endpoint.enabled
            && role.is_some_and(|role| role.enabled)
            && name(endpoint).to_lowercase().contains(&wanted)
    });
    found.sort_by_cached_key(|entry| name(&entry.endpoint));
    found.truncate(OFFERED_MAX + 1);
    let found = found.iter().map(|entry| entry.endpoint.clone());
    found.collect()
}
