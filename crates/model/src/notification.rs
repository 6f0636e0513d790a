//! Subscription notifications: what an endpoint asks to be told (`PUT /v1/subscription/notification`), and what it is
//! told when a subscription changes.
//!
//! Pure. Called by `hub/notification` (own documents, and those that an onboarding defines) and by the outbox. The object
//! that is sent is flat; which members it has depends on the [`NotificationType`].

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::authentication::{self, Authentication, Prompts, origin, spelling};
use crate::endpoint::Endpoint;
use crate::id::EndpointId;
use crate::invalid::{Invalid, shown};
use crate::reader::Reader;

/// Longest notification key, in characters.
const KEY_CHARS_MAX: usize = 1_024;
const URL_CHARS_MAX: usize = 2_048;

/// How much a notification says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum NotificationType {
    /// The change and the event type.
    #[default]
    PublisherV1_1,
    /// Also who is at the other end of the subscription.
    PublisherV1_2,
    /// Also that an endpoint was disabled or deleted.
    PublisherV1_3,
}

impl NotificationType {
    const ALL: [Self; 3] = [
        Self::PublisherV1_1,
        Self::PublisherV1_2,
        Self::PublisherV1_3,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::PublisherV1_1 => "PUBLISHER_V1_1",
            Self::PublisherV1_2 => "PUBLISHER_V1_2",
            Self::PublisherV1_3 => "PUBLISHER_V1_3",
        }
    }

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text.trim()))
    }

    /// The member `notificationType`; the first type when it is absent or empty.
    pub fn read(reader: &Reader<'_>, invalid: &mut Invalid) -> Self {
        let names: Vec<&str> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
        let expected = format!("`{}`", names.join("`, `"));
        let name = spelling(reader, "notificationType");
        let kind = reader.word(name, &expected, Self::parse, invalid);
        kind.unwrap_or_default()
    }
}

/// Where and how an endpoint is told of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationTarget {
    pub url: String,
    /// Echoed in each notification.
    pub key: Option<String>,
    pub kind: NotificationType,
    pub authentication: Option<Authentication>,
}

impl NotificationTarget {
    /// Reads the body of `PUT /v1/subscription/notification`; every violation at once, and `None` if there are any. A
    /// secret may be a mask: then [`NotificationTarget::keep`] must follow.
    pub fn read(body: &Value, invalid: &mut Invalid) -> Option<Self> {
        let before = invalid.violations.len();
        let reader = Reader::new(body, "", invalid)?;
        let url_name = spelling(&reader, "notificationURL");
        let url = reader.required_text(url_name, URL_CHARS_MAX, invalid);
        if let Some(url) = url.as_deref().filter(|url| !authentication::is_web(url)) {
            let message = format!("{} is not a URL: expected `https://host/path`", shown(url));
            invalid.add(reader.pointer(url_name), "url", message);
        }
        let key = reader.text(spelling(&reader, "notificationKey"), KEY_CHARS_MAX, invalid);
        let kind = NotificationType::read(&reader, invalid);
        let authentication = authentication::object(&reader, invalid)
            .and_then(|reader| Authentication::read(&reader, Prompts::Refused, invalid));
        let target = Self {
            url: url.unwrap_or_default(),
            key: key.filter(|key| !key.is_empty()),
            kind,
            authentication,
        };
        (invalid.violations.len() == before).then_some(target)
    }

    /// Puts the stored secrets in the place of masks. They are not kept for another host than the one they were given
    /// for. `None` after a violation: a mask for which nothing is stored.
    pub fn keep(self, stored: Option<&Self>, invalid: &mut Invalid) -> Option<Self> {
        let Some(authentication) = self.authentication else {
            return Some(self);
        };
        let known = stored
            .filter(|stored| origin(Some(&stored.url)) == origin(Some(&self.url)))
            .and_then(|stored| stored.authentication.as_ref());
        let authentication = authentication.keep(known, "/authentication", invalid)?;
        Some(Self {
            authentication: Some(authentication),
            ..self
        })
    }

    /// With its secrets in clear: only to be sealed.
    pub fn to_json(&self) -> Value {
        self.json(Authentication::to_json)
    }

    /// As it was sent, secrets masked.
    pub fn shown(&self) -> Value {
        self.json(Authentication::shown)
    }

    fn json(&self, show: impl Fn(&Authentication) -> Value) -> Value {
        let mut object = Map::new();
        object.insert("notificationURL".to_owned(), self.url.as_str().into());
        object.insert("notificationKey".to_owned(), self.key.clone().into());
        object.insert("notificationType".to_owned(), self.kind.as_str().into());
        let authentication = self.authentication.as_ref().map(show);
        object.insert("authentication".to_owned(), authentication.into());
        Value::Object(object)
    }
}

/// What happened to a subscription or an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeType {
    Add,
    Delete,
    Enable,
    Disable,
}

impl ChangeType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Delete => "Delete",
            Self::Enable => "Enable",
            Self::Disable => "Disable",
        }
    }
}

/// Which end of a subscription is told; the other one is named to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    Publisher,
    Destination,
}

/// Who is named: an endpoint's name and that of its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'a> {
    pub id: EndpointId,
    pub name: &'a str,
    pub provider: &'a str,
}

impl<'a> Named<'a> {
    pub fn of(endpoint: &'a Endpoint) -> Self {
        Self {
            id: endpoint.id,
            name: &endpoint.definition.name,
            provider: &endpoint.definition.provider_name,
        }
    }
}

/// A change of a subscription.
#[derive(Debug, Clone, Copy)]
pub struct SubscriptionChange<'a> {
    pub at: Timestamp,
    pub change: ChangeType,
    pub code: &'a str,
    /// The event type's name.
    pub event_name: &'a str,
    pub publisher: Named<'a>,
    pub destination: Named<'a>,
}

impl SubscriptionChange<'_> {
    /// What one end is told of it.
    pub fn payload(&self, told: End, kind: NotificationType, key: Option<&str>) -> Value {
        let mut object = begun(key, self.at, self.change);
        object.insert("eventTypeCode".to_owned(), self.code.into());
        object.insert("eventName".to_owned(), self.event_name.into());
        if kind >= NotificationType::PublisherV1_2 {
            let (member, other) = match told {
                End::Publisher => ("destinationName", self.destination),
                End::Destination => ("publisherName", self.publisher),
            };
            object.insert(member.to_owned(), other.name.into());
            object.insert("providerName".to_owned(), other.provider.into());
        }
        Value::Object(object)
    }
}

/// What is told of an endpoint that was disabled or deleted; nothing below V1_3. There is no event type to name.
pub fn endpoint_payload(
    (at, change): (Timestamp, ChangeType),
    endpoint: Named<'_>,
    kind: NotificationType,
    key: Option<&str>,
) -> Option<Value> {
    if kind < NotificationType::PublisherV1_3 {
        return None;
    }
    let mut object = begun(key, at, change);
    object.insert("endpointId".to_owned(), endpoint.id.0.into());
    object.insert("endpointName".to_owned(), endpoint.name.into());
    object.insert("providerName".to_owned(), endpoint.provider.into());
    Some(Value::Object(object))
}

fn begun(key: Option<&str>, at: Timestamp, change: ChangeType) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("notificationKey".to_owned(), key.into());
    object.insert("changeTime".to_owned(), at.to_string().into());
    object.insert("changeType".to_owned(), change.as_str().into());
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::authentication::MASK;

    fn parse(body: &Value) -> Result<NotificationTarget, Invalid> {
        let mut invalid = Invalid::default();
        let target = NotificationTarget::read(body, &mut invalid);
        target.ok_or(invalid)
    }

    fn keep(
        target: NotificationTarget,
        stored: Option<&NotificationTarget>,
    ) -> Result<NotificationTarget, Invalid> {
        let mut invalid = Invalid::default();
        target.keep(stored, &mut invalid).ok_or(invalid)
    }

    #[test]
    fn the_published_forms_are_read() {
        let plain = json!({ "notificationKey": "tenant 7", "notificationURL": "https://shop.example/hook" });
        let target = parse(&plain).expect("sound");
        assert_eq!(
            (target.key.as_deref(), target.kind),
            (Some("tenant 7"), NotificationType::PublisherV1_1)
        );
        assert_eq!(target.authentication, None);

        let full = json!({
            "notificationUrl": "http://shop.example/hook", "notificationKey": 17, "notificationType": "publisher_v1_3",
            "authentication": { "authType": "Basic", "userId": "ada", "password": "x" }, "other": [],
        });
        let target = parse(&full).expect("sound");
        assert_eq!(
            (target.key.as_deref(), target.kind),
            (Some("17"), NotificationType::PublisherV1_3)
        );
        assert_eq!(parse(&target.to_json()).expect("sound"), target);
    }

    #[test]
    fn every_violation_is_named_at_once() {
        let check = |body: Value, expected: &[&str]| {
            let invalid = parse(&body).expect_err("refused");
            let pointers: Vec<&str> = invalid
                .violations
                .iter()
                .map(|v| v.pointer.as_str())
                .collect();
            assert_eq!(pointers, expected, "{body}");
        };
        check(json!([]), &[""]);
        check(json!({}), &["/notificationURL"]);
        check(
            json!({ "notificationUrl": "example.com", "notificationKey": {}, "notificationType": "V9", "authentication": { "authType": "OAuth" } }),
            &[
                "/notificationUrl",
                "/notificationKey",
                "/notificationType",
                "/authentication/authURL",
                "/authentication/clientID",
                "/authentication/clientSecret",
                "/authentication/refreshToken",
            ],
        );
        check(
            json!({ "notificationURL": "x".repeat(3_000), "notificationKey": "k".repeat(1_025), "authentication": "Basic" }),
            &["/notificationURL", "/notificationKey", "/authentication"],
        );
        check(
            json!({ "notificationURL": "https://a.example", "authentication": { "authType": "APIKey", "APIKey": "PROMPT" } }),
            &["/authentication/APIKey"],
        );
    }

    #[test]
    fn a_mask_keeps_the_secret_for_the_same_host_only() {
        let stored = json!({ "notificationURL": "https://a.example/x", "authentication": { "authType": "APIKey", "APIKey": "k" } });
        let stored = parse(&stored).expect("sound");
        let mut back = stored.shown();
        assert_eq!(back["authentication"]["APIKey"], MASK);
        back["notificationURL"] = "https://a.example/y".into();
        let kept = keep(parse(&back).expect("sound"), Some(&stored)).expect("kept");
        assert_eq!(kept.authentication, stored.authentication);
        back["notificationURL"] = "https://b.example/y".into();
        let moved = keep(parse(&back).expect("sound"), Some(&stored));
        assert_eq!(
            moved.expect_err("refused").violations[0].pointer,
            "/authentication/APIKey"
        );
        let plain = NotificationTarget {
            authentication: None,
            ..stored
        };
        assert_eq!(keep(plain.clone(), None), Ok(plain));
    }

    fn change() -> SubscriptionChange<'static> {
        SubscriptionChange {
            at: "2026-03-02T12:00:00.5Z".parse().expect("a time"),
            change: ChangeType::Add,
            code: "cartAdd",
            event_name: "Cart add",
            publisher: Named {
                id: EndpointId(1),
                name: "Web shop",
                provider: "Acme",
            },
            destination: Named {
                id: EndpointId(2),
                name: "CRM",
                provider: "Bolt",
            },
        }
    }

    #[test]
    fn each_type_says_what_it_says() {
        use NotificationType::{PublisherV1_1, PublisherV1_2, PublisherV1_3};
        let base = json!({
            "notificationKey": "k", "changeTime": "2026-03-02T12:00:00.5Z", "changeType": "Add",
            "eventTypeCode": "cartAdd", "eventName": "Cart add",
        });
        assert_eq!(
            change().payload(End::Publisher, PublisherV1_1, Some("k")),
            base
        );
        for kind in [PublisherV1_2, PublisherV1_3] {
            let mut publisher = base.clone();
            publisher["destinationName"] = "CRM".into();
            publisher["providerName"] = "Bolt".into();
            assert_eq!(change().payload(End::Publisher, kind, Some("k")), publisher);
            let mut destination = base.clone();
            destination["publisherName"] = "Web shop".into();
            destination["providerName"] = "Acme".into();
            destination["notificationKey"] = Value::Null;
            assert_eq!(change().payload(End::Destination, kind, None), destination);
        }
    }

    #[test]
    fn only_the_third_type_is_told_of_endpoints() {
        use NotificationType::{PublisherV1_2, PublisherV1_3};
        let at = (change().at, ChangeType::Disable);
        assert_eq!(
            endpoint_payload(at, change().publisher, PublisherV1_2, None),
            None
        );
        assert_eq!(
            endpoint_payload(at, change().publisher, PublisherV1_3, Some("k")),
            Some(json!({
                "notificationKey": "k", "changeTime": "2026-03-02T12:00:00.5Z", "changeType": "Disable",
                "endpointId": 1, "endpointName": "Web shop", "providerName": "Acme",
            }))
        );
    }
}
