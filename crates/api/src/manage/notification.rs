//! `/manage/v1/accounts/{accountId}/endpoints/{endpointId}/notification`: what an endpoint is told of its subscriptions,
//! and where. Stated by its provider (`PUT /v1/subscription/notification`).

use axum::Json;
use axum::extract::State;
use hub::notification::StatedBy;
use model::notification::NotificationTarget;
use model::{Authentication, EndpointId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::Answer;
use super::input::{Id, Within};
use crate::ApiState;
use crate::caller::{AccountViewer, Caller};
use crate::door::{About, Door};
use crate::problem::{Kind, Problem};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NotificationView {
    #[serde(rename = "notificationURL")]
    notification_url: String,
    notification_key: Option<String>,
    notification_type: &'static str,
    /// `endpoint` (`PUT /v1/subscription/notification`) or `application` (its onboarding).
    stated_by: &'static str,
    /// As it was stated; each secret is `********`. Of an application only `authType`: the rest is its provider's.
    #[schemars(with = "Option<std::collections::BTreeMap<String, String>>")]
    authentication: Option<Value>,
}

fn view((target, by): (NotificationTarget, StatedBy)) -> NotificationView {
    let stated = target.authentication.as_ref();
    let (stated_by, authentication) = match by {
        StatedBy::Endpoint => ("endpoint", stated.map(Authentication::shown)),
        StatedBy::Application => (
            "application",
            stated.map(|stated| json!({ "authType": stated.scheme().as_str() })),
        ),
    };
    NotificationView {
        notification_url: target.url,
        notification_key: target.key,
        notification_type: target.kind.as_str(),
        stated_by,
        authentication,
    }
}

pub(super) fn routes(door: &mut Door) {
    let about = About::new("What an endpoint is told of changes of its subscriptions, and where");
    door.get(
        "/manage/v1/accounts/{accountId}/endpoints/{endpointId}/notification",
        get,
        about.answers::<NotificationView>(),
    );
}

async fn get(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<EndpointId>,
) -> Answer<NotificationView> {
    let target = state.hub.notification(scope, id).await?;
    let missing = || {
        let why = format!("endpoint {id} is not notified: its provider has not asked for it");
        Problem::new(Kind::NotFound, why)
    };
    Ok(Json(view(target.ok_or_else(missing)?)))
}
