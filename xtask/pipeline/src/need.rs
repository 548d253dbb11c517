//! `Need`: the kinds of requirements that a stage declares, such as a program, a pinned tool, a clean clone
//! or an AWS permission.

use std::path::PathBuf;

use rds_iam_infra::Permission;
use rds_iam_process::tools::Tool;

/// A requirement of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A program on `PATH`, with the help text if it is missing.
    Program(&'static str, &'static str),
    /// A program on `PATH`, or in a package of its name that this run can install: as root, on a system with
    /// apt.
    Packaged(&'static str),
    /// An entry of the doctor's list, by its name.
    Listed(&'static str),
    Cargo,
    /// A pinned tool.
    Tool(Tool),
    /// Terraform's AWS provider.
    Provider,
    /// A container engine that answers.
    Engine,
    /// The engine of the database servers, if one was selected.
    DatabaseServers,
    /// A container engine that builds with BuildKit.
    BuildKit,
    /// The processor of the environment's instances: an image is built for the engine's own.
    Processor,
    /// A file written by the operator, and its purpose.
    File(PathBuf, &'static str),
    /// No uncommitted changes to tracked files: the deployed state must be in the repository.
    CleanClone,
    /// Credentials of the environment's account.
    Credentials,
    /// A permission of the caller: an action, and an ARN without `arn:<partition>:`. IAM is queried for all
    /// of them together with the credentials.
    Permission(Permission),
}
