//! Bodies of any size: chunks go out and come in as they are there, within the same limits.

use futures_util::{StreamExt, stream};

use super::*;

const MUCH: u64 = 1 << 20;

fn call(method: Method, port: u16) -> Call {
    Call {
        method,
        uri: format!("http://127.0.0.1:{port}/v1/segments/7/data")
            .parse()
            .expect("a URI"),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        timeout: LONG,
        response_bytes_max: 1_000,
    }
}

fn pieces(texts: &'static [&'static str]) -> crate::Chunks {
    stream::iter(
        texts
            .iter()
            .map(|text| Ok(Bytes::from_static(text.as_bytes()))),
    )
    .boxed()
}

/// Reads until `end` has come, answers, and tells what came.
async fn until(end: &'static str, answer: &'static str) -> (u16, mpsc::Receiver<String>) {
    let (seen, requests) = mpsc::channel(8);
    let port = receiver(move |mut stream, _| {
        let seen = seen.clone();
        async move {
            let mut text = Vec::new();
            let mut chunk = [0; 4096];
            while !String::from_utf8_lossy(&text).contains(end) {
                match stream.read(&mut chunk).await {
                    Ok(0) | Err(_) => break,
                    Ok(count) => text.extend_from_slice(&chunk[..count]),
                }
            }
            let _ = seen.send(String::from_utf8_lossy(&text).into_owned()).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            // Stays open: the answer is complete by its length.
            let _ = stream.read(&mut chunk).await;
        }
    })
    .await;
    (port, requests)
}

#[tokio::test]
async fn an_upload_with_a_length_arrives_as_it_is() {
    let client = client();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue";
    let (port, mut requests) = until("b@x\n", answer).await;
    let call = call(Method::PUT, port);
    let chunks = pieces(&["email\n", "a@x\n", "b@x\n"]);
    let answer = client.upload(call, LONG, Some(14), chunks).await;
    assert_eq!(answer.expect("an answer").body, "true");
    let request = requests.recv().await.expect("a request").to_lowercase();
    assert!(request.starts_with("put /v1/segments/7/data http/1.1\r\n"));
    assert!(request.contains("content-length: 14\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nemail\na@x\nb@x\n"), "{request}");
}

#[tokio::test]
async fn an_upload_without_a_length_is_chunked() {
    let client = client();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let (port, mut requests) = until("\r\n0\r\n\r\n", answer).await;
    let chunks = pieces(&["email\n", "a@x\n"]);
    let answer = client.upload(call(Method::POST, port), LONG, None, chunks);
    assert_eq!(answer.await.expect("an answer").status, 200);
    let request = requests.recv().await.expect("a request").to_lowercase();
    assert!(request.contains("transfer-encoding: chunked\r\n"));
    assert!(
        request.contains("6\r\nemail\n\r\n4\r\na@x\n\r\n0\r\n\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn an_answer_may_come_before_all_is_sent() {
    let client = client();
    let answer = "HTTP/1.1 308 Permanent Redirect\r\ncontent-length: 25\r\n\r\n{\"shareAction\":\"REPLACE\"}";
    let (port, _requests) = until("email", answer).await;
    // What follows never comes: nobody waits for it.
    let chunks = pieces(&["email\n"]).chain(stream::pending()).boxed();
    let answer = client.upload(call(Method::POST, port), LONG, None, chunks);
    let answer = answer.await.expect("an answer");
    assert_eq!(answer.status, 308);
    assert_eq!(answer.body, "{\"shareAction\":\"REPLACE\"}");
}

#[tokio::test]
async fn an_upload_that_cannot_be_read_is_not_the_receivers_fault() {
    let client = client();
    let (port, _requests) = until("never", "").await;
    let lost: Cause = Arc::new(std::io::Error::other("the file is gone"));
    let chunks = pieces(&["email\n"])
        .chain(stream::iter([Err(lost)]))
        .boxed();
    let failure = client
        .upload(call(Method::POST, port), LONG, Some(100), chunks)
        .await
        .expect_err("no file");
    assert_eq!(failure.code(), "source");
    assert!(failure.is_retryable());
}

#[tokio::test]
async fn an_upload_in_which_nothing_moves_ends() {
    let client = client();
    let (port, _requests) = until("never", "").await;
    let chunks = pieces(&["email\n"]).chain(stream::pending()).boxed();
    let failure = client
        .upload(call(Method::POST, port), SHORT, None, chunks)
        .await
        .expect_err("it stands still");
    assert!(
        matches!(failure, Failure::Timeout { after, .. } if after == SHORT),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_download_comes_in_pieces() {
    let client = client();
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nemail\n\r\n4\r\na@x\n\r\n0\r\n\r\n";
    let (port, _requests) = always(answer).await;
    let download = client.download(call(Method::GET, port), LONG, MUCH);
    let mut download = download.await.expect("an answer");
    assert_eq!(download.status, 200);
    let mut all = Vec::new();
    while let Some(chunk) = download.next_chunk().await.expect("a chunk") {
        all.extend_from_slice(&chunk);
    }
    assert_eq!(all, b"email\na@x\n");
}

#[tokio::test]
async fn a_download_has_a_limit_and_an_end() {
    let client = client();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n01234567890123456789";
    let (port, _requests) = always(answer).await;
    let download = client.download(call(Method::GET, port), LONG, 19);
    let mut download = download.await.expect("an answer");
    let failure = loop {
        match download.next_chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("more came than was allowed"),
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.code(), "too-large");
    assert!(!failure.is_retryable());

    // Ten bytes are missing: that is no end.
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\nconnection: close\r\n\r\n0123456789";
    let (port, _requests) = always(cut).await;
    let download = client.download(call(Method::GET, port), LONG, MUCH);
    let mut download = download.await.expect("an answer");
    let mut ended = download.next_chunk().await;
    while let Ok(Some(_)) = ended {
        ended = download.next_chunk().await;
    }
    assert_eq!(ended.expect_err("it was cut").code(), "broken");
}

#[tokio::test]
async fn a_download_in_which_nothing_moves_ends() {
    let client = client();
    let (port, _requests) = always("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n0123").await;
    let download = client.download(call(Method::GET, port), SHORT, MUCH);
    let mut download = download.await.expect("an answer");
    assert_eq!(
        download.next_chunk().await.expect("a chunk"),
        Some(Bytes::from_static(b"0123"))
    );
    let failure = download.next_chunk().await.expect_err("it stands still");
    assert!(matches!(failure, Failure::Timeout { after, phase: Phase::Body } if after == SHORT));
}

#[tokio::test]
async fn an_answer_that_is_no_data_is_read_as_a_small_one() {
    let client = client();
    let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 14\r\n\r\nno such export";
    let (port, _requests) = always(answer).await;
    let download = client.download(call(Method::GET, port), LONG, MUCH);
    let download = download.await.expect("an answer");
    assert_eq!(download.status, 404);
    let answer = download.into_answer(7).await.expect("a body");
    assert_eq!(answer.excerpt(40), "no such…");
}

#[tokio::test]
async fn neither_calls_an_address_that_is_refused() {
    let closed = assemble(options(Guard::default()), system_lookup(), tls());
    let download = closed.download(call(Method::GET, 9), LONG, MUCH).await;
    assert_eq!(download.expect_err("loopback").code(), "refused");
    let chunks = pieces(&["email\n"]);
    let upload = closed.upload(call(Method::POST, 9), LONG, None, chunks);
    assert_eq!(upload.await.expect_err("loopback").code(), "refused");
}
