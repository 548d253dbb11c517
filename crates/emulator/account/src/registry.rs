//! The registry: Debian's `docker-registry` on the loopback address. If it is not installed, its package is unpacked
//! into the cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::command::{self, Command, tail};
use rds_iam_emulator_server::credentials::made_up_password;
use rds_iam_emulator_server::host::cache::Entry;
use rds_iam_emulator_server::host::debian::{self, Apt};
use rds_iam_emulator_server::host::file::{self, copy_file};
use rds_iam_emulator_server::host::free_port;
use serde_json::json;
use tracing::info;

use crate::child_guard::ChildGuard;
use crate::folder::Folder;
use crate::http;

/// The name of the program and of its package.
const PROGRAM: &str = "docker-registry";

/// The version of the recipe. Increment it when the content in the cache changes, so that no older folder is
/// used.
const RECIPE: &str = "1";

/// The user name that ECR expects.
const USER: &str = "AWS";

/// The cost of hashing the password: bcrypt's lowest, because the password is long and random.
const BCRYPT_COST: u32 = 4;

/// The time limit of its start, which takes a tenth of a second.
const READY_TIMEOUT: Duration = Duration::from_secs(20);

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The number of ports tried while other programs take the free ones.
const PORT_TRIES: u32 = 5;

/// Returns the registry's program: from `PATH`, or unpacked into the cache at the first call, from the
/// package sources of this machine, without root.
///
/// # Errors
/// Returns [`Error::MissingTools`] if both are missing, and [`Error::Command`] with apt's own message if the
/// package can't be fetched.
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
    // From this machine's own suite, so that the C library it is linked with is installed.
    let apt = Apt::of_this_machine(&scratch).await?;
    apt.update().await?;
    let debs = apt.download(&[PROGRAM]).await?;
    let packages = scratch.join("packages");
    debian::unpack(&debs, &packages).await?;
    let finished = scratch.join("finished");
    copy_file(&packages.join("usr/bin").join(PROGRAM), &finished.join(PROGRAM))?;
    // Checks that it runs on this machine.
    Command::new(finished.join(PROGRAM)).arg("--version").output().await?;
    let folder = entry.finish(&finished)?;
    fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
    info!("docker-registry is in {}", folder.display());
    Ok(folder.join(PROGRAM))
}

/// A running registry. Dropping it ends it.
pub(crate) struct Registry {
    program: ChildGuard,
    address: String,
    password: String,
    images: PathBuf,
    log: PathBuf,
}

impl Registry {
    /// Starts an empty registry and waits until it answers.
    ///
    /// # Errors
    /// Returns [`Error::NotReady`] if it does not answer.
    pub(crate) async fn start(folder: &Folder) -> Result<Self, Error> {
        let program = registry_program().await?;
        let password = made_up_password()?;
        let mut tries = 0;
        loop {
            tries += 1;
            let port = free_port().map_err(Error::io("find a free port on", Path::new("127.0.0.1")))?;
            match Self::start_at(&program, folder, port, &password).await {
                // Another program may have taken the port.
                Err(Error::NotReady { .. }) if tries < PORT_TRIES => {}
                started => return started,
            }
        }
    }

    async fn start_at(program: &Path, folder: &Folder, port: u16, password: &str) -> Result<Self, Error> {
        let address = format!("127.0.0.1:{port}");
        let (images, passwords) = (folder.join("registry"), folder.join("registry/htpasswd"));
        file::replace(&passwords, &format!("{USER}:{}\n", hashed(password)?), 0o600)?;
        // The AWS API returns it: `aws/account.py`.
        file::replace(&folder.join("registry/password"), password, 0o600)?;
        let configuration = json!({
            "version": 0.1,
            "log": { "level": "warn" },
            "storage": { "filesystem": { "rootdirectory": images }, "delete": { "enabled": true } },
            "auth": { "htpasswd": { "realm": "rds-iam-emulator", "path": passwords } },
            "http": { "addr": address },
        });
        // JSON is a subset of YAML.
        let file = folder.join("registry/config.yml");
        file::replace(&file, &configuration.to_string(), 0o600)?;
        let log: File = folder.log("registry")?;
        let command = [program.display().to_string(), "serve".to_owned(), file.display().to_string()];
        let program = ChildGuard::program(&command, &log)?;
        let (password, log) = (password.to_owned(), folder.join("registry.log"));
        let mut registry = Self { program, address, password, images, log };
        let answers = async {
            loop {
                if let Some(status) = registry.program.exit_status() {
                    return Err(registry.not_ready(format!("it ended with {status}")));
                }
                // Without a login it answers 401.
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

    /// Returns the address, such as `127.0.0.1:5000`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns the folder of its images.
    pub(crate) fn images(&self) -> &Path {
        &self.images
    }

    /// Returns the `config.json` with which Docker's client can log in.
    pub(crate) fn docker_config(&self) -> String {
        let login = BASE64_STANDARD.encode(format!("{USER}:{}", self.password));
        json!({ "auths": { &self.address: { "auth": login } } }).to_string()
    }

    /// Returns the error of a registry that ended unexpectedly.
    pub(crate) fn exit_error(&mut self) -> Option<Error> {
        let status = self.program.exit_status()?;
        Some(Error::Ended { server: "the registry", status: Some(status), log: self.log_tail() })
    }

    fn not_ready(&self, reason: String) -> Error {
        Error::NotReady { server: "the registry", reason, log: self.log_tail() }
    }

    fn log_tail(&self) -> String {
        tail(&fs::read_to_string(&self.log).unwrap_or_default())
    }
}

/// Returns the hash of a password, in the registry's format.
fn hashed(password: &str) -> Result<String, Error> {
    let salt = std::array::from_fn(|_| fastrand::u8(..));
    let hash = bcrypt::hash_with_salt(password, BCRYPT_COST, salt);
    hash.map(|hash| hash.to_string()).map_err(|problem| Error::Setting {
        setting: "the registry's password",
        value: "made up".into(),
        problem: problem.to_string(),
    })
}
