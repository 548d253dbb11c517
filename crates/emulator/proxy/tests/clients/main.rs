//! Real clients run one scenario: through the auth proxy, without a password (`gateway`) and with the local password of
//! `rds-iam connect` (`password`), and through the emulated RDS Proxy (`proxy`).
//!
//! `scenario.json` is a list of steps. Each has the actions that a client does one after the other (`do`), with the
//! results that they are expected to have (`expect`), and the clients that can't do it, each with the reason (`not`; a
//! name may be limited to a target, as in `proxy/psql`). An object with the keys `mysql` and `postgres`, or with `else`, is
//! a choice: by client, engine, or else. `{user}`, `{table}` and `{file}` are replaced; `{id}` is the client's.
//!
//! | Action | Meaning | Result |
//! | --- | --- | --- |
//! | `query` | a statement; with `params`, prepared once, and executed once for each list | all rows |
//! | `execute` | the same | the number of affected rows |
//! | `run` | a statement | null |
//! | `elsewhere` | a query on another connection | all rows |
//! | `begin`, `commit`, `rollback`, `autocommit` | the driver's methods, or the statements | null |
//! | `load`, `copy_in` | `LOAD DATA LOCAL`, `COPY` | the number of rows |
//! | `copy_out` | `COPY` | a row with the text |
//! | `sleep` | a long query, which is ended | the rows |
//! | `reset` | `COM_RESET_CONNECTION` | null |
//! | `reconnect`, `close` | another connection in place of this one; the end | null |
//!
//! `sleep` has the query `running` with which another connection finds the long query, and the statement `stop` that it
//! runs then. Without `stop`, the client cancels the query by its own means.
//!
//! A value is a text or null; of bytes, `hex:` and their digits; of a text with over 100 characters, `sha256 DIGEST of N
//! characters`. Over 100 rows are `sha256 DIGEST of N rows`: values are joined by tabs, rows by line breaks. A parameter
//! may be `{"hex": DIGITS}` or `{"repeat": [TEXT, TIMES]}`. An error is `{"error": CODE}`, MySQL's number or the SQLSTATE.
//!
//! A client is a program. Its arguments are its name in the scenario and a file with the steps, without expectations. It
//! prints a line of JSON for each step: `{"step": NAME, "results": [RESULT, …]}`. Its environment has HOST (an address,
//! or the path of a socket), PORT, USER, DATABASE, and TOKEN_FILE (a token or password, or empty); SERVER_NAME (the name
//! to verify) and CA_FILE are empty for a target without TLS.

mod programs;
mod scenario;
mod sites;
mod sqlx_client;

use std::sync::LazyLock;
use std::time::Duration;

use rds_iam_emulator_server::fixtures::client_rounds;
use tokio::runtime::Runtime;

use self::programs::Program;
use self::scenario::{Plan, Scenario};
use self::sites::{Site, Target};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The time limit of a client's scenario.
const WITHIN: Duration = Duration::from_secs(300);

/// Registers a test for each client and target.
macro_rules! clients {
    ($($test:ident: $client:literal),* $(,)?) => {
        /// The names of all clients.
        const CLIENTS: &[&str] = &[$($client),*];

        /// Without a password and TLS, through the auth proxy.
        mod gateway {
            $(
                #[test]
                fn $test() -> super::Result {
                    super::run($client, super::Target::Gateway)
                }
            )*
        }

        /// With a password and without TLS, through the auth proxy, as `rds-iam connect` runs it.
        mod password {
            $(
                #[test]
                fn $test() -> super::Result {
                    super::run($client, super::Target::Password)
                }
            )*
        }

        /// With a token, over TLS that verifies the endpoint's name, through the emulated RDS Proxy.
        mod proxy {
            $(
                #[test]
                fn $test() -> super::Result {
                    super::run($client, super::Target::Proxy)
                }
            )*
        }
    };
}

clients![
    mysql_cli: "mysql-cli",
    mysql_connector: "mysql-connector",
    mysql2: "mysql2",
    pymysql: "pymysql",
    mariadb_jdbc: "mariadb-jdbc",
    dbd_mysql: "dbd-mysql",
    sqlx_mysql: "sqlx-mysql",
    psql: "psql",
    psycopg: "psycopg",
    asyncpg: "asyncpg",
    node_postgres: "node-postgres",
    pgjdbc: "pgjdbc",
    sqlx_postgres: "sqlx-postgres",
];

#[test]
fn a_step_is_left_out_for_a_known_client_and_a_reason() -> Result {
    let scenario = Scenario::read()?;
    for (step, client, reason) in scenario.exceptions() {
        let name = client.rsplit('/').next().unwrap_or(client);
        assert!(CLIENTS.contains(&name), "{step:?} names {client}");
        assert!(!reason.is_empty(), "{step:?} has no reason for {client}");
    }
    Ok(())
}

/// Runs a test on the runtime that servers and targets share: it stays until the program ends.
fn run(client: &'static str, target: Target) -> Result {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("the system gives a runtime"));
    RUNTIME.block_on(check(client, target))
}

/// Runs the scenario half as often as `RDS_IAM_CLIENTS` says, which is 2 by default.
async fn check(client: &'static str, target: Target) -> Result {
    let site = Site::prepare(client, target).await?;
    let program = Program::prepare(client).await?;
    if target == Target::Proxy {
        refuses_another_name(program.as_ref(), client, &site).await?;
    }
    let plan = Scenario::read()?.plan(client, target)?;
    for _ in 0..client_rounds().div_ceil(2) {
        let printed = tokio::time::timeout(WITHIN, steps(program.as_ref(), client, &site, &plan));
        let timed_out = |_| format!("{client} is not done after {} s", WITHIN.as_secs());
        plan.check(&printed.await.map_err(timed_out)??);
    }
    Ok(())
}

/// Returns what the client printed; sqlx runs in this process.
async fn steps(program: Option<&Program>, client: &str, site: &Site, plan: &Plan) -> Result<String> {
    match program {
        Some(program) => program.run(client, site, plan).await,
        None => sqlx_client::run(client, site, plan).await,
    }
}

/// Checks that the client sends no token to a server whose certificate has another name.
async fn refuses_another_name(program: Option<&Program>, client: &str, site: &Site) -> Result {
    let before = site.logins()?;
    let other = site.with_name("other.proxy-c0ffee123456.us-east-1.rds.amazonaws.com");
    let Err(error) = steps(program, client, &other, &Plan::empty()?).await else {
        panic!("{client} logs in to a server of another name");
    };
    // With what the client printed.
    let error = format!("{error:?}");
    assert!(!error.contains("X-Amz-Signature"), "the token is printed");
    assert_eq!(site.logins()?, before, "{client} sends its token to a server of another name: {error}");
    Ok(())
}
