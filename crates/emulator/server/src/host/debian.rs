//! Packages of Debian, and of systems derived from it, fetched without root: a private apt state in a
//! separate folder, so that neither this machine's package settings nor its state change.
//!
//! Every package is checked as apt always does: the suite's `Release` file against the keys of its archive, the
//! lists against that file, each package against its list. Nothing here relaxes that.

use std::fs;
use std::path::{Path, PathBuf};

use super::file::entries;
use crate::command::{self, Command};
use crate::error::Error;

/// The environment variable that names a Debian mirror.
const MIRROR_VARIABLE: &str = "RDS_IAM_EMULATOR_DEBIAN_MIRROR";

/// The keys of Debian's archive.
const ARCHIVE_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Debian's name for a kind of machine, and the path of its dynamic loader.
pub(crate) struct Architecture {
    pub(crate) debian: &'static str,
    pub(crate) triplet: &'static str,
    pub(crate) loader: &'static str,
}

const X86_64: Architecture =
    Architecture { debian: "amd64", triplet: "x86_64-linux-gnu", loader: "lib64/ld-linux-x86-64.so.2" };
const AARCH64: Architecture =
    Architecture { debian: "arm64", triplet: "aarch64-linux-gnu", loader: "lib/ld-linux-aarch64.so.1" };

impl Architecture {
    /// Returns this machine's architecture.
    ///
    /// # Errors
    /// Returns [`Error::Setting`] on a machine whose packages are not known to work.
    pub(crate) fn of_this_machine() -> Result<&'static Self, Error> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(&X86_64),
            "aarch64" => Ok(&AARCH64),
            other => Err(Error::Setting {
                setting: "this machine's architecture",
                value: other.into(),
                problem: "servers from Debian's packages are known to work on x86_64 and aarch64 only; for MySQL, RDS_IAM_EMULATOR_MYSQL_IMAGE may name an image for it".into(),
            }),
        }
    }
}

/// Returns the programs that fetching needs and this machine lacks.
pub fn missing_tools() -> Vec<&'static str> {
    command::missing(&["apt-get", "apt-config", "dpkg-deb"])
}

/// A private apt state.
pub struct Apt {
    work: PathBuf,
    config: PathBuf,
}

impl Apt {
    /// Returns an apt state that reads a single suite of Debian, regardless of this machine's own sources.
    pub(crate) async fn of_suite(
        work: &Path,
        suite: &str,
        architecture: &Architecture,
    ) -> Result<Self, Error> {
        let sources = format!("deb [signed-by={ARCHIVE_KEYS}] {} {suite} main\n", mirror().await?);
        let path = work.join("sources.list");
        fs::write(&path, sources).map_err(Error::io("write", &path))?;
        Self::new(work, &suite_settings(work, architecture)).await
    }

    /// Returns an apt state that reads the sources of this machine itself.
    ///
    /// # Errors
    /// Returns [`Error::Io`] or [`Error::Command`] when it can't be made.
    pub async fn of_this_machine(work: &Path) -> Result<Self, Error> {
        Self::new(work, "").await
    }

    async fn new(work: &Path, more: &str) -> Result<Self, Error> {
        for dir in ["state/lists/partial", "cache/archives/partial", "debs", "empty", "packages"] {
            let dir = work.join(dir);
            fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        }
        let (status, config) = (work.join("status"), work.join("apt.conf"));
        fs::write(&status, "").map_err(Error::io("write", &status))?;
        // The settings for this machine's mirror: proxies, certificates and so on.
        let acquire = Command::new("apt-config").args(["dump", "Acquire"]).output().await?;
        fs::write(&config, settings(work, &acquire, more)).map_err(Error::io("write", &config))?;
        Ok(Self { work: work.to_owned(), config })
    }

    /// Reads the package lists.
    ///
    /// # Errors
    /// Returns [`Error::Command`] with apt's own message.
    pub async fn update(&self) -> Result<(), Error> {
        self.get().arg("update").output().await?;
        Ok(())
    }

    /// Returns apt's plan for installing `packages` on an empty system.
    pub(crate) async fn plan(&self, packages: &[&str]) -> Result<String, Error> {
        let plan = self.get().args(["install", "--simulate"]).args(packages.iter().copied());
        Ok(plan.output().await?)
    }

    /// Downloads `packages` and returns the files.
    ///
    /// # Errors
    /// Returns [`Error::Command`] with apt's own message.
    pub async fn download(&self, packages: &[&str]) -> Result<Vec<PathBuf>, Error> {
        let debs = self.work.join("debs");
        self.get().arg("download").args(packages.iter().copied()).output_in(&debs).await?;
        entries(&debs)
    }

    fn get(&self) -> Command {
        Command::new("apt-get").arg("-qq").env("APT_CONFIG", &self.config).env("LC_ALL", "C")
    }
}

/// Unpacks packages into a folder. None of their scripts runs.
///
/// # Errors
/// Returns [`Error::Command`] if one can't be unpacked.
pub async fn unpack(debs: &[PathBuf], to: &Path) -> Result<(), Error> {
    for deb in debs {
        Command::new("dpkg-deb").arg("--extract").arg(deb).arg(to).output().await?;
    }
    Ok(())
}

/// Returns the mirror that this machine's own package settings name, unless the environment names one.
async fn mirror() -> Result<String, Error> {
    if let Ok(mirror) = std::env::var(MIRROR_VARIABLE) {
        return Ok(mirror);
    }
    // The labels are known once the lists have been read; before that, every repository is tried.
    let labelled: &[&str] = &["Origin: Debian", "Label: Debian"];
    for filter in [labelled, &[]] {
        let targets = Command::new("apt-get")
            .args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
            .args(filter)
            .output()
            .await?;
        if let Some(mirror) = targets.lines().next() {
            return Ok(mirror.to_owned());
        }
    }
    Err(Error::Setting {
        setting: MIRROR_VARIABLE,
        value: String::new(),
        problem: "apt knows no repository either: name the address of a Debian mirror".into(),
    })
}

/// Returns settings that restrict apt to the folder `work`. Later settings override earlier ones.
fn settings(work: &Path, acquire: &str, more: &str) -> String {
    let work = work.display();
    format!(
        r#"{acquire}
Dir::State "{work}/state";
Dir::State::status "{work}/status";
Dir::Cache "{work}/cache";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "{work}/empty";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "{work}/empty";
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
{more}"#
    )
}

/// Returns apt's settings for one suite alone.
///
/// A mirror may lag behind the suite by more than the week for which a `Release` file is valid: one was observed to be
/// three days late. So its date is not checked, but its signature is. The risk is in freshness alone: an attacker on
/// the way to the mirror can serve an older state of the suite, signed by Debian, with weaknesses that have been
/// fixed since. The server that is made of it listens on this machine alone and holds test data.
fn suite_settings(work: &Path, architecture: &Architecture) -> String {
    let work = work.display();
    format!(
        r#"Dir::Etc::sourcelist "{work}/sources.list";
Dir::Etc::sourceparts "{work}/empty";
APT::Architecture "{}";
Acquire::Check-Valid-Until "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
"#,
        architecture.debian
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_is_kept_to_the_folder() {
        let work = Path::new("/w");
        let settings = settings(work, "Acquire::Retries \"3\";", &suite_settings(work, &X86_64));
        assert!(settings.starts_with("Acquire::Retries"), "what is set here comes later, and so counts");
        let outside = settings.lines().filter(|l| l.starts_with("Dir::") && !l.contains("\"/w/"));
        assert!(outside.clone().all(|l| l.contains("/dev/null")), "{:?}", outside.collect::<Vec<_>>());
    }

    #[test]
    fn signatures_are_checked_whatever_this_machine_allows() {
        let allowed = "Acquire::AllowInsecureRepositories \"1\";\nAcquire::AllowWeakRepositories \"1\";\n";
        let work = Path::new("/w");
        let settings = settings(work, allowed, &suite_settings(work, &X86_64));
        for setting in ["AllowInsecureRepositories", "AllowWeakRepositories", "AllowUnauthenticated"] {
            let last = settings.lines().rfind(|line| line.contains(setting));
            assert!(last.is_some_and(|line| line.ends_with("\"false\";")), "{setting}: {last:?}");
        }
        assert!(!settings.contains("trusted"));
    }
}
