//! Benchmark of the pool against what a service would use instead: sqlx's own pool, and the usual ways to keep it
//! authenticated.

mod executor;
mod first_row;
mod waiting;

use tokio::runtime::Runtime;

use crate::database::{DATABASE, Database, Engine, USER};
use crate::report::Report;

pub(crate) fn measure(runtime: &Runtime, report: &mut Report) -> anyhow::Result<()> {
    // Checked before anything is started: nothing can be measured without them.
    let first_row = first_row::Programs::find()?;
    let waiting = waiting::Program::find()?;
    let (database, postgres) = {
        let _inside = runtime.enter();
        let mysql = runtime.block_on(Database::<sqlx::MySql>::start())?;
        (mysql, runtime.block_on(Database::<sqlx::Postgres>::start())?)
    };
    compare_first_row(runtime, &first_row, &database, report)?;
    compare_first_row(runtime, &first_row, &postgres, report)?;
    drop(postgres);

    report.heading("Tasks that wait for a connection");
    runtime.block_on(waiting.compare(&database, report))?;

    report.heading("One statement on a pool");
    executor::compare(&database, report)
}

fn compare_first_row<E: Engine>(
    runtime: &Runtime,
    programs: &first_row::Programs,
    database: &Database<E>,
    report: &mut Report,
) -> anyhow::Result<()> {
    report.heading(&format!("First row of a program ({})", database.server.describe()));
    runtime.block_on(programs.compare(database, report))
}

/// Returns the settings of the measured programs, all in the environment.
fn environment<E: Engine>(database: &Database<E>) -> Vec<(&'static str, String)> {
    let server = &database.server;
    let keys = server.credentials();
    let mut variables = vec![
        ("AWS_REGION", server.region().to_string()),
        ("AWS_ACCESS_KEY_ID", keys.access_key_id().into()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key().into()),
        ("BENCH_ENDPOINT", server.endpoint().to_string()),
        ("BENCH_DIAL", server.dial().to_string()),
        ("BENCH_CA_BUNDLE", server.ca_path().display().to_string()),
        ("ENGINE", E::ENGINE.to_string()),
        ("BENCH_URL", format!("{}://{USER}@{}/{DATABASE}", E::ENGINE, server.endpoint())),
    ];
    variables.extend(keys.session_token().map(|token| ("AWS_SESSION_TOKEN", token.to_owned())));
    variables
}
