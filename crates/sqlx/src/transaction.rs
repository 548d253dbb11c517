//! `Transaction`: begins, commits and rolls back on a connection of a pool, which notices failed statements in it.

use std::fmt;
use std::ops::{Deref, DerefMut};

use sqlx_core::transaction::TransactionManager as _;

use crate::connection::{Connection, PoolConnection};
use crate::engine::Engine;
use crate::pool::Pool;

/// A transaction, or a savepoint in one. Statements run on it as on a connection: `query.execute(&mut *transaction)`.
///
/// It is rolled back when it is dropped, at the latest before its connection is used again.
#[must_use = "a transaction is rolled back when it is dropped"]
pub struct Transaction<'c, DB: Engine> {
    connection: Held<'c, DB>,
    /// Whether it may have begun and has not ended.
    open: bool,
}

enum Held<'c, DB: Engine> {
    Pool(PoolConnection<DB>),
    Borrowed(&'c mut Connection<DB>),
}

impl<DB: Engine> Pool<DB> {
    /// Acquires a connection and begins a transaction on it.
    ///
    /// # Errors
    /// Returns an error if no connection can be acquired ([`acquire`](Self::acquire)), or the server does not begin the
    /// transaction.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static, DB>> {
        Transaction::begin(Held::Pool(self.acquire().await?)).await
    }
}

impl<DB: Engine> Connection<DB> {
    /// Begins a transaction, or sets a savepoint in one.
    ///
    /// # Errors
    /// Returns an error if the server does not begin it.
    pub async fn begin(&mut self) -> sqlx::Result<Transaction<'_, DB>> {
        Transaction::begin(Held::Borrowed(self)).await
    }
}

impl<'c, DB: Engine> Transaction<'c, DB> {
    async fn begin(connection: Held<'c, DB>) -> sqlx::Result<Self> {
        // Open before it has begun: if this future is dropped, the transaction may have begun.
        let mut transaction = Self { connection, open: true };
        transaction.watch(async |connection| DB::TransactionManager::begin(connection, None).await).await?;
        Ok(transaction)
    }

    /// Commits the transaction, or releases the savepoint.
    ///
    /// # Errors
    /// Returns an error if the server does not confirm it. After a broken connection, it is unknown whether the server
    /// has committed.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        self.watch(async |connection| DB::TransactionManager::commit(connection).await).await?;
        self.open = false;
        Ok(())
    }

    /// Rolls back the transaction, or returns to the savepoint.
    ///
    /// # Errors
    /// Returns an error if the server does not confirm it. It rolls back when the connection ends, too.
    pub async fn rollback(mut self) -> sqlx::Result<()> {
        self.watch(async |connection| DB::TransactionManager::rollback(connection).await).await?;
        self.open = false;
        Ok(())
    }
}

impl<DB: Engine> Drop for Transaction<'_, DB> {
    fn drop(&mut self) {
        if self.open {
            // Queued, and sent before the next statement or with the test of the returned connection.
            DB::TransactionManager::start_rollback(self.queue());
        }
    }
}

impl<DB: Engine> Deref for Transaction<'_, DB> {
    type Target = Connection<DB>;

    fn deref(&self) -> &Connection<DB> {
        match &self.connection {
            Held::Pool(connection) => connection,
            Held::Borrowed(connection) => connection,
        }
    }
}

impl<DB: Engine> DerefMut for Transaction<'_, DB> {
    fn deref_mut(&mut self) -> &mut Connection<DB> {
        match &mut self.connection {
            Held::Pool(connection) => connection,
            Held::Borrowed(connection) => connection,
        }
    }
}

impl<DB: Engine> fmt::Debug for Transaction<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transaction")
    }
}
