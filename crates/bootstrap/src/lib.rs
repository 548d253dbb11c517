//! Database users from a declaration: plan, apply, verify.
//!
//! The users that services log in as by IAM need the right authentication plugin, required TLS, and no more privileges
//! than declared. [`run()`] creates them in six steps: it reads the configuration; fetches the master user's
//! credentials; as the master user creates an IAM admin; connects as that admin with a token; as the admin creates the
//! tables and the users; and verifies. Each step changes only what differs from the [`Declaration`], so a second run
//! changes nothing, and a run after a failure finishes the job.
//!
//! ```no_run
//! use rds_iam_bootstrap::{Declaration, Mode, Settings, run};
//! use rds_iam_infra::RdsConf;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let conf = RdsConf::read("rds.conf".as_ref())?;
//! let declaration = Declaration::read("users.toml".as_ref())?;
//! let report = run(Settings::load(conf, declaration, Mode::Apply).await?).await?;
//! println!("{report}");
//! # Ok(()) }
//! ```
//!
//! [`Declaration`], [`Plan`] and [`Report`] are text and data for every engine. Everything specific to an engine is in its
//! private module, `mysql` or `postgres`: its `diff`, a pure function of the declared and the observed, decides what to do.
//! [`Declaration::validate`] checks a declaration as a run does, without a server.

mod access;
mod answer;
mod declaration;
mod error;
mod failure;
#[cfg(test)]
mod fixture;
mod groups;
mod mode;
mod mysql;
mod plan;
mod postgres;
mod progress;
mod report;
mod run;
mod secret;
mod session;
mod settings;
mod text;

pub use declaration::{Declaration, DeclarationError, Grant, SchemaOptions, SchemaText, User, Violation};
pub use error::{BootstrapError, LockOut};
pub use failure::Failure;
pub use mode::Mode;
pub use plan::{Action, ActionKind, Actor, Forecast, Missing, Plan, Step, Unsupported, Warning};
pub use report::{LockOutReport, LoginCheck, LoginResult, Outcome, Report};
pub use run::{run, run_until};
pub use secret::{Content, SecretError};
pub use settings::Settings;
