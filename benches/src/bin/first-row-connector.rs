//! A program that reads one row through a pool of sqlx that a task keeps authenticated, for the benchmark of its start: what
//! AWS's connector for Aurora DSQL does (awslabs/aurora-dsql-connectors, rust/sqlx), here for MySQL and PostgreSQL on RDS.

use std::env::var;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use aws_config::SdkConfig;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{Database, Pool};

/// The life of a token, of which the connector replaces each at four fifths.
const TOKEN_LIFE: Duration = Duration::from_secs(900);

const QUERY: &str = "SELECT message FROM messages LIMIT 1";

/// The driver's connect options.
type OptionsOf<DB> = <<DB as Database>::Connection as sqlx::Connection>::Options;

/// Returns the options of a connection with a token.
type OptionsWith<DB> = Box<dyn Fn(&str) -> OptionsOf<DB> + Send + Sync>;

/// What a new token needs.
struct Login<DB: Database> {
    aws: SdkConfig,
    signer: AuthTokenGenerator,
    options: OptionsWith<DB>,
}

impl<DB: Database> Login<DB> {
    async fn new(
        user: &str,
        options: impl Fn(&str) -> OptionsOf<DB> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
        let endpoint = variable("BENCH_ENDPOINT")?;
        let (host, port) = endpoint.rsplit_once(':').context("BENCH_ENDPOINT has no port")?;
        let config = Config::builder()
            .hostname(host)
            .port(port.parse()?)
            .username(user)
            .region(aws.region().context("AWS_REGION")?.clone())
            .credentials(aws.credentials_provider().context("no credentials")?)
            .expires_in(TOKEN_LIFE.as_secs());
        let signer = AuthTokenGenerator::new(config.build().map_err(|e| anyhow!("{e}"))?);
        Ok(Self { aws, signer, options: Box::new(options) })
    }

    /// Returns the options of a connection with a new token.
    async fn options(&self) -> anyhow::Result<OptionsOf<DB>> {
        let token = self.signer.auth_token(&self.aws).await.map_err(|e| anyhow!("{e}"))?;
        Ok((self.options)(token.as_str()))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (url, roots) = (variable("BENCH_URL")?, variable("BENCH_CA_BUNDLE")?);
    // sqlx verifies the address that it dials.
    let dial = variable("BENCH_DIAL")?;
    let (host, port) = dial.rsplit_once(':').context("BENCH_DIAL has no port")?;
    let port = port.parse()?;
    let message: String = match variable("ENGINE")?.as_str() {
        "mysql" => {
            let options = url
                .parse::<MySqlConnectOptions>()?
                .host(host)
                .port(port)
                .enable_cleartext_plugin(true)
                .ssl_mode(MySqlSslMode::VerifyIdentity)
                .ssl_ca(roots);
            let user = options.get_username().to_owned();
            let login =
                Login::<sqlx::MySql>::new(&user, move |token| options.clone().password(token)).await?;
            let pool = MySqlPoolOptions::new().connect_with(login.options().await?).await?;
            tokio::spawn(refresh(pool.clone(), login));
            sqlx::query_scalar(QUERY).fetch_one(&pool).await?
        }
        "postgresql" => {
            let options = url
                .parse::<PgConnectOptions>()?
                .host(host)
                .port(port)
                .ssl_mode(PgSslMode::VerifyFull)
                .ssl_root_cert(roots);
            let user = options.get_username().to_owned();
            let login =
                Login::<sqlx::Postgres>::new(&user, move |token| options.clone().password(token)).await?;
            let pool = PgPoolOptions::new().connect_with(login.options().await?).await?;
            tokio::spawn(refresh(pool.clone(), login));
            sqlx::query_scalar(QUERY).fetch_one(&pool).await?
        }
        engine => bail!("the engine is {engine:?}: choose mysql or postgresql"),
    };
    println!("{message}");
    Ok(())
}

/// Gives the pool a new token every 12 minutes.
async fn refresh<DB: Database>(pool: Pool<DB>, login: Login<DB>) {
    let mut interval = tokio::time::interval(TOKEN_LIFE * 4 / 5);
    interval.tick().await;
    loop {
        tokio::select! {
            () = pool.close_event() => return,
            _ = interval.tick() => match login.options().await {
                Ok(options) => pool.set_connect_options(options),
                Err(error) => eprintln!("no new token: {error:#}"),
            },
        }
    }
}

fn variable(name: &'static str) -> anyhow::Result<String> {
    var(name).context(name)
}
