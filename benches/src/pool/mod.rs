//! Benchmark of the pool against what a service would use instead: sqlx's own pool, and the usual ways to keep it
//! authenticated.

mod executor;
mod first_row;
mod waiting;

use rds_iam_emulator_server::{MySql, fixtures};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use tokio::runtime::Runtime;

use crate::database::{DATABASE, Database, USER};
use crate::report::Report;

pub(crate) fn measure(runtime: &Runtime, report: &mut Report) -> anyhow::Result<()> {
    // Checked before anything is started: nothing can be measured without them.
    let first_row = first_row::Programs::find()?;
    let waiting = waiting::Program::find()?;
    let database = {
        let _inside = runtime.enter();
        runtime.block_on(Database::start())?
    };

    report.heading(&format!("First row of a program ({})", database.mysql.describe()));
    runtime.block_on(first_row.compare(&database, report))?;

    report.heading("Tasks that wait for a connection");
    runtime.block_on(waiting.compare(&database, report))?;

    report.heading("One statement on a pool");
    executor::compare(&database, report)
}

/// Returns the options of sqlx's own connections, which log in by token and verify the address that they dial.
async fn sqlx_options(mysql: &MySql) -> anyhow::Result<MySqlConnectOptions> {
    let token = fixtures::tokens(mysql, USER).token().await?;
    Ok(fixtures::connect_options(mysql)
        .ssl_mode(MySqlSslMode::VerifyIdentity)
        .username(USER)
        .password(token.expose())
        .database(DATABASE)
        .enable_cleartext_plugin(true))
}

/// Returns the settings of the measured programs, all in the environment.
fn environment(database: &Database) -> Vec<(&'static str, String)> {
    let mysql = &database.mysql;
    let keys = mysql.credentials();
    let mut variables = vec![
        ("AWS_REGION", mysql.region().to_string()),
        ("AWS_ACCESS_KEY_ID", keys.access_key_id().into()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key().into()),
        ("BENCH_ENDPOINT", mysql.endpoint().to_string()),
        ("BENCH_DIAL", mysql.dial().to_string()),
        ("BENCH_CA_BUNDLE", mysql.ca_path().display().to_string()),
        ("BENCH_URL", format!("mysql://{USER}@{}/{DATABASE}", mysql.endpoint())),
    ];
    variables.extend(keys.session_token().map(|token| ("AWS_SESSION_TOKEN", token.to_owned())));
    variables
}
