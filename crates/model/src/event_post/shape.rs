//! JSON that may be of the wrong type: read through to its end, so that everything wrong with it can be reported.
//!
//! Serde gives up at the first value of a wrong type. Here such a value is [`Shape::Isnt`], and leaves stay the
//! text they were ([`Leaf`]), so that numbers keep their digits and strings are copied without being decoded.
//! Only bad syntax, a duplicate member and a call that outgrows its [`Room`] end the parse.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::PostLimits;

/// A value where an object or an array is expected.
#[derive(Debug, Default)]
pub(super) enum Shape<T> {
    #[default]
    Absent,
    Null,
    Is(T),
    Isnt(Kind),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    /// For messages.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// A value where a string or another scalar is expected: its JSON text, empty if absent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Leaf<'a>(&'a str);

impl<'a> Leaf<'a> {
    /// As it stands in the body; empty if absent.
    pub(super) fn raw(self) -> &'a str {
        self.0
    }

    /// Absent counts as null.
    pub(super) fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            None | Some(b'n') => Kind::Null,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'"') => Kind::String,
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            Some(_) => Kind::Number,
        }
    }

    /// Says something: not absent, not null, not the empty string.
    pub(super) fn is_given(self) -> bool {
        !matches!(self.0, "" | "null" | "\"\"")
    }

    /// What a string says, or a scalar as written. `None`: a string with half a surrogate pair, which no text can say.
    pub(super) fn content(self) -> Option<Cow<'a, str>> {
        match self
            .0
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
        {
            None => Some(Cow::Borrowed(self.0)),
            Some(inner) if !inner.as_bytes().contains(&b'\\') => Some(Cow::Borrowed(inner)),
            Some(_) => serde_json::from_str(self.0).ok().map(Cow::Owned),
        }
    }
}

/// How many more parts the call may have.
pub(super) struct Room {
    pub(super) events: Cell<usize>,
    pub(super) groups: Cell<usize>,
    pub(super) identifiers: Cell<usize>,
    pub(super) attributes: Cell<usize>,
    /// It was room that ended the parse, not syntax.
    pub(super) exceeded: Cell<bool>,
}

impl Room {
    pub(super) fn new(limits: &PostLimits) -> Self {
        let events = limits.events_max.min(super::EVENTS_MAX);
        Self {
            events: Cell::new(events),
            groups: Cell::new(events),
            identifiers: Cell::new(events.saturating_mul(limits.identifiers_max)),
            attributes: Cell::new(limits.attributes_total_max),
            exceeded: Cell::new(false),
        }
    }

    pub(super) fn take<E: Error>(&self, left: &Cell<usize>, what: &str) -> Result<(), E> {
        match left.get().checked_sub(1) {
            Some(rest) => {
                left.set(rest);
                Ok(())
            }
            None => {
                self.exceeded.set(true);
                Err(E::custom(format_args!(
                    "more {what} than one call may have"
                )))
            }
        }
    }
}

/// Something with members or elements that can be read into a [`Shape`].
pub(super) trait Fill<'a>: Sized {
    fn from_map<A: MapAccess<'a>>(mut map: A, _room: &Room) -> Result<Shape<Self>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Shape::Isnt(Kind::Object))
    }

    fn from_seq<A: SeqAccess<'a>>(mut seq: A, _room: &Room) -> Result<Shape<Self>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Shape::Isnt(Kind::Array))
    }
}

/// What stands in lists.
pub(super) trait Element<'a>: Fill<'a> {
    /// Counts one against the room.
    fn take_room<E: Error>(room: &Room) -> Result<(), E>;
}

impl<'a, T: Element<'a>> Fill<'a> for Vec<Shape<T>> {
    fn from_seq<A: SeqAccess<'a>>(mut seq: A, room: &Room) -> Result<Shape<Self>, A::Error> {
        let mut list = Self::new();
        while let Some(shape) = seq.next_element_seed(Read::<T>::new(room))? {
            T::take_room::<A::Error>(room)?;
            list.push(shape);
        }
        Ok(Shape::Is(list))
    }
}

/// Reads a `T`, or whatever stands in its place.
pub(super) struct Read<'r, T> {
    room: &'r Room,
    target: PhantomData<T>,
}

impl<'r, T> Read<'r, T> {
    pub(super) fn new(room: &'r Room) -> Self {
        Self {
            room,
            target: PhantomData,
        }
    }
}

impl<'a, T: Fill<'a>> DeserializeSeed<'a> for Read<'_, T> {
    type Value = Shape<T>;

    fn deserialize<D: serde::Deserializer<'a>>(self, from: D) -> Result<Shape<T>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'a, T: Fill<'a>> Visitor<'a> for Read<'_, T> {
    type Value = Shape<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<Shape<T>, A::Error> {
        T::from_map(map, self.room)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, seq: A) -> Result<Shape<T>, A::Error> {
        T::from_seq(seq, self.room)
    }

    fn visit_unit<E: Error>(self) -> Result<Shape<T>, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Shape<T>, E> {
        Ok(Shape::Isnt(Kind::Boolean))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Shape<T>, E> {
        Ok(Shape::Isnt(Kind::Number))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Shape<T>, E> {
        Ok(Shape::Isnt(Kind::Number))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Shape<T>, E> {
        Ok(Shape::Isnt(Kind::Number))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Shape<T>, E> {
        Ok(Shape::Isnt(Kind::String))
    }
}

/// The name of a member: borrowed unless it was written with escapes.
pub(super) struct Name;

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Cow<'a, str>;

    fn deserialize<D: serde::Deserializer<'a>>(self, from: D) -> Result<Cow<'a, str>, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Name {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// Reads the value of a member that is an object or an array, which may stand only once.
pub(super) fn part<'a, T: Fill<'a>, A: MapAccess<'a>>(
    slot: &mut Shape<T>,
    name: &str,
    map: &mut A,
    room: &Room,
) -> Result<(), A::Error> {
    if !matches!(slot, Shape::Absent) {
        return Err(duplicate(name));
    }
    *slot = map.next_value_seed(Read::new(room))?;
    Ok(())
}

/// Reads the value of a member that is a scalar, which may stand only once.
pub(super) fn leaf<'a, A: MapAccess<'a>>(
    slot: &mut Leaf<'a>,
    name: &str,
    map: &mut A,
) -> Result<(), A::Error> {
    if !slot.0.is_empty() {
        return Err(duplicate(name));
    }
    *slot = Leaf(map.next_value::<&'a RawValue>()?.get());
    Ok(())
}

fn duplicate<E: Error>(name: &str) -> E {
    E::custom(format_args!(
        "the member `{name}` stands twice in one object"
    ))
}
