//! Starts all programs: echoed in shell syntax, redacted, timed, with a time limit and the end of their
//! output kept. An error names the command, the folder and the remedy.

mod children;
mod cmd;
mod failed_tests;
mod output;
mod secrets;

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::console::{Console, Style};
use children::Ended;
use output::{TailBuffer, collect, copy};

pub use children::{Owner, interrupted, is_stopped, stop, watch_signals};
pub use cmd::{Cmd, RunError, Tail};

/// The time limit of a query (`--version`, `git ls-files`): a Docker client waits forever for an engine that
/// hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The time limit for output after a program ended. Beyond it, a process that it left running keeps the pipe
/// open.
const OUTPUT_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// The time without output after which a command is reported as still running.
const SILENT_FOR: Duration = Duration::from_secs(30);

/// Reports a command that runs without output. Ends when dropped.
struct SignOfLife {
    _ended: mpsc::Sender<()>,
}

impl SignOfLife {
    fn begin(cmd: &Cmd, started: Instant, tail: Arc<Mutex<TailBuffer>>, console: Console) -> Self {
        let (_ended, end) = mpsc::channel();
        let command: String = cmd.shown().chars().take(100).collect();
        thread::spawn(move || {
            // Nothing is sent: the channel closes at the end.
            while end.recv_timeout(SILENT_FOR) == Err(mpsc::RecvTimeoutError::Timeout) {
                let last = tail.lock().unwrap_or_else(PoisonError::into_inner).last_output();
                if last.is_none_or(|last| last.elapsed() >= SILENT_FOR) {
                    let note = format!("  still running after {} s: {command}", started.elapsed().as_secs());
                    console.line(&console.paint(Style::Quiet, &note));
                }
            }
        });
        Self { _ended }
    }
}

/// Starts commands and reports them.
#[derive(Clone, Copy, Debug)]
pub struct Runner {
    console: Console,
    owner: Owner,
    deadline: Option<Instant>,
    /// Whether its programs change something outside this machine, and therefore are killed only by the
    /// operator.
    patient: bool,
}

/// Returns `text` without the values of variables whose names declare a secret, and without signatures: for what this
/// process prints itself. The output of programs is redacted as it passes.
pub fn redact(text: &str) -> String {
    String::from_utf8_lossy(&secrets::redacted(text.as_bytes())).into_owned()
}

impl Runner {
    /// Creates a runner that reports its commands on `console`.
    pub fn new(console: Console) -> Self {
        Self { console, owner: Owner::default(), deadline: None, patient: false }
    }

    /// Creates a runner for one part of a run: its commands can be stopped separately from others, and all
    /// are signalled to end at `deadline`. If `patient`, they are then waited for and not killed.
    pub fn for_stage(console: Console, owner: Owner, deadline: Instant, patient: bool) -> Self {
        Self { console, owner, deadline: Some(deadline), patient }
    }

    /// Runs a command to its end: echoes it, forwards its output, and prints its duration.
    ///
    /// # Errors
    /// Returns an error if the command cannot be started, takes too long, is stopped, or fails.
    pub fn run(self, cmd: &Cmd) -> Result<(), RunError> {
        self.run_draining(cmd, OUTPUT_ENDS_WITHIN)
    }

    fn run_draining(self, cmd: &Cmd, output_ends_within: Duration) -> Result<(), RunError> {
        self.startable(cmd)?;
        self.echo(cmd);
        let started = Instant::now();
        let piped = |source| RunError::Output { command: cmd.shown(), source };
        // One pipe for both streams keeps their order.
        let (reader, writer) = io::pipe().map_err(piped)?;
        let child = {
            let mut process = cmd.process();
            process.stdin(Stdio::null()).stdout(writer.try_clone().map_err(piped)?).stderr(writer);
            if self.console.colours() {
                // Cargo does not see a terminal because of the pipe.
                process.env("CARGO_TERM_COLOR", "always");
                process.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "80");
            }
            children::spawn(&mut process).map_err(|source| cmd.not_started(source))?
            // `process` is dropped here, and with it this process's copies of the pipe's writing end.
        };
        let tail = Arc::new(Mutex::new(TailBuffer::default()));
        let (done, output_ended) = mpsc::channel();
        let (console, copied) = (self.console, Arc::clone(&tail));
        thread::spawn(move || {
            let result = copy(reader, &mut console.out(), &copied);
            // The receiver is gone if the wait below timed out.
            drop(done.send(result));
        });
        let within = self.left(cmd.limit());
        let _alive = SignOfLife::begin(cmd, started, Arc::clone(&tail), self.console);
        let ended = children::wait(child, self.owner, within, self.patient).map_err(piped)?;
        match output_ended.recv_timeout(output_ends_within) {
            Ok(result) => result.map_err(piped)?,
            Err(_) => self.console.line(&self.console.paint(
                Style::Warning,
                "warning: the command ended, but something that it started still holds its output",
            )),
        }
        self.took(started);
        match ended {
            Ended::ByItself(status) if status.success() => Ok(()),
            Ended::ByItself(status) => {
                let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
                let lines = tail.lines();
                match tail.failed_tests() {
                    Some(help) => Err(cmd.clone().hint(help).failed(status, lines)),
                    None => Err(cmd.failed(status, lines)),
                }
            }
            other => Err(self.not_by_itself(cmd, &other, within)),
        }
    }

    /// Queries a program and returns its standard output. The command is not echoed.
    ///
    /// # Errors
    /// Returns an error if the command cannot be started, does not answer in time, or fails.
    pub fn ask(self, cmd: &Cmd) -> Result<String, RunError> {
        self.ask_within(cmd, ANSWER_WITHIN)
    }

    /// Runs a command and captures its output instead of printing it: echoed and timed, but silent.
    ///
    /// # Errors
    /// Returns the errors of [`Runner::ask_within`].
    pub fn capture(self, cmd: &Cmd, within: Duration) -> Result<String, RunError> {
        self.echo(cmd);
        let started = Instant::now();
        let printed = self.ask_within(cmd, within)?;
        self.took(started);
        Ok(printed)
    }

    /// Queries a program like [`Runner::ask`], with the caller's time limit.
    ///
    /// # Errors
    /// Returns the errors of [`Runner::ask`].
    pub fn ask_within(self, cmd: &Cmd, within: Duration) -> Result<String, RunError> {
        self.startable(cmd)?;
        let mut process = cmd.process();
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = children::spawn(&mut process).map_err(|source| cmd.not_started(source))?;
        let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
        let within = self.left(Some(within)).unwrap_or(within);
        let ended = children::wait(child, self.owner, Some(within), self.patient)
            .map_err(|source| RunError::Output { command: cmd.shown(), source })?;
        let status = match ended {
            Ended::ByItself(status) => status,
            Ended::TimedOut => return Err(RunError::NoAnswer { command: cmd.shown(), within }),
            Ended::Stopped => return Err(RunError::Stopped { command: cmd.shown() }),
        };
        let (Ok(out), Ok(err)) = (out.recv_timeout(OUTPUT_ENDS_WITHIN), err.recv_timeout(OUTPUT_ENDS_WITHIN))
        else {
            return Err(RunError::NoAnswer { command: cmd.shown(), within });
        };
        if status.success() {
            return Ok(String::from_utf8_lossy(&out).into_owned());
        }
        let mut tail = TailBuffer::default();
        tail.push(&secrets::redacted(&out));
        tail.push(&secrets::redacted(&err));
        Err(cmd.failed(status, tail.lines()))
    }

    /// Replaces this process with the program: it gets the terminal, the signals and the exit status. Returns
    /// only if the program could not be started.
    pub fn become_program(self, cmd: &Cmd) -> RunError {
        self.echo(cmd);
        cmd.not_started(cmd.process().exec())
    }

    fn echo(self, cmd: &Cmd) {
        self.console.line(&self.console.paint(Style::Quiet, &format!("$ {}", cmd.shown())));
    }

    fn took(self, started: Instant) {
        let seconds = started.elapsed().as_secs_f64();
        self.console.line(&self.console.paint(Style::Quiet, &format!("  took {seconds:.1} s")));
    }

    /// Returns an error if the command would be stopped at once.
    fn startable(self, cmd: &Cmd) -> Result<(), RunError> {
        if is_stopped(self.owner) { Err(RunError::Stopped { command: cmd.shown() }) } else { Ok(()) }
    }

    /// Returns the lower of a command's own limit and the time left for this part of the run.
    fn left(self, limit: Option<Duration>) -> Option<Duration> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        [left, limit].into_iter().flatten().min()
    }

    fn not_by_itself(self, cmd: &Cmd, ended: &Ended, within: Option<Duration>) -> RunError {
        let command = cmd.shown();
        match (ended, within) {
            (Ended::TimedOut, Some(within)) => RunError::TimedOut { command, within },
            _ => RunError::Stopped { command },
        }
    }
}

#[cfg(test)]
mod tests;
