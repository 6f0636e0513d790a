//! A destination as a push sees it: where to call, with which credentials and signatures, and which identifiers
//! it takes under which names. Resolved once when the endpoint changes.

use std::collections::HashMap;

use engine::Tx;
use http::Uri;
use model::endpoint::{Ordering, PushForm, Transfer};
use model::hashing::Terms;
use model::region::Region;
use model::{
    AccountId, AccountPolicy, Endpoint, EndpointDefinition, EndpointId, Environment,
    IdentifierDefinition, Secret, test_drive,
};
use outbound::{Authorization, signature};
use store::Scope;
use store::endpoint::{Sealed, SealedSecrets};
use store::vault::Vault;

use crate::Result;

/// An endpoint's secrets, opened.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// Signing secrets of pushes, newest first.
    pub webhook: Vec<Secret>,
    /// As the provider stated them.
    pub attributes: HashMap<String, Secret>,
    /// The endpoint key.
    pub call_key: Option<Secret>,
}

/// What binds a sealed value to its owner and column.
pub(crate) fn purpose(id: EndpointId, which: Sealed) -> String {
    format!("endpoint {id} {which:?}")
}

impl Secrets {
    pub(crate) async fn load(
        tx: &mut Tx,
        vault: &Vault,
        scope: Scope,
        id: EndpointId,
    ) -> Result<Self> {
        Self::open(vault, id, &store::endpoint::secrets(tx, scope, id).await?)
    }

    pub(crate) fn open(vault: &Vault, id: EndpointId, sealed: &SealedSecrets) -> Result<Self> {
        let open = |sealed: &Option<Vec<u8>>, which| {
            let sealed = sealed.as_deref();
            sealed.map(|bytes| vault.open(&purpose(id, which), bytes))
        };
        let mut secrets = Self::default();
        if let Some(bytes) = open(&sealed.webhook_secrets, Sealed::WebhookSecrets) {
            let texts: Vec<String> =
                serde_json::from_slice(&bytes?).map_err(crate::Error::internal)?;
            secrets.webhook = texts.into_iter().map(Secret::new).collect();
        }
        if let Some(bytes) = open(&sealed.attributes, Sealed::Attributes) {
            let texts: HashMap<String, String> =
                serde_json::from_slice(&bytes?).map_err(crate::Error::internal)?;
            secrets.attributes = texts
                .into_iter()
                .map(|(name, value)| (name, Secret::new(value)))
                .collect();
        }
        if let Some(bytes) = open(&sealed.call_key, Sealed::CallKey) {
            secrets.call_key = Some(Secret::new(String::from_utf8_lossy(&bytes?)));
        }
        Ok(secrets)
    }

    /// What proves to the endpoint who is calling: the credentials of its attributes, else its own key.
    pub fn authorization(&self) -> Option<Authorization> {
        let find = |names: &[&str]| {
            let mut known = self.attributes.iter();
            known
                .find(|(name, _)| names.iter().any(|n| name.eq_ignore_ascii_case(n)))
                .map(|(_, value)| value)
        };
        let user = find(&["userId", "user", "username", "login"]);
        if let (Some(user), Some(password)) = (user, find(&["password"])) {
            return Authorization::basic(user.expose(), password.expose()).ok();
        }
        let key = find(&["accessToken", "token", "apiKey", "bearer", "authKey"])
            .or(self.call_key.as_ref())?;
        Authorization::bearer(key.expose()).ok()
    }
}

/// A destination for events.
#[derive(Debug)]
pub struct Target {
    pub endpoint: EndpointId,
    pub account: AccountId,
    pub name: String,
    pub transfer: Transfer,
    pub form: PushForm,
    pub order: Ordering,
    /// `<url>/v1/events`; none for pull destinations and for URLs that cannot be called.
    pub uri: Option<Uri>,
    pub authorization: Option<Authorization>,
    /// Signing secrets, newest first.
    pub webhook: Vec<signature::Secret>,
    /// By identity type in lower case: the destination's own definition. Empty: all identifiers, names as published.
    pub identifiers: HashMap<String, IdentifierDefinition>,
    /// Names of its own under which nothing is added that was not published.
    pub not_added: Vec<String>,
    /// How it wants values hashed.
    pub terms: Terms,
    /// Its account is one of pilot: what it answers is observed.
    pub is_pilot: bool,
    /// The receiver of a test drive: nobody is called.
    pub is_test_receiver: bool,
}

impl Target {
    /// None when the endpoint receives no events (not active, not enabled, not a destination).
    pub(super) fn of(
        endpoint: &Endpoint,
        secrets: &Secrets,
        (policy, environment): (&AccountPolicy, Environment),
    ) -> Option<Self> {
        if !endpoint.receives() {
            return None;
        }
        let definition = &endpoint.definition;
        let role = definition.event_destination()?;
        let uri = match role.transfer {
            Transfer::Pull => None,
            Transfer::Push => events_uri(definition.url_of(role)?),
        };
        let is_pilot = environment == Environment::Pilot;
        let host = uri.as_ref().and_then(Uri::host);
        Some(Self {
            is_pilot,
            is_test_receiver: is_pilot && host == Some(test_drive::RECEIVER_HOST),
            endpoint: endpoint.id,
            account: endpoint.account,
            name: definition.name.clone(),
            transfer: role.transfer,
            form: role.form,
            order: role.order,
            uri,
            authorization: secrets.authorization(),
            webhook: secrets
                .webhook
                .iter()
                .filter_map(|secret| secret.expose().parse().ok())
                .collect(),
            identifiers: definition
                .identifiers()
                .map(|i| (i.kind.to_ascii_lowercase(), i.clone()))
                .collect(),
            not_added: Vec::new(),
            terms: terms_of(definition, policy),
        })
    }
}

/// How an endpoint of an account wants values hashed.
pub(crate) fn terms_of(definition: &EndpointDefinition, policy: &AccountPolicy) -> Terms {
    let region = policy.default_region.as_deref();
    Terms {
        profile: definition.hash_profile,
        algorithm: definition.hash_algorithm,
        region: region.and_then(|region| Region::parse(region).ok()),
        hashed_values: policy.hashed_values,
    }
}

/// `POST <destination url>/v1/events`, one slash whatever the registered URL ends in.
fn events_uri(url: &str) -> Option<Uri> {
    let (base, query) = url
        .split_once('?')
        .map_or((url, None), |(base, query)| (base, Some(query)));
    let base = base.trim_end_matches('/');
    match query {
        Some(query) => format!("{base}/v1/events?{query}").parse().ok(),
        None => format!("{base}/v1/events").parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_whatever_the_url_ends_in() {
        for (url, expected) in [
            ("http://host", "http://host/v1/events"),
            ("http://host/base/", "http://host/base/v1/events"),
            ("http://host/base//", "http://host/base/v1/events"),
            (
                "https://host/base?tenant=1",
                "https://host/base/v1/events?tenant=1",
            ),
        ] {
            assert_eq!(
                events_uri(url).map(|u| u.to_string()).as_deref(),
                Some(expected)
            );
        }
    }
}
