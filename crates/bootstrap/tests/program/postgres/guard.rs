//! Test of the checks on schema files against the server's own parser, with random statements: none that a
//! declaration accepts may copy a row.

use super::support::{Deployment, VERSIONS};
use crate::guard::{Trial, in_either_case, pick};
use crate::support::{Result, execute};

/// The seed of the statements.
const DEFAULT_SEED: u64 = 20_261_129;
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
    let mut sql = "CREATE TABLE IF NOT EXISTS t ".to_owned();
    sql.push_str(pick(random, &COLUMNS));
    if random.u8(..10) > 6 {
        sql.push_str(pick(random, &OPTIONS));
    }
    // Often a piece or two; sometimes more.
    for _ in 0..random.usize(..5) {
        sql.push_str(pick(random, &PIECES));
    }
    sql.push_str(&in_either_case(random, &COPIES));
    if random.bool() {
        sql.push_str(pick(random, &PIECES));
    }
    sql
}

#[tokio::test]
async fn no_statement_that_the_guard_accepts_copies_rows() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        let mut connection = deployment.master().await?;
        execute(&mut connection, "CREATE TABLE secret (i int); INSERT INTO secret VALUES (7)").await?;
        let trial = Trial { connection: &mut connection, conf: &deployment.conf };
        trial.none_copies(DEFAULT_SEED, REFUSED_TRIED, statement).await?;
    }
    Ok(())
}
