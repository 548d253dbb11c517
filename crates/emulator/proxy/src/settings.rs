//! The settings of a proxy: its endpoint, who may log in to it, and how it logs in to the database.

use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use rds_iam_emulator_server::credentials::made_up_key;
use rds_iam_emulator_server::{AccessKey, Error, Kind, MasterCredentials, Server};
use rds_iam_gateway::{Tokens, Upstream};
use rds_iam_roots::Roots;
use rds_iam_token::{Clock, Endpoint, Login, Minter, Region, TokenSource};
use zeroize::Zeroizing;

/// An engine whose servers a proxy can stand before.
pub trait Engine: Kind {
    /// The engine: RDS Proxy's `EngineFamily`.
    const FAMILY: rds_iam_infra::Engine;
}

impl Engine for sqlx::MySql {
    const FAMILY: rds_iam_infra::Engine = rds_iam_infra::Engine::MySql;
}

impl Engine for sqlx::Postgres {
    const FAMILY: rds_iam_infra::Engine = rds_iam_infra::Engine::Postgres;
}

/// The settings of a proxy.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "the caller decides about each")]
pub struct Settings {
    /// The engine, whose protocol both sides speak.
    pub engine: rds_iam_infra::Engine,
    /// The proxy's endpoint: tokens have to be signed for it, and its certificate names it.
    pub endpoint: Endpoint,
    /// The region that tokens have to be signed for.
    pub region: Region,
    /// The access keys of clients.
    pub keys: Vec<AccessKey>,
    /// The database.
    pub upstream: Upstream,
    /// The logins to the database.
    pub backend: Backend,
    /// The limits.
    pub limits: Limits,
}

/// The way in which a proxy logs in to its database.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "RDS Proxy has these two")]
pub enum Backend {
    /// End-to-end IAM: with tokens that the proxy's own role signs, as the client's user. `DefaultAuthScheme` is
    /// `IAM_AUTH`.
    Token(Tokens),
    /// Standard IAM: clients log in with tokens, the proxy with the passwords of secrets, one for each user.
    Secrets(Vec<Secret>),
}

/// The value of a secret in Secrets Manager. Its `Debug` does not show the password.
#[derive(Clone)]
pub struct Secret {
    pub(crate) username: String,
    pub(crate) password: Zeroizing<String>,
}

impl Secret {
    /// Creates a secret.
    #[must_use]
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: Zeroizing::new(password.into()) }
    }
}

impl From<&MasterCredentials> for Secret {
    fn from(master: &MasterCredentials) -> Self {
        Self::new(master.username(), master.password())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The limits of a proxy.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the caller decides about each")]
pub struct Limits {
    /// The most connections to the database, idle ones included. RDS Proxy's `MaxConnectionsPercent` is a part of the
    /// database's own limit; the default here is 90.
    pub max_connections: usize,
    /// The most idle connections to the database: those beyond it are closed when they are returned. The default is 45.
    pub max_idle: usize,
    /// How long a client waits until a connection to the database is free, or the database can be reached: RDS Proxy's
    /// `ConnectionBorrowTimeout`, by default 120 seconds.
    pub borrow_timeout: Duration,
    /// How long a client's login may take before a connection is borrowed, and the login to the database after that.
    /// The default is 10 seconds.
    pub login_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 90,
            max_idle: 45,
            borrow_timeout: Duration::from_secs(120),
            login_timeout: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// Returns the settings of a proxy before `server`: end-to-end IAM, with an access key of its own, which the server
    /// accepts from now on; clients have the server's credentials.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the server's folder is gone, [`Error::Setting`] if its endpoint can't be used.
    pub fn before<E: Engine>(server: &Server<E>) -> Result<Self, Error> {
        let region = server.region().clone();
        let text =
            format!("local-proxy.proxy-c0ffee123456.{region}.rds.amazonaws.com:{}", server.endpoint().port());
        let upstream = upstream(server.endpoint(), server.dial(), server.ca_pem())?;
        let role = made_up_key()?;
        server.enter_key(role.clone())?;
        Ok(Self {
            engine: E::FAMILY,
            endpoint: text.parse().map_err(Error::setting("the proxy's endpoint", &text))?,
            backend: Backend::token(server.endpoint(), &region, &role),
            region,
            keys: vec![server.key().clone()],
            upstream,
            limits: Limits::default(),
        })
    }
}

/// Returns the database at `dial`, whose certificate is for `endpoint` and by the authority `ca_pem`.
///
/// # Errors
/// Returns [`Error::Setting`] if they can't be used.
pub fn upstream(endpoint: &Endpoint, dial: &Endpoint, ca_pem: &str) -> Result<Upstream, Error> {
    let unusable = |value: &dyn fmt::Display, problem: String| Error::Setting {
        setting: "the proxy's database",
        value: value.to_string(),
        problem,
    };
    let roots = Roots::parse(ca_pem.as_bytes()).map_err(|e| unusable(endpoint, e.to_string()))?;
    Upstream::new(endpoint.clone(), Some(dial.clone()), &roots).map_err(|e| unusable(endpoint, e.to_string()))
}

impl Backend {
    /// Returns logins with tokens for `endpoint` that the access key `role` signs.
    #[must_use]
    pub fn token(endpoint: &Endpoint, region: &Region, role: &AccessKey) -> Self {
        let AccessKey { id, secret, session_token, .. } = role.clone();
        let credentials = Credentials::new(id, secret, session_token, None, "rds-iam-emulator-proxy");
        let (endpoint, region) = (endpoint.clone(), region.clone());
        Self::Token(Tokens::new(move |user| {
            let login = Login::new(endpoint.clone(), region.clone(), user.clone());
            Ok(TokenSource::lazy(Minter::new(login, credentials.clone(), Clock::system())))
        }))
    }
}
