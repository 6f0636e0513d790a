//! JSON as strangers send it: of any shape, with the names and words of a parser here and there, or sound but for a few
//! places. Called by the fuzz tests of `model`.

use proptest::prelude::*;
use serde_json::{Map, Value};

/// JSON of any shape; its members have these names, its texts are some of these or anything.
pub fn json(
    names: &'static [&'static str],
    texts: &'static [&'static str],
) -> impl Strategy<Value = Value> + Clone {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(texts).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 96, 8, move |inner| {
        let member = (prop::sample::select(names), inner.clone());
        let object = |members: Vec<(&str, Value)>| {
            let members = members.into_iter();
            let owned = members.map(|(name, value)| (name.to_owned(), value));
            Value::Object(Map::from_iter(owned))
        };
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            prop::collection::vec(member, 0..10).prop_map(object),
        ]
    })
}

/// `sound` with `anything` in up to two of these places (JSON pointers).
pub fn changed(
    sound: Value,
    places: &'static [&'static str],
    anything: impl Strategy<Value = Value>,
) -> impl Strategy<Value = Value> {
    let change = (prop::sample::select(places), anything);
    prop::collection::vec(change, 0..3).prop_map(move |changes| {
        let mut body = sound.clone();
        for (place, value) in changes {
            if let Some(member) = body.pointer_mut(place) {
                *member = value;
            }
        }
        body
    })
}
