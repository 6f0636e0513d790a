//! `/manage/v1/accounts/{id}/testdrive`: a publisher and a receiver of the exchange's own, for pilot accounts.

use axum::Json;
use axum::extract::State;
use hub::test_drive::{TestDrive, TestEvent, TestPush};
use jiff::Timestamp;
use model::EndpointId;
use model::test_drive::{Mistake, ReceiverAnswer};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::Answer;
use super::input::{Body, Fields, FromBody, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountPartner, Caller};
use crate::door::{About, Door};
use crate::problem::Problem;

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NewAnswer {
    /// A status from 200 to 599, or `timeout`.
    #[schemars(with = "String")]
    answer: ReceiverAnswer,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
struct NewTestEvent {
    /// An event of the catalog, such as `cartAdd`.
    code: String,
    /// What is to be wrong with it: `not-json`, `no-channel`, `channel-twice`, `identifiers-twice`, `no-identifiers`,
    /// `unknown-identifier`, `no-code`, `unknown-code`, `no-timestamp` or `bad-timestamp`.
    #[schemars(with = "Option<String>")]
    mistake: Option<Mistake>,
    /// Is subscribed to the event first, if it is not.
    #[schemars(with = "Option<i64>")]
    destination_endpoint_id: Option<EndpointId>,
}

impl FromBody for NewAnswer {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let expected = ReceiverAnswer::EXPECTED;
        let answer = fields.required_word("answer", expected, ReceiverAnswer::parse)?;
        Some(Self { answer })
    }
}

impl FromBody for NewTestEvent {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let code = fields.required_text("code");
        let known: Vec<&str> = Mistake::ALL.iter().map(|m| m.as_str()).collect();
        let expected = format!("one of {}", known.join(", "));
        let mistake = fields.word("mistake", &expected, Mistake::parse);
        let destination = fields.id("destinationEndpointId", EndpointId);
        Some(Self {
            code: code?,
            mistake,
            destination_endpoint_id: destination,
        })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TestDriveView {
    publisher_endpoint_id: i64,
    receiver_endpoint_id: i64,
    /// How the receiver answers: a status, or `timeout`.
    answer: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SaidView {
    /// The body of `POST /v1/event`, as it was sent.
    sent: String,
    /// What it was answered.
    status: u16,
    /// The answer: what every publisher would get.
    answer: Value,
}

/// A push, word for word, and how it was answered.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PushView {
    id: i64,
    endpoint_id: i64,
    #[schemars(with = "String")]
    sent_at: Timestamp,
    url: String,
    /// The signature among them; credentials as `***`.
    headers: Vec<HeaderView>,
    body: String,
    /// HTTP status, if there was an answer.
    status: Option<u64>,
    /// What went wrong without an answer, such as `timeout`.
    failure: Option<String>,
    /// The start of the answer, or a sentence.
    text: String,
}

#[derive(Serialize, JsonSchema)]
struct HeaderView {
    name: String,
    value: String,
}

fn view(drive: TestDrive) -> Json<TestDriveView> {
    Json(TestDriveView {
        publisher_endpoint_id: drive.publisher.0,
        receiver_endpoint_id: drive.receiver.0,
        answer: drive.answer.to_string(),
    })
}

fn push_view(push: TestPush) -> PushView {
    let text = |name: &str| push.answer[name].as_str().map(str::to_owned);
    PushView {
        id: push.id,
        endpoint_id: push.endpoint.0,
        sent_at: push.sent_at,
        status: push.answer["status"].as_u64(),
        failure: text("failure"),
        text: text("text").unwrap_or_default(),
        url: push.url,
        headers: push
            .headers
            .into_iter()
            .map(|(name, value)| HeaderView { name, value })
            .collect(),
        body: push.body,
    }
}

pub(super) fn routes(door: &mut Door) {
    const PATH: &str = "/manage/v1/accounts/{accountId}/testdrive";
    let about = About::new("Begin a test drive: a publisher and a receiver that are built in");
    door.post(PATH, start, about.answers::<TestDriveView>());
    let about = About::new("The endpoints of the test drive, and how its receiver answers");
    door.get(PATH, show, about.answers::<TestDriveView>());
    let about = About::new("Tell the built-in receiver how to answer");
    door.put(
        "/manage/v1/accounts/{accountId}/testdrive/answer",
        answer,
        about.body::<NewAnswer>().answers::<TestDriveView>(),
    );
    let about = About::new(
        "Let the built-in publisher publish an event of the catalog, rightly or with a mistake",
    );
    door.post(
        "/manage/v1/accounts/{accountId}/testdrive/publish",
        publish,
        about.body::<NewTestEvent>().answers::<SaidView>(),
    );
    let about = About::new(
        "The last pushes to the built-in receiver and of the built-in publisher's events, word for word",
    );
    door.get(
        "/manage/v1/accounts/{accountId}/testdrive/pushes",
        pushes,
        paged(about)
            .query("endpointId", "only those to this endpoint")
            .answers::<List<PushView>>(),
    );
}

async fn start(
    caller: Caller<AccountPartner>,
    State(state): State<ApiState>,
    Within(scope): Within,
) -> Answer<TestDriveView> {
    let drive = state.hub.test_drive_start(&caller.actor(), scope).await?;
    Ok(view(drive))
}

async fn show(
    _caller: Caller<AccountPartner>,
    State(state): State<ApiState>,
    Within(scope): Within,
) -> Answer<TestDriveView> {
    Ok(view(state.hub.test_drive(scope).await?))
}

async fn answer(
    caller: Caller<AccountPartner>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(new): Body<NewAnswer>,
) -> Answer<TestDriveView> {
    let drive = state
        .hub
        .test_drive_answer(&caller.actor(), scope, new.answer)
        .await?;
    Ok(view(drive))
}

async fn publish(
    caller: Caller<AccountPartner>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(new): Body<NewTestEvent>,
) -> Answer<SaidView> {
    let event = TestEvent {
        code: new.code,
        mistake: new.mistake,
        destination: new.destination_endpoint_id,
    };
    let said = state
        .hub
        .test_drive_publish(&caller.actor(), scope, event)
        .await?;
    let (status, answer) = match said.answer {
        Ok(published) => (
            200,
            json!({ "accepted": published.accepted, "publicationId": published.publication.to_string() }),
        ),
        Err(error) => Problem::from(error).shown(),
    };
    Ok(Json(SaidView {
        sent: said.body,
        status,
        answer,
    }))
}

async fn pushes(
    _caller: Caller<AccountPartner>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<PushView>> {
    let endpoint = params.id("endpointId");
    let paging = params.paging();
    params.finish()?;
    let pushes = state
        .hub
        .test_pushes(scope, endpoint, paging.page())
        .await?;
    Ok(Json(paging.list(pushes, |push| push.id, push_view)))
}
