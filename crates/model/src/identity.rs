//! Who belongs together: identifiers as they are matched, and the rules by which they make people.
//!
//! Pure. What was seen together is a [`Fact`]; people are the connected components of the facts, computed by
//! [`partition`]: a function of the *set* of facts and the rules, so neither order nor repetition matters, and taking a
//! fact away restores what was before it. Called by `hub/identity`, which keeps facts and components in the store.

pub mod partition;
mod rules;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::hashing::profile::{Digested, Field, looks_hashed};
use crate::hashing::{self, HashAlgorithm, HashMode, Region};
use crate::id::AccountId;
use crate::identifier::IdentifierDefinition;

pub use rules::{IDENTIFIERS_OF_ONE_TYPE_MAX, Rules};

/// Stands for an identifier, or for a set of them, within its account: 128 bits of SHA-256.
pub type Key = [u8; 16];

/// How an identifier's value is written. Hashes of one family meet whatever cleaned the value before: equal hex is the
/// same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    Clear,
    Md5,
    Sha1,
    Sha256,
    /// Said to be a hash, and of no length that is known: it meets only its like.
    Opaque,
}

impl Form {
    const ALL: [Self; 5] = [
        Self::Clear,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Opaque,
    ];

    /// How it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Opaque => "opaque",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == text)
    }

    /// Whether clear values can be looked for by their hash in this form.
    pub fn is_hash(self) -> bool {
        matches!(self, Self::Md5 | Self::Sha1 | Self::Sha256)
    }

    fn of(told: &Told<'_>) -> Self {
        let value = told.value.trim();
        if told.mode == HashMode::Hashed {
            return match value.len() {
                32 => Self::Md5,
                40 => Self::Sha1,
                64 => Self::Sha256,
                _ => Self::Opaque,
            };
        }
        // What is an address or a number never looks like a hash; ids may.
        if !matches!(value.len(), 32 | 40 | 64)
            || !matches!(
                Field::of_type(&told.kind),
                Some(Field::Email | Field::Phone)
            )
        {
            return Self::Clear;
        }
        match looks_hashed(value) {
            Some(Digested::Md5) => Self::Md5,
            Some(Digested::Sha1) => Self::Sha1,
            Some(Digested::Sha256) => Self::Sha256,
            None => Self::Clear,
        }
    }
}

/// An identifier as somebody told it: an endpoint's name for it, its type, and how the endpoint declared the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<'a> {
    pub name: Cow<'a, str>,
    /// Identity type, such as `email`; any letter case.
    pub kind: Cow<'a, str>,
    pub value: Cow<'a, str>,
    pub mode: HashMode,
    pub algorithm: Option<HashAlgorithm>,
    pub is_case_sensitive: bool,
}

impl<'a> Told<'a> {
    /// A value of an identifier as an endpoint defined it: a field of an audience's row.
    pub fn of(definition: &'a IdentifierDefinition, value: &'a str) -> Self {
        Self {
            name: Cow::Borrowed(&definition.name),
            kind: Cow::Borrowed(&definition.kind),
            value: Cow::Borrowed(value),
            mode: definition.hash_mode,
            algorithm: definition.hash_algorithm,
            is_case_sensitive: definition.is_case_sensitive,
        }
    }

    /// A clear value of a type, matched in any letter case: what a person typed in who looks for somebody.
    pub fn clear(kind: &'a str, value: &'a str) -> Self {
        Self {
            name: Cow::Borrowed(kind),
            kind: Cow::Borrowed(kind),
            value: Cow::Borrowed(value),
            mode: HashMode::None,
            algorithm: None,
            is_case_sensitive: false,
        }
    }

    /// The value as it is matched, without the blanks around it and, where letter case says nothing, in lower case;
    /// and its form.
    pub fn canonical(&self) -> (Form, Cow<'_, str>) {
        let form = Form::of(self);
        let value = self.value.trim();
        let keeps_case = form == Form::Opaque || (form == Form::Clear && self.is_case_sensitive);
        let value = if keeps_case || !value.chars().any(char::is_uppercase) {
            Cow::Borrowed(value)
        } else {
            Cow::Owned(value.to_lowercase())
        };
        (form, value)
    }

    /// What stands for it in its account.
    pub fn key(&self, account: AccountId) -> Key {
        let (form, value) = self.canonical();
        key(account, &self.kind, form, &value)
    }
}

/// What stands for an identifier of an account; `value` as it is matched.
pub fn key(account: AccountId, kind: &str, form: Form, value: &str) -> Key {
    let lower;
    let kind = if kind.bytes().any(|b| b.is_ascii_uppercase()) {
        lower = kind.to_ascii_lowercase();
        &lower
    } else {
        kind
    };
    let digest = Sha256::new()
        .chain_update(b"rialto identifier")
        .chain_update(account.0.to_be_bytes())
        .chain_update(kind.as_bytes())
        .chain_update([0, form as u8])
        .chain_update(value.as_bytes())
        .finalize();
    first_half(&digest)
}

/// What stands for a set of identifiers; of one alone, its own key. Order and repetition do not matter.
pub fn set_key(keys: &mut Vec<Key>) -> Option<Key> {
    keys.sort_unstable();
    keys.dedup();
    match keys.as_slice() {
        [] => None,
        [one] => Some(*one),
        many => {
            let mut digest = Sha256::new_with_prefix(b"rialto fact");
            for key in many {
                digest.update(key);
            }
            Some(first_half(&digest.finalize()))
        }
    }
}

fn first_half(digest: &[u8]) -> Key {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

/// Where a set of identifiers was seen first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In the document at this position of the account's log.
    Event { position: u64 },
    /// In this row (from 1) of the file that a job read.
    Row { job: i64, row: u64 },
    /// One is the hash of the other.
    Hash,
}

/// Identifiers that were seen together: they are one person's, unless the rules say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact<'a> {
    pub identifiers: Vec<Told<'a>>,
    pub source: Source,
    pub at: Timestamp,
}

/// The hashes by which a clear value can be told, in one form: of the value as it is, and as the algorithms that clean
/// it first make it. `region` serves telephone numbers without a country code.
pub fn hashes(kind: &str, value: &str, form: Form, region: Option<Region>) -> Vec<String> {
    let mut clear = vec![value.to_owned()];
    match Field::of_type(kind) {
        Some(Field::Email) => clear.push(value.trim().to_lowercase()),
        Some(Field::Phone) => {
            if let Ok(digits) = crate::phone::e164_digits(value, region) {
                clear.push(format!("+{digits}"));
                clear.push(digits);
            }
        }
        _ => {}
    }
    let algorithm = match form {
        Form::Md5 => HashAlgorithm::Md5,
        Form::Sha1 => HashAlgorithm::Sha1,
        Form::Sha256 => HashAlgorithm::Sha256,
        Form::Clear | Form::Opaque => return Vec::new(),
    };
    let hash = |value: &String| hashing::hash(algorithm, value, region).ok();
    let mut hashes: Vec<String> = clear.iter().filter_map(hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}
