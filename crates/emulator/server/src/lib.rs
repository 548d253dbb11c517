//! Database servers on this machine that check IAM tokens as RDS does, for tests and demos.
//!
//! Real servers that really check IAM tokens: MySQL through `AWSAuthenticationPlugin`, PostgreSQL through PAM for
//! members of `rds_iam`. Their clock, their keys and their failures are under control, and a record has every login by
//! token with the reason of a refusal. `crates/emulator/README.md` says how their answers differ from those of RDS.
//! Production code never depends on this crate.
//!
//! ```
//! use rds_iam_emulator_server::{Kind, Server, fixtures};
//! use sqlx::Connection as _;
//!
//! /// A test of either engine.
//! async fn an_old_token_is_refused<E: Kind>() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Server::<E>::builder().database("shop").start().await?;
//!     fixtures::create_user(&server, "app", "SELECT ON shop.*").await?;
//!     // The code under test needs these, …
//!     let (sign_for, dial, ca) = (server.endpoint(), server.dial(), server.ca_pem());
//!     let (master, credentials) = (server.master(), server.credentials());
//!     // … or logs in as here.
//!     let token = fixtures::tokens(&server, "app").token().await?;
//!     let login = fixtures::login_options(&server, "app", token.expose());
//!     E::Connection::connect_with(&login).await?.close().await?;
//!     // Time passes for the server.
//!     server.set_clock(901)?;
//!     assert!(E::Connection::connect_with(&login).await.is_err());
//!     let accepted: Vec<_> = server.logins()?.iter().map(|login| login.accepted()).collect();
//!     assert_eq!(accepted, [true, false]);
//!     Ok(())
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! an_old_token_is_refused::<sqlx::MySql>().await?;
//! an_old_token_is_refused::<sqlx::Postgres>().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`MySql`] and [`Postgres`] are the servers of one engine, with settings of their own, such as
//! [`version`](Builder::version) of PostgreSQL. [`on_each_engine!`] runs such a test on both.

pub mod command;
pub mod credentials;
mod error;
pub mod fixtures;
pub mod host;
mod library;
mod mysql;
mod postgres;
mod relay;
mod run_folder;
mod runtime;
mod server;
mod ssh;
pub mod tls;

pub use credentials::MasterCredentials;
pub use error::{CommandError, Error};
pub use postgres::{CreatorEdges, PostgresVersion};
pub use rds_iam_emulator_control::{AccessKey, AuthSwitch, LoginEvent, RefusalCode, Verdict};
pub use relay::Relay;
pub use runtime::Runtime;
pub use server::{Builder, Kind, OptionsOf, Server};

/// Clients from Debian's packages, without an installation, for tests with them: `mysql` and `psql`, MariaDB
/// Connector/J and pgjdbc, the drivers for Java, and `perl` with DBD::mysql. Also what is put before servers, for
/// benchmarks: MySQL Router, pgbouncer and OpenSSH.
pub mod clients {
    pub use crate::mysql::clients::{mariadb_jdbc, mysql, perl};
    pub use crate::mysql::router::mysqlrouter;
    pub use crate::postgres::clients::{pgbouncer, pgjdbc, psql};
    pub use crate::ssh::{OpenSsh, openssh};
}

/// A running MySQL server.
pub type MySql = Server<sqlx::MySql>;

/// A running PostgreSQL server.
pub type Postgres = Server<sqlx::Postgres>;
