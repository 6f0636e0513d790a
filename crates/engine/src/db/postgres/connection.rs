//! Calls on one connection. Each is bounded in time: who does not answer is treated as gone.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{maybe_done, try_join};
use tokio_postgres::{Client, Error, Statement};

use super::error::{classify, unavailable};
use super::value::{self, check_placeholders, fits, parameter_type};
use crate::db::error::shown;
use crate::db::{DbError, Row, Value};

/// Prepared statements kept: more than the product has. Lists of changing length make new ones without end.
const STATEMENTS_MAX: usize = 256;

/// Statements that are sent before the first is answered.
const PIPELINED_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    /// The server's process.
    backend: i64,
    /// How long it may take to answer a call.
    call_max: Duration,
    statements: HashMap<String, Prepared>,
}

#[derive(Clone, Debug)]
struct Prepared {
    statement: Statement,
    columns: Arc<[String]>,
}

impl Connection {
    pub(super) fn new(client: Client, backend: i64, call_max: Duration) -> Self {
        Self {
            client,
            backend,
            call_max,
            statements: HashMap::new(),
        }
    }

    pub(super) fn backend(&self) -> i64 {
        self.backend
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Reads the rows of a statement; with `begin`, in a new transaction.
    pub(super) async fn rows(
        &mut self,
        begin: Option<&str>,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, DbError> {
        let Prepared { statement, columns } = self.prepare(sql, params).await?;
        let rows = async {
            let rows = self.client.query_raw(&statement, params).await?;
            futures_util::TryStreamExt::try_collect::<Vec<_>>(pin!(rows)).await
        };
        let rows = self.limited(sql, try_join(self.begin(begin), rows)).await;
        let rows = self.known(sql, rows)?.1;
        rows.iter()
            .map(|row| {
                let values = (0..columns.len()).map(|index| value::read(row, index));
                Ok(Row::new(
                    Arc::clone(&columns),
                    values.collect::<Result<_, _>>()?,
                ))
            })
            .collect()
    }

    /// Runs a statement once for each row of parameters, and returns how many rows changed in all.
    pub(super) async fn execute(
        &mut self,
        mut begin: Option<&str>,
        sql: &str,
        rows: &[Vec<Value>],
    ) -> Result<u64, DbError> {
        let mut changed = 0;
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let Prepared { statement, .. } = self.prepare(sql, first).await?;
            let fitting = rest.iter().take(PIPELINED_MAX);
            let count = fitting
                .take_while(|row| fits(statement.params(), row))
                .count();
            let (now, later) = rest.split_at(count);
            let calls = now
                .iter()
                .map(|row| self.client.execute_raw(&statement, row));
            let calls = try_join(self.begin(begin), in_turn(calls));
            let answer = self.limited(sql, calls).await;
            changed += self.known(sql, answer)?.1;
            begin = None;
            rest = later;
        }
        if let Some(begin) = begin {
            self.run(begin).await?;
        }
        Ok(changed)
    }

    /// Runs one statement without parameters that answers nothing.
    pub(super) async fn run(&self, sql: &str) -> Result<(), DbError> {
        self.limited(sql, self.client.batch_execute(sql)).await
    }

    /// Runs the statements of a migration, however long that takes.
    pub(super) async fn script(&self, begin: Option<&str>, sql: &str) -> Result<(), DbError> {
        let begin = begin.unwrap_or_default();
        let all = format!("{begin}; SET LOCAL statement_timeout = 0; {sql}");
        let done = self.client.batch_execute(&all).await;
        done.map_err(|error| classify(sql, error))
    }

    /// Forgets a statement that failed: it may have to be prepared anew, after a migration.
    fn known<T>(&mut self, sql: &str, answer: Result<T, DbError>) -> Result<T, DbError> {
        if answer.is_err() {
            self.statements.remove(sql);
        }
        answer
    }

    async fn limited<T>(
        &self,
        sql: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, DbError> {
        match tokio::time::timeout(self.call_max, call).await {
            Ok(answer) => answer.map_err(|error| classify(sql, error)),
            Err(_) => Err(unavailable(format!(
                "PostgreSQL did not answer in {:?}: {}",
                self.call_max,
                shown(sql)
            ))),
        }
    }

    async fn begin(&self, begin: Option<&str>) -> Result<(), Error> {
        match begin {
            Some(begin) => self.client.batch_execute(begin).await,
            None => Ok(()),
        }
    }

    /// The statement, prepared for parameters of these types.
    async fn prepare(&mut self, sql: &str, params: &[Value]) -> Result<Prepared, DbError> {
        if let Some(prepared) = self.statements.get(sql)
            && fits(prepared.statement.params(), params)
        {
            return Ok(prepared.clone());
        }
        check_placeholders(sql, params.len())?;
        let types: Vec<_> = params.iter().map(parameter_type).collect();
        let statement = self
            .limited(sql, self.client.prepare_typed(sql, &types))
            .await?;
        let columns = statement
            .columns()
            .iter()
            .map(|column| column.name().to_owned());
        let prepared = Prepared {
            columns: columns.collect(),
            statement,
        };
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), prepared.clone());
        Ok(prepared)
    }
}

/// Sends all calls in their order, then waits for their answers, and adds these up.
async fn in_turn(
    calls: impl Iterator<Item = impl Future<Output = Result<u64, Error>>>,
) -> Result<u64, Error> {
    let mut sent: Vec<_> = calls.map(|call| Box::pin(maybe_done(call))).collect();
    std::future::poll_fn(|context| {
        for call in &mut sent {
            let _ = call.as_mut().poll(context);
        }
        std::task::Poll::Ready(())
    })
    .await;
    let mut sum = 0;
    for mut call in sent {
        call.as_mut().await;
        sum += call.as_mut().take_output().unwrap_or(Ok(0))?;
    }
    Ok(sum)
}
