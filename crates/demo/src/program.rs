//! Starting the platform's own programs, the way a release does: by their settings alone.

use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::Context as _;
use tokio::process::{Child, Command};

/// The environment of a program: what it is given here, and nothing of the caller's but `PATH`.
pub(crate) type Environment = Vec<(String, String)>;

fn command(program: &Path, environment: &Environment) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the one place of this program that starts others")]
    let mut command = Command::new(program);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a program to its end and takes what it prints.
pub(crate) async fn output(
    program: &Path,
    arguments: &[&str],
    environment: &Environment,
) -> anyhow::Result<Output> {
    let ended = command(program, environment).args(arguments).output().await;
    ended.with_context(|| format!("starting {}", program.display()))
}

/// Starts a program that writes its log to `log` and goes on running. It ends when the child is dropped.
pub(crate) fn start(program: &Path, environment: &Environment, log: &Path) -> anyhow::Result<Child> {
    let out = std::fs::File::create(log).with_context(|| format!("making {}", log.display()))?;
    let err = out.try_clone()?;
    let started = command(program, environment).stdout(out).stderr(err).spawn();
    started.with_context(|| format!("starting {}", program.display()))
}
