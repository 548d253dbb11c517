//! Benchmark of the bootstrap program with 1,000 users: the first run, which creates them, and the second one, which finds
//! nothing to do.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::Server;
use rds_iam_infra::RdsConf;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::database::{DATABASE, Engine};
use crate::program;
use crate::report::{Report, Row};

const USERS: usize = 1_000;

/// The goals: 10 seconds for the first run, 2 seconds for the second.
const GOALS: [f64; 2] = [10.0, 2.0];

/// The time limit of a run: 5 minutes.
const TIMEOUT: Duration = Duration::from_secs(300);

const MASTER_SECRET: &str = "bench/master";
const ADMIN_USER: &str = "iam_admin";

pub(crate) fn measure(runtime: &Runtime, report: &mut Report) -> anyhow::Result<()> {
    // Checked before anything is started: nothing can be measured without it.
    let program = program::path("rds-iam-bootstrap")?;
    report.heading(&format!("Bootstrap of {USERS} users"));
    runtime.block_on(both_runs::<sqlx::MySql>(&program, report))?;
    runtime.block_on(both_runs::<sqlx::Postgres>(&program, report))
}

/// Measures both runs on a new server.
async fn both_runs<E: Engine>(program: &Path, report: &mut Report) -> anyhow::Result<()> {
    let (server, aws) =
        tokio::try_join!(async { Server::<E>::builder().database(DATABASE).start().await }, async {
            AwsApi::start().await
        },)?;
    let master = server.master();
    let secret = json!({ "username": master.username(), "password": master.password() });
    aws.put_secret(MASTER_SECRET, &secret.to_string()).await?;
    let folder = tempfile::Builder::new().prefix("rds-iam-bench-").tempdir()?;
    let file = |name: &str| folder.path().join(name);
    server.write_credentials_file(&file("credentials"))?;
    conf(&server)?.write(&file("rds.conf"))?;
    std::fs::write(file("users.toml"), declaration())?;

    let mut environment = aws.env();
    environment.push(("AWS_SHARED_CREDENTIALS_FILE".into(), file("credentials").display().to_string()));
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let files = [file("rds.conf"), file("users.toml")].map(|path| path.display().to_string());
    let arguments = ["--config", &files[0], "--users", &files[1], "--json"];
    for ((name, outcome), goal) in [("first run", "changed"), ("second run", "clean")].into_iter().zip(GOALS)
    {
        let started = Instant::now();
        let ended = program::spawn(program, &arguments, &environment)?.wait_with_output();
        let ended =
            tokio::time::timeout(TIMEOUT, ended).await.context("bootstrap has not ended after 5 min")??;
        let took = started.elapsed();
        let printed = String::from_utf8_lossy(&ended.stdout);
        let done: Value = serde_json::from_str(&printed).unwrap_or_default();
        ensure!(
            ended.status.success() && done["outcome"] == outcome,
            "the {name} ended with {}, and printed {printed}",
            ended.status
        );
        let what = E::figure(&format!("bootstrap of {USERS} users, {name}"));
        report.add(Row::new(what, took.as_secs_f64(), "s").goal(goal));
    }
    Ok(())
}

fn conf<E: Engine>(server: &Server<E>) -> anyhow::Result<RdsConf> {
    let mut conf = RdsConf::new(
        server.endpoint().clone(),
        server.region().clone(),
        MASTER_SECRET.parse()?,
        DATABASE.parse()?,
        ADMIN_USER.parse()?,
    );
    conf.engine = E::ENGINE;
    conf.dial = Some(server.dial().clone());
    conf.ca_bundle = Some(server.ca_path().display().to_string().parse()?);
    Ok(conf)
}

/// Returns a users file that is valid for each engine: users with the app's privileges, and one table.
fn declaration() -> String {
    let user = |n| {
        format!(
            "[[user]]\nname = \"user_{n}\"\ngrant = [{{ privileges = [\"SELECT\", \"INSERT\", \"UPDATE\", \"DELETE\"] }}]\n"
        )
    };
    let users: String = (0..USERS).map(user).collect();
    format!("{users}[schema]\nstatements = [\"CREATE TABLE IF NOT EXISTS messages (id int PRIMARY KEY)\"]\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_file_has_each_user_once() {
        let declared = declaration();
        assert_eq!(declared.matches("[[user]]").count(), USERS);
        assert!(declared.contains("\"user_0\"") && declared.contains("\"user_999\""));
    }
}
