//! The audiences of the demo's CRM: the calls that an exchange makes of a product which has lists of its own and takes
//! those of others. The exchange asks what there is, makes a new list, replaces its rows, and fetches rows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, put};
use serde_json::{Value, json};

use super::stream;

/// What the CRM shares: everybody with an account, by account number.
pub(super) const REGULARS: i64 = 8_000_000_000_000_001_596;
/// The first id that it gives to a list which is made for others.
const MADE_FIRST: i64 = 8_000_000_000_000_001_600;

/// Lists that were made by others, by their ids: name, and the rows as they came.
#[derive(Default)]
pub(super) struct Lists {
    made: Mutex<BTreeMap<i64, (String, String)>>,
}

impl Lists {
    fn made(&self) -> MutexGuard<'_, BTreeMap<i64, (String, String)>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of a list that was made under this name.
    pub(super) fn rows(&self, name: &str) -> Option<String> {
        let made = self.made();
        let mut found = made.values().filter(|(known, _)| known == name);
        found.next().map(|(_, rows)| rows.clone())
    }
}

/// Below the CRM's URL.
pub(super) fn router(lists: Arc<Lists>) -> Router {
    Router::new()
        .route("/exchange/v1/segments", get(list).post(make))
        .route("/exchange/v1/segments/{id}/data", put(replace).get(fetch))
        .with_state(lists)
}

async fn list(State(lists): State<Arc<Lists>>) -> axum::Json<Value> {
    let regulars =
        json!({ "id": REGULARS, "name": "Regulars", "description": "Everybody with an account" });
    let mut segments = vec![regulars];
    for (id, (name, _)) in lists.made().iter() {
        segments.push(json!({ "id": id, "name": name }));
    }
    let result = json!({ "totalCount": segments.len(), "list": segments });
    axum::Json(json!({ "responseStatus": "success", "result": result }))
}

async fn make(
    State(lists): State<Arc<Lists>>,
    axum::Json(wanted): axum::Json<Value>,
) -> axum::Json<Value> {
    let name = wanted["name"].as_str().unwrap_or_default().to_owned();
    let mut made = lists.made();
    let id = made.keys().last().map_or(MADE_FIRST, |last| last + 1);
    made.insert(id, (name, String::new()));
    axum::Json(json!(id))
}

async fn replace(
    State(lists): State<Arc<Lists>>,
    Path(id): Path<i64>,
    rows: String,
) -> Result<axum::Json<Value>, StatusCode> {
    let accepted = rows.lines().count().saturating_sub(1);
    let mut made = lists.made();
    let list = made.get_mut(&id).ok_or(StatusCode::NOT_FOUND)?;
    list.1 = rows;
    Ok(axum::Json(json!({ "accepted": accepted, "refused": 0 })))
}

async fn fetch(Path(id): Path<i64>) -> axum::response::Response {
    if id != REGULARS {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut rows = "ACCOUNT_NO\n".to_owned();
    for account in stream::people("customerId") {
        rows.push_str(&account);
        rows.push('\n');
    }
    ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], rows).into_response()
}
