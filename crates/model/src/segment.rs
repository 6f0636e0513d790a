//! Segments: the audiences that an endpoint has, by their owner's ids.
//!
//! Push producers announce theirs ([`parse_announced`], strict: every violation with its pointer); pull producers and push
//! consumers are asked for theirs ([`Listing::parse`], which takes what it can read and counts the rest). Called by
//! `hub/segment` and `hub/flow/peer`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::SegmentId;
use crate::invalid::{Invalid, shown};
use crate::reader::{Reader, type_name};

/// Segments in one call.
pub const SEGMENTS_MAX: usize = 10_000;
const NAME_CHARS_MAX: usize = 500;
const DESCRIPTION_CHARS_MAX: usize = 4_000;
const ATTRIBUTES_MAX: usize = 1_000;
const ATTRIBUTE_CHARS_MAX: usize = 200;

/// What a segment is at its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum SegmentKind {
    #[default]
    #[serde(rename = "Contact Lists")]
    ContactLists,
    Databases,
    Queries,
}

impl SegmentKind {
    const ALL: [Self; 3] = [Self::ContactLists, Self::Databases, Self::Queries];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContactLists => "Contact Lists",
            Self::Databases => "Databases",
            Self::Queries => "Queries",
        }
    }

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// Which of an endpoint's lists: what can be shared, or what can be shared to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SegmentRole {
    Source,
    Destination,
}

impl SegmentRole {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Source, Self::Destination]
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(text))
    }
}

/// What is known of each member beside the identifiers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentAttribute {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// An audience of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub id: SegmentId,
    pub name: String,
    pub description: Option<String>,
    pub kind: SegmentKind,
    pub attributes: Vec<SegmentAttribute>,
}

/// Reads what a push producer announces: an array of segments. An object with one of them is taken, too.
///
/// # Errors
/// Every violation, each with its pointer; two segments with one id are one.
pub fn parse_announced(body: &Value) -> Result<Vec<Segment>, Invalid> {
    let mut invalid = Invalid::default();
    let one = std::slice::from_ref(body);
    let (items, is_array) = match body {
        Value::Array(items) => (items.as_slice(), true),
        Value::Object(_) => (one, false),
        other => {
            let message = format!("expected an array of segments, found {}", type_name(other));
            return Err(Invalid::one("", "type", message));
        }
    };
    if items.len() > SEGMENTS_MAX {
        let message = format!(
            "{} segments; at most {SEGMENTS_MAX} are taken in one call: send them in several",
            items.len()
        );
        return Err(Invalid::one("", "too-many", message));
    }
    let mut first_at = std::collections::HashMap::new();
    let mut segments = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let pointer = if is_array {
            format!("/{index}")
        } else {
            String::new()
        };
        let Some(reader) = Reader::new(item, pointer, &mut invalid) else {
            continue;
        };
        let Some(segment) = announced(&reader, &mut invalid) else {
            continue;
        };
        if let Some(first) = first_at.insert(segment.id.to_string(), index) {
            let message = format!(
                "the id {} is that of segment {first} of this call already: ids are unique",
                segment.id
            );
            invalid.add(reader.here(), "duplicate", message);
        }
        segments.push(segment);
    }
    invalid.or(segments)
}

fn announced(reader: &Reader<'_>, invalid: &mut Invalid) -> Option<Segment> {
    let id = announced_id(reader, invalid);
    let name = reader.required_text("name", NAME_CHARS_MAX, invalid);
    let description = reader.text("description", DESCRIPTION_CHARS_MAX, invalid);
    let kind = reader.word(
        "type",
        "Contact Lists, Databases or Queries",
        SegmentKind::parse,
        invalid,
    );
    let attributes = announced_attributes(reader, invalid);
    Some(Segment {
        id: id?,
        name: name?.trim().to_owned(),
        description: description.filter(|text| !text.is_empty()),
        kind: kind.unwrap_or_default(),
        attributes,
    })
}

/// `id` for whole numbers (also as text, as the published example has it), `id_string` for everything else.
fn announced_id(reader: &Reader<'_>, invalid: &mut Invalid) -> Option<SegmentId> {
    let (number, text) = (reader.get("id"), reader.get("id_string"));
    let refused = match (number, text) {
        (None, None) => {
            let message = "an id is required: `id` with a whole number, or `id_string` with a text";
            invalid.add(reader.here(), "required", message);
            return None;
        }
        (Some(_), Some(_)) => {
            let message =
                "has both `id` and `id_string`: send `id` for a number, or `id_string` for a text";
            invalid.add(reader.here(), "ambiguous", message);
            return None;
        }
        (Some(Value::String(text)), None) => match text.trim().parse() {
            Ok(SegmentId::Number(number)) => return Some(SegmentId::Number(number)),
            _ => (
                "id",
                format!(
                    "{} is not a whole number: send ids that are texts as `id_string`",
                    shown(text)
                ),
            ),
        },
        (Some(number), None) => match SegmentId::parse(number) {
            Ok(id) => return Some(id),
            Err(bad) => ("id", bad.to_string()),
        },
        (None, Some(Value::String(text))) => match SegmentId::text(text) {
            Ok(id) => return Some(id),
            Err(bad) => ("id_string", bad.to_string()),
        },
        (None, Some(other)) => {
            let found = type_name(other);
            (
                "id_string",
                format!("expected a string, found {found}: send numbers as `id`"),
            )
        }
    };
    let (member, message) = refused;
    invalid.add(reader.pointer(member), "id", message);
    None
}

fn announced_attributes(reader: &Reader<'_>, invalid: &mut Invalid) -> Vec<SegmentAttribute> {
    const MEMBER: &str = "segment_attributes";
    let items = reader.array(MEMBER, invalid);
    if items.len() > ATTRIBUTES_MAX {
        let message = format!(
            "{} attributes; at most {ATTRIBUTES_MAX} are taken",
            items.len()
        );
        invalid.add(reader.pointer(MEMBER), "too-many", message);
        return Vec::new();
    }
    let mut attributes: Vec<SegmentAttribute> = Vec::new();
    for (pointer, item) in items {
        let Some(reader) = Reader::new(item, pointer, invalid) else {
            continue;
        };
        let name = reader.required_text("name", ATTRIBUTE_CHARS_MAX, invalid);
        let kind = reader.required_text("type", ATTRIBUTE_CHARS_MAX, invalid);
        let (Some(name), Some(kind)) = (name, kind) else {
            continue;
        };
        if attributes.iter().any(|known| known.name == name) {
            let message = format!("{} is there already: names are unique", shown(&name));
            invalid.add(reader.pointer("name"), "duplicate", message);
        }
        attributes.push(SegmentAttribute { name, kind });
    }
    attributes
}

/// What an endpoint answered to being asked for its segments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    pub segments: Vec<Segment>,
    /// How many it says it has, where it says so.
    pub total: Option<u64>,
    /// Entries without an id or a name.
    pub unreadable: usize,
}

impl Listing {
    /// Reads `{"responseStatus","result":{"totalCount","list":[…]}}`, each of its inner parts alone, and a bare array.
    ///
    /// # Errors
    /// A sentence when there is no list in it, or the endpoint says that it failed.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| format!("the list of segments is not JSON: {error}"))?;
        if let Some(status) = body["responseStatus"].as_str()
            && !status.eq_ignore_ascii_case("success")
        {
            return Err(format!("responseStatus is {}, not success", shown(status)));
        }
        let result = body.get("result").unwrap_or(&body);
        let list = result.as_array().or_else(|| {
            let mut names = ["list", "segments"].iter();
            names.find_map(|name| result.get(name)?.as_array())
        });
        let Some(list) = list else {
            return Err("there is no list of segments in the answer: expected {\"result\":{\"list\":[…]}} or an array".to_owned());
        };
        let mut listing = Self {
            total: result["totalCount"].as_u64(),
            ..Self::default()
        };
        for item in list {
            match listed(item) {
                Some(segment) if listing.segments.len() < SEGMENTS_MAX => {
                    listing.segments.push(segment);
                }
                _ => listing.unreadable += 1,
            }
        }
        Ok(listing)
    }
}

/// The id of what an endpoint has just made: bare, in a member, or in one of `result`.
pub fn parse_made(body: &[u8]) -> Option<SegmentId> {
    made(&serde_json::from_slice(body).ok()?)
}

fn made(value: &Value) -> Option<SegmentId> {
    match value {
        Value::Number(_) | Value::String(_) => tolerant_id(value),
        Value::Object(members) => ["id", "id_string", "segmentId", "segmentID", "result"]
            .iter()
            .find_map(|name| made(members.get(*name)?)),
        _ => None,
    }
}

/// A number that is written as text is a number: it stands in paths as it is in either case.
fn tolerant_id(value: &Value) -> Option<SegmentId> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => SegmentId::parse(other).ok(),
    }
}

fn listed(item: &Value) -> Option<Segment> {
    let id = ["id", "id_string"]
        .iter()
        .find_map(|name| tolerant_id(item.get(name)?))?;
    let cut = |text: &str, max| text.trim().chars().take(max).collect::<String>();
    let name = cut(item.get("name")?.as_str()?, NAME_CHARS_MAX);
    let attributes = item["segment_attributes"].as_array();
    let attributes = attributes.into_iter().flatten().take(ATTRIBUTES_MAX);
    Some(Segment {
        id,
        description: item["description"]
            .as_str()
            .map(|text| cut(text, DESCRIPTION_CHARS_MAX))
            .filter(|text| !text.is_empty()),
        kind: item["type"]
            .as_str()
            .and_then(SegmentKind::parse)
            .unwrap_or_default(),
        attributes: attributes
            .filter_map(|attribute| {
                Some(SegmentAttribute {
                    name: cut(attribute["name"].as_str()?, ATTRIBUTE_CHARS_MAX),
                    kind: cut(
                        attribute["type"].as_str().unwrap_or("string"),
                        ATTRIBUTE_CHARS_MAX,
                    ),
                })
            })
            .collect(),
        name: Some(name).filter(|name| !name.is_empty())?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(body: &Value) -> Vec<String> {
        let invalid = parse_announced(body).expect_err("it breaks a rule");
        invalid.violations.into_iter().map(|v| v.pointer).collect()
    }

    #[test]
    fn an_announced_segment_keeps_what_was_said() {
        let body = json!([
            {"id": 8_000_000_000_000_001_152_i64, "name": "Recent opt-ins", "description": "opted in", "type": "queries",
             "segment_attributes": [{"name": "age", "type": "number"}]},
            {"id": "42", "name": "Numbers may be written as text"},
            {"id_string": "gold", "name": "Texts have a member of their own", "description": "", "type": null},
        ]);
        let segments = parse_announced(&body).expect("segments");
        assert_eq!(segments[0].id, SegmentId::Number(8_000_000_000_000_001_152));
        assert_eq!(segments[0].kind, SegmentKind::Queries);
        assert_eq!(segments[0].attributes[0].kind, "number");
        assert_eq!(segments[1].id, SegmentId::Number(42));
        assert_eq!(segments[2].id, SegmentId::Text("gold".to_owned()));
        assert_eq!(segments[2].kind, SegmentKind::ContactLists);
        assert_eq!(segments[2].description, None);
        assert_eq!(parse_announced(&json!([])), Ok(vec![]));
        assert_eq!(parse_announced(&body[0]).expect("one alone").len(), 1);
    }

    #[test]
    fn every_violation_has_its_pointer() {
        let body = json!([
            {"name": "no id"},
            {"id": 1, "id_string": "one", "name": "both"},
            {"id": 1.5, "name": "a fraction"},
            {"id": "gold", "name": "a text as id"},
            {"id_string": 7, "name": "a number as id_string"},
            {"id_string": "", "name": "an empty one"},
            {"id": 2},
            {"id": 3, "name": " ", "type": "Lists", "description": []},
            {"id": 4, "name": "x", "segment_attributes": [{"name": "a"}, {"type": "b"}, 5,
                {"name": "c", "type": "string"}, {"name": "c", "type": "string"}]},
            {"id_string": "4", "name": "the same again"},
            "x",
        ]);
        assert_eq!(
            pointers(&body),
            [
                "/0",
                "/1",
                "/2/id",
                "/3/id",
                "/4/id_string",
                "/5/id_string",
                "/6/name",
                "/7/name",
                "/7/description",
                "/7/type",
                "/8/segment_attributes/0/type",
                "/8/segment_attributes/1/name",
                "/8/segment_attributes/2",
                "/8/segment_attributes/4/name",
                "/9",
                "/10",
            ]
        );
        assert_eq!(pointers(&json!("x")), [""]);
        assert_eq!(pointers(&Value::from(vec![1; SEGMENTS_MAX + 1])), [""]);
    }

    #[test]
    fn a_list_is_read_in_every_shape() {
        let list = r#"[{"id":8000000000000001152,"name":"Everybody","description":"all"},{"id":"g-7","name":"Gold"}]"#;
        for body in [
            list.to_owned(),
            format!(r#"{{"list":{list}}}"#),
            format!(r#"{{"segments":{list}}}"#),
            format!(r#"{{"result":{list}}}"#),
            format!(r#"{{"responseStatus":"success","result":{{"totalCount":2,"list":{list}}}}}"#),
        ] {
            let listing = Listing::parse(body.as_bytes()).expect(&body);
            let ids: Vec<_> = listing.segments.into_iter().map(|s| s.id).collect();
            let text = SegmentId::Text("g-7".to_owned());
            assert_eq!(
                ids,
                [SegmentId::Number(8_000_000_000_000_001_152), text],
                "{body}"
            );
            assert_eq!(listing.unreadable, 0);
        }
        let some = br#"{"result":{"totalCount":3,"list":[{"id":1},{"name":"x"},{"id":"7","name":"seven"},5]}}"#;
        let listing = Listing::parse(some).expect("a list");
        assert_eq!(
            (listing.segments.len(), listing.unreadable, listing.total),
            (1, 3, Some(3))
        );
        assert_eq!(listing.segments[0].id, SegmentId::Number(7));
        for wrong in [
            &b"<html>"[..],
            b"{}",
            b"true",
            br#"{"responseStatus":"failure","result":{"list":[]}}"#,
        ] {
            assert!(Listing::parse(wrong).is_err());
        }
    }

    #[test]
    fn a_made_segment_tells_its_id_in_every_shape() {
        let id = SegmentId::Number(8_000_000_000_000_001_152);
        for body in [
            "8000000000000001152",
            "\"8000000000000001152\"",
            r#"{"id":8000000000000001152}"#,
            r#"{"id":"8000000000000001152","name":"x"}"#,
            r#"{"responseStatus":"success","result":8000000000000001152}"#,
            r#"{"responseStatus":"success","result":{"id":8000000000000001152}}"#,
            r#"{"segmentId":8000000000000001152}"#,
        ] {
            assert_eq!(parse_made(body.as_bytes()), Some(id.clone()), "{body}");
        }
        let text = parse_made(br#"{"id_string":"gold"}"#);
        assert_eq!(text, Some(SegmentId::Text("gold".to_owned())));
        assert_eq!(parse_made(b"true"), None);
        assert_eq!(parse_made(b""), None);
    }
}
