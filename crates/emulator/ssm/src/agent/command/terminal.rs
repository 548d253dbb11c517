//! A command in a terminal of its own.

use bytes::Bytes;
use pty_process::{Command, OwnedReadPty, OwnedWritePty, Size};
use rds_iam_tunnel::message::PayloadType;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;
use tokio::task::JoinSet;

use super::environment;
use super::text::Text;
use crate::agent::Context;

/// A running command in a terminal. Dropping it kills the command.
pub(in crate::agent) struct Terminal {
    input: OwnedWritePty,
    _reading: JoinSet<()>,
}

/// The payload with the size of the client's terminal.
#[derive(Deserialize)]
struct WindowSize {
    cols: u32,
    rows: u32,
}

impl Terminal {
    /// Starts a command. Returns the session's output if it can't.
    pub(in crate::agent) fn start(context: &Context, command: &str) -> Result<Self, String> {
        let failed = |error: pty_process::Error| format!("Unable to start command: {error}\n");
        let (terminal, device) = pty_process::open().map_err(failed)?;
        terminal.resize(Size::new(24, 80)).map_err(failed)?;
        let child = Command::new("sh")
            .args(["-c", command])
            .env_clear()
            .envs(environment())
            .kill_on_drop(true)
            .spawn(device)
            .map_err(failed)?;
        let (output, input) = terminal.into_split();
        let mut reading = JoinSet::new();
        reading.spawn(read(context.clone(), output, child));
        Ok(Self { input, _reading: reading })
    }

    pub(in crate::agent) async fn handle(&mut self, payload_type: PayloadType, payload: &Bytes) {
        match payload_type {
            // A command that has ended reads nothing; its end is noticed by the reader.
            PayloadType::OUTPUT => drop(self.input.write_all(payload).await),
            PayloadType::SIZE => {
                let cell = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
                if let Ok(WindowSize { cols, rows }) = serde_json::from_slice(payload)
                    && let Err(error) = self.input.resize(Size::new(cell(rows), cell(cols)))
                {
                    tracing::debug!(%error, "the agent cannot resize a terminal");
                }
            }
            _ => {}
        }
    }
}

/// Sends the output of the command, and ends the session with it.
async fn read(context: Context, mut output: OwnedReadPty, mut command: Child) {
    let mut buffer = vec![0; context.service.settings.chunk.max(4)];
    let mut text = Text::default();
    // A terminal whose command has ended fails to be read.
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        context.outgoing.send(PayloadType::OUTPUT, text.push(&buffer[..length])).await;
    }
    context.outgoing.send(PayloadType::OUTPUT, text.finish()).await;
    // The exit status of a command in a terminal is not sent.
    command.wait().await.ok();
    context.end("");
}
