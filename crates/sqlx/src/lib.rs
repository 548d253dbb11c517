//! sqlx pools that stay authenticated while IAM tokens, credentials and servers come and go.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(unix))]
compile_error!("rds-iam-sqlx dials through a Unix socket: it needs a Unix system");

#[cfg(not(any(feature = "mysql", feature = "postgres")))]
compile_error!("rds-iam-sqlx needs an engine: enable its feature `mysql`, `postgres` or both");

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
#[cfg(feature = "mysql")]
mod mysql;
mod pool;
#[cfg(feature = "postgres")]
mod postgres;
mod rate_limit;
mod read_only;
mod refusal;
mod rows;
mod speaks;
mod state;
mod stats;
mod transaction;

#[cfg(feature = "aws-config")]
pub use builder::AssumeRole;
pub use builder::Builder;
#[cfg(feature = "config")]
pub use config::{ConfigError, Databases, EntryError};
pub use connect::{Target, connect, connect_confirmed};
pub use connection::{Connection, PoolConnection};
pub use credential::Credential;
pub use dsn::{Dsn, DsnError, Password};
pub use engine::Engine;
pub use error::{Error, SettingError, Subject};
pub use limits::Limits;
#[cfg(feature = "mysql")]
pub use mysql::{MySqlBuilder, MySqlConnection, MySqlPool, MySqlTransaction};
pub use pool::Pool;
#[cfg(feature = "postgres")]
pub use postgres::{PgBuilder, PgConnection, PgPool, PgTransaction};
pub use stats::{Failures, Stats};
pub use transaction::Transaction;

// The crates whose types are in the public interface.
pub use aws_credential_types;
pub use rds_iam_token as token;
pub use rds_iam_token::{
    Clock, DbUser, Endpoint, ErrorKind, ErrorReport, Login, Region, ServerCode, TokenSource,
};
pub use sqlx;

/// The maximum duration of a limit: 30 days. Adding it to the current time can't overflow.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);

/// The public types can be shared between threads and kept by tasks.
const _: () = {
    const fn assert_shareable<T: Send + Sync + 'static>() {}
    #[cfg(feature = "mysql")]
    assert_shareable::<(MySqlPool, PoolConnection<sqlx::MySql>, MySqlTransaction<'static>, MySqlBuilder)>();
    #[cfg(feature = "postgres")]
    assert_shareable::<(PgPool, PoolConnection<sqlx::Postgres>, PgTransaction<'static>, PgBuilder)>();
    #[cfg(feature = "config")]
    assert_shareable::<(Databases, ConfigError, EntryError)>();
    assert_shareable::<(Dsn, DsnError, Password, SettingError)>();
    #[cfg(feature = "aws-config")]
    assert_shareable::<AssumeRole>();
    assert_shareable::<(Target, Limits, Credential<'static>, Error, Subject, Stats, Failures)>();
};
