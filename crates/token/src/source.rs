//! `TokenSource`: caches the token of one login and replaces it in the background or on demand. It returns only
//! valid tokens, and all callers share one signing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::schedule::MIN_RETRY;
use crate::{
    Clock, ErrorReport, LIFETIME, Login, MIN_REMAINING, MintError, Minter, Token, refresh_at, retry_delay,
};

/// The time that a caller waits for a newer token while an older one is valid: 1 second, many times the duration of
/// signing, and little for a login if the source of credentials hangs.
const RENEWAL_WAIT: Duration = Duration::from_secs(1);

/// The interval at which a failure to get a token is logged: once a minute, for any number of callers.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A source of valid tokens for one login. Clones share one cache and one refresh.
///
/// *Ahead* ([`refresh_ahead`](Self::refresh_ahead)) replaces the token in the background at half its
/// life, so that no login waits for it. For services. *Lazy* ([`lazy`](Self::lazy)) signs on demand.
/// For short-lived programs, and where nothing runs between two requests (Lambda).
///
/// In both modes there is one signing at a time, in a Tokio task. Every caller that needs its result gets it, error
/// included, and a caller that stops waiting does not cancel it. A token with less than [`MIN_REMAINING`] left is not
/// returned while a newer one can be signed, and an expired token never is. A token from the future, which exists after
/// the clock has been set back, is replaced like one that is about to expire. Failures are logged once a minute.
///
/// ```
/// # use rds_iam_token::*;
/// # use aws_credential_types::Credentials;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let login = Login::new("db.example.com:3306".parse()?, "eu-west-1".parse()?, "app".parse()?);
/// let credentials = Credentials::new("AKIDEXAMPLE", "not-a-real-secret", None, None, "example");
/// let tokens = TokenSource::lazy(Minter::new(login, credentials, Clock::system()));
/// let token = tokens.token().await?;
/// assert!(token.is_same(&tokens.token().await?), "the second came from the cache");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct TokenSource {
    shared: Arc<Shared>,
    /// Ends the background refresh with the last clone.
    _refresher: Option<Arc<AbortOnDrop>>,
}

/// The counters of a token source, for metrics.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TokenStats {
    /// Tokens signed.
    pub minted: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// The last attempt's error, if it failed: it is returned once the current token expires.
    pub last_error: Option<MintError>,
    /// The times at which the current token was signed and expires.
    pub current: Option<(SystemTime, SystemTime)>,
}

#[derive(Debug)]
struct Shared {
    minter: Minter,
    current: ArcSwapOption<Token>,
    /// Never held while anything is awaited.
    outcome: Mutex<Outcome>,
    renewals: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Outcome {
    minted: u64,
    failed: u64,
    /// The attempt that is under way.
    attempt: Option<Attempt>,
    /// The time at which the last attempt ended.
    last_attempt_at: Option<SystemTime>,
    last_error: Option<MintError>,
    /// The time at which a failure was last logged.
    logged_at: Option<SystemTime>,
}

/// A signing under way, in a task: callers wait for its result, and may stop waiting.
#[derive(Clone, Debug)]
struct Attempt {
    started_at: SystemTime,
    result: watch::Receiver<Option<Result<Token, MintError>>>,
}

impl Attempt {
    /// Returns whether its task ended without a result, as when its runtime has been shut down.
    fn is_lost(&self) -> bool {
        self.result.has_changed().is_err() && self.result.borrow().is_none()
    }

    async fn result(mut self) -> Result<Token, MintError> {
        let result = self.result.wait_for(Option::is_some).await;
        result.ok().and_then(|result| result.clone()).unwrap_or(Err(MintError::Interrupted))
    }
}

impl TokenSource {
    /// Signs a first token at once, and a new one at half the life of each, in a Tokio task that ends
    /// with the last clone. A failed refresh is retried after 1 to 30 s, until it succeeds.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn refresh_ahead(minter: Minter) -> Self {
        let source = Self::lazy(minter);
        let task = tokio::spawn(refresh(Arc::clone(&source.shared)));
        Self { _refresher: Some(Arc::new(AbortOnDrop(task))), ..source }
    }

    /// Signs when a token is requested and the cached one has less than [`MIN_REMAINING`] left.
    #[must_use]
    pub fn lazy(minter: Minter) -> Self {
        let shared = Shared {
            minter,
            current: ArcSwapOption::empty(),
            outcome: Mutex::default(),
            renewals: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared), _refresher: None }
    }

    /// Returns a token that is valid now.
    ///
    /// # Errors
    /// Returns [`MintError`] if no cached token is valid and no new one can be signed. While the source of
    /// credentials fails, at most one attempt a second is made; callers in between get the last error.
    ///
    /// # Panics
    /// Outside a Tokio runtime, when a token has to be signed.
    pub async fn token(&self) -> Result<Token, MintError> {
        let now = self.clock().now();
        let (current, left) = match &*self.shared.current.load() {
            Some(token) if is_fresh(token, now) => return Ok(Token::clone(token)),
            Some(token) => (Token::clone(token), token.remaining(now)),
            None => return self.shared.renew(None).await,
        };
        if left <= RENEWAL_WAIT {
            return self.shared.renew(None).await;
        }
        tokio::select! {
            biased;
            renewed = self.shared.renew(None) => renewed,
            // No newer one is available yet, and this one is still valid.
            () = self.clock().sleep(self.shared.remaining_wait(now)) => Ok(current),
        }
    }

    /// Returns a token other than `refused`, which a server did not accept although it is valid by this clock.
    /// Signs a new one unless that has happened since.
    ///
    /// # Errors
    /// Returns [`MintError`] if no new one can be signed.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn replace(&self, refused: &Token) -> Result<Token, MintError> {
        self.shared.renew(Some(refused)).await
    }

    /// Returns a receiver that is notified each time a new token has been signed.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.renewals.subscribe()
    }

    /// Returns the login that the tokens are for.
    #[must_use]
    pub fn login(&self) -> &Login {
        self.shared.minter.login()
    }

    /// Returns the clock that decides about expiry.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.shared.minter.clock()
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> TokenStats {
        let current = self.shared.current.load().as_ref().map(|t| (t.signed_at(), t.expires_at()));
        let outcome = self.shared.outcome();
        let Outcome { minted, failed, ref last_error, .. } = *outcome;
        TokenStats { minted, failed, last_error: last_error.clone(), current }
    }
}

/// Returns whether a token needs no replacement: it does not expire soon, and is not from the future, which happens
/// after the clock was set back. A second's difference is usual.
fn is_fresh(token: &Token, now: SystemTime) -> bool {
    let ahead = token.signed_at().duration_since(now).unwrap_or_default();
    token.remaining(now) >= MIN_REMAINING && ahead <= MIN_RETRY
}

impl Shared {
    /// Returns a token other than `unwanted`: one signed in the meantime, or a new one.
    async fn renew(self: &Arc<Self>, unwanted: Option<&Token>) -> Result<Token, MintError> {
        let now = self.minter.clock().now();
        let (attempt, current) = {
            let mut outcome = self.outcome();
            let current = self.current.load().as_ref().map(|t| Token::clone(t));
            let current =
                current.filter(|t| !unwanted.is_some_and(|u| u.is_same(t)) && !t.remaining(now).is_zero());
            if let Some(token) = &current
                && is_fresh(token, now)
            {
                return Ok(token.clone());
            }
            match outcome.attempt.clone().filter(|attempt| !attempt.is_lost()) {
                Some(attempt) => (attempt, current),
                None => {
                    // The last attempt was less than a second ago. Without this pause, every login would send a
                    // request to a failing source, or to one whose credentials are about to expire.
                    let Outcome { last_attempt_at, ref last_error, .. } = *outcome;
                    if last_attempt_at
                        .is_some_and(|time| now.duration_since(time).is_ok_and(|ago| ago < MIN_RETRY))
                    {
                        match (&current, last_error) {
                            (Some(token), _) => return Ok(token.clone()),
                            (None, Some(error)) => return Err(error.clone()),
                            (None, None) => {} // It succeeded, and its token is the unwanted one.
                        }
                    }
                    (self.start(&mut outcome, now), current)
                }
            }
        };
        attempt.result().await.or_else(|error| current.ok_or(error))
    }

    /// Signs in a task, which a caller that stops waiting does not cancel.
    fn start(self: &Arc<Self>, outcome: &mut Outcome, now: SystemTime) -> Attempt {
        let (done, result) = watch::channel(None);
        let attempt = Attempt { started_at: now, result };
        outcome.attempt = Some(attempt.clone());
        let number = outcome.minted + outcome.failed + 1;
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let Login { endpoint, user, .. } = shared.minter.login();
            tracing::debug!(%user, %endpoint, attempt = number, "signing an IAM token");
            let minted = shared.minter.mint().await;
            match &minted {
                Ok(token) => {
                    let expires_at = OffsetDateTime::from(token.expires_at());
                    tracing::debug!(%user, %endpoint, attempt = number, %expires_at, "signed an IAM token");
                }
                Err(error) => {
                    let error = ErrorReport(error);
                    tracing::debug!(%user, %endpoint, attempt = number, %error, "signed no IAM token");
                }
            }
            shared.record(&minted);
            done.send_replace(Some(minted));
        });
        attempt
    }

    fn record(&self, minted: &Result<Token, MintError>) {
        let now = self.minter.clock().now();
        let mut outcome = self.outcome();
        outcome.attempt = None;
        outcome.last_attempt_at = Some(now);
        let fresh = match minted {
            Ok(token) => {
                outcome.minted += 1;
                outcome.last_error = None;
                self.current.store(Some(Arc::new(token.clone())));
                is_fresh(token, now)
            }
            Err(error) => {
                outcome.failed += 1;
                outcome.last_error = Some(error.clone());
                false
            }
        };
        // A clock that was set back must not suppress the log.
        let recently = |time| now.duration_since(time).is_ok_and(|ago| ago < LOG_INTERVAL);
        let log = !fresh && !outcome.logged_at.is_some_and(recently);
        if log {
            outcome.logged_at = Some(now);
        }
        drop(outcome);
        if log {
            self.log(minted, now);
        }
        if minted.is_ok() {
            self.renewals.send_modify(|count| *count += 1);
        }
    }

    fn log(&self, minted: &Result<Token, MintError>, now: SystemTime) {
        let user = &self.minter.login().user;
        match minted {
            Ok(token) => tracing::warn!(
                %user,
                seconds_left = token.remaining(now).as_secs(),
                "the AWS credentials end in less than a minute, and so does the IAM token that they signed; will fetch others"
            ),
            Err(error) => {
                let left = self.current.load().as_ref().map_or(0, |t| t.remaining(now).as_secs());
                tracing::warn!(
                    error = %ErrorReport(error),
                    %user,
                    current_token_seconds_left = left,
                    "no new IAM token could be signed; will try again"
                );
            }
        }
    }

    /// Returns the time that a caller with a valid token waits: zero if the running attempt has already taken
    /// that long.
    fn remaining_wait(&self, now: SystemTime) -> Duration {
        let started_at = self.outcome().attempt.as_ref().map_or(now, |attempt| attempt.started_at);
        RENEWAL_WAIT.saturating_sub(now.duration_since(started_at).unwrap_or_default())
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replaces the token at half its life, until the task is aborted.
///
/// It retries after every error: an instance role whose metadata service is unavailable for a minute can't be
/// distinguished from no configuration at all.
async fn refresh(shared: Arc<Shared>) {
    let clock = shared.minter.clock().clone();
    let mut renewals = shared.renewals.subscribe();
    let mut failures = 0;
    loop {
        let current = shared.current.load().as_ref().map(|t| Token::clone(t));
        let wait = match &current {
            _ if failures > 0 => retry_delay(failures, fastrand::f64()),
            Some(token) => refresh_at(token.signed_at(), token.expires_at(), fastrand::f64())
                .duration_since(clock.now())
                .unwrap_or_default()
                .clamp(MIN_RETRY, LIFETIME),
            None => Duration::ZERO,
        };
        if !wait.is_zero() {
            tokio::select! {
                () = clock.sleep(wait) => {}
                // A caller has had it signed.
                _ = renewals.changed() => {
                    failures = 0;
                    continue;
                }
            }
        }
        failures = match shared.renew(current.as_ref()).await {
            Ok(_) => 0,
            Err(_) => failures + 1,
        };
    }
}

#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
