//! The function error: a failure as the function's caller receives it.

use std::fmt;

use lambda_runtime::Diagnostic;
use rds_iam_bootstrap::{BootstrapError, DeclarationError, Failure, Mode};
use rds_iam_report::ErrorReport;

use crate::event::EventError;

/// A function error. Its message has the step, the cause and the help that the command prints.
pub(crate) struct FunctionError {
    kind: Kind,
    message: String,
}

/// The type of a function error, for programs, by its remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Another event or other settings; the same invocation fails again.
    Configuration,
    /// The cause in the message.
    Failed,
    /// More time.
    Time,
}

impl FunctionError {
    pub(crate) fn environment(problems: &[String]) -> Self {
        let count = match problems.len() {
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        let list: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        Self::configuration(&format!("the function's environment has {count}:{list}"))
    }

    pub(crate) fn run(mode: Mode, error: &BootstrapError) -> Self {
        let kind = match error {
            BootstrapError::Time { .. } => Kind::Time,
            error if error.exit_code() == 64 => Kind::Configuration,
            _ => Kind::Failed,
        };
        Self { kind, message: Failure::new(mode, error).to_string() }
    }

    fn configuration(message: &str) -> Self {
        Self { kind: Kind::Configuration, message: format!("error in step 1 of 6: {message}") }
    }
}

impl From<DeclarationError> for FunctionError {
    fn from(error: DeclarationError) -> Self {
        let causes = ErrorReport(&error).causes();
        let causes: String = causes.iter().map(|cause| format!("\n  cause: {}", cause.trim_end())).collect();
        Self::configuration(&format!("{error}{causes}"))
    }
}

impl From<EventError> for FunctionError {
    fn from(error: EventError) -> Self {
        Self::configuration(&format!("{error}\n  {}", error.hint()))
    }
}

impl From<FunctionError> for Diagnostic {
    fn from(FunctionError { kind, message }: FunctionError) -> Self {
        Self { error_type: format!("Bootstrap.{kind:?}"), error_message: message }
    }
}

impl fmt::Display for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The text that the runtime logs.
impl fmt::Debug for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
