//! The memory of idle sessions, and what many short ones cost and leave.

use std::time::Instant;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::client::Client;
use super::route::{Kind, Route};
use super::target::Target;
use super::{OPENERS, SELECT, add, open, shares};
use crate::database::Engine;
use crate::report::{Report, Row};
use crate::samples::interleaved;

/// The number of idle sessions.
const IDLE: usize = 1_000;

/// The number of rounds of short sessions, after one that is not counted, and of sessions in each.
const ROUNDS: usize = 5;
const SHORT: usize = 1_000;

/// Measures the memory that a proxy has for each idle session.
pub(super) fn memory<E: Engine>(client: &Runtime, route: &Route, report: &mut Report) -> anyhow::Result<()> {
    let program = route.program.as_ref().context("this way has no program")?;
    let bytes = client.block_on(async {
        // What all sessions share is allocated by the first ones.
        close_all(used(&route.target, OPENERS).await?).await?;
        program.descriptors().await?;
        let before = program.memory()?;
        let sessions = used(&route.target, IDLE).await?;
        let grown = program.memory()?.saturating_sub(before);
        close_all(sessions).await?;
        anyhow::Ok(grown)
    })?;
    let what = E::figure(&format!("memory of an idle session, {}", route.kind.name::<E>()));
    let row = Row::new(what, bytes as f64 / IDLE as f64 / 1e3, "KB");
    report.add(match route.kind {
        Kind::Auth => row.goal(40.0),
        Kind::Emulated => row.goal(80.0),
        Kind::Direct | Kind::Peer | Kind::NoTunnel | Kind::Tunnel(_) => row,
    });
    Ok(())
}

/// Opens sessions, and runs a statement on each.
async fn used(target: &Target, count: usize) -> anyhow::Result<Vec<Client>> {
    let mut sessions = open(target, count).await?;
    for session in &mut sessions {
        session.query(SELECT).await?;
    }
    Ok(sessions)
}

async fn close_all(sessions: Vec<Client>) -> anyhow::Result<()> {
    for session in sessions {
        session.close().await?;
    }
    Ok(())
}

/// Measures sessions that are closed as soon as they are open, and counts the descriptors that they leave.
pub(super) fn churn<E: Engine>(
    client: &Runtime,
    routes: &[Route],
    report: &mut Report,
) -> anyhow::Result<()> {
    // The first round opens the connections that a proxy keeps.
    let mut before = vec![None; routes.len()];
    let mut after = vec![0; routes.len()];
    let results = interleaved(ROUNDS, routes.len(), |side| {
        client.block_on(async {
            let started = Instant::now();
            connect_and_close(&routes[side].target).await?;
            let took = started.elapsed().as_secs_f64();
            if let Some(program) = &routes[side].program {
                after[side] = program.descriptors().await?;
                before[side].get_or_insert(after[side]);
            }
            anyhow::Ok(took)
        })
    })?;
    let what = format!("{SHORT} connects and disconnects, {OPENERS} at once");
    add::<E>(report, routes, &what, "s", &results);
    for (side, route) in routes.iter().enumerate() {
        let Some(before) = before[side] else { continue };
        let left = after[side].saturating_sub(before);
        let name = route.kind.name::<E>();
        let what = E::figure(&format!("descriptors left by {} connects, {name}", ROUNDS * SHORT));
        // A proxy that keeps connections may keep one for each session at a time.
        report.add(Row::new(what, left as f64, "").goal(OPENERS as f64 + 1.0));
    }
    Ok(())
}

async fn connect_and_close(target: &Target) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for share in shares(SHORT) {
        let target = target.clone();
        tasks.spawn(async move {
            for _ in 0..share {
                Client::connect(&target).await?.close().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
