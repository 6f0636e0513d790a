//! A cron expression in the words of people, who are asked before something recurs and should not have to know its signs.
//!
//! Built from the numbers that match, not from the text, so two expressions that mean the same are said alike.

use super::Cron;

const MONTHS: [&str; 13] = [
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
/// More times of one day are not listed one by one.
const TIMES_MAX: usize = 6;

impl Cron {
    /// Such as `every day at 06:30`, or `Monday to Friday at 09:00 and 17:00, in January`.
    pub fn words(&self) -> String {
        let time = time(&numbers(self.minutes), &numbers(self.hours));
        let months = numbers(self.months);
        let months = match months.len() {
            12 => String::new(),
            _ => format!(", in {}", list(&months, |n| MONTHS[n].to_owned())),
        };
        format!("{} {time}{months}", self.days_in_words())
    }

    fn days_in_words(&self) -> String {
        let (days, mut weekdays) = (numbers(self.days), numbers(self.weekdays));
        // People's weeks begin on Monday.
        if weekdays.first() == Some(&0) {
            weekdays.rotate_left(1);
        }
        let all_days = days.len() == 31;
        let of_week = match weekdays.as_slice() {
            [] | [_, _, _, _, _, _, _] => None,
            [1, 2, 3, 4, 5] => Some("Monday to Friday".to_owned()),
            days => Some(joined(
                days.iter().map(|n| WEEKDAYS[*n].to_owned()).collect(),
            )),
        };
        let last = self.last_day.then(|| "the last day".to_owned());
        let of_month = match (days.as_slice(), all_days) {
            (_, true) => None,
            ([], _) => last,
            ([one], _) => Some(joined(
                [format!("day {one}")].into_iter().chain(last).collect(),
            )),
            (some, _) => {
                let some = format!("days {}", list(some, |n| n.to_string()));
                Some(joined([some].into_iter().chain(last).collect()))
            }
        };
        match (of_month, of_week) {
            (None, None) => "every day".to_owned(),
            (None, Some(week)) => week,
            (Some(month), None) => format!("on {month} of the month"),
            (Some(month), Some(week)) if self.either_day => {
                format!("on {month} of the month, and on each {week},")
            }
            (Some(month), Some(week)) => format!("on {month} of the month if it is a {week},"),
        }
    }
}

fn time(minutes: &[usize], hours: &[usize]) -> String {
    let every = |all: &[usize], end: usize| {
        let step = all.get(1).map_or(end, |second| second - all[0]);
        let expected: Vec<usize> = (0..end).step_by(step.max(1)).collect();
        (end.is_multiple_of(step.max(1)) && all == expected).then_some(step)
    };
    let (by_minute, by_hour) = (every(minutes, 60), every(hours, 24));
    let past = match minutes {
        [0] => String::new(),
        [one] => format!(" at minute {one}"),
        some => format!(" at the minutes {}", list(some, |n| n.to_string())),
    };
    match (by_minute, by_hour) {
        (Some(1), Some(1)) => return "every minute".to_owned(),
        (Some(step), Some(1)) if step < 60 => return format!("every {step} minutes"),
        (_, Some(1)) => return format!("every hour{past}"),
        (_, Some(step)) if step < 24 && minutes.len() == 1 => {
            return format!("every {step} hours{past}");
        }
        _ => {}
    }
    if minutes.len() * hours.len() <= TIMES_MAX {
        let times = hours
            .iter()
            .flat_map(|h| minutes.iter().map(move |m| format!("{h:02}:{m:02}")));
        return format!("at {}", joined(times.collect()));
    }
    let within = list(hours, |n| format!("{n:02}"));
    let word = if hours.len() == 1 { "hour" } else { "hours" };
    let often = match by_minute {
        Some(1) => "every minute".to_owned(),
        Some(step) if step < 60 => format!("every {step} minutes"),
        _ if past.is_empty() => "on the hour".to_owned(),
        _ => past.trim_start().to_owned(),
    };
    format!("{often} in the {word} {within}")
}

/// The numbers whose bits are set.
fn numbers(bits: u64) -> Vec<usize> {
    (0..64).filter(|n| bits >> n & 1 == 1).collect()
}

/// Three and more in a row are a range.
fn list(numbers: &[usize], name: impl Fn(usize) -> String) -> String {
    let mut parts = Vec::new();
    for run in numbers.chunk_by(|a, b| a + 1 == *b) {
        match run {
            [first, _, .., last] => parts.push(format!("{} to {}", name(*first), name(*last))),
            few => parts.extend(few.iter().map(|n| name(*n))),
        }
    }
    joined(parts)
}

fn joined(mut parts: Vec<String>) -> String {
    match parts.pop() {
        Some(last) if !parts.is_empty() => format!("{} and {last}", parts.join(", ")),
        last => last.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_said_in_words() {
        for (cron, words) in [
            ("* * * * *", "every day every minute"),
            ("*/20 * * * *", "every day every 20 minutes"),
            ("0 * * * *", "every day every hour"),
            ("@hourly", "every day every hour"),
            ("5 * * * *", "every day every hour at minute 5"),
            ("0 */6 * * *", "every day every 6 hours"),
            ("30 6 * * *", "every day at 06:30"),
            ("30 6 * * mon-fri", "Monday to Friday at 06:30"),
            ("0 9,17 * * 1", "Monday at 09:00 and 17:00"),
            ("0 9 * * 0,6", "Saturday and Sunday at 09:00"),
            ("0 0 1 * *", "on day 1 of the month at 00:00"),
            ("0 0 L * *", "on the last day of the month at 00:00"),
            (
                "0 0 1,15,L * *",
                "on days 1 and 15 and the last day of the month at 00:00",
            ),
            ("0 0 1-7 * *", "on days 1 to 7 of the month at 00:00"),
            (
                "0 0 29 feb *",
                "on day 29 of the month at 00:00, in February",
            ),
            ("0 0 * jun-aug *", "every day at 00:00, in June to August"),
            (
                "0 0 1 * fri",
                "on day 1 of the month, and on each Friday, at 00:00",
            ),
            (
                "*/10 9-17 * * *",
                "every day every 10 minutes in the hours 09 to 17",
            ),
            (
                "0 9-17 * * *",
                "every day on the hour in the hours 09 to 17",
            ),
            (
                "1,2 9-17 * * *",
                "every day at the minutes 1 and 2 in the hours 09 to 17",
            ),
        ] {
            let parsed: Cron = cron.parse().expect(cron);
            assert_eq!(parsed.words(), words, "{cron}");
        }
    }

    #[test]
    fn fuzz_whatever_is_taken_can_be_said() {
        fuzzing::run(&"[0-9*/,lLa-z@ -]{0,24}", |text: String| {
            if let Ok(cron) = text.parse::<Cron>() {
                proptest::prop_assert!(!cron.words().contains("  "));
            }
            Ok(())
        });
    }
}
