//! The commands of `crates/emulator/README.md` that log in with `rds-iam connect`, run by bash from their text. The emulator
//! is in this process: a program in its place prints what it would print, or waits to be ended. An account needs a
//! registry, so these tests have the name of the account's own.
//!
//! Only PostgreSQL: the page shows these commands with one engine.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rds_iam_emulator_account::{Account, python_with};
use rds_iam_emulator_server::command::Command;
use rds_iam_emulator_server::{Postgres, clients, fixtures};
use serde_json::json;
use tokio::sync::oneshot;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const PAGE: &str = include_str!("../../emulator/README.md");

/// Every package of the AWS CLI with the hashes of its files.
const AWS_CLI: &str = include_str!("../../emulator/account/tests/pages/requirements.txt");

/// The time limit of a block; the first database on a machine has to be downloaded.
const WITHIN: Duration = Duration::from_secs(300);

#[tokio::test]
async fn the_page_logs_in_to_the_emulator() -> Result {
    let home = Home::new().await?;
    let server = Postgres::builder().database("shop").start().await?;
    fixtures::create_user(&server, "app", "SELECT, INSERT, UPDATE, DELETE ON shop.*").await?;
    let credentials_file = home.path("credentials");
    server.write_credentials_file(&credentials_file)?;
    let started = json!({
        "endpoint": server.endpoint().to_string(),
        "dial": server.dial().to_string(),
        "ca_file": server.ca_path(),
        "credentials_file": credentials_file,
    });
    fs::write(home.path("started"), started.to_string())?;
    let print = format!("cat '{}' && exec cat >/dev/null", home.path("started").display());
    home.emulator("--engine postgresql --database shop --user app", &print)?;
    let build = "[ \"$*\" = 'build --workspace --bin rds-iam --bin rds-iam-emulator' ]";
    home.program("cargo", build)?;
    assert_eq!(home.run(block("cargo build")).await?, "app\n");
    Ok(())
}

#[tokio::test]
async fn the_page_logs_in_through_a_tunnel_in_an_account() -> Result {
    let home = Home::new().await?;
    let python = python_with("aws-cli", AWS_CLI, "install the AWS CLI").await?;
    home.program("aws", &format!("exec '{}' -I -m awscli \"$@\"", python.display()))?;
    home.emulator("account --dir account", "exec sleep 600 >/dev/null 2>&1")?;
    // No machine is launched, so that nothing calls this program.
    let account = Account::start(&home.path("account"), Path::new("rds-iam-emulator")).await?;
    let (end, ended) = oneshot::channel::<()>();
    let commands = async {
        let printed = home.run(block("rds-iam-emulator account")).await;
        drop(end);
        printed
    };
    let until_then = async {
        ended.await.ok();
    };
    let (account, printed) = tokio::join!(account.run(until_then), commands);
    account?;
    let printed = printed?;
    assert_eq!(printed.lines().last(), Some("app"), "{printed}");
    Ok(())
}

/// Returns the only block of commands of the page that has `part`.
fn block(part: &str) -> &'static str {
    let blocks = PAGE.split("```bash\n").skip(1).filter_map(|rest| rest.split("```").next());
    let found: Vec<_> = blocks.filter(|block| block.contains(part)).collect();
    let [block] = found[..] else { panic!("blocks with {part}: {found:?}") };
    block
}

/// An empty home folder, with programs on its `PATH`.
struct Home(tempfile::TempDir);

impl Home {
    async fn new() -> Result<Self> {
        let home = Self(tempfile::tempdir()?);
        fs::create_dir(home.path("bin"))?;
        symlink(env!("CARGO_BIN_EXE_rds-iam"), home.path("bin/rds-iam"))?;
        home.program("psql", &format!("exec '{}' \"$@\"", clients::psql().await?.display()))?;
        Ok(home)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, name: &str, script: &str) -> Result {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
    }

    /// Puts a script in the place of `rds-iam-emulator`, which is called with these arguments.
    fn emulator(&self, arguments: &str, script: &str) -> Result {
        let check = format!("[ \"$*\" = '{arguments}' ] || {{ echo \"unexpected: $*\" >&2; exit 1; }}");
        self.program("rds-iam-emulator", &format!("{check}\n{script}"))
    }

    /// Runs a block of the page. Returns its output.
    async fn run(&self, block: &str) -> Result<String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([self.path("bin")].into_iter().chain(std::env::split_paths(&path)))?;
        let command = Command::new("bash").args(["-eu", "-o", "pipefail", "-c", block]);
        let command = command.bare().env("PATH", path).env("HOME", self.0.path());
        Ok(tokio::time::timeout(WITHIN, command.output_in(self.0.path())).await??)
    }
}
