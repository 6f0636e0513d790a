//! Deployments (features) of applications and their event types, which all endpoints made from a deployment have.

use engine::Tx;
use model::deployment::{differences, parse};
use model::{ApplicationId, Deployment, DeploymentId, EndpointId, EventType, EventTypeId, Invalid};
use serde_json::Value;

use crate::application::{Effect, Run, kept, own, refuse_while_used, seen};
use crate::event_type::{self, EVENT_TYPES_MAX};
use crate::{Actor, Error, Hub, Result, Scope};

/// Deployments of one application.
const DEPLOYMENTS_MAX: usize = 100;

/// A deployment, within its application.
pub type Which<'a> = (ApplicationId, &'a DeploymentId);

impl Hub {
    /// A new deployment, under the id that was given or one that is made.
    pub async fn deployment_create(
        &self,
        actor: &Actor,
        scope: Scope,
        application: ApplicationId,
        body: &Value,
    ) -> Result<Deployment> {
        let given = parse(body)?;
        let mut tx = self.db.begin().await?;
        own(&mut tx, scope, application).await?;
        let known = store::deployment::list(&mut tx, scope, application).await?;
        if known.len() >= DEPLOYMENTS_MAX {
            let message = format!(
                "the application has {} deployments; at most {DEPLOYMENTS_MAX} are kept",
                known.len()
            );
            return Err(Error::Conflict(message));
        }
        let is_taken = |id: &DeploymentId| known.iter().any(|known| known.id == *id);
        let id = match given {
            Some(id) if is_taken(&id) => {
                let message = format!(
                    "application {application} has a deployment {id} already: change it with PUT"
                );
                return Err(Error::Conflict(message));
            }
            Some(id) => id,
            None => loop {
                let number = store::deployment::next_number(&mut tx).await?;
                let id = DeploymentId::numbered(number);
                // Callers give numbers too.
                if !is_taken(&id) {
                    break id;
                }
            },
        };
        let now = self.now();
        let deployment = Deployment {
            application,
            account: scope.0,
            id,
            document: kept(body),
            created_at: now,
            updated_at: now,
        };
        store::deployment::insert(&mut tx, scope, &deployment).await?;
        let detail = serde_json::json!({ "after": deployment.document });
        let about = ("deployment.create", subject((application, &deployment.id)));
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        tx.commit().await?;
        Ok(deployment)
    }

    /// A deployment of an application that the account sees.
    pub async fn deployment(&self, scope: Scope, which: Which<'_>) -> Result<Deployment> {
        let mut tx = self.db.read().await?;
        let owner = Scope(seen(&mut tx, scope, which.0).await?.account);
        deployment(&mut tx, owner, which).await
    }

    /// All deployments of an application that the account sees, in the order of their creation.
    pub async fn deployments(
        &self,
        scope: Scope,
        application: ApplicationId,
    ) -> Result<Vec<Deployment>> {
        let mut tx = self.db.read().await?;
        let owner = Scope(seen(&mut tx, scope, application).await?.account);
        Ok(store::deployment::list(&mut tx, owner, application).await?)
    }

    /// Replaces the document.
    pub async fn deployment_put(
        &self,
        actor: &Actor,
        scope: Scope,
        which: Which<'_>,
        body: &Value,
    ) -> Result<Deployment> {
        if let Some(id) = parse(body)?.filter(|id| id != which.1) {
            let message = format!(
                "is {id}, and the path names {}; an id does not change",
                which.1
            );
            return Err(Invalid::one("/id", "id", message).into());
        }
        let mut tx = self.db.begin().await?;
        own(&mut tx, scope, which.0).await?;
        let before = deployment(&mut tx, scope, which).await?;
        let after = Deployment {
            document: kept(body),
            updated_at: self.now(),
            ..before.clone()
        };
        store::deployment::update(&mut tx, scope, &after).await?;
        let detail = serde_json::json!({ "before": before.document, "after": after.document });
        let about = ("deployment.change", subject(which));
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Deletes it with its event types.
    ///
    /// # Errors
    /// [`Error::Invalid`] while an endpoint refers to it.
    pub async fn deployment_delete(
        &self,
        actor: &Actor,
        scope: Scope,
        which: Which<'_>,
    ) -> Result<()> {
        // Under the lock under which endpoints are made from applications.
        let (mut tx, _turn) = self.begin_change().await?;
        own(&mut tx, scope, which.0).await?;
        let before = deployment(&mut tx, scope, which).await?;
        refuse_while_used(&mut tx, which.0, Some(which.1)).await?;
        store::deployment::delete(&mut tx, scope, which.0, which.1).await?;
        let detail = serde_json::json!({ "before": before.document });
        let about = ("deployment.delete", subject(which));
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        Ok(tx.commit().await?)
    }

    /// The event types of a deployment of an application that the account sees.
    pub async fn deployment_event_types(
        &self,
        scope: Scope,
        which: Which<'_>,
    ) -> Result<Vec<EventType>> {
        let mut tx = self.db.read().await?;
        let owner = Scope(seen(&mut tx, scope, which.0).await?.account);
        deployment(&mut tx, owner, which).await?;
        Ok(store::deployment::event_types(&mut tx, owner, which.0, which.1).await?)
    }

    /// Registers one event type, or an array of them, for all endpoints that are made from the deployment; answers their
    /// ids and what that does to the endpoints that there are.
    pub async fn deployment_register(
        &self,
        actor: &Actor,
        scope: Scope,
        which: Which<'_>,
        body: &Value,
        run: Run,
    ) -> Result<(Vec<EventTypeId>, Vec<Effect>)> {
        let types = event_types(body)?;
        let (mut tx, turn) = self.begin_change().await?;
        own(&mut tx, scope, which.0).await?;
        deployment(&mut tx, scope, which).await?;
        self.check_types(&mut tx, scope, which, &types).await?;
        let mut ids = Vec::with_capacity(types.len());
        for event_type in &types {
            ids.push(store::deployment::put_event_type(&mut tx, scope, which, event_type).await?);
        }
        let all = store::deployment::event_types(&mut tx, scope, which.0, which.1).await?;
        if all.len() > EVENT_TYPES_MAX {
            let message = format!(
                "the deployment would have {} event types; at most {EVENT_TYPES_MAX} are kept",
                all.len()
            );
            return Err(Invalid::one("", "too-many", message).into());
        }
        let effects = self.effects_of_types(&mut tx, which, &all).await?;
        if run == Run::Dry {
            return Ok((ids, effects));
        }
        let codes: Vec<&str> = types.iter().map(|one| one.code.as_str()).collect();
        let detail = serde_json::json!({ "codes": codes });
        let about = ("deployment.eventtype", subject(which));
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        let put = self.put_effects(&mut tx, actor, &effects).await?;
        self.commit_changes(tx, &turn, put.accounts(scope)).await?;
        self.make_known(put);
        Ok((ids, effects))
    }

    /// Removes every registration of a code; `false` when there is none.
    pub async fn deployment_unregister(
        &self,
        actor: &Actor,
        scope: Scope,
        which: Which<'_>,
        code: &str,
        run: Run,
    ) -> Result<(bool, Vec<Effect>)> {
        let (mut tx, turn) = self.begin_change().await?;
        own(&mut tx, scope, which.0).await?;
        deployment(&mut tx, scope, which).await?;
        let all = store::deployment::event_types(&mut tx, scope, which.0, which.1).await?;
        let (gone, left): (Vec<EventType>, Vec<EventType>) =
            all.into_iter().partition(|one| one.code == code);
        if gone.is_empty() {
            return Ok((false, Vec::new()));
        }
        let effects = self.effects_of_types(&mut tx, which, &left).await?;
        if run == Run::Dry {
            return Ok((true, effects));
        }
        for event_type in gone {
            store::deployment::delete_event_type(&mut tx, scope, event_type.id).await?;
        }
        let detail = serde_json::json!({ "code": code });
        let about = ("deployment.eventtype.delete", subject(which));
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        let put = self.put_effects(&mut tx, actor, &effects).await?;
        self.commit_changes(tx, &turn, put.accounts(scope)).await?;
        self.make_known(put);
        Ok((true, effects))
    }

    /// An event type is the same in all features of an application.
    async fn check_types(
        &self,
        tx: &mut Tx,
        scope: Scope,
        which: Which<'_>,
        types: &[EventType],
    ) -> Result<()> {
        let known = store::deployment::all_event_types(tx, scope, which.0).await?;
        for event_type in types {
            let others = known
                .iter()
                .filter(|(deployment, other)| deployment != which.1 && other.is_same(event_type));
            for (deployment, other) in others {
                let differences = differences(other, event_type);
                if !differences.is_empty() {
                    return Err(Error::Conflict(format!(
                        "event type `{}` is defined in feature {deployment} already, and an event type is the same in all features of an application: {}",
                        event_type.code,
                        differences.join("; ")
                    )));
                }
            }
        }
        Ok(())
    }
}

/// One event type, or an array of them, each by its place.
fn event_types(body: &Value) -> Result<Vec<EventType>> {
    let Value::Array(items) = body else {
        return Ok(vec![event_type::parse(EndpointId(0), "", body)?]);
    };
    let mut invalid = Invalid::default();
    if items.len() > EVENT_TYPES_MAX {
        let message = format!(
            "{} event types; at most {EVENT_TYPES_MAX} are taken",
            items.len()
        );
        return Err(Invalid::one("", "too-many", message).into());
    }
    let mut types: Vec<EventType> = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        match event_type::parse(EndpointId(0), &format!("/{i}"), item) {
            Ok(event_type) => {
                if types.iter().any(|known| known.is_same(&event_type)) {
                    let message = format!("`{}` is defined twice", event_type.code);
                    invalid.add(format!("/{i}/code"), "duplicate", message);
                }
                types.push(event_type);
            }
            Err(wrong) => {
                invalid.more += wrong.more;
                for violation in wrong.violations {
                    invalid.push(violation);
                }
            }
        }
    }
    Ok(invalid.or(types)?)
}

pub(crate) async fn deployment(
    tx: &mut Tx,
    owner: Scope,
    (application, id): Which<'_>,
) -> Result<Deployment> {
    let found = store::deployment::get(tx, owner, application, id).await?;
    found.ok_or_else(|| Error::not_found("deployment", id))
}

pub(crate) fn subject((application, id): Which<'_>) -> String {
    format!("deployment {id} of application {application}")
}
