//! Messages of the client: put in order, acknowledged as the agent does, and processed.

use std::collections::BTreeMap;

use bytes::Bytes;
use rds_iam_tunnel::content::Acknowledgement;
use rds_iam_tunnel::message::{Kind, Message, PayloadType};
use tokio::sync::mpsc;

use super::cipher::Cipher;
use super::handshake::{Handshake, Step, is_encrypted};
use super::{Context, command, port};
use crate::documents::Plugin;
use crate::stats::count;

/// The messages that are kept until those before them have come.
const HELD: usize = 100_000;

/// The messages of the client.
pub(super) struct Incoming {
    context: Context,
    expected: i64,
    held: BTreeMap<i64, Message>,
    cipher: Option<Cipher>,
    stage: Stage,
}

enum Stage {
    NotStarted,
    Handshake(Handshake),
    Running(Running),
}

/// The plugin that runs.
enum Running {
    Port(port::Forwarding),
    Terminal(command::Terminal),
    Pipes(command::Pipes),
}

/// The end of a session, with its output.
type Failed = String;

impl Incoming {
    pub(super) fn new(context: Context) -> Self {
        Self { context, expected: 0, held: BTreeMap::new(), cipher: None, stage: Stage::NotStarted }
    }

    /// Receives messages until the session fails. Returns its output then.
    pub(super) async fn run(&mut self, from_client: &mut mpsc::Receiver<Bytes>) -> Failed {
        match self.receive(from_client).await {
            Ok(()) => String::new(),
            Err(output) => output,
        }
    }

    async fn receive(&mut self, from_client: &mut mpsc::Receiver<Bytes>) -> Result<(), Failed> {
        // Sessions with a command have a handshake only if they are encrypted.
        self.stage =
            if matches!(self.context.session.plugin, Plugin::Port { .. }) || is_encrypted(&self.context) {
                Stage::Handshake(Handshake::begin(&self.context).await)
            } else {
                Stage::Running(self.start("").await?)
            };
        loop {
            let deadline = match &self.stage {
                Stage::Handshake(handshake) => Some(handshake.deadline),
                Stage::NotStarted | Stage::Running(_) => None,
            };
            let bytes = match deadline {
                None => from_client.recv().await,
                Some(deadline) => match tokio::time::timeout_at(deadline, from_client.recv()).await {
                    Ok(bytes) => bytes,
                    Err(_) => return Err(self.timed_out()),
                },
            };
            let Some(bytes) = bytes else { return Ok(()) };
            match Message::decode(&bytes) {
                Ok(message) => self.handle(message).await?,
                Err(error) => tracing::debug!(%error, "the agent ignores a message"),
            }
        }
    }

    fn timed_out(&self) -> Failed {
        match &self.stage {
            Stage::Handshake(handshake) => handshake.timed_out(),
            Stage::NotStarted | Stage::Running(_) => String::new(),
        }
    }

    async fn handle(&mut self, message: Message) -> Result<(), Failed> {
        match message.kind {
            Kind::InputStreamData => self.handle_data(message).await,
            Kind::Acknowledge => {
                if let Ok(content) = serde_json::from_slice::<Acknowledgement>(&message.payload) {
                    self.context.outgoing.acknowledged(content.acknowledged_message_sequence_number);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn handle_data(&mut self, message: Message) -> Result<(), Failed> {
        if message.sequence > self.expected {
            if self.held.len() < HELD {
                self.context.outgoing.acknowledge(&message).await;
                self.held.insert(message.sequence, message);
            }
            return Ok(());
        }
        if message.sequence < self.expected {
            count(&self.context.service.counters.duplicates);
            self.context.outgoing.acknowledge(&message).await;
            return Ok(());
        }
        self.process(&message, true).await?;
        while let Some(next) = self.held.remove(&self.expected) {
            self.process(&next, false).await?;
        }
        Ok(())
    }

    /// Processes the expected message, and then acknowledges it if that was not done before.
    async fn process(&mut self, message: &Message, acknowledges: bool) -> Result<(), Failed> {
        let step = match &mut self.stage {
            Stage::NotStarted => Step::Unreadable,
            Stage::Handshake(handshake) => handshake.process(&self.context, &mut self.cipher, message).await,
            Stage::Running(running) => {
                let payload = match &self.cipher {
                    Some(cipher) if message.payload_type == PayloadType::OUTPUT => {
                        cipher.decrypt(&message.payload).ok()
                    }
                    _ => Some(message.payload.clone()),
                };
                match payload {
                    Some(payload) => {
                        running.handle(&self.context, message.payload_type, payload).await?;
                        Step::Wait
                    }
                    None => Step::Unreadable,
                }
            }
        };
        let completed = match step {
            // The client sends it again.
            Step::Unreadable => return Ok(()),
            Step::Fail(output) => return Err(output),
            Step::Wait => None,
            Step::Complete { client_version } => Some(client_version),
        };
        if acknowledges {
            self.context.outgoing.acknowledge(message).await;
        }
        self.expected += 1;
        if let Some(client_version) = completed {
            // The acknowledgement is sent first: the official client may hang otherwise.
            if let Stage::Handshake(handshake) = &self.stage {
                handshake.finish(&self.context).await;
            }
            self.stage = Stage::Running(self.start(&client_version).await?);
        }
        Ok(())
    }

    /// Starts the session's plugin.
    async fn start(&self, client_version: &str) -> Result<Running, Failed> {
        match &self.context.session.plugin {
            Plugin::Port { host, port, .. } => {
                port::start(&self.context, client_version, host.as_deref(), *port).await.map(Running::Port)
            }
            Plugin::Interactive { command } => {
                command::Terminal::start(&self.context, command).map(Running::Terminal)
            }
            Plugin::NonInteractive { command, is_separate } => {
                Ok(Running::Pipes(command::Pipes::start(&self.context, command, *is_separate)))
            }
        }
    }
}

impl Running {
    async fn handle(
        &mut self,
        context: &Context,
        payload_type: PayloadType,
        payload: Bytes,
    ) -> Result<(), Failed> {
        match self {
            Self::Port(port) => port.handle(context, payload_type, payload).await?,
            Self::Terminal(terminal) => terminal.handle(payload_type, &payload).await,
            Self::Pipes(pipes) => pipes.handle(payload_type, &payload),
        }
        Ok(())
    }
}
