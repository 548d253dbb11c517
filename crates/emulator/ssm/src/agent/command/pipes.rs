//! A command without a terminal: both outputs after its end, or apart and with its exit status.

use std::io::{self, Read as _};
use std::process::Stdio;

use rds_iam_tunnel::message::PayloadType;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::environment;
use super::text::Text;
use crate::agent::Context;

/// A running command with pipes. Dropping it kills the command.
pub(in crate::agent) struct Pipes {
    process: Option<Pid>,
    _running: JoinSet<()>,
}

impl Pipes {
    /// Starts a command. A failure is sent to the client as the agent does.
    pub(in crate::agent) fn start(context: &Context, command: &str, is_separate: bool) -> Self {
        let mut running = JoinSet::new();
        let context = context.clone();
        let process = match spawn(command, is_separate) {
            Ok((child, combined)) => {
                let process = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
                running.spawn(async move {
                    match combined {
                        None => run_separate(&context, child).await,
                        Some(output) => run_combined(&context, child, output).await,
                    }
                    context.end("");
                });
                process
            }
            Err(error) => {
                let message = format!("Unable to start command: {error}\n");
                running.spawn(async move {
                    context.outgoing.send(PayloadType::STDERR, message.into()).await;
                    context.end("");
                });
                None
            }
        };
        Self { process, _running: running }
    }

    /// Sends the command the signal of a control character.
    pub(in crate::agent) fn handle(&mut self, payload_type: PayloadType, payload: &[u8]) {
        let signal = payload.iter().find_map(|byte| match byte {
            0x03 => Some(Signal::INT),
            0x1c => Some(Signal::QUIT),
            0x1a => Some(Signal::TSTP),
            _ => None,
        });
        if let (PayloadType::OUTPUT, Some(signal), Some(process)) = (payload_type, signal, self.process)
            && let Err(error) = kill_process(process, signal)
        {
            tracing::debug!(%error, "the agent cannot signal a command");
        }
    }
}

/// Starts a command. Returns the pipe of both outputs too if they are not apart.
#[expect(
    clippy::disallowed_methods,
    reason = "the command is the client's, and its output goes to the client alone"
)]
fn spawn(command: &str, is_separate: bool) -> io::Result<(Child, Option<io::PipeReader>)> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "Failed to parse commands input");
    let words = shlex::split(command).ok_or_else(invalid)?;
    let (program, arguments) = words.split_first().ok_or_else(invalid)?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment()).stdin(Stdio::null()).kill_on_drop(true);
    if is_separate {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        return Ok((child, None));
    }
    let (reader, writer) = io::pipe()?;
    let child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The command has the writing ends alone from here on, as this end of them is dropped.
    Ok((child, Some(reader)))
}

async fn run_separate(context: &Context, mut child: Child) {
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    tokio::join!(
        forward(context, PayloadType::OUTPUT, output),
        forward(context, PayloadType::STDERR, errors),
    );
    let status = child.wait().await.ok().and_then(|status| status.code()).unwrap_or(-1);
    context.outgoing.send(PayloadType::EXIT_CODE, format!("EXIT_CODE: {status}").into()).await;
}

async fn forward(context: &Context, payload_type: PayloadType, output: Option<impl AsyncRead + Unpin>) {
    let Some(mut output) = output else { return };
    let mut buffer = vec![0; context.service.settings.chunk.max(4)];
    let mut text = Text::default();
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        context.outgoing.send(payload_type, text.push(&buffer[..length])).await;
    }
    context.outgoing.send(payload_type, text.finish()).await;
}

async fn run_combined(context: &Context, mut child: Child, mut output: io::PipeReader) {
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes).map(|_| bytes)
    });
    child.wait().await.ok();
    let mut text = Text::default();
    let output = reading.await.ok().and_then(Result::ok).unwrap_or_default();
    for part in output.chunks(context.service.settings.chunk.max(4)) {
        context.outgoing.send(PayloadType::OUTPUT, text.push(part)).await;
    }
    context.outgoing.send(PayloadType::OUTPUT, text.finish()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_without_words_is_refused() {
        for command in ["", "  ", "echo 'open"] {
            assert_eq!(spawn(command, true).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{command}");
        }
    }
}
