//! The scene of the tests of audiences: an account, a source, a destination, both real servers or both callers, and a share
//! between them.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use hub::share::NewShare;
use hub::{Actor, Scope};
use model::endpoint::ShareAction;
use model::job::JobStatus;
use model::share::{Guard, IdentifierPair, Schedule};
use model::{JobId, SegmentId, ShareId};
use serde_json::{Value, json};
use store::job::Job;

use super::party::Party;
use crate::harness::{TestAccount, TestEndpoint, TestHub};

/// The source's audience in every test.
pub(crate) const SEGMENT: i64 = 8_000_000_000_000_001_152;

pub(crate) struct World {
    pub(crate) hub: TestHub,
    pub(crate) account: TestAccount,
    pub(crate) source: TestEndpoint,
    pub(crate) destination: TestEndpoint,
    /// The servers of those that are called.
    pub(crate) producer: Party,
    pub(crate) consumer: Party,
}

/// The four meetings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meeting {
    /// The source uploads, or is called.
    pub(crate) source: &'static str,
    /// The destination is called, or fetches.
    pub(crate) destination: &'static str,
}

pub(crate) const PUSH_PUSH: Meeting = Meeting {
    source: "push",
    destination: "push",
};

fn attributes() -> Value {
    json!([
        { "name": "First Name", "type": "string" },
        { "name": "Points", "type": "integer" },
        { "name": "City", "type": "string" },
    ])
}

/// A CRM: addresses in clear, ids of its own.
pub(crate) fn crm(kind: &str, url: &str) -> Value {
    json!({
        "name": "CRM", "providerName": "Acme", "url": url,
        "endpointTypes": { "segment": { "source": { "enabled": true, "producerType": kind } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "people", "identifiers": [
            { "name": "Email", "type": "email" },
            { "name": "Crm Id", "type": "crmId" },
        ], "attributes": attributes() }] },
    })
}

/// An advertising platform: hashed addresses, and everything that can be done to an audience.
pub(crate) fn ads(kind: &str, url: &str) -> Value {
    json!({
        "name": "Ads", "providerName": "Acme", "url": url,
        "endpointTypes": { "segment": { "destination": {
            "enabled": true, "destinationType": kind,
            "shareActions": { "add": true, "remove": true, "replace": true, "defaultShareAction": "ADD" },
        } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "people", "identifiers": [
            { "name": "hashed_email", "type": "email", "hashMode": "REQUIRED", "hashAlgorithm": "EMAIL_SHA256" },
        ], "attributes": [
            { "name": "score", "type": "integer" }, { "name": "fn", "type": "string" },
        ] }] },
    })
}

impl World {
    pub(crate) async fn of(meeting: Meeting) -> Self {
        Self::on(TestHub::start().await, meeting).await
    }

    pub(crate) async fn on(hub: TestHub, meeting: Meeting) -> Self {
        Self::with(hub, meeting, |_, _| {}).await
    }

    /// With other definitions.
    pub(crate) async fn with(
        hub: TestHub,
        meeting: Meeting,
        change: impl FnOnce(&mut Value, &mut Value),
    ) -> Self {
        let account = hub.account().await;
        let (producer, consumer) = (Party::start().await, Party::start().await);
        let mut from = crm(meeting.source, &producer.receiver.url());
        let mut to = ads(meeting.destination, &consumer.receiver.url());
        change(&mut from, &mut to);
        let source = hub.endpoint(&account, from).await;
        let destination = hub.endpoint(&account, to).await;
        let world = Self {
            hub,
            account,
            source,
            destination,
            producer,
            consumer,
        };
        if meeting.source == "push" {
            let segments = json!([{ "id": SEGMENT, "name": "Gold customers" }]);
            let (http, key) = (&world.hub.http, &world.source.key);
            let path = format!("/v1/endpoint/{}/segments", world.source.id);
            let told = http.json("POST", &path, Some(key), Some(segments)).await;
            assert_eq!(told.status, 200, "{}", told.text());
        } else {
            let rows = String::new();
            world
                .producer
                .book()
                .sources
                .insert(SEGMENT.to_string(), rows);
            world.refresh().await;
        }
        world
    }

    /// Asks the endpoints for their audiences.
    pub(crate) async fn refresh(&self) {
        let path = "/v1/endpoint/refreshSegments";
        let asked = self.hub.http.get(path, &self.account.key).await;
        assert_eq!(asked.status, 200, "{}", asked.text());
        self.settle().await;
        for party in [&self.producer, &self.consumer] {
            party.book().calls.clear();
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope(self.account.id)
    }

    /// Shares the audience, otherwise than usual; answers the share and its first job.
    pub(crate) async fn share(
        &self,
        action: ShareAction,
        change: impl FnOnce(&mut NewShare),
    ) -> (ShareId, JobId) {
        let pairs = [("First Name", "fn"), ("Points", "score")];
        let attributes = pairs.map(|(from, to)| (from.to_owned(), to.to_owned()));
        let mut new = NewShare {
            source: self.source.id,
            segment: SegmentId::Number(SEGMENT),
            destination: self.destination.id,
            destination_segment: None,
            destination_segment_name: Some("Gold".to_owned()),
            destination_segment_description: None,
            action: Some(action),
            identifier: Some(IdentifierPair {
                source: "Email".to_owned(),
                destination: "hashed_email".to_owned(),
            }),
            attributes: Some(attributes.into()),
            schedule: Schedule::Now,
            upload_identities: false,
            window: None,
            guard: Guard::default(),
            incremental: false,
        };
        change(&mut new);
        let hub = &self.hub.server.hub;
        let made = hub.share_create(&Actor::OPERATOR, self.scope(), new).await;
        let (share, job) = made.expect("it can be shared");
        (share.id, job.expect("it runs now"))
    }

    /// Runs a share again.
    pub(crate) async fn again(&self, share: ShareId) -> JobId {
        let hub = &self.hub.server.hub;
        let run = hub.share_run(&Actor::OPERATOR, self.scope(), share).await;
        run.expect("it can run")
    }

    pub(crate) async fn settle(&self) {
        self.hub.settle().await;
    }

    /// Works, also through pauses between tries, until the job is in this state.
    pub(crate) async fn until(&self, job: JobId, status: JobStatus) -> Job {
        for _ in 0..40 {
            self.settle().await;
            let now = self.job(job).await;
            if now.status == status {
                return now;
            }
            assert!(
                !now.status.is_final(),
                "it is {:?}: {:?}",
                now.status,
                now.error
            );
            self.hub.clock.advance(Duration::from_secs(600));
        }
        panic!("job {job} is {:?} and not {status:?}", self.job(job).await);
    }

    pub(crate) async fn job(&self, job: JobId) -> Job {
        let found = self.hub.server.hub.job_get(self.scope(), None, job).await;
        found.expect("the job is there")
    }

    /// What a push producer does: looks for jobs that wait for it, and uploads.
    pub(crate) async fn upload(&self, job: JobId, csv: impl Into<Bytes>) {
        let path = format!(
            "/v1/jobs/SEGMENT_EXPORT?endpointId={}&status=WAITING_TO_RECIEVE_DATA",
            self.source.id
        );
        let waiting = self.hub.http.get(&path, &self.source.key).await;
        let ids: Vec<i64> = waiting
            .json()
            .as_array()
            .expect("a list")
            .iter()
            .map(id_of)
            .collect();
        assert!(ids.contains(&job.0), "{}", waiting.text());
        self.upload_to(job, csv).await;
    }

    pub(crate) async fn upload_to(&self, job: JobId, csv: impl Into<Bytes>) {
        let path = format!("/v1/jobs/{job}/data");
        let bearer = format!("Bearer {}", self.source.key);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "text/csv"),
        ];
        let taken = self.hub.http.send("POST", &path, &headers, csv).await;
        assert!((200..300).contains(&taken.status), "{}", taken.text());
    }

    /// A file of the job.
    pub(crate) async fn file(&self, job: JobId, name: &str) -> String {
        let hub = &self.hub.server.hub;
        let mut reader = hub
            .data_file_read(self.scope(), job, name)
            .await
            .expect("it is there");
        let mut text = Vec::new();
        while (text.len() as u64) < reader.len() {
            let piece = reader
                .read_at(text.len() as u64)
                .await
                .expect("it can be read");
            text.extend_from_slice(&piece);
        }
        String::from_utf8(text).expect("UTF-8")
    }

    pub(crate) async fn files(&self, job: JobId) -> Vec<String> {
        let files = self.hub.server.hub.data_files(self.scope(), job).await;
        files
            .expect("a list")
            .into_iter()
            .map(|file| file.name)
            .collect()
    }

    pub(crate) async fn approve(&self, job: JobId, is_approved: bool) {
        let hub = &self.hub.server.hub;
        let told = hub
            .job_approve(&Actor::OPERATOR, self.scope(), job, is_approved)
            .await;
        told.expect("it asks");
    }
}

fn id_of(job: &Value) -> i64 {
    job["jobId"].as_i64().expect("a number")
}

/// Rows of the CRM: person `n`, of whom every fifth has no address.
pub(crate) fn people(numbers: impl Iterator<Item = u64>) -> String {
    let mut csv = "Crm Id,First Name,Email,Points,City\n".to_owned();
    for n in numbers {
        let email = if n % 5 == 4 {
            String::new()
        } else {
            format!("Person{n}@Example.com")
        };
        let _ = writeln!(csv, "c-{n},\"First, {n}\",{email},{},Köln", n * 7 % 1_000);
    }
    csv
}

/// The same as the advertising platform gets them, in the same order.
pub(crate) fn people_hashed(numbers: impl Iterator<Item = u64>) -> String {
    let mut csv = "hashed_email,fn,score\n".to_owned();
    for n in numbers.filter(|n| n % 5 != 4) {
        let hash = hashed(n);
        let _ = writeln!(csv, "{hash},\"First, {n}\",{}", n * 7 % 1_000);
    }
    csv
}

/// Person `n` at the destination.
pub(crate) fn hashed(n: u64) -> String {
    let algorithm = model::hashing::HashAlgorithm::EmailSha256;
    let address = format!("person{n}@example.com");
    model::hashing::hash(algorithm, &address, None).expect("an address")
}
