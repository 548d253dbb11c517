//! An AWS account on this machine, for tests and demos: the AWS API (moto), alone or with real servers behind the
//! resources that Terraform creates in it. Production code never depends on this crate.
//!
//! ```no_run
//! # async fn example() -> Result<(), rds_iam_emulator_account::Error> {
//! let aws = rds_iam_emulator_account::AwsApi::start().await?;
//! aws.put_secret("dev/master", r#"{"username":"admin","password":"made up"}"#).await?;
//! # Ok(())
//! # }
//! ```

mod account;
mod aws;
mod child_guard;
mod databases;
mod folder;
mod forward;
pub mod http;
mod machine;
mod machines;
mod name;
mod python;
mod registry;
mod sessions;
mod shims;
mod snapshot;
mod user_data;

pub use account::Account;
pub use aws::AwsApi;
pub use python::{python, python_with};
pub use rds_iam_emulator_server::{CommandError, Error};
pub use registry::registry_program;
pub use shims::run as run_shim;
