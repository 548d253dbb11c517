//! The settings of the programs that read one row with sqlx, from the environment, and what they need to know about an
//! engine.

use std::env::var;

use anyhow::Context as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{Connection, Database};

const QUERY: &str = "SELECT message FROM messages LIMIT 1";

/// The driver's connect options.
pub(crate) type OptionsOf<E> = <<E as Database>::Connection as Connection>::Options;

/// An engine of the programs.
pub(crate) trait Engine: Database {
    /// Returns the options of a connection that verifies the address that it dials, as sqlx does, against a file of roots.
    fn options(url: &str, dial: &Address, roots: &str) -> sqlx::Result<OptionsOf<Self>>;

    /// Returns the user of the options.
    fn user(options: &OptionsOf<Self>) -> String;

    /// Returns the options with a token.
    fn with_token(options: OptionsOf<Self>, token: &str) -> OptionsOf<Self>;

    /// Reads the row.
    async fn read(connection: &mut Self::Connection) -> sqlx::Result<String>;
}

impl Engine for sqlx::MySql {
    fn options(url: &str, dial: &Address, roots: &str) -> sqlx::Result<MySqlConnectOptions> {
        let options = url.parse::<MySqlConnectOptions>()?.host(&dial.host).port(dial.port);
        Ok(options.enable_cleartext_plugin(true).ssl_mode(MySqlSslMode::VerifyIdentity).ssl_ca(roots))
    }

    fn user(options: &MySqlConnectOptions) -> String {
        options.get_username().to_owned()
    }

    fn with_token(options: MySqlConnectOptions, token: &str) -> MySqlConnectOptions {
        options.password(token)
    }

    async fn read(connection: &mut MySqlConnection) -> sqlx::Result<String> {
        sqlx::query_scalar(QUERY).fetch_one(connection).await
    }
}

impl Engine for sqlx::Postgres {
    fn options(url: &str, dial: &Address, roots: &str) -> sqlx::Result<PgConnectOptions> {
        let options = url.parse::<PgConnectOptions>()?.host(&dial.host).port(dial.port);
        Ok(options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(roots))
    }

    fn user(options: &PgConnectOptions) -> String {
        options.get_username().to_owned()
    }

    fn with_token(options: PgConnectOptions, token: &str) -> PgConnectOptions {
        options.password(token)
    }

    async fn read(connection: &mut PgConnection) -> sqlx::Result<String> {
        sqlx::query_scalar(QUERY).fetch_one(connection).await
    }
}

/// A host and its port.
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    fn from_env(name: &'static str) -> anyhow::Result<Self> {
        let text = variable(name)?;
        let (host, port) = text.rsplit_once(':').with_context(|| format!("{name} has no port"))?;
        Ok(Self { host: host.to_owned(), port: port.parse().context(name)? })
    }
}

/// The settings of the program.
pub(crate) struct Settings {
    pub(crate) engine: rds_iam_infra::Engine,
    /// The address that tokens are signed for.
    pub(crate) endpoint: Address,
    url: String,
    dial: Address,
    roots: String,
}

impl Settings {
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        Ok(Self {
            engine: variable("ENGINE")?.parse()?,
            endpoint: Address::from_env("BENCH_ENDPOINT")?,
            url: variable("BENCH_URL")?,
            dial: Address::from_env("BENCH_DIAL")?,
            roots: variable("BENCH_CA_BUNDLE")?,
        })
    }

    /// Returns the options of a connection, without a token.
    pub(crate) fn options<E: Engine>(&self) -> sqlx::Result<OptionsOf<E>> {
        E::options(&self.url, &self.dial, &self.roots)
    }
}

fn variable(name: &'static str) -> anyhow::Result<String> {
    var(name).context(name)
}
