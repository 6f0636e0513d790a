//! What would leave for a destination – hashed, in clear, or not at all – of values that somebody types in. Nothing is sent
//! and nothing is kept.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::hashing::{DryRun, Outcome, Values, declared};
use maud::{Markup, html};
use model::hashing::{HashAlgorithm, HashMode};
use model::{Endpoint, EndpointStatus};

use crate::ConsoleState;
use crate::form::Form;
use crate::home::{grouped, name};
use crate::identity::kinds;
use crate::page::{self, Place, nothing};
use crate::privacy::places;
use crate::problem;
use crate::visitor::{In, Viewer};

/// Destinations that are offered.
const OFFERED_MAX: usize = 300;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new().route("/console/{accountId}/hashing", get(page).post(run))
}

async fn page(of: In<Viewer>) -> Response {
    shown(&of, &Form::of(Vec::new()), &html! {})
}

fn shown(of: &In<Viewer>, form: &Form, outcome: &Markup) -> Response {
    let destinations = destinations(of);
    let chosen = form.text("destination");
    let content = html! {
        h1 { "Hashing, tried" }
        (places(of, "/hashing"))
        p { "What would leave for a destination of these values: as a hash, in clear, or not at all. Nothing is sent, and nothing is kept." }
        (outcome)
        @if destinations.is_empty() {
            (nothing("No endpoint receives anything yet.", &html! { p { "Once a destination is registered, you can try values here." } }))
        } @else {
            form.stack.wide method="post" {
                div.columns {
                    label { "Destination" select name="destination" required {
                        @for one in &destinations { option value=(one.id) selected[one.id.to_string() == chosen] { (name(one)) " (" (one.id) ")" } }
                    } }
                    label { "Type" input type="text" name="type" required list="kinds" value=(form.text("type")) autocomplete="off"; }
                    label { "The source says" select name="mode" {
                        @for (value, words) in [("NONE", "they are clear"), ("HASHED", "they are hashes"), ("REQUIRED", "they must not leave in clear")] {
                            option value=(value) selected[form.text("mode") == value] { (words) }
                        }
                    } }
                    label { "Algorithm, if it says one" select name="algorithm" {
                        option value="" { "–" }
                        @for word in ["MD5", "SHA1", "SHA256", "EMAIL_SHA256", "PHONE_SHA256"] { option value=(word) selected[form.text("algorithm") == word] { (word) } }
                    } }
                }
                label { "Values, one a line" textarea name="values" rows="6" required spellcheck="false" { (form.text("values")) } }
                div.actions { button.main type="submit" { "Try them" } }
            }
            datalist #kinds { @for kind in kinds(of) { option value=(kind) {} } }
        }
    };
    page::inside(of, Place::Privacy, "Hashing, tried", &content).into_response()
}

fn destinations(of: &In<Viewer>) -> Vec<Endpoint> {
    let registry = of.hub().registry();
    let mut found = registry.endpoints_where(of.account.id, |entry| {
        let roles = &entry.endpoint.definition.roles;
        let takes = roles.event_destination.is_some() || roles.segment_destination.is_some();
        takes && entry.endpoint.status == EndpointStatus::Active
    });
    found.sort_by_cached_key(|entry| name(&entry.endpoint));
    found.truncate(OFFERED_MAX);
    let found = found.iter().map(|entry| entry.endpoint.clone());
    found.collect()
}

async fn run(of: In<Viewer>, form: Form) -> Response {
    let Some(destination) = form.number("destination") else {
        return problem::invalid(of.state(), "Choose a destination.");
    };
    let mode = HashMode::parse(form.text("mode"));
    let algorithm = HashAlgorithm::parse(form.text("algorithm"));
    let run = DryRun {
        destination,
        kind: form.text("type").to_owned(),
        source: declared(mode, algorithm),
    };
    let values = form.text("values").lines().map(str::to_owned).collect();
    let outcome = of
        .hub()
        .hashing_dry_run(of.scope(), &run, Values::Here(values))
        .await;
    match outcome {
        Ok(outcome) => shown(&of, &form, &told(&outcome)),
        Err(error) => problem::of(of.state(), &error),
    }
}

fn told(outcome: &Outcome) -> Markup {
    let figures = [
        ("Would be hashed", outcome.hashed, "and leave as hashes"),
        (
            "Are hashes already",
            outcome.passed,
            "and leave as they are",
        ),
        ("In clear", outcome.clear, "would leave as they are"),
        ("Of no use there", outcome.unused, "would not leave"),
        ("Blank", outcome.blank, "would not leave"),
        (
            "Look like hashes",
            outcome.looks_hashed,
            "and were not declared as such",
        ),
    ];
    html! {
        section role="status" aria-labelledby="outcome" {
            h2 #outcome { "Of " (grouped(outcome.read)) " values" }
            dl.figures { @for (what, count, note) in figures { div { dt { (what) } dd { strong { (grouped(count)) } span { (note) } } } } }
            @if !outcome.refused.is_empty() {
                h3 { "Would not leave, because they are malformed or cannot be turned into what is asked for" }
                div.scroll tabindex="0" role="region" aria-label="Refused" { table {
                    thead { tr { th scope="col" { "Why" } th.number scope="col" { "Values" } th scope="col" { "Lines, such as" } } }
                    tbody { @for (why, (count, rows)) in &outcome.refused { tr {
                        td { (why) } td.number { (grouped(*count)) }
                        td { (rows.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) }
                    } } }
                } }
            }
        }
    }
}
