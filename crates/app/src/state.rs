//! The state that handlers share: decides readiness, logs database errors and turns them into the client's answer, and
//! caches the answers of both probes for a second.

use std::future::Future;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use axum::http::StatusCode;
use rds_iam_report::ErrorReport;
use rds_iam_token::{Clock, ErrorKind, ServerCode};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::error::ApiError;
use crate::message::Timestamp;
use crate::metrics::Metrics;
use crate::permit::Permit;
use crate::pool::Database;
use crate::store::{Failure, Identity, Store};

/// The time for which an answer of the management port is cached: 1 second, so that many clients send the database no
/// more queries than one.
const CACHED_FOR: Duration = Duration::from_secs(1);

/// The time limit of a readiness probe's query: 2 seconds, below the usual probe timeouts.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// The interval at which the statements that would permit the same refusal are logged: one minute.
const PERMIT_INTERVAL: Duration = Duration::from_secs(60);

/// The service's state. Clones share it.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    clock: Clock,
    user: String,
    permit: Permit,
    permit_logged: StdMutex<Option<(ServerCode, Instant)>>,
    metrics: Metrics,
    readiness: Cached<Readiness>,
    identity: Cached<Result<Identity, ApiError>>,
}

/// A cached answer. Callers that arrive during its query share the result.
#[derive(Debug)]
struct Cached<T>(Mutex<Option<(Instant, T)>>);

impl<T: Clone> Cached<T> {
    fn new() -> Self {
        Self(Mutex::new(None))
    }

    async fn get_or_query(&self, query: impl Future<Output = T>) -> T {
        let mut last = self.0.lock().await;
        if let Some((time, answer)) = &*last
            && time.elapsed() < CACHED_FOR
        {
            return answer.clone();
        }
        let answer = query.await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

/// The answer to a readiness probe: whether requests can be served, and if not, the kind of the error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    pub(crate) detail: &'static str,
}

/// The times of the current token that may be shown to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TokenLife {
    pub(crate) age_seconds: u64,
    pub(crate) remaining_seconds: u64,
}

impl AppState {
    /// State around a pool. `permit` is what would let the service in, for the log of a refusal (see
    /// [`crate::Config::permit`]).
    #[must_use]
    pub fn new(pool: impl Into<Database>, permit: Permit) -> Self {
        let pool = pool.into();
        let clock = pool.tokens().clock().clone();
        Self(Arc::new(Shared {
            metrics: Metrics::new(pool.clone(), clock.clone()),
            user: pool.tokens().login().user.to_string(),
            store: Store::new(pool),
            clock,
            permit,
            permit_logged: StdMutex::new(None),
            readiness: Cached::new(),
            identity: Cached::new(),
        }))
    }

    /// Returns the pool, so that the caller can close it.
    #[must_use]
    pub fn pool(&self) -> &Database {
        self.0.store.pool()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Returns the time now, by the clock that signs tokens.
    pub(crate) fn now(&self) -> Timestamp {
        let since = self.0.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Returns the database user that the service logs in as.
    pub(crate) fn user(&self) -> &str {
        &self.0.user
    }

    /// Returns the current token's life, if there is a token.
    pub(crate) fn token_life(&self) -> Option<TokenLife> {
        let (signed_at, expires_at) = self.pool().stats().tokens.current?;
        let now = self.0.clock.now();
        Some(TokenLife {
            age_seconds: now.duration_since(signed_at).unwrap_or_default().as_secs(),
            remaining_seconds: expires_at.duration_since(now).unwrap_or_default().as_secs(),
        })
    }

    /// Logs a database error with its causes, and returns the client's error.
    pub(crate) fn database_error(&self, error: &rds_iam_sqlx::Error) -> ApiError {
        let (kind, hint, cause) = (error.kind(), error.hint(), ErrorReport(error));
        // The message of PostgreSQL has no code.
        let code = error.code().map(tracing::field::display);
        match kind {
            // The token source logs what is wrong, once a minute.
            ErrorKind::Credentials => tracing::debug!(error = %cause, %kind, "no token for a request"),
            ErrorKind::Throttled | ErrorKind::Unreachable | ErrorKind::ReadOnly => {
                tracing::warn!(error = %cause, %kind, code, hint, "the database could not serve a request");
            }
            ErrorKind::Denied => match self.permit_to_log(error) {
                // `%`: text lines have the statements as they are pasted.
                Some(permit) => {
                    tracing::error!(error = %cause, %kind, code, hint, %permit, "the database denied access");
                }
                None => tracing::error!(error = %cause, %kind, code, hint, "the database denied access"),
            },
            _ => tracing::error!(error = %cause, %kind, code, hint, "the database could not serve a request"),
        }
        let unavailable = |seconds| {
            let detail = "The database can't be reached at the moment. Try again a little later.";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(seconds)
        };
        match kind {
            ErrorKind::Unreachable | ErrorKind::ReadOnly => unavailable(2),
            ErrorKind::Throttled | ErrorKind::Credentials => unavailable(5),
            _ if Failure::from_error(error) == Some(Failure::TooSlow) => unavailable(5),
            // An operator has to act first.
            ErrorKind::Configuration | ErrorKind::Denied | ErrorKind::Tls => unavailable(30),
            _ => ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong here. The details are in the log.",
            ),
        }
    }

    /// Returns the statements that would permit a refused login or statement, at most once a minute for the same code.
    fn permit_to_log(&self, error: &rds_iam_sqlx::Error) -> Option<String> {
        let code = error.code()?;
        let permit = self.0.permit.for_code(Some(code))?;
        let mut logged = self.0.permit_logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.is_some_and(|(last, time)| last == code && time.elapsed() < PERMIT_INTERVAL) {
            return None;
        }
        *logged = Some((code, Instant::now()));
        Some(permit)
    }

    /// Returns the session's identity in the database, at most a second old.
    pub(crate) async fn identity(&self) -> Result<Identity, ApiError> {
        let query = async { self.store().identity().await.map_err(|error| self.database_error(&error)) };
        self.0.identity.get_or_query(query).await
    }

    /// Returns whether the table can be read and the database accepts writes, at most a second old.
    pub(crate) async fn readiness(&self) -> Readiness {
        self.0.readiness.get_or_query(self.query_readiness()).await
    }

    async fn query_readiness(&self) -> Readiness {
        match timeout(READY_TIMEOUT, self.store().accepts_writes()).await {
            Ok(Ok(false)) => {
                tracing::warn!("the database refuses writes: it is read-only");
                let detail =
                    "The database is read-only: wait for the failover's end, or find out who set it so.";
                Readiness { ready: false, kind: Some(ErrorKind::ReadOnly.as_str()), detail }
            }
            Ok(Ok(true)) => Readiness { ready: true, kind: None, detail: "The database answers." },
            Ok(Err(error)) => {
                self.database_error(&error);
                Readiness { ready: false, kind: Some(error.kind().as_str()), detail: detail(&error) }
            }
            Err(_) => {
                let waited = READY_TIMEOUT.as_secs();
                tracing::warn!(waited, "a readiness probe got no answer from the database in time");
                let detail = "The database did not answer in time: check its state and the way to it.";
                Readiness { ready: false, kind: Some(ErrorKind::Unreachable.as_str()), detail }
            }
        }
    }
}

/// Returns what to do, for the reader of a probe's answer. The cause is in the log.
fn detail(error: &rds_iam_sqlx::Error) -> &'static str {
    match (Failure::from_error(error), error.kind()) {
        (Some(Failure::NoTable), _) => {
            "The table `messages` is missing: run rds-iam-bootstrap with this app's schema."
        }
        (Some(Failure::TooSlow), _) => {
            "A statement took too long: check for locks and long statements in the database."
        }
        (_, ErrorKind::Configuration) => "A setting is wrong: the log says which.",
        (_, ErrorKind::Denied) => {
            "The database denied access: the log has what to check, and the statements that permit it."
        }
        (_, ErrorKind::Throttled) => "The database is busy or limits logins: wait.",
        (_, ErrorKind::Unreachable) => "The database can't be reached: check its state and the way to it.",
        (_, ErrorKind::ReadOnly) => "The database refuses writes: wait for the failover's end.",
        (_, ErrorKind::Credentials) => {
            "No IAM token can be signed: check where the AWS credentials come from; the log says what failed."
        }
        (_, ErrorKind::Tls) => {
            "The database could not prove who it is: check the trust roots and the name that is dialled."
        }
        _ => "Something went wrong: the log has the details.",
    }
}
