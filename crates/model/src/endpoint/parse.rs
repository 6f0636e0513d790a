//! Reads the body of `PUT /v1/endpoint`, and the document of an application, which is of the same form.
//!
//! What real registrations send and must be accepted: no description, an empty URL, `NONE` as algorithm, sources
//! without a type (both `sourceType` and `producerType` mean the same), destinations without one, numeric
//! database ids, types in any letter case, identifiers without hash members, and `HASHED` with an algorithm at a
//! destination, meaning "I hold hashed values: send me hashed ones".

use std::collections::HashMap;

use serde_json::Value;

use super::{
    ContactAttribute, EndpointDefinition, MarketingDatabase, Ordering, PushForm, Role, Roles,
    ShareActions, Transfer,
};
use crate::hashing::profile::HashProfile;
use crate::hashing::{HashAlgorithm, HashMode};
use crate::id::{ApplicationId, DeploymentId};
use crate::identifier::IdentifierDefinition;
use crate::invalid::{Invalid, shown};
use crate::reader::Reader;

const NAME_CHARS_MAX: usize = 256;
const DESCRIPTION_CHARS_MAX: usize = 4_000;
const URL_CHARS_MAX: usize = 2_048;
/// A hundred years.
const DAYS_MAX: i64 = 36_525;
// Enough for any product; these bound what one registration costs in memory.
const DATABASES_MAX: usize = 100;
/// Of all databases together.
const IDENTIFIERS_MAX: usize = 500;
/// Of all databases together.
const ATTRIBUTES_MAX: usize = 5_000;

/// Which document is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Endpoint,
    /// `displayName` instead of `name`; each endpoint type says whether it is enabled; the URLs may be left to the
    /// endpoints, and so are the notification key and the ids.
    Application,
}

impl EndpointDefinition {
    /// Reads a registration; every violation at once.
    pub fn parse(body: &Value) -> Result<Self, Invalid> {
        Self::read(body, Form::Endpoint)
    }

    /// Reads the document of an application: what endpoints that are made from it have in common.
    pub fn parse_application(body: &Value) -> Result<Self, Invalid> {
        Self::read(body, Form::Application)
    }

    fn read(body: &Value, form: Form) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let Some(reader) = Reader::new(body, "", &mut invalid) else {
            return Err(invalid);
        };
        let is_application = form == Form::Application;
        let called = if is_application {
            "displayName"
        } else {
            "name"
        };
        let mut definition = Self {
            name: reader
                .required_text(called, NAME_CHARS_MAX, &mut invalid)
                .unwrap_or_default(),
            description: reader.text("description", DESCRIPTION_CHARS_MAX, &mut invalid),
            provider_name: reader
                .required_text("providerName", NAME_CHARS_MAX, &mut invalid)
                .unwrap_or_default(),
            url: url(&reader, &mut invalid),
            hash_algorithm: algorithm(&reader, &mut invalid),
            hash_profile: profile(&reader, &mut invalid),
            roles: roles(&reader, form, &mut invalid),
            databases: databases(&reader, &mut invalid),
            notification_key: None,
            application_id: None,
            deployment_id: None,
        };
        if !is_application {
            definition.notification_key =
                reader.text("notificationKey", NAME_CHARS_MAX, &mut invalid);
            definition.application_id = application_id(&reader, &mut invalid);
            definition.deployment_id = deployment_id(&reader, &mut invalid);
            definition.check_urls(&mut invalid);
        }
        definition.check_databases(&mut invalid);
        invalid.or(definition)
    }

    fn check_urls(&self, invalid: &mut Invalid) {
        let pushed = [
            ("event", &self.roles.event_destination),
            ("segment", &self.roles.segment_destination),
        ];
        for (kind, role) in pushed {
            let Some(role) = role
                .as_ref()
                .filter(|role| role.enabled && role.transfer == Transfer::Push)
            else {
                continue;
            };
            if self.url_of(role).is_none() {
                let pointer = format!("/endpointTypes/{kind}/destination/url");
                invalid.add(
                    pointer,
                    "required",
                    "a push destination needs a URL: here or as the endpoint's `url`",
                );
            }
        }
    }

    /// Events name identifiers without saying of which database, so a name must mean one thing. Several databases may
    /// define it alike.
    fn check_databases(&self, invalid: &mut Invalid) {
        let base = "/marketingDatabasesDefinition/marketingDatabases";
        let mut known: HashMap<&str, (usize, &IdentifierDefinition)> = HashMap::new();
        let mut attributes = 0;
        for (d, database) in self.databases.iter().enumerate() {
            attributes += database.attributes.len();
            for (i, identifier) in database.identifiers.iter().enumerate() {
                let defined = *known
                    .entry(identifier.name.as_str())
                    .or_insert((d, identifier));
                let is_first = std::ptr::eq(defined.1, identifier);
                if is_first
                    || identifier.name.is_empty()
                    || (defined.0 != d && defined.1 == identifier)
                {
                    continue;
                }
                let message = format!(
                    "{} is defined twice: give each identifier a name of its own, or define it alike in all databases",
                    shown(&identifier.name)
                );
                let pointer = format!("{base}/{d}/identifiers/{i}/name");
                invalid.add(pointer, "duplicate", message);
            }
        }
        let counts = [
            ("marketing databases", self.databases.len(), DATABASES_MAX),
            ("identifiers", self.identifiers().count(), IDENTIFIERS_MAX),
            ("attributes", attributes, ATTRIBUTES_MAX),
        ];
        for (what, count, max) in counts {
            if count > max {
                let message = format!("{count} {what}; at most {max} are taken");
                invalid.add(base, "too-many", message);
            }
        }
    }
}

/// The application that a registration names. Numbers that cannot be an id (clients send 0) name none.
pub(crate) fn application_id(reader: &Reader<'_>, invalid: &mut Invalid) -> Option<ApplicationId> {
    reader
        .integer("applicationId", invalid)
        .filter(|id| *id > 0)
        .map(ApplicationId)
}

/// The deployment that a registration names.
pub(crate) fn deployment_id(reader: &Reader<'_>, invalid: &mut Invalid) -> Option<DeploymentId> {
    let value = reader.get("deploymentId")?;
    if value.as_i64().is_some_and(|id| id <= 0) || value.as_str().is_some_and(str::is_empty) {
        return None;
    }
    match DeploymentId::parse(value) {
        Ok(id) => Some(id),
        Err(error) => {
            invalid.add(reader.pointer("deploymentId"), "id", error.to_string());
            None
        }
    }
}

/// A URL, or none for an empty one. Only its form is checked here; addresses are checked when dialling.
fn url(reader: &Reader<'_>, invalid: &mut Invalid) -> Option<String> {
    let text = reader.text("url", URL_CHARS_MAX, invalid)?;
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return None;
    }
    let lower = trimmed.to_ascii_lowercase();
    let host = lower
        .strip_prefix("https://")
        .or_else(|| lower.strip_prefix("http://"));
    let sound = host.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']))
        && !trimmed.contains(|c: char| c.is_whitespace() || c.is_control());
    if !sound {
        let message = format!(
            "{} is not a URL that can be called: expected http:// or https:// and a host",
            shown(trimmed)
        );
        invalid.add(reader.pointer("url"), "url", message);
        return None;
    }
    Some(trimmed.to_owned())
}

fn algorithm(reader: &Reader<'_>, invalid: &mut Invalid) -> Option<HashAlgorithm> {
    let text = reader.text("hashAlgorithm", 40, invalid)?;
    if text.trim().is_empty() || text.trim().eq_ignore_ascii_case("none") {
        return None;
    }
    let expected = "MD5, SHA1, SHA256, EMAIL_SHA256, PHONE_SHA256 or NONE";
    reader.word(
        "hashAlgorithm",
        expected,
        |word| HashAlgorithm::parse(word.trim()),
        invalid,
    )
}

fn profile(reader: &Reader<'_>, invalid: &mut Invalid) -> Option<HashProfile> {
    let text = reader.text("hashProfile", 40, invalid)?;
    if text.trim().is_empty() || text.trim().eq_ignore_ascii_case("none") {
        return None;
    }
    let expected = format!("{} or NONE", HashProfile::WORDS.replace(" or ", ", "));
    reader.word(
        "hashProfile",
        &expected,
        |word| HashProfile::parse(word.trim()),
        invalid,
    )
}

fn mode(reader: &Reader<'_>, invalid: &mut Invalid) -> HashMode {
    reader
        .word(
            "hashMode",
            "NONE, HASHED or REQUIRED",
            |word| HashMode::parse(word.trim()),
            invalid,
        )
        .unwrap_or_default()
}

fn roles(reader: &Reader<'_>, form: Form, invalid: &mut Invalid) -> Roles {
    let Some(types) = reader.object("endpointTypes", invalid) else {
        return Roles::default();
    };
    let event = types.object("event", invalid);
    let segment = types.object("segment", invalid);
    let mut read = |parent: &Option<Reader<'_>>, name: &str, default: Transfer| {
        let reader = parent.as_ref()?.object(name, invalid)?;
        if form == Form::Application && reader.get("enabled").is_none() {
            let message = "`enabled` is required: send true or false";
            invalid.add(reader.pointer("enabled"), "required", message);
        }
        let mut role = role(&reader, default, invalid);
        let is_destination = name == "destination";
        if is_destination && reader.here().starts_with("/endpointTypes/segment") {
            role.share_actions = ShareActions::read(&reader, invalid);
        }
        Some(role)
    };
    Roles {
        event_source: read(&event, "source", Transfer::Push),
        event_destination: read(&event, "destination", Transfer::Push),
        segment_source: read(&segment, "source", Transfer::Pull),
        segment_destination: read(&segment, "destination", Transfer::Push),
    }
}

fn role(reader: &Reader<'_>, default: Transfer, invalid: &mut Invalid) -> Role {
    let mut transfer = default;
    for name in ["destinationType", "sourceType", "producerType"] {
        if let Some(stated) =
            reader.word(name, "push or pull", |w| Transfer::parse(w.trim()), invalid)
        {
            transfer = stated;
        }
    }
    let form = |word: &str| match word.to_ascii_lowercase().as_str() {
        "document" => Some(PushForm::Document),
        "eventbatch" => Some(PushForm::Eventbatch),
        _ => None,
    };
    let order = |word: &str| match word.to_ascii_lowercase().as_str() {
        "first" => Some(Ordering::First),
        "strict" => Some(Ordering::Strict),
        _ => None,
    };
    Role {
        enabled: reader.flag("enabled", invalid).unwrap_or(false),
        url: url(reader, invalid),
        transfer,
        data_window: data_window(reader, invalid),
        share_actions: None,
        form: reader
            .word("form", "document or eventbatch", form, invalid)
            .unwrap_or_default(),
        order: reader
            .word("order", "first or strict", order, invalid)
            .unwrap_or_default(),
    }
}

/// In days.
fn data_window(reader: &Reader<'_>, invalid: &mut Invalid) -> Option<i64> {
    let days = reader.integer("dataWindow", invalid)?;
    if !(0..=DAYS_MAX).contains(&days) {
        let message = format!("is {days}: expected 0 to {DAYS_MAX} days");
        invalid.add(reader.pointer("dataWindow"), "range", message);
        return None;
    }
    Some(days)
}

fn databases(reader: &Reader<'_>, invalid: &mut Invalid) -> Vec<MarketingDatabase> {
    let Some(definition) = reader.object("marketingDatabasesDefinition", invalid) else {
        return Vec::new();
    };
    let mut databases = Vec::new();
    for (pointer, item) in definition.array("marketingDatabases", invalid) {
        if let Some(reader) = Reader::new(item, pointer, invalid) {
            databases.push(database(&reader, invalid));
        }
    }
    databases
}

fn database(reader: &Reader<'_>, invalid: &mut Invalid) -> MarketingDatabase {
    let mut identifiers = Vec::new();
    for (pointer, item) in reader.array("identifiers", invalid) {
        if let Some(reader) = Reader::new(item, pointer, invalid) {
            identifiers.push(identifier(&reader, invalid));
        }
    }
    let mut attributes = Vec::new();
    for (pointer, item) in reader.array("attributes", invalid) {
        if let Some(reader) = Reader::new(item, pointer, invalid) {
            attributes.push(attribute(&reader, invalid));
        }
    }
    MarketingDatabase {
        name: reader
            .text("name", NAME_CHARS_MAX, invalid)
            .filter(|name| !name.is_empty()),
        id: reader
            .text("id", NAME_CHARS_MAX, invalid)
            .filter(|id| !id.is_empty()),
        identifiers,
        attributes,
    }
}

fn identifier(reader: &Reader<'_>, invalid: &mut Invalid) -> IdentifierDefinition {
    IdentifierDefinition {
        name: reader
            .required_text("name", NAME_CHARS_MAX, invalid)
            .unwrap_or_default(),
        kind: reader
            .required_text("type", NAME_CHARS_MAX, invalid)
            .unwrap_or_default(),
        hash_mode: mode(reader, invalid),
        hash_algorithm: algorithm(reader, invalid),
        is_required: reader.flag("isRequired", invalid).unwrap_or(false),
        is_event_only: reader.flag("isEventOnly", invalid).unwrap_or(false),
        is_case_sensitive: reader.flag("isCaseSensitive", invalid).unwrap_or(true),
    }
}

fn attribute(reader: &Reader<'_>, invalid: &mut Invalid) -> ContactAttribute {
    ContactAttribute {
        name: reader
            .required_text("name", NAME_CHARS_MAX, invalid)
            .unwrap_or_default(),
        kind: reader
            .text("type", NAME_CHARS_MAX, invalid)
            .filter(|kind| !kind.is_empty())
            .unwrap_or_else(|| "string".to_owned()),
        is_required: reader.flag("isRequired", invalid).unwrap_or(false),
        hash_mode: mode(reader, invalid),
        hash_algorithm: algorithm(reader, invalid),
    }
}

#[cfg(test)]
mod tests;
