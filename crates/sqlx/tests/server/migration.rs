//! The SQL of `docs/migrating-from-passwords.md` for each engine, in its order, with each way back.

use std::time::Duration;

use rds_iam_emulator_server::fixtures;
use rds_iam_emulator_server::{MySql, Postgres, Server, on_each_engine};
use rds_iam_sqlx::{Credential, Target, connect};
use rds_iam_token::ServerCode;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::support::{TestEngine, target};

on_each_engine![
    #[tokio::test]
    a_service_moves_from_a_password_to_iam,
];

const PAGE: &str = include_str!("../../../../docs/migrating-from-passwords.md");

const PASSWORD: &str = "a password of the old user";

/// The time in which sessions that were closed are gone.
const WITHIN: Duration = Duration::from_secs(20);

/// An engine, with its part of the page: the blocks after its `NAME`.
trait Page: TestEngine {
    /// The number of results that the page shows.
    const RESULTS: usize;
    /// The separator of columns in results.
    const SEPARATOR: &'static str;
    /// The codes of a user that does not exist, and of one that is locked.
    const ABSENT: &'static str;
    const LOCKED: &'static str;
    /// The user that changes tables, if the page has one.
    const MIGRATES: Option<&'static str>;

    /// Creates the old user with its table.
    async fn set_up(server: &Server<Self>);

    /// Runs statements and returns their rows, each as a line.
    async fn run(connection: &mut Self::Connection, sql: &str) -> sqlx::Result<Vec<String>>;
}

impl Page for sqlx::MySql {
    const RESULTS: usize = 5;
    const SEPARATOR: &'static str = "  ";
    const ABSENT: &'static str = "1045";
    const LOCKED: &'static str = "3118";
    const MIGRATES: Option<&'static str> = None;

    async fn set_up(server: &MySql) {
        let statements = [
            format!("CREATE USER 'orders_app'@'%' IDENTIFIED BY '{PASSWORD}'"),
            "GRANT ALL PRIVILEGES ON orders.* TO 'orders_app'@'%'".into(),
            "CREATE TABLE orders.orders (id INT PRIMARY KEY)".into(),
        ];
        fixtures::execute(server, statements).await.unwrap();
    }

    async fn run(connection: &mut sqlx::MySqlConnection, sql: &str) -> sqlx::Result<Vec<String>> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await?;
        let cell =
            |row: &sqlx::mysql::MySqlRow, at| row.try_get_unchecked::<String, _>(at).unwrap_or_default();
        let line =
            |row| (0..sqlx::Row::len(row)).map(|at| cell(row, at)).collect::<Vec<_>>().join(Self::SEPARATOR);
        Ok(rows.iter().map(line).collect())
    }
}

impl Page for sqlx::Postgres {
    const RESULTS: usize = 6;
    const SEPARATOR: &'static str = "|";
    const ABSENT: &'static str = "28P01";
    const LOCKED: &'static str = "28000";
    const MIGRATES: Option<&'static str> = Some("orders_migrate");

    async fn set_up(server: &Postgres) {
        let user = format!(
            "CREATE ROLE orders_app LOGIN PASSWORD '{PASSWORD}'; GRANT CREATE ON SCHEMA public TO orders_app"
        );
        fixtures::execute(server, [user]).await.unwrap();
        let target = target(server, server.dial()).database("orders");
        let user = "orders_app".parse().unwrap();
        let mut session = connect::<Self>(&target, &user, Credential::Password(PASSWORD)).await.unwrap();
        Self::run(&mut session, "CREATE TABLE orders (id INT PRIMARY KEY)").await.unwrap();
        session.close().await.unwrap();
    }

    async fn run(connection: &mut sqlx::PgConnection, sql: &str) -> sqlx::Result<Vec<String>> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await?;
        let cell =
            |row: &sqlx::postgres::PgRow, at| row.try_get_unchecked::<String, _>(at).unwrap_or_default();
        let line =
            |row| (0..sqlx::Row::len(row)).map(|at| cell(row, at)).collect::<Vec<_>>().join(Self::SEPARATOR);
        Ok(rows.iter().map(line).collect())
    }
}

/// A block of SQL of the page, with the expected result if the page shows one.
struct Block {
    step: u32,
    is_way_back: bool,
    sql: String,
    expected: Option<String>,
}

/// Returns the engine's blocks of SQL of the page. A block of text after one is its result.
fn blocks<DB: Page>() -> Vec<Block> {
    let (mut step, mut is_way_back, mut engine) = (0, false, None);
    let mut blocks: Vec<Block> = Vec::new();
    let mut after_sql = false;
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        let mut rest = || lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>().join("\n");
        if let Some(heading) = line.strip_prefix("## ") {
            step = heading.split('.').next().unwrap().parse().unwrap_or(0);
            (is_way_back, engine) = (false, None);
        } else if line.starts_with("**Way back.**") {
            (is_way_back, engine) = (true, None);
        } else if line.starts_with("**Both") {
            engine = None;
        } else if let Some(name) =
            ["MySQL", "PostgreSQL"].iter().find(|name| line.starts_with(&format!("**{name}")))
        {
            engine = Some(*name);
        } else if line == "```sql" {
            let sql = rest();
            let engine = engine.unwrap_or_else(|| panic!("no engine is named for {sql}"));
            after_sql = engine == DB::NAME;
            if after_sql {
                blocks.push(Block { step, is_way_back, sql, expected: None });
            }
        } else if line.starts_with("```") {
            let text = rest();
            if after_sql && line == "```text" {
                blocks.last_mut().unwrap().expected = Some(text);
            }
            // Prose between the two does not separate them.
            after_sql = false;
        }
    }
    blocks
}

/// Runs the blocks of a step, or its way back, as the master user, who logs in by password.
async fn run<DB: Page>(server: &Server<DB>, step: u32, is_way_back: bool) {
    let mut master = fixtures::as_master(server).await.unwrap();
    let of_step = blocks::<DB>().into_iter();
    let of_step: Vec<_> =
        of_step.filter(|block| (block.step, block.is_way_back) == (step, is_way_back)).collect();
    assert!(!of_step.is_empty(), "step {step} has no SQL");
    for Block { sql, expected, .. } in of_step {
        let mut found = rows::<DB>(&mut master, &sql).await;
        let Some(expected) = expected else { continue };
        // A session that was closed may still end.
        let started = tokio::time::Instant::now();
        while found != expected && started.elapsed() < WITHIN {
            tokio::time::sleep(Duration::from_millis(50)).await;
            found = rows::<DB>(&mut master, &sql).await;
        }
        assert_eq!(found, expected, "{sql}");
    }
    master.close().await.unwrap();
}

/// Runs statements and returns their rows in the form of the page.
async fn rows<DB: Page>(master: &mut DB::Connection, sql: &str) -> String {
    DB::run(master, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")).join("\n")
}

/// Logs in as a user with the credential and runs a statement. Returns the error's code if the server refuses the login.
async fn log_in<DB: Page>(
    target: &Target,
    user: &str,
    credential: Credential<'_>,
    sql: &str,
) -> Result<(), String> {
    let connected = connect::<DB>(target, &user.parse().unwrap(), credential).await;
    let code = |code: Option<ServerCode>| code.map(|code| code.to_string()).unwrap_or_default();
    let mut connection = connected.map_err(|error| code(error.code()))?;
    DB::run(&mut connection, sql).await.unwrap_or_else(|error| panic!("{sql}, as {user}: {error}"));
    connection.close().await.unwrap();
    Ok(())
}

async fn a_service_moves_from_a_password_to_iam<DB: Page>() {
    let results = blocks::<DB>().iter().filter(|block| block.expected.is_some()).count();
    assert_eq!(results, DB::RESULTS, "results that are compared");
    let server = Server::<DB>::builder().database("orders").start().await.unwrap();
    DB::set_up(&server).await;
    let target = target(&server, server.dial()).database("orders");
    let token = fixtures::tokens(&server, "orders_iam").token().await.unwrap();
    let old_runs = async |sql| log_in::<DB>(&target, "orders_app", Credential::Password(PASSWORD), sql).await;
    let new_runs = async |sql| log_in::<DB>(&target, "orders_iam", Credential::Token(&token), sql).await;
    let both = async || {
        (old_runs("SELECT COUNT(*) FROM orders").await, new_runs("SELECT COUNT(*) FROM orders").await)
    };
    let refused = |code: &str| Err(code.to_owned());

    run(&server, 1, false).await;
    run(&server, 2, false).await;
    assert_eq!(both().await, (Ok(()), refused(DB::ABSENT)));

    run(&server, 3, false).await;
    assert_eq!(both().await, (Ok(()), Ok(())), "both users side by side");
    run(&server, 3, true).await;
    assert_eq!(both().await, (Ok(()), refused(DB::ABSENT)));
    run(&server, 1, false).await;
    run(&server, 3, false).await;
    // Tables that the previous version creates, and those of migrations.
    old_runs("CREATE TABLE older (id INT PRIMARY KEY)").await.unwrap();
    new_runs("INSERT INTO older VALUES (1)").await.unwrap();
    if let Some(user) = DB::MIGRATES {
        let token = fixtures::tokens(&server, user).token().await.unwrap();
        for sql in ["CREATE TABLE newer (id INT PRIMARY KEY)", "ALTER TABLE orders ADD COLUMN note TEXT"] {
            log_in::<DB>(&target, user, Credential::Token(&token), sql).await.unwrap();
        }
        old_runs("ALTER TABLE newer ADD COLUMN note TEXT").await.unwrap();
        new_runs("INSERT INTO newer VALUES (1, 'one')").await.unwrap();
    }

    // Step 6: a session of the new version of the service.
    let user = "orders_iam".parse().unwrap();
    let session = connect::<DB>(&target, &user, Credential::Token(&token)).await.unwrap();
    run(&server, 6, false).await;

    run(&server, 7, false).await;
    assert_eq!(both().await, (refused(DB::LOCKED), Ok(())));
    run(&server, 7, true).await;
    assert_eq!(both().await, (Ok(()), Ok(())));
    run(&server, 7, false).await;

    run(&server, 8, false).await;
    assert_eq!(both().await, (refused(DB::ABSENT), Ok(())));
    new_runs("SELECT COUNT(*) FROM older").await.unwrap();
    session.close().await.unwrap();
}
