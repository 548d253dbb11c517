//! A token at hand for as long as a program runs: cached, refreshed ahead of its end, checked again
//! at every use.

use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::schedule::MIN_RETRY;
use crate::{Clock, Login, MIN_REMAINING, MintError, Minter, Token, refresh_at, retry_delay};

/// How long a caller waits for a newer token while an older one is still good: 1 second, many times what
/// signing takes, and little for a login, should the source of credentials hang.
const PATIENCE: Duration = Duration::from_secs(1);

/// Hands out valid tokens for one login. Clones share one cache and one refresh.
///
/// *Ahead* ([`refresh_ahead`](Self::refresh_ahead)) replaces the token in the background at half its
/// life, so that no login waits for it; for services. *Lazy* ([`lazy`](Self::lazy)) signs on demand;
/// for programs that soon end, and where nothing runs between two requests (Lambda).
///
/// Whatever the mode, there is one signing at a time; everyone who needs its result gets it, error
/// included; a token with less than [`MIN_REMAINING`] is not handed out while a newer one can be had;
/// and none is handed out after its end.
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

/// What has happened so far, for metrics.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TokenStats {
    /// Tokens signed.
    pub minted: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// The last attempt's error, if it failed: what will matter once the current token ends.
    pub last_error: Option<MintError>,
    /// When the current token was signed and when it ends.
    pub current: Option<(SystemTime, SystemTime)>,
}

#[derive(Debug)]
struct Shared {
    minter: Minter,
    current: ArcSwapOption<Token>,
    /// Held by whoever signs. Never held while dialling: only the token is made under it.
    signing: Mutex<()>,
    outcome: StdMutex<Outcome>,
    turnover: watch::Sender<u64>,
}

#[derive(Clone, Debug, Default)]
struct Outcome {
    minted: u64,
    failed: u64,
    last_attempt_at: Option<SystemTime>,
    last_error: Option<MintError>,
}

impl TokenSource {
    /// Signs a first token at once, and a new one at half the life of each, in a Tokio task that ends
    /// with the last clone. A failed refresh is tried again after 1 to 30 s, for as long as it takes.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn refresh_ahead(minter: Minter) -> Self {
        let source = Self::lazy(minter);
        let task = tokio::spawn(refresh(Arc::clone(&source.shared)));
        Self { _refresher: Some(Arc::new(AbortOnDrop(task))), ..source }
    }

    /// Signs when a token is asked for and none with [`MIN_REMAINING`] is at hand.
    #[must_use]
    pub fn lazy(minter: Minter) -> Self {
        let shared = Shared {
            minter,
            current: ArcSwapOption::empty(),
            signing: Mutex::new(()),
            outcome: StdMutex::default(),
            turnover: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared), _refresher: None }
    }

    /// A token that is valid now.
    ///
    /// # Errors
    /// [`MintError`] when none is left and no new one can be signed. While the source of credentials
    /// fails, at most one attempt a second is made; callers in between get the last error.
    pub async fn token(&self) -> Result<Token, MintError> {
        let (current, left) = match &*self.shared.current.load() {
            Some(token) => match token.remaining(self.clock().now()) {
                left if left >= MIN_REMAINING => return Ok(Token::clone(token)),
                left => (Token::clone(token), left),
            },
            None => return self.shared.renew(None).await,
        };
        if left <= PATIENCE {
            return self.shared.renew(None).await;
        }
        tokio::select! {
            biased;
            renewed = self.shared.renew(None) => renewed,
            // No newer one can be had yet; this one still opens the door.
            () = self.clock().sleep(PATIENCE) => Ok(current),
        }
    }

    /// A token other than `refused`, which a server did not accept although it looked valid here.
    /// Signs a new one unless that has happened since.
    ///
    /// # Errors
    /// [`MintError`] when no new one can be signed.
    pub async fn replace(&self, refused: &Token) -> Result<Token, MintError> {
        self.shared.renew(Some(refused)).await
    }

    /// Completes each time that a new token has been signed.
    #[must_use]
    pub fn turnover(&self) -> watch::Receiver<u64> {
        self.shared.turnover.subscribe()
    }

    /// The login that the tokens are for.
    #[must_use]
    pub fn login(&self) -> &Login {
        self.shared.minter.login()
    }

    /// The clock that decides about expiry.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.shared.minter.clock()
    }

    /// What has happened so far.
    #[must_use]
    pub fn stats(&self) -> TokenStats {
        let Outcome { minted, failed, last_error, .. } = self.shared.outcome().clone();
        let current = self.shared.current.load().as_ref().map(|t| (t.signed_at(), t.expires_at()));
        TokenStats { minted, failed, last_error, current }
    }
}

impl Shared {
    /// A token other than `unwanted`: one that has come in the meantime, or a new one.
    async fn renew(&self, unwanted: Option<&Token>) -> Result<Token, MintError> {
        let _one_at_a_time = self.signing.lock().await;
        let now = self.minter.clock().now();
        let current = self.current.load().as_ref().map(|t| Token::clone(t));
        let current =
            current.filter(|t| !unwanted.is_some_and(|u| u.is_same(t)) && !t.remaining(now).is_zero());

        if let Some(token) = &current
            && token.remaining(now) >= MIN_REMAINING
        {
            return Ok(token.clone());
        }
        // The attempt that we waited for, or one just before it. Without this pause, a failing source
        // of credentials, or one whose credentials are about to end, would be asked for every login.
        let Outcome { last_attempt_at, last_error, .. } = self.outcome().clone();
        if last_attempt_at.is_some_and(|at| now.duration_since(at).is_ok_and(|ago| ago < MIN_RETRY)) {
            match (current.clone(), last_error) {
                (Some(token), _) => return Ok(token),
                (None, Some(error)) => return Err(error),
                (None, None) => {} // It succeeded, and its token is the unwanted one.
            }
        }
        self.attempt().await.or_else(|error| current.ok_or(error))
    }

    async fn attempt(&self) -> Result<Token, MintError> {
        let minted = self.minter.mint().await;
        let mut outcome = self.outcome();
        outcome.last_attempt_at = Some(self.minter.clock().now());
        match &minted {
            Ok(token) => {
                outcome.minted += 1;
                outcome.last_error = None;
                self.current.store(Some(Arc::new(token.clone())));
                self.turnover.send_modify(|count| *count += 1);
            }
            Err(error) => {
                outcome.failed += 1;
                outcome.last_error = Some(error.clone());
            }
        }
        minted
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replaces the token at half its life, for ever.
///
/// It keeps trying whatever the error: an instance role whose metadata service is away for a minute
/// looks just like no configuration at all.
async fn refresh(shared: Arc<Shared>) {
    let clock = shared.minter.clock().clone();
    let mut turnover = shared.turnover.subscribe();
    let mut failures = 0;
    loop {
        let current = shared.current.load().as_ref().map(|t| Token::clone(t));
        let wait = match &current {
            _ if failures > 0 => retry_delay(failures, fastrand::f64()),
            Some(token) => refresh_at(token.signed_at(), token.expires_at(), fastrand::f64())
                .duration_since(clock.now())
                .unwrap_or_default()
                .max(MIN_RETRY),
            None => Duration::ZERO,
        };
        if !wait.is_zero() {
            tokio::select! {
                () = clock.sleep(wait) => {}
                // Somebody who could not wait had it signed.
                _ = turnover.changed() => {
                    failures = 0;
                    continue;
                }
            }
        }
        match shared.renew(current.as_ref()).await {
            Ok(_) => failures = 0,
            Err(error) => {
                failures += 1;
                let left = current.map_or(0, |t| t.remaining(clock.now()).as_secs());
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    failures,
                    current_token_seconds_left = left,
                    user = %shared.minter.login().user,
                    "refreshing the IAM token failed; will try again"
                );
            }
        }
    }
}

#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
