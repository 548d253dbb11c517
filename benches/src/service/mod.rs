//! Benchmark of the app's release program with a MySQL server that checks its tokens: cold start, requests
//! per second, CPU time and memory. Also runs the benchmarks of single connections.

mod app;
mod connect;
mod load;
mod statements;

use std::path::Path;

use tokio::runtime::Runtime;

use crate::database::Database;
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
    let database = runtime.block_on(Database::start())?;

    report.heading(&format!("Cold start ({})", database.mysql.describe()));
    for row in runtime.block_on(starts(&program, &database))? {
        report.add(row);
    }
    report.add(connect::compared(runtime, &database.mysql)?);

    report.heading("One connection");
    statements::compared(runtime, &database.mysql, report)?;

    report.heading(&format!("Service at {} connections", load::CONNECTIONS));
    runtime.block_on(serving(&program, &database, report))
}

async fn starts(program: &Path, database: &Database) -> anyhow::Result<[Row; 2]> {
    let (mut listening, mut ready) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let app = App::start(program, &database.environment()).await?;
        listening.push(app.listening_after.as_secs_f64() * 1e3);
        ready.push(app.ready_after.as_secs_f64() * 1e3);
        app.end().await?;
    }
    Ok([
        Row::new("program start until it listens, token signed", median(&mut listening), "ms"),
        Row::new("program start until /readyz has read the table", median(&mut ready), "ms"),
    ])
}

/// Measures memory at rest, then requests, CPU and memory under load.
async fn serving(program: &Path, database: &Database, report: &mut Report) -> anyhow::Result<()> {
    let app = App::start(program, &database.environment()).await?;
    app.until_warm().await?;
    report.add(Row::new("resident memory, idle", app.resident_mb()?, "MB").goal(20.0));
    for (ask, goal) in [(&load::PAGE, 50.0), (&load::INSERT, 70.0)] {
        let mut load = Load::connect(&app.address).await?;
        load.run(ask, load::WARM_UP).await?;
        let before = app.cpu()?;
        let done = load.run(ask, load::MEASURED).await?;
        let cpu = app.cpu()? - before;
        let requests = done.requests as f64;
        let name = ask.name;
        report.add(Row::new(format!("{name}, requests"), requests / done.took.as_secs_f64(), "/s"));
        report.add(
            Row::new(format!("{name}, CPU per request"), cpu.as_secs_f64() * 1e6 / requests, "µs").goal(goal),
        );
    }
    report
        .add(Row::new("resident memory, highest since the start", app.peak_resident_mb()?, "MB").goal(40.0));
    app.end().await
}
