//! An AWS Lambda function that counts messages, with a pool of one connection that lives as long as the function's
//! environment.
//!
//! Between two invocations, Lambda suspends the process: timers stop, tokens expire, and the server or a firewall closes
//! the connection. So tokens are signed on demand, and an idle connection is tested before it is used. Behind many
//! concurrent functions, connect to RDS Proxy.
//!
//! The function needs the variable `DATABASE_URL`, such as
//! `postgresql://node_app@orders.proxy-abc.eu-west-1.rds.amazonaws.com/orders`, and a role that may `rds-db:connect` as that user.
//! With MySQL it is `MySqlPool` and `mysql://…`, and nothing else changes.

use std::env;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use rds_iam_sqlx::{Builder, Error, PgPool};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    tracing_subscriber::fmt().json().with_ansi(false).without_time().init();
    let dsn = env::var("DATABASE_URL").unwrap_or_default();
    // Lazy: a function that starts while the database is away reports that to its caller, and starts only once.
    let pool: PgPool = Builder::from_dsn(&dsn)?.sign_on_demand().max_connections(1).connect_lazy()?;
    let pool = &pool;
    lambda_runtime::run(service_fn(async |_: LambdaEvent<Value>| count(pool).await)).await
}

async fn count(pool: &PgPool) -> Result<Value, Failure> {
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM messages").fetch_one(pool).await?;
    Ok(json!({ "messages": count }))
}

/// The error of an invocation: its type is the kind, by which the caller decides whether to retry.
#[derive(Debug)]
struct Failure(Error);

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self(error.into())
    }
}

impl From<Failure> for Diagnostic {
    fn from(Failure(error): Failure) -> Self {
        tracing::error!("{}; {}", rds_iam_sqlx::token::ErrorReport(&error), error.hint());
        Self { error_type: error.kind().as_str().to_owned(), error_message: error.to_string() }
    }
}
