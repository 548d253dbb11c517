//! Builds the two base images from Debian's packages and this machine's Rust, for machines that can't pull from a
//! container registry.
//!
//! They are built once and kept in the Docker engine, so that all builds of one commit use the same ones. Images built
//! on another machine, from other versions of the packages, have other digests. A build uses them only if its caller
//! requests it.

mod base;

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use xshell::cmd;

use super::base::{Base, Pair};
use super::context::empty;
use super::docker::{DOCKER_HELP, client, docker};
use rds_iam_process::console::{Console, Style};
use rds_iam_process::error::Error;
use rds_iam_process::file::failed as file;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::workspace::{CARGO_HELP, Workspace};

/// The version of the recipe. Increment it when the content of the images changes, so that no older one is
/// used.
const RECIPE: &str = "1";

/// The packages, besides Rust, that compile Rust with C dependencies.
const PACKAGES: &str = "ca-certificates,gcc,libc6-dev";

const MMDEBSTRAP_HELP: &str = "apt-get install mmdebstrap (Debian and what is derived from it)";

/// The file of this machine's certificate authorities, unless `SSL_CERT_FILE` is set.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Returns both images, and makes missing ones first.
///
/// # Errors
/// Returns an error if a tool is missing, or the packages can't be downloaded.
pub(super) fn prepare(workspace: &Workspace, console: Console, runner: Runner) -> Result<Pair, Error> {
    let machine = Machine::this(workspace, runner)?;
    let key = machine.key()?;
    let name = |which: &str| format!("rds-iam-local/{which}:{key}");
    let (builder, base) = (name("builder"), name("base"));
    let folder = workspace.target.join("pipeline/local-bases");
    // Two concurrent builds make them once. The system releases the lock when this process ends.
    let lock = folder.with_extension("lock");
    let locked = rds_iam_process::file::open_lock(&lock)?;
    locked.lock().map_err(file("lock", &lock))?;
    if id(&builder, workspace, runner).is_none() || id(&base, workspace, runner).is_none() {
        console.line(&console.paint(
            Style::Warning,
            "no image is pulled: making a builder and a base from Debian's packages (once; two minutes)",
        ));
        empty(&folder)?;
        make(&machine, &folder, [&builder, &base], workspace, runner)?;
        fs::remove_dir_all(&folder).map_err(file("remove", &folder))?;
    }
    let found = |name: String| {
        let id = id(&name, workspace, runner);
        id.map(|digest| Base { name, digest }).ok_or_else(|| Error::Found {
            found: "the Docker engine does not keep the images that were just made".to_owned(),
            help: DOCKER_HELP.to_owned(),
        })
    };
    Ok(Pair { builder: found(builder)?, base: found(base)? })
}

/// Returns the digest of an image in the engine.
fn id(name: &str, workspace: &Workspace, runner: Runner) -> Option<String> {
    let (shell, client, id) = (workspace.shell(), client(), "{{.Id}}");
    let inspect = docker(cmd!(shell, "{client} image inspect --format {id} {name}"));
    runner.ask(&inspect).ok().map(|id| id.trim().to_owned())
}

fn make(
    machine: &Machine,
    folder: &Path,
    [builder, base]: [&str; 2],
    workspace: &Workspace,
    runner: Runner,
) -> Result<(), Error> {
    let (for_builder, for_base) = (folder.join("builder"), folder.join("base"));
    for context in [&for_builder, &for_base] {
        fs::create_dir_all(context).map_err(file("make", context))?;
    }
    let debian = for_builder.join("debian.tar");
    runner.run(&machine.mmdebstrap(&debian, folder, workspace, runner)?)?;
    let tar = base::tar(&debian).map_err(file("take packages from", &debian))?;
    let path = for_base.join("base.tar");
    fs::write(&path, tar).map_err(file("write", &path))?;
    let rust = for_builder.join("rust.tar");
    toolchain(&machine.sysroot, &rust).map_err(file("pack Rust into", &rust))?;
    let authorities = for_builder.join("ca-certificates.crt");
    fs::write(&authorities, &machine.authorities).map_err(file("write", &authorities))?;
    let (shell, client) = (workspace.shell(), client());
    for (name, context, which) in [(builder, for_builder, "builder"), (base, for_base, "base")] {
        let dockerfile = workspace.root.join("docker/local").join(which).join("Dockerfile");
        let build = cmd!(shell, "{client} build --progress plain --tag {name} --file {dockerfile} {context}");
        runner.run(&docker(build).hint(DOCKER_HELP))?;
    }
    Ok(())
}

/// The parts of this machine that go into the images.
struct Machine {
    /// The Debian suite, such as `trixie`.
    suite: String,
    /// The files with apt's sources.
    sources: Vec<PathBuf>,
    /// The output of `rustc --version --verbose`.
    rustc: String,
    sysroot: PathBuf,
    /// The trusted certificates of this machine, in PEM.
    authorities: Vec<u8>,
}

impl Machine {
    fn this(workspace: &Workspace, runner: Runner) -> Result<Self, Error> {
        let read = |path: &str| fs::read_to_string(path).map_err(file("read", Path::new(path)));
        let release = read("/etc/os-release")?;
        let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
        let sources = sources(Path::new("/etc/apt"));
        let (Some(suite), false) = (suite, sources.is_empty()) else {
            return Err(Error::Found {
                found: "local base images need Debian's packages, and this machine has no source of them"
                    .to_owned(),
                help: "build on the pinned bases, where images can be pulled".to_owned(),
            });
        };
        let shell = workspace.shell();
        let rustc = |ask| {
            let answer = runner.ask(&Cmd::from_xshell(ask, CARGO_HELP));
            answer.map(|answer| answer.trim().to_owned())
        };
        let authorities = std::env::var("SSL_CERT_FILE").unwrap_or_else(|_| AUTHORITIES.to_owned());
        Ok(Self {
            suite: suite.to_owned(),
            sources,
            rustc: rustc(cmd!(shell, "rustc --version --verbose"))?,
            sysroot: rustc(cmd!(shell, "rustc --print sysroot"))?.into(),
            authorities: fs::read(&authorities).map_err(file("read", Path::new(&authorities)))?,
        })
    }

    /// Returns a key of the images' inputs, as far as they are known before packages are resolved.
    fn key(&self) -> Result<String, Error> {
        let mut hash = Sha256::new();
        let read = |path: &PathBuf| fs::read(path).map_err(file("read", path));
        let sources: Vec<Vec<u8>> = self.sources.iter().map(read).collect::<Result<_, _>>()?;
        let texts = [RECIPE, PACKAGES, &self.suite, &self.rustc].map(|text| text.as_bytes().to_vec());
        for part in texts.into_iter().chain(sources).chain([self.authorities.clone()]) {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Ok(hex::encode(&hash.finalize()[..6]))
    }

    /// Returns the command that writes a minimal Debian with a C compiler to a tar.
    fn mmdebstrap(
        &self,
        tar: &Path,
        folder: &Path,
        workspace: &Workspace,
        runner: Runner,
    ) -> Result<Cmd, Error> {
        // The environment for this machine's mirror: proxies, certificates and so on.
        let shell = workspace.shell();
        let ask = Cmd::from_xshell(cmd!(shell, "apt-config dump Acquire"), MMDEBSTRAP_HELP);
        let settings = folder.join("apt.conf");
        fs::write(&settings, runner.ask(&ask)?).map_err(file("write", &settings))?;
        let (suite, sources) = (&self.suite, &self.sources);
        let make = cmd!(
            shell,
            "mmdebstrap --variant=essential --include={PACKAGES} --aptopt={settings} {suite} {tar} {sources...}"
        );
        Ok(Cmd::from_xshell(make, MMDEBSTRAP_HELP)
            .hint("this machine's package sources do not answer: `apt-get update` reports more"))
    }
}

/// Returns the files with sources in apt's configuration folder.
fn sources(apt: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(apt.join("sources.list.d")).into_iter().flatten().flatten();
    let parts = entries.map(|entry| entry.path());
    let mut sources: Vec<_> = parts
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "list" || extension == "sources")
        })
        .chain([apt.join("sources.list")])
        .filter(|path| path.is_file())
        .collect();
    sources.sort();
    sources
}

/// Copies the compiler, cargo and the standard library, without documentation and other tools.
fn toolchain(sysroot: &Path, to: &Path) -> std::io::Result<()> {
    let mut tar = tar::Builder::new(std::io::BufWriter::new(fs::File::create(to)?));
    tar.follow_symlinks(false);
    for program in ["bin/cargo", "bin/rustc"] {
        tar.append_path_with_name(sysroot.join(program), program)?;
    }
    tar.append_dir_all("lib", sysroot.join("lib"))?;
    tar.into_inner()?.into_inner().map(drop).map_err(std::io::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(authorities: &str) -> Machine {
        Machine {
            suite: "bookworm".into(),
            sources: Vec::new(),
            rustc: "rustc 1.95.0".into(),
            sysroot: PathBuf::new(),
            authorities: authorities.into(),
        }
    }

    #[test]
    fn the_key_is_of_what_the_images_are_made_from() {
        assert_eq!(machine("a").key().unwrap(), machine("a").key().unwrap());
        assert_ne!(machine("a").key().unwrap(), machine("b").key().unwrap());
        let unreadable = Machine { sources: vec!["/no/such/sources.list".into()], ..machine("a") };
        assert!(unreadable.key().unwrap_err().to_string().contains("/no/such/sources.list"));
        assert_ne!(
            machine("a").key().unwrap(),
            Machine { suite: "trixie".into(), ..machine("a") }.key().unwrap()
        );
        assert_ne!(
            machine("a").key().unwrap(),
            Machine { rustc: "rustc 1.96.0".into(), ..machine("a") }.key().unwrap()
        );
    }

    #[test]
    fn sources_are_those_that_apt_reads() {
        let apt = tempfile::tempdir().unwrap();
        let parts = apt.path().join("sources.list.d");
        assert_eq!(sources(apt.path()), [] as [&Path; 0]);
        fs::create_dir(&parts).unwrap();
        for name in ["debian.sources", "more.list", "old.list.disabled"] {
            fs::write(parts.join(name), "").unwrap();
        }
        assert_eq!(sources(apt.path()), [parts.join("debian.sources"), parts.join("more.list")]);
    }

    #[test]
    fn a_toolchain_has_no_documentation() {
        let sysroot = tempfile::tempdir().unwrap();
        for path in ["bin/cargo", "bin/rustc", "bin/cargo-clippy", "lib/rustlib/a.rlib", "share/doc/book"] {
            let path = sysroot.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let tar = sysroot.path().join("rust.tar");
        toolchain(sysroot.path(), &tar).unwrap();
        let layer = super::super::layer::read(fs::File::open(&tar).unwrap()).unwrap();
        let paths: Vec<_> = layer.keys().map(|path| path.display().to_string()).collect();
        assert_eq!(paths, ["bin/cargo", "bin/rustc", "lib", "lib/rustlib", "lib/rustlib/a.rlib"]);
    }
}
