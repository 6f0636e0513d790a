//! Identity filters: what an endpoint keeps out of the graph, and what the graph does not give to it.
//!
//! `publish`: what the endpoint publishes under a name is delivered as ever, but is not learned and finds nobody.
//! `subscribe`: nothing that is known beside what was published is added under that name.

use model::EndpointId;
use serde_json::json;
use store::identity_filter::IdentityFilter;

use crate::{Actor, Error, Hub, Result, Scope};

impl Hub {
    /// Filters of an account, by id; of one endpoint, of one identifier's name, or of all.
    pub fn identity_filters(
        &self,
        scope: Scope,
        endpoint: Option<EndpointId>,
        identifier: Option<&str>,
    ) -> Vec<IdentityFilter> {
        let mut filters: Vec<IdentityFilter> = Vec::new();
        for entry in self.registry.endpoints() {
            let id = entry.endpoint.id;
            if entry.endpoint.account == scope.0 && endpoint.is_none_or(|wanted| wanted == id) {
                filters.extend(self.registry.identity_filters(id));
            }
        }
        filters.retain(|filter| identifier.is_none_or(|name| filter.identifier == name));
        filters.sort_unstable_by_key(|filter| filter.id);
        filters
    }

    /// Puts a filter in the place of the one that the endpoint had for this identifier. In effect with the next event.
    pub async fn identity_filter_put(
        &self,
        actor: &Actor,
        scope: Scope,
        mut filter: IdentityFilter,
    ) -> Result<IdentityFilter> {
        let endpoint = self.endpoint(scope, filter.endpoint)?;
        let mut names = endpoint.definition.identifiers();
        if !names.any(|identifier| identifier.name == filter.identifier) {
            let message = format!(
                "endpoint {} has no identifier of this name: register it with PUT /v1/endpoint, or correct the name (letter case matters)",
                filter.endpoint
            );
            return Err(
                model::Invalid::one("/identifierName", "unknown-identifier", message).into(),
            );
        }
        let (mut tx, turn) = self.begin_change().await?;
        filter.id = store::identity_filter::put(&mut tx, scope, &filter).await?;
        let detail = json!({ "after": { "identifierName": filter.identifier,
            "publishFilter": filter.publish, "subscribeFilter": filter.subscribe } });
        let subject = format!("endpoint {}", filter.endpoint);
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("identity-filter.put", subject),
            detail,
        )
        .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        self.registry.put_identity_filter(filter.clone());
        Ok(filter)
    }

    pub async fn identity_filter_delete(&self, actor: &Actor, scope: Scope, id: i64) -> Result<()> {
        let (mut tx, turn) = self.begin_change().await?;
        let filter = store::identity_filter::get(&mut tx, scope, id).await?;
        let filter = filter.ok_or_else(|| Error::not_found("identity filter", id))?;
        store::identity_filter::delete(&mut tx, scope, id).await?;
        let detail = json!({ "before": { "identifierName": filter.identifier,
            "publishFilter": filter.publish, "subscribeFilter": filter.subscribe } });
        let subject = format!("endpoint {}", filter.endpoint);
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("identity-filter.delete", subject),
            detail,
        )
        .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        self.registry.forget_identity_filter(&filter);
        Ok(())
    }
}
