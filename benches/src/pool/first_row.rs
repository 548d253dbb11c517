//! Benchmark of three programs, from their start to their first row.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::environment;
use crate::database::{Database, Engine};
use crate::program;
use crate::report::{Report, Row};
use crate::samples::median;

/// The number of rounds, after one that is not counted. In each, every program starts once.
const ROUNDS: usize = 31;

/// The time limit of a program: 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The programs: this project's, and its alternatives.
pub(super) struct Programs([PathBuf; 3]);

impl Programs {
    pub(super) fn find() -> anyhow::Result<Self> {
        Ok(Self([
            program::path("first-row-pool")?,
            program::path("first-row-connection")?,
            program::path("first-row-connector")?,
        ]))
    }

    pub(super) async fn compare<E: Engine>(
        &self,
        database: &Database<E>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let environment = environment(database);
        let mut samples: [Vec<f64>; 3] = Default::default();
        for round in 0..=ROUNDS {
            for turn in 0..3 {
                let which = (round + turn) % 3;
                samples[which].push(start(&self.0[which], &environment).await?);
            }
        }
        let [ours, connection, connector] = samples.map(|samples| samples[1..].to_vec());
        for (what, name, theirs) in [
            ("program start to first row", "aws-sdk-rds and a sqlx connection", connection),
            ("program start to first row, by a pool", "the DSQL connector's way", connector),
        ] {
            let mut ratios: Vec<_> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
            let row = Row::new(E::figure(what), median(&mut ours.clone()), "ms");
            report.add(row.against(name, median(&mut theirs.clone()), median(&mut ratios)));
        }
        Ok(())
    }
}

/// Returns the milliseconds from a program's start until it prints its first row. Its end is not counted.
async fn start(program: &Path, environment: &[(&str, String)]) -> anyhow::Result<f64> {
    let running = async {
        let started = Instant::now();
        let mut child = program::spawn(program, &[], environment)?;
        let mut row = String::new();
        BufReader::new(child.stdout.take().context("it has no output")?).read_line(&mut row).await?;
        let took = started.elapsed();
        let ended = child.wait().await?;
        ensure!(ended.success() && row == "A message of the usual length.\n", "{ended}, printed {row:?}");
        Ok(took.as_secs_f64() * 1e3)
    };
    let ended = tokio::time::timeout(TIMEOUT, running).await.context("it has not ended after 30 s").flatten();
    ended.with_context(|| format!("running {}", program.display()))
}
