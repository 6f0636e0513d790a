//! Sessions, and who stands behind a token that a call carries.
//!
//! Nothing here is kept in memory: a person's rights are read from the database for every call, since calls of
//! `/manage/v1` are rare and a right that was taken away must be gone in every process at once. Called by `api` for each
//! call with a session or a personal access token.

use std::time::Duration;

use engine::Tx;
use jiff::Timestamp;
use model::access_token::Scopes;
use model::key::{self, KEY_BYTES_MAX, KeyHash};
use model::{AccountId, Role, Secret, SessionId, TokenId, User, UserId, UserStatus};
use store::session::Session;

use crate::{Actor, Error, Hub, Origin, Result, Who};

/// What session tokens begin with.
pub const SESSION_MARK: &str = "rs_";
/// What personal access tokens begin with.
pub const TOKEN_MARK: &str = "rp_";

/// The last use of a session or a token is noted again after this time: a row an hour, not a row a call.
const NOTED_EVERY: Duration = Duration::from_secs(60 * 60);
/// Longest name of a browser that is kept, in characters.
const AGENT_CHARS_MAX: usize = 200;

/// Somebody who has proved who they are.
#[derive(Debug, Clone)]
pub struct Bearer {
    pub user: User,
    pub via: Via,
    roles: Vec<(AccountId, Role)>,
    /// What a token is limited to.
    scopes: Option<Scopes>,
}

/// By what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    Session(SessionId),
    Token { id: TokenId, name: String },
}

impl Bearer {
    /// May do everything everywhere. A token for some accounts only may not, whosever it is.
    pub fn is_operator(&self) -> bool {
        let is_limited = self.scopes.as_ref().is_some_and(|s| !s.accounts.is_empty());
        self.user.is_operator && !is_limited
    }

    /// What this person may do in an account; `None`: not even know of it.
    pub fn role_in(&self, account: AccountId) -> Option<Role> {
        if self.scopes.as_ref().is_some_and(|s| !s.reaches(account)) {
            return None;
        }
        if self.user.is_operator {
            return Some(Role::Admin);
        }
        let found = self.roles.iter().find(|(id, _)| *id == account);
        found.map(|(_, role)| *role)
    }

    /// The accounts that this person knows of, and their roles there; `None`: all there are.
    pub fn accounts(&self) -> Option<Vec<(AccountId, Role)>> {
        if self.is_operator() {
            return None;
        }
        let reached = match &self.scopes {
            Some(scopes) if self.user.is_operator => scopes.accounts.clone(),
            _ => self.roles.iter().map(|(id, _)| *id).collect(),
        };
        let roles = reached.into_iter();
        Some(
            roles
                .filter_map(|id| Some((id, self.role_in(id)?)))
                .collect(),
        )
    }

    /// Whether the token may be used to read, or to change something.
    pub fn allows(&self, is_write: bool) -> bool {
        let allowed = |scopes: &Scopes| if is_write { scopes.write } else { scopes.read };
        self.scopes.as_ref().is_none_or(allowed)
    }

    pub fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    /// The session, if it is one.
    pub fn session(&self) -> Option<SessionId> {
        match self.via {
            Via::Session(id) => Some(id),
            Via::Token { .. } => None,
        }
    }

    pub fn actor(&self) -> Actor {
        let token = match &self.via {
            Via::Session(_) => None,
            Via::Token { name, .. } => Some(name.clone()),
        };
        person(&self.user, token)
    }
}

/// A person as an actor.
pub(crate) fn person(user: &User, token: Option<String>) -> Actor {
    Actor::new(Who::User {
        id: user.id,
        email: user.email.to_string(),
        token,
    })
}

/// What is known about a new session.
pub(crate) struct NewSession<'a> {
    pub(crate) origin: Option<&'a Origin>,
    pub(crate) agent: Option<&'a str>,
    /// `password` or `oidc`.
    pub(crate) how: &'static str,
}

impl Hub {
    /// Who stands behind a session's or a personal access token; `None` when nobody does (any more).
    pub async fn bearer(&self, token: &str) -> Result<Option<Bearer>> {
        let is_session = token.starts_with(SESSION_MARK);
        if token.len() > KEY_BYTES_MAX || !(is_session || token.starts_with(TOKEN_MARK)) {
            return Ok(None);
        }
        let (hash, now) = (KeyHash::of(token), self.now());
        let mut tx = self.db.read().await?;
        let found = if is_session {
            let session = store::session::by_hash(&mut tx, hash).await?;
            session.map(|s| {
                (
                    s.user,
                    Via::Session(s.id),
                    None,
                    s.expires_at,
                    Some(s.used_at),
                )
            })
        } else {
            let token = store::access_token::by_hash(&mut tx, hash).await?;
            token.map(|t| {
                let via = Via::Token {
                    id: t.id,
                    name: t.name,
                };
                (t.user, via, Some(t.scopes), t.expires_at, t.used_at)
            })
        };
        let Some((user, via, scopes, expires_at, used_at)) = found else {
            return Ok(None);
        };
        let user = store::user::get(&mut tx, user).await?;
        let user = user.filter(|user| user.status == UserStatus::Active && now < expires_at);
        let Some(user) = user else {
            return Ok(None);
        };
        let roles = store::member::of(&mut tx, user.id).await?;
        drop(tx);
        if used_at.is_none_or(|at| now.duration_since(at).unsigned_abs() >= NOTED_EVERY) {
            self.note_use(&via, now).await;
        }
        Ok(Some(Bearer {
            user,
            via,
            roles,
            scopes,
        }))
    }

    /// A use that could not be noted is no reason to refuse it.
    async fn note_use(&self, via: &Via, now: Timestamp) {
        let noted = async {
            let mut tx = self.db.begin().await?;
            match via {
                Via::Session(id) => store::session::used(&mut tx, *id, now).await?,
                Via::Token { id, .. } => store::access_token::used(&mut tx, *id, now).await?,
            }
            tx.commit().await?;
            Result::Ok(())
        };
        if let Err(error) = noted.await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the use of a token could not be noted");
        }
    }

    /// Begins a session of somebody who has proved who they are; its token is shown this once.
    pub(crate) async fn session_open(
        &self,
        tx: &mut Tx,
        user: &mut User,
        new: &NewSession<'_>,
    ) -> Result<(Session, Secret)> {
        let now = self.now();
        let token = key::marked(SESSION_MARK, crate::key::random()?);
        let agent = new
            .agent
            .map(|text| text.chars().take(AGENT_CHARS_MAX).collect());
        let address = new.origin.and_then(|origin| origin.address);
        let mut session = Session {
            id: SessionId(0),
            user: user.id,
            address: address.map(|address| address.to_string()),
            agent,
            created_at: now,
            expires_at: now + self.options.sign_in.session,
            used_at: now,
        };
        store::session::delete_ended(tx, now).await?;
        session.id = store::session::insert(tx, &session, KeyHash::of(token.expose())).await?;
        store::user::signed_in(tx, user.id, now).await?;
        user.last_sign_in_at = Some(now);
        let actor = person(user, None).from(new.origin.cloned());
        let what = ("session.open", format!("user {}", user.id));
        let detail = serde_json::json!({ "sessionId": session.id, "by": new.how, "expiresAt": session.expires_at });
        self.audit(tx, None, &actor, what, detail).await?;
        Ok((session, token))
    }

    /// Somebody's sessions that have not ended, oldest first.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        let mut sessions = store::session::list(&mut self.db.read().await?, user).await?;
        let now = self.now();
        sessions.retain(|session| now < session.expires_at);
        Ok(sessions)
    }

    /// Ends a session: signing out.
    pub async fn session_end(&self, actor: &Actor, user: UserId, id: SessionId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        if !store::session::delete(&mut tx, user, id).await? {
            return Err(Error::not_found("session", id));
        }
        let what = ("session.end", format!("user {user}"));
        let detail = serde_json::json!({ "sessionId": id });
        self.audit(&mut tx, None, actor, what, detail).await?;
        Ok(tx.commit().await?)
    }

    /// Ends all sessions and tokens of somebody: for when one of them was lost.
    pub async fn user_revoke(&self, actor: &Actor, user: UserId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        if store::user::get(&mut tx, user).await?.is_none() {
            return Err(Error::not_found("user", user));
        }
        let sessions = store::session::delete_all(&mut tx, user, None).await?;
        let tokens = store::access_token::delete_all(&mut tx, user).await?;
        let what = ("user.revoke", format!("user {user}"));
        let detail = serde_json::json!({ "sessionsEnded": sessions, "tokensEnded": tokens });
        self.audit(&mut tx, None, actor, what, detail).await?;
        Ok(tx.commit().await?)
    }
}
