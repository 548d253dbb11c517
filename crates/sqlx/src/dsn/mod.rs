//! `Dsn`: a connection string, as a URL or as `key=value` pairs, without its password.

mod error;
mod key_value;
mod parameters;
mod password;
mod url;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rds_iam_token::{DbUser, Endpoint, Host, Region};

#[cfg(feature = "config")]
pub(crate) use {error::KNOWN_PARAMETERS, url::POSTGRES_SCHEMES};

pub use error::DsnError;
pub use password::Password;

/// A connection string, parsed. A password in it was dropped unread: a token takes its place.
///
/// Two forms are read: `mysql://user@host:3306/database?region=eu-west-1` (or `postgresql://…`, or `postgres://…`), and
/// `host=… port=3306 user=… dbname=…`.
///
/// ```
/// use rds_iam_sqlx::Dsn;
///
/// let dsn: Dsn = "mysql://node_app:$TOKEN@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders".parse()?;
/// assert_eq!(dsn.user.as_ref().unwrap().as_str(), "node_app");
/// assert_eq!(dsn.database.as_deref(), Some("orders"));
/// let dsn: Dsn = "postgresql://node_app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders".parse()?;
/// assert_eq!(dsn.scheme, Some("postgresql"));
/// assert!("mysql://node_app@orders.example.com/?sslmode=disable".parse::<Dsn>().is_err());
/// # Ok::<(), rds_iam_sqlx::DsnError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dsn {
    /// The scheme of a URL: `mysql`, `postgres` or `postgresql`.
    pub scheme: Option<&'static str>,
    /// The database user.
    pub user: Option<DbUser>,
    /// The host of the endpoint.
    pub host: Host,
    /// The port. Without one, it is the engine's.
    pub port: Option<u16>,
    /// The database.
    pub database: Option<String>,
    /// The parameter `region`.
    pub region: Option<Region>,
    /// The parameter `profile`: an AWS profile.
    pub profile: Option<String>,
    /// The parameter `dial`: the address to dial, such as the near end of a tunnel. TLS verifies `host`.
    pub dial: Option<Endpoint>,
    /// The parameter `sslrootcert` or `ssl-ca`: a file with trust roots.
    pub root_certificates: Option<PathBuf>,
    /// The parameter `connect_timeout`, in whole seconds: the longest time that opening one connection may take.
    pub connect_timeout: Option<Duration>,
    /// What took the password's place.
    pub password: Password,
    /// The mode of TLS that was weaker than full verification, and was raised to it.
    pub raised_from: Option<&'static str>,
}

impl Dsn {
    /// Logs that the string was read, and warns of a dropped password and of a raised mode of TLS. The events are among
    /// those of the builder, which are filtered together.
    pub(crate) fn log(&self) {
        const TARGET: &str = "rds_iam_sqlx::builder";
        let Self { scheme, user, host, port, database, region, profile, dial, password, raised_from, .. } =
            self;
        let user = user.as_ref().map(DbUser::as_str);
        tracing::debug!(
            target: TARGET,
            scheme, user, %host, port, database, region = region.as_ref().map(Region::as_str), profile,
            dial = dial.as_ref().map(Endpoint::to_string), ?password, "read the connection string"
        );
        if *password == Password::Dropped {
            tracing::warn!(
                target: TARGET,
                user, %host,
                "the connection string has a password, which is not used: an IAM token takes its place. Remove it from there"
            );
        }
        if let Some(mode) = raised_from {
            tracing::warn!(
                target: TARGET,
                user, %host, mode,
                "the connection string asks for less than full verification of the server; it is verified fully"
            );
        }
    }
}

impl FromStr for Dsn {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, DsnError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(DsnError::Empty);
        }
        if text.contains("://") { url::parse(text) } else { key_value::parse(text) }
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dsn")
            .field("scheme", &self.scheme)
            .field("user", &self.user)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("database", &self.database)
            .field("dial", &self.dial)
            .field("password", &self.password)
            .finish_non_exhaustive()
    }
}
