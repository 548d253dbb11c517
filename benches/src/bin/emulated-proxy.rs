//! A program that runs the emulated RDS Proxy, so that its memory and its descriptors can be measured alone. It reads
//! its settings from the first line of its input, prints its endpoint, its address and its authority as a line of JSON,
//! and ends with its input.

use std::io::stdin;

use anyhow::Context as _;
use rds_iam_emulator_proxy::{Backend, Limits, Proxy, Settings, upstream};
use rds_iam_emulator_server::AccessKey;
use rds_iam_token::{Endpoint, Region};
use serde::Deserialize;
use serde_json::json;

/// The database, the clients' access keys, and the proxy's own.
#[derive(Deserialize)]
struct Input {
    engine: String,
    endpoint: String,
    dial: String,
    ca_pem: String,
    region: String,
    keys: Vec<AccessKey>,
    role: AccessKey,
    max_connections: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    let input: Input = serde_json::from_str(&line).context("reading the settings")?;
    let (endpoint, dial): (Endpoint, Endpoint) = (input.endpoint.parse()?, input.dial.parse()?);
    let region: Region = input.region.parse()?;
    let own = format!("local-proxy.proxy-c0ffee123456.{region}.rds.amazonaws.com:{}", endpoint.port());
    let proxy = Proxy::start(Settings {
        engine: input.engine.parse()?,
        endpoint: own.parse()?,
        upstream: upstream(&endpoint, &dial, &input.ca_pem)?,
        backend: Backend::token(&endpoint, &region, &input.role),
        region,
        keys: input.keys,
        limits: Limits { max_connections: input.max_connections, ..Limits::default() },
    })
    .await?;
    let (endpoint, dial) = (proxy.endpoint().to_string(), proxy.dial().to_string());
    println!("{}", json!({ "endpoint": endpoint, "dial": dial, "ca_pem": proxy.ca_pem() }));
    tokio::task::spawn_blocking(|| stdin().read_line(&mut String::new())).await??;
    Ok(())
}
