//! Notices: what the exchange did or saw by itself and a person must know.

use model::EndpointId;
use store::notice::Notice;

use crate::{Hub, Page, Result, Scope};

impl Hub {
    pub(crate) async fn notify_people(
        &self,
        scope: Scope,
        endpoint: Option<EndpointId>,
        kind: &str,
        message: &str,
    ) -> Result<()> {
        tracing::warn!(
            account_id = scope.0.0,
            endpoint_id = endpoint.map(|e| e.0),
            kind,
            "{message}"
        );
        let mut tx = self.db.begin().await?;
        store::notice::insert(&mut tx, scope, endpoint, kind, message, self.now()).await?;
        Ok(tx.commit().await?)
    }

    pub async fn notices(&self, scope: Scope, page: Page) -> Result<Vec<Notice>> {
        let mut tx = self.db.read().await?;
        Ok(store::notice::list(&mut tx, scope, page).await?)
    }

    /// The latest first; at most `limit`.
    pub async fn latest_notices(&self, scope: Scope, limit: i64) -> Result<Vec<Notice>> {
        let mut tx = self.db.read().await?;
        Ok(store::notice::latest(&mut tx, scope, limit).await?)
    }
}
