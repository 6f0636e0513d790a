//! In which line of a document, as pages show it, something stands.

use serde_json::Value;

/// Lines that a value takes.
fn lines(value: &Value) -> usize {
    match value {
        Value::Object(members) if !members.is_empty() => {
            2 + members.values().map(lines).sum::<usize>()
        }
        Value::Array(items) if !items.is_empty() => 2 + items.iter().map(lines).sum::<usize>(),
        _ => 1,
    }
}

/// The line (from 1) in which what the pointer names begins; of something that is not there, the line of what it is missing
/// in.
pub(super) fn line(value: &Value, pointer: &str) -> usize {
    let mut at = value;
    let mut line = 1;
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        let (before, next): (usize, &Value) = match at {
            Value::Object(members) => {
                let Some(next) = members.get(&name) else {
                    return line;
                };
                let before = members.iter().take_while(|(known, _)| **known != name);
                (before.map(|(_, value)| lines(value)).sum(), next)
            }
            Value::Array(items) => {
                let index = name.parse::<usize>().ok();
                let Some((index, next)) = index.and_then(|i| Some((i, items.get(i)?))) else {
                    return line;
                };
                (items[..index].iter().map(lines).sum(), next)
            }
            _ => return line,
        };
        line += 1 + before;
        at = next;
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_place_is_found_in_the_text_that_is_shown() {
        let value = json!({
            "a": [{ "name": "one" }, [], {}, 3], "b/c": { "d~e": null, "empty": {} }, "z": "last",
        });
        let text = super::super::pretty(&value);
        for (pointer, expected) in [
            ("", "{"),
            ("/a", "\"a\": ["),
            ("/a/0/name", "\"name\": \"one\""),
            ("/a/1", "[]"),
            ("/a/3", "3"),
            ("/b~1c", "\"b/c\": {"),
            ("/b~1c/d~0e", "\"d~e\": null"),
            ("/b~1c/empty", "\"empty\": {}"),
            ("/z", "\"z\": \"last\""),
            ("/b~1c/missing", "\"b/c\": {"),
            ("/a/9", "\"a\": ["),
        ] {
            let found = text.lines().nth(line(&value, pointer) - 1);
            let found = found.expect("a line").trim().trim_end_matches(',');
            assert_eq!(found, expected, "{pointer}");
        }
    }
}
