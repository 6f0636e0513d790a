//! `/v1/eventfiles`: what pull destinations list, fetch and delete.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use hub::event_file::FILES_MAX;
use serde::Deserialize;

use crate::ApiState;
use crate::caller::{Caller, EndpointKey};
use crate::door::{About, Door};
use crate::problem::Problem;

#[derive(Deserialize)]
struct ListQuery {
    #[serde(rename = "numFiles")]
    num_files: Option<String>,
}

pub(crate) fn routes(door: &mut Door) {
    let about = About::new("Names of waiting event files, oldest first, at most 10")
        .query("numFiles", "names wanted, 1 to 10");
    door.get("/v1/eventfiles", list, about.answers::<Vec<String>>());
    let about =
        About::new("An event file: a JSON array of documents").media("application/octet-stream");
    door.get("/v1/eventfiles/{name}", fetch, about);
    door.delete(
        "/v1/eventfiles/{name}",
        delete,
        About::new("Remove a fetched event file").answers::<bool>(),
    );
}

async fn list(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<String>>, Problem> {
    let limit = match query.num_files.as_deref().filter(|text| !text.is_empty()) {
        None => FILES_MAX,
        Some(text) => match text.trim().parse::<i64>() {
            Ok(number) if number >= 1 => number.min(FILES_MAX),
            _ => {
                let message = format!(
                    "numFiles is {}: expected a whole number from 1 to {FILES_MAX}",
                    model::invalid::shown(text)
                );
                return Err(Problem::invalid("", "numFiles", message));
            }
        },
    };
    Ok(Json(
        state
            .hub
            .event_files(caller.scope(), caller.endpoint(), limit)
            .await?,
    ))
}

async fn fetch(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let bytes = state
        .hub
        .event_file(caller.scope(), caller.endpoint(), &name)
        .await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes))
}

async fn delete(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    Path(name): Path<String>,
) -> Result<Json<bool>, Problem> {
    state
        .hub
        .event_file_delete(caller.scope(), caller.endpoint(), &name)
        .await?;
    Ok(Json(true))
}
