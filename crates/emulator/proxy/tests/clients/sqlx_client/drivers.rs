//! What differs between sqlx's drivers.

use std::future::poll_fn;
use std::path::Path;

use serde_json::Value;
use sqlx::error::DatabaseError;
use sqlx::mysql::{
    MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlQueryResult, MySqlRow, MySqlSslMode,
};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgQueryResult, PgRow, PgSslMode};
use sqlx::{ConnectOptions as _, MySql, Postgres, Row as _};

use super::relay::Relay;
use super::{Driver, Query};
use crate::sites::{DATABASE, Site};

/// Defines how parameters are bound. Bytes and long texts have a form in the file.
macro_rules! bind_values {
    () => {
        fn bind<'q>(query: Query<'q, Self>, value: &Value) -> Query<'q, Self> {
            if let Some(digits) = value["hex"].as_str() {
                return query.bind(hex::decode(digits).expect("a parameter has valid digits"));
            }
            match value {
                Value::Number(number) => query.bind(number.as_i64()),
                Value::Object(form) => query.bind(repeated(&form["repeat"])),
                other => query.bind(other.as_str().map(str::to_owned)),
            }
        }
    };
}

/// Returns a text, repeated.
fn repeated(form: &Value) -> String {
    let times = form[1].as_u64().and_then(|times| times.try_into().ok()).unwrap_or_default();
    form[0].as_str().unwrap_or_default().repeat(times)
}

/// Returns the digits of bytes.
fn digits(bytes: Option<Vec<u8>>) -> Option<String> {
    bytes.map(|bytes| format!("hex:{}", hex::encode(bytes)))
}

impl Driver for MySql {
    fn options(site: &Site, socket: &Path, password: &str) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new()
            .username(&site.user)
            .password(password)
            .database(DATABASE)
            // The server's, as with other drivers.
            .timezone(None)
            .disable_statement_logging();
        match &site.tls {
            Some(tls) => options
                .host(&tls.name)
                .socket(socket)
                .ssl_mode(MySqlSslMode::VerifyIdentity)
                .ssl_ca(&tls.ca)
                .enable_cleartext_plugin(true),
            None => options.host(&site.host).port(site.port).ssl_mode(MySqlSslMode::Disabled),
        }
    }

    fn statement(sql: &str) -> String {
        sql.to_owned()
    }

    bind_values!();

    fn value(row: &MySqlRow, column: usize) -> sqlx::Result<Option<String>> {
        if let Ok(text) = row.try_get(column) {
            return Ok(text);
        }
        if let Ok(number) = row.try_get::<Option<i64>, _>(column) {
            return Ok(number.map(|number| number.to_string()));
        }
        if let Ok(number) = row.try_get::<Option<u64>, _>(column) {
            return Ok(number.map(|number| number.to_string()));
        }
        row.try_get(column).map(digits)
    }

    fn affected(result: &MySqlQueryResult) -> u64 {
        result.rows_affected()
    }

    fn code(error: &(dyn DatabaseError + 'static)) -> String {
        error.downcast_ref::<MySqlDatabaseError>().number().to_string()
    }

    async fn copy_in(_connection: &mut MySqlConnection, _sql: &str, _file: &str) -> sqlx::Result<u64> {
        Err(sqlx::Error::Protocol("MySQL has no COPY".into()))
    }

    async fn copy_out(_connection: &mut MySqlConnection, _sql: &str) -> sqlx::Result<String> {
        Err(sqlx::Error::Protocol("MySQL has no COPY".into()))
    }
}

impl Driver for Postgres {
    fn options(site: &Site, socket: &Path, password: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .username(&site.user)
            .password(password)
            .database(DATABASE)
            .disable_statement_logging();
        match &site.tls {
            Some(tls) => options
                .host(&tls.name)
                .socket(socket.parent().unwrap_or(socket))
                .port(Relay::PORT)
                .ssl_mode(PgSslMode::VerifyFull)
                .ssl_root_cert(&tls.ca),
            None => options.host(&site.host).port(site.port).ssl_mode(PgSslMode::Disable),
        }
    }

    /// A parameter's placeholder has its number.
    fn statement(sql: &str) -> String {
        let mut parts = sql.split('?');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.zip(1..).fold(first, |statement, (part, number)| format!("{statement}${number}{part}"))
    }

    bind_values!();

    fn value(row: &PgRow, column: usize) -> sqlx::Result<Option<String>> {
        if let Ok(text) = row.try_get(column) {
            return Ok(text);
        }
        if let Ok(flag) = row.try_get::<Option<bool>, _>(column) {
            return Ok(flag.map(|flag| flag.to_string()));
        }
        if let Ok(number) = row.try_get::<Option<i32>, _>(column) {
            return Ok(number.map(|number| number.to_string()));
        }
        if let Ok(number) = row.try_get::<Option<i64>, _>(column) {
            return Ok(number.map(|number| number.to_string()));
        }
        row.try_get(column).map(digits)
    }

    fn affected(result: &PgQueryResult) -> u64 {
        result.rows_affected()
    }

    fn code(error: &(dyn DatabaseError + 'static)) -> String {
        error.code().unwrap_or_default().into_owned()
    }

    async fn copy_in(connection: &mut PgConnection, sql: &str, file: &str) -> sqlx::Result<u64> {
        let mut copy = connection.copy_in_raw(sql).await?;
        copy.send(std::fs::read(file)?).await?;
        copy.finish().await
    }

    async fn copy_out(connection: &mut PgConnection, sql: &str) -> sqlx::Result<String> {
        let mut blocks = connection.copy_out_raw(sql).await?;
        let mut copied = Vec::new();
        while let Some(block) = poll_fn(|context| blocks.as_mut().poll_next(context)).await {
            copied.extend_from_slice(&block?);
        }
        Ok(String::from_utf8_lossy(&copied).into_owned())
    }
}
