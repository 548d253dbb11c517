//! A source of credentials that follows a script, on a clock that tests move.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use rds_iam_token::{Clock, Login, Minter};
use tokio::time::{Instant, sleep};

const EPOCH: Duration = Duration::from_secs(1_800_000_000);

/// Wall-clock time that follows Tokio's (paused) clock, plus a jump that no timer notices, as when a machine
/// sleeps.
#[derive(Clone, Debug)]
pub(crate) struct TestTime {
    pub(crate) start: Instant,
    pub(crate) asleep: Arc<AtomicU64>,
}

impl TimeSource for TestTime {
    fn now(&self) -> SystemTime {
        let asleep = Duration::from_secs(self.asleep.load(Ordering::SeqCst));
        SystemTime::UNIX_EPOCH + EPOCH + self.start.elapsed() + asleep
    }
}

/// A source of credentials that follows a script and counts its calls.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    time: TestTime,
    calls: Arc<AtomicU64>,
    script: Arc<Mutex<VecDeque<Answer>>>,
    otherwise: Answer,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Keys,
    KeysFor(u64),
    Fail,
    NotLoaded,
    Hang,
    After(u64),
    AfterMillis(u64),
}

impl Provider {
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let answer = self.script.lock().unwrap().pop_front().unwrap_or(self.otherwise);
        let keys = |life: Option<u64>| {
            let expiry = life.map(|s| self.time.now() + Duration::from_secs(s));
            Ok(Credentials::new("akid", "secret", None, expiry, "test"))
        };
        future::ProvideCredentials::new(async move {
            match answer {
                Answer::Keys => keys(None),
                Answer::KeysFor(seconds) => keys(Some(seconds)),
                Answer::Fail => Err(CredentialsError::provider_error("the metadata service is away")),
                Answer::NotLoaded => Err(CredentialsError::not_loaded("nothing configured")),
                Answer::Hang => std::future::pending().await,
                Answer::After(seconds) => {
                    sleep(Duration::from_secs(seconds)).await;
                    keys(None)
                }
                Answer::AfterMillis(millis) => {
                    sleep(Duration::from_millis(millis)).await;
                    keys(None)
                }
            }
        })
    }
}

pub(crate) fn set_up(script: &[Answer], otherwise: Answer) -> (Minter, Provider, TestTime) {
    let time = TestTime { start: Instant::now(), asleep: Arc::default() };
    let script = Arc::new(Mutex::new(script.iter().copied().collect()));
    let provider = Provider { time: time.clone(), calls: Arc::default(), script, otherwise };
    let login = Login::new(
        "db.example.com:3306".parse().unwrap(),
        "eu-west-1".parse().unwrap(),
        "app".parse().unwrap(),
    );
    let minter = Minter::new(login, provider.clone(), Clock::new(time.clone(), TokioSleep::new()));
    (minter, provider, time)
}
