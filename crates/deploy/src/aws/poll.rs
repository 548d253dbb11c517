//! Polling until AWS has finished an operation.

use std::time::{Duration, SystemTime};

use rds_iam_token::Clock;

use super::CallError;

/// Interval and timeout of a poll.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poll {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// The number of consecutive transient errors that a poll tolerates: losing the connection to AWS for about a minute
/// does not end an operation that has been running for ten.
const MAX_CONSECUTIVE_ERRORS: usize = 5;

impl Poll {
    /// Polls until `check` returns `Some`. Returns `None` on timeout. The first call is immediate.
    ///
    /// # Errors
    /// Returns an error if `check` fails with an error that is not transient, or with too many transient ones in
    /// a row.
    pub(crate) async fn until<T>(
        self,
        clock: &Clock,
        mut check: impl AsyncFnMut() -> Result<Option<T>, CallError>,
    ) -> Result<Option<T>, CallError> {
        let start = clock.now();
        let mut errors = 0;
        loop {
            match check().await {
                Ok(Some(value)) => return Ok(Some(value)),
                Ok(None) => errors = 0,
                Err(error) => {
                    errors += 1;
                    if !error.is_transient() || errors > MAX_CONSECUTIVE_ERRORS {
                        return Err(error);
                    }
                }
            }
            if elapsed(clock, start) >= self.timeout {
                return Ok(None);
            }
            clock.sleep(self.interval).await;
        }
    }
}

/// Returns the time since `start`; zero if the clock was set back.
pub(crate) fn elapsed(clock: &Clock, start: SystemTime) -> Duration {
    clock.now().duration_since(start).unwrap_or_default()
}
