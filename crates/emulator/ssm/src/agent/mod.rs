//! The agent on the instance: one for each session.

mod cipher;
mod command;
mod handshake;
mod incoming;
mod outgoing;
mod port;

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::sessions::{AgentSide, Service, Session};
use incoming::Incoming;
use outgoing::Outgoing;

/// What all parts of an agent have.
#[derive(Clone)]
pub(crate) struct Context {
    service: Arc<Service>,
    session: Arc<Session>,
    outgoing: Arc<Outgoing>,
    /// Ends the session in order, with an output for the client's user.
    ends: mpsc::UnboundedSender<String>,
}

impl Context {
    /// Ends the session after its last messages were acknowledged.
    fn end(&self, output: impl Into<String>) {
        // The receiver is gone if the session has ended.
        self.ends.send(output.into()).ok();
    }
}

/// Runs the agent of a session until the session ends. Returns the output for the client's user.
pub(crate) async fn run(service: &Arc<Service>, session: &Arc<Session>, side: AgentSide) -> String {
    let AgentSide { mut from_client, to_client, attached } = side;
    let outgoing = Arc::new(Outgoing::new(Arc::clone(service), to_client, attached));
    let (ends, mut ended) = mpsc::unbounded_channel();
    let context = Context {
        service: Arc::clone(service),
        session: Arc::clone(session),
        outgoing: Arc::clone(&outgoing),
        ends,
    };
    let mut incoming = Incoming::new(context);
    let receiving = incoming.run(&mut from_client);
    let resending = outgoing.resend();
    tokio::pin!(receiving, resending);
    let output = tokio::select! {
        output = &mut receiving => return output,
        () = &mut resending => return String::new(),
        output = ended.recv() => output.unwrap_or_default(),
    };
    // The client's acknowledgements still have to be received.
    tokio::select! {
        _ = &mut receiving => {}
        () = &mut resending => {}
        () = outgoing.drained() => {}
        () = tokio::time::sleep(service.settings.timers.drain) => {}
    }
    output
}
