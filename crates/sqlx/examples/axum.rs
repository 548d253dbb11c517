//! A small service on a pool that stays authenticated: statements on `&pool`, a readiness probe, and a status for each
//! kind of error.
//!
//! ```text
//! DATABASE_URL=mysql://node_app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders cargo run --example axum
//! ```
//!
//! The table is `CREATE TABLE messages (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, message VARCHAR(1000) NOT NULL)`.
//! Through a tunnel, add `?dial=` and the address of its near end.
//!
//! With PostgreSQL it is `PgPool` and `postgresql://…`, the placeholders are `$1`, and `INSERT … RETURNING id` returns the new id.

use std::env;
use std::io;
use std::process::ExitCode;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use rds_iam_sqlx::token::ErrorReport;
use rds_iam_sqlx::{Builder, Error, ErrorKind, MySqlPool};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<ExitCode, io::Error> {
    tracing_subscriber::fmt().with_env_filter("info,rds_iam_sqlx=debug").init();
    let pool = match open().await {
        Ok(pool) => pool,
        Err(error) => {
            tracing::error!("{}; {}", ErrorReport(&error), error.hint());
            return Ok(ExitCode::FAILURE);
        }
    };
    let service = Router::new()
        .route("/messages", get(list).post(write))
        .route("/messages/{id}", get(read))
        .route("/readyz", get(is_ready))
        .with_state(pool.clone());
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    tracing::info!("http://{}/messages", listener.local_addr()?);
    axum::serve(listener, service).with_graceful_shutdown(interrupted()).await?;
    pool.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn open() -> Result<MySqlPool, Error> {
    let dsn = env::var("DATABASE_URL").unwrap_or_default();
    Builder::from_dsn(&dsn)?.max_connections(20).connect().await
}

async fn list(State(pool): State<MySqlPool>) -> Result<Json<Value>, Failure> {
    let messages: Vec<(u64, String)> =
        sqlx::query_as("SELECT id, message FROM messages ORDER BY id DESC LIMIT 50").fetch_all(&pool).await?;
    Ok(Json(json!({ "messages": messages })))
}

async fn read(State(pool): State<MySqlPool>, Path(id): Path<u64>) -> Result<Json<Value>, Failure> {
    let message: Option<String> = sqlx::query_scalar("SELECT message FROM messages WHERE id = ?")
        .bind(id)
        .fetch_optional(&pool)
        .await?;
    let message = message.ok_or(sqlx::Error::RowNotFound)?;
    Ok(Json(json!({ "id": id, "message": message })))
}

async fn write(State(pool): State<MySqlPool>, message: String) -> Result<StatusCode, Failure> {
    // Two statements that belong together. Without `commit`, both are rolled back.
    let mut transaction = pool.begin().await?;
    let insert = sqlx::query("INSERT INTO messages (message) VALUES (?)").bind(message);
    let id = insert.execute(&mut *transaction).await?.last_insert_id();
    let limit = sqlx::query("DELETE FROM messages WHERE id <= ?").bind(id.saturating_sub(1000));
    limit.execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(StatusCode::CREATED)
}

/// Whether the service can do its work, which includes writing: a reader answers reads and pings.
async fn is_ready(State(pool): State<MySqlPool>) -> Response {
    match pool.is_read_only().await {
        Ok(false) => StatusCode::NO_CONTENT.into_response(),
        Ok(true) => (StatusCode::SERVICE_UNAVAILABLE, ErrorKind::ReadOnly.as_str()).into_response(),
        // The kind alone: the rest is for the log.
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.kind().as_str()).into_response(),
    }
}

/// The error of a statement, as a response.
struct Failure(sqlx::Error);

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if matches!(self.0, sqlx::Error::RowNotFound) {
            return StatusCode::NOT_FOUND.into_response();
        }
        let error = Error::from(self.0);
        tracing::warn!(kind = error.kind().as_str(), "{}; {}", ErrorReport(&error), error.hint());
        if error.kind().is_retryable() {
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "2")]).into_response()
        } else {
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn interrupted() {
    // Without a handler for Ctrl-C, the service runs until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
