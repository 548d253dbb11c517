//! Runs child programs: `Command` runs one to its end, starts one, or replaces this process, and `CommandError`
//! reports a failure. Also finds programs on the `PATH`.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use thiserror::Error;

/// The number of a failed program's last lines that are shown.
const TAIL_LINES: usize = 20;

/// A program to run, with its arguments. No argument is ever a secret.
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    bare: bool,
    user: Option<u32>,
}

impl Command {
    /// Creates a command without arguments.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            bare: false,
            user: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Gives the program nothing of this process's environment but `PATH`.
    pub fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Runs the program as another user, and in that user's group alone, which only root may. `None` is this process's
    /// own.
    pub fn user(mut self, user: Option<u32>) -> Self {
        self.user = user;
        self
    }

    /// Runs the command in the folder `dir` until it exits, and returns its standard output.
    ///
    /// # Errors
    /// Returns [`CommandError`] if it can't be started or exits with a failure.
    pub async fn output_in(&self, dir: &Path) -> Result<String, CommandError> {
        let mut command = tokio::process::Command::from(self.build());
        command.current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(|source| self.not_started(source))?;
        if !output.status.success() {
            return Err(CommandError::Failed {
                command: self.to_string(),
                status: output.status,
                said: tail(&String::from_utf8_lossy(&output.stderr)),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs the command until it exits, and returns its standard output.
    ///
    /// # Errors
    /// Returns [`CommandError`] if it can't be started or exits with a failure.
    pub async fn output(&self) -> Result<String, CommandError> {
        self.output_in(Path::new(".")).await
    }

    /// Starts the command in its own process group, so that it does not get a Ctrl-C of this process's
    /// terminal. The caller must wait for it.
    ///
    /// # Errors
    /// Returns [`CommandError::NotStarted`] if it can't be started.
    pub fn spawn(
        &self,
        stdin: impl Into<Stdio>,
        stdout: impl Into<Stdio>,
        stderr: impl Into<Stdio>,
    ) -> Result<std::process::Child, CommandError> {
        use std::os::unix::process::CommandExt;
        let mut command = self.build();
        command.stdin(stdin).stdout(stdout).stderr(stderr).process_group(0);
        command.spawn().map_err(|source| self.not_started(source))
    }

    /// Replaces this process with the program. Returns the error if that fails.
    pub fn exec(&self) -> CommandError {
        use std::os::unix::process::CommandExt;
        self.not_started(self.build().exec())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one runner")]
    fn build(&self) -> std::process::Command {
        use std::os::unix::process::CommandExt;
        let mut command = std::process::Command::new(&self.program);
        if self.bare {
            command.env_clear();
            command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        }
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command.args(&self.arguments).envs(self.environment.iter().map(|(n, v)| (n, v)));
        command
    }

    fn not_started(&self, source: io::Error) -> CommandError {
        CommandError::NotStarted { command: self.to_string(), source }
    }
}

impl fmt::Display for Command {
    /// Formats the command line, quoted for a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&self.program))?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

/// A program could not be started, or failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The program could not be started: not installed, or not permitted.
    #[error("could not start `{command}`")]
    NotStarted {
        /// The command line.
        command: String,
        /// The reason.
        source: io::Error,
    },
    /// The program ended with a failure.
    #[error("`{command}` failed ({status}):\n{said}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit status.
        status: ExitStatus,
        /// The last lines that it printed to standard error.
        said: String,
    },
}

/// Returns the programs among `programs` that are not on the `PATH`.
pub fn missing(programs: &[&'static str]) -> Vec<&'static str> {
    programs.iter().copied().filter(|program| find(program).is_none()).collect()
}

/// Finds a program on the `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Returns the last lines of `text`.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

fn quoted(text: &OsStr) -> String {
    let text = text.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_reports_command_status_and_last_lines() {
        let command = Command::new("sh").args(["-c", "echo out; echo it\\'s broken >&2; exit 3"]);
        insta::assert_snapshot!(command.output().await.unwrap_err(), @r"
        `sh -c 'echo out; echo it\'\''s broken >&2; exit 3'` failed (exit status: 3):
        it's broken
        ");
        let missing = Command::new("no-such-program").output().await.unwrap_err();
        insta::assert_snapshot!(missing, @"could not start `no-such-program`");
    }

    #[tokio::test]
    async fn a_bare_program_gets_no_environment() {
        let printed = Command::new("env").bare().env("ONLY", "this").output().await.unwrap();
        assert!(printed.lines().all(|l| l == "ONLY=this" || l.starts_with("PATH=")), "{printed}");
    }

    #[test]
    fn missing_programs_are_all_named() {
        assert_eq!(missing(&["sh", "no-such-a", "no-such-b"]), ["no-such-a", "no-such-b"]);
    }
}
