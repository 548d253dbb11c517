//! Runs the emulator's statements as the superuser, over the server's socket: creates RDS's roles, the master user and
//! databases, sets the server read-only, and cuts connections.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

use super::config::SUPERUSER;
use crate::credentials::MasterCredentials;
use crate::error::Error;
use crate::server::kind;
use crate::server::launch::POLL;

/// RDS's roles, as far as they are known, and the role of the module's own (`postgres-hook/README.md`).
const ROLES: &str = "CREATE ROLE rds_iam NOLOGIN;
CREATE ROLE rds_password NOLOGIN;
CREATE ROLE rds_replication NOLOGIN;
CREATE ROLE rds_superuser NOLOGIN;
CREATE ROLE rdsadmin_scram NOLOGIN;
GRANT pg_monitor, pg_signal_backend, rds_replication, rds_password TO rds_superuser WITH ADMIN OPTION;
REVOKE CONNECT, TEMPORARY ON DATABASE template1 FROM PUBLIC;";

/// A connection as the superuser. The socket is the superuser's only access.
#[expect(unnameable_types, reason = "part of a sealed trait")]
pub struct Root {
    connection: PgConnection,
    run: PathBuf,
    port: u16,
}

impl kind::launch::Root for Root {
    async fn connect(run: &Path, port: u16) -> sqlx::Result<Self> {
        Self::connect_to(run, port, "postgres").await
    }

    async fn version(&mut self) -> Result<String, Error> {
        // "15.18 (Debian 15.18-0+deb12u1)"
        let row = sqlx::query("SHOW server_version").fetch_one(&mut self.connection).await;
        let version: Result<String, _> = row.and_then(|row| row.try_get(0));
        let version = version.map_err(Error::database("report its version"))?;
        Ok(version.split(' ').next().unwrap_or_default().to_owned())
    }

    /// Creates the master user by the statement that AWS documents for it, and makes it a member of `rds_superuser`.
    async fn create_master(&mut self, master: &MasterCredentials) -> Result<(), Error> {
        self.execute(ROLES.into(), "create RDS's roles").await?;
        let (user, password) = (identifier(master.username()), literal(master.password()));
        let create = format!(
            "CREATE ROLE {user} WITH LOGIN NOSUPERUSER INHERIT CREATEDB CREATEROLE NOREPLICATION \
             VALID UNTIL 'infinity' PASSWORD {password}"
        );
        self.execute(create, "create the master user").await?;
        let grant = format!("GRANT rds_superuser TO {user}; ALTER DATABASE postgres OWNER TO {user}");
        self.execute(grant, "grant the master user's privileges").await
    }

    async fn create_database(&mut self, name: &str, master: &MasterCredentials) -> Result<(), Error> {
        let found = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(name);
        let found = found.fetch_optional(&mut self.connection).await;
        if found.map_err(Error::database("list its databases"))?.is_some() {
            return Ok(());
        }
        let owner = identifier(master.username());
        let sql = format!("CREATE DATABASE {} OWNER {owner}", identifier(name));
        self.execute(sql, "create the database").await
    }

    /// Rejects writes by the default of all transactions, which also those of open connections have from now on.
    async fn set_read_only(&mut self, read_only: bool) -> Result<(), Error> {
        let value = if read_only { "on" } else { "off" };
        let sql = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        self.execute(sql, "change whether it refuses writes").await?;
        self.reload("default_transaction_read_only", value).await
    }

    async fn cut_connections(&mut self, within: Duration) -> Result<usize, Error> {
        let cut = async {
            let found = self.clients().await?;
            for pid in &found {
                self.execute(format!("SELECT pg_terminate_backend({pid})"), "cut a connection").await?;
            }
            // New connections may have been opened since, such as a pool's.
            while self.clients().await?.iter().any(|pid| found.contains(pid)) {
                tokio::time::sleep(POLL).await;
            }
            Ok(found.len())
        };
        let timed_out = Error::TimedOut { awaited: "the cut connections to be gone", within };
        tokio::time::timeout(within, cut).await.unwrap_or(Err(timed_out))
    }

    async fn close(self) {
        if let Err(e) = self.connection.close().await {
            tracing::debug!("closing the superuser's connection: {e}");
        }
    }
}

impl Root {
    /// Connects to a database.
    pub(crate) async fn connect_to(run: &Path, port: u16, database: &str) -> sqlx::Result<Self> {
        // Writes are possible while the server refuses those of clients.
        let options =
            options(run, port).database(database).options([("default_transaction_read_only", "off")]);
        Ok(Self { connection: options.connect().await?, run: run.to_owned(), port })
    }

    /// Makes the server read its configuration, and waits until new sessions have this value of a setting.
    pub(crate) async fn reload(&mut self, setting: &'static str, value: &str) -> Result<(), Error> {
        self.execute("SELECT pg_reload_conf()".into(), "read its configuration").await?;
        let reloaded = async {
            loop {
                let mut session = options(&self.run, self.port).database("postgres").connect().await?;
                let found: String = sqlx::query("SELECT current_setting($1)")
                    .bind(setting)
                    .fetch_one(&mut session)
                    .await?
                    .try_get(0)?;
                session.close().await?;
                if found == value {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let within = Duration::from_secs(10);
        match tokio::time::timeout(within, reloaded).await {
            Ok(done) => done.map_err(Error::database("report a setting")),
            Err(_) => Err(Error::TimedOut { awaited: "the server to read its configuration", within }),
        }
    }

    /// Returns the memory map of the server's process behind this connection, which has the files that it loaded.
    pub(crate) async fn memory_map(&mut self) -> Result<String, Error> {
        let row = sqlx::query("SELECT pg_read_file('/proc/self/maps')").fetch_one(&mut self.connection).await;
        row.and_then(|row| row.try_get(0)).map_err(Error::database("report its memory map"))
    }

    pub(crate) async fn execute(&mut self, sql: String, operation: &'static str) -> Result<(), Error> {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut self.connection)
            .await
            .map(drop)
            .map_err(Error::database(operation))
    }

    /// Returns the processes of clients' connections, other than those over the socket.
    async fn clients(&mut self) -> Result<Vec<i32>, Error> {
        let sql =
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND client_port <> -1";
        let rows = sqlx::query(sql).fetch_all(&mut self.connection).await;
        rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect())
            .map_err(Error::database("list its connections"))
    }
}

/// Returns the options of the superuser's connections, without a database.
fn options(run: &Path, port: u16) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(run)
        .port(port)
        .username(SUPERUSER)
        .ssl_mode(PgSslMode::Disable)
        // One of the statements contains the master password.
        .disable_statement_logging()
}

/// Returns a name as an SQL identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a text as an SQL literal, which is valid while `standard_conforming_strings` is on, as it is by default.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_literal_or_identifier() {
        assert_eq!(literal(r"a'b\c"), r"'a''b\c'");
        assert_eq!(identifier(r#"a"b"#), r#""a""b""#);
    }
}
