//! Which members the payload forms have. Names are exact; others are ignored.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess};

use super::PostLimits;
use super::shape::{Element, Fill, Leaf, Name, Read, Room, Shape, leaf, part};
use crate::invalid::Invalid;

pub(super) type List<T> = Shape<Vec<Shape<T>>>;

/// The body.
#[derive(Default)]
pub(super) struct Post<'a> {
    pub(super) top: Scope<'a>,
    /// Not null: the compound form.
    pub(super) eventbatch: List<Scope<'a>>,
}

/// Events, with what they share: the body itself, or a group of the compound form.
#[derive(Default)]
pub(super) struct Scope<'a> {
    pub(super) channel: Leaf<'a>,
    pub(super) identifiers: List<Identified<'a>>,
    pub(super) events: List<Told<'a>>,
}

/// An event as it was told.
#[derive(Default)]
pub(super) struct Told<'a> {
    pub(super) code: Leaf<'a>,
    pub(super) timestamp: Leaf<'a>,
    pub(super) channel: Leaf<'a>,
    pub(super) namespace: Leaf<'a>,
    pub(super) version: Leaf<'a>,
    pub(super) event_id: Leaf<'a>,
    pub(super) identifiers: List<Identified<'a>>,
    pub(super) attributes: Shape<Attributes<'a>>,
}

#[derive(Default)]
pub(super) struct Identified<'a> {
    pub(super) name: Leaf<'a>,
    pub(super) value: Leaf<'a>,
}

pub(super) enum Attributes<'a> {
    List(Vec<Shape<Attribute<'a>>>),
    /// `{"<name>": <value>, …}` instead of an array.
    Object(Attribute<'a>),
}

/// `{"name", "value", "type"}`, or, when there is neither `name` nor `value`, `{"<name>": <value>, …}`.
#[derive(Default)]
pub(super) struct Attribute<'a> {
    pub(super) name: Leaf<'a>,
    pub(super) value: Leaf<'a>,
    pub(super) kind: Leaf<'a>,
    /// All other members.
    pub(super) pairs: Vec<(Cow<'a, str>, Leaf<'a>)>,
}

/// Reads the whole body; fails on what no pointer can name.
pub(super) fn read<'a>(body: &'a str, limits: &PostLimits) -> Result<Shape<Post<'a>>, Invalid> {
    let room = Room::new(limits);
    let mut from = serde_json::Deserializer::from_str(body);
    let read = Read::<Post<'a>>::new(&room).deserialize(&mut from);
    read.and_then(|post| from.end().map(|()| post))
        .map_err(|error| {
            if room.exceeded.get() {
                let events = limits.events_max.min(super::EVENTS_MAX);
                let attributes = limits.attributes_total_max;
                let message = format!(
                    "{error}: at most {events} events and {attributes} attributes; split the call"
                );
                Invalid::one("", "too-many", message)
            } else {
                Invalid::one(
                    "",
                    "syntax",
                    format!("the body cannot be read as JSON: {error}"),
                )
            }
        })
}

/// Reads all members of an object by a function that reads the value of each.
macro_rules! members {
    ($map:ident, $object:ident, $name:ident, { $($member:pat => $read:expr,)* }) => {{
        let mut $object = Self::default();
        while let Some($name) = $map.next_key_seed(Name)? {
            match &*$name { $($member => $read?,)* }
        }
        Ok(Shape::Is($object))
    }};
}

fn ignore<'a, A: MapAccess<'a>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

impl<'a> Fill<'a> for Post<'a> {
    fn from_map<A: MapAccess<'a>>(mut map: A, room: &Room) -> Result<Shape<Self>, A::Error> {
        members!(map, post, name, {
            "channel" => leaf(&mut post.top.channel, &name, &mut map),
            "identifiers" => part(&mut post.top.identifiers, &name, &mut map, room),
            "events" => part(&mut post.top.events, &name, &mut map, room),
            "eventbatch" => part(&mut post.eventbatch, &name, &mut map, room),
            _ => ignore(&mut map),
        })
    }
}

impl<'a> Fill<'a> for Scope<'a> {
    fn from_map<A: MapAccess<'a>>(mut map: A, room: &Room) -> Result<Shape<Self>, A::Error> {
        members!(map, scope, name, {
            "channel" => leaf(&mut scope.channel, &name, &mut map),
            "identifiers" => part(&mut scope.identifiers, &name, &mut map, room),
            "events" => part(&mut scope.events, &name, &mut map, room),
            _ => ignore(&mut map),
        })
    }
}

impl<'a> Fill<'a> for Told<'a> {
    fn from_map<A: MapAccess<'a>>(mut map: A, room: &Room) -> Result<Shape<Self>, A::Error> {
        members!(map, told, name, {
            "code" => leaf(&mut told.code, &name, &mut map),
            "timestamp" => leaf(&mut told.timestamp, &name, &mut map),
            "channel" => leaf(&mut told.channel, &name, &mut map),
            "namespace" => leaf(&mut told.namespace, &name, &mut map),
            "version" => leaf(&mut told.version, &name, &mut map),
            "eventId" => leaf(&mut told.event_id, &name, &mut map),
            "identifiers" => part(&mut told.identifiers, &name, &mut map, room),
            "attributes" => part(&mut told.attributes, &name, &mut map, room),
            _ => ignore(&mut map),
        })
    }
}

impl<'a> Fill<'a> for Identified<'a> {
    fn from_map<A: MapAccess<'a>>(mut map: A, _room: &Room) -> Result<Shape<Self>, A::Error> {
        members!(map, identified, name, {
            "name" => leaf(&mut identified.name, &name, &mut map),
            "value" => leaf(&mut identified.value, &name, &mut map),
            _ => ignore(&mut map),
        })
    }
}

impl<'a> Fill<'a> for Attribute<'a> {
    fn from_map<A: MapAccess<'a>>(mut map: A, room: &Room) -> Result<Shape<Self>, A::Error> {
        let mut attribute = Self::default();
        while let Some(name) = map.next_key_seed(Name)? {
            match &*name {
                "name" => leaf(&mut attribute.name, &name, &mut map)?,
                "value" => leaf(&mut attribute.value, &name, &mut map)?,
                "type" => leaf(&mut attribute.kind, &name, &mut map)?,
                _ => {
                    room.take::<A::Error>(&room.attributes, "attributes")?;
                    let mut value = Leaf::default();
                    leaf(&mut value, &name, &mut map)?;
                    attribute.pairs.push((name, value));
                }
            }
        }
        Ok(Shape::Is(attribute))
    }
}

impl<'a> Fill<'a> for Attributes<'a> {
    fn from_map<A: MapAccess<'a>>(map: A, room: &Room) -> Result<Shape<Self>, A::Error> {
        Ok(match Attribute::from_map(map, room)? {
            Shape::Is(attribute) => Shape::Is(Self::Object(attribute)),
            _ => Shape::Absent,
        })
    }

    fn from_seq<A: SeqAccess<'a>>(seq: A, room: &Room) -> Result<Shape<Self>, A::Error> {
        Ok(match Vec::from_seq(seq, room)? {
            Shape::Is(list) => Shape::Is(Self::List(list)),
            _ => Shape::Absent,
        })
    }
}

impl<'a> Element<'a> for Scope<'a> {
    fn take_room<E: Error>(room: &Room) -> Result<(), E> {
        room.take(&room.groups, "groups")
    }
}

impl<'a> Element<'a> for Told<'a> {
    fn take_room<E: Error>(room: &Room) -> Result<(), E> {
        room.take(&room.events, "events")
    }
}

impl<'a> Element<'a> for Identified<'a> {
    fn take_room<E: Error>(room: &Room) -> Result<(), E> {
        room.take(&room.identifiers, "identifiers")
    }
}

impl<'a> Element<'a> for Attribute<'a> {
    fn take_room<E: Error>(room: &Room) -> Result<(), E> {
        room.take(&room.attributes, "attributes")
    }
}
