//! The time of a connect, of a short statement on sessions that stay open, and of large results.

use std::mem::take;
use std::time::{Duration, Instant};

use anyhow::ensure;
use rds_iam_infra::Engine as EngineName;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::client::Client;
use super::route::{Kind, Route};
use super::{SELECT, add, open, ratios};
use crate::database::Engine;
use crate::report::{Report, Row};
use crate::samples::{interleaved, median};

/// The number of rounds, after one that is not counted.
const ROUNDS: usize = 15;

/// The number of connects per way and round, one after another.
const CONNECTS: u32 = 10;

/// The numbers of sessions that are used at the same time, and of statements on each, per way and round.
const SESSIONS: [(usize, usize); 3] = [(1, 1_000), (16, 60), (128, 15)];

/// The number of large results per way and round.
const RESULTS: u32 = 3;

/// The most that a proxy may add to the median of a statement, in microseconds.
const ADDED_GOAL: f64 = 40.0;

/// The most that a large result may take above a direct one, in per cent: then it arrives at 95 % of the speed.
const ABOVE_GOAL: f64 = 5.3;

pub(super) fn measure<E: Engine>(
    client: &Runtime,
    routes: &[Route],
    report: &mut Report,
) -> anyhow::Result<()> {
    connect::<E>(client, routes, report)?;
    for (sessions, statements) in SESSIONS {
        select::<E>(client, routes, sessions, statements, report)?;
    }
    for rows in
        [Rows { count: 8_000, size: 1_024, name: "1 KB" }, Rows { count: 16, size: 1_048_576, name: "1 MB" }]
    {
        large::<E>(client, routes, &rows, report)?;
    }
    Ok(())
}

fn connect<E: Engine>(client: &Runtime, routes: &[Route], report: &mut Report) -> anyhow::Result<()> {
    let results = interleaved(ROUNDS, routes.len(), |side| {
        client.block_on(async {
            let mut took = Duration::ZERO;
            for _ in 0..CONNECTS {
                let started = Instant::now();
                let session = Client::connect(&routes[side].target).await?;
                took += started.elapsed();
                session.close().await?;
            }
            anyhow::Ok(took.as_secs_f64() * 1e3 / f64::from(CONNECTS))
        })
    })?;
    add::<E>(report, routes, "connect", "ms", &results);
    for (side, _) in routes.iter().enumerate().filter(|(_, route)| route.kind == Kind::Emulated) {
        let ratio = median(&mut ratios(&results[side], &results[0]));
        let what = E::figure("connect, emulated RDS Proxy, of a direct one");
        report.add(Row::new(what, ratio * 100.0, "%").goal(100.0));
    }
    Ok(())
}

/// The median and the 99th percentile of a round, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Percentiles {
    p50: f64,
    p99: f64,
}

impl Percentiles {
    /// Returns those of at least one sample.
    fn new(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |percent: usize| samples[samples.len() * percent / 100];
        Self { p50: at(50), p99: at(99) }
    }
}

fn select<E: Engine>(
    client: &Runtime,
    routes: &[Route],
    sessions: usize,
    statements: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut opened = Vec::new();
    for route in routes {
        opened.push(client.block_on(open(&route.target, sessions))?);
    }
    let results = interleaved(ROUNDS, routes.len(), |side| {
        let (sessions, percentiles) = client.block_on(all_select(take(&mut opened[side]), statements))?;
        opened[side] = sessions;
        Ok(percentiles)
    })?;
    for session in opened.into_iter().flatten() {
        client.block_on(session.close())?;
    }
    let of_sides = |figure: fn(&Percentiles) -> f64| -> Vec<Vec<f64>> {
        results.iter().map(|rounds| rounds.iter().map(figure).collect()).collect()
    };
    let (p50, p99) = (of_sides(|percentiles| percentiles.p50), of_sides(|percentiles| percentiles.p99));
    let noun = if sessions == 1 { "connection" } else { "connections" };
    add::<E>(report, routes, &format!("SELECT 1, {sessions} {noun}, p50"), "µs", &p50);
    add::<E>(report, routes, &format!("SELECT 1, {sessions} {noun}, p99"), "µs", &p99);
    if sessions > 1 {
        return Ok(());
    }
    for (side, route) in routes.iter().enumerate().filter(|(_, route)| route.kind.is_ours()) {
        let mut added: Vec<_> = p50[side].iter().zip(&p50[0]).map(|(ours, direct)| ours - direct).collect();
        let what = E::figure(&format!("added to SELECT 1, p50, {}", route.kind.name::<E>()));
        report.add(Row::new(what, median(&mut added), "µs").goal(ADDED_GOAL));
    }
    Ok(())
}

/// Has all sessions run statements at the same time, and returns them with the percentiles of all statements.
async fn all_select(sessions: Vec<Client>, statements: usize) -> anyhow::Result<(Vec<Client>, Percentiles)> {
    let mut tasks = JoinSet::new();
    for mut session in sessions {
        tasks.spawn(async move {
            let mut took = Vec::with_capacity(statements);
            for _ in 0..statements {
                let started = Instant::now();
                session.query(SELECT).await?;
                took.push(started.elapsed().as_secs_f64() * 1e6);
            }
            anyhow::Ok((session, took))
        });
    }
    let (mut sessions, mut samples) = (Vec::new(), Vec::new());
    while let Some(ended) = tasks.join_next().await {
        let (session, mut took) = ended??;
        sessions.push(session);
        samples.append(&mut took);
    }
    Ok((sessions, Percentiles::new(samples)))
}

/// A large result.
struct Rows {
    count: usize,
    /// The bytes of each row.
    size: usize,
    name: &'static str,
}

impl Rows {
    /// Returns a query that costs the server little.
    fn query(&self, engine: EngineName) -> String {
        let Self { count, size, .. } = self;
        match engine {
            EngineName::MySql => format!(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
                 SELECT /*+ SET_VAR(cte_max_recursion_depth = {count}) */ REPEAT('x', {size}) FROM n"
            ),
            EngineName::Postgres => format!("SELECT repeat('x', {size}) FROM generate_series(1, {count})"),
        }
    }
}

fn large<E: Engine>(
    client: &Runtime,
    routes: &[Route],
    rows: &Rows,
    report: &mut Report,
) -> anyhow::Result<()> {
    let query = rows.query(E::ENGINE);
    let mut opened = Vec::new();
    for route in routes {
        opened.push(client.block_on(Client::connect(&route.target))?);
    }
    let results = interleaved(ROUNDS, routes.len(), |side| {
        let session = &mut opened[side];
        client.block_on(async {
            let started = Instant::now();
            for _ in 0..RESULTS {
                let bytes = session.query(&query).await?;
                ensure!(bytes >= rows.count * rows.size, "the result has {bytes} bytes only");
            }
            anyhow::Ok(started.elapsed().as_secs_f64() * 1e3 / f64::from(RESULTS))
        })
    })?;
    for session in opened {
        client.block_on(session.close())?;
    }
    let what = format!("{} rows of {}", rows.count, rows.name);
    add::<E>(report, routes, &what, "ms", &results);
    for (side, route) in routes.iter().enumerate().filter(|(_, route)| route.kind.is_ours()) {
        let above = (median(&mut ratios(&results[side], &results[0])) - 1.0) * 100.0;
        let what = E::figure(&format!("{what}, {} above direct", route.kind.name::<E>()));
        report.add(Row::new(what, above, "%").goal(ABOVE_GOAL));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let samples = (1..=1_000_u32).rev().map(f64::from).collect();
        assert_eq!(Percentiles::new(samples), Percentiles { p50: 501.0, p99: 991.0 });
        assert_eq!(Percentiles::new(vec![7.0]), Percentiles { p50: 7.0, p99: 7.0 });
    }
}
