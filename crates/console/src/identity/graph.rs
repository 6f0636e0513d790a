//! A person drawn: identifiers at both sides, the facts that joined them as numbered dots between, a line from each fact to
//! each identifier in it. The tables on the page say the same, for whoever does not see it.

use std::collections::HashMap;

use hub::identity::Explained;
use hub::{Identifier, Standing};
use maud::{Markup, html};

/// More would be a knot; the tables have them all.
const IDENTIFIERS_MAX: usize = 24;
const FACTS_MAX: usize = 24;
const ROW: usize = 56;
const WIDTH: usize = 900;
const BOX: usize = 300;
const BOX_HEIGHT: usize = 44;
const DOT: usize = 13;
/// Letters that fit into a box.
const VALUE_CHARS_MAX: usize = 32;

pub(super) fn draw(person: &Explained) -> Markup {
    if person.identifiers.len() < 2 {
        return html! {};
    }
    let drawn = &person.identifiers[..person.identifiers.len().min(IDENTIFIERS_MAX)];
    let facts = person.facts.iter().enumerate();
    let facts: Vec<_> = facts
        .filter(|(_, fact)| {
            fact.fact
                .members
                .iter()
                .any(|id| drawn.iter().any(|one| one.id == *id))
        })
        .take(FACTS_MAX)
        .collect();
    let rows = drawn.len().div_ceil(2).max(facts.len());
    let height = rows * ROW;
    // Each column is centred.
    let place = |at: usize, count: usize| at * ROW + (height - count * ROW) / 2 + ROW / 2;
    let (left, right) = (drawn.len().div_ceil(2), drawn.len() / 2);
    let places: HashMap<i64, (usize, usize)> = drawn
        .iter()
        .enumerate()
        .map(|(at, one)| match at % 2 {
            0 => (one.id, (0, place(at / 2, left))),
            _ => (one.id, (WIDTH - BOX, place(at / 2, right))),
        })
        .collect();
    let label = format!(
        "{} identifiers, joined by {} facts; the tables below say the same",
        person.identifiers.len(),
        person.facts.len()
    );
    html! {
        figure.picture.person {
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="group" aria-label=(label) {
                @for (at, (_, fact)) in facts.iter().enumerate() {
                    @let y = place(at, facts.len());
                    @for (x, to) in fact.fact.members.iter().filter_map(|id| places.get(id)) {
                        @let edge = if *x == 0 { BOX } else { *x };
                        @let bend = usize::midpoint(edge, WIDTH / 2);
                        path class={ "line" @if fact.fact.is_cut { " paused" } }
                            d={ "M" (edge) " " (to) " C" (bend) " " (to) " " (bend) " " (y) " " (WIDTH / 2) " " (y) } stroke-width="2" {}
                    }
                }
                @for (at, (number, fact)) in facts.iter().enumerate() {
                    @let y = place(at, facts.len());
                    a href={ "#fact-" (fact.fact.id) } {
                        title { "Fact " (number + 1) @if fact.fact.is_cut { ", undone" } }
                        circle class={ "dot" @if fact.merged.len() > 1 { " joined" } @if fact.fact.is_cut { " cut" } } cx=(WIDTH / 2) cy=(y) r=(DOT) {}
                        text x=(WIDTH / 2) y=(y + 5) text-anchor="middle" class={ "number" @if fact.merged.len() > 1 && !fact.fact.is_cut { " joined" } } { (number + 1) }
                    }
                }
                @for one in drawn { (node(one, places[&one.id])) }
            }
            figcaption {
                "Numbers are facts, as in the table below; the filled ones made two people one."
                @if person.identifiers.len() > IDENTIFIERS_MAX { " The first " (IDENTIFIERS_MAX) " identifiers are drawn." }
                @if facts.len() == FACTS_MAX { " Not more than " (FACTS_MAX) " facts are drawn." }
            }
        }
    }
}

fn node(one: &Identifier, (x, y): (usize, usize)) -> Markup {
    html! {
        g {
            title { (one.kind) " " (one.value) }
            rect class={ "node" @if one.standing != Standing::Joined { " bad" } } x=(x) y=(y - BOX_HEIGHT / 2) width=(BOX) height=(BOX_HEIGHT) rx="6" {}
            text.kind x=(x + 12) y=(y - 5) { (short(&one.kind)) }
            text x=(x + 12) y=(y + 14) { (short(&one.value)) }
        }
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text.to_owned();
    }
    text.chars()
        .take(VALUE_CHARS_MAX - 1)
        .chain(['…'])
        .collect()
}
