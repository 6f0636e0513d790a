//! `/manage/v1/accounts/{accountId}/jobs`, and `rialto job …`.

use hub::Job;
use model::job::{JobStatus, Signal};
use model::{AccountPolicy, Environment, Role};
use serde_json::{Value, json};

use super::Meeting;
use crate::cli::rialto;

#[tokio::test]
async fn people_see_the_newest_jobs_first_page_by_page() {
    let meeting = Meeting::start().await;
    let mut ids = Vec::new();
    for status in [
        JobStatus::WaitingToReceiveData,
        JobStatus::ReadyForDownload,
        JobStatus::WaitingForApproval,
    ] {
        ids.push(meeting.job(status).await.0);
    }
    let page = meeting.managed("GET", "?limit=2").await.json();
    let shown = |page: &Value| -> Vec<i64> {
        let items = page["items"].as_array().expect("a list").iter();
        items
            .map(|item| item["id"].as_i64().expect("an id"))
            .collect()
    };
    assert_eq!(shown(&page), [ids[2], ids[1]]);
    assert_eq!(page["next"], ids[1]);
    let page = meeting
        .managed("GET", &format!("?limit=2&after={}", ids[1]))
        .await
        .json();
    assert_eq!((shown(&page), &page["next"]), (vec![ids[0]], &Value::Null));
    for (query, count) in [
        ("?status=READY_FOR_DOWNLOAD", 1),
        ("?category=SEGMENT_EXPORT", 3),
        ("?category=gdprRequest", 0),
        ("?shareId=7", 3),
        ("?shareId=8", 0),
        (&format!("?endpointId={}", meeting.consumer.id), 3),
    ] {
        let page = meeting.managed("GET", query).await.json();
        assert_eq!(shown(&page).len(), count, "{query}");
    }
    let wrong = meeting.managed("GET", "?status=x&category=y&share=z").await;
    assert_eq!(wrong.status, 400);
    assert_eq!(wrong.pointers().len(), 3, "{}", wrong.text());
}

#[tokio::test]
async fn one_job_is_shown_with_its_report_and_its_files() {
    let meeting = Meeting::start().await;
    let id = meeting.ready(b"Email\r\nada@example.com\r\n").await;
    let job = meeting.managed("GET", &format!("/{id}")).await.json();
    assert_eq!(
        job["details"]["producerSegmentID"],
        json!(8_000_000_000_000_001_152_i64)
    );
    assert_eq!(job["report"], json!({}));
    let files: Vec<(&Value, &Value)> = job["files"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| (&file["name"], &file["sizeBytes"]))
        .collect();
    assert_eq!(
        files,
        [
            (&json!("segment.csv"), &json!(24)),
            (&json!("unmatched.csv"), &json!(19))
        ]
    );
    let digest = "a504bcf542e20159684b764469642b42fa361018ab33aff73341cf9ecc01cfee";
    assert_eq!(job["files"][1]["sha256"], digest);
    let report = meeting
        .managed("GET", &format!("/{id}/files/unmatched.csv"))
        .await;
    assert_eq!(
        (report.status, report.text().as_str()),
        (200, "row,column,reason\r\n")
    );
    let viewer = meeting
        .hub
        .person("vera@example.com", &[(meeting.account.id, Role::Viewer)])
        .await;
    let path = format!("/manage/v1/accounts/{}/jobs/{id}", meeting.account.id);
    assert_eq!(meeting.hub.http.get(&path, &viewer.token).await.status, 200);
    let path = format!("{path}/files/unmatched.csv");
    let refused = meeting.hub.http.get(&path, &viewer.token).await;
    assert_eq!(refused.status, 403, "what is in it are people");
    for name in ["nothing", "..%2Fx"] {
        let answer = meeting.managed("GET", &format!("/{id}/files/{name}")).await;
        assert_eq!(answer.status, 404, "{name}");
    }
}

#[tokio::test]
async fn a_job_is_canceled_taken_up_again_and_answered() {
    let meeting = Meeting::start().await;
    let told = async |id, verb: &str| meeting.managed("POST", &format!("/{id}/{verb}")).await;
    let id = meeting.job(JobStatus::WaitingForApproval).await;
    for (verb, status, then, signal) in [
        ("retry", 409, JobStatus::WaitingForApproval, None),
        ("approve", 200, JobStatus::Scheduled, Some(Signal::Approved)),
        ("approve", 409, JobStatus::Scheduled, Some(Signal::Approved)),
        ("refuse", 409, JobStatus::Scheduled, Some(Signal::Approved)),
        ("cancel", 200, JobStatus::Canceled, None),
        ("cancel", 409, JobStatus::Canceled, None),
        ("retry", 200, JobStatus::Scheduled, Some(Signal::Again)),
    ] {
        let answer = told(id, verb).await;
        assert_eq!(answer.status, status, "{verb}: {}", answer.text());
        let job: Job = meeting.get(id).await;
        assert_eq!((job.status, job.signal), (then, signal), "{verb}");
        assert_eq!(job.finished_at.is_some(), then.is_final(), "{verb}");
        assert_eq!(job.next_at.is_some(), then.is_active(), "{verb}");
    }
    let asking = meeting.job(JobStatus::WaitingForApproval).await;
    let refused = told(asking, "refuse").await.json();
    assert_eq!(
        (&refused["status"], &refused["question"]),
        (&json!("CANCELED"), &Value::Null)
    );
    let other = meeting
        .hub
        .account_in(Environment::Production, AccountPolicy::default())
        .await;
    let path = format!("/accounts/{}/jobs/{asking}", other.id);
    let strange = meeting.hub.manage("GET", &path, Value::Null).await;
    assert_eq!(strange.status, 404, "another account's");
}

#[tokio::test]
async fn the_command_line_does_the_same() {
    let meeting = Meeting::start().await;
    let id = meeting.ready(b"Email\r\n").await;
    let account = format!("--account {}", meeting.account.id);
    let say = async |words: &str| {
        let done = rialto(&meeting.hub, &format!("job {words} {account}")).await;
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{words}");
        done.out
    };
    let list = say("list --status READY_FOR_DOWNLOAD").await;
    assert!(list.contains("SEGMENT_EXPORT"), "{list}");
    let shown = say(&format!("show {id}")).await;
    assert!(shown.contains("unmatched.csv"), "{shown}");
    let file = say(&format!("file {id} unmatched.csv")).await;
    assert_eq!(file, "row,column,reason\r\n");
    for (verb, status) in [("cancel", "CANCELED"), ("retry", "SCHEDULED")] {
        let told = say(&format!("{verb} {id}")).await;
        assert!(told.contains(status), "{told}");
    }
    let asking = meeting.job(JobStatus::WaitingForApproval).await;
    assert!(
        say(&format!("approve {asking}"))
            .await
            .contains("SCHEDULED")
    );
    let asking = meeting.job(JobStatus::WaitingForApproval).await;
    assert!(say(&format!("refuse {asking}")).await.contains("CANCELED"));
}
