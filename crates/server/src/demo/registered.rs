//! The partners' part of the demo: everything is registered over HTTP, with the calls that a real partner makes.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use super::{audience, stream};
use crate::partner::{Partner, PartnerError};

/// What the CRM does not subscribe to: it cares for what people decide, not for every look around.
const NOT_FOR_THE_CRM: [&str; 6] = [
    "ibmpageView",
    "ibmproductView",
    "appSessionOpen",
    "appSessionClose",
    "appCrashed",
    "ibmelementFormError",
];

/// A registered endpoint.
pub(super) struct Endpoint {
    pub(super) id: i64,
    pub(super) key: String,
    pub(super) name: String,
}

/// The account of the demo and its three endpoints.
pub(super) struct Registered {
    pub(super) account: i64,
    pub(super) shop: Endpoint,
    pub(super) crm: Endpoint,
    pub(super) warehouse: Endpoint,
    /// What pushes to the CRM are signed with.
    pub(super) crm_secret: String,
    /// What the shop publishes, and the warehouse subscribes to.
    pub(super) codes: BTreeSet<String>,
    /// What the CRM subscribes to.
    pub(super) crm_codes: BTreeSet<String>,
}

/// One exchange and the operator's word for it.
struct Operator<'a> {
    exchange: &'a Partner,
    token: &'a str,
}

/// Registers providers, an account, three endpoints, the shop's event types and the subscriptions.
pub(super) async fn register(
    exchange: &Partner,
    token: &str,
    crm_url: &str,
) -> Result<Registered, PartnerError> {
    let operator = Operator { exchange, token };
    for provider in ["Lantern & Quill", "Acquaintance", "Granary"] {
        operator.provider(provider).await?;
    }
    let body = json!({ "name": "Demo", "environment": "production" });
    let account = operator.post("/accounts", &body).await?;
    let account = member(&account, "id")?;

    let mut crm: Value = serde_json::from_str(stream::CRM).unwrap_or_default();
    crm["url"] = Value::from(crm_url);
    audience::crm(&mut crm);
    let mut shop: Value = serde_json::from_str(stream::SHOP).unwrap_or_default();
    audience::shop(&mut shop);
    let shop = operator.endpoint(account, &shop.to_string()).await?;
    let crm = operator.endpoint(account, &crm.to_string()).await?;
    let warehouse = operator.endpoint(account, stream::WAREHOUSE).await?;
    let path = format!("/accounts/{account}/endpoints/{}/webhooksecret", crm.id);
    let secrets = operator.manage(Method::GET, &path, "").await?;
    let crm_secret = secrets["secrets"][0]
        .as_str()
        .unwrap_or_default()
        .to_owned();

    let codes = event_types(exchange, &shop).await?;
    let crm_codes: BTreeSet<String> = codes
        .iter()
        .filter(|code| !NOT_FOR_THE_CRM.contains(&code.as_str()))
        .cloned()
        .collect();
    for (destination, codes) in [(&crm, &crm_codes), (&warehouse, &codes)] {
        for code in codes {
            let body = json!({
                "publisherEndpointId": shop.id, "eventCode": code, "destinationEndpointId": destination.id,
            });
            operator
                .post(&format!("/accounts/{account}/subscriptions"), &body)
                .await?;
        }
    }
    Ok(Registered {
        account,
        shop,
        crm,
        warehouse,
        crm_secret,
        codes,
        crm_codes,
    })
}

/// The shop says what it will publish.
async fn event_types(
    exchange: &Partner,
    shop: &Endpoint,
) -> Result<BTreeSet<String>, PartnerError> {
    let types: Vec<Value> = serde_json::from_str(stream::EVENT_TYPES).unwrap_or_default();
    let mut codes = BTreeSet::new();
    for body in types {
        exchange
            .ask(Method::POST, "/v1/eventtype", &shop.key, &body.to_string())
            .await?;
        codes.extend(body["code"].as_str().map(str::to_owned));
    }
    Ok(codes)
}

impl Operator<'_> {
    async fn manage(&self, method: Method, path: &str, body: &str) -> Result<Value, PartnerError> {
        let path = format!("/manage/v1{path}");
        self.exchange.ask(method, &path, self.token, body).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, PartnerError> {
        self.manage(Method::POST, path, &body.to_string()).await
    }

    /// A provider may be known from an earlier demo in the same directory.
    async fn provider(&self, name: &str) -> Result<(), PartnerError> {
        match self.post("/providers", &json!({ "name": name })).await {
            Ok(_) | Err(PartnerError::Refused { status: 409, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A user registers, the provider takes the key and describes the endpoint.
    async fn endpoint(&self, account: i64, definition: &str) -> Result<Endpoint, PartnerError> {
        let path = format!("/accounts/{account}/registrations");
        let registered = self.post(&path, &json!({})).await?;
        let key = registered["endpointKey"].as_str().unwrap_or_default();
        self.exchange
            .ask(Method::PUT, "/v1/endpoint", key, definition)
            .await?;
        let definition: Value = serde_json::from_str(definition).unwrap_or_default();
        Ok(Endpoint {
            id: member(&registered, "endpointId")?,
            key: key.to_owned(),
            name: definition["name"].as_str().unwrap_or_default().to_owned(),
        })
    }
}

fn member(answer: &Value, name: &str) -> Result<i64, PartnerError> {
    answer[name].as_i64().ok_or_else(|| PartnerError::Odd {
        method: Method::POST,
        path: "/manage/v1".to_owned(),
        detail: format!("there is no number `{name}` in {answer}"),
    })
}
