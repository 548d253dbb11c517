//! `cargo xtask infra package`: bootstrap's Lambda package. (Interface that infra/ relies on; being built.)

use std::path::PathBuf;

use crate::console::Console;
use crate::error::Error;
use crate::runner::Runner;
use crate::workspace::Workspace;

/// What `cargo xtask infra package` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Package {}

impl Package {
    /// The development build for this machine's architecture: what `infra local` applies.
    pub(crate) fn of_this_machine() -> Self {
        Self {}
    }

    /// Where it is written.
    pub(crate) fn file(&self, workspace: &Workspace) -> PathBuf {
        workspace.target.join("lambda/rds-iam-bootstrap-x86_64.zip")
    }
}

/// Builds and writes it; where it lies.
///
/// # Errors
/// When it cannot be built, or could not run on Amazon Linux 2023.
pub(crate) fn run(package: &Package, workspace: &Workspace, _: Runner, _: Console) -> Result<PathBuf, Error> {
    Ok(package.file(workspace))
}
