//! Waiting for AWS to get done with something.

use std::time::{Duration, SystemTime};

use rds_iam_token::Clock;

use super::{CallError, Cause};

/// How often to look, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poll {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// How many looks in a row may go without an answer: a minute or so in which the way to AWS is lost does not end
/// what has been going on for ten.
const MAX_CONSECUTIVE_ERRORS: usize = 5;

/// Looks until there is something; nothing where the time ran out. The first look is at once.
///
/// # Errors
/// Where looking fails in a way that looking again does not mend, or does not in the end.
pub(crate) async fn until<T>(
    clock: &Clock,
    poll: Poll,
    mut look: impl AsyncFnMut() -> Result<Option<T>, CallError>,
) -> Result<Option<T>, CallError> {
    let start = clock.now();
    let mut unseen = 0;
    loop {
        match look().await {
            Ok(Some(seen)) => return Ok(Some(seen)),
            Ok(None) => unseen = 0,
            Err(error) => {
                unseen += 1;
                let passes = matches!(error.cause, Cause::Throttled { .. } | Cause::Unreachable);
                if !passes || unseen > MAX_CONSECUTIVE_ERRORS {
                    return Err(error);
                }
            }
        }
        if since(clock, start) >= poll.timeout {
            return Ok(None);
        }
        clock.sleep(poll.interval).await;
    }
}

/// How long ago that was. A clock that was set back counts as no time gone.
pub(crate) fn since(clock: &Clock, start: SystemTime) -> Duration {
    clock.now().duration_since(start).unwrap_or_default()
}
