//! The two background tasks of a pool: one installs each new token in sqlx's connect options; the other keeps
//! warm connections open, and searches for the writer while the server refuses writes.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rds_iam_token::ErrorReport;
use tokio::time::Instant;

use crate::connection::PoolConnection;
use crate::engine::Engine;
use crate::error::Error;
use crate::health::TRUSTED_IDLE;
use crate::state::State;

/// The interval of [`keep_warm`]: 5 seconds.
const WARM_INTERVAL: Duration = Duration::from_secs(5);

/// The longest wait between two attempts while they fail: 60 seconds.
const MAX_WARM_INTERVAL: Duration = Duration::from_secs(60);

/// Installs each new token in sqlx's connect options as soon as it is signed, for connections that sqlx opens itself.
pub(crate) async fn install_new_tokens<DB: Engine>(state: Weak<State<DB>>) {
    let Some(mut new_tokens) = state.upgrade().map(|s| s.tokens.subscribe()) else { return };
    loop {
        let Some((left, clock)) =
            state.upgrade().map(|s| (s.remove_expired_token(), s.tokens.clock().clone()))
        else {
            return;
        };
        let changed = tokio::select! {
            changed = new_tokens.changed() => changed,
            // The installed token expires.
            () = clock.sleep(left.unwrap_or_default()), if left.is_some() => continue,
        };
        let Some(state) = state.upgrade().filter(|_| changed.is_ok()) else { return };
        // The token source reports a failure here; `acquire` returns it to its caller.
        if let Err(error) = state.install_token().await {
            tracing::debug!(error = %ErrorReport(&error), "no token to install");
        }
    }
}

/// Keeps some connections open and tested while no caller uses them.
pub(crate) async fn keep_warm<DB: Engine>(state: Weak<State<DB>>) {
    let mut wait = Duration::ZERO;
    loop {
        let Some(health) = state.upgrade().map(|s| Arc::clone(&s.health)) else { return };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = health.wake.notified() => {}
        }
        let Some(state) = state.upgrade().filter(|s| !s.pool.is_closed()) else { return };
        wait = match state.maintain().await {
            Ok(()) => WARM_INTERVAL,
            Err(error) => {
                tracing::warn!(
                    error = %ErrorReport(&error),
                    kind = %error.kind(),
                    hint = error.hint(),
                    "no warm database connection; will try again"
                );
                (wait * 2).clamp(WARM_INTERVAL, MAX_WARM_INTERVAL)
            }
        };
    }
}

impl<DB: Engine> State<DB> {
    async fn maintain(self: &Arc<Self>) -> Result<(), Error> {
        self.warm_up().await?;
        if self.health.read_only_since().is_some()
            && self.health.should_find_writer()
            && let Err(error) = self.find_writer().await
        {
            tracing::debug!(error = %ErrorReport(&error), "the server did not report whether it accepts writes");
        }
        Ok(())
    }

    /// Acquires as many connections as should be warm, which tests the idle ones and opens the missing ones.
    async fn warm_up(self: &Arc<Self>) -> Result<(), Error> {
        if let Some(before) = Instant::now().checked_sub(TRUSTED_IDLE) {
            self.idle.return_unused_since(before);
        }
        let wanted = self.permits.available_permits().min(self.limits.warm() as usize);
        let mut connections = Vec::new();
        for _ in 0..wanted {
            connections.push(self.acquire_warm().await?);
        }
        connections.into_iter().for_each(PoolConnection::return_for_test);
        Ok(())
    }
}
