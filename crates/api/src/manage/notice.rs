//! `/manage/v1/accounts/{accountId}/notices`: what the exchange did by itself and people must know.

use axum::Json;
use axum::extract::State;
use hub::Notice;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::Within;
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountViewer, Caller};
use crate::door::{About, Door};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NoticeView {
    id: i64,
    endpoint_id: Option<i64>,
    /// Stable word, such as `destination-gone`.
    kind: String,
    text: String,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

/// `text`, because a success has no member `message` anywhere in this API.
fn view(notice: Notice) -> NoticeView {
    NoticeView {
        id: notice.id,
        endpoint_id: notice.endpoint.map(|id| id.0),
        kind: notice.kind,
        text: notice.message,
        created_at: notice.created_at,
    }
}

pub(super) fn routes(door: &mut Door) {
    let about = paged(About::new("Notices, oldest first")).answers::<List<NoticeView>>();
    door.get("/manage/v1/accounts/{accountId}/notices", list, about);
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<NoticeView>> {
    let paging = params.paging();
    params.finish()?;
    let notices = state.hub.notices(scope, paging.page()).await?;
    Ok(Json(paging.list(notices, |n| n.id, view)))
}
