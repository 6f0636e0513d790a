//! Accounts: customers of the exchange, each in one environment.

use engine::Tx;
use model::key::KeyLevel;
use model::{Account, AccountId, AccountPolicy, Environment, Secret};

use crate::provider::check_name;
use crate::{Actor, Error, Hub, Page, Result, Scope};

impl Hub {
    /// Opens an account with its first account key, which is shown this once.
    pub async fn account_create(
        &self,
        actor: &Actor,
        name: &str,
        environment: Environment,
        policy: &AccountPolicy,
    ) -> Result<(Account, Secret)> {
        let name = check_name(name)?;
        check_policy(policy)?;
        let (mut tx, turn) = self.begin_change().await?;
        let account = self
            .account_insert(&mut tx, actor, (name, environment), policy)
            .await?;
        let (key, secret) = self
            .key_issue(&mut tx, Scope(account.id), None, KeyLevel::Account)
            .await?;
        self.commit_change(tx, &turn, account.id).await?;
        self.registry.put_account(account.clone());
        self.registry.put_key(&key);
        Ok((account, secret))
    }

    /// Opens an account in a transaction. Once that has committed, the caller puts it into the registry.
    pub(crate) async fn account_insert(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        (name, environment): (&str, Environment),
        policy: &AccountPolicy,
    ) -> Result<Account> {
        let account = store::account::insert(tx, name, environment, policy, self.now()).await?;
        let detail = serde_json::json!({ "name": name, "environment": environment });
        let subject = format!("account {}", account.id);
        let scope = Some(Scope(account.id));
        self.audit(tx, scope, actor, ("account.create", subject), detail)
            .await?;
        Ok(account)
    }

    pub async fn accounts(&self, page: Page) -> Result<Vec<Account>> {
        let mut tx = self.db.read().await?;
        Ok(store::account::list(&mut tx, page).await?)
    }

    /// Those of these accounts that there are; a page of them by id.
    pub fn accounts_among(&self, ids: &[AccountId], page: Page) -> Vec<Account> {
        let mut ids: Vec<_> = ids.iter().filter(|id| id.0 > page.after).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = ids.into_iter().filter_map(|id| self.registry.account(*id));
        let limit = usize::try_from(page.limit).unwrap_or_default();
        found
            .map(|account| (*account).clone())
            .take(limit)
            .collect()
    }

    pub fn account(&self, scope: Scope) -> Result<Account> {
        let account = self.registry.account(scope.0);
        account
            .map(|account| (*account).clone())
            .ok_or_else(|| Error::not_found("account", scope.0))
    }

    /// Changes what an account decides for itself; in effect with the next call.
    pub async fn account_set_policy(
        &self,
        actor: &Actor,
        scope: Scope,
        policy: AccountPolicy,
    ) -> Result<Account> {
        check_policy(&policy)?;
        let (mut tx, turn) = self.begin_change().await?;
        let found = store::account::get(&mut tx, scope).await?;
        let mut account = found.ok_or_else(|| Error::not_found("account", scope.0))?;
        let detail = serde_json::json!({ "before": account.policy, "after": policy });
        store::account::put_policy(&mut tx, scope, &policy).await?;
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("account.policy", format!("account {}", scope.0)),
            detail,
        )
        .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        account.policy = policy;
        self.registry.put_account(account.clone());
        Ok(account)
    }
}

impl Hub {
    /// Gives an account another name; it is known by its number everywhere else.
    pub async fn account_rename(&self, actor: &Actor, scope: Scope, name: &str) -> Result<Account> {
        let name = check_name(name)?;
        let (mut tx, turn) = self.begin_change().await?;
        let found = store::account::get(&mut tx, scope).await?;
        let mut account = found.ok_or_else(|| Error::not_found("account", scope.0))?;
        let detail = serde_json::json!({ "before": account.name, "after": name });
        store::account::put_name(&mut tx, scope, name).await?;
        let about = ("account.rename", format!("account {}", scope.0));
        self.audit(&mut tx, Some(scope), actor, about, detail)
            .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        name.clone_into(&mut account.name);
        self.registry.put_account(account.clone());
        Ok(account)
    }
}

fn check_policy(policy: &AccountPolicy) -> Result<()> {
    if let Some(region) = &policy.default_region
        && let Err(error) = model::region::Region::parse(region)
    {
        return Err(model::Invalid::one(
            "/policy/defaultRegion",
            "unknown-value",
            error.to_string(),
        )
        .into());
    }
    Ok(())
}
