//! Partners: from a company's request to its product in production, step by step, each by an operator.
//!
//! The machine is `model::partner`; what a step does besides moving on (accounts, keys, mails) is written in the same
//! transaction, and so is the history. A step that was taken already changes nothing and answers as before. Secrets leave
//! in mails of their own (`mails`), never with the account's name; no answer and no audit entry has them. Called by `api`.

mod mails;
mod promotion;

use engine::Tx;
use model::key::KeyLevel;
use model::partner::{Certificate, Request, Stage, Step, Taken, take};
use model::{Account, AccountPolicy, Environment, Invalid, PartnerId, User};
use serde_json::{Value, json};
use store::key::{Key, KeysOf};
pub use store::partner::{Partner, StepTaken};

pub use promotion::Review;

use crate::provider::NAME_CHARS_MAX;
use crate::{Actor, Error, Hub, Page, Result, Scope};

/// The mark of a certified product where none is named.
pub const MARK: &str = "Ready for Rialto";

/// Requests of one person that nobody has answered yet: whoever sends more is not in a hurry but in a loop.
const OPEN_MAX: usize = 5;

/// What an operator states when a review ends well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificate {
    /// `None`: [`MARK`].
    pub mark: Option<String>,
    pub version: String,
    pub licence: String,
    pub licence_version: String,
    /// Open items of the checklist that are not asked for.
    pub waive: Vec<String>,
}

impl Hub {
    /// A company asks to connect a product.
    pub async fn partner_request(&self, actor: &Actor, request: Request) -> Result<Partner> {
        check_request(&request)?;
        let mut tx = self.db.begin().await?;
        let partner = store::partner::insert(&mut tx, &request, self.now()).await?;
        let detail = json!({ "company": request.company, "product": request.product, "contact": request.contact });
        self.add_step(&mut tx, actor, &partner, "request", detail)
            .await?;
        tx.commit().await?;
        Ok(partner)
    }

    /// The same by somebody who is signed in: what is written about it goes to their own address.
    ///
    /// # Errors
    /// [`Error::Conflict`] while too many of their requests wait for an answer.
    pub async fn partner_ask(
        &self,
        actor: &Actor,
        user: &User,
        request: Request,
    ) -> Result<Partner> {
        let known = self.partners_of(user).await?;
        let open = known.iter().filter(|p| p.stage == Stage::Requested).count();
        if open >= OPEN_MAX {
            let why = format!("{open} of your requests wait for an answer: ask again after that");
            return Err(Error::Conflict(why));
        }
        let contact = user.email.to_string();
        self.partner_request(actor, Request { contact, ..request })
            .await
    }

    /// The partners that are written to at somebody's address, oldest first.
    pub async fn partners_of(&self, user: &User) -> Result<Vec<Partner>> {
        let mut tx = self.db.read().await?;
        let mut found = Vec::new();
        let mut page = Page {
            after: 0,
            limit: 1_000,
        };
        loop {
            let some = store::partner::list(&mut tx, None, page).await?;
            let Some(last) = some.last() else {
                return Ok(found);
            };
            page.after = last.id.0;
            let is_theirs =
                |p: &Partner| p.request.contact.eq_ignore_ascii_case(user.email.as_str());
            found.extend(some.into_iter().filter(is_theirs));
        }
    }

    /// The partner whose pilot account this is, if it is one's.
    pub async fn partner_of_pilot(&self, scope: Scope) -> Result<Option<Partner>> {
        let mut tx = self.db.read().await?;
        Ok(store::partner::of_pilot(&mut tx, scope).await?)
    }

    pub async fn partner(&self, id: PartnerId) -> Result<Partner> {
        let mut tx = self.db.read().await?;
        found(&mut tx, id).await
    }

    /// All partners, or those at one stage.
    pub async fn partners(&self, stage: Option<Stage>, page: Page) -> Result<Vec<Partner>> {
        let mut tx = self.db.read().await?;
        Ok(store::partner::list(&mut tx, stage, page).await?)
    }

    /// Who did what when, from the request on.
    pub async fn partner_history(&self, id: PartnerId) -> Result<Vec<StepTaken>> {
        let mut tx = self.db.read().await?;
        found(&mut tx, id).await?;
        Ok(store::partner::history(&mut tx, id).await?)
    }

    /// Takes the company in: its provider, an account in pilot, and two mails.
    pub async fn partner_nominate(&self, actor: &Actor, id: PartnerId) -> Result<Partner> {
        let (mut tx, turn) = self.begin_change().await?;
        let (mut partner, from) = begin(&mut tx, id, Step::Nominate).await?;
        let Some(from) = from else {
            return Ok(partner);
        };
        let company = partner.request.company.clone();
        if store::provider::by_name(&mut tx, &company).await?.is_none() {
            self.provider_insert(&mut tx, actor, &company).await?;
        }
        let account = self
            .account_for(&mut tx, actor, &partner, Environment::Pilot)
            .await?;
        let key = self.hand_out(&mut tx, &partner, &account).await?;
        partner.pilot = Some(account.id);
        let detail = json!({ "accountId": account.id, "provider": company });
        self.end(&mut tx, actor, (&partner, from), Step::Nominate, detail)
            .await?;
        self.commit_change(tx, &turn, account.id).await?;
        self.registry.put_account(account);
        self.registry.put_key(&key);
        self.outbox_nudge();
        Ok(partner)
    }

    /// The company says that it is ready to be looked at.
    pub async fn partner_review(&self, actor: &Actor, id: PartnerId) -> Result<Partner> {
        let mut tx = self.db.begin().await?;
        let (partner, from) = begin(&mut tx, id, Step::Review).await?;
        let Some(from) = from else {
            return Ok(partner);
        };
        self.end(&mut tx, actor, (&partner, from), Step::Review, json!({}))
            .await?;
        tx.commit().await?;
        Ok(partner)
    }

    /// The review ends well: everything on the checklist is done, does not apply, or is waived by name.
    ///
    /// # Errors
    /// [`Error::Conflict`] names what is open.
    pub async fn partner_certify(
        &self,
        actor: &Actor,
        id: PartnerId,
        new: NewCertificate,
    ) -> Result<Partner> {
        let partner = self.partner(id).await?;
        if take(id, partner.stage, Step::Certify).map_err(Error::Conflict)? == Taken::Already {
            return Ok(partner);
        }
        let items = self.partner_checklist(id).await?;
        let mut tx = self.db.begin().await?;
        let (mut partner, from) = begin(&mut tx, id, Step::Certify).await?;
        let Some(from) = from else {
            return Ok(partner);
        };
        check_waived(&items, &new.waive)?;
        let certificate = Certificate {
            mark: new.mark.unwrap_or_else(|| MARK.to_owned()),
            version: new.version,
            licence: new.licence,
            licence_version: new.licence_version,
            date: self.now(),
            waived: new.waive,
        };
        let detail = json!({ "certificate": certificate });
        let mail = mails::certified(&partner, &certificate);
        partner.certificate = Some(certificate);
        self.end(&mut tx, actor, (&partner, from), Step::Certify, detail)
            .await?;
        self.outbox_put(&mut tx, None, &mail).await?;
        tx.commit().await?;
        self.outbox_nudge();
        Ok(partner)
    }

    /// It does not go on, for a reason that the company is told. The keys of its pilot account end.
    pub async fn partner_decline(
        &self,
        actor: &Actor,
        id: PartnerId,
        reason: &str,
    ) -> Result<Partner> {
        let now = self.now();
        let (mut tx, turn) = self.begin_change().await?;
        let (partner, from) = begin(&mut tx, id, Step::Decline).await?;
        let Some(from) = from else {
            return Ok(partner);
        };
        let mut ended = Vec::new();
        if let Some(pilot) = partner.pilot {
            for mut key in store::key::list(&mut tx, Scope(pilot), KeysOf::All).await? {
                if store::key::revoke(&mut tx, Scope(pilot), key.id, now).await? {
                    key.revoked_at = Some(now);
                    ended.push(key);
                }
            }
        }
        let detail = json!({ "reason": reason, "keysRevoked": ended.len() });
        self.end(&mut tx, actor, (&partner, from), Step::Decline, detail)
            .await?;
        let mail = mails::declined(&partner, reason);
        self.outbox_put(&mut tx, None, &mail).await?;
        match partner.pilot {
            Some(pilot) => self.commit_change(tx, &turn, pilot).await?,
            None => tx.commit().await?,
        }
        for key in &ended {
            self.registry.put_key(key);
        }
        self.outbox_nudge();
        Ok(partner)
    }

    async fn account_for(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        partner: &Partner,
        environment: Environment,
    ) -> Result<Account> {
        let name = format!("{} ({})", partner.request.company, environment.as_str());
        let policy = AccountPolicy::default();
        self.account_insert(tx, actor, (&name, environment), &policy)
            .await
    }

    /// Issues a key for an account and writes the two mails about it: one says where and as whom, the other brings the key
    /// and says nothing else. Once that has committed, the caller puts the key into the registry.
    async fn hand_out(&self, tx: &mut Tx, partner: &Partner, account: &Account) -> Result<Key> {
        let scope = Scope(account.id);
        let (key, secret) = self.key_issue(tx, scope, None, KeyLevel::Account).await?;
        let base = self.base_url(account.environment);
        for mail in [
            mails::welcome(partner, account, base),
            mails::key(partner, &secret),
        ] {
            self.outbox_put(tx, None, &mail).await?;
        }
        Ok(key)
    }

    /// Writes where the partner stands now, and how it came there.
    async fn end(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        (partner, from): (&Partner, Stage),
        step: Step,
        detail: Value,
    ) -> Result<()> {
        let mut partner = partner.clone();
        partner.updated_at = self.now();
        if !store::partner::update(tx, &partner, from).await? {
            let why = format!("partner {} was changed meanwhile: look again", partner.id);
            return Err(Error::Conflict(why));
        }
        self.add_step(tx, actor, &partner, step.as_str(), detail)
            .await
    }

    async fn add_step(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        partner: &Partner,
        step: &str,
        detail: Value,
    ) -> Result<()> {
        let taken = StepTaken {
            id: 0,
            step: step.to_owned(),
            stage: partner.stage,
            actor: actor.name().unwrap_or_else(|| actor.to_string()),
            detail: detail.clone(),
            created_at: self.now(),
        };
        store::partner::add_step(tx, partner.id, &taken).await?;
        let action = format!("partner.{step}");
        let subject = format!("partner {}", partner.id);
        self.audit(tx, None, actor, (&action, subject), detail)
            .await
    }
}

/// The partner where it stands after a step, and where it stood; `None`: it stood there already.
async fn begin(tx: &mut Tx, id: PartnerId, step: Step) -> Result<(Partner, Option<Stage>)> {
    let mut partner = found(tx, id).await?;
    match take(id, partner.stage, step).map_err(Error::Conflict)? {
        Taken::Already => Ok((partner, None)),
        Taken::Moves(to) => {
            let from = std::mem::replace(&mut partner.stage, to);
            Ok((partner, Some(from)))
        }
    }
}

async fn found(tx: &mut Tx, id: PartnerId) -> Result<Partner> {
    let found = store::partner::get(tx, id).await?;
    found.ok_or_else(|| Error::not_found("partner", id))
}

fn check_request(request: &Request) -> Result<()> {
    let mut invalid = Invalid::default();
    for (pointer, text) in [
        ("/company", &request.company),
        ("/product", &request.product),
        ("/exchanges", &request.exchanges),
    ] {
        if text.trim().is_empty() {
            invalid.add(pointer, "required", "send a non-empty string");
        } else if text.chars().count() > NAME_CHARS_MAX {
            let message = format!("is longer than {NAME_CHARS_MAX} characters");
            invalid.add(pointer, "too-long", message);
        }
    }
    if let Err(why) = outbound::mail::check_address(&request.contact) {
        invalid.add("/contact", "mail-address", why);
    }
    Ok(invalid.or(())?)
}

fn check_waived(items: &[model::partner::checklist::Item], waive: &[String]) -> Result<()> {
    use model::partner::checklist::State;
    let mut invalid = Invalid::default();
    for (at, id) in waive.iter().enumerate() {
        if !items.iter().any(|item| item.id == *id) {
            let ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
            let message = format!("is not on the checklist: expected {}", ids.join(", "));
            invalid.add(format!("/waive/{at}"), "unknown-value", message);
        }
    }
    invalid.or(())?;
    let open: Vec<&str> = items
        .iter()
        .filter(|item| item.state == State::Open && !waive.contains(&item.id))
        .map(|item| item.id.as_str())
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "the checklist is not done: {} open; let the partner do them in pilot, or name them in `waive`",
        open.join(", ")
    )))
}
