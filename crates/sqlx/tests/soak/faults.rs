//! The faults, and the logins and failed statements that each may cost.

use rds_iam_emulator_server::fixtures::until;

use crate::engine::SoakEngine;
use crate::soak::{MAX, Soak};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// None: tokens expire, and sessions live on.
    Quiet,
    NetworkCut,
    SessionsEnded,
    Throttled,
    TokenRefused,
    KeyRotated,
    Crash,
    ReadOnly,
}

impl Fault {
    pub(crate) const ALL: [Self; 8] = [
        Self::Quiet,
        Self::NetworkCut,
        Self::SessionsEnded,
        Self::Throttled,
        Self::TokenRefused,
        Self::KeyRotated,
        Self::Crash,
        Self::ReadOnly,
    ];

    /// Returns the most logins that the server may record in the lifetime.
    pub(crate) fn logins(self) -> u64 {
        match self {
            Self::Quiet => 0,
            Self::NetworkCut | Self::SessionsEnded | Self::Crash => MAX,
            // Each refused login is tried again.
            Self::Throttled => MAX + THROTTLED,
            Self::TokenRefused => MAX + REFUSED,
            Self::KeyRotated => 2 * MAX,
            // All sessions are replaced when the pool leaves the reader and when it finds the writer, which one more
            // session each time has to prove.
            Self::ReadOnly => 2 * MAX + 4,
        }
    }

    /// Returns the most statements that may fail without an answer: those under way, one for each connection.
    pub(crate) fn unanswered(self) -> u64 {
        match self {
            Self::Quiet | Self::ReadOnly => 0,
            _ => MAX,
        }
    }
}

/// The number of throttled logins.
const THROTTLED: u64 = 3;

/// The number of refused logins.
const REFUSED: u64 = 1;

impl<DB: SoakEngine> Soak<DB> {
    /// Makes the fault happen, and returns once the server can work again.
    pub(crate) async fn inflict(&mut self, fault: Fault) {
        match fault {
            Fault::Quiet => {}
            Fault::NetworkCut => {
                // With new connections meanwhile, it would never be without any.
                self.relay.refuse_connections(true).await.unwrap();
                self.relay.cut().await;
                self.relay.refuse_connections(false).await.unwrap();
            }
            Fault::SessionsEnded => self.end_sessions().await,
            Fault::Throttled => {
                DB::throttle(&self.server, &self.relay, THROTTLED as u32);
                self.end_sessions().await;
            }
            Fault::TokenRefused => {
                self.age_token().await;
                self.server.refuse_next(REFUSED as u32).unwrap();
                self.end_sessions().await;
            }
            Fault::KeyRotated => {
                self.age_token().await;
                self.keys.rotate(&self.server);
                self.log.forbid(self.keys.secrets());
                self.end_sessions().await;
            }
            Fault::Crash => {
                self.relay.refuse_connections(true).await.unwrap();
                self.server.stop().await.unwrap();
                self.server.restart().await.unwrap();
                self.relay.refuse_connections(false).await.unwrap();
            }
            Fault::ReadOnly => {
                self.server.set_read_only(true).await.unwrap();
                let pool = self.pool.clone();
                until("the pool has left the reader", async || pool.stats().read_only_since.is_some()).await;
                self.server.set_read_only(false).await.unwrap();
                until("the pool has found the writer", async || pool.stats().read_only_since.is_none()).await;
            }
        }
    }

    async fn end_sessions(&self) {
        self.server.cut_connections().await.unwrap();
    }
}
