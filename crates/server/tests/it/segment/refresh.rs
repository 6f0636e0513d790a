//! Lists that the exchange asks for: of pull producers what can be shared, of push consumers what can be shared to.

use std::time::Duration;

use hub::{Job, Scope};
use model::JobId;
use model::job::{JobCategory, JobStatus};

use super::*;
use crate::harness::{Receiver, Reply};

/// An account with a pull producer and a push consumer, each a real server.
struct Scene {
    hub: TestHub,
    account: TestAccount,
    producer: TestEndpoint,
    producers: Receiver,
    consumer: TestEndpoint,
    consumers: Receiver,
}

impl Scene {
    async fn start() -> Self {
        let hub = TestHub::start().await;
        let account = hub.account().await;
        let (producers, consumers) = (Receiver::start().await, Receiver::start().await);
        let url = format!("{}/crm/", producers.url());
        let producer = hub
            .endpoint(&account, definition("source", "pull", &url))
            .await;
        let url = consumers.url();
        let consumer = hub
            .endpoint(&account, definition("destination", "push", &url))
            .await;
        answer(
            &producers,
            &json!({ "responseStatus": "success", "result": { "totalCount": 2, "list": [
                { "id": LARGE, "name": "Recent opt-ins", "description": "of this week" },
                { "id": "gold", "name": "Gold members" },
            ] } }),
        );
        answer(&consumers, &json!([{ "id": 7, "name": "Mail to them" }]));
        Self {
            hub,
            account,
            producer,
            producers,
            consumer,
            consumers,
        }
    }

    async fn refresh(&self) -> Job {
        let path = "/v1/endpoint/refreshSegments";
        let answer = self.hub.http.get(path, &self.account.key).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let id = JobId(answer.json().as_i64().expect("a number"));
        self.hub.settle().await;
        self.job(id).await
    }

    async fn job(&self, id: JobId) -> Job {
        let hub = &self.hub.server.hub;
        let job = hub.job_get(Scope(self.account.id), None, id).await;
        job.expect("the job")
    }

    async fn refreshes(&self) -> Vec<Job> {
        let filter = hub::JobFilter {
            category: Some(JobCategory::SegmentPopulateDb),
            ..hub::JobFilter::default()
        };
        let page = hub::Page {
            after: 0,
            limit: 100,
        };
        let hub = &self.hub.server.hub;
        let jobs = hub.job_list(Scope(self.account.id), filter, page).await;
        jobs.expect("jobs")
    }

    /// What is known: role, id and name.
    async fn known(&self) -> Vec<(String, String, String)> {
        let path = format!("/accounts/{}/segments", self.account.id);
        let answer = self.hub.manage("GET", &path, Value::Null).await.json();
        let items = answer["items"].as_array().expect("items").iter();
        let mut known: Vec<_> = items
            .map(|item| {
                let id = match &item["id"] {
                    Value::Null => item["id_string"].to_string(),
                    number => number.to_string(),
                };
                let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
                (text("role"), id, text("name"))
            })
            .collect();
        known.sort();
        known
    }

    async fn notices(&self) -> usize {
        let page = hub::Page {
            after: 0,
            limit: 100,
        };
        let notices = self
            .hub
            .server
            .hub
            .notices(Scope(self.account.id), page)
            .await;
        let notices = notices.expect("notices");
        notices
            .iter()
            .filter(|notice| notice.kind == "refresh-failed")
            .count()
    }
}

fn answer(server: &Receiver, body: &Value) {
    let body = bytes::Bytes::from(body.to_string());
    server.answer(move |_| Reply::Body(200, body.clone()));
}

fn line(role: &str, id: &str, name: &str) -> (String, String, String) {
    (role.to_owned(), id.to_owned(), name.to_owned())
}

#[tokio::test]
async fn both_roles_are_asked_and_their_lists_replaced() {
    let scene = Scene::start().await;
    let job = scene.refresh().await;
    assert_eq!(job.status, JobStatus::Completed);
    let lists = json!([
        { "endpointId": scene.producer.id, "role": "source", "segments": 2, "unreadable": 0, "told": 2 },
        { "endpointId": scene.consumer.id, "role": "destination", "segments": 1, "unreadable": 0, "told": null },
    ]);
    assert_eq!(job.report["lists"], lists);
    assert_eq!((job.steps[0].done, job.steps[0].total), (2, Some(2)));
    let path = format!("/v1/jobs/SEGMENT_POPULATE_DB/{}", job.id);
    let told = scene.hub.http.get(&path, &scene.account.key).await.json();
    assert_eq!(
        (&told["jobId"], &told["status"]),
        (&json!(job.id), &json!("COMPLETED"))
    );
    assert_eq!(
        scene.known().await,
        [
            line("destination", "7", "Mail to them"),
            line("source", "\"gold\"", "Gold members"),
            line("source", &LARGE.to_string(), "Recent opt-ins"),
        ]
    );
    let asked = scene.producers.take();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].method.as_str(), asked[0].path.as_str()),
        ("GET", "/crm/v1/segments")
    );
    let key = format!("Bearer {}", scene.producer.key);
    assert_eq!(asked[0].header("authorization"), key);
    assert_eq!(scene.consumers.take()[0].path, "/v1/segments");

    answer(
        &scene.producers,
        &json!({ "result": { "list": [{ "id": 1, "name": "Only this" }] } }),
    );
    scene.refresh().await;
    assert_eq!(
        scene.known().await,
        [
            line("destination", "7", "Mail to them"),
            line("source", "1", "Only this")
        ]
    );
    let path = "/v1/endpoint?segment=true&loadSegments=true";
    let shown = scene.hub.http.get(path, &scene.producer.key).await.json();
    assert_eq!(names(&shown["segments"]), ["Only this"]);
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_keeps_its_list() {
    let scene = Scene::start().await;
    scene.refresh().await;
    let before = scene.known().await;
    for (status, body, why) in [
        (500, "a fault", "answered 500"),
        (401, "who?", "answered 401"),
        (200, "<html>", "not JSON"),
        (200, r#"{"responseStatus":"failure"}"#, "responseStatus"),
    ] {
        scene
            .producers
            .answer(move |_| Reply::Body(status, bytes::Bytes::from_static(body.as_bytes())));
        let job = scene.refresh().await;
        assert_eq!(job.status, JobStatus::Completed);
        let said = job.report["lists"][0]["error"].as_str().expect("an error");
        assert!(said.contains(why), "{said}");
        assert_eq!(
            job.report["lists"][1]["segments"], 1,
            "the other one was asked"
        );
        assert_eq!(scene.known().await, before);
        assert_eq!(scene.notices().await, 1, "people are told when it begins");
    }
    answer(&scene.producers, &json!([]));
    scene.refresh().await;
    assert_eq!(
        scene.known().await,
        [line("destination", "7", "Mail to them")]
    );
    scene.producers.answer_status(503);
    scene.refresh().await;
    assert_eq!(scene.notices().await, 2, "and again when it begins again");
}

#[tokio::test]
async fn what_an_endpoint_repeats_of_its_key_is_not_told() {
    let scene = Scene::start().await;
    let key = scene.producer.key.clone();
    scene.producers.answer(move |request| {
        let text = format!("you sent {}", request.header("authorization"));
        Reply::Body(403, text.into())
    });
    let job = scene.refresh().await;
    let said = job.report.to_string();
    assert!(said.contains("you sent") && !said.contains(&key), "{said}");
}

#[tokio::test]
async fn one_endpoint_may_be_asked_alone() {
    let scene = Scene::start().await;
    let path = format!("/accounts/{}/segments/refresh", scene.account.id);
    let body = json!({ "endpointId": scene.consumer.id });
    let answer = scene.hub.manage("POST", &path, body.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let again = scene.hub.manage("POST", &path, body).await;
    assert_eq!(
        again.json(),
        answer.json(),
        "it has not begun: one job is enough"
    );
    scene.hub.settle().await;
    assert_eq!(
        scene.known().await,
        [line("destination", "7", "Mail to them")]
    );
    assert_eq!((scene.producers.count(), scene.consumers.count()), (0, 1));

    let stranger = scene.hub.account().await;
    let path = format!(
        "/v1/endpoint/refreshSegments?endpointId={}",
        scene.consumer.id
    );
    assert_eq!(scene.hub.http.get(&path, &stranger.key).await.status, 404);
    let answer = scene
        .hub
        .http
        .get("/v1/endpoint/refreshSegments", &scene.consumer.key)
        .await;
    assert_eq!(answer.status, 403, "an account's key is needed");
}

#[tokio::test]
async fn an_account_without_such_endpoints_has_nothing_to_ask() {
    let producer = Producer::start().await;
    producer.announce(&["announced"]).await;
    let path = "/v1/endpoint/refreshSegments";
    let answer = producer.hub.http.get(path, &producer.account.key).await;
    producer.hub.settle().await;
    let id = JobId(answer.json().as_i64().expect("a number"));
    let hub = &producer.hub.server.hub;
    let job = hub.job_get(Scope(producer.account.id), None, id).await;
    assert_eq!(job.expect("the job").status, JobStatus::Completed);
    assert_eq!(
        producer.names("").await,
        ["announced"],
        "what is announced is not asked for"
    );
}

#[tokio::test]
async fn everybody_is_asked_once_a_night() {
    let scene = Scene::start().await;
    let nightly = async |scene: &Scene| {
        let begun = scene.hub.server.hub.refresh_nightly().await;
        scene.hub.settle().await;
        begun.expect("begun")
    };
    assert_eq!(
        nightly(&scene).await,
        0,
        "it is noon, and the last night was before it was registered"
    );
    // The clock stands at noon; nights begin at 02:30.
    scene
        .hub
        .clock
        .advance(Duration::from_secs(14 * 3_600 + 29 * 60));
    assert_eq!(nightly(&scene).await, 0);
    scene.hub.clock.advance(Duration::from_secs(60));
    assert_eq!(nightly(&scene).await, 1);
    assert_eq!(nightly(&scene).await, 0, "once");
    assert_eq!(scene.known().await.len(), 3);
    let scene = Scene {
        hub: scene.hub.crash().await,
        ..scene
    };
    assert_eq!(nightly(&scene).await, 0, "also after a crash");
    // Two nights pass while nobody looks: once is enough.
    scene.hub.clock.advance(Duration::from_secs(48 * 3_600));
    assert_eq!(nightly(&scene).await, 1);
    let refreshes = scene.refreshes().await;
    assert_eq!(refreshes.len(), 2);
    assert!(
        refreshes
            .iter()
            .all(|job| job.status == JobStatus::Completed)
    );
}

#[tokio::test]
async fn what_is_disabled_is_not_asked() {
    let scene = Scene::start().await;
    let key = Some(scene.producer.key.as_str());
    let answer = scene
        .hub
        .http
        .json("PUT", "/v1/endpoint/disable", key, None)
        .await;
    assert_eq!(answer.status, 200);
    let job = scene.refresh().await;
    let lists = job.report["lists"].as_array().expect("lists");
    assert_eq!(lists.len(), 1);
    assert_eq!(scene.producers.count(), 0);
}
