//! Test of the checks on schema files against the server's own parser, with random statements: none that a
//! declaration accepts may copy a row.

use rds_iam_bootstrap::Declaration;
use rds_iam_infra::RdsConf;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::support::{Deployment, Result, execute};

/// The seed of the statements.
const SEED: &str = "RDS_IAM_TEST_SEED";
const DEFAULT_SEED: u64 = 20_261_128;
/// The number of generated statements; the guard and the server refuse most of them.
const STATEMENTS: usize = 20_000;
/// The number of statements refused by the guard that the server runs too.
const REFUSED_TRIED: usize = 400;

/// Ends of an option of `CREATE TABLE`, whole and in pieces, and texts that move the end of a token.
const PIECES: [&str; 44] = [
    "1",
    "0",
    "5",
    "12",
    ".",
    ".",
    "e",
    "E",
    "e5",
    "1.e5",
    "1e5",
    ".5",
    "1.",
    "+",
    "-",
    "x",
    "b",
    "0x1F",
    "0b1",
    "x'41'",
    "b'1'",
    "N'a'",
    "_utf8mb4'a'",
    "'a'",
    "\"a\"",
    "`a`",
    "''",
    " ",
    " ",
    "\n",
    "\t",
    "/**/",
    "/* ' */",
    "-- \n",
    "--\u{a0}\n",
    "#\n",
    "\u{a0}",
    "é",
    "_",
    "$",
    "@a",
    ",",
    "=",
    "IGNORE",
];

/// Options with a number, a name or a text.
const OPTIONS: [&str; 7] = [
    "AVG_ROW_LENGTH=",
    "MAX_ROWS ",
    "COMMENT=",
    "COMMENT ",
    "ENGINE=",
    "KEY_BLOCK_SIZE=8",
    "PARTITION BY HASH(i) PARTITIONS ",
];

/// Clauses that copy rows of another table.
const COPIES: [&str; 6] = [
    "SELECT i FROM secret",
    "AS SELECT i FROM secret",
    "TABLE secret",
    "VALUES ROW(7)",
    "REPLACE SELECT i FROM secret",
    "(SELECT i FROM secret)",
];

fn statement(random: &mut fastrand::Rng) -> String {
    fn pick(random: &mut fastrand::Rng, from: &[&'static str]) -> &'static str {
        from[random.usize(..from.len())]
    }
    let mut sql = "CREATE TABLE IF NOT EXISTS t (i INT) ".to_owned();
    if random.u8(..10) > 0 {
        sql.push_str(pick(random, &OPTIONS));
    }
    // Often one complete value and a piece or two; sometimes more.
    for _ in 0..random.usize(1..5) {
        sql.push_str(pick(random, &PIECES));
    }
    let copy = pick(random, &COPIES);
    let upper = random.bool();
    sql.push_str(&if upper { copy.to_owned() } else { copy.to_ascii_lowercase() });
    sql
}

/// Returns whether a declaration may have the statement.
fn is_accepted(conf: &RdsConf, sql: &str) -> bool {
    let sql = toml::Value::from(sql);
    let users = format!("[[user]]\nname = \"app\"\n[schema]\nstatements = [{sql}]\n");
    let declaration = Declaration::parse(&users, "the statement").expect("the text is TOML");
    declaration.validate(conf).is_ok()
}

/// Returns whether the server runs the statement and the table then has rows.
async fn copies(connection: &mut MySqlConnection, sql: &str) -> Result<bool> {
    // In the way that a run sends a table's statement. Most are refused.
    let statement = sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false);
    if statement.execute(&mut *connection).await.is_err() {
        return Ok(false);
    }
    let rows: i64 = sqlx::query("SELECT COUNT(*) FROM t").fetch_one(&mut *connection).await?.try_get(0)?;
    execute(connection, "DROP TABLE t").await?;
    Ok(rows > 0)
}

#[tokio::test]
async fn no_statement_that_the_guard_accepts_copies_rows() -> Result {
    let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(DEFAULT_SEED);
    eprintln!("{SEED}={seed}");
    let deployment = Deployment::start("scratch").await?;
    let mut connection = deployment.root().await?;
    for sql in ["USE scratch", "CREATE TABLE secret (i INT)", "INSERT INTO secret VALUES (7)"] {
        execute(&mut connection, sql).await?;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut accepted, mut refused, mut copied) = (0, 0, 0);
    for _ in 0..STATEMENTS {
        let sql = statement(&mut random);
        if is_accepted(&deployment.conf, &sql) {
            accepted += 1;
            assert!(!copies(&mut connection, &sql).await?, "the guard accepts and the server copies: {sql}");
        } else if refused < REFUSED_TRIED {
            refused += 1;
            copied += usize::from(copies(&mut connection, &sql).await?);
        }
    }
    // The test must not pass because no statement was tried.
    assert!(accepted > 50 && copied > 10, "{accepted} accepted; of {refused} refused, {copied} copy rows");
    Ok(())
}
