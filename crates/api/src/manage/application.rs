//! `/manage/v1/accounts/{accountId}/applications`: what an account may choose, and changing its own.
//!
//! The document is the one of `/v1/application`, so unlike elsewhere in `/manage/v1` members that are not known are kept.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hub::application::{Made, Run};
use hub::registration::{Choice, DeploymentChoice};
use jiff::Timestamp;
use model::onboarding::Prompt;
use model::{Application, ApplicationId, DeploymentId, Visibility};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Answer;
use super::input::{Body, Fields, FromBody, Id, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::application::{ApplicationView, EffectsView, dry_run};
use crate::body::Payload;
use crate::caller::{AccountMember, AccountPartner, Caller};
use crate::door::{About, Door};
use crate::problem::Problem;

/// An application that the account may choose.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ChoiceView {
    id: i64,
    display_name: String,
    provider_name: String,
    description: Option<String>,
    /// `PUBLIC` or `PRIVATE`.
    visibility: &'static str,
    /// Of this account; only such a one can be changed.
    own: bool,
    deployments: Vec<DeploymentView>,
}

/// What the application offers, and what is needed to register for it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DeploymentView {
    /// A number or a word.
    #[schemars(with = "Value")]
    id: DeploymentId,
    name: String,
    description: Option<String>,
    /// `INSTRUCTIONSONLY` or `DIRECTCONNECT`; null: the provider says nothing, and the endpoint's key is handed over by
    /// hand.
    onboarding_type: Option<&'static str>,
    instructions: Option<String>,
    /// What is to be answered.
    prompts: Vec<PromptView>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PromptView {
    /// The answer's name in `values`.
    name: String,
    label: String,
    /// `String` or `Integer`.
    r#type: &'static str,
    /// Not to be shown while it is typed.
    secret: bool,
}

/// One of the account's own, or a public one, as its provider defined it.
#[derive(Serialize, JsonSchema)]
struct ApplicationDetail {
    #[serde(flatten)]
    choice: ChoiceView,
    /// As it was sent.
    document: Value,
}

/// An endpoint that some account made from the application: that it is there, and how it stands.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MadeView {
    endpoint_id: i64,
    account_id: i64,
    deployment_id: Option<String>,
    status: &'static str,
    enabled: bool,
    #[schemars(with = "String")]
    since: Timestamp,
}

impl From<Made> for MadeView {
    fn from(made: Made) -> Self {
        Self {
            endpoint_id: made.endpoint.0,
            account_id: made.account.0,
            deployment_id: made.deployment.map(|id| id.to_string()),
            status: made.status.as_str(),
            enabled: made.enabled,
            since: made.since,
        }
    }
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Show {
    /// `PUBLIC` or `PRIVATE`.
    #[schemars(with = "String")]
    visibility: Visibility,
}

impl FromBody for Show {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let visibility =
            fields.required_word("visibility", "`PUBLIC` or `PRIVATE`", Visibility::parse)?;
        Some(Self { visibility })
    }
}

impl From<Prompt> for PromptView {
    fn from(prompt: Prompt) -> Self {
        Self {
            name: prompt.name,
            label: prompt.label,
            r#type: prompt.kind.as_str(),
            secret: prompt.is_secret,
        }
    }
}

impl From<DeploymentChoice> for DeploymentView {
    fn from(choice: DeploymentChoice) -> Self {
        Self {
            name: choice.deployment.name().to_owned(),
            description: text(&choice.deployment.document, "description"),
            id: choice.deployment.id,
            onboarding_type: choice.kind.map(model::onboarding::OnboardingType::as_str),
            instructions: choice.instructions,
            prompts: choice.prompts.into_iter().map(PromptView::from).collect(),
        }
    }
}

fn text(document: &Value, name: &str) -> Option<String> {
    document[name].as_str().map(str::to_owned)
}

fn choice(scope: hub::Scope, choice: Choice) -> (ChoiceView, Value) {
    let Choice {
        application,
        deployments,
    } = choice;
    let view = ChoiceView {
        id: application.id.0,
        display_name: application.display_name().to_owned(),
        provider_name: application.provider_name().to_owned(),
        description: text(&application.document, "description"),
        visibility: application.visibility.as_str(),
        own: application.account == scope.0,
        deployments: deployments.into_iter().map(DeploymentView::from).collect(),
    };
    (view, application.document)
}

const ALL: &str = "/manage/v1/accounts/{accountId}/applications";
const ONE: &str = "/manage/v1/accounts/{accountId}/applications/{applicationId}";

const MADE: &str = "/manage/v1/accounts/{accountId}/applications/{applicationId}/endpoints";

pub(super) fn routes(door: &mut Door) {
    let about = About::new(
        "The applications that the account may choose, its own and public ones, and what is asked of who registers",
    );
    let about = paged(about);
    door.get(ALL, list, about.answers::<List<ChoiceView>>());
    let about = About::new("Define an application; only its own account sees it at first");
    let about = about.body::<ApplicationView>();
    door.post(ALL, create, about.answers::<ApplicationDetail>());
    let about = About::new("An application of the account, or a public one");
    door.get(ONE, get, about.answers::<ApplicationDetail>());
    let about = About::new(
        "Define an application anew; endpoints that are made from it follow, but for what they state themselves",
    );
    let about = dry_run(about.body::<ApplicationView>());
    door.put(ONE, put, about.answers::<ApplicationDetail>());
    let about =
        About::new("Show an application to all accounts of the environment, or to its own only");
    let about = about.body::<Show>();
    door.patch(ONE, show, about.answers::<ApplicationDetail>());
    let about = About::new(
        "Delete an application with its deployments; 400 while endpoints are made from it",
    );
    door.delete(ONE, delete, about.answers::<bool>());
    let about = paged(About::new(
        "The endpoints of all accounts that are made from one's own application: that they are there, and how they stand",
    ));
    door.get(MADE, made, about.answers::<List<MadeView>>());
}

async fn list(
    _caller: Caller<AccountPartner>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<ChoiceView>> {
    let paging = params.paging();
    params.finish()?;
    let choices = state.hub.registration_choices(scope, paging.page()).await?;
    let view = |one| choice(scope, one).0;
    Ok(Json(paging.list(choices, |one| one.application.id.0, view)))
}

/// Which one is changed, and whether that is only tried.
struct Tried {
    id: ApplicationId,
    run: Run,
}

impl FromRequestParts<ApiState> for Tried {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let Id(id) = Id::from_request_parts(parts, state).await?;
        let mut params = Params::from_request_parts(parts, state).await?;
        let flag = |text: &str| match text {
            "true" => Some(Run::Dry),
            "false" => Some(Run::Real),
            _ => None,
        };
        let run = params.word("dryRun", "true or false", flag);
        params.finish()?;
        Ok(Self {
            id,
            run: run.unwrap_or(Run::Real),
        })
    }
}

async fn detail(
    state: &ApiState,
    scope: hub::Scope,
    id: ApplicationId,
) -> Answer<ApplicationDetail> {
    let (choice, document) = choice(scope, state.hub.registration_choice(scope, id).await?);
    Ok(Json(ApplicationDetail { choice, document }))
}

async fn get(
    _caller: Caller<AccountPartner>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<ApplicationId>,
) -> Answer<ApplicationDetail> {
    detail(&state, scope, id).await
}

async fn made(
    _caller: Caller<AccountPartner>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<ApplicationId>,
    mut params: Params,
) -> Answer<List<MadeView>> {
    let paging = params.paging();
    params.finish()?;
    let made = state
        .hub
        .application_endpoints(scope, id, paging.page())
        .await?;
    Ok(Json(paging.list(
        made,
        |one| one.endpoint.0,
        MadeView::from,
    )))
}

async fn create(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    payload: Payload,
) -> Answer<ApplicationDetail> {
    let body = payload.json()?;
    let actor = caller.actor();
    let verb = state.hub.application_create(&actor, scope, &body);
    let Application { id, .. } = verb.await?;
    detail(&state, scope, id).await
}

async fn put(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Tried { id, run }: Tried,
    payload: Payload,
) -> Result<Response, Problem> {
    let body = payload.json()?;
    let actor = caller.actor();
    let verb = state.hub.application_put(&actor, scope, id, &body, run);
    let (application, effects) = verb.await?;
    Ok(match run {
        Run::Dry => Json(EffectsView::of(effects)).into_response(),
        Run::Real => detail(&state, scope, application.id).await?.into_response(),
    })
}

async fn show(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<ApplicationId>,
    Body(Show { visibility }): Body<Show>,
) -> Answer<ApplicationDetail> {
    let actor = caller.actor();
    let verb = state
        .hub
        .application_set_visibility(&actor, scope, id, visibility);
    verb.await?;
    detail(&state, scope, id).await
}

async fn delete(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<ApplicationId>,
) -> Answer<bool> {
    let actor = caller.actor();
    state.hub.application_delete(&actor, scope, id).await?;
    Ok(Json(true))
}
