//! People: invited, changed, disabled, removed. What they may do in an account: [`crate::member`]; how they prove who
//! they are: [`crate::sign_in`], [`crate::ticket`] and [`crate::oidc`].

use engine::Tx;
use model::{AccountId, Email, Invalid, Role, Secret, User, UserId, UserStatus};
use serde_json::{Value, json};
use store::ticket::TicketKind;

use crate::provider::check_name;
use crate::{Actor, Error, Hub, Page, Result, Scope};

/// Somebody to be invited.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub email: String,
    /// The e-mail, if nothing else is known.
    pub name: Option<String>,
    pub is_operator: bool,
    pub roles: Vec<(AccountId, Role)>,
}

/// What is not named stays as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    pub name: Option<String>,
    pub is_operator: Option<bool>,
    pub is_disabled: Option<bool>,
}

/// What audit entries say about a person. The e-mail is among it: it says whom somebody let in.
pub(crate) fn shown(user: &User) -> Value {
    json!({ "email": user.email, "name": user.name, "operator": user.is_operator, "status": user.status })
}

pub(crate) fn check_email(text: &str) -> Result<Email> {
    text.parse().map_err(|error: model::user::BadEmail| {
        Invalid::one("/email", "unknown-value", error.to_string()).into()
    })
}

impl Hub {
    /// Invites somebody, by mail; the ticket is answered too, for the operator who has no mail yet.
    pub async fn user_invite(&self, actor: &Actor, new: &NewUser) -> Result<(User, Secret)> {
        let email = check_email(&new.email)?;
        let name = check_name(new.name.as_deref().unwrap_or(email.as_str()))?;
        for (account, _) in &new.roles {
            self.account(Scope(*account))?;
        }
        let mut tx = self.db.begin().await?;
        if let Some(user) = store::user::by_email(&mut tx, &email).await? {
            let why = format!("{email} is user {} already", user.id);
            return Err(Error::Conflict(why));
        }
        let (user, ticket) = self
            .user_insert(&mut tx, actor, (&email, name), new.is_operator)
            .await?;
        for (account, role) in &new.roles {
            let scope = Scope(*account);
            store::member::put(&mut tx, scope, user.id, *role, self.now()).await?;
            let detail = json!({ "after": { "email": email, "role": role } });
            let what = ("member.add", format!("user {}", user.id));
            self.audit(&mut tx, Some(scope), actor, what, detail)
                .await?;
        }
        tx.commit().await?;
        self.outbox_nudge();
        Ok((user, ticket))
    }

    /// Somebody new with an invitation, in a transaction.
    pub(crate) async fn user_insert(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        (email, name): (&Email, &str),
        is_operator: bool,
    ) -> Result<(User, Secret)> {
        let status = UserStatus::Invited;
        let user = store::user::insert(tx, email, name, (is_operator, status), self.now()).await?;
        let ticket = self.ticket_send(tx, &user, TicketKind::Invitation).await?;
        let detail = json!({ "after": shown(&user) });
        let what = ("user.invite", format!("user {}", user.id));
        self.audit(tx, None, actor, what, detail).await?;
        Ok((user, ticket))
    }

    /// Another invitation for somebody who has not accepted; the one before ends.
    pub async fn user_invite_again(&self, actor: &Actor, id: UserId) -> Result<(User, Secret)> {
        let mut tx = self.db.begin().await?;
        let user = self.known_user(&mut tx, id).await?;
        if user.status != UserStatus::Invited {
            let why = format!(
                "user {id} is {}: only who is invited needs an invitation",
                user.status.as_str()
            );
            return Err(Error::Conflict(why));
        }
        let ticket = self
            .ticket_send(&mut tx, &user, TicketKind::Invitation)
            .await?;
        let what = ("user.invite", format!("user {id}"));
        self.audit(&mut tx, None, actor, what, json!({ "again": true }))
            .await?;
        tx.commit().await?;
        self.outbox_nudge();
        Ok((user, ticket))
    }

    /// Everybody, or whoever has this address.
    pub async fn users(&self, email: Option<&str>, page: Page) -> Result<Vec<User>> {
        let email = email.map(check_email).transpose()?;
        Ok(store::user::list(&mut self.db.read().await?, email.as_ref(), page).await?)
    }

    /// Somebody, and their roles.
    pub async fn user(&self, id: UserId) -> Result<(User, Vec<(AccountId, Role)>)> {
        let mut tx = self.db.read().await?;
        let user = self.known_user(&mut tx, id).await?;
        let roles = store::member::of(&mut tx, id).await?;
        Ok((user, roles))
    }

    /// Changes name and rights, disables and enables. Whoever is disabled is out with their next call: sessions end,
    /// tokens wait.
    pub async fn user_change(
        &self,
        actor: &Actor,
        id: UserId,
        change: &UserChange,
    ) -> Result<User> {
        let mut tx = self.db.begin().await?;
        let before = self.known_user(&mut tx, id).await?;
        let mut user = before.clone();
        if let Some(name) = &change.name {
            user.name = check_name(name)?.to_owned();
        }
        user.is_operator = change.is_operator.unwrap_or(user.is_operator);
        match change.is_disabled {
            Some(true) => {
                user.status = UserStatus::Disabled;
                store::session::delete_all(&mut tx, id, None).await?;
                store::ticket::delete_all(&mut tx, id).await?;
            }
            Some(false) if before.status == UserStatus::Disabled => {
                let has_proof = store::user::has_proof(&mut tx, id).await?;
                user.status = if has_proof {
                    UserStatus::Active
                } else {
                    UserStatus::Invited
                };
            }
            _ => {}
        }
        store::user::put(&mut tx, &user).await?;
        let detail = json!({ "before": shown(&before), "after": shown(&user) });
        let what = ("user.change", format!("user {id}"));
        self.audit(&mut tx, None, actor, what, detail).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Removes somebody with all roles, sessions and tokens. What they did stays in the audit trail.
    pub async fn user_remove(&self, actor: &Actor, id: UserId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let user = self.known_user(&mut tx, id).await?;
        let roles = store::member::of(&mut tx, id).await?;
        store::user::delete(&mut tx, id).await?;
        let roles: Vec<Value> = roles
            .iter()
            .map(|(account, role)| json!({ "accountId": account, "role": role }))
            .collect();
        let detail = json!({ "before": { "user": shown(&user), "accounts": roles } });
        let what = ("user.remove", format!("user {id}"));
        self.audit(&mut tx, None, actor, what, detail).await?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn known_user(&self, tx: &mut Tx, id: UserId) -> Result<User> {
        let user = store::user::get(tx, id).await?;
        user.ok_or_else(|| Error::not_found("user", id))
    }
}
