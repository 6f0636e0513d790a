//! What keeps strangers apart: values that stand for nobody, and limits to what one person can have.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::Form;

/// Identifiers of one type that one person may have, unless the account says otherwise: more than anybody uses, fewer
/// than a shared till or a test address collects in a day.
pub const IDENTIFIERS_OF_ONE_TYPE_MAX: u32 = 100;

/// Values that stand for nobody, whatever their type, in lower case.
const JUNK: &[&str] = &[
    "",
    "null",
    "(null)",
    "nil",
    "none",
    "unknown",
    "undefined",
    "nan",
    "n/a",
    "na",
    "anonymous",
    "nobody",
    "default",
    "empty",
    "not set",
    "(not set)",
    "not provided",
    "no email",
    "true",
    "false",
    "[object object]",
    // An Android id that a faulty release gave to all devices.
    "9774d56d682e549c",
];

/// Names before the `@` behind which nobody reads, or whoever filled in a form did not want to say.
const JUNK_MAILBOXES: &[&str] = &[
    "unknown",
    "none",
    "null",
    "noreply",
    "no-reply",
    "no_reply",
    "donotreply",
    "do-not-reply",
    "nobody",
    "anonymous",
    "undefined",
    "noemail",
    "no-email",
];

/// One character again and again is no number of anybody's.
const REPEATED_MIN: usize = 6;

/// What an account decides about who is one person. The defaults suit most.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rules {
    /// Identifiers of one type that a person may have; none: [`IDENTIFIERS_OF_ONE_TYPE_MAX`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The same for some types, in lower case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, u32>,
    /// More values that stand for nobody, in lower case; `…@` stands for a mailbox of any domain.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub junk: BTreeSet<String>,
}

impl Rules {
    /// How many identifiers of a type (in lower case) one person may have, at least 1.
    pub fn limit(&self, kind: &str) -> u32 {
        let default = self.limit.unwrap_or(IDENTIFIERS_OF_ONE_TYPE_MAX);
        self.limits.get(kind).copied().unwrap_or(default).max(1)
    }

    /// The least of all limits: what is tied to no more cannot be over any.
    pub fn least_limit(&self) -> u32 {
        let default = self.limit.unwrap_or(IDENTIFIERS_OF_ONE_TYPE_MAX);
        let least = self.limits.values().copied().min();
        least.map_or(default, |least| least.min(default)).max(1)
    }

    /// Whether a value (as it is matched) stands for nobody.
    pub fn is_junk(&self, form: Form, value: &str) -> bool {
        if form.is_hash() {
            return junk_hashes().contains(value);
        }
        let lower;
        let value = if value.chars().any(char::is_uppercase) {
            lower = value.to_lowercase();
            &lower
        } else {
            value
        };
        if JUNK.contains(&value) || is_nothing(value) || self.junk.contains(value) {
            return true;
        }
        value.split_once('@').is_some_and(|(mailbox, _)| {
            JUNK_MAILBOXES.contains(&mailbox)
                || (!self.junk.is_empty() && self.junk.contains(&format!("{mailbox}@")))
        })
    }

    /// The same in the spelling in which they are looked up.
    #[must_use]
    pub fn in_lower_case(self) -> Self {
        let lower = |text: &str| text.trim().to_lowercase();
        let limits = self
            .limits
            .iter()
            .map(|(kind, limit)| (lower(kind), *limit));
        Self {
            limit: self.limit,
            limits: limits.collect(),
            junk: self.junk.iter().map(|value| lower(value)).collect(),
        }
    }
}

/// All zeros, or one digit or sign again and again: a number that was never filled in.
fn is_nothing(value: &str) -> bool {
    let mut said = value
        .bytes()
        .filter(|b| !matches!(b, b'-' | b':' | b'.' | b' ' | b'+'));
    let Some(first) = said.next() else {
        return true;
    };
    let mut count = 1;
    for byte in said {
        if byte != first {
            return false;
        }
        count += 1;
    }
    first == b'0'
        || (count >= REPEATED_MIN && !first.is_ascii_alphabetic())
        || (count >= REPEATED_MIN && matches!(first, b'x' | b'f'))
}

/// Hashes of values that stand for nobody.
fn junk_hashes() -> &'static HashSet<String> {
    static HASHES: OnceLock<HashSet<String>> = OnceLock::new();
    HASHES.get_or_init(|| {
        let words = JUNK.iter().copied().chain(["0"]);
        let forms = [Form::Md5, Form::Sha1, Form::Sha256];
        words
            .flat_map(|word| forms.map(|form| super::hashes("", word, form, None)))
            .flatten()
            .collect()
    })
}
