//! Configuration: `rialto.default.toml` is the manual and the defaults, a file of the operator's and the environment
//! change it, the command line has the last word. Unknown keys are errors.

mod human;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use model::event_post::PostLimits;
use model::retry::RetryPolicy;
use serde::Deserialize;
use toml::{Table, Value};

pub use human::{Bytes, Duration, duration};

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
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: ServerSection,
    pub api: ApiSection,
    pub limits: PostLimits,
    pub log: LogSection,
    pub delivery: DeliverySection,
    pub files: FilesSection,
    pub retention: RetentionSection,
    pub dedupe: DedupeSection,
    pub collect: CollectSection,
    pub telemetry: Telemetry,
    /// From `RIALTO_OPERATOR_TOKEN` only: secrets do not belong in files that are shared.
    #[serde(skip)]
    pub operator_token: Option<String>,
    /// From `RIALTO_SECRET_KEY` only; else the key file in the data directory.
    #[serde(skip)]
    pub secret_key: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSection {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub pilot_listen: SocketAddr,
    pub shutdown_patience: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSection {
    pub body_bytes_max: Bytes,
    pub bodies_bytes_max: Bytes,
    pub request_time_max: Duration,
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
        let mut table: Table =
            toml::from_str(DEFAULT).map_err(|e| wrong("the defaults", e.to_string()))?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
                path: path.to_owned(),
                source,
            })?;
            let origin = path.display().to_string();
            let changes: Table =
                toml::from_str(&text).map_err(|e| wrong(&origin, e.to_string()))?;
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
        config.operator_token =
            environment("RIALTO_OPERATOR_TOKEN").filter(|token| !token.is_empty());
        config.secret_key = environment("RIALTO_SECRET_KEY").filter(|key| !key.is_empty());
        Ok(config)
    }

    pub fn api_limits(&self) -> api::ApiLimits {
        api::ApiLimits {
            body_bytes_max: self.api.body_bytes_max.0,
            bodies_bytes_max: self.api.bodies_bytes_max.0,
            request_time_max: self.api.request_time_max.0,
        }
    }

    /// What the hub takes from this.
    pub fn hub_options(&self) -> hub::Options {
        use hub::options::{
            CollectOptions, DedupeOptions, DeliveryOptions, FileOptions, RetentionOptions,
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
            processes: hub::Options::default().processes,
            outbound,
        }
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
