//! Share actions: what others may do to the members of an audience destination.
//!
//! Nothing said means that records may be added. Read from registrations and applications alike.

use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;
use crate::reader::Reader;

/// One way to change an audience at its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ShareAction {
    #[default]
    Add,
    Remove,
    Replace,
}

impl ShareAction {
    pub const ALL: [Self; 3] = [Self::Add, Self::Remove, Self::Replace];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Remove => "REMOVE",
            Self::Replace => "REPLACE",
        }
    }

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str().eq_ignore_ascii_case(text))
    }
}

/// Which actions a destination allows, and which one is taken when nobody chooses: always one of the allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareActions {
    pub add: bool,
    pub remove: bool,
    pub replace: bool,
    pub default: ShareAction,
}

impl Default for ShareActions {
    fn default() -> Self {
        Self {
            add: true,
            remove: false,
            replace: false,
            default: ShareAction::Add,
        }
    }
}

impl ShareActions {
    pub fn allows(self, action: ShareAction) -> bool {
        match action {
            ShareAction::Add => self.add,
            ShareAction::Remove => self.remove,
            ShareAction::Replace => self.replace,
        }
    }

    /// The member `shareActions` of an audience destination.
    pub(super) fn read(role: &Reader<'_>, invalid: &mut Invalid) -> Option<Self> {
        let reader = role.object("shareActions", invalid)?;
        let before = invalid.violations.len() + invalid.more;
        let stated = reader.word(
            "defaultShareAction",
            "ADD, REMOVE or REPLACE",
            |word| ShareAction::parse(word.trim()),
            invalid,
        );
        let actions = Self {
            add: reader.flag("add", invalid).unwrap_or(true),
            remove: reader.flag("remove", invalid).unwrap_or(false),
            replace: reader.flag("replace", invalid).unwrap_or(false),
            default: stated.unwrap_or_default(),
        };
        let is_readable = before == invalid.violations.len() + invalid.more;
        if is_readable && !actions.allows(actions.default) {
            let allowed: Vec<&str> = ShareAction::ALL
                .into_iter()
                .filter(|action| actions.allows(*action))
                .map(ShareAction::as_str)
                .collect();
            let message = format!(
                "the default is {}, which is not allowed here: allow it, or choose one of those that are ({})",
                actions.default.as_str(),
                if allowed.is_empty() {
                    "none".to_owned()
                } else {
                    allowed.join(", ")
                },
            );
            invalid.add(reader.pointer("defaultShareAction"), "not-allowed", message);
        }
        Some(actions)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tests pass literals")]
    fn check(actions: Value, expected: Result<[bool; 3], &[&str]>, default: ShareAction) {
        let mut invalid = Invalid::default();
        let body = json!({ "shareActions": actions });
        let role = Reader::new(&body, "", &mut invalid).expect("an object");
        let read = ShareActions::read(&role, &mut invalid);
        let pointers: Vec<&str> = invalid
            .violations
            .iter()
            .map(|v| v.pointer.as_str())
            .collect();
        match expected {
            Ok([add, remove, replace]) => {
                assert!(pointers.is_empty(), "{invalid}");
                let expected = ShareActions {
                    add,
                    remove,
                    replace,
                    default,
                };
                assert_eq!(read, Some(expected));
            }
            Err(expected) => assert_eq!(pointers, expected, "{body}"),
        }
    }

    #[test]
    fn adding_is_allowed_and_the_default_unless_something_else_is_said() {
        use ShareAction::{Add, Remove, Replace};
        check(json!({}), Ok([true, false, false]), Add);
        check(json!({ "replace": true }), Ok([true, false, true]), Add);
        let replace = json!({ "add": false, "replace": true, "defaultShareAction": "replace" });
        check(replace, Ok([false, false, true]), Replace);
        let words = json!({ "add": "true", "remove": "TRUE", "replace": null, "defaultShareAction": " REMOVE " });
        check(words, Ok([true, true, false]), Remove);
    }

    #[test]
    fn the_default_must_be_allowed() {
        for actions in [
            json!({ "add": false }),
            json!({ "defaultShareAction": "REMOVE" }),
            json!({ "add": false, "remove": false, "replace": false }),
            json!({ "remove": true, "defaultShareAction": "MERGE" }),
        ] {
            check(
                actions,
                Err(&["/shareActions/defaultShareAction"]),
                ShareAction::Add,
            );
        }
        let all = json!({ "add": 1, "remove": [], "replace": {}, "defaultShareAction": true });
        let pointers = ["defaultShareAction", "add", "remove", "replace"]
            .map(|name| format!("/shareActions/{name}"));
        let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
        check(all, Err(&pointers), ShareAction::Add);
        check(json!("ADD"), Err(&["/shareActions"]), ShareAction::Add);
    }
}
