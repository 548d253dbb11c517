//! The registry: Debian's `docker-registry`, which keeps real images, on the loopback address. Where it is not
//! installed, its package is unpacked into the cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tracing::info;

use super::folder::{Folder, write_whole};
use crate::cache::Entry;
use crate::command::{self, Command, tail};
use crate::debian::{self, Apt};
use crate::error::Error;
use crate::http;
use crate::process::free_port;
use crate::tied::Tied;

/// The program, and the package that has it.
const PROGRAM: &str = "docker-registry";

/// Raise it when what is put into the cache changes, so that no older folder is used.
const RECIPE: &str = "1";

/// The login that moto's GetAuthorizationToken hands out, and that password as bcrypt has it. It is no secret.
const LOGIN: &str = "AWS:123456789012-auth-token";
const HTPASSWD: &str = "AWS:$2b$05$3j99mcQdVlFwnFTxatZHJeSWJfRNWQkIxZezlj4SblN6.Xo/dYz22\n";

/// How long it may take to start. It takes a tenth of a second.
const READY_TIMEOUT: Duration = Duration::from_secs(20);

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How often another port is tried when somebody else takes the one that was free.
const PORT_TRIES: u32 = 5;

/// The registry's program: the one on `PATH`, or one that is unpacked into the cache at the first call, from the
/// package sources of this machine, without root.
///
/// # Errors
/// [`Error::MissingTools`] where neither can be had, and [`Error::Command`] with apt's own message where the package
/// can't be fetched.
pub async fn registry_program() -> Result<PathBuf, Error> {
    if let Some(program) = command::find(PROGRAM) {
        return Ok(program);
    }
    let entry = Entry::lock(&format!("{PROGRAM}-{}-{RECIPE}", std::env::consts::ARCH)).await?;
    if let Some(existing) = entry.existing() {
        return Ok(existing.join(PROGRAM));
    }
    let tools = debian::missing_tools();
    if !tools.is_empty() {
        return Err(Error::MissingTools {
            purpose: "fetch docker-registry, the registry of the account",
            tools,
            hint: "install docker-registry; on Debian and Ubuntu, `apt-get install docker-registry`",
        });
    }
    let scratch = entry.begin()?;
    info!("fetching docker-registry from this machine's package sources");
    // Of this machine's own suite, so that the C library it is linked with is here.
    let apt = Apt::of_this_machine(&scratch).await?;
    apt.update().await?;
    let debs = apt.download(&[PROGRAM]).await?;
    let packages = scratch.join("packages");
    debian::unpack(&debs, &packages).await?;
    let finished = scratch.join("finished");
    debian::copy_file(&packages.join("usr/bin").join(PROGRAM), &finished.join(PROGRAM))?;
    // Whether it runs here.
    Command::new(finished.join(PROGRAM)).arg("--version").output().await?;
    let folder = entry.finish(&finished)?;
    fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
    info!("docker-registry is in {}", folder.display());
    Ok(folder.join(PROGRAM))
}

/// A running registry. Dropping it ends it.
pub(crate) struct Registry {
    program: Tied,
    address: String,
    images: PathBuf,
    log: PathBuf,
}

impl Registry {
    /// Starts one, empty, and waits until it answers.
    ///
    /// # Errors
    /// [`Error::NotReady`] when it does not.
    pub(crate) async fn start(folder: &Folder) -> Result<Self, Error> {
        let program = registry_program().await?;
        let mut tries = 0;
        loop {
            tries += 1;
            let port = free_port().map_err(Error::io("find a free port on", Path::new("127.0.0.1")))?;
            match Self::start_at(&program, folder, port).await {
                // Somebody else may have taken the port.
                Err(Error::NotReady { .. }) if tries < PORT_TRIES => {}
                started => return started,
            }
        }
    }

    async fn start_at(program: &Path, folder: &Folder, port: u16) -> Result<Self, Error> {
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
        let command = [program.display().to_string(), "serve".to_owned(), file.display().to_string()];
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
