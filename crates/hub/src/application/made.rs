//! The endpoints that are made from an application, as its provider may see them: that they are there and how they stand,
//! and nothing that their accounts have said or sent.

use jiff::Timestamp;
use model::{AccountId, ApplicationId, DeploymentId, EndpointId, EndpointStatus};

use super::own;
use crate::{Hub, Page, Result, Scope};

/// One of them.
#[derive(Debug, Clone)]
pub struct Made {
    pub endpoint: EndpointId,
    pub account: AccountId,
    pub deployment: Option<DeploymentId>,
    pub status: EndpointStatus,
    pub enabled: bool,
    pub since: Timestamp,
}

impl Hub {
    /// The endpoints of all accounts that are made from one of the account's own applications, by id.
    pub async fn application_endpoints(
        &self,
        scope: Scope,
        id: ApplicationId,
        page: Page,
    ) -> Result<Vec<Made>> {
        let mut tx = self.db.read().await?;
        own(&mut tx, scope, id).await?;
        let all = store::registration::of_application(&mut tx, id, None).await?;
        let after = all.into_iter().filter(|r| r.endpoint.0 > page.after);
        let made = after.filter_map(|registration| {
            let entry = self.registry.endpoint(registration.endpoint)?;
            Some(Made {
                endpoint: registration.endpoint,
                account: registration.account,
                deployment: registration.deployment,
                status: entry.endpoint.status,
                enabled: entry.endpoint.enabled,
                since: registration.created_at,
            })
        });
        let limit = usize::try_from(page.limit).unwrap_or_default();
        Ok(made.take(limit).collect())
    }
}
