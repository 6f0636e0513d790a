//! Identity filters: what an endpoint keeps out of the graph, and what the graph does not give to it.

use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hub::IdentityFilter;
use maud::{Markup, html};
use model::{AccountId, Role};

use super::places;
use crate::cookie::Said;
use crate::event::{endpoint, named};
use crate::form::Form;
use crate::list::{self, Asked, Column, Rows};
use crate::page::{self, Place, done, go, nothing};
use crate::visitor::{In, Member, Viewer};

/// Names that are suggested.
const NAMES_MAX: usize = 500;

pub(super) async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let after: i64 = asked.after().parse().unwrap_or(0);
    let mut rows = of
        .hub()
        .identity_filters(of.scope(), asked.number("endpointId"), None);
    rows.retain(|filter| filter.id > after);
    let rows_max = if asked.is_csv() {
        list::CSV_ROWS_MAX
    } else {
        list::ROWS
    };
    let has_more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let next = rows
        .last()
        .filter(|_| has_more)
        .map(|last| last.id.to_string());
    let found = Rows { rows, next };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("identity-filters", &columns, &found);
    }
    let content = html! {
        h1 { "Filters" }
        (places(&of, "/filters"))
        p { "A filter is about one identifier of one endpoint: what it publishes under that name is not learnt, or nothing is added under that name to what it gets. What was published is delivered all the same." }
        @if found.rows.is_empty() {
            (nothing("No identifier is filtered.", &html! { p { "Everything that endpoints publish is learnt, and given to those that take it." } }))
        } @else {
            (list::table(&asked, "Identity filters", &columns, &found))
        }
        @if of.may(Role::Member) { (form(&of)) }
    };
    page::inside(&of, Place::Identities, "Identity filters", &content).into_response()
}

fn words(is_kept: bool) -> &'static str {
    if is_kept { "kept out" } else { "–" }
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, IdentityFilter>> {
    let mut columns = vec![
        list::column(
            "Endpoint",
            |filter: &IdentityFilter| endpoint(of, filter.endpoint),
            |filter| named(of, filter.endpoint),
        ),
        list::text("Identifier", |filter: &IdentityFilter| {
            filter.identifier.clone()
        }),
        list::text("What it publishes", |filter: &IdentityFilter| {
            words(filter.publish).to_owned()
        }),
        list::text("What it gets", |filter: &IdentityFilter| {
            words(filter.subscribe).to_owned()
        }),
    ];
    if of.may(Role::Member) {
        columns.push(list::actions(|filter: &IdentityFilter| {
            let path = of.path(&format!("/identities/filters/{}/delete", filter.id));
            page::button(&path, "Remove", "quiet danger", None)
        }));
    }
    columns
}

/// One choice of endpoint and name together: a name is an endpoint's own.
fn form(of: &In<Viewer>) -> Markup {
    let mut names: Vec<(String, String)> = Vec::new();
    let registry = of.hub().registry();
    registry.each_endpoint(of.account.id, |entry| {
        let id = entry.endpoint.id;
        let called = crate::home::name(&entry.endpoint);
        let defined = entry.endpoint.definition.identifiers();
        names.extend(defined.map(|one| {
            (
                format!("{called}: {}", one.name),
                format!("{id} {}", one.name),
            )
        }));
    });
    names.sort_unstable();
    names.dedup();
    html! {
        section.narrow-left {
            h2 { "Filter an identifier" }
            @if names.is_empty() { p { "No endpoint has registered identifiers." } } @else {
                form.stack method="post" action=(of.path("/identities/filters")) {
                    label { "Endpoint and identifier" input type="text" name="of" list="names" required autocomplete="off" aria-describedby="of-help";
                        small #of-help { "the endpoint's number and the name, such as 7 email" } }
                    datalist #names { @for (label, value) in names.iter().take(NAMES_MAX) { option value=(value) { (label) } } }
                    label.choice { input type="checkbox" name="publish" value="yes" checked; span { "What it publishes under this name is not learnt" } }
                    label.choice { input type="checkbox" name="subscribe" value="yes"; span { "Nothing is added under this name to what it gets" } }
                    button.main type="submit" { "Filter it" }
                }
            }
        }
    }
}

pub(super) async fn put(of: In<Member>, form: Form) -> Response {
    let to = of.path("/identities/filters");
    let chosen = form.text("of").split_once(' ');
    let chosen = chosen.and_then(|(id, name)| Some((id.parse().ok()?, name.trim().to_owned())));
    let Some((endpoint, identifier)) = chosen else {
        let why = "Choose an endpoint and one of its identifiers, such as 7 email.";
        return go(of.state(), &to, &Said::bad(why));
    };
    let filter = IdentityFilter {
        id: 0,
        endpoint,
        identifier,
        publish: form.text("publish") == "yes",
        subscribe: form.text("subscribe") == "yes",
    };
    let put = of
        .hub()
        .identity_filter_put(&of.actor(), of.scope(), filter)
        .await;
    done(of.state(), &to, put, |filter| {
        let undo = of.path(&format!("/identities/filters/{}/delete", filter.id));
        Said::good("The filter is in effect with the next event.").undo(&undo, &[])
    })
}

pub(super) async fn delete(of: In<Member>, Path((_, id)): Path<(AccountId, i64)>) -> Response {
    let all = of.hub().identity_filters(of.scope(), None, None);
    let before = all.into_iter().find(|filter| filter.id == id);
    let result = of
        .hub()
        .identity_filter_delete(&of.actor(), of.scope(), id)
        .await;
    let to = of.path("/identities/filters");
    done(of.state(), &to, result, |()| {
        let said = Said::good("The filter is gone.");
        let Some(before) = before else { return said };
        let named = format!("{} {}", before.endpoint, before.identifier);
        let yes = |is: bool| if is { "yes" } else { "" };
        let (publish, subscribe) = (yes(before.publish), yes(before.subscribe));
        let fields = [
            ("of", named.as_str()),
            ("publish", publish),
            ("subscribe", subscribe),
        ];
        said.undo(&to, &fields)
    })
}
