//! `/manage/v1/status`: the whole exchange at a glance; and how one destination stands.

use axum::Json;
use axum::extract::State;
use hub::flow::Standing;
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use crate::ApiState;
use crate::caller::{Caller, Operator};
use crate::door::{About, Door};

/// Destinations shown, the worst first.
const SHOWN_MAX: usize = 100;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Overview {
    version: &'static str,
    ready: bool,
    /// What is missing, in sentences.
    missing: Vec<String>,
    /// Mails leave; without a mail server they wait in the outbox.
    mail_server: bool,
    /// Committed batches that have not been routed yet.
    router_lag_batches: u64,
    /// Documents at all destinations.
    waiting: u64,
    retrying: u64,
    in_flight: u64,
    /// Destinations to which something was ever routed.
    destinations: usize,
    /// Those whose circuit is open: they are probed only.
    circuits_open: usize,
    /// Those with something waiting or in trouble, the worst first; 100 at most.
    behind: Vec<Behind>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Behind {
    account_id: i64,
    endpoint_id: i64,
    #[serde(flatten)]
    standing: StandingView,
}

/// How a destination stands.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StandingView {
    /// Routed and not tried yet, or under way.
    waiting: u64,
    retrying: u64,
    in_flight: u32,
    /// How long the oldest waiting document has waited; 0 when none waits.
    lag_seconds: f64,
    /// `open` when it fails so much that it is only probed, else `closed`.
    circuit: &'static str,
    /// Since the process started.
    delivered: u64,
}

impl StandingView {
    /// Of a destination that the flow does not know, nothing waits.
    pub(super) fn of(standing: Option<Standing>) -> Self {
        let Some(standing) = standing else {
            return Self {
                waiting: 0,
                retrying: 0,
                in_flight: 0,
                lag_seconds: 0.0,
                circuit: "closed",
                delivered: 0,
            };
        };
        Self {
            waiting: standing.waiting,
            retrying: standing.retrying,
            in_flight: standing.in_flight,
            lag_seconds: standing.lag.map_or(0.0, |lag| lag.as_secs_f64()),
            circuit: if standing.circuit_closed {
                "closed"
            } else {
                "open"
            },
            delivered: standing.delivered,
        }
    }
}

pub(super) fn routes(door: &mut Door) {
    let about = About::new("The exchange at a glance").answers::<Overview>();
    door.get("/manage/v1/status", overview, about);
}

async fn overview(_caller: Caller<Operator>, State(state): State<ApiState>) -> Answer<Overview> {
    let missing = state.hub.missing().await;
    let mut standings = state.hub.standings();
    let sum = |of: fn(&Standing) -> u64| standings.iter().map(of).sum();
    let (waiting, retrying) = (sum(|s| s.waiting), sum(|s| s.retrying));
    let in_flight = sum(|s| u64::from(s.in_flight));
    let destinations = standings.len();
    let circuits_open = standings.iter().filter(|s| !s.circuit_closed).count();
    standings.retain(|s| s.waiting + s.retrying > 0 || !s.circuit_closed);
    standings.sort_by_key(|s| std::cmp::Reverse((s.lag, s.waiting + s.retrying)));
    let behind = standings.into_iter().take(SHOWN_MAX).map(|s| Behind {
        account_id: s.account.0,
        endpoint_id: s.endpoint.0,
        standing: StandingView::of(Some(s)),
    });
    Ok(Json(Overview {
        version: env!("CARGO_PKG_VERSION"),
        ready: missing.is_empty(),
        missing,
        mail_server: state.hub.has_mail_server(),
        router_lag_batches: state.hub.router_lag(),
        waiting,
        retrying,
        in_flight,
        destinations,
        circuits_open,
        behind: behind.collect(),
    }))
}
