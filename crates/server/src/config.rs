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
pub use human::{Bytes, DailyTime, Duration, address, duration};
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
    pub jobs: JobsSection,
    pub segments: SegmentsSection,
    pub identity: IdentitySection,
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
    #[serde(deserialize_with = "human::read_address")]
    pub listen: SocketAddr,
    #[serde(deserialize_with = "human::read_address")]
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

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobsSection {
    pub slices_max: usize,
    pub open_max: u64,
    pub upload_bytes_max: Bytes,
    pub keep: Duration,
    pub patience: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentsSection {
    pub refresh_at: DailyTime,
    pub call_timeout: Duration,
    pub idle_timeout: Duration,
    pub transfer_timeout: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySection {
    pub cache_bytes_max: Bytes,
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
            CollectOptions, DedupeOptions, FileOptions, IdentityOptions, JobOptions,
            ProcessOptions, RetentionOptions, SegmentOptions,
        };
        hub::Options {
            limits: self.limits,
            delivery: self.delivery.options(),
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
            jobs: JobOptions {
                slices_max: self.jobs.slices_max,
                open_max: self.jobs.open_max,
                upload_bytes_max: self.jobs.upload_bytes_max.0 as u64,
                keep: self.jobs.keep.0,
                patience: self.jobs.patience.0,
            },
            segments: SegmentOptions {
                refresh_at: self.segments.refresh_at.0,
                call_timeout: self.segments.call_timeout.0,
                idle_timeout: self.segments.idle_timeout.0,
                transfer_timeout: self.segments.transfer_timeout.0,
            },
            identity: IdentityOptions {
                cache_bytes_max: self.identity.cache_bytes_max.0,
            },
            processes: ProcessOptions {
                is_shared: self.engines.is_shared(),
                roles: self.processes.roles_text(),
                lease: self.processes.lease.0,
                follow_every: self.processes.follow_every.0,
            },
            mail: self.mail.options(),
            sign_in: self.sign_in.options(&self.oidc),
            outbound: self.delivery.outbound(),
        }
    }
}

impl DeliverySection {
    fn options(&self) -> hub::options::DeliveryOptions {
        hub::options::DeliveryOptions {
            retry: RetryPolicy {
                first: self.retry_first.0,
                cap: self.retry_cap.0,
                give_up_after: self.retry_give_up_after.0,
                ..RetryPolicy::default()
            },
            timeout: self.timeout.0,
            response_bytes_max: self.response_bytes_max.0,
            concurrency_max: self.concurrency_max,
            concurrency_per_destination_max: self.concurrency_per_destination_max,
            circuit_failures: self.circuit_failures,
            checkpoint_every: self.checkpoint_every.0,
            eventbatch_documents_max: self.eventbatch_documents_max,
            cache_bytes_max: self.cache_bytes_max.0,
        }
    }

    fn outbound(&self) -> outbound::ClientOptions {
        let mut outbound = hub::Options::default().outbound;
        outbound.guard = outbound::Guard {
            allow_private: self.allow_private_destinations,
            allow: self.allow_networks.clone(),
        };
        outbound.connect_timeout = self.connect_timeout.0;
        // Many destinations may share a host, and closing what will be opened again is the dearest push there is.
        outbound.idle_per_host_max = self.concurrency_max;
        outbound
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
mod tests;
