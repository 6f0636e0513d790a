//! Shares: what is proposed, checked, made, run when it is due, paused and ended. What a run does is tested in `audience`.

use std::time::Duration;

use hub::{Actor, Job, JobFilter, Page, Scope};
use model::job::JobStatus;
use model::{JobId, ShareId};
use serde_json::{Value, json};

use crate::harness::{Answer, TestAccount, TestEndpoint, TestHub, noon};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);
/// Above 2^53, as producers have them.
const GOLD: i64 = 8_000_000_000_000_001_152;

/// A CRM that uploads its audiences, and a mailer that fetches them.
pub(crate) struct Sharing {
    pub(crate) hub: TestHub,
    pub(crate) account: TestAccount,
    pub(crate) crm: TestEndpoint,
    pub(crate) mailer: TestEndpoint,
}

pub(crate) fn crm_definition() -> Value {
    json!({
        "name": "CRM", "providerName": "Acme",
        "endpointTypes": { "segment": { "source": { "enabled": true, "sourceType": "push", "dataWindow": 30 } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{
            "identifiers": [{ "name": "email", "type": "email" }, { "name": "visit", "type": "visit", "isEventOnly": true }],
            "attributes": [{ "name": "first_name", "type": "string" }, { "name": "born", "type": "date" }],
        }] },
    })
}

pub(crate) fn mailer_definition() -> Value {
    json!({
        "name": "Mailer", "providerName": "Acme",
        "endpointTypes": { "segment": { "destination": {
            "enabled": true, "destinationType": "pull", "shareActions": { "add": true, "replace": true, "defaultShareAction": "REPLACE" },
        } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{
            "identifiers": [{ "name": "Email", "type": "email", "isRequired": true }],
            "attributes": [{ "name": "FirstName", "type": "string", "isRequired": true }, { "name": "Tier", "type": "string" },
                           { "name": "Points", "type": "number" }],
        }] },
    })
}

impl Sharing {
    pub(crate) async fn start() -> Self {
        let hub = TestHub::start().await;
        let account = hub.account().await;
        let crm = hub.endpoint(&account, crm_definition()).await;
        let mailer = hub.endpoint(&account, mailer_definition()).await;
        let sharing = Self {
            hub,
            account,
            crm,
            mailer,
        };
        let segments = json!([
            { "id": GOLD, "name": "Gold members", "description": "They buy most",
              "segment_attributes": [{ "name": "Tier", "type": "string" }] },
            { "id_string": "new", "name": "New members" },
        ]);
        let path = format!("/v1/endpoint/{}/segments", sharing.crm.id);
        let http = &sharing.hub.http;
        let answer = http
            .json("POST", &path, Some(&sharing.crm.key), Some(segments))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        sharing
    }

    fn scope(&self) -> Scope {
        Scope(self.account.id)
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let path = format!("/accounts/{}/shares{path}", self.account.id);
        self.hub.manage(method, &path, body).await
    }

    async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.call(method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()
    }

    /// Gold members to the mailer, with other members than those that suffice.
    #[expect(clippy::needless_pass_by_value, reason = "tests pass literals")]
    fn gold(&self, others: Value) -> Value {
        let mut body = json!({
            "sourceEndpointId": self.crm.id, "segmentId": GOLD, "destinationEndpointId": self.mailer.id,
        });
        for (name, value) in others.as_object().expect("members") {
            body[name] = value.clone();
        }
        body
    }

    /// Makes a share; its id and the job of its first run.
    async fn share(&self, others: Value) -> (i64, Option<JobId>) {
        let made = self.ok("POST", "", self.gold(others)).await;
        let id = made["id"].as_i64().expect("an id");
        (id, made["jobId"].as_i64().map(JobId))
    }

    async fn get(&self, share: i64) -> Value {
        self.ok("GET", &format!("/{share}"), Value::Null).await
    }

    async fn jobs(&self, share: i64) -> Vec<Job> {
        let filter = JobFilter {
            share: Some(ShareId(share)),
            ..JobFilter::default()
        };
        let page = Page {
            after: 0,
            limit: 100,
        };
        let jobs = self
            .hub
            .server
            .hub
            .job_list(self.scope(), filter, page)
            .await;
        jobs.expect("jobs")
    }

    /// Ends whatever runs of a share are going.
    async fn end_runs(&self, share: i64) {
        for job in self.jobs(share).await {
            if !job.status.is_final() {
                let hub = &self.hub.server.hub;
                let canceled = hub.job_cancel(&Actor::OPERATOR, self.scope(), job.id).await;
                canceled.expect("it was going");
            }
        }
    }

    async fn notices(&self) -> Vec<String> {
        let path = format!("/accounts/{}/notices", self.account.id);
        let page = self.hub.manage("GET", &path, Value::Null).await.json();
        let items = page["items"].as_array().expect("notices");
        let kinds = items.iter().map(|notice| notice["kind"].as_str());
        kinds.map(|kind| kind.expect("a kind").to_owned()).collect()
    }

    async fn ids(&self, query: &str) -> Vec<i64> {
        let page = self.ok("GET", query, Value::Null).await;
        let items = page["items"].as_array().expect("shares");
        items
            .iter()
            .map(|share| share["id"].as_i64().expect("an id"))
            .collect()
    }
}

#[tokio::test]
async fn a_share_that_says_little_is_filled_from_types_names_and_defaults() {
    let sharing = Sharing::start().await;
    let (id, job) = sharing.share(json!({})).await;
    let job = job.expect("it runs at once");
    let share = sharing.get(id).await;
    assert_eq!(
        share,
        json!({
            "id": id, "status": "ACTIVE", "reason": null,
            "sourceEndpointId": sharing.crm.id, "segmentId": GOLD, "destinationEndpointId": sharing.mailer.id,
            "destinationSegmentId": null, "destinationSegmentName": "Gold members",
            "destinationSegmentDescription": "They buy most", "shareAction": "REPLACE",
            "identifier": { "source": "email", "destination": "Email" },
            "attributes": { "first_name": "FirstName", "Tier": "Tier" },
            "uploadIdentities": false, "dataWindow": { "days": 30 },
            "guard": { "empty": true, "shrinkPercentMax": 50 }, "incremental": false,
            "schedule": null, "nextRunAt": null, "lastRunAt": "2026-03-02T12:00:00Z", "lastJobId": job,
            "skipped": 0, "createdAt": "2026-03-02T12:00:00Z", "updatedAt": "2026-03-02T12:00:00Z",
        })
    );
    let jobs = sharing.jobs(id).await;
    let made = &jobs[0];
    assert_eq!((jobs.len(), made.id), (1, job));
    assert_eq!(
        made.status,
        JobStatus::WaitingToReceiveData,
        "the CRM uploads"
    );
    let details = serde_json::to_value(&made.details).expect("JSON");
    assert_eq!(details["producerSegmentID"], GOLD, "exact");
    assert_eq!(details["shareAction"], "REPLACE");
    assert_eq!(details["sourceIdentifiers"], json!(["email"]));
    assert_eq!(details["destinationIdentifier"], "Email");
    assert_eq!(details["scheduledJobId"], Value::Null);
}

#[tokio::test]
async fn a_mapping_is_proposed_with_reasons_and_what_is_missing() {
    let sharing = Sharing::start().await;
    let between = sharing.gold(json!({}));
    let proposal = sharing.ok("POST", "/proposal", between).await;
    assert_eq!(
        proposal,
        json!({
            "shareAction": "REPLACE",
            "identifier": { "source": "email", "destination": "Email", "reason": "both are of the type `email`" },
            "attributes": [
                { "source": "first_name", "destination": "FirstName", "reason": "the names are alike: `first_name` and `FirstName`" },
                { "source": "Tier", "destination": "Tier", "reason": "same name" },
            ],
            "missing": [{
                "destination": "Points", "type": "number", "isRequired": false,
                "reason": "nothing of the source has its name or is the only one of its type: it stays out unless you say otherwise",
            }],
            "unused": ["born"],
        })
    );
    let text = sharing.gold(json!({ "segmentId": "new" }));
    let proposal = sharing.ok("POST", "/proposal", text).await;
    assert_eq!(
        proposal["attributes"].as_array().map(Vec::len),
        Some(1),
        "{proposal}"
    );
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let sharing = Sharing::start().await;
    let refused = async |others: Value, pointers: &[&str]| {
        let answer = sharing.call("POST", "", sharing.gold(others.clone())).await;
        assert_eq!(answer.status, 400, "{others}: {}", answer.text());
        let mut found = answer.pointers();
        found.sort();
        assert_eq!(found, pointers, "{others}: {}", answer.text());
    };
    let wrong = json!({
        "shareAction": "REMOVE", "identifier": { "source": "visit", "destination": "Mail" }, "attributes": { "born": "Points" },
        "dataWindow": { "days": 31 }, "schedule": { "at": "2026-03-02T11:00:00Z" }, "destinationSegmentName": " ",
    });
    let pointers = [
        // Both that the mailer requires.
        "/attributes",
        "/attributes",
        "/attributes/born",
        "/dataWindow/days",
        "/destinationSegmentName",
        "/identifier/destination",
        "/identifier/source",
        "/schedule/at",
        "/shareAction",
    ];
    refused(wrong, &pointers).await;
    let nobody = json!({ "sourceEndpointId": sharing.mailer.id, "destinationEndpointId": 99 });
    refused(
        nobody,
        &["/destinationEndpointId", "/segmentId", "/sourceEndpointId"],
    )
    .await;
    refused(json!({ "segmentId": 1 }), &["/segmentId"]).await;
    refused(
        json!({ "destinationEndpointId": sharing.crm.id }),
        &["/destinationEndpointId", "/destinationEndpointId"],
    )
    .await;
    refused(json!({ "incremental": true }), &["/incremental"]).await;
    // The body's own form.
    for (others, pointer) in [
        (json!({ "segmentId": 1.5 }), "/segmentId"),
        (json!({ "shareaction": "ADD" }), "/shareaction"),
        (json!({ "schedule": {} }), "/schedule/at"),
        (
            json!({ "schedule": { "cron": "61 * * * *" } }),
            "/schedule/cron",
        ),
        (
            json!({ "schedule": { "cron": "0 0 30 2 *" } }),
            "/schedule/cron",
        ),
        (
            json!({ "schedule": { "cron": "@daily", "timeZone": "Mars/Base" } }),
            "/schedule/timeZone",
        ),
        (
            json!({ "schedule": { "cron": "@daily", "at": "2026-04-01T00:00:00Z" } }),
            "/schedule/at",
        ),
        (
            json!({ "dataWindow": { "days": 3, "from": "2026-01-01" } }),
            "/dataWindow/days",
        ),
        (
            json!({ "dataWindow": { "from": "2026-01-01" } }),
            "/dataWindow/to",
        ),
        (
            json!({ "guard": { "shrinkPercentMax": 101 } }),
            "/guard/shrinkPercentMax",
        ),
        (json!({ "attributes": ["born"] }), "/attributes"),
    ] {
        refused(others, &[pointer]).await;
    }
    assert_eq!(sharing.ids("").await, Vec::<i64>::new(), "nothing was made");
}

#[tokio::test]
async fn a_recurring_share_keeps_the_clock_on_the_wall() {
    let sharing = Sharing::start().await;
    let schedule = json!({ "cron": "30 2 * * *", "timeZone": "europe/berlin" });
    let (id, job) = sharing.share(json!({ "schedule": schedule })).await;
    assert_eq!(job, None, "not before it is due");
    let share = sharing.get(id).await;
    assert_eq!(share["schedule"]["timeZone"], "Europe/Berlin");
    assert_eq!(share["nextRunAt"], "2026-03-03T01:30:00Z");
    let mut runs = Vec::new();
    for _ in 0..28 {
        sharing.hub.pass(DAY).await;
        sharing.end_runs(id).await;
    }
    for job in sharing.jobs(id).await {
        assert_eq!(
            job.details.scheduled_job,
            Some(JobId(id)),
            "of one schedule"
        );
        runs.push(job.created_at);
    }
    assert_eq!(
        runs.len(),
        28,
        "each day once, on 29 March too, when there is no half past two"
    );
    assert_eq!(
        sharing.get(id).await["nextRunAt"],
        "2026-03-31T00:30:00Z",
        "it is summer"
    );
}

#[tokio::test]
async fn a_share_for_a_time_runs_then_and_once() {
    let sharing = Sharing::start().await;
    let at = json!({ "schedule": { "at": "2026-03-02T12:30:00+00:00" } });
    let (id, job) = sharing.share(at).await;
    assert_eq!(job, None);
    sharing.hub.pass(MINUTE * 29).await;
    assert_eq!(sharing.jobs(id).await.len(), 0);
    sharing.hub.pass(MINUTE).await;
    assert_eq!(sharing.jobs(id).await.len(), 1);
    assert_eq!(sharing.get(id).await["nextRunAt"], Value::Null);
    sharing.end_runs(id).await;
    sharing.hub.pass(DAY).await;
    assert_eq!(sharing.jobs(id).await.len(), 1);
}

#[tokio::test]
async fn a_run_that_is_still_going_is_not_overtaken() {
    let sharing = Sharing::start().await;
    let (id, _) = sharing
        .share(json!({ "schedule": { "cron": "@hourly" } }))
        .await;
    sharing.hub.pass(MINUTE * 60).await;
    for skipped in 1..=3 {
        sharing.hub.pass(MINUTE * 60).await;
        let share = sharing.get(id).await;
        assert_eq!(share["skipped"], skipped);
        let reason = share["reason"].as_str().expect("a reason");
        assert!(reason.contains("WAITING_TO_RECIEVE_DATA"), "{reason}");
    }
    assert_eq!(sharing.jobs(id).await.len(), 1);
    assert_eq!(sharing.notices().await, ["share-skipped"], "told once");
    let by_hand = sharing.call("POST", &format!("/{id}/run"), json!({})).await;
    assert_eq!(by_hand.status, 409, "{}", by_hand.text());
    sharing.end_runs(id).await;
    sharing.hub.pass(MINUTE * 60).await;
    let share = sharing.get(id).await;
    assert_eq!(
        (&share["skipped"], &share["reason"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(sharing.jobs(id).await.len(), 2);
}

#[tokio::test]
async fn what_was_missed_while_nobody_looked_is_made_up_for_once() {
    let sharing = Sharing::start().await;
    let (id, _) = sharing
        .share(json!({ "schedule": { "cron": "@hourly" } }))
        .await;
    let Sharing {
        hub,
        account,
        crm,
        mailer,
    } = sharing;
    let clock = hub.clock.clone();
    let directory = hub.stop().await;
    clock.advance(DAY);
    let hub = TestHub::open(directory, clock, |_| {}).await;
    let sharing = Sharing {
        hub,
        account,
        crm,
        mailer,
    };
    sharing.hub.settle().await;
    assert_eq!(sharing.jobs(id).await.len(), 1);
    assert_eq!(sharing.get(id).await["nextRunAt"], "2026-03-03T13:00:00Z");
}

#[tokio::test]
async fn a_share_pauses_resumes_and_is_scheduled_otherwise() {
    let sharing = Sharing::start().await;
    let (id, _) = sharing
        .share(json!({ "schedule": { "cron": "@hourly" } }))
        .await;
    let change = async |body: Value| sharing.ok("PATCH", &format!("/{id}"), body).await;
    let paused = change(json!({ "status": "PAUSED" })).await;
    assert_eq!(
        (&paused["status"], &paused["nextRunAt"]),
        (&json!("PAUSED"), &Value::Null)
    );
    sharing.hub.pass(DAY).await;
    assert_eq!(sharing.jobs(id).await.len(), 0);
    let by_hand = sharing.call("POST", &format!("/{id}/run"), json!({})).await;
    assert_eq!(by_hand.status, 409, "{}", by_hand.text());
    let resumed = change(json!({ "status": "active" })).await;
    assert_eq!(
        resumed["nextRunAt"], "2026-03-03T13:00:00Z",
        "what was missed stays missed"
    );
    let other =
        change(json!({ "schedule": { "cron": "@daily", "timeZone": "America/New_York" } })).await;
    assert_eq!(other["nextRunAt"], "2026-03-04T05:00:00Z");
    let never = change(json!({ "schedule": null })).await;
    assert_eq!(
        (&never["schedule"], &never["nextRunAt"]),
        (&Value::Null, &Value::Null)
    );
    let run = sharing.ok("POST", &format!("/{id}/run"), json!({})).await;
    assert_eq!(sharing.jobs(id).await[0].id.0, run["jobId"]);
    for (body, pointer) in [
        (json!({}), "/status"),
        (json!({ "status": "ENDED" }), "/status"),
        (
            json!({ "schedule": { "at": "2020-01-01T00:00:00Z" } }),
            "/schedule/at",
        ),
    ] {
        let answer = sharing.call("PATCH", &format!("/{id}"), body).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (400, vec![pointer.to_owned()])
        );
    }
}

#[tokio::test]
async fn a_share_that_ends_takes_its_run_with_it() {
    let sharing = Sharing::start().await;
    let (id, _) = sharing.share(json!({})).await;
    assert_eq!(
        sharing.ok("DELETE", &format!("/{id}"), Value::Null).await,
        true
    );
    assert_eq!(sharing.jobs(id).await[0].status, JobStatus::Canceled);
    let share = sharing.get(id).await;
    assert_eq!(
        (&share["status"], &share["reason"]),
        (&json!("ENDED"), &json!("deleted by operator"))
    );
    for (method, path, body) in [
        ("DELETE", format!("/{id}"), Value::Null),
        ("PATCH", format!("/{id}"), json!({ "status": "ACTIVE" })),
        ("POST", format!("/{id}/run"), json!({})),
    ] {
        let answer = sharing.call(method, &path, body).await;
        assert_eq!(answer.status, 409, "{method}: {}", answer.text());
    }
    // It is kept for its history as long as its jobs are.
    sharing.hub.pass(DAY * 29).await;
    sharing.hub.server.hub.retire().await.expect("retires");
    sharing.get(id).await;
    for _ in 0..2 {
        sharing.hub.pass(DAY * 2).await;
        sharing.hub.server.hub.retire().await.expect("retires");
    }
    let gone = sharing.call("GET", &format!("/{id}"), Value::Null).await;
    assert_eq!(gone.status, 404, "{}", gone.text());
}

#[tokio::test]
async fn the_shares_of_a_deleted_endpoint_end() {
    let sharing = Sharing::start().await;
    let (now, _) = sharing.share(json!({})).await;
    let (later, _) = sharing
        .share(json!({ "schedule": { "cron": "@daily" } }))
        .await;
    let http = &sharing.hub.http;
    let path = format!(
        "/accounts/{}/endpoints/{}",
        sharing.account.id, sharing.mailer.id
    );
    let answer = sharing
        .hub
        .manage("PATCH", &path, json!({ "enabled": false }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    sharing.hub.pass(DAY).await;
    let share = sharing.get(later).await;
    assert_eq!(
        (&share["status"], &share["skipped"]),
        (&json!("ACTIVE"), &json!(1))
    );
    let deleted = http
        .json("DELETE", "/v1/endpoint", Some(&sharing.mailer.key), None)
        .await;
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    for id in [now, later] {
        let share = sharing.get(id).await;
        let reason = json!(format!("endpoint {} was deleted", sharing.mailer.id));
        assert_eq!(
            (&share["status"], &share["reason"]),
            (&json!("ENDED"), &reason)
        );
    }
    assert_eq!(
        sharing.notices().await,
        ["share-skipped", "share-ended", "share-ended"]
    );
    assert_eq!(sharing.jobs(now).await[0].status, JobStatus::Canceled);
    sharing.hub.pass(DAY).await;
    assert_eq!(sharing.jobs(later).await.len(), 0);
}

#[tokio::test]
async fn lists_tell_what_will_run_what_ran_and_what_is_over() {
    let sharing = Sharing::start().await;
    let (ran, _) = sharing.share(json!({})).await;
    let (waits, _) = sharing
        .share(json!({ "schedule": { "cron": "0 0 1 1 *" } }))
        .await;
    let (over, _) = sharing.share(json!({})).await;
    sharing.ok("DELETE", &format!("/{over}"), Value::Null).await;
    assert_eq!(sharing.ids("").await, [ran, waits, over]);
    assert_eq!(sharing.ids("?view=scheduled").await, [waits]);
    assert_eq!(sharing.ids("?view=recent").await, [ran, over]);
    assert_eq!(sharing.ids("?view=historical").await, [over]);
    sharing.hub.pass(DAY * 31).await;
    assert_eq!(sharing.ids("?view=recent").await, Vec::<i64>::new());
    assert_eq!(sharing.ids("?view=historical").await, [ran, over]);
    assert_eq!(
        sharing
            .ids(&format!("?endpointId={}&limit=1", sharing.crm.id))
            .await,
        [ran]
    );
    assert_eq!(sharing.ids("?endpointId=99").await, Vec::<i64>::new());
    let wrong = sharing.call("GET", "?view=all&page=2", Value::Null).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
}

#[tokio::test]
async fn shares_of_others_are_not_there() {
    let sharing = Sharing::start().await;
    let (id, _) = sharing.share(json!({})).await;
    let other = sharing.hub.account().await;
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/run")] {
        let path = format!("/accounts/{}/shares/{id}{path}", other.id);
        let answer = sharing.hub.manage(method, &path, Value::Null).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
    }
    let path = format!("/accounts/{}/shares", other.id);
    let answer = sharing
        .hub
        .manage("POST", &path, sharing.gold(json!({})))
        .await;
    let mut pointers = answer.pointers();
    pointers.sort();
    assert_eq!(
        pointers,
        ["/destinationEndpointId", "/segmentId", "/sourceEndpointId"]
    );
    assert_eq!(sharing.hub.clock.now(), noon(), "nothing of this took time");
}
