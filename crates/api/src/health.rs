//! `/livez`, `/readyz`, `/metrics` and `/openapi.json`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::ApiState;
use crate::caller::{Caller, Public};
use crate::door::{About, Door};

#[derive(Serialize, JsonSchema)]
struct Ready {
    ready: bool,
    /// What is missing, in sentences.
    missing: Vec<String>,
    /// The same in one sentence; only if something is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

pub(crate) fn routes(door: &mut Door) {
    door.get(
        "/livez",
        live,
        About::new("The process runs").media("text/plain"),
    );
    door.get(
        "/readyz",
        ready,
        About::new("The process can serve; 503 says what is missing").answers::<Ready>(),
    );
    door.get(
        "/metrics",
        metrics,
        About::new("Counters and histograms in Prometheus' text form")
            .media("application/openmetrics-text"),
    );
    door.get("/openapi.json", openapi, About::new("This document"));
}

async fn live(_caller: Caller<Public>) -> &'static str {
    "ok\n"
}

async fn ready(_caller: Caller<Public>, State(state): State<ApiState>) -> Response {
    let missing = state.hub.missing().await;
    let status = if missing.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = Ready {
        ready: missing.is_empty(),
        message: (!missing.is_empty()).then(|| missing.join("; ")),
        missing,
    };
    (status, axum::Json(body)).into_response()
}

async fn metrics(_caller: Caller<Public>, State(state): State<ApiState>) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        state.hub.render_metrics(),
    )
}

async fn openapi(_caller: Caller<Public>, State(state): State<ApiState>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        state.shared.openapi.clone(),
    )
}
