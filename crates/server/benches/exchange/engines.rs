//! On which engines the hub runs: its own files, or real servers that the benchmark starts.
//!
//! `--engine postgres` is PostgreSQL alone, `--engine distributed` PostgreSQL, a JetStream cluster of three nodes and S3, all
//! on this machine and with the settings that keep what is acknowledged. They share its processors with the hub.

use std::time::Duration;

use crate::Result;
use crate::process::Process;

/// Whose floor is the least that a commit takes.
pub(crate) enum Engines {
    Embedded,
    #[cfg(feature = "distributed")]
    Postgres {
        server: services::Postgres,
    },
    #[cfg(feature = "distributed")]
    Distributed {
        server: services::Postgres,
        nats: services::nats::NatsCluster,
        files: services::S3,
    },
}

/// Shards of the hubs here, as by default.
#[cfg(feature = "distributed")]
const SHARDS: &str = "16";

/// Calls that the floors have under way: as many as the hub has commits under way in one shard.
#[cfg(feature = "distributed")]
const AT_ONCE: usize = 4;

impl Engines {
    pub(crate) async fn start(name: &str) -> Result<Self> {
        match name {
            "embedded" => Ok(Self::Embedded),
            #[cfg(feature = "distributed")]
            "postgres" => Ok(Self::Postgres {
                server: services::Postgres::start(&[])?,
            }),
            #[cfg(feature = "distributed")]
            "distributed" => Ok(Self::Distributed {
                server: services::Postgres::start(&[])?,
                nats: services::nats::NatsCluster::start().await?,
                files: services::S3::start()?,
            }),
            #[cfg(not(feature = "distributed"))]
            "postgres" | "distributed" => {
                Err("built without `distributed`: use cargo xtask bench --engine".into())
            }
            other => Err(format!("engine `{other}`: embedded, postgres or distributed").into()),
        }
    }

    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded)
    }

    /// The settings of a hub that nobody has used, as environment variables.
    pub(crate) fn settings(&self) -> Result<Vec<(&'static str, String)>> {
        match self {
            Self::Embedded => Ok(Vec::new()),
            #[cfg(feature = "distributed")]
            Self::Postgres { server } => shared(server),
            #[cfg(feature = "distributed")]
            Self::Distributed {
                server,
                nats,
                files,
            } => {
                let mut settings = shared(server)?;
                // Databases have different names, so streams and files may have these.
                let own = settings[0].1.rsplit('/').next().unwrap_or_default();
                let own = own.to_owned();
                let bucket = services::s3::BUCKET;
                settings.extend([
                    ("RIALTO_ENGINES_LOG", nats.urls()),
                    ("RIALTO_ENGINES_JETSTREAM_PREFIX", own.clone()),
                    ("RIALTO_ENGINES_BLOBS", format!("s3://{bucket}/{own}")),
                    ("RIALTO_ENGINES_S3_ENDPOINT", files.url()),
                    ("RIALTO_ENGINES_S3_REGION", services::s3::REGION.to_owned()),
                    (
                        "RIALTO_ENGINES_S3_ACCESS_KEY",
                        services::s3::ACCESS_KEY.to_owned(),
                    ),
                    (
                        "RIALTO_ENGINES_S3_SECRET_KEY",
                        services::s3::SECRET_KEY.to_owned(),
                    ),
                ]);
                Ok(settings)
            }
        }
    }

    /// CPU seconds of the engines' servers so far.
    pub(crate) fn cpu_s(&self) -> Result<f64> {
        crate::process::started_cpu_s(&["postgres", "nats-server"])
    }

    /// What the floor of a durable batch is called.
    pub(crate) fn floor(&self) -> &'static str {
        match self {
            Self::Embedded => "file",
            #[cfg(feature = "distributed")]
            Self::Postgres { .. } => "inserts",
            #[cfg(feature = "distributed")]
            Self::Distributed { .. } => "stream",
        }
    }

    /// Groups of so many bytes a second, and CPU seconds a group of the program that appends them, without the engine's.
    pub(crate) fn append(
        &self,
        file: &std::path::Path,
        group_bytes: f64,
        time: Duration,
    ) -> Result<(f64, f64)> {
        let (role, target) = match self {
            Self::Embedded => ("append", file.display().to_string()),
            #[cfg(feature = "distributed")]
            Self::Postgres { server } => ("insert", server.url()),
            #[cfg(feature = "distributed")]
            Self::Distributed { nats, .. } => ("stream", nats.urls()),
        };
        let bytes = format!("{group_bytes:.0}");
        let mut floor = Process::role(role, &[target, bytes, time.as_secs_f64().to_string()])?;
        let line = floor.line()?;
        let (rate, cpu_s) = line.split_once(' ').ok_or("an odd line of the floor")?;
        Ok((rate.parse()?, cpu_s.parse()?))
    }
}

#[cfg(feature = "distributed")]
fn shared(server: &services::Postgres) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("RIALTO_ENGINES_DB", server.fresh_database()?),
        ("RIALTO_ENGINES_SHARDS", SHARDS.to_owned()),
        ("RIALTO_SECRET_KEY", "5a".repeat(32)),
    ])
}

/// What the role of a floor on a shared engine does. Prints groups a second and CPU seconds a group.
#[cfg(feature = "distributed")]
pub(crate) async fn play(
    role: &str,
    target: &str,
    group_bytes: usize,
    time: Duration,
) -> Result<()> {
    let mut body = crate::sample::individual(crate::sample::CODE).into_bytes();
    body.resize(group_bytes.max(body.len()), b' ');
    body.truncate(group_bytes);
    let before_s = crate::process::own_cpu_s()?;
    let rate = match role {
        "role:insert" => services::floor::insert(target, &body, AT_ONCE, time).await?,
        _ => services::floor::publish(target, 3, &body, AT_ONCE, time).await?,
    };
    let cpu_s = crate::process::own_cpu_s()? - before_s;
    println!("{rate} {}", cpu_s / (rate * time.as_secs_f64()));
    Ok(())
}
