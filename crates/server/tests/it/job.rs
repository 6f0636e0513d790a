//! Jobs, as endpoints and people meet them: found by whom they concern, given their data, relieved of what they made, told
//! to stop or to go on, and forgotten in the end.

mod download;
mod manage;
mod upload;

use std::time::Duration;

use hub::{Actor, Job, NewJob, Scope};
use model::endpoint::ShareAction;
use model::id::SegmentId;
use model::job::{ExportDetails, JobCategory, JobStatus};
use model::{JobId, ShareId};
use serde_json::{Value, json};

use crate::harness::{Answer, TestAccount, TestEndpoint, TestHub, publisher_definition};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An account with an endpoint whose audience goes to another one.
pub(super) struct Meeting {
    pub(super) hub: TestHub,
    pub(super) account: TestAccount,
    pub(super) producer: TestEndpoint,
    pub(super) consumer: TestEndpoint,
}

impl Meeting {
    pub(super) async fn start() -> Self {
        Self::of(TestHub::start().await).await
    }

    pub(super) async fn of(hub: TestHub) -> Self {
        let account = hub.account().await;
        let producer = hub.endpoint(&account, publisher_definition()).await;
        let consumer = hub.endpoint(&account, publisher_definition()).await;
        Self {
            hub,
            account,
            producer,
            consumer,
        }
    }

    pub(super) fn scope(&self) -> Scope {
        Scope(self.account.id)
    }

    /// A run of a share, in whatever status it is found.
    pub(super) fn run(&self, status: JobStatus) -> NewJob {
        let details = ExportDetails {
            producer: Some(self.producer.id),
            producer_segment: Some(SegmentId::Number(8_000_000_000_000_001_152)),
            destination: Some(self.consumer.id),
            destination_segment_name: Some("matty T".to_owned()),
            action: Some(ShareAction::Add),
            source_identifiers: Some(vec!["email".to_owned()]),
            destination_identifier: Some("Email".to_owned()),
            ..ExportDetails::default()
        };
        NewJob {
            category: JobCategory::SegmentExport,
            status,
            name: None,
            producer: Some(self.producer.id),
            destination: Some(self.consumer.id),
            share: Some(ShareId(7)),
            details,
            state: "{}".to_owned(),
            steps: Vec::new(),
            first_at: self.hub.server.hub.now(),
        }
    }

    pub(super) async fn job(&self, status: JobStatus) -> JobId {
        self.made(self.run(status)).await
    }

    pub(super) async fn made(&self, new: NewJob) -> JobId {
        let made = self
            .hub
            .server
            .hub
            .job_create(&Actor::OPERATOR, self.scope(), new);
        made.await.expect("a job")
    }

    /// A file that a job made.
    pub(super) async fn file(&self, job: JobId, name: &str, bytes: &[u8]) {
        let hub = &self.hub.server.hub;
        let begun = hub.data_file_create(self.scope(), job, name, "text/csv; charset=utf-8");
        let mut writer = begun.await.expect("a file");
        writer.append(bytes).await.expect("written");
        hub.data_file_finish(writer).await.expect("complete");
    }

    /// A job whose files `segment.csv` and `unmatched.csv` are there, the first for its destination.
    pub(super) async fn ready(&self, bytes: &[u8]) -> JobId {
        let mut new = self.run(JobStatus::ReadyForDownload);
        new.details.data_files = Some(vec!["segment.csv".to_owned()]);
        new.details.data_format = Some("CSV".to_owned());
        let id = self.made(new).await;
        self.file(id, "segment.csv", bytes).await;
        self.file(id, "unmatched.csv", b"row,column,reason\r\n")
            .await;
        id
    }

    pub(super) async fn get(&self, id: JobId) -> Job {
        let job = self.hub.server.hub.job_get(self.scope(), None, id);
        job.await.expect("the job")
    }

    /// `GET /v1/jobs/SEGMENT_EXPORT?…`, the ids of what is answered.
    pub(super) async fn listed(&self, query: &str, key: &str) -> Vec<i64> {
        let path = format!("/v1/jobs/SEGMENT_EXPORT{query}");
        let answer = self.hub.http.get(&path, key).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let jobs = answer.json();
        let jobs = jobs.as_array().expect("an array").iter();
        jobs.map(|job| job["jobId"].as_i64().expect("a number"))
            .collect()
    }

    pub(super) async fn managed(&self, method: &str, path: &str) -> Answer {
        let path = format!("/accounts/{}/jobs{path}", self.account.id);
        self.hub.manage(method, &path, Value::Null).await
    }
}

/// Clients of the field know these members, in this spelling, and ids of 64 bits stay exact.
#[tokio::test]
async fn a_job_in_a_list_has_exactly_the_members_that_clients_know() {
    let meeting = Meeting::start().await;
    let id = meeting.job(JobStatus::WaitingToReceiveData).await;
    let (account, producer, consumer) =
        (meeting.account.id, meeting.producer.id, meeting.consumer.id);
    let path =
        format!("/v1/jobs/SEGMENT_EXPORT?endpointId={producer}&status=WAITING_TO_RECIEVE_DATA");
    let answer = meeting.hub.http.get(&path, &meeting.producer.key).await;
    let expected = format!(
        r#"[{{"jobCategory":"SEGMENT_EXPORT","jobId":{id},"scheduledJobId":null,"status":"WAITING_TO_RECIEVE_DATA","jobName":"EXPORT_SEGMENT","accountId":{account},"subStatus":"WAITING_TO_RECIEVE_DATA","errorDetails":null,"segmentDataFiles":null,"segmentDataFormat":null,"destinationSegmentID":null,"destinationSegmentName":"matty T","destinationSegmentDescription":null,"destinationEndpointID":{consumer},"exportCategory":"","producerEndpointID":{producer},"producerSegmentID":8000000000000001152,"attributeMappings":{{}},"identityMappings":null,"shareAction":"ADD","sourceIdentifiers":["email"],"destinationIdentifier":"Email"}}]"#
    );
    assert_eq!(answer.text(), expected);
}

#[tokio::test]
async fn one_job_also_has_steps_counts_and_times() {
    let meeting = Meeting::start().await;
    let id = meeting.job(JobStatus::WaitingToReceiveData).await;
    let path = format!("/v1/jobs/segment_export/{id}");
    let answer = meeting.hub.http.get(&path, &meeting.producer.key).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let job = answer.json();
    assert_eq!(
        job["producerSegmentID"],
        json!(8_000_000_000_000_001_152_i64)
    );
    assert_eq!(job["steps"], json!([]));
    let none = json!({ "read": 0, "matched": 0, "unmatched": 0, "rejected": 0, "sent": 0 });
    assert_eq!(job["records"], none);
    assert_eq!(job["createdAt"], "2026-03-02T12:00:00Z");
    assert_eq!(
        (&job["startedAt"], &job["finishedAt"]),
        (&Value::Null, &Value::Null)
    );
    let list = "/v1/jobs/SEGMENT_EXPORT?extraFields=true";
    let list = meeting.hub.http.get(list, &meeting.producer.key).await;
    assert_eq!(
        list.json(),
        json!([job]),
        "a list that is asked for them has them too"
    );
}

#[tokio::test]
async fn an_endpoint_sees_its_own_jobs_and_the_account_sees_all() {
    let meeting = Meeting::start().await;
    let third = meeting
        .hub
        .endpoint(&meeting.account, publisher_definition())
        .await;
    let stranger = meeting.hub.account().await;
    let waiting = meeting.job(JobStatus::WaitingToReceiveData).await.0;
    let mut other = meeting.run(JobStatus::ReadyForDownload);
    other.producer = Some(third.id);
    let ready = meeting.made(other).await.0;
    let mut refresh = meeting.run(JobStatus::WaitingToReceiveData);
    refresh.category = JobCategory::Gdpr;
    meeting.made(refresh).await;
    for (query, key, expected) in [
        ("", &meeting.producer.key, vec![waiting]),
        ("", &meeting.consumer.key, vec![waiting, ready]),
        ("", &third.key, vec![ready]),
        ("", &meeting.account.key, vec![waiting, ready]),
        ("", &stranger.key, vec![]),
        (
            "?status=READY_FOR_DOWNLOAD",
            &meeting.consumer.key,
            vec![ready],
        ),
        (
            "?status=waiting_to_receive_data",
            &meeting.consumer.key,
            vec![waiting],
        ),
        ("?status=COMPLETED", &meeting.account.key, vec![]),
        ("?after=1", &meeting.account.key, vec![ready]),
    ] {
        let expected: Vec<i64> = expected
            .into_iter()
            .filter(|id| !query.contains("after") || *id > 1)
            .collect();
        assert_eq!(meeting.listed(query, key).await, expected, "{query}");
    }
    let of_third = format!("?endpointId={}", third.id);
    assert_eq!(
        meeting.listed(&of_third, &meeting.account.key).await,
        [ready]
    );
    for (key, status) in [(&meeting.producer.key, 403), (&stranger.key, 404)] {
        let path = format!("/v1/jobs/SEGMENT_EXPORT{of_third}");
        assert_eq!(meeting.hub.http.get(&path, key).await.status, status);
        let path = format!("/v1/jobs/SEGMENT_EXPORT/{ready}");
        assert_eq!(meeting.hub.http.get(&path, key).await.status, 404);
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_answered_with_what_there_is() {
    let meeting = Meeting::start().await;
    let id = meeting.job(JobStatus::WaitingToReceiveData).await;
    for (path, status, says) in [
        (
            "/v1/jobs/EXPORT".to_owned(),
            404,
            "expected SEGMENT_EXPORT, IDENTITY_IMPORT",
        ),
        (
            "/v1/jobs/SEGMENT_EXPORT?status=WAITING&endpointId=x&extraFields=no&after=0".to_owned(),
            400,
            "4 rules",
        ),
        (
            format!("/v1/jobs/gdprRequest/{id}"),
            404,
            "is not of the category gdprRequest",
        ),
        (
            "/v1/jobs/SEGMENT_EXPORT/4711".to_owned(),
            404,
            "there is no job 4711",
        ),
        (
            "/v1/jobs/SEGMENT_EXPORT/x".to_owned(),
            404,
            "there is no job `x`",
        ),
    ] {
        let answer = meeting.hub.http.get(&path, &meeting.account.key).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let message = answer.json()["message"].as_str().expect("text").to_owned();
        if status == 404 {
            assert!(message.contains(says), "{path}: {message}");
        } else {
            assert_eq!(answer.pointers().len(), 4, "{}", answer.text());
        }
    }
}

/// What another release, or a hand, left in a job is not guessed at.
#[tokio::test]
async fn a_job_that_cannot_go_on_fails_and_people_are_told_why() {
    let meeting = Meeting::start().await;
    let mut new = meeting.run(JobStatus::Scheduled);
    new.state = r#""of another release""#.to_owned();
    let id = meeting.made(new).await;
    meeting.hub.settle().await;
    for again in [false, true] {
        let job = meeting.get(id).await;
        assert_eq!(job.status, JobStatus::Failed);
        let why = job.error.expect("a sentence");
        let path = format!("/accounts/{}/notices", meeting.account.id);
        let notices = meeting.hub.manage("GET", &path, Value::Null).await.json();
        let told = notices["items"].as_array().expect("a list");
        assert_eq!(told.len(), 1 + usize::from(again));
        let message = told[0]["text"].as_str().expect("a sentence");
        assert_eq!(
            message,
            format!("job {id} (SEGMENT_EXPORT) has failed: {why}")
        );
        let retried = meeting.managed("POST", &format!("/{id}/retry")).await;
        assert_eq!(retried.status, 200, "{}", retried.text());
        meeting.hub.settle().await;
    }
}

#[tokio::test]
async fn jobs_and_their_files_survive_a_restart_and_a_crash() {
    let mut meeting = Meeting::start().await;
    let waiting = meeting.job(JobStatus::WaitingToReceiveData).await;
    let ready = meeting.ready(b"Email\r\n").await;
    let scheduled = meeting.run(JobStatus::Scheduled);
    let later = meeting.hub.server.hub.now() + DAY;
    let scheduled = meeting
        .made(NewJob {
            first_at: later,
            ..scheduled
        })
        .await;
    for is_killed in [false, true] {
        let Meeting {
            hub,
            account,
            producer,
            consumer,
        } = meeting;
        let hub = if is_killed {
            hub.crash().await
        } else {
            hub.restart().await
        };
        meeting = Meeting {
            hub,
            account,
            producer,
            consumer,
        };
        meeting.hub.settle().await;
        for (id, status) in [
            (waiting, JobStatus::WaitingToReceiveData),
            (ready, JobStatus::ReadyForDownload),
            (scheduled, JobStatus::Scheduled),
        ] {
            assert_eq!(meeting.get(id).await.status, status, "killed: {is_killed}");
        }
        let path = format!("/v1/jobs/{ready}/segmentDataFiles/segment.csv");
        let answer = meeting.hub.http.get(&path, &meeting.consumer.key).await;
        assert_eq!(answer.text(), "Email\r\n");
    }
    meeting.hub.pass(DAY).await;
    let job = meeting.get(scheduled).await;
    assert!(job.started_at.is_some(), "its time has come: {job:?}");
}

#[tokio::test]
async fn what_has_ended_is_forgotten_with_its_files_after_a_month() {
    let meeting = Meeting::start().await;
    let id = meeting.ready(b"Email\r\nada@example.com\r\n").await;
    let young = meeting.job(JobStatus::WaitingToReceiveData).await;
    let path = format!("/{id}/cancel");
    assert_eq!(meeting.managed("POST", &path).await.status, 200);
    let blobs = meeting.hub.directory().join("data/blobs/jobs");
    let hub = &meeting.hub.server.hub;
    meeting.hub.clock.advance(6 * DAY);
    assert_eq!(hub.retire().await.expect("retired").jobs, 0);
    assert_eq!(
        hub.data_files(meeting.scope(), id)
            .await
            .expect("a list")
            .len(),
        2
    );
    meeting
        .hub
        .clock
        .advance(24 * DAY + Duration::from_micros(1));
    assert_eq!(hub.retire().await.expect("retired").jobs, 1);
    let gone = hub.job_get(meeting.scope(), None, id).await;
    assert!(matches!(gone, Err(hub::Error::NotFound(_))));
    assert!(
        hub.data_files(meeting.scope(), id)
            .await
            .expect("a list")
            .is_empty()
    );
    if crate::harness::embedded_only("where files are") {
        assert_eq!(files_below(&blobs), 0, "no byte is left");
    }
    assert_eq!(meeting.get(young).await.status, JobStatus::Failed);
}

pub(super) fn files_below(directory: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return 0;
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}

#[tokio::test]
async fn what_nobody_does_is_not_waited_for_for_ever() {
    let meeting = Meeting::start().await;
    let waiting = meeting.job(JobStatus::WaitingToReceiveData).await;
    let asking = meeting.job(JobStatus::WaitingForApproval).await;
    let unread = meeting.ready(b"Email\r\n").await;
    let read = meeting.ready(b"Email\r\n").await;
    let path = format!("/v1/jobs/{read}/segmentDataFiles/segment.csv");
    assert_eq!(
        meeting
            .hub
            .http
            .get(&path, &meeting.consumer.key)
            .await
            .status,
        200
    );
    let hub = &meeting.hub.server.hub;
    meeting.hub.clock.advance(7 * DAY);
    hub.retire().await.expect("retired");
    assert_eq!(
        meeting.get(waiting).await.status,
        JobStatus::WaitingToReceiveData
    );
    meeting.hub.clock.advance(Duration::from_micros(1));
    hub.retire().await.expect("retired");
    for (id, why) in [
        (waiting, "nobody has uploaded data for it within 7 days"),
        (asking, "nobody has answered its question within 7 days"),
        (
            unread,
            "nobody has fetched what it made and said so within 7 days",
        ),
    ] {
        let job = meeting.get(id).await;
        assert_eq!(
            (job.status, job.error.as_deref()),
            (JobStatus::Failed, Some(why))
        );
    }
    // Clients that fetch and say nothing have fetched.
    assert_eq!(meeting.get(read).await.status, JobStatus::Scheduled);
    let path = format!("/accounts/{}/notices", meeting.account.id);
    let notices = meeting.hub.manage("GET", &path, Value::Null);
    let notices = notices.await.json();
    assert_eq!(
        notices["items"].as_array().expect("a list").len(),
        3,
        "{notices}"
    );
}
