//! The id of a segment: its owner's, not ours. A 64-bit integer, above 2^53 in the field and so never a double, or a text.
//!
//! Two ids that are written alike are the same segment: `42` and `"42"` cannot be told apart in a path. Which of the two
//! its owner said is kept, because it is told so again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BadId;

/// A segment, within the endpoint that has it. On the wire a number or a string, exact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentId {
    /// Any 64-bit integer, negative ones included.
    Number(i64),
    /// 1 to [`SegmentId::CHARS_MAX`] characters, without control characters and blanks around.
    Text(String),
}

impl SegmentId {
    /// Longest text, in characters.
    pub const CHARS_MAX: usize = 200;
    const NUMBER: &str = "a whole number from -2^63 to 2^63-1";
    const TEXT: &str = "1 to 200 characters, without control characters, and neither blanks at an end nor `.` or `..`";

    /// A number or a string, as JSON has it.
    ///
    /// # Errors
    /// For a number that is no 64-bit integer, a text that cannot be an id, and everything else.
    pub fn parse(value: &Value) -> Result<Self, BadId> {
        match value {
            Value::Number(number) => {
                let whole = number.as_i64().map(Self::Number);
                whole.ok_or_else(|| bad(&number.to_string(), Self::NUMBER))
            }
            Value::String(text) => Self::text(text),
            other => Err(bad(&other.to_string(), Self::NUMBER)),
        }
    }

    /// A text, digits or not.
    ///
    /// # Errors
    /// For a text that is empty, too long, has control characters, or means something else in a path.
    pub fn text(text: &str) -> Result<Self, BadId> {
        let is_plain = !text.is_empty()
            && text.trim() == text
            && text.chars().count() <= Self::CHARS_MAX
            && !text.chars().any(char::is_control)
            && !matches!(text, "." | "..");
        if is_plain {
            Ok(Self::Text(text.to_owned()))
        } else {
            Err(bad(text, Self::TEXT))
        }
    }
}

fn bad(found: &str, expected: &'static str) -> BadId {
    BadId(found.chars().take(40).collect(), expected)
}

/// As it stands in a path, before percent-encoding.
impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// From a path: what is written as a number is one.
impl FromStr for SegmentId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Ok(Self::Number(number)),
            _ => Self::text(text),
        }
    }
}

impl Serialize for SegmentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for SegmentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::parse(&value).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_of_64_bits_come_back_exact() {
        for number in [
            0,
            1,
            -7,
            8_000_000_000_000_001_152,
            (1 << 53) + 1,
            i64::MAX,
            i64::MIN,
        ] {
            let id = SegmentId::Number(number);
            let text = serde_json::to_string(&id).expect("JSON");
            assert_eq!(text, number.to_string());
            assert_eq!(serde_json::from_str::<SegmentId>(&text).expect("an id"), id);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn texts_stay_texts() {
        for text in ["abc", "42", "-1", "a/b", "gold ☆ members", "007"] {
            let id = SegmentId::Text(text.to_owned());
            let json = serde_json::to_value(&id).expect("JSON");
            assert_eq!(json, json!(text));
            assert_eq!(SegmentId::parse(&json), Ok(id));
        }
        assert_eq!("42".parse(), Ok(SegmentId::Number(42)), "in a path");
        assert_eq!("007".parse(), Ok(SegmentId::Text("007".to_owned())));
    }

    #[test]
    fn what_cannot_be_one_is_refused() {
        let long = "x".repeat(201);
        for wrong in [
            json!(1.5),
            json!(9_223_372_036_854_775_808_u64),
            json!(true),
            json!(null),
            json!([]),
            json!(""),
            json!(" a"),
            json!("a\u{0}b"),
            json!("line\nbreak"),
            json!(".."),
            json!(long),
        ] {
            assert!(SegmentId::parse(&wrong).is_err(), "{wrong}");
        }
    }
}
