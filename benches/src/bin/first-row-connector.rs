//! A program that reads one row through a pool of sqlx that a task keeps authenticated, for the benchmark of its start: what
//! AWS's connector for Aurora DSQL does (awslabs/aurora-dsql-connectors, rust/sqlx), here for MySQL and PostgreSQL on RDS.

mod first_row;

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_config::SdkConfig;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use sqlx::Pool;
use sqlx::pool::PoolOptions;

use first_row::{Engine, OptionsOf, Settings};

/// The life of a token, of which the connector replaces each at four fifths.
const TOKEN_LIFE: Duration = Duration::from_secs(900);

/// What a new token needs.
struct Login<E: Engine> {
    aws: SdkConfig,
    signer: AuthTokenGenerator,
    /// The options without a token.
    options: OptionsOf<E>,
}

impl<E: Engine> Login<E> {
    async fn new(settings: &Settings) -> anyhow::Result<Self> {
        let (endpoint, options) = (&settings.endpoint, settings.options::<E>()?);
        let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
        let config = Config::builder()
            .hostname(&endpoint.host)
            .port(endpoint.port.into())
            .username(E::user(&options))
            .region(aws.region().context("AWS_REGION")?.clone())
            .credentials(aws.credentials_provider().context("no credentials")?)
            .expires_in(TOKEN_LIFE.as_secs());
        let signer = AuthTokenGenerator::new(config.build().map_err(|e| anyhow!("{e}"))?);
        Ok(Self { aws, signer, options })
    }

    /// Returns the options of a connection with a new token.
    async fn options(&self) -> anyhow::Result<OptionsOf<E>> {
        let token = self.signer.auth_token(&self.aws).await.map_err(|e| anyhow!("{e}"))?;
        Ok(E::with_token(self.options.clone(), token.as_str()))
    }
}

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
    let login = Login::<E>::new(settings).await?;
    let pool = PoolOptions::<E>::new().connect_with(login.options().await?).await?;
    tokio::spawn(refresh(pool.clone(), login));
    let mut connection = pool.acquire().await?;
    Ok(E::read(&mut connection).await?)
}

/// Gives the pool a new token every 12 minutes.
async fn refresh<E: Engine>(pool: Pool<E>, login: Login<E>) {
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
