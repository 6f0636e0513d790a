//! What the guard rails keep apart, and what was undone.

use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hub::identity::ExplainedFact;
use hub::{Identifier, Standing};
use maud::{Markup, html};

use super::{person, places};
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, nothing};
use crate::problem;
use crate::visitor::{In, Member};

pub(super) async fn kept_apart(of: In<Member>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let standing = Standing::parse(asked.text("standing"));
    let standing = standing.filter(|one| *one != Standing::Joined);
    let standing = standing.unwrap_or(Standing::Crowded);
    let found = list::by_id(
        &asked,
        |one: &Identifier| one.id,
        |_| true,
        |page| of.hub().identity_guarded(of.scope(), standing, page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("kept-apart", &columns, &found);
    }
    // The first is what is shown without a choice.
    let tabs = [
        ("Seen with too many", ""),
        ("Stands for nobody", "junk"),
        ("Taken alone", "overgrown"),
    ];
    let (what, none) = match standing {
        Standing::Junk => (
            "Values such as unknown, 0 or noreply@, and those that the account names itself. They are delivered as published, and find nobody.",
            "No such value was seen.",
        ),
        Standing::Overgrown => (
            "What would be one person with more identifiers of one type than a person may have, though none of them was seen with too many: each is taken alone.",
            "Nobody has grown beyond what one person can be.",
        ),
        _ => (
            "A till, a test address, a tablet of a family: seen together with more identifiers of one type than a person may have. Whom it had joined is apart again.",
            "No identifier was seen with too many others.",
        ),
    };
    let content = html! {
        h1 { "Kept apart" }
        (places(&of, "/kept-apart"))
        (asked.tabs("Why", "standing", &tabs))
        p { (what) }
        @if found.rows.is_empty() {
            (nothing(none, &html! { p { "What is kept apart is decided by the " a href=(of.path("/identities/rules")) { "rules" } "." } }))
        } @else {
            (list::table(&asked, "Kept apart", &columns, &found))
        }
    };
    page::inside(&of, Place::Identities, "Kept apart", &content).into_response()
}

fn columns<'a>(of: &'a In<Member>) -> Vec<Column<'a, Identifier>> {
    let link = |one: &Identifier| -> Markup {
        html! { a.value href=(of.path(&format!("/identities/people/{}", one.x1_id))) { (one.value) } }
    };
    vec![
        list::text("Type", |one: &Identifier| one.kind.clone()),
        list::column("Value", link, |one| one.value.clone()),
        list::text("Called", |one: &Identifier| one.name.clone()),
        list::text("Form", |one: &Identifier| one.form.as_str().to_owned()),
        list::number("Seen with, at most", |one: &Identifier| {
            one.ties.max(0).unsigned_abs()
        }),
        list::instant("First seen", |one: &Identifier| Some(one.seen_at)),
        list::in_file("x1Id", |one: &Identifier| one.x1_id.to_string()),
    ]
}

pub(super) async fn undone(of: In<Member>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let found = list::by_id(
        &asked,
        |one: &ExplainedFact| one.fact.id,
        |_| true,
        |page| of.hub().identity_undone(of.scope(), page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let names = |one: &ExplainedFact| {
        let all = one.identifiers.iter();
        let all = all.map(|it| format!("{} {}", it.kind, it.value));
        all.collect::<Vec<_>>().join(", ")
    };
    let columns = vec![
        list::column("Seen together", person::members, names),
        list::column(
            "Where",
            |one: &ExplainedFact| person::source(&of, one.fact.source),
            |one| format!("{:?}", one.fact.source),
        ),
        list::instant("When", |one: &ExplainedFact| Some(one.fact.seen_at)),
        list::actions(|one: &ExplainedFact| {
            html! { @if let Some(first) = one.identifiers.first() {
                a href=(of.path(&format!("/identities/people/{}", first.x1_id))) { "See" } " "
                (person::action(&of, one, first.x1_id))
            } }
        }),
    ];
    if asked.is_csv() {
        return list::csv("undone", &columns, &found);
    }
    let content = html! {
        h1 { "Undone" }
        (places(&of, "/undone"))
        p { "These were seen together, and somebody said that they are not one person. The same seen again joins nobody." }
        @if found.rows.is_empty() {
            (nothing("Nothing was undone.", &html! { p { "Look somebody up: each fact that joined their identifiers can be undone." } }))
        } @else {
            (list::table(&asked, "Undone", &columns, &found))
        }
    };
    page::inside(&of, Place::Identities, "Undone", &content).into_response()
}
