//! Runs the emulator's statements as root, over the server's socket: creates the master user and databases, sets the
//! server read-only, and cuts connections.

use std::path::Path;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

use crate::credentials::MasterCredentials;
use crate::error::Error;
use crate::server::kind;
use crate::server::launch::POLL;

/// The role that RDS for MySQL 8.0.36 and later gives to the master user, whose rights are the role's
/// (RDS User Guide, "Role-based privilege model for RDS for MySQL").
const MASTER_ROLE: &str = "`rds_superuser_role`@`%`";

/// The static privileges of that role, with the right to grant them, and the dynamic ones (RDS
/// User Guide, "Master user account privileges"; `SUPER` and `FILE` are not among them).
const MASTER_PRIVILEGES: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, \
     SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, \
     CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, CREATE ROLE, \
     DROP ROLE, APPLICATION_PASSWORD_ADMIN, ROLE_ADMIN, XA_RECOVER_ADMIN";

/// A connection as root. The socket is root's only access.
#[expect(unnameable_types, reason = "part of a sealed trait")]
pub struct Root(MySqlConnection);

impl kind::launch::Root for Root {
    async fn connect(run: &Path, _port: u16) -> sqlx::Result<Self> {
        MySqlConnectOptions::new()
            .socket(run.join("mysqld.sock"))
            .username("root")
            .ssl_mode(MySqlSslMode::Disabled)
            // One of the statements contains the master password.
            .disable_statement_logging()
            .connect()
            .await
            .map(Self)
    }

    async fn version(&mut self) -> Result<String, Error> {
        let row = sqlx::query("SELECT VERSION()").fetch_one(&mut self.0).await;
        row.and_then(|row| row.try_get(0)).map_err(Error::database("report its version"))
    }

    async fn create_database(&mut self, name: &str, _master: &MasterCredentials) -> Result<(), Error> {
        let sql = format!("CREATE DATABASE IF NOT EXISTS `{}`", name.replace('`', "``"));
        self.execute(sql, "create the database").await
    }

    /// Creates the master user: as on RDS, an ordinary account whose many privileges come from a role.
    async fn create_master(&mut self, master: &MasterCredentials) -> Result<(), Error> {
        // The name has only letters, digits and underscores; the password may have any character.
        let (user, password) = (master.username(), literal(master.password()));
        for (sql, operation) in [
            (format!("CREATE ROLE {MASTER_ROLE}"), "create the master user's role"),
            (
                format!("GRANT {MASTER_PRIVILEGES} ON *.* TO {MASTER_ROLE} WITH GRANT OPTION"),
                "grant the master user's privileges",
            ),
            (
                format!(
                    "CREATE USER '{user}'@'%' IDENTIFIED WITH caching_sha2_password BY {password} \
                     DEFAULT ROLE {MASTER_ROLE} REQUIRE SSL"
                ),
                "create the master user",
            ),
        ] {
            self.execute(sql, operation).await?;
        }
        Ok(())
    }

    /// Rejects writes, even from users with many privileges, or accepts them again.
    async fn set_read_only(&mut self, read_only: bool) -> Result<(), Error> {
        // `super_read_only` also sets `read_only`; only resetting the latter resets both.
        let (variable, value) = if read_only { ("super_read_only", "ON") } else { ("read_only", "OFF") };
        self.execute(format!("SET GLOBAL {variable} = {value}"), "change whether it refuses writes").await
    }

    /// Cuts the connections of all current clients, waits until they are gone, and returns their number.
    async fn cut_connections(&mut self, within: Duration) -> Result<usize, Error> {
        let cut = async {
            let found = self.clients().await?;
            for id in &found {
                if let Err(e) = self.execute(format!("KILL {id}"), "cut a connection").await {
                    // The connection may have closed in the meantime. Only its end matters.
                    tracing::debug!(id, "could not cut a connection: {e}");
                }
            }
            // New connections may have been opened since, such as a pool's.
            while self.clients().await?.iter().any(|id| found.contains(id)) {
                tokio::time::sleep(POLL).await;
            }
            Ok(found.len())
        };
        let timed_out = Error::TimedOut { awaited: "the cut connections to be gone", within };
        tokio::time::timeout(within, cut).await.unwrap_or(Err(timed_out))
    }

    async fn close(self) {
        if let Err(e) = self.0.close().await {
            tracing::debug!("closing root's connection: {e}");
        }
    }
}

impl Root {
    /// Returns the connections of clients, other than those over the socket.
    async fn clients(&mut self) -> Result<Vec<u64>, Error> {
        let sql = "SELECT id FROM information_schema.processlist \
             WHERE user NOT IN ('root', 'system user', 'event_scheduler')";
        let rows = sqlx::query(sql).fetch_all(&mut self.0).await;
        rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect())
            .map_err(Error::database("list its connections"))
    }

    pub(super) async fn execute(&mut self, sql: String, operation: &'static str) -> Result<(), Error> {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut self.0)
            .await
            .map(drop)
            .map_err(Error::database(operation))
    }
}

/// Returns a text as an SQL literal with backslash escapes, which is valid unless the SQL mode disables them.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_literal() {
        assert_eq!(literal(r"a'b\c\'"), r"'a''b\\c\\'''");
    }
}
