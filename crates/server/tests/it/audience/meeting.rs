//! The four meetings: push and pull producers with push and pull consumers, with every call and body of the contract.

use hub::share::NewShare;
use jiff::civil::date;
use model::endpoint::ShareAction;
use model::job::JobStatus;
use model::share::DataWindow;
use model::{JobId, SegmentId};
use serde_json::{Value, json};

use super::party::{Book, FIRST_ID};
use super::world::{Meeting, PUSH_PUSH, SEGMENT, World, people, people_hashed};
use crate::harness::Reply;

const GOLDEN: &str = include_str!("golden/gold.csv");
const SOURCE: &str = include_str!("golden/source.csv");
const UNMATCHED: &str = include_str!("golden/unmatched.csv");
const REJECTED: &str = include_str!("golden/rejected.csv");

#[tokio::test]
async fn a_push_producer_uploads_and_a_push_consumer_is_called_with_a_golden_file() {
    let world = World::of(PUSH_PUSH).await;
    let (_, job) = world.share(ShareAction::Replace, |_| ()).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, SOURCE).await;
    let done = world.until(job, JobStatus::Completed).await;
    let gold = world.consumer.audience();
    assert_eq!(gold.name, "Gold");
    assert_eq!(String::from_utf8_lossy(&gold.body), GOLDEN);
    let calls = world.consumer.calls();
    let data = format!("PUT /v1/segments/{FIRST_ID}/data");
    let expected = [
        "GET /v1/segments",
        "GET /v1/segments",
        "POST /v1/segments",
        &data,
    ];
    assert_eq!(calls, expected);
    let put = world.consumer.book().calls.last().cloned().expect("a call");
    assert_eq!(put.content_type, "text/csv; charset=utf-8");
    assert_eq!(
        put.authorization,
        format!("Bearer {}", world.destination.key)
    );
    let records = done.records;
    let counts = [
        records.read,
        records.matched,
        records.unmatched,
        records.rejected,
        records.sent,
    ];
    assert_eq!(counts, [9, 4, 2, 3, 4]);
    assert_eq!(world.file(job, "unmatched.csv").await, UNMATCHED);
    assert_eq!(world.file(job, "rejected.csv").await, REJECTED);
    // People's data goes when it is needed no more.
    assert_eq!(world.files(job).await, ["rejected.csv", "unmatched.csv"]);
    let receipt = &done.report["receipt"];
    assert_eq!(receipt["rowsAccepted"], 4);
    assert_eq!(receipt["rowsRefused"], 0);
    assert_eq!(receipt["matchRate"], 44.44);
    assert_eq!(
        done.report["digests"]["audience.csv"]["bytes"],
        GOLDEN.len()
    );
    assert_eq!(
        done.details.destination_segment.map(|id| id.to_string()),
        Some(FIRST_ID.to_string())
    );
}

#[tokio::test]
async fn all_four_meetings_hand_over_the_same_200_000_rows() {
    let rows = 200_000;
    let expected = people_hashed(0..rows);
    for source in ["push", "pull"] {
        for destination in ["push", "pull"] {
            let meeting = Meeting {
                source,
                destination,
            };
            let world = World::of(meeting).await;
            let csv = people(0..rows);
            if source == "pull" {
                world
                    .producer
                    .book()
                    .sources
                    .insert(SEGMENT.to_string(), csv.clone());
            }
            let (_, job) = world.share(ShareAction::Replace, |_| ()).await;
            if source == "push" {
                world.until(job, JobStatus::WaitingToReceiveData).await;
                world.upload(job, csv).await;
            }
            let taken = if destination == "push" {
                world.until(job, JobStatus::Completed).await;
                String::from_utf8(world.consumer.audience().body.to_vec()).expect("UTF-8")
            } else {
                fetch(&world, job).await
            };
            assert!(taken == expected, "{meeting:?}: {} bytes", taken.len());
            let records = world.job(job).await.records;
            let counts = [
                records.read,
                records.matched,
                records.unmatched,
                records.sent,
            ];
            assert_eq!(counts, [200_000, 160_000, 40_000, 160_000], "{meeting:?}");
        }
    }
}

/// What a pull consumer does: looks for what is ready, fetches it, and says so.
async fn fetch(world: &World, job: JobId) -> String {
    world.until(job, JobStatus::ReadyForDownload).await;
    let (http, key) = (&world.hub.http, &world.destination.key);
    let path = format!(
        "/v1/jobs/SEGMENT_EXPORT?endpointId={}&status=READY_FOR_DOWNLOAD",
        world.destination.id
    );
    let ready = http.get(&path, key).await.json();
    assert_eq!(ready[0]["jobId"], job.0);
    assert_eq!(ready[0]["producerSegmentID"], SEGMENT);
    let file = ready[0]["segmentDataFiles"][0]
        .as_str()
        .expect("a file")
        .to_owned();
    let got = http
        .get(&format!("/v1/jobs/{job}/segmentDataFiles/{file}"), key)
        .await;
    assert_eq!(got.status, 200, "{}", got.text());
    let told = http
        .json("PUT", &format!("/v1/jobs/{job}/complete"), Some(key), None)
        .await;
    assert!((200..300).contains(&told.status), "{}", told.text());
    world.until(job, JobStatus::Completed).await;
    got.text()
}

/// The audience is asked of a pull producer that has it, and behaves otherwise than usual.
async fn pulled(change: impl FnOnce(&mut Book)) -> (World, JobId) {
    pulled_as(change, |_| ()).await
}

async fn pulled_as(
    change: impl FnOnce(&mut Book),
    share: impl FnOnce(&mut NewShare),
) -> (World, JobId) {
    let meeting = Meeting {
        source: "pull",
        ..PUSH_PUSH
    };
    let world = World::of(meeting).await;
    {
        let mut book = world.producer.book();
        book.sources.insert(SEGMENT.to_string(), SOURCE.to_owned());
        change(&mut book);
    }
    let (_, job) = world.share(ShareAction::Replace, share).await;
    (world, job)
}

#[tokio::test]
async fn a_pull_producer_that_has_no_data_at_hand_makes_it_first() {
    let (world, job) = pulled(|book| book.exports_after = Some(2)).await;
    world.until(job, JobStatus::Completed).await;
    assert_eq!(
        String::from_utf8_lossy(&world.consumer.audience().body),
        GOLDEN
    );
    let calls = world.producer.calls();
    let jobs: Vec<&str> = calls
        .iter()
        .map(String::as_str)
        .filter(|c| c.contains("/v1/jobs"))
        .collect();
    let asked = "GET /v1/jobs/77";
    assert_eq!(
        jobs,
        [
            "POST /v1/jobs",
            asked,
            asked,
            asked,
            "GET /v1/jobs/77/data/d-1"
        ]
    );
    let made = world
        .producer
        .book()
        .calls
        .iter()
        .find(|c| c.what == "POST /v1/jobs")
        .cloned();
    let body = made.expect("a call").body;
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(
        body,
        json!({ "segmentId": SEGMENT, "jobType": "ExportSegmentData" })
    );
}

#[tokio::test]
async fn a_source_is_told_of_which_days_members_are_wanted() {
    let january = |new: &mut NewShare| {
        new.window = Some(DataWindow::Dates {
            from: date(2026, 1, 1),
            to: date(2026, 1, 31),
        });
    };
    let window = json!({ "from": "2026-01-01", "to": "2026-01-31" });
    // A pull producer with every call that asks for rows.
    let (world, job) = pulled_as(|book| book.exports_after = Some(0), january).await;
    world.until(job, JobStatus::Completed).await;
    let calls = world.producer.book().calls.clone();
    let asked = calls.iter().find(|call| call.what.contains("/data?"));
    let asked = &asked.expect("a call").what;
    assert!(asked.ends_with("&from=2026-01-01&to=2026-01-31"), "{asked}");
    let export = calls.iter().find(|call| call.what == "POST /v1/jobs");
    let export: Value = serde_json::from_slice(&export.expect("a call").body).expect("JSON");
    assert_eq!(export["dataWindow"], window);
    // A push producer in the job that waits for it.
    let world = World::of(PUSH_PUSH).await;
    let (_, job) = world.share(ShareAction::Replace, january).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    let path = format!("/v1/jobs/SEGMENT_EXPORT/{job}");
    let waiting = world.hub.http.get(&path, &world.source.key).await;
    assert_eq!(waiting.json()["dataWindow"], window);
}

#[tokio::test]
async fn what_a_pull_producer_packs_is_unpacked_and_what_was_cut_off_is_asked_for_again() {
    let gzip: fn(&str) -> Vec<u8> = |text| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).expect("written");
        encoder.finish().expect("packed")
    };
    let zstd: fn(&str) -> Vec<u8> = |text| zstd::encode_all(text.as_bytes(), 1).expect("packed");
    let cut_off: fn(&str) -> Vec<u8> = |text| {
        let mut packed = zstd::encode_all(text.as_bytes(), 1).expect("packed");
        packed.pop();
        packed
    };
    let archive: fn(&str) -> Vec<u8> = |text| [b"PK\x03\x04", text.as_bytes()].concat();
    for (packs, is_exported) in [(gzip, false), (zstd, false), (gzip, true)] {
        let begun = pulled(|book| {
            book.packs = Some(packs);
            book.exports_after = is_exported.then_some(0);
        });
        let (world, job) = begun.await;
        world.until(job, JobStatus::Completed).await;
        let body = world.consumer.audience().body;
        assert_eq!(String::from_utf8_lossy(&body), GOLDEN);
    }

    let (world, job) = pulled(|book| book.packs = Some(cut_off)).await;
    world.hub.settle().await;
    assert!(world.consumer.book().audiences.is_empty(), "not half of it");
    world.producer.book().packs = Some(zstd);
    world.until(job, JobStatus::Completed).await;
    let body = world.consumer.audience().body;
    assert_eq!(String::from_utf8_lossy(&body), GOLDEN);

    let (world, job) = pulled(|book| book.packs = Some(archive)).await;
    let failed = world.until(job, JobStatus::Failed).await;
    let why = failed.error.unwrap_or_default();
    assert!(why.contains("zip archive"), "{why}");
}

#[tokio::test]
async fn each_action_is_a_method_of_its_own() {
    let world = World::of(PUSH_PUSH).await;
    use ShareAction::{Add, Remove, Replace};
    let mut is_first = true;
    for (action, method, left) in [(Add, "POST", 4), (Replace, "PUT", 4), (Remove, "DELETE", 0)] {
        let is_there = !std::mem::take(&mut is_first);
        if is_there {
            world.refresh().await;
        }
        let share = world.share(action, |new| {
            if is_there {
                new.destination_segment = Some(SegmentId::Number(FIRST_ID));
                new.destination_segment_name = None;
            }
        });
        let (_, job) = share.await;
        world.until(job, JobStatus::WaitingToReceiveData).await;
        world.upload(job, SOURCE).await;
        world.until(job, JobStatus::Completed).await;
        let data = format!("{method} /v1/segments/{FIRST_ID}/data");
        assert_eq!(world.consumer.calls().last(), Some(&data));
        assert_eq!(world.consumer.audience().rows.len(), left, "{action:?}");
    }
}

#[tokio::test]
async fn a_destination_that_wants_another_action_gets_it_and_one_that_cannot_ends_the_job() {
    let world = World::of(PUSH_PUSH).await;
    let instead = Reply::Body(308, json!({ "shareAction": "REPLACE" }).to_string().into());
    world.consumer.book().answers.insert("POST", instead);
    let (share, job) = world.share(ShareAction::Add, |_| ()).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, SOURCE).await;
    world.until(job, JobStatus::Completed).await;
    assert_eq!(
        String::from_utf8_lossy(&world.consumer.audience().body),
        GOLDEN
    );
    assert_eq!(world.consumer.audience().replaced, 1);

    world
        .consumer
        .book()
        .answers
        .insert("POST", Reply::Status(501));
    let job = world.again(share).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, SOURCE).await;
    let failed = world.until(job, JobStatus::Failed).await;
    let why = failed.error.unwrap_or_default();
    assert!(why.contains("ADD") && why.contains("501"), "{why}");
    // It goes on from where it stopped, when the destination has learnt it.
    world.consumer.book().answers.clear();
    let hub = &world.hub.server.hub;
    let again = hub
        .job_retry(&hub::Actor::OPERATOR, world.scope(), job)
        .await;
    again.expect("it failed");
    world.until(job, JobStatus::Completed).await;

    let opposite = Reply::Body(308, json!({ "shareAction": "REMOVE" }).to_string().into());
    world.consumer.book().answers.insert("POST", opposite);
    let job = world.again(share).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, SOURCE).await;
    let failed = world.until(job, JobStatus::Failed).await;
    assert!(failed.error.unwrap_or_default().contains("REMOVE"));
}

#[tokio::test]
async fn a_destination_that_is_down_is_asked_again_and_refusals_are_told() {
    let world = World::of(PUSH_PUSH).await;
    world
        .consumer
        .book()
        .answers
        .insert("PUT", Reply::Status(503));
    let (share, job) = world.share(ShareAction::Replace, |_| ()).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, SOURCE).await;
    world.settle().await;
    let waiting = world.job(job).await;
    assert_eq!(waiting.status, JobStatus::InProgress);
    assert!(waiting.next_at > Some(world.hub.server.hub.now()), "later");
    world.consumer.book().answers.clear();
    world.until(job, JobStatus::Completed).await;
    assert_eq!(
        String::from_utf8_lossy(&world.consumer.audience().body),
        GOLDEN
    );

    let refusal = Reply::Body(400, "no column hashed_email, please".into());
    world.consumer.book().answers.insert("PUT", refusal);
    let job = world.again(share).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, SOURCE).await;
    let failed = world.until(job, JobStatus::Failed).await;
    let why = failed.error.unwrap_or_default();
    assert!(
        why.contains("400") && why.contains("no column hashed_email"),
        "{why}"
    );
    let audience = world.consumer.audience();
    assert_eq!(audience.rows.len(), 4, "what was there is there");
}

#[tokio::test]
async fn a_large_audience_comes_in_batches_from_the_second_run_on() {
    let meeting = Meeting {
        source: "pull",
        ..PUSH_PUSH
    };
    let world = World::of(meeting).await;
    // No addresses at all: much is fetched and little is handed over.
    let mut rows = "Crm Id,First Name,Email,Points\n".to_owned();
    for n in 0..260_000 {
        rows.push_str(if n % 1_000 == 0 {
            "c,Ann,ann@example.com,1\n"
        } else {
            "c,,,\n"
        });
    }
    world
        .producer
        .book()
        .sources
        .insert(SEGMENT.to_string(), rows);
    let (share, job) = world.share(ShareAction::Add, |_| ()).await;
    let mut jobs = vec![job];
    for (knows_no_batches, batches) in [(false, "1"), (false, "2"), (true, "2")] {
        let job = match jobs.pop() {
            Some(job) => job,
            None => world.again(share).await,
        };
        world.producer.book().knows_no_batches = knows_no_batches;
        world.producer.book().calls.clear();
        let done = world.until(job, JobStatus::Completed).await;
        let counts = (done.records.read, done.records.matched);
        assert_eq!(counts, (260_000, 260), "each row once");
        let last = world.producer.calls().pop().expect("it was asked");
        let expected = format!("totalBatchCount={batches}&currentBatchNumber={batches}");
        assert!(last.ends_with(&expected), "{last}");
    }
}
