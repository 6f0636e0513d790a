//! Endpoints: registered by a user (a key), described by the provider (`PUT /v1/endpoint`), enabled, disabled, failed,
//! deleted.

use std::borrow::Cow;
use std::collections::HashMap;

use engine::Tx;
use model::invalid::shown;
use model::key::KeyLevel;
use model::{Endpoint, EndpointDefinition, EndpointId, EndpointStatus, Invalid, Secret};
use serde_json::Value;
use store::endpoint::Sealed;

use crate::registry::{Secrets, purpose};
use crate::subscription::hold;
use crate::{Actor, Error, Hub, Key, Page, Result, Scope};

/// Longest failure reason, in **bytes** (the published API says so).
pub const REASON_BYTES_MAX: usize = 512;
/// Endpoint attributes in one call.
const ATTRIBUTES_MAX: usize = 100;
/// Longest attribute value, in bytes.
const ATTRIBUTE_BYTES_MAX: usize = 8 << 10;
/// Signing secrets valid at once while one is rotated.
const WEBHOOK_SECRETS_MAX: usize = 2;

impl Hub {
    /// A user's registration: the endpoint, PENDING, and its key, which is shown this once.
    pub async fn endpoint_register(
        &self,
        actor: &Actor,
        scope: Scope,
    ) -> Result<(Endpoint, Secret)> {
        self.account(scope)?;
        let (mut tx, turn) = self.begin_change().await?;
        let (endpoint, key, secret) = self.endpoint_insert(&mut tx, scope).await?;
        let subject = format!("endpoint {}", endpoint.id);
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("endpoint.register", subject),
            serde_json::json!({}),
        )
        .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        let mut read = self.db.read().await?;
        let secrets = Secrets::load(&mut read, &self.vault, scope, endpoint.id).await?;
        self.registry
            .put_endpoint(endpoint.clone(), Vec::new(), secrets);
        self.registry.put_key(&key);
        Ok((endpoint, secret))
    }

    /// A new endpoint with its key and signing secret, in a transaction. The caller makes it known once that has committed.
    pub(crate) async fn endpoint_insert(
        &self,
        tx: &mut Tx,
        scope: Scope,
    ) -> Result<(Endpoint, Key, Secret)> {
        let endpoint = store::endpoint::insert(tx, scope, self.now()).await?;
        let (key, secret) = self
            .key_issue(tx, scope, Some(endpoint.id), KeyLevel::Endpoint)
            .await?;
        let signing = [outbound::signature::generate_secret()];
        self.put_webhook_secrets(tx, scope, endpoint.id, &signing)
            .await?;
        Ok((endpoint, key, secret))
    }

    /// The provider describes the endpoint, or describes it anew: it is ACTIVE from now on. What it does not state, it
    /// takes from the application that it names or was registered from.
    pub async fn endpoint_define(
        &self,
        actor: &Actor,
        scope: Scope,
        id: EndpointId,
        body: &Value,
    ) -> Result<Endpoint> {
        let _halt = self.halt_router(scope.0).await;
        let (mut tx, turn) = self.begin_change().await?;
        let made_from = self.made_from(&mut tx, scope, id, body).await?;
        let whole = match &made_from {
            None => Cow::Borrowed(body),
            Some(made_from) => Cow::Owned(made_from.overlay(body)),
        };
        let (definition, mut invalid) = Invalid::split(EndpointDefinition::parse(&whole));
        self.check_definition(&mut tx, &whole, &mut invalid).await?;
        let mut definition = invalid.join(definition)?;
        if let Some(made_from) = &made_from {
            (definition.application_id, definition.deployment_id) = made_from.ids();
        }
        let here = self.here(scope.0).await?;
        let change = |endpoint: &mut Endpoint| {
            endpoint.status = EndpointStatus::Active;
            endpoint.definition = definition;
            hold(&mut endpoint.spans, endpoint.enabled, here);
            true
        };
        let about = ("endpoint.define", id);
        let (endpoint, _) = self
            .endpoint_write(&mut tx, actor, scope, about, change)
            .await?;
        let types = match &made_from {
            None => None,
            Some(made_from) => Some(self.make_from(&mut tx, scope, id, made_from, body).await?),
        };
        self.commit_change(tx, &turn, scope.0).await?;
        self.registry.update_endpoint(endpoint.clone());
        if let Some(types) = types {
            self.registry.put_event_types(id, types);
        }
        self.flow_refresh(id);
        Ok(endpoint)
    }

    /// What depends on more than the document itself: the provider is known, the URLs may be called. Read tolerantly, so
    /// that all violations are told together with those of the parser.
    pub(crate) async fn check_definition(
        &self,
        tx: &mut Tx,
        body: &Value,
        invalid: &mut Invalid,
    ) -> Result<()> {
        const URLS: [&str; 5] = [
            "/url",
            "/endpointTypes/event/source/url",
            "/endpointTypes/event/destination/url",
            "/endpointTypes/segment/source/url",
            "/endpointTypes/segment/destination/url",
        ];
        if let Some(name) = body["providerName"]
            .as_str()
            .filter(|n| !n.trim().is_empty())
            && store::provider::by_name(tx, name).await?.is_none()
        {
            let message = format!(
                "no provider is named {}: use the name that the operator registered",
                shown(name)
            );
            invalid.add("/providerName", "unknown-provider", message);
        }
        for pointer in URLS {
            let url = body.pointer(pointer).and_then(Value::as_str);
            if let Some(url) = url.map(str::trim).filter(|url| !url.is_empty()) {
                self.check_url(pointer, url, invalid);
            }
        }
        Ok(())
    }

    /// Enables or disables; `false` when it is so already. What is published while it is disabled is not its; what
    /// waited before is kept and goes on when it is enabled again.
    pub async fn endpoint_enable(
        &self,
        actor: &Actor,
        scope: Scope,
        id: EndpointId,
        enabled: bool,
    ) -> Result<bool> {
        let action = if enabled {
            "endpoint.enable"
        } else {
            "endpoint.disable"
        };
        let change = self.endpoint_change(actor, scope, id, action, |endpoint, here| {
            let changes = endpoint.enabled != enabled;
            endpoint.enabled = enabled;
            endpoint.disabled_reason = None;
            hold(
                &mut endpoint.spans,
                enabled && endpoint.status == EndpointStatus::Active,
                here,
            );
            changes
        });
        change.await.map(|(_, changed)| changed)
    }

    /// The exchange disables an endpoint by itself, and says why; `false` when it is disabled already.
    pub(crate) async fn endpoint_disable_because(
        &self,
        scope: Scope,
        id: EndpointId,
        reason: &str,
    ) -> Result<bool> {
        let change = self.endpoint_change(
            &Actor::EXCHANGE,
            scope,
            id,
            "endpoint.disable",
            |endpoint, here| {
                if !endpoint.enabled {
                    return false;
                }
                endpoint.enabled = false;
                endpoint.disabled_reason = Some(reason.to_owned());
                hold(&mut endpoint.spans, false, here);
                true
            },
        );
        change.await.map(|(_, changed)| changed)
    }

    /// The provider could not set itself up.
    pub async fn endpoint_report_failure(
        &self,
        actor: &Actor,
        scope: Scope,
        id: EndpointId,
        reason: &str,
    ) -> Result<()> {
        if reason.trim().is_empty() {
            return Err(Invalid::one(
                "/reason",
                "required",
                "`reason` is required: say briefly why provisioning failed",
            )
            .into());
        }
        if reason.len() > REASON_BYTES_MAX {
            let message = format!(
                "is {} bytes long; at most {REASON_BYTES_MAX} are taken",
                reason.len()
            );
            return Err(Invalid::one("/reason", "too-long", message).into());
        }
        let change = self.endpoint_change(
            actor,
            scope,
            id,
            "endpoint.reportfailure",
            |endpoint, here| {
                endpoint.status = EndpointStatus::Failed;
                hold(&mut endpoint.spans, false, here);
                true
            },
        );
        change.await?;
        let mut tx = self.db.begin().await?;
        store::endpoint::put_failure(&mut tx, scope, id, reason).await?;
        Ok(tx.commit().await?)
    }

    /// Why the provider could not set itself up, if it said so.
    pub async fn endpoint_failure(&self, scope: Scope, id: EndpointId) -> Result<Option<String>> {
        let mut tx = self.db.read().await?;
        Ok(store::endpoint::failure(&mut tx, scope, id).await?)
    }

    /// Ends an endpoint: its subscriptions and shares end, what waits for it is dropped after a grace period (`retire`); its key
    /// still answers for its status.
    pub async fn endpoint_delete(&self, actor: &Actor, scope: Scope, id: EndpointId) -> Result<()> {
        let change = self.endpoint_change(actor, scope, id, "endpoint.delete", |endpoint, here| {
            endpoint.status = EndpointStatus::Deleted;
            hold(&mut endpoint.spans, false, here);
            true
        });
        change.await?;
        let ends = self
            .registry
            .subscriptions_where(|s| !s.deleted && (s.publisher == id || s.destination == id));
        for subscription in ends {
            self.subscription_delete(actor, scope, subscription.id)
                .await?;
        }
        self.segments_forget(scope, id).await?;
        self.shares_end(actor, scope, id).await
    }

    /// One change of an endpoint: read, changed, written, audited, and made known. `change` answers whether it
    /// changed anything.
    async fn endpoint_change(
        &self,
        actor: &Actor,
        scope: Scope,
        id: EndpointId,
        action: &str,
        change: impl FnOnce(&mut Endpoint, u64) -> bool,
    ) -> Result<(Endpoint, bool)> {
        let _halt = self.halt_router(scope.0).await;
        let (mut tx, turn) = self.begin_change().await?;
        let here = self.here(scope.0).await?;
        let change = |endpoint: &mut Endpoint| change(endpoint, here);
        let written = self.endpoint_write(&mut tx, actor, scope, (action, id), change);
        let (endpoint, changed) = written.await?;
        if changed {
            self.commit_change(tx, &turn, scope.0).await?;
            self.registry.update_endpoint(endpoint.clone());
            self.outbox_nudge();
            self.flow_refresh(id);
        }
        Ok((endpoint, changed))
    }

    /// The same inside a transaction; who commits it makes it known.
    async fn endpoint_write(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        scope: Scope,
        (action, id): (&str, EndpointId),
        change: impl FnOnce(&mut Endpoint) -> bool,
    ) -> Result<(Endpoint, bool)> {
        let mut endpoint = store::endpoint::get(tx, scope, id)
            .await?
            .ok_or_else(|| Error::not_found("endpoint", id))?;
        if endpoint.status == EndpointStatus::Deleted {
            return Err(Error::Conflict(format!(
                "endpoint {id} is DELETED: a user must register a new one"
            )));
        }
        let before = endpoint.clone();
        if !change(&mut endpoint) {
            return Ok((endpoint, false));
        }
        self.endpoint_put(tx, actor, scope, action, (&before, &mut endpoint))
            .await?;
        if let Some(told) = crate::notification::told_of(&before, &endpoint) {
            self.tell_of_endpoint(tx, scope, &endpoint, told).await?;
        }
        Ok((endpoint, true))
    }

    /// Writes an endpoint that was changed, and notes it in the audit trail.
    pub(crate) async fn endpoint_put(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        scope: Scope,
        action: &str,
        (before, after): (&Endpoint, &mut Endpoint),
    ) -> Result<()> {
        after.updated_at = self.now();
        store::endpoint::update(tx, scope, after).await?;
        let detail = serde_json::json!({ "before": summary(before), "after": summary(after) });
        let subject = format!("endpoint {}", after.id);
        self.audit(tx, Some(scope), actor, (action, subject), detail)
            .await
    }

    /// An endpoint of the account, deleted ones included.
    pub fn endpoint(&self, scope: Scope, id: EndpointId) -> Result<Endpoint> {
        let entry = self
            .registry
            .endpoint(id)
            .filter(|entry| entry.endpoint.account == scope.0);
        entry
            .map(|entry| entry.endpoint.clone())
            .ok_or_else(|| Error::not_found("endpoint", id))
    }

    pub(crate) fn check_endpoint(&self, scope: Scope, id: EndpointId) -> Result<()> {
        self.endpoint(scope, id).map(drop)
    }

    pub async fn endpoints(&self, scope: Scope, page: Page) -> Result<Vec<Endpoint>> {
        let mut tx = self.db.read().await?;
        Ok(store::endpoint::list(&mut tx, scope, page).await?)
    }

    /// Keeps credentials and connection details for calling the endpoint, sealed; in effect at once. Replaces what
    /// an earlier call stated.
    pub async fn endpoint_set_attributes(
        &self,
        actor: &Actor,
        scope: Scope,
        id: EndpointId,
        attributes: HashMap<String, String>,
    ) -> Result<()> {
        let mut invalid = Invalid::default();
        if attributes.is_empty() {
            invalid.add("/attributes", "required", "send at least one attribute");
        }
        if attributes.len() > ATTRIBUTES_MAX {
            invalid.add(
                "/attributes",
                "too-many",
                format!(
                    "{} attributes; at most {ATTRIBUTES_MAX} are taken",
                    attributes.len()
                ),
            );
        }
        for (name, value) in &attributes {
            if value.len() > ATTRIBUTE_BYTES_MAX {
                let pointer = format!("/attributes/{}", model::invalid::token(name));
                invalid.add(
                    pointer,
                    "too-long",
                    format!(
                        "is {} bytes long; at most {ATTRIBUTE_BYTES_MAX} are taken",
                        value.len()
                    ),
                );
            }
        }
        invalid.or(())?;
        let clear = serde_json::to_vec(&attributes).map_err(Error::internal)?;
        let sealed = self.vault.seal(&purpose(id, Sealed::Attributes), &clear)?;
        let mut names: Vec<&String> = attributes.keys().collect();
        names.sort();
        let (mut tx, turn) = self.begin_change().await?;
        store::endpoint::put_sealed(&mut tx, scope, id, Sealed::Attributes, sealed).await?;
        let detail = serde_json::json!({ "names": names });
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("endpoint.attributes", format!("endpoint {id}")),
            detail,
        )
        .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        self.reload_secrets(scope, id).await
    }

    /// The event-only key of an endpoint, made at the first call; the same afterwards.
    pub async fn endpoint_event_key(
        &self,
        actor: &Actor,
        scope: Scope,
        id: EndpointId,
    ) -> Result<Secret> {
        self.check_endpoint(scope, id)?;
        let (mut tx, turn) = self.begin_change().await?;
        if let Some(sealed) = store::endpoint::sealed(&mut tx, scope, id, Sealed::EventKey).await? {
            let clear = self.vault.open(&purpose(id, Sealed::EventKey), &sealed)?;
            let secret = Secret::new(String::from_utf8_lossy(&clear));
            let hash = model::key::KeyHash::of(secret.expose());
            if self.registry.key(&hash, self.now()).is_some() {
                return Ok(secret);
            }
            // It was revoked: a new one takes its place.
        }
        let (key, secret) = self
            .key_issue(&mut tx, scope, Some(id), KeyLevel::Event)
            .await?;
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("endpoint.eventkey", format!("endpoint {id}")),
            serde_json::json!({}),
        )
        .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        self.registry.put_key(&key);
        Ok(secret)
    }

    /// The signing secrets of pushes to the endpoint, newest first.
    pub fn webhook_secrets(&self, scope: Scope, id: EndpointId) -> Result<Vec<Secret>> {
        self.check_endpoint(scope, id)?;
        Ok(self
            .registry
            .endpoint(id)
            .map(|entry| entry.secrets().webhook.clone())
            .unwrap_or_default())
    }

    /// A new signing secret; the one before stays valid (pushes are signed with both) until the next rotation.
    pub async fn webhook_secret_rotate(
        &self,
        actor: &Actor,
        scope: Scope,
        id: EndpointId,
    ) -> Result<Secret> {
        let (mut tx, turn) = self.begin_change().await?;
        let mut secrets = vec![outbound::signature::generate_secret()];
        secrets.extend(
            self.webhook_secrets(scope, id)?
                .iter()
                .map(|secret| secret.expose().to_owned()),
        );
        secrets.truncate(WEBHOOK_SECRETS_MAX);
        self.put_webhook_secrets(&mut tx, scope, id, &secrets)
            .await?;
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("endpoint.webhooksecret", format!("endpoint {id}")),
            serde_json::json!({}),
        )
        .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        self.reload_secrets(scope, id).await?;
        Ok(Secret::new(secrets.swap_remove(0)))
    }

    async fn put_webhook_secrets(
        &self,
        tx: &mut Tx,
        scope: Scope,
        id: EndpointId,
        secrets: &[String],
    ) -> Result<()> {
        let clear = serde_json::to_vec(secrets).map_err(Error::internal)?;
        let sealed = self
            .vault
            .seal(&purpose(id, Sealed::WebhookSecrets), &clear)?;
        Ok(store::endpoint::put_sealed(tx, scope, id, Sealed::WebhookSecrets, sealed).await?)
    }
}

/// What the audit trail keeps of an endpoint's state.
fn summary(endpoint: &Endpoint) -> Value {
    serde_json::json!({ "status": endpoint.status, "enabled": endpoint.enabled, "definition": endpoint.definition })
}
