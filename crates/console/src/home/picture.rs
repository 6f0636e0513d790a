//! Who sends to whom, drawn: publishers on the left, destinations on the right, a line for each pair that a subscription
//! joins. A line is as thick as there are event types on it, and red where the destination is in trouble.
//!
//! Drawn on the server, as text that a screen reader can read as a list.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use model::EndpointId;

use super::Seen;
use crate::visitor::In;

const ROW: usize = 44;
const WIDTH: usize = 720;
const BOX: usize = 220;
const BOX_HEIGHT: usize = 32;
/// Letters that fit into a box.
const NAME_CHARS_MAX: usize = 26;
const LINE_MAX: usize = 12;

/// The codes that go from one to another, and whether all is paused.
type Lines = BTreeMap<(EndpointId, EndpointId), (BTreeSet<String>, bool)>;

pub(super) fn draw<R>(of: &In<R>, seen: &Seen) -> Markup {
    let mut lines = Lines::new();
    for subscription in &seen.subscriptions {
        let pair = (subscription.publisher, subscription.destination);
        let (codes, is_live) = lines.entry(pair).or_default();
        codes.insert(subscription.code.clone());
        *is_live |= subscription.enabled;
    }
    let left: Vec<EndpointId> = lines
        .keys()
        .map(|(from, _)| *from)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let right: Vec<EndpointId> = lines
        .keys()
        .map(|(_, to)| *to)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let height = left.len().max(right.len()) * ROW;
    let place = |ids: &[EndpointId], id: EndpointId| {
        let at = ids
            .iter()
            .position(|known| *known == id)
            .unwrap_or_default();
        // Both columns are centred.
        at * ROW + (height - ids.len() * ROW) / 2 + ROW / 2
    };
    html! {
        figure.picture {
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="group" aria-label="Publishers on the left, destinations on the right" {
                @for ((from, to), (codes, is_live)) in &lines {
                    @let (y1, y2) = (place(&left, *from), place(&right, *to));
                    @let middle = WIDTH / 2;
                    path class={ "line" @if is_in_trouble(seen, *to) { " bad" } @if !is_live { " paused" } }
                        d={ "M" (BOX) " " (y1) " C" (middle) " " (y1) " " (middle) " " (y2) " " (WIDTH - BOX) " " (y2) }
                        stroke-width=(1 + codes.len().min(LINE_MAX)) {
                        title { (seen.name(*from)) " → " (seen.name(*to)) ": " (list(codes)) @if !is_live { " (paused)" } }
                    }
                }
                @for id in &left { (node(of, seen, *id, 0, place(&left, *id))) }
                @for id in &right { (node(of, seen, *id, WIDTH - BOX, place(&right, *id))) }
            }
            figcaption.visually-hidden {
                ul { @for ((from, to), (codes, _)) in &lines {
                    li { (seen.name(*from)) " sends " (list(codes)) " to " (seen.name(*to)) }
                } }
            }
        }
    }
}

fn node<R>(of: &In<R>, seen: &Seen, id: EndpointId, x: usize, y: usize) -> Markup {
    let name = seen.name(id);
    let short: String = if name.chars().count() > NAME_CHARS_MAX {
        name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect()
    } else {
        name.clone()
    };
    html! {
        a href=(of.path(&format!("/endpoints/{id}"))) {
            title { (name) }
            rect class={ "node" @if is_in_trouble(seen, id) { " bad" } } x=(x) y=(y - BOX_HEIGHT / 2) width=(BOX) height=(BOX_HEIGHT) rx="6" {}
            text x=(x + BOX / 2) y=(y + 5) text-anchor="middle" { (short) }
        }
    }
}

fn is_in_trouble(seen: &Seen, id: EndpointId) -> bool {
    let is_down = seen
        .standings
        .get(&id)
        .is_some_and(|s| !s.circuit_closed || s.retrying > 0);
    is_down || seen.dead.contains_key(&id)
}

fn list(codes: &BTreeSet<String>) -> String {
    codes
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
