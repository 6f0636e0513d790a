//! Events that were refused and kept: what is wrong with each, by its place in the document; repaired singly, or many at once
//! by a name that was spelled otherwise; or given up.

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::quarantine::Mapping;
use hub::{QuarantineState, Quarantined};
use maud::{Markup, html};
use model::{AccountId, EndpointId, Invalid, QuarantineId, Role};
use serde_json::Value;

use crate::ConsoleState;
use crate::cookie::Said;
use crate::document::Editor;
use crate::event::endpoint;
use crate::form::Form;
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, done, go, nothing, refused};
use crate::problem;
use crate::visitor::{In, Member, Viewer};

pub(crate) fn routes() -> Router<ConsoleState> {
    let one = "/console/{accountId}/quarantine/{quarantineId}";
    Router::new()
        .route("/console/{accountId}/quarantine", get(events))
        .route("/console/{accountId}/quarantine/repair", post(repair_all))
        .route(one, get(show).post(repair))
        .route(&format!("{one}/discard"), post(discard))
}

type Of = Path<(AccountId, QuarantineId)>;

async fn events(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let state = QuarantineState::parse(asked.text("state")).unwrap_or(QuarantineState::Held);
    let publisher = asked.number("endpointId").map(EndpointId);
    let found = list::by_id(
        &asked,
        |event: &Quarantined| event.id.0,
        |_| true,
        |page| of.hub().quarantine(of.scope(), state, publisher, page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("quarantine", &columns, &found);
    }
    let states = [
        ("Held", ""),
        ("Published", "published"),
        ("Given up", "discarded"),
    ];
    let publishers: Vec<EndpointId> = {
        let mut all: Vec<_> = found.rows.iter().map(|event| event.endpoint).collect();
        all.sort();
        all.dedup();
        all
    };
    let content = html! {
        h1 { "Quarantine" }
        p { "Events that were refused and kept, because the account's policy says so. Put right, they are published as if they came now." }
        (asked.tabs("State", "state", &states))
        @if found.rows.is_empty() {
            (nothing("There is none.", &html! { p { "Where the policy says so, the other events of a call are taken when one is refused, and it is kept here." } a href=(of.path("/settings")) { "To the policy" } }))
        } @else {
            (list::table(&asked, "Events", &columns, &found))
            @if state == QuarantineState::Held && of.may(Role::Member) { (mapping(&of, &publishers)) }
        }
    };
    page::inside(&of, Place::Quarantine, "Quarantine", &content).into_response()
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, Quarantined>> {
    let wrong = |event: &Quarantined| {
        let each = event.violations.iter().map(ToString::to_string);
        each.collect::<Vec<_>>().join("; ")
    };
    vec![
        list::column(
            "Event",
            |e: &Quarantined| html! { a href=(of.path(&format!("/quarantine/{}", e.id))) { "event " (e.id) } },
            |e| e.id.to_string(),
        ),
        list::column(
            "Publisher",
            |e: &Quarantined| endpoint(of, e.endpoint),
            |e| e.endpoint.to_string(),
        ),
        list::text("What is wrong", wrong).wordy(),
        list::instant("Since", |e: &Quarantined| Some(e.created_at)),
    ]
}

/// A name that many events spell otherwise than it was registered.
fn mapping(of: &In<Viewer>, publishers: &[EndpointId]) -> Markup {
    html! {
        section.narrow-left {
            h2 { "Put many right at once" }
            form.stack method="post" action=(of.path("/quarantine/repair")) {
                label { "Of" select name="endpointId" { @for id in publishers { option value=(id) { (crate::event::named(of, *id)) } } } }
                label { "What is spelled otherwise" select name="kind" {
                    option value="code" { "the event's code" }
                    option value="identifier" { "an identifier's name" }
                    option value="attribute" { "an attribute's name" }
                    option value="channel" { "the channel is missing" }
                } }
                label { "As it came" input type="text" name="from" autocomplete="off"; small { "nothing, for a missing channel" } }
                label { "As it should be" input type="text" name="to" required autocomplete="off"; }
                button.main type="submit" { "Put right and publish" }
            }
        }
    }
}

async fn repair_all(of: In<Member>, form: Form) -> Response {
    let Some(publisher) = form.number("endpointId").map(EndpointId) else {
        return problem::invalid(of.state(), "Choose whose events are put right.");
    };
    let pair = [(form.text("from").to_owned(), form.text("to").to_owned())];
    let mut mapping = Mapping::default();
    match form.text("kind") {
        "code" => mapping.codes = pair.into(),
        "identifier" => mapping.identifiers = pair.into(),
        "attribute" => mapping.attributes = pair.into(),
        _ => mapping.channel = Some(form.text("to").to_owned()),
    }
    let actor = of.actor();
    let repaired = of
        .hub()
        .quarantine_repair_all(&actor, of.scope(), publisher, &mapping)
        .await;
    done(of.state(), &of.path("/quarantine"), repaired, |repaired| {
        format!(
            "{} events are published; {} are still not right.",
            repaired.published.len(),
            repaired.refused.len()
        )
    })
}

async fn show(of: In<Viewer>, Path((_, id)): Of) -> Response {
    match of.hub().quarantined(of.scope(), id).await {
        Ok(event) => {
            let invalid = Invalid {
                violations: event.violations.clone(),
                more: 0,
            };
            let body = serde_json::from_str(&event.body).unwrap_or(Value::Null);
            shown(&of, &event, &Editor::new(&[], body).wrong(invalid)).into_response()
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

fn shown<R>(of: &In<R>, event: &Quarantined, editor: &Editor) -> page::Page {
    let path = of.path(&format!("/quarantine/{}", event.id));
    let is_held = event.state == QuarantineState::Held;
    let question = "Give this event up? It is never published.";
    let content = html! {
        div.title { h1 { "Event " (event.id) " of " (endpoint(of, event.endpoint)) } span.status.pending[is_held].disabled[!is_held] { (event.state.as_str()) }
            @if is_held && of.may(Role::Member) { (page::button(&format!("{path}/discard"), "Give it up", "danger", Some(question))) }
        }
        form.stack method="post" action=(path) {
            (editor.markup())
            @if is_held && of.may(Role::Member) { div { button.main type="submit" { "Publish it as it is here" } } }
        }
    };
    page::inside(of, Place::Quarantine, "A refused event", &content)
}

async fn repair(of: In<Member>, Path((_, id)): Of, form: Form) -> Response {
    let event = match of.hub().quarantined(of.scope(), id).await {
        Ok(event) => event,
        Err(error) => return problem::of(of.state(), &error),
    };
    let body = match Editor::read(&[], &form) {
        Ok(body) => body,
        Err(editor) => return refused(shown(&of, &event, &editor)),
    };
    let actor = of.actor();
    let repaired = of.hub().quarantine_repair(&actor, of.scope(), id, &body);
    match repaired.await {
        Ok(_) => {
            let said = Said::good("The event is published.");
            go(of.state(), &of.path("/quarantine"), &said)
        }
        Err(hub::Error::Invalid(invalid)) => {
            let editor = Editor::new(&[], body).wrong(invalid);
            refused(shown(&of, &event, &editor))
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

async fn discard(of: In<Member>, Path((_, id)): Of) -> Response {
    let discarded = of
        .hub()
        .quarantine_discard(&of.actor(), of.scope(), id)
        .await;
    done(of.state(), &of.path("/quarantine"), discarded, |()| {
        "The event is given up.".to_owned()
    })
}
