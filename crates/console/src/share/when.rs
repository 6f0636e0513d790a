//! When a share runs: the fields of a form, and any schedule in words with the next three times.

use axum::http::Uri;
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use model::share::{Cron, Schedule, Zone};

use crate::form::{self, Form};
use crate::visitor::{In, Viewer};

/// Times to come that are shown.
const NEXT: usize = 3;

pub(super) fn read(form: &Form) -> Result<Schedule, String> {
    let zone = Zone::named(match form.text("zone") {
        "" => "UTC",
        name => name,
    });
    match form.text("when") {
        "cron" => Ok(Schedule::Cron {
            cron: form
                .text("cron")
                .parse::<Cron>()
                .map_err(|error| format!("When: {error}"))?,
            zone: zone.map_err(|error| error.to_string())?,
        }),
        "at" => {
            let zone = zone.map_err(|error| error.to_string())?;
            let rules = TimeZone::get(&zone.to_string()).map_err(|error| error.to_string())?;
            let at = form.text("at").parse::<jiff::civil::DateTime>();
            let at = at.map_err(|_| "When: say the day and the time.".to_owned())?;
            let at = rules.to_timestamp(at).map_err(|error| error.to_string())?;
            Ok(Schedule::At { at })
        }
        _ => Ok(Schedule::Now),
    }
}

/// The fields that say a schedule.
pub(super) fn form_of(schedule: &Schedule) -> Vec<(String, String)> {
    let fields = match schedule {
        Schedule::Now => vec![("when", "now".to_owned())],
        Schedule::At { at } => vec![
            ("when", "at".to_owned()),
            ("at", at.strftime("%Y-%m-%dT%H:%M").to_string()),
            ("zone", "UTC".to_owned()),
        ],
        Schedule::Cron { cron, zone } => vec![
            ("when", "cron".to_owned()),
            ("cron", cron.to_string()),
            ("zone", zone.to_string()),
        ],
    };
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The choice of a schedule; what it comes to is said below it while it is made. `now` is what running now is called.
pub(super) fn fields<R>(of: &In<R>, form: &Form, now: (&str, &str)) -> Markup {
    let chosen = form.text("when");
    let or = |name, default| match form.text(name) {
        "" => default,
        text => text,
    };
    let zones = jiff::tz::db().available();
    let preview = of.path("/shares/when");
    html! {
        div data-preview=(preview) {
            div.columns {
                fieldset.choices { legend { "It runs" }
                    @for (value, name, note) in [("now", now.0, now.1), ("at", "at a time", "once"), ("cron", "again and again", "as a cron expression says")] {
                        label.choice { input type="radio" name="when" value=(value) checked[chosen == value || (chosen.is_empty() && value == "now")];
                            span { (name) small { (note) } } }
                    }
                }
                div.stack {
                    label { "Day and time" input type="datetime-local" name="at" value=(form.text("at")); }
                    label { "Minute, hour, day, month, weekday" input type="text" name="cron" value=(or("cron", "30 6 * * *")) aria-describedby="cron-help" spellcheck="false";
                        small #cron-help { "30 6 * * mon-fri is half past six on working days" } }
                }
                label { "Time zone" input type="text" name="zone" value=(or("zone", "UTC")) list="zones" aria-describedby="zone-help" data-zone[form.text("zone").is_empty()];
                    small #zone-help { "such as Europe/Berlin" } }
            }
            datalist #zones { @for zone in zones { option value=(zone.as_str()) {} } }
            p.preview aria-live="polite" data-shown { (said(form, of.hub().now())) }
        }
    }
}

fn said(form: &Form, now: Timestamp) -> Markup {
    match read(form) {
        Ok(schedule) => told(&schedule, now),
        Err(why) => html! { span.bad { (why) } },
    }
}

/// The same for what is typed into the fields.
pub(super) async fn preview(of: In<Viewer>, uri: Uri) -> Response {
    let said = said(&form::query(&uri), of.hub().now());
    Html(said.into_string()).into_response()
}

/// In words, and the next times by the clock of its own zone.
pub(super) fn told(schedule: &Schedule, now: Timestamp) -> Markup {
    let (mut times, mut after) = (Vec::new(), now);
    while let Some(next) = schedule.next(after).filter(|_| times.len() < NEXT) {
        times.push(next);
        after = next;
    }
    let zone = match schedule {
        Schedule::Cron { zone, .. } => TimeZone::get(&zone.to_string()).unwrap_or(TimeZone::UTC),
        _ => TimeZone::UTC,
    };
    html! {
        (words(schedule))
        @if schedule.recurs() && !times.is_empty() {
            ". Next: "
            @for (at, time) in times.iter().enumerate() {
                @if at > 0 { "; " }
                // In the zone of the schedule, whatever that of the reader is.
                time datetime=(time) title=(time) data-ago {
                    (time.to_zoned(zone.clone()).strftime("%a %d %b %Y, %H:%M"))
                }
            }
        }
    }
}

pub(super) fn words(schedule: &Schedule) -> Markup {
    match schedule {
        Schedule::Now => html! { "Once, now" },
        Schedule::At { at } => html! { "Once, " (crate::time::at(*at)) },
        Schedule::Cron { cron, zone } => {
            let words = cron.words();
            let mut chars = words.chars();
            let first = chars.next().map(|c| c.to_uppercase().collect::<String>());
            html! { span title=(cron) { (first.unwrap_or_default()) (chars.as_str()) } " (" (zone) ")" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_read_in_its_zone_and_said_with_the_next_times() {
        let now: Timestamp = "2026-11-22T05:30:00Z".parse().expect("a time");
        let form = |text: &str| Form::read(text.as_bytes());
        let at = read(&form("when=at&at=2026-12-01T06%3A00&zone=Europe%2FBerlin"));
        let at = at.expect("a schedule");
        assert_eq!(
            at.next(now),
            Some("2026-12-01T05:00:00Z".parse().expect("a time"))
        );
        let cron = form("when=cron&cron=30+6+*+*+mon-fri&zone=America%2FNew_York");
        let text = said(&cron, now).into_string();
        assert!(text.contains("Monday to Friday at 06:30"), "{text}");
        assert_eq!(text.matches("06:30</time>").count(), NEXT, "{text}");
        assert!(text.contains("Mon 23 Nov 2026, 06:30"), "{text}");
        let wrong = said(&form("when=cron&cron=<b>"), now).into_string();
        assert!(wrong.contains("&lt;b&gt;"), "{wrong}");
    }
}
