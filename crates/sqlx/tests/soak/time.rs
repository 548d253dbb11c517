//! A clock that the test moves: sleeps end when it has been moved past their end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use rds_iam_token::Clock;
use tokio::sync::watch;

/// The machine's clock, moved forward. Clones share the offset.
#[derive(Clone, Debug)]
pub(crate) struct Time(Arc<watch::Sender<u64>>);

impl Time {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// Moves the clock, and returns its offset from the machine's, in seconds.
    pub(crate) fn advance(&self, seconds: u64) -> i64 {
        self.0.send_modify(|offset| *offset += seconds);
        i64::try_from(*self.0.borrow()).unwrap()
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::new(self.clone(), self.clone())
    }
}

impl TimeSource for Time {
    fn now(&self) -> SystemTime {
        SharedTimeSource::default().now() + Duration::from_secs(*self.0.borrow())
    }
}

impl AsyncSleep for Time {
    fn sleep(&self, duration: Duration) -> Sleep {
        let (time, end) = (self.clone(), self.now() + duration);
        let mut moved = self.0.subscribe();
        Sleep::new(async move {
            while let Ok(left) = end.duration_since(time.now()).map(|left| left.max(Duration::from_millis(1)))
            {
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    // Its sender is in `time`.
                    _ = moved.changed() => {}
                }
            }
        })
    }
}
