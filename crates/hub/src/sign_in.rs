//! Signing in with e-mail and password: the same answer, in the same time, whoever is asked for, and not for ever.
//!
//! Called by `api`. Tries are counted before a password is looked at, in the database, so that parallel calls and other
//! processes count together. Hashing is the costly part: it happens off the runtime's threads, a few at a time
//! ([`Hasher`]). What a session is afterwards: [`crate::session`].

mod hasher;
mod tries;

use engine::Tx;
use model::{Email, Secret, User, UserId, UserStatus};

pub(crate) use hasher::Hasher;
pub(crate) use tries::Tries;

use crate::session::NewSession;
use crate::{Actor, Error, Hub, Origin, Result, Session};

/// Where a sealed password hash belongs.
fn purpose(user: UserId) -> String {
    format!("user {user} password")
}

/// One answer for every reason: which of them it was is nobody's business who cannot sign in.
fn refused() -> Error {
    Error::Forbidden(
        "nobody with this e-mail and this password may sign in here: check both, or ask for a new password"
            .to_owned(),
    )
}

impl Hub {
    /// Signs somebody in; the session's token is shown this once. `agent` is what they sign in with, for their list of
    /// sessions.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when it is not them; [`Error::Busy`] after too many tries, or while too many others sign in.
    pub async fn user_sign_in(
        &self,
        origin: Option<&Origin>,
        agent: Option<&str>,
        email: &str,
        password: &Secret,
    ) -> Result<(User, Session, Secret)> {
        let email = email.parse::<Email>().ok();
        let tries = Tries::new("sign-in", email.as_ref(), origin);
        self.count_try(&tries).await?;
        let mut tx = self.db.read().await?;
        let known = match &email {
            Some(email) => store::user::by_email(&mut tx, email).await?,
            None => None,
        };
        let known = known.filter(|user| user.status == UserStatus::Active);
        let hash = match &known {
            Some(user) => self.password_hash(&mut tx, user.id).await?,
            None => None,
        };
        drop(tx);
        let is_right = self.hasher.verify(password, hash).await?;
        let Some(user) = known.filter(|_| is_right) else {
            // No address of a person in the log, only of a network.
            tracing::info!(address = ?origin.and_then(|o| o.address), "a sign-in was refused");
            return Err(refused());
        };
        let mut tx = self.db.begin().await?;
        // Somebody may have been disabled meanwhile.
        let user = store::user::get(&mut tx, user.id).await?;
        let user = user.filter(|user| user.status == UserStatus::Active);
        let mut user = user.ok_or_else(refused)?;
        tries.forget(&mut tx).await?;
        let new = NewSession {
            origin,
            agent,
            how: "password",
        };
        let opened = self.session_open(&mut tx, &mut user, &new).await?;
        tx.commit().await?;
        Ok((user, opened.0, opened.1))
    }

    /// Chooses another password; all other sessions end. Tokens stay: they are not made of it.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when `old` is not the password; [`Error::Invalid`] when the new one is not good enough.
    pub async fn password_change(
        &self,
        actor: &Actor,
        bearer: &crate::Bearer,
        old: &Secret,
        new: &Secret,
    ) -> Result<()> {
        let user = &bearer.user;
        let new = model::password::check("/password", new, &[user.email.as_str(), &user.name])?;
        let tries = Tries::new("sign-in", Some(&user.email), actor.origin());
        self.count_try(&tries).await?;
        let hash = self
            .password_hash(&mut self.db.read().await?, user.id)
            .await?;
        if !self.hasher.verify(old, hash).await? {
            let why = "this is not the password so far: check it, or ask for a new one by mail";
            return Err(Error::Forbidden(why.to_owned()));
        }
        let hash = self.hasher.hash(&new).await?;
        let mut tx = self.db.begin().await?;
        self.password_put(&mut tx, user.id, &hash).await?;
        tries.forget(&mut tx).await?;
        let ended = store::session::delete_all(&mut tx, user.id, bearer.session()).await?;
        let what = ("user.password", format!("user {}", user.id));
        let detail = serde_json::json!({ "sessionsEnded": ended });
        self.audit(&mut tx, None, actor, what, detail).await?;
        Ok(tx.commit().await?)
    }

    async fn password_hash(&self, tx: &mut Tx, user: UserId) -> Result<Option<String>> {
        let Some(sealed) = store::user::password(tx, user).await? else {
            return Ok(None);
        };
        let clear = self.vault.open(&purpose(user), &sealed)?;
        String::from_utf8(clear).map(Some).map_err(Error::internal)
    }

    /// Keeps the hash of a password, sealed: a copy of the database alone gives nothing to guess at.
    pub(crate) async fn password_put(&self, tx: &mut Tx, user: UserId, hash: &str) -> Result<()> {
        let sealed = self.vault.seal(&purpose(user), hash.as_bytes())?;
        Ok(store::user::put_password(tx, user, &sealed).await?)
    }
}
