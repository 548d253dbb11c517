//! Transfers while messages are lost and repeated and WebSockets closed, with the memory that they need.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rds_iam_emulator_ssm::transfer::Pattern;
use rds_iam_emulator_ssm::{Close, Faults, Settings, Timers};
use tokio::runtime::Runtime;

use super::{Direction, Setup};
use crate::machine::kilobytes;
use crate::report::{Report, Row};
use crate::samples::median;

/// The number of rounds.
const ROUNDS: u64 = 3;

/// The closes of each round.
const CLOSES: u32 = 5;

/// The bytes of a transfer up: 400 MB. Each WebSocket lasts longer than the second after which the client resumes
/// without a pause.
const UP: u64 = 400_000_000;

/// The bytes of a transfer down: 100 MB.
const DOWN: u64 = 100_000_000;

/// The longest time of a transfer up, in seconds: 15 MB/s.
const GOAL: f64 = 400.0 / 15.0;

/// The most memory by which this process may grow, in MB.
const MEMORY_GOAL: f64 = 256.0;

pub(super) fn measure(runtime: &Runtime, pattern: &Pattern, report: &mut Report) -> anyhow::Result<()> {
    let (seconds, memory) = runtime.block_on(rounds(Direction::Up, UP, pattern, |_| {}))?;
    let what = "400 MB up, 2 % lost, 2 % repeated, 5 closes";
    report.add(Row::new(what, seconds, "s").goal(GOAL));
    report.add(Row::new(format!("memory, {what}"), memory, "MB").goal(MEMORY_GOAL));
    let (seconds, memory) = runtime.block_on(rounds(Direction::Down, DOWN, pattern, resend_quickly))?;
    let what = "100 MB down, 2 % lost, 2 % repeated, 5 closes";
    report.add(Row::new(what, seconds, "s"));
    report.add(Row::new(format!("memory, {what}"), memory, "MB").goal(MEMORY_GOAL));
    Ok(())
}

/// Lets the agent resend more often than the real one, which sends one message again every 100 ms, and has it stop
/// before it has sent more than the client keeps out of order.
fn resend_quickly(settings: &mut Settings) {
    settings.outgoing = 256;
    settings.timers = Timers {
        resend: Duration::from_millis(1),
        first_timeout: Duration::from_millis(20),
        granularity: Duration::from_millis(2),
        ..Timers::default()
    };
}

/// Returns the median of the seconds of a transfer, and the MB by which the memory of this process was higher.
async fn rounds(
    direction: Direction,
    length: u64,
    pattern: &Pattern,
    change: impl FnOnce(&mut Settings),
) -> anyhow::Result<(f64, f64)> {
    let setup = Setup::start(pattern, change).await?;
    let tunnel = setup.tunnel(1).await?;
    // Resets the highest value. A system that refuses it reports that of the whole run.
    std::fs::write("/proc/self/clear_refs", "5").ok();
    let before = kilobytes("/proc/self/status", "VmRSS")?;
    let mut seconds = Vec::new();
    for round in 0..ROUNDS {
        setup.emulator.set_faults(Faults {
            loss: 0.02,
            repeat: 0.02,
            seed: round,
            close_after: Some(length / 4),
            closes: CLOSES,
            close: Close::Abrupt,
            ..Faults::default()
        });
        let closed = setup.emulator.stats().closed;
        let started = Instant::now();
        direction.transfer(pattern, &mut tunnel.open().await?, length).await?;
        seconds.push(started.elapsed().as_secs_f64());
        let closes = setup.emulator.stats().closed - closed;
        ensure!(closes == u64::from(CLOSES), "the WebSocket was closed {closes} times, not {CLOSES}");
    }
    let grown = kilobytes("/proc/self/status", "VmHWM")?.saturating_sub(before);
    tunnel.close().await;
    Ok((median(&mut seconds), grown as f64 * 1024.0 / 1e6))
}
