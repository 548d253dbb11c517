//! Test of the checks on schema files against the server's own parser, with random statements: none that a
//! declaration accepts may copy a row.

use rds_iam_bootstrap::Declaration;
use rds_iam_infra::RdsConf;
use sqlx::database::HasStatementCache;
use sqlx::{AssertSqlSafe, ColumnIndex, Database, Decode, Executor, IntoArguments, Type};

use crate::support::{Deployment, Result, column, execute};

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
    let mut sql = "CREATE TABLE IF NOT EXISTS t (i INT) ".to_owned();
    if random.u8(..10) > 0 {
        sql.push_str(pick(random, &OPTIONS));
    }
    // Often one complete value and a piece or two; sometimes more.
    for _ in 0..random.usize(1..5) {
        sql.push_str(pick(random, &PIECES));
    }
    sql.push_str(&in_either_case(random, &COPIES));
    sql
}

pub(crate) fn pick(random: &mut fastrand::Rng, from: &[&'static str]) -> &'static str {
    from[random.usize(..from.len())]
}

/// Returns one of the texts, as it is or in lower case.
pub(crate) fn in_either_case(random: &mut fastrand::Rng, from: &[&'static str]) -> String {
    let text = pick(random, from);
    if random.bool() { text.to_owned() } else { text.to_ascii_lowercase() }
}

/// Returns whether a declaration may have the statement.
fn is_accepted(conf: &RdsConf, sql: &str) -> bool {
    let sql = toml::Value::from(sql);
    let users = format!("[[user]]\nname = \"app\"\n[schema]\nstatements = [{sql}]\n");
    let declaration = Declaration::parse(&users, "the statement").expect("the text is TOML");
    declaration.validate(conf).is_ok()
}

/// A server whose table `secret` has a row, and the deployment that declarations are for.
pub(crate) struct Trial<'a, C> {
    pub(crate) connection: &'a mut C,
    pub(crate) conf: &'a RdsConf,
}

impl<C> Trial<'_, C>
where
    C: sqlx::Connection,
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
    C::Database: HasStatementCache,
    <C::Database as Database>::Arguments: IntoArguments<C::Database>,
    for<'r> String: Decode<'r, C::Database> + Type<C::Database>,
    usize: ColumnIndex<<C::Database as Database>::Row>,
{
    /// Tries random statements. The server also runs `refused_tried` of those that a declaration doesn't accept.
    pub(crate) async fn none_copies(
        mut self,
        default_seed: u64,
        refused_tried: usize,
        statement: fn(&mut fastrand::Rng) -> String,
    ) -> Result {
        let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(default_seed);
        eprintln!("{SEED}={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut accepted, mut refused, mut copied) = (0, 0, 0);
        for _ in 0..STATEMENTS {
            let sql = statement(&mut random);
            if is_accepted(self.conf, &sql) {
                accepted += 1;
                assert!(!self.copies(&sql).await?, "the guard accepts and the server copies: {sql}");
            } else if refused < refused_tried {
                refused += 1;
                copied += usize::from(self.copies(&sql).await?);
            }
        }
        // The test must not pass because no statement was tried.
        assert!(
            accepted > 50 && copied > 10,
            "{accepted} accepted; of {refused} refused, {copied} copy rows"
        );
        Ok(())
    }

    /// Returns whether the server runs the statement and the table then has rows.
    async fn copies(&mut self, sql: &str) -> Result<bool> {
        // In the way that a run sends a table's statement. Most are refused.
        let statement = sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false);
        if statement.execute(&mut *self.connection).await.is_err() {
            return Ok(false);
        }
        let rows = column(&mut *self.connection, "SELECT 'a row' FROM t").await?;
        execute(&mut *self.connection, "DROP TABLE t").await?;
        Ok(!rows.is_empty())
    }
}

#[tokio::test]
async fn no_statement_that_the_guard_accepts_copies_rows() -> Result {
    let deployment = Deployment::start("scratch").await?;
    let mut connection = deployment.root().await?;
    for sql in ["USE scratch", "CREATE TABLE secret (i INT)", "INSERT INTO secret VALUES (7)"] {
        execute(&mut connection, sql).await?;
    }
    let trial = Trial { connection: &mut connection, conf: &deployment.conf };
    trial.none_copies(DEFAULT_SEED, REFUSED_TRIED, statement).await
}
