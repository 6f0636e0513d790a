//! Parts of pages that follow the exchange by server-sent events.

use std::time::Duration;

use model::Role;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Browser, Flow};
use crate::harness::{TestHub, event};

/// Longer than any test takes that is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser's `EventSource`.
struct Stream {
    stream: TcpStream,
    read: String,
}

impl Stream {
    /// Asks for the stream of a part; the answer's head, and what comes after it.
    async fn ask(hub: &TestHub, browser: &Browser, path: &str, more: &str) -> (String, Self) {
        let address = hub.server.address;
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let session = browser.session().unwrap_or_default();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: rialto\r\naccept: text/event-stream\r\ncookie: rialto_session={session}\r\n{more}\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut stream = Self {
            stream,
            read: String::new(),
        };
        (stream.until("\r\n\r\n").await, stream)
    }

    /// What must be answered by a stream.
    async fn open(hub: &TestHub, browser: &Browser, path: &str, known: Option<&str>) -> Self {
        let known = known.map_or_else(String::new, |id| format!("last-event-id: {id}\r\n"));
        let (head, stream) = Self::ask(hub, browser, path, &known).await;
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        stream
    }

    /// Everything up to and with the text, once it has come; what came, at the end of the stream.
    async fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.read.find(text) {
                return self.read.drain(..at + text.len()).collect();
            }
            let mut bytes = [0; 8_192];
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes));
            let count = read.await.expect("in time").unwrap_or(0);
            if count == 0 {
                return std::mem::take(&mut self.read);
            }
            self.read
                .push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// The rest, once the server has ended it.
    async fn rest(&mut self) -> String {
        self.until("\0never\0").await
    }
}

fn id_of(event: &str) -> &str {
    let after = event.rsplit("id: ").next().expect("an id");
    after.lines().next().expect("an id")
}

struct World {
    hub: TestHub,
    account: model::AccountId,
    viewer: model::UserId,
    browser: Browser,
}

impl World {
    async fn start() -> Self {
        Self::of(TestHub::start().await).await
    }

    async fn of(hub: TestHub) -> Self {
        let flow = Flow::of(hub, &["cartAdd"]).await;
        flow.subscribe(&["cartAdd"]).await;
        let body = event("cartAdd", "ada@example.com", 5);
        flow.hub.published(&flow.shop, body).await;
        flow.hub.settle().await;
        let (hub, account) = (flow.hub, flow.account);
        let roles = [(account.id, Role::Viewer)];
        let viewer = hub.person("vera@example.com", &roles).await.id;
        let browser = Browser::of(&hub, "vera@example.com").await;
        Self {
            hub,
            account: account.id,
            viewer,
            browser,
        }
    }

    fn path(&self) -> String {
        format!("/console/{}/flow", self.account)
    }

    async fn open(&self, known: Option<&str>) -> Stream {
        Stream::open(&self.hub, &self.browser, &self.path(), known).await
    }
}

#[tokio::test]
async fn what_flows_is_sent_when_it_has_changed_and_not_again_to_who_has_it() {
    let world = World::start().await;
    let mut stream = world.open(None).await;
    let first = stream.until("\n\n").await;
    assert!(
        first.contains("retry: ") && first.contains("Delivered"),
        "{first}"
    );
    // Another endpoint: it waits for its provider, which is for people to know.
    let actor = hub::Actor::OPERATOR;
    let scope = hub::Scope(world.account);
    let made = world.hub.server.hub.endpoint_register(&actor, scope).await;
    let (made, _) = made.expect("registered");
    let changed = stream.until("\n\n").await;
    assert!(
        changed.contains(&format!("endpoint {}", made.id)),
        "{changed}"
    );
    assert_ne!(id_of(&first), id_of(&changed));

    let mut back = world.open(Some(id_of(&changed))).await;
    let again = back.until("\n\n").await;
    assert!(!again.contains("Delivered"), "it has this already: {again}");
    let mut stale = world.open(Some(id_of(&first))).await;
    let again = stale.until("\n\n").await;
    assert!(again.contains("Delivered"), "what it has is old: {again}");
}

#[tokio::test]
async fn a_stream_ends_with_the_session_and_with_the_role() {
    let mut world = World::start().await;
    let mut stream = world.open(None).await;
    stream.until("\n\n").await;
    let token = world.browser.session().expect("a session").to_owned();
    world.browser.post("/console/sign-out", &[]).await;
    let rest = stream.rest().await;
    assert!(rest.contains("event: end"), "{rest}");
    world
        .browser
        .cookies
        .push(("rialto_session".to_owned(), token));
    let (refused, _) = Stream::ask(&world.hub, &world.browser, &world.path(), "").await;
    assert!(refused.starts_with("HTTP/1.1 303"), "{refused}");

    world.browser = Browser::of(&world.hub, "vera@example.com").await;
    let mut stream = world.open(None).await;
    stream.until("\n\n").await;
    let scope = hub::Scope(world.account);
    let out = &world.hub.server.hub;
    let out = out.member_remove(&hub::Actor::OPERATOR, scope, world.viewer);
    out.await.expect("out");
    let rest = stream.rest().await;
    assert!(rest.contains("event: end"), "{rest}");
}

#[tokio::test]
async fn whoever_may_not_see_a_page_may_not_follow_it() {
    let world = World::start().await;
    let other = world.hub.account().await;
    let nobody = Browser::new(&world.hub);
    for (browser, path) in [
        (&nobody, world.path()),
        (&world.browser, format!("/console/{}/flow", other.id)),
        // A whole page is no part, and is answered as it is.
        (
            &world.browser,
            format!("/console/{}/endpoints", world.account),
        ),
    ] {
        let (head, _) = Stream::ask(&world.hub, browser, &path, "").await;
        assert!(!head.contains("text/event-stream"), "{path}: {head}");
    }
}

#[tokio::test]
async fn a_session_has_a_few_streams_and_gets_them_back() {
    let world = World::start().await;
    let path = world.path();
    let mut streams = Vec::new();
    let refused = loop {
        let (head, stream) = Stream::ask(&world.hub, &world.browser, &path, "").await;
        if !head.starts_with("HTTP/1.1 200") {
            break head;
        }
        streams.push(stream);
        assert!(streams.len() < 10, "there is a limit");
    };
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert_eq!(streams.len(), 4);
    drop(streams);
    // The server learns of it in its own time.
    for _ in 0..1_000 {
        let (head, _) = Stream::ask(&world.hub, &world.browser, &path, "").await;
        if head.starts_with("HTTP/1.1 200") {
            return;
        }
    }
    panic!("what was closed may be opened again");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_follows_and_the_session_goes_on_after_it() {
    let hub = TestHub::start_with(|config| {
        config.server.shutdown_patience = server::config::Duration(PATIENCE * 2);
    });
    let world = World::of(hub.await).await;
    let mut stream = world.open(None).await;
    let first = stream.until("\n\n").await;
    let World {
        hub,
        account,
        browser,
        ..
    } = world;
    let begun = std::time::Instant::now();
    let hub = hub.restart().await;
    assert!(
        begun.elapsed() < PATIENCE,
        "it did not wait out its patience"
    );
    stream.rest().await;
    let path = format!("/console/{account}/flow");
    let mut back = Stream::open(&hub, &browser, &path, Some(id_of(&first))).await;
    let again = back.until("\n\n").await;
    assert!(again.contains("retry: "), "{again}");
}
