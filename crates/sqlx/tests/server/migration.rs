//! The SQL of `docs/migrating-from-passwords.md`, in its order, with each way back.

use rds_iam_emulator_server::MySql;
use rds_iam_emulator_server::fixtures;
use rds_iam_sqlx::{Credential, Target, connect};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::support::target;

const PAGE: &str = include_str!("../../../../docs/migrating-from-passwords.md");

const PASSWORD: &str = "a password of the old user";

/// A block of SQL of the page, with the expected result if the page shows one.
struct Block {
    step: u32,
    is_way_back: bool,
    sql: String,
    expected: Option<String>,
}

/// Returns the blocks of SQL of the page. A block of text directly after one is its result.
fn blocks() -> Vec<Block> {
    let (mut step, mut is_way_back) = (0, false);
    let mut blocks: Vec<Block> = Vec::new();
    let mut after_sql = false;
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        let mut rest = || lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>().join("\n");
        if let Some(heading) = line.strip_prefix("## ") {
            step = heading.split('.').next().unwrap().parse().unwrap_or(0);
            is_way_back = false;
        } else if line.starts_with("**Way back.**") {
            is_way_back = true;
        } else if line == "```sql" {
            blocks.push(Block { step, is_way_back, sql: rest(), expected: None });
        } else if line.starts_with("```") {
            let text = rest();
            if after_sql && line == "```text" {
                blocks.last_mut().unwrap().expected = Some(text);
            }
        }
        // Prose between the two does not separate them.
        after_sql = line == "```sql" || (after_sql && !line.starts_with("```"));
    }
    blocks
}

/// Runs the blocks of a step, or its way back, as the master user.
async fn run(mysql: &MySql, step: u32, is_way_back: bool) {
    let mut master = fixtures::as_master(mysql).await.unwrap();
    let of_step: Vec<_> =
        blocks().into_iter().filter(|block| (block.step, block.is_way_back) == (step, is_way_back)).collect();
    assert!(!of_step.is_empty(), "step {step} has no SQL");
    for Block { sql, expected, .. } in of_step {
        let result = sqlx::raw_sql(AssertSqlSafe(sql.clone())).fetch_all(&mut master).await;
        let rows = result.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let Some(expected) = expected else { continue };
        let cell = |row: &sqlx::mysql::MySqlRow, at| row.try_get_unchecked::<String, _>(at).unwrap();
        let line = |row| (0..sqlx::Row::len(row)).map(|at| cell(row, at)).collect::<Vec<_>>().join("  ");
        assert_eq!(rows.iter().map(line).collect::<Vec<_>>().join("\n"), expected, "{sql}");
    }
    master.close().await.unwrap();
}

/// Logs in as a user with the credential and reads its table. Returns the error's number if the server refuses the login.
async fn log_in(target: &Target, user: &str, credential: Credential<'_>) -> Result<(), Option<u16>> {
    let connected = connect::<sqlx::MySql>(target, &user.parse().unwrap(), credential).await;
    let mut connection = connected.map_err(|error| error.number())?;
    sqlx::query("SELECT COUNT(*) FROM orders.orders").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    Ok(())
}

#[tokio::test]
async fn a_service_moves_from_a_password_to_iam() {
    assert_eq!(
        blocks().iter().filter(|block| block.expected.is_some()).count(),
        5,
        "results that are compared"
    );
    let mysql = MySql::builder().database("orders").start().await.unwrap();
    let set_up = [
        format!("CREATE USER 'orders_app'@'%' IDENTIFIED BY '{PASSWORD}'"),
        "GRANT ALL PRIVILEGES ON orders.* TO 'orders_app'@'%'".into(),
        "CREATE TABLE orders.orders (id INT PRIMARY KEY)".into(),
    ];
    fixtures::execute(&mysql, set_up).await.unwrap();
    let target = target(&mysql, mysql.dial());
    let tokens = fixtures::tokens(&mysql, "orders_iam");
    let token = tokens.token().await.unwrap();
    let old = async || log_in(&target, "orders_app", Credential::Password(PASSWORD)).await;
    let new = async || log_in(&target, "orders_iam", Credential::Token(&token)).await;

    run(&mysql, 1, false).await;
    run(&mysql, 2, false).await;
    assert_eq!((old().await, new().await), (Ok(()), Err(Some(1045))));

    run(&mysql, 3, false).await;
    assert_eq!((old().await, new().await), (Ok(()), Ok(())), "both users side by side");
    run(&mysql, 3, true).await;
    assert_eq!((old().await, new().await), (Ok(()), Err(Some(1045))));
    run(&mysql, 3, false).await;

    // Step 6: a session of the new version of the service.
    let user = "orders_iam".parse().unwrap();
    let session = connect::<sqlx::MySql>(&target, &user, Credential::Token(&token)).await.unwrap();
    run(&mysql, 6, false).await;

    run(&mysql, 7, false).await;
    assert_eq!((old().await, new().await), (Err(Some(3118)), Ok(())));
    run(&mysql, 7, true).await;
    assert_eq!((old().await, new().await), (Ok(()), Ok(())));
    run(&mysql, 7, false).await;

    run(&mysql, 8, false).await;
    assert_eq!((old().await, new().await), (Err(Some(1045)), Ok(())));
    session.close().await.unwrap();
}
