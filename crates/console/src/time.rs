//! Times as pages show them: in UTC for everybody, in the zone of the person once the script has run; how long ago in
//! words where that says more.

use jiff::Timestamp;
use maud::{Markup, html};

/// An instant; the script puts it into the visitor's zone, and the exact one is its title.
pub(crate) fn at(time: Timestamp) -> Markup {
    let exact = time.to_string();
    let short = time.strftime("%d %b %Y, %H:%M UTC").to_string();
    html! { time datetime=(exact) title=(exact) { (short) } }
}

/// How long ago, in the largest unit that is not 0.
pub(crate) fn ago(time: Timestamp, now: Timestamp) -> Markup {
    let exact = time.to_string();
    let seconds = now.duration_since(time).as_secs().max(0);
    let text = match seconds {
        0..5 => "just now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        86_400..172_800 => "yesterday".to_owned(),
        _ => format!("{} days ago", seconds / 86_400),
    };
    html! { time datetime=(exact) title=(exact) data-ago { (text) } }
}

/// A stretch of time for people.
pub(crate) fn length(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn how_long_ago_is_said_in_the_largest_unit() {
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().expect("a time");
        for (seconds, expected) in [
            (1, "just now"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (7_300, "2 h ago"),
            (90_000, "yesterday"),
            (300_000, "3 days ago"),
        ] {
            let text = ago(now - Duration::from_secs(seconds), now).into_string();
            assert!(text.contains(&format!(">{expected}<")), "{text}");
        }
    }
}
