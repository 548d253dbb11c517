//! Benchmark of statements on `&pool`: against the same statement on a connection that is acquired for it, and against
//! `&pool` of sqlx. On one thread, where the pool's own work has the largest share.

use std::future::poll_fn;
use std::time::Instant;

use rds_iam_emulator_server::fixtures;
use rds_iam_sqlx::MySqlPool;
use sqlx::mysql::{MySqlArguments, MySqlPoolOptions};
use sqlx::query::Query;
use sqlx::{Executor, MySql};
use tokio::runtime::{Builder, Runtime};

use crate::database::{DATABASE, Database, Engine as _, USER};
use crate::report::{Report, Row};
use crate::samples::{Pair, paired};

/// The number of rounds of each pair: many short ones, which other programs disturb less than a few long ones.
const ROUNDS: usize = 151;
/// The number of statements per side and round.
const STATEMENTS: u32 = 100;
/// The most that `&pool` may cost above an acquired connection, in per cent.
const GOAL: f64 = 5.0;

/// How a statement is run, and the number of rows that it reads.
#[derive(Clone, Copy)]
enum Run {
    Execute,
    FetchOne,
    FetchAll(u32),
    Stream(u32),
}

const RUNS: [Run; 7] = [
    Run::Execute,
    Run::FetchOne,
    Run::FetchAll(10),
    Run::FetchAll(100),
    Run::Stream(1),
    Run::Stream(10),
    Run::Stream(100),
];

impl Run {
    fn name(self) -> String {
        match self {
            Self::Execute => "execute".into(),
            Self::FetchOne => "fetch_one".into(),
            Self::FetchAll(rows) => format!("fetch_all, {rows} rows"),
            Self::Stream(1) => "fetch, 1 row".into(),
            Self::Stream(rows) => format!("fetch, {rows} rows"),
        }
    }

    fn query(self) -> Query<'static, MySql, MySqlArguments> {
        match self {
            Self::Execute => sqlx::query("DO 0"),
            Self::FetchOne => sqlx::query("SELECT n FROM numbers LIMIT ?").bind(1),
            Self::FetchAll(rows) | Self::Stream(rows) => {
                sqlx::query("SELECT n FROM numbers LIMIT ?").bind(rows)
            }
        }
    }

    async fn on<'c>(self, executor: impl Executor<'c, Database = MySql>) -> sqlx::Result<()> {
        match self {
            Self::Execute => {
                self.query().execute(executor).await?;
            }
            Self::FetchOne => {
                self.query().fetch_one(executor).await?;
            }
            Self::FetchAll(_) => {
                self.query().fetch_all(executor).await?;
            }
            Self::Stream(_) => {
                let mut rows = self.query().fetch(executor);
                while let Some(row) = poll_fn(|context| rows.as_mut().poll_next(context)).await {
                    row?;
                }
            }
        }
        Ok(())
    }
}

pub(super) fn compare(database: &Database<MySql>, report: &mut Report) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (ours, sqlx) = runtime.block_on(pools(database))?;
    let on_pool = |run: Run| time(&runtime, async || run.on(&ours).await);
    let on_acquired = |run: Run| time(&runtime, async || run.on(&mut *ours.acquire().await?).await);
    let on_sqlx = |run: Run| time(&runtime, async || run.on(&sqlx).await);

    let mut most = f64::MIN;
    for run in RUNS {
        let pair = paired(ROUNDS, || on_pool(run), || on_acquired(run))?;
        most = most.max((pair.ratio - 1.0) * 100.0);
        report.add(row(run, "acquired", &pair));
    }
    report.add(Row::new("&pool above an acquired connection, at most", most, "%").goal(GOAL));
    for run in [Run::FetchOne, Run::FetchAll(10), Run::FetchAll(100), Run::Stream(100)] {
        let pair = paired(ROUNDS, || on_pool(run), || on_sqlx(run))?;
        report.add(row(run, "&sqlx::Pool", &pair));
    }
    runtime.block_on(async {
        ours.close().await;
        sqlx.close().await;
    });
    Ok(())
}

fn row(run: Run, against: &'static str, pair: &Pair) -> Row {
    let what = format!("{} on &pool, against {against}", run.name());
    Row::new(what, pair.ours, "µs").against(against, pair.theirs, pair.ratio)
}

/// Returns the microseconds per statement.
fn time(runtime: &Runtime, mut statement: impl AsyncFnMut() -> sqlx::Result<()>) -> anyhow::Result<f64> {
    runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..STATEMENTS {
            statement().await?;
        }
        Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(STATEMENTS))
    })
}

/// Creates a table of 100 rows, and connects both pools.
async fn pools(database: &Database<MySql>) -> anyhow::Result<(MySqlPool, sqlx::MySqlPool)> {
    let mysql = &database.server;
    let numbers: Vec<_> = (0..100).map(|n| format!("({n})")).collect();
    let statements = [
        format!("CREATE TABLE {DATABASE}.numbers (n INT PRIMARY KEY)"),
        format!("INSERT INTO {DATABASE}.numbers VALUES {}", numbers.join(",")),
    ];
    fixtures::execute(mysql, statements).await?;
    let ours = MySqlPool::builder(mysql.endpoint(), USER)
        .tokens(fixtures::tokens(mysql, USER))
        .dial(mysql.dial())
        .root_certificates(mysql.ca_pem())
        .database(DATABASE)
        .connect()
        .await?;
    let token = fixtures::tokens(mysql, USER).token().await?;
    let sqlx = MySqlPoolOptions::new().connect_with(MySql::sqlx_options(mysql, token.expose())).await?;
    Ok((ours, sqlx))
}
