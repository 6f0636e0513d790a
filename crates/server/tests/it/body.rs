//! Request bodies: compressed, in chunks, too large, and all of them together.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use server::config;

use crate::door::{assert_problem, post, purchase, shop};
use crate::harness::{Raw, TestHub};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("memory")
}

#[tokio::test]
async fn bodies_may_be_compressed() {
    let hub = TestHub::start().await;
    let shop = shop(&hub).await;
    let body = purchase();
    for (encoding, bytes) in [
        ("gzip", gzip(body.as_bytes())),
        ("GZIP", gzip(body.as_bytes())),
        ("x-gzip", gzip(body.as_bytes())),
        ("zstd", zstd(body.as_bytes())),
        ("identity", body.clone().into_bytes()),
    ] {
        let answer = post(&hub, &shop, &[("content-encoding", encoding)], bytes).await;
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.text());
    }
    let answer = post(&hub, &shop, &[("content-encoding", "br")], vec![1, 2, 3]).await;
    let problem = assert_problem(&answer, 415, "unsupported-media-type");
    assert!(
        problem["message"]
            .as_str()
            .is_some_and(|m| m.contains("`br`") && m.contains("gzip"))
    );
    for encoding in ["gzip", "zstd"] {
        for bytes in [
            body.clone().into_bytes(),
            gzip(body.as_bytes())[..20].to_vec(),
            zstd(body.as_bytes())[..20].to_vec(),
        ] {
            let answer = post(&hub, &shop, &[("content-encoding", encoding)], bytes).await;
            let problem = assert_problem(&answer, 400, "invalid-request");
            assert_eq!(problem["errors"][0]["code"], "encoding");
        }
    }
}

#[tokio::test]
async fn a_body_too_large_is_told_the_limit() {
    let hub =
        TestHub::start_with(|config| config.api.body_bytes_max = config::Bytes(100_000)).await;
    let shop = shop(&hub).await;
    let padded = |size: usize| {
        let body = purchase();
        let blanks = " ".repeat(size - body.len());
        format!("{blanks}{body}").into_bytes()
    };
    assert_eq!(post(&hub, &shop, &[], padded(100_000)).await.status, 200);
    let (gz, zs) = (("content-encoding", "gzip"), ("content-encoding", "zstd"));
    assert_eq!(
        post(&hub, &shop, &[gz], gzip(&padded(100_000)))
            .await
            .status,
        200
    );
    for answer in [
        post(&hub, &shop, &[], padded(100_001)).await,
        post(&hub, &shop, &[gz], gzip(&padded(100_001))).await,
        post(&hub, &shop, &[zs], zstd(&padded(100_001))).await,
    ] {
        let problem = assert_problem(&answer, 413, "too-large");
        assert!(
            problem["message"]
                .as_str()
                .is_some_and(|m| m.contains("100000 bytes")),
            "{problem}"
        );
    }
}

/// A kilobyte that would become a gigabyte, of either kind, also many times over.
#[tokio::test]
async fn bombs_are_cut_off() {
    let hub = TestHub::start().await;
    let shop = shop(&hub).await;
    let blanks = vec![b' '; 16 << 20];
    let gz = gzip(&blanks).repeat(64);
    assert!(gz.len() < 2 << 20);
    let answer = post(&hub, &shop, &[("content-encoding", "gzip")], gz).await;
    assert_problem(&answer, 413, "too-large");
    let answer = post(&hub, &shop, &[("content-encoding", "zstd")], zstd(&blanks)).await;
    assert_problem(&answer, 413, "too-large");
    // A frame may not ask for a window larger than decoders must support.
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("memory");
    encoder.window_log(27).expect("a window");
    encoder.write_all(purchase().as_bytes()).expect("memory");
    let window = encoder.finish().expect("memory");
    let answer = post(&hub, &shop, &[("content-encoding", "zstd")], window).await;
    assert_problem(&answer, 400, "invalid-request");
}

/// What comes out of compressed bodies counts as much as what comes in.
#[tokio::test]
async fn all_bodies_together_have_a_limit() {
    let hub =
        TestHub::start_with(|config| config.api.bodies_bytes_max = config::Bytes(1 << 20)).await;
    let shop = shop(&hub).await;
    let mut body = vec![b' '; 2 << 20];
    body.extend(purchase().as_bytes());
    for answer in [
        post(&hub, &shop, &[], body.clone()).await,
        post(&hub, &shop, &[("content-encoding", "gzip")], gzip(&body)).await,
        post(&hub, &shop, &[("content-encoding", "zstd")], zstd(&body)).await,
    ] {
        assert_problem(&answer, 429, "too-many-requests");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    // The room is given back.
    assert_eq!(
        post(&hub, &shop, &[], purchase().into_bytes()).await.status,
        200
    );
}

#[tokio::test]
async fn bodies_may_come_in_chunks_without_a_length() {
    let hub = TestHub::start().await;
    let shop = shop(&hub).await;
    let mut raw = Raw::connect(hub.server.address).await;
    let head = format!(
        "POST /v1/event HTTP/1.1\r\nhost: rialto\r\nauthorization: bearer  {}\r\n\
         content-type: application/JSON; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n",
        shop.key
    );
    for _ in 0..2 {
        raw.send(&head).await;
        for chunk in purchase().as_bytes().chunks(7) {
            raw.send(format!(
                "{:x}\r\n{}\r\n",
                chunk.len(),
                String::from_utf8_lossy(chunk)
            ))
            .await;
        }
        raw.send("0\r\n\r\n").await;
        let answer = raw.answer().await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}
