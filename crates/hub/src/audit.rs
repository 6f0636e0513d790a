//! The audit trail: every verb that changes something adds to it, in the transaction of the change.
//!
//! `detail` has what was `before` and what is `after`, where both are known; never a secret. There is no verb that
//! changes or removes an entry.

use store::audit::{Audit, AuditFilter};

use crate::{Actor, Hub, Page, Result, Scope};

impl Hub {
    /// Adds to the audit trail, in the transaction of the change.
    pub(crate) async fn audit(
        &self,
        tx: &mut engine::Tx,
        scope: Option<Scope>,
        actor: &Actor,
        (action, subject): (&str, String),
        detail: serde_json::Value,
    ) -> Result<()> {
        let origin = actor.origin();
        let entry = Audit {
            id: 0,
            account: scope.map(|s| s.0),
            actor: actor.to_string(),
            actor_name: actor.name(),
            action: action.to_owned(),
            subject,
            detail: detail.to_string(),
            address: origin.and_then(|origin| origin.address.map(|address| address.to_string())),
            request: origin.map(|origin| origin.request.clone()),
            created_at: self.now(),
        };
        Ok(store::audit::insert(tx, &entry).await?)
    }

    /// What is in the audit trail, oldest first.
    pub async fn audit_trail(&self, filter: &AuditFilter, page: Page) -> Result<Vec<Audit>> {
        let mut tx = self.db.read().await?;
        Ok(store::audit::list(&mut tx, filter, page).await?)
    }
}
