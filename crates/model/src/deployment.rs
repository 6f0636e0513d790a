//! Deployments, also called features: what an application offers, each with event types that are registered once for all
//! endpoints that are made from it.

use serde_json::Value;

use crate::event_type::EventType;
use crate::id::{AccountId, ApplicationId, DeploymentId};
use crate::invalid::Invalid;
use crate::reader::Reader;

const NAME_CHARS_MAX: usize = 256;
const DESCRIPTION_CHARS_MAX: usize = 4_000;
/// A document longer than this, in bytes, is no description of a feature.
const DOCUMENT_BYTES_MAX: usize = 64 << 10;
/// The members that may bring the id.
const ID_NAMES: [&str; 3] = ["id", "deploymentId", "featureId"];

/// A deployment as the exchange knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    pub application: ApplicationId,
    /// Whose the application is.
    pub account: AccountId,
    pub id: DeploymentId,
    /// As it was sent.
    pub document: Value,
    pub created_at: jiff::Timestamp,
    pub updated_at: jiff::Timestamp,
}

impl Deployment {
    /// What business users see; empty when nothing was said.
    pub fn name(&self) -> &str {
        let text = |name: &str| {
            self.document[name]
                .as_str()
                .filter(|text| !text.trim().is_empty())
        };
        text("displayName")
            .or_else(|| text("name"))
            .unwrap_or_default()
    }
}

/// Reads a deployment's document; answers the id that the caller gave, if any.
pub fn parse(body: &Value) -> Result<Option<DeploymentId>, Invalid> {
    let mut invalid = Invalid::default();
    let Some(reader) = Reader::new(body, "", &mut invalid) else {
        return Err(invalid);
    };
    for name in ["name", "displayName"] {
        reader.text(name, NAME_CHARS_MAX, &mut invalid);
    }
    reader.text("description", DESCRIPTION_CHARS_MAX, &mut invalid);
    let mut given: Option<DeploymentId> = None;
    for name in ID_NAMES {
        let Some(value) = reader.get(name) else {
            continue;
        };
        match (DeploymentId::parse(value), &given) {
            (Err(error), _) => invalid.add(reader.pointer(name), "id", error.to_string()),
            (Ok(id), Some(other)) if id != *other => {
                let message = format!("is {id}, and another member says {other}: give one id");
                invalid.add(reader.pointer(name), "ambiguous", message);
            }
            (Ok(id), _) => given = Some(id),
        }
    }
    let bytes = body.to_string().len();
    if bytes > DOCUMENT_BYTES_MAX {
        let message = format!("is {bytes} bytes long; at most {DOCUMENT_BYTES_MAX} are taken");
        invalid.add("", "too-long", message);
    }
    invalid.or(given)
}

/// How two definitions of the same event type differ: sentences, none when they are alike.
pub fn differences(one: &EventType, other: &EventType) -> Vec<String> {
    let mut differences = Vec::new();
    if one.name != other.name {
        differences.push(format!("`name` is `{}` and `{}`", one.name, other.name));
    }
    if one.description != other.description {
        differences.push("`description` is another".to_owned());
    }
    let find = |of: &EventType, name: &str| {
        let mut known = of.attributes.iter();
        known.find(|a| a.name == name).map(|a| a.kind.clone())
    };
    for attribute in &one.attributes {
        match find(other, &attribute.name) {
            None => differences.push(format!("attribute `{}` is in one only", attribute.name)),
            Some(kind) if !kind.eq_ignore_ascii_case(&attribute.kind) => {
                let (name, is) = (&attribute.name, &attribute.kind);
                differences.push(format!("attribute `{name}` is of type `{is}` and `{kind}`"));
            }
            Some(_) => {}
        }
    }
    for attribute in &other.attributes {
        if find(one, &attribute.name).is_none() {
            differences.push(format!("attribute `{}` is in one only", attribute.name));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event_type::{AttributeDefinition, RegistrationType};
    use crate::id::{EndpointId, EventTypeId};

    #[track_caller]
    fn refused(body: &Value, pointers: &[&str]) {
        let invalid = parse(body).expect_err("it is wrong");
        let found: Vec<&str> = invalid
            .violations
            .iter()
            .map(|v| v.pointer.as_str())
            .collect();
        assert_eq!(found, pointers, "{body}");
    }

    #[test]
    fn the_id_may_be_given_or_not() {
        for (body, expected) in [
            (json!({}), None),
            (json!({ "id": null, "name": "Mail" }), None),
            (json!({ "id": 7 }), Some("7")),
            (json!({ "deploymentId": "mail" }), Some("mail")),
            (
                json!({ "featureId": "7", "id": 7, "invented": [1] }),
                Some("7"),
            ),
        ] {
            let given = parse(&body).expect("sound");
            assert_eq!(given.as_ref().map(DeploymentId::as_str), expected, "{body}");
        }
    }

    #[test]
    fn every_wrong_member_is_told() {
        refused(&json!([]), &[""]);
        let long = "x".repeat(4_001);
        refused(
            &json!({ "name": {}, "displayName": [], "description": long, "id": -1, "deploymentId": "a", "featureId": "b" }),
            &["/name", "/displayName", "/description", "/id", "/featureId"],
        );
        refused(&json!({ "notes": "x".repeat(DOCUMENT_BYTES_MAX) }), &[""]);
    }

    #[test]
    fn differences_are_named() {
        let attribute = |name: &str, kind: &str| AttributeDefinition {
            name: name.to_owned(),
            kind: kind.to_owned(),
        };
        let one = EventType {
            id: EventTypeId(1),
            endpoint: EndpointId(0),
            code: "buy".to_owned(),
            name: "Buy".to_owned(),
            description: None,
            namespace: "n".to_owned(),
            version: 1,
            registration: RegistrationType::Publish,
            attributes: vec![attribute("total", "number"), attribute("note", "string")],
            is_custom: true,
        };
        let alike = EventType {
            id: EventTypeId(2),
            attributes: vec![attribute("note", "String"), attribute("total", "number")],
            ..one.clone()
        };
        assert!(
            differences(&one, &alike).is_empty(),
            "order and letter case mean nothing"
        );
        let other = EventType {
            name: "Bought".to_owned(),
            attributes: vec![attribute("total", "string"), attribute("gift", "boolean")],
            ..one.clone()
        };
        assert_eq!(
            differences(&one, &other),
            [
                "`name` is `Buy` and `Bought`",
                "attribute `total` is of type `number` and `string`",
                "attribute `note` is in one only",
                "attribute `gift` is in one only",
            ]
        );
    }
}
