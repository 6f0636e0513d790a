//! Privacy requests: to erase people, to restrict them, to lift that, and to export what is known of them.
//!
//! What is asked ([`Ask`]), of whom ([`Named`], rows of a CSV file read by [`Columns`]), and a [`Finder`], which recognizes
//! these people in whatever the exchange keeps. Pure; called by `hub/privacy` and its jobs.

use std::collections::{BTreeSet, HashSet};

use aho_corasick::{AhoCorasick, BuildError};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hashing::{HashAlgorithm, HashMode, Region};
use crate::invalid::shown;
use crate::record::Digest16;
use crate::suppression::{DigestKey, Forms, Subject};
use crate::{AccountId, Invalid};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// Everything that is kept of a person goes.
    #[serde(rename = "remove")]
    Erase,
    /// They are neither delivered nor shared, until it is lifted.
    #[serde(rename = "addRestriction")]
    Restrict,
    #[serde(rename = "removeRestriction")]
    Lift,
    /// Everything that is kept of them is put into a file.
    Export,
}

impl Operation {
    pub const ALL: [Self; 4] = [Self::Erase, Self::Restrict, Self::Lift, Self::Export];

    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Erase => "remove",
            Self::Restrict => "addRestriction",
            Self::Lift => "removeRestriction",
            Self::Export => "export",
        }
    }

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

/// A request without its people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    pub operation: Operation,
    /// The other identifiers of these people are listed, so that other systems can be told.
    pub is_listed: bool,
}

impl Ask {
    /// Reads `{"operationType":…,"generateOutput":…}`; other members are passed over.
    ///
    /// # Errors
    /// Every violation, with its pointer.
    pub fn read(metadata: &Value) -> Result<Self, Invalid> {
        let known = Operation::ALL.map(Operation::as_str).join(", ");
        let mut invalid = Invalid::default();
        let operation = match &metadata["operationType"] {
            Value::String(text) => {
                let operation = Operation::parse(text);
                if operation.is_none() {
                    let message =
                        format!("{} is no operation: expected one of {known}", shown(text));
                    invalid.add("/operationType", "unknown-value", message);
                }
                operation
            }
            _ => {
                let message = format!("expected one of {known}");
                invalid.add("/operationType", "required", message);
                None
            }
        };
        let is_listed = match &metadata["generateOutput"] {
            Value::Null => false,
            Value::Bool(flag) => *flag,
            // A form has nothing but texts.
            Value::String(text) if text.eq_ignore_ascii_case("true") => true,
            Value::String(text) if text.eq_ignore_ascii_case("false") => false,
            _ => {
                invalid.add("/generateOutput", "type", "expected true or false");
                false
            }
        };
        invalid.join(operation.map(|operation| Self {
            operation,
            is_listed,
        }))
    }
}

/// An identifier of a person, as it is kept while a request is worked on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Named {
    /// Identity type.
    pub kind: String,
    pub value: String,
    /// The value is a hash.
    pub is_hashed: bool,
}

impl Named {
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            kind: &self.kind,
            value: &self.value,
            mode: if self.is_hashed {
                HashMode::Hashed
            } else {
                HashMode::None
            },
            algorithm: None::<HashAlgorithm>,
        }
    }
}

/// Which columns of a file hold identifiers: either every column is a type (or an endpoint's name for one), or there are
/// the two columns `type` and `value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// The type of each column.
    Types(Vec<String>),
    Pairs {
        kind: usize,
        value: usize,
    },
}

impl Columns {
    /// `type_of`: the type that an endpoint's name for an identifier stands for.
    pub fn of(columns: &[String], type_of: impl Fn(&str) -> Option<String>) -> Self {
        let place = |name: &str| columns.iter().position(|it| it.eq_ignore_ascii_case(name));
        if let (Some(kind), Some(value), 2) = (place("type"), place("value"), columns.len()) {
            return Self::Pairs { kind, value };
        }
        let kinds = columns.iter();
        Self::Types(
            kinds
                .map(|name| type_of(name).unwrap_or_else(|| name.clone()))
                .collect(),
        )
    }

    /// The identifiers of one row; blank ones are none.
    pub fn named(&self, row: &[&str]) -> Vec<Named> {
        let pairs: Vec<(&str, &str)> = match self {
            Self::Types(kinds) => kinds
                .iter()
                .map(String::as_str)
                .zip(row.iter().copied())
                .collect(),
            Self::Pairs { kind, value } => {
                let at = |place: &usize| row.get(*place).copied().unwrap_or_default();
                vec![(at(kind), at(value))]
            }
        };
        let is_given =
            |(kind, value): &(&str, &str)| !kind.trim().is_empty() && !value.trim().is_empty();
        let named = pairs
            .into_iter()
            .filter(is_given)
            .map(|(kind, value)| Named {
                kind: kind.trim().to_owned(),
                value: value.trim().to_owned(),
                is_hashed: false,
            });
        named.collect()
    }
}

/// Values shorter than this are recognized as identifiers of their type, and not in running text, where they could be
/// anything.
pub const TEXT_BYTES_MIN: usize = 5;

/// Recognizes people by their identifiers, however these are spelt: in clear, as their usual hashes, in hex or Base64.
pub struct Finder {
    key: DigestKey,
    account: AccountId,
    region: Option<Region>,
    digests: HashSet<Digest16>,
    has_hashes: bool,
    texts: AhoCorasick,
}

impl Finder {
    /// # Errors
    /// [`BuildError`] if there are more identifiers than a machine can look for.
    pub fn new(
        (key, account): (DigestKey, AccountId),
        region: Option<Region>,
        people: impl IntoIterator<Item = Named>,
    ) -> Result<Self, BuildError> {
        let (mut digests, mut texts) = (HashSet::new(), BTreeSet::new());
        let mut has_hashes = false;
        for named in people {
            let forms = Forms::of(&named.subject(), region);
            let stored = key.all(account, &named.kind, &forms);
            digests.extend(stored.into_iter().map(|(digest, _)| digest));
            has_hashes |= forms.is_hash;
            for hash in &forms.hashed {
                if let Some(bytes) = unhex(hash) {
                    texts.insert(STANDARD.encode(&bytes).to_lowercase());
                    texts.insert(URL_SAFE.encode(&bytes).to_lowercase());
                }
            }
            texts.extend(forms.hashed);
            texts.extend(forms.clear);
            texts.insert(named.value.trim().to_owned());
        }
        texts.retain(|text| text.len() >= TEXT_BYTES_MIN);
        let texts = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(texts)?;
        Ok(Self {
            key,
            account,
            region,
            digests,
            has_hashes,
            texts,
        })
    }

    /// Whether an identifier is one of theirs.
    pub fn is_named(&self, subject: &Subject<'_>) -> bool {
        let forms = Forms::compared(subject, self.region, self.has_hashes);
        let stored = self.key.all(self.account, subject.kind, &forms);
        stored
            .iter()
            .any(|(digest, _)| self.digests.contains(digest))
    }

    /// Whether one of their identifiers stands in a text, not as a part of a longer word.
    pub fn is_in(&self, text: &[u8]) -> bool {
        let is_word = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphanumeric);
        self.texts.find_overlapping_iter(text).any(|found| {
            let before = found.start().checked_sub(1).and_then(|at| text.get(at));
            !is_word(before) && !is_word(text.get(found.end()))
        })
    }

    /// The longest text that is looked for: what may be cut in two where a file is read in pieces.
    pub fn text_bytes_max(&self) -> usize {
        self.texts.max_pattern_len()
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests;
