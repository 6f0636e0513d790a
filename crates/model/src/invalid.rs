//! What is wrong with a stranger's data: every violation at once, each with its JSON pointer.
//!
//! Made by the parsers of this crate, turned into a 400 by the api floor and kept with quarantined events.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that is wrong, where it is, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// RFC 6901 pointer into the request body; empty for the whole body.
    pub pointer: String,
    /// Stable word for programs, such as `required` or `unknown-identifier`.
    pub code: String,
    /// Sentence for people: the value, what was expected, what to do.
    pub message: String,
}

impl Violation {
    pub fn new(pointer: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() {
            "/"
        } else {
            &self.pointer
        };
        write!(f, "{pointer}: {}", self.message)
    }
}

/// At most this many violations are listed; the rest are counted, so that a hostile body cannot blow up the answer.
pub const VIOLATIONS_MAX: usize = 100;

/// Data that was refused: at least one violation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Invalid {
    pub violations: Vec<Violation>,
    /// Violations beyond [`VIOLATIONS_MAX`], counted only.
    pub more: usize,
}

impl Invalid {
    pub fn one(pointer: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Self {
            violations: vec![Violation::new(pointer, code, message)],
            more: 0,
        }
    }

    pub fn push(&mut self, violation: Violation) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(violation);
        } else {
            self.more += 1;
        }
    }

    pub fn add(&mut self, pointer: impl Into<String>, code: &str, message: impl Into<String>) {
        self.push(Violation::new(pointer, code, message));
    }

    pub fn is_empty(&self) -> bool {
        self.violations.is_empty()
    }

    /// What was read, and what was found wrong so far: for who goes on looking.
    pub fn split<T>(read: Result<T, Self>) -> (Option<T>, Self) {
        match read {
            Ok(value) => (Some(value), Self::default()),
            Err(invalid) => (None, invalid),
        }
    }

    /// What was read with [`Invalid::split`], when nothing was found wrong since either.
    pub fn join<T>(self, read: Option<T>) -> Result<T, Self> {
        match read {
            Some(value) if self.is_empty() => Ok(value),
            _ => Err(self),
        }
    }

    /// `Ok(value)` when nothing was found wrong.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.violations.as_slice() {
            [] => f.write_str("nothing is wrong"),
            [one] => one.fmt(f),
            [first, rest @ ..] => write!(f, "{first} (and {} more)", rest.len() + self.more),
        }
    }
}

impl std::error::Error for Invalid {}

/// Escapes one reference token of a JSON pointer (RFC 6901 §3).
pub fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A quoted, shortened value for a message: at most 60 characters, so that answers stay readable.
pub fn shown(value: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    if value.chars().count() <= SHOWN_CHARS_MAX {
        format!("`{value}`")
    } else {
        let head: String = value.chars().take(SHOWN_CHARS_MAX).collect();
        format!("`{head}…`")
    }
}
