//! `/v1/endpoint/{id}/segments…`: push producers announce their audiences, replace the list, take some or all back, and
//! read it; and `GET /v1/endpoint/refreshSegments`, which asks the others for theirs.
//!
//! Called by integrations with the endpoint's own key; a refresh with an account's key. Simple writes answer `true`.

use axum::Json;
use axum::extract::State;
use hub::{KnownSegment, SegmentFilter, Window};
use model::invalid::shown;
use model::segment::{SegmentAttribute, SegmentRole};
use model::{EndpointId, Invalid, SegmentId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::ApiState;
use crate::application::Below;
use crate::asked::{Asked, InPath};
use crate::body::Payload;
use crate::caller::{AccountKey, Caller, EndpointKey};
use crate::door::{About, Door};
use crate::problem::{Kind, Problem};

/// Segments in one answer, when no `pageSize` is asked for and at most.
const PAGE_MAX: u64 = 10_000;

/// An audience, as its owner announces it and as it is told of.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SegmentView {
    /// A whole number of 64 bits, exact. Either this or `id_string`.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    /// For ids that are texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_string: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// `Contact Lists` (default), `Databases` or `Queries`.
    r#type: &'static str,
    segment_attributes: Vec<AttributeView>,
    /// `source`: it can be shared. `destination`: it can be shared to. Ignored in what is sent.
    role: &'static str,
}

/// What is known of each member.
#[derive(Serialize, JsonSchema)]
struct AttributeView {
    name: String,
    r#type: String,
}

impl From<KnownSegment> for SegmentView {
    fn from(known: KnownSegment) -> Self {
        let segment = known.segment;
        let (id, id_string) = match segment.id {
            SegmentId::Number(number) => (Some(number), None),
            SegmentId::Text(text) => (None, Some(text)),
        };
        let attribute = |SegmentAttribute { name, kind }| AttributeView { name, r#type: kind };
        Self {
            id,
            id_string,
            name: segment.name,
            description: segment.description,
            r#type: segment.kind.as_str(),
            segment_attributes: segment.attributes.into_iter().map(attribute).collect(),
            role: known.role.as_str(),
        }
    }
}

/// Which segments are asked for, by query parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    /// Counted from 1.
    start_record: Option<u64>,
    page_size: Option<u64>,
    name: Option<String>,
    description: Option<String>,
}

impl Wanted {
    /// The parameters, for the OpenAPI document.
    pub(crate) fn document(about: About) -> About {
        about
            .query("pageSize", "segments wanted, from 1; 10000 at most")
            .query("startRecord", "the first segment wanted, counted from 1")
            .query("searchByName", "segments whose name has this in it")
            .query(
                "searchByDescription",
                "segments whose description has this in it",
            )
    }

    /// Reads the query; every wrong value at once.
    pub(crate) fn of(asked: &Asked, invalid: &mut Invalid) -> Self {
        Self {
            start_record: asked.count("startRecord", invalid),
            page_size: asked.count("pageSize", invalid),
            name: asked.text("searchByName").map(str::to_owned),
            description: asked.text("searchByDescription").map(str::to_owned),
        }
    }

    pub(crate) fn filter(&self, endpoint: EndpointId, role: Option<SegmentRole>) -> SegmentFilter {
        SegmentFilter {
            endpoint: Some(endpoint),
            role,
            name: self.name.clone(),
            description: self.description.clone(),
            anywhere: None,
        }
    }

    pub(crate) fn window(&self) -> Window {
        let bounded = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Window {
            after: 0,
            skip: bounded(self.start_record.unwrap_or(1) - 1),
            limit: bounded(self.page_size.unwrap_or(PAGE_MAX).min(PAGE_MAX)),
        }
    }
}

const ALL: &str = "/v1/endpoint/{id}/segments";
const ONE: &str = "/v1/endpoint/{id}/segments/{segmentId}";

pub(crate) fn routes(door: &mut Door) {
    let about = |summary| {
        About::new(summary)
            .body::<Vec<SegmentView>>()
            .answers::<bool>()
    };
    let summary = "Announce audiences that can be shared, or describe them anew; of push producers";
    door.post(ALL, add, about(summary));
    let summary = "Announce all audiences that can be shared; others are there no more";
    door.put(ALL, replace, about(summary));
    let about = About::new("Take all audiences back").answers::<bool>();
    door.delete(ALL, clear, about);
    let about = About::new("Take one audience back").answers::<bool>();
    door.delete(ONE, delete, about);
    let about = About::new("The audiences that can be shared").answers::<Vec<SegmentView>>();
    door.get(ALL, list, Wanted::document(about));
    let about = About::new("One audience").answers::<SegmentView>();
    door.get(ONE, get, about);
    let about = About::new(
        "Ask pull producers and push consumers of audiences for their lists; answers the id of the job that does it",
    );
    let about = about.query("endpointId", "this endpoint only");
    door.get(
        "/v1/endpoint/refreshSegments",
        refresh,
        about.answers::<i64>(),
    );
}

async fn add(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    path: InPath,
    payload: Payload,
) -> Result<Json<bool>, Problem> {
    announce(&caller, &state, &path, &payload, false).await
}

async fn replace(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    path: InPath,
    payload: Payload,
) -> Result<Json<bool>, Problem> {
    announce(&caller, &state, &path, &payload, true).await
}

async fn announce(
    caller: &Caller<EndpointKey>,
    state: &ApiState,
    path: &InPath,
    payload: &Payload,
    replaces: bool,
) -> Result<Json<bool>, Problem> {
    let id = caller.own(state, path.endpoint()?)?;
    let body = payload.json()?;
    let (actor, scope) = (caller.actor(), caller.scope());
    state
        .hub
        .segments_announce(&actor, scope, id, (&body, replaces))
        .await?;
    Ok(Json(true))
}

async fn clear(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    path: InPath,
) -> Result<Json<bool>, Problem> {
    let id = caller.own(&state, path.endpoint()?)?;
    let (actor, scope) = (caller.actor(), caller.scope());
    state.hub.segments_clear(&actor, scope, id).await?;
    Ok(Json(true))
}

async fn delete(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    below: Below,
) -> Result<Json<bool>, Problem> {
    let id = caller.own(&state, endpoint(&below)?)?;
    let segment = segment(&below)?;
    let (actor, scope) = (caller.actor(), caller.scope());
    let verb = state.hub.segment_delete(&actor, scope, id, &segment);
    verb.await?;
    Ok(Json(true))
}

async fn list(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    path: InPath,
    asked: Asked,
) -> Result<Json<Vec<SegmentView>>, Problem> {
    let id = caller.own(&state, path.endpoint()?)?;
    let mut invalid = Invalid::default();
    let wanted = Wanted::of(&asked, &mut invalid);
    invalid.or(())?;
    let filter = wanted.filter(id, Some(SegmentRole::Source));
    let found = state.hub.segments(caller.scope(), &filter, wanted.window());
    Ok(Json(
        found.await?.into_iter().map(SegmentView::from).collect(),
    ))
}

async fn get(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    below: Below,
) -> Result<Json<SegmentView>, Problem> {
    let id = caller.own(&state, endpoint(&below)?)?;
    let list = (id, SegmentRole::Source);
    let segment = segment(&below)?;
    let found = state.hub.segment(caller.scope(), list, &segment);
    Ok(Json(found.await?.into()))
}

async fn refresh(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    asked: Asked,
) -> Result<Json<i64>, Problem> {
    let only = match asked.text("endpointId") {
        None => None,
        Some(text) => Some(InPath(text.to_owned()).endpoint()?),
    };
    let (actor, scope) = (caller.actor(), caller.scope());
    let job = state.hub.segments_refresh(&actor, scope, only).await?;
    Ok(Json(job.0))
}

fn endpoint(below: &Below) -> Result<EndpointId, Problem> {
    InPath(below.text("id").to_owned()).endpoint()
}

/// What cannot be an id is not there.
fn segment(below: &Below) -> Result<SegmentId, Problem> {
    let text = below.text("segmentId");
    text.parse().map_err(|_| {
        let message = format!("there is no segment {}", shown(text));
        Problem::new(Kind::NotFound, message)
    })
}
