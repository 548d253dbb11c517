//! A program whose tasks wait for the connections of a pool, for the benchmark of their order and memory:
//! `waiting-tasks pool|sqlx TASKS`.
//!
//! It prints `ready` once all connections are open and in use, and starts its tasks after a line of input. Then it prints the
//! largest displacement from the order of their arrival, and the milliseconds until all had run a statement. It ends with
//! its input. It has one thread, so that the order of arrival is that of the tasks' start.

use std::cell::Cell;
use std::env::{args, var};
use std::io::stdin;
use std::ops::DerefMut;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rds_iam_sqlx::{Builder, Limits};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlSslMode};
use sqlx::{Executor, MySql};
use tokio::task::{JoinSet, LocalSet, yield_now};

const CONNECTIONS: u32 = 10;

/// The longest wait of a task: 60 seconds.
const WAIT: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let variable = |name: &'static str| var(name).context(name);
    let url = variable("BENCH_URL")?;
    let (dial, roots) = (variable("BENCH_DIAL")?, std::fs::read(variable("BENCH_CA_BUNDLE")?)?);
    let tasks = args().nth(2).context("the number of tasks is missing")?.parse()?;
    match args().nth(1).as_deref() {
        Some("pool") => {
            let limits = Limits::default().max_connections(CONNECTIONS).acquire_timeout(WAIT);
            let builder = Builder::<MySql>::from_dsn(&url)?.dial(dial).root_certificates(roots);
            let pool = builder.limits(limits).connect().await?;
            run(tasks, async move || pool.acquire().await).await
        }
        Some("sqlx") => {
            let (host, port) = dial.rsplit_once(':').context("BENCH_DIAL has no port")?;
            let options = url.parse::<MySqlConnectOptions>()?;
            let options = options
                .host(host)
                .port(port.parse()?)
                .password(&variable("BENCH_TOKEN")?)
                .enable_cleartext_plugin(true)
                .ssl_mode(MySqlSslMode::VerifyIdentity)
                .ssl_ca_from_pem(roots);
            let pool = MySqlPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(WAIT);
            let pool = pool.connect_with(options).await?;
            run(tasks, async move || pool.acquire().await).await
        }
        pool => bail!("the pool is {pool:?}: choose pool or sqlx"),
    }
}

/// Has `count` tasks wait for a connection while all are in use, returns those, and prints the result.
async fn run<C>(count: u32, acquire: impl AsyncFn() -> sqlx::Result<C> + 'static) -> anyhow::Result<()>
where
    C: DerefMut,
    for<'c> &'c mut C::Target: Executor<'c, Database = MySql>,
{
    let mut in_use = Vec::new();
    for _ in 0..CONNECTIONS {
        in_use.push(acquire().await?);
    }
    println!("ready");
    stdin().read_line(&mut String::new())?;

    let shared = Rc::new((acquire, Cell::new(0), Cell::new(0)));
    let mut tasks = JoinSet::new();
    let local = LocalSet::new();
    for _ in 0..count {
        let shared = Rc::clone(&shared);
        let task = async move {
            let (acquire, arrived, served) = &*shared;
            let arrival = next(arrived);
            let mut connection = acquire().await?;
            let displacement = next(served).abs_diff(arrival);
            connection.execute("DO 0").await?;
            anyhow::Ok(displacement)
        };
        tasks.spawn_local_on(task, &local);
    }
    let mut most = 0;
    let started = local
        .run_until(async {
            while shared.1.get() < count {
                yield_now().await;
            }
            let started = Instant::now();
            drop(in_use);
            while let Some(displacement) = tasks.join_next().await {
                most = most.max(displacement??);
            }
            anyhow::Ok(started)
        })
        .await?;
    println!("{most} {}", started.elapsed().as_secs_f64() * 1e3);
    stdin().read_line(&mut String::new())?;
    Ok(())
}

/// Counts one more, and returns the number before.
fn next(count: &Cell<u32>) -> u32 {
    count.replace(count.get() + 1)
}
