//! Onboarding: how an account is taken on by the provider of an application it has chosen.
//!
//! The document (`PUT …/deployment/{deploymentId}/onboarding`) either only instructs the user, or says how the provider
//! is called (`DIRECTCONNECT`), which values a user is asked for, and whether the provider is told of subscriptions. Called
//! by `hub/onboarding`, `hub/registration` and the notifications. Promises: all violations at once with their pointers,
//! no secret in any of them, and that what is answered to the prompts is all that was asked for.

use serde_json::{Map, Value};

use crate::authentication::{
    self, Authentication, MASK, PROMPT, Prompts, is_web, object, origin, spelling,
};
use crate::invalid::{Invalid, shown, token};
use crate::notification::NotificationType;
use crate::reader::{Reader, type_name};

const INSTRUCTIONS_CHARS_MAX: usize = 4_000;
const URL_CHARS_MAX: usize = 2_048;
const NAME_CHARS_MAX: usize = 256;
const VALUE_CHARS_MAX: usize = 4_096;
/// Nobody fills in a longer form.
const EXTRA_FIELDS_MAX: usize = 50;
/// A longer document, in bytes, is none.
const DOCUMENT_BYTES_MAX: usize = 64 << 10;

/// What happens when a user registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnboardingType {
    /// The user reads the instructions and turns to the provider.
    InstructionsOnly,
    /// The exchange calls the provider.
    DirectConnect,
}

impl OnboardingType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstructionsOnly => "INSTRUCTIONSONLY",
            Self::DirectConnect => "DIRECTCONNECT",
        }
    }

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::InstructionsOnly, Self::DirectConnect]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

/// What the value of an extra field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FieldType {
    #[default]
    String,
    Integer,
}

impl FieldType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Integer => "Integer",
        }
    }

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::String, Self::Integer]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text.trim()))
    }

    /// The value as it is sent, if it is of this type.
    fn value(self, text: &str) -> Option<Value> {
        match self {
            Self::String => Some(text.into()),
            Self::Integer => text.trim().parse::<i64>().ok().map(Value::from),
        }
    }
}

/// Something more that the provider is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtraField {
    pub name: String,
    /// [`PROMPT`], a fixed value, or nothing.
    pub value: Option<String>,
    pub display_name: Option<String>,
    pub kind: FieldType,
}

/// Where the provider is told of subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notifications {
    pub url: String,
    pub kind: NotificationType,
}

/// What is asked of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The answer's name.
    pub name: String,
    /// For people.
    pub label: String,
    pub is_secret: bool,
    pub kind: FieldType,
}

/// The document, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onboarding {
    pub kind: OnboardingType,
    pub instructions: Option<String>,
    pub connect_url: Option<String>,
    pub notifications: Option<Notifications>,
    pub authentication: Option<Authentication>,
    pub extra_fields: Vec<ExtraField>,
}

/// What was answered, in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub authentication: Option<Authentication>,
    /// All extra fields by their names.
    pub extra_fields: Map<String, Value>,
}

impl Onboarding {
    /// Reads the document; every violation at once. A secret may be a mask: then [`Onboarding::keep`] must follow.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(body: &Value) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let Some(reader) = Reader::new(body, "", &mut invalid) else {
            return Err(invalid);
        };
        let kind = kind(&reader, &mut invalid);
        let is_direct = kind == Some(OnboardingType::DirectConnect);
        let authentication = object(&reader, &mut invalid);
        if is_direct && !has(&reader, "authentication") {
            let message = "`authentication` is required for DIRECTCONNECT: say how the provider is signed in to";
            invalid.add("/authentication", "required", message);
        }
        let name = spelling(&reader, "instructions");
        let instructions = reader.text(name, INSTRUCTIONS_CHARS_MAX, &mut invalid);
        let onboarding = Self {
            kind: kind.unwrap_or(OnboardingType::InstructionsOnly),
            instructions: instructions.filter(|text| !text.trim().is_empty()),
            connect_url: url(&reader, "connectUrl", is_direct, &mut invalid),
            notifications: notifications(&reader, &mut invalid),
            authentication: authentication
                .and_then(|reader| Authentication::read(&reader, Prompts::Allowed, &mut invalid)),
            extra_fields: extra_fields(&reader, &mut invalid),
        };
        onboarding.check_names(&mut invalid);
        let bytes = body.to_string().len();
        if bytes > DOCUMENT_BYTES_MAX {
            let message = format!("is {bytes} bytes long; at most {DOCUMENT_BYTES_MAX} are taken");
            invalid.add("", "too-long", message);
        }
        invalid.or(onboarding)
    }

    /// Of a deployment whose provider says nothing about it.
    pub fn nothing() -> Self {
        Self {
            kind: OnboardingType::InstructionsOnly,
            instructions: None,
            connect_url: None,
            notifications: None,
            authentication: None,
            extra_fields: Vec::new(),
        }
    }

    /// Each value that is asked for needs a name of its own, in any letter case.
    fn check_names(&self, invalid: &mut Invalid) {
        let prompts = self.authentication.iter().flat_map(Authentication::prompts);
        let mut seen: Vec<String> = prompts
            .map(|member| member.name.to_ascii_lowercase())
            .collect();
        for (i, field) in self.extra_fields.iter().enumerate() {
            let name = field.name.to_ascii_lowercase();
            if name.is_empty() {
                continue;
            }
            if seen.contains(&name) {
                let message = format!(
                    "{} is the name of another value: give each a name of its own",
                    shown(&field.name)
                );
                invalid.add(format!("/extraFields/{i}/name"), "duplicate", message);
            }
            seen.push(name);
        }
    }

    /// Puts the stored secrets in the place of masks. They are not kept for hosts for which they were not given.
    ///
    /// # Errors
    /// Masks for which nothing is stored.
    pub fn keep(self, stored: Option<&Self>) -> Result<Self, Invalid> {
        let Some(authentication) = self.authentication.clone() else {
            return Ok(self);
        };
        let hosts = self.hosts();
        let known = stored
            .filter(|stored| {
                let known = stored.hosts();
                hosts.iter().all(|host| known.contains(host))
            })
            .and_then(|stored| stored.authentication.as_ref());
        let mut invalid = Invalid::default();
        let authentication = authentication.keep(known, "/authentication", &mut invalid);
        let onboarding = Self {
            authentication,
            ..self
        };
        invalid.or(onboarding)
    }

    /// Where the secrets go.
    fn hosts(&self) -> Vec<Option<String>> {
        let notified = self.notifications.as_ref().map(|n| n.url.as_str());
        [self.connect_url.as_deref(), notified]
            .into_iter()
            .flatten()
            .map(|url| origin(Some(url)))
            .collect()
    }

    /// What a user is asked for: only what is used.
    pub fn prompts(&self) -> Vec<Prompt> {
        let is_direct = self.kind == OnboardingType::DirectConnect;
        let mut prompts = Vec::new();
        if is_direct || self.notifications.is_some() {
            let asked = self.authentication.iter().flat_map(Authentication::prompts);
            prompts.extend(asked.map(|member| Prompt {
                name: member.name.to_owned(),
                label: member.label.to_owned(),
                is_secret: member.is_secret,
                kind: FieldType::String,
            }));
        }
        if is_direct {
            let asked = self.extra_fields.iter().filter(|field| field.is_asked());
            prompts.extend(asked.map(|field| {
                Prompt {
                    name: field.name.clone(),
                    label: field
                        .display_name
                        .clone()
                        .unwrap_or_else(|| field.name.clone()),
                    is_secret: false,
                    kind: field.kind,
                }
            }));
        }
        prompts
    }

    /// Puts the answers in the place of the prompts. `values` stand at `/values`, under the prompts' names in any letter
    /// case.
    ///
    /// # Errors
    /// Every prompt that is not answered, every answer that is not of its type or that nobody asked for.
    pub fn fill(&self, values: &Map<String, Value>) -> Result<Answered, Invalid> {
        const AT: &str = "/values";
        let mut invalid = Invalid::default();
        let prompts = self.prompts();
        for name in values.keys() {
            if !prompts
                .iter()
                .any(|prompt| prompt.name.eq_ignore_ascii_case(name))
            {
                let names: Vec<&str> = prompts.iter().map(|prompt| prompt.name.as_str()).collect();
                let asked = match names.as_slice() {
                    [] => "nothing is".to_owned(),
                    names => format!("asked are `{}`", names.join("`, `")),
                };
                let message = format!("is not asked for: {asked}");
                invalid.add(format!("{AT}/{}", token(name)), "unknown-member", message);
            }
        }
        let asks_credentials =
            self.kind == OnboardingType::DirectConnect || self.notifications.is_some();
        let stated = self.authentication.as_ref().filter(|_| asks_credentials);
        let authentication = stated.and_then(|stated| {
            let filled = stated.fill(values, AT, &mut invalid)?;
            // A mask stands for nothing here.
            filled.keep(None, AT, &mut invalid)
        });
        let object = Value::Object(values.clone());
        let mut extra_fields = Map::new();
        if let Some(reader) = Reader::new(&object, AT, &mut invalid)
            && self.kind == OnboardingType::DirectConnect
        {
            for field in &self.extra_fields {
                let value = field.fill(&reader, &mut invalid);
                extra_fields.insert(field.name.clone(), value.unwrap_or_default());
            }
        }
        invalid.or(Answered {
            authentication,
            extra_fields,
        })
    }
}

impl ExtraField {
    fn is_asked(&self) -> bool {
        self.value.as_deref() == Some(PROMPT)
    }

    fn fill(&self, values: &Reader<'_>, invalid: &mut Invalid) -> Option<Value> {
        if !self.is_asked() {
            return self.kind.value(self.value.as_deref()?);
        }
        let name = spelling(values, &self.name);
        let text = values.required_text(name, VALUE_CHARS_MAX, invalid)?;
        let value = self.kind.value(&text);
        if value.is_none() {
            let message = format!("{} is not a whole number", shown(&text));
            invalid.add(values.pointer(name), "type", message);
        }
        value
    }
}

/// Masks the secrets of a document that is kept as it was sent.
pub fn mask(document: &mut Value) {
    let Value::Object(members) = document else {
        return;
    };
    for (name, value) in members.iter_mut() {
        if name.eq_ignore_ascii_case("authentication") {
            authentication::mask(value);
        }
    }
}

/// The document as it is sealed: with these credentials in clear.
pub fn unmask(document: &mut Value, credentials: Option<&Authentication>) {
    let (Value::Object(members), Some(credentials)) = (document, credentials) else {
        return;
    };
    for (name, value) in members.iter_mut() {
        if name.eq_ignore_ascii_case("authentication") && !value.is_null() {
            *value = credentials.to_json();
        }
    }
}

fn has(reader: &Reader<'_>, name: &str) -> bool {
    reader.get(spelling(reader, name)).is_some()
}

fn kind(reader: &Reader<'_>, invalid: &mut Invalid) -> Option<OnboardingType> {
    let name = spelling(reader, "onboardingType");
    let expected = "`INSTRUCTIONSONLY` or `DIRECTCONNECT`";
    let is_blank = reader
        .get(name)
        .is_none_or(|value| value.as_str().is_some_and(|text| text.trim().is_empty()));
    if is_blank {
        let message = format!("`onboardingType` is required: send {expected}");
        invalid.add(reader.pointer(name), "required", message);
        return None;
    }
    reader.word(name, expected, OnboardingType::parse, invalid)
}

/// A URL under one of its spellings; only its form is checked.
fn url(
    reader: &Reader<'_>,
    name: &str,
    is_required: bool,
    invalid: &mut Invalid,
) -> Option<String> {
    let spelled = spelling(reader, name);
    let text = if is_required {
        reader.required_text(spelled, URL_CHARS_MAX, invalid)
    } else {
        reader.text(spelled, URL_CHARS_MAX, invalid)
    };
    let url = text?.trim().to_owned();
    if url.is_empty() {
        return None;
    }
    if is_web(&url) {
        return Some(url);
    }
    let message = format!("{} is not a URL: expected `https://host/path`", shown(&url));
    invalid.add(reader.pointer(spelled), "url", message);
    None
}

fn notifications(reader: &Reader<'_>, invalid: &mut Invalid) -> Option<Notifications> {
    let name = spelling(reader, "includeSubscriptionNotifications");
    let includes = reader.flag(name, invalid).unwrap_or(false);
    let url = url(reader, "subscriptionNotificationUrl", includes, invalid);
    let kind = NotificationType::read(reader, invalid);
    url.filter(|_| includes)
        .map(|url| Notifications { url, kind })
}

fn extra_fields(reader: &Reader<'_>, invalid: &mut Invalid) -> Vec<ExtraField> {
    let items = reader.array(spelling(reader, "extraFields"), invalid);
    if items.len() > EXTRA_FIELDS_MAX {
        let message = format!(
            "{} fields; at most {EXTRA_FIELDS_MAX} are taken",
            items.len()
        );
        invalid.add("/extraFields", "too-many", message);
        return Vec::new();
    }
    let mut fields = Vec::with_capacity(items.len());
    for (pointer, item) in items {
        // One for each item, so that they keep their places.
        let field = Reader::new(item, pointer, invalid).map(|reader| extra_field(&reader, invalid));
        fields.push(field.unwrap_or_default());
    }
    fields
}

fn extra_field(reader: &Reader<'_>, invalid: &mut Invalid) -> ExtraField {
    let display_name = reader
        .text(spelling(reader, "displayName"), NAME_CHARS_MAX, invalid)
        .filter(|text| !text.trim().is_empty());
    let name = spelling(reader, "name");
    let is_named = reader
        .get(name)
        .is_some_and(|value| value.as_str() != Some(""));
    let given = match (&display_name, is_named) {
        // What is shown can name it, too.
        (Some(shown), false) => Some(shown.clone()),
        _ => reader.required_text(name, NAME_CHARS_MAX, invalid),
    };
    let name = spelling(reader, "type");
    let kind = reader.word(name, "`String` or `Integer`", FieldType::parse, invalid);
    let kind = kind.unwrap_or_default();
    let name = spelling(reader, "value");
    let value = match reader.get(name) {
        Some(value @ Value::Bool(_)) => {
            let message = format!("expected a string or a number, found {}", type_name(value));
            invalid.add(reader.pointer(name), "type", message);
            None
        }
        _ => reader.text(name, VALUE_CHARS_MAX, invalid),
    };
    let fits = |value: &String| value == PROMPT || value.is_empty() || kind.value(value).is_some();
    if let Some(wrong) = value.as_ref().filter(|value| !fits(value)) {
        let message = format!(
            "{} is not a whole number, and the field's type is Integer",
            shown(wrong)
        );
        invalid.add(reader.pointer(name), "type", message);
    }
    if value.as_deref() == Some(MASK) {
        let message = "a mask stands for a stored secret, and extra fields are none";
        invalid.add(reader.pointer(name), "mask", message);
    }
    ExtraField {
        name: given.unwrap_or_default(),
        value: value.filter(|value| !value.is_empty()),
        display_name,
        kind,
    }
}

#[cfg(test)]
mod tests;
