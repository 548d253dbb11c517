//! Benchmark of one connection: opening it, a statement prepared for one use, and a statement that is already
//! prepared. Compared with `mysql_async`, which sets `TCP_NODELAY`, and with sqlx without the pool's dialer.

use std::time::Instant;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder, SslOpts};
use rds_iam_emulator_server::{MySql, fixtures};
use rds_iam_sqlx::{Credential, Target};
use rds_iam_token::DbUser;
use sqlx::Connection as _;
use sqlx::mysql::MySqlConnection;
use tokio::runtime::Runtime;

use crate::report::{Report, Row};
use crate::samples::paired;

/// The number of rounds of each pair.
const ROUNDS: usize = 21;
/// The number of statements per round that are prepared for one use.
const UNCACHED: u32 = 20;
/// The number of statements per round that were prepared before.
const CACHED: u32 = 500;

/// Adds a row for each comparison.
pub(super) fn compared(runtime: &Runtime, mysql: &MySql, report: &mut Report) -> anyhow::Result<()> {
    let user: DbUser = mysql.master().username().parse()?;
    let target = Target::new(mysql.endpoint().clone(), mysql.ca_pem()).dial(mysql.dial().clone());
    let ours = || {
        runtime.block_on(rds_iam_sqlx::connect::<sqlx::MySql>(
            &target,
            &user,
            Credential::Password(mysql.master().password()),
        ))
    };
    let theirs = || runtime.block_on(Conn::new(options(mysql)));

    let milliseconds = |started: Instant| started.elapsed().as_secs_f64() * 1e3;
    let pair = paired(
        ROUNDS,
        || {
            let started = Instant::now();
            let connection = ours()?;
            let took = milliseconds(started);
            runtime.block_on(connection.close())?;
            Ok(took)
        },
        || {
            let started = Instant::now();
            let connection = theirs()?;
            let took = milliseconds(started);
            runtime.block_on(connection.disconnect())?;
            Ok(took)
        },
    )?;
    report.add(Row::new("connect and log in", pair.ours, "ms").against(
        "mysql_async",
        pair.theirs,
        pair.ratio,
    ));

    let (mut ours, mut theirs) = (ours()?, theirs()?);
    let each = |started: Instant, count: u32| started.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    let pair = paired(
        ROUNDS,
        || {
            let started = Instant::now();
            for _ in 0..UNCACHED {
                let statement = sqlx::query("SELECT 1").persistent(false);
                runtime.block_on(statement.fetch_one(&mut ours))?;
            }
            Ok(each(started, UNCACHED))
        },
        || {
            let started = Instant::now();
            for _ in 0..UNCACHED {
                runtime.block_on(async {
                    let statement = theirs.prep("SELECT 1").await?;
                    theirs.exec_first::<u8, _, _>(&statement, ()).await?;
                    theirs.close(statement).await
                })?;
            }
            Ok(each(started, UNCACHED))
        },
    )?;
    report.add(Row::new("SELECT 1, prepared for one use", pair.ours, "µs").against(
        "mysql_async",
        pair.theirs,
        pair.ratio,
    ));

    let mut direct = runtime.block_on(fixtures::as_master(mysql))?;
    let cached = |connection: &mut MySqlConnection| {
        let started = Instant::now();
        for _ in 0..CACHED {
            runtime.block_on(sqlx::query("SELECT 1").fetch_one(&mut *connection))?;
        }
        anyhow::Ok(each(started, CACHED))
    };
    let pair = paired(ROUNDS, || cached(&mut ours), || cached(&mut direct))?;
    report.add(Row::new("SELECT 1, prepared before", pair.ours, "µs").against(
        "sqlx 0.9.0 itself",
        pair.theirs,
        pair.ratio,
    ));
    runtime.block_on(async {
        ours.close().await?;
        direct.close().await?;
        theirs.disconnect().await?;
        anyhow::Ok(())
    })
}

fn options(mysql: &MySql) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname(mysql.dial().host().to_string())
        .tcp_port(mysql.dial().port())
        .user(Some(mysql.master().username()))
        .pass(Some(mysql.master().password()))
        .prefer_socket(false)
        .ssl_opts(
            SslOpts::default()
                .with_root_certs(vec![mysql.ca_path().to_owned().into()])
                .with_danger_tls_hostname_override(Some(mysql.endpoint().host().to_string())),
        )
}
