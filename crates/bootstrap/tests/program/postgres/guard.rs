//! Test of the checks on schema files against the server's own parser, with random statements: none that a
//! declaration accepts may copy a row.

use rds_iam_bootstrap::Declaration;
use rds_iam_infra::RdsConf;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::support::{Deployment, VERSIONS, execute};
use crate::support::Result;

/// The seed of the statements.
const SEED: &str = "RDS_IAM_TEST_SEED";
const DEFAULT_SEED: u64 = 20_261_129;
/// The number of generated statements; the guard and the server refuse most of them.
const STATEMENTS: usize = 20_000;
/// The number of statements refused by the guard that the server runs too.
const REFUSED_TRIED: usize = 2_000;

/// Columns, whole and in pieces.
const COLUMNS: [&str; 12] = [
    "(i int)",
    "(i int)",
    "(i int)",
    "(i)",
    "(i",
    "",
    "(i int DEFAULT 1",
    "(i text DEFAULT '",
    "(\"i)\" int)",
    "(i int /* ) */)",
    "(i int CHECK (i > 0))",
    "(i int GENERATED ALWAYS AS (1) STORED)",
];

/// Options after the columns.
const OPTIONS: [&str; 8] = [
    "WITH (fillfactor = 70)",
    "WITH (fillfactor = ",
    "PARTITION BY HASH (i)",
    "PARTITION BY LIST ((",
    "TABLESPACE pg_default",
    "USING heap",
    "ON COMMIT PRESERVE ROWS",
    "INHERITS (secret)",
];

/// Texts that move the end of a token.
const PIECES: [&str; 32] = [
    " ",
    " ",
    "\n",
    "\t",
    "\r",
    "\u{c}",
    "\u{b}",
    "\u{a0}",
    "--",
    "-- \n",
    "--\r",
    "/*",
    "*/",
    "/* /* */ */",
    "'",
    "''",
    "' '",
    "\"",
    "\"\"",
    "(",
    ")",
    ",",
    ";",
    "1",
    "1.",
    ".5",
    "E'\\'",
    "U&'",
    "$$",
    "$a$",
    "é",
    "_",
];

/// Clauses that copy rows of another table.
const COPIES: [&str; 7] = [
    "AS SELECT i FROM secret",
    "AS TABLE secret",
    "AS VALUES (7)",
    "AS (SELECT i FROM secret)",
    "AS WITH s AS (SELECT i FROM secret) SELECT i FROM s",
    "; INSERT INTO t SELECT i FROM secret",
    "LIKE secret",
];

fn statement(random: &mut fastrand::Rng) -> String {
    fn pick(random: &mut fastrand::Rng, from: &[&'static str]) -> &'static str {
        from[random.usize(..from.len())]
    }
    let mut sql = "CREATE TABLE IF NOT EXISTS t ".to_owned();
    sql.push_str(pick(random, &COLUMNS));
    if random.u8(..10) > 6 {
        sql.push_str(pick(random, &OPTIONS));
    }
    // Often a piece or two; sometimes more.
    for _ in 0..random.usize(..5) {
        sql.push_str(pick(random, &PIECES));
    }
    let copy = pick(random, &COPIES);
    let upper = random.bool();
    sql.push_str(&if upper { copy.to_owned() } else { copy.to_ascii_lowercase() });
    if random.bool() {
        sql.push_str(pick(random, &PIECES));
    }
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
async fn copies(connection: &mut PgConnection, sql: &str) -> Result<bool> {
    // In the way that a run sends a table's statement. Most are refused.
    let statement = sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false);
    if statement.execute(&mut *connection).await.is_err() {
        return Ok(false);
    }
    let rows: i64 = sqlx::query("SELECT count(*) FROM t").fetch_one(&mut *connection).await?.try_get(0)?;
    execute(connection, "DROP TABLE t").await?;
    Ok(rows > 0)
}

#[tokio::test]
async fn no_statement_that_the_guard_accepts_copies_rows() -> Result {
    let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(DEFAULT_SEED);
    eprintln!("{SEED}={seed}");
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        let mut connection = deployment.master().await?;
        execute(&mut connection, "CREATE TABLE secret (i int); INSERT INTO secret VALUES (7)").await?;
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut accepted, mut refused, mut copied) = (0, 0, 0);
        for _ in 0..STATEMENTS {
            let sql = statement(&mut random);
            if is_accepted(&deployment.conf, &sql) {
                accepted += 1;
                assert!(
                    !copies(&mut connection, &sql).await?,
                    "the guard accepts and the server copies: {sql}"
                );
            } else if refused < REFUSED_TRIED {
                refused += 1;
                copied += usize::from(copies(&mut connection, &sql).await?);
            }
        }
        // The test must not pass because no statement was tried.
        assert!(
            accepted > 50 && copied > 10,
            "{accepted} accepted; of {refused} refused, {copied} copy rows"
        );
    }
    Ok(())
}
