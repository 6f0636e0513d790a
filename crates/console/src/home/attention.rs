//! What somebody should do something about, each with what mends it: a button where that is one verb, a link where
//! people must look first.

use maud::{Markup, html};
use model::{Endpoint, EndpointStatus, Role};

use super::{Seen, dead_count, name};
use crate::event::named;
use crate::page::button;
use crate::time;
use crate::visitor::{In, Viewer};

/// Items of one kind that are shown one by one.
const OF_KIND_MAX: usize = 10;

struct Item {
    /// Who it is, while the page follows.
    key: String,
    is_bad: bool,
    what: Markup,
    mends: Markup,
}

pub(super) fn draw(of: &In<Viewer>, seen: &Seen) -> Markup {
    let items = items(of, seen);
    html! {
        div {
            h2 #attention { "What needs you" @if !items.is_empty() { " (" (items.len()) ")" } }
            div.attention-scroll tabindex="0" role="region" aria-labelledby="attention" {
                @if items.is_empty() { p.calm { "Nothing: all is well." } }
                ul.attention { @for item in items {
                    li.bad[item.is_bad] data-key=(item.key) { p { (item.what) } div.actions { (item.mends) } }
                } }
            }
        }
    }
}

fn items(of: &In<Viewer>, seen: &Seen) -> Vec<Item> {
    let may = of.may(Role::Member);
    let path = |rest: String| of.path(&rest);
    let mut items = Vec::new();
    let down = seen.standings.iter().filter(|s| !s.circuit_closed);
    for s in down.take(OF_KIND_MAX) {
        items.push(Item {
            key: format!("down {}", s.endpoint),
            is_bad: true,
            what: html! { strong { (named(of, s.endpoint)) } " does not take anything: it is only tried now and then. " (super::grouped(s.waiting + s.retrying)) " documents wait." },
            mends: html! {
                @if may { (button(&path(format!("/endpoints/{}/retry", s.endpoint)), "Try again now", "", None)) }
                a href=(path(format!("/deliveries?state=retrying&endpointId={}", s.endpoint))) { "See its answers" }
            },
        });
    }
    for (id, count) in seen.dead.iter().take(OF_KIND_MAX) {
        let words = dead_count(*count);
        items.push(Item {
            key: format!("dead {id}"),
            is_bad: true,
            what: html! { strong { (words) " dead letters" } " at " (named(of, *id)) ": they are not tried any more." },
            mends: html! {
                @if may { a.button href=(path(format!("/deliveries/preview?endpointId={id}"))) { "Send them again…" } }
                a href=(path(format!("/deliveries?state=dead&endpointId={id}"))) { "See why" }
            },
        });
    }
    for endpoint in seen.troubled.iter().take(OF_KIND_MAX) {
        items.extend(of_endpoint(of, &endpoint.endpoint, may));
    }
    for ((id, code), count) in seen.drift.iter().take(OF_KIND_MAX) {
        items.push(Item {
            key: format!("drift {id} {code}"),
            is_bad: false,
            what: html! { strong { (named(of, *id)) } " publishes " code { (code) } " with " (count) @if *count == 1 { " attribute" } @else { " attributes" } " other than declared." },
            mends: html! {
                @if may {
                    form.inline method="post" action=(of.path("/schema-drift/declare")) {
                        input type="hidden" name="endpointId" value=(id);
                        input type="hidden" name="code" value=(code);
                        button type="submit" { "Declare them" }
                    }
                }
                a href=(path(format!("/schema-drift?endpointId={id}"))) { "See which" }
            },
        });
    }
    items.extend(seen.notices.iter().map(|notice| Item {
        key: format!("notice {}", notice.id),
        is_bad: false,
        what: html! { (notice.message) " " (time::ago(notice.created_at, seen.now)) },
        mends: html! { @if let Some(id) = notice.endpoint { a href=(path(format!("/endpoints/{id}"))) { "See the endpoint" } } },
    }));
    items
}

fn of_endpoint(of: &In<Viewer>, e: &Endpoint, may: bool) -> Option<Item> {
    let here = of.path(&format!("/endpoints/{}", e.id));
    let key = format!("endpoint {}", e.id);
    let (is_bad, what, mends) = match (e.status, &e.disabled_reason) {
        (EndpointStatus::Active, Some(why)) => (
            true,
            html! { strong { (name(e)) } " was disabled: " (why) },
            html! { @if may { (button(&format!("{here}/enable"), "Enable it again", "", None)) } a href=(here) { "See it" } },
        ),
        (EndpointStatus::Failed, _) => (
            true,
            html! { strong { (name(e)) } " could not be set up by its provider." },
            html! { a href=(here) { "See why" } },
        ),
        (EndpointStatus::Pending, _) => (
            false,
            html! { strong { (name(e)) } " waits for its provider to register it with its key." },
            html! { a href=(here) { "How to go on" } },
        ),
        _ => return None,
    };
    Some(Item {
        key,
        is_bad,
        what,
        mends,
    })
}
