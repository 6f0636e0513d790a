//! What differs between two documents, for people: each member by its place, as it was and as it will be.
//!
//! Called where a change is looked at before it is made: an application, a promotion.

use maud::{Markup, html};
use model::difference::{Change, Difference};
use serde_json::Value;

use crate::document;

/// More of a value is in the document itself.
const VALUE_CHARS_MAX: usize = 4_000;

/// A value with more lines can be folded.
const LINES_MAX: usize = 12;

/// A table, called so among others on its page; `sides` say whose the two columns are.
pub(crate) fn table(label: &str, differences: &[Difference], sides: [&str; 2]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) { table.difference {
            thead { tr { th { "Member" } th { "Change" } th { (sides[0]) } th { (sides[1]) } } }
            tbody { @for one in differences {
                tr {
                    th scope="row" { (place(&one.pointer)) }
                    td { span class={ "change " (one.change.as_str()) } { (one.change.as_str()) } }
                    @match &one.change {
                        Change::Added(after) => { td data-side=(sides[0]) { "–" } td data-side=(sides[1]) { (new(after)) } }
                        Change::Removed(before) => { td data-side=(sides[0]) { (old(before)) } td data-side=(sides[1]) { "–" } }
                        Change::Changed { before, after } => { td data-side=(sides[0]) { (old(before)) } td data-side=(sides[1]) { (new(after)) } }
                    }
                }
            } }
        } }
    }
}

/// A pointer as a way through names.
fn place(pointer: &str) -> Markup {
    let names: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect();
    html! {
        @if names.is_empty() { "everything" }
        @for (at, name) in names.iter().enumerate() { @if at > 0 { span.step { " › " } } (name) }
    }
}

fn old(value: &Value) -> Markup {
    let text = shown(value);
    folded(&text, &html! { del { (text) } })
}

fn new(value: &Value) -> Markup {
    let text = shown(value);
    folded(&text, &html! { ins { (text) } })
}

/// What is long opens by itself, and can be put away.
fn folded(text: &str, value: &Markup) -> Markup {
    let lines = text.lines().count();
    html! {
        @if lines > LINES_MAX { details open { summary { (lines) " lines" } (value) } } @else { (value) }
    }
}

/// Text as text, the rest as JSON.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => document::pretty(other),
    };
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
