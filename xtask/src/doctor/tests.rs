//! What the doctor says about machines that do not exist.

use super::*;

/// A fresh Debian with all that is needed, less what a test takes away.
#[derive(Debug, Default)]
struct Fake {
    without: &'static [&'static str],
    python: Option<&'static str>,
    docker: Option<&'static str>,
    terraform: Option<&'static str>,
    disk: Option<u64>,
    memory: Option<u64>,
}

impl Machine for Fake {
    fn tools(&self) -> Vec<tools::Row> {
        let row = |tool, found: Option<&str>| tools::Row {
            tool,
            found: found.map(str::to_owned),
            problem: None,
            required: true,
            mend: format!("cargo xtask tools install {tool}"),
        };
        vec![row(Tool::Terraform, Some("1.11.4")), row(Tool::Trivy, None)]
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
            "curl --version" => "curl 7.88.1\nRelease-Date\n",
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

    fn cargo_deny(&self) -> Option<String> {
        None
    }

    fn terraform_provider(&self) -> Option<String> {
        Some("from its registry".to_owned())
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

fn missing(fake: &Fake) -> Vec<&'static str> {
    needs(fake).iter().filter(|need| need.missing()).map(|need| need.name).collect()
}

#[test]
fn a_machine_that_is_ready() {
    let needs = needs(&Fake { docker: Some("28.0"), ..Fake::default() });
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
    present   Docker client        Docker version 28.0
    present   Docker engine        version 28.0 answers
    present   apt-get              apt 2.6.1 (amd64)
    present   dpkg-deb             Debian dpkg-deb 1.21.22
    optional  cargo-deny           without it, the first `xtask lint` builds it (2 minutes)
                                   mend: cargo install --locked --version 0.20.2 cargo-deny
    present   Terraform            Terraform 1.11.4
    present   Terraform provider   from its registry
    present   disk space           79 GB available
    present   memory               24 GB available
    present   docker-registry      docker-registry v2.8
    present   Docker buildx        docker/buildx v0.20
    present   curl                 curl 7.88.1
    optional  trivy                finds known vulnerabilities, secrets and misconfiguration in the repository and the images
                                   mend: cargo xtask tools install trivy

    Nothing required is missing.
    `cargo xtask ci` and `deploy` also need: trivy.
    ");
}

#[test]
fn everything_that_is_missing_is_listed_with_its_mend() {
    let needs = needs(&Fake {
        without: &["cc", "git", "docker", "python3 -c", "apt-get"],
        python: Some("Python 3.8.10\n"),
        disk: Some(GB),
        ..Fake::default()
    });
    insta::assert_snapshot!(lines(&needs).join("\n"), @"
    present   platform             linux x86_64
    present   Rust compiler        rustc 1.95.0
    present   cargo                cargo 1.95.0
    present   clippy               clippy 0.1.95
    present   rustfmt              rustfmt 1.9.0
    MISSING   C compiler           links programs, builds aws-lc
                                   mend: apt-get install gcc libc6-dev
    MISSING   C headers            build aws-lc
                                   mend: apt-get install libc6-dev
    MISSING   git                  xtask lint reads what is tracked
                                   mend: apt-get install git
    MISSING   Python               runs the AWS API stand-in; 3.9 or later
                                   mend: apt-get install python3
    MISSING   Python venv and pip  install the AWS API stand-in into the cache
                                   mend: apt-get install python3-venv
    optional  Docker client        without it, servers run as child processes
                                   mend: apt-get install docker.io iptables
    optional  Docker engine        without it, servers run as child processes
                                   mend: start it: `dockerd` as root, or `systemctl start docker`
    MISSING   apt-get              makes the MySQL server's tree from packages, where no image can be pulled
                                   mend: use a Debian-like system, or start a Docker engine that can pull mysql
    present   dpkg-deb             Debian dpkg-deb 1.21.22
    optional  cargo-deny           without it, the first `xtask lint` builds it (2 minutes)
                                   mend: cargo install --locked --version 0.20.2 cargo-deny
    present   Terraform            Terraform 1.11.4
    present   Terraform provider   from its registry
    MISSING   disk space           10 GB: builds, server trees, images, Terraform's provider
                                   mend: make room, or set CARGO_TARGET_DIR and RDS_IAM_CACHE_DIR to another disk
    present   memory               24 GB available
    MISSING   docker-registry      a registry for tests and for `deploy --env local`
                                   mend: apt-get install docker-registry
    optional  Docker buildx        without it, no images, unless the client is older than 23
                                   mend: install Docker's plugin docker-buildx: https://docs.docker.com/go/buildx/
    present   curl                 curl 7.88.1
    optional  trivy                finds known vulnerabilities, secrets and misconfiguration in the repository and the images
                                   mend: cargo xtask tools install trivy

    Missing: C compiler, C headers, git, Python, Python venv and pip, apt-get, disk space, docker-registry.
    `cargo xtask ci` and `deploy` also need: Docker engine, Docker buildx, trivy.
    ");
}

#[test]
fn package_tools_are_required_only_without_an_engine() {
    let without = &["apt-get", "dpkg-deb"];
    assert_eq!(missing(&Fake { without, ..Fake::default() }), ["apt-get", "dpkg-deb"]);
    assert_eq!(missing(&Fake { without, docker: Some("28.0"), ..Fake::default() }), [""; 0]);
}

#[test]
fn a_python_that_is_too_old_or_unheard_of_is_none() {
    let found = |version| python(&Fake { python: Some(version), ..Fake::default() });
    assert_eq!(found("Python 3.9.0\n").as_deref(), Some("Python 3.9.0"));
    assert_eq!(found("Python 3.14.0rc1\n").as_deref(), Some("Python 3.14.0rc1"));
    assert_eq!(found("Python 4.0.1\n").as_deref(), Some("Python 4.0.1"));
    assert_eq!(found("Python 3.8.20\n"), None);
    assert_eq!(found("Python 2.7.18\n"), None);
    assert_eq!(found("pyenv: no version set\n"), None);
}

#[test]
fn a_terraform_that_is_too_old_is_none() {
    let found = |version| terraform(&Fake { terraform: Some(version), ..Fake::default() });
    assert_eq!(found("Terraform v1.14.2\n").as_deref(), Some("Terraform 1.14.2"));
    assert_eq!(found("Terraform v1.5.7\non linux_amd64\n"), None);
}

#[test]
fn space_and_memory_are_measured_against_what_is_needed() {
    assert_eq!(missing(&Fake { disk: Some(DISK_NEEDED - 1), ..Fake::default() }), ["disk space"]);
    assert_eq!(missing(&Fake { disk: Some(DISK_NEEDED), ..Fake::default() }), [""; 0]);
    assert_eq!(missing(&Fake { memory: Some(MEMORY_NEEDED - 1), ..Fake::default() }), ["memory"]);
}

#[test]
fn a_machine_reads_the_same_as_json() {
    let needs = needs(&Fake { without: &["git"], ..Fake::default() });
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
