//! The Docker client for image builds: selects a client that has BuildKit, enables BuildKit in its commands,
//! and gives them the help text for a missing Docker.

use rds_iam_process::engine;
use rds_iam_process::runner::Cmd;

/// The help text if no build is possible.
pub(super) const DOCKER_HELP: &str = "start a Docker engine (20.10 or later) with a client that has BuildKit: from version 23 on, the buildx plugin";

/// Returns the Docker client that builds with BuildKit.
pub(super) fn client() -> &'static str {
    engine::building_client().unwrap_or(engine::DOCKER)
}

/// Returns a command of the Docker client, with BuildKit.
pub(super) fn docker(cmd: xshell::Cmd<'_>) -> Cmd {
    Cmd::from_xshell(cmd.env("DOCKER_BUILDKIT", "1"), DOCKER_HELP)
}
