//! Tickets: an invitation, or a new password by mail. Whoever has one chooses a password, once. And the demo's, which signs
//! in whoever looks on.
//!
//! A ticket goes out by mail, to the address whose owner it is for. Only the operator is shown an invitation as well, so
//! that the first people can come in before there is mail: anybody else could take it in their place.

use engine::Tx;
use model::key::{self, KeyHash};
use model::{Email, Invalid, Secret, User, UserStatus};
use store::ticket::TicketKind;

use crate::outbox::Outgoing;
use crate::session::{NewSession, person};
use crate::sign_in::Tries;
use crate::{Error, Hub, Origin, Result};

/// What tickets begin with.
pub const TICKET_MARK: &str = "ri_";
/// How long the demo's link is good.
const DEMO_TICKET: std::time::Duration = std::time::Duration::from_secs(15 * 60);
/// Whoever looks on in the demo.
const DEMO_EMAIL: &str = "demo@example.com";

impl Hub {
    /// Gives somebody a ticket, by mail.
    pub(crate) async fn ticket_send(
        &self,
        tx: &mut Tx,
        user: &User,
        kind: TicketKind,
    ) -> Result<Secret> {
        let now = self.now();
        let life = match kind {
            TicketKind::Invitation => self.options.sign_in.invitation,
            TicketKind::Reset => self.options.sign_in.reset,
            TicketKind::SignIn => DEMO_TICKET,
        };
        let ticket = key::marked(TICKET_MARK, crate::key::random()?);
        let hash = KeyHash::of(ticket.expose());
        store::ticket::put(tx, user.id, kind, hash, (now, now + life)).await?;
        let (subject, why) = match kind {
            TicketKind::Invitation => (
                "You are invited to Rialto",
                "Somebody who runs an exchange of customer events invites you to use it.",
            ),
            TicketKind::Reset | TicketKind::SignIn => (
                "A new password for Rialto",
                "Somebody, probably you, asked for a new password. If it was not you, do nothing: your password stays.",
            ),
        };
        let base = self.base_url(model::Environment::Production);
        let text = format!(
            "{why}\n\nChoose a password on this page, which works once, until {}:\n\n    {base}/console/welcome/{secret}\n\n\
             Without a browser, the ticket is\n\n    {secret}\n\n\
             and the command: rialto user accept --server {base} --ticket <the ticket>\n",
            now + life,
            secret = ticket.expose(),
        );
        self.mail(tx, &user.email, subject, text).await?;
        Ok(ticket)
    }

    /// Sends a new password's ticket to somebody who cannot sign in. Says the same whether or not there is such a person.
    ///
    /// # Errors
    /// [`Error::Busy`] after too many tries.
    pub async fn password_reset(&self, origin: Option<&Origin>, email: &str) -> Result<()> {
        let email = email.parse::<Email>().map_err(|error| {
            Error::from(Invalid::one("/email", "unknown-value", error.to_string()))
        })?;
        self.count_try(&Tries::new("reset", Some(&email), origin))
            .await?;
        let mut tx = self.db.begin().await?;
        let user = store::user::by_email(&mut tx, &email).await?;
        if let Some(user) = user.filter(|user| user.status == UserStatus::Active) {
            self.ticket_send(&mut tx, &user, TicketKind::Reset).await?;
            let actor = crate::Actor::EXCHANGE.from(origin.cloned());
            let what = ("user.reset", format!("user {}", user.id));
            self.audit(&mut tx, None, &actor, what, serde_json::json!({}))
                .await?;
        }
        tx.commit().await?;
        self.outbox_nudge();
        Ok(())
    }

    /// Chooses a password by a ticket: somebody invited becomes active; all sessions so far end. The ticket stays good
    /// when the password is not.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the ticket is not good (any more); [`Error::Invalid`] when the password is not.
    pub async fn ticket_redeem(
        &self,
        origin: Option<&Origin>,
        ticket: &str,
        password: &Secret,
    ) -> Result<User> {
        let refused = || {
            let why =
                "this ticket is not good, or no longer: ask for another invitation or password";
            Error::Forbidden(why.to_owned())
        };
        let hash = KeyHash::of(ticket);
        let mut tx = self.db.read().await?;
        let found = store::ticket::get(&mut tx, hash, self.now()).await?;
        let found = found.filter(|(_, kind)| *kind != TicketKind::SignIn);
        let (id, kind) = found.ok_or_else(refused)?;
        let user = store::user::get(&mut tx, id).await?.ok_or_else(refused)?;
        drop(tx);
        let names = [user.email.as_str(), &user.name];
        let password = model::password::check("/password", password, &names)?;
        let made = self.hasher.hash(&password).await?;

        let mut tx = self.db.begin().await?;
        let is_mine = store::ticket::take(&mut tx, hash).await?;
        let user = store::user::get(&mut tx, id).await?;
        let user = user.filter(|user| is_mine && user.status != UserStatus::Disabled);
        let mut user = user.ok_or_else(refused)?;
        self.password_put(&mut tx, id, &made).await?;
        user.status = UserStatus::Active;
        store::user::put(&mut tx, &user).await?;
        store::session::delete_all(&mut tx, id, None).await?;
        // Whoever was locked out by the guesses of others comes in again.
        let tries = Tries::new("sign-in", Some(&user.email), origin);
        tries.forget(&mut tx).await?;
        let action = match kind {
            TicketKind::Invitation => "user.accept",
            TicketKind::Reset | TicketKind::SignIn => "user.password",
        };
        let actor = person(&user, None).from(origin.cloned());
        let detail = serde_json::json!({ "by": kind.as_str() });
        self.audit(
            &mut tx,
            None,
            &actor,
            (action, format!("user {id}")),
            detail,
        )
        .await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Somebody who looks on in the demo, and a ticket that signs them in, once, within [`DEMO_TICKET`]. They are an operator
    /// without a password: nobody else can sign in as them. Called by `rialto demo` and by nothing else.
    pub async fn demo_ticket(&self) -> Result<Secret> {
        let email = crate::user::check_email(DEMO_EMAIL)?;
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let known = store::user::by_email(&mut tx, &email).await?;
        let user = match known {
            Some(user) => user,
            None => {
                let as_what = (true, UserStatus::Active);
                let user = store::user::insert(&mut tx, &email, "Demo", as_what, now).await?;
                let what = ("user.demo", format!("user {}", user.id));
                let actor = crate::Actor::EXCHANGE;
                let detail = serde_json::json!({ "after": crate::user::shown(&user) });
                self.audit(&mut tx, None, &actor, what, detail).await?;
                user
            }
        };
        let ticket = key::marked(TICKET_MARK, crate::key::random()?);
        let hash = KeyHash::of(ticket.expose());
        let life = (now, now + DEMO_TICKET);
        store::ticket::put(&mut tx, user.id, TicketKind::SignIn, hash, life).await?;
        tx.commit().await?;
        Ok(ticket)
    }

    /// Signs somebody in by the demo's ticket; the session's token is shown this once.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the ticket is not good (any more).
    pub async fn ticket_enter(
        &self,
        origin: Option<&Origin>,
        agent: Option<&str>,
        ticket: &str,
    ) -> Result<(User, crate::Session, Secret)> {
        let refused = || {
            let why = "this link is not good, or no longer: it works once, for a few minutes";
            Error::Forbidden(why.to_owned())
        };
        let hash = KeyHash::of(ticket);
        let mut tx = self.db.begin().await?;
        let found = store::ticket::get(&mut tx, hash, self.now()).await?;
        let found = found.filter(|(_, kind)| *kind == TicketKind::SignIn);
        let (id, _) = found.ok_or_else(refused)?;
        let is_mine = store::ticket::take(&mut tx, hash).await?;
        let user = store::user::get(&mut tx, id).await?;
        let user = user.filter(|user| is_mine && user.status == UserStatus::Active);
        let mut user = user.ok_or_else(refused)?;
        let new = NewSession {
            origin,
            agent,
            how: "ticket",
        };
        let (session, token) = self.session_open(&mut tx, &mut user, &new).await?;
        tx.commit().await?;
        Ok((user, session, token))
    }

    /// A mail that goes out once the transaction is committed.
    async fn mail(&self, tx: &mut Tx, to: &Email, subject: &str, text: String) -> Result<()> {
        let mail = Outgoing::Mail {
            to: to.to_string(),
            subject: subject.to_owned(),
            text,
        };
        self.outbox_put(tx, None, &mail).await?;
        Ok(())
    }
}
