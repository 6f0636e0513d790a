//! `POST /v1/jobs/{jobId}/data`, in every form.

use std::io::Write as _;

use hub::data_file::PIECE_BYTES;
use model::JobId;
use model::job::{JobStatus, Signal};
use serde_json::json;

use super::{Meeting, files_below};
use crate::harness::{Answer, Binary, Raw, TestHub, embedded_only};

const CSV: &str = "email,city\r\nada@example.com,London\r\n\"b\"\"c@example.com\",\"a\r\nb\"\r\n";

type Headers<'h> = &'h [(&'h str, &'h str)];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("packed")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("packed")
}

impl Meeting {
    async fn upload(
        &self,
        job: JobId,
        key: &str,
        headers: &[(&str, &str)],
        body: impl Into<bytes::Bytes>,
    ) -> Answer {
        let bearer = format!("Bearer {key}");
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        let path = format!("/v1/jobs/{job}/data");
        self.hub.http.send("POST", &path, &all, body).await
    }

    /// What was uploaded for a job, as it is kept.
    async fn uploaded(&self, job: JobId) -> Vec<u8> {
        let name = self.get(job).await.upload.expect("something was uploaded");
        let reader = self.hub.server.hub.data_file_read(self.scope(), job, &name);
        let mut reader = reader.await.expect("it is complete");
        let mut all = Vec::new();
        loop {
            let bytes = reader.read_at(all.len() as u64).await.expect("read");
            if bytes.is_empty() {
                return all;
            }
            all.extend_from_slice(&bytes);
        }
    }
}

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, data) in parts {
        body.extend_from_slice(format!("--cut\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(data);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--cut--\r\n");
    body
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=cut");
const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"people.txt\"\r\nContent-Type: text/csv";
const META: &str =
    "Content-Disposition: form-data; name=\"metadata\"\r\nContent-Type: application/json";

#[tokio::test]
async fn data_is_taken_in_every_form_and_the_job_goes_on() {
    let meeting = Meeting::start().await;
    let csv = CSV.as_bytes();
    let metadata = br#"{"destinationSegmentName":"matty T"}"#;
    let forms: &[(&str, Headers<'_>, Vec<u8>)] = &[
        (
            "as CSV",
            &[("content-type", "text/csv; charset=utf-8")],
            csv.to_vec(),
        ),
        (
            "as curl says",
            &[("content-type", "application/x-www-form-urlencoded")],
            csv.to_vec(),
        ),
        ("without a type", &[], csv.to_vec()),
        (
            "packed on the way",
            &[("content-type", "text/csv"), ("content-encoding", "gzip")],
            gzip(csv),
        ),
        ("packed by zstd", &[("content-encoding", "zstd")], zstd(csv)),
        (
            "a packed file under a wrong name",
            &[("content-type", "text/csv")],
            gzip(csv),
        ),
        (
            "a zstd file",
            &[("content-type", "application/octet-stream")],
            zstd(csv),
        ),
        (
            "a packed file, packed again",
            &[("content-encoding", "gzip")],
            gzip(&zstd(csv)),
        ),
        ("a form", &[FORM], form(&[(META, metadata), (FILE, csv)])),
        (
            "a form, the file first and packed",
            &[FORM],
            form(&[(FILE, &gzip(csv)), (META, metadata)]),
        ),
        ("a form with a file alone", &[FORM], form(&[(FILE, csv)])),
    ];
    for (what, headers, body) in forms {
        let id = meeting.job(JobStatus::WaitingToReceiveData).await;
        let answer = meeting
            .upload(id, &meeting.producer.key, headers, body.clone())
            .await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, "true".to_owned()),
            "{what}"
        );
        assert!(meeting.uploaded(id).await == csv, "{what}");
        let job = meeting.get(id).await;
        assert_eq!(
            (job.status, job.signal),
            (JobStatus::Scheduled, Some(Signal::Data)),
            "{what}"
        );
        let said = job.metadata.map(|text| text.contains("matty T"));
        assert_eq!(
            said,
            (body.windows(5).any(|w| w == b"matty")).then_some(true),
            "{what}"
        );
    }
}

#[tokio::test]
async fn metadata_may_come_alone_and_must_speak_of_this_job() {
    let meeting = Meeting::start().await;
    let id = meeting.job(JobStatus::WaitingToReceiveData).await;
    let key = &meeting.producer.key;
    let path = format!("/v1/jobs/{id}/data");
    let body = json!({
        "endpointID": meeting.producer.id, "segmentID": 8_000_000_000_000_001_152_i64,
        "destinationEndpointID": meeting.consumer.id.to_string(), "destinationSegmentName": "matty T",
        "attributeMappings": {}, "identityMappings": null,
    });
    let answer = meeting
        .hub
        .http
        .json("POST", &path, Some(key), Some(body.clone()))
        .await;
    assert_eq!((answer.status, answer.text()), (200, "true".to_owned()));
    let job = meeting.get(id).await;
    assert_eq!(job.status, JobStatus::WaitingToReceiveData, "it waits on");
    let kept: serde_json::Value = serde_json::from_str(&job.metadata.expect("kept")).expect("JSON");
    assert_eq!(kept, body);
    let wrong = json!({
        "endpointID": meeting.consumer.id, "segmentID": 8_000_000_000_000_001_153_i64, "destinationEndpointID": 4711,
    });
    let answer = meeting
        .hub
        .http
        .json("POST", &path, Some(key), Some(wrong.clone()))
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.pointers(),
        ["/destinationEndpointID", "/endpointID", "/segmentID"]
    );
    let parts = form(&[(META, wrong.to_string().as_bytes()), (FILE, CSV.as_bytes())]);
    let answer = meeting.upload(id, key, &[FORM], parts).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(
        answer.text().contains("8000000000000001152"),
        "{}",
        answer.text()
    );
    let files = meeting.hub.server.hub.data_files(meeting.scope(), id).await;
    assert!(
        files.expect("a list").is_empty(),
        "what was refused is not kept"
    );
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_and_nothing_of_it_is_kept() {
    let meeting = Meeting::of(
        TestHub::start_with(|config| {
            config.jobs.upload_bytes_max = server::config::Bytes(100_000);
        })
        .await,
    )
    .await;
    let id = meeting.job(JobStatus::WaitingToReceiveData).await;
    let key = &meeting.producer.key;
    let large = "x".repeat(100_001);
    let cut = gzip(CSV.as_bytes());
    let csv = ("content-type", "text/csv");
    let two = form(&[(FILE, b"a"), (FILE, b"b")]);
    let refused: &[(&str, Headers<'_>, Vec<u8>, u16, &str)] = &[
        ("nothing", &[csv], Vec::new(), 400, "the body is empty"),
        (
            "too much",
            &[csv],
            large.clone().into(),
            413,
            "100000 bytes",
        ),
        (
            "a bomb",
            &[csv],
            gzip(&vec![b'x'; 50 << 20]),
            413,
            "100000 bytes",
        ),
        (
            "a zip",
            &[csv],
            b"PK\x03\x04....".to_vec(),
            415,
            "zip archive",
        ),
        (
            "cut off",
            &[csv],
            cut[..cut.len() - 3].to_vec(),
            400,
            "was it cut off?",
        ),
        (
            "not packed",
            &[("content-encoding", "gzip")],
            CSV.into(),
            400,
            "cannot be unpacked",
        ),
        (
            "packed otherwise",
            &[("content-encoding", "br")],
            CSV.into(),
            415,
            "send gzip, zstd or none",
        ),
        (
            "a picture",
            &[("content-type", "image/png")],
            CSV.into(),
            415,
            "`image/png` is not taken",
        ),
        (
            "a form without a boundary",
            &[("content-type", "multipart/form-data")],
            CSV.into(),
            400,
            "no boundary",
        ),
        (
            "half a form",
            &[FORM],
            b"--cut\r\n\r\nabc".to_vec(),
            400,
            "before its last boundary",
        ),
        (
            "an empty form",
            &[FORM],
            b"--cut--\r\n".to_vec(),
            400,
            "the body is empty",
        ),
        ("two files", &[FORM], two, 400, "more than one file"),
        (
            "no JSON",
            &[("content-type", "application/json")],
            b"{".to_vec(),
            400,
            "EOF",
        ),
        (
            "a list",
            &[("content-type", "application/json")],
            b"[]".to_vec(),
            400,
            "JSON object",
        ),
    ];
    for (what, headers, body, status, says) in refused {
        let answer = meeting.upload(id, key, headers, body.clone()).await;
        assert_eq!(answer.status, *status, "{what}: {}", answer.text());
        assert!(answer.text().contains(says), "{what}: {}", answer.text());
        assert_eq!(
            meeting.get(id).await.status,
            JobStatus::WaitingToReceiveData,
            "{what}"
        );
        let files = meeting.hub.server.hub.data_files(meeting.scope(), id).await;
        assert!(files.expect("a list").is_empty(), "{what}");
    }
    let answer = meeting
        .upload(id, key, &[csv], large[..100_000].to_owned())
        .await;
    assert_eq!(answer.status, 200, "exactly the limit: {}", answer.text());
}

#[tokio::test]
async fn data_is_taken_once_from_the_producer_while_the_job_waits() {
    let meeting = Meeting::start().await;
    let id = meeting.job(JobStatus::WaitingToReceiveData).await;
    let csv = [("content-type", "text/csv")];
    let stranger = meeting.hub.account().await;
    for (key, status) in [(&meeting.consumer.key, 409), (&stranger.key, 404)] {
        let answer = meeting.upload(id, key, &csv, CSV).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let answer = meeting.upload(id, &meeting.account.key, &csv, CSV).await;
    assert_eq!(
        answer.status, 200,
        "the account may do what its endpoints may"
    );
    let answer = meeting
        .upload(id, &meeting.producer.key, &csv, "email\r\n")
        .await;
    assert_eq!(answer.status, 409);
    assert!(
        answer
            .text()
            .contains("is SCHEDULED and does not wait for data"),
        "{}",
        answer.text()
    );
    assert!(meeting.uploaded(id).await == CSV.as_bytes());
}

#[tokio::test]
async fn of_two_uploads_at_once_the_first_that_ends_counts() {
    let meeting = Meeting::start().await;
    let id = meeting.job(JobStatus::WaitingToReceiveData).await;
    let mut slow = Raw::connect(meeting.hub.server.address).await;
    let head = format!(
        "POST /v1/jobs/{id}/data HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: text/csv\r\n\
         transfer-encoding: chunked\r\n\r\n6\r\nemail\n\r\n",
        meeting.producer.key
    );
    slow.send(head).await;
    let quick = meeting.upload(id, &meeting.producer.key, &[], CSV).await;
    assert_eq!(quick.status, 200);
    slow.send("0\r\n\r\n").await;
    let late = slow.answer().await.expect("an answer");
    assert_eq!(late.status, 409, "{}", late.text());
    assert!(meeting.uploaded(id).await == CSV.as_bytes());
    let files = meeting.hub.server.hub.data_files(meeting.scope(), id).await;
    assert_eq!(
        files.expect("a list").len(),
        1,
        "the other one is cleared away"
    );
}

/// A client that goes away in the middle leaves nothing, and may come again.
#[tokio::test]
async fn an_upload_that_breaks_off_can_be_made_again() {
    let meeting = Meeting::start().await;
    let id = meeting.job(JobStatus::WaitingToReceiveData).await;
    let mut raw = Raw::connect(meeting.hub.server.address).await;
    let piece = vec![b'x'; 5 << 20];
    let head = format!(
        "POST /v1/jobs/{id}/data HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: text/csv\r\n\
         content-length: {}\r\n\r\n",
        meeting.producer.key,
        2 * piece.len()
    );
    raw.send(head).await;
    raw.send(&piece).await;
    let hub = &meeting.hub.server.hub;
    let listed = async || {
        hub.data_files(meeting.scope(), id)
            .await
            .expect("a list")
            .len()
    };
    while listed().await == 0 {
        tokio::task::yield_now().await;
    }
    drop(raw);
    while listed().await > 0 {
        tokio::task::yield_now().await;
    }
    if embedded_only("where files are") {
        let blobs = meeting.hub.directory().join("data/blobs/jobs");
        assert_eq!(files_below(&blobs), 0);
    }
    assert_eq!(
        meeting.get(id).await.status,
        JobStatus::WaitingToReceiveData
    );
    let answer = meeting.upload(id, &meeting.producer.key, &[], CSV).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_large_file_is_kept_in_pieces() {
    let meeting = Meeting::start().await;
    let id = meeting.job(JobStatus::WaitingToReceiveData).await;
    let lines = (0..1_200_000_u32).flat_map(|n| format!("{n:07}\r\n").into_bytes());
    let bytes: Vec<u8> = lines.collect();
    let answer = meeting
        .upload(id, &meeting.producer.key, &[], zstd(&bytes))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(meeting.uploaded(id).await == bytes);
    assert!(bytes.len() > 2 * PIECE_BYTES && !bytes.len().is_multiple_of(PIECE_BYTES));
    if embedded_only("where files are") {
        let blobs = meeting.hub.directory().join("data/blobs/jobs");
        assert_eq!(files_below(&blobs), 3);
    }
}

/// Whatever the size, packed or not, an upload takes a few pieces of memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_any_size_takes_little_memory() {
    const MIB: usize = 200;
    if !embedded_only("the program is the same wherever its database is") {
        return;
    }
    let meeting = Meeting::of(TestHub::start_today().await).await;
    let plain = meeting.job(JobStatus::WaitingToReceiveData).await;
    let packed = meeting.job(JobStatus::WaitingToReceiveData).await;
    let key = meeting.producer.key.clone();
    let directory = meeting.hub.leave().await;
    let server = Binary::start_in(&directory.path().join("data"), None);
    let head = |job: JobId| {
        format!(
            "POST /v1/jobs/{job}/data HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: text/csv\r\n"
        )
    };
    let mut raw = Raw::connect(server.address).await;
    raw.send(format!("{}transfer-encoding: chunked\r\n\r\n", head(plain)))
        .await;
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..MIB {
        raw.send(format!("{:x}\r\n", piece.len())).await;
        raw.send(&piece).await;
        raw.send("\r\n").await;
    }
    raw.send("0\r\n\r\n").await;
    let answer = raw.answer().await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let bomb = gzip(&vec![b'x'; MIB << 20]);
    raw.send(format!(
        "{}content-length: {}\r\n\r\n",
        head(packed),
        bomb.len()
    ))
    .await;
    raw.send(&bomb).await;
    let answer = raw.answer().await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let peak = server.memory_peak_bytes();
    assert!(peak < 150 << 20, "the process took {} MiB", peak >> 20);
}

/// What broke off with its process is found by retention.
#[tokio::test]
async fn what_a_dead_process_left_half_is_cleared_away_after_a_day() {
    let meeting = Meeting::start().await;
    let id = meeting.job(JobStatus::WaitingToReceiveData).await;
    let hub = &meeting.hub.server.hub;
    let begun = hub
        .job_upload_begin(meeting.scope(), (None, id), "text/csv")
        .await;
    let mut upload = begun.expect("it waits");
    upload.append(&vec![b'x'; 5 << 20]).await.expect("written");
    drop(upload);
    let listed = async || {
        hub.data_files(meeting.scope(), id)
            .await
            .expect("a list")
            .len()
    };
    for (hours, left) in [(24, 1), (1, 0)] {
        meeting
            .hub
            .clock
            .advance(std::time::Duration::from_secs(hours * 3600));
        hub.retire().await.expect("retired");
        assert_eq!(listed().await, left, "after {hours} h more");
    }
    assert_eq!(
        meeting.get(id).await.status,
        JobStatus::WaitingToReceiveData
    );
}
