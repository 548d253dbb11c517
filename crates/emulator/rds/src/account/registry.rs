//! The registry: Debian's `docker-registry`, which keeps real images, on the loopback address.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tracing::info;

use super::folder::{Folder, write_whole};
use crate::command::{missing, tail};
use crate::error::Error;
use crate::http;
use crate::process::free_port;
use crate::tied::Tied;

const PROGRAM: &str = "docker-registry";

/// The login that moto's GetAuthorizationToken hands out, and that password as bcrypt has it. It is no secret.
const LOGIN: &str = "AWS:123456789012-auth-token";
const HTPASSWD: &str = "AWS:$2b$05$3j99mcQdVlFwnFTxatZHJeSWJfRNWQkIxZezlj4SblN6.Xo/dYz22\n";

/// How long it may take to start. It takes a tenth of a second.
const READY_TIMEOUT: Duration = Duration::from_secs(20);

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How often another port is tried when somebody else takes the one that was free.
const PORT_TRIES: u32 = 5;

/// A running registry. Dropping it ends it.
pub(crate) struct Registry {
    program: Tied,
    address: String,
    images: PathBuf,
    log: PathBuf,
}

impl Registry {
    /// Whether this machine can run one.
    ///
    /// # Errors
    /// [`Error::MissingTools`] when it cannot.
    pub(crate) fn is_possible() -> Result<(), Error> {
        match missing(&[PROGRAM]) {
            tools if tools.is_empty() => Ok(()),
            tools => Err(Error::MissingTools {
                purpose: "run the registry of the account",
                tools,
                hint: "on Debian, `apt-get install docker-registry`",
            }),
        }
    }

    /// Starts one, empty, and waits until it answers.
    ///
    /// # Errors
    /// [`Error::NotReady`] when it does not.
    pub(crate) async fn start(folder: &Folder) -> Result<Self, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let port = free_port().map_err(Error::io("find a free port on", Path::new("127.0.0.1")))?;
            match Self::start_at(folder, port).await {
                // Somebody else may have taken the port.
                Err(Error::NotReady { .. }) if tries < PORT_TRIES => {}
                started => return started,
            }
        }
    }

    async fn start_at(folder: &Folder, port: u16) -> Result<Self, Error> {
        let address = format!("127.0.0.1:{port}");
        let (images, passwords) = (folder.join("registry"), folder.join("registry/htpasswd"));
        write_whole(&passwords, HTPASSWD, 0o600)?;
        let configuration = json!({
            "version": 0.1,
            "log": { "level": "warn" },
            "storage": { "filesystem": { "rootdirectory": images }, "delete": { "enabled": true } },
            "auth": { "htpasswd": { "realm": "rds-iam-emulator", "path": passwords } },
            "http": { "addr": address },
        });
        // YAML, of which JSON is a part.
        let file = folder.join("registry/config.yml");
        write_whole(&file, &configuration.to_string(), 0o600)?;
        let log: File = folder.log("registry")?;
        let command = [PROGRAM.to_owned(), "serve".to_owned(), file.display().to_string()];
        let program = Tied::program(&command, &log)?;
        let mut registry = Self { program, address, images, log: folder.join("registry.log") };
        let answers = async {
            loop {
                if let Some(status) = registry.program.ended() {
                    return Err(registry.not_ready(format!("it ended with {status}")));
                }
                // Without a login it says 401.
                if http::get(&registry.address, "/v2/", ANSWER_WITHIN).await.is_ok_and(|a| a.status == 401) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ready = tokio::time::timeout(READY_TIMEOUT, answers).await;
        ready.unwrap_or_else(|_| {
            Err(registry.not_ready(format!("no answer within {} s", READY_TIMEOUT.as_secs())))
        })?;
        info!("the registry at {}", registry.address);
        Ok(registry)
    }

    /// Where it answers, such as `127.0.0.1:5000`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The folder of its images.
    pub(crate) fn images(&self) -> &Path {
        &self.images
    }

    /// What Docker's client has to have in its `config.json` to be let in.
    pub(crate) fn docker_config(&self) -> String {
        json!({ "auths": { &self.address: { "auth": BASE64_STANDARD.encode(LOGIN) } } }).to_string()
    }

    /// How it ended, if it did although nobody wanted it to.
    pub(crate) fn ended(&mut self) -> Option<Error> {
        let status = self.program.ended()?;
        Some(Error::Ended { server: "the registry", status: Some(status), log: self.log_tail() })
    }

    fn not_ready(&self, reason: String) -> Error {
        Error::NotReady { server: "the registry", reason, log: self.log_tail() }
    }

    fn log_tail(&self) -> String {
        tail(&fs::read_to_string(&self.log).unwrap_or_default())
    }
}
