//! A program that reads one row with AWS's token generator and one connection of sqlx, for the benchmark of its start: the
//! least that works, without a pool and without a second token.

use std::env::var;

use anyhow::{Context as _, anyhow, bail};
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use sqlx::Connection as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};

const QUERY: &str = "SELECT message FROM messages LIMIT 1";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (url, roots) = (variable("BENCH_URL")?, variable("BENCH_CA_BUNDLE")?);
    // sqlx verifies the address that it dials.
    let dial = variable("BENCH_DIAL")?;
    let (host, port) = dial.rsplit_once(':').context("BENCH_DIAL has no port")?;
    let port = port.parse()?;
    let message: String = match variable("ENGINE")?.as_str() {
        "mysql" => {
            let options: MySqlConnectOptions = url.parse()?;
            let token = token(options.get_username()).await?;
            let options = options
                .host(host)
                .port(port)
                .password(&token)
                .enable_cleartext_plugin(true)
                .ssl_mode(MySqlSslMode::VerifyIdentity)
                .ssl_ca(roots);
            let mut connection = MySqlConnection::connect_with(&options).await?;
            sqlx::query_scalar(QUERY).fetch_one(&mut connection).await?
        }
        "postgresql" => {
            let options: PgConnectOptions = url.parse()?;
            let token = token(options.get_username()).await?;
            let options = options
                .host(host)
                .port(port)
                .password(&token)
                .ssl_mode(PgSslMode::VerifyFull)
                .ssl_root_cert(roots);
            let mut connection = PgConnection::connect_with(&options).await?;
            sqlx::query_scalar(QUERY).fetch_one(&mut connection).await?
        }
        engine => bail!("the engine is {engine:?}: choose mysql or postgresql"),
    };
    println!("{message}");
    Ok(())
}

/// Signs a token for the endpoint.
async fn token(user: &str) -> anyhow::Result<String> {
    let endpoint = variable("BENCH_ENDPOINT")?;
    let (host, port) = endpoint.rsplit_once(':').context("BENCH_ENDPOINT has no port")?;
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let config = Config::builder().hostname(host).port(port.parse()?).username(user).build();
    let generator = AuthTokenGenerator::new(config.map_err(|e| anyhow!("{e}"))?);
    let token = generator.auth_token(&aws).await.map_err(|e| anyhow!("{e}"))?;
    Ok(token.as_str().to_owned())
}

fn variable(name: &'static str) -> anyhow::Result<String> {
    var(name).context(name)
}
