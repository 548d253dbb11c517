//! The time of large transfers, each way, over one connection and over several at once.

use std::time::Instant;

use rds_iam_emulator_ssm::transfer::Pattern;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::way::{Kind, Way};
use super::{Direction, add};
use crate::report::{Report, Row};
use crate::samples::{interleaved, median};

/// The number of rounds, after one that is not counted.
const ROUNDS: usize = 5;

/// The bytes of a transfer: 100 MB.
const LENGTH: u64 = 100_000_000;

/// The numbers of connections at once, which share a transfer.
const CONNECTIONS: [u64; 2] = [1, 4];

/// The longest time of a transfer through the tunnel, in seconds: 50 MB/s.
const GOAL: f64 = 2.0;

pub(super) fn measure(
    runtime: &Runtime,
    ways: &[Way],
    pattern: &Pattern,
    report: &mut Report,
) -> anyhow::Result<()> {
    for connections in CONNECTIONS {
        for direction in Direction::BOTH {
            let results = interleaved(ROUNDS, ways.len(), |side| {
                runtime.block_on(transfer(&ways[side], pattern, direction, connections))
            })?;
            let kinds: Vec<Kind> = ways.iter().map(|way| way.kind).collect();
            let at_once =
                if connections == 1 { String::new() } else { format!(" by {connections} connections") };
            let what = format!("100 MB {}{at_once}", direction.name());
            add(report, &kinds, &what, "s", &results);
            for (side, way) in ways.iter().enumerate().filter(|(_, way)| way.kind.is_tunnel()) {
                let seconds = median(&mut results[side].clone());
                let what = format!("time for {what}, {}", way.kind.name());
                report.add(Row::new(what, seconds, "s").goal(GOAL));
            }
        }
    }
    Ok(())
}

/// Returns the seconds of a transfer over new connections, from the first connect to the last byte.
async fn transfer(
    way: &Way,
    pattern: &Pattern,
    direction: Direction,
    connections: u64,
) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut transfers = JoinSet::new();
    for _ in 0..connections {
        let (mut stream, pattern) = (way.connect().await?, pattern.clone());
        transfers.spawn(async move { direction.transfer(&pattern, &mut stream, LENGTH / connections).await });
    }
    while let Some(ended) = transfers.join_next().await {
        ended??;
    }
    Ok(started.elapsed().as_secs_f64())
}
