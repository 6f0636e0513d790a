//! Applications: products that a provider defines once. Created, shown, changed, made public, deleted.
//!
//! A change reaches every endpoint that was made from the application, in the same transaction ([`effects`]).

mod effects;
mod made;

use engine::Tx;
use model::{Application, ApplicationId, EndpointDefinition, Invalid, Visibility};
use serde_json::Value;

pub use effects::{Effect, TypeChange};
pub use made::Made;

use crate::{Actor, Error, Hub, Page, Result, Scope};

/// Applications of one account: a provider has some products, not thousands.
const APPLICATIONS_MAX: i64 = 200;
/// Endpoints that a refusal names; the others are counted.
const NAMED_MAX: usize = 20;

/// Whether a change is made, or only its effects are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    Real,
    Dry,
}

impl Hub {
    /// A new application, which only its own account sees.
    pub async fn application_create(
        &self,
        actor: &Actor,
        scope: Scope,
        body: &Value,
    ) -> Result<Application> {
        self.account(scope)?;
        let mut tx = self.db.begin().await?;
        self.check_application(&mut tx, body, Invalid::default())
            .await?;
        let count = store::application::count(&mut tx, scope).await?;
        if count >= APPLICATIONS_MAX {
            let message = format!(
                "the account has {count} applications; at most {APPLICATIONS_MAX} are kept"
            );
            return Err(Error::Conflict(message));
        }
        let now = self.now();
        let application = store::application::insert(&mut tx, scope, kept(body), now).await?;
        let about = (
            "application.create",
            format!("application {}", application.id),
        );
        let detail = serde_json::json!({ "after": application.document });
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        tx.commit().await?;
        Ok(application)
    }

    /// An application that the account sees: its own, or a public one of its environment.
    pub async fn application(&self, scope: Scope, id: ApplicationId) -> Result<Application> {
        let mut tx = self.db.read().await?;
        seen(&mut tx, scope, id).await
    }

    /// One of the account's own.
    pub async fn application_own(&self, scope: Scope, id: ApplicationId) -> Result<Application> {
        let mut tx = self.db.read().await?;
        own(&mut tx, scope, id).await
    }

    /// The account's own.
    pub async fn applications(&self, scope: Scope, page: Page) -> Result<Vec<Application>> {
        let mut tx = self.db.read().await?;
        Ok(store::application::list(&mut tx, scope, page).await?)
    }

    /// Replaces the document, and brings the endpoints that were made from the application up to date; answers which.
    ///
    /// # Errors
    /// [`Error::Invalid`] also when an endpoint could not be what it is any longer: nothing is changed then.
    pub async fn application_put(
        &self,
        actor: &Actor,
        scope: Scope,
        id: ApplicationId,
        body: &Value,
        run: Run,
    ) -> Result<(Application, Vec<Effect>)> {
        let (mut tx, turn) = self.begin_change().await?;
        let before = own(&mut tx, scope, id).await?;
        self.check_application(&mut tx, body, check_id(body, id))
            .await?;
        let after = Application {
            document: kept(body),
            updated_at: self.now(),
            ..before.clone()
        };
        let effects = self.effects_of(&mut tx, &after).await?;
        if run == Run::Dry {
            return Ok((after, effects));
        }
        store::application::update(&mut tx, scope, &after).await?;
        let about = ("application.change", format!("application {id}"));
        let detail = serde_json::json!({ "before": before.document, "after": after.document });
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        let put = self.put_effects(&mut tx, actor, &effects).await?;
        self.commit_changes(tx, &turn, put.accounts(scope)).await?;
        self.make_known(put);
        Ok((after, effects))
    }

    /// Shows it to all accounts of its environment, or to its own only. Endpoints that were made from it stay.
    pub async fn application_set_visibility(
        &self,
        actor: &Actor,
        scope: Scope,
        id: ApplicationId,
        visibility: Visibility,
    ) -> Result<Application> {
        let mut tx = self.db.begin().await?;
        let mut application = own(&mut tx, scope, id).await?;
        let before = application.visibility;
        if before == visibility {
            return Ok(application);
        }
        application.visibility = visibility;
        application.updated_at = self.now();
        store::application::update(&mut tx, scope, &application).await?;
        let about = ("application.visibility", format!("application {id}"));
        let detail = serde_json::json!({ "before": before, "after": visibility });
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        tx.commit().await?;
        Ok(application)
    }

    /// Deletes it with its deployments.
    ///
    /// # Errors
    /// [`Error::Invalid`] while an endpoint refers to it.
    pub async fn application_delete(
        &self,
        actor: &Actor,
        scope: Scope,
        id: ApplicationId,
    ) -> Result<()> {
        // Under the lock under which endpoints are made from applications.
        let (mut tx, _turn) = self.begin_change().await?;
        let application = own(&mut tx, scope, id).await?;
        refuse_while_used(&mut tx, id, None).await?;
        store::application::delete(&mut tx, scope, id).await?;
        let about = ("application.delete", format!("application {id}"));
        let detail = serde_json::json!({ "before": application.document });
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Every violation of the document at once, after those that were found already.
    async fn check_application(
        &self,
        tx: &mut Tx,
        body: &Value,
        found: Invalid,
    ) -> Result<EndpointDefinition> {
        let (definition, mut invalid) = Invalid::split(EndpointDefinition::parse_application(body));
        for violation in found.violations {
            invalid.push(violation);
        }
        self.check_definition(tx, body, &mut invalid).await?;
        Ok(invalid.join(definition)?)
    }
}

/// What is kept of a document: what was sent, but for members that have a meaning of their own in answers (clients tell
/// errors from answers by `message`).
pub(crate) fn kept(body: &Value) -> Value {
    let mut document = body.clone();
    if let Some(members) = document.as_object_mut() {
        members.remove("id");
        members.remove("message");
    }
    document
}

/// Whoever reads an application and sends it back sends its id too: it must be this one.
fn check_id(body: &Value, id: ApplicationId) -> Invalid {
    let said = match &body["id"] {
        Value::Null => return Invalid::default(),
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    if said == Some(id.0) {
        return Invalid::default();
    }
    let message =
        format!("is not {id}, the application that the path names; an id does not change");
    Invalid::one("/id", "id", message)
}

pub(crate) async fn own(tx: &mut Tx, scope: Scope, id: ApplicationId) -> Result<Application> {
    let found = store::application::get(tx, scope, id).await?;
    found.ok_or_else(|| Error::not_found("application", id))
}

pub(crate) async fn seen(tx: &mut Tx, scope: Scope, id: ApplicationId) -> Result<Application> {
    let found = store::application::seen(tx, scope, id).await?;
    found.ok_or_else(|| Error::not_found("application", id))
}

/// Refuses to delete what endpoints are made from, and names them.
pub(crate) async fn refuse_while_used(
    tx: &mut Tx,
    id: ApplicationId,
    deployment: Option<&model::DeploymentId>,
) -> Result<()> {
    let used = store::registration::of_application(tx, id, deployment).await?;
    if used.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = used
        .iter()
        .take(NAMED_MAX)
        .map(|registration| registration.endpoint.to_string())
        .collect();
    let more = match used.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = match deployment {
        Some(deployment) => format!("deployment {deployment} of application {id}"),
        None => format!("application {id}"),
    };
    let message = format!(
        "{what} is what endpoints {}{more} are made from: it can be deleted when they are",
        names.join(", ")
    );
    Err(Invalid::one("", "in-use", message).into())
}
