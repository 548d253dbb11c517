//! Benchmark of the auth proxy and of the emulated RDS Proxy against direct connections and the proxies of other
//! projects, side by side in each round.

mod client;
mod idle;
mod latency;
mod mysql;
mod ours;
mod peers;
mod postgres;
mod route;
mod running;
mod stream;
mod target;
mod token;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use self::client::Client;
use self::route::{Kind, Route};
use self::target::Target;
use crate::database::{Database, Engine};
use crate::program;
use crate::report::{Report, Row};
use crate::samples::median;

/// The statement of the latencies and of idle sessions.
const SELECT: &str = "SELECT 1";

/// The number of tasks that connect at the same time.
const OPENERS: usize = 20;

pub(crate) fn measure(runtime: &Runtime, report: &mut Report) -> anyhow::Result<()> {
    // Checked before anything is started: nothing can be measured without them.
    for name in ["rds-iam", "emulated-proxy"] {
        program::path(name)?;
    }
    raise_descriptor_limit()?;
    // One thread: waking another one would be a large part of a short round trip.
    let client = Builder::new_current_thread().enable_all().build()?;
    of_engine::<sqlx::MySql>(runtime, &client, report)?;
    of_engine::<sqlx::Postgres>(runtime, &client, report)?;
    report.heading("Start of the token command");
    runtime.block_on(token::measure(report))
}

/// Compares connections through a tunnel, whose local port this is, with direct ones.
pub(crate) fn through_tunnel<E: Engine>(
    runtime: &Runtime,
    client: &Runtime,
    database: &Database<E>,
    port: u16,
    report: &mut Report,
) -> anyhow::Result<()> {
    raise_descriptor_limit()?;
    let mut routes = Vec::new();
    for kind in [Kind::NoTunnel, Kind::Tunnel(port)] {
        routes.push(runtime.block_on(Route::start(kind, database))?);
    }
    latency::measure::<E>(client, &routes, report)
}

fn of_engine<E: Engine>(runtime: &Runtime, client: &Runtime, report: &mut Report) -> anyhow::Result<()> {
    let database = {
        let _inside = runtime.enter();
        runtime.block_on(Database::<E>::start())?
    };
    report.heading(&format!("Proxies ({})", database.server.describe()));
    if let Some((name, reason)) = peers::not_available(E::ENGINE) {
        report.not_available(E::figure(name), reason);
    }
    let mut routes = Vec::new();
    for kind in Kind::ALL {
        routes.extend(start(runtime, kind, &database, report)?);
    }
    latency::measure::<E>(client, &routes, report)?;
    idle::churn::<E>(client, &routes, report)?;
    drop(routes);
    for kind in [Kind::Auth, Kind::Emulated, Kind::Peer] {
        runtime.block_on(database.server.cut_connections())?;
        if let Some(route) = start(runtime, kind, &database, report)? {
            idle::memory::<E>(client, &route, report)?;
        }
    }
    Ok(())
}

/// Starts the program on a way. Returns `None` for a peer that can't be started here, which is reported.
fn start<E: Engine>(
    runtime: &Runtime,
    kind: Kind,
    database: &Database<E>,
    report: &mut Report,
) -> anyhow::Result<Option<Route>> {
    match runtime.block_on(Route::start(kind, database)) {
        Ok(route) => Ok(Some(route)),
        Err(error) if kind == Kind::Peer => {
            report.not_available(E::figure(kind.name::<E>()), format!("{error:#}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Allows as many open files as this process may: a thousand sessions need more than the usual limit of 1,024.
fn raise_descriptor_limit() -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("raising the limit of open files")
}

/// Opens sessions.
async fn open(target: &Target, count: usize) -> anyhow::Result<Vec<Client>> {
    let mut openers = JoinSet::new();
    for share in shares(count) {
        let target = target.clone();
        openers.spawn(async move {
            let mut opened = Vec::with_capacity(share);
            for _ in 0..share {
                opened.push(Client::connect(&target).await?);
            }
            anyhow::Ok(opened)
        });
    }
    let mut sessions = Vec::with_capacity(count);
    while let Some(opened) = openers.join_next().await {
        sessions.append(&mut opened??);
    }
    Ok(sessions)
}

/// Returns the parts of a number for each of the tasks.
fn shares(count: usize) -> impl Iterator<Item = usize> {
    (0..OPENERS).map(move |opener| count / OPENERS + usize::from(opener < count % OPENERS))
}

/// Adds the rows of one figure: each way against the direct one, and this project's proxies against the peer. The
/// results are those of each route, by round.
fn add<E: Engine>(
    report: &mut Report,
    routes: &[Route],
    what: &str,
    unit: &'static str,
    results: &[Vec<f64>],
) {
    let name = |side: usize| routes[side].kind.name::<E>();
    let value = |side: usize| median(&mut results[side].clone());
    let against = |what: &str, side: usize, other: usize| {
        let ratio = median(&mut ratios(&results[side], &results[other]));
        Row::new(E::figure(what), value(side), unit).against(name(other), value(other), ratio)
    };
    report.add(Row::new(E::figure(&format!("{what}, {}", name(0))), value(0), unit));
    for side in 1..routes.len() {
        report.add(against(&format!("{what}, {}", name(side)), side, 0));
    }
    if let Some(peer) = routes.iter().position(|route| route.kind == Kind::Peer) {
        for side in (0..routes.len()).filter(|&side| routes[side].kind.is_ours()) {
            report.add(against(&format!("{what}, {} against {}", name(side), name(peer)), side, peer));
        }
    }
}

/// Returns the ratio of two ways in each round.
fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_add_up() {
        for count in [0, 1, 20, 128, 1_000] {
            assert_eq!(shares(count).sum::<usize>(), count);
        }
    }
}
