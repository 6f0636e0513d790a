//! The manual, the file, the environment, and what is wrong with each.

use super::*;

fn load(text: &str) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("rialto.toml");
    std::fs::write(&path, text).expect("written");
    Config::load(Some(&path), |_| None)
}

#[test]
fn the_manual_says_what_the_code_does() {
    let config = Config::load(None, |_| None).expect("the defaults are sound");
    let (said, done) = (config.hub_options(), hub::Options::default());
    assert_eq!(said.limits, done.limits);
    assert_eq!(said.delivery.retry, done.delivery.retry);
    assert_eq!(said.delivery.timeout, done.delivery.timeout);
    assert_eq!(said.delivery.concurrency_max, done.delivery.concurrency_max);
    assert_eq!(
        said.delivery.checkpoint_every,
        done.delivery.checkpoint_every
    );
    assert_eq!(said.files.size_bytes_max, done.files.size_bytes_max);
    assert_eq!(said.files.age_max, done.files.age_max);
    assert_eq!(said.retention.age, done.retention.age);
    assert_eq!(said.retention.log_bytes_max, done.retention.log_bytes_max);
    assert_eq!(said.dedupe.event_window, done.dedupe.event_window);
    assert_eq!(said.jobs, done.jobs);
    assert_eq!(said.segments, done.segments);
    assert_eq!(said.outbound.connect_timeout, done.outbound.connect_timeout);
    assert_eq!(said.sign_in.session, done.sign_in.session);
    assert_eq!(said.sign_in.invitation, done.sign_in.invitation);
    assert_eq!(said.sign_in.reset, done.sign_in.reset);
    assert!(!said.outbound.guard.allow_private);
}

#[test]
fn a_file_changes_what_it_names_and_the_environment_has_the_last_word() {
    let config = load("[delivery]\ntimeout = \"3s\"\nconcurrency_max = 7\n").expect("sound");
    assert_eq!(config.delivery.timeout.0.as_secs(), 3);
    assert_eq!(config.delivery.concurrency_max, 7);
    let config = Config::load(None, |name| {
        (name == "RIALTO_DELIVERY_TIMEOUT").then(|| "4s".to_owned())
    });
    assert_eq!(config.expect("sound").delivery.timeout.0.as_secs(), 4);
}

#[test]
fn engines_are_chosen_by_their_addresses() {
    let config = load(
        "[engines]\ndb = \"postgres://me:hush@db/rialto\"\nlog = \"nats://me:hush@a:1,b:2\"\nblobs = \"s3://bucket/a/prefix/\"\n\
         s3_access_key = \"id\"\ns3_secret_key = \"hush\"\n[processes]\nroles = [\"flow\"]\n",
    );
    let config = config.expect("sound");
    let engines = &config.engines;
    let DbEngine::Postgres(url) = &engines.db else {
        panic!("{engines:?}");
    };
    assert_eq!(url.expose(), "postgres://me:hush@db/rialto");
    let servers = engines.jetstream().expect("it is JetStream");
    assert_eq!(servers.servers, "nats://me:hush@a:1,nats://b:2");
    let s3 = engines.s3().expect("it is S3");
    assert_eq!(
        (s3.bucket.as_str(), s3.prefix.as_str()),
        ("bucket", "a/prefix")
    );
    assert_eq!(
        (engines.shards_wanted(), engines.shards_default()),
        (None, 16)
    );
    assert!(
        !format!("{config:?}").contains("hush"),
        "secrets are not shown"
    );
    let options = config.hub_options().processes;
    assert!(options.is_shared && options.roles == "flow");
    let shared = load("[engines]\nblobs = \"file:///mnt/files\"\n").expect("sound");
    assert_eq!(
        shared.engines.blobs,
        BlobsEngine::Shared("/mnt/files".into())
    );
    assert_eq!(shared.engines.shards_default(), 1);
}

#[test]
fn what_makes_no_sense_together_is_refused_with_a_sentence() {
    let postgres = "[engines]\ndb = \"postgres://db/rialto\"\n";
    for (text, expected) in [
        (
            "[engines]\nlog = \"nats://a\"\n".to_owned(),
            "engines.db is SQLite",
        ),
        (
            "[processes]\nroles = [\"api\"]\n".to_owned(),
            "a process on SQLite is alone",
        ),
        (
            format!("{postgres}[processes]\nroles = [\"console\"]\n"),
            "would do nothing",
        ),
        ("[engines]\nshards = 1025\n".to_owned(), "1 to 1024"),
        (
            "[processes]\nlease = \"200ms\"\n".to_owned(),
            "processes.lease",
        ),
        (
            "[processes]\nfollow_every = \"9s\"\n".to_owned(),
            "processes.follow_every",
        ),
        (
            "[engines]\ns3_access_key = \"id\"\n".to_owned(),
            "come together",
        ),
        (
            "[engines]\njetstream_prefix = \"a.b\"\n".to_owned(),
            "jetstream_prefix",
        ),
    ] {
        let error = load(&text).expect("it can be read").check();
        let error = error.expect_err(&text).to_string();
        let is_absent = !cfg!(feature = "distributed") && error.contains("built without");
        assert!(error.contains(expected) || is_absent, "{text}: {error}");
    }
    let fine = load("[engines]\nblobs = \"file:///mnt/files\"\n").expect("sound");
    assert!(fine.check().expect("makes sense").is_empty());
    if cfg!(feature = "distributed") {
        let warnings = load(postgres).expect("sound").check().expect("makes sense");
        assert!(
            warnings[0].contains("more than one process"),
            "{warnings:?}"
        );
    }
}

#[test]
fn a_mail_server_is_named_with_what_it_asks_for() {
    let none = load("").expect("sound");
    assert!(none.mail.options().is_none(), "mail is off by default");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("password");
    std::fs::write(&path, "hush\n").expect("written");
    let text =
        format!("[mail]\nserver = \"mail.example.com\"\nuser = \"me\"\npassword_file = {path:?}\n");
    let config = load(&text).expect("sound");
    assert!(config.check().expect("makes sense").is_empty());
    let mail = config.mail.options().expect("a server");
    assert_eq!(mail.port, 587, "as STARTTLS has it");
    let (user, password) = mail.credentials.clone().expect("a login");
    assert_eq!((user.as_str(), password.expose()), ("me", "hush"));
    assert!(!format!("{config:?} {mail:?}").contains("hush"));

    for (text, expected) in [
        ("[mail]\nserver = \"a\"\nuser = \"me\"\n", "come together"),
        ("[mail]\nserver = \"a:25\"\n", "mail.port"),
        ("[mail]\nserver = \"a\"\nfrom = \"nobody\"\n", "mail.from"),
        (
            "[mail]\nuser = \"me\"\npassword = \"hush\"\n",
            "mail.server is empty",
        ),
        ("[server]\npublic_url = \"exchange\"\n", "server.public_url"),
    ] {
        let error = load(text).expect("it can be read").check();
        let error = error.expect_err(text).to_string();
        assert!(
            error.contains(expected) && !error.contains("hush"),
            "{error}"
        );
    }
    let clear = "[mail]\nserver = \"a\"\nsecurity = \"none\"\nuser = \"me\"\npassword = \"hush\"\n";
    let warnings = load(clear).expect("sound").check().expect("makes sense");
    assert!(
        warnings[0].contains("can be read on the way"),
        "{warnings:?}"
    );
}

#[test]
fn a_mistake_never_shows_a_password() {
    for text in [
        "[engines]\ndb = \"postgre://me:hush@db\"\n",
        "[engines]\nlog = \"http://me:hush@a\"\n",
        "[engines]\nblobs = \"s4://hush\"\n",
        "[engines]\ndb = \"postgres://me:hush@db\n",
    ] {
        let error = load(text).expect_err(text).to_string();
        assert!(!error.contains("hush"), "{text}: {error}");
    }
}

#[test]
fn a_mistake_is_told_with_its_place() {
    for (text, expected) in [
        (
            "[delivery]\ntimeuot = \"3s\"\n",
            "there is no `delivery.timeuot`",
        ),
        ("[delivrey]\n", "there is no `[delivrey]`"),
        ("[delivery]\ntimeout = \"3 parsecs\"\n", "3 parsecs"),
        (
            "[server]\nlisten = \"127.0.0.1:99999\"\n",
            "`127.0.0.1:99999` is not an address to listen at: write 127.0.0.1:8080",
        ),
        ("delivery = 3\n", "is a section"),
    ] {
        let error = load(text).expect_err(text).to_string();
        assert!(
            error.contains(expected) && error.contains("rialto.toml"),
            "{text}: {error}"
        );
    }
}

#[test]
fn a_time_of_day_is_written_as_people_write_it() {
    let at = |text: &str| load(&format!("[segments]\nrefresh_at = \"{text}\"\n"));
    let time = at("23:05")
        .expect("a time")
        .hub_options()
        .segments
        .refresh_at;
    assert_eq!(time, Some(jiff::civil::time(23, 5, 0, 0)));
    let never = at("").expect("never").hub_options().segments.refresh_at;
    assert_eq!(never, None);
    let error = at("25:00").expect_err("no such time").to_string();
    assert!(error.contains("`25:00` is not a time of day"), "{error}");
}
