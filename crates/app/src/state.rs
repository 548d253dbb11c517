//! What handlers share.

use std::future::Future;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use axum::http::StatusCode;
use rds_iam_pool::{Pool, PoolError, Remedy};
use rds_iam_token::{Clock, TokenSource};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::message::Timestamp;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::store::{Identity, NO_SUCH_TABLE, Store, TOO_SLOW};
use rds_iam_token::Chain;

/// How long an answer for a machine holds: 1 second, so that many clients cost the database no more than
/// one does.
const HOLDS_FOR: Duration = Duration::from_secs(1);

/// How long a readiness probe waits for the database: 2 seconds, below the usual probe timeouts.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the statements that would permit a refused login are logged: once a minute.
const PERMIT_INTERVAL: Duration = Duration::from_secs(60);

/// Everything the service needs; clones share it.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    clock: Clock,
    user: String,
    permit: String,
    permit_logged: StdMutex<Option<Instant>>,
    metrics: Metrics,
    readiness: Recent<Readiness>,
    identity: Recent<Result<Identity, Problem>>,
}

/// The last answer to a question that many may ask. Callers that come while it is being found share it.
#[derive(Debug)]
struct Recent<T>(Mutex<Option<(Instant, T)>>);

impl<T: Clone> Recent<T> {
    fn none() -> Self {
        Self(Mutex::new(None))
    }

    async fn or_ask(&self, ask: impl Future<Output = T>) -> T {
        let mut last = self.0.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < HOLDS_FOR
        {
            return answer.clone();
        }
        let answer = ask.await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

/// Whether requests can be served, and if not, what would mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<&'static str>,
    pub(crate) detail: &'static str,
}

/// What may be told of the current token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TokenLife {
    pub(crate) age_seconds: u64,
    pub(crate) remaining_seconds: u64,
}

impl AppState {
    /// State around a pool. `tokens` are the pool's; `permit` is the policy statement and the SQL that
    /// would let the service in, for the log of a refused login (see [`crate::Config::permit`]).
    #[must_use]
    pub fn new(pool: Pool, tokens: &TokenSource, permit: String) -> Self {
        let clock = tokens.clock().clone();
        Self(Arc::new(Shared {
            metrics: Metrics::new(pool.clone(), clock.clone()),
            store: Store::new(pool),
            clock,
            user: tokens.login().user.to_string(),
            permit,
            permit_logged: StdMutex::new(None),
            readiness: Recent::none(),
            identity: Recent::none(),
        }))
    }

    /// The pool, for whoever closes it.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        self.0.store.pool()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The moment now, by the clock that signs tokens.
    pub(crate) fn now(&self) -> Timestamp {
        let since = self.0.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// The database user that the service logs in as.
    pub(crate) fn user(&self) -> &str {
        &self.0.user
    }

    /// The current token's life, if there is a token.
    pub(crate) fn token_life(&self) -> Option<TokenLife> {
        let (signed_at, expires_at) = self.pool().stats().tokens.current?;
        let now = self.0.clock.now();
        Some(TokenLife {
            age_seconds: now.duration_since(signed_at).unwrap_or_default().as_secs(),
            remaining_seconds: expires_at.duration_since(now).unwrap_or_default().as_secs(),
        })
    }

    /// Logs why the database could not serve, once and whole, and says what the client is told.
    pub(crate) fn failed(&self, error: &PoolError) -> Problem {
        let (remedy, hint, cause) = (error.remedy(), error.hint(), Chain(error));
        match remedy {
            // The token source logs what is wrong, once a minute.
            Remedy::Credentials => tracing::debug!(error = %cause, %remedy, "no token for a request"),
            Remedy::BackOff | Remedy::Reconnect => {
                tracing::warn!(error = %cause, %remedy, hint, "the database could not serve a request");
            }
            Remedy::Permit if self.permit_is_due() => {
                let permit = &self.0.permit;
                tracing::error!(error = %cause, %remedy, hint, permit, "the database denied access");
            }
            _ => tracing::error!(error = %cause, %remedy, hint, "the database could not serve a request"),
        }
        let unavailable = |seconds| {
            let detail = "The database can't be reached at the moment. Try again a little later.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(seconds)
        };
        match remedy {
            Remedy::Reconnect => unavailable(2),
            Remedy::BackOff | Remedy::Credentials => unavailable(5),
            _ if error.number().is_some_and(|number| TOO_SLOW.contains(&number)) => unavailable(5),
            // A person has to do something first.
            Remedy::Configure | Remedy::Permit | Remedy::Trust => unavailable(30),
            _ => Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong here. The details are in the log.",
            ),
        }
    }

    fn permit_is_due(&self) -> bool {
        let mut logged = self.0.permit_logged.lock().unwrap_or_else(PoisonError::into_inner);
        let due = logged.is_none_or(|at| at.elapsed() >= PERMIT_INTERVAL);
        if due {
            *logged = Some(Instant::now());
        }
        due
    }

    /// Who the database says we are, as it was at most a second ago.
    pub(crate) async fn identity(&self) -> Result<Identity, Problem> {
        let ask = async { self.store().identity().await.map_err(|error| self.failed(&error)) };
        self.0.identity.or_ask(ask).await
    }

    /// Whether the table can be read and the database takes writes, as it was at most a second ago.
    pub(crate) async fn readiness(&self) -> Readiness {
        self.0.readiness.or_ask(self.ask_readiness()).await
    }

    async fn ask_readiness(&self) -> Readiness {
        match timeout(READY_TIMEOUT, self.store().accepts_writes()).await {
            Ok(Ok(false)) => {
                tracing::warn!("the database refuses writes: it is read-only");
                let detail =
                    "The database is read-only: wait for the failover's end, or find out who set it so.";
                Readiness { ready: false, remedy: Some(Remedy::Reconnect.as_str()), detail }
            }
            Ok(Ok(true)) => Readiness { ready: true, remedy: None, detail: "The database answers." },
            Ok(Err(error)) => {
                self.failed(&error);
                Readiness { ready: false, remedy: Some(error.remedy().as_str()), detail: detail(&error) }
            }
            Err(_) => {
                let waited = READY_TIMEOUT.as_secs();
                tracing::warn!(waited, "a readiness probe got no answer from the database in time");
                let detail = "The database did not answer in time: check its state and the way to it.";
                Readiness { ready: false, remedy: Some(Remedy::Reconnect.as_str()), detail }
            }
        }
    }
}

/// What to do, for whoever reads a probe's answer. The cause is in the log.
fn detail(error: &PoolError) -> &'static str {
    match (error.number(), error.remedy()) {
        (Some(NO_SUCH_TABLE), _) => {
            "The table `messages` is missing: run rds-iam-bootstrap with this app's schema."
        }
        (Some(number), _) if TOO_SLOW.contains(&number) => {
            "A statement took too long: look for locks and long statements in the database."
        }
        (_, Remedy::Configure) => "A setting is wrong: the log says which.",
        (_, Remedy::Permit) => {
            "The database denied access: the log has the policy statement and the SQL that permit it."
        }
        (_, Remedy::BackOff) => "The database is busy or limits logins: wait.",
        (_, Remedy::Reconnect) => "The database can't be reached: check its state and the way to it.",
        (_, Remedy::Credentials) => {
            "No IAM token can be signed: check where the AWS credentials come from; the log says what failed."
        }
        (_, Remedy::Trust) => {
            "The database could not prove who it is: check the trust roots and the name that is dialled."
        }
        _ => "Something went wrong: the log has the details.",
    }
}
