//! The app as a user runs it: the release program, a real MySQL that checks its tokens, real requests.

mod app;
mod connect;
mod load;
mod statements;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use rds_iam_emulator_server::MySql;
use rds_iam_pool::{Credential, Target};
use sqlx::Executor as _;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::report::{Report, Row};
use crate::samples::median;
use app::App;
use load::Load;

const DATABASE: &str = "node_db";
const USER: &str = "node_app";
const SCHEMA: &str = include_str!("../../../crates/app/schema.sql");

/// Cold starts; their median is the figure.
const STARTS: usize = 15;

/// As many messages as the page shows.
const MESSAGES: usize = 10;

pub(crate) fn measure(runtime: &Runtime, report: &mut Report) -> anyhow::Result<()> {
    // Before anything is started: nothing can be measured without it.
    let program = program()?;
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

/// The app's program, which `cargo xtask bench` builds into the folder of this one.
fn program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("finding this program's own folder")?;
    let program = program.with_file_name("rds-iam-app");
    ensure!(
        program.is_file(),
        "there is no {}, which is what is measured: `cargo xtask bench` builds it, and so does \
         `cargo build --release --package rds-iam-app`",
        program.display()
    );
    Ok(program)
}

/// The database server with the app's user, its table and a page of messages.
struct Database {
    mysql: MySql,
    /// Where the app finds its AWS credentials.
    credentials: PathBuf,
    _folder: TempDir,
}

impl Database {
    async fn start() -> anyhow::Result<Self> {
        let mysql = MySql::builder().database(DATABASE).start().await?;
        let folder = tempfile::Builder::new().prefix("rds-iam-bench-").tempdir()?;
        let credentials = folder.path().join("credentials");
        mysql.write_credentials_file(&credentials)?;

        let target = Target::new(mysql.endpoint().clone(), mysql.ca_pem())
            .dial(mysql.dial().clone())
            .database(DATABASE);
        let master = mysql.master();
        let secret = Credential::Password(master.password());
        let mut connection = rds_iam_pool::connect(&target, &master.username().parse()?, secret).await?;
        for statement in [
            SCHEMA,
            "CREATE USER 'node_app'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON node_db.* TO 'node_app'@'%'",
        ] {
            connection.execute(statement).await?;
        }
        for _ in 0..MESSAGES {
            connection
                .execute("INSERT INTO messages (message) VALUES ('A message of the usual length.')")
                .await?;
        }
        Ok(Self { mysql, credentials, _folder: folder })
    }

    /// The app's settings, all from the environment: nothing but the database is asked for anything.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let mysql = &self.mysql;
        vec![
            ("AWS_REGION", mysql.region().to_string()),
            ("AWS_SHARED_CREDENTIALS_FILE", self.credentials.display().to_string()),
            ("RDS_IAM_DB_ENDPOINT", mysql.endpoint().to_string()),
            ("RDS_IAM_DB_NAME", DATABASE.into()),
            ("RDS_IAM_DB_USER", USER.into()),
            ("RDS_IAM_DIAL", mysql.dial().to_string()),
            ("RDS_IAM_CA_BUNDLE", mysql.ca_path().display().to_string()),
            ("RDS_IAM_BIND", "127.0.0.1".into()),
            ("PORT", "0".into()),
            ("RDS_IAM_MANAGEMENT_PORT", "0".into()),
            ("RDS_IAM_LOG", "json".into()),
        ]
    }
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

/// Memory at rest, then requests, CPU and memory under load.
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
