//! The client against receivers of every temper, over real sockets of this machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, Method, StatusCode};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::Cause;
use crate::dial::system_lookup;

mod stream;

/// Longer than any of these tests takes unless it fails.
const LONG: Duration = Duration::from_secs(30);
/// For calls that are meant to run out of time, but only after what has to happen before.
const SHORT: Duration = Duration::from_secs(1);

// ---- the receivers

/// A receiver on a port of its own; `serve` gets every connection with its number, counted from 0.
async fn receiver<F>(serve: impl Fn(TcpStream, usize) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            tokio::spawn(serve(stream, number));
        }
    });
    port
}

/// Reads one request, headers and body; `None` when the client has closed the connection.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if text.len() >= end + 4 + length {
                return Some(String::from_utf8_lossy(&text).into_owned());
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => text.extend_from_slice(&chunk[..count]),
        }
    }
}

/// Answers every request with the same bytes.
async fn always(answer: &'static str) -> (u16, mpsc::Receiver<(usize, String)>) {
    let (seen, requests) = mpsc::channel(64);
    let port = receiver(move |mut stream, number| {
        let seen = seen.clone();
        async move {
            while let Some(text) = request(&mut stream).await {
                let _ = seen.send((number, text)).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                if answer.contains("connection: close") {
                    return;
                }
            }
        }
    })
    .await;
    (port, requests)
}

// ---- the client

fn options(guard: Guard) -> ClientOptions {
    ClientOptions {
        guard,
        connect_timeout: LONG,
        idle_timeout: LONG,
        idle_per_host_max: 8,
        user_agent: "Rialto/test".to_owned(),
    }
}

fn local() -> Guard {
    Guard {
        allow_private: true,
        allow: vec![],
    }
}

/// Trusts nobody, so that the tests mean the same on every machine.
fn tls() -> Result<ClientConfig, Cause> {
    Ok(
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows the default versions")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth(),
    )
}

fn assemble(options: ClientOptions, lookup: Lookup, tls: Result<ClientConfig, Cause>) -> Client {
    let dial = Dial::new(options.guard.clone(), lookup, tls, options.connect_timeout);
    Client::with_dial(options, dial)
}

fn client() -> Client {
    assemble(options(local()), system_lookup(), tls())
}

/// Answers the n-th lookup with the n-th list of addresses, and the last list ever after.
fn answers(lists: &[&[&str]]) -> (Lookup, Arc<AtomicUsize>) {
    let lists: Vec<Vec<std::net::SocketAddr>> = lists
        .iter()
        .map(|list| {
            list.iter()
                .map(|ip| (ip.parse::<std::net::IpAddr>().expect("an address"), 0).into())
                .collect()
        })
        .collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        let turn = count.fetch_add(1, Ordering::SeqCst).min(lists.len() - 1);
        let list = lists[turn].clone();
        Box::pin(async move { Ok(list) })
    });
    (lookup, asked)
}

fn get(url: &str) -> Call {
    Call {
        method: Method::GET,
        uri: url.parse().expect("a URL"),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        timeout: LONG,
        response_bytes_max: 64 * 1024,
    }
}

fn post(url: &str, body: &'static str) -> Call {
    Call {
        method: Method::POST,
        body: Bytes::from_static(body.as_bytes()),
        ..get(url)
    }
}

async fn failure(client: &Client, call: Call) -> Failure {
    client.send(call).await.expect_err("no answer")
}

fn refused(failure: &Failure) -> &'static str {
    match failure {
        Failure::Refused { range, .. } => range,
        other => panic!("expected a refused address, got {other:?}"),
    }
}

// ---- what a call sends and an answer holds

#[tokio::test]
async fn a_call_is_sent_as_it_is_and_the_answer_comes_back_whole() {
    let (port, mut requests) =
        always("HTTP/1.1 201 Created\r\nx-answer: yes\r\ncontent-length: 5\r\n\r\nhello").await;
    let mut call = post(
        &format!("http://127.0.0.1:{port}/base/v1/events?a=b"),
        r#"{"events":[]}"#,
    );
    call.headers
        .insert("content-type", HeaderValue::from_static("application/json"));

    let answer = client().send(call).await.expect("an answer");

    assert_eq!(
        (answer.status, &answer.body[..], answer.truncated),
        (StatusCode::CREATED, &b"hello"[..], false)
    );
    assert_eq!(answer.headers["x-answer"], "yes");
    assert!(answer.elapsed > Duration::ZERO);
    let (_, text) = requests.recv().await.expect("a request");
    assert!(
        text.starts_with("POST /base/v1/events?a=b HTTP/1.1\r\n"),
        "{text}"
    );
    for line in [
        "content-type: application/json",
        "user-agent: Rialto/test",
        "content-length: 13",
    ] {
        assert!(
            text.to_lowercase().contains(&line.to_lowercase()),
            "{line} in {text}"
        );
    }
    assert!(
        text.contains(&format!("host: 127.0.0.1:{port}\r\n")),
        "{text}"
    );
    assert!(text.ends_with("\r\n\r\n{\"events\":[]}"), "{text}");
}

#[tokio::test]
async fn a_call_may_name_its_own_user_agent() {
    let (port, mut requests) = always("HTTP/1.1 204 No Content\r\n\r\n").await;
    let mut call = get(&format!("http://127.0.0.1:{port}/"));
    call.headers
        .insert(USER_AGENT, HeaderValue::from_static("other/1"));
    client().send(call).await.expect("an answer");
    let (_, text) = requests.recv().await.expect("a request");
    assert!(
        text.contains("user-agent: other/1\r\n") && !text.contains("Rialto"),
        "{text}"
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nobody_follows_it() {
    let (elsewhere, mut never) = always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let answer: &'static str = Box::leak(
        format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{elsewhere}/\r\ncontent-length: 0\r\n\r\n")
            .into_boxed_str(),
    );
    let (port, _requests) = always(answer).await;

    let answer = client()
        .send(post(&format!("http://127.0.0.1:{port}/"), "x"))
        .await
        .expect("an answer");

    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert!(
        never.try_recv().is_err(),
        "the target of the redirect was called"
    );
}

// ---- connections are kept

#[tokio::test]
async fn a_connection_whose_answer_was_read_is_used_again() {
    let body = "x".repeat(3000);
    let answer: &'static str = Box::leak(
        format!("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 3000\r\n\r\n{body}")
            .into_boxed_str(),
    );
    let (port, mut requests) = always(answer).await;
    let client = client();
    for _ in 0..20 {
        let answer = client
            .clone()
            .send(post(&format!("http://127.0.0.1:{port}/"), "x"))
            .await
            .expect("an answer");
        assert_eq!(answer.body.len(), 3000);
        let (connection, _) = requests.recv().await.expect("a request");
        assert_eq!(connection, 0, "every call goes over the first connection");
    }
}

#[tokio::test]
async fn a_chunked_answer_keeps_its_connection_too() {
    let (port, mut requests) = always(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    )
    .await;
    let client = client();
    for _ in 0..3 {
        let answer = client
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await
            .expect("an answer");
        assert_eq!(&answer.body[..], b"abcde");
        assert_eq!(requests.recv().await.expect("a request").0, 0);
    }
}

#[tokio::test]
async fn a_connection_that_the_other_side_closed_is_replaced() {
    let (port, mut requests) =
        always("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
    let client = client();
    for turn in 0..3 {
        client
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await
            .expect("an answer");
        assert_eq!(requests.recv().await.expect("a request").0, turn);
    }
}

// ---- strangers who cost time and memory

/// What a receiver managed to send before the connection was taken from it.
async fn flood(
    head: &'static str,
    chunk: &'static [u8],
    chunks_max: usize,
) -> (u16, mpsc::Receiver<usize>) {
    let (done, sent) = mpsc::channel(64);
    let port = receiver(move |mut stream, _| {
        let done = done.clone();
        async move {
            request(&mut stream).await;
            let mut bytes = 0;
            if stream.write_all(head.as_bytes()).await.is_ok() {
                for _ in 0..chunks_max {
                    if stream.write_all(chunk).await.is_err() {
                        break;
                    }
                    bytes += chunk.len();
                }
            }
            let _ = done.send(bytes).await;
        }
    })
    .await;
    (port, sent)
}

const MIB: usize = 1024 * 1024;
static CHUNK: [u8; MIB] = [b'x'; MIB];

#[tokio::test]
async fn of_200_megabytes_only_the_agreed_part_is_read() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 209715200\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let (port, mut sent) = flood(head, &CHUNK, 200).await;
        let mut call = get(&format!("http://127.0.0.1:{port}/"));
        call.response_bytes_max = 10_000;

        let answer = client().send(call).await.expect("an answer");

        assert_eq!((answer.body.len(), answer.truncated), (10_000, true));
        let bytes = sent.recv().await.expect("the receiver noticed");
        assert!(
            bytes < 50 * MIB,
            "the connection was dropped, but only after {bytes} bytes"
        );
    }
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_is_whole() {
    let (port, _requests) = always("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
    let client = client();
    for (bytes_max, body, truncated) in [
        (6, "hello", false),
        (5, "hello", false),
        (4, "hell", true),
        (0, "", true),
    ] {
        let call = Call {
            response_bytes_max: bytes_max,
            ..get(&format!("http://127.0.0.1:{port}/"))
        };
        let answer = client.send(call).await.expect("an answer");
        assert_eq!(
            (&answer.body[..], answer.truncated),
            (body.as_bytes(), truncated),
            "limit {bytes_max}"
        );
    }
}

#[tokio::test]
async fn headers_without_end_are_cut_off() {
    let (port, mut sent) = flood("HTTP/1.1 200 OK\r\nx-endless: ", &CHUNK, 200).await;
    let failure = failure(&client(), get(&format!("http://127.0.0.1:{port}/"))).await;
    assert_eq!(failure.code(), "broken");
    assert!(sent.recv().await.expect("the receiver noticed") < 50 * MIB);
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_when_the_time_is_up() {
    let (closed, mut noticed) = mpsc::channel(64);
    let port = receiver(move |mut stream, _| {
        let closed = closed.clone();
        async move {
            request(&mut stream).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                .await;
            let mut drip = tokio::time::interval(Duration::from_millis(10));
            while stream.write_all(b"x").await.is_ok() {
                drip.tick().await;
            }
            let _ = closed.send(()).await;
        }
    })
    .await;
    let call = Call {
        timeout: SHORT,
        ..get(&format!("http://127.0.0.1:{port}/"))
    };

    let failure = failure(&client(), call).await;

    assert!(
        matches!(
            failure,
            Failure::Timeout {
                after: SHORT,
                phase: Phase::Body
            }
        ),
        "{failure:?}"
    );
    assert_eq!(failure.to_string(), "the answer's body took longer than 1s");
    noticed.recv().await.expect("the connection is gone");
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up_and_its_connection_closed() {
    let (closed, mut noticed) = mpsc::channel(64);
    let port = receiver(move |mut stream, _| {
        let closed = closed.clone();
        async move {
            request(&mut stream).await;
            let _ = stream.read(&mut [0; 1]).await;
            let _ = closed.send(()).await;
        }
    })
    .await;
    let call = Call {
        timeout: SHORT,
        ..post(&format!("http://127.0.0.1:{port}/"), "x")
    };
    let failure = failure(&client(), call).await;
    assert!(
        matches!(
            failure,
            Failure::Timeout {
                phase: Phase::Headers,
                ..
            }
        ),
        "{failure:?}"
    );
    assert!(failure.is_retryable());
    noticed.recv().await.expect("the connection is gone");
}

#[tokio::test]
async fn no_timeout_is_too_long_for_the_clock() {
    let (port, _requests) = always("HTTP/1.1 204 No Content\r\n\r\n").await;
    let call = Call {
        timeout: Duration::MAX,
        ..get(&format!("http://127.0.0.1:{port}/"))
    };
    assert_eq!(
        client().send(call).await.expect("an answer").status,
        StatusCode::NO_CONTENT
    );
}

// ---- connections that fail

#[tokio::test]
async fn a_connection_that_breaks_is_told_from_an_answer() {
    for half in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "SSH-2.0-OpenSSH\r\n",
        "\0\0\0",
    ] {
        let port = receiver(move |mut stream, _| async move {
            request(&mut stream).await;
            let _ = stream.write_all(half.as_bytes()).await;
        })
        .await;
        let failure = failure(&client(), post(&format!("http://127.0.0.1:{port}/"), "x")).await;
        assert_eq!(
            (failure.code(), failure.is_retryable()),
            ("broken", true),
            "{half:?}: {failure:?}"
        );
    }
}

#[tokio::test]
async fn a_reset_is_a_broken_connection() {
    let port = receiver(|stream, _| async move {
        // Closed with the request unread, which the kernel tells as a reset.
        stream.readable().await.expect("a request");
    })
    .await;
    assert_eq!(
        failure(&client(), post(&format!("http://127.0.0.1:{port}/"), "x"))
            .await
            .code(),
        "broken"
    );
}

#[tokio::test]
async fn a_port_without_a_listener_is_a_failed_connection() {
    // Taken and not listened on: a port that was let go may be somebody else's by now.
    let taken = TcpSocket::new_v4().expect("a socket");
    let address = "127.0.0.1:0".parse().expect("an address");
    taken.bind(address).expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let failure = failure(&client(), get(&format!("http://127.0.0.1:{port}/"))).await;
    assert_eq!((failure.code(), failure.is_retryable()), ("connect", true));
    assert_eq!(failure.to_string(), "`127.0.0.1` could not be connected to");
    assert!(std::error::Error::source(&failure).is_some());
}

#[tokio::test]
async fn a_handshake_that_hangs_ends_with_the_connect_timeout() {
    let port = receiver(|mut stream, _| async move {
        let mut sink = [0; 1024];
        while stream.read(&mut sink).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    let client = assemble(
        ClientOptions {
            connect_timeout: SHORT,
            ..options(local())
        },
        system_lookup(),
        tls(),
    );
    let failure = failure(&client, get(&format!("https://127.0.0.1:{port}/"))).await;
    assert!(
        matches!(
            failure,
            Failure::Timeout {
                after: SHORT,
                phase: Phase::Connect
            }
        ),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_lookup_that_hangs_ends_with_the_connect_timeout() {
    let lookup: Lookup = Arc::new(|_| Box::pin(std::future::pending()));
    let client = assemble(
        ClientOptions {
            connect_timeout: SHORT,
            ..options(local())
        },
        lookup,
        tls(),
    );
    let failure = failure(&client, get("http://shop.example/")).await;
    assert!(
        matches!(
            failure,
            Failure::Timeout {
                after: SHORT,
                phase: Phase::Connect
            }
        ),
        "{failure:?}"
    );
}

#[tokio::test]
async fn no_tls_at_the_other_end_is_a_tls_failure() {
    let port = receiver(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let failure = failure(&client(), get(&format!("https://127.0.0.1:{port}/"))).await;
    assert_eq!(
        (failure.code(), failure.is_retryable()),
        ("tls", true),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_machine_without_authorities_still_speaks_http_and_says_what_is_missing() {
    let (port, _requests) = always("HTTP/1.1 204 No Content\r\n\r\n").await;
    let missing: Cause = Arc::new(std::io::Error::other("no roots"));
    let client = assemble(options(local()), system_lookup(), Err(missing));
    client
        .send(get(&format!("http://127.0.0.1:{port}/")))
        .await
        .expect("an answer");
    let failure = failure(&client, get(&format!("https://127.0.0.1:{port}/"))).await;
    assert_eq!(failure.code(), "tls");
    assert_eq!(
        std::error::Error::source(&failure)
            .expect("a cause")
            .to_string(),
        "no roots"
    );
}

#[tokio::test]
async fn a_name_nobody_knows_is_a_failed_lookup() {
    let lookup: Lookup =
        Arc::new(|_| Box::pin(async { Err(std::io::Error::other("no such name")) }));
    let failed = failure(
        &assemble(options(local()), lookup, tls()),
        get("http://shop.example/"),
    )
    .await;
    assert_eq!((failed.code(), failed.is_retryable()), ("resolve", true));
    assert_eq!(
        failed.to_string(),
        "the host name `shop.example` could not be resolved"
    );

    let (nothing, _) = answers(&[&[]]);
    assert_eq!(
        failure(
            &assemble(options(local()), nothing, tls()),
            get("http://shop.example/")
        )
        .await
        .code(),
        "resolve"
    );
}

#[tokio::test]
async fn what_is_no_web_url_is_not_called() {
    for uri in ["ftp://127.0.0.1/", "/path", "127.0.0.1:80", "*"] {
        let failure = failure(&client(), get(uri)).await;
        assert_eq!(
            (failure.code(), failure.is_retryable()),
            ("url", false),
            "{uri}"
        );
    }
}

// ---- the guard, where it counts

#[tokio::test]
async fn every_spelling_of_a_closed_address_is_refused_before_a_connection() {
    let (port, mut requests) = always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client = assemble(options(Guard::default()), system_lookup(), tls());
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::7f00:1]",
        "localhost",
    ] {
        for scheme in ["http", "https"] {
            let failure = failure(&client, get(&format!("{scheme}://{host}:{port}/"))).await;
            assert_eq!(refused(&failure), "loopback", "{scheme}://{host}");
            assert!(!failure.is_retryable());
        }
    }
    assert!(requests.try_recv().is_err(), "a closed address was called");
}

#[tokio::test]
async fn an_odd_spelling_is_judged_even_if_the_resolver_would_lie_about_it() {
    let (lookup, asked) = answers(&[&["8.8.8.8"]]);
    let client = assemble(options(Guard::default()), lookup, tls());
    assert_eq!(
        refused(&failure(&client, get("http://0x7f.1/")).await),
        "loopback"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

/// Here `127.0.0.1` stands for a public address, and the rest of loopback for the inside of a network.
fn one_open_address() -> Guard {
    Guard {
        allow_private: false,
        allow: vec!["127.0.0.1/32".parse().expect("a network")],
    }
}

#[tokio::test]
async fn a_name_that_moves_inside_after_the_first_answer_is_refused() {
    let (port, _requests) =
        always("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
    let (lookup, asked) = answers(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let client = assemble(options(one_open_address()), lookup, tls());
    let url = format!("http://rebinding.example:{port}/");
    client
        .check(&url)
        .expect("nothing to see when it is entered");

    assert_eq!(
        client
            .send(get(&url))
            .await
            .expect("the first answer")
            .status,
        StatusCode::OK
    );
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "one lookup a connection: what was judged is what was dialled"
    );

    let failure = failure(&client, get(&url)).await;
    assert!(
        matches!(failure, Failure::Refused { address, range: "loopback" } if address.to_string() == "127.0.0.2"),
        "{failure:?}"
    );
    assert!(
        !failure.to_string().contains("127.0.0.2"),
        "the tenant is not told where inside: {failure}"
    );
}

#[tokio::test]
async fn of_several_addresses_only_the_allowed_ones_are_dialled() {
    let (port, _requests) = always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let (lookup, _) = answers(&[&["10.0.0.1", "127.0.0.2", "127.0.0.1", "::1"]]);
    let client = assemble(options(one_open_address()), lookup, tls());
    let answer = client
        .send(get(&format!("http://mixed.example:{port}/")))
        .await
        .expect("the open one answers");
    assert_eq!(answer.status, StatusCode::OK);

    let (lookup, _) = answers(&[&["10.0.0.1", "127.0.0.2", "::ffff:169.254.169.254"]]);
    let client = assemble(options(one_open_address()), lookup, tls());
    assert_eq!(
        refused(&failure(&client, get("https://inside.example/")).await),
        "private",
        "the first of them"
    );
}

#[test]
fn a_user_agent_that_no_header_can_carry_is_replaced() {
    let client = assemble(
        ClientOptions {
            user_agent: "a\nb".to_owned(),
            ..options(local())
        },
        system_lookup(),
        tls(),
    );
    assert_eq!(client.user_agent, "rialto");
}
