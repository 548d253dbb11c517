//! A session: its tokens, its client, and the queues between the client's WebSocket and the agent.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use rds_iam_tunnel::content::OpenDataChannel;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::lock;
use crate::documents::Plugin;
use crate::settings::Instance;

/// The messages that wait in each direction. They outlive a WebSocket, and are dropped at the end of the session.
const QUEUE: usize = 1024;

/// The output of a session that ended because it was idle, in AWS's words.
const TIMED_OUT: &str = "Your session timed out due to inactivity and has been terminated.";

/// A session of Session Manager.
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) instance: Instance,
    pub(crate) plugin: Plugin,
    cell: String,
    state: Mutex<State>,
    /// The number of the WebSocket that the session has now. An older one ends.
    pub(crate) current: watch::Sender<u64>,
    /// Whether there is a client.
    pub(crate) attached: watch::Sender<bool>,
    ended: watch::Sender<Option<Ended>>,
    pub(crate) to_agent: mpsc::Sender<Bytes>,
    pub(crate) from_agent: tokio::sync::Mutex<mpsc::Receiver<Bytes>>,
    activity: Mutex<Instant>,
}

struct State {
    token: Option<String>,
    client: Option<Uuid>,
    /// The agent's ends of the queues, until it starts.
    agent: Option<AgentSide>,
}

/// The agent's ends of the queues.
pub(crate) struct AgentSide {
    pub(crate) from_client: mpsc::Receiver<Bytes>,
    pub(crate) to_client: mpsc::Sender<Bytes>,
    pub(crate) attached: watch::Receiver<bool>,
}

/// The end of a session.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// The reason, for the client's user.
    pub(crate) output: String,
    pub(crate) has_timed_out: bool,
}

impl Session {
    pub(super) fn new(id: String, instance: Instance, plugin: Plugin, cell: String, token: String) -> Self {
        let (to_agent, from_client) = mpsc::channel(QUEUE);
        let (to_client, from_agent) = mpsc::channel(QUEUE);
        let (attached, watched) = watch::channel(false);
        let agent = AgentSide { from_client, to_client, attached: watched };
        Self {
            id,
            instance,
            plugin,
            cell,
            state: Mutex::new(State { token: Some(token), client: None, agent: Some(agent) }),
            current: watch::Sender::new(0),
            attached,
            ended: watch::Sender::new(None),
            to_agent,
            from_agent: tokio::sync::Mutex::new(from_agent),
            activity: Mutex::new(Instant::now()),
        }
    }

    /// Returns the query of the data channel's URL. Clients have to send it as it is.
    pub(crate) fn query(&self) -> String {
        format!("role=publish_subscribe&cell-number={}", self.cell)
    }

    pub(super) fn set_token(&self, token: String) {
        lock(&self.state).token = Some(token);
    }

    /// Checks the first message of a WebSocket, and makes that WebSocket the session's. Returns its number.
    ///
    /// A token opens one WebSocket.
    pub(crate) fn admit(&self, request: &OpenDataChannel) -> Result<u64, &'static str> {
        if self.ended().is_some() {
            return Err("Session is already terminated");
        }
        if request.message_schema_version != "1.0" || request.request_id.parse::<Uuid>().is_err() {
            return Err("Invalid request");
        }
        let client = request.client_id.parse::<Uuid>().map_err(|_| "Invalid client id")?;
        if request.client_version.as_deref().is_none_or(str::is_empty) {
            return Err("Invalid client version");
        }
        let mut state = lock(&self.state);
        if state.token.as_deref() != Some(&request.token_value) {
            return Err("Invalid token");
        }
        if *state.client.get_or_insert(client) != client {
            return Err("Another client has this session");
        }
        state.token = None;
        drop(state);
        let mut number = 0;
        self.current.send_modify(|current| {
            *current += 1;
            number = *current;
        });
        self.touch();
        Ok(number)
    }

    /// Returns the agent's ends of the queues, once.
    pub(crate) fn take_agent(&self) -> Option<AgentSide> {
        lock(&self.state).agent.take()
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.ended.borrow().clone()
    }

    /// Ends the session, if it has not ended yet.
    pub(crate) fn end(&self, output: String, has_timed_out: bool) {
        self.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            if is_first {
                tracing::debug!(session = self.id, output, "the session ends");
                *ended = Some(Ended { output, has_timed_out });
            }
            is_first
        });
    }

    /// Waits for the end of the session.
    pub(crate) async fn wait_for_end(&self) -> Ended {
        let mut ended = self.ended.subscribe();
        match ended.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
            Ok(Some(ended)) => ended,
            // The sender is a field of this session.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Records that there is data.
    pub(crate) fn touch(&self) {
        *lock(&self.activity) = Instant::now();
    }

    /// Ends the session when it was idle for `idle_timeout`. After its end, for any reason, drops its queues. The
    /// session itself is kept: `ResumeSession` has another answer for one that was idle.
    pub(super) async fn watch(&self, idle_timeout: Duration) {
        tokio::select! {
            () = self.wait_until_idle(idle_timeout) => self.end(TIMED_OUT.to_owned(), true),
            _ = self.wait_for_end() => {}
        }
        // The ends of an agent that has not started. One that has drops its own.
        drop(lock(&self.state).agent.take());
        // The WebSocket releases the queue once it has taken what the agent sent before its end.
        let (_, empty) = mpsc::channel(1);
        *self.from_agent.lock().await = empty;
    }

    /// Waits until there was no data for `timeout`.
    async fn wait_until_idle(&self, timeout: Duration) {
        loop {
            let idle_at = *lock(&self.activity) + timeout;
            if idle_at <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(idle_at).await;
        }
    }
}
