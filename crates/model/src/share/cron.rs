//! Cron expressions: when something recurs, by the clock on the wall of some time zone.
//!
//! Five fields as in POSIX `crontab`: minute (0–59), hour (0–23), day of month (1–31), month (1–12 or `jan`…), day of week
//! (0–7 or `sun`…; 0 and 7 are Sunday). Each is `*`, a number, a range `a-b`, any of them with a step `/n`, or a list of
//! these with commas; the day of month also takes `L`, the last one. Where both days are restricted, either may match.
//! `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` are short for what they say.
//!
//! The clock is changed twice a year in many zones. **Each time on the wall is kept once**: one that is left out (02:30
//! in spring) comes as much later as the clock was moved, one that comes twice (02:30 in autumn) counts the first time. So
//! "every day at 02:30" is once a day, always. ADR 0026 says why this is written here.

mod words;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::invalid::shown;

/// Longest expression, in bytes.
const BYTES_MAX: usize = 200;
/// 29 February can be eight years away (2096 to 2104); a day more for what is left of today.
const DAYS_SEARCHED_MAX: usize = 366 * 8 + 1;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// An expression that matches some time. Written as it was given, but for its blanks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    text: String,
    // A bit for each number that matches.
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Sunday is 0.
    weekdays: u64,
    /// `L`.
    last_day: bool,
    /// Both the day of month and the day of week are restricted: one of them is enough.
    either_day: bool,
}

/// What is wrong with an expression, in a sentence for who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadCron(String);

impl Cron {
    /// The first time after `after`. `None` only at the end of time.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut date = after.to_zoned(zone.clone()).date();
        for _ in 0..DAYS_SEARCHED_MAX {
            if self.is_on(date) {
                // In jiff's words "compatible": a time that is left out comes later, the first of two counts.
                let found = self
                    .times(date)
                    .filter_map(|time| zone.to_timestamp(time).ok())
                    .find(|found| *found > after);
                if found.is_some() {
                    return found;
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn is_on(&self, date: Date) -> bool {
        let has = |bits: u64, n: i8| u32::try_from(n).is_ok_and(|n| bits >> n & 1 == 1);
        let day = has(self.days, date.day()) || (self.last_day && date == date.last_of_month());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let is_day = if self.either_day {
            day || weekday
        } else {
            day && weekday
        };
        has(self.months, date.month()) && is_day
    }

    /// The times of a day, in order.
    fn times(&self, date: Date) -> impl Iterator<Item = DateTime> {
        let of = |bits: u64, max: i8| (0..=max).filter(move |n| bits >> n & 1 == 1);
        let minutes = self.minutes;
        of(self.hours, 23).flat_map(move |h| of(minutes, 59).map(move |m| date.at(h, m, 0, 0)))
    }

    /// Whether any day of any eight years matches.
    fn matches_some_day(&self) -> bool {
        let mut date = jiff::civil::date(2096, 1, 1);
        (0..DAYS_SEARCHED_MAX).any(|_| {
            let is_on = self.is_on(date);
            date = date.tomorrow().unwrap_or(date);
            is_on
        })
    }
}

impl FromStr for Cron {
    type Err = BadCron;

    fn from_str(text: &str) -> Result<Self, BadCron> {
        if text.len() > BYTES_MAX {
            return Err(BadCron(format!(
                "is {} bytes long; at most {BYTES_MAX} are taken",
                text.len()
            )));
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let expression = match text.to_ascii_lowercase().as_str() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            _ => &text,
        };
        let fields: Vec<&str> = expression.split(' ').collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(BadCron(format!(
                "{} is no cron expression: expected five fields (minute, hour, day of month, month, day of week), such as \
                 `30 6 * * mon-fri`, or @hourly, @daily, @weekly, @monthly or @yearly",
                shown(&text)
            )));
        };
        let (days, last_day) = days(day)?;
        let weekdays = WEEKDAY.read(weekday)?;
        let cron = Self {
            minutes: MINUTE.read(minute)?,
            hours: HOUR.read(hour)?,
            days,
            months: MONTH.read(month)?,
            // 7 is Sunday too.
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            last_day,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
            text,
        };
        if cron.matches_some_day() {
            Ok(cron)
        } else {
            let shown = shown(&cron.text);
            Err(BadCron(format!(
                "{shown} never comes: no such day of the month is in these months"
            )))
        }
    }
}

impl TryFrom<String> for Cron {
    type Error = BadCron;

    fn try_from(text: String) -> Result<Self, BadCron> {
        text.parse()
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> Self {
        cron.text
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What one of the five fields may hold.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the numbers from `min` up.
    names: &'static [&'static str],
}

const MINUTE: Field = Field::new("minute", 0, 59, &[]);
const HOUR: Field = Field::new("hour", 0, 23, &[]);
const DAY: Field = Field::new("day of month", 1, 31, &[]);
const MONTH: Field = Field::new("month", 1, 12, &MONTHS);
const WEEKDAY: Field = Field::new("day of week", 0, 7, &WEEKDAYS);

/// The day of month: its bits, and whether the last day is meant too.
fn days(text: &str) -> Result<(u64, bool), BadCron> {
    let is_last = |item: &&str| item.eq_ignore_ascii_case("l");
    let others: Vec<&str> = text.split(',').filter(|item| !is_last(item)).collect();
    let last_day = others.len() < text.split(',').count();
    let bits = match others.as_slice() {
        [] => 0,
        others => DAY.read(&others.join(","))?,
    };
    Ok((bits, last_day))
}

impl Field {
    const fn new(name: &'static str, min: u32, max: u32, names: &'static [&'static str]) -> Self {
        Self {
            name,
            min,
            max,
            names,
        }
    }

    /// A bit for each number that the field matches.
    fn read(&self, text: &str) -> Result<u64, BadCron> {
        let mut bits = 0;
        for item in text.split(',') {
            let (range, step) = item
                .split_once('/')
                .map_or((item, None), |(r, s)| (r, Some(s)));
            let step = match step {
                None => 1,
                Some(step) => step.parse().ok().filter(|n| *n > 0).ok_or_else(|| {
                    BadCron(format!(
                        "{} in the field {}: expected a step from 1 up after `/`",
                        shown(item),
                        self.name
                    ))
                })?,
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (self.min, self.max),
                Some((from, to)) => (self.number(from)?, self.number(to)?),
                // `5/15` is from 5 on, as elsewhere.
                None if item.contains('/') => (self.number(range)?, self.max),
                None => (self.number(range)?, self.number(range)?),
            };
            if from > to {
                let shown = shown(item);
                return Err(BadCron(format!(
                    "{shown} in the field {} runs backwards: the smaller number comes first",
                    self.name
                )));
            }
            let numbers = (from..=to).step_by(usize::try_from(step).unwrap_or(usize::MAX));
            bits |= numbers.fold(0, |bits, n| bits | 1 << n);
        }
        Ok(bits)
    }

    fn number(&self, text: &str) -> Result<u32, BadCron> {
        let named = self.names.iter().zip(self.min..);
        let named = named
            .filter(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|(_, n)| n)
            .next();
        let is_digits = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = named.or_else(|| text.parse().ok().filter(|_| is_digits));
        number
            .filter(|n| (self.min..=self.max).contains(n))
            .ok_or_else(|| {
                let names = match self.names {
                    [first, .., last] => format!(", or {first} to {last}"),
                    _ => String::new(),
                };
                BadCron(format!(
                    "{} in the field {}: expected {} to {}{names}",
                    shown(text),
                    self.name,
                    self.min,
                    self.max
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times that come after `after`, as the clock on the wall of the zone shows them.
    #[track_caller]
    fn check(cron: &str, zone: &str, after: &str, expected: &[&str]) {
        let cron: Cron = cron.parse().expect("a cron expression");
        let zone = TimeZone::get(zone).expect("a time zone");
        let mut after: Timestamp = after.parse().expect("a time");
        for expected in expected {
            let next = cron.next(after, &zone).expect("it comes again");
            let shown = next
                .to_zoned(zone.clone())
                .strftime("%F %R %:z")
                .to_string();
            assert_eq!(shown, *expected, "{cron} after {after}");
            after = next;
        }
    }

    #[test]
    fn an_expression_says_when() {
        let utc = |cron, expected: &[&str]| check(cron, "UTC", "2026-11-22T05:30:00Z", expected);
        utc("30 5 * * *", &["2026-11-23 05:30 +00:00"]);
        utc(
            "*/20 * * * *",
            &["2026-11-22 05:40 +00:00", "2026-11-22 06:00 +00:00"],
        );
        utc(
            "5/25 6 * * *",
            &[
                "2026-11-22 06:05 +00:00",
                "2026-11-22 06:30 +00:00",
                "2026-11-22 06:55 +00:00",
            ],
        );
        utc(
            "0 9-17/4 * * Mon-Fri",
            &[
                "2026-11-23 09:00 +00:00",
                "2026-11-23 13:00 +00:00",
                "2026-11-23 17:00 +00:00",
                "2026-11-24 09:00 +00:00",
            ],
        );
        utc(
            "0 0 L * *",
            &[
                "2026-11-30 00:00 +00:00",
                "2026-12-31 00:00 +00:00",
                "2027-01-31 00:00 +00:00",
                "2027-02-28 00:00 +00:00",
            ],
        );
        utc("0 0 29 feb *", &["2028-02-29 00:00 +00:00"]);
        utc("0 0 * * 7", &["2026-11-29 00:00 +00:00"]);
        utc("@monthly", &["2026-12-01 00:00 +00:00"]);
        utc(
            "0 0 * * */2",
            &[
                "2026-11-24 00:00 +00:00",
                "2026-11-26 00:00 +00:00",
                "2026-11-28 00:00 +00:00",
                "2026-11-29 00:00 +00:00",
            ],
        );
    }

    #[test]
    fn either_day_is_enough_where_both_are_restricted() {
        let expected = [
            "2026-11-27 00:00 +00:00",
            "2026-12-01 00:00 +00:00",
            "2026-12-04 00:00 +00:00",
        ];
        check("0 0 1 * fri", "UTC", "2026-11-22T00:00:00Z", &expected);
    }

    #[test]
    fn each_time_on_the_wall_is_kept_once() {
        // Berlin leaves 02:00 to 03:00 out on 29 March 2026 and repeats it on 25 October.
        let spring = [
            "2026-03-28 02:30 +01:00",
            "2026-03-29 03:30 +02:00",
            "2026-03-30 02:30 +02:00",
        ];
        check(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-27T12:00:00Z",
            &spring,
        );
        let autumn = [
            "2026-10-24 02:30 +02:00",
            "2026-10-25 02:30 +02:00",
            "2026-10-26 02:30 +01:00",
        ];
        check(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-23T12:00:00Z",
            &autumn,
        );
        let half_hours = ["2026-10-25 02:30 +02:00", "2026-10-25 03:00 +01:00"];
        check(
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:00:00Z",
            &half_hours,
        );
        // Asked in the middle of the hour that is there a second time.
        check(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-25T01:10:00Z",
            &["2026-10-26 02:30 +01:00"],
        );
        let left_out = [
            "2026-03-29 01:30 +01:00",
            "2026-03-29 03:00 +02:00",
            "2026-03-29 03:30 +02:00",
            "2026-03-29 04:00 +02:00",
        ];
        check(
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:00:00Z",
            &left_out,
        );
        check(
            "0 9 * * *",
            "America/New_York",
            "2026-11-22T05:30:00Z",
            &["2026-11-22 09:00 -05:00"],
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("", "five fields"),
            ("* * * *", "five fields"),
            ("@reboot", "five fields"),
            ("60 * * * *", "`60` in the field minute: expected 0 to 59"),
            ("* 24 * * *", "hour"),
            ("* * 0 * *", "day of month"),
            ("* * * foo *", "expected 1 to 12, or jan to dec"),
            ("* * * * 8", "day of week"),
            ("* * * * +1", "day of week"),
            ("5-1 * * * *", "backwards"),
            ("*/0 * * * *", "step"),
            ("1,,2 * * * *", "minute"),
            ("0 0 30 2 *", "never comes"),
            ("0 0 31 4,6 *", "never comes"),
        ] {
            let error = text.parse::<Cron>().expect_err(text).to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
        assert!("*".repeat(300).parse::<Cron>().is_err());
        let kept: Cron = " 0  0\t30 2 mon ".parse().expect("Mondays come");
        assert_eq!(kept.to_string(), "0 0 30 2 mon");
    }

    #[test]
    fn fuzz_no_text_is_too_much() {
        use proptest::prelude::*;
        fuzzing::run(
            &(
                "[0-9*/,lLa-z@ -]{0,24}",
                -60_000_000_000_i64..200_000_000_000,
            ),
            |(text, second): (String, i64)| {
                if let Ok(cron) = text.parse::<Cron>() {
                    let after = Timestamp::from_second(second).expect("in range");
                    let zone = TimeZone::get("Europe/Berlin").expect("a time zone");
                    if let Some(next) = cron.next(after, &zone) {
                        prop_assert!(next > after);
                    }
                }
                Ok(())
            },
        );
    }
}
