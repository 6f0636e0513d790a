//! Connections to PostgreSQL: made when needed, lent to one caller at a time, thrown away when in doubt.
//!
//! Whether it is in doubt a connection knows by itself, so who has a [`Lease`] has only to drop it. A server that went
//! away closes idle connections, which are then not lent again: so a pool recovers by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    self, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType,
};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::{Connection, State};
use super::error::{classify, unavailable};
use crate::db::{DbError, SyncAt};

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// How long bytes may be underway, and an idle connection be silent, before the server counts as cut off.
const CUT_OFF_AFTER: Duration = Duration::from_secs(5);

/// Up to so many connections, the newest lent first. They are closed when the last of their users is gone.
pub(super) type Pool = managed::Pool<Manager>;

/// A pool in which calls, and waiting for a connection, take up to `call_max` each. Where `read_only` is `on` and not `off`,
/// a statement that writes is an error.
pub(super) fn pool(
    url: &str,
    connections_max: usize,
    call_max: Duration,
    read_only: &str,
) -> Result<Pool, DbError> {
    let config = config(url)?;
    // What the server ends by itself, a little earlier than we do: a process of ours that halts must not hold locks, nor a
    // statement go on for ever. `client_connection_check_interval` lets it notice that nobody waits any more.
    let statement_max = (call_max - Duration::from_millis(500)).as_millis();
    let settings = format!(
        "SET idle_in_transaction_session_timeout = '5s'; SET statement_timeout = {statement_max};
         SET lock_timeout = '4s'; SET client_connection_check_interval = '1s';
         SET default_transaction_read_only = {read_only}"
    );
    let manager = Manager {
        tls: tls(&config)?,
        config,
        settings,
        call_max,
    };
    let pool = Pool::builder(manager)
        .max_size(connections_max)
        .queue_mode(QueueMode::Lifo)
        .wait_timeout(Some(call_max))
        .create_timeout(Some(CONNECT_MAX))
        .runtime(Runtime::Tokio1)
        .build();
    pool.map_err(unavailable)
}

/// What the url asks for, and what we ask of every connection.
fn config(url: &str) -> Result<Config, DbError> {
    let wrong = |error| classify("the url of the database", error);
    let mut config: Config = url.parse().map_err(wrong)?;
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

/// Trusts whom this system trusts. Without TLS nobody asks it, and it would trust nobody.
fn tls(config: &Config) -> Result<ClientConfig, DbError> {
    let mut roots = RootCertStore::empty();
    if config.get_ssl_mode() == SslMode::Require {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(ring);
    let tls = tls.with_safe_default_protocol_versions();
    let tls = tls.map_err(unavailable)?.with_root_certificates(roots);
    Ok(tls.with_no_client_auth())
}

/// Makes connections.
#[derive(Debug)]
pub(super) struct Manager {
    config: Config,
    tls: ClientConfig,
    /// What a new connection is told first.
    settings: String,
    call_max: Duration,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = Error;

    async fn create(&self) -> Result<Connection, Error> {
        let tls = MakeRustlsConnect::new(self.tls.clone());
        let (client, connection) = self.config.connect(tls).await?;
        // What it meets is told by the calls that meet it too.
        tokio::spawn(async move { drop(connection.await) });
        client.batch_execute(&self.settings).await?;
        let backend = client.query_one("SELECT pg_backend_pid()", &[]).await?;
        Ok(Connection {
            client: Arc::new(client),
            backend: backend.try_get::<_, i32>(0)?.into(),
            call_max: self.call_max,
            state: State::Idle,
            begin: "",
            statements: HashMap::new(),
        })
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Error> {
        if connection.client.is_closed() {
            return Err(RecycleError::message("closed"));
        }
        Ok(())
    }
}

/// A connection, lent. Dropping it undoes a transaction that is open; then the next may have the connection, or it is
/// closed if it is in doubt.
#[derive(Debug)]
pub(in crate::db) struct Lease(Option<Object<Manager>>);

impl Lease {
    /// A connection, as soon as one is free.
    pub(super) async fn of(pool: &Pool) -> Result<Self, DbError> {
        // On the heap, for its size: all that makes a connection is in it.
        let connection = Box::pin(pool.get()).await.map_err(|error| match error {
            PoolError::Backend(error) => unavailable(error),
            PoolError::Timeout(TimeoutType::Wait) => unavailable("all connections are in use"),
            _ => unavailable("PostgreSQL takes no connection"),
        })?;
        Ok(Self(Some(connection)))
    }

    /// The connection; with `begin`, in a transaction from the next statement on.
    pub(in crate::db) fn connection(&mut self, begin: Option<SyncAt>) -> &mut Connection {
        let connection = self.0.as_mut().expect("it is there until it is dropped");
        if let Some(sync) = begin {
            connection.state = State::InTransaction;
            connection.begin = match sync {
                SyncAt::Commit => "BEGIN",
                SyncAt::NextCommit => "BEGIN; SET LOCAL synchronous_commit TO OFF",
            };
        }
        connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.0.take() else {
            return;
        };
        match (&connection.state, Handle::try_current()) {
            (State::Idle, _) => {}
            (State::InTransaction, Ok(runtime)) => {
                connection.state = State::InDoubt;
                let mut lease = Self(Some(connection));
                runtime.spawn(async move { lease.connection(None).end("ROLLBACK").await });
            }
            // Closing it undoes everything too.
            _ => drop(Object::take(connection)),
        }
    }
}
