//! Tests of the module that PostgreSQL preloads, `postgres-hook/rds_iam_hook.c`: who may grant what, who is locked out of
//! password logins, and logins that are refused when ordered.

mod edges;
mod grants;
mod refusals;

use std::time::SystemTime;

use rds_iam_emulator_server::{Postgres, PostgresVersion, fixtures};
use rds_iam_token::{Login, sign};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The oldest supported version, which has other rules for roles than all since 16, and the newest.
const VERSIONS: [PostgresVersion; 2] = [PostgresVersion::V15, PostgresVersion::NEWEST];

const DENIED: &str = "42501";

async fn server(version: PostgresVersion) -> Result<Postgres> {
    Ok(Postgres::builder().version(version).start().await?)
}

/// Returns the options of a user's login by password or token.
fn login(server: &Postgres, user: &str, password: &str) -> PgConnectOptions {
    fixtures::login_options(server, user, password)
}

fn as_master(server: &Postgres) -> PgConnectOptions {
    login(server, server.master().username(), server.master().password())
}

async fn master(server: &Postgres) -> Result<PgConnection> {
    Ok(as_master(server).connect().await?)
}

/// Returns a token of the user, which the server accepts.
fn token(server: &Postgres, user: &str) -> Result<String> {
    #[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's")]
    let now = SystemTime::now();
    let login = Login::new(server.endpoint().clone(), server.region().clone(), user.parse()?);
    Ok(sign(&login, &server.credentials(), now)?.expose().to_owned())
}

/// Tries to log in. Returns the SQLSTATE and the message of a refusal.
async fn refusal(options: &PgConnectOptions) -> Result<Option<(String, String)>> {
    match options.connect().await {
        Ok(connection) => connection.close().await.map(|()| None).map_err(Into::into),
        Err(e) => refused_by_the_server(e).map(Some),
    }
}

/// Runs statements. Returns the SQLSTATE and the message if one is refused.
async fn run(connection: &mut PgConnection, sql: &str) -> Result<Option<(String, String)>> {
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
        Ok(_) => Ok(None),
        Err(e) => refused_by_the_server(e).map(Some),
    }
}

fn refused_by_the_server(error: sqlx::Error) -> Result<(String, String)> {
    match error {
        sqlx::Error::Database(e) => {
            let e = e.downcast::<PgDatabaseError>();
            Ok((e.code().to_owned(), e.message().to_owned()))
        }
        other => Err(other.into()),
    }
}

/// Runs statements that the server accepts.
async fn accepted(connection: &mut PgConnection, statements: &[&str]) -> Result {
    for sql in statements {
        assert_eq!(run(connection, sql).await?, None, "{sql}");
    }
    Ok(())
}

/// Runs statements, each of which the server refuses with this SQLSTATE.
async fn refused(connection: &mut PgConnection, statements: &[&str], code: &str) -> Result {
    for sql in statements {
        let refusal = run(connection, sql).await?;
        assert_eq!(refusal.as_ref().map(|(code, _)| code.as_str()), Some(code), "{sql}: {refusal:?}");
    }
    Ok(())
}

/// Returns the first column of a query's rows, all of which are texts.
async fn column(connection: &mut PgConnection, sql: &str) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(connection).await?)
}
