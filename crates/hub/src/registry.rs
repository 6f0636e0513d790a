//! What every call and every delivery needs to know, in memory: accounts, keys, endpoints, event types,
//! subscriptions.
//!
//! Filled at start, brought up to date by the verbs after their transaction has committed, and by what other processes
//! have changed ([`follow`]). Read by `api` (who
//! calls), `publish` (what may be said) and `flow` (who gets it): no database call on those paths.

mod follow;
mod target;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use engine::Db;
use jiff::Timestamp;
use model::key::{KeyHash, KeyLevel};
use model::{
    Account, AccountId, Endpoint, EndpointId, Environment, EventType, KeyId, Publisher,
    RegistrationType, Subscription,
};
use store::endpoint::SealedSecrets;
use store::identity_filter::IdentityFilter;
use store::key::Key;
use store::vault::Vault;
use store::{Page, Scope};

pub use target::{Secrets, Target};
pub(crate) use target::{purpose, terms_of};

use crate::Result;

/// Who a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyEntry {
    pub id: KeyId,
    pub account: AccountId,
    pub environment: Environment,
    pub endpoint: Option<EndpointId>,
    pub level: KeyLevel,
    expires_at: Option<Timestamp>,
}

/// An endpoint with everything that hangs on it.
#[derive(Debug)]
pub struct EndpointEntry {
    pub endpoint: Endpoint,
    pub event_types: Vec<EventType>,
    /// What it may publish; shared with the calls that are being parsed.
    pub publisher: Arc<Publisher>,
    /// Where and how events go to it, if it takes any.
    pub target: Option<Arc<Target>>,
    /// Names under which what it publishes does not get into the identity graph.
    pub(crate) unlearned: Vec<String>,
    secrets: Secrets,
}

#[derive(Default)]
struct Inner {
    identity_filters: HashMap<EndpointId, Vec<IdentityFilter>>,
    accounts: HashMap<AccountId, Arc<Account>>,
    keys: HashMap<KeyHash, KeyEntry>,
    endpoints: HashMap<EndpointId, Arc<EndpointEntry>>,
    /// By publisher, then code; ended ones included while the log still holds what they matched.
    routes: HashMap<EndpointId, HashMap<String, Vec<Arc<Subscription>>>>,
}

#[derive(Default)]
pub struct Registry {
    inner: RwLock<Inner>,
}

/// Rows read at a time while filling.
const LOAD_PAGE: i64 = 10_000;

macro_rules! every_page {
    ($tx:expr, $of:expr, $all:path, $id:expr, $each:expr) => {{
        let mut after = 0;
        loop {
            let rows = $all(
                $tx,
                $of,
                Page {
                    after,
                    limit: LOAD_PAGE,
                },
            )
            .await?;
            let Some(last) = rows.last() else { break };
            after = $id(last);
            for row in rows {
                $each(row);
            }
        }
    }};
}

async fn every_account(tx: &mut engine::Tx, registry: &Registry) -> Result<()> {
    let mut after = 0;
    loop {
        let page = Page {
            after,
            limit: LOAD_PAGE,
        };
        let accounts = store::account::list(tx, page).await?;
        let Some(last) = accounts.last() else {
            return Ok(());
        };
        after = last.id.0;
        for account in accounts {
            registry.put_account(account);
        }
    }
}

impl Registry {
    /// Everything that is stored, or what is stored of one account.
    pub(crate) async fn load(db: &Db, vault: &Vault, of: Option<Scope>) -> Result<Self> {
        let mut tx = db.read().await?;
        let registry = Self::default();
        match of {
            Some(scope) => {
                if let Some(account) = store::account::get(&mut tx, scope).await? {
                    registry.put_account(account);
                }
            }
            None => every_account(&mut tx, &registry).await?,
        }
        let mut types: HashMap<EndpointId, Vec<EventType>> = HashMap::new();
        every_page!(
            &mut tx,
            of,
            store::event_type::all,
            |t: &EventType| t.id.0,
            |t: EventType| {
                types.entry(t.endpoint).or_default().push(t);
            }
        );
        let mut endpoints: Vec<(Endpoint, SealedSecrets)> = Vec::new();
        every_page!(
            &mut tx,
            of,
            store::endpoint::all,
            |e: &(Endpoint, SealedSecrets)| e.0.id.0,
            |e| endpoints.push(e)
        );
        every_page!(
            &mut tx,
            of,
            store::identity_filter::all,
            |f: &IdentityFilter| f.id,
            |f: IdentityFilter| {
                let mut inner = registry.write();
                inner
                    .identity_filters
                    .entry(f.endpoint)
                    .or_default()
                    .push(f);
            }
        );
        for (endpoint, sealed) in endpoints {
            let secrets = Secrets::open(vault, endpoint.id, &sealed)?;
            let event_types = types.remove(&endpoint.id).unwrap_or_default();
            registry.put_endpoint(endpoint, event_types, secrets);
        }
        every_page!(
            &mut tx,
            of,
            store::key::all,
            |k: &Key| k.id.0,
            |key: Key| {
                registry.put_key(&key);
            }
        );
        every_page!(
            &mut tx,
            of,
            store::subscription::all,
            |s: &Subscription| s.id.0,
            |s| registry.put_subscription(s)
        );
        Ok(registry)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who this key stands for, if it is valid at `now`.
    pub fn key(&self, hash: &KeyHash, now: Timestamp) -> Option<KeyEntry> {
        self.read()
            .keys
            .get(hash)
            .copied()
            .filter(|key| key.expires_at.is_none_or(|end| now < end))
    }

    pub fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.read().accounts.get(&id).cloned()
    }

    pub fn endpoint(&self, id: EndpointId) -> Option<Arc<EndpointEntry>> {
        self.read().endpoints.get(&id).cloned()
    }

    /// All endpoints; for tasks that look at each.
    pub fn endpoints(&self) -> Vec<Arc<EndpointEntry>> {
        self.read().endpoints.values().cloned().collect()
    }

    /// Whether an account has any that is not deleted.
    pub fn has_endpoints(&self, account: AccountId) -> bool {
        let inner = self.read();
        let is_there =
            |e: &Endpoint| e.account == account && e.status != model::EndpointStatus::Deleted;
        inner
            .endpoints
            .values()
            .any(|entry| is_there(&entry.endpoint))
    }

    /// Calls `each` with every endpoint of an account, without copying any. It must not look into the registry.
    pub fn each_endpoint(&self, account: AccountId, each: impl FnMut(&EndpointEntry)) {
        let inner = self.read();
        let all = inner.endpoints.values().map(Arc::as_ref);
        all.filter(|entry| entry.endpoint.account == account)
            .for_each(each);
    }

    /// How many endpoints that are not deleted each account has; none if it is not in there.
    pub fn endpoint_counts(&self) -> HashMap<AccountId, u64> {
        let mut counts = HashMap::new();
        for entry in self.read().endpoints.values() {
            if entry.endpoint.status != model::EndpointStatus::Deleted {
                *counts.entry(entry.endpoint.account).or_default() += 1;
            }
        }
        counts
    }

    /// Those of an account that satisfy `wanted`, by number.
    pub fn endpoints_where(
        &self,
        account: AccountId,
        wanted: impl Fn(&EndpointEntry) -> bool,
    ) -> Vec<Arc<EndpointEntry>> {
        let inner = self.read();
        let all = inner.endpoints.values();
        let mine = all.filter(|entry| entry.endpoint.account == account && wanted(entry));
        // The numbers beside the entries: sorting reads them again and again.
        let mut found: Vec<_> = mine.map(|e| (e.endpoint.id, Arc::clone(e))).collect();
        found.sort_unstable_by_key(|(id, _)| *id);
        found.into_iter().map(|(_, entry)| entry).collect()
    }

    /// The subscriptions to a publisher's code, ended ones included: ask each whether it held at a position.
    pub fn subscriptions(&self, publisher: EndpointId, code: &str) -> Vec<Arc<Subscription>> {
        self.read()
            .routes
            .get(&publisher)
            .and_then(|codes| codes.get(code))
            .cloned()
            .unwrap_or_default()
    }

    /// Calls `each` for every subscription to a publisher's code, without copying the list.
    pub(crate) fn with_subscriptions(
        &self,
        publisher: EndpointId,
        code: &str,
        mut each: impl FnMut(&Subscription),
    ) {
        let inner = self.read();
        for subscription in inner
            .routes
            .get(&publisher)
            .and_then(|codes| codes.get(code))
            .into_iter()
            .flatten()
        {
            each(subscription);
        }
    }

    /// All subscriptions of all publishers that satisfy `wanted`.
    pub fn subscriptions_where(
        &self,
        wanted: impl Fn(&Subscription) -> bool,
    ) -> Vec<Arc<Subscription>> {
        let inner = self.read();
        let all = inner.routes.values().flat_map(HashMap::values).flatten();
        all.filter(|subscription| wanted(subscription))
            .cloned()
            .collect()
    }

    /// Calls `each` with the subscriptions to each code of each publisher of an account, ended ones included, without
    /// copying any. It must not look into the registry.
    pub fn each_route(
        &self,
        account: AccountId,
        mut each: impl FnMut(EndpointId, &str, &[Arc<Subscription>]),
    ) {
        let inner = self.read();
        for (publisher, codes) in &inner.routes {
            for (code, subscriptions) in codes {
                // A publisher and who is subscribed to it are of one account.
                if subscriptions.first().is_some_and(|s| s.account == account) {
                    each(*publisher, code, subscriptions);
                }
            }
        }
    }

    pub(crate) fn put_account(&self, account: Account) {
        let id = account.id;
        let endpoints: Vec<_> = {
            let mut inner = self.write();
            inner.accounts.insert(id, Arc::new(account));
            inner
                .endpoints
                .values()
                .filter(|e| e.endpoint.account == id)
                .cloned()
                .collect()
        };
        // Publishers carry their account's policy.
        for entry in endpoints {
            self.put_endpoint(
                entry.endpoint.clone(),
                entry.event_types.clone(),
                entry.secrets.clone(),
            );
        }
    }

    pub(crate) fn put_key(&self, key: &Key) {
        let mut inner = self.write();
        let Some(environment) = inner.accounts.get(&key.account).map(|a| a.environment) else {
            return;
        };
        if key.revoked_at.is_some() {
            inner.keys.remove(&key.hash);
            return;
        }
        let entry = KeyEntry {
            id: key.id,
            account: key.account,
            environment,
            endpoint: key.endpoint,
            level: key.level,
            expires_at: key.expires_at,
        };
        inner.keys.insert(key.hash, entry);
    }

    /// Puts an endpoint with what hangs on it, replacing what was known.
    pub(crate) fn put_endpoint(
        &self,
        endpoint: Endpoint,
        event_types: Vec<EventType>,
        secrets: Secrets,
    ) {
        let mut inner = self.write();
        let (policy, environment) = match inner.accounts.get(&endpoint.account) {
            Some(account) => (account.policy.clone(), account.environment),
            None => (model::AccountPolicy::default(), Environment::Production),
        };
        let publisher = Arc::new(publisher(&endpoint, &event_types, policy.clone()));
        let filters = inner.identity_filters.get(&endpoint.id);
        let filters = filters.map_or(&[][..], Vec::as_slice);
        let mut target = Target::of(&endpoint, &secrets, (&policy, environment));
        if let Some(target) = &mut target {
            let hidden = filters.iter().filter(|filter| filter.subscribe);
            target.not_added = hidden.map(|filter| filter.identifier.clone()).collect();
        }
        let target = target.map(Arc::new);
        let unlearned = filters.iter().filter(|filter| filter.publish);
        let unlearned = unlearned.map(|filter| filter.identifier.clone()).collect();
        let entry = EndpointEntry {
            publisher,
            target,
            event_types,
            unlearned,
            secrets,
            endpoint,
        };
        inner.endpoints.insert(entry.endpoint.id, Arc::new(entry));
    }

    /// The same endpoint with another state; what hangs on it stays.
    pub(crate) fn update_endpoint(&self, endpoint: Endpoint) {
        let known = self.endpoint(endpoint.id);
        let (types, secrets) = known
            .map(|e| (e.event_types.clone(), e.secrets.clone()))
            .unwrap_or_default();
        self.put_endpoint(endpoint, types, secrets);
    }

    pub(crate) fn put_event_types(&self, id: EndpointId, event_types: Vec<EventType>) {
        if let Some(entry) = self.endpoint(id) {
            self.put_endpoint(entry.endpoint.clone(), event_types, entry.secrets.clone());
        }
    }

    pub(crate) fn put_secrets(&self, id: EndpointId, secrets: Secrets) {
        if let Some(entry) = self.endpoint(id) {
            self.put_endpoint(entry.endpoint.clone(), entry.event_types.clone(), secrets);
        }
    }

    /// What an endpoint keeps out of the identity graph, and what it does not get from there.
    pub fn identity_filters(&self, id: EndpointId) -> Vec<IdentityFilter> {
        let inner = self.read();
        inner.identity_filters.get(&id).cloned().unwrap_or_default()
    }

    pub(crate) fn put_identity_filter(&self, filter: IdentityFilter) {
        let id = filter.endpoint;
        self.forget_identity_filter(&filter);
        self.write()
            .identity_filters
            .entry(id)
            .or_default()
            .push(filter);
        self.put_again(id);
    }

    pub(crate) fn forget_identity_filter(&self, filter: &IdentityFilter) {
        if let Some(list) = self.write().identity_filters.get_mut(&filter.endpoint) {
            list.retain(|known| known.id != filter.id);
        }
        self.put_again(filter.endpoint);
    }

    /// Works out again what hangs on an endpoint.
    fn put_again(&self, id: EndpointId) {
        if let Some(entry) = self.endpoint(id) {
            let (types, secrets) = (entry.event_types.clone(), entry.secrets.clone());
            self.put_endpoint(entry.endpoint.clone(), types, secrets);
        }
    }

    pub(crate) fn put_subscription(&self, subscription: Subscription) {
        let mut inner = self.write();
        let codes = inner.routes.entry(subscription.publisher).or_default();
        let list = codes.entry(subscription.code.clone()).or_default();
        let new = Arc::new(subscription);
        // Lists are sorted by id and ids rise, so a new one nearly always goes to the end.
        match list.binary_search_by_key(&new.id, |known| known.id) {
            Ok(at) => list[at] = new,
            Err(at) => list.insert(at, new),
        }
    }

    pub(crate) fn forget_subscription(&self, subscription: &Subscription) {
        let mut inner = self.write();
        if let Some(list) = inner
            .routes
            .get_mut(&subscription.publisher)
            .and_then(|c| c.get_mut(&subscription.code))
        {
            list.retain(|known| known.id != subscription.id);
        }
    }
}

impl EndpointEntry {
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The event types that it publishes, or that it receives.
    pub fn registered(&self, registration: RegistrationType) -> impl Iterator<Item = &EventType> {
        self.event_types
            .iter()
            .filter(move |t| t.registration == registration)
    }
}

fn publisher(
    endpoint: &Endpoint,
    event_types: &[EventType],
    policy: model::AccountPolicy,
) -> Publisher {
    let mut by_code: HashMap<String, Vec<EventType>> = HashMap::new();
    for event_type in event_types
        .iter()
        .filter(|t| t.registration == RegistrationType::Publish)
    {
        by_code
            .entry(event_type.code.clone())
            .or_default()
            .push(event_type.clone());
    }
    let definition = &endpoint.definition;
    Publisher {
        account: endpoint.account,
        endpoint: endpoint.id,
        provider: definition.provider_name.clone(),
        source: definition.name.clone(),
        identifiers: definition
            .identifiers()
            .map(|i| (i.name.clone(), i.clone()))
            .collect(),
        event_types: by_code,
        policy,
    }
}
