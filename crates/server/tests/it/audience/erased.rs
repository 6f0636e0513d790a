//! What audiences leave behind of a person goes with a privacy request: the uploaded rows, what waits to be fetched, and
//! what was reported of the rows that were not sent.

use model::endpoint::ShareAction;
use model::job::JobStatus;
use serde_json::Value;

use super::world::{Meeting, SEGMENT, World, hashed, people};
use crate::harness::embedded_only;

/// Fetched by its destination, when it likes.
const PUSH_PULL: Meeting = Meeting {
    source: "push",
    destination: "pull",
};

async fn erase(world: &World, csv: &str) -> Value {
    let path = "/v1/jobs/gdprRequest?operationType=remove&generateOutput=false";
    let bearer = format!("Bearer {}", world.account.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "text/csv"),
    ];
    let http = &world.hub.http;
    let asked = http.send("POST", path, &headers, csv.to_owned()).await;
    assert_eq!(asked.status, 200, "{}", asked.text());
    let job = model::JobId(asked.json()["jobId"].as_i64().expect("an id"));
    world.until(job, JobStatus::Completed).await;
    let path = format!("/accounts/{}/jobs/{job}", world.account.id);
    let told = world.hub.manage("GET", &path, Value::Null).await;
    assert_eq!(told.status, 200, "{}", told.text());
    told.json()["report"].clone()
}

/// The file that waits to be fetched.
async fn waiting(world: &World, job: model::JobId) -> String {
    let (http, key) = (&world.hub.http, &world.destination.key);
    let path = format!("/v1/jobs/SEGMENT_EXPORT/{job}");
    let told = http.get(&path, key).await.json();
    let file = told["segmentDataFiles"][0].as_str().expect("a file");
    let path = format!("/v1/jobs/{job}/segmentDataFiles/{file}");
    let got = http.get(&path, key).await;
    assert_eq!(got.status, 200, "{}", got.text());
    got.text()
}

#[tokio::test]
async fn a_file_that_waits_to_be_fetched_loses_the_row_and_keeps_the_others() {
    let world = World::of(PUSH_PULL).await;
    let (_, job) = world.share(ShareAction::Replace, |_| ()).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, people(0..100)).await;
    world.until(job, JobStatus::ReadyForDownload).await;
    let before = waiting(&world, job).await;
    assert!(before.contains(&hashed(7)), "{before}");
    // As a writer leaves them who dies: a file that was begun, and one that was begun anew.
    let (hub, scope) = (&world.hub.server.hub, world.scope());
    let files = hub.data_files(scope, job).await.expect("files");
    for name in ["begun.csv", files[0].name.as_str()] {
        let writer = hub.data_file_create(scope, job, name, "text/csv");
        let mut writer = writer.await.expect("begun");
        let written = writer.append(b"email\nperson7@example.com\n").await;
        written.expect("written");
        writer.pause().await.expect("durable");
    }

    let report = erase(&world, "email\nperson7@example.com\n").await;
    // What was uploaded, what was made of it, and what those left.
    assert_eq!(report["places"]["data files"], 4, "{report}");
    assert_eq!(report["verified"]["left"]["data files"], 0, "{report}");
    if embedded_only("only there all files are ours") {
        let traces = ["person7@example.com", &hashed(7)];
        let left = crate::privacy::everywhere(world.hub.directory(), &traces);
        assert_eq!(left, Vec::<String>::new());
    }
    let after = waiting(&world, job).await;
    let expected: Vec<&str> = before
        .lines()
        .filter(|line| !line.contains(&hashed(7)))
        .collect();
    assert_eq!(after.lines().collect::<Vec<_>>(), expected);
    assert_eq!(after.lines().count(), before.lines().count() - 1);
}

#[tokio::test]
async fn the_files_of_a_run_that_has_ended_are_deleted_if_they_name_the_person() {
    let world = World::of(Meeting {
        source: "pull",
        destination: "push",
    })
    .await;
    let rows = people(0..100);
    world
        .producer
        .book()
        .sources
        .insert(SEGMENT.to_string(), rows);
    let (_, job) = world.share(ShareAction::Replace, |_| ()).await;
    world.until(job, JobStatus::Completed).await;
    let hub = &world.hub.server.hub;
    let names = async || -> Vec<String> {
        let files = hub.data_files(world.scope(), job).await.expect("files");
        files.into_iter().map(|file| file.name).collect()
    };
    let before = names().await;

    // Nobody is left alone because another was asked for.
    let report = erase(&world, "email\nnobody@example.com\n").await;
    assert_eq!(report["places"]["data files"], 0, "{report}");
    assert_eq!(names().await, before);

    erase(&world, "email\nperson7@example.com\n").await;
    let after = names().await;
    for name in &after {
        let mut reader = hub
            .data_file_read(world.scope(), job, name)
            .await
            .expect("it is there");
        let bytes = reader.read_at(0).await.expect("read");
        assert_eq!(bytes.len() as u64, reader.len(), "one piece");
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        for trace in ["person7@example.com", &hashed(7)] {
            assert!(!text.contains(trace), "{name} of {after:?}");
        }
    }
}
