//! The files through which the emulator and the database server that it controls communicate.
//!
//! They share one folder. The emulator writes [`State`] into it: the accepted access keys, the endpoints, and
//! the time. The server's authentication plugin reads it at every login and appends a [`LoginEvent`] with its
//! decision and the reason. A [`Counter`] counts the refusals that the emulator ordered. No file ever contains a token.
//!
//! With the feature `decide`, the module `decide` makes that decision for the plugins of both engines.

#[cfg(feature = "decide")]
pub mod decide;
mod login;
mod refusals;
mod state;

pub use login::{LoginEvent, RefusalCode, Verdict};
pub use refusals::Counter;
pub use state::{AccessKey, AuthSwitch, Refuse, State};

/// The environment variable of the database server that names the control folder.
pub const CONTROL_DIR_VARIABLE: &str = "RDS_IAM_EMULATOR_CONTROL";

/// The control folder if [`CONTROL_DIR_VARIABLE`] is not set.
pub const DEFAULT_CONTROL_DIR: &str = "/rds-iam";
