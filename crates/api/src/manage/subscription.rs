//! `/manage/v1/accounts/{accountId}/subscriptions`: which destination gets which event of which publisher.

use axum::Json;
use axum::extract::State;
use hub::subscription::NewSubscription;
use model::{EndpointId, Subscription, SubscriptionId};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::endpoint::Enable;
use super::input::{Body, Fields, FromBody, Id, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountMember, AccountViewer, Caller};
use crate::door::{About, Door};

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    #[schemars(with = "i64")]
    publisher_endpoint_id: EndpointId,
    event_code: String,
    #[schemars(with = "i64")]
    destination_endpoint_id: EndpointId,
    /// Not given: the code in any namespace.
    namespace: Option<String>,
}

impl FromBody for Wanted {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let publisher = fields.required_id("publisherEndpointId", EndpointId);
        let code = fields.required_text("eventCode");
        let destination = fields.required_id("destinationEndpointId", EndpointId);
        let namespace = fields.text("namespace");
        Some(Self {
            publisher_endpoint_id: publisher?,
            event_code: code?,
            destination_endpoint_id: destination?,
            namespace,
        })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SubscriptionView {
    id: i64,
    publisher_endpoint_id: i64,
    event_code: String,
    /// Null: any.
    namespace: Option<String>,
    destination_endpoint_id: i64,
    enabled: bool,
}

fn view(subscription: Subscription) -> SubscriptionView {
    SubscriptionView {
        id: subscription.id.0,
        publisher_endpoint_id: subscription.publisher.0,
        event_code: subscription.code,
        namespace: subscription.namespace,
        destination_endpoint_id: subscription.destination.0,
        enabled: subscription.enabled,
    }
}

const SUBSCRIPTIONS: &str = "/manage/v1/accounts/{accountId}/subscriptions";
const SUBSCRIPTION: &str = "/manage/v1/accounts/{accountId}/subscriptions/{subscriptionId}";

pub(super) fn routes(door: &mut Door) {
    let about = About::new("Subscribe: what is published from now on goes to the destination");
    door.post(
        SUBSCRIPTIONS,
        create,
        about.body::<Wanted>().answers::<SubscriptionView>(),
    );
    let about = paged(About::new("Subscriptions"));
    door.get(
        SUBSCRIPTIONS,
        list,
        about.answers::<List<SubscriptionView>>(),
    );
    let about = About::new("A subscription").answers::<SubscriptionView>();
    door.get(SUBSCRIPTION, get, about);
    let about = About::new(
        "Enable or disable a subscription; what is published meanwhile is not the destination's",
    );
    door.patch(
        SUBSCRIPTION,
        enable,
        about.body::<Enable>().answers::<SubscriptionView>(),
    );
    let about = About::new("End a subscription; what was published before is still delivered");
    door.delete(SUBSCRIPTION, delete, about.answers::<bool>());
}

async fn create(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(wanted): Body<Wanted>,
) -> Answer<SubscriptionView> {
    let new = NewSubscription {
        publisher: wanted.publisher_endpoint_id,
        code: wanted.event_code,
        namespace: wanted.namespace,
        destination: wanted.destination_endpoint_id,
    };
    let actor = caller.actor();
    let subscription = state.hub.subscription_create(&actor, scope, new).await?;
    Ok(Json(view(subscription)))
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<SubscriptionView>> {
    let paging = params.paging();
    params.finish()?;
    let subscriptions = state.hub.subscriptions(scope, paging.page()).await?;
    Ok(Json(paging.list(subscriptions, |s| s.id.0, view)))
}

async fn get(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<SubscriptionId>,
) -> Answer<SubscriptionView> {
    Ok(Json(view(state.hub.subscription(scope, id).await?)))
}

async fn enable(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<SubscriptionId>,
    Body(Enable { enabled }): Body<Enable>,
) -> Answer<SubscriptionView> {
    let actor = caller.actor();
    let subscription = state
        .hub
        .subscription_enable(&actor, scope, id, enabled)
        .await?;
    Ok(Json(view(subscription)))
}

async fn delete(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<SubscriptionId>,
) -> Answer<bool> {
    let actor = caller.actor();
    state.hub.subscription_delete(&actor, scope, id).await?;
    Ok(Json(true))
}
