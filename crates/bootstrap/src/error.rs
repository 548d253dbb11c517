//! `BootstrapError`: the errors of a run, each with its step and with what to do.

use std::fmt;
use std::time::Duration;

use rds_iam_infra::RdsConfError;
use rds_iam_report::EmptyEndpointUrl;
use rds_iam_roots::TrustError;
use rds_iam_token::MintError;

use crate::plan::{Action, Missing, Step, Unsupported};
use crate::{DeclarationError, SecretError};

/// The error of a run. [`hint`](Self::hint) returns what to do; the cause is the
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// `rds.conf` is invalid.
    #[error(transparent)]
    Conf(#[from] RdsConfError),
    /// The declaration is invalid.
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    /// The trust roots can't be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// `AWS_ENDPOINT_URL` is empty.
    #[error(transparent)]
    EndpointUrl(#[from] EmptyEndpointUrl),
    /// No token can be signed with the AWS credentials.
    #[error("the caller's AWS credentials can't sign an IAM token")]
    Credentials {
        /// The step: each login signs its own token.
        step: Step,
        /// The number of changes made before.
        made: usize,
        /// The cause.
        source: MintError,
    },
    /// The master user's credentials can't be fetched.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Connecting to the database failed.
    #[error("connecting to the database failed")]
    Connect {
        /// The step.
        step: Step,
        /// The cause.
        source: Box<rds_iam_sqlx::Error>,
        /// The remedy, with the policy statement and the SQL that would allow the login if it was denied.
        help: String,
        /// The number of changes made before.
        made: usize,
    },
    /// A statement failed.
    #[error("{doing} failed")]
    Statement {
        /// The step.
        step: Step,
        /// The purpose of the statement.
        doing: String,
        /// The number of changes made before.
        made: usize,
        /// Whether the server denied it, as opposed to failing.
        denied: bool,
        /// The remedy.
        help: String,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// The tunnel to the database was not opened, or failed.
    #[error("{doing} failed")]
    Tunnel {
        /// The step.
        step: Step,
        /// What failed: opening the tunnel, or what was done through it.
        doing: String,
        /// The number of changes made before.
        made: usize,
        /// The remedy; empty if the cause has it.
        help: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// `rds.conf` has an address to dial, and the run is to dial a tunnel.
    #[error("RDS_DIAL and --via are both given, and a run can dial one address only")]
    DialAndVia,
    /// A declared database or table doesn't exist.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The server's version is not supported.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A server of another engine answered.
    #[error("ENGINE is {engine}, but a {found} server answers at {address}")]
    OtherEngine {
        /// The engine of `rds.conf`.
        engine: &'static str,
        /// The engine of the server.
        found: &'static str,
        /// The address.
        address: String,
    },
    /// The master user's login by password has ended, or a change would end it.
    #[error("{rule}")]
    LockOut {
        /// The step.
        step: Step,
        /// What ends the login.
        rule: LockOut,
        /// The number of changes made before.
        made: usize,
    },
    /// Another run holds the lock.
    #[error("another bootstrap is running on this server ({holder})")]
    Busy {
        /// The connection of that run.
        holder: String,
    },
    /// The run reached its time limit.
    #[error("the run did not finish within its time limit of {} s and was stopped", limit.as_secs())]
    Time {
        /// The step.
        step: Step,
        /// The number of changes made.
        made: usize,
        /// The number of changes left, if that is known.
        left: Option<usize>,
        /// The time limit.
        limit: Duration,
    },
    /// The caller stopped the run.
    #[error("the run was stopped by a signal")]
    Stopped {
        /// The step.
        step: Step,
        /// The number of changes made.
        made: usize,
        /// The number of changes left, if that is known.
        left: Option<usize>,
    },
    /// All changes were made, and the server still differs from the declaration.
    #[error("after all changes the server still differs from the declaration: {}", list(left))]
    Differs {
        /// The actions of a new plan.
        left: Vec<Action>,
        /// The number of changes made.
        made: usize,
    },
}

/// What ends the master user's login by password: memberships in the role `rds_iam`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockOut {
    /// A membership, direct or through other roles, which a change would make or that exists.
    Membership {
        /// The roles from the master user to `rds_iam`.
        path: Vec<String>,
    },
    /// The membership of a role's creator, on a server that was found to count it.
    Creator,
    /// The server refuses the master user's password already.
    Refused,
}

impl LockOut {
    fn hint(&self) -> &'static str {
        match self {
            Self::Membership { .. } => {
                "Members of rds_iam log in by token only, through any chain of roles and whatever the options INHERIT and SET. Revoke one membership of the chain from the master user, or declare another user; then run this again."
            }
            Self::Creator => {
                "On this server a user that creates a login with rds_iam can no longer log in by password. Nothing was changed. Let the master user log in by IAM (`aws rds modify-db-instance --master-user-authentication-type iam-db-auth`), or ask AWS Support. Don't revoke the creator's membership: then no user could change or drop that role any more."
            }
            Self::Refused => {
                "The master user is a member of rds_iam, whose members log in by token only, or has NOLOGIN. The way back: allow rds-db:connect for the master user's own name, log in as it with a token (`aws rds generate-db-auth-token`), and end the membership: `REVOKE role FROM master_user` for the first role of the chain, or `DROP ROLE rds_iam_bootstrap_canary` if that role exists. Then the password works again. docs/lock-out.md of this program's repository has each step."
            }
        }
    }
}

impl fmt::Display for LockOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Membership { path } => {
                let path: Vec<_> = path.iter().map(|role| crate::text::visible(role)).collect();
                write!(
                    f,
                    "the master user would be locked out: it is a member of rds_iam by {}",
                    path.join(" > ")
                )
            }
            Self::Creator => f.write_str(
                "the master user would be locked out: the server counts the membership that the creator of a role has in it",
            ),
            Self::Refused => f.write_str("the server refuses the master user's password"),
        }
    }
}

/// Returns the remedy of a run that ended before its work was done.
fn not_finished(left: Option<usize>) -> String {
    let left = match left {
        None => String::new(),
        Some(1) => "1 change is left. ".into(),
        Some(left) => format!("{left} changes are left. "),
    };
    format!("{left}Each change is made wholly or not at all. Run this again to make the rest")
}

fn list(actions: &[Action]) -> String {
    actions.iter().map(|action| action.text.as_str()).collect::<Vec<_>>().join("; ")
}

impl BootstrapError {
    /// Returns the step that failed.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Self::Conf(_)
            | Self::Declaration(_)
            | Self::Trust(_)
            | Self::EndpointUrl(_)
            | Self::DialAndVia
            | Self::Unsupported(_)
            | Self::OtherEngine { .. } => Step::Configuration,
            Self::Secret(_) => Step::Credentials,
            Self::Missing(_) | Self::Busy { .. } => Step::Admin,
            Self::Credentials { step, .. }
            | Self::Connect { step, .. }
            | Self::Statement { step, .. }
            | Self::Tunnel { step, .. }
            | Self::LockOut { step, .. }
            | Self::Time { step, .. }
            | Self::Stopped { step, .. } => *step,
            Self::Differs { .. } => Step::Verify,
        }
    }

    /// Returns the exit status: 64 if a file or a setting has to be corrected, 3 if the master user's login by password
    /// is at stake, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::LockOut { .. } => 3,
            _ if self.step() == Step::Configuration => 64,
            _ => 1,
        }
    }

    /// Returns what to do, for an operator: several lines, or none if the error itself says it.
    #[must_use]
    pub fn hint(&self) -> String {
        let hint = match self {
            // They say what to write instead.
            Self::Conf(_) | Self::Declaration(_) | Self::EndpointUrl(_) => String::new(),
            Self::Trust(_) => "The setting of the CA bundle is RDS_CA_BUNDLE.".into(),
            Self::Credentials { .. } => {
                "Log in to AWS, or give this program a role or profile; `aws sts get-caller-identity` shows whether that works.".into()
            }
            Self::Secret(error) => error.hint(),
            Self::Connect { help, .. } | Self::Statement { help, .. } | Self::Tunnel { help, .. } => {
                help.clone()
            }
            Self::DialAndVia => {
                "Remove RDS_DIAL from rds.conf: the tunnel connects to RDS_ENDPOINT. Or leave out --via.".into()
            }
            Self::Missing(missing) => missing.help.clone(),
            Self::Unsupported(_) => "Check RDS_ENDPOINT and ENGINE, or upgrade the server.".into(),
            Self::OtherEngine { .. } => {
                "Set ENGINE to mysql or postgresql, the engine of the instance or cluster, or correct RDS_ENDPOINT, RDS_PORT or RDS_DIAL.".into()
            }
            Self::LockOut { rule, .. } => rule.hint().to_owned(),
            Self::Busy { .. } => "Wait until that run ends, then run this again.".into(),
            Self::Time { left, .. } => format!("{}, or raise the time limit.", not_finished(*left)),
            Self::Stopped { left, .. } => format!("{}.", not_finished(*left)),
            Self::Differs { .. } => {
                "Another program changes these users or objects at the same time, or the server did not carry out a statement. Run this again; if the same is left then, --plan shows the statements.".into()
            }
        };
        let made = match self.made() {
            0 => return hint,
            1 => "1 change was made and stays".to_owned(),
            made => format!("{made} changes were made and stay"),
        };
        let line_end = if hint.is_empty() { "" } else { "\n" };
        format!("{hint}{line_end}{made}; once the cause is fixed, the next run finishes the job.")
    }

    /// Returns the number of changes made before the failure.
    pub(crate) fn made(&self) -> usize {
        match self {
            Self::Credentials { made, .. }
            | Self::Connect { made, .. }
            | Self::Statement { made, .. }
            | Self::Tunnel { made, .. }
            | Self::LockOut { made, .. }
            | Self::Time { made, .. }
            | Self::Stopped { made, .. }
            | Self::Differs { made, .. } => *made,
            _ => 0,
        }
    }

    /// Returns whether the server denied a statement.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Statement { denied: true, .. })
    }
}
