//! RDS on this machine, for tests, demos and users' own tests.
//!
//! A real MySQL server whose `AWSAuthenticationPlugin` really checks IAM tokens, with its clock, its
//! keys and its moods under control, and a record of every login with the reason of a refusal. It is a
//! stand-in: `crates/emulator/README.md` tells how its answers differ from those of RDS. Production
//! code never depends on this crate.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rds_iam_emulator::MySql;
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

pub mod account;
mod accounts;
mod aws;
mod cache;
mod command;
mod container;
mod credentials;
mod engine;
mod error;
mod http;
mod launch;
mod mysql;
mod plugin;
mod process;
mod python;
mod relay;
mod run_folder;
mod server;
mod tied;
mod tls;
mod tree;

pub use aws::AwsApi;
pub use credentials::MasterCredentials;
pub use engine::Engine;
pub use error::{CommandError, Error};
pub use mysql::{Builder, MySql};
pub use python::python;
pub use rds_iam_emulator_control::{AccessKey, AuthSwitch, LoginEvent, RefusalCode, Verdict};
pub use relay::Relay;
