//! `Databases`: named connections from a YAML or TOML file or from environment variables, and their pools.

mod connection;
mod duration;
mod env;
mod error;
mod node;
mod pools;
mod schema;
mod section;
mod source;
mod toml;
mod yaml;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use crate::builder::Builder;
use crate::engine::Engine;
use crate::error::{Error, SettingError};
use crate::pool::Pool;

use connection::{Connection, EngineName};
use pools::{Overrides, Pools};
use schema::Configuration;
use source::Format;

pub use error::{ConfigError, EntryError};

/// Named connections, each with its settings, and a pool that is built when it is first needed. Clones share the pools.
///
/// ```
/// use rds_iam_sqlx::Databases;
///
/// let databases = Databases::from_yaml(
///     r#"
/// database:
///   default: writer
///   connections:
///     writer:
///       driver: mysql
///       dsn: "mysql://node_app:$TOKEN@orders.cluster-c0ffee.eu-west-1.rds.amazonaws.com:3306/orders"
///       max_open_connections: 25
///       max_idle_connections: 10
///       connection_max_lifetime: 1h
///       connection_max_idle_time: 30m
///       aws_iam_auth:
///         enabled: true
///         region: eu-west-1
///         connection_timeout: 10s
///     reader:
///       dsn: "mysql://node_app@orders.cluster-ro-c0ffee.eu-west-1.rds.amazonaws.com/orders"
///       aws_iam_auth:
///         enabled: true
///     reports:
///       driver: postgres
///       dsn: "postgresql://node_app@reports.cluster-c0ffee.eu-west-1.rds.amazonaws.com:5432/reports"
///       aws_iam_auth:
///         enabled: true
/// "#,
///     "database.yaml",
/// )?;
/// assert_eq!(databases.names().collect::<Vec<_>>(), ["writer", "reader", "reports"]);
/// # Ok::<(), rds_iam_sqlx::ConfigError>(())
/// ```
///
/// In a program, with a file or the environment:
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use rds_iam_sqlx::{Databases, MySqlPool, PgPool};
///
/// let databases = Databases::from_file("database.yaml")?;
/// databases.connect_all().await?;
/// let writer: MySqlPool = databases.get("writer")?;
/// let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM orders").fetch_one(&writer).await?;
/// let reports: PgPool = databases.get("reports")?;
/// let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM pg_tables").fetch_one(&reports).await?;
/// # Ok(()) }
/// ```
///
/// # Keys
///
/// The file has nothing but `database`, with these keys. An unknown key, here or at the top, is an error.
///
/// | Key | Value |
/// | --- | --- |
/// | `default` | the connection that [`get_default`](Self::get_default) returns. Without it, the only one |
/// | `connections.NAME.driver` | `mysql`, or `postgres` (`postgresql`, `pgx`). May be left out if `dsn` is a URL |
/// | `….dsn` | a connection string in one of the forms of [`Dsn`](crate::Dsn), whose password is never read. Its parameters `region`, `profile`, `dial`, `sslrootcert` and `connect_timeout` are used |
/// | `….max_open_connections` | [`max_connections`](crate::Limits::max_connections) |
/// | `….max_idle_connections` | [`max_idle_connections`](crate::Limits::max_idle_connections) |
/// | `….connection_max_lifetime` | [`max_lifetime`](crate::Limits::max_lifetime) |
/// | `….connection_max_idle_time` | [`idle_timeout`](crate::Limits::idle_timeout) |
/// | `….connect_timeout` | [`connect_timeout`](crate::Limits::connect_timeout), before the parameter of the DSN: 30 s for a cluster that pauses |
/// | `….aws_iam_auth.enabled` | `true`, and required. There is no login by password: see `docs/migrating-from-passwords.md` |
/// | `….aws_iam_auth.region` | the AWS region of the endpoint. May be left out if the host's name has it |
/// | `….aws_iam_auth.db_user` | the database user, instead of that of the DSN |
/// | `….aws_iam_auth.connection_timeout` | [`acquire_timeout`](crate::Limits::acquire_timeout): the longest wait for a connection, the first one included |
///
/// Times are written in Go's form: `30m`, `1h30m`, `500ms`. A number without a unit is an error. So is 0: nothing is
/// unlimited.
///
/// A connection whose driver this program was built without (the features `mysql` and `postgres`) is an error.
///
/// In YAML, anchors, aliases, tags and a second document are errors. A file may have 1 MiB.
///
/// # Environment variables
///
/// [`from_env`](Self::from_env) reads the same keys from variables: `connections.writer.max_open_connections` is
/// `DB_WRITER_MAX_OPEN_CONNECTIONS`, `connections.writer.aws_iam_auth.region` is `DB_WRITER_AWS_IAM_AUTH_REGION`, and
/// `default` is `DB_DEFAULT`. `DB_WRITER_DSN` or `DB_WRITER_DRIVER` creates the connection `writer`. Other variables that
/// begin with `DB_` are ignored, and names are in lower case.
///
/// # One identity
///
/// Connections with the same endpoint, region, user and profile share one source of tokens, and all with the same profile
/// and region one source of AWS credentials. [`credentials`](Self::credentials) sets another one for all.
#[derive(Clone)]
pub struct Databases {
    configuration: Arc<Configuration>,
    overrides: Overrides,
    pools: Arc<Pools>,
}

impl Databases {
    /// Reads a file: YAML if its name ends in `.yaml` or `.yml`, TOML if in `.toml`.
    ///
    /// # Errors
    /// Returns [`ConfigError`] with all errors of the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        source::read_file(path.as_ref()).map(Self::new)
    }

    /// Reads YAML. `name` names it in messages.
    ///
    /// # Errors
    /// Returns [`ConfigError`] with all errors of the text.
    pub fn from_yaml(text: &str, name: &str) -> Result<Self, ConfigError> {
        source::read(text, name, Format::Yaml).map(Self::new)
    }

    /// Reads TOML. `name` names it in messages.
    ///
    /// ```
    /// use rds_iam_sqlx::Databases;
    ///
    /// let text = r#"
    /// [database.connections.writer]
    /// dsn = "mysql://node_app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders"
    /// max_open_connections = 25
    /// aws_iam_auth.enabled = true
    /// "#;
    /// let databases = Databases::from_toml(text, "database.toml")?;
    /// assert_eq!(databases.names().collect::<Vec<_>>(), ["writer"]);
    /// # Ok::<(), rds_iam_sqlx::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`ConfigError`] with all errors of the text.
    pub fn from_toml(text: &str, name: &str) -> Result<Self, ConfigError> {
        source::read(text, name, Format::Toml).map(Self::new)
    }

    /// Reads the process's environment variables.
    ///
    /// # Errors
    /// Returns [`ConfigError`] with all errors of the variables.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(std::env::vars_os())
    }

    /// Reads variables, as [`from_env`](Self::from_env) does.
    ///
    /// ```
    /// use rds_iam_sqlx::Databases;
    ///
    /// let databases = Databases::from_vars([
    ///     ("DB_WRITER_DRIVER", "mysql"),
    ///     ("DB_WRITER_DSN", "mysql://node_app:$TOKEN@orders.c0ffee.eu-west-1.rds.amazonaws.com:3306/orders"),
    ///     ("DB_WRITER_AWS_IAM_AUTH_ENABLED", "true"),
    /// ])?;
    /// assert_eq!(databases.names().collect::<Vec<_>>(), ["writer"]);
    /// # Ok::<(), rds_iam_sqlx::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`ConfigError`] with all errors of the variables.
    pub fn from_vars<K, V>(variables: impl IntoIterator<Item = (K, V)>) -> Result<Self, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        source::read_variables(variables).map(Self::new)
    }

    fn new(configuration: Configuration) -> Self {
        for (_, connection) in &configuration.connections {
            connection.dsn.log();
        }
        Self {
            configuration: Arc::new(configuration),
            overrides: Overrides::default(),
            pools: Arc::default(),
        }
    }

    /// Sets the provider of the AWS credentials of all connections, instead of the SDK's default chain. The result shares
    /// no pools with earlier clones. A DSN with the parameter `profile` contradicts it: its pool is not built.
    #[must_use = "returns the changed databases"]
    pub fn credentials(mut self, provider: impl ProvideCredentials + 'static) -> Self {
        self.overrides.credentials = Some(SharedCredentialsProvider::new(provider));
        self.pools = Arc::default();
        self
    }

    /// Sets the trust roots of all servers, as PEM text, instead of the bundled ones and of files in a DSN. The result
    /// shares no pools with earlier clones.
    #[must_use = "returns the changed databases"]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.overrides.root_certificates = Some(pem.into());
        self.pools = Arc::default();
        self
    }

    /// Sets the address to dial for a connection, `host` or `host:port`: the near end of a tunnel on this machine. TLS
    /// verifies the endpoint's name. The result shares no pools with earlier clones.
    ///
    /// # Errors
    /// Returns [`Error::Settings`] if there is no connection of this name.
    pub fn dial(mut self, name: &str, address: impl fmt::Display) -> Result<Self, Error> {
        self.connection(name)?;
        self.overrides.dial.insert(name.to_owned(), address.to_string());
        self.pools = Arc::default();
        Ok(self)
    }

    /// Returns the names of the connections, in the order of the file; those of variables in alphabetic order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.configuration.connections.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the settings of a connection's pool, for more settings than a file has. A pool built from it is the
    /// caller's: [`get`](Self::get) does not return it, and nothing is shared with it.
    ///
    /// ```
    /// # let text = "database:\n  connections:\n    writer:\n      dsn: mysql://app@db.b.eu-west-1.rds.amazonaws.com\n      aws_iam_auth:\n        enabled: true\n";
    /// use rds_iam_sqlx::{Builder, Databases};
    /// use sqlx::MySql;
    ///
    /// let databases = Databases::from_yaml(text, "database.yaml")?;
    /// let builder: Builder<MySql> = databases.builder("writer")?.sign_on_demand();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`Error::Settings`] if there is no connection of this name, or if its engine is another.
    pub fn builder<DB: Engine>(&self, name: &str) -> Result<Builder<DB>, Error> {
        let connection = self.connection_of::<DB>(name)?;
        Ok(pools::builder(name, connection, &self.overrides))
    }

    /// Returns the pool of a connection. The first call builds it without waiting for the server, so that a wrong
    /// setting shows, and a server that does not answer does not; later calls return clones. After
    /// [`Pool::close`] a new one is built.
    ///
    /// # Errors
    /// Returns [`Error::Settings`] if there is no connection of this name, if its engine is another, or if the settings
    /// can't be used.
    ///
    /// # Panics
    /// Outside a Tokio runtime. All calls must be in the same one.
    pub fn get<DB: Engine>(&self, name: &str) -> Result<Pool<DB>, Error> {
        self.pools.get(name, self.connection_of::<DB>(name)?, &self.overrides)
    }

    /// Returns the pool of the default connection: that of the key `default`, or the only one.
    ///
    /// # Errors
    /// Those of [`get`](Self::get), and [`Error::Settings`] if there are several connections and no `default`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn get_default<DB: Engine>(&self) -> Result<Pool<DB>, Error> {
        let Configuration { default, connections } = &*self.configuration;
        match (default, connections.as_slice()) {
            (Some(name), _) | (None, [(name, _)]) => self.get(name),
            _ => Err(setting(format!(
                "there is no default: add the key default to the configuration, with one of {}",
                self.list()
            ))),
        }
    }

    /// Builds all pools and opens a connection in each, one after another, so that a wrong setting or a refused login
    /// shows when the program starts.
    ///
    /// # Errors
    /// Returns the error of the first pool that could not be built, or whose connection could not be opened.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn connect_all(&self) -> Result<(), Error> {
        for (name, connection) in &self.configuration.connections {
            match connection.driver {
                #[cfg(feature = "mysql")]
                EngineName::MySql => self.get::<sqlx::MySql>(name)?.open_first().await?,
                #[cfg(feature = "postgres")]
                EngineName::Postgres => self.get::<sqlx::Postgres>(name)?.open_first().await?,
                #[cfg(not(all(feature = "mysql", feature = "postgres")))]
                _ => unreachable!("a connection without its driver was refused when it was read"),
            }
        }
        Ok(())
    }

    fn connection_of<DB: Engine>(&self, name: &str) -> Result<&Connection, Error> {
        let connection = self.connection(name)?;
        let driver = connection.driver.name();
        if !DB::URL_SCHEMES.contains(&driver) {
            let cause = format!("{name} has the driver {driver}, and the pool is for {}", DB::NAME);
            return Err(setting(cause));
        }
        Ok(connection)
    }

    fn connection(&self, name: &str) -> Result<&Connection, Error> {
        let found = self.configuration.connections.iter().find(|(known, _)| known == name);
        found.map(|(_, connection)| connection).ok_or_else(|| {
            setting(format!("the configuration has no connection {name:?}: use one of {}", self.list()))
        })
    }

    fn list(&self) -> String {
        self.names().collect::<Vec<_>>().join(", ")
    }
}

fn setting(cause: String) -> Error {
    Error::Settings { errors: vec![SettingError::new("connection", cause)] }
}

impl fmt::Debug for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Databases")
            .field("default", &self.configuration.default)
            .field("connections", &self.names().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
