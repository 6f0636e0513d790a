//! Applications: a product that its provider defines once, for the endpoints of many accounts.
//!
//! An application's document has the form of an endpoint's registration. An endpoint that is made from it states what is
//! its own, and takes the rest from there: [`overlay`] puts one over the other, whenever either changes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::endpoint::EndpointDefinition;
use crate::id::{AccountId, ApplicationId, DeploymentId};
use crate::invalid::Invalid;
use crate::reader::Reader;

/// Who sees an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Visibility {
    /// All accounts of its environment.
    Public,
    /// Its own account.
    #[default]
    Private,
}

impl Visibility {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "PUBLIC",
            Self::Private => "PRIVATE",
        }
    }

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Public, Self::Private]
            .into_iter()
            .find(|visibility| visibility.as_str().eq_ignore_ascii_case(text))
    }
}

/// An application as the exchange knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    pub id: ApplicationId,
    /// Whose it is.
    pub account: AccountId,
    pub visibility: Visibility,
    /// As it was sent.
    pub document: Value,
    pub created_at: jiff::Timestamp,
    pub updated_at: jiff::Timestamp,
}

impl Application {
    /// What business users see.
    pub fn display_name(&self) -> &str {
        self.text("displayName")
    }

    pub fn provider_name(&self) -> &str {
        self.text("providerName")
    }

    fn text(&self, name: &str) -> &str {
        self.document[name].as_str().unwrap_or_default()
    }
}

/// Which application an endpoint's own call names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    pub application: Option<ApplicationId>,
    pub deployment: Option<DeploymentId>,
}

impl Named {
    /// Reads the two ids of a registration and nothing else of it.
    pub fn read(body: &Value) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let Some(reader) = Reader::new(body, "", &mut invalid) else {
            return Err(invalid);
        };
        let named = Self {
            application: crate::endpoint::application_id(&reader, &mut invalid),
            deployment: crate::endpoint::deployment_id(&reader, &mut invalid),
        };
        invalid.or(named)
    }
}

/// What a registration may state of its own, and what is kept of it.
const STATED: [&str; 9] = [
    "name",
    "description",
    "providerName",
    "url",
    "hashAlgorithm",
    "hashProfile",
    "endpointTypes",
    "marketingDatabasesDefinition",
    "notificationKey",
];

/// Words for the same thing; a registration that uses one means all of them.
const TRANSFER: [&str; 3] = ["destinationType", "sourceType", "producerType"];

/// What of a registration's body is worth remembering: its known members that say something.
pub fn stated(body: &Value) -> Value {
    let mut stated = Map::new();
    for name in STATED {
        if let Some(value) = body.get(name).filter(|value| says(value)) {
            stated.insert(name.to_owned(), value.clone());
        }
    }
    Value::Object(stated)
}

/// The registration of an endpoint that takes from an application what it does not state itself. Objects are merged
/// member by member; anything else that is stated (lists too) replaces what the application has.
pub fn overlay(document: &Value, stated: &Value) -> Value {
    let mut base = Map::new();
    for (name, from) in STATED.iter().map(|name| match *name {
        "name" => ("name", "displayName"),
        other => (other, other),
    }) {
        // Each endpoint's own.
        if name == "notificationKey" {
            continue;
        }
        if let Some(value) = document.get(from) {
            base.insert(name.to_owned(), value.clone());
        }
    }
    let mut merged = Value::Object(base);
    put_over(&mut merged, stated);
    merged
}

/// Null and blank text say as little as nothing.
fn says(value: &Value) -> bool {
    !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty())
}

fn put_over(base: &mut Value, stated: &Value) {
    let Value::Object(stated) = stated else {
        *base = stated.clone();
        return;
    };
    // Also where there was none: what says nothing in it is not there.
    if !base.is_object() {
        *base = Value::Object(Map::new());
    }
    let Value::Object(base) = base else { return };
    let states_transfer = TRANSFER
        .iter()
        .any(|name| stated.get(*name).is_some_and(says));
    if states_transfer {
        for name in TRANSFER {
            base.remove(name);
        }
    }
    for (name, value) in stated.iter().filter(|(_, value)| says(value)) {
        put_over(base.entry(name.clone()).or_insert(Value::Null), value);
    }
}

/// What an endpoint is that states this and is made from that application.
///
/// # Errors
/// What is wrong with the two together, by its place in a registration.
pub fn define(
    document: &Value,
    stated: &Value,
    made_from: (ApplicationId, Option<DeploymentId>),
) -> Result<EndpointDefinition, Invalid> {
    let mut definition = EndpointDefinition::parse(&overlay(document, stated))?;
    definition.application_id = Some(made_from.0);
    definition.deployment_id = made_from.1;
    Ok(definition)
}

#[cfg(test)]
mod tests;
