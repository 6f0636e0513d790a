//! `rialto <noun> <verb>`: the real binary, against a running hub.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::harness::people::PASSWORD;
use crate::harness::{Receiver, TOKEN, TestHub, event};

/// What a command came to.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the binary with these words, separated by spaces, beside the hub.
pub(crate) async fn rialto(hub: &TestHub, words: &str) -> Done {
    rialto_with(hub.http.url(""), words, None).await
}

pub(crate) async fn rialto_with(server: String, words: &str, input: Option<String>) -> Done {
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let run = move || -> std::io::Result<Output> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rialto"))
            .args(&words)
            .env_clear()
            .env("RIALTO_SERVER", server)
            .env("RIALTO_OPERATOR_TOKEN", TOKEN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            std::io::Write::write_all(&mut stdin, input.as_bytes())?;
        }
        child.wait_with_output()
    };
    let ran = tokio::task::spawn_blocking(run).await.expect("it ends");
    let output = ran.expect("the binary runs");
    Done {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// For people.
async fn text(hub: &TestHub, words: &str) -> String {
    let done = rialto(hub, words).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{words}");
    done.out
}

/// For programs.
async fn parsed(hub: &TestHub, words: &str) -> Value {
    let out = text(hub, &format!("{words} --json")).await;
    serde_json::from_str(&out).expect("JSON")
}

#[tokio::test]
async fn an_operator_sets_everything_up_on_the_command_line() {
    let hub = TestHub::start().await;
    assert_eq!(
        text(&hub, "provider create Acme").await,
        "id    1\nname  Acme\n"
    );
    assert_eq!(text(&hub, "provider list").await, "ID  NAME\n 1  Acme\n");

    let out = text(
        &hub,
        "account create Tour --environment pilot --strictness strict",
    )
    .await;
    assert!(
        out.starts_with("id           1\nname         Tour\nenvironment  pilot\naccount key  ra_"),
        "{out}"
    );
    assert!(
        out.ends_with("Keep the key: it is shown this once.\n"),
        "{out}"
    );
    assert_eq!(
        text(&hub, "account list").await,
        "ID  NAME  ENVIRONMENT  STRICTNESS  REFUSED EVENTS\n 1  Tour  pilot        strict      reject\n"
    );
    let policy = parsed(&hub, "account policy 1 --default-region DE").await;
    assert_eq!(
        policy["policy"],
        json!({ "strictness": "strict", "refusedEvents": "reject", "defaultRegion": "DE", "hashedValues": "refuse", "identity": "on",
                  "suppressionList": "honour", "contactConsent": "ignore",
                "maxEventsPerSecond": null, "maxEventsPerDay": null })
    );

    let endpoint = parsed(&hub, "registration create --account 1").await;
    assert_eq!(endpoint["status"], "PENDING");
    assert_eq!(
        text(&hub, "endpoint list --account 1").await,
        "ID  NAME  STATUS   ENABLED  WAITING  RETRYING  LAG s  CIRCUIT\n 1  -     PENDING  yes            0         0    0.0  closed\n"
    );
    assert_eq!(
        text(&hub, "endpoint delete --account 1 1").await,
        "The endpoint is deleted.\n"
    );
    assert_eq!(
        parsed(&hub, "endpoint show --account 1 1").await["status"],
        "DELETED"
    );
}

#[tokio::test]
async fn keys_are_rotated_and_revoked() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let rotated = parsed(&hub, "key rotate --account 1 --level account --overlap 30m").await;
    assert_eq!(rotated["othersExpireAt"], "2026-03-02T12:30:00Z");
    let new = rotated["key"].as_str().expect("a key").to_owned();
    assert_eq!(
        text(&hub, "key list --account 1").await,
        format!(
            "ID  LEVEL    ENDPOINT  BEGINS WITH  VALID  CREATED               EXPIRES               REVOKED\n \
              1  account  -         {}     yes    2026-03-02T12:00:00Z  2026-03-02T12:30:00Z  -\n \
              2  account  -         {}     yes    2026-03-02T12:00:00Z  -                     -\n",
            &account.key[..8],
            &new[..8],
        )
    );
    assert_eq!(
        text(&hub, "key revoke --account 1 2").await,
        "The key is revoked.\n"
    );
    assert_eq!(hub.http.get("/v1/endpoint", &new).await.status, 403);
}

#[tokio::test]
async fn what_happened_to_an_event_is_found_and_repaired() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let receiver = Receiver::start().await;
    let crm = hub.push_destination(&account, &receiver.url()).await;
    let (from, to) = (shop.id, crm.id);
    let create = format!(
        "subscription create --account 1 --publisher {from} --event cartAdd --destination {to}"
    );
    assert_eq!(parsed(&hub, &create).await["enabled"], true);
    receiver.answer_status(400);
    let id = hub
        .published(&shop, event("cartAdd", "ada@example.com", 1))
        .await;
    hub.settle().await;

    let out = text(&hub, "event list --account 1").await;
    assert!(out.contains(&format!("{id}.0  cartAdd")), "{out}");
    let out = text(&hub, &format!("event show --account 1 {id}")).await;
    assert!(out.contains("CRM   dead"), "{out}");
    let dead = parsed(&hub, "delivery list --account 1 --state dead").await;
    assert_eq!(dead["items"][0]["eventIds"], json!([format!("{id}.0")]));
    let out = text(&hub, "delivery list --account 1 --state retrying").await;
    assert_eq!(out, "There are none.\n");

    receiver.answer_status(200);
    let replay = format!("delivery replay --account 1 --event {id}");
    let out = text(&hub, &format!("{replay} --dry-run")).await;
    assert_eq!(
        out,
        format!(
            "only a preview  yes\ndocuments       1\n\nENDPOINT  DOCUMENTS\n       {to}          1\n"
        )
    );
    let before = receiver.count();
    text(&hub, &replay).await;
    hub.settle().await;
    assert_eq!(receiver.count(), before + 1);
}

#[tokio::test]
async fn a_refused_event_is_repaired_from_a_pipe_and_by_a_mapping() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    text(&hub, "account policy 1 --refused-events quarantine").await;
    for _ in 0..2 {
        hub.publish(&shop, event("cartAd", "ada@example.com", 1))
            .await;
    }
    let held = parsed(&hub, "quarantine list --account 1").await;
    let mut body = held["items"][0]["body"].clone();
    body["events"][0]["code"] = json!("cartAdd");
    let words = "quarantine repair --account 1 1 -";
    let done = rialto_with(hub.http.url(""), words, Some(body.to_string())).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));

    let map = format!("quarantine map --account 1 --endpoint {} --code", shop.id);
    let out = text(&hub, &format!("{map} cartAd=cartAdd")).await;
    assert_eq!(out, "published  2\n\nNothing is still refused.\n");
    let done = rialto(&hub, &format!("{map} cartAd")).await;
    assert_eq!(done.code, 2);
    assert!(
        done.err
            .contains("write the name as it comes, `=`, and what it becomes"),
        "{}",
        done.err
    );
    let missing = rialto(&hub, "quarantine repair --account 1 1 no-such-file").await;
    assert_eq!(missing.code, 2);
    assert!(
        missing
            .err
            .starts_with("rialto: `no-such-file` cannot be read\n  because: "),
        "{}",
        missing.err
    );
}

#[tokio::test]
async fn a_suppression_list_comes_from_a_file() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let words = format!(
        "suppression import --account {} - --reference ticket-7",
        account.id
    );
    let csv = "email,cookie\nada@example.com,c-1\ngrace@example.com,\na,b,c\n";
    let done = rialto_with(hub.http.url(""), &words, Some(csv.to_owned())).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert!(done.out.contains("added     3\n"), "{}", done.out);
    assert!(done.out.contains("row 4"), "{}", done.out);
    let words = format!(
        "suppression find --account {} --type cookie c-1",
        account.id
    );
    let found = parsed(&hub, &words).await;
    assert_eq!(found["items"][0]["reference"], "ticket-7", "{found}");
}

#[tokio::test]
async fn a_long_list_says_how_to_go_on() {
    let hub = TestHub::start().await;
    for name in ["A", "B", "C"] {
        text(&hub, &format!("provider create {name}")).await;
    }
    let out = text(&hub, "provider list --limit 2").await;
    assert_eq!(out, "ID  NAME\n 1  A\n 2  B\nThere is more: --after 2\n");
    assert_eq!(
        text(&hub, "provider list --limit 2 --after 2").await,
        "ID  NAME\n 3  C\n"
    );
}

#[tokio::test]
async fn the_overview_and_the_lists_of_what_happened_are_shown() {
    let hub = TestHub::start().await;
    hub.account().await;
    let out = text(&hub, "status").await;
    assert!(
        out.contains("ready             yes\n") && out.ends_with("\nNo destination is behind.\n"),
        "{out}"
    );
    let out = text(&hub, "audit list").await;
    assert!(
        out.contains("  operator  -     -     account.create   account 1 "),
        "{out}"
    );
    for words in [
        "audit list --account 1 --after 99",
        "notice list --account 1",
        "schema-drift list --account 1",
        "segment list --account 1 --role source --search gold",
    ] {
        assert_eq!(text(&hub, words).await, "There are none.\n", "{words}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_every_violation_and_exit_code_1() {
    let hub = TestHub::start().await;
    hub.account().await;
    let done = rialto(&hub, "account show 9").await;
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    assert_eq!(
        done.err,
        "rialto: 404 There is no such thing: there is no account 9\n"
    );
    let words = "subscription create --account 1 --publisher 7 --event x --destination 8";
    let done = rialto(&hub, words).await;
    assert_eq!(
        (done.code, done.err.as_str()),
        (
            1,
            "rialto: 400 The request breaks rules\n  \
             /publisherEndpointId: there is no endpoint 7 in this account\n  \
             /destinationEndpointId: there is no endpoint 8 in this account\n"
        )
    );
    let done = rialto(&hub, "status --token wrong").await;
    assert_eq!(done.code, 1);
    assert!(
        done.err.contains("403") && done.err.contains("this is not the operator token"),
        "{}",
        done.err
    );
}

#[tokio::test]
async fn what_is_not_said_properly_is_told_with_exit_code_2() {
    let hub = TestHub::start().await;
    for (words, told) in [
        (
            "account show x",
            "`x` is not an id: expected a whole number from 1 to 2^53-1",
        ),
        (
            "account create A --environment staging",
            "pilot, production",
        ),
        ("endpoint list", "--account <ID>"),
        (
            "key rotate --account 1 --level account --overlap soon",
            "write 0s, 30m, 24h or 7d",
        ),
        ("delivery replay --account 1", "--endpoint <ID>"),
        ("acount list", "account"),
    ] {
        let done = rialto(&hub, words).await;
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{words}");
        assert!(done.err.contains(told), "{words}: {}", done.err);
    }
    let done = rialto(&hub, "status --server localhost").await;
    assert_eq!(done.code, 2);
    assert!(
        done.err.contains("write it as http://host:port"),
        "{}",
        done.err
    );
    let done = rialto(&hub, "status --token=").await;
    assert_eq!(done.code, 2);
    assert!(
        done.err.contains("--token or in RIALTO_OPERATOR_TOKEN"),
        "{}",
        done.err
    );
}

#[tokio::test]
async fn where_nothing_answers_it_says_how_to_start_a_server() {
    // Held, so that nobody else gets it, and not listened at.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    let free = "127.0.0.1:0".parse().expect("an address");
    socket.bind(free).expect("a port");
    let address = socket.local_addr().expect("an address");
    let server = format!("http://{address}");
    let done = rialto_with(server.clone(), "status", None).await;
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    assert!(
        done.err.starts_with(&format!(
            "rialto: nothing answers at {server}: start a server there with `rialto serve`"
        )),
        "{}",
        done.err
    );
}

#[tokio::test]
async fn every_command_has_help_and_completions() {
    let nowhere = || "http://127.0.0.1:1".to_owned();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = rialto_with(nowhere(), &format!("completions {shell}"), None).await;
        assert_eq!(done.code, 0, "{}", done.err);
        assert!(done.out.contains("quarantine"), "{shell}");
    }
    let help = rialto_with(nowhere(), "--help", None).await.out;
    for noun in [
        "provider",
        "account",
        "registration",
        "key",
        "subscription",
        "event",
        "delivery",
        "quarantine",
    ] {
        assert!(help.contains(noun), "{noun}");
        let done = rialto_with(nowhere(), &format!("{noun} --help"), None).await;
        assert_eq!(done.code, 0, "{noun}");
        assert!(done.out.contains("list"), "{noun}: {}", done.out);
    }
}

#[tokio::test]
async fn what_others_are_told_is_listed_shown_and_sent_again() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let secret = hub.directory().join("secret");
    std::fs::write(&secret, "s3cr3t-planted\n").expect("written");
    let words = format!(
        "supplier-key create --provider 1 --auth-url https://id.example.com/token --client-id c --client-secret-file {}",
        secret.display()
    );
    let out = text(&hub, &words).await;
    assert!(
        out.starts_with("id            1\nsupplier key  rs_"),
        "{out}"
    );
    let listed = text(&hub, "supplier-key list --provider 1").await;
    assert!(listed.contains("https://id.example.com/token"), "{listed}");
    assert!(!listed.contains("s3cr3t-planted"), "{listed}");
    let out = text(&hub, "supplier-key delete --provider 1 1").await;
    assert_eq!(
        out,
        "The supplier key is gone; what names it cannot sign in.\n"
    );

    let shop = hub.publisher(&account, &["buy"]).await;
    let crm = hub.pull_destination(&account).await;
    let receiver = Receiver::start().await;
    let body = json!({ "notificationURL": receiver.url(), "authentication": { "authType": "APIKey", "APIKey": "k" } });
    let path = "/v1/subscription/notification";
    let answer = hub
        .http
        .json("PUT", path, Some(&shop.key), Some(body))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let shown = text(
        &hub,
        &format!("notification show --account 1 --endpoint {}", shop.id),
    )
    .await;
    assert_eq!(
        shown,
        format!(
            "url             {}\nkey             -\ntype            PUBLISHER_V1_1\nauthentication  APIKey\nstated by       endpoint\n",
            receiver.url()
        )
    );
    receiver.answer_status(400);
    hub.subscribe(&account, &shop, "buy", &crm).await;
    hub.settle().await;
    let listed = "ID  ACCOUNT  ENDPOINT  KIND          WHAT     STATE  ATTEMPTS  NEXT ATTEMPT\n \
                  1        1         1  notification  Add buy  dead          1  -\n";
    assert_eq!(
        text(&hub, "outbox list --account 1 --state dead").await,
        listed
    );
    assert_eq!(text(&hub, "outbox list --kind notification").await, listed);
    let shown = text(&hub, "outbox show 1").await;
    assert!(
        shown.contains("\nstate         dead\n") && shown.contains("STATUS"),
        "{shown}"
    );
    receiver.answer_status(200);
    let out = text(&hub, "outbox retry --account 1 1").await;
    assert_eq!(out, "id     1\nstate  waiting\n");
    hub.settle().await;
    assert_eq!(parsed(&hub, "outbox show 1").await["state"], "sent");
}

#[tokio::test]
async fn people_are_invited_and_come_in_on_the_command_line() {
    let hub = TestHub::start().await;
    let account = hub.account().await.id;
    let words = format!("user invite ada@example.com --name Ada --account {account} --role viewer");
    let invited = parsed(&hub, &words).await;
    let ticket = invited["invitation"].as_str().expect("a ticket");
    let password = || Some(format!("{PASSWORD}\n"));
    let accept = format!("user accept --ticket {ticket} --json");
    let accepted = rialto_with(hub.http.url(""), &accept, password()).await;
    assert_eq!((accepted.code, accepted.err.as_str()), (0, ""));
    let sign_in = "user sign-in ada@example.com --json";
    let signed_in = rialto_with(hub.http.url(""), sign_in, password()).await;
    let session: Value = serde_json::from_str(&signed_in.out).expect("JSON");
    let token = session["token"].as_str().expect("a token");

    let me = text(&hub, &format!("user me --token {token}")).await;
    assert!(
        me.contains("ada@example.com") && me.contains("viewer"),
        "{me}"
    );
    let words =
        format!("token create ci --scopes read,account:{account} --expires 12h --token {token}");
    let made = parsed(&hub, &words).await;
    let scopes = json!(["read", format!("account:{account}")]);
    assert_eq!(
        (&made["scopes"], made["token"].is_string()),
        (&scopes, true)
    );
    let listed = text(&hub, &format!("token list --token {token}")).await;
    assert!(listed.contains("ci") && listed.contains("rp_"), "{listed}");
    text(&hub, &format!("member role --account {account} 1 admin")).await;
    let members = text(&hub, &format!("member list --account {account}")).await;
    assert!(
        members.contains("ada@example.com  Ada   admin"),
        "{members}"
    );
    let sessions = text(&hub, &format!("session list --token {token}")).await;
    assert!(
        sessions.contains("127.0.0.1") && sessions.contains("rialto-cli/"),
        "{sessions}"
    );

    let trail = text(&hub, "audit export --format csv --action session").await;
    assert!(
        trail.starts_with("id,createdAt,") && trail.contains("session.open"),
        "{trail}"
    );
    text(&hub, "user disable 1").await;
    let refused = rialto(&hub, &format!("user me --token {token}")).await;
    assert_eq!(refused.code, 1, "{}", refused.out);
    text(&hub, "user reset ada@example.com").await;
    text(&hub, "user remove 1").await;
    assert_eq!(text(&hub, "user list").await, "There are none.\n");
}
