//! Statements and large results of a real database, through the tunnel and without it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rds_iam_emulator_ssm::{Emulator, Settings};
use rds_iam_tunnel::{Listener, Tunnel};
use tokio::runtime::{Builder, Runtime};

use super::{HOST, INSTANCE, PORT, tunnel};
use crate::database::{Database, Engine};
use crate::proxies;
use crate::report::Report;

pub(super) fn measure(runtime: &Runtime, report: &mut Report) -> anyhow::Result<()> {
    // One thread, as for the proxies.
    let client = Builder::new_current_thread().enable_all().build()?;
    of_engine::<sqlx::MySql>(runtime, &client, report)?;
    of_engine::<sqlx::Postgres>(runtime, &client, report)
}

fn of_engine<E: Engine>(runtime: &Runtime, client: &Runtime, report: &mut Report) -> anyhow::Result<()> {
    let database = {
        let _inside = runtime.enter();
        runtime.block_on(Database::<E>::start())?
    };
    report.heading(&format!("Tunnel to a database ({})", database.server.describe()));
    let (tunnel, listener) = runtime.block_on(open(&database))?;
    proxies::through_tunnel::<E>(runtime, client, &database, listener.address().port(), report)?;
    drop(listener);
    runtime.block_on(tunnel.close());
    Ok(())
}

/// Opens a tunnel to the database, and a local port of it. The emulator ends with the tunnel.
async fn open<E: Engine>(database: &Database<E>) -> anyhow::Result<(Tunnel, Listener)> {
    let dial = database.server.dial();
    let addresses: Vec<_> = tokio::net::lookup_host(dial.to_string()).await?.collect();
    let settings = Settings::with_instance(INSTANCE);
    settings.hosts.set(HOST, PORT, addresses);
    let emulator = Arc::new(Emulator::start(settings).await?);
    let tunnel = tunnel(&emulator, 1).await?;
    let listener = Listener::bind(tunnel.clone(), (Ipv4Addr::LOCALHOST, 0).into()).await?;
    Ok((tunnel, listener))
}
