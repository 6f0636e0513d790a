//! What was delivered, in a line that a person can read. Used by `listen` and by the demo.

use std::fmt::Write as _;

use serde_json::Value;

/// Characters of a value that are shown.
const VALUE_CHARS_MAX: usize = 40;
/// Attributes and identifiers that are shown.
const PAIRS_MAX: usize = 8;

/// One line for each event of a document, an `eventbatch`, or whatever else the body is.
pub(crate) fn events(body: &[u8]) -> Vec<String> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return vec![format!("{} bytes that are not JSON", body.len())];
    };
    let mut lines = Vec::new();
    let batch = value["eventbatch"].as_array();
    match batch {
        Some(groups) => groups.iter().for_each(|group| document(group, &mut lines)),
        None => document(&value, &mut lines),
    }
    if lines.is_empty() {
        lines.push(format!("{} bytes of JSON without events", body.len()));
    }
    lines
}

fn document(document: &Value, lines: &mut Vec<String>) {
    for event in document["events"].as_array().into_iter().flatten() {
        let channel = document["channel"].as_str().or(event["channel"].as_str());
        let mut line = format!(
            "{}  {}",
            word(&event["code"]),
            channel.unwrap_or("(no channel)")
        );
        let identifiers = if document["identifiers"].is_array() {
            &document["identifiers"]
        } else {
            &event["identifiers"]
        };
        pairs(&mut line, identifiers);
        let _ = write!(line, "  at {}", word(&event["timestamp"]));
        pairs(&mut line, &event["attributes"]);
        lines.push(line);
    }
}

fn pairs(line: &mut String, list: &Value) {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    for (at, pair) in list.iter().take(PAIRS_MAX).enumerate() {
        let gap = if at == 0 { "  " } else { " " };
        let _ = write!(
            line,
            "{gap}{}={}",
            word(&pair["name"]),
            word(&pair["value"])
        );
    }
    if list.len() > PAIRS_MAX {
        let _ = write!(line, " +{}", list.len() - PAIRS_MAX);
    }
}

/// A value without quotes where it needs none; strangers wrote it, so no control characters, and not too long.
fn word(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut word: String = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(VALUE_CHARS_MAX)
        .collect();
    if text.chars().nth(VALUE_CHARS_MAX).is_some() {
        word.push('…');
    }
    if word.is_empty() || word.contains(' ') {
        word = format!("\"{word}\"");
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_event() {
        let body = br#"{"channel":"web","identifiers":[{"name":"emailId","value":"a@example.com"}],"events":[
            {"code":"cartAdd","timestamp":"2026-10-16T09:00:00Z","attributes":[{"name":"quantity","value":"2"},{"name":"note","value":"two words\u0007"}]},
            {"code":"cartRemove","timestamp":"2026-10-16T09:01:00Z","attributes":[]}]}"#;
        assert_eq!(
            events(body),
            [
                "cartAdd  web  emailId=a@example.com  at 2026-10-16T09:00:00Z  quantity=2 note=\"two words\u{fffd}\"",
                "cartRemove  web  emailId=a@example.com  at 2026-10-16T09:01:00Z",
            ]
        );
        assert_eq!(events(b"hello"), ["5 bytes that are not JSON"]);
        assert_eq!(events(b"{}"), ["2 bytes of JSON without events"]);
    }

    #[test]
    fn a_compound_push_is_all_its_events() {
        let body = br#"{"eventbatch":[{"id":"1","channel":"web","identifiers":[],"events":[{"code":"a","timestamp":"t"}]},
            {"id":"2","channel":"app","identifiers":[],"events":[{"code":"b","timestamp":"t"}]}]}"#;
        assert_eq!(events(body), ["a  web  at t", "b  app  at t"]);
    }
}
