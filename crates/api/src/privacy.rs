//! `POST /v1/jobs/gdprRequest`: people are to be erased, restricted, no longer restricted, or exported.
//!
//! Taken are the people as CSV with what is to be done in the query; a multipart form with both; and what is to be done
//! alone, as JSON, after which `POST /v1/jobs/{jobId}/data` brings the people.

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::header;
use hub::Job;
use model::JobId;
use model::privacy::Ask;
use schemars::JsonSchema;
use serde_json::{Map, Value};

use crate::ApiState;
use crate::asked::Asked;
use crate::body::Payload;
use crate::caller::{AccountKey, Caller};
use crate::door::{About, Door};
use crate::job::upload::{Received, receive, turn};
use crate::job::view::DetailView;
use crate::problem::Problem;

/// What is to be done.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by people")]
#[schemars(rename_all = "camelCase")]
struct GdprRequest {
    /// `remove`, `addRestriction`, `removeRestriction` or `export`.
    operation_type: String,
    /// Makes a file of the other identifiers of these people, for other systems.
    generate_output: Option<bool>,
}

pub(crate) fn routes(door: &mut Door) {
    let about = About::new(
        "Erase, restrict, no longer restrict or export people: CSV whose first row names identity types, as the body or in a multipart form",
    )
    .query("operationType", "remove, addRestriction, removeRestriction or export, where it is not in the body")
    .query("generateOutput", "true: list the other identifiers of these people");
    door.post(
        "/v1/jobs/gdprRequest",
        create,
        about.body::<GdprRequest>().answers::<DetailView>(),
    );
}

async fn create(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    asked: Asked,
    request: Request,
) -> Result<Json<DetailView>, Problem> {
    let hub = &state.hub;
    let (actor, scope) = (caller.actor(), caller.scope());
    let media = request.headers().get(header::CONTENT_TYPE);
    let media = media.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let media = model::multipart::media(media);
    let in_query = in_query(&asked);
    if media.ends_with("json") {
        let body = Payload::from_request(request, &state).await?.json()?;
        let ask = Ask::read(&merged(&in_query, Some(&body)))?;
        let id = hub.privacy_request(&actor, scope, Some(ask)).await?;
        return Ok(Json(hub.job_get(scope, None, id).await?.into()));
    }
    // A form says what is to be done at its end, perhaps; else what is wrong is said before anything is taken.
    let ask = match media.starts_with("multipart/") {
        true => None,
        false => Some(Ask::read(&in_query)?),
    };
    let _turn = turn(&state)?;
    let id = hub.privacy_request(&actor, scope, ask).await?;
    match fill(&state, &caller, (id, request), &in_query).await {
        Ok(job) => Ok(Json(job.into())),
        Err(problem) => {
            // Nobody waits for it.
            let _ = hub.job_cancel(&actor, scope, id).await;
            Err(problem)
        }
    }
}

/// Takes the people of a request, and what a form says of it.
async fn fill(
    state: &ApiState,
    caller: &Caller<AccountKey>,
    (id, request): (JobId, Request),
    in_query: &Value,
) -> Result<Job, Problem> {
    let (hub, scope) = (&state.hub, caller.scope());
    let mut upload = hub.job_upload_begin(scope, (None, id), "text/csv").await?;
    let received = match receive(request, &mut upload).await {
        Ok(received) => received,
        Err(problem) => {
            hub.job_upload_drop(upload).await;
            return Err(problem);
        }
    };
    let Received { metadata, has_data } = received;
    let metadata = merged(in_query, metadata.as_ref());
    let ask = Ask::read(&metadata);
    if ask.is_err() || !has_data {
        hub.job_upload_drop(upload).await;
        ask?;
        let message =
            "there is no file: send CSV whose first row names identity types, such as `email`";
        return Err(Problem::invalid("", "required", message));
    }
    let actor = caller.actor();
    Ok(hub
        .job_upload_finish(&actor, upload, Some(&metadata))
        .await?)
}

fn in_query(asked: &Asked) -> Value {
    let members = ["operationType", "generateOutput"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), Value::from(asked.text(name)?))));
    Value::Object(Map::from_iter(members))
}

/// What the body says comes before what the query says; nothing else is kept of either.
fn merged(in_query: &Value, in_body: Option<&Value>) -> Value {
    let mut members = Map::new();
    for name in ["operationType", "generateOutput"] {
        let in_body = in_body.map_or(&Value::Null, |body| &body[name]);
        let said = if in_body.is_null() {
            &in_query[name]
        } else {
            in_body
        };
        members.insert(name.to_owned(), said.clone());
    }
    Value::Object(members)
}
