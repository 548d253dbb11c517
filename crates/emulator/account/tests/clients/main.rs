//! Tests of the emulator with clients of PostgreSQL in four languages. Each logs in as the master user by password and
//! with a token of botocore, over TLS that verifies authority and name, and is refused with a bad token.
//!
//! Only PostgreSQL: each client finds server and certificates in its own way; MySQL's clients differ in their answers to the
//! request for a token, whose forms `server/tests/mysql.rs` tries.
//!
//! They start the program `rds-iam-emulator`, as a test in another language does.

mod emulator;
mod program;

use std::path::{Path, PathBuf};

use rds_iam_emulator_account::python_with;
use rds_iam_emulator_server::command::{Command, missing};
use rds_iam_emulator_server::host::cache::Entry;
use rds_iam_emulator_server::{Error, LoginEvent, RefusalCode, clients};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use self::emulator::Emulator;
use self::program::Program;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The user and the version of TLS of a session.
const SESSION: &str =
    "SELECT concat(current_user, ' ', version) FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/// A name in no certificate of the emulator.
const OTHER_HOST: &str = "other.c0ffee123456.us-east-1.rds.amazonaws.com";

#[tokio::test]
async fn psql() -> Result {
    let program = Program::new(clients::psql().await?)
        .args(["--no-psqlrc", "--no-password", "--no-align", "--tuples-only", "--command"])
        .refuses_other_names_with("does not match host name")
        .refuses_other_authorities_with("certificate verify failed");
    check(&program, "from_psql").await
}

#[tokio::test]
async fn psycopg() -> Result {
    let requirements = include_str!("requirements.txt");
    let program = Program::new(python_with("psycopg", requirements, "install psycopg").await?)
        .args(["-I", "-B"])
        .arg(source("client.py"))
        .refuses_other_names_with("does not match host name")
        .refuses_other_authorities_with("certificate verify failed");
    check(&program, "from_psycopg").await
}

#[tokio::test]
async fn node_postgres() -> Result {
    let program = Program::new("node")
        .env("NODE_PATH", node_modules().await?)
        .arg(source("client.js"))
        .refuses_other_names_with("ERR_TLS_CERT_ALTNAME_INVALID")
        .refuses_other_authorities_with("UNABLE_TO_VERIFY_LEAF_SIGNATURE")
        .reports_sqlstates();
    check(&program, "from_node").await
}

#[tokio::test]
async fn pgjdbc() -> Result {
    let missing = missing(&["java", "javac"]);
    if !missing.is_empty() {
        let hint = "on Debian, `apt-get install default-jdk-headless`; 17 or later";
        return Err(Error::MissingTools { purpose: "run pgjdbc", tools: missing, hint }.into());
    }
    let driver = clients::pgjdbc().await?;
    let classes = tempfile::tempdir()?;
    Command::new("javac").arg("-d").arg(classes.path()).arg(source("Client.java")).output().await?;
    let program = Program::new("java")
        .arg("-cp")
        .arg(std::env::join_paths([driver.as_path(), classes.path()])?)
        .arg("Client")
        .refuses_other_names_with("could not be verified")
        .refuses_other_authorities_with("PKIX path")
        .reports_sqlstates();
    check(&program, "from_java").await
}

#[tokio::test]
async fn the_token_that_the_readme_signs_has_expired() -> Result {
    let emulator = emulator().await?;
    let user = "from_readme";
    let program = Program::new(clients::psql().await?).args(["--no-psqlrc", "--no-password", "--command"]);
    let master = emulator.login(emulator.master.username(), emulator.master.password());
    program.succeeds(&master, &format!("CREATE USER {user}; GRANT rds_iam TO {user}")).await?;
    program.fails(&emulator.login(user, &emulator.late_token(user).await?), SESSION).await?;
    let codes: Vec<_> = emulator.logins(user)?.iter().map(LoginEvent::code).collect();
    assert_eq!(codes, [Some(RefusalCode::ExpiredToken)]);
    Ok(())
}

/// Returns the emulator that the tests share.
async fn emulator() -> Result<&'static Emulator> {
    static EMULATOR: OnceCell<Emulator> = OnceCell::const_new();
    EMULATOR.get_or_try_init(Emulator::start).await
}

/// Checks a client with a user that it creates itself.
async fn check(client: &Program, user: &str) -> Result {
    let emulator = emulator().await?;

    // By password, AWS's own statements.
    let master = emulator.login(emulator.master.username(), emulator.master.password());
    client.succeeds(&master, &format!("CREATE USER {user}; GRANT rds_iam TO {user}")).await?;
    let token = emulator.token(user).await?;
    let login = emulator.login(user, &token);
    assert_eq!(client.succeeds(&login, SESSION).await?, format!("{user} TLSv1.3\n"));

    let refusal = format!("PAM authentication failed for user \"{user}\"");
    let of_another = emulator.token("another_user").await?;
    for bad in [changed(&token), of_another] {
        let printed = client.fails(&emulator.login(user, &bad), SESSION).await?;
        assert!(printed.contains(&refusal), "{printed}");
        assert_eq!(printed.contains("28000"), client.reports_sqlstates, "{printed}");
        assert!(!printed.contains("X-Amz-Signature"), "the token is printed");
    }

    // The token is sent to neither.
    let printed = client.fails(&login.at(OTHER_HOST), SESSION).await?;
    assert!(printed.contains(client.name_refusal), "{printed}");
    let printed = client.fails(&login.trusting(&amazon()), SESSION).await?;
    assert!(printed.contains(client.authority_refusal), "{printed}");

    let expected = [None, Some(RefusalCode::InvalidToken), Some(RefusalCode::InvalidToken)];
    let logins = emulator.logins(user)?;
    let codes: Vec<_> = logins.iter().map(LoginEvent::code).collect();
    assert_eq!(codes, expected, "{logins:?}");
    Ok(())
}

/// Returns the token with another signature.
fn changed(token: &str) -> String {
    let (before, signature) = token.split_once("X-Amz-Signature=").expect("a token has a signature");
    let turned: String = signature.chars().map(|c| if c == '0' { '1' } else { '0' }).collect();
    format!("{before}X-Amz-Signature={turned}")
}

/// Returns the path of a client's source.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Returns a file with authorities that did not sign the emulator's certificate: Amazon's.
fn amazon() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../roots/certificates/amazon-trust-services.pem")
}

/// Returns the folder of node-postgres and its dependencies, installed into the cache at the first call.
async fn node_modules() -> Result<PathBuf> {
    let missing = missing(&["node", "npm"]);
    if !missing.is_empty() {
        let hint = "on Debian, `apt-get install nodejs npm`; 16 or later";
        return Err(Error::MissingTools { purpose: "run node-postgres", tools: missing, hint }.into());
    }
    let lock = include_str!("package-lock.json");
    let entry = Entry::lock(&format!("node-postgres-{}", hex::encode(&Sha256::digest(lock)[..6]))).await?;
    if let Some(folder) = entry.existing() {
        return Ok(folder.join("node_modules"));
    }
    let scratch = entry.begin()?;
    std::fs::write(scratch.join("package-lock.json"), lock)?;
    std::fs::write(scratch.join("package.json"), include_str!("package.json"))?;
    let install = Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    install.output_in(&scratch).await?;
    Ok(entry.finish(&scratch)?.join("node_modules"))
}
