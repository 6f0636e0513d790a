//! Reading text out of leaves, and reporting what is wrong: the tools of all checks.

use std::borrow::Cow;
use std::fmt;

use super::check::Check;
use super::path::Path;
use super::shape::{Kind, Leaf, Shape};
use crate::invalid::VIOLATIONS_MAX;

impl<'a> Check<'a, '_> {
    /// A string that must be there and not be empty.
    pub(super) fn required_text(
        &mut self,
        leaf: Leaf<'a>,
        at: &Path<'_>,
        bytes_max: usize,
    ) -> Option<Cow<'a, str>> {
        if leaf.is_given() {
            return self.text(leaf, at, bytes_max);
        }
        self.report(
            at,
            "required",
            format_args!("this is required: send a non-empty string"),
        );
        None
    }

    pub(super) fn text(
        &mut self,
        leaf: Leaf<'a>,
        at: &Path<'_>,
        bytes_max: usize,
    ) -> Option<Cow<'a, str>> {
        if leaf.kind() == Kind::Number {
            self.report(
                at,
                "type",
                format_args!("expected a string, found a number: put it in quotes"),
            );
            return None;
        }
        self.text_or_number(leaf, at, bytes_max)
    }

    /// A number counts as the text that it was written with.
    pub(super) fn text_or_number(
        &mut self,
        leaf: Leaf<'a>,
        at: &Path<'_>,
        bytes_max: usize,
    ) -> Option<Cow<'a, str>> {
        let kind = leaf.kind();
        if !matches!(kind, Kind::String | Kind::Number) {
            self.report(
                at,
                "type",
                format_args!("expected a string, found {}", kind.word()),
            );
            return None;
        }
        let Some(text) = leaf.content() else {
            let message = "the string holds half a surrogate pair (\\ud800 to \\udfff): send both halves or none";
            self.report(at, "text", format_args!("{message}"));
            return None;
        };
        if text.len() > bytes_max {
            let length = text.len();
            self.report(
                at,
                "too-long",
                format_args!("is {length} bytes long; at most {bytes_max} are taken"),
            );
            return None;
        }
        Some(text)
    }

    pub(super) fn wrong_type<T>(&mut self, shape: &Shape<T>, at: &Path<'_>, expected: &str) {
        let found = if let Shape::Isnt(kind) = shape {
            *kind
        } else {
            Kind::Null
        };
        self.report(
            at,
            "type",
            format_args!("expected {expected}, found {}", found.word()),
        );
    }

    /// Violations so far.
    pub(super) fn found(&self) -> usize {
        self.invalid.violations.len() + self.invalid.more
    }

    pub(super) fn report(&mut self, at: &Path<'_>, code: &str, message: fmt::Arguments<'_>) {
        if self.invalid.violations.len() < VIOLATIONS_MAX {
            self.invalid.add(at.pointer(), code, message.to_string());
        } else {
            self.invalid.more += 1;
        }
    }

    /// A wrong type that refuses the call.
    pub(super) fn misshapen<T>(&mut self, shape: &Shape<T>, at: &Path<'_>, expected: &str) {
        self.envelope = true;
        self.wrong_type(shape, at, expected);
    }

    /// A violation that refuses the call.
    pub(super) fn envelope(&mut self, at: &Path<'_>, code: &str, message: fmt::Arguments<'_>) {
        self.envelope = true;
        self.report(at, code, message);
    }
}
