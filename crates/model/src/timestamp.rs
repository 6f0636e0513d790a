//! Times as strangers write them: ISO 8601 in every common shape, read into a [`Timestamp`].
//!
//! Called for every event that is published, so the shape that nearly all use has a short way, and nothing is
//! allocated. Total: any text is a time or an error that says where and what was expected.
//!
//! | part | shapes |
//! |---|---|
//! | date | `2015-02-28`, `20150228`, ordinal `2015-059` and `2015059`, week `2015-W09-6` and `2015W096`, years of six digits after a sign |
//! | then | `T`, `t` or one space; or nothing more: midnight |
//! | time | `20:16:12`, `20:16`, `201612`, `2016`, `20`; a fraction of the second after dot or comma |
//! | offset | `Z`, `z`, `+01:00`, `+0100`, `+01`, also after a space, also with U+2212 as minus; none is UTC |
//!
//! Decisions: `24:00` is midnight at the end of the day. A leap second (`23:59:60` UTC) becomes the last nanosecond
//! before midnight, so that order is kept. Digits beyond nanoseconds are cut, so nothing ever happens later than it
//! was said to. A zone in brackets after an offset (RFC 9557, Java's `ZonedDateTime`) is ignored: the offset has said
//! it all. Local time with a zone but no offset is refused.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, ISOWeekDate, Time, Weekday};
use jiff::tz::Offset;

/// Longest text that is looked at, in bytes.
pub const TEXT_BYTES_MAX: usize = 100;

/// The text is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// The text has another form. `at` counts characters from 1.
    #[error(
        "not a time in ISO 8601: expected {expected} at character {at}; write it like 2015-02-28T20:16:12Z"
    )]
    Form {
        /// Where, counted in characters from 1.
        at: usize,
        /// What should have been there.
        expected: &'static str,
    },
    /// The form is right, but the calendar or the clock has no such thing.
    #[error("there is no such {what}; write the time like 2015-02-28T20:16:12Z")]
    NoSuch {
        /// Date, time of day, leap second or offset.
        what: &'static str,
    },
    /// Before the year -9999 or after the year 9999.
    #[error("the time is outside the years -9999 to 9999")]
    OutOfRange,
    /// Longer than any time is.
    #[error(
        "the text is longer than {TEXT_BYTES_MAX} bytes: too long for a time, which looks like 2015-02-28T20:16:12Z"
    )]
    TooLong,
}

type Result<T> = std::result::Result<T, TimestampError>;

/// Reads a time; white space around it is ignored.
///
/// # Errors
/// [`TimestampError`] says where the text stops being a time. Never panics.
pub fn parse(text: &str) -> Result<Timestamp> {
    match common(text.as_bytes()) {
        Some(timestamp) => Ok(timestamp),
        None => general(text),
    }
}

/// `YYYY-MM-DDThh:mm:ss[.f…]Z`, up to nine digits of fraction. `None` sends everything else the long way.
fn common(text: &[u8]) -> Option<Timestamp> {
    let (head, tail) = text.split_at_checked(19)?;
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        mo1,
        mo2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        mi1,
        mi2,
        b':',
        s1,
        s2,
    ] = *head
    else {
        return None;
    };
    let two = |tens: u8, ones: u8| {
        let both = tens.is_ascii_digit() && ones.is_ascii_digit();
        both.then(|| (tens - b'0').cast_signed() * 10 + (ones - b'0').cast_signed())
    };
    let nanosecond = match tail {
        [b'Z'] => 0,
        [b'.', digits @ .., b'Z'] if (1..=9).contains(&digits.len()) => fraction(digits)?,
        _ => return None,
    };
    let year = i16::from(two(y1, y2)?) * 100 + i16::from(two(y3, y4)?);
    let date = Date::new(year, two(mo1, mo2)?, two(d1, d2)?).ok()?;
    let time = Time::new(two(h1, h2)?, two(mi1, mi2)?, two(s1, s2)?, nanosecond).ok()?;
    Offset::UTC.to_timestamp(date.to_datetime(time)).ok()
}

/// Digits after the decimal sign as nanoseconds; those beyond the ninth are cut. `None` if one is no digit.
fn fraction(digits: &[u8]) -> Option<i32> {
    let mut nanoseconds = 0;
    for place in 0..9 {
        let digit = digits.get(place).copied().unwrap_or(b'0');
        nanoseconds = nanoseconds * 10 + i32::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    Some(nanoseconds)
}

fn general(text: &str) -> Result<Timestamp> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(TimestampError::TooLong);
    }
    let mut cursor = Cursor {
        text,
        at: text.len() - text.trim_start().len(),
        end: text.trim_end().len(),
    };
    let date = cursor.date()?;
    if cursor.rest().is_empty() {
        return stamp(date.to_datetime(Time::midnight()), Offset::UTC);
    }
    if !cursor.take_any(b"Tt ") {
        return Err(cursor.expected("`T` and the time of day"));
    }
    let clock = cursor.clock()?;
    let offset = cursor.offset()?;
    cursor.zone(offset)?;
    if !cursor.rest().is_empty() {
        return Err(cursor.expected("`Z`, an offset such as +01:00, or the end"));
    }
    clock.on(date, offset.unwrap_or(Offset::UTC))
}

fn stamp(datetime: DateTime, offset: Offset) -> Result<Timestamp> {
    offset
        .to_timestamp(datetime)
        .map_err(|_| TimestampError::OutOfRange)
}

/// A time of day as written: the hour may be 24, the second 60.
struct Clock {
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
}

impl Clock {
    fn on(&self, date: Date, offset: Offset) -> Result<Timestamp> {
        const NO_TIME: TimestampError = TimestampError::NoSuch {
            what: "time of day",
        };
        match (self.hour, self.second) {
            (24, _) if (self.minute, self.second, self.nanosecond) == (0, 0, 0) => {
                let tomorrow = date.tomorrow().map_err(|_| TimestampError::OutOfRange)?;
                stamp(tomorrow.to_datetime(Time::midnight()), offset)
            }
            (_, 60) => {
                let last =
                    Time::new(self.hour, self.minute, 59, 999_999_999).map_err(|_| NO_TIME)?;
                let timestamp = stamp(date.to_datetime(last), offset)?;
                let ends_the_day = timestamp.as_second().rem_euclid(86_400) == 86_399;
                ends_the_day
                    .then_some(timestamp)
                    .ok_or(TimestampError::NoSuch {
                        what: "leap second: they end a day of UTC",
                    })
            }
            _ => {
                let time = Time::new(self.hour, self.minute, self.second, self.nanosecond)
                    .map_err(|_| NO_TIME)?;
                stamp(date.to_datetime(time), offset)
            }
        }
    }
}

/// What is left to read: `at..end`, always on the borders of characters.
struct Cursor<'t> {
    text: &'t str,
    at: usize,
    end: usize,
}

impl<'t> Cursor<'t> {
    fn rest(&self) -> &'t [u8] {
        self.text
            .as_bytes()
            .get(self.at..self.end)
            .unwrap_or_default()
    }

    fn expected(&self, expected: &'static str) -> TimestampError {
        let at = 1 + self
            .text
            .get(..self.at)
            .map_or(0, |read| read.chars().count());
        TimestampError::Form { at, expected }
    }

    fn take(&mut self, wanted: &[u8]) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len() } else { 0 };
        found
    }

    fn take_any(&mut self, wanted: &[u8]) -> bool {
        let found = self
            .rest()
            .first()
            .is_some_and(|byte| wanted.contains(byte));
        self.at += usize::from(found);
        found
    }

    /// How many digits come next.
    fn run(&self) -> usize {
        self.rest()
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    }

    /// Exactly `count` digits, at most six, and not a digit more unless they belong to the next field.
    fn number(&mut self, count: usize, expected: &'static str) -> Result<i32> {
        if self.run() < count {
            return Err(self.expected(expected));
        }
        let digits = &self.rest()[..count];
        self.at += count;
        Ok(digits
            .iter()
            .fold(0, |number, digit| number * 10 + i32::from(digit - b'0')))
    }

    /// One field of two digits.
    fn two(&mut self, expected: &'static str) -> Result<i8> {
        let number = self.number(2, expected)?;
        Ok(i8::try_from(number).expect("two digits are below 100"))
    }

    fn date(&mut self) -> Result<Date> {
        const NO_DATE: TimestampError = TimestampError::NoSuch { what: "date" };
        let year = self.year()?;
        let extended = self.take(b"-");
        if self.take_any(b"Ww") {
            let week = self.two("two digits of the week")?;
            if extended && !self.take(b"-") {
                return Err(self.expected("`-` and the day of the week"));
            }
            let day = self.number(1, "the day of the week, 1 to 7")?;
            let day = i8::try_from(day)
                .ok()
                .and_then(|day| Weekday::from_monday_one_offset(day).ok())
                .ok_or(NO_DATE)?;
            return ISOWeekDate::new(year, week, day)
                .map(ISOWeekDate::date)
                .map_err(|_| NO_DATE);
        }
        if self.run() == 3 {
            let day = self.number(3, "three digits of the day")?;
            let day = i16::try_from(day).map_err(|_| NO_DATE)?;
            let first = Date::new(year, 1, 1).map_err(|_| NO_DATE)?;
            return first.with().day_of_year(day).build().map_err(|_| NO_DATE);
        }
        let month = self.two("two digits of the month")?;
        if extended && !self.take(b"-") {
            return Err(self.expected("`-` and the day"));
        }
        let day = self.two("two digits of the day")?;
        Date::new(year, month, day).map_err(|_| NO_DATE)
    }

    fn year(&mut self) -> Result<i16> {
        let negative = self.minus();
        let signed = negative || self.take(b"+");
        let digits = if signed { 6 } else { 4 };
        if !signed && self.run() > 8 {
            return Err(self.expected("a date such as 2015-02-28 and not a count of seconds"));
        }
        let year = self.number(
            digits,
            if signed {
                "six digits of the year"
            } else {
                "four digits of the year"
            },
        )?;
        if negative && year == 0 {
            return Err(TimestampError::NoSuch {
                what: "year: there is no minus zero",
            });
        }
        i16::try_from(if negative { -year } else { year }).map_err(|_| TimestampError::OutOfRange)
    }

    /// ISO 8601 asks for the true minus where the character set has one.
    fn minus(&mut self) -> bool {
        self.take(b"-") || self.take("\u{2212}".as_bytes())
    }

    fn clock(&mut self) -> Result<Clock> {
        let basic = self.run() > 2;
        let hour = self.two("two digits of the hour")?;
        let mut clock = Clock {
            hour,
            minute: 0,
            second: 0,
            nanosecond: 0,
        };
        if self.take(b":") || basic {
            clock.minute = self.two("two digits of the minute")?;
            if self.take(b":") || (basic && self.run() > 0) {
                clock.second = self.two("two digits of the second")?;
                clock.nanosecond = self.fraction()?;
            }
        }
        Ok(clock)
    }

    fn fraction(&mut self) -> Result<i32> {
        if !self.take_any(b".,") {
            return Ok(0);
        }
        let count = self.run();
        let digits = &self.rest()[..count];
        match fraction(digits) {
            Some(nanoseconds) if count > 0 => {
                self.at += count;
                Ok(nanoseconds)
            }
            _ => Err(self.expected("digits of the fraction")),
        }
    }

    fn offset(&mut self) -> Result<Option<Offset>> {
        self.take(b" ");
        if self.take_any(b"Zz") {
            return Ok(Some(Offset::UTC));
        }
        let negative = self.minus();
        if !negative && !self.take(b"+") {
            return Ok(None);
        }
        let hours = i32::from(self.two("two digits of the offset's hours")?);
        let minutes = if self.take(b":") || self.run() > 0 {
            i32::from(self.two("two digits of the offset's minutes")?)
        } else {
            0
        };
        if hours > 23 || minutes > 59 {
            return Err(TimestampError::NoSuch { what: "offset" });
        }
        let seconds = (hours * 60 + minutes) * 60;
        let offset = Offset::from_seconds(if negative { -seconds } else { seconds });
        offset
            .map(Some)
            .map_err(|_| TimestampError::NoSuch { what: "offset" })
    }

    /// `[Europe/Paris]` after an offset.
    fn zone(&mut self, offset: Option<Offset>) -> Result<()> {
        let rest = self.rest();
        if rest.first() != Some(&b'[') {
            return Ok(());
        }
        if offset.is_none() {
            return Err(self.expected("an offset such as +01:00 before the zone"));
        }
        // Characters end where brackets do: a bracket is never inside one.
        if rest.last() != Some(&b']') {
            return Err(self.expected("a zone that ends in `]`"));
        }
        self.at = self.end;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
