//! The list of endpoints: searched, filtered by status and by what they do, sorted. From memory, so that it is as quick
//! with a hundred thousand.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hub::flow::Standing;
use hub::registry::EndpointEntry;
use maud::html;
use model::{Endpoint, EndpointId, EndpointStatus, Role};

use super::{roles, status, status_word};
use crate::home::name;
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, nothing};
use crate::visitor::{In, Viewer};

const STATUSES: [(&str, &str); 5] = [
    ("All", ""),
    ("Active", "active"),
    ("Pending", "pending"),
    ("Failed", "failed"),
    ("Disabled", "disabled"),
];
const ROLES: [(&str, &str); 5] = [
    ("Doing anything", ""),
    ("Publishing events", "publishes events"),
    ("Receiving events", "receives events"),
    ("Providing audiences", "provides audiences"),
    ("Receiving audiences", "receives audiences"),
];

type Entry = Arc<EndpointEntry>;

pub(super) async fn page(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let mut all = of
        .hub()
        .registry()
        .endpoints_where(of.account.id, |entry| is_wanted(&asked, &entry.endpoint));
    sort(&of, &mut all, asked.text("sort"));
    let found = list::pages(&asked, all);
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("endpoints", &columns, &found);
    }
    let content = html! {
        div.title {
            h1 { "Endpoints" }
            @if of.may(Role::Member) { a.button.main href=(of.path("/endpoints/new")) { "Register an endpoint" } }
        }
        (asked.search(&[("q", "Name, provider or number")]))
        (asked.tabs("Status", "status", &STATUSES))
        (asked.tabs("Role", "role", &ROLES))
        @if !found.rows.is_empty() {
            (list::table(&asked, "Endpoints", &columns, &found))
        } @else if asked.is_filtered() {
            (nothing("No endpoint fits.", &html! { a href=(of.path("/endpoints")) { "Show all" } }))
        } @else {
            (nothing("Nothing is connected yet.", &html! { p { "An endpoint is one product, connected to this account: a shop that publishes, a mailer that receives." } }))
        }
    };
    page::inside(&of, Place::Endpoints, "Endpoints", &content).into_response()
}

fn is_wanted(asked: &Asked, endpoint: &Endpoint) -> bool {
    let (wanted, role) = (asked.text("q"), asked.text("role"));
    endpoint.status != EndpointStatus::Deleted
        && ["", status_word(endpoint)].contains(&asked.text("status"))
        && (role.is_empty() || roles(endpoint).split(", ").any(|one| one == role))
        && (wanted.is_empty() || is_called(endpoint, &wanted.to_lowercase()))
}

fn is_called(endpoint: &Endpoint, wanted: &str) -> bool {
    let texts = [
        name(endpoint),
        endpoint.definition.provider_name.clone(),
        endpoint.id.to_string(),
    ];
    let has = |text: &String| text.to_lowercase().contains(wanted);
    texts.iter().any(has)
}

/// What waits for one, or is tried again.
fn waiting(standing: &Standing) -> u64 {
    standing.waiting + standing.retrying
}

fn sort(of: &In<Viewer>, all: &mut [Entry], by: &str) {
    let (key, is_reversed) = by.strip_prefix('-').map_or((by, false), |key| (key, true));
    match key {
        "name" => all.sort_by_cached_key(|e| name(&e.endpoint).to_lowercase()),
        "status" => all.sort_by_key(|e| status_word(&e.endpoint)),
        "provider" => {
            all.sort_by_cached_key(|e| e.endpoint.definition.provider_name.to_lowercase());
        }
        "waiting" => {
            let standings = of.hub().standings_of(of.scope());
            let by_id = standings.iter().map(|s| (s.endpoint, waiting(s)));
            let by_id: HashMap<EndpointId, u64> = by_id.collect();
            all.sort_by_key(|e| by_id.get(&e.endpoint.id).copied().unwrap_or(0));
        }
        // They come by number, which is by age.
        _ => {}
    }
    if is_reversed {
        all.reverse();
    }
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, Entry>> {
    vec![
        list::linked(
            "Name",
            |e: &Entry| of.path(&format!("/endpoints/{}", e.endpoint.id)),
            |e| name(&e.endpoint),
        )
        .sorted_by("name"),
        list::in_file("Number", |e: &Entry| e.endpoint.id.to_string()),
        list::column(
            "Status",
            |e: &Entry| status(&e.endpoint),
            |e| status_word(&e.endpoint).to_owned(),
        )
        .sorted_by("status"),
        list::text("Role", |e: &Entry| roles(&e.endpoint)),
        list::text("Provider", |e: &Entry| {
            e.endpoint.definition.provider_name.clone()
        })
        .sorted_by("provider"),
        list::number("Waiting", |e: &Entry| {
            let standing = of.hub().standing(e.endpoint.id);
            standing.as_ref().map_or(0, waiting)
        })
        .sorted_by("waiting"),
        list::instant("Since", |e: &Entry| Some(e.endpoint.created_at)).sorted_by("since"),
    ]
}
