//! OpenSSH from Debian's packages, without an installation, for a benchmark.

use std::path::PathBuf;

use crate::error::Error;
use crate::host::tree::{ON_DEBIAN, Recipe, Tree};

const SERVER: &str = "usr/sbin/sshd";
const CLIENT: &str = "usr/bin/ssh";
const KEYGEN: &str = "usr/bin/ssh-keygen";

/// See [`Recipe::not_needed`].
const NOT_NEEDED: [&str; 16] = [
    "adduser",
    "debconf",
    "init-system-helpers",
    "libncursesw",
    "libpam-modules",
    "libpam-runtime",
    "libproc2",
    "libsemanage",
    "lsb-base",
    "openssh-sftp-server",
    "passwd",
    "perl",
    "procps",
    "runit-helper",
    "sysvinit-utils",
    "ucf",
];

/// The programs of OpenSSH.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenSsh {
    /// `sshd`.
    pub server: PathBuf,
    /// `ssh`.
    pub client: PathBuf,
    /// `ssh-keygen`.
    pub keygen: PathBuf,
}

/// Returns OpenSSH, and downloads it into the cache first if missing. Every user may run it: as root, `sshd` needs a
/// user that is made by an installation.
///
/// # Errors
/// Returns [`Error::MissingTools`] without apt, and [`Error::Command`] with its message if it can't fetch.
pub async fn openssh() -> Result<OpenSsh, Error> {
    let programs = [SERVER, CLIENT, KEYGEN];
    let recipe = Recipe {
        name: "openssh".into(),
        version: "1",
        product: "OpenSSH",
        // Later versions have the server in several programs, which find each other by fixed paths.
        suite: "bookworm",
        server: "openssh-server".into(),
        packages: &["dash"],
        not_needed: &NOT_NEEDED,
        programs: programs.map(str::to_owned).to_vec(),
        hint: ON_DEBIAN,
        shared: true,
    };
    let tree = Tree::from_cache(&recipe, |gather| {
        programs.iter().try_for_each(|program| gather.wrap(program, program))
    });
    let tree = tree.await?;
    let path = |program| tree.root().join(program);
    Ok(OpenSsh { server: path(SERVER), client: path(CLIENT), keygen: path(KEYGEN) })
}
