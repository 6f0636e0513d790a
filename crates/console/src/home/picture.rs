//! Who sends what to whom, drawn: publishers on the left, event types in the middle, destinations on the right. A line is
//! as wide as events go along it each minute, dashed where nothing does just now, and red where the destination is in
//! trouble.
//!
//! Drawn on the server, so that it is there without scripts; the script lays it out anew with the same widths. The
//! picture is for eyes and the pointer; the table below it says the same to everybody, with the same links.

use std::collections::{BTreeMap, HashMap, HashSet};

use maud::{Markup, html};
use model::EndpointId;

use super::ways::{Way, Ways};
use crate::event::named;
use crate::visitor::In;

/// Nodes of a column that are drawn one by one; the rest is one.
const NODES_MAX: usize = 10;
/// Lines of the table.
const LINES_MAX: usize = 50;
const WIDTH: u64 = 960;
const BOX: u64 = 210;
const GAP: u64 = 12;
const BOX_HEIGHT_MIN: u64 = 40;
/// What the fullest column would be high without gaps.
const HEIGHT: u64 = 320;
/// Letters that fit into a box.
const NAME_CHARS_MAX: usize = 25;

/// What stands in one of the three columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Endpoint(EndpointId),
    /// One of the codes of the ways.
    Code(usize),
    /// All that are not drawn by themselves.
    Others,
}

#[derive(Default)]
struct Column {
    nodes: Vec<(Node, u64)>,
}

/// A line between two neighbouring columns.
#[derive(Default)]
struct Ribbon {
    tenths: u64,
    is_live: bool,
    is_bad: bool,
}

type Ribbons = [BTreeMap<(Node, Node), Ribbon>; 2];

/// What is drawn.
struct Picture<'a, R> {
    of: &'a In<R>,
    ways: &'a Ways,
    /// Destinations in trouble.
    bad: &'a HashSet<EndpointId>,
}

pub(super) fn draw<R>(of: &In<R>, ways: &Ways, bad: &HashSet<EndpointId>) -> Markup {
    let mut columns = columns(ways);
    let ribbons = ribbons(ways, &columns, bad);
    untangle(&mut columns, &ribbons);
    let picture = Picture { of, ways, bad };
    html! {
        figure.picture {
            (picture.svg(&columns, &ribbons))
            figcaption {
                @if ways.is_cut { p.note { "There are more subscriptions than are drawn; along the others nothing flows just now." } }
                details { summary { "The same as a table" } (picture.table()) }
            }
        }
    }
}

/// What is published goes to several, and is published once: the most that one destination gets of it.
fn once(published: &[Way]) -> u64 {
    let tenths = published.iter().map(|way| way.tenths);
    tenths.max().unwrap_or(0)
}

fn columns(ways: &Ways) -> [Column; 3] {
    let mut publishers = HashMap::<EndpointId, u64>::new();
    let mut codes = vec![0; ways.codes.len()];
    let mut destinations = HashMap::<EndpointId, u64>::new();
    for published in ways.published() {
        let (first, tenths) = (published[0], once(published));
        *publishers.entry(first.from).or_default() += tenths;
        codes[first.code] += tenths;
        for way in published {
            *destinations.entry(way.to).or_default() += way.tenths;
        }
    }
    let endpoints = |sums: HashMap<EndpointId, u64>| {
        let nodes = sums.into_iter();
        column(nodes.map(|(id, tenths)| (Node::Endpoint(id), tenths)))
    };
    let codes = codes.into_iter().enumerate();
    let codes = column(codes.map(|(code, tenths)| (Node::Code(code), tenths)));
    [endpoints(publishers), codes, endpoints(destinations)]
}

/// The busiest, the busiest first, and what is left as one.
fn column(nodes: impl Iterator<Item = (Node, u64)>) -> Column {
    let mut nodes: Vec<(Node, u64)> = nodes.collect();
    nodes.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    if nodes.len() > NODES_MAX {
        let rest = nodes.split_off(NODES_MAX - 1);
        nodes.push((Node::Others, rest.iter().map(|(_, tenths)| tenths).sum()));
    }
    Column { nodes }
}

impl Column {
    /// The node itself if it is drawn, else the one of all others.
    fn drawn(&self, node: Node) -> Node {
        let is_drawn = self.nodes.iter().any(|(known, _)| *known == node);
        if is_drawn { node } else { Node::Others }
    }
}

fn ribbons(ways: &Ways, columns: &[Column; 3], bad: &HashSet<EndpointId>) -> Ribbons {
    let [left, middle, right] = columns;
    let mut ribbons = Ribbons::default();
    for published in ways.published() {
        let from = left.drawn(Node::Endpoint(published[0].from));
        let code = middle.drawn(Node::Code(published[0].code));
        let first = ribbons[0].entry((from, code)).or_default();
        first.tenths += once(published);
        first.is_live |= published.iter().any(|way| way.is_live);
        for way in published {
            let to = right.drawn(Node::Endpoint(way.to));
            let second = ribbons[1].entry((code, to)).or_default();
            second.tenths += way.tenths;
            second.is_live |= way.is_live;
            second.is_bad |= bad.contains(&way.to);
        }
    }
    ribbons
}

/// Puts the nodes of a column about where their lines come from, so that few lines cross.
fn untangle(columns: &mut [Column; 3], ribbons: &Ribbons) {
    for (side, ribbons) in ribbons.iter().enumerate() {
        let before: Vec<Node> = columns[side].nodes.iter().map(|(node, _)| *node).collect();
        let from = |node: &Node| {
            let mut sum = (0, 0);
            for ((a, _), ribbon) in ribbons.iter().filter(|((_, b), _)| b == node) {
                let at = before.iter().position(|known| known == a).unwrap_or(0);
                let weight = ribbon.tenths + 1;
                sum = (sum.0 + at as u64 * 1_000 * weight, sum.1 + weight);
            }
            sum.0.checked_div(sum.1).unwrap_or(u64::MAX)
        };
        columns[side + 1]
            .nodes
            .sort_by_cached_key(|(node, _)| from(node));
    }
}

/// Where a node is drawn, and how much of each of its sides is taken by lines.
struct Place {
    y: u64,
    height: u64,
    taken: [u64; 2],
}

/// How much the lines on the fuller side of each node of a column carry: what is published once may go to several.
fn loads(columns: &[Column; 3], ribbons: &Ribbons, at: usize) -> Vec<u64> {
    let nodes = columns[at].nodes.iter();
    let loads = nodes.map(|(node, tenths)| {
        let out = ribbons.get(at).into_iter().flatten();
        let out = out.filter(|((from, _), _)| from == node);
        let out: u64 = out.map(|(_, ribbon)| ribbon.tenths).sum();
        out.max(*tenths)
    });
    loads.collect()
}

impl Place {
    /// Room for a line on one side; the middle of it. The lines of a node lie side by side from its top.
    fn dock(&mut self, side: usize, width: u64) -> u64 {
        let room = self.height.saturating_sub(6).max(1);
        let at = (self.taken[side] + width / 2).min(room);
        self.taken[side] += width.max(4);
        self.y + 3 + at
    }
}

impl<R> Picture<'_, R> {
    fn svg(&self, columns: &[Column; 3], ribbons: &Ribbons) -> Markup {
        let loads = [0, 1, 2].map(|at| loads(columns, ribbons, at));
        let fullest = loads.iter().map(|column| column.iter().sum::<u64>());
        let fullest = fullest.max().unwrap_or(0).max(1);
        let width_of = |tenths: u64| tenths * HEIGHT / fullest;
        let heights = loads.map(|column| {
            let heights = column.iter();
            let heights = heights.map(|tenths| width_of(*tenths).max(BOX_HEIGHT_MIN));
            heights.collect::<Vec<u64>>()
        });
        let total = |heights: &Vec<u64>| heights.iter().map(|height| height + GAP).sum::<u64>();
        let height = heights.iter().map(total).max().unwrap_or(0);
        let mut places: [Vec<Place>; 3] = [0, 1, 2].map(|at| {
            // Columns are centred.
            let mut y = (height - total(&heights[at])) / 2;
            let places = heights[at].iter().map(|&height| {
                let place = Place {
                    y,
                    height,
                    taken: [0, 0],
                };
                y += height + GAP;
                place
            });
            places.collect()
        });
        let mut paths = Vec::new();
        for (side, ribbons) in ribbons.iter().enumerate() {
            let x = [
                side as u64 * (WIDTH - BOX) / 2 + BOX,
                (side as u64 + 1) * (WIDTH - BOX) / 2,
            ];
            let at =
                |column: &Column, node: &Node| column.nodes.iter().position(|(n, _)| n == node);
            let mut sorted: Vec<_> = ribbons
                .iter()
                .filter_map(|((a, b), ribbon)| {
                    Some((at(&columns[side], a)?, at(&columns[side + 1], b)?, ribbon))
                })
                .collect();
            sorted.sort_by_key(|(a, b, _)| (*a, *b));
            for (a, b, ribbon) in sorted {
                let width = width_of(ribbon.tenths).max(2);
                let y1 = places[side][a].dock(1, width);
                let y2 = places[side + 1][b].dock(0, width);
                let ends = (columns[side].nodes[a].0, columns[side + 1].nodes[b].0);
                paths.push(self.path(ends, ribbon, (x, [y1, y2], width)));
            }
        }
        html! {
            svg viewBox={ "0 0 " (WIDTH) " " (height.max(BOX_HEIGHT_MIN)) } aria-hidden="true" focusable="false" {
                @for path in paths { (path) }
                @for (at, column) in columns.iter().enumerate() {
                    @for ((node, tenths), place) in column.nodes.iter().zip(&places[at]) {
                        (self.node(*node, *tenths, (at as u64 * (WIDTH - BOX) / 2, place)))
                    }
                }
            }
        }
    }

    fn path(
        &self,
        (from, to): (Node, Node),
        ribbon: &Ribbon,
        (x, y, width): ([u64; 2], [u64; 2], u64),
    ) -> Markup {
        let class = match ribbon {
            Ribbon { is_live: false, .. } => "line paused",
            Ribbon { is_bad: true, .. } => "line bad",
            Ribbon { tenths: 0, .. } => "line idle",
            Ribbon { .. } => "line",
        };
        let middle = u64::midpoint(x[0], x[1]);
        let text = format!(
            "{} → {}: {}",
            self.words(from),
            self.words(to),
            rate(ribbon.tenths)
        );
        html! {
            a href=(self.subscriptions(from, to)) tabindex="-1" {
                path class=(class) stroke-width=(width)
                    d={ "M" (x[0]) " " (y[0]) " C" (middle) " " (y[0]) " " (middle) " " (y[1]) " " (x[1]) " " (y[1]) } {
                    title { (text) @if !ribbon.is_live { " (paused)" } }
                }
            }
        }
    }

    /// Where the subscriptions behind a line are listed.
    fn subscriptions(&self, from: Node, to: Node) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (node, name) in [(from, "from"), (to, "to")] {
            match node {
                Node::Endpoint(id) => query.append_pair(name, &id.to_string()),
                Node::Code(code) => query.append_pair("code", &self.ways.codes[code]),
                Node::Others => &mut query,
            };
        }
        let rest = format!("/subscriptions?{}", query.finish());
        self.of.path(&rest)
    }

    fn words(&self, node: Node) -> String {
        match node {
            Node::Endpoint(id) => named(self.of, id),
            Node::Code(code) => self.ways.codes[code].clone(),
            Node::Others => "others".to_owned(),
        }
    }

    fn node(&self, node: Node, tenths: u64, (x, place): (u64, &Place)) -> Markup {
        let name = self.words(node);
        let short: String = if name.chars().count() > NAME_CHARS_MAX {
            name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect()
        } else {
            name.clone()
        };
        let is_bad = matches!(node, Node::Endpoint(id) if self.bad.contains(&id));
        let to = match node {
            Node::Endpoint(id) => self.of.path(&format!("/endpoints/{id}")),
            Node::Code(_) => self.subscriptions(node, Node::Others),
            Node::Others => self.of.path("/subscriptions"),
        };
        let middle = place.y + place.height / 2;
        html! {
            a href=(to) tabindex="-1" {
                title { (name) ": " (rate(tenths)) }
                rect class={ "node" @if is_bad { " bad" } } x=(x) y=(place.y) width=(BOX) height=(place.height) rx="6" {}
                text x=(x + BOX / 2) y=(middle - 2) text-anchor="middle" { (short) }
                text.rate x=(x + BOX / 2) y=(middle + 14) text-anchor="middle" { (rate(tenths)) @if is_bad { " · in trouble" } }
            }
        }
    }

    fn table(&self) -> Markup {
        let link = |id: EndpointId| html! { a href=(self.of.path(&format!("/endpoints/{id}"))) { (named(self.of, id)) } };
        let count = self.ways.all.len();
        html! {
            p { (self.ways.codes.len()) " kinds of events on " (count) " ways." @if count > LINES_MAX { " The busiest " (LINES_MAX) ":" } }
            div.scroll tabindex="0" role="region" aria-label="Who sends what to whom" { table {
                thead { tr { th scope="col" { "From" } th scope="col" { "Events" } th scope="col" { "To" } th.number scope="col" { "Rate" } th scope="col" { "State" } } }
                tbody { @for Way { from, code, to, tenths, is_live } in self.ways.busiest(LINES_MAX) {
                    @let name = &self.ways.codes[code];
                    tr data-key={ (from) " " (to) " " (name) } {
                        td { (link(from)) }
                        td { a href=(self.subscriptions(Node::Code(code), Node::Endpoint(to))) { code { (name) } } }
                        td { (link(to)) }
                        td.number { (rate(tenths)) }
                        td { @if !is_live { "paused" } @else if self.bad.contains(&to) { span.status.failed { "in trouble" } } @else { "well" } }
                    }
                } }
            } }
        }
    }
}

/// For people: events a minute.
pub(super) fn rate(tenths: u64) -> String {
    match tenths {
        0 => "nothing just now".to_owned(),
        1..100 => format!("{}.{} a minute", tenths / 10, tenths % 10),
        _ => format!("{} a minute", super::grouped(tenths / 10)),
    }
}
