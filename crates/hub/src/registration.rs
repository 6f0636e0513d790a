//! Endpoints that are made from applications: what each takes from there and what is its own.
//!
//! An endpoint is made from an application when a user registered it from one, or when its provider's call names one.
//! What its call states wins, and is remembered, so that a later change of the application leaves it alone.
//!
//! A user's registration answers what the onboarding asks for; for `DIRECTCONNECT` the call to the provider is put into the
//! outbox in the transaction that makes the endpoint, so there is neither without the other. `docs/onboarding.md` says what
//! is sent.

use engine::Tx;
use model::application::{self, Named};
use model::invalid::{Invalid, shown};
use model::onboarding::{Answered, Onboarding, OnboardingType, Prompt};
use model::{
    Account, Application, ApplicationId, Authentication, Deployment, DeploymentId, Endpoint,
    EndpointId, EventType, OutboxId, Secret,
};
use serde_json::{Map, Value, json};
use store::outbox::OutboxRow;
use store::registration::Registration;

use crate::application::seen;
use crate::outbox::Outgoing;
use crate::registry::Secrets;
use crate::{Actor, Error, Hub, Page, Result, Scope};

/// What the document that goes to `connectUrl` is called, so that it may change one day.
const CONNECT_VERSION: &str = "1";

/// What a user registers.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRegistration {
    pub application: ApplicationId,
    /// May be left out when the application leaves no choice.
    pub deployment: Option<DeploymentId>,
    /// Answers to the prompts, by their names.
    pub values: Map<String, Value>,
}

/// An application that an account may choose.
#[derive(Debug, Clone)]
pub struct Choice {
    pub application: Application,
    pub deployments: Vec<DeploymentChoice>,
}

/// A deployment of it, and how one is taken on.
#[derive(Debug, Clone)]
pub struct DeploymentChoice {
    pub deployment: Deployment,
    /// `None`: its provider says nothing about that; the endpoint's key is to be handed over by hand.
    pub kind: Option<OnboardingType>,
    pub instructions: Option<String>,
    pub prompts: Vec<Prompt>,
}

/// What an endpoint was made from, and how the call to its provider went.
#[derive(Debug, Clone)]
pub struct MadeFromView {
    pub application: ApplicationId,
    pub application_name: String,
    pub deployment: Option<DeploymentId>,
    pub connect: Option<OutboxRow>,
}

/// The application and the deployment that an endpoint is made from.
pub(crate) struct MadeFrom {
    application: Application,
    deployment: Option<DeploymentId>,
}

impl MadeFrom {
    /// The registration that comes of it when the endpoint's own call says this.
    pub(crate) fn overlay(&self, body: &Value) -> Value {
        application::overlay(&self.application.document, &application::stated(body))
    }

    pub(crate) fn ids(&self) -> (Option<ApplicationId>, Option<DeploymentId>) {
        (Some(self.application.id), self.deployment.clone())
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

    /// The applications that the account may choose, its own and public ones, with their deployments.
    pub async fn registration_choices(&self, scope: Scope, page: Page) -> Result<Vec<Choice>> {
        self.account(scope)?;
        let mut tx = self.db.read().await?;
        let mut choices = Vec::new();
        for application in store::application::list_seen(&mut tx, scope, page).await? {
            choices.push(self.choice(&mut tx, application).await?);
        }
        Ok(choices)
    }

    /// One of them.
    pub async fn registration_choice(&self, scope: Scope, id: ApplicationId) -> Result<Choice> {
        self.account(scope)?;
        let mut tx = self.db.read().await?;
        let application = seen(&mut tx, scope, id).await?;
        self.choice(&mut tx, application).await
    }

    async fn choice(&self, tx: &mut Tx, application: Application) -> Result<Choice> {
        let owner = Scope(application.account);
        let mut deployments = Vec::new();
        for deployment in store::deployment::list(tx, owner, application.id).await? {
            let which = (application.id, &deployment.id);
            let onboarding = self.onboarding_open(tx, owner, which).await?;
            deployments.push(DeploymentChoice {
                kind: onboarding.as_ref().map(|one| one.kind),
                prompts: onboarding
                    .as_ref()
                    .map(Onboarding::prompts)
                    .unwrap_or_default(),
                instructions: onboarding.and_then(|one| one.instructions),
                deployment,
            });
        }
        Ok(Choice {
            application,
            deployments,
        })
    }

    /// A user's registration from an application: the endpoint, PENDING, and its key, which is shown this once. The
    /// provider is called, if that is how its users are taken on.
    pub async fn registration_create(
        &self,
        actor: &Actor,
        scope: Scope,
        new: &NewRegistration,
    ) -> Result<(Endpoint, Secret)> {
        let account = self.account(scope)?;
        let (mut tx, turn) = self.begin_change().await?;
        let owner = self.chosen(&mut tx, scope, new.application).await?;
        let deployment = pick(&mut tx, owner, new).await?;
        let onboarding = match &deployment {
            Some(id) => {
                self.onboarding_open(&mut tx, owner, (new.application, id))
                    .await?
            }
            None => None,
        };
        // Who says nothing asks nothing.
        let onboarding = onboarding.unwrap_or_else(Onboarding::nothing);
        let answered = onboarding.fill(&new.values)?;
        let (endpoint, key, secret) = self.endpoint_insert(&mut tx, scope).await?;
        let registration = Registration {
            endpoint: endpoint.id,
            account: scope.0,
            application: new.application,
            deployment: deployment.clone(),
            stated: None,
            created_at: endpoint.created_at,
        };
        store::registration::put(&mut tx, scope, &registration).await?;
        let about = (&account, new.application, deployment.as_ref());
        let connect = self
            .put_connect(
                &mut tx,
                about,
                (&endpoint, &secret),
                (&onboarding, &answered),
            )
            .await?;
        self.put_answers(
            &mut tx,
            scope,
            endpoint.id,
            &answered,
            (&new.values, connect),
        )
        .await?;
        // Names only: an answer may be a password.
        let names: Vec<&String> = new.values.keys().collect();
        let detail = json!({ "applicationId": new.application, "deploymentId": deployment, "answered": names, "connects": connect.is_some() });
        let about = ("endpoint.register", format!("endpoint {}", endpoint.id));
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        let mut read = self.db.read().await?;
        let secrets = Secrets::load(&mut read, &self.vault, scope, endpoint.id).await?;
        self.registry
            .put_endpoint(endpoint.clone(), Vec::new(), secrets);
        self.registry.put_key(&key);
        self.outbox_nudge();
        Ok((endpoint, secret))
    }

    /// Puts the call to the provider into the outbox, if one is to be made.
    async fn put_connect(
        &self,
        tx: &mut Tx,
        (account, application, deployment): (&Account, ApplicationId, Option<&DeploymentId>),
        (endpoint, key): (&Endpoint, &Secret),
        (onboarding, answered): (&Onboarding, &Answered),
    ) -> Result<Option<OutboxId>> {
        let is_direct = onboarding.kind == OnboardingType::DirectConnect;
        let Some(url) = onboarding.connect_url.clone().filter(|_| is_direct) else {
            return Ok(None);
        };
        let body = json!({
            "version": CONNECT_VERSION,
            "endpointId": endpoint.id,
            "endpointKey": key.expose(),
            "applicationId": application,
            "deploymentId": deployment,
            "accountId": account.id,
            "accountName": account.name,
            "environment": account.environment,
            "baseUrl": self.base_url(account.environment),
            "extraFields": answered.extra_fields,
        });
        let outgoing = Outgoing::Connect {
            endpoint: endpoint.id,
            url,
            authentication: answered.authentication.clone(),
            body,
        };
        let scope = Some(Scope(account.id));
        self.outbox_put(tx, scope, &outgoing).await.map(Some)
    }

    /// Whose application it is that the account chose.
    async fn chosen(&self, tx: &mut Tx, scope: Scope, id: ApplicationId) -> Result<Scope> {
        match store::application::seen(tx, scope, id).await? {
            Some(application) => Ok(Scope(application.account)),
            None => {
                let message =
                    format!("there is no application {id} that this account could choose");
                Err(Invalid::one("/applicationId", "unknown-application", message).into())
            }
        }
    }

    async fn put_answers(
        &self,
        tx: &mut Tx,
        scope: Scope,
        endpoint: EndpointId,
        answered: &Answered,
        (values, connect): (&Map<String, Value>, Option<OutboxId>),
    ) -> Result<()> {
        let credentials = answered
            .authentication
            .as_ref()
            .map(Authentication::to_json);
        let clear = json!({ "values": values, "authentication": credentials }).to_string();
        let sealed = self.vault.seal(&purpose(endpoint), clear.as_bytes())?;
        Ok(store::registration::put_answers(tx, scope, endpoint, (sealed, connect)).await?)
    }

    /// What was answered when the endpoint was registered, opened: the values, and the credentials as they were then.
    pub(crate) async fn answers_open(
        &self,
        tx: &mut Tx,
        scope: Scope,
        endpoint: EndpointId,
    ) -> Result<Option<(Map<String, Value>, Option<Authentication>)>> {
        let (sealed, _) = store::registration::answers(tx, scope, endpoint).await?;
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let clear = self.vault.open(&purpose(endpoint), &sealed)?;
        let mut clear: Value = serde_json::from_slice(&clear).map_err(Error::internal)?;
        let credentials = match &clear["authentication"] {
            Value::Null => None,
            stated => Some(Authentication::from_json(stated)?),
        };
        let values = clear["values"].as_object_mut().map(std::mem::take);
        Ok(Some((values.unwrap_or_default(), credentials)))
    }

    /// What an endpoint of the account was made from; `None` when it stands on its own.
    pub async fn endpoint_made_from(
        &self,
        scope: Scope,
        endpoint: EndpointId,
    ) -> Result<Option<MadeFromView>> {
        let mut tx = self.db.read().await?;
        let Some(made) = store::registration::get(&mut tx, scope, endpoint).await? else {
            return Ok(None);
        };
        let application = store::application::of_endpoint(&mut tx, scope, endpoint).await?;
        let connect = match store::registration::answers(&mut tx, scope, endpoint)
            .await?
            .1
        {
            Some(id) => store::outbox::get(&mut tx, Some(scope), id).await?,
            None => None,
        };
        Ok(Some(MadeFromView {
            application: made.application,
            application_name: application
                .map(|one| one.display_name().to_owned())
                .unwrap_or_default(),
            deployment: made.deployment,
            connect,
        }))
    }
}

/// The deployment that is meant: the one that is named, or the only one.
async fn pick(tx: &mut Tx, owner: Scope, new: &NewRegistration) -> Result<Option<DeploymentId>> {
    let known = store::deployment::list(tx, owner, new.application).await?;
    let is_known = |id: &DeploymentId| known.iter().any(|one| one.id == *id);
    let names: Vec<&str> = known.iter().map(|one| one.id.as_str()).collect();
    let (code, message) = match (&new.deployment, known.as_slice()) {
        (Some(id), _) if is_known(id) => return Ok(Some(id.clone())),
        (Some(id), _) => (
            "unknown-deployment",
            format!("application {} has no deployment {id}", new.application),
        ),
        (None, []) => return Ok(None),
        (None, [only]) => return Ok(Some(only.id.clone())),
        (None, _) => (
            "required",
            format!(
                "the application has several deployments: name one of `{}`",
                names.join("`, `")
            ),
        ),
    };
    Err(Invalid::one("/deploymentId", code, message).into())
}

/// What binds sealed answers to their endpoint.
fn purpose(endpoint: EndpointId) -> String {
    format!("registration {endpoint}")
}
