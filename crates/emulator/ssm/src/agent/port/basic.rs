//! Basic mode: one connection at a time, whose bytes are the payloads.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rds_iam_tunnel::message::{Flag, PayloadType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;

use super::{Connection, Target};
use crate::agent::Context;
use crate::stats::Counted;

/// The connection of a session, if there is one. Dropping it closes it.
pub(in crate::agent) struct Basic {
    target: Arc<Target>,
    to_target: Option<OwnedWriteHalf>,
    /// The task that reads from the connection. It ends with the connection.
    reading: JoinSet<()>,
}

impl Basic {
    /// Connects to the target. Returns the session's output if it can't.
    pub(super) async fn start(context: &Context, target: Arc<Target>) -> Result<Self, String> {
        let mut basic = Self { target, to_target: None, reading: JoinSet::new() };
        basic.connect(context).await?;
        Ok(basic)
    }

    async fn connect(&mut self, context: &Context) -> Result<&mut OwnedWriteHalf, String> {
        let dialled = self.target.dial(context).await;
        let Connection { stream, count } =
            dialled.map_err(|error| format!("Unable to connect to specified port: {error}"))?;
        let (from_target, to_target) = stream.into_split();
        self.reading.abort_all();
        self.reading = JoinSet::new();
        self.reading.spawn(read(context.clone(), from_target, count));
        Ok(self.to_target.insert(to_target))
    }

    fn disconnect(&mut self) {
        self.to_target = None;
        self.reading.abort_all();
    }

    pub(super) async fn handle(
        &mut self,
        context: &Context,
        payload_type: PayloadType,
        payload: Bytes,
    ) -> Result<(), String> {
        match (payload_type, Flag::from_payload(&payload)) {
            (PayloadType::OUTPUT, _) => self.write(context, &payload).await?,
            // The agent connects again when there is data.
            (PayloadType::FLAG, Some(Flag::DisconnectToPort)) => self.disconnect(),
            (PayloadType::FLAG, Some(Flag::TerminateSession)) => context.end(""),
            _ => {}
        }
        Ok(())
    }

    async fn write(&mut self, context: &Context, payload: &[u8]) -> Result<(), String> {
        // The target may have closed the connection: the agent notices it as it reads.
        if self.reading.try_join_next().is_some() {
            self.disconnect();
        }
        if let Some(connection) = &mut self.to_target
            && connection.write_all(payload).await.is_ok()
        {
            return Ok(());
        }
        let connection = self.connect(context).await?;
        if connection.write_all(payload).await.is_err() {
            self.disconnect();
        }
        Ok(())
    }
}

/// Sends what the target sends. The client is not sent the end of it.
async fn read(context: Context, mut from_target: OwnedReadHalf, _count: Counted) {
    let chunk = context.service.settings.chunk.max(1);
    let mut buffer = BytesMut::with_capacity(chunk);
    loop {
        buffer.reserve(chunk);
        match (&mut from_target).take(chunk as u64).read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => context.outgoing.send(PayloadType::OUTPUT, buffer.split().freeze()).await,
        }
    }
}
