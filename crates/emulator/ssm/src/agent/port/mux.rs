//! Mux mode: the server's end of smux version 1. Each stream is a connection to the target.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::{Bytes, BytesMut};
use rds_iam_tunnel::message::{Flag, PayloadType};
use rds_iam_tunnel::smux::frame::{Command, Decoder, Event, MAX_SENT, write_data, write_header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Connection, Target};
use crate::agent::Context;
use crate::faults::Nonsense;

/// The bytes from the client that may wait for all targets together: smux's receive buffer. The session stops at it.
const RECEIVE_BUFFER: usize = 4 << 20;

/// The frames that wait to be sent.
const FRAMES: usize = 16;

/// The bytes for a connection, which take space in the receive buffer until they are written.
type Received = (Bytes, OwnedSemaphorePermit);

/// A frame to the client.
enum Frame {
    Data(u32, Bytes),
    Fin(u32),
    Nop,
}

/// The streams of a session. Dropping it ends them.
pub(in crate::agent) struct Mux {
    context: Context,
    target: Arc<Target>,
    decoder: Decoder,
    streams: HashMap<u32, mpsc::UnboundedSender<Received>>,
    space: Arc<Semaphore>,
    frames: mpsc::Sender<Frame>,
    /// Whether the client has sent anything since the last check.
    has_received: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Mux {
    pub(super) fn start(context: &Context, target: Arc<Target>, keeps_alive: bool) -> Self {
        let (frames, to_send) = mpsc::channel(FRAMES);
        let has_received = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        tasks.spawn(send_frames(context.clone(), to_send));
        if keeps_alive {
            tasks.spawn(keep_alive(context.clone(), frames.clone(), Arc::clone(&has_received)));
        }
        Self {
            context: context.clone(),
            target,
            decoder: Decoder::default(),
            streams: HashMap::new(),
            space: Arc::new(Semaphore::new(RECEIVE_BUFFER)),
            frames,
            has_received,
            tasks,
        }
    }

    pub(super) async fn handle(&mut self, payload_type: PayloadType, mut payload: Bytes) {
        match payload_type {
            PayloadType::OUTPUT => {
                self.has_received.store(true, Relaxed);
                loop {
                    match self.decoder.next(&mut payload) {
                        Ok(Some(event)) => self.process(event).await,
                        Ok(None) => return,
                        Err(error) => {
                            tracing::debug!(%error, "the agent ends a session");
                            return self.context.end("");
                        }
                    }
                }
            }
            PayloadType::FLAG if Flag::from_payload(&payload) == Some(Flag::TerminateSession) => {
                self.context.end("");
            }
            _ => {}
        }
    }

    async fn process(&mut self, event: Event) {
        match event {
            Event::Opened(id) => self.open(id),
            // The task of the stream sees the end of its queue.
            Event::Closed(id) => drop(self.streams.remove(&id)),
            Event::Data(id, data) => {
                let Some(stream) = self.streams.get(&id) else { return };
                let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
                // Without space, nothing else of the session is received, as in the agent. It is never closed.
                let Ok(space) = Arc::clone(&self.space).acquire_many_owned(length).await else { return };
                if stream.send((data, space)).is_err() {
                    // The target has closed its connection.
                    self.streams.remove(&id);
                }
            }
            Event::KeepAlive => {}
        }
    }

    fn open(&mut self, id: u32) {
        while self.tasks.try_join_next().is_some() {}
        self.streams.retain(|_, stream| !stream.is_closed());
        if self.streams.contains_key(&id) {
            return;
        }
        let (stream, received) = mpsc::unbounded_channel();
        self.streams.insert(id, stream);
        let (context, target) = (self.context.clone(), Arc::clone(&self.target));
        let frames = self.frames.clone();
        self.tasks.spawn(async move {
            match target.dial(&context).await {
                Ok(connection) => forward(id, connection, received, &frames).await,
                Err(_) => {
                    let flag = Flag::ConnectToPortError.to_payload();
                    context.outgoing.send(PayloadType::FLAG, flag).await;
                }
            }
            // The receiver is gone if the session has ended.
            frames.send(Frame::Fin(id)).await.ok();
        });
    }
}

/// Forwards until either side has ended: there is no half-closed stream.
async fn forward(
    id: u32,
    connection: Connection,
    mut received: mpsc::UnboundedReceiver<Received>,
    frames: &mpsc::Sender<Frame>,
) {
    let Connection { mut stream, count: _count } = connection;
    let (mut from_target, mut to_target) = stream.split();
    let up = async {
        while let Some((bytes, _space)) = received.recv().await {
            if to_target.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let down = async {
        let mut buffer = BytesMut::with_capacity(MAX_SENT);
        loop {
            buffer.reserve(MAX_SENT);
            match from_target.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if frames.send(Frame::Data(id, buffer.split().freeze())).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// Sends frames in messages of the agent's length. Neither knows the borders of the other.
async fn send_frames(context: Context, mut frames: mpsc::Receiver<Frame>) {
    let chunk = context.service.settings.chunk.max(1);
    let mut buffer = BytesMut::new();
    if context.service.faults.borrow().nonsense == Some(Nonsense::Smux) {
        context.outgoing.send(PayloadType::OUTPUT, Bytes::from_static(&[9; 16])).await;
    }
    while let Some(frame) = frames.recv().await {
        write(&mut buffer, frame);
        while !buffer.is_empty() {
            while buffer.len() < chunk
                && let Ok(frame) = frames.try_recv()
            {
                write(&mut buffer, frame);
            }
            let part = buffer.split_to(chunk.min(buffer.len())).freeze();
            context.outgoing.send(PayloadType::OUTPUT, part).await;
        }
    }
}

fn write(buffer: &mut BytesMut, frame: Frame) {
    match frame {
        Frame::Data(id, data) => write_data(buffer, id, &data),
        Frame::Fin(id) => write_header(buffer, Command::Fin, id, 0),
        Frame::Nop => write_header(buffer, Command::Nop, 0, 0),
    }
}

/// Sends NOPs to a client that sends them too, and ends the session if the client has stopped.
async fn keep_alive(context: Context, frames: mpsc::Sender<Frame>, has_received: Arc<AtomicBool>) {
    let timers = context.service.settings.timers;
    let start = Instant::now();
    let mut nops = tokio::time::interval_at(start + timers.keep_alive, timers.keep_alive);
    let mut checks = tokio::time::interval_at(start + timers.keep_alive_timeout, timers.keep_alive_timeout);
    loop {
        tokio::select! {
            _ = nops.tick() => {
                if frames.send(Frame::Nop).await.is_err() {
                    return;
                }
            }
            _ = checks.tick() => {
                if !has_received.swap(false, Relaxed) {
                    return context.end("");
                }
            }
        }
    }
}
