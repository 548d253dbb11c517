//! Benchmark of 10,000 tasks that wait for one of 10 connections: the order in which they get one, the time until the
//! last has, and the memory of each. Each pool has its own process, whose memory is measured.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rds_iam_emulator_server::fixtures;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::environment;
use crate::database::{Database, USER};
use crate::machine::kilobytes;
use crate::program;
use crate::report::{Report, Row};
use crate::samples::median;

/// The number of rounds, after one that is not counted.
const ROUNDS: usize = 5;

/// The number of waiting tasks.
const TASKS: u32 = 10_000;

/// The number of connections. A task that is served by another connection may overtake as many others.
const CONNECTIONS: f64 = 10.0;

/// The time limit of a round: 2 minutes.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The program that waits.
pub(super) struct Program(PathBuf);

/// The result of a round.
struct Waited {
    /// The largest difference between a task's positions by arrival and by service.
    displacement: f64,
    milliseconds: f64,
    /// The growth of the highest resident memory, per task.
    bytes: f64,
}

impl Program {
    pub(super) fn find() -> anyhow::Result<Self> {
        program::path("waiting-tasks").map(Self)
    }

    pub(super) async fn compare(
        &self,
        database: &Database<sqlx::MySql>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let mut environment = environment(database);
        let token = fixtures::tokens(&database.server, USER).token().await?;
        environment.push(("BENCH_TOKEN", token.expose().to_owned()));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..=ROUNDS {
            ours.push(self.run("pool", &environment).await?);
            theirs.push(self.run("sqlx", &environment).await?);
        }
        let (ours, theirs) = (&ours[1..], &theirs[1..]);
        let all = |side: &[Waited], figure: fn(&Waited) -> f64| side.iter().map(figure).collect::<Vec<_>>();
        for (what, unit, figure) in [
            ("10,000 waiting tasks, until all were served", "ms", (|w| w.milliseconds) as fn(&Waited) -> f64),
            ("10,000 waiting tasks, memory of each", "B", |w| w.bytes),
        ] {
            let (mut ours, mut theirs) = (all(ours, figure), all(theirs, figure));
            let mut ratios: Vec<_> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
            let row = Row::new(what, median(&mut ours), unit);
            report.add(row.against("sqlx's pool", median(&mut theirs), median(&mut ratios)));
        }
        let most = |side| all(side, |w| w.displacement).into_iter().fold(0.0, f64::max);
        report.add(Row::new("10,000 waiting tasks, overtaken by at most", most(ours), "").goal(CONNECTIONS));
        report.add(Row::new("10,000 waiting tasks, the same of sqlx's pool", most(theirs), ""));
        Ok(())
    }

    /// Starts the program, and measures its memory before and after the tasks.
    async fn run(&self, pool: &str, environment: &[(&str, String)]) -> anyhow::Result<Waited> {
        let running = async {
            let mut child = program::spawn(&self.0, &[pool, &TASKS.to_string()], environment)?;
            let mut input = child.stdin.take().context("it has no input")?;
            let mut lines = BufReader::new(child.stdout.take().context("it has no output")?).lines();
            let mut line = async || lines.next_line().await?.context("it ended");
            let status = format!("/proc/{}/status", child.id().context("it has ended")?);

            let ready = line().await?;
            ensure!(ready == "ready", "it printed {ready:?}");
            let before = kilobytes(&status, "VmRSS")?;
            input.write_all(b"\n").await?;
            let result = line().await?;
            let after = kilobytes(&status, "VmHWM")?;
            drop(input);
            child.wait().await?;
            let (displacement, milliseconds) = result.split_once(' ').context("it printed one figure")?;
            Ok(Waited {
                displacement: displacement.parse()?,
                milliseconds: milliseconds.parse()?,
                bytes: after.saturating_sub(before) as f64 * 1024.0 / f64::from(TASKS),
            })
        };
        let ended =
            tokio::time::timeout(TIMEOUT, running).await.context("it has not ended after 120 s").flatten();
        ended.with_context(|| format!("running {} {pool}", self.0.display()))
    }
}
