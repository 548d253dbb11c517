//! A workstation for the program under test: the files and the environment of a person, and a server with a user.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rds_iam_emulator_server::fixtures::create_user;
use rds_iam_emulator_server::{Kind, Server, clients};
use sqlx::{MySql, Postgres};

/// What differs between the engines' clients.
pub(crate) trait TestEngine: Kind {
    const SCHEME: &'static str;
    /// The client's answer to its question for the user.
    const APP: &'static str;

    async fn client() -> PathBuf;

    /// Returns the arguments with which the client prints a query's result alone.
    fn query(sql: &str) -> Vec<String>;

    const CURRENT_USER: &'static str = "select current_user()";
}

impl TestEngine for MySql {
    const SCHEME: &'static str = "mysql";
    const APP: &'static str = "app@%";

    async fn client() -> PathBuf {
        clients::mysql().await.unwrap()
    }

    fn query(sql: &str) -> Vec<String> {
        ["-N", "-B", "-e", sql].map(str::to_owned).to_vec()
    }
}

impl TestEngine for Postgres {
    const SCHEME: &'static str = "postgres";
    const APP: &'static str = "app";
    const CURRENT_USER: &'static str = "select current_user";

    async fn client() -> PathBuf {
        clients::psql().await.unwrap()
    }

    fn query(sql: &str) -> Vec<String> {
        ["-X", "-A", "-t", "-c", sql].map(str::to_owned).to_vec()
    }
}

/// A server with the user `app`, and the files of a workstation.
pub(crate) struct Workstation<E: Kind> {
    pub(crate) server: Server<E>,
    pub(crate) folder: tempfile::TempDir,
}

impl<E: TestEngine> Workstation<E> {
    pub(crate) async fn new() -> Self {
        let server = Server::<E>::builder().database("shop").start().await.unwrap();
        create_user(&server, "app", "SELECT ON shop.*").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        server.write_credentials_file(&folder.path().join("credentials")).unwrap();
        Self { server, folder }
    }

    pub(crate) fn url(&self) -> String {
        let (server, ca) = (&self.server, self.server.ca_path());
        format!(
            "{}://app@{}/shop?region={}&dial={}&sslrootcert={}",
            E::SCHEME,
            server.endpoint(),
            server.region(),
            server.dial(),
            ca.display()
        )
    }

    #[expect(clippy::disallowed_methods, reason = "this is the program under test")]
    pub(crate) fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rds-iam"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("AWS_SHARED_CREDENTIALS_FILE", self.folder.path().join("credentials"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("RUST_LOG", "trace")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn connect(&self, program: &Path, arguments: &[String]) -> Output {
        self.program().arg("connect").arg(self.url()).arg("--").arg(program).args(arguments).output().unwrap()
    }
}
