//! Commands as values, and the errors of running them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::shell;

/// A command, as a value.
#[derive(Clone, Debug)]
pub struct Cmd {
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    settings: Vec<(String, String)>,
    without: &'static [&'static str],
    dir: PathBuf,
    help: String,
    hint: Option<String>,
    within: Option<Duration>,
}

impl Cmd {
    /// Creates a command of `program` in `dir`; `help` is printed if the program is missing.
    pub fn new(program: impl Into<String>, dir: &Path, help: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            settings: Vec::new(),
            without: &[],
            dir: dir.to_owned(),
            help: help.into(),
            hint: None,
            within: None,
        }
    }

    /// Converts a command of xshell's `cmd!`, with its shell's directory and its own variables; `help` is
    /// printed if the program is missing.
    ///
    /// # Panics
    /// Panics if a part is not UTF-8: the workspace's texts and paths are.
    pub fn from_xshell(cmd: xshell::Cmd<'_>, help: impl Into<String>) -> Self {
        let text = |part: &std::ffi::OsStr| part.to_str().expect("a command is UTF-8").to_owned();
        let built = Command::from(cmd);
        let dir = built.get_current_dir().expect("xshell sets the directory");
        let mut command = Self::new(text(built.get_program()), dir, help).args(built.get_args().map(text));
        for (name, value) in built.get_envs() {
            // xshell's `env_remove` is not used here: `without` removes by prefix.
            command = command.env(text(name), text(value.expect("no variable is removed")));
        }
        command
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable for this command alone. It is echoed and must not be secret.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets variables that many commands share. They are not echoed with each command: the caller prints them
    /// once.
    #[must_use]
    pub fn settings<'s, V: AsRef<str> + 's>(mut self, settings: &'s [(&str, V)]) -> Self {
        let shared = settings.iter().map(|(name, value)| ((*name).to_owned(), value.as_ref().to_owned()));
        self.settings.extend(shared);
        self
    }

    /// Removes variables with these prefixes from this command's environment.
    #[must_use]
    pub fn without(mut self, prefixes: &'static [&'static str]) -> Self {
        self.without = prefixes;
        self
    }

    /// Sets the help text for a command that fails.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the time limit; a command that exceeds it is ended and fails.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }

    /// Returns the time limit.
    pub fn limit(&self) -> Option<Duration> {
        self.within
    }

    /// Returns the line that is echoed and named in errors.
    pub fn shown(&self) -> String {
        shell::render(
            self.env.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            std::iter::once(self.program.as_str()).chain(self.args.iter().map(String::as_str)),
        )
    }

    /// Returns the line that a reader in `dir` can paste.
    pub fn shown_for(&self, dir: &Path) -> String {
        if self.dir == dir {
            return self.shown();
        }
        let own = self.dir.display().to_string();
        format!("({} && {})", shell::render([], ["cd", &own]), self.shown())
    }

    /// Returns the program with its variables, to be started by a caller that keeps it running.
    pub fn process(&self) -> Command {
        #[expect(clippy::disallowed_methods, reason = "this is the one runner that the ban points to")]
        let mut process = Command::new(&self.program);
        process.args(&self.args).current_dir(&self.dir);
        // `cargo run` sets variables about this package. A nested cargo must not get them: build scripts
        // watch some of these, and everything would be built twice.
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            let of_cargo = name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_");
            if of_cargo || self.without.iter().any(|prefix| name_text.starts_with(prefix)) {
                process.env_remove(&name);
            }
        }
        let variables = self.settings.iter().chain(&self.env);
        process.envs(variables.map(|(name, value)| (name, value)));
        process
    }

    /// Returns the error of a command that could not be started.
    pub fn not_started(&self, source: io::Error) -> RunError {
        let command = self.shown();
        if !self.dir.is_dir() {
            RunError::NoDirectory { command, dir: self.dir.clone() }
        } else if source.kind() == io::ErrorKind::NotFound {
            RunError::NotFound { command, program: self.program.clone(), help: self.help.clone() }
        } else {
            RunError::NotStarted { command, dir: self.dir.clone(), source }
        }
    }

    /// Returns the error of a command that failed, with the end of its output.
    pub fn failed(&self, status: ExitStatus, tail: Vec<String>) -> RunError {
        RunError::Failed {
            command: self.shown(),
            dir: self.dir.clone(),
            status,
            hint: self.hint.clone(),
            tail: Tail(tail),
        }
    }
}

/// The error of a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the variant's message says what each field is")]
pub enum RunError {
    /// The program is not on `PATH`, or not at the given path: install it.
    #[error("`{command}`: {program} was not found")]
    NotFound { command: String, program: String, help: String },
    /// The working directory does not exist.
    #[error("`{command}`: there is no directory {}", dir.display())]
    NoDirectory { command: String, dir: PathBuf },
    /// The system refused to start the program.
    #[error("`{command}` could not be started in {}", dir.display())]
    NotStarted { command: String, dir: PathBuf, source: io::Error },
    /// The program ended with a failure.
    #[error("`{command}` failed in {}: {status}{tail}", dir.display())]
    Failed { command: String, dir: PathBuf, status: ExitStatus, hint: Option<String>, tail: Tail },
    /// A query had no answer in time.
    #[error("`{command}` gave no answer within {} s and was ended", within.as_secs())]
    NoAnswer { command: String, within: Duration },
    /// The time limit was exceeded.
    #[error("`{command}` was ended: it took longer than {} s", within.as_secs())]
    TimedOut { command: String, within: Duration },
    /// A signal stopped the run, or another part of it failed.
    #[error("`{command}` was stopped")]
    Stopped { command: String },
    /// The pipe from the program broke.
    #[error("could not read what `{command}` prints")]
    Output { command: String, source: io::Error },
}

impl RunError {
    /// Returns the help, if there is any.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::NotFound { help, .. } => Some(help),
            Self::Failed { hint, .. } => hint.as_deref(),
            Self::NoDirectory { .. }
            | Self::NotStarted { .. }
            | Self::NoAnswer { .. }
            | Self::TimedOut { .. }
            | Self::Stopped { .. }
            | Self::Output { .. } => None,
        }
    }
}

/// The last lines that a failed command printed. Each is indented, so that a reader of the log does not
/// mistake a repeated line for the original.
#[derive(Debug)]
pub struct Tail(pub(super) Vec<String>);

impl Tail {
    /// Returns the lines.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl std::fmt::Display for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n  | {line}"))
    }
}
