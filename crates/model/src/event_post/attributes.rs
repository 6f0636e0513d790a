//! The attributes of an event: checked against what its type declares, and written in the same walk.

use std::borrow::Cow;

use super::check::Check;
use super::forms::{Attribute, Attributes, Told};
use super::path::Path;
use super::render::{self, Word};
use super::shape::{Kind, Leaf, Shape};
use super::{DRIFT_MAX, Drift, DriftKind};
use crate::event_type::{AttributeDefinition, EventType};
use crate::invalid::shown;

/// Where the attributes of one event are written.
pub(super) struct Writer<'a, 'w> {
    out: &'w mut String,
    /// Unknown while the event's code is bad; then nothing is checked against it.
    event_type: Option<&'a EventType>,
    /// Publishers tell attributes in the order in which they declared them: where to look next.
    next: usize,
}

/// An attribute, whichever way it was told.
struct One<'a, 'p> {
    name: &'p Cow<'a, str>,
    word: Word<'p>,
    value: Leaf<'a>,
    kind: Leaf<'a>,
    name_at: Path<'p>,
    value_at: Path<'p>,
    kind_at: Path<'p>,
}

impl<'a> Writer<'a, '_> {
    /// About how long the rendered event becomes, so that its buffer is allocated once.
    pub(super) fn bytes_needed(told: &Told<'_>) -> usize {
        const FRAME: usize = 96;
        // Punctuation, and a type that was not told.
        const ATTRIBUTE_FRAME: usize = 48;
        let attributes = match &told.attributes {
            Shape::Is(Attributes::List(list)) => list.as_slice(),
            _ => &[],
        };
        let bytes = |attribute: &Shape<Attribute<'_>>| match attribute {
            Shape::Is(one) => {
                one.name.raw().len()
                    + one.value.raw().len()
                    + one.kind.raw().len()
                    + ATTRIBUTE_FRAME
            }
            _ => 0,
        };
        FRAME
            + told.code.raw().len()
            + told.timestamp.raw().len()
            + attributes.iter().map(bytes).sum::<usize>()
    }

    fn declared(&mut self, name: &str) -> Option<&'a AttributeDefinition> {
        let all = &self.event_type?.attributes;
        let (before, after) = all.split_at(self.next.min(all.len()));
        let place = match after.iter().position(|declared| declared.name == name) {
            Some(place) => before.len() + place,
            None => before.iter().position(|declared| declared.name == name)?,
        };
        self.next = place + 1;
        all.get(place)
    }
}

impl<'a> Check<'a, '_> {
    pub(super) fn attributes(
        &mut self,
        told: &Told<'a>,
        at: &Path<'_>,
        event_type: Option<&'a EventType>,
        out: &mut String,
    ) {
        let mut writer = Writer {
            out,
            event_type,
            next: 0,
        };
        match &told.attributes {
            Shape::Absent | Shape::Null => {}
            Shape::Isnt(_) => self.wrong_type(&told.attributes, at, "an array of attributes"),
            Shape::Is(Attributes::Object(attribute)) => {
                if self.few_enough(attribute.pairs.len(), at) {
                    self.attribute(attribute, at, &mut writer);
                }
            }
            Shape::Is(Attributes::List(list)) => {
                let told = |one: &Shape<Attribute<'_>>| {
                    if let Shape::Is(one) = one {
                        one.pairs.len().max(1)
                    } else {
                        1
                    }
                };
                if self.few_enough(list.iter().map(told).sum(), at) {
                    self.list(list, at, &mut writer);
                }
            }
        }
    }

    fn few_enough(&mut self, count: usize, at: &Path<'_>) -> bool {
        let max = self.limits.attributes_max;
        if count > max {
            self.report(
                at,
                "too-many",
                format_args!("{count} attributes of one event; at most {max} are taken"),
            );
        }
        count <= max
    }

    fn list(&mut self, list: &[Shape<Attribute<'a>>], at: &Path<'_>, writer: &mut Writer<'a, '_>) {
        for (index, told) in list.iter().enumerate() {
            match told {
                Shape::Is(attribute) => self.attribute(attribute, &at.item(index), writer),
                Shape::Isnt(_) => self.wrong_type(
                    told,
                    &at.item(index),
                    "an object with `name`, `value` and `type`",
                ),
                Shape::Absent | Shape::Null => {}
            }
        }
    }

    fn attribute(&mut self, told: &Attribute<'a>, at: &Path<'_>, writer: &mut Writer<'a, '_>) {
        let is_named = !told.name.raw().is_empty() || !told.value.raw().is_empty();
        if is_named || (told.pairs.is_empty() && told.kind.raw().is_empty()) {
            let name_at = at.member("name");
            let Some(name) = self.required_text(told.name, &name_at, self.limits.word_bytes_max)
            else {
                self.value(told.value, &at.member("value"));
                self.kind_is_good(told.kind, &at.member("type"));
                return;
            };
            let (word, value, kind) = (Word::Raw(told.name.raw()), told.value, told.kind);
            let (value_at, kind_at) = (at.member("value"), at.member("type"));
            return self.one(
                &One {
                    name: &name,
                    word,
                    value,
                    kind,
                    name_at,
                    value_at,
                    kind_at,
                },
                writer,
            );
        }
        let mut names: Vec<&str> = told.pairs.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        for twice in names.windows(2).filter(|two| two[0] == two[1]) {
            self.report(
                &at.member(twice[0]),
                "duplicate",
                format_args!("this member stands twice in one object"),
            );
        }
        let kind_as_pair = (Cow::Borrowed("type"), told.kind);
        let extra = (!told.kind.raw().is_empty()).then_some(&kind_as_pair);
        for pair in extra.into_iter().chain(&told.pairs) {
            self.pair(pair, &at.member(&pair.0), writer);
        }
    }

    fn pair(
        &mut self,
        pair: &(Cow<'a, str>, Leaf<'a>),
        at: &Path<'_>,
        writer: &mut Writer<'a, '_>,
    ) {
        let (name, value) = (&pair.0, pair.1);
        let bytes_max = self.limits.word_bytes_max;
        if name.is_empty() || name.len() > bytes_max {
            let length = name.len();
            self.report(
                at,
                "too-long",
                format_args!("the name is {length} bytes long; 1 to {bytes_max} are taken"),
            );
            self.value(value, at);
            return;
        }
        let (word, kind) = (Word::Plain(name), Leaf::default());
        let one = One {
            name,
            word,
            value,
            kind,
            name_at: *at,
            value_at: *at,
            kind_at: *at,
        };
        self.one(&one, writer);
    }

    fn one(&mut self, one: &One<'a, '_>, writer: &mut Writer<'a, '_>) {
        let value = self.value(one.value, &one.value_at);
        let kind_is_good = self.kind_is_good(one.kind, &one.kind_at);
        let declared = writer.declared(one.name);
        if let Some(event_type) = writer.event_type {
            match (declared, &value) {
                (None, _) => self.undeclared(one, event_type),
                (Some(declared), Some(value))
                    if !agrees(&declared.kind, one.value.kind(), value) =>
                {
                    self.disagrees(one, event_type, declared);
                }
                _ => {}
            }
        }
        if value.is_some() && kind_is_good {
            let kind = if one.kind.is_given() {
                Word::Raw(one.kind.raw())
            } else {
                Word::Plain(declared.map_or("string", |declared| &declared.kind))
            };
            render::attribute(writer.out, one.word, one.value, kind);
        }
    }

    /// A type is a word of the publisher's own, if it is told at all.
    fn kind_is_good(&mut self, kind: Leaf<'a>, at: &Path<'_>) -> bool {
        !kind.is_given() || self.text(kind, at, self.limits.word_bytes_max).is_some()
    }

    /// A scalar, as the string that is delivered; null is empty here.
    fn value(&mut self, leaf: Leaf<'a>, at: &Path<'_>) -> Option<Cow<'a, str>> {
        match leaf.kind() {
            Kind::Null => Some(Cow::Borrowed("")),
            Kind::Boolean => Some(Cow::Borrowed(leaf.raw())),
            Kind::String | Kind::Number => {
                self.text_or_number(leaf, at, self.limits.attribute_value_bytes_max)
            }
            kind => {
                let found = kind.word();
                let message = format_args!(
                    "expected a string, number, boolean or null, found {found}: send its text"
                );
                self.report(at, "type", message);
                None
            }
        }
    }

    fn undeclared(&mut self, one: &One<'a, '_>, event_type: &'a EventType) {
        if self.strict {
            let (name, code) = (shown(one.name), shown(&event_type.code));
            let advice = "declare it with POST /v1/eventtype, or leave it out";
            let message = format_args!("{code} declares no attribute {name}: {advice}");
            return self.report(&one.name_at, "undeclared-attribute", message);
        }
        self.drift(one, event_type, DriftKind::Undeclared);
    }

    fn disagrees(
        &mut self,
        one: &One<'a, '_>,
        event_type: &'a EventType,
        declared: &'a AttributeDefinition,
    ) {
        let seen = one.value.kind().word();
        if self.strict {
            let (name, kind, value) = (
                shown(one.name),
                shown(&declared.kind),
                shown(one.value.raw()),
            );
            let message = format_args!(
                "the attribute {name} is declared as {kind}, but {seen} came: {value}"
            );
            return self.report(&one.value_at, "attribute-type", message);
        }
        self.drift(
            one,
            event_type,
            DriftKind::Type {
                declared: &declared.kind,
                seen,
            },
        );
    }

    fn drift(&mut self, one: &One<'a, '_>, event_type: &'a EventType, what: DriftKind<'a>) {
        let known =
            |d: &Drift<'_>| d.what == what && d.attribute == *one.name && d.code == event_type.code;
        if self.out.drift.len() < DRIFT_MAX && !self.out.drift.iter().any(known) {
            let code = Cow::Borrowed(event_type.code.as_str());
            self.out.drift.push(Drift {
                code,
                attribute: one.name.clone(),
                what,
            });
        }
    }
}

/// Whether a value can be read as the declared type. Everything is delivered as a string, so a string that says a
/// number is one; nothing (null or empty) is of any type; identity types and unknown ones take any scalar.
fn agrees(declared: &str, kind: Kind, value: &str) -> bool {
    let is = |name: &str| declared.eq_ignore_ascii_case(name);
    if value.is_empty() || is("string") {
        true
    } else if is("number") {
        kind != Kind::Boolean && value.parse::<f64>().is_ok_and(f64::is_finite)
    } else if is("integer") {
        let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
        kind != Kind::Boolean
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    } else if is("boolean") {
        kind != Kind::Number
            && ["true", "false"]
                .iter()
                .any(|word| value.eq_ignore_ascii_case(word))
    } else if is("date") {
        kind == Kind::String && crate::timestamp::parse(value).is_ok()
    } else {
        true
    }
}
