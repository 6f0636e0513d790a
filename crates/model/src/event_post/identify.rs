//! The person: identifiers as they were told, against those that the endpoint registered.

use std::borrow::Cow;

use super::check::Check;
use super::forms::{Identified, List};
use super::path::Path;
use super::shape::Shape;
use crate::invalid::shown;
use crate::record::Identifier;

impl<'a> Check<'a, '_> {
    /// At least one identifier with name and value; `None` after violations were reported.
    /// Identifiers without a value beside others that have one say nothing, and are left out.
    pub(super) fn identifiers(
        &mut self,
        told: &List<Identified<'a>>,
        at: &Path<'_>,
    ) -> Option<Vec<Identifier<'a>>> {
        let list = match told {
            Shape::Is(list) => list.as_slice(),
            Shape::Absent | Shape::Null => &[],
            Shape::Isnt(_) => {
                self.wrong_type(told, at, "an array of identifiers");
                return None;
            }
        };
        if list.len() > self.limits.identifiers_max {
            let (count, max) = (list.len(), self.limits.identifiers_max);
            self.report(
                at,
                "too-many",
                format_args!("{count} identifiers of one person; at most {max} are taken"),
            );
            return None;
        }
        let before = self.found();
        let mut person = Vec::with_capacity(list.len());
        let mut without_value = Vec::new();
        for (index, told) in list.iter().enumerate() {
            match told {
                Shape::Is(told) => match self.identifier(told, &at.item(index)) {
                    Some(Some(identifier)) => person.push(identifier),
                    Some(None) => without_value.push(index),
                    None => {}
                },
                Shape::Isnt(_) => {
                    self.wrong_type(told, &at.item(index), "an object with `name` and `value`");
                }
                Shape::Absent | Shape::Null => {}
            }
        }
        if self.found() == before && person.is_empty() {
            self.nobody(at, &without_value);
        } else {
            self.required_identifiers(&person, at);
        }
        (self.found() == before).then_some(person)
    }

    /// `Some(None)`: registered, but without a value.
    fn identifier(
        &mut self,
        told: &Identified<'a>,
        at: &Path<'_>,
    ) -> Option<Option<Identifier<'a>>> {
        let name_at = at.member("name");
        let name = self.required_text(told.name, &name_at, self.limits.word_bytes_max);
        let value = if told.value.is_given() {
            let bytes_max = self.limits.identifier_value_bytes_max;
            Some(self.text_or_number(told.value, &at.member("value"), bytes_max))
        } else {
            None
        };
        let name = name?;
        let Some(registered) = self.publisher.identifiers.get(&*name) else {
            let name = shown(&name);
            let advice =
                "register it with PUT /v1/endpoint, or correct the name (letter case matters)";
            self.report(
                &name_at,
                "unknown-identifier",
                format_args!("this endpoint has no identifier {name}: {advice}"),
            );
            return None;
        };
        let Some(value) = value else {
            return Some(None);
        };
        Some(Some(Identifier {
            name: Cow::Borrowed(&registered.name),
            value: value?,
            kind: Cow::Borrowed(&registered.kind),
            mode: registered.hash_mode,
            algorithm: registered.hash_algorithm,
        }))
    }

    fn nobody(&mut self, at: &Path<'_>, without_value: &[usize]) {
        for &index in without_value {
            let message = format_args!("the identifier has no value: send a non-empty one");
            self.report(&at.item(index).member("value"), "required", message);
        }
        if without_value.is_empty() {
            let message =
                "there is no identifier: name at least one, for the whole batch or in each event";
            self.report(at, "required", format_args!("{message}"));
        }
    }

    fn required_identifiers(&mut self, person: &[Identifier<'a>], at: &Path<'_>) {
        for index in 0..self.required.len() {
            let name = &self.required[index].name;
            if !person.iter().any(|identifier| identifier.name == *name) {
                let name = shown(name);
                self.report(
                    at,
                    "required",
                    format_args!(
                        "the identifier {name} is required by this endpoint's registration"
                    ),
                );
            }
        }
    }
}
