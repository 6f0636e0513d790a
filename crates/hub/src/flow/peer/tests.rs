//! Each call as it goes over the wire, and what its answers mean, against a server that answers by request line.

use std::sync::{Arc, Mutex};

use futures_util::stream;
use jiff::civil::date;
use model::endpoint::ShareAction;
use model::share::RunWindow;
use outbound::{ClientOptions, Guard};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const LARGE: SegmentId = SegmentId::Number(8_000_000_000_000_001_152);

const WINDOW: RunWindow = RunWindow {
    from: date(2026, 2, 23),
    to: date(2026, 3, 1),
};

type Answers = Vec<(&'static str, u16, &'static str)>;

/// An endpoint, and what it was asked: whole requests.
struct Endpoint {
    peer: Peer,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    /// Answers requests that begin like this with a status and a body; others with 404.
    async fn answering(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answers, told) = (Arc::new(answers), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&told)));
            }
        });
        let options = crate::Options::default();
        let client = Client::new(ClientOptions {
            guard: Guard {
                allow_private: true,
                allow: Vec::new(),
            },
            ..options.outbound
        });
        let peer = Peer {
            client,
            clock: Clock::System,
            base: format!("http://127.0.0.1:{port}/crm"),
            query: Some("tenant=7".to_owned()),
            authorization: Authorization::bearer("the-key").ok(),
            limits: options.segments,
            download_bytes_max: 1 << 20,
        };
        Self { peer, asked }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("not poisoned"))
    }
}

async fn serve(mut stream: TcpStream, answers: Arc<Answers>, asked: Arc<Mutex<Vec<String>>>) {
    let mut text = String::new();
    let mut chunk = [0; 4_096];
    loop {
        let head = text.split_once("\r\n\r\n");
        let is_whole = head.is_some_and(|(head, body)| {
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            body.len() >= length.unwrap_or(0)
        });
        if is_whole {
            let found = answers.iter().find(|(line, ..)| text.starts_with(line));
            let &(_, status, body) = found.unwrap_or(&("", 404, "no such thing"));
            asked
                .lock()
                .expect("not poisoned")
                .push(std::mem::take(&mut text));
            let answer = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nretry-after: 9\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            continue;
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => text.push_str(&String::from_utf8_lossy(&chunk[..count])),
        }
    }
}

async fn whole(mut data: Data) -> String {
    let mut all = Vec::new();
    while let Some(chunk) = data.next_chunk().await.expect("a chunk") {
        all.extend_from_slice(&chunk);
    }
    String::from_utf8(all).expect("text")
}

#[tokio::test]
async fn segments_are_listed_and_made() {
    let endpoint = Endpoint::answering(vec![
        (
            "GET /crm/v1/segments?tenant=7 ",
            200,
            r#"[{"id":8000000000000001152,"name":"Gold"},{"id":2,"name":"Gold"},{"id":3,"name":"Silver"}]"#,
        ),
        ("POST /crm/v1/segments?tenant=7 ", 201, r#"{"id":"a/b"}"#),
        ("GET /crm/v1/segments/a%2Fb/data?", 401, "you sent the-key"),
    ])
    .await;
    let peer = &endpoint.peer;
    let named = peer.segments_named("Gold").await;
    assert_eq!(named, Ok(vec![LARGE, SegmentId::Number(2)]));
    let made = peer.create_segment("Gold", Some("the best")).await;
    let text = SegmentId::Text("a/b".to_owned());
    assert_eq!(made.as_ref(), Ok(&text));
    let batch = Batch {
        number: 1,
        total: 1,
    };
    let Err(Trouble::Refused(why)) = peer.segment_data(&text, None, batch).await else {
        panic!("it is refused");
    };
    assert!(
        why.contains("answered 401") && !why.contains("the-key"),
        "{why}"
    );
    let asked = endpoint.asked();
    assert!(
        asked[0].contains("authorization: Bearer the-key\r\n"),
        "{}",
        asked[0]
    );
    let body = asked[1].split_once("\r\n\r\n").expect("a body").1;
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let expected = serde_json::json!({ "name": "Gold", "description": "the best", "category": "" });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn rows_are_at_hand_or_exported() {
    let endpoint = Endpoint::answering(vec![
        (
            "GET /crm/v1/segments/8000000000000001152/data?totalBatchCount=3&currentBatchNumber=2&from=2026-02-23&to=2026-03-01&tenant=7 ",
            200,
            "email\na@x\n",
        ),
        ("GET /crm/v1/segments/2/data?totalBatchCount=1&currentBatchNumber=1", 202, ""),
        ("GET /crm/v1/segments/3/data?totalBatchCount=1&currentBatchNumber=1", 503, "later"),
        ("POST /crm/v1/jobs?tenant=7 ", 200, r#"{"responseStatus":"success","result":{"jobId":8000000000000001152}}"#),
        ("GET /crm/v1/jobs/8000000000000001152?tenant=7 ", 200, r#"{"status":"COMPLETED","jobDataId":["a b"]}"#),
        ("GET /crm/v1/jobs/8000000000000001152/data/a%20b?tenant=7 ", 200, "email\nb@x\n"),
    ])
    .await;
    let peer = &endpoint.peer;
    let batch = |number, total| Batch { number, total };
    let data = peer
        .segment_data(&LARGE, Some(WINDOW), batch(2, 3))
        .await
        .expect("an answer");
    assert_eq!(whole(data.expect("data")).await, "email\na@x\n");
    for id in [2, 4] {
        let data = peer
            .segment_data(&SegmentId::Number(id), None, batch(1, 1))
            .await;
        assert!(data.expect("an answer").is_none(), "none at hand");
    }
    let Err(Trouble::Again { why, retry_after }) = peer
        .segment_data(&SegmentId::Number(3), None, batch(1, 1))
        .await
    else {
        panic!("it is to be asked again");
    };
    assert!(
        why.contains("answered 503") && why.contains("later"),
        "{why}"
    );
    assert_eq!(retry_after, Some(Duration::from_secs(9)));

    endpoint.asked();
    let export = peer
        .export_begin(&LARGE, Some(WINDOW))
        .await
        .expect("a job");
    let begun = endpoint.asked().remove(0);
    assert!(
        begun.contains(r#""segmentId":8000000000000001152"#),
        "{begun}"
    );
    assert!(
        begun.contains(r#""jobType":"ExportSegmentData""#),
        "{begun}"
    );
    assert!(
        begun.contains(r#""dataWindow":{"from":"2026-02-23","to":"2026-03-01"}"#),
        "{begun}"
    );
    let state = peer.export_state(&export).await;
    let ids = vec!["a b".to_owned()];
    assert_eq!(state, Ok(ExportState::Done(ids)));
    let data = peer.export_data(&export, "a b").await.expect("data");
    assert_eq!(whole(data).await, "email\nb@x\n");
    let missing = peer.export_data(&export, "c").await;
    assert!(matches!(missing.err(), Some(Trouble::Refused(_))));
}

#[tokio::test]
async fn rows_are_handed_over_by_the_method_of_their_action() {
    let endpoint = Endpoint::answering(vec![
        (
            "POST /crm/v1/segments/8000000000000001152/data?tenant=7 ",
            200,
            "true",
        ),
        (
            "PUT /crm/v1/segments/8000000000000001152/data?tenant=7 ",
            200,
            r#"{"accepted":1}"#,
        ),
        (
            "DELETE /crm/v1/segments/8000000000000001152/data?tenant=7 ",
            501,
            "",
        ),
    ])
    .await;
    let rows = || Rows {
        bytes: 10,
        chunks: Box::pin(stream::iter(
            ["email\n", "a@x\n"].map(|text| Ok(text.into())),
        )),
    };
    for (action, expected) in [
        (
            ShareAction::Add,
            Handed::Taken {
                accepted: None,
                refused: None,
            },
        ),
        (
            ShareAction::Replace,
            Handed::Taken {
                accepted: Some(1),
                refused: None,
            },
        ),
        (ShareAction::Remove, Handed::NotSupported),
    ] {
        let handed = endpoint
            .peer
            .hand_over(action, &LARGE, rows(), "job-7-1")
            .await;
        assert_eq!(handed, expected);
        let asked = endpoint.asked().remove(0);
        assert!(
            asked.contains("content-type: text/csv; charset=utf-8\r\n"),
            "{asked}"
        );
        assert!(asked.contains("idempotency-key: job-7-1\r\n"), "{asked}");
        assert!(asked.ends_with("\r\n\r\nemail\na@x\n"), "{asked}");
    }
}

#[tokio::test]
async fn what_cannot_be_called_says_whether_to_try_again() {
    let mut peer = Endpoint::answering(vec![]).await.peer;
    peer.base = "http://127.0.0.1:1".to_owned();
    assert!(
        matches!(peer.segments().await, Err(Trouble::Again { .. })),
        "nobody listens"
    );
    peer.client = Client::new(crate::Options::default().outbound);
    assert!(
        matches!(peer.segments().await, Err(Trouble::Refused(_))),
        "the guard refuses it"
    );
    let rows = Rows {
        bytes: 0,
        chunks: Box::pin(stream::empty()),
    };
    let handed = peer.hand_over(ShareAction::Add, &LARGE, rows, "k").await;
    assert!(matches!(handed, Handed::Unreachable(_)), "{handed:?}");
}
