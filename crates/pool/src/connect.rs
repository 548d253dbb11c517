//! One connection: over TLS that verifies the server's identity, or not at all.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rds_iam_token::{DbUser, Endpoint, Token};
use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};

use crate::PoolError;
use crate::dial::Dialer;
use crate::error::{Subject, silent};

/// How long connecting may take, TLS and login included: 10 seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What to connect to: where the server is, how it proves who it is, and which database to use.
#[derive(Clone)]
pub struct Target {
    pub(crate) dial: Endpoint,
    roots_pem: Arc<[u8]>,
    database: Option<String>,
    dialer: Arc<Dialer>,
}

impl Target {
    /// The server at `dial`, which must present a certificate for that host issued under one of
    /// `roots_pem` (PEM certificates) or under a public authority of Mozilla's list, which sqlx adds.
    ///
    /// On AWS `dial` is the endpoint itself; through a tunnel or on one machine it is the local end,
    /// while the token stays signed for the endpoint.
    #[must_use]
    pub fn new(dial: Endpoint, roots_pem: impl Into<Vec<u8>>) -> Self {
        Self { dial, roots_pem: roots_pem.into().into(), database: None, dialer: Arc::default() }
    }

    /// Uses this database after logging in.
    #[must_use]
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// The driver's options. They hold the secret and print it in `Debug`: never let one out of this
    /// crate.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub(crate) fn options(&self, user: &DbUser, secret: &Secret<'_>) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new()
            .host(&self.dial.host().to_string())
            .port(self.dial.port())
            .username(user.as_str())
            .ssl_mode(MySqlSslMode::VerifyIdentity)
            .ssl_ca_from_pem(self.roots_pem.to_vec())
            // Changing sql_mode per session would pin it to one connection behind RDS Proxy.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .disable_statement_logging();
        // The host above stays the name that TLS verifies.
        let options = match self.dialer.socket(&self.dial) {
            Some(socket) => options.socket(socket),
            None => options,
        };
        let options = match secret {
            // Cleartext is how a token travels; TLS is verified before anything is sent.
            Secret::Token(token) => options.password(token.expose()).enable_cleartext_plugin(true),
            Secret::Password(password) => options.password(password),
        };
        match &self.database {
            Some(name) => options.database(name),
            None => options,
        }
    }

    pub(crate) fn subject(&self, user: &DbUser) -> Subject {
        Subject { user: user.clone(), dial: self.dial.clone(), database: self.database.clone() }
    }

    /// The error of a failed connection or login as `user`.
    pub(crate) fn failed(&self, error: sqlx::Error, user: &DbUser) -> PoolError {
        PoolError::connecting(self.dialer.explain(error), &self.subject(user))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("dial", &self.dial)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// What a user proves itself with. It cannot be printed.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Secret<'a> {
    /// An IAM token.
    Token(&'a Token),
    /// A password: only the master user has one, and only bootstrap reads it.
    Password(&'a str),
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(redacted)",
            Self::Password(_) => "Password(redacted)",
        })
    }
}

/// Opens one connection as `user`. For programs that need one and end; services use a
/// [`Pool`](crate::Pool).
///
/// # Errors
/// [`PoolError`]; its [`remedy`](PoolError::remedy) says what to do. Nothing is retried, and a server that
/// stays silent for 10 seconds counts as unreachable.
pub async fn connect(
    target: &Target,
    user: &DbUser,
    secret: Secret<'_>,
) -> Result<MySqlConnection, PoolError> {
    let options = target.options(user, &secret);
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await;
    let connected = connected.unwrap_or_else(|_| Err(silent(CONNECT_TIMEOUT)));
    connected.map_err(|error| target.failed(error, user))
}
