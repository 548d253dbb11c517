//! The one place that starts programs: echoed as a shell could run them, redacted, timed, the end
//! of their output kept, and a failure that says which command, where, and what to do.

use std::collections::VecDeque;
use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::console::{Console, Style};
use crate::shell;

/// How much of a failed command's output its report repeats.
const TAIL_LINES: usize = 20;
/// Lines longer than this are cut in the tail (a linker's command line is tens of kilobytes).
const TAIL_LINE_BYTES: usize = 400;
/// A question to a program (`--version`, `git ls-files`) that takes longer has no answer: a Docker
/// client waits for ever for an engine that hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long output may still come after a program ended. Longer means that something it left
/// running holds the pipe, which must not hold us.
const OUTPUT_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// A program to start, as a value.
#[derive(Clone, Debug)]
pub(crate) struct Cmd {
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    settings: Vec<(String, String)>,
    without: &'static [&'static str],
    dir: PathBuf,
    mend: String,
    hint: Option<String>,
}

impl Cmd {
    /// `program` in `dir`; `mend` is what a person does when the program is not there.
    pub(crate) fn new(program: impl Into<String>, dir: &Path, mend: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            settings: Vec::new(),
            without: &[],
            dir: dir.to_owned(),
            mend: mend.into(),
            hint: None,
        }
    }

    /// Appends arguments.
    #[must_use]
    pub(crate) fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable for this command alone. It is echoed: no secrets.
    #[must_use]
    pub(crate) fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets variables that many commands share. They are not echoed with each: whoever sets them tells
    /// about them once.
    #[must_use]
    pub(crate) fn settings<'s, V: AsRef<str> + 's>(mut self, settings: &'s [(&str, V)]) -> Self {
        let shared = settings.iter().map(|(name, value)| ((*name).to_owned(), value.as_ref().to_owned()));
        self.settings.extend(shared);
        self
    }

    /// Keeps variables whose names begin so in our own environment from this command.
    #[must_use]
    pub(crate) fn without(mut self, prefixes: &'static [&'static str]) -> Self {
        self.without = prefixes;
        self
    }

    /// What a person does when the command ends with a failure.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The line that is echoed, and named in errors.
    pub(crate) fn shown(&self) -> String {
        shell::render(
            self.env.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            std::iter::once(self.program.as_str()).chain(self.args.iter().map(String::as_str)),
        )
    }

    pub(crate) fn process(&self) -> Command {
        #[expect(clippy::disallowed_methods, reason = "this is the one runner that the ban points to")]
        let mut process = Command::new(&self.program);
        process.args(&self.args).current_dir(&self.dir);
        // `cargo run` told *us* about our own package. A cargo that we start must not see it: build
        // scripts watch some of these, and everything would be built twice.
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

    pub(crate) fn not_started(&self, source: io::Error) -> RunError {
        let command = self.shown();
        if !self.dir.is_dir() {
            RunError::NoDirectory { command, dir: self.dir.clone() }
        } else if source.kind() == io::ErrorKind::NotFound {
            RunError::NotFound { command, program: self.program.clone(), mend: self.mend.clone() }
        } else {
            RunError::NotStarted { command, dir: self.dir.clone(), source }
        }
    }

    pub(crate) fn failed(&self, status: ExitStatus, tail: Vec<String>) -> RunError {
        RunError::Failed {
            command: self.shown(),
            dir: self.dir.clone(),
            status,
            hint: self.hint.clone(),
            tail: Tail(tail),
        }
    }
}

/// Why a command did not do what it was started for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RunError {
    /// The program is not on `PATH` (or not at the path given): install it.
    #[error("`{command}`: {program} was not found")]
    NotFound { command: String, program: String, mend: String },
    /// The directory to run in does not exist.
    #[error("`{command}`: there is no directory {}", dir.display())]
    NoDirectory { command: String, dir: PathBuf },
    /// The system refused to start it.
    #[error("`{command}` could not be started in {}", dir.display())]
    NotStarted { command: String, dir: PathBuf, source: io::Error },
    /// It ran and said no.
    #[error("`{command}` failed in {}: {status}{tail}", dir.display())]
    Failed { command: String, dir: PathBuf, status: ExitStatus, hint: Option<String>, tail: Tail },
    /// It was asked something and did not answer in time.
    #[error("`{command}` gave no answer within {} s and was ended", within.as_secs())]
    NoAnswer { command: String, within: Duration },
    /// The pipe to it broke.
    #[error("could not read what `{command}` prints")]
    Output { command: String, source: io::Error },
}

impl RunError {
    /// What mends it, where that is known.
    pub(crate) fn mend(&self) -> Option<&str> {
        match self {
            Self::NotFound { mend, .. } => Some(mend),
            Self::Failed { hint, .. } => hint.as_deref(),
            Self::NoDirectory { .. }
            | Self::NotStarted { .. }
            | Self::NoAnswer { .. }
            | Self::Output { .. } => None,
        }
    }
}

/// The last lines a failed command printed. Each is set off from the margin, so that no reader of
/// the log takes a repeated line for the original.
#[derive(Debug)]
pub(crate) struct Tail(Vec<String>);

impl std::fmt::Display for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n  | {line}"))
    }
}

/// Starts commands and tells about them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runner {
    console: Console,
}

impl Runner {
    /// A runner that tells about its commands on `console`.
    pub(crate) fn new(console: Console) -> Self {
        Self { console }
    }

    /// Runs a command to its end: echoes it, passes its output on as it comes, says how long it took.
    ///
    /// # Errors
    /// When it cannot be started or ends with anything but success.
    pub(crate) fn run(self, cmd: &Cmd) -> Result<(), RunError> {
        self.run_draining(cmd, OUTPUT_ENDS_WITHIN)
    }

    fn run_draining(self, cmd: &Cmd, output_ends_within: Duration) -> Result<(), RunError> {
        self.console.line(&self.console.paint(Style::Quiet, &format!("$ {}", cmd.shown())));
        let started = Instant::now();
        let piped = |source| RunError::Output { command: cmd.shown(), source };
        // One pipe for both streams keeps their order.
        let (reader, writer) = io::pipe().map_err(piped)?;
        let mut child = {
            let mut process = cmd.process();
            process.stdin(Stdio::null()).stdout(writer.try_clone().map_err(piped)?).stderr(writer);
            if self.console.colours() {
                // The pipe hides the terminal from cargo.
                process.env("CARGO_TERM_COLOR", "always");
                process.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "80");
            }
            process.spawn().map_err(|source| cmd.not_started(source))?
            // `process` ends here, and with it our own copies of the pipe's writing end.
        };
        let tail = Arc::new(Mutex::new(TailBuffer::default()));
        let (done, output_ended) = mpsc::channel();
        let (console, copied) = (self.console, Arc::clone(&tail));
        thread::spawn(move || {
            let result = copy(reader, &mut console.out(), &copied);
            // Nobody listens any more if the wait below ran out.
            drop(done.send(result));
        });
        let status = child.wait().map_err(piped)?;
        match output_ended.recv_timeout(output_ends_within) {
            Ok(result) => result.map_err(piped)?,
            Err(_) => self.console.line(&self.console.paint(
                Style::Warning,
                "warning: the command ended, but something that it started still holds its output",
            )),
        }
        let seconds = started.elapsed().as_secs_f64();
        self.console.line(&self.console.paint(Style::Quiet, &format!("  took {seconds:.1} s")));
        if status.success() {
            return Ok(());
        }
        let lines = tail.lock().unwrap_or_else(PoisonError::into_inner).lines();
        Err(cmd.failed(status, lines))
    }

    /// Asks a program something and returns what it prints to standard output. Not echoed.
    ///
    /// # Errors
    /// When it cannot be started, does not answer in time, or ends with anything but success.
    pub(crate) fn ask(self, cmd: &Cmd) -> Result<String, RunError> {
        self.ask_within(cmd, ANSWER_WITHIN)
    }

    /// Runs a command whose output is for us and not for the terminal: echoed and timed, but silent.
    ///
    /// # Errors
    /// As [`Runner::ask_within`].
    pub(crate) fn capture(self, cmd: &Cmd, within: Duration) -> Result<String, RunError> {
        self.console.line(&self.console.paint(Style::Quiet, &format!("$ {}", cmd.shown())));
        let started = Instant::now();
        let printed = self.ask_within(cmd, within)?;
        let seconds = started.elapsed().as_secs_f64();
        self.console.line(&self.console.paint(Style::Quiet, &format!("  took {seconds:.1} s")));
        Ok(printed)
    }

    /// As [`Runner::ask`], with a limit of the caller's.
    ///
    /// # Errors
    /// As [`Runner::ask`].
    pub(crate) fn ask_within(self, cmd: &Cmd, within: Duration) -> Result<String, RunError> {
        let mut process = cmd.process();
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn().map_err(|source| cmd.not_started(source))?;
        let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
        let deadline = Instant::now() + within;
        let left = || deadline.saturating_duration_since(Instant::now());
        let (Ok(out), Ok(err)) = (out.recv_timeout(left()), err.recv_timeout(left())) else {
            end(&mut child);
            return Err(RunError::NoAnswer { command: cmd.shown(), within });
        };
        let status = child.wait().map_err(|source| RunError::Output { command: cmd.shown(), source })?;
        if status.success() {
            return Ok(String::from_utf8_lossy(&out).into_owned());
        }
        let mut tail = TailBuffer::default();
        tail.push(&out);
        tail.push(&err);
        Err(cmd.failed(status, tail.lines()))
    }

    /// Becomes the program: it gets our terminal, our signals and our exit status. Returns only if
    /// it could not be started.
    pub(crate) fn become_program(self, cmd: &Cmd) -> RunError {
        self.console.line(&self.console.paint(Style::Quiet, &format!("$ {}", cmd.shown())));
        cmd.not_started(cmd.process().exec())
    }
}

/// Ends a child that is not wanted any more; that it ended by itself meanwhile is fine.
fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

/// All of a stream, read on a thread of its own so that neither of two streams fills up unread.
fn collect(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (done, collected) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What came before a broken pipe is still the answer; the exit status tells the rest.
            drop(stream.read_to_end(&mut bytes));
        }
        drop(done.send(bytes));
    });
    collected
}

/// Passes on what comes, as it comes, and keeps its end.
fn copy(mut from: PipeReader, to: &mut impl Write, tail: &Mutex<TailBuffer>) -> io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        tail.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..read]);
        // A reader that has gone away is no reason to stop the work; keep draining the pipe.
        drop(to.write_all(&buffer[..read]).and_then(|()| to.flush()));
    }
}

/// The last lines of an output, bounded in both directions.
#[derive(Debug, Default)]
struct TailBuffer {
    lines: VecDeque<String>,
    open: Vec<u8>,
    overdrawn: bool,
}

impl TailBuffer {
    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' => self.close(),
                b'\r' => self.overdrawn = true,
                _ => {
                    // A progress bar draws over itself: only its last state was to be read.
                    if std::mem::take(&mut self.overdrawn) {
                        self.open.clear();
                    }
                    if self.open.len() < TAIL_LINE_BYTES {
                        self.open.push(byte);
                    }
                }
            }
        }
    }

    fn close(&mut self) {
        let line = without_escapes(&String::from_utf8_lossy(&self.open)).trim_end().to_owned();
        self.open.clear();
        self.overdrawn = false;
        if line.is_empty() {
            return;
        }
        if self.lines.len() == TAIL_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn lines(&mut self) -> Vec<String> {
        self.close();
        self.lines.iter().cloned().collect()
    }
}

/// Text without terminal control sequences: cut off in the middle, one would colour what follows.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, sequence)) = rest.split_once('\x1b') {
        plain.push_str(before);
        // A sequence runs to its final letter; one without was cut off.
        rest = sequence.find(|c: char| c.is_ascii_alphabetic()).map_or("", |end| &sequence[end + 1..]);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn runner() -> Runner {
        Runner::new(Console::silent())
    }

    fn sh(script: &str) -> Cmd {
        Cmd::new("sh", Path::new("/"), "install a POSIX shell").args(["-c", script])
    }

    #[test]
    fn a_program_that_is_not_there_is_told_from_one_that_fails() {
        let missing =
            Cmd::new("no-such-program", Path::new("/"), "apt-get install no-such-package").args(["-v"]);
        let error = Error::from(runner().run(&missing).unwrap_err());
        insta::assert_snapshot!(error.report(), @r"
        error: `no-such-program -v`: no-such-program was not found
          hint: apt-get install no-such-package
        ");

        let failing = sh("echo out; echo err >&2; exit 3").hint("read the output");
        let error = Error::from(runner().run(&failing).unwrap_err());
        assert_eq!(error.brief(), "exit status: 3");
        insta::assert_snapshot!(error.report(), @r"
        error: `sh -c 'echo out; echo err >&2; exit 3'` failed in /: exit status: 3
          | out
          | err
          hint: read the output
        ");
    }

    #[test]
    fn a_directory_that_is_not_there_is_not_blamed_on_the_program() {
        let cmd = Cmd::new("sh", Path::new("/no/such/directory"), "install a POSIX shell");
        let error = runner().run(&cmd).unwrap_err();
        insta::assert_snapshot!(error, @"`sh`: there is no directory /no/such/directory");
    }

    #[test]
    fn a_program_to_become_that_is_not_there_is_named() {
        let missing = Cmd::new("/no/such/demo", Path::new("/"), "cargo xtask demo builds it");
        let error = Error::from(runner().become_program(&missing));
        insta::assert_snapshot!(error.report(), @r"
        error: `/no/such/demo`: /no/such/demo was not found
          hint: cargo xtask demo builds it
        ");
    }

    #[test]
    fn what_a_command_leaves_running_does_not_hold_us() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        // The background sleep inherits the pipe and outlives its shell.
        let started = sh("sleep 600 & echo $! >\"$PID_FILE\"").env("PID_FILE", pid.display().to_string());
        let result = runner().run_draining(&started, Duration::from_millis(50));
        let pid = std::fs::read_to_string(pid).unwrap();
        runner().ask(&Cmd::new("kill", Path::new("/"), "install procps").args([pid.trim()])).unwrap();
        result.unwrap();
    }

    #[test]
    fn a_signal_is_named() {
        let error = runner().run(&sh("kill -9 $$")).unwrap_err();
        insta::assert_snapshot!(error, @"`sh -c 'kill -9 $$'` failed in /: signal: 9 (SIGKILL)");
    }

    #[test]
    fn a_question_returns_standard_output_alone() {
        assert_eq!(runner().ask(&sh("echo yes; echo noise >&2")).unwrap(), "yes\n");
        assert!(matches!(runner().ask(&sh("exit 1")).unwrap_err(), RunError::Failed { .. }));
    }

    #[test]
    fn a_question_without_an_answer_ends() {
        let cmd = Cmd::new("sleep", Path::new("/"), "install coreutils").args(["600"]);
        let error = runner().ask_within(&cmd, Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, RunError::NoAnswer { .. }), "{error}");
    }

    #[test]
    fn a_large_output_on_both_streams_does_not_block() {
        let cmd = sh("head -c 300000 /dev/zero | tr '\\0' x >&2; head -c 300000 /dev/zero | tr '\\0' y");
        assert_eq!(runner().ask(&cmd).unwrap().len(), 300_000);
    }

    #[test]
    fn variables_reach_the_command_and_our_own_package_does_not() {
        let cmd = sh("echo \"$GREETING ${CARGO_PKG_NAME:-none} ${CARGO_MANIFEST_DIR:-none}\"")
            .env("GREETING", "hi");
        assert_eq!(runner().ask(&cmd).unwrap(), "hi none none\n");
    }

    #[test]
    fn the_tail_is_bounded_and_skips_overdrawn_progress() {
        let mut tail = TailBuffer::default();
        for n in 0..100 {
            tail.push(format!("line {n}\n").as_bytes());
        }
        tail.push(b"10 %\r20 %\rdone\r\n");
        tail.push(b"\x1b[1m\x1b[31merror\x1b[0m: no\n\x1b[0m\n");
        tail.push(&[b'x'; 10_000]);
        let lines = tail.lines();
        assert_eq!(lines.len(), TAIL_LINES);
        assert_eq!(lines[0], "line 83");
        assert_eq!(lines[TAIL_LINES - 3..TAIL_LINES - 1], ["done", "error: no"]);
        assert_eq!(lines[TAIL_LINES - 1].len(), TAIL_LINE_BYTES);
    }
}
