//! Supplier keys: the client id and secret that a provider gave to the operator, so that documents need to name only the
//! key and a refresh token (`OAuthRefreshTokenOnly`).
//!
//! A key is for one token server: whoever knows it could otherwise have the secret sent to a server of their own.

use model::authentication::origin;
use model::{Invalid, ProviderId, Secret, SupplierKeyId};
use serde_json::json;
pub use store::supplier_key::SupplierKey;

use crate::{Actor, Error, Hub, Page, Result};

/// Why a supplier key is not used.
pub(crate) const ELSEWHERE: &str = "the supplier key is for another token server than this authURL: state the one that it was given out for";

/// Hexadecimal digits of a generated key.
const KEY_CHARS: usize = 32;

/// What a provider gave to the operator.
#[derive(Debug, Clone)]
pub struct NewSupplierKey {
    /// The token server; only its scheme, host and port count.
    pub auth_url: String,
    pub client_id: String,
    pub client_secret: Secret,
}

/// What binds a sealed secret to its row.
fn purpose(id: SupplierKeyId) -> String {
    format!("supplier key {id}")
}

impl Hub {
    /// Stores a client id and secret and answers the key that documents name.
    pub async fn supplier_key_create(
        &self,
        actor: &Actor,
        provider: ProviderId,
        new: NewSupplierKey,
    ) -> Result<SupplierKey> {
        let mut invalid = Invalid::default();
        self.check_url("/authUrl", &new.auth_url, &mut invalid);
        for (pointer, value) in [
            ("/clientId", new.client_id.as_str()),
            ("/clientSecret", new.client_secret.expose()),
        ] {
            if value.contains(char::is_control) {
                let message = "holds line breaks or other control characters: copy it again";
                invalid.add(pointer, "characters", message);
            }
        }
        invalid.or(())?;
        let mut tx = self.db.begin().await?;
        self.check_provider(&mut tx, provider).await?;
        let mut random = store::vault::new_key()?;
        random.truncate(KEY_CHARS);
        let key = SupplierKey {
            id: store::supplier_key::take_id(&mut tx).await?,
            provider,
            name: format!("rs_{random}"),
            auth_url: new.auth_url,
            client_id: new.client_id,
            created_at: self.now(),
        };
        let clear = new.client_secret.expose().as_bytes();
        let sealed = self.vault.seal(&purpose(key.id), clear)?;
        store::supplier_key::insert(&mut tx, &key, sealed).await?;
        let detail = json!({ "providerId": provider, "tokenServer": origin(Some(&key.auth_url)) });
        let subject = format!("supplier key {}", key.id);
        self.audit(
            &mut tx,
            None,
            actor,
            ("supplierkey.create", subject),
            detail,
        )
        .await?;
        tx.commit().await?;
        Ok(key)
    }

    /// A provider's keys, without the secrets.
    pub async fn supplier_keys(
        &self,
        provider: ProviderId,
        page: Page,
    ) -> Result<Vec<SupplierKey>> {
        let mut tx = self.db.read().await?;
        self.check_provider(&mut tx, provider).await?;
        Ok(store::supplier_key::list(&mut tx, provider, page).await?)
    }

    /// Forgets a key and its secret. What still names it cannot sign in from then on; its notifications wait.
    pub async fn supplier_key_delete(
        &self,
        actor: &Actor,
        provider: ProviderId,
        id: SupplierKeyId,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        if !store::supplier_key::delete(&mut tx, provider, id).await? {
            return Err(Error::not_found("supplier key", id));
        }
        let detail = json!({ "providerId": provider });
        let subject = format!("supplier key {id}");
        self.audit(
            &mut tx,
            None,
            actor,
            ("supplierkey.delete", subject),
            detail,
        )
        .await?;
        Ok(tx.commit().await?)
    }

    async fn check_provider(&self, tx: &mut engine::Tx, id: ProviderId) -> Result<()> {
        let found = store::provider::get(tx, id).await?;
        found
            .map(drop)
            .ok_or_else(|| Error::not_found("provider", id))
    }

    /// The key that documents name so, and its secret.
    pub(crate) async fn supplier_secret(
        &self,
        name: &str,
    ) -> Result<Option<(SupplierKey, Secret)>> {
        let mut tx = self.db.read().await?;
        let Some((key, sealed)) = store::supplier_key::by_name(&mut tx, name).await? else {
            return Ok(None);
        };
        let clear = self.vault.open(&purpose(key.id), &sealed)?;
        Ok(Some((key, Secret::new(String::from_utf8_lossy(&clear)))))
    }
}
