//! Connections to PostgreSQL: made when needed, lent to one caller at a time, thrown away when in doubt.
//!
//! A [`Lease`] that is dropped closes its connection; only who knows that it is in order gives it back. A server that
//! went away closes idle connections, which are then not lent again: so a pool recovers by itself.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::Connection;
use super::error::{classify, unavailable};
use crate::db::DbError;

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// How long bytes may be underway, and an idle connection be silent, before the server counts as cut off.
const CUT_OFF_AFTER: Duration = Duration::from_secs(5);

/// What connections are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Write,
    /// A statement that writes is an error.
    Read,
    /// For the logs: who publishes waits for them.
    Log,
}

impl Use {
    /// Connections: enough for what waits for a commit, which costs the server a process and little else.
    fn count(self) -> usize {
        match self {
            Self::Write => 16,
            Self::Log => 8,
            Self::Read => 4,
        }
    }

    /// How long the server may take to answer a call, or a connection to be free.
    fn call_max(self) -> Duration {
        match self {
            Self::Write | Self::Read => Duration::from_secs(10),
            Self::Log => Duration::from_secs(5),
        }
    }

    /// What the server ends by itself, a little earlier than we do: a process of ours that halts must not hold locks,
    /// nor a statement go on for ever. `client_connection_check_interval` lets it notice that nobody waits any more.
    fn settings(self) -> String {
        let statement_max = (self.call_max() - Duration::from_millis(500)).as_millis();
        let read_only = if self == Self::Read { "on" } else { "off" };
        format!(
            "SET idle_in_transaction_session_timeout = '5s'; SET statement_timeout = {statement_max};
             SET lock_timeout = '4s'; SET client_connection_check_interval = '1s';
             SET default_transaction_read_only = {read_only}"
        )
    }
}

/// Up to so many connections. They are closed when the last of their users is gone.
#[derive(Debug)]
pub(super) struct Pool {
    config: Config,
    tls: Tls,
    usage: Use,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

#[derive(Clone)]
enum Tls {
    No,
    Yes(MakeRustlsConnect),
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::No => "without TLS",
            Self::Yes(_) => "with TLS",
        })
    }
}

/// What the url asks for, and what we ask of every connection.
pub(super) fn config(url: &str) -> Result<Config, DbError> {
    let mut config: Config = url
        .parse()
        .map_err(|error| classify("the url of the database", error))?;
    // "If the server has it" would accept any certificate, and so protect from nobody.
    if config.get_ssl_mode() != SslMode::Require {
        config.ssl_mode(SslMode::Disable);
    }
    if config.get_application_name().is_none() {
        config.application_name("rialto");
    }
    // All hosts get their turn.
    let hosts = u32::try_from(config.get_hosts().len().max(1)).unwrap_or(1);
    config
        .connect_timeout(CONNECT_MAX / hosts)
        .tcp_user_timeout(CUT_OFF_AFTER)
        .keepalives_idle(CUT_OFF_AFTER)
        .keepalives_interval(Duration::from_secs(1))
        .keepalives_retries(3);
    Ok(config)
}

impl Tls {
    fn new(config: &Config) -> Result<Self, DbError> {
        if config.get_ssl_mode() != SslMode::Require {
            return Ok(Self::No);
        }
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map_err(|error| unavailable(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::Yes(MakeRustlsConnect::new(config)))
    }
}

impl Pool {
    pub(super) fn new(config: Config, usage: Use) -> Result<Arc<Self>, DbError> {
        Ok(Arc::new(Self {
            tls: Tls::new(&config)?,
            config,
            usage,
            permits: Arc::new(Semaphore::new(usage.count())),
            idle: Mutex::default(),
        }))
    }

    /// A connection, as soon as one is free.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, DbError> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(self.usage.call_max(), permit).await else {
            return Err(unavailable("all connections are in use"));
        };
        let idle = loop {
            let newest = self.idle().pop();
            match newest {
                Some(connection) if connection.is_closed() => {}
                other => break other,
            }
        };
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Lease {
            connection: Some(connection),
            pool: Arc::clone(self),
            _permit: permit,
        })
    }

    async fn connect(&self) -> Result<Connection, DbError> {
        let connected = async {
            let client = match &self.tls {
                Tls::No => {
                    let (client, connection) = self.config.connect(NoTls).await?;
                    tokio::spawn(drive(connection));
                    client
                }
                Tls::Yes(tls) => {
                    let (client, connection) = self.config.connect(tls.clone()).await?;
                    tokio::spawn(drive(connection));
                    client
                }
            };
            client.batch_execute(&self.usage.settings()).await?;
            let backend = client.query_one("SELECT pg_backend_pid()", &[]).await?;
            Ok((client, backend.try_get::<_, i32>(0)?))
        };
        match tokio::time::timeout(CONNECT_MAX, connected).await {
            Ok(Ok((client, backend))) => {
                let call_max = self.usage.call_max();
                Ok(Connection::new(client, backend.into(), call_max))
            }
            Ok(Err(error)) => Err(DbError::Unavailable {
                source: tokio_postgres::Error::into(error),
            }),
            Err(_) => Err(unavailable("PostgreSQL takes no connection")),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves a connection's bytes until it ends. What it met is told by the calls that met it too.
async fn drive(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    let _ = connection.await;
}

/// A connection, lent. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Lease {
    /// Empty only once it was given back.
    connection: Option<Connection>,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// Gives the connection to whoever comes next: it is in no transaction, and waits for no answer.
    pub(super) fn give_back(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.idle().push(connection);
        }
    }

    /// The server's process behind it, unless it was given back.
    pub(super) fn backend(&self) -> Option<i64> {
        self.connection.as_ref().map(Connection::backend)
    }

    /// Gives it back after a call that was a transaction of its own, unless that says that the connection is in doubt.
    pub(super) fn give_back_after<T>(&mut self, result: &Result<T, DbError>) {
        match result {
            Err(error) if error.is_retryable() => {}
            _ => self.give_back(),
        }
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("not given back yet")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("not given back yet")
    }
}
