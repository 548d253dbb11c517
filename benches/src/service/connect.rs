//! Benchmark of the time from AWS credentials to the first row: with this project's token and pool, against
//! aws-sdk-rds and one sqlx connection.

use std::time::Instant;

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use rds_iam_emulator_server::{Server, fixtures};
use rds_iam_sqlx::Pool;
use sqlx::Connection as _;
use tokio::runtime::Runtime;

use crate::database::{DATABASE, Engine, USER};
use crate::report::Row;
use crate::samples::paired;

/// The number of rounds of a pair; the figure is the median of their ratios.
const ROUNDS: usize = 21;

pub(super) fn compared<E: Engine>(runtime: &Runtime, server: &Server<E>) -> anyhow::Result<Row> {
    let pair = paired(ROUNDS, || runtime.block_on(ours(server)), || runtime.block_on(theirs(server)))?;
    let row = Row::new(E::figure("token, pool, first query"), pair.ours, "ms");
    Ok(row.against("aws-sdk-rds and a sqlx connection", pair.theirs, pair.ratio))
}

/// Returns the milliseconds from credentials to the answer to `SELECT 1`. Closing is not counted.
async fn ours<E: Engine>(server: &Server<E>) -> anyhow::Result<f64> {
    let start = Instant::now();
    let tokens = fixtures::tokens(server, USER);
    let pool = Pool::<E>::builder(server.endpoint(), USER)
        .tokens(tokens)
        .dial(server.dial())
        .root_certificates(server.ca_pem())
        .database(DATABASE)
        .connect()
        .await?;
    E::select_on_pool(&pool).await?;
    let took = start.elapsed();
    pool.close().await;
    Ok(took.as_secs_f64() * 1e3)
}

/// Returns the same for the usual alternative: AWS's generator, and one connection of sqlx. It verifies the address that
/// it dials, where the pool verifies the endpoint's name.
async fn theirs<E: Engine>(server: &Server<E>) -> anyhow::Result<f64> {
    let start = Instant::now();
    let config = SdkConfig::builder()
        .credentials_provider(SharedCredentialsProvider::new(server.credentials()))
        .region(aws_config::Region::new(server.region().to_string()))
        .time_source(aws_smithy_async::time::SharedTimeSource::default())
        .build();
    let settings = Config::builder()
        .hostname(server.endpoint().host().to_string())
        .port(u64::from(server.endpoint().port()))
        .username(USER)
        .build()
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    let token =
        AuthTokenGenerator::new(settings).auth_token(&config).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    let options = E::sqlx_options(server, token.as_str());
    let mut connection = E::Connection::connect_with(&options).await?;
    E::select(&mut connection).await?;
    let took = start.elapsed();
    connection.close().await?;
    Ok(took.as_secs_f64() * 1e3)
}
