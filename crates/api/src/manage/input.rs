//! What a call brings besides its caller: the account and the ids in its path, and its body.
//!
//! Handlers take these as parameters: [`Within`] an account that exists, an [`Id`], a [`Body`] whose every member is
//! known and right.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use hub::Scope;
use jiff::Timestamp;
use model::id::NUMERIC_ID_MAX;
use model::invalid::{Invalid, shown, token};
use model::reader::{Reader, type_name};
use model::{
    AccountId, ApplicationId, EndpointId, EventRef, FactId, IdentityFilterId, JobId, KeyId,
    OutboxId, PartnerId, ProviderId, QuarantineId, Secret, SessionId, ShareId, SubscriptionId,
    SupplierKeyId, TokenId, UserId,
};
use serde_json::Value;

use crate::ApiState;
use crate::body::Payload;
use crate::problem::{Kind, Problem};

/// What a time must look like, for messages.
const TIME: &str = "an RFC 3339 time, such as 2026-11-21T09:00:00Z";
/// Longest text of any member, in characters.
const TEXT_CHARS_MAX: usize = 512;
/// Entries of a list or a map in a body.
const ENTRIES_MAX: usize = 1_000;

/// The account in the path, which exists.
pub(super) struct Within(pub(super) Scope);

impl FromRequestParts<ApiState> for Within {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let Id(id) = Id::<AccountId>::from_request_parts(parts, state).await?;
        state.hub.account(Scope(id))?;
        Ok(Self(Scope(id)))
    }
}

/// An id that stands in paths.
pub(super) trait PathId: FromStr<Err: Display> {
    /// The parameter's name.
    const NAME: &'static str;
}

macro_rules! path_ids {
    ($($id:ident $name:literal,)*) => {$(
        impl PathId for $id {
            const NAME: &'static str = $name;
        }
    )*};
}

path_ids! {
    AccountId "accountId",
    ApplicationId "applicationId",
    EndpointId "endpointId",
    SubscriptionId "subscriptionId",
    KeyId "keyId",
    EventRef "eventId",
    QuarantineId "quarantineId",
    OutboxId "outboxId",
    ProviderId "providerId",
    SupplierKeyId "supplierKeyId",
    PartnerId "partnerId",
    UserId "userId",
    SessionId "sessionId",
    TokenId "tokenId",
    JobId "jobId",
    ShareId "shareId",
    FactId "factId",
    IdentityFilterId "identityFilterId",
}

/// An id in the path. One that cannot be an id is not found, like one that is nobody's.
pub(super) struct Id<T>(pub(super) T);

impl<T: PathId> FromRequestParts<ApiState> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let not_found = |why: String| Problem::new(Kind::NotFound, why);
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| not_found("the path is not readable text".to_owned()))?;
        let found = params.iter().find(|(name, _)| *name == T::NAME);
        let text = found.map_or("", |(_, text)| text);
        text.parse()
            .map(Self)
            .map_err(|error| not_found(error.to_string()))
    }
}

/// A body of one of our own shapes.
pub(super) struct Body<T>(pub(super) T);

/// A shape that bodies have.
pub(super) trait FromBody: Sized {
    /// `None` when something is missing, after it was reported to `fields`.
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self>;
}

impl<T: FromBody> FromRequest<ApiState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        let payload = Payload::from_request(request, state).await?;
        // No body says as much as an empty object.
        let body = match payload.bytes.trim_ascii() {
            b"" => Value::Object(serde_json::Map::new()),
            _ => payload.json()?,
        };
        parse(&body).map(Self)
    }
}

fn parse<T: FromBody>(body: &Value) -> Result<T, Problem> {
    let mut invalid = Invalid::default();
    let read = Reader::new(body, "", &mut invalid)
        .and_then(|reader| Fields::read_all(reader, &mut invalid, T::read));
    match (read, invalid.is_empty()) {
        (Some(read), true) => Ok(read),
        (None, true) => Err(Problem::invalid("", "required", "the body is incomplete")),
        (_, false) => Err(invalid.into()),
    }
}

/// The members of an object being read; remembers which are known, so that the others can be refused.
pub(super) struct Fields<'v, 'i> {
    reader: Reader<'v>,
    known: Vec<&'static str>,
    invalid: &'i mut Invalid,
}

impl<'v, 'i> Fields<'v, 'i> {
    fn read_all<T>(
        reader: Reader<'v>,
        invalid: &'i mut Invalid,
        read: impl FnOnce(&mut Fields<'v, 'i>) -> Option<T>,
    ) -> Option<T> {
        let mut fields = Self {
            reader,
            known: Vec::new(),
            invalid,
        };
        let value = read(&mut fields);
        for name in fields.reader.names() {
            if !fields.known.contains(&name.as_str()) {
                let message = format!("is not known here: {}", those_known(&fields.known));
                let pointer = fields.reader.pointer(name);
                fields.invalid.add(pointer, "unknown-member", message);
            }
        }
        value
    }

    fn known(&mut self, name: &'static str) {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
    }

    pub(super) fn refuse(&mut self, name: &str, code: &str, message: impl Into<String>) {
        let pointer = self.reader.pointer(name);
        self.invalid.add(pointer, code, message);
    }

    /// The value, or a violation when the member is absent or null. One that is wrong was reported already.
    fn required<T>(&mut self, name: &'static str, value: Option<T>, what: &str) -> Option<T> {
        if self.reader.get(name).is_none() {
            self.refuse(
                name,
                "required",
                format!("`{name}` is required: send {what}"),
            );
        }
        value
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known(name);
        self.reader.text(name, TEXT_CHARS_MAX, self.invalid)
    }

    pub(super) fn required_text(&mut self, name: &'static str) -> Option<String> {
        self.known(name);
        self.reader
            .required_text(name, TEXT_CHARS_MAX, self.invalid)
    }

    /// A text that is not shown again; it may be longer than others and is never trimmed.
    pub(super) fn required_secret(&mut self, name: &'static str) -> Option<Secret> {
        /// No password or token is longer; in characters.
        const SECRET_CHARS_MAX: usize = 4_096;
        self.known(name);
        let text = self
            .reader
            .required_text(name, SECRET_CHARS_MAX, self.invalid)?;
        Some(Secret::new(text))
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.known(name);
        self.reader.flag(name, self.invalid)
    }

    pub(super) fn required_flag(&mut self, name: &'static str) -> Option<bool> {
        let flag = self.flag(name);
        self.required(name, flag, "true or false")
    }

    pub(super) fn id<T>(&mut self, name: &'static str, of: fn(i64) -> T) -> Option<T> {
        self.known(name);
        let number = self.reader.integer(name, self.invalid)?;
        if (1..=NUMERIC_ID_MAX).contains(&number) {
            return Some(of(number));
        }
        let message = format!("{number} is not an id: expected a whole number from 1 to 2^53-1");
        self.refuse(name, "id", message);
        None
    }

    pub(super) fn required_id<T>(&mut self, name: &'static str, of: fn(i64) -> T) -> Option<T> {
        let id = self.id(name, of);
        self.required(name, id, "an id")
    }

    pub(super) fn word<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.known(name);
        self.reader.word(name, expected, parse, self.invalid)
    }

    pub(super) fn required_word<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let word = self.word(name, expected, parse);
        self.required(name, word, expected)
    }

    pub(super) fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        self.word(name, TIME, |text| text.parse().ok())
    }

    /// A whole number from 1 up.
    pub(super) fn count(&mut self, name: &'static str) -> Option<u64> {
        self.known(name);
        let number = self.reader.integer(name, self.invalid)?;
        let count = u64::try_from(number).ok().filter(|count| *count > 0);
        if count.is_none() {
            self.refuse(name, "range", format!("is {number}: expected 1 or more"));
        }
        count
    }

    /// Whole seconds, from 0 to `max`.
    pub(super) fn seconds(&mut self, name: &'static str, max: Duration) -> Option<Duration> {
        self.known(name);
        let number = self.reader.integer(name, self.invalid)?;
        let seconds = u64::try_from(number).ok().map(Duration::from_secs);
        let seconds = seconds.filter(|seconds| *seconds <= max);
        if seconds.is_none() {
            let most = max.as_secs();
            self.refuse(
                name,
                "range",
                format!("is {number}: expected 0 to {most} seconds"),
            );
        }
        seconds
    }

    /// A list of texts that `parse` understands; empty when absent.
    pub(super) fn texts<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        self.known(name);
        let items = self.reader.array(name, self.invalid);
        if items.len() > ENTRIES_MAX {
            let message = format!("{} entries; at most {ENTRIES_MAX} are taken", items.len());
            self.refuse(name, "too-many", message);
        }
        let mut values = Vec::new();
        for (pointer, item) in items.into_iter().take(ENTRIES_MAX) {
            match item.as_str().and_then(&parse) {
                Some(value) => values.push(value),
                None => {
                    let found = item.as_str().map_or_else(|| type_name(item).into(), shown);
                    let message = format!("is {found}: expected {expected}");
                    self.invalid.add(pointer, "unknown-value", message);
                }
            }
        }
        values
    }

    /// Whatever stands there, unless absent or null.
    pub(super) fn value(&mut self, name: &'static str) -> Option<&'v Value> {
        self.known(name);
        self.reader.get(name)
    }

    /// An object of whatever members.
    pub(super) fn map(&mut self, name: &'static str) -> Option<serde_json::Map<String, Value>> {
        let value = self.value(name)?;
        match value {
            Value::Object(members) if members.len() <= ENTRIES_MAX => Some(members.clone()),
            Value::Object(members) => {
                let message = format!("{} entries; at most {ENTRIES_MAX} are taken", members.len());
                self.refuse(name, "too-many", message);
                None
            }
            other => {
                let message = format!("expected an object, found {}", type_name(other));
                self.refuse(name, "type", message);
                None
            }
        }
    }

    /// A map of texts to texts; empty when absent.
    pub(super) fn renames(&mut self, name: &'static str) -> HashMap<String, String> {
        self.known(name);
        let mut renames = HashMap::new();
        let Some(Value::Object(members)) = self.reader.get(name) else {
            let wrong = self.reader.get(name).map(type_name);
            if let Some(found) = wrong {
                let message = format!("expected an object of old and new names, found {found}");
                self.refuse(name, "type", message);
            }
            return renames;
        };
        if members.len() > ENTRIES_MAX {
            let message = format!("{} entries; at most {ENTRIES_MAX} are taken", members.len());
            self.refuse(name, "too-many", message);
        }
        for (old, new) in members.iter().take(ENTRIES_MAX) {
            if let Some(new) = new.as_str().filter(|new| !new.is_empty()) {
                renames.insert(old.clone(), new.to_owned());
            } else {
                let pointer = format!("{}/{}", self.reader.pointer(name), token(old));
                let message = format!("expected the new name, found {}", type_name(new));
                self.invalid.add(pointer, "type", message);
            }
        }
        renames
    }

    /// An object inside; its own members are checked in the same way.
    pub(super) fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'v, '_>) -> Option<T>,
    ) -> Option<T> {
        self.known(name);
        let reader = self.reader.object(name, self.invalid)?;
        Fields::read_all(reader, self.invalid, read)
    }

    pub(super) fn required_object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'v, '_>) -> Option<T>,
    ) -> Option<T> {
        let object = self.object(name, read);
        self.required(name, object, "an object")
    }

    /// Whether the member is there and not null; it counts as known.
    pub(super) fn is_given(&mut self, name: &'static str) -> bool {
        self.known(name);
        self.reader.get(name).is_some()
    }

    /// Whether the member is there and null.
    pub(super) fn is_null(&self, name: &str) -> bool {
        self.reader.get(name).is_none() && self.reader.names().any(|known| known == name)
    }
}

/// For whoever mistyped a name.
pub(super) fn those_known(known: &[&str]) -> String {
    match known {
        [] => "there are none".to_owned(),
        known => format!("expected `{}`", known.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Visit {
        who: EndpointId,
        since: Option<Timestamp>,
        names: HashMap<String, String>,
        is_short: bool,
    }

    impl FromBody for Visit {
        fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
            let who = fields.required_id("who", EndpointId);
            let since = fields.time("since");
            let names = fields.renames("names");
            let inner = fields.object("inner", |inner| inner.required_flag("short"));
            Some(Self {
                who: who?,
                since,
                names,
                is_short: inner.unwrap_or(false),
            })
        }
    }

    #[track_caller]
    fn refused(body: &Value, expected: &[(&str, &str)]) {
        let mut invalid = Invalid::default();
        let reader = Reader::new(body, "", &mut invalid);
        let read = reader.and_then(|r| Fields::read_all(r, &mut invalid, Visit::read));
        let found: Vec<(&str, &str)> = invalid
            .violations
            .iter()
            .map(|v| (v.pointer.as_str(), v.code.as_str()))
            .collect();
        assert_eq!(found, expected, "{read:?}");
    }

    #[test]
    fn a_body_that_says_what_is_needed_is_taken() {
        let body = json!({ "who": 3, "since": "2026-11-21T09:00:00Z", "names": { "a": "b" }, "inner": { "short": true } });
        let visit: Visit = parse(&body).expect("all is well");
        assert_eq!(visit.who, EndpointId(3));
        assert_eq!(visit.names["a"], "b");
        assert!(visit.since.is_some() && visit.is_short);
    }

    #[test]
    fn absent_and_null_are_the_same() {
        let body = json!({ "who": 3, "since": null, "names": null, "inner": null });
        let visit: Visit = parse(&body).expect("what is null is absent");
        assert_eq!((visit.since, visit.is_short), (None, false));
    }

    #[test]
    fn every_violation_is_told_at_once_with_its_place() {
        refused(&json!([]), &[("", "type")]);
        refused(&json!({}), &[("/who", "required")]);
        refused(
            &json!({ "who": 0, "since": "yesterday", "names": { "a/b": 1 }, "inner": { "shrt": true }, "wo": 1 }),
            &[
                ("/who", "id"),
                ("/since", "unknown-value"),
                ("/names/a~1b", "type"),
                ("/inner/short", "required"),
                ("/inner/shrt", "unknown-member"),
                ("/wo", "unknown-member"),
            ],
        );
        refused(
            &json!({ "who": "x", "names": [], "inner": 1 }),
            &[("/who", "type"), ("/names", "type"), ("/inner", "type")],
        );
    }

    #[test]
    fn an_unknown_member_is_answered_with_the_known_ones() {
        let mut invalid = Invalid::default();
        let body = json!({ "who": 1, "sincee": 1 });
        let reader = Reader::new(&body, "", &mut invalid).expect("an object");
        Fields::read_all(reader, &mut invalid, Visit::read);
        assert_eq!(
            invalid.to_string(),
            "/sincee: is not known here: expected `who`, `since`, `names`, `inner`"
        );
    }
}
