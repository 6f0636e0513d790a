//! `/v1/application…`: a provider defines a product once, for the endpoints of many accounts.
//!
//! Called by integrations with an account key. Answers are the document as it was sent, with its id. An application of
//! another account is not there, unless it is public: then it can be read.

mod effects;

use axum::Json;
use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hub::Page;
use hub::application::Run;
use model::invalid::{Invalid, shown};
use model::{Application, ApplicationId, DeploymentId, Visibility};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::ApiState;
use crate::asked::Asked;
use crate::body::Payload;
use crate::caller::{AccountKey, Caller};
use crate::door::{About, Door};
use crate::endpoint::{Databases, EndpointTypes};
use crate::problem::{Kind, Problem};

pub(crate) use effects::EffectsView;

/// What endpoints that are made from the application have in common. Unknown members are kept.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplicationView {
    /// Made by the exchange.
    id: i64,
    /// A provider that the operator knows.
    provider_name: String,
    description: Option<String>,
    /// What business users choose by.
    display_name: String,
    /// MD5, SHA1, SHA256, EMAIL_SHA256, PHONE_SHA256 or NONE.
    hash_algorithm: Option<String>,
    /// PLAIN, META, GOOGLE_CUSTOMER_MATCH, TIKTOK, SNAP, LINKEDIN or X.
    hash_profile: Option<String>,
    /// Where endpoints are called, unless they state their own.
    url: Option<String>,
    endpoint_types: Option<EndpointTypes>,
    marketing_databases_definition: Option<Databases>,
}

/// What stands in the path below `/v1/application`.
pub(crate) struct Below(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Below {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| {
            let message = "the path is not UTF-8 once it is decoded, so it names nothing here";
            Problem::new(Kind::NotFound, message)
        })?;
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Ok(Self(params.iter().map(owned).collect()))
    }
}

impl Below {
    pub(crate) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// What cannot be an id is not there.
    pub(crate) fn application(&self) -> Result<ApplicationId, Problem> {
        let text = self.text("applicationId");
        text.parse().map_err(|_| {
            let message = format!("there is no application {}", shown(text));
            Problem::new(Kind::NotFound, message)
        })
    }

    pub(crate) fn deployment(&self) -> Result<DeploymentId, Problem> {
        let text = self.text("deploymentId");
        text.parse().map_err(|_| {
            let message = format!("there is no deployment {}", shown(text));
            Problem::new(Kind::NotFound, message)
        })
    }
}

const ALL: &str = "/v1/application";
const ONE: &str = "/v1/application/{applicationId}";
const STATUS: &str = "/v1/application/{applicationId}/{status}";

pub(crate) fn routes(door: &mut Door) {
    let about = About::new("Define an application; only its own account sees it at first");
    let about = about.body::<ApplicationView>();
    door.post(ALL, create, about.answers::<ApplicationView>());
    let about = About::new("The applications of the account");
    door.get(ALL, list, about.answers::<Vec<ApplicationView>>());
    let about = About::new("An application of the account, or a public one");
    door.get(ONE, get, about.answers::<ApplicationView>());
    let about = About::new(
        "Define an application anew; endpoints that are made from it follow, but for what they state themselves",
    );
    let about = about.body::<ApplicationView>();
    let about = dry_run(about);
    door.put(ONE, put, about.answers::<ApplicationView>());
    let about = About::new(
        "Delete an application with its deployments; 400 while endpoints are made from it",
    );
    door.delete(ONE, delete, about.answers::<bool>());
    let about = About::new(
        "Show an application to all accounts of the environment (PUBLIC) or to its own only (PRIVATE)",
    );
    door.put(STATUS, set_status, about.answers::<String>());
    let about = About::new("PUBLIC or PRIVATE; the last part of the path is `status`");
    door.get(STATUS, status, about.answers::<String>());
}

/// Says that a call can be tried without doing it.
pub(crate) fn dry_run(about: About) -> About {
    about.query(
        "dryRun",
        "true: changes nothing, and answers which endpoints it would change and how",
    )
}

/// Whether the call is to be done.
pub(crate) fn run(asked: &Asked) -> Result<Run, Problem> {
    let mut invalid = Invalid::default();
    let is_dry = asked.flag("dryRun", &mut invalid);
    Ok(invalid.or(if is_dry { Run::Dry } else { Run::Real })?)
}

/// The document with its id.
pub(crate) fn answer(application: Application) -> Json<Value> {
    let mut document = application.document;
    document["id"] = application.id.0.into();
    Json(document)
}

async fn create(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    payload: Payload,
) -> Result<Json<Value>, Problem> {
    let body = payload.json()?;
    let (actor, scope) = (caller.actor(), caller.scope());
    let application = state.hub.application_create(&actor, scope, &body).await?;
    Ok(answer(application))
}

async fn list(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
) -> Result<Json<Vec<Value>>, Problem> {
    // An account has few; the hub limits how many.
    let page = Page {
        after: 0,
        limit: i64::MAX,
    };
    let applications = state.hub.applications(caller.scope(), page).await?;
    let documents = applications.into_iter().map(|one| answer(one).0);
    Ok(Json(documents.collect()))
}

async fn get(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
) -> Result<Json<Value>, Problem> {
    let id = below.application()?;
    Ok(answer(state.hub.application(caller.scope(), id).await?))
}

async fn put(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
    asked: Asked,
    payload: Payload,
) -> Result<Response, Problem> {
    let (id, run) = (below.application()?, run(&asked)?);
    let body = payload.json()?;
    let (actor, scope) = (caller.actor(), caller.scope());
    let verb = state.hub.application_put(&actor, scope, id, &body, run);
    let (application, effects) = verb.await?;
    Ok(match run {
        Run::Real => answer(application).into_response(),
        Run::Dry => Json(EffectsView::of(effects)).into_response(),
    })
}

async fn delete(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
) -> Result<Json<bool>, Problem> {
    let id = below.application()?;
    let (actor, scope) = (caller.actor(), caller.scope());
    state.hub.application_delete(&actor, scope, id).await?;
    Ok(Json(true))
}

async fn set_status(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
) -> Result<Json<&'static str>, Problem> {
    let id = below.application()?;
    let word = below.text("status");
    let Some(visibility) = Visibility::parse(word) else {
        // Ids are not probed by wrong words.
        state.hub.application_own(caller.scope(), id).await?;
        let message = format!(
            "the path ends in {}: expected PUBLIC or PRIVATE",
            shown(word)
        );
        return Err(Problem::invalid("", "unknown-value", message));
    };
    let (actor, scope) = (caller.actor(), caller.scope());
    let verb = state
        .hub
        .application_set_visibility(&actor, scope, id, visibility);
    Ok(Json(verb.await?.visibility.as_str()))
}

async fn status(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
) -> Result<Json<&'static str>, Problem> {
    let id = below.application()?;
    let word = below.text("status");
    // The published path has a placeholder there, which some clients send as it is.
    let is_placeholder = matches!(word.trim_matches(['{', '}']), "status");
    if !is_placeholder && Visibility::parse(word).is_none() {
        let message = format!("there is nothing at {} of an application", shown(word));
        return Err(Problem::new(Kind::NotFound, message));
    }
    let application = state.hub.application(caller.scope(), id).await?;
    Ok(Json(application.visibility.as_str()))
}
