//! Members of an account: who has which role in it. An admin decides.

use model::{Role, Secret, User, UserId};
use serde_json::json;
use store::member::Member;

use crate::provider::check_name;
use crate::user::check_email;
use crate::{Actor, Error, Hub, Page, Result, Scope};

impl Hub {
    pub async fn members(&self, scope: Scope, page: Page) -> Result<Vec<Member>> {
        Ok(store::member::list(&mut self.db.read().await?, scope, page).await?)
    }

    /// # Errors
    /// [`Error::NotFound`] for somebody who is not in this account.
    pub async fn member(&self, scope: Scope, id: UserId) -> Result<Member> {
        let found = store::member::get(&mut self.db.read().await?, scope, id).await?;
        found.ok_or_else(|| Error::not_found("member", id))
    }

    /// Takes somebody into an account. Whoever is not known yet is invited; then the ticket is answered as well.
    pub async fn member_add(
        &self,
        actor: &Actor,
        scope: Scope,
        (email, name): (&str, Option<&str>),
        role: Role,
    ) -> Result<(Member, Option<Secret>)> {
        let email = check_email(email)?;
        let name = check_name(name.unwrap_or(email.as_str()))?;
        let mut tx = self.db.begin().await?;
        let known = store::user::by_email(&mut tx, &email).await?;
        let (user, ticket): (User, _) = match known {
            Some(user) => (user, None),
            None => {
                let (user, ticket) = self
                    .user_insert(&mut tx, actor, (&email, name), false)
                    .await?;
                (user, Some(ticket))
            }
        };
        if store::member::get(&mut tx, scope, user.id).await?.is_some() {
            let why = format!("{email} is a member already, user {}", user.id);
            return Err(Error::Conflict(why));
        }
        let now = self.now();
        store::member::put(&mut tx, scope, user.id, role, now).await?;
        let detail = json!({ "after": { "email": email, "role": role } });
        let what = ("member.add", format!("user {}", user.id));
        self.audit(&mut tx, Some(scope), actor, what, detail)
            .await?;
        tx.commit().await?;
        self.outbox_nudge();
        let member = Member {
            user,
            role,
            since: now,
        };
        Ok((member, ticket))
    }

    /// Gives a member another role, with their next call.
    pub async fn member_change(
        &self,
        actor: &Actor,
        scope: Scope,
        id: UserId,
        role: Role,
    ) -> Result<Member> {
        let mut tx = self.db.begin().await?;
        let found = store::member::get(&mut tx, scope, id).await?;
        let mut member = found.ok_or_else(|| Error::not_found("member", id))?;
        store::member::put(&mut tx, scope, id, role, self.now()).await?;
        let detail = json!({ "before": { "role": member.role }, "after": { "role": role } });
        let what = ("member.change", format!("user {id}"));
        self.audit(&mut tx, Some(scope), actor, what, detail)
            .await?;
        tx.commit().await?;
        member.role = role;
        Ok(member)
    }

    /// Takes somebody out of an account. They stay a user.
    pub async fn member_remove(&self, actor: &Actor, scope: Scope, id: UserId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let found = store::member::get(&mut tx, scope, id).await?;
        let member = found.ok_or_else(|| Error::not_found("member", id))?;
        store::member::delete(&mut tx, scope, id).await?;
        let detail = json!({ "before": { "email": member.user.email, "role": member.role } });
        let what = ("member.remove", format!("user {id}"));
        self.audit(&mut tx, Some(scope), actor, what, detail)
            .await?;
        Ok(tx.commit().await?)
    }
}
