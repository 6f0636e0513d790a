//! Keys: issued, rotated with an overlap, revoked at once. A key is shown once; only its hash is kept.

use std::time::Duration;

use engine::Tx;
use model::key::{self, KeyHash, KeyLevel};
use model::{EndpointId, Invalid, KeyId, Secret};
use store::endpoint::Sealed;
use store::key::{Key, KeysOf};

use crate::registry::purpose;
use crate::{Actor, Error, Hub, Result, Scope};

impl Hub {
    /// Makes a key in a transaction. The caller puts it into the registry once that has committed.
    pub(crate) async fn key_issue(
        &self,
        tx: &mut Tx,
        scope: Scope,
        endpoint: Option<EndpointId>,
        level: KeyLevel,
    ) -> Result<(Key, Secret)> {
        let secret = key::compose(level, random()?);
        let shown = key::prefix(secret.expose());
        let hash = KeyHash::of(secret.expose());
        let key =
            store::key::insert(tx, scope, endpoint, level, (hash, &shown), self.now()).await?;
        let kept = match level {
            // Calls to the endpoint carry its key, so it is kept, sealed, beside the hash.
            KeyLevel::Endpoint => Some(Sealed::CallKey),
            // Whoever asks for it is given the same event key again.
            KeyLevel::Event => Some(Sealed::EventKey),
            KeyLevel::Account => None,
        };
        if let (Some(id), Some(kept)) = (endpoint, kept) {
            let clear = secret.expose().as_bytes();
            let sealed = self.vault.seal(&purpose(id, kept), clear)?;
            store::endpoint::put_sealed(tx, scope, id, kept, sealed).await?;
        }
        Ok((key, secret))
    }

    pub async fn keys(&self, scope: Scope, of: KeysOf) -> Result<Vec<Key>> {
        let mut tx = self.db.read().await?;
        Ok(store::key::list(&mut tx, scope, of).await?)
    }

    /// A new key of the same level beside the old ones, which end after `overlap`.
    pub async fn key_rotate(
        &self,
        actor: &Actor,
        scope: Scope,
        endpoint: Option<EndpointId>,
        level: KeyLevel,
        overlap: Duration,
    ) -> Result<(Key, Secret)> {
        check_owner(endpoint, level)?;
        if let Some(id) = endpoint {
            self.check_endpoint(scope, id)?;
        }
        let now = self.now();
        let (mut tx, turn) = self.begin_change().await?;
        let of = endpoint.map_or(KeysOf::Account, KeysOf::Endpoint);
        let old = store::key::list(&mut tx, scope, of).await?;
        let mut ended = Vec::new();
        for mut key in old {
            let is_live = key.revoked_at.is_none() && key.expires_at.is_none_or(|end| end > now);
            if key.level == level && is_live {
                let end = now + overlap;
                store::key::expire(&mut tx, scope, key.id, end).await?;
                key.expires_at = Some(key.expires_at.map_or(end, |earlier| earlier.min(end)));
                ended.push(key);
            }
        }
        let (key, secret) = self.key_issue(&mut tx, scope, endpoint, level).await?;
        let detail = serde_json::json!({ "level": level, "endpointId": endpoint, "overlapSeconds": overlap.as_secs() });
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("key.rotate", format!("key {}", key.id)),
            detail,
        )
        .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        for old in &ended {
            self.registry.put_key(old);
        }
        self.registry.put_key(&key);
        if let Some(id) = endpoint {
            self.reload_secrets(scope, id).await?;
        }
        Ok((key, secret))
    }

    /// Ends a key at once.
    pub async fn key_revoke(&self, actor: &Actor, scope: Scope, id: KeyId) -> Result<()> {
        let now = self.now();
        let (mut tx, turn) = self.begin_change().await?;
        let key = store::key::get(&mut tx, scope, id).await?;
        let mut key = key.ok_or_else(|| Error::not_found("key", id))?;
        store::key::revoke(&mut tx, scope, id, now).await?;
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("key.revoke", format!("key {id}")),
            serde_json::json!({ "before": {
                "level": key.level, "endpointId": key.endpoint, "prefix": key.prefix, "expiresAt": key.expires_at,
            } }),
        )
        .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        key.revoked_at = Some(now);
        self.registry.put_key(&key);
        Ok(())
    }

    /// An endpoint's secrets changed: opened again for the registry.
    pub(crate) async fn reload_secrets(&self, scope: Scope, id: EndpointId) -> Result<()> {
        let mut tx = self.db.read().await?;
        let secrets = crate::registry::Secrets::load(&mut tx, &self.vault, scope, id).await?;
        self.registry.put_secrets(id, secrets);
        self.flow_refresh(id);
        Ok(())
    }
}

/// What keys, sessions, tokens and tickets are made of.
pub(crate) fn random() -> Result<[u8; 32]> {
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(|error| Error::internal(error.to_string()))?;
    Ok(random)
}

/// Account keys are nobody's endpoint's; the other levels are always an endpoint's.
fn check_owner(endpoint: Option<EndpointId>, level: KeyLevel) -> Result<()> {
    let (code, message) = match (level, endpoint) {
        (KeyLevel::Account, Some(_)) => ("unexpected", "an account key belongs to no endpoint"),
        (KeyLevel::Endpoint | KeyLevel::Event, None) => {
            ("required", "name the endpoint whose key is to be rotated")
        }
        _ => return Ok(()),
    };
    Err(Invalid::one("/endpointId", code, message).into())
}
