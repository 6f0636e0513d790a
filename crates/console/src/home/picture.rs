//! Who sends what to whom, drawn: publishers on the left, event types in the middle, destinations on the right. A line is
//! as wide as events go along it each minute, dashed where nothing does just now, and red where the destination is in
//! trouble.
//!
//! Drawn on the server, so that it is there without scripts; the script lays it out anew with the same widths. The
//! picture is for eyes and the pointer; the table below it says the same to everybody, with the same links.

use std::collections::{BTreeMap, BTreeSet};

use hub::traffic::Rates;
use maud::{Markup, html};
use model::{EndpointId, Subscription};

use super::Seen;
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Endpoint(EndpointId),
    Code(String),
    /// All that are not drawn by themselves.
    Others,
}

/// One subscription's share, or that of several that look alike.
struct Line {
    from: EndpointId,
    code: String,
    to: EndpointId,
    /// Tenths of an event a minute.
    tenths: u64,
    is_live: bool,
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

pub(super) fn draw<R>(of: &In<R>, seen: &Seen) -> Markup {
    let lines = lines(&seen.subscriptions, &seen.rates);
    let sum = |key: &dyn Fn(&Line) -> Node| {
        let mut sums = BTreeMap::<Node, u64>::new();
        for line in &lines {
            *sums.entry(key(line)).or_default() += line.tenths;
        }
        column(sums)
    };
    // What is published goes to several, and is published once: the most that one destination gets of it.
    let published = published(&lines);
    let left = sum_published(&published, |(from, _)| Node::Endpoint(*from));
    let middle = sum_published(&published, |(_, code)| Node::Code((*code).to_owned()));
    let right = sum(&|line| Node::Endpoint(line.to));
    let mut columns = [left, middle, right];
    let drawn = |column: &Column, node: Node| {
        let is_drawn = column.nodes.iter().any(|(known, _)| *known == node);
        if is_drawn { node } else { Node::Others }
    };
    let mut ribbons: [BTreeMap<(Node, Node), Ribbon>; 2] = Default::default();
    for line in &lines {
        let code = drawn(&columns[1], Node::Code(line.code.clone()));
        let to = drawn(&columns[2], Node::Endpoint(line.to));
        let second = ribbons[1].entry((code, to)).or_default();
        second.tenths += line.tenths;
        second.is_live |= line.is_live;
        second.is_bad |= seen.is_in_trouble(line.to);
    }
    for ((from, code), (tenths, is_live)) in &published {
        let from = drawn(&columns[0], Node::Endpoint(*from));
        let code = drawn(&columns[1], Node::Code((*code).to_owned()));
        let first = ribbons[0].entry((from, code)).or_default();
        first.tenths += tenths;
        first.is_live |= is_live;
    }
    untangle(&mut columns, &ribbons);
    html! {
        figure.picture {
            (svg(of, seen, &columns, &ribbons))
            figcaption {
                @if seen.is_cut { p.note { "There are more subscriptions than are drawn; along the others nothing flows just now." } }
                details { summary { "The same as a table" } (table(of, seen, &lines)) }
            }
        }
    }
}

/// Puts the nodes of a column about where their lines come from, so that few lines cross.
fn untangle(columns: &mut [Column; 3], ribbons: &[BTreeMap<(Node, Node), Ribbon>; 2]) {
    for (side, ribbons) in ribbons.iter().enumerate() {
        let before: Vec<Node> = columns[side].nodes.iter().map(|(n, _)| n.clone()).collect();
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

/// By publisher and code: tenths of an event a minute, and whether anything of it is not paused.
type Published<'a> = BTreeMap<(EndpointId, &'a str), (u64, bool)>;

fn published(lines: &[Line]) -> Published<'_> {
    let mut published = Published::new();
    for line in lines {
        let (tenths, is_live) = published.entry((line.from, &line.code)).or_default();
        *tenths = line.tenths.max(*tenths);
        *is_live |= line.is_live;
    }
    published
}

fn sum_published(published: &Published<'_>, key: impl Fn(&(EndpointId, &str)) -> Node) -> Column {
    let mut sums = BTreeMap::<Node, u64>::new();
    for (of, (tenths, _)) in published {
        *sums.entry(key(of)).or_default() += tenths;
    }
    column(sums)
}

/// The busiest, the busiest first, and what is left as one.
fn column(sums: BTreeMap<Node, u64>) -> Column {
    let mut nodes: Vec<(Node, u64)> = sums.into_iter().collect();
    nodes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    if nodes.len() > NODES_MAX {
        let rest = nodes.split_off(NODES_MAX - 1);
        nodes.push((Node::Others, rest.iter().map(|(_, tenths)| tenths).sum()));
    }
    Column { nodes }
}

fn lines(subscriptions: &[std::sync::Arc<Subscription>], rates: &Rates) -> Vec<Line> {
    let mut lines = BTreeMap::<(EndpointId, &str, EndpointId), (u64, bool)>::new();
    for one in subscriptions {
        let line = lines.entry((one.publisher, &one.code, one.destination));
        let (tenths, is_live) = line.or_default();
        *tenths += rates.tenths_a_minute(one.id);
        *is_live |= one.enabled;
    }
    let lines = lines.into_iter();
    let lines = lines.map(|((from, code, to), (tenths, is_live))| Line {
        from,
        code: code.to_owned(),
        to,
        tenths,
        is_live,
    });
    let mut lines: Vec<Line> = lines.collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.tenths));
    lines
}

/// Where a node is drawn, and how much of each of its sides is taken by lines.
struct Place {
    y: u64,
    height: u64,
    taken: [u64; 2],
}

fn svg<R>(
    of: &In<R>,
    seen: &Seen,
    columns: &[Column; 3],
    ribbons: &[BTreeMap<(Node, Node), Ribbon>; 2],
) -> Markup {
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
        let at = |column: &Column, node: &Node| column.nodes.iter().position(|(n, _)| n == node);
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
            let ends = (&columns[side].nodes[a].0, &columns[side + 1].nodes[b].0);
            paths.push(path(of, ends, ribbon, (x, [y1, y2], width)));
        }
    }
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (height.max(BOX_HEIGHT_MIN)) } aria-hidden="true" focusable="false" {
            @for path in paths { (path) }
            @for (at, column) in columns.iter().enumerate() {
                @for ((node, tenths), place) in column.nodes.iter().zip(&places[at]) {
                    (draw_node(of, seen, node, *tenths, (at as u64 * (WIDTH - BOX) / 2, place)))
                }
            }
        }
    }
}

/// How much the lines on the fuller side of each node of a column carry: what is published once may go to several.
fn loads(
    columns: &[Column; 3],
    ribbons: &[BTreeMap<(Node, Node), Ribbon>; 2],
    at: usize,
) -> Vec<u64> {
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

fn path<R>(
    of: &In<R>,
    (from, to): (&Node, &Node),
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
        words(of, from),
        words(of, to),
        rate(ribbon.tenths)
    );
    html! {
        a href=(of.path(&filtered(from, to))) tabindex="-1" {
            path class=(class) stroke-width=(width)
                d={ "M" (x[0]) " " (y[0]) " C" (middle) " " (y[0]) " " (middle) " " (y[1]) " " (x[1]) " " (y[1]) } {
                title { (text) @if !ribbon.is_live { " (paused)" } }
            }
        }
    }
}

/// The subscriptions behind a line.
fn filtered(from: &Node, to: &Node) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (node, name) in [(from, "from"), (to, "to")] {
        match node {
            Node::Endpoint(id) => query.append_pair(name, &id.to_string()),
            Node::Code(code) => query.append_pair("code", code),
            Node::Others => &mut query,
        };
    }
    format!("/subscriptions?{}", query.finish())
}

fn words<R>(of: &In<R>, node: &Node) -> String {
    match node {
        Node::Endpoint(id) => named(of, *id),
        Node::Code(code) => code.clone(),
        Node::Others => "others".to_owned(),
    }
}

fn draw_node<R>(
    of: &In<R>,
    seen: &Seen,
    node: &Node,
    tenths: u64,
    (x, place): (u64, &Place),
) -> Markup {
    let name = words(of, node);
    let short: String = if name.chars().count() > NAME_CHARS_MAX {
        name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect()
    } else {
        name.clone()
    };
    let is_bad = matches!(node, Node::Endpoint(id) if seen.is_in_trouble(*id));
    let to = match node {
        Node::Endpoint(id) => of.path(&format!("/endpoints/{id}")),
        Node::Code(_) => of.path(&filtered(node, &Node::Others)),
        Node::Others => of.path("/subscriptions"),
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

/// For people: events a minute.
pub(super) fn rate(tenths: u64) -> String {
    match tenths {
        0 => "nothing just now".to_owned(),
        1..100 => format!("{}.{} a minute", tenths / 10, tenths % 10),
        _ => format!("{} a minute", super::grouped(tenths / 10)),
    }
}

fn table<R>(of: &In<R>, seen: &Seen, lines: &[Line]) -> Markup {
    let link = |id: EndpointId| html! { a href=(of.path(&format!("/endpoints/{id}"))) { (named(of, id)) } };
    let codes: BTreeSet<&str> = lines.iter().map(|line| line.code.as_str()).collect();
    html! {
        p { (codes.len()) " kinds of events on " (lines.len()) " ways." @if lines.len() > LINES_MAX { " The busiest " (LINES_MAX) ":" } }
        div.scroll tabindex="0" role="region" aria-label="Who sends what to whom" { table {
            thead { tr { th scope="col" { "From" } th scope="col" { "Events" } th scope="col" { "To" } th.number scope="col" { "Rate" } th scope="col" { "State" } } }
            tbody { @for line in lines.iter().take(LINES_MAX) {
                tr data-key={ (line.from) " " (line.to) " " (line.code) } {
                    td { (link(line.from)) }
                    td { a href=(of.path(&filtered(&Node::Code(line.code.clone()), &Node::Endpoint(line.to)))) { code { (line.code) } } }
                    td { (link(line.to)) }
                    td.number { (rate(line.tenths)) }
                    td { @if !line.is_live { "paused" } @else if seen.is_in_trouble(line.to) { span.status.failed { "in trouble" } } @else { "well" } }
                }
            } }
        } }
    }
}
