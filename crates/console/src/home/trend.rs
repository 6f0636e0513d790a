//! The last hour, minute by minute: small pictures of the same kind side by side, drawn on the server. What each shows is
//! also said in words beside it. Called by the first page, and by that of an endpoint.

use std::time::Duration;

use hub::traffic::{Minute, Traffic};
use maud::{Markup, html};

use super::grouped;
use crate::time;

const WIDTH: u64 = 240;
const HEIGHT: u64 = 56;

/// One of the pictures.
pub(crate) struct Kind {
    name: &'static str,
    /// What is drawn of a minute.
    value: fn(&Minute) -> u64,
    unit: Unit,
    /// The more, the worse.
    is_bad: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Count,
    Millis,
}

impl Unit {
    fn words(self, value: u64) -> String {
        match (self, value) {
            (Self::Count, _) => format!("{} a minute", grouped(value)),
            (Self::Millis, 0) => "nothing".to_owned(),
            (Self::Millis, _) => time::length(Duration::from_millis(value)),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Millis => "millis",
        }
    }
}

const fn count(name: &'static str, value: fn(&Minute) -> u64) -> Kind {
    Kind {
        name,
        value,
        unit: Unit::Count,
        is_bad: false,
    }
}

const fn millis(name: &'static str, value: fn(&Minute) -> u64) -> Kind {
    Kind {
        name,
        value,
        unit: Unit::Millis,
        is_bad: false,
    }
}

const DELIVERED: Kind = count("Delivered", |m| m.delivered.into());
const FAILED: Kind = Kind {
    is_bad: true,
    ..count("Failed calls", |m| m.failures.into())
};
const BEHIND: Kind = millis("Behind by", |m| m.lag_millis);

/// What is of interest in an account as a whole.
pub(crate) const OF_ACCOUNT: [Kind; 4] = [
    count("Published", |m| m.published.into()),
    DELIVERED,
    FAILED,
    BEHIND,
];

/// What is of interest in a destination.
pub(crate) const OF_DESTINATION: [Kind; 4] = [
    DELIVERED,
    FAILED,
    millis("Time to answer", answered_in),
    BEHIND,
];

fn answered_in(minute: &Minute) -> u64 {
    minute.millis / u64::from(minute.attempts).max(1)
}

pub(crate) fn draw(traffic: &Traffic, kinds: &[Kind]) -> Markup {
    if !traffic.is_here {
        return html! { p.warning { "This process of the exchange does not deliver for this account: what flowed in the last hour, and what waits, is counted by the one that does." } };
    }
    html! {
        div.trends {
            @for kind in kinds { (one(traffic, kind)) }
        }
        p.note {
            "Each bar is a minute of the last hour, the one under way at the right. Counted since " (time::at(traffic.since))
            ", when this process began." @if traffic.is_partial { " There is more than it can count: some endpoints are missing." }
        }
    }
}

fn one(traffic: &Traffic, kind: &Kind) -> Markup {
    let Kind { name, unit, .. } = kind;
    let minutes = traffic.minutes.iter();
    let values: Vec<u64> = minutes.map(|(_, minute)| (kind.value)(minute)).collect();
    let texts: Vec<String> = values.iter().map(u64::to_string).collect();
    let most = values.iter().copied().max().unwrap_or(0);
    let step = WIDTH / values.len().max(1) as u64;
    let bad = kind.is_bad && most > 0;
    let from = traffic.minutes.first().map_or(0, |(at, _)| at.as_second());
    html! {
        figure.trend.bad[bad] {
            figcaption { span { (name) } strong { (unit.words(values.last().copied().unwrap_or(0))) } }
            div.chart role="img" aria-label={ (name) " in the last hour: at most " (unit.words(most)) }
                data-own data-values=(texts.join(",")) data-from=(from) data-unit=(unit.as_str()) data-bad[bad] {
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
                    @for (at, &value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
                        @let height = (value * HEIGHT).checked_div(most).unwrap_or(0).max(1);
                        rect x=(at as u64 * step) y=(HEIGHT - height) width=(step - 1) height=(height) {}
                    }
                }
            }
            div.most { span { "at most " (unit.words(most)) } span.now data-own {} }
        }
    }
}
