//! The one list of what the workspace needs on a machine. `doctor` shows all of it; a preflight, what one task needs.

mod checks;

use std::cell::OnceCell;

use super::Machine;
use rds_iam_process::engine::Engine;
use rds_iam_process::tools::Tool;

#[cfg(test)]
pub(super) use checks::terraform;

pub(super) const GB: u64 = 1_000_000_000;
/// A clean debug build with its tests is about 7 GB, the caches 1 GB; a release build comes on top.
pub(super) const DISK_NEEDED: u64 = 10 * GB;
/// The same where the build is there already.
pub(super) const DISK_NEEDED_ONCE_BUILT: u64 = 2 * GB;
/// Linking tests on several cores beside a running MySQL.
pub(super) const MEMORY_NEEDED: u64 = 2 * GB;
/// The oldest Python that the AWS API stand-in supports.
const PYTHON_NEEDED: (u32, u32) = (3, 9);

/// A task that looks at what it needs before its first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// `cargo xtask demo`
    Demo,
    /// `cargo xtask test --only crates`
    Crates,
    /// `cargo xtask test`
    Test,
    /// `cargo xtask infra check` and `infra local`
    Infra,
}

const ALL: &[Task] = &[Task::Demo, Task::Crates, Task::Test, Task::Infra];
const SERVERS: &[Task] = &[Task::Demo, Task::Crates, Task::Test];
const CHECKS: &[Task] = &[Task::Crates, Task::Test];
const INFRA: &[Task] = &[Task::Test, Task::Infra];
const TEST: &[Task] = &[Task::Test];
const OPTIONAL: &[Task] = &[];

/// Something outside that things are fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The package sources of this machine's apt.
    Packages,
    /// pip's package index.
    Python,
    /// The registry of official images.
    Images,
    /// The release archive of a tool.
    Release(Tool),
}

/// How a machine meets a need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// What is there: usually a version.
    Present(String),
    /// It is fetched at its first use, from here.
    Fetched(String),
    /// Not at all; why, where more is known than that it is not there.
    Missing(Option<String>),
}

impl Met {
    fn present(found: Option<String>) -> Self {
        found.map_or(Self::Missing(None), Self::Present)
    }
}

/// One thing that the workspace needs or can use.
#[derive(Debug)]
pub(super) struct Need {
    pub(super) name: &'static str,
    /// What it is for; for an optional thing, what happens without it.
    pub(super) purpose: &'static str,
    /// Those that stop without it.
    tasks: &'static [Task],
    /// Whether `cargo xtask ci` and `deploy` stop without it, required or not.
    pub(super) pipeline: bool,
    pub(super) met: Met,
    pub(super) help: String,
}

impl Need {
    pub(super) fn required(&self) -> bool {
        !self.tasks.is_empty()
    }

    pub(super) fn unmet(&self) -> bool {
        matches!(self.met, Met::Missing(_))
    }

    pub(super) fn missing(&self) -> bool {
        self.required() && self.unmet()
    }
}

/// What of the list is wanted. The rest is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    Of(Task),
    Named(&'static str),
}

/// The list while it is made.
struct List<'m> {
    machine: &'m dyn Machine,
    wanted: Wanted,
    needs: Vec<Need>,
    packages: OnceCell<Option<String>>,
    python: OnceCell<Option<String>>,
}

impl List<'_> {
    fn add(
        &mut self,
        tasks: &'static [Task],
        name: &'static str,
        purpose: &'static str,
        met: impl FnOnce(&Self) -> Met,
        help: &str,
    ) {
        let is_wanted = match self.wanted {
            Wanted::All => true,
            Wanted::Of(task) => tasks.contains(&task),
            Wanted::Named(one) => one == name,
        };
        if is_wanted {
            let met = met(self);
            self.needs.push(Need { name, purpose, tasks, pipeline: false, met, help: help.to_owned() });
        }
    }

    /// The last one is needed by the pipeline too.
    fn for_the_pipeline(&mut self, name: &str) {
        if let Some(need) = self.needs.iter_mut().find(|need| need.name == name) {
            need.pipeline = true;
        }
    }

    fn asked(&self, program: &str, args: &[&str]) -> Met {
        Met::present(self.first_line(program, args))
    }

    fn first_line(&self, program: &str, args: &[&str]) -> Option<String> {
        let answer = self.machine.ask(program, args)?;
        Some(answer.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// From the packages of this machine's apt, or why not.
    fn packaged(&self, what: &str) -> Met {
        for tool in ["apt-get", "dpkg-deb"] {
            if self.machine.ask(tool, &["--version"]).is_none() {
                return Met::Missing(Some(format!("{tool} is not on this machine")));
            }
        }
        match self.packages.get_or_init(|| self.machine.unreachable(Source::Packages)) {
            None => Met::Fetched(what.to_owned()),
            Some(why) => Met::Missing(Some(format!("the package sources do not answer: {why}"))),
        }
    }

    /// From pip's package index, or why not.
    fn by_pip(&self, what: &str) -> Met {
        match self.python.get_or_init(|| self.machine.unreachable(Source::Python)) {
            None if what.is_empty() => Met::Fetched("from the Python Package Index".to_owned()),
            None => Met::Fetched(format!("{what}, from the Python Package Index")),
            Some(why) => Met::Missing(Some(why.clone())),
        }
    }
}

/// What is wanted of the list, in the order in which a fresh machine is set up; `engine` runs the database servers.
pub(super) fn needs(machine: &dyn Machine, wanted: Wanted, engine: Engine) -> Vec<Need> {
    let mut list =
        List { machine, wanted, needs: Vec::new(), packages: OnceCell::new(), python: OnceCell::new() };
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
    list.add(ALL, "Rust compiler", "everything", |list| list.asked("rustc", &["--version"]), rust);
    list.add(ALL, "cargo", "everything", |list| list.asked("cargo", &["--version"]), rust);
    list.add(
        CHECKS,
        "clippy",
        "xtask lint",
        |list| list.asked("cargo", &["clippy", "--version"]),
        "rustup component add clippy",
    );
    list.add(
        CHECKS,
        "rustfmt",
        "xtask fmt",
        |list| list.asked("cargo", &["fmt", "--version"]),
        "rustup component add rustfmt",
    );
    list.add(
        ALL,
        "C compiler",
        "links programs, builds aws-lc",
        |list| list.asked("cc", &["--version"]),
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
        |list| list.asked("git", &["--version"]),
        "apt-get install git",
    );
}

fn of_servers(list: &mut List<'_>, engine: Engine) {
    list.add(
        ALL,
        "Python",
        "runs the AWS API stand-in; 3.9 or later",
        |list| Met::present(python(list.machine)),
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
        |list| list.asked("docker", &["--version"]),
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
}

/// A server: one that is kept, or an image, or Debian's packages.
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

fn platform(machine: &dyn Machine) -> Option<String> {
    let (os, architecture) = machine.platform();
    (os == "linux" && architecture == "x86_64").then(|| format!("{os} {architecture}"))
}

pub(super) fn python(machine: &dyn Machine) -> Option<String> {
    let answer = machine.ask("python3", &["--version"])?;
    let version = answer.trim();
    let mut numbers = version.trim_start_matches("Python ").split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return None };
    ((major, minor) >= PYTHON_NEEDED).then(|| version.to_owned())
}

fn enough(available: Option<u64>, needed: u64) -> Option<String> {
    let available = available?;
    (available >= needed).then(|| format!("{} GB available", available / GB))
}
