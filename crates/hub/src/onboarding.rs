//! How accounts are taken on: the onboarding document of each deployment, and the notifications that it defines.
//!
//! The document is shown as it was sent, with masks for its secrets; with them it rests sealed.

use engine::Tx;
use model::notification::NotificationTarget;
use model::onboarding::{Onboarding, mask, unmask};
use model::reader::Reader;
use model::{EndpointId, Invalid, authentication};
use serde_json::{Value, json};
use store::deployment::SealedOnboarding;

use crate::application::{kept, own};
use crate::deployment::{Which, deployment, subject};
use crate::{Actor, Error, Hub, Result, Scope};

/// What binds a sealed document to its deployment.
fn purpose((application, id): Which<'_>) -> String {
    format!("onboarding {application} {id}")
}

impl Hub {
    /// Says how accounts are taken on, in the place of what was said before; answers the document with masks.
    pub async fn onboarding_put(
        &self,
        actor: &Actor,
        scope: Scope,
        which: Which<'_>,
        body: &Value,
    ) -> Result<Value> {
        let (read, mut invalid) = Invalid::split(Onboarding::parse(body));
        self.check_onboarding(body, &mut invalid).await?;
        let mut tx = self.db.begin().await?;
        own(&mut tx, scope, which.0).await?;
        deployment(&mut tx, scope, which).await?;
        let stored = self.onboarding_open(&mut tx, scope, which).await?;
        let onboarding = invalid.join(read)?.keep(stored.as_ref())?;
        let mut document = kept(body);
        unmask(&mut document, onboarding.authentication.as_ref());
        let sealed = self
            .vault
            .seal(&purpose(which), document.to_string().as_bytes())?;
        let mut shown = kept(body);
        mask(&mut shown);
        let before = store::deployment::onboarding(&mut tx, scope, which).await?;
        let after = SealedOnboarding {
            shown: shown.clone(),
            sealed,
        };
        store::deployment::put_onboarding(&mut tx, scope, which, Some(after)).await?;
        let detail = json!({ "before": before.map(|one| one.shown), "after": shown });
        let about = ("onboarding.define", subject(which));
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        tx.commit().await?;
        Ok(shown)
    }

    /// What depends on more than the document itself. Read tolerantly, so that all violations are told together.
    async fn check_onboarding(&self, body: &Value, invalid: &mut Invalid) -> Result<()> {
        let Some(reader) = Reader::new(body, "", &mut Invalid::default()) else {
            return Ok(());
        };
        for name in ["connectUrl", "subscriptionNotificationUrl"] {
            let name = authentication::spelling(&reader, name);
            let url = reader.get(name).and_then(Value::as_str).map(str::trim);
            if let Some(url) = url.filter(|url| !url.is_empty()) {
                self.check_url(&reader.pointer(name), url, invalid);
            }
        }
        match authentication::object(&reader, &mut Invalid::default()) {
            Some(stated) => self.check_authentication(&stated, invalid).await,
            None => Ok(()),
        }
    }

    /// The document with masks.
    pub async fn onboarding(&self, scope: Scope, which: Which<'_>) -> Result<Value> {
        let mut tx = self.db.read().await?;
        own(&mut tx, scope, which.0).await?;
        deployment(&mut tx, scope, which).await?;
        let found = store::deployment::onboarding(&mut tx, scope, which).await?;
        found.map(|one| one.shown).ok_or_else(|| none(which))
    }

    /// Takes it away: users are not asked any more, and nobody is called.
    pub async fn onboarding_delete(
        &self,
        actor: &Actor,
        scope: Scope,
        which: Which<'_>,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        own(&mut tx, scope, which.0).await?;
        deployment(&mut tx, scope, which).await?;
        let before = store::deployment::onboarding(&mut tx, scope, which).await?;
        let before = before.ok_or_else(|| none(which))?;
        store::deployment::put_onboarding(&mut tx, scope, which, None).await?;
        let detail = json!({ "before": before.shown });
        let about = ("onboarding.delete", subject(which));
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        Ok(tx.commit().await?)
    }

    /// The document with its secrets.
    pub(crate) async fn onboarding_open(
        &self,
        tx: &mut Tx,
        owner: Scope,
        which: Which<'_>,
    ) -> Result<Option<Onboarding>> {
        let Some(stored) = store::deployment::onboarding(tx, owner, which).await? else {
            return Ok(None);
        };
        let clear = self.onboarding_clear(which, &stored)?;
        Ok(Some(Onboarding::parse(&clear).map_err(Error::internal)?))
    }

    /// The document as it was sent.
    pub(crate) fn onboarding_clear(
        &self,
        which: Which<'_>,
        stored: &SealedOnboarding,
    ) -> Result<Value> {
        let clear = self.vault.open(&purpose(which), &stored.sealed)?;
        serde_json::from_slice(&clear).map_err(Error::internal)
    }

    /// Where the provider is told of the subscriptions of an endpoint that was made from its deployment, if it wants to
    /// be: with the credentials that the document has now, as far as its prompts were answered, else with those of the
    /// registration.
    pub(crate) async fn onboarding_notification(
        &self,
        tx: &mut Tx,
        scope: Scope,
        endpoint: EndpointId,
    ) -> Result<Option<NotificationTarget>> {
        let Some(made) = store::registration::get(tx, scope, endpoint).await? else {
            return Ok(None);
        };
        let application = store::application::of_endpoint(tx, scope, endpoint).await?;
        let Some((application, deployment)) = application.zip(made.deployment) else {
            return Ok(None);
        };
        let owner = Scope(application.account);
        let onboarding = self
            .onboarding_open(tx, owner, (application.id, &deployment))
            .await?;
        let Some(onboarding) = onboarding else {
            return Ok(None);
        };
        let Some(told) = onboarding.notifications else {
            return Ok(None);
        };
        let answers = self.answers_open(tx, scope, endpoint).await?;
        let authentication = match onboarding.authentication {
            Some(stated) if !stated.prompts().is_empty() => {
                // Nobody was asked, so nobody can sign in.
                let Some((values, then)) = answers else {
                    return Ok(None);
                };
                let now = stated.fill(&values, "/values", &mut Invalid::default());
                now.or(then)
            }
            stated => stated,
        };
        Ok(Some(NotificationTarget {
            url: told.url,
            key: None,
            kind: told.kind,
            authentication,
        }))
    }
}

fn none((application, id): Which<'_>) -> Error {
    Error::NotFound(format!(
        "onboarding of deployment {id} of application {application}"
    ))
}
