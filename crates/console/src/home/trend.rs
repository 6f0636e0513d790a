//! The last hour, minute by minute: small pictures of the same kind side by side, drawn on the server. What each shows is
//! also said in words beside it. Where scripts run, a chart library draws them again, with what is under the pointer. Called
//! by the first page, and by that of an endpoint.

use std::time::Duration;

use hub::traffic::{Minute, Traffic};
use maud::{Markup, html};

use super::grouped;
use crate::assets;
use crate::time;

const WIDTH: u64 = 240;
const HEIGHT: u64 = 56;

/// One of the pictures: its name, what is drawn of a minute, and how a value is said.
type Kind = (&'static str, fn(&Minute) -> u64, Unit, bool);

/// What values are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    AMinute,
    Millis,
}

impl Unit {
    fn words(self, value: u64) -> String {
        match self {
            Self::AMinute => format!("{} a minute", grouped(value)),
            Self::Millis if value == 0 => "–".to_owned(),
            Self::Millis => time::length(Duration::from_millis(value)),
        }
    }

    /// As the script of the charts knows it.
    fn short(self) -> &'static str {
        match self {
            Self::AMinute => "a minute",
            Self::Millis => "ms",
        }
    }
}

/// What is of interest in an account as a whole.
pub(crate) const OF_ACCOUNT: [Kind; 4] = [
    ("Published", |m| m.published.into(), Unit::AMinute, false),
    ("Delivered", |m| m.delivered.into(), Unit::AMinute, false),
    ("Failed calls", |m| m.failures.into(), Unit::AMinute, true),
    ("Behind by", |m| m.lag_millis, Unit::Millis, false),
];

/// What is of interest in a destination.
pub(crate) const OF_DESTINATION: [Kind; 4] = [
    ("Delivered", |m| m.delivered.into(), Unit::AMinute, false),
    ("Failed calls", |m| m.failures.into(), Unit::AMinute, true),
    ("Time to answer", answered_in, Unit::Millis, false),
    ("Behind by", |m| m.lag_millis, Unit::Millis, false),
];

fn answered_in(minute: &Minute) -> u64 {
    minute.millis / u64::from(minute.attempts).max(1)
}

pub(crate) fn draw(traffic: &Traffic, kinds: &[Kind]) -> Markup {
    if !traffic.is_here {
        return html! { p.warning { "This process of the exchange does not deliver for this account: what flowed in the last hour, and what waits, is counted by the one that does." } };
    }
    html! {
        div.trends data-further=(assets::charts()) {
            @for kind in kinds { (one(traffic, *kind)) }
        }
        p.note {
            "Each bar is a minute of the last hour, the one under way at the right. Counted since " (time::at(traffic.since))
            ", when this process began." @if traffic.is_partial { " There is more than it can count: some endpoints are missing." }
        }
    }
}

fn one(traffic: &Traffic, (name, value, unit, is_bad): Kind) -> Markup {
    let values: Vec<u64> = traffic.minutes.iter().map(|(_, m)| value(m)).collect();
    let most = values.iter().copied().max().unwrap_or(0);
    let step = WIDTH / values.len().max(1) as u64;
    let bad = is_bad && most > 0;
    let first = traffic.minutes.first().map_or(0, |(at, _)| at.as_second());
    let listed: Vec<String> = values.iter().map(ToString::to_string).collect();
    html! {
        figure.trend.bad[bad] data-values=(listed.join(" ")) data-from=(first) data-unit=(unit.short()) {
            figcaption { span { (name) } strong { (unit.words(values.last().copied().unwrap_or(0))) } }
            div.chart {
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label={ (name) " in the last hour: at most " (unit.words(most)) } {
                    line.base x1="0" x2=(WIDTH) y1=(HEIGHT) y2=(HEIGHT) {}
                    @for (at, &value) in values.iter().enumerate() {
                        @let height = (value * HEIGHT).checked_div(most).unwrap_or(0).max(u64::from(value > 0));
                        rect x=(at as u64 * step) y=(HEIGHT - height) width=(step - 1) height=(height) {}
                    }
                }
                div.over data-kept aria-hidden="true" {}
            }
            span.most { "at most " (unit.words(most)) }
        }
    }
}
