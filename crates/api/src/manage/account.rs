//! `/manage/v1/accounts`: customers of the exchange, and what each decides for itself.

use axum::Json;
use axum::extract::State;
use model::account::{Heed, Honour, Identity};
use model::hashing::HashedValues;
use model::{Account, AccountPolicy, Environment, RefusedEvents, Strictness};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountAdmin, AccountPartner, Caller, Operator, User};
use crate::door::{About, Door};
use crate::problem::{Kind, Problem};

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NewAccount {
    name: String,
    /// `pilot` or `production`, for ever.
    #[schemars(with = "String")]
    environment: Environment,
    policy: Option<PolicyChange>,
}

/// What is not named stays as it is.
#[derive(JsonSchema, Default)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
struct PolicyChange {
    /// `lenient`: undeclared attributes are delivered and recorded as schema drift; `strict`: they are refused.
    #[schemars(with = "Option<String>")]
    strictness: Option<Strictness>,
    /// `reject`: one refused event refuses the call; `quarantine`: the others are taken and it is kept.
    #[schemars(with = "Option<String>")]
    refused_events: Option<RefusedEvents>,
    /// Region (ISO 3166 alpha-2) of phone numbers without a country code; null: none.
    #[schemars(with = "Option<String>")]
    default_region: Option<Option<String>>,
    /// `refuse` (default) or `pass`: values that look hashed where a destination wants a hash of them.
    #[schemars(with = "Option<String>")]
    hashed_values: Option<HashedValues>,
    /// `honour` (default) or `ignore`: the account's suppression list, on the way out.
    #[schemars(with = "Option<String>")]
    suppression_list: Option<Honour>,
    /// `honour` or `ignore` (default): what events and audience rows say in `contactConsent`, on the way out.
    #[schemars(with = "Option<String>")]
    contact_consent: Option<Heed>,
    /// `on` (default): people are learned from events and audiences; `off`: nothing is kept of them.
    #[schemars(with = "Option<String>")]
    identity: Option<Identity>,
    /// Events that may be published in one second; null: as many as are taken.
    #[schemars(with = "Option<u64>")]
    max_events_per_second: Option<Option<u64>>,
    /// The same for one day (UTC).
    #[schemars(with = "Option<u64>")]
    max_events_per_day: Option<Option<u64>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct AccountChange {
    policy: PolicyChange,
}

impl FromBody for NewAccount {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let name = fields.required_text("name");
        let environment =
            fields.required_word("environment", "`pilot` or `production`", Environment::parse);
        let policy = fields.object("policy", PolicyChange::read);
        Some(Self {
            name: name?,
            environment: environment?,
            policy,
        })
    }
}

impl FromBody for AccountChange {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let policy = fields.required_object("policy", PolicyChange::read)?;
        Some(Self { policy })
    }
}

impl FromBody for PolicyChange {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let strictness = |text: &str| match text {
            "lenient" => Some(Strictness::Lenient),
            "strict" => Some(Strictness::Strict),
            _ => None,
        };
        let refused = |text: &str| match text {
            "reject" => Some(RefusedEvents::Reject),
            "quarantine" => Some(RefusedEvents::Quarantine),
            _ => None,
        };
        let hashed = |text: &str| match text {
            "refuse" => Some(HashedValues::Refuse),
            "pass" => Some(HashedValues::Pass),
            _ => None,
        };
        let honour = |text: &str| match text {
            "honour" => Some(Honour::Honour),
            "ignore" => Some(Honour::Ignore),
            _ => None,
        };
        let heed = |text: &str| match text {
            "honour" => Some(Heed::Honour),
            "ignore" => Some(Heed::Ignore),
            _ => None,
        };
        let identity = |text: &str| match text {
            "on" => Some(Identity::On),
            "off" => Some(Identity::Off),
            _ => None,
        };
        let cleared = fields.is_null("defaultRegion").then_some(None);
        let limit = |fields: &mut Fields<'_, '_>, name| {
            let cleared = fields.is_null(name).then_some(None);
            fields.count(name).map(Some).or(cleared)
        };
        Some(Self {
            strictness: fields.word("strictness", "`lenient` or `strict`", strictness),
            refused_events: fields.word("refusedEvents", "`reject` or `quarantine`", refused),
            default_region: fields.text("defaultRegion").map(Some).or(cleared),
            hashed_values: fields.word("hashedValues", "`refuse` or `pass`", hashed),
            suppression_list: fields.word("suppressionList", "`honour` or `ignore`", honour),
            contact_consent: fields.word("contactConsent", "`honour` or `ignore`", heed),
            identity: fields.word("identity", "`on` or `off`", identity),
            max_events_per_second: limit(fields, "maxEventsPerSecond"),
            max_events_per_day: limit(fields, "maxEventsPerDay"),
        })
    }
}

impl PolicyChange {
    fn apply(self, policy: AccountPolicy) -> AccountPolicy {
        AccountPolicy {
            strictness: self.strictness.unwrap_or(policy.strictness),
            refused_events: self.refused_events.unwrap_or(policy.refused_events),
            default_region: self.default_region.unwrap_or(policy.default_region),
            hashed_values: self.hashed_values.unwrap_or(policy.hashed_values),
            suppression_list: self.suppression_list.unwrap_or(policy.suppression_list),
            contact_consent: self.contact_consent.unwrap_or(policy.contact_consent),
            identity: self.identity.unwrap_or(policy.identity),
            identity_rules: policy.identity_rules,
            max_events_per_second: self
                .max_events_per_second
                .unwrap_or(policy.max_events_per_second),
            max_events_per_day: self.max_events_per_day.unwrap_or(policy.max_events_per_day),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AccountView {
    id: i64,
    name: String,
    environment: &'static str,
    policy: PolicyView,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PolicyView {
    #[schemars(with = "String")]
    strictness: Strictness,
    #[schemars(with = "String")]
    refused_events: RefusedEvents,
    default_region: Option<String>,
    #[schemars(with = "String")]
    hashed_values: HashedValues,
    #[schemars(with = "String")]
    suppression_list: Honour,
    #[schemars(with = "String")]
    contact_consent: Heed,
    #[schemars(with = "String")]
    identity: Identity,
    max_events_per_second: Option<u64>,
    max_events_per_day: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NewAccountAnswer {
    id: i64,
    name: String,
    environment: &'static str,
    /// Shown this once.
    account_key: String,
}

fn view(account: Account) -> AccountView {
    AccountView {
        id: account.id.0,
        name: account.name,
        environment: account.environment.as_str(),
        policy: PolicyView {
            strictness: account.policy.strictness,
            refused_events: account.policy.refused_events,
            default_region: account.policy.default_region,
            hashed_values: account.policy.hashed_values,
            suppression_list: account.policy.suppression_list,
            contact_consent: account.policy.contact_consent,
            identity: account.policy.identity,
            max_events_per_second: account.policy.max_events_per_second,
            max_events_per_day: account.policy.max_events_per_day,
        },
    }
}

pub(super) fn routes(door: &mut Door) {
    let about = About::new("Open an account; its first key is shown this once");
    door.post(
        "/manage/v1/accounts",
        create,
        about.body::<NewAccount>().answers::<NewAccountAnswer>(),
    );
    let about = paged(About::new("Accounts"));
    door.get(
        "/manage/v1/accounts",
        list,
        about.answers::<List<AccountView>>(),
    );
    door.get(
        "/manage/v1/accounts/{accountId}",
        get,
        About::new("An account").answers::<AccountView>(),
    );
    let about = About::new("Change an account's policy; what is not named stays");
    door.patch(
        "/manage/v1/accounts/{accountId}",
        change,
        about.body::<AccountChange>().answers::<AccountView>(),
    );
}

async fn create(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Body(new): Body<NewAccount>,
) -> Answer<NewAccountAnswer> {
    let policy = new
        .policy
        .unwrap_or_default()
        .apply(AccountPolicy::default());
    let (account, key) = state
        .hub
        .account_create(&caller.actor(), &new.name, new.environment, &policy)
        .await?;
    Ok(Json(NewAccountAnswer {
        id: account.id.0,
        name: account.name,
        environment: account.environment.as_str(),
        account_key: key.expose().to_owned(),
    }))
}

async fn list(
    caller: Caller<User>,
    State(state): State<ApiState>,
    mut params: Params,
) -> Answer<List<AccountView>> {
    let paging = params.paging();
    params.finish()?;
    let accounts = match caller.user().and_then(hub::Bearer::accounts) {
        Some(roles) => {
            let ids: Vec<_> = roles.iter().map(|(id, _)| *id).collect();
            state.hub.accounts_among(&ids, paging.page())
        }
        None => state.hub.accounts(paging.page()).await?,
    };
    Ok(Json(paging.list(accounts, |a| a.id.0, view)))
}

async fn get(
    _caller: Caller<AccountPartner>,
    State(state): State<ApiState>,
    Within(scope): Within,
) -> Answer<AccountView> {
    Ok(Json(view(state.hub.account(scope)?)))
}

async fn change(
    caller: Caller<AccountAdmin>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(change): Body<AccountChange>,
) -> Answer<AccountView> {
    let before = state.hub.account(scope)?.policy;
    let policy = change.policy.apply(before.clone());
    let limits = |policy: &AccountPolicy| (policy.max_events_per_second, policy.max_events_per_day);
    if limits(&policy) != limits(&before) && !caller.is_operator() {
        let why = "how many events an account may publish is for operators to change";
        return Err(Problem::new(Kind::Forbidden, why));
    }
    let account = state
        .hub
        .account_set_policy(&caller.actor(), scope, policy)
        .await?;
    Ok(Json(view(account)))
}
