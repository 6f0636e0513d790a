//! Which engines everything rests on: the sections `[engines]` and `[processes]`, and what of it makes no sense together.
//!
//! Addresses of servers may carry passwords: they are [`Secret`]s, and no error here repeats a value.

use std::path::PathBuf;

use engine::{JetStreamOptions, S3Options};
use model::secret::Secret;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Duration;

/// Most shards there can be: each costs every process a little.
const SHARDS_MAX: u32 = hub::shard::SHARDS_MAX;

/// Shards where nothing else is said and several processes may share the work: enough for as many processes.
const SHARDS_SHARED: u32 = 16;

/// JetStream keeps at most so many copies.
const REPLICAS_MAX: usize = 5;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnginesSection {
    pub db: DbEngine,
    pub log: LogEngine,
    pub blobs: BlobsEngine,
    /// 0: as decided at the first start, or by the engines.
    pub shards: u32,
    pub s3_endpoint: String,
    pub s3_region: String,
    pub s3_path_style: bool,
    #[serde(deserialize_with = "super::secret")]
    pub s3_access_key: Secret,
    #[serde(deserialize_with = "super::secret")]
    pub s3_secret_key: Secret,
    pub s3_timeout: Duration,
    pub jetstream_prefix: String,
    pub jetstream_replicas: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DbEngine {
    Sqlite,
    /// Its URL.
    Postgres(Secret),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEngine {
    /// With the database: SQLite files of its own, or the same PostgreSQL.
    Db,
    /// The URLs of JetStream's servers.
    JetStream(Secret),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobsEngine {
    /// In the data directory.
    Directory,
    /// A directory that other processes share.
    Shared(PathBuf),
    S3 {
        bucket: String,
        prefix: String,
    },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessesSection {
    pub roles: Vec<Role>,
    pub lease: Duration,
    pub follow_every: Duration,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Api,
    Flow,
    Console,
}

impl EnginesSection {
    /// Whether other processes may work on the same database.
    pub fn is_shared(&self) -> bool {
        self.db != DbEngine::Sqlite
    }

    /// The number of shards that is asked for, if one is.
    pub fn shards_wanted(&self) -> Option<u32> {
        (self.shards > 0).then_some(self.shards)
    }

    /// How many shards a new installation has if it asks for no number.
    pub fn shards_default(&self) -> u32 {
        if self.is_shared() { SHARDS_SHARED } else { 1 }
    }

    /// What the blobs' bucket needs; `None` if they are in a directory.
    pub fn s3(&self) -> Option<S3Options> {
        let BlobsEngine::S3 { bucket, prefix } = &self.blobs else {
            return None;
        };
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let access_key = given(self.s3_access_key.expose());
        Some(S3Options {
            bucket: bucket.clone(),
            prefix: prefix.clone(),
            endpoint: given(&self.s3_endpoint),
            region: given(&self.s3_region),
            is_path_style: Some(self.s3_path_style),
            credentials: access_key.zip(given(self.s3_secret_key.expose())),
            timeout: self.s3_timeout.0,
        })
    }

    /// What the log needs on JetStream; `None` if it is with the database.
    pub fn jetstream(&self) -> Option<JetStreamOptions> {
        let LogEngine::JetStream(servers) = &self.log else {
            return None;
        };
        Some(JetStreamOptions {
            servers: servers.expose().to_owned(),
            prefix: self.jetstream_prefix.clone(),
            replicas: (self.jetstream_replicas > 0).then_some(self.jetstream_replicas),
            stream_bytes_max: None,
        })
    }
}

impl ProcessesSection {
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// As other processes read it.
    pub fn roles_text(&self) -> String {
        let names = self.roles.iter().map(|role| match role {
            Role::Api => "api",
            Role::Flow => "flow",
            Role::Console => "console",
        });
        names.collect::<Vec<_>>().join(",")
    }
}

/// Looks at both sections together: sentences on what may be a mistake.
///
/// # Errors
/// A sentence on what cannot be meant.
pub(super) fn check(
    engines: &EnginesSection,
    processes: &ProcessesSection,
) -> Result<Vec<String>, String> {
    let is_shared = engines.is_shared();
    let needs = [
        (is_shared, "engines.db", "PostgreSQL"),
        (engines.jetstream().is_some(), "engines.log", "JetStream"),
        (engines.s3().is_some(), "engines.blobs", "S3"),
    ];
    for (is_needed, key, engine) in needs {
        if is_needed && !cfg!(feature = "distributed") {
            return Err(format!(
                "{key} is {engine}, and this program was built without `distributed`: build it with --features distributed"
            ));
        }
    }
    if engines.jetstream().is_some() && !is_shared {
        return Err(
            "engines.log is JetStream and engines.db is SQLite: a log that others can reach is of no use beside a \
             database that they cannot; use PostgreSQL for engines.db, or \"db\" for engines.log"
                .to_owned(),
        );
    }
    check_numbers(engines, processes)?;
    check_roles(processes, is_shared)?;
    let mut warnings = Vec::new();
    if is_shared && engines.blobs == BlobsEngine::Directory {
        warnings.push(
            "engines.db is PostgreSQL and engines.blobs is a directory of this machine: with more than one process, \
             files that one writes are not there for the others; name an S3 bucket or a shared directory"
                .to_owned(),
        );
    }
    Ok(warnings)
}

fn check_numbers(engines: &EnginesSection, processes: &ProcessesSection) -> Result<(), String> {
    if engines.shards > SHARDS_MAX {
        return Err(format!(
            "engines.shards is {}: expected 1 to {SHARDS_MAX}, or 0 for what suits the engines",
            engines.shards
        ));
    }
    if engines.s3_access_key.expose().is_empty() != engines.s3_secret_key.expose().is_empty() {
        return Err("engines.s3_access_key and engines.s3_secret_key come together".to_owned());
    }
    if engines.s3_timeout.0 < std::time::Duration::from_secs(1) {
        return Err("engines.s3_timeout is too short: expected 1s or more".to_owned());
    }
    if engines.jetstream_replicas > REPLICAS_MAX {
        return Err(format!(
            "engines.jetstream_replicas is {}: expected 1 to {REPLICAS_MAX}, or 0 for what the cluster allows",
            engines.jetstream_replicas
        ));
    }
    let prefix = &engines.jetstream_prefix;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if prefix.is_empty() || !prefix.bytes().all(allowed) {
        return Err(format!(
            "engines.jetstream_prefix is `{prefix}`: expected letters, digits, `-` and `_`"
        ));
    }
    let (lease, follow_every) = (processes.lease.0, processes.follow_every.0);
    if lease < std::time::Duration::from_secs(1) {
        return Err(
            "processes.lease is shorter than 1s: a process that is merely busy would be taken for dead".to_owned(),
        );
    }
    if follow_every.is_zero() || follow_every > lease {
        return Err(
            "processes.follow_every is expected to be more than 0 and no more than processes.lease"
                .to_owned(),
        );
    }
    Ok(())
}

fn check_roles(processes: &ProcessesSection, is_shared: bool) -> Result<(), String> {
    let lacks = |role| !processes.has(role);
    if lacks(Role::Api) && lacks(Role::Flow) {
        return Err(
            "processes.roles has neither \"api\" nor \"flow\": such a process would do nothing"
                .to_owned(),
        );
    }
    if !is_shared && (lacks(Role::Api) || lacks(Role::Flow)) {
        return Err(
            "processes.roles lacks \"api\" or \"flow\", and engines.db is SQLite: a process on SQLite is alone, nobody \
             else would do it; use PostgreSQL, or all roles"
                .to_owned(),
        );
    }
    Ok(())
}

impl<'de> Deserialize<'de> for DbEngine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "sqlite" {
            Ok(Self::Sqlite)
        } else if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Ok(Self::Postgres(Secret::new(text)))
        } else {
            Err(D::Error::custom(
                "engines.db is neither \"sqlite\" nor \"postgres://user:password@host/database\"",
            ))
        }
    }
}

impl<'de> Deserialize<'de> for LogEngine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_url = |url: &str| url.starts_with("nats://") || url.starts_with("tls://");
        if text == "db" {
            return Ok(Self::Db);
        }
        if !is_url(&text) {
            return Err(D::Error::custom(
                "engines.log is neither \"db\" nor \"nats://host:4222,host:4222\"",
            ));
        }
        // The scheme is said once: those that follow are hosts.
        let scheme = text.split_inclusive("://").next().unwrap_or_default();
        let urls = text.split(',').map(str::trim).map(|url| {
            if is_url(url) {
                url.to_owned()
            } else {
                format!("{scheme}{url}")
            }
        });
        Ok(Self::JetStream(Secret::new(
            urls.collect::<Vec<_>>().join(","),
        )))
    }
}

impl<'de> Deserialize<'de> for BlobsEngine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "directory" {
            return Ok(Self::Directory);
        }
        if let Some(path) = text.strip_prefix("file://")
            && path.starts_with('/')
        {
            return Ok(Self::Shared(path.into()));
        }
        if let Some(place) = text.strip_prefix("s3://") {
            let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
            if !bucket.is_empty() {
                return Ok(Self::S3 {
                    bucket: bucket.to_owned(),
                    prefix: prefix.trim_end_matches('/').to_owned(),
                });
            }
        }
        Err(D::Error::custom(
            "engines.blobs is none of \"directory\", \"file:///a/shared/directory\" and \"s3://bucket/prefix\"",
        ))
    }
}
