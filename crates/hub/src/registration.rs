//! Endpoints that are made from applications: what each takes from there and what is its own.
//!
//! An endpoint is made from an application when a user registered it from one, or when its provider's call names one.
//! What its call states wins, and is remembered, so that a later change of the application leaves it alone.

use engine::Tx;
use model::application::{self, Named};
use model::invalid::{Invalid, shown};
use model::{Application, DeploymentId, EndpointDefinition, EndpointId, EventType};
use serde_json::Value;
use store::registration::Registration;

use crate::{Hub, Result, Scope};

/// The application and the deployment that an endpoint is made from.
pub(crate) struct MadeFrom {
    application: Application,
    deployment: Option<DeploymentId>,
}

impl MadeFrom {
    /// What the endpoint is that states this.
    pub(crate) fn define(&self, body: &Value) -> std::result::Result<EndpointDefinition, Invalid> {
        let made_from = (self.application.id, self.deployment.clone());
        let document = &self.application.document;
        application::define(document, &application::stated(body), made_from)
    }
}

impl Hub {
    /// What an endpoint is made from, that is defined by this body; `None` when it stands on its own.
    pub(crate) async fn made_from(
        &self,
        tx: &mut Tx,
        scope: Scope,
        endpoint: EndpointId,
        body: &Value,
    ) -> Result<Option<MadeFrom>> {
        let named = Named::read(body)?;
        let before = store::registration::get(tx, scope, endpoint).await?;
        let application = match (named.application, &before) {
            (None, None) => {
                return match named.deployment {
                    None => Ok(None),
                    Some(_) => {
                        let message = "a deployment is one of an application: name that too, as `applicationId`";
                        Err(Invalid::one("/applicationId", "required", message).into())
                    }
                };
            }
            // It stays made from what it was made from, also when others do not see that any longer.
            (None, Some(_)) => store::application::of_endpoint(tx, scope, endpoint).await?,
            (Some(id), Some(before)) if before.application == id => {
                store::application::of_endpoint(tx, scope, endpoint).await?
            }
            (Some(id), _) => store::application::seen(tx, scope, id).await?,
        };
        let Some(application) = application else {
            let message = "no such application is visible to this account: use the id of one of its own, or of a public one";
            return Err(Invalid::one("/applicationId", "unknown-application", message).into());
        };
        let before = before.filter(|before| before.application == application.id);
        let deployment = named
            .deployment
            .or_else(|| before.and_then(|before| before.deployment));
        if let Some(id) = &deployment {
            let owner = Scope(application.account);
            let found = store::deployment::get(tx, owner, application.id, id).await?;
            if found.is_none() {
                let message = format!(
                    "application {} has no deployment {}",
                    application.id,
                    shown(id.as_str())
                );
                return Err(Invalid::one("/deploymentId", "unknown-deployment", message).into());
            }
        }
        Ok(Some(MadeFrom {
            application,
            deployment,
        }))
    }

    /// Remembers what the endpoint is made from and what it states itself, and gives it the event types of its
    /// deployment; answers all that it has now.
    pub(crate) async fn make_from(
        &self,
        tx: &mut Tx,
        scope: Scope,
        endpoint: EndpointId,
        made_from: &MadeFrom,
        body: &Value,
    ) -> Result<Vec<EventType>> {
        let application = &made_from.application;
        let registration = Registration {
            endpoint,
            account: scope.0,
            application: application.id,
            deployment: made_from.deployment.clone(),
            stated: Some(application::stated(body)),
            created_at: self.now(),
        };
        store::registration::put(tx, scope, &registration).await?;
        let owner = Scope(application.account);
        let types = match &made_from.deployment {
            Some(id) => store::deployment::event_types(tx, owner, application.id, id).await?,
            None => Vec::new(),
        };
        let changes = self.planned_types(tx, scope, endpoint, &types).await?;
        self.put_types(tx, scope, &changes).await?;
        Ok(store::event_type::list(tx, scope, endpoint).await?)
    }
}
