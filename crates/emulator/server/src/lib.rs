//! Database servers on this machine that check IAM tokens as RDS does, for tests and demos.
//!
//! A real MySQL server whose `AWSAuthenticationPlugin` really checks IAM tokens, with its clock, its
//! keys and its failures under control, and a record of every login with the reason of a refusal.
//! `crates/emulator/README.md` says how its answers differ from those of RDS. Production code never
//! depends on this crate.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rds_iam_emulator_server::MySql;
//!
//! let mysql = MySql::builder().database("shop").start().await?;
//! // Give these to the code under test …
//! let (sign_for, dial, ca) = (mysql.endpoint(), mysql.dial(), mysql.ca_pem());
//! let (master, credentials) = (mysql.master(), mysql.credentials());
//! // … let time pass for the server, and see what it makes of an old token.
//! mysql.set_clock(901)?;
//! let refused = mysql.logins()?.into_iter().find(|login| !login.accepted());
//! # Ok(())
//! # }
//! ```

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
mod tls;

pub use credentials::MasterCredentials;
pub use error::{CommandError, Error};
pub use postgres::{CreatorEdges, PostgresVersion, clients};
pub use rds_iam_emulator_control::{AccessKey, AuthSwitch, LoginEvent, RefusalCode, Verdict};
pub use relay::Relay;
pub use runtime::Runtime;
pub use server::{Builder, Kind, OptionsOf, Server};

/// A running MySQL server.
pub type MySql = Server<sqlx::MySql>;

/// A running PostgreSQL server.
pub type Postgres = Server<sqlx::Postgres>;
