//! Providers: companies whose products connect. Known to the operator.

use jiff::Timestamp;
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
        let now: Timestamp = self.now();
        let mut tx = self.db.begin().await?;
        if store::provider::by_name(&mut tx, name).await?.is_some() {
            return Err(Error::Conflict(format!(
                "there is a provider named {name} already"
            )));
        }
        let provider = store::provider::insert(&mut tx, name, now).await?;
        let detail = serde_json::json!({ "name": name });
        self.audit(
            &mut tx,
            None,
            actor,
            ("provider.create", format!("provider {}", provider.id)),
            detail,
        )
        .await?;
        tx.commit().await?;
        Ok(provider)
    }

    pub async fn providers(&self, page: Page) -> Result<Vec<Provider>> {
        let mut tx = self.db.read().await?;
        Ok(store::provider::list(&mut tx, page).await?)
    }
}
