//! Promotion: what was certified in pilot goes to production, as a difference that somebody has reviewed.
//!
//! Both sides are written as one document, under the numbers of pilot: applications with their visibility, deployments,
//! event types and onboarding, whose secrets are masked and compared in clear. What differs is shown by JSON pointer; the digest of pilot's document says what was looked at, and only
//! that is promoted. The copy is made by the verbs of applications, one after the other, so endpoints follow as always;
//! one that fails in between leaves a smaller difference, and promoting again does the rest.

use std::collections::BTreeMap;

use engine::Tx;
use model::difference::{Difference, difference};
use model::partner::{Step, take};
use model::{
    AccountId, ApplicationId, DeploymentId, Environment, EventType, PartnerId, Visibility,
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use store::partner::Partner;

use super::{begin, found};
use crate::application::Run;
use crate::{Actor, Error, Hub, Page, Result, Scope};

/// More than an account may have.
const ALL: Page = Page {
    after: 0,
    limit: 10_000,
};

/// What differs between pilot and production, and the digest that says that it was this that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Review {
    pub digest: String,
    pub differences: Vec<Difference>,
}

/// The applications of an account, each as a document, under the numbers of pilot.
type Applications = BTreeMap<ApplicationId, Value>;

/// An onboarding document with its secrets, by the number of pilot and the deployment.
type Onboardings = BTreeMap<(ApplicationId, DeploymentId), Value>;

/// Both sides, and which application became which.
struct Sides {
    pilot: Applications,
    production: Applications,
    pairs: BTreeMap<ApplicationId, ApplicationId>,
    /// Of pilot.
    onboardings: Onboardings,
    /// Of all that is sealed in pilot: a secret that changed is another pilot, though nobody sees how.
    sealed: Sha256,
}

/// How an onboarding's secrets are written: whether they are those of pilot.
const AS_IN_PILOT: &str = "as in pilot";
const OTHERS: &str = "others than in pilot";

impl Sides {
    fn review(&self) -> Review {
        let (pilot, production) = (document(&self.pilot), document(&self.production));
        let digest = self.sealed.clone().chain_update(pilot.to_string());
        Review {
            digest: model::hashing::hex(&digest.finalize()),
            differences: difference(&production, &pilot),
        }
    }
}

impl Hub {
    /// What a promotion would change in production now.
    pub async fn partner_difference(&self, id: PartnerId) -> Result<Review> {
        let mut tx = self.db.read().await?;
        let partner = found(&mut tx, id).await?;
        Ok(self.sides(&mut tx, &partner).await?.review())
    }

    /// Brings production to what was reviewed; the first time with an account, its key, and the mails about both. Answers
    /// what was done.
    ///
    /// # Errors
    /// [`Error::Conflict`] when pilot is not what it was when the digest was told.
    pub async fn partner_promote(
        &self,
        actor: &Actor,
        id: PartnerId,
        digest: &str,
    ) -> Result<(Partner, Vec<Difference>)> {
        let _turn = self.partnering.lock().await;
        let mut tx = self.db.read().await?;
        let partner = found(&mut tx, id).await?;
        take(id, partner.stage, Step::Promote).map_err(Error::Conflict)?;
        let sides = self.sides(&mut tx, &partner).await?;
        drop(tx);
        let review = sides.review();
        if review.digest != digest {
            return Err(Error::Conflict(format!(
                "pilot is not what was reviewed: look at the difference again, its digest is {} now",
                review.digest
            )));
        }
        if review.differences.is_empty() && partner.stage == Step::Promote.to() {
            return Ok((partner, Vec::new()));
        }
        let production = match partner.production {
            Some(account) => account,
            None => self.production_account(actor, &partner).await?,
        };
        self.copy(actor, id, Scope(production), &sides).await?;
        let partner = self.promoted(actor, id, &review).await?;
        Ok((partner, review.differences))
    }

    /// The account in production; its key comes when everything is there.
    async fn production_account(&self, actor: &Actor, partner: &Partner) -> Result<AccountId> {
        let (mut tx, turn) = self.begin_change().await?;
        let account = self
            .account_for(&mut tx, actor, partner, Environment::Production)
            .await?;
        let mut partner = partner.clone();
        partner.production = Some(account.id);
        if !store::partner::update(&mut tx, &partner, partner.stage).await? {
            let why = format!("partner {} was changed meanwhile: look again", partner.id);
            return Err(Error::Conflict(why));
        }
        self.commit_change(tx, &turn, account.id).await?;
        let id = account.id;
        self.registry.put_account(account);
        Ok(id)
    }

    /// Writes that it was done; the first time with the mails.
    async fn promoted(&self, actor: &Actor, id: PartnerId, review: &Review) -> Result<Partner> {
        let (mut tx, turn) = self.begin_change().await?;
        let (mut partner, from) = begin(&mut tx, id, Step::Promote).await?;
        let Some(from) = from else {
            return Ok(partner);
        };
        let Some(production) = partner.production else {
            return Err(Error::internal("a partner without an account is promoted"));
        };
        let mut key = None;
        if from != partner.stage {
            let account = self.account(Scope(production))?;
            key = Some(self.hand_out(&mut tx, &partner, &account).await?);
        }
        partner.digest = Some(review.digest.clone());
        let changes: Vec<Value> = review
            .differences
            .iter()
            .map(|d| json!({ "pointer": d.pointer, "change": d.change.as_str() }))
            .collect();
        let detail =
            json!({ "accountId": production, "digest": review.digest, "changes": changes });
        self.end(&mut tx, actor, (&partner, from), Step::Promote, detail)
            .await?;
        self.commit_change(tx, &turn, production).await?;
        if let Some(key) = key {
            self.registry.put_key(&key);
            self.outbox_nudge();
        }
        Ok(partner)
    }

    async fn sides(&self, tx: &mut Tx, partner: &Partner) -> Result<Sides> {
        let Some(pilot) = partner.pilot else {
            let why = format!(
                "partner {} is {}: it has no pilot account yet, nominate it first",
                partner.id,
                partner.stage.as_str()
            );
            return Err(Error::Conflict(why));
        };
        let pairs: BTreeMap<_, _> = store::partner::applications(tx, partner.id)
            .await?
            .into_iter()
            .collect();
        let mut sides = Sides {
            pilot: Applications::new(),
            production: Applications::new(),
            pairs,
            onboardings: Onboardings::new(),
            sealed: Sha256::new(),
        };
        for application in store::application::list(tx, Scope(pilot), ALL).await? {
            let id = application.id;
            let Some(mut written) = written(tx, Scope(pilot), id).await? else {
                continue;
            };
            for name in with_onboarding(&written) {
                let which = (id, &name);
                let stored = store::deployment::onboarding(tx, Scope(pilot), which).await?;
                let Some(stored) = stored else { continue };
                let clear = self.onboarding_clear(which, &stored)?;
                sides.sealed.update(&stored.sealed);
                written["deployments"][name.as_str()]["onboardingSecrets"] = json!(AS_IN_PILOT);
                sides.onboardings.insert((id, name), clear);
            }
            sides.pilot.insert(id, written);
        }
        if let Some(production) = partner.production {
            let production = Scope(production);
            for (of_pilot, id) in sides.pairs.clone() {
                let Some(mut written) = written(tx, production, id).await? else {
                    continue;
                };
                for name in with_onboarding(&written) {
                    let which = (id, &name);
                    let stored = store::deployment::onboarding(tx, production, which).await?;
                    let Some(stored) = stored else { continue };
                    let clear = self.onboarding_clear(which, &stored)?;
                    let is_same = sides.onboardings.get(&(of_pilot, name.clone())) == Some(&clear);
                    let secrets = if is_same { AS_IN_PILOT } else { OTHERS };
                    written["deployments"][name.as_str()]["onboardingSecrets"] = json!(secrets);
                }
                sides.production.insert(of_pilot, written);
            }
        }
        Ok(sides)
    }

    /// Makes production's applications what pilot's are.
    async fn copy(
        &self,
        actor: &Actor,
        partner: PartnerId,
        production: Scope,
        sides: &Sides,
    ) -> Result<()> {
        for (of_pilot, wanted) in &sides.pilot {
            let there = sides.production.get(of_pilot);
            if there == Some(wanted) {
                continue;
            }
            let document = &wanted["document"];
            let id = match (sides.pairs.get(of_pilot), there) {
                (Some(id), Some(there)) => {
                    if there["document"] != *document {
                        self.application_put(actor, production, *id, document, Run::Real)
                            .await?;
                    }
                    *id
                }
                // Never copied, or deleted in production by somebody.
                _ => {
                    let made = self.application_create(actor, production, document).await?;
                    let mut tx = self.db.begin().await?;
                    store::partner::forget_application(&mut tx, partner, *of_pilot).await?;
                    store::partner::put_application(&mut tx, partner, (*of_pilot, made.id)).await?;
                    tx.commit().await?;
                    made.id
                }
            };
            let nothing = json!({});
            let there = there.unwrap_or(&nothing);
            self.copy_deployments(actor, (production, id), there, wanted)
                .await?;
            self.copy_onboardings(actor, (production, id), (there, wanted), (*of_pilot, sides))
                .await?;
            let visibility = wanted["visibility"].as_str().and_then(Visibility::parse);
            self.application_set_visibility(actor, production, id, visibility.unwrap_or_default())
                .await?;
        }
        for (of_pilot, id) in &sides.pairs {
            if !sides.pilot.contains_key(of_pilot) {
                if sides.production.contains_key(of_pilot) {
                    self.application_delete(actor, production, *id).await?;
                }
                let mut tx = self.db.begin().await?;
                store::partner::forget_application(&mut tx, partner, *of_pilot).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }

    async fn copy_deployments(
        &self,
        actor: &Actor,
        (scope, application): (Scope, ApplicationId),
        there: &Value,
        wanted: &Value,
    ) -> Result<()> {
        let (there, wanted) = (
            members(there, "deployments"),
            members(wanted, "deployments"),
        );
        for (name, deployment) in &wanted {
            let Ok(id) = DeploymentId::parse(&json!(name)) else {
                continue;
            };
            let which = (application, &id);
            let known = there.get(name);
            match known {
                None => {
                    // Under the same id, whoever chose it.
                    let mut body = deployment["document"].clone();
                    body["id"] = json!(name);
                    self.deployment_create(actor, scope, application, &body)
                        .await?;
                }
                Some(known) if known["document"] != deployment["document"] => {
                    let body = &deployment["document"];
                    self.deployment_put(actor, scope, which, body).await?;
                }
                Some(_) => {}
            }
            let known = known.map_or_else(Map::new, |known| members(known, "eventTypes"));
            let types = members(deployment, "eventTypes");
            let gone: Vec<&Value> = known
                .iter()
                .filter(|(key, _)| !types.contains_key(*key))
                .map(|(_, gone)| gone)
                .collect();
            for gone in &gone {
                let code = gone["code"].as_str().unwrap_or_default();
                self.deployment_unregister(actor, scope, which, code, Run::Real)
                    .await?;
            }
            // Removing a code takes all its versions: those that stay are registered again.
            let is_new = |key: &str, one: &Value| {
                known.get(key) != Some(one) || gone.iter().any(|g| g["code"] == one["code"])
            };
            let new: Vec<&Value> = types
                .iter()
                .filter(|(key, one)| is_new(key, one))
                .map(|(_, one)| one)
                .collect();
            if !new.is_empty() {
                self.deployment_register(actor, scope, which, &json!(new), Run::Real)
                    .await?;
            }
        }
        for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
            if let Ok(id) = DeploymentId::parse(&json!(name)) {
                self.deployment_delete(actor, scope, (application, &id))
                    .await?;
            }
        }
        Ok(())
    }
}

impl Hub {
    /// With their secrets: the product was certified with them.
    async fn copy_onboardings(
        &self,
        actor: &Actor,
        (scope, application): (Scope, ApplicationId),
        (there, wanted): (&Value, &Value),
        (of_pilot, sides): (ApplicationId, &Sides),
    ) -> Result<()> {
        for (name, wanted) in &members(wanted, "deployments") {
            let Ok(id) = DeploymentId::parse(&json!(name)) else {
                continue;
            };
            let which = (application, &id);
            let there = &there["deployments"][name.as_str()];
            let is_same = |part: &str| there.get(part) == wanted.get(part);
            if is_same("onboarding") && is_same("onboardingSecrets") {
                continue;
            }
            match sides.onboardings.get(&(of_pilot, id.clone())) {
                Some(clear) => {
                    self.onboarding_put(actor, scope, which, clear).await?;
                }
                None => self.onboarding_delete(actor, scope, which).await?,
            }
        }
        Ok(())
    }
}

/// The deployments that have one.
fn with_onboarding(written: &Value) -> Vec<DeploymentId> {
    let all = members(written, "deployments");
    let having = all
        .iter()
        .filter(|(_, one)| one.get("onboarding").is_some());
    having
        .filter_map(|(name, _)| DeploymentId::parse(&json!(name)).ok())
        .collect()
}

/// An application with all that hangs on it; `None` if somebody deleted it.
async fn written(tx: &mut Tx, scope: Scope, id: ApplicationId) -> Result<Option<Value>> {
    let Some(application) = store::application::get(tx, scope, id).await? else {
        return Ok(None);
    };
    let mut deployments = Map::new();
    for deployment in store::deployment::list(tx, scope, id).await? {
        let mut types = Map::new();
        for one in store::deployment::event_types(tx, scope, id, &deployment.id).await? {
            types.insert(name_of(&one), event_type(&one));
        }
        let document = without_id(deployment.document);
        let mut one = json!({ "document": document, "eventTypes": types });
        let which = (id, &deployment.id);
        if let Some(onboarding) = store::deployment::onboarding(tx, scope, which).await? {
            one["onboarding"] = onboarding.shown;
        }
        deployments.insert(deployment.id.as_str().to_owned(), one);
    }
    Ok(Some(json!({
        "document": application.document,
        "visibility": application.visibility,
        "deployments": deployments,
    })))
}

/// The id stands outside.
fn without_id(mut document: Value) -> Value {
    if let Some(members) = document.as_object_mut() {
        members.remove("id");
        members.remove("deploymentId");
        members.remove("featureId");
    }
    document
}

fn name_of(one: &EventType) -> String {
    let EventType {
        code,
        namespace,
        version,
        registration,
        ..
    } = one;
    format!("{code} {namespace} {version} {}", registration.as_str())
}

/// As it is registered.
fn event_type(one: &EventType) -> Value {
    json!({
        "code": one.code, "name": one.name, "description": one.description, "namespace": one.namespace,
        "version": one.version, "registrationType": one.registration.as_str(), "attributes": one.attributes,
    })
}

fn members(value: &Value, name: &str) -> Map<String, Value> {
    value[name].as_object().cloned().unwrap_or_default()
}

fn document(applications: &Applications) -> Value {
    let named = applications
        .iter()
        .map(|(id, written)| (id.to_string(), written.clone()));
    json!({ "applications": Map::from_iter(named) })
}
