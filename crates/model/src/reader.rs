//! Reads small JSON documents (registrations, not events) tolerantly: any member may be absent or null, every
//! wrong one is reported with its pointer, unknown ones are ignored.
//!
//! Used by the nouns that are registered (`endpoint`, `event_type`, …). Events have their own parser, which borrows.

use serde_json::{Map, Value};

use crate::invalid::{Invalid, shown, token};

/// The JSON name of a value's type, for messages.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// An object being read, and where it is.
#[derive(Clone)]
pub struct Reader<'v> {
    members: &'v Map<String, Value>,
    pointer: String,
}

impl<'v> Reader<'v> {
    /// The object at `pointer`, or a violation.
    pub fn new(
        value: &'v Value,
        pointer: impl Into<String>,
        invalid: &mut Invalid,
    ) -> Option<Self> {
        let pointer = pointer.into();
        match value {
            Value::Object(members) => Some(Self { members, pointer }),
            other => {
                invalid.add(
                    pointer,
                    "type",
                    format!("expected an object, found {}", type_name(other)),
                );
                None
            }
        }
    }

    pub fn pointer(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, token(name))
    }

    /// The pointer of this object itself.
    pub fn here(&self) -> &str {
        &self.pointer
    }

    /// The member, unless absent or null.
    pub fn get(&self, name: &str) -> Option<&'v Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// The first of several spellings that is present, with its name.
    pub fn get_any(&self, names: &[&'static str]) -> Option<(&'static str, &'v Value)> {
        names
            .iter()
            .find_map(|name| self.get(name).map(|value| (*name, value)))
    }

    pub fn names(&self) -> impl Iterator<Item = &'v String> {
        self.members.keys()
    }

    pub fn object(&self, name: &str, invalid: &mut Invalid) -> Option<Self> {
        self.get(name)
            .and_then(|value| Self::new(value, self.pointer(name), invalid))
    }

    /// The elements of an array member, each with its pointer.
    pub fn array(&self, name: &str, invalid: &mut Invalid) -> Vec<(String, &'v Value)> {
        match self.get(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let base = self.pointer(name);
                items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| (format!("{base}/{i}"), item))
                    .collect()
            }
            Some(other) => {
                invalid.add(
                    self.pointer(name),
                    "type",
                    format!("expected an array, found {}", type_name(other)),
                );
                Vec::new()
            }
        }
    }

    /// A string of at most `chars_max` characters. Numbers are taken as they are written.
    pub fn text(&self, name: &str, chars_max: usize, invalid: &mut Invalid) -> Option<String> {
        let text = match self.get(name)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            other => {
                invalid.add(
                    self.pointer(name),
                    "type",
                    format!("expected a string, found {}", type_name(other)),
                );
                return None;
            }
        };
        let length = text.chars().count();
        if length > chars_max {
            let message = format!("is {length} characters long; at most {chars_max} are taken");
            invalid.add(self.pointer(name), "too-long", message);
            return None;
        }
        Some(text)
    }

    /// A string that must be there and not be blank.
    pub fn required_text(
        &self,
        name: &str,
        chars_max: usize,
        invalid: &mut Invalid,
    ) -> Option<String> {
        let before = invalid.violations.len() + invalid.more;
        let text = self
            .text(name, chars_max, invalid)
            .filter(|text| !text.trim().is_empty());
        if text.is_none() && before == invalid.violations.len() + invalid.more {
            invalid.add(
                self.pointer(name),
                "required",
                format!("`{name}` is required: send a non-empty string"),
            );
        }
        text
    }

    /// `true`, `false`, or those words as strings (the seeds type some flags as strings).
    pub fn flag(&self, name: &str, invalid: &mut Invalid) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") || text.is_empty() => {
                Some(false)
            }
            other => {
                let found = other
                    .as_str()
                    .map_or_else(|| type_name(other).to_owned(), shown);
                invalid.add(
                    self.pointer(name),
                    "type",
                    format!("expected true or false, found {found}"),
                );
                None
            }
        }
    }

    /// A whole number, or one written as a string.
    pub fn integer(&self, name: &str, invalid: &mut Invalid) -> Option<i64> {
        let value = self.get(name)?;
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        if number.is_none() {
            let found = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            invalid.add(
                self.pointer(name),
                "type",
                format!("expected a whole number, found {}", shown(&found)),
            );
        }
        number
    }

    /// One of a closed set, by a parser that takes any letter case.
    pub fn word<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
        invalid: &mut Invalid,
    ) -> Option<T> {
        let text = self
            .text(name, 200, invalid)
            .filter(|text| !text.is_empty())?;
        let word = parse(&text);
        if word.is_none() {
            let message = format!("{} is not known here: expected {expected}", shown(&text));
            invalid.add(self.pointer(name), "unknown-value", message);
        }
        word
    }
}
