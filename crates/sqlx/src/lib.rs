//! sqlx pools that stay authenticated while IAM tokens, credentials and servers come and go.
//!
//! A token lives 15 minutes; a pool that keeps its first one fails at its first new connection after
//! that. A [`Pool`] is a sqlx pool whose new connections always get a valid token, over
//! TLS that verifies the server's identity, and never too many at once. Statements run on it as on sqlx's.
//! One connection for a short-lived program is opened by [`connect()`]. Errors say what the caller can do
//! ([`ErrorKind`](rds_iam_token::ErrorKind)).
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rds_iam_sqlx::MySqlPool;
//!
//! let pool = MySqlPool::connect("mysql://node_app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders").await?;
//! let user: String = sqlx::query_scalar("SELECT CURRENT_USER()").fetch_one(&pool).await?;
//! # Ok(()) }
//! ```
//!
//! # The three addresses
//! Tokens are *signed for* the endpoint. The name that *TLS verifies* is that of the same endpoint. The address that is
//! *dialled* is the endpoint too, unless [`Builder::dial`] sets another: the near end of a tunnel, or a server on this
//! machine. It is never verified.

mod acquire;
mod builder;
#[cfg(feature = "config")]
mod config;
mod connect;
mod connection;
mod credential;
mod dial;
mod dsn;
mod engine;
mod error;
mod executor;
mod health;
mod host;
mod idle;
mod limits;
mod maintenance;
mod mysql;
mod pool;
mod rate_limit;
mod read_only;
mod rows;
mod state;
mod stats;
mod transaction;

#[cfg(feature = "aws-config")]
pub use builder::AssumeRole;
pub use builder::Builder;
#[cfg(feature = "config")]
pub use config::{ConfigError, Databases, EntryError};
pub use connect::{Target, connect};
pub use connection::{Connection, PoolConnection};
pub use credential::Credential;
pub use dsn::{Dsn, DsnError, Password};
pub use engine::Engine;
pub use error::{Error, SettingError, Subject};
pub use limits::Limits;
pub use pool::{MySqlPool, Pool};
pub use stats::{Failures, Stats};
pub use transaction::{MySqlTransaction, Transaction};

/// The public types can be shared between threads and kept by tasks.
const _: () = {
    const fn assert_shareable<T: Send + Sync + 'static>() {}
    assert_shareable::<(MySqlPool, PoolConnection<sqlx::MySql>, MySqlTransaction<'static>)>();
    #[cfg(feature = "config")]
    assert_shareable::<(Databases, ConfigError, EntryError)>();
    assert_shareable::<(Target, Limits, Credential<'static>, Error, Subject, Stats, Failures)>();
};
