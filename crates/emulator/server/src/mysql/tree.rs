//! A MySQL server without an installation: `mysqld` with everything it loads, extracted from Debian's
//! packages into a folder, without root.
//!
//! Debian's stable suites have no MySQL; its unstable suite has. A private apt state reads only that suite,
//! so this machine's own package settings and state are not touched.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tracing::info;

use crate::command::Command;
use crate::error::Error;
use crate::host::cache::Entry;
use crate::host::debian::{self, Apt, Architecture};
use crate::host::file::{copy_file, copy_folder};

/// The version of the recipe. Increment it when the content of the tree changes, so that no older tree is
/// used.
pub(crate) const RECIPE: &str = "1";

const SUITE: &str = "sid";
const SERVER_PACKAGE: &str = "mysql-server-core";

/// The paths in the packages that a server does not load: mostly maintainers' tools.
const NOT_NEEDED: [&str; 20] = [
    "base-files",
    "base-passwd",
    "cdebconf",
    "debconf",
    "debianutils",
    "dpkg",
    "grep",
    "libc-gconv-modules-extra",
    "libdb",
    "libgdbm",
    "libpam",
    "libperl",
    "login",
    "mysql-common",
    "netbase",
    "passwd",
    "perl",
    "sed",
    "tar",
    "init-system-helpers",
];

/// The programs of the tree, besides the shared objects that they load.
const PROGRAMS: [&str; 2] = ["usr/sbin/mysqld", "usr/bin/dash"];

/// The plugin folder of a container's server.
pub(crate) const PLUGINS: &str = "rds-iam/plugin";

/// A tree in the cache.
#[derive(Clone)]
pub(crate) struct DebianRoot {
    root: PathBuf,
    architecture: &'static Architecture,
    /// The version of the server's package.
    pub(crate) version: String,
}

impl DebianRoot {
    /// Returns the tree in the cache, if it exists.
    pub(crate) async fn cached() -> Result<Option<Self>, Error> {
        let architecture = Architecture::of_this_machine()?;
        let entry = Entry::lock(&entry_name(architecture)).await?;
        entry.existing().map(|root| Self::open(root, architecture)).transpose()
    }

    /// Returns the tree in the cache, and downloads it first if missing.
    pub(crate) async fn from_cache() -> Result<Self, Error> {
        let architecture = Architecture::of_this_machine()?;
        let entry = Entry::lock(&entry_name(architecture)).await?;
        if let Some(root) = entry.existing() {
            return Self::open(root, architecture);
        }
        let missing = debian::missing_tools();
        if !missing.is_empty() {
            return Err(Error::MissingTools {
                purpose: "fetch a MySQL server from Debian's packages",
                tools: missing,
                hint: "run on Debian or a system derived from it, or start a Docker engine that can pull mysql:8.4",
            });
        }
        let scratch = entry.begin()?;
        let root = scratch.join("root");
        let version = fetch(&scratch, architecture).await?;
        gather(&scratch.join("packages"), &root, architecture).await?;
        let version_file = root.join("VERSION");
        fs::write(&version_file, version).map_err(Error::io("write", &version_file))?;

        // Only the gathered tree is kept.
        let root = entry.finish(&root)?;
        fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
        info!("the MySQL server is in {}", root.display());
        Self::open(&root, architecture)
    }

    fn open(root: &Path, architecture: &'static Architecture) -> Result<Self, Error> {
        let version_file = root.join("VERSION");
        let version = fs::read_to_string(&version_file).map_err(Error::io("read", &version_file))?;
        Ok(Self { root: root.to_owned(), architecture, version })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the command line that runs the tree's server on this host, independent of the host's
    /// libraries.
    pub(crate) fn server(&self) -> Vec<String> {
        let path = |below: &str| self.root.join(below).display().to_string();
        vec![
            path(self.architecture.loader),
            "--library-path".into(),
            path(&format!("usr/lib/{}", self.architecture.triplet)),
            path("usr/sbin/mysqld"),
            "--no-defaults".into(),
            format!("--lc-messages-dir={}", path("usr/share/mysql")),
            format!("--character-sets-dir={}", path("usr/share/mysql/charsets")),
        ]
    }
}

/// Downloads the packages and unpacks them into `work/packages`; returns the version of the server.
async fn fetch(work: &Path, architecture: &Architecture) -> Result<String, Error> {
    let apt = Apt::of_suite(work, SUITE, architecture).await?;
    info!("reading the package lists of Debian's {SUITE} suite");
    apt.update().await?;
    let plan = apt.plan(&[SERVER_PACKAGE, "dash"]).await?;
    let wanted = to_install(&plan);
    info!("downloading MySQL and what it loads: {} packages", wanted.len());
    let debs = apt.download(&wanted).await?;
    info!("unpacking them");
    debian::unpack(&debs, &work.join("packages")).await?;
    // <package>_<version>_<architecture>.deb
    let names = debs.iter().filter_map(|deb| deb.file_name()?.to_str()?.strip_prefix(SERVER_PACKAGE));
    let version = names.filter_map(|rest| rest.split('_').nth(1)).next();
    version.map(str::to_owned).ok_or_else(|| Error::MissingTools {
        purpose: "fetch a MySQL server from Debian's packages",
        tools: vec![SERVER_PACKAGE],
        hint: "the mirror's sid suite does not have this package any more: set RDS_IAM_EMULATOR_MYSQL_IMAGE to an image of MySQL",
    })
}

fn entry_name(architecture: &Architecture) -> String {
    format!("mysql-{}-{RECIPE}", architecture.debian)
}

/// Returns the packages in apt's plan that a server needs.
fn to_install(plan: &str) -> Vec<&str> {
    let planned = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
    planned.filter(|package| !NOT_NEEDED.iter().any(|no| package.starts_with(no))).collect()
}

/// Copies the server and everything it loads from the unpacked packages to `root`.
async fn gather(packages: &Path, root: &Path, architecture: &Architecture) -> Result<(), Error> {
    info!("gathering what the server loads");
    let library = format!("usr/lib/{}", architecture.triplet);
    let loader_name = Path::new(architecture.loader).file_name().unwrap_or_default();
    let loader = packages.join(&library).join(loader_name);
    let copy = |from: &Path, to: &str| copy_file(from, &root.join(to));

    copy(&loader, architecture.loader)?;
    for program in PROGRAMS {
        let from = packages.join(program);
        copy(&from, program)?;
        let loaded = Command::new(&loader)
            .arg("--library-path")
            .arg(packages.join(&library))
            .arg("--list")
            .arg(&from)
            .output()
            .await?;
        // `name => path (address)`
        for object in loaded.lines().filter_map(|line| line.split_once(" => ")?.1.split(' ').next()) {
            let object = Path::new(object);
            if let (true, Some(name)) = (object.starts_with(packages), object.file_name()) {
                copy(object, &format!("{library}/{}", name.to_string_lossy()))?;
            }
        }
    }
    copy(&packages.join("usr/bin/dash"), "bin/sh")?;
    for dir in ["english", "charsets"] {
        let below = format!("usr/share/mysql/{dir}");
        copy_folder(&packages.join(&below), &root.join(&below))?;
    }
    // The server loads this one at every start.
    let component = "component_reference_cache.so";
    copy(&packages.join("usr/lib/mysql/plugin").join(component), &format!("{PLUGINS}/{component}"))?;

    let users = root.join("etc/passwd");
    fs::create_dir_all(root.join("etc")).map_err(Error::io("create", &users))?;
    fs::write(&users, "root:x:0:0:root:/:/bin/sh\n").map_err(Error::io("write", &users))?;
    let tmp = root.join("tmp");
    fs::create_dir(&tmp)
        .and_then(|()| fs::set_permissions(&tmp, fs::Permissions::from_mode(0o1777)))
        .map_err(Error::io("create", &tmp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_taken_without_the_maintainers_tools() {
        let plan = "Inst libc6 (2.43-7 Debian:unstable [amd64])\nInst perl-base (5.42 Debian)\nInst mysql-server-core (9.7.4-2 Debian) []\nConf libc6 (2.43-7)\n";
        assert_eq!(to_install(plan), ["libc6", "mysql-server-core"]);
    }
}
