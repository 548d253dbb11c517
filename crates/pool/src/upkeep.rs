//! What a pool does by itself, in two tasks that end with it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rds_iam_token::Chain;

use crate::pool::Inner;

/// How often the pool looks whether enough connections are warm: 5 seconds.
const WARM_INTERVAL: Duration = Duration::from_secs(5);

/// The longest wait between two attempts to warm up while they fail: 60 seconds.
const MAX_WARM_INTERVAL: Duration = Duration::from_secs(60);

/// Puts each new token into the pool's options as soon as it is signed, for connections that sqlx
/// opens by itself.
pub(crate) async fn keep_fresh(pool: Weak<Inner>) {
    let Some(mut turnover) = pool.upgrade().map(|p| p.tokens.turnover()) else { return };
    loop {
        let Some((left, clock)) = pool.upgrade().map(|p| (p.withdraw_ended(), p.tokens.clock().clone()))
        else {
            return;
        };
        let changed = tokio::select! {
            changed = turnover.changed() => changed,
            // The end of the installed token.
            () = clock.sleep(left.unwrap_or_default()), if left.is_some() => continue,
        };
        let Some(pool) = pool.upgrade().filter(|_| changed.is_ok()) else { return };
        // A failure here is the token source's to report; `acquire` meets it again.
        if let Err(error) = pool.install().await {
            tracing::debug!(error = %Chain(&error), "no token to install");
        }
    }
}

/// Keeps connections open and tested while nothing else does.
pub(crate) async fn keep_warm(pool: Weak<Inner>) {
    let mut wait = Duration::ZERO;
    loop {
        let Some(health) = pool.upgrade().map(|p| Arc::clone(&p.health)) else { return };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = health.look_now.notified() => {}
        }
        let Some(pool) = pool.upgrade().filter(|p| !p.pool.is_closed()) else { return };
        wait = match pool.keep_up().await {
            Ok(()) => WARM_INTERVAL,
            Err(error) => {
                tracing::warn!(
                    error = %Chain(&error),
                    remedy = %error.remedy(),
                    hint = error.hint(),
                    "no warm database connection; will try again"
                );
                (wait * 2).clamp(WARM_INTERVAL, MAX_WARM_INTERVAL)
            }
        };
    }
}
