//! The list of the workspace's requirements on a machine. `doctor` shows all of it; a preflight, those of one
//! task.

use super::checks;
use super::list::{ALL, CHECKS, List, Met, Need, OPTIONAL, POSTGRES, SERVERS, TEST, Wanted};
use super::machine::{Machine, NEWEST_POSTGRES, Source};
use super::oldest::Oldest;
use rds_iam_process::engine::Engine;

pub(super) const GB: u64 = 1_000_000_000;
/// The required disk space: a clean debug build with its tests is about 7 GB, the caches 1 GB; a release
/// build is extra.
pub(super) const DISK_NEEDED: u64 = 10 * GB;
/// The required disk space once built.
pub(super) const DISK_NEEDED_ONCE_BUILT: u64 = 2 * GB;
/// The required memory: linking tests on several cores beside a running MySQL.
pub(super) const MEMORY_NEEDED: u64 = 2 * GB;
/// The oldest Python that the pinned packages of the emulated AWS API support.
pub(super) const PYTHON: Oldest = Oldest("python3", "--version", (3, 10));
/// The oldest Node.js that the pinned node-postgres supports.
pub(super) const NODE: Oldest = Oldest("node", "--version", (16, 0));
/// The oldest JDK with the language of the client's source. `--version` is unknown to a JDK before 9.
pub(super) const JDK: Oldest = Oldest("javac", "-version", (17, 0));

/// Returns the wanted part of the list, in the order in which a fresh machine is set up; `engine` runs the
/// database servers.
pub(super) fn needs(machine: &dyn Machine, wanted: Wanted, engine: Engine) -> Vec<Need> {
    let mut list = List::new(machine, wanted);
    of_compiling(&mut list);
    of_servers(&mut list, engine);
    checks::of_checks(&mut list);
    list.add(
        ALL,
        "disk space",
        "10 GB (2 GB once built): builds, server trees, images, Terraform's provider",
        |list| {
            let needed = if list.machine.is_built() { DISK_NEEDED_ONCE_BUILT } else { DISK_NEEDED };
            Met::present(enough(list.machine.free_disk(), needed))
        },
        "make room, or set CARGO_TARGET_DIR and RDS_IAM_CACHE_DIR to another disk",
    );
    list.add(
        ALL,
        "memory",
        "2 GB available: the linker beside a MySQL server",
        |list| Met::present(enough(list.machine.free_memory(), MEMORY_NEEDED)),
        "end other programs, or add memory",
    );
    if wanted == Wanted::All {
        checks::of_pipeline(&mut list);
    }
    list.needs
}

fn of_compiling(list: &mut List<'_>) {
    let rust = "rustup toolchain install";
    let platform = |list: &List<'_>| Met::present(platform(list.machine));
    list.add(ALL, "platform", "the MySQL plugin's layouts", platform, "use 64-bit Linux on x86");
    list.add(ALL, "Rust compiler", "everything", |list| list.version("rustc", &["--version"]), rust);
    list.add(ALL, "cargo", "everything", |list| list.version("cargo", &["--version"]), rust);
    list.add(
        CHECKS,
        "clippy",
        "xtask lint",
        |list| list.version("cargo", &["clippy", "--version"]),
        "rustup component add clippy",
    );
    list.add(
        CHECKS,
        "rustfmt",
        "xtask fmt",
        |list| list.version("cargo", &["fmt", "--version"]),
        "rustup component add rustfmt",
    );
    list.add(
        ALL,
        "C compiler",
        "links programs, builds aws-lc",
        |list| list.version("cc", &["--version"]),
        "apt-get install gcc libc6-dev",
    );
    list.add(
        ALL,
        "C headers",
        "build aws-lc",
        |list| {
            let compiled =
                list.machine.ask("cc", &["-fsyntax-only", "-include", "stdlib.h", "-x", "c", "/dev/null"]);
            Met::present(compiled.map(|_| "stdlib.h".to_owned()))
        },
        "apt-get install libc6-dev",
    );
    list.add(
        TEST,
        "git",
        "xtask lint reads what is tracked",
        |list| list.version("git", &["--version"]),
        "apt-get install git",
    );
}

fn of_servers(list: &mut List<'_>, engine: Engine) {
    list.add(
        ALL,
        "Python",
        "runs the AWS API stand-in; 3.10 or later",
        |list| PYTHON.met(list),
        "apt-get install python3",
    );
    list.add(
        ALL,
        "Python venv and pip",
        "install the AWS API stand-in into the cache",
        |list| {
            let asked =
                list.machine.ask("python3", &["-c", "import venv, ensurepip; print(ensurepip.version())"]);
            Met::present(asked.map(|version| format!("pip {}", version.trim())))
        },
        "apt-get install python3-venv",
    );
    list.add(
        ALL,
        "AWS API",
        "moto and botocore, in the cache",
        |list| {
            if list.machine.is_cached("python-") {
                return Met::Present("in the cache".to_owned());
            }
            list.by_pip("moto and botocore")
        },
        "make the Python Package Index reachable once, or name a mirror of it in pip's settings (index-url)",
    );
    list.add(
        OPTIONAL,
        "Docker client",
        "without it, servers run as child processes",
        |list| list.version("docker", &["--version"]),
        "apt-get install docker.io iptables",
    );
    list.add(
        OPTIONAL,
        "Docker engine",
        "without it, servers run as child processes",
        |list| Met::present(list.machine.docker_engine().map(|version| format!("version {version} answers"))),
        "start it: `dockerd` as root, or `systemctl start docker`",
    );
    list.for_the_pipeline("Docker engine");
    list.add(
        SERVERS,
        "MySQL server",
        "runs the database of tests and demo",
        |list| mysql(list, engine),
        "on a system with apt, make its package sources reachable once; elsewhere, start a Docker engine that can \
         pull mysql",
    );
    list.add(
        POSTGRES,
        "PostgreSQL server",
        "runs the database of tests and demo",
        postgres,
        "on a system with apt, make its package sources reachable once",
    );
    list.add(
        POSTGRES,
        "psql",
        "a client of the emulator, for tests and demo",
        |list| cached_or_packaged(list, &[format!("psql-{NEWEST_POSTGRES}-")]),
        "on a system with apt, make its package sources reachable once",
    );
    list.add(
        POSTGRES,
        "tzdata",
        "time zones of a PostgreSQL server that runs as a child process",
        |list| time_zones(list, engine),
        "apt-get install tzdata",
    );
    list.add(
        TEST,
        "docker-registry",
        "a registry for tests and for `deploy --env local`",
        |list| match list.first_line("docker-registry", &["--version"]) {
            Some(version) => Met::Present(version),
            None if list.machine.is_cached("docker-registry-") => Met::Present("in the cache".to_owned()),
            None => list.packaged("from this machine's package sources"),
        },
        "make the package sources reachable once, or put docker-registry on PATH (apt-get install docker-registry)",
    );
    list.add(
        TEST,
        "Node.js and npm",
        "run node-postgres, a client of the emulator; 16 or later",
        |list| match list.first_line("npm", &["--version"]) {
            Some(_) => NODE.met(list),
            None => Met::Missing(None),
        },
        "apt-get install nodejs npm",
    );
    list.add(
        TEST,
        "JDK",
        "runs pgjdbc, a client of the emulator; 17 or later",
        |list| JDK.met(list),
        "apt-get install default-jdk-headless",
    );
}

/// Returns the state of the database server: a cached one, an image, or Debian's packages.
fn mysql(list: &List<'_>, wanted: Engine) -> Met {
    if list.machine.is_cached("mysql-") {
        return Met::Present("in the cache".to_owned());
    }
    let engine = (wanted != Engine::Process).then(|| list.machine.docker_engine()).flatten();
    if engine.is_some() && list.machine.unreachable(Source::Images).is_none() {
        return Met::Fetched("the official image".to_owned());
    }
    list.packaged("from Debian's packages")
}

/// Returns the state of PostgreSQL's servers. The tests start the oldest supported version and the newest; the demo, one.
fn postgres(list: &List<'_>) -> Met {
    let versions = if list.is_for_a_demo() {
        vec![list.machine.postgres_version()]
    } else {
        vec!["15".to_owned(), NEWEST_POSTGRES.to_owned()]
    };
    let trees: Vec<String> = versions.iter().map(|version| format!("postgres-{version}-")).collect();
    cached_or_packaged(list, &trees)
}

/// Returns the state of what is in the cache under names with these beginnings, and comes from Debian's packages.
fn cached_or_packaged(list: &List<'_>, entries: &[String]) -> Met {
    if entries.iter().all(|entry| list.machine.is_cached(entry)) {
        return Met::Present("in the cache".to_owned());
    }
    list.packaged("from Debian's packages")
}

/// Returns the state of the time zones, which a container has in its image.
fn time_zones(list: &List<'_>, wanted: Engine) -> Met {
    if list.machine.has_time_zones() {
        return Met::Present("installed".to_owned());
    }
    let engine = (wanted != Engine::Process).then(|| list.machine.docker_engine()).flatten();
    Met::present(engine.map(|_| "not needed: servers run in containers".to_owned()))
}

fn platform(machine: &dyn Machine) -> Option<String> {
    let (os, architecture) = machine.platform();
    (os == "linux" && architecture == "x86_64").then(|| format!("{os} {architecture}"))
}

fn enough(available: Option<u64>, needed: u64) -> Option<String> {
    let available = available?;
    (available >= needed).then(|| format!("{} GB available", available / GB))
}
