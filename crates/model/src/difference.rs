//! What differs between two JSON documents, pointer by pointer: what a person reviews before a change goes live.
//!
//! Objects are compared member by member; anything else, lists included, as a whole. Called by `hub/partner`.

use serde_json::{Map, Value};

use crate::invalid::token;

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// RFC 6901.
    pub pointer: String,
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Added(Value),
    Removed(Value),
    Changed { before: Value, after: Value },
}

impl Change {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Added(_) => "added",
            Self::Removed(_) => "removed",
            Self::Changed { .. } => "changed",
        }
    }
}

/// What has to be done to `before` to make it `after`, in the order of names.
pub fn difference(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), before, after, &mut found);
    found
}

fn compare(pointer: String, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            members(&pointer, before, after, found);
        }
        (before, after) if before == after => {}
        (before, after) => found.push(Difference {
            pointer,
            change: Change::Changed {
                before: before.clone(),
                after: after.clone(),
            },
        }),
    }
}

fn members(
    pointer: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let pointer = format!("{pointer}/{}", token(name));
        let change = match (before.get(name), after.get(name)) {
            (Some(before), Some(after)) => {
                compare(pointer, before, after, found);
                continue;
            }
            (None, Some(added)) => Change::Added(added.clone()),
            (Some(removed), None) => Change::Removed(removed.clone()),
            (None, None) => continue,
        };
        found.push(Difference { pointer, change });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_difference_has_its_pointer() {
        let before = json!({ "same": 1, "a/b": { "x": 1, "gone": 2 }, "list": [1, 2] });
        let after = json!({ "same": 1, "a/b": { "x": 2 }, "list": [1, 3], "new": {} });
        let found = difference(&before, &after);
        let told: Vec<(&str, &str)> = found
            .iter()
            .map(|d| (d.pointer.as_str(), d.change.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("/a~1b/gone", "removed"),
                ("/a~1b/x", "changed"),
                ("/list", "changed"),
                ("/new", "added"),
            ]
        );
        assert!(difference(&after, &after).is_empty());
    }
}
