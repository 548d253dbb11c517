//! Benchmark of the tunnel through the emulated Session Manager against direct connections, a copy loop and `ssh -L`,
//! side by side in each round.

mod database;
mod faults;
mod first_byte;
mod ssh;
mod throughput;
mod way;

use std::sync::Arc;

use rds_iam_emulator_ssm::transfer::{Pattern, Target};
use rds_iam_emulator_ssm::{Calls, Emulator, Settings};
use rds_iam_tunnel::{Options, Remote, Tunnel, native_tls};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;

use self::way::{Kind, Way};
use crate::report::{Report, Row};
use crate::samples::median;

const INSTANCE: &str = "i-0123456789abcdef0";
const HOST: &str = "shop.internal";
const PORT: u16 = 3306;

pub(crate) fn measure(runtime: &Runtime, report: &mut Report) -> anyhow::Result<()> {
    report.heading("Tunnel, to a target whose bytes are compared");
    let pattern = Pattern::default();
    let setup = runtime.block_on(Setup::start(&pattern, |_| {}))?;
    let mut ways = Vec::new();
    for kind in Kind::ALL {
        match runtime.block_on(Way::open(kind, &setup)) {
            Ok(way) => ways.push(way),
            Err(error) if kind == Kind::Ssh => report.not_available(kind.name(), format!("{error:#}")),
            Err(error) => return Err(error),
        }
    }
    throughput::measure(runtime, &ways, &pattern, report)?;
    first_byte::measure(runtime, &setup, &ways, &pattern, report)?;
    for way in ways {
        runtime.block_on(way.close());
    }
    drop(setup);
    faults::measure(runtime, &pattern, report)?;
    database::measure(runtime, report)
}

/// An emulated Session Manager whose agent reaches a target.
struct Setup {
    emulator: Arc<Emulator>,
    target: Target,
}

impl Setup {
    async fn start(pattern: &Pattern, change: impl FnOnce(&mut Settings)) -> anyhow::Result<Self> {
        let target = Target::start(pattern.clone()).await?;
        let mut settings = Settings::with_instance(INSTANCE);
        settings.hosts.set(HOST, PORT, vec![target.address()]);
        change(&mut settings);
        Ok(Self { emulator: Arc::new(Emulator::start(settings).await?), target })
    }

    async fn tunnel(&self, sessions: usize) -> anyhow::Result<Tunnel> {
        tunnel(&self.emulator, sessions).await
    }
}

/// The direction of a transfer.
#[derive(Clone, Copy, Debug)]
enum Direction {
    Up,
    Down,
}

impl Direction {
    const BOTH: [Self; 2] = [Self::Up, Self::Down];

    fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }

    /// Transfers bytes, each of which the receiver compares.
    async fn transfer<S>(self, pattern: &Pattern, stream: &mut S, length: u64) -> anyhow::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self {
            Self::Up => pattern.upload(stream, length).await?,
            Self::Down => pattern.download(stream, length).await?,
        }
        Ok(())
    }
}

/// Opens a tunnel to the target of the emulated agent.
async fn tunnel(emulator: &Arc<Emulator>, sessions: usize) -> anyhow::Result<Tunnel> {
    let mut options = Options::default();
    options.sessions = sessions;
    let remote = Remote { target: INSTANCE.into(), host: HOST.into(), port: PORT };
    Ok(Tunnel::start(Calls::new(emulator), remote, native_tls()?, options).await?)
}

/// Adds the rows of one figure: each way against the direct one, and the tunnels against `ssh -L`. The results are
/// those of each way, by round.
fn add(report: &mut Report, ways: &[Kind], what: &str, unit: &'static str, results: &[Vec<f64>]) {
    let value = |side: usize| median(&mut results[side].clone());
    let against = |what: String, side: usize, other: usize| {
        let mut ratios: Vec<f64> =
            results[side].iter().zip(&results[other]).map(|(ours, theirs)| ours / theirs).collect();
        Row::new(what, value(side), unit).against(ways[other].name(), value(other), median(&mut ratios))
    };
    report.add(Row::new(format!("{what}, {}", ways[0].name()), value(0), unit));
    for (side, way) in ways.iter().enumerate().skip(1) {
        report.add(against(format!("{what}, {}", way.name()), side, 0));
    }
    if let Some(ssh) = ways.iter().position(|way| *way == Kind::Ssh) {
        for (side, way) in ways.iter().enumerate().filter(|(_, way)| way.is_tunnel()) {
            report.add(against(format!("{what}, {} against {}", way.name(), Kind::Ssh.name()), side, ssh));
        }
    }
}
