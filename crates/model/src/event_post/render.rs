//! Writes an event in the form in which subscribers get it. Strings are copied as they came, escapes included, since
//! what is valid inside one JSON string is valid inside another.

use super::shape::{Kind, Leaf};

/// `{"code":…,"timestamp":…,"namespace":…,"version":…,"attributes":[`; `code` and `timestamp` are JSON strings.
pub(super) fn open(out: &mut String, code: &str, timestamp: &str, namespace: &str, version: i64) {
    out.push_str("{\"code\":");
    out.push_str(code);
    out.push_str(",\"timestamp\":");
    out.push_str(timestamp);
    out.push_str(",\"namespace\":");
    quoted(out, namespace);
    out.push_str(",\"version\":\"");
    if version == 1 {
        out.push('1');
    } else {
        out.push_str(&version.to_string());
    }
    out.push_str("\",\"attributes\":[");
}

pub(super) fn close(out: &mut String) {
    out.push_str("]}");
}

/// A string that stands in the body, or one that must be written.
#[derive(Clone, Copy)]
pub(super) enum Word<'w> {
    Raw(&'w str),
    Plain(&'w str),
}

impl Word<'_> {
    fn write(self, out: &mut String) {
        match self {
            Self::Raw(raw) => out.push_str(raw),
            Self::Plain(text) => quoted(out, text),
        }
    }
}

/// One element of `attributes`; the value becomes a string of its own text, null stays null.
pub(super) fn attribute(out: &mut String, name: Word<'_>, value: Leaf<'_>, kind: Word<'_>) {
    out.push_str(if out.ends_with('[') {
        "{\"name\":"
    } else {
        ",{\"name\":"
    });
    name.write(out);
    out.push_str(",\"value\":");
    match value.kind() {
        Kind::Null => out.push_str("null"),
        Kind::String => out.push_str(value.raw()),
        _ => {
            out.push('"');
            out.push_str(value.raw());
            out.push('"');
        }
    }
    out.push_str(",\"type\":");
    kind.write(out);
    out.push('}');
}

/// A JSON string that says `text`.
pub(super) fn quoted(out: &mut String, text: &str) {
    if text
        .bytes()
        .any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\')
    {
        out.push_str(&serde_json::Value::from(text).to_string());
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}
