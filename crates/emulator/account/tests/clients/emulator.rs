//! The emulator as another language's tests start it: the program `rds-iam-emulator`, and all that it prints.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::command::Command;
use rds_iam_emulator_server::{LoginEvent, MasterCredentials};
use serde_json::Value;

use super::Result;
use super::program::Login;

/// Signs a token with botocore, which finds the access key in the emulator's credentials file.
const SIGN: &str = "
import sys, botocore.session
host, port, user, region = sys.argv[1:]
client = botocore.session.Session().create_client('rds', region_name=region)
sys.stdout.write(client.generate_db_auth_token(host, int(port), user, region))
";

/// Prints a token that the emulator's README signs with a clock that is late.
const SIGN_LATE: &str = "
import datetime, sys, unittest.mock, botocore.auth, botocore.session
host, port, user, region = sys.argv[1:]
client = botocore.session.Session().create_client('rds', region_name=region)
";

/// The running program. Its end is that of its standard input, which closes with this process at the latest.
pub(super) struct Emulator {
    _child: Child,
    started: Value,
    pub(super) master: MasterCredentials,
}

impl Emulator {
    pub(super) async fn start() -> Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rds-iam-emulator"))
            .args(["--engine", "postgresql", "--database", "shop"])
            .spawn(Stdio::piped(), Stdio::piped(), Stdio::inherit())?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let started: Value = serde_json::from_str(&line)?;
        let aws = AwsApi::connect(
            text(&started, "aws_endpoint_url"),
            text(&started, "region").parse()?,
            text(&started, "credentials_file").as_ref(),
        );
        let master = aws.await?.master_credentials(text(&started, "master_secret_arn")).await?;
        Ok(Self { _child: child, started, master })
    }

    /// Returns the login of `user` with a token or password: at the endpoint's name, which is at the server's address.
    pub(super) fn login(&self, user: &str, secret: &str) -> Login {
        let (host, _) = split(self.text("endpoint"));
        let (address, port) = split(self.text("dial"));
        Login::new(host, address, port, self.text("database"), self.text("ca_file")).with(user, secret)
    }

    /// Returns a token of botocore, for the endpoint.
    pub(super) async fn token(&self, user: &str) -> Result<String> {
        self.run_python(SIGN, user).await
    }

    /// Returns the token that the Python of the README signs.
    pub(super) async fn late_token(&self, user: &str) -> Result<String> {
        let readme = include_str!("../../../README.md");
        let code = readme.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
        let code = code.ok_or("the README has no Python")?;
        self.run_python(&format!("{SIGN_LATE}{code}sys.stdout.write(token)\n"), user).await
    }

    /// Runs a program whose arguments are the endpoint, a user and the region.
    async fn run_python(&self, program: &str, user: &str) -> Result<String> {
        let (host, port) = split(self.text("endpoint"));
        let signed = Command::new(rds_iam_emulator_account::python().await?)
            .args(["-I", "-c", program, host, port, user, self.text("region")])
            .bare()
            .env("AWS_SHARED_CREDENTIALS_FILE", self.text("credentials_file"));
        Ok(signed.output().await?)
    }

    /// Returns the logins of `user` by token so far.
    pub(super) fn logins(&self, user: &str) -> Result<Vec<LoginEvent>> {
        let record = std::fs::read_to_string(self.text("login_log"))?;
        let events: Vec<LoginEvent> =
            record.lines().map(serde_json::from_str).collect::<serde_json::Result<_>>()?;
        Ok(events.into_iter().filter(|event| event.user == user).collect())
    }

    fn text(&self, name: &str) -> &str {
        text(&self.started, name)
    }
}

fn text<'a>(started: &'a Value, name: &str) -> &'a str {
    started[name].as_str().unwrap_or_else(|| panic!("no {name} in {started}"))
}

fn split(address: &str) -> (&str, &str) {
    address.rsplit_once(':').expect("an address has a port")
}
