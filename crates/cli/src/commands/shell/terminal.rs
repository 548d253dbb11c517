//! This program's own terminal: raw mode, its size, and threads that read and write.
//!
//! Reads and writes of a terminal or a pipe block. In threads of their own, a reader of the output that has stopped
//! does not stop the session, and neither keeps this program from its end.

use std::io::{self, ErrorKind, IsTerminal as _, Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use rds_iam_report::escape_control;
use rds_iam_tunnel::{ShellEvent, TerminalSize};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::{mpsc, oneshot};

/// The parts of input or output that wait for the other side.
const WAITING: usize = 16;

/// Whether the terminal is in raw mode, in which a line end does not return to the first column.
static IS_RAW: AtomicBool = AtomicBool::new(false);

/// The raw mode of the terminal, in which keys are bytes. Dropping it restores the mode before.
pub(super) struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Enters raw mode. Returns `None` if standard input is no terminal.
    pub(super) fn enter() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        IS_RAW.store(true, Ordering::Relaxed);
        Ok(Some(Self { before }))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that has gone needs no mode.
        let _gone = tcsetattr(stdin(), OptionalActions::Now, &self.before);
        IS_RAW.store(false, Ordering::Relaxed);
    }
}

/// Prints a line of this program to standard error, between the command's output.
pub(super) fn say(text: &str) {
    let text = escape_control(text);
    let line = if IS_RAW.load(Ordering::Relaxed) { format!("\r\n{text}\r\n") } else { format!("{text}\n") };
    // A terminal that has gone has no reader.
    drop(io::stderr().lock().write_all(line.as_bytes()));
}

/// Returns the size of the terminal. Returns `None` if there is none, or it has no size.
pub(super) fn size() -> Option<TerminalSize> {
    let size = tcgetwinsize(stdout()).or_else(|_| tcgetwinsize(stdin())).ok()?;
    let size = TerminalSize { columns: size.ws_col, rows: size.ws_row };
    (size.columns > 0 && size.rows > 0).then_some(size)
}

/// Reads standard input, until its end or an error.
pub(super) fn reader() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut buffer = [0; 4096];
        loop {
            match input.read(&mut buffer) {
                Ok(length @ 1..) => {
                    if sender.blocking_send(buffer[..length].to_vec()).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A terminal that has gone fails to be read.
                Ok(0) | Err(_) => return,
            }
        }
    });
    receiver
}

/// Writes output. The second value is the result, once the first one is dropped and all is written.
pub(super) fn writer() -> (mpsc::Sender<ShellEvent>, oneshot::Receiver<io::Result<()>>) {
    let (sender, events) = mpsc::channel(WAITING);
    let (done, result) = oneshot::channel();
    // No task waits for the result if a signal ends the program.
    std::thread::spawn(move || drop(done.send(write(events))));
    (sender, result)
}

fn write(mut events: mpsc::Receiver<ShellEvent>) -> io::Result<()> {
    while let Some(event) = events.blocking_recv() {
        match event {
            ShellEvent::Output(bytes) => {
                let mut output = io::stdout().lock();
                output.write_all(&bytes)?;
                output.flush()?;
            }
            ShellEvent::Error(bytes) => io::stderr().lock().write_all(&bytes)?,
            _ => {}
        }
    }
    Ok(())
}
