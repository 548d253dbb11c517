//! `Clock`: the source of time and sleep for signing and refreshing tokens, which a test can replace.

use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};

/// The source of time and sleep, so that a test can provide its own.
#[derive(Clone, Debug)]
pub struct Clock {
    time: SharedTimeSource,
    sleep: SharedAsyncSleep,
}

impl Clock {
    /// Returns the machine's clock and Tokio's timer.
    #[must_use]
    pub fn system() -> Self {
        Self { time: SharedTimeSource::default(), sleep: SharedAsyncSleep::new(TokioSleep::new()) }
    }

    /// Creates a clock from the caller's source of time and sleep.
    #[must_use]
    pub fn new(time: impl TimeSource + 'static, sleep: impl AsyncSleep + 'static) -> Self {
        Self { time: SharedTimeSource::new(time), sleep: SharedAsyncSleep::new(sleep) }
    }

    /// Returns the time now.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.time.now()
    }

    /// Sleeps for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep.sleep(duration).await;
    }
}
