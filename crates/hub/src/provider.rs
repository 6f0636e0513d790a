//! Providers: companies whose products connect. Known to the operator.

use engine::Tx;
use model::{Invalid, Provider};

use crate::{Actor, Error, Hub, Page, Result};

/// Longest name of anything people name, in characters.
pub(crate) const NAME_CHARS_MAX: usize = 256;

/// A name that people can read: not blank, bounded.
pub(crate) fn check_name(name: &str) -> Result<&str> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Invalid::one(
            "/name",
            "required",
            "`name` is required: send a non-empty string",
        )
        .into());
    }
    if name.chars().count() > NAME_CHARS_MAX {
        let message = format!("is longer than {NAME_CHARS_MAX} characters");
        return Err(Invalid::one("/name", "too-long", message).into());
    }
    Ok(name)
}

impl Hub {
    /// Makes a provider known, so that endpoints may name it.
    pub async fn provider_create(&self, actor: &Actor, name: &str) -> Result<Provider> {
        let name = check_name(name)?;
        let mut tx = self.db.begin().await?;
        if store::provider::by_name(&mut tx, name).await?.is_some() {
            return Err(Error::Conflict(format!(
                "there is a provider named {name} already"
            )));
        }
        let provider = self.provider_insert(&mut tx, actor, name).await?;
        tx.commit().await?;
        Ok(provider)
    }

    /// Adds a provider in a transaction; the name is nobody's.
    pub(crate) async fn provider_insert(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        name: &str,
    ) -> Result<Provider> {
        let provider = store::provider::insert(tx, name, self.now()).await?;
        let detail = serde_json::json!({ "name": name });
        let subject = format!("provider {}", provider.id);
        self.audit(tx, None, actor, ("provider.create", subject), detail)
            .await?;
        Ok(provider)
    }

    pub async fn providers(&self, page: Page) -> Result<Vec<Provider>> {
        let mut tx = self.db.read().await?;
        Ok(store::provider::list(&mut tx, page).await?)
    }
}
