//! `Connection`: sqlx's connection, whose failed statements its pool notices. `PoolConnection`: one borrowed from a pool,
//! which goes to the next caller without a test if its last statement was read to its end.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use rds_iam_token::ErrorKind;
use sqlx::{Connection as _, Either, Execute, Executor, SqlStr};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::engine::{Engine, Step};
use crate::error::{classify, timed_out_error};
use crate::idle::{return_in_step, return_to_sqlx};
use crate::rows::{Rows, next};
use crate::state::State;

const BORROWED: &str = "the connection is taken only on drop";

/// A connection, on which statements run as on sqlx's: `query.fetch_one(&mut *connection)`. The pool notices each failed
/// statement without the caller's help.
pub struct Connection<DB: Engine> {
    /// `None` only after it was returned.
    inner: Option<sqlx::pool::PoolConnection<DB>>,
    condition: Condition,
    statement_timeout: Option<Duration>,
    pool: Weak<State<DB>>,
}

/// What the last statement showed of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    /// It was read to its end without an error.
    Clean,
    /// It failed, or was not read to its end.
    Untested,
    /// The server refused a write: it may be a reader. Later ones don't change this.
    RefusedWrite,
    /// One was dropped while its answer arrived: what is read next may be the middle of that. Later ones don't change this.
    Interrupted,
    /// It was not answered in time, or the connection broke. No other runs on it.
    Broken,
}

impl Condition {
    /// Returns the condition after a statement that ended on a connection of this one.
    fn after(self, error: Option<&sqlx::Error>) -> Self {
        match error {
            Some(sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_)) => Self::Broken,
            _ if matches!(self, Self::Interrupted | Self::Broken) => self,
            Some(error) if classify::kind(error) == ErrorKind::ReadOnly => Self::RefusedWrite,
            _ if self == Self::RefusedWrite => self,
            Some(_) => Self::Untested,
            None => Self::Clean,
        }
    }

    /// Returns the condition between the steps of a statement.
    fn during(self) -> Self {
        self.max(Self::Untested)
    }
}

/// A connection borrowed from a [`Pool`](crate::Pool), returned when it is dropped. It dereferences to [`Connection`].
///
/// If its last statement was read to its end without an error, the next caller gets it as it is. Otherwise its state is
/// unknown, and it is tested before it is used again; or closed, if the connection broke or the statement was not answered
/// within [`statement_timeout`](crate::Limits::statement_timeout). The test rolls back an open transaction: after an error,
/// PostgreSQL refuses all other statements in it.
///
/// As with sqlx's pool, what statements change in the session stays for the next caller: variables (`SET`), temporary tables,
/// locks (`LOCK TABLES`), and a transaction that was begun as text and whose last statement succeeded. One of
/// [`begin`](Connection::begin) is rolled back, or its connection closed.
pub struct PoolConnection<DB: Engine> {
    connection: Connection<DB>,
    /// The time at which sqlx last returned it.
    acquired_at: Instant,
    permit: Option<OwnedSemaphorePermit>,
}

impl<DB: Engine> Connection<DB> {
    /// Returns sqlx's connection, for code that needs one. The pool notices no failed statement on it
    /// ([`Pool::report`](crate::Pool::report) does), and tests the connection before it is used again.
    pub fn sqlx(&mut self) -> &mut DB::Connection {
        // A statement on it may be dropped unnoticed.
        self.condition = self.condition.max(Condition::Interrupted);
        self.inner.as_mut().expect(BORROWED)
    }

    /// Returns sqlx's connection, to queue a command for the next statement or test.
    pub(crate) fn queue(&mut self) -> &mut DB::Connection {
        self.condition = self.condition.during();
        self.inner.as_mut().expect(BORROWED)
    }

    /// Sends a ping to the server.
    ///
    /// # Errors
    /// Returns an error if the server does not answer it.
    pub async fn ping(&mut self) -> sqlx::Result<()> {
        self.watch(async |connection| connection.ping().await).await
    }

    /// Runs a future on sqlx's connection, and notices its failure.
    pub(crate) async fn watch<T>(
        &mut self,
        run: impl AsyncFnOnce(&mut DB::Connection) -> sqlx::Result<T>,
    ) -> sqlx::Result<T> {
        let before = self.condition;
        if before == Condition::Broken {
            return Err(broken_error());
        }
        // Until it has completed: the future may be dropped.
        self.condition = Condition::Interrupted;
        let run = run(self.inner.as_mut().expect(BORROWED));
        let result = match self.statement_timeout {
            None => run.await,
            Some(limit) => timeout(limit, run).await.unwrap_or_else(|_| Err(timed_out_error(limit))),
        };
        self.condition = before.after(result.as_ref().err());
        result.inspect_err(|error| notice(&self.pool, error))
    }
}

/// Creates the error of a statement on a connection that is closed when it is returned.
fn broken_error() -> sqlx::Error {
    let message = "the connection is closed, since it broke or an earlier statement was not answered in time";
    sqlx::Error::Io(io::Error::new(io::ErrorKind::NotConnected, message))
}

fn notice<DB: Engine>(pool: &Weak<State<DB>>, error: &sqlx::Error) {
    if let Some(pool) = pool.upgrade() {
        pool.notice(error);
    }
}

/// The results and rows of a statement. Marks its connection as clean at their end.
struct Watched<'e, DB: Engine> {
    steps: BoxStream<'e, sqlx::Result<Step<DB>>>,
    condition: &'e mut Condition,
    /// The condition before the statement.
    before: Condition,
    failed: bool,
    limit: Option<Duration>,
    /// The time left for the next step, while one is awaited.
    wait: Option<Pin<Box<Sleep>>>,
    pool: &'e Weak<State<DB>>,
}

impl<DB: Engine> Watched<'_, DB> {
    /// Polls for the next step, within the limit.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Option<sqlx::Result<Step<DB>>>> {
        if *self.condition == Condition::Broken {
            return Poll::Ready(None);
        }
        if let ready @ Poll::Ready(_) = self.steps.as_mut().poll_next(context) {
            self.wait = None;
            return ready;
        }
        // Until there is an answer: the stream may be dropped.
        *self.condition = Condition::Interrupted;
        let Some(limit) = self.limit else { return Poll::Pending };
        let wait = self.wait.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(wait.as_mut().poll(context));
        Poll::Ready(Some(Err(timed_out_error(limit))))
    }
}

impl<DB: Engine> Stream for Watched<'_, DB> {
    type Item = sqlx::Result<Step<DB>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let step = ready!(self.poll_step(context));
        match &step {
            Some(Ok(_)) => *self.condition = self.before.during(),
            Some(Err(error)) => {
                self.failed = true;
                *self.condition = self.before.after(Some(error));
                notice(self.pool, error);
            }
            None if !self.failed => *self.condition = self.before.after(None),
            None => {}
        }
        Poll::Ready(step)
    }
}

impl<'c, DB: Engine> Executor<'c> for &'c mut Connection<DB> {
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Step<DB>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let Connection { inner, condition, statement_timeout, pool } = self;
        let before = *condition;
        if before == Condition::Broken {
            return Box::pin(Rows::new(async |_| Err(broken_error())));
        }
        *condition = before.during();
        let steps = DB::fetch_many(inner.as_mut().expect(BORROWED), query);
        Box::pin(Watched {
            steps,
            condition,
            before,
            failed: false,
            limit: *statement_timeout,
            wait: None,
            pool,
        })
    }

    /// Reads on to the end after the first row, which saves the test of the connection, unless there is a second row.
    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<DB::Row>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let mut steps = self.fetch_many(query);
        Box::pin(async move {
            let mut first = None;
            while let Some(step) = next(&mut steps).await {
                match step {
                    Ok(Either::Left(_)) => {}
                    Ok(Either::Right(row)) if first.is_none() => first = Some(row),
                    Err(error) if first.is_none() => return Err(error),
                    // As with sqlx, the first row counts.
                    _ => break,
                }
            }
            Ok(first)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<DB::Statement>>
    where
        'c: 'e,
    {
        Box::pin(self.watch(async move |connection| DB::prepare_with(connection, sql, parameters).await))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<sqlx::Describe<DB>>>
    where
        'c: 'e,
    {
        Box::pin(self.watch(async move |connection| DB::describe(connection, sql).await))
    }
}

impl<DB: Engine> PoolConnection<DB> {
    pub(crate) fn new(
        connection: sqlx::pool::PoolConnection<DB>,
        acquired_at: Instant,
        permit: OwnedSemaphorePermit,
        pool: &Arc<State<DB>>,
    ) -> Self {
        let connection = Connection {
            inner: Some(connection),
            condition: Condition::Clean,
            statement_timeout: pool.limits.statement_timeout,
            pool: Arc::downgrade(pool),
        };
        Self { connection, acquired_at, permit: Some(permit) }
    }

    /// Returns the connection to sqlx, which tests it.
    pub(crate) fn return_for_test(mut self) {
        if let Some(connection) = self.connection.inner.take() {
            return_to_sqlx(connection, self.permit.take());
        }
    }
}

impl<DB: Engine> Drop for PoolConnection<DB> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.inner.take() else { return };
        let permit = self.permit.take();
        let is_broken = self.connection.condition == Condition::Broken;
        if is_broken || connection.is_in_transaction() {
            // A test would wait for the statement's answer, and the next caller be in the forgotten transaction.
            tracing::debug!(
                is_broken,
                "a connection that broke, or with a statement or transaction that has not ended, is closed"
            );
            drop(connection.detach());
            return;
        }
        match self.connection.condition {
            Condition::RefusedWrite if !DB::REFUSED_WRITE_IS_PROOF => {
                return State::return_doubted(self.connection.pool.clone(), connection, permit);
            }
            Condition::Interrupted | Condition::Untested | Condition::RefusedWrite => {
                return return_in_step(connection, permit);
            }
            Condition::Clean | Condition::Broken => {}
        }
        let Some(pool) = self.connection.pool.upgrade() else { return return_to_sqlx(connection, permit) };
        // The permit is dropped after the connection is in the list: its next holder checks the list first.
        if let Some(connection) = pool.keep_idle(connection, self.acquired_at) {
            return_to_sqlx(connection, permit);
        }
    }
}

impl<DB: Engine> Deref for PoolConnection<DB> {
    type Target = Connection<DB>;

    fn deref(&self) -> &Connection<DB> {
        &self.connection
    }
}

impl<DB: Engine> DerefMut for PoolConnection<DB> {
    fn deref_mut(&mut self) -> &mut Connection<DB> {
        &mut self.connection
    }
}

impl<DB: Engine> fmt::Debug for Connection<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl<DB: Engine> fmt::Debug for PoolConnection<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolConnection")
    }
}
