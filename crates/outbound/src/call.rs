//! What goes into the client and what comes out of it: a [`Call`] and its [`Answer`].

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;

/// The longest wait that a stranger may ask for: a day, well inside the 72 hours of retries.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// UTF-8 uses at most this many bytes for a character.
const CHAR_BYTES_MAX: usize = 4;

/// One request, with its limits.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    /// Parsed once and kept by the caller; cloning it is cheap.
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// For everything together: connecting, the answer's headers, and its body.
    pub timeout: Duration,
    /// How much of the answer's body is read; then the connection is dropped.
    pub response_bytes_max: usize,
}

/// What the other side said, of whatever status. A 3xx is an answer like any other.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// At most `response_bytes_max` bytes. It may hold on to a larger buffer of the connection (64 KiB at most): what is
    /// kept for long is an [`Answer::excerpt`].
    pub body: Bytes,
    /// There was more body than `body` holds.
    pub truncated: bool,
    /// From the start of the call to the end of the body.
    pub elapsed: Duration,
}

impl Answer {
    /// The start of the body as one line of harmless text, at most `chars_max` characters long; `…` ends what was cut.
    ///
    /// A stranger wrote it: white space becomes a space; control characters, those that turn the direction of writing or
    /// show nothing, and whatever is not UTF-8 become `\u{fffd}`. It is text, so HTML must still be escaped.
    pub fn excerpt(&self, chars_max: usize) -> String {
        let start = &self.body[..self
            .body
            .len()
            .min(chars_max.saturating_mul(CHAR_BYTES_MAX))];
        let lossy = String::from_utf8_lossy(start);
        let mut chars = lossy.chars().map(harmless);
        let mut text: String = chars.by_ref().take(chars_max).collect();
        let cut = self.truncated || start.len() < self.body.len() || chars.next().is_some();
        if cut && chars_max > 0 {
            if text.chars().count() == chars_max {
                text.pop();
            }
            text.push('…');
        }
        text
    }

    /// How long the other side asks to wait: the `Retry-After` header in seconds or as a date (each of HTTP's three
    /// spellings). `None` without a header that can be understood, zero for a date that has passed, and never more than
    /// [`RETRY_AFTER_MAX`].
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let text = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than fit mean a very long time.
            Duration::from_secs(text.parse().unwrap_or(u64::MAX))
        } else {
            // A time before now has no length.
            Duration::try_from(http_date(text)?.duration_since(now)).unwrap_or(Duration::ZERO)
        };
        Some(wait.min(RETRY_AFTER_MAX))
    }
}

fn harmless(c: char) -> char {
    match c {
        _ if c.is_whitespace() => ' ',
        _ if c.is_control() => char::REPLACEMENT_CHARACTER,
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

/// RFC 9110 §5.6.7: today's spelling and the two old ones that a recipient must take.
fn http_date(text: &str) -> Option<Timestamp> {
    if let Ok(date) = rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text)
    {
        return Some(date);
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|format| {
            let date = DateTime::strptime(format, text).ok()?;
            date.to_zoned(TimeZone::UTC)
                .ok()
                .map(|zoned| zoned.timestamp())
        })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn answer(body: &[u8], truncated: bool) -> Answer {
        Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body),
            truncated,
            elapsed: Duration::ZERO,
        }
    }

    fn retry_after(value: &[u8]) -> Option<Duration> {
        let mut answer = answer(b"", false);
        answer.headers.insert(
            header::RETRY_AFTER,
            HeaderValue::from_bytes(value).expect("a header value"),
        );
        answer.retry_after("1994-11-06T08:49:00Z".parse().expect("a time"))
    }

    #[test]
    fn an_excerpt_is_one_line_of_harmless_text() {
        for (body, expected) in [
            (&b""[..], ""),
            (b"all good", "all good"),
            ("grüße".as_bytes(), "grüße"),
            (b"two\r\nlines\tand tabs", "two  lines and tabs"),
            (b"\x1b[31mred\x07\x00", "\u{fffd}[31mred\u{fffd}\u{fffd}"),
            (
                "left\u{202e}thgir\u{200b}\u{2066}".as_bytes(),
                "left\u{fffd}thgir\u{fffd}\u{fffd}",
            ),
            (b"\xff\xfe binary", "\u{fffd}\u{fffd} binary"),
        ] {
            assert_eq!(answer(body, false).excerpt(40), expected);
        }
    }

    #[test]
    fn an_excerpt_says_when_it_was_cut() {
        assert_eq!(answer(b"123456", false).excerpt(6), "123456");
        assert_eq!(answer(b"1234567", false).excerpt(6), "12345…");
        assert_eq!(answer("äöüß".as_bytes(), false).excerpt(3), "äö…");
        assert_eq!(
            answer(b"12", true).excerpt(6),
            "12…",
            "there was more than the client read"
        );
        assert_eq!(answer(b"12", false).excerpt(0), "");
        assert_eq!(
            answer(&[b'x'; 100_000], true)
                .excerpt(usize::MAX)
                .chars()
                .count(),
            100_001
        );
    }

    #[test]
    fn retry_after_takes_seconds_and_dates() {
        let seconds = |s| Some(Duration::from_secs(s));
        for (value, expected) in [
            ("0", seconds(0)),
            ("120", seconds(120)),
            (" 7 ", seconds(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", seconds(37)),
            ("Sun Nov  6 08:49:37 1994", seconds(37)),
            ("Sun, 06 Nov 1994 08:48:00 GMT", seconds(0)), // has passed
            ("999999999", Some(RETRY_AFTER_MAX)),
            ("99999999999999999999999999", Some(RETRY_AFTER_MAX)),
            ("Fri, 06 Nov 2099 08:49:37 GMT", Some(RETRY_AFTER_MAX)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(value.as_bytes()), expected, "{value}");
        }
        assert_eq!(retry_after(b"\xff"), None);
        assert_eq!(
            answer(b"", false).retry_after(Timestamp::UNIX_EPOCH),
            None,
            "no header, no opinion"
        );
    }

    #[test]
    fn fuzz_strangers_words_never_break_us() {
        let words = (any::<Vec<u8>>(), 0..50_usize, "[ -~]{0,40}", any::<i64>());
        fuzzing::run(&words, |(body, max, value, at)| {
            let mut answer = answer(&body, false);
            let text = answer.excerpt(max);
            prop_assert!(text.chars().count() <= max && !text.chars().any(char::is_control));
            answer.headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from_str(&value).expect("printable"),
            );
            let now = Timestamp::from_microsecond(at).unwrap_or(Timestamp::MIN);
            prop_assert!(
                answer
                    .retry_after(now)
                    .is_none_or(|wait| wait <= RETRY_AFTER_MAX)
            );
            Ok(())
        });
    }
}
