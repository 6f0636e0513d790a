//! Calls on one connection. Each is bounded in time: who does not answer is treated as gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{FutureExt, maybe_done, try_join};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};

use super::error::{classify, unavailable};
use super::value::{self, fits, parameter_type};
use crate::db::error::shown;
use crate::db::{DbError, Row, Value, placeholder};

/// Prepared statements kept: more than the product has. Lists of changing length make new ones without end.
const STATEMENTS_MAX: usize = 256;

/// Statements that are sent before the first is answered.
const PIPELINED_MAX: usize = 256;

#[derive(Debug)]
pub(in crate::db) struct Connection {
    pub(super) client: Arc<Client>,
    /// The server's process.
    pub(super) backend: i64,
    /// How long it may take to answer a call.
    pub(super) call_max: Duration,
    pub(super) state: State,
    /// What goes before the next statement: a transaction costs no round trip of its own to start.
    pub(super) begin: &'static str,
    pub(super) statements: HashMap<String, Statement>,
}

/// What a connection knows of itself, set before anything is sent: so it holds too when nobody waits for the answer.
#[derive(Debug)]
pub(super) enum State {
    /// In no transaction, and waiting for no answer.
    Idle,
    /// ROLLBACK, behind whatever was sent before, puts it in order.
    InTransaction,
    /// An answer is missing, or says that the server is in trouble.
    InDoubt,
}

impl Connection {
    /// Reads the rows of a statement that is a transaction of its own.
    pub(super) async fn alone(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        self.state = State::InDoubt;
        let rows = self.rows(sql, params).await;
        if !rows.as_ref().is_err_and(DbError::is_retryable) {
            self.state = State::Idle;
        }
        rows
    }

    /// Reads the rows of a statement.
    pub(in crate::db) async fn rows(
        &mut self,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, DbError> {
        let (client, statement) = self.prepare(sql, params).await?;
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|value| value as _).collect();
        let rows = client.query(&statement, &params);
        let rows = self.answer(sql, rows).await?;
        let columns = statement.columns().iter();
        let columns: Arc<[String]> = columns.map(|column| column.name().to_owned()).collect();
        rows.iter()
            .map(|row| {
                let values = (0..columns.len()).map(|index| value::read(row, index));
                let values = values.collect::<Result<_, _>>()?;
                Ok(Row::new(Arc::clone(&columns), values))
            })
            .collect()
    }

    /// Runs a statement once for each row of parameters, and returns how many rows changed in all.
    pub(in crate::db) async fn execute(
        &mut self,
        sql: &str,
        mut rows: &[Vec<Value>],
    ) -> Result<u64, DbError> {
        let mut changed = 0;
        while let Some(first) = rows.first() {
            let (client, statement) = self.prepare(sql, first).await?;
            let fitting = rows.iter().take(PIPELINED_MAX);
            let fitting = fitting.take_while(|row| fits(statement.params(), row));
            let (now, later) = rows.split_at(fitting.count());
            let calls = now.iter().map(|row| client.execute_raw(&statement, row));
            changed += self.answer(sql, in_turn(calls)).await?;
            rows = later;
        }
        Ok(changed)
    }

    /// Runs the statements of a migration, however long that takes.
    pub(in crate::db) async fn script(&mut self, sql: &str) -> Result<(), DbError> {
        let begin = std::mem::take(&mut self.begin);
        let all = format!("{begin}; SET LOCAL statement_timeout = 0; {sql}");
        let done = self.client.batch_execute(&all).await;
        done.map_err(|error| classify(sql, error))
    }

    /// Ends the transaction by `sql`.
    pub(in crate::db) async fn end(&mut self, sql: &str) -> Result<(), DbError> {
        let client = Arc::clone(&self.client);
        self.answer(sql, client.batch_execute(sql)).await?;
        self.state = State::Idle;
        Ok(())
    }

    /// The answer to a call, which is sent behind what begins its transaction.
    async fn answer<T>(
        &mut self,
        sql: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, DbError> {
        let begin = std::mem::take(&mut self.begin);
        let begun = async {
            match begin {
                "" => Ok(()),
                begin => self.client.batch_execute(begin).await,
            }
        };
        let answer = match tokio::time::timeout(self.call_max, try_join(begun, call)).await {
            Ok(answer) => answer.map_err(|error| classify(sql, error)),
            Err(_) => Err(unavailable(format!(
                "PostgreSQL did not answer in {:?}: {}",
                self.call_max,
                shown(sql)
            ))),
        };
        if answer.is_err() {
            // It may have to be prepared anew, after a migration.
            self.statements.remove(sql);
        }
        Ok(answer?.1)
    }

    /// The statement, prepared for parameters of these types, and who runs it.
    async fn prepare(
        &mut self,
        sql: &str,
        params: &[Value],
    ) -> Result<(Arc<Client>, Statement), DbError> {
        let client = Arc::clone(&self.client);
        if let Some(statement) = self.statements.get(sql)
            && fits(statement.params(), params)
        {
            return Ok((client, statement.clone()));
        }
        placeholder::check(&placeholder::places(sql)?, params.len(), sql)?;
        let types: Vec<_> = params.iter().map(parameter_type).collect();
        let prepared = client.prepare_typed(sql, &types);
        let statement = self.answer(sql, prepared).await?;
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok((client, statement))
    }
}

/// Sends all calls in their order, then waits for their answers, and adds these up.
async fn in_turn(
    calls: impl Iterator<Item = impl Future<Output = Result<u64, Error>>>,
) -> Result<u64, Error> {
    let mut sent: Vec<_> = calls.map(|call| Box::pin(maybe_done(call))).collect();
    for call in &mut sent {
        // A call is sent when it is first asked.
        let _ = call.now_or_never();
    }
    let mut sum = 0;
    for mut call in sent {
        call.as_mut().await;
        sum += call.as_mut().take_output().unwrap_or(Ok(0))?;
    }
    Ok(sum)
}
