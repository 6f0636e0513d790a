//! Files of any size as answers: streamed a piece at a time, with ranges (RFC 9110) so that a download that broke off goes
//! on, and an `ETag` so that nobody goes on with another file.
//!
//! Called by the handlers that hand out data files. Of several ranges in one call none is honoured: the whole file comes.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hub::data_file::Reader;

use crate::problem::{Kind, Problem};

/// Which bytes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    /// From the first to before the second.
    Part(u64, u64),
    /// There are no such bytes.
    Nothing,
}

/// The file, or the part of it that the headers ask for. The second value: whether its last byte is in it.
pub(crate) fn serve(reader: Reader, asked: &HeaderMap) -> (Response, bool) {
    let length = reader.len();
    let digest = reader.file.digest.clone().unwrap_or_default();
    let tag = format!("\"{digest}\"");
    if listed(asked, header::IF_NONE_MATCH, &tag) {
        let unchanged = (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]);
        return (unchanged.into_response(), false);
    }
    // Another file since the first part was fetched: all of it is needed.
    let is_same = !asked.contains_key(header::IF_RANGE) || listed(asked, header::IF_RANGE, &tag);
    let wanted = asked
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .filter(|_| is_same)
        .map_or(Wanted::All, |value| wanted(value, length));
    let (from, to, status) = match wanted {
        Wanted::All => (0, length, StatusCode::OK),
        Wanted::Part(from, to) => (from, to, StatusCode::PARTIAL_CONTENT),
        Wanted::Nothing => return (nothing(length), false),
    };
    let media = reader.file.content_type.clone();
    let name = format!("attachment; filename=\"{}\"", reader.file.name);
    let body = Body::from_stream(reader.stream(from, to));
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    let mut say = |name, text: String| {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    };
    say(header::CONTENT_TYPE, media);
    say(header::CONTENT_DISPOSITION, name);
    say(header::CONTENT_LENGTH, (to - from).to_string());
    say(header::ACCEPT_RANGES, "bytes".to_owned());
    say(header::ETAG, tag);
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{length}", to - 1);
        say(header::CONTENT_RANGE, range);
    }
    (response, to == length)
}

fn nothing(length: u64) -> Response {
    let message = format!("the file has {length} bytes, and none of those that were asked for");
    let mut response = Problem::new(Kind::RangeNotSatisfiable, message).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// Whether a header names this tag, or any.
fn listed(asked: &HeaderMap, name: header::HeaderName, tag: &str) -> bool {
    let mut values = asked.get_all(name).iter();
    values.any(|value| {
        let mut tags = value.to_str().unwrap_or_default().split(',');
        tags.any(|said| matches!(said.trim(), said if said == tag || said == "*"))
    })
}

/// What a `Range` header asks for. One that is not understood counts for nothing, as RFC 9110 has it.
fn wanted(value: &str, length: u64) -> Wanted {
    let range = value.trim().strip_prefix("bytes=").map(str::trim);
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        return Wanted::All;
    };
    let number = |text: &str| text.parse::<u64>().ok();
    match (first, number(first), last, number(last)) {
        // The last so many.
        ("", _, _, Some(0)) => Wanted::Nothing,
        ("", _, _, Some(_)) if length == 0 => Wanted::Nothing,
        ("", _, _, Some(count)) => Wanted::Part(length.saturating_sub(count), length),
        (_, Some(from), "", _) if from < length => Wanted::Part(from, length),
        (_, Some(from), _, Some(to)) if from > to => Wanted::All,
        (_, Some(from), _, Some(to)) if from < length => {
            Wanted::Part(from, length.min(to.saturating_add(1)))
        }
        (_, Some(_), "", _) | (_, Some(_), _, Some(_)) => Wanted::Nothing,
        _ => Wanted::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_honoured_and_what_is_no_range_is_ignored() {
        for (value, expected) in [
            ("bytes=0-3", Wanted::Part(0, 4)),
            ("bytes=4-", Wanted::Part(4, 10)),
            ("bytes=9-9", Wanted::Part(9, 10)),
            ("bytes=5-99", Wanted::Part(5, 10)),
            ("bytes=-3", Wanted::Part(7, 10)),
            ("bytes=-99", Wanted::Part(0, 10)),
            ("bytes=0-18446744073709551615", Wanted::Part(0, 10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=10-12", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=3-2", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=a-b", Wanted::All),
            ("lines=0-1", Wanted::All),
            ("", Wanted::All),
        ] {
            assert_eq!(wanted(value, 10), expected, "{value}");
        }
        assert_eq!(wanted("bytes=0-0", 0), Wanted::Nothing);
        assert_eq!(wanted("bytes=-5", 0), Wanted::Nothing);
    }
}
