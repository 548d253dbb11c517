//! The state of a gateway: its targets, the sessions that are open, and the stage of its life.

use std::sync::Arc;

use rds_iam_infra::Engine;
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};

use crate::limit::Admission;
use crate::metrics::{Counts, Metrics};
use crate::{Address, Failure, Limits, LocalPassword, Tokens, Upstream, UserRule};

/// One listener, and the database that its clients are logged in to.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "settings, given by name")]
pub struct Target {
    /// The name in logs, metrics and the table.
    pub name: String,
    /// The engine, whose protocol is spoken on both sides.
    pub engine: Engine,
    /// The address that clients connect to.
    pub address: Address,
    /// The database.
    pub upstream: Upstream,
    /// The user that sessions log in as.
    pub user: UserRule,
    /// The database of clients that name none; `None` to leave it to the server.
    pub database: Option<String>,
    /// The tokens for the user.
    pub tokens: Arc<Tokens>,
    /// The password that a client has to give; `None` for none.
    pub password: Option<LocalPassword>,
    /// The limits.
    pub limits: Limits,
}

/// A target, with the state of its listener.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) target: Target,
    pub(crate) admission: Admission,
    pub(crate) counts: Counts,
    /// The keys of PostgreSQL's cancel requests.
    pub(crate) keys: crate::postgres::CancelKeys,
    pub(crate) address: Address,
}

/// The stage of a gateway's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Starting,
    Serving,
    /// Clients are still accepted; the gateway ends when none is left, or at the deadline.
    Draining,
}

/// The state of a gateway, as its HTTP endpoints report it.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) metrics: Metrics,
    pub(crate) served: Vec<Arc<Served>>,
    pub(crate) status: watch::Sender<Status>,
    /// The number of clients that are logging in or logged in.
    pub(crate) clients: watch::Sender<usize>,
    pub(crate) quit: Notify,
}

impl Watched {
    pub(crate) fn status(&self) -> Status {
        *self.status.borrow()
    }

    /// Returns why another session would not be accepted.
    pub(crate) fn not_ready(&self) -> Option<String> {
        match self.status() {
            Status::Starting => Some("starting".to_owned()),
            Status::Draining => Some("draining".to_owned()),
            Status::Serving => {
                let full = self.served.iter().find(|served| !served.admission.has_room())?;
                Some(format!(
                    "{} has {} sessions open, its limit",
                    full.target.name, full.target.limits.sessions
                ))
            }
        }
    }

    pub(crate) fn quit(&self) {
        self.quit.notify_one();
    }
}

/// A listener at one moment, for the table on a terminal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row {
    /// The target's name.
    pub name: String,
    /// The address that clients connect to.
    pub address: Address,
    /// The database's endpoint.
    pub endpoint: String,
    /// The sessions that are open or logging in.
    pub open: u64,
    /// The logins that succeeded.
    pub opened: u64,
    /// The logins that failed.
    pub failed: u64,
    /// The bytes received from clients and from the database.
    pub received: (u64, u64),
}

impl Served {
    pub(crate) fn row(&self) -> Row {
        Row {
            name: self.target.name.clone(),
            address: self.address.clone(),
            endpoint: self.target.upstream.endpoint().to_string(),
            open: self.counts.open.get().try_into().unwrap_or(0),
            opened: self.counts.opened.get(),
            failed: self.counts.failures(Failure::REASONS),
            received: (self.counts.received_from_clients.get(), self.counts.received_from_database.get()),
        }
    }
}

/// A client that is logging in or logged in.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) served: Arc<Served>,
    watched: Arc<Watched>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Counted {
    pub(crate) fn new(served: &Arc<Served>, watched: &Arc<Watched>) -> Self {
        served.counts.open.inc();
        watched.clients.send_modify(|open| *open += 1);
        Self { served: Arc::clone(served), watched: Arc::clone(watched), permit: None }
    }

    pub(crate) fn take_permit(&mut self) -> Result<(), Failure> {
        self.permit = Some(self.served.admission.session()?);
        Ok(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.served.counts.open.dec();
        self.watched.clients.send_modify(|open| *open -= 1);
    }
}
