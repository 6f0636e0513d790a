//! `GET /v1/jobs/{jobId}/segmentDataFiles/{path}`, and saying that it was fetched.

use hub::data_file::PIECE_BYTES;
use model::job::{JobStatus, Signal};

use super::Meeting;
use crate::harness::Answer;

impl Meeting {
    async fn fetch(&self, path: &str, key: &str, headers: &[(&str, &str)]) -> Answer {
        let bearer = format!("Bearer {key}");
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        self.hub.http.send("GET", path, &all, "").await
    }
}

fn text(answer: &Answer, name: &str) -> String {
    let value = answer.headers.get(name).map(|v| v.to_str().expect("text"));
    value.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_destination_finds_its_file_fetches_it_and_says_so() {
    let meeting = Meeting::start().await;
    let id = meeting.ready(b"Email\r\nada@example.com\r\n").await;
    let key = &meeting.consumer.key;
    let query = format!(
        "?endpointId={}&status=READY_FOR_DOWNLOAD",
        meeting.consumer.id
    );
    assert_eq!(meeting.listed(&query, key).await, [id.0]);
    let one = meeting
        .hub
        .http
        .get(&format!("/v1/jobs/SEGMENT_EXPORT/{id}"), key)
        .await
        .json();
    assert_eq!(
        (&one["segmentDataFiles"][0], &one["segmentDataFormat"]),
        (&"segment.csv".into(), &"CSV".into())
    );
    let path = format!("/v1/jobs/{id}/segmentDataFiles/segment.csv");
    let answer = meeting.hub.http.get(&path, key).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "Email\r\nada@example.com\r\n")
    );
    assert_eq!(text(&answer, "content-type"), "text/csv; charset=utf-8");
    assert_eq!(
        text(&answer, "content-disposition"),
        "attachment; filename=\"segment.csv\""
    );
    let complete = format!("/v1/jobs/{id}/complete");
    for what in ["once", "again"] {
        let answer = meeting
            .hub
            .http
            .json("PUT", &complete, Some(key), None)
            .await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "true"),
            "{what}"
        );
    }
    let job = meeting.get(id).await;
    assert_eq!(
        (job.status, job.signal),
        (JobStatus::Scheduled, Some(Signal::Fetched))
    );
}

#[tokio::test]
async fn a_file_is_for_its_destination() {
    let meeting = Meeting::start().await;
    let id = meeting.ready(b"Email\r\n").await;
    let stranger = meeting.hub.account().await;
    let path = |name: &str| format!("/v1/jobs/{id}/segmentDataFiles/{name}");
    for (key, name, status) in [
        (&meeting.consumer.key, "segment.csv", 200),
        (&meeting.account.key, "segment.csv", 200),
        (&meeting.producer.key, "segment.csv", 404),
        (&stranger.key, "segment.csv", 404),
        (&meeting.consumer.key, "unmatched.csv", 404),
        (&meeting.consumer.key, "..%2F1%2Fsegment.csv", 404),
        (&meeting.consumer.key, "nothing", 404),
    ] {
        let answer = meeting.hub.http.get(&path(name), key).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
    let complete = format!("/v1/jobs/{id}/complete");
    for (key, status) in [(&meeting.producer.key, 409), (&stranger.key, 404)] {
        let answer = meeting
            .hub
            .http
            .json("PUT", &complete, Some(key), None)
            .await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let waiting = meeting.job(JobStatus::WaitingToReceiveData).await;
    let complete = format!("/v1/jobs/{waiting}/complete");
    let answer = meeting
        .hub
        .http
        .json("PUT", &complete, Some(&meeting.consumer.key), None)
        .await;
    assert_eq!(answer.status, 409);
    assert!(
        answer.text().contains("has nothing to be fetched"),
        "{}",
        answer.text()
    );
}

/// What broke off goes on, over the border of a piece too, and never with another file.
#[tokio::test]
async fn a_file_comes_in_ranges() {
    let meeting = Meeting::start().await;
    let lines = (0..700_000_u32).flat_map(|n| format!("{n:06}\r\n").into_bytes());
    let bytes: Vec<u8> = lines.collect();
    let length = bytes.len();
    let id = meeting.ready(&bytes).await;
    let path = format!("/v1/jobs/{id}/segmentDataFiles/segment.csv");
    let key = &meeting.consumer.key;
    let whole = meeting.fetch(&path, key, &[]).await;
    assert!(whole.body == bytes && length > PIECE_BYTES);
    let tag = text(&whole, "etag");
    assert_eq!(text(&whole, "accept-ranges"), "bytes");
    assert_eq!(text(&whole, "content-length"), length.to_string());
    let middle = PIECE_BYTES - 5;
    for (range, from, to) in [
        ("bytes=0-9".to_owned(), 0, 10),
        (
            format!("bytes={middle}-{}", middle + 9),
            middle,
            middle + 10,
        ),
        (format!("bytes={middle}-"), middle, length),
        ("bytes=-7".to_owned(), length - 7, length),
        (
            format!("bytes={}-99999999999", length - 1),
            length - 1,
            length,
        ),
    ] {
        let headers = [("range", range.as_str()), ("if-range", tag.as_str())];
        let part = meeting.fetch(&path, key, &headers).await;
        assert_eq!(part.status, 206, "{range}");
        assert!(part.body == bytes[from..to], "{range}");
        let expected = format!("bytes {from}-{}/{length}", to - 1);
        assert_eq!(text(&part, "content-range"), expected);
    }
    let beyond = format!("bytes={length}-");
    let none = meeting.fetch(&path, key, &[("range", &beyond)]).await;
    assert_eq!(none.status, 416);
    assert_eq!(text(&none, "content-range"), format!("bytes */{length}"));
    assert!(none.json()["message"].is_string());
    let other = [("range", "bytes=0-9"), ("if-range", "\"another\"")];
    assert_eq!(meeting.fetch(&path, key, &other).await.body.len(), length);
    let several = [("range", "bytes=0-1,4-5")];
    assert_eq!(meeting.fetch(&path, key, &several).await.status, 200);
    let known = [("if-none-match", tag.as_str())];
    assert_eq!(meeting.fetch(&path, key, &known).await.status, 304);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let meeting = Meeting::start().await;
    let id = meeting.ready(b"").await;
    let path = format!("/v1/jobs/{id}/segmentDataFiles/segment.csv");
    let answer = meeting.fetch(&path, &meeting.consumer.key, &[]).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let range = [("range", "bytes=0-")];
    let answer = meeting.fetch(&path, &meeting.consumer.key, &range).await;
    assert_eq!(answer.status, 416);
}
