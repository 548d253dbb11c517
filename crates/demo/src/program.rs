//! Starts the demo's child processes: with an environment of only their settings, or attached to the caller's
//! terminal. A program that keeps running ends with the demo.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::Context as _;
use tokio::process::{Child, Command};

/// The environment of a program: these variables, and from the caller's only `PATH`.
pub(crate) type Environment = Vec<(String, String)>;

/// The end of a program, and its output as text.
pub(crate) struct Ended {
    /// The exit status; `None` if a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Returns the exit status for a message.
    pub(crate) fn shown_status(&self) -> String {
        self.status.map_or_else(|| "a signal".into(), |status| format!("status {status}"))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn command(program: &Path, environment: &Environment) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the one place of this program that starts others")]
    let mut command = Command::new(program);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a program to its end and returns its output.
pub(crate) async fn output(
    program: &Path,
    arguments: &[&str],
    environment: &Environment,
) -> anyhow::Result<Output> {
    let ended = command(program, environment).args(arguments).output().await;
    ended.with_context(|| format!("starting {}", program.display()))
}

/// Runs a program to its end, with this process's environment and terminal.
pub(crate) async fn attached(program: &Path, arguments: &[&str], more: &Environment) -> anyhow::Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a task of the workspace, which needs what the caller has set"
    )]
    let mut command = Command::new(program);
    command.args(arguments).envs(more.iter().map(|(name, value)| (name, value)));
    let status = command.stdin(Stdio::null()).kill_on_drop(true).status().await;
    let status = status.with_context(|| format!("starting {}", program.display()))?;
    anyhow::ensure!(status.success(), "{} {} ended with {status}", program.display(), arguments.join(" "));
    Ok(())
}

/// Starts a program that writes its log to `log` and keeps running. It ends when the child is dropped,
/// and also when this process ends without dropping anything (see [`become_program`]).
pub(crate) fn start(program: &Path, environment: &Environment, log: &Path) -> anyhow::Result<Child> {
    let out = std::fs::File::create(log).with_context(|| format!("making {}", log.display()))?;
    let err = out.try_clone()?;
    let launcher = std::env::current_exe().context("finding this program")?;
    let started = command(&launcher, environment).arg("launch").arg(program).stdout(out).stderr(err).spawn();
    started.with_context(|| format!("starting {}", program.display()))
}

/// Replaces this process with `program`, which the kernel ends when the process that started this one ends by
/// any cause. A process can request that only for itself, hence the intermediate step.
pub(crate) fn become_program(program: &Path) -> anyhow::Error {
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
    {
        return error.into();
    }
    #[expect(clippy::disallowed_methods, reason = "the second half of starting a program, see `start`")]
    let error = std::process::Command::new(program).exec();
    anyhow::Error::new(error).context(format!("starting {}", program.display()))
}
