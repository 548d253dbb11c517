//! Set-up that the tests of several crates share: users, logins, the example service's database.
//!
//! ```no_run
//! # async fn example() -> Result<(), rds_iam_emulator_server::Error> {
//! use rds_iam_emulator_server::{MySql, fixtures};
//!
//! let mysql = MySql::builder().database("shop").start().await?;
//! fixtures::create_user(&mysql, "app", "SELECT, INSERT ON shop.*").await?;
//! let tokens = fixtures::tokens(&mysql, "app");
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use rds_iam_token::{Clock, DbUser, Login, Minter, TokenSource};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::MySql;
use crate::error::Error;
use crate::kind::Kind as _;

/// The name of the example service's database.
pub const APP_DATABASE: &str = "node_db";

/// The name of the example service's database user.
pub const APP_USER: &str = "node_app";

/// The statements that create the example service's tables.
pub const APP_SCHEMA: &str = include_str!("../../../app/schema/mysql.sql");

/// The template of a machine's user data, in Terraform's syntax.
pub const USER_DATA_TEMPLATE: &str = include_str!("../../../../terraform/modules/ec2/user_data.sh.tftpl");

/// The time limit of [`until`]: 30 seconds.
const WITHIN: Duration = Duration::from_secs(30);

/// Returns the options of a direct connection, without user and database. TLS verifies the certificate's authority, but
/// not its name: sqlx would verify the address that it dials.
#[must_use]
pub fn connect_options(mysql: &MySql) -> MySqlConnectOptions {
    sqlx::MySql::connect_options(mysql.dial(), mysql.database(), mysql.ca_pem())
}

/// Connects as the master user.
///
/// # Errors
/// Returns [`Error::Database`] if the server does not permit it.
pub async fn as_master(mysql: &MySql) -> Result<MySqlConnection, Error> {
    let master = mysql.master();
    let options = connect_options(mysql).username(master.username()).password(master.password());
    options.connect().await.map_err(Error::database("let the master user in"))
}

/// Runs statements as the master user.
///
/// # Errors
/// Returns [`Error::Database`] of the first statement that fails.
pub async fn execute<S: Into<String>>(
    mysql: &MySql,
    statements: impl IntoIterator<Item = S>,
) -> Result<(), Error> {
    let mut master = as_master(mysql).await?;
    for sql in statements {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut master).await;
        done.map_err(Error::database("run a statement of a test's set-up"))?;
    }
    master.close().await.map_err(Error::database("close the master user's connection"))
}

/// Creates a database user that logs in by token, over TLS alone, with `privileges` such as `SELECT ON shop.*`.
///
/// # Errors
/// Returns [`Error::Database`] if the server refuses it.
pub async fn create_user(mysql: &MySql, user: &str, privileges: &str) -> Result<(), Error> {
    let statements = [
        format!("CREATE USER '{user}'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL"),
        format!("GRANT {privileges} TO '{user}'@'%'"),
    ];
    execute(mysql, statements).await
}

/// Starts a server with the example service's database and user, without its tables.
///
/// # Errors
/// Returns [`Error`] if it doesn't start.
pub async fn app_server() -> Result<MySql, Error> {
    let mysql = MySql::builder().database(APP_DATABASE).start().await?;
    let privileges = format!("SELECT, INSERT, UPDATE, DELETE ON {APP_DATABASE}.*");
    create_user(&mysql, APP_USER, &privileges).await?;
    Ok(mysql)
}

/// Creates the example service's tables on the server of [`app_server`].
///
/// # Errors
/// Returns [`Error::Database`] if the server refuses it.
pub async fn create_app_tables(mysql: &MySql) -> Result<(), Error> {
    execute(mysql, [&format!("USE {APP_DATABASE}"), APP_SCHEMA]).await
}

/// Returns the login of `user` on the server.
///
/// # Panics
/// Panics if `user` is not a valid name.
#[must_use]
pub fn login(mysql: &MySql, user: &str) -> Login {
    let user: DbUser = user.parse().expect("the name of a fixture's user is valid");
    Login::new(mysql.endpoint().clone(), mysql.region().clone(), user)
}

/// Returns tokens for `user`, signed in advance with the server's own credentials.
///
/// # Panics
/// Panics if `user` is not a valid name, or outside a Tokio runtime.
#[must_use]
pub fn tokens(mysql: &MySql, user: &str) -> TokenSource {
    TokenSource::refresh_ahead(Minter::new(login(mysql, user), mysql.credentials(), Clock::system()))
}

/// The machine's clock with an offset in seconds. Clones share the offset.
#[derive(Clone, Debug, Default)]
pub struct SkewedClock(Arc<AtomicI64>);

impl SkewedClock {
    /// Sets the difference from the machine's clock.
    pub fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    /// Returns the clock for signing tokens.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock::new(self.clone(), TokioSleep::new())
    }
}

impl TimeSource for SkewedClock {
    fn now(&self) -> SystemTime {
        let now = SharedTimeSource::default().now();
        let seconds = self.0.load(Ordering::SeqCst);
        let by = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { now - by } else { now + by }
    }
}

/// Polls until `done` returns true.
///
/// # Panics
/// Panics with `what` in the message if that takes longer than 30 seconds.
pub async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let polling = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(WITHIN, polling).await;
    ended.unwrap_or_else(|_| panic!("timed out after {} s: {what}", WITHIN.as_secs()));
}
