//! `Target` and `connect`: opens one connection to a database server, always over TLS that verifies
//! the server's identity. Also builds sqlx's connect options.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rds_iam_token::{DbUser, Endpoint, TokenSource};
use sqlx::Connection as _;

use crate::credential::Credential;
use crate::dial::Dialer;
use crate::engine::driver::Route;
use crate::engine::{Engine, OptionsOf, unusable_variables};
use crate::error::{Error, Subject, timed_out_error};
use crate::limits::Limits;
use crate::refusal::CONFIRMATION;
use crate::speaks;

/// The default time limit for connecting, TLS and login included: 10 seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The server to connect to: its endpoint, the address to dial, the trust roots of its certificate, and the database
/// to use.
#[derive(Clone)]
pub struct Target {
    endpoint: Endpoint,
    dial: Endpoint,
    roots_pem: Arc<[u8]>,
    database: Option<String>,
    connect_timeout: Duration,
    dialer: Arc<Dialer>,
}

impl Target {
    /// Creates a target for the server at `endpoint`, which must present a certificate for that host issued under one
    /// of `roots_pem` (PEM certificates) or under a public authority of Mozilla's list, which sqlx adds.
    ///
    /// `endpoint` is the one that tokens are signed for.
    #[must_use]
    pub fn new(endpoint: Endpoint, roots_pem: impl Into<Vec<u8>>) -> Self {
        let dial = endpoint.clone();
        let roots_pem = roots_pem.into().into();
        let connect_timeout = CONNECT_TIMEOUT;
        Self { endpoint, dial, roots_pem, database: None, connect_timeout, dialer: Arc::default() }
    }

    /// Sets the address to dial, where it is not the endpoint: the near end of a tunnel, or a server on this machine.
    /// TLS still verifies the endpoint's host.
    #[must_use]
    pub fn dial(mut self, address: Endpoint) -> Self {
        self.dial = address;
        // Clones share the relay to the address before.
        self.dialer = Arc::default();
        self
    }

    /// Sets the database to use after logging in.
    #[must_use]
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// Returns the endpoint that tokens are signed for, and whose host TLS verifies.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the address that is dialled.
    #[must_use]
    pub fn dialled(&self) -> &Endpoint {
        &self.dial
    }

    /// Returns the database to use after logging in.
    #[must_use]
    pub fn database_name(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Returns the trust roots as PEM, for another driver.
    #[must_use]
    pub fn roots_pem(&self) -> &[u8] {
        &self.roots_pem
    }

    /// Sets the time limit of [`connect`] and [`connect_confirmed`] for one connection, TLS and login included. Default: 10 s. A
    /// paused cluster (Aurora Serverless) takes about 15 s to resume.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Returns the driver's options. They hold the credential and print it in `Debug`: they must not leave this
    /// crate.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub(crate) fn options<DB: Engine>(
        &self,
        user: &DbUser,
        credential: &Credential<'_>,
        statement_cache: usize,
    ) -> OptionsOf<DB> {
        let socket = match self.dialer.socket(&self.dial, DB::socket_file(self.endpoint.port()).as_deref()) {
            Ok(socket) => Some(socket),
            // sqlx then connects to the endpoint itself.
            Err(_) if self.dial == self.endpoint => None,
            Err(error) => Some(self.dialer.unusable(&error).into()),
        };
        DB::options(&Route {
            endpoint: &self.endpoint,
            socket: socket.as_deref(),
            roots_pem: &self.roots_pem,
            user,
            credential,
            database: self.database.as_deref(),
            statement_cache,
        })
    }

    /// Returns whether the latest options lead nowhere, because this process could not open a socket.
    pub(crate) fn is_unusable(&self) -> bool {
        self.dialer.is_unusable()
    }

    pub(crate) fn subject(&self, user: &DbUser) -> Subject {
        Subject {
            user: user.clone(),
            endpoint: self.endpoint.clone(),
            dial: self.dial.clone(),
            database: self.database.clone(),
        }
    }

    /// Creates the error of a failed connection or login as `user`.
    pub(crate) fn connect_error(&self, error: sqlx::Error, user: &DbUser) -> Error {
        Error::connecting(self.dialer.explain(error), self.subject(user))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("endpoint", &self.endpoint)
            .field("dial", &self.dial)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// Opens one connection as `user`. For programs that need one connection and exit; services use a
/// [`Pool`](crate::Pool).
///
/// # Errors
/// [`Error`]; its [`kind`](Error::kind) says what to do. Nothing is retried. A server that does not answer for 10
/// seconds ([`Target::connect_timeout`]) counts as unreachable, and so does one that refuses a login of PostgreSQL with 28000,
/// which one that restarts also does: see [`connect_confirmed`].
pub async fn connect<DB: Engine>(
    target: &Target,
    user: &DbUser,
    credential: Credential<'_>,
) -> Result<DB::Connection, Error> {
    Error::of_settings(unusable_variables::<DB>(|name| std::env::var_os(name).is_some()).collect())?;
    let options = target.options::<DB>(user, &credential, Limits::default().statement_cache);
    let limit = target.connect_timeout;
    let connected = tokio::time::timeout(limit, DB::Connection::connect_with(&options)).await;
    let connected = connected.unwrap_or_else(|_| Err(timed_out_error(limit)));
    match connected {
        Ok(connection) => Ok(connection),
        Err(error) => Err(speaks::explain::<DB>(target.connect_error(error, user)).await),
    }
}

/// Opens one connection with a token of `tokens`. A refusal of PostgreSQL that may be that of a server that restarts (28000) is
/// tried once more, a second later with a new token: only refused again it is [`Denied`](rds_iam_token::ErrorKind::Denied).
///
/// # Errors
/// Those of [`connect`], and [`Error::Token`] if no token can be signed.
pub async fn connect_confirmed<DB: Engine>(
    target: &Target,
    tokens: &TokenSource,
) -> Result<DB::Connection, Error> {
    let user = &tokens.login().user;
    let unsigned = |source| Error::token(source, target.subject(user));
    let token = tokens.token().await.map_err(unsigned)?;
    match connect::<DB>(target, user, Credential::Token(&token)).await {
        Err(error) if error.is_ambiguous_refusal() => {}
        connected => return connected,
    }
    tokio::time::sleep(CONFIRMATION).await;
    let token = tokens.replace(&token).await.map_err(unsigned)?;
    let connected = connect::<DB>(target, user, Credential::Token(&token)).await;
    connected.map_err(Error::confirmed)
}
