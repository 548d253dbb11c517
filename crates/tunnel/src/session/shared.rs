//! The state that a session's task shares with the handles of its streams, or of its terminal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::TunnelError;
use crate::payloads::Payloads;

#[derive(Debug)]
pub(crate) struct Shared<P> {
    state: Mutex<State<P>>,
}

#[derive(Debug)]
pub(crate) struct State<P> {
    pub(crate) payloads: P,
    /// The task of the session.
    task: Option<Waker>,
    pub(crate) is_closing: bool,
    /// Whether the connection to the service was lost, and the session is not resumed yet.
    pub(crate) is_interrupted: bool,
    /// The reason why the session has ended.
    pub(crate) ended: Option<Arc<TunnelError>>,
}

impl<P: Payloads> Shared<P> {
    pub(crate) fn new(payloads: P) -> Self {
        let state = State { payloads, task: None, is_closing: false, is_interrupted: false, ended: None };
        Self { state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<P>> {
        // No code panics while it holds the lock, and each change of the state is complete.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers the session's task, to be woken by the next change.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut state = self.lock();
        if !state.task.as_ref().is_some_and(|task| task.will_wake(waker)) {
            state.task = Some(waker.clone());
        }
    }

    /// Requests the end of the session.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closing = true;
        let task = state.task.take();
        drop(state);
        wake(task);
    }

    /// Waits until the end is requested.
    pub(crate) async fn closing(&self) {
        std::future::poll_fn(|cx| {
            self.register(cx.waker());
            if self.lock().is_closing { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Ends the session: what waits for it is woken, and fails.
    pub(crate) fn end(&self, reason: TunnelError) {
        let reason = Arc::new(reason);
        let mut state = self.lock();
        state.payloads.ended(&reason);
        state.ended = Some(reason);
    }
}

impl<P> State<P> {
    /// Returns the session's task, to be woken when the lock is released.
    pub(crate) fn task(&mut self) -> Option<Waker> {
        self.task.take()
    }
}

/// Wakes a task.
pub(crate) fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}
