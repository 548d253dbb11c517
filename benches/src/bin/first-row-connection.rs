//! A program that reads one row with AWS's token generator and one connection of sqlx, for the benchmark of its start: the
//! least that works, without a pool and without a second token.

use std::env::var;

use anyhow::{Context as _, anyhow};
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use sqlx::Connection as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let variable = |name: &'static str| var(name).context(name);
    let endpoint = variable("BENCH_ENDPOINT")?;
    let (host, port) = endpoint.rsplit_once(':').context("BENCH_ENDPOINT has no port")?;
    let options: MySqlConnectOptions = variable("BENCH_URL")?.parse()?;

    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let config =
        Config::builder().hostname(host).port(port.parse()?).username(options.get_username()).build();
    let generator = AuthTokenGenerator::new(config.map_err(|e| anyhow!("{e}"))?);
    let token = generator.auth_token(&aws).await.map_err(|e| anyhow!("{e}"))?;

    // sqlx verifies the address that it dials.
    let dial = variable("BENCH_DIAL")?;
    let (host, port) = dial.rsplit_once(':').context("BENCH_DIAL has no port")?;
    let options = options
        .host(host)
        .port(port.parse()?)
        .password(token.as_str())
        .enable_cleartext_plugin(true)
        .ssl_mode(MySqlSslMode::VerifyIdentity)
        .ssl_ca(variable("BENCH_CA_BUNDLE")?);
    let mut connection = MySqlConnection::connect_with(&options).await?;
    let message: String =
        sqlx::query_scalar("SELECT message FROM messages LIMIT 1").fetch_one(&mut connection).await?;
    println!("{message}");
    Ok(())
}
