//! A program that reads one row through this project's pool with its defaults, for the benchmark of its start.

use std::env::var;

use anyhow::{Context as _, bail};
use rds_iam_sqlx::{Builder, MySqlPool, PgPool};

const QUERY: &str = "SELECT message FROM messages LIMIT 1";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = var("BENCH_URL").context("BENCH_URL")?;
    let roots = std::fs::read(var("BENCH_CA_BUNDLE").context("BENCH_CA_BUNDLE")?)?;
    let dial = var("BENCH_DIAL").context("BENCH_DIAL")?;
    let message: String = match var("ENGINE").context("ENGINE")?.as_str() {
        "mysql" => {
            let pool: MySqlPool =
                Builder::from_dsn(&url)?.dial(dial).root_certificates(roots).connect().await?;
            sqlx::query_scalar(QUERY).fetch_one(&pool).await?
        }
        "postgresql" => {
            let pool: PgPool = Builder::from_dsn(&url)?.dial(dial).root_certificates(roots).connect().await?;
            sqlx::query_scalar(QUERY).fetch_one(&pool).await?
        }
        engine => bail!("the engine is {engine:?}: choose mysql or postgresql"),
    };
    println!("{message}");
    Ok(())
}
