//! What a change does to the endpoints that are made from an application, before it is made: each member of their
//! registrations and each event type that would be another.

use hub::application::{Effect, TypeChange};
use maud::{Markup, html};
use model::difference::difference;

use crate::difference;

/// Endpoints that are shown; the others are counted.
const SHOWN_MAX: usize = 20;

pub(super) fn shown(effects: &[Effect]) -> Markup {
    html! {
        @if effects.is_empty() { p { "None: no endpoint would be another." } }
        @for effect in effects.iter().take(SHOWN_MAX) {
            details.trouble open[effects.len() <= 3] {
                summary { "Endpoint " (effect.endpoint) " of account " (effect.account) }
                (definition(effect))
                @if !effect.event_types.is_empty() { ul { @for change in &effect.event_types { (event_type(change)) } } }
            }
        }
        @if effects.len() > SHOWN_MAX { p { "and " (effects.len() - SHOWN_MAX) " more" } }
    }
}

fn definition(effect: &Effect) -> Markup {
    let Some((before, after)) = &effect.definition else {
        return html! {};
    };
    let [before, after] = [before, after].map(|one| serde_json::to_value(one).unwrap_or_default());
    let label = format!("What differs at endpoint {}", effect.endpoint);
    html! { (difference::table(&label, &difference(&before, &after), ["Now", "Then"])) }
}

fn event_type(change: &TypeChange) -> Markup {
    let (word, event_type) = change.parts();
    html! {
        li {
            span class={ "change " (word) } { (word) } " event type " code { (event_type.code) }
            @if let TypeChange::Changed { before, after } = change {
                ": " (model::deployment::differences(before, after).join("; "))
            }
        }
    }
}
