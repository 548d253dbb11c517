//! A program that reads one row through this project's pool with its defaults, for the benchmark of its start.

use std::env::var;

use anyhow::Context as _;
use rds_iam_sqlx::{Builder, MySqlPool};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = var("BENCH_URL").context("BENCH_URL")?;
    let roots = std::fs::read(var("BENCH_CA_BUNDLE").context("BENCH_CA_BUNDLE")?)?;
    let builder = Builder::from_dsn(&url)?.dial(var("BENCH_DIAL").context("BENCH_DIAL")?);
    let pool: MySqlPool = builder.root_certificates(roots).connect().await?;
    let message: String = sqlx::query_scalar("SELECT message FROM messages LIMIT 1").fetch_one(&pool).await?;
    println!("{message}");
    Ok(())
}
