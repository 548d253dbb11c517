//! The confirmation of a destruction: the operator types the environment's name.

use std::io::{IsTerminal, Write};

use crate::context::Context;
use crate::selection::Run;
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::file;

/// The environment variable with the name, for runs in which no operator can type it.
const CONFIRM_VARIABLE: &str = "RDS_IAM_CONFIRM";

/// Shows the planned destruction and asks the operator to type the environment's name.
///
/// # Errors
/// Returns an error if another name, or none, was typed.
pub(crate) fn confirm_destruction(context: &Context<'_>, console: Console) -> Result<(), Error> {
    let name = &context.environment()?.name;
    // If the file is missing, the plan's own log shows the same.
    if let Ok(text) = file::read(&context.file("destroy.md")) {
        console.line(&format!("\n{}", text.trim_end()));
    }
    let typed = match std::env::var(CONFIRM_VARIABLE) {
        Ok(typed) => typed,
        Err(_) if std::io::stdin().is_terminal() => {
            console.line(&format!("\nThis destroys {name}. Type its name to continue:"));
            drop(std::io::stdout().flush());
            let mut typed = String::new();
            drop(std::io::stdin().read_line(&mut typed));
            typed
        }
        Err(_) => String::new(),
    };
    compare(name, typed.trim())
}

/// Refuses a destruction before its first stage if the variable contains another environment's name.
///
/// # Errors
/// Returns an error if it does.
pub(crate) fn refuse_another_name(run: Run, context: &Context<'_>) -> Result<(), Error> {
    match (run, std::env::var(CONFIRM_VARIABLE)) {
        (Run::Destroy, Ok(typed)) if !typed.is_empty() => compare(&context.environment()?.name, typed.trim()),
        _ => Ok(()),
    }
}

fn compare(name: &str, typed: &str) -> Result<(), Error> {
    if typed == name {
        return Ok(());
    }
    Err(Error::Found {
        found: if typed.is_empty() {
            format!("the destruction of {name} was not confirmed")
        } else {
            format!("{typed:?} is not {name}: nothing was destroyed")
        },
        help: format!("type the environment's name; without a terminal, set {CONFIRM_VARIABLE} to it"),
    })
}
