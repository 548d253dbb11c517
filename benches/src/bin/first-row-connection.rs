//! A program that reads one row with AWS's token generator and one connection of sqlx, for the benchmark of its start: the
//! least that works, without a pool and without a second token.

mod first_row;

use anyhow::anyhow;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use sqlx::Connection as _;

use first_row::{Engine, Settings};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::from_env()?;
    let message = match settings.engine {
        rds_iam_infra::Engine::MySql => read::<sqlx::MySql>(&settings).await?,
        rds_iam_infra::Engine::Postgres => read::<sqlx::Postgres>(&settings).await?,
    };
    println!("{message}");
    Ok(())
}

async fn read<E: Engine>(settings: &Settings) -> anyhow::Result<String> {
    let options = settings.options::<E>()?;
    let token = token(settings, &E::user(&options)).await?;
    let mut connection = E::Connection::connect_with(&E::with_token(options, &token)).await?;
    Ok(E::read(&mut connection).await?)
}

/// Signs a token for the endpoint.
async fn token(settings: &Settings, user: &str) -> anyhow::Result<String> {
    let endpoint = &settings.endpoint;
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let config = Config::builder().hostname(&endpoint.host).port(endpoint.port.into()).username(user).build();
    let generator = AuthTokenGenerator::new(config.map_err(|e| anyhow!("{e}"))?);
    let token = generator.auth_token(&aws).await.map_err(|e| anyhow!("{e}"))?;
    Ok(token.as_str().to_owned())
}
