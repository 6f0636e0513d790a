//! The last hour, minute by minute: small pictures of the same kind side by side, drawn on the server. What each shows is
//! also said in words beside it. Called by the first page, and by that of an endpoint.

use std::time::Duration;

use hub::traffic::{Minute, Traffic};
use maud::{Markup, html};

use super::grouped;
use crate::time;

const WIDTH: u64 = 240;
const HEIGHT: u64 = 56;

/// One of the pictures: its name, what is drawn of a minute, and how a value is said.
type Kind = (&'static str, fn(&Minute) -> u64, fn(u64) -> String, bool);

/// What is of interest in an account as a whole.
pub(crate) const OF_ACCOUNT: [Kind; 4] = [
    ("Published", |m| m.published.into(), a_minute, false),
    ("Delivered", |m| m.delivered.into(), a_minute, false),
    ("Failed calls", |m| m.failures.into(), a_minute, true),
    ("Behind by", |m| m.lag_millis, span, false),
];

/// What is of interest in a destination.
pub(crate) const OF_DESTINATION: [Kind; 4] = [
    ("Delivered", |m| m.delivered.into(), a_minute, false),
    ("Failed calls", |m| m.failures.into(), a_minute, true),
    ("Time to answer", answered_in, span, false),
    ("Behind by", |m| m.lag_millis, span, false),
];

fn answered_in(minute: &Minute) -> u64 {
    minute.millis / u64::from(minute.attempts).max(1)
}

fn a_minute(count: u64) -> String {
    format!("{} a minute", grouped(count))
}

fn span(millis: u64) -> String {
    match millis {
        0 => "nothing".to_owned(),
        _ => time::length(Duration::from_millis(millis)),
    }
}

pub(crate) fn draw(traffic: &Traffic, kinds: &[Kind]) -> Markup {
    if !traffic.is_here {
        return html! { p.warning { "This process of the exchange does not deliver for this account: what flowed in the last hour, and what waits, is counted by the one that does." } };
    }
    html! {
        div.trends {
            @for (name, value, words, is_bad) in kinds { (one(traffic, name, *value, *words, *is_bad)) }
        }
        p.note {
            "Each bar is a minute of the last hour, the one under way at the right. Counted since " (time::at(traffic.since))
            ", when this process began." @if traffic.is_partial { " There is more than it can count: some endpoints are missing." }
        }
    }
}

fn one(
    traffic: &Traffic,
    name: &str,
    value: fn(&Minute) -> u64,
    words: fn(u64) -> String,
    is_bad: bool,
) -> Markup {
    let values: Vec<u64> = traffic.minutes.iter().map(|(_, m)| value(m)).collect();
    let most = values.iter().copied().max().unwrap_or(0);
    let step = WIDTH / values.len().max(1) as u64;
    let bad = is_bad && most > 0;
    html! {
        figure.trend.bad[bad] {
            figcaption { span { (name) } strong { (words(values.last().copied().unwrap_or(0))) } }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label={ (name) " in the last hour: at most " (words(most)) } {
                line.base x1="0" x2=(WIDTH) y1=(HEIGHT) y2=(HEIGHT) {}
                @for (at, &value) in values.iter().enumerate() {
                    @let height = (value * HEIGHT).checked_div(most).unwrap_or(0).max(u64::from(value > 0));
                    rect x=(at as u64 * step) y=(HEIGHT - height) width=(step - 1) height=(height) {}
                }
            }
            span.most { "at most " (words(most)) }
        }
    }
}
