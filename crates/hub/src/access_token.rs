//! Personal access tokens: for people's programs. Shown once; only the hash is kept. What one may do is decided anew at
//! each call ([`crate::session`]): never more than its user may then.

use std::time::Duration;

use model::access_token::Scopes;
use model::key::{self, KeyHash};
use model::{Invalid, Secret, TokenId, UserId};
use store::access_token::AccessToken;

use crate::provider::check_name;
use crate::session::TOKEN_MARK;
use crate::{Actor, Error, Hub, Result, Scope};

/// Longest life of a token: one that nobody has renewed in a year is forgotten.
pub const TOKEN_TIME_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);
/// Tokens of one person: more are not told apart.
const TOKENS_MAX: usize = 100;

impl Hub {
    /// Makes a token for its user's programs.
    pub async fn token_create(
        &self,
        actor: &Actor,
        user: UserId,
        name: &str,
        scopes: Scopes,
        life: Duration,
    ) -> Result<(AccessToken, Secret)> {
        let name = check_name(name)?;
        if !(scopes.read || scopes.write) {
            let message = "say at least `read` or `write`";
            return Err(Invalid::one("/scopes", "required", message).into());
        }
        for account in &scopes.accounts {
            self.account(Scope(*account))?;
        }
        let secret = key::marked(TOKEN_MARK, crate::key::random()?);
        let now = self.now();
        let mut token = AccessToken {
            id: TokenId(0),
            user,
            prefix: key::prefix(secret.expose()),
            name: name.to_owned(),
            scopes,
            created_at: now,
            expires_at: now + life.min(TOKEN_TIME_MAX),
            used_at: None,
        };
        let mut tx = self.db.begin().await?;
        if store::access_token::list(&mut tx, user).await?.len() >= TOKENS_MAX {
            let why = format!("there are {TOKENS_MAX} tokens already: revoke one that is not used");
            return Err(Error::Conflict(why));
        }
        token.id =
            store::access_token::insert(&mut tx, &token, KeyHash::of(secret.expose())).await?;
        let detail = serde_json::json!({ "after": {
            "name": token.name, "scopes": token.scopes, "expiresAt": token.expires_at, "userId": user,
        } });
        let what = ("token.create", format!("token {}", token.id));
        self.audit(&mut tx, None, actor, what, detail).await?;
        tx.commit().await?;
        Ok((token, secret))
    }

    /// Somebody's tokens, oldest first, those that have ended among them.
    pub async fn tokens(&self, user: UserId) -> Result<Vec<AccessToken>> {
        Ok(store::access_token::list(&mut self.db.read().await?, user).await?)
    }

    /// Ends a token at once.
    pub async fn token_revoke(&self, actor: &Actor, user: UserId, id: TokenId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let tokens = store::access_token::list(&mut tx, user).await?;
        let token = tokens.into_iter().find(|token| token.id == id);
        let token = token.ok_or_else(|| Error::not_found("token", id))?;
        store::access_token::delete(&mut tx, user, id).await?;
        let detail = serde_json::json!({ "before": {
            "name": token.name, "scopes": token.scopes, "userId": user,
        } });
        let what = ("token.revoke", format!("token {id}"));
        self.audit(&mut tx, None, actor, what, detail).await?;
        Ok(tx.commit().await?)
    }
}
