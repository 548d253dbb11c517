//! A program that reads one row through a pool of sqlx that a task keeps authenticated, for the benchmark of its start: what
//! AWS's connector for Aurora DSQL does (awslabs/aurora-dsql-connectors, rust/sqlx), here for MySQL on RDS.

use std::env::var;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_config::SdkConfig;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlSslMode};

/// The life of a token, of which the connector replaces each at four fifths.
const TOKEN_LIFE: Duration = Duration::from_secs(900);

/// What a new token needs.
struct Login {
    aws: SdkConfig,
    signer: AuthTokenGenerator,
    options: MySqlConnectOptions,
}

impl Login {
    /// Returns the options of a connection with a new token.
    async fn options(&self) -> anyhow::Result<MySqlConnectOptions> {
        let token = self.signer.auth_token(&self.aws).await.map_err(|e| anyhow!("{e}"))?;
        Ok(self.options.clone().password(token.as_str()))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let pool = connect().await?;
    let message: String = sqlx::query_scalar("SELECT message FROM messages LIMIT 1").fetch_one(&pool).await?;
    println!("{message}");
    Ok(())
}

async fn connect() -> anyhow::Result<MySqlPool> {
    let variable = |name: &'static str| var(name).context(name);
    let options: MySqlConnectOptions = variable("BENCH_URL")?.parse()?;
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let endpoint = variable("BENCH_ENDPOINT")?;
    let (host, port) = endpoint.rsplit_once(':').context("BENCH_ENDPOINT has no port")?;
    let config = Config::builder()
        .hostname(host)
        .port(port.parse()?)
        .username(options.get_username())
        .region(aws.region().context("AWS_REGION")?.clone())
        .credentials(aws.credentials_provider().context("no credentials")?)
        .expires_in(TOKEN_LIFE.as_secs());
    let signer = AuthTokenGenerator::new(config.build().map_err(|e| anyhow!("{e}"))?);

    // sqlx verifies the address that it dials.
    let dial = variable("BENCH_DIAL")?;
    let (host, port) = dial.rsplit_once(':').context("BENCH_DIAL has no port")?;
    let options = options
        .host(host)
        .port(port.parse()?)
        .enable_cleartext_plugin(true)
        .ssl_mode(MySqlSslMode::VerifyIdentity)
        .ssl_ca(variable("BENCH_CA_BUNDLE")?);
    let login = Login { aws, signer, options };
    let pool = MySqlPoolOptions::new().connect_with(login.options().await?).await?;
    tokio::spawn(refresh(pool.clone(), login));
    Ok(pool)
}

/// Gives the pool a new token every 12 minutes.
async fn refresh(pool: MySqlPool, login: Login) {
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
