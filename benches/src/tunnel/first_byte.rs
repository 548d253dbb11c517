//! The time to the first byte of a new tunnel, and of a new connection through an open one.

use std::time::{Duration, Instant};

use rds_iam_emulator_ssm::transfer::Pattern;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;

use super::way::{Kind, Way, connect};
use super::{Setup, add};
use crate::report::{Report, Row};
use crate::samples::{interleaved, median};

/// The number of rounds, after one that is not counted.
const ROUNDS: usize = 15;

/// The number of connections per way and round, one after another.
const CONNECTIONS: u32 = 20;

/// The longest time to the first byte of a new tunnel, in milliseconds.
const GOAL: f64 = 100.0;

pub(super) fn measure(
    runtime: &Runtime,
    setup: &Setup,
    ways: &[Way],
    pattern: &Pattern,
    report: &mut Report,
) -> anyhow::Result<()> {
    let results = interleaved(ROUNDS, ways.len(), |side| {
        runtime.block_on(async {
            let mut took = Duration::ZERO;
            for _ in 0..CONNECTIONS {
                let started = Instant::now();
                let mut stream = ways[side].connect().await?;
                one_byte(&mut stream, pattern).await?;
                took += started.elapsed();
            }
            anyhow::Ok(took.as_secs_f64() * 1e3 / f64::from(CONNECTIONS))
        })
    })?;
    let kinds: Vec<Kind> = ways.iter().map(|way| way.kind).collect();
    add(report, &kinds, "first byte of a connection", "ms", &results);
    new_tunnel(runtime, setup, ways, pattern, report)
}

fn new_tunnel(
    runtime: &Runtime,
    setup: &Setup,
    ways: &[Way],
    pattern: &Pattern,
    report: &mut Report,
) -> anyhow::Result<()> {
    let ssh = ways.iter().find_map(Way::ssh);
    let kinds = match ssh {
        Some(_) => vec![Kind::Direct, Kind::Ssh, Kind::Tunnel],
        None => vec![Kind::Direct, Kind::Tunnel],
    };
    let target = setup.target.address();
    let results = interleaved(ROUNDS, kinds.len(), |side| {
        runtime.block_on(async {
            let started = Instant::now();
            let took = match (kinds[side], ssh) {
                (Kind::Tunnel, _) => {
                    let tunnel = setup.tunnel(1).await?;
                    one_byte(&mut tunnel.open().await?, pattern).await?;
                    let took = started.elapsed();
                    tunnel.close().await;
                    took
                }
                (Kind::Ssh, Some(ssh)) => {
                    let client = ssh.forward(target).await?;
                    one_byte(&mut connect(client.address).await?, pattern).await?;
                    started.elapsed()
                }
                _ => {
                    one_byte(&mut connect(target).await?, pattern).await?;
                    started.elapsed()
                }
            };
            anyhow::Ok(took.as_secs_f64() * 1e3)
        })
    })?;
    add(report, &kinds, "first byte of a new way", "ms", &results);
    if let Some(mut tunnel) = results.last().cloned() {
        let row = Row::new("time to the first byte of a new tunnel", median(&mut tunnel), "ms");
        report.add(row.goal(GOAL));
    }
    Ok(())
}

/// Sends one byte to the target and back.
async fn one_byte<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    pattern: &Pattern,
) -> anyhow::Result<()> {
    Ok(pattern.echo(stream, 1).await?)
}
