//! Database users from a declared plan: plan, apply, verify.
//!
//! The users that services log in as by IAM have to be created by somebody, with the right plugin, TLS
//! required, and no more privileges than declared. [`run()`] does that in six steps: it reads the
//! configuration; fetches the master user's credentials; as the master user creates an IAM admin; connects
//! as that admin with a token; as the admin makes the tables and the users; and verifies. Each step only
//! mends what differs from the [`Declaration`], so running it again changes nothing, and running it again
//! after a failure finishes the job.
//!
//! ```no_run
//! use rds_iam_bootstrap::{Declaration, Mode, Settings, run};
//! use rds_iam_infra::RdsConf;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let conf = RdsConf::read("rds.conf".as_ref())?;
//! let declaration = Declaration::read("users.toml".as_ref(), &conf)?;
//! let report = run(Settings::load(conf, declaration, Mode::Apply).await).await?;
//! println!("{report}");
//! # Ok(()) }
//! ```
//!
//! What to do is decided by [`mysql::plan()`], a pure function of what is declared and what was
//! [observed](mysql::Observed). The `mysql` module holds everything that is MySQL's own.

mod declaration;
mod error;
#[cfg(test)]
mod fixture;
pub mod log;
pub mod mysql;
mod progress;
mod report;
mod run;
mod secret;

pub use declaration::{Cause, Declaration, DeclarationError, Problem, User};
pub use error::{BootstrapError, Failure};
pub use report::{LoginCheck, LoginResult, Outcome, Report};
pub use run::{Mode, Settings, run};
pub use secret::{Content, SecretError};
