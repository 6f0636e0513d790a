//! One person: the identifiers, drawn and listed, and why they are one; with undoing of a wrong fact.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub::identity::{Explained, ExplainedFact, Source, Wanted};
use hub::{Identifier, Standing};
use maud::{Markup, html};
use model::{AccountId, DocumentId, EndpointId, Role, X1Id};

use super::{graph, places};
use crate::cookie::Said;
use crate::event::endpoint;
use crate::form::Form;
use crate::page::{self, Place, done};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member};

/// Facts that are shown; for each it is looked up who told it.
const FACTS_SHOWN: usize = 50;

/// To the page of somebody who was found.
pub(super) fn found<R>(of: &In<R>, id: X1Id) -> Response {
    let to = of.path(&format!("/identities/people/{id}"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

pub(super) async fn page(of: In<Member>, Path((_, id)): Path<(AccountId, String)>) -> Response {
    let Ok(id) = id.parse::<X1Id>() else {
        return problem::invalid(of.state(), "This is no x1Id: expected a UUID.");
    };
    let wanted = Wanted::X1Id(id);
    let mut person = match of.hub().identity_explain(of.scope(), &wanted).await {
        Ok(person) => person,
        Err(error) => return problem::of(of.state(), &error),
    };
    let count = person.facts.len();
    person.facts.truncate(FACTS_SHOWN);
    let sources: Vec<Source> = person.facts.iter().map(|one| one.fact.source).collect();
    let told = of.hub().identity_told_by(of.scope(), &sources).await;
    let told = match told {
        Ok(told) => told,
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        div.title { h1 { "A person" } @if of.may(Role::Admin) { (privacy(&of, person.x1_id)) } }
        (places(&of, "/people"))
        dl.properties {
            dt { "x1Id" } dd { code { (person.x1_id) } @if person.x1_id != id { " (the one that was looked for was merged with it)" } }
            dt { "Known by" } dd { (counted(person.identifiers.len(), "identifier")) }
            dt { "Seen together" } dd { (counted(count, "time")) @if person.has_more { " and more" } }
        }
        (standing(&person))
        (graph::draw(&person))
        h2 { "Identifiers" }
        (identifiers(&person.identifiers))
        h2 { "Why these are one person" }
        @if person.facts.is_empty() { p { "This identifier was only seen alone." } }
        @else { (facts(&of, &person, &told)) }
        @if count > FACTS_SHOWN { p { "The first " (FACTS_SHOWN) " are shown." } }
    };
    page::inside(&of, Place::Identities, "A person", &content).into_response()
}

fn counted(count: usize, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}

/// What can be asked for this person by law.
fn privacy(of: &In<Member>, id: X1Id) -> Markup {
    let to = |operation: &str| of.path(&format!("/privacy/new?x1Id={id}&operation={operation}"));
    html! {
        div.actions {
            a.button href=(to("export")) { "Export what is kept" }
            a.button href=(to("addRestriction")) { "Restrict" }
            a.button.danger href=(to("remove")) { "Erase" }
        }
    }
}

pub(super) fn standing_words(standing: Standing) -> (&'static str, &'static str) {
    match standing {
        Standing::Joined => ("joins", "active"),
        Standing::Junk => ("stands for nobody", "disabled"),
        Standing::Crowded => ("seen with too many", "retrying"),
        Standing::Overgrown => ("taken alone", "retrying"),
    }
}

fn standing(person: &Explained) -> Markup {
    let alone = person
        .identifiers
        .iter()
        .find(|one| one.standing != Standing::Joined);
    let why = alone.map(|one| match one.standing {
        Standing::Junk => "This value stands for nobody: it is delivered as it was published, and joins nobody.",
        Standing::Crowded => "This value was seen with more identifiers of one type than a person has: it joins nobody.",
        _ => "This identifier is joined to more of one type than a person has: each of them is taken alone.",
    });
    html! { @if let Some(why) = why { p.warning { (why) } } }
}

fn identifiers(all: &[Identifier]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Identifiers" { table {
            thead { tr { th scope="col" { "Type" } th scope="col" { "Value" } th scope="col" { "Called" } th scope="col" { "Form" } th scope="col" { "In the graph" } th scope="col" { "First seen" } } }
            tbody { @for one in all {
                @let (word, class) = standing_words(one.standing);
                tr {
                    td { (one.kind) }
                    td { strong.value { (one.value) } }
                    td { (one.name) }
                    td { (one.form.as_str()) }
                    td { span class={ "status " (class) } { (word) } }
                    td { (time::at(one.seen_at)) }
                }
            } }
        } }
    }
}

/// Where a fact was seen.
pub(super) fn source<R>(of: &In<R>, source: Source) -> Markup {
    match source {
        Source::Event { position } => {
            let id = DocumentId::new(position, of.scope().0);
            html! { a href=(of.path(&format!("/events/{id}.0"))) { "in an event" } }
        }
        Source::Row { job, row } => {
            html! { a href=(of.path(&format!("/jobs/{job}"))) { "in row " (row) " of an audience" } }
        }
        Source::Hash => html! { "one is the hash of the other" },
    }
}

/// What a fact says, in one line.
pub(super) fn members(fact: &ExplainedFact) -> Markup {
    html! {
        ul.plain { @for one in &fact.identifiers { li { (one.kind) " " strong.value { (one.value) } } } }
    }
}

fn facts(of: &In<Member>, person: &Explained, told: &[Option<EndpointId>]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Facts" { table {
            thead { tr { th scope="col" { "Number" } th scope="col" { "Seen together" } th scope="col" { "Where" } th scope="col" { "From" } th scope="col" { "When" } th scope="col" { "Came of it" } th scope="col" { span.visually-hidden { "Actions" } } } }
            tbody { @for (at, (fact, from)) in person.facts.iter().zip(told).enumerate() {
                tr id={ "fact-" (fact.fact.id) } {
                    td { (at + 1) }
                    td { (members(fact)) }
                    td { (source(of, fact.fact.source)) }
                    td { @match from { Some(id) => (endpoint(of, *id)), None => "–" } }
                    td { (time::at(fact.fact.seen_at)) }
                    td { (came_of(fact)) }
                    td.actions { (action(of, fact, person.x1_id)) }
                }
            } }
        } }
    }
}

fn came_of(fact: &ExplainedFact) -> Markup {
    html! {
        @if fact.fact.is_cut { span.status.disabled { "undone" } }
        @else if fact.merged.len() > 1 { span.status.active { "made " (fact.merged.len()) " people one" } }
        @else { "nothing new" }
    }
}

/// Undoing a fact, or letting it join again; `person` is where one comes back to.
pub(super) fn action<R>(of: &In<R>, fact: &ExplainedFact, person: X1Id) -> Markup {
    let (verb, word, question) = if fact.fact.is_cut {
        ("redo", "Join again", None)
    } else {
        let question =
            "Undo this? The people are then those that there would be if it had never been seen.";
        ("undo", "Undo", Some(question))
    };
    let path = of.path(&format!("/identities/facts/{}/{verb}", fact.fact.id));
    html! {
        form.inline method="post" action=(path) data-ask=[question] {
            input type="hidden" name="person" value=(person);
            button.quiet type="submit" { (word) span.visually-hidden { " fact " (fact.fact.id) } }
        }
    }
}

type OfFact = Path<(AccountId, i64)>;

pub(super) async fn undo(of: In<Member>, Path((_, fact)): OfFact, form: Form) -> Response {
    cut(&of, fact, true, &form).await
}

pub(super) async fn redo(of: In<Member>, Path((_, fact)): OfFact, form: Form) -> Response {
    cut(&of, fact, false, &form).await
}

async fn cut(of: &In<Member>, fact: i64, is_cut: bool, form: &Form) -> Response {
    let (to, person) = match form.text("person").parse::<X1Id>() {
        Ok(id) => (of.path(&format!("/identities/people/{id}")), id.to_string()),
        Err(_) => (of.path("/identities/undone"), String::new()),
    };
    let result = of
        .hub()
        .identity_cut(&of.actor(), of.scope(), fact, is_cut)
        .await;
    done(of.state(), &to, result, |undone| {
        let (before, after) = (undone.people_before, undone.people_after);
        let people = |count: u64| match count {
            1 => "1 person".to_owned(),
            count => format!("{count} people"),
        };
        let (what, other) = match is_cut {
            true => ("Undone", "redo"),
            false => ("Joined again", "undo"),
        };
        let said = format!(
            "{what}: what was {} is now {}.",
            people(before),
            people(after)
        );
        let other = of.path(&format!("/identities/facts/{fact}/{other}"));
        Said::good(said).undo(&other, &[("person", &person)])
    })
}
