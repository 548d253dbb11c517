//! Tests of the doctor's output on simulated machines.

use super::checks::terraform;
use super::list::Task;
use super::machine::{Machine, Source};
use super::needs::{DISK_NEEDED, DISK_NEEDED_ONCE_BUILT, GB, MEMORY_NEEDED};
use super::*;
use rds_iam_process::tools::{self, CargoTool, Tool};

/// A Debian that meets all requirements, except for those that a test removes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fake {
    pub(super) without: &'static [&'static str],
    pub(super) python: Option<&'static str>,
    pub(super) node: Option<&'static str>,
    pub(super) docker: Option<&'static str>,
    pub(super) terraform: Option<&'static str>,
    /// The reason why there is no provider.
    pub(super) provider: Option<&'static str>,
    pub(super) disk: Option<u64>,
    pub(super) memory: Option<u64>,
    pub(super) has_cargo_tools: bool,
    /// Whether its caches are empty.
    pub(super) bare: bool,
    /// The only entries of its caches.
    pub(super) cached: Option<&'static [&'static str]>,
    /// The version of PostgreSQL in the environment.
    pub(super) postgres: Option<&'static str>,
    /// The unreachable sources: packages, python, images, or a tool's release.
    pub(super) unreachable: &'static [&'static str],
}

impl Fake {
    /// Returns a fresh machine with Rust, Python and Terraform, which reaches package registries but not
    /// GitHub, and has neither docker-registry nor a Docker engine.
    pub(super) fn bare() -> Self {
        Self {
            bare: true,
            without: &["docker"],
            unreachable: &["actionlint", "images", "terraform"],
            ..Self::default()
        }
    }
}

impl Machine for Fake {
    fn tools(&self) -> Vec<tools::Row> {
        let row = |tool, found: Option<&str>| tools::Row {
            tool,
            found: found.map(str::to_owned),
            problem: None,
            required: true,
            help: format!("cargo xtask tools install {tool}"),
        };
        vec![row(Tool::Terraform, Some("1.11.4")), row(Tool::Trivy, None)]
    }

    fn missing_tools(&self) -> Vec<Tool> {
        let all = [Tool::Zizmor, Tool::Hadolint, Tool::Actionlint, Tool::Checkov];
        if self.bare { all.into() } else { Vec::new() }
    }

    fn has_time_zones(&self) -> bool {
        !self.without.contains(&"tzdata")
    }

    fn postgres_version(&self) -> String {
        self.postgres.unwrap_or("18").to_owned()
    }

    fn is_cached(&self, name: &str) -> bool {
        self.cached.map_or(!self.bare, |entries| entries.contains(&name))
    }

    fn unreachable(&self, source: Source) -> Option<String> {
        let name = match source {
            Source::Packages => "packages",
            Source::Python => "python",
            Source::Images => "images",
            Source::Release(tool) => tool.name(),
        };
        self.unreachable.contains(&name).then(|| format!("{name} does not answer"))
    }

    fn builds_images(&self) -> bool {
        !self.without.contains(&"docker")
    }

    fn is_built(&self) -> bool {
        !self.bare
    }

    fn ask(&self, program: &str, args: &[&str]) -> Option<String> {
        let line = std::iter::once(program).chain(args.iter().copied()).collect::<Vec<_>>().join(" ");
        if self.without.iter().any(|missing| line.starts_with(missing)) {
            return None;
        }
        let answer = match line.as_str() {
            "rustc --version" => "rustc 1.95.0\n",
            "cargo --version" => "cargo 1.95.0\n",
            "cargo clippy --version" => "clippy 0.1.95\n",
            "cargo fmt --version" => "rustfmt 1.9.0\n",
            "cc --version" => "cc (Debian) 12.2.0\nCopyright\n",
            "cc -fsyntax-only -include stdlib.h -x c /dev/null" => "",
            "git --version" => "git version 2.39.5\n",
            "python3 --version" => self.python.unwrap_or("Python 3.11.2\n"),
            "python3 -c import venv, ensurepip; print(ensurepip.version())" => "23.0.1\n",
            "docker --version" => "Docker version 28.0\n",
            "docker-registry --version" => "docker-registry v2.8\n",
            "node --version" => self.node.unwrap_or("v20.20.2\n"),
            "npm --version" => "11.19.1\n",
            "javac -version" => "javac 17.0.15\n",
            "curl --version" => {
                "curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1 OpenSSL/3.0.17\nRelease-Date\n"
            }
            "mmdebstrap --version" => "mmdebstrap 1.3.5\n",
            "gh --version" => "gh version 2.23.0 (2023-02-27)\nhttps://github.com\n",
            "docker buildx version" => "docker/buildx v0.20\n",
            "apt-get --version" => "apt 2.6.1 (amd64)\n",
            "dpkg-deb --version" => "Debian dpkg-deb 1.21.22\n",
            "terraform version" => self.terraform.unwrap_or("Terraform v1.11.4\non linux_amd64\n"),
            other => panic!("the doctor asks something new: {other}"),
        };
        Some(answer.to_owned())
    }

    fn docker_engine(&self) -> Option<String> {
        self.docker.map(str::to_owned)
    }

    fn cargo_tool(&self, tool: &CargoTool) -> Option<String> {
        self.has_cargo_tools.then(|| tool.name().to_owned())
    }

    fn terraform_provider(&self) -> Result<String, String> {
        self.provider.map_or_else(|| Ok("from its registry".to_owned()), |why| Err(why.to_owned()))
    }

    fn free_disk(&self) -> Option<u64> {
        Some(self.disk.unwrap_or(79 * GB))
    }

    fn free_memory(&self) -> Option<u64> {
        Some(self.memory.unwrap_or(24 * GB))
    }

    fn platform(&self) -> (&'static str, &'static str) {
        ("linux", "x86_64")
    }
}

fn all(fake: &Fake) -> Vec<Need> {
    needs(fake, Wanted::All, Engine::Auto)
}

fn missing(fake: &Fake) -> Vec<&'static str> {
    all(fake).iter().filter(|need| need.missing()).map(|need| need.name).collect()
}

#[test]
fn a_machine_that_is_ready() {
    let needs = all(&Fake { docker: Some("28.0"), ..Fake::default() });
    insta::assert_snapshot!(lines(&needs).join("\n"), @"
    present   platform             linux x86_64
    present   Rust compiler        rustc 1.95.0
    present   cargo                cargo 1.95.0
    present   clippy               clippy 0.1.95
    present   rustfmt              rustfmt 1.9.0
    present   C compiler           cc (Debian) 12.2.0
    present   C headers            stdlib.h
    present   git                  git version 2.39.5
    present   Python               Python 3.11.2
    present   Python venv and pip  pip 23.0.1
    present   AWS API              in the cache
    present   Docker client        Docker version 28.0
    present   Docker engine        version 28.0 answers
    present   MySQL server         in the cache
    present   PostgreSQL server    in the cache
    present   psql                 in the cache
    present   tzdata               installed
    present   docker-registry      docker-registry v2.8
    present   Node.js and npm      v20.20.2
    present   JDK                  javac 17.0.15
    present   Terraform            Terraform 1.11.4
    present   Terraform provider   from its registry
    present   checkov              on this machine
    present   linters              on this machine
    fetched   cargo-deny           at its first use: built from its crate, in about two minutes
    present   disk space           79 GB available
    present   memory               24 GB available
    present   Docker buildx        docker/buildx v0.20
    present   curl                 curl 7.88.1
    fetched   cargo-hack           at its first use: built from its crate, in half a minute
    present   mmdebstrap           mmdebstrap 1.3.5
    present   gh                   gh version 2.23.0 (2023-02-27)
    optional  trivy                finds known vulnerabilities, secrets and misconfiguration in the repository and the images
                                   help: cargo xtask tools install trivy

    Enough for demo and test.
    `cargo xtask ci` and `deploy` also need: trivy.
    ");
}

#[test]
fn everything_that_is_missing_is_listed_with_its_help() {
    let needs = all(&Fake {
        without: &["cc", "git", "docker", "python3 -c", "apt-get", "javac", "tzdata"],
        python: Some("Python 3.8.10\n"),
        node: Some("v12.22.12\n"),
        disk: Some(GB),
        ..Fake::bare()
    });
    insta::assert_snapshot!(lines(&needs).join("\n"), @"
    present   platform             linux x86_64
    present   Rust compiler        rustc 1.95.0
    present   cargo                cargo 1.95.0
    present   clippy               clippy 0.1.95
    present   rustfmt              rustfmt 1.9.0
    MISSING   C compiler           links programs, builds aws-lc
                                   help: apt-get install gcc libc6-dev
    MISSING   C headers            build aws-lc
                                   help: apt-get install libc6-dev
    MISSING   git                  xtask lint reads what is tracked
                                   help: apt-get install git
    MISSING   Python               found Python 3.8.10; expected 3.10 or later
                                   help: apt-get install python3
    MISSING   Python venv and pip  install the AWS API stand-in into the cache
                                   help: apt-get install python3-venv
    fetched   AWS API              at its first use: moto and botocore, from the Python Package Index
    optional  Docker client        without it, servers run as child processes
                                   help: apt-get install docker.io iptables
    optional  Docker engine        without it, servers run as child processes
                                   help: start it: `dockerd` as root, or `systemctl start docker`
    MISSING   MySQL server         apt-get is not on this machine
                                   help: on a system with apt, make its package sources reachable once; elsewhere, start a Docker engine that can pull mysql
    MISSING   PostgreSQL server    apt-get is not on this machine
                                   help: on a system with apt, make its package sources reachable once
    MISSING   psql                 apt-get is not on this machine
                                   help: on a system with apt, make its package sources reachable once
    MISSING   tzdata               time zones of a PostgreSQL server that runs as a child process
                                   help: apt-get install tzdata
    MISSING   docker-registry      apt-get is not on this machine
                                   help: make the package sources reachable once, or put docker-registry on PATH (apt-get install docker-registry)
    MISSING   Node.js and npm      found v12.22.12; expected 16 or later
                                   help: apt-get install nodejs npm
    MISSING   JDK                  runs pgjdbc, a client of the emulator; 17 or later
                                   help: apt-get install default-jdk-headless
    present   Terraform            Terraform 1.11.4
    present   Terraform provider   from its registry
    fetched   checkov              at its first use: from the Python Package Index
    fetched   linters              at its first use: zizmor, hadolint, actionlint-fork, from the Python Package Index
    fetched   cargo-deny           at its first use: built from its crate, in about two minutes
    MISSING   disk space           10 GB (2 GB once built): builds, server trees, images, Terraform's provider
                                   help: make room, or set CARGO_TARGET_DIR and RDS_IAM_CACHE_DIR to another disk
    present   memory               24 GB available
    optional  Docker buildx        without it, no images, unless a client on PATH is older than 23
                                   help: install Docker's plugin docker-buildx: https://docs.docker.com/go/buildx/
    present   curl                 curl 7.88.1
    fetched   cargo-hack           at its first use: built from its crate, in half a minute
    present   mmdebstrap           mmdebstrap 1.3.5
    present   gh                   gh version 2.23.0 (2023-02-27)
    optional  trivy                finds known vulnerabilities, secrets and misconfiguration in the repository and the images
                                   help: cargo xtask tools install trivy

    Missing: C compiler, C headers, git, Python, Python venv and pip, MySQL server, PostgreSQL server, psql, tzdata, docker-registry, Node.js and npm, JDK, disk space.
    `cargo xtask ci` and `deploy` also need: Docker engine, Docker buildx, trivy.
    ");
}

#[test]
fn packages_are_the_source_of_a_server_only_where_no_image_can_be_pulled() {
    let without = &["apt-get", "docker-registry"];
    let met = |fake: &Fake, engine| {
        let needs = needs(fake, Wanted::Of(&[Task::Demo]), engine);
        needs.into_iter().find(|need| need.name == "MySQL server").unwrap().met
    };
    let no_apt = || Met::Missing(Some("apt-get is not on this machine".to_owned()));
    let pulls = Fake { without, docker: Some("28.0"), unreachable: &[], ..Fake::bare() };
    assert_eq!(met(&pulls, Engine::Auto), Met::Fetched("the official image".to_owned()));
    assert_eq!(met(&pulls, Engine::Process), no_apt());
    assert_eq!(met(&Fake { unreachable: &["images"], ..pulls }, Engine::Docker), no_apt());
    assert_eq!(met(&Fake { without, ..Fake::bare() }, Engine::Auto), no_apt());
    assert_eq!(met(&Fake::bare(), Engine::Auto), Met::Fetched("from Debian's packages".to_owned()));
    assert_eq!(met(&Fake::default(), Engine::Auto), Met::Present("in the cache".to_owned()));
}

#[test]
fn time_zones_are_required_unless_servers_run_in_containers() {
    let missing = |docker, engine| {
        let fake = Fake { without: &["tzdata"], docker, ..Fake::default() };
        let needs = needs(&fake, Wanted::Of(&[Task::Crates]), engine);
        needs.iter().filter(|need| need.missing()).map(|need| need.name).collect::<Vec<_>>()
    };
    assert_eq!(missing(Some("28.0"), Engine::Process), ["tzdata"]);
    assert_eq!(missing(None, Engine::Auto), ["tzdata"]);
    assert_eq!(missing(Some("28.0"), Engine::Auto), [""; 0]);
    assert_eq!(missing(Some("28.0"), Engine::Docker), [""; 0]);
}

#[test]
fn a_terraform_that_is_too_old_or_not_there_is_fetched_where_it_can_be() {
    let met = |fake: &Fake| {
        let needs = needs(fake, Wanted::Of(&[Task::Infra]), Engine::Auto);
        needs.into_iter().find(|need| need.name == "Terraform").unwrap().met
    };
    let old = Fake { terraform: Some("Terraform v1.5.7\n"), ..Fake::default() };
    assert_eq!(met(&old), Met::Fetched("1.11.4 from its release".to_owned()));
    assert!(matches!(met(&Fake { unreachable: &["terraform"], ..old }), Met::Missing(Some(_))));
    assert_eq!(met(&Fake::default()), Met::Present("Terraform 1.11.4".to_owned()));
}

#[test]
fn a_terraform_that_is_too_old_is_none() {
    let found = |version| terraform(&Fake { terraform: Some(version), ..Fake::default() });
    assert_eq!(found("Terraform v1.14.2\n").as_deref(), Some("Terraform 1.14.2"));
    assert_eq!(found("Terraform v1.5.7\non linux_amd64\n"), None);
}

#[test]
fn space_and_memory_are_measured_against_what_is_needed() {
    let bare = |disk| Fake { bare: true, disk: Some(disk), ..Fake::default() };
    assert_eq!(missing(&bare(DISK_NEEDED - 1)), ["disk space"]);
    assert_eq!(missing(&bare(DISK_NEEDED)), [""; 0]);
    // Most of the space is used once everything is built.
    let built = |disk| Fake { disk: Some(disk), ..Fake::default() };
    assert_eq!(missing(&built(DISK_NEEDED_ONCE_BUILT - 1)), ["disk space"]);
    assert_eq!(missing(&built(DISK_NEEDED_ONCE_BUILT)), [""; 0]);
    assert_eq!(missing(&Fake { memory: Some(MEMORY_NEEDED - 1), ..Fake::default() }), ["memory"]);
}

#[test]
fn a_machine_reads_the_same_as_json() {
    let needs = all(&Fake { without: &["git"], ..Fake::default() });
    let json = as_json(&needs);
    assert_eq!(json["ok"], false);
    let state = |name: &str| {
        let all = json["needs"].as_array().expect("an array of needs");
        let need = all.iter().find(|need| need["name"] == name).expect("the need is listed");
        (need["state"].clone(), need["found"].clone())
    };
    assert_eq!(state("git"), ("missing".into(), Value::Null));
    assert_eq!(state("Docker engine"), ("optional".into(), Value::Null));
    assert_eq!(state("cargo"), ("present".into(), "cargo 1.95.0".into()));
}
