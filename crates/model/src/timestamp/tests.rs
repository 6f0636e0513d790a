//! Times as tables and as properties. `RIALTO_FUZZ_SECONDS=60 cargo test -p model fuzz_` looks longer.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

const SAME: &str = "2015-02-28T20:16:12Z";

fn check(text: &str, expect: &str) {
    let expect: Timestamp = expect.parse().expect("jiff reads the expectation");
    assert_eq!(parse(text), Ok(expect), "{text}");
}

#[test]
fn one_moment_in_every_common_shape() {
    for text in [
        "2015-02-28T20:16:12Z",
        "2015-02-28t20:16:12z",
        "2015-02-28 20:16:12Z",
        "2015-02-28 20:16:12 Z",
        "2015-02-28T20:16:12",
        "2015-02-28 20:16:12",
        "20150228T201612Z",
        "20150228T201612",
        "20150228 201612",
        "20150228T20:16:12Z",
        "2015-02-28T201612Z",
        "  2015-02-28T20:16:12Z\n",
        "2015-02-28T20:16:12+00:00",
        "2015-02-28T20:16:12-00:00",
        "2015-02-28T20:16:12+0000",
        "2015-02-28T20:16:12+00",
        "2015-02-28T21:16:12+01:00",
        "2015-02-28T21:16:12+01",
        "2015-02-28 21:16:12 +0100",
        "20150228T211612+0100",
        "2015-02-28T15:16:12-05:00",
        "2015-02-28T15:16:12\u{2212}05:00",
        "2015-03-01T01:46:12+05:30",
        "2015-02-28T16:46:12-0330",
        "2015-02-28T20:16:12.0Z",
        "2015-02-28T20:16:12,000Z",
        "2015-02-28T20:16:12.000000000Z",
        "2015-059T20:16:12Z",
        "2015059T201612Z",
        "2015-W09-6T20:16:12Z",
        "2015W096T201612Z",
        "2015-w09-6T20:16:12Z",
        "+002015-02-28T20:16:12Z",
        "+0020150228T201612Z",
        "2015-02-28T21:16:12+01:00[Europe/Paris]",
        "2015-02-28T20:16:12Z[UTC]",
    ] {
        check(text, SAME);
    }
}

#[test]
fn what_is_left_out_is_zero_and_utc() {
    check("2015-02-28", "2015-02-28T00:00:00Z");
    check("20150228", "2015-02-28T00:00:00Z");
    check("2015-059", "2015-02-28T00:00:00Z");
    check("2015-02-28T20:16", "2015-02-28T20:16:00Z");
    check("2015-02-28T2016Z", "2015-02-28T20:16:00Z");
    check("20150228T20", "2015-02-28T20:00:00Z");
    check("2015-02-28T20+02:00", "2015-02-28T18:00:00Z");
    check("2015-02-28T20:16-08:00", "2015-03-01T04:16:00Z");
}

#[test]
fn fractions_go_to_nanoseconds_and_are_cut_there() {
    check("2010-07-29T13:33:59.028Z", "2010-07-29T13:33:59.028Z");
    check("2015-02-28T20:16:12.5", "2015-02-28T20:16:12.5Z");
    check("2015-02-28T20:16:12,123456Z", "2015-02-28T20:16:12.123456Z");
    check(
        "2015-02-28T20:16:12.123456789Z",
        "2015-02-28T20:16:12.123456789Z",
    );
    check(
        "2015-02-28T20:16:12.9999999999999Z",
        "2015-02-28T20:16:12.999999999Z",
    );
    check("20150228T201612.25+0100", "2015-02-28T19:16:12.25Z");
    check("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z");
}

#[test]
fn the_edges_of_calendar_and_clock() {
    check("2015-02-28T24:00:00Z", "2015-03-01T00:00:00Z");
    check("2015-12-31T24:00", "2016-01-01T00:00:00Z");
    check("2016-02-29", "2016-02-29T00:00:00Z");
    check("2016-366", "2016-12-31T00:00:00Z");
    check("2020-W53-7", "2021-01-03T00:00:00Z");
    check("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999999Z");
    check(
        "2017-01-01T08:59:60.5+09:00",
        "2016-12-31T23:59:59.999999999Z",
    );
    check("2015-02-28T23:59:00+23:59", "2015-02-28T00:00:00Z");
    check("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z");
    check("-000001-06-15T00:00:00Z", "-000001-06-15T00:00:00Z");
    assert_eq!(
        parse("9999-12-31T23:59:59Z"),
        Err(TimestampError::OutOfRange)
    );
    assert_eq!(
        parse("+012015-02-28"),
        Err(TimestampError::NoSuch { what: "date" })
    );
    assert_eq!(parse("+999999-02-28"), Err(TimestampError::OutOfRange));
}

#[test]
fn what_no_calendar_has_is_refused() {
    for (text, what) in [
        ("2015-02-29", "date"),
        ("2015-13-01", "date"),
        ("2015-00-10", "date"),
        ("2015-04-31T00:00:00Z", "date"),
        ("2015-366", "date"),
        ("2015-000", "date"),
        ("2014-W53-1", "date"),
        ("2015-W10-8", "date"),
        ("2015-W10-0", "date"),
        ("2015-02-28T25:00:00Z", "time"),
        ("2015-02-28T24:00:01Z", "time"),
        ("2015-02-28T24:01", "time"),
        ("2015-02-28T20:60:00Z", "time"),
        ("2015-02-28T20:16:61Z", "time"),
        ("2015-02-28T24:00:60Z", "time"),
        ("2015-02-28T20:16:60Z", "leap second"),
        ("2015-02-28T23:59:60+01:00", "leap second"),
        ("2015-02-28T20:16:12+24:00", "offset"),
        ("2015-02-28T20:16:12+01:60", "offset"),
        ("-000000-01-01", "year"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(
            error.starts_with(&format!("there is no such {what}")),
            "{text}: {error}"
        );
    }
}

#[test]
fn what_has_another_form_is_refused_with_the_place() {
    for (text, at) in [
        ("", 1),
        ("   ", 4),
        ("yesterday", 1),
        ("now", 1),
        ("1425154572", 1),
        ("1425154572000", 1),
        ("28.02.2015", 1),
        ("02/28/2015", 1),
        ("2015", 5),
        ("2015-02", 8),
        ("2015-2-28", 6),
        ("2015-02-28T", 12),
        ("2015-02-28T2", 12),
        ("2015-02-28T20:", 15),
        ("2015-02-28T20:1", 15),
        ("2015-02-28X20:16", 11),
        ("2015-02-28  20:16", 12),
        ("2015-02-28T20:16:12.Z", 21),
        ("2015-02-28T20:16.5Z", 17),
        ("2015-02-28T20:16:12ZZ", 21),
        ("2015-02-28T20:16:12 UTC", 21),
        ("2015-02-28T20:16:12+1", 21),
        ("2015-02-28T20:16:12+01:", 24),
        ("2015-02-28T20:16:12+010", 23),
        ("2015-02-28T20:16:12[Europe/Paris]", 20),
        ("2015-02-28T20:16:12Z[Paris", 21),
        ("２０１５-02-28", 1),
        ("2015-02-28\u{2003}20:16", 11),
        ("2015-02-28T20:16:12\u{2212}\u{2212}", 21),
        ("\u{2003}x", 2),
        ("Sat, 28 Feb 2015 20:16:12 GMT", 1),
        ("2015-02-28T20:16:12Z\u{0}", 21),
        ("+2015-02-28", 2),
    ] {
        match parse(text) {
            Err(TimestampError::Form { at: found, .. }) => assert_eq!(found, at, "{text:?}"),
            other => panic!("{text:?} gave {other:?}"),
        }
    }
    let long = format!("{SAME}{}", " ".repeat(TEXT_BYTES_MAX));
    assert_eq!(parse(&long), Err(TimestampError::TooLong));
    let error = parse("2015-02-28T2").expect_err("half an hour").to_string();
    assert_eq!(
        error,
        "not a time in ISO 8601: expected two digits of the hour at character 12; write it like 2015-02-28T20:16:12Z"
    );
}

/// Moments whose every shape below stays inside the range, whatever the offset.
fn moments() -> impl Strategy<Value = Timestamp> {
    let day = SignedDuration::from_hours(48);
    let (first, last) = (Timestamp::MIN + day, Timestamp::MAX - day);
    (first.as_second()..last.as_second(), 0..1_000_000_000_i32).prop_map(|(second, nanosecond)| {
        Timestamp::new(second, nanosecond).expect("inside the range")
    })
}

/// One moment, written in the shape that the numbers pick.
fn written(moment: Timestamp, offset_minutes: i32, [date, gap, time, zone]: [usize; 4]) -> String {
    let offset = Offset::from_seconds(offset_minutes * 60).expect("less than a day");
    let local = offset.to_datetime(moment);
    let (year, month, day) = match local.year() {
        year @ 0..=9999 => (format!("{year:04}"), local.month(), local.day()),
        year => (format!("-{:06}", -year), local.month(), local.day()),
    };
    let week = local.date().iso_week_date();
    let date = match date {
        0 => format!("{year}-{month:02}-{day:02}"),
        1 => format!("{year}{month:02}{day:02}"),
        2 => format!("{year}-{:03}", local.day_of_year()),
        3 if (0..=9999).contains(&week.year()) => {
            format!(
                "{:04}-W{:02}-{}",
                week.year(),
                week.week(),
                week.weekday().to_monday_one_offset()
            )
        }
        _ => format!("{year}{:03}", local.day_of_year()),
    };
    let (hour, minute, second, nanosecond) = (
        local.hour(),
        local.minute(),
        local.second(),
        local.subsec_nanosecond(),
    );
    let time = match time {
        0 => format!("{hour:02}:{minute:02}:{second:02}.{nanosecond:09}"),
        1 => format!("{hour:02}{minute:02}{second:02},{nanosecond:09}"),
        _ => format!("{hour:02}:{minute:02}:{second:02}.{nanosecond:09}77"),
    };
    let (sign, minutes) = (
        if offset_minutes < 0 { '-' } else { '+' },
        offset_minutes.abs(),
    );
    let zone = match zone {
        0 => format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60),
        1 => format!(" {sign}{:02}{:02}", minutes / 60, minutes % 60),
        _ => format!("{sign}{:02}{:02}[Some/Where]", minutes / 60, minutes % 60),
    };
    format!("{date}{}{time}{zone}", ["T", "t", " "][gap % 3])
}

#[test]
fn fuzz_every_shape_of_a_moment_reads_as_that_moment() {
    let shapes = [0..5_usize, 0..3, 0..3, 0..3];
    fuzzing::run(
        &(moments(), -1439..1440_i32, shapes),
        |(moment, offset, shape)| {
            let text = written(moment, offset, shape);
            prop_assert_eq!(parse(&text), Ok(moment), "{}", text);
            Ok(())
        },
    );
}

#[test]
fn fuzz_what_a_timestamp_prints_is_read_back() {
    fuzzing::run(&moments(), |moment| {
        prop_assert_eq!(parse(&moment.to_string()), Ok(moment));
        Ok(())
    });
}

#[test]
fn fuzz_the_short_way_and_the_long_way_agree() {
    let nearly = "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?Z";
    fuzzing::run(&nearly, |text| {
        if let Some(short) = common(text.as_bytes()) {
            prop_assert_eq!(general(&text), Ok(short));
        }
        Ok(())
    });
}

#[test]
fn fuzz_any_text_is_a_time_or_an_error() {
    let nearly =
        "[-+−0-9TtZzWw:., \\[\\]]{0,36}|[0-9]{4}-?[0-9]{2}-?[0-9]{2}[T ]\\PC{0,12}|\\PC{0,120}";
    fuzzing::run(&nearly, |text| {
        // Where the library reads it too, the two agree; it has its own idea of leap seconds.
        if let (Ok(ours), Ok(theirs)) = (parse(&text), text.parse::<Timestamp>()) {
            prop_assert!(
                ours == theirs || text.contains("60"),
                "{} is not {}",
                ours,
                theirs
            );
        }
        Ok(())
    });
}
