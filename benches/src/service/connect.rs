//! Benchmark of the time from AWS credentials to the first row: with this project's token and pool, against
//! aws-sdk-rds and one sqlx connection.

use std::time::Instant;

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use rds_iam_emulator_server::{MySql, fixtures};
use rds_iam_sqlx::MySqlPool;
use sqlx::Connection as _;
use sqlx::mysql::{MySqlConnection, MySqlSslMode};
use tokio::runtime::Runtime;

use crate::database::{DATABASE, USER};
use crate::report::Row;
use crate::samples::paired;

/// The number of rounds of a pair; the figure is the median of their ratios.
const ROUNDS: usize = 21;

pub(super) fn compared(runtime: &Runtime, mysql: &MySql) -> anyhow::Result<Row> {
    let pair = paired(ROUNDS, || runtime.block_on(ours(mysql)), || runtime.block_on(theirs(mysql)))?;
    let row = Row::new("token, pool, first query", pair.ours, "ms");
    Ok(row.against("aws-sdk-rds and a sqlx connection", pair.theirs, pair.ratio))
}

/// Returns the milliseconds from credentials to the answer to `SELECT 1`. Closing is not counted.
async fn ours(mysql: &MySql) -> anyhow::Result<f64> {
    let start = Instant::now();
    let tokens = fixtures::tokens(mysql, USER);
    let pool = MySqlPool::builder(mysql.endpoint(), USER)
        .tokens(tokens)
        .dial(mysql.dial())
        .root_certificates(mysql.ca_pem())
        .database(DATABASE)
        .connect()
        .await?;
    sqlx::query("SELECT 1").fetch_one(&pool).await?;
    let took = start.elapsed();
    pool.close().await;
    Ok(took.as_secs_f64() * 1e3)
}

/// Returns the same for the usual alternative: AWS's generator, and one connection of sqlx. It verifies the address that
/// it dials, where the pool verifies the endpoint's name.
async fn theirs(mysql: &MySql) -> anyhow::Result<f64> {
    let start = Instant::now();
    let config = SdkConfig::builder()
        .credentials_provider(SharedCredentialsProvider::new(mysql.credentials()))
        .region(aws_config::Region::new(mysql.region().to_string()))
        .time_source(aws_smithy_async::time::SharedTimeSource::default())
        .build();
    let settings = Config::builder()
        .hostname(mysql.endpoint().host().to_string())
        .port(u64::from(mysql.endpoint().port()))
        .username(USER)
        .build()
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    let token =
        AuthTokenGenerator::new(settings).auth_token(&config).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    let options = fixtures::connect_options(mysql)
        .ssl_mode(MySqlSslMode::VerifyIdentity)
        .username(USER)
        .password(token.as_str())
        .database(DATABASE)
        .enable_cleartext_plugin(true);
    let mut connection = MySqlConnection::connect_with(&options).await?;
    sqlx::query("SELECT 1").fetch_one(&mut connection).await?;
    let took = start.elapsed();
    connection.close().await?;
    Ok(took.as_secs_f64() * 1e3)
}
