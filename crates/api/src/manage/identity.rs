//! `/manage/v1/accounts/{accountId}/identities`: people by any of their identifiers, why they are one, what was undone, what
//! the guard rails keep apart, the rules, and how many people a share would reach.
//!
//! Identifiers stand in bodies and not in addresses, which end up in logs.

mod rules;
mod view;

use axum::Json;
use axum::extract::State;
use hub::Standing;
use hub::identity::Wanted;
use model::hashing::HashMode;
use model::identity::Told;
use model::{EndpointId, FactId, X1Id};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Id, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountMember, AccountViewer, Caller};
use crate::door::{About, Door};
use crate::problem::Problem;
use view::{FactView, IdentifierView, PersonView};

/// By `x1Id`, or by `type` and `value`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
struct Lookup {
    /// Of a person, also one that was merged with an older one since.
    x1_id: Option<String>,
    /// Identity type, such as `email`.
    #[schemars(rename = "type")]
    kind: Option<String>,
    value: Option<String>,
    /// `true`: the value is a hash.
    is_hashed: Option<bool>,
    /// `true`: letter case matters.
    is_case_sensitive: Option<bool>,
}

impl FromBody for Lookup {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let read = Self {
            x1_id: fields.text("x1Id"),
            kind: fields.text("type"),
            value: fields.text("value"),
            is_hashed: fields.flag("isHashed"),
            is_case_sensitive: fields.flag("isCaseSensitive"),
        };
        match (&read.x1_id, &read.kind, &read.value) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => {}
            _ => fields.refuse("", "required", "say `x1Id`, or `type` and `value`"),
        }
        Some(read)
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct UndoneView {
    /// How many people there were among those whom it concerns, and how many there are now.
    people_before: u64,
    people_after: u64,
}

impl From<hub::identity::Undone> for UndoneView {
    fn from(done: hub::identity::Undone) -> Self {
        Self {
            people_before: done.people_before,
            people_after: done.people_after,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct EstimateView {
    /// Types that both have: these meet without being looked up.
    direct: Vec<String>,
    /// Percent of the people known by the source's types who are known by the destination's, in steps of 5; null: too few
    /// people are known.
    match_percent: Option<usize>,
}

pub(super) fn routes(door: &mut Door) {
    let about = About::new("A person, what is known of it, and why it is one");
    door.post(
        "/manage/v1/accounts/{accountId}/identities/lookup",
        lookup,
        about.body::<Lookup>().answers::<PersonView>(),
    );
    let about = paged(About::new("Identifiers that join nobody"))
        .query(
            "standing",
            "`junk` (stands for nobody), `crowded` (seen with more than a person has; if not given) or `overgrown` (joined to more than a person has)",
        )
        .answers::<List<IdentifierView>>();
    door.get(
        "/manage/v1/accounts/{accountId}/identities/report",
        report,
        about,
    );
    let about = paged(About::new("Facts that were undone")).answers::<List<FactView>>();
    door.get(
        "/manage/v1/accounts/{accountId}/identities/undone",
        undone,
        about,
    );
    let about = About::new("Undo what a fact joined, as if it had never been seen");
    door.post(
        "/manage/v1/accounts/{accountId}/identities/facts/{factId}/undo",
        undo,
        about.answers::<UndoneView>(),
    );
    let about = About::new("Let a fact that was undone join again");
    door.post(
        "/manage/v1/accounts/{accountId}/identities/facts/{factId}/redo",
        redo,
        about.answers::<UndoneView>(),
    );
    let about = About::new("How many of a source's people a destination would know")
        .query("sourceEndpointId", "whose people")
        .query("destinationEndpointId", "who would get them")
        .answers::<EstimateView>();
    door.get(
        "/manage/v1/accounts/{accountId}/identities/estimate",
        estimate,
        about,
    );
    rules::routes(door);
}

async fn lookup(
    _caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(wanted): Body<Lookup>,
) -> Answer<PersonView> {
    let wanted = match (&wanted.x1_id, &wanted.kind, &wanted.value) {
        (Some(id), ..) => {
            let id = id.trim().parse::<X1Id>();
            let bad =
                |_| Problem::invalid("/x1Id", "unknown-value", "this is no x1Id: expected a UUID");
            Wanted::X1Id(id.map_err(bad)?)
        }
        (None, kind, value) => {
            let mut told = Told::clear(
                kind.as_deref().unwrap_or_default(),
                value.as_deref().unwrap_or_default(),
            );
            told.is_case_sensitive = wanted.is_case_sensitive.unwrap_or(false);
            if wanted.is_hashed.unwrap_or(false) {
                told.mode = HashMode::Hashed;
            }
            Wanted::Told(told)
        }
    };
    let explained = state.hub.identity_explain(scope, &wanted).await?;
    Ok(Json(PersonView::of(explained, scope.0)))
}

async fn report(
    _caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<IdentifierView>> {
    let expected = "`junk`, `crowded` or `overgrown`";
    let parse = |text: &str| Standing::parse(text).filter(|s| *s != Standing::Joined);
    let standing = params.word("standing", expected, parse);
    let paging = params.paging();
    params.finish()?;
    let standing = standing.unwrap_or(Standing::Crowded);
    let found = state
        .hub
        .identity_guarded(scope, standing, paging.page())
        .await?;
    Ok(Json(paging.list(
        found,
        |one| one.id,
        |one| IdentifierView::of(one, scope.0),
    )))
}

async fn undone(
    _caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<FactView>> {
    let paging = params.paging();
    params.finish()?;
    let found = state.hub.identity_undone(scope, paging.page()).await?;
    Ok(Json(paging.list(
        found,
        |one| one.fact.id,
        |one| FactView::of(one, scope.0),
    )))
}

async fn undo(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<FactId>,
) -> Answer<UndoneView> {
    let done = state
        .hub
        .identity_cut(&caller.actor(), scope, id.0, true)
        .await?;
    Ok(Json(done.into()))
}

async fn redo(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<FactId>,
) -> Answer<UndoneView> {
    let done = state
        .hub
        .identity_cut(&caller.actor(), scope, id.0, false)
        .await?;
    Ok(Json(done.into()))
}

async fn estimate(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<EstimateView> {
    let source = params.id::<EndpointId>("sourceEndpointId");
    let destination = params.id::<EndpointId>("destinationEndpointId");
    params.finish()?;
    let (Some(source), Some(destination)) = (source, destination) else {
        let message = "say `sourceEndpointId` and `destinationEndpointId`";
        return Err(Problem::invalid("", "query", message));
    };
    let estimate = state
        .hub
        .identity_estimate(scope, source, destination)
        .await?;
    Ok(Json(EstimateView {
        direct: estimate.direct,
        match_percent: estimate.match_percent,
    }))
}
