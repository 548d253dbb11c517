//! A failure as the function's caller sees it.

use std::fmt;

use lambda_runtime::Diagnostic;
use rds_iam_bootstrap::{BootstrapError, DeclarationError, Failure, Mode};

use crate::event::EventError;

/// A function error. Its message names step, cause and mend, as the command's messages do.
pub(crate) struct Fault {
    kind: Kind,
    message: String,
}

/// The function error's type, for a program: what would help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Another event or other settings; running it again as it is fails again.
    Configuration,
    /// What the message says.
    Failed,
    /// More time.
    Time,
}

impl Fault {
    pub(crate) fn environment(problems: &[String]) -> Self {
        let count = match problems.len() {
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        let list: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        Self::configuration(&format!("the function's environment has {count}:{list}"))
    }

    /// What is wrong with the declaration; `within` is where it came from.
    pub(crate) fn declaration(within: &str, error: &DeclarationError) -> Self {
        let cause = std::error::Error::source(error).map(|cause| format!("\n  cause: {cause}"));
        Self::configuration(&format!("{within}{error}{}", cause.unwrap_or_default().trim_end()))
    }

    pub(crate) fn run(mode: Mode, error: &BootstrapError) -> Self {
        let kind = match error {
            BootstrapError::Time { .. } => Kind::Time,
            error if error.exit_code() == 1 => Kind::Failed,
            _ => Kind::Configuration,
        };
        Self { kind, message: Failure::new(mode, error).to_string() }
    }

    fn configuration(what: &str) -> Self {
        Self { kind: Kind::Configuration, message: format!("error in step 1 of 6: {what}") }
    }
}

impl From<EventError> for Fault {
    fn from(error: EventError) -> Self {
        Self::configuration(&format!("{error}\n  {}", error.hint()))
    }
}

impl From<Fault> for Diagnostic {
    fn from(Fault { kind, message }: Fault) -> Self {
        Self { error_type: format!("Bootstrap.{kind:?}"), error_message: message }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What the runtime logs.
impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
