//! Benchmark of the app's release program with a server of each engine that checks its tokens: cold start, requests
//! per second, CPU time and memory. Also runs the benchmarks of single connections.

mod app;
mod connect;
mod load;
mod statements;

use std::path::Path;

use tokio::runtime::Runtime;

use crate::database::{Database, Engine};
use crate::program;
use crate::report::{Report, Row};
use crate::samples::median;
use app::App;
use load::Load;

/// The number of cold starts; the figure is their median.
const STARTS: usize = 15;

pub(crate) fn measure(runtime: &Runtime, report: &mut Report) -> anyhow::Result<()> {
    // Checked before anything is started: nothing can be measured without it.
    let program = program::path("rds-iam-app")?;
    let _inside = runtime.enter();
    let database = runtime.block_on(Database::<sqlx::MySql>::start())?;
    cold_start(runtime, &program, &database, report)?;
    report.heading("One connection");
    statements::compared(runtime, &database.server, report)?;
    under_load(runtime, &program, &database, report)?;
    drop(database);

    let database = runtime.block_on(Database::<sqlx::Postgres>::start())?;
    cold_start(runtime, &program, &database, report)?;
    under_load(runtime, &program, &database, report)
}

fn cold_start<E: Engine>(
    runtime: &Runtime,
    program: &Path,
    database: &Database<E>,
    report: &mut Report,
) -> anyhow::Result<()> {
    report.heading(&format!("Cold start ({})", database.server.describe()));
    for row in runtime.block_on(starts(program, database))? {
        report.add(row);
    }
    report.add(connect::compared(runtime, &database.server)?);
    Ok(())
}

fn under_load<E: Engine>(
    runtime: &Runtime,
    program: &Path,
    database: &Database<E>,
    report: &mut Report,
) -> anyhow::Result<()> {
    report.heading(&format!("Service at {} connections ({})", load::CONNECTIONS, E::NAME));
    runtime.block_on(serving(program, database, report))
}

async fn starts<E: Engine>(program: &Path, database: &Database<E>) -> anyhow::Result<[Row; 2]> {
    let (mut listening, mut ready) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let app = App::start(program, &database.environment()).await?;
        listening.push(app.listening_after.as_secs_f64() * 1e3);
        ready.push(app.ready_after.as_secs_f64() * 1e3);
        app.end().await?;
    }
    let row = |what, figures: &mut [f64]| Row::new(E::figure(what), median(figures), "ms");
    Ok([
        row("program start until it listens, token signed", &mut listening),
        row("program start until /readyz has read the table", &mut ready),
    ])
}

/// Measures memory at rest, then requests, CPU and memory under load.
async fn serving<E: Engine>(
    program: &Path,
    database: &Database<E>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let app = App::start(program, &database.environment()).await?;
    app.until_warm().await?;
    report.add(Row::new(E::figure("resident memory, idle"), app.resident_mb()?, "MB").goal(20.0));
    for (ask, goal) in [(&load::PAGE, 50.0), (&load::INSERT, 70.0)] {
        let mut load = Load::connect(&app.address).await?;
        load.run(ask, load::WARM_UP).await?;
        let before = app.cpu()?;
        let done = load.run(ask, load::MEASURED).await?;
        let cpu = app.cpu()? - before;
        let requests = done.requests as f64;
        report.add(Row::new(
            E::figure(&format!("{}, requests", ask.name)),
            requests / done.took.as_secs_f64(),
            "/s",
        ));
        let what = E::figure(&format!("{}, CPU per request", ask.name));
        report.add(Row::new(what, cpu.as_secs_f64() * 1e6 / requests, "µs").goal(goal));
    }
    let what = E::figure("resident memory, highest since the start");
    report.add(Row::new(what, app.peak_resident_mb()?, "MB").goal(40.0));
    app.end().await
}
