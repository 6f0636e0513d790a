//! Configuration: `rialto.default.toml` is the manual and the defaults, a file of the operator's and the environment
//! change it, the command line has the last word. Unknown keys are errors.

mod engines;
mod human;
mod mail;
mod sign_in;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use model::Secret;
use model::event_post::PostLimits;
use model::retry::RetryPolicy;
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

pub use engines::{BlobsEngine, DbEngine, EnginesSection, LogEngine, ProcessesSection, Role};
pub use human::{Bytes, Duration, duration};
pub use mail::{MailSection, Security};
pub use sign_in::{OidcSection, SignInSection};

/// The manual.
pub const DEFAULT: &str = include_str!("../../../rialto.default.toml");

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{origin}: {message}")]
    Wrong { origin: String, message: String },
    #[error("{0}")]
    Senseless(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: ServerSection,
    pub engines: EnginesSection,
    pub processes: ProcessesSection,
    pub api: ApiSection,
    pub limits: PostLimits,
    pub log: LogSection,
    pub delivery: DeliverySection,
    pub files: FilesSection,
    pub retention: RetentionSection,
    pub dedupe: DedupeSection,
    pub collect: CollectSection,
    pub mail: MailSection,
    pub sign_in: SignInSection,
    pub oidc: OidcSection,
    pub telemetry: Telemetry,
    /// From `RIALTO_OPERATOR_TOKEN` only: secrets do not belong in files that are shared.
    #[serde(skip)]
    pub operator_token: Option<Secret>,
    /// From `RIALTO_SECRET_KEY` only; else the key file in the data directory.
    #[serde(skip)]
    pub secret_key: Option<Secret>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSection {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub pilot_listen: SocketAddr,
    /// Empty: the listening address, by HTTP.
    pub public_url: String,
    pub pilot_public_url: String,
    pub shutdown_patience: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSection {
    pub body_bytes_max: Bytes,
    pub bodies_bytes_max: Bytes,
    pub request_time_max: Duration,
    pub trusted_proxies: Vec<ipnet::IpNet>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSection {
    pub batch_bytes_max: Bytes,
    pub queue_bytes_max: Bytes,
    pub queue_records_max: usize,
    pub tail_bytes_max: Bytes,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverySection {
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub response_bytes_max: Bytes,
    pub concurrency_max: usize,
    pub concurrency_per_destination_max: u32,
    pub circuit_failures: u32,
    pub retry_first: Duration,
    pub retry_cap: Duration,
    pub retry_give_up_after: Duration,
    pub checkpoint_every: Duration,
    pub eventbatch_documents_max: usize,
    pub cache_bytes_max: Bytes,
    pub allow_private_destinations: bool,
    pub allow_networks: Vec<ipnet::IpNet>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesSection {
    pub size_bytes_max: Bytes,
    pub documents_max: usize,
    pub age_max: Duration,
    pub keep: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSection {
    pub age: Duration,
    pub backlog_age_max: Duration,
    pub log_bytes_max: Bytes,
    pub deleted_grace: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DedupeSection {
    pub event_window: Duration,
    pub idempotency_window: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectSection {
    pub every: Duration,
    pub file_bytes_max: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    pub format: LogFormat,
    pub filter: String,
}

impl Config {
    /// The defaults, changed by `file` and by the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the file or variable, the key, and what was expected.
    pub fn load(
        file: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let wrong = |origin: &str, message: String| ConfigError::Wrong {
            origin: origin.to_owned(),
            message,
        };
        let mut table: Table = toml::from_str(DEFAULT)
            .map_err(|e| wrong("the defaults", without_text(DEFAULT, &e)))?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
                path: path.to_owned(),
                source,
            })?;
            let origin = path.display().to_string();
            let changes: Table =
                toml::from_str(&text).map_err(|e| wrong(&origin, without_text(&text, &e)))?;
            merge(&mut table, changes, &origin)?;
        }
        apply_environment(&mut table, &environment)?;
        let origin = file.map_or_else(
            || "the environment".to_owned(),
            |path| path.display().to_string(),
        );
        let mut config: Self = table
            .try_into()
            .map_err(|e: toml::de::Error| wrong(&origin, e.to_string()))?;
        let secret = |name| environment(name).filter(|text| !text.is_empty());
        config.operator_token = secret("RIALTO_OPERATOR_TOKEN").map(Secret::new);
        config.secret_key = secret("RIALTO_SECRET_KEY").map(Secret::new);
        config.mail.read_password()?;
        config.oidc.read_secret()?;
        Ok(config)
    }

    /// Looks at what the values mean together: sentences on what may be a mistake.
    ///
    /// # Errors
    /// [`ConfigError::Senseless`].
    pub fn check(&self) -> Result<Vec<String>, ConfigError> {
        let mut warnings =
            engines::check(&self.engines, &self.processes).map_err(ConfigError::Senseless)?;
        warnings.extend(mail::check(&self.mail).map_err(ConfigError::Senseless)?);
        warnings.extend(sign_in::check(&self.oidc).map_err(ConfigError::Senseless)?);
        self.server.check().map_err(ConfigError::Senseless)?;
        Ok(warnings)
    }

    pub fn api_options(&self) -> api::ApiOptions {
        api::ApiOptions {
            body_bytes_max: self.api.body_bytes_max.0,
            bodies_bytes_max: self.api.bodies_bytes_max.0,
            request_time_max: self.api.request_time_max.0,
            trusted_proxies: self.api.trusted_proxies.clone(),
        }
    }

    /// What the hub takes from this.
    pub fn hub_options(&self) -> hub::Options {
        use hub::options::{
            CollectOptions, DedupeOptions, DeliveryOptions, FileOptions, ProcessOptions,
            RetentionOptions,
        };
        let delivery = &self.delivery;
        let guard = outbound::Guard {
            allow_private: delivery.allow_private_destinations,
            allow: delivery.allow_networks.clone(),
        };
        let mut outbound = hub::Options::default().outbound;
        outbound.guard = guard;
        outbound.connect_timeout = delivery.connect_timeout.0;
        // Many destinations may share a host, and closing what will be opened again is the dearest push there is.
        outbound.idle_per_host_max = delivery.concurrency_max;
        hub::Options {
            limits: self.limits,
            delivery: DeliveryOptions {
                retry: RetryPolicy {
                    first: delivery.retry_first.0,
                    cap: delivery.retry_cap.0,
                    give_up_after: delivery.retry_give_up_after.0,
                    ..RetryPolicy::default()
                },
                timeout: delivery.timeout.0,
                response_bytes_max: delivery.response_bytes_max.0,
                concurrency_max: delivery.concurrency_max,
                concurrency_per_destination_max: delivery.concurrency_per_destination_max,
                circuit_failures: delivery.circuit_failures,
                checkpoint_every: delivery.checkpoint_every.0,
                eventbatch_documents_max: delivery.eventbatch_documents_max,
                cache_bytes_max: delivery.cache_bytes_max.0,
            },
            files: FileOptions {
                size_bytes_max: self.files.size_bytes_max.0,
                documents_max: self.files.documents_max,
                age_max: self.files.age_max.0,
                keep: self.files.keep.0,
            },
            retention: RetentionOptions {
                age: self.retention.age.0,
                backlog_age_max: self.retention.backlog_age_max.0,
                log_bytes_max: self.retention.log_bytes_max.0 as u64,
                deleted_grace: self.retention.deleted_grace.0,
            },
            dedupe: DedupeOptions {
                event_window: self.dedupe.event_window.0,
                idempotency_window: self.dedupe.idempotency_window.0,
            },
            collect: CollectOptions {
                every: self.collect.every.0,
                file_bytes_max: self.collect.file_bytes_max.0,
            },
            processes: ProcessOptions {
                is_shared: self.engines.is_shared(),
                roles: self.processes.roles_text(),
                lease: self.processes.lease.0,
                follow_every: self.processes.follow_every.0,
            },
            mail: self.mail.options(),
            sign_in: self.sign_in.options(&self.oidc),
            outbound,
        }
    }
}

impl ServerSection {
    /// # Errors
    /// A sentence on what cannot be meant.
    fn check(&self) -> Result<(), String> {
        for (key, url) in [
            ("public_url", &self.public_url),
            ("pilot_public_url", &self.pilot_public_url),
        ] {
            let is_http = url.starts_with("https://") || url.starts_with("http://");
            if !url.is_empty() && (!is_http || url.parse::<http::Uri>().is_err()) {
                return Err(format!(
                    "server.{key} is `{url}`: expected a base URL, such as https://exchange.example.com, or nothing"
                ));
            }
        }
        Ok(())
    }

    /// The base URLs as partners reach them, of production and pilot, where these addresses are listened on.
    pub fn public_urls(&self, listening: [SocketAddr; 2]) -> [String; 2] {
        let url = |given: &str, address: SocketAddr| match given.trim_end_matches('/') {
            "" => format!("http://{address}"),
            given => given.to_owned(),
        };
        [
            url(&self.public_url, listening[0]),
            url(&self.pilot_public_url, listening[1]),
        ]
    }
}

/// For values that are never shown.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// A mistake in a file, without the line that has it: a password may stand there.
fn without_text(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or(text);
            format!("line {}: {message}", before.matches('\n').count() + 1)
        }
        None => message.to_owned(),
    }
}

/// Puts `changes` over `table`; a section or key that is not there is an error that names the nearest that is.
fn merge(table: &mut Table, changes: Table, origin: &str) -> Result<(), ConfigError> {
    for (section, values) in changes {
        let Some(Value::Table(known)) = table.get_mut(&section) else {
            return Err(unknown(origin, &format!("[{section}]"), table.keys()));
        };
        let Value::Table(values) = values else {
            let message = format!("`{section}` is a section: write [{section}] and its keys below");
            return Err(ConfigError::Wrong {
                origin: origin.to_owned(),
                message,
            });
        };
        for (key, value) in values {
            if !known.contains_key(&key) {
                return Err(unknown(origin, &format!("{section}.{key}"), known.keys()));
            }
            known.insert(key, value);
        }
    }
    Ok(())
}

fn unknown<'a>(origin: &str, key: &str, known: impl Iterator<Item = &'a String>) -> ConfigError {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let message = format!("there is no `{key}`: expected one of {}", known.join(", "));
    ConfigError::Wrong {
        origin: origin.to_owned(),
        message,
    }
}

/// `RIALTO_<SECTION>_<KEY>`, read with the type that the default has.
fn apply_environment(
    table: &mut Table,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(), ConfigError> {
    for (section, values) in table.iter_mut() {
        let Value::Table(values) = values else {
            continue;
        };
        for (key, value) in values.iter_mut() {
            let name = format!("RIALTO_{}_{}", section.to_uppercase(), key.to_uppercase());
            let Some(text) = environment(&name) else {
                continue;
            };
            let wrong = |expected: &str| ConfigError::Wrong {
                origin: name.clone(),
                message: format!("`{text}` is not {expected}"),
            };
            *value = match value {
                Value::Integer(_) => {
                    Value::Integer(text.parse().map_err(|_| wrong("a whole number"))?)
                }
                Value::Boolean(_) => {
                    Value::Boolean(text.parse().map_err(|_| wrong("true or false"))?)
                }
                Value::Array(_) => {
                    let items = text
                        .split(',')
                        .map(str::trim)
                        .filter(|item| !item.is_empty());
                    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
                }
                _ => Value::String(text),
            };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
        let text = format!(
            "[mail]\nserver = \"mail.example.com\"\nuser = \"me\"\npassword_file = {path:?}\n"
        );
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
        let clear =
            "[mail]\nserver = \"a\"\nsecurity = \"none\"\nuser = \"me\"\npassword = \"hush\"\n";
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
            ("[server]\nlisten = \"nowhere\"\n", "socket address"),
            ("delivery = 3\n", "is a section"),
        ] {
            let error = load(text).expect_err(text).to_string();
            assert!(
                error.contains(expected) && error.contains("rialto.toml"),
                "{text}: {error}"
            );
        }
    }
}
