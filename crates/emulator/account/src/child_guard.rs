//! Shells that are tied to this process: `ChildGuard` ends a program, or runs a command, when it is dropped or this
//! process ends by any cause.

use std::fs::File;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};

use rds_iam_emulator_server::command::{Command, CommandError};

/// Shell script: runs the given command until it ends, or until standard input closes. Its reader ends with the command: later,
/// it would signal the process that has the id then.
const UNTIL_INPUT_CLOSES: &str = r#"exec 3<&0
"$@" </dev/null 3<&- &
pid=$!
{ while read -r _ <&3; do :; done; kill "$pid"; } &
reader=$!
wait "$pid"
status=$?
kill "$reader" 2>/dev/null
exit "$status""#;

/// Shell script: waits until standard input closes, and then runs the given command.
const ONCE_INPUT_CLOSES: &str = r#"while read -r _; do :; done; exec "$@" </dev/null"#;

/// A shell that reads from a pipe of this process. Dropping it closes the pipe and waits for the shell.
#[derive(Debug)]
pub(crate) struct ChildGuard {
    shell: Child,
    /// The shell's standard input; closing it is the signal.
    stdin: Option<ChildStdin>,
}

impl ChildGuard {
    /// Starts a program, which gets SIGTERM when this is dropped or this process ends. Its
    /// output goes into `log`.
    pub(crate) fn program(command: &[String], log: &File) -> Result<Self, CommandError> {
        Self::start(Command::new("sh").bare(), UNTIL_INPUT_CLOSES, command, log)
    }

    /// Creates a guard that runs a command when it is dropped or this process ends.
    pub(crate) fn at_the_end(command: &[String], log: &File) -> Result<Self, CommandError> {
        Self::start(Command::new("sh"), ONCE_INPUT_CLOSES, command, log)
    }

    fn start(shell: Command, script: &str, command: &[String], log: &File) -> Result<Self, CommandError> {
        let shell = shell.args(["-c", script, "sh"]).args(command.iter().cloned());
        let to_log = || log.try_clone().map_or_else(|_| Stdio::null(), Stdio::from);
        let mut shell = shell.spawn(Stdio::piped(), to_log(), to_log())?;
        Ok(Self { stdin: shell.stdin.take(), shell })
    }

    /// Returns the program's exit status, if it has ended.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.shell.try_wait().ok().flatten()
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        drop(self.stdin.take());
        if let Err(e) = self.shell.wait() {
            tracing::warn!("waiting for a program to end: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Seek, Write};
    use std::time::Duration;

    use super::*;

    fn words(command: &[&str]) -> Vec<String> {
        command.iter().map(ToString::to_string).collect()
    }

    fn text(log: &mut File) -> String {
        let mut text = String::new();
        log.rewind().and_then(|()| log.read_to_string(&mut text)).unwrap();
        text
    }

    #[tokio::test]
    async fn a_program_ends_with_its_owner_and_may_end_by_itself() {
        let mut log = tempfile::tempfile().unwrap();
        let mut program = ChildGuard::program(
            &words(&["sh", "-c", "trap 'echo asked; exit' TERM; echo up; while :; do sleep 0.01; done"]),
            &log,
        )
        .unwrap();
        while text(&mut log).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(program.exit_status(), None);
        drop(program);
        assert_eq!(text(&mut log), "up\nasked\n");

        let mut program = ChildGuard::program(&words(&["sh", "-c", "exit 3"]), &log).unwrap();
        let status = loop {
            if let Some(status) = program.exit_status() {
                break status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(status.code(), Some(3));
        // No process reads any more, and so none would signal the program's id, which another may have later.
        let mut stdin = program.stdin.take().unwrap();
        let closed = async {
            while !stdin.write(b"\n").is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), closed)
            .await
            .expect("the reader ends with the program");
    }

    #[test]
    fn a_command_runs_at_the_end_and_not_before() {
        let mut log = tempfile::tempfile().unwrap();
        let command = ChildGuard::at_the_end(&words(&["echo", "the end"]), &log).unwrap();
        assert_eq!(text(&mut log), "");
        drop(command);
        assert_eq!(text(&mut log), "the end\n");
    }
}
