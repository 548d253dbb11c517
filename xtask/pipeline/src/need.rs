//! A requirement of a stage, checked before the first stage begins.

use std::path::PathBuf;

use rds_iam_infra::Permission;
use rds_iam_process::tools::Tool;

/// Something that a stage needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A program on `PATH`, and what to do where it is missing.
    Program(&'static str, &'static str),
    /// A program on `PATH`, or in a package of its name that this run can install: as root, where there is apt.
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
    /// The engine of database servers, where one was named.
    DatabaseServers,
    /// One that builds with BuildKit.
    BuildKit,
    /// The processor of the environment's machines: an image is built for the engine's own.
    Processor,
    /// A file that a person writes, and what it is for.
    File(PathBuf, &'static str),
    /// Tracked files as they were committed: what is deployed must be in the repository.
    CleanClone,
    /// Credentials of the environment's account.
    Credentials,
    /// A right of the caller: an action, and an ARN without `arn:<partition>:`. IAM is asked about all of them with
    /// the credentials.
    Permission(Permission),
}
