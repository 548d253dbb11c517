//! `cargo xtask doctor`: everything the workspace needs on this machine, all of it looked at before
//! anything is said, and the command that mends each thing that is missing.

mod machine;

use serde_json::{Value, json};

use crate::console::{Console, Style};
use crate::engine;
use crate::infra::terraform;
use crate::runner::Runner;
use crate::tools::{self, Tool};
use crate::workspace::Workspace;

pub(crate) use machine::{Machine, ThisMachine};

const GB: u64 = 1_000_000_000;
/// A clean debug build with its tests is about 7 GB, the caches 1 GB; a release build comes on top.
const DISK_NEEDED: u64 = 10 * GB;
/// Linking tests on several cores beside a running MySQL.
const MEMORY_NEEDED: u64 = 2 * GB;
/// The oldest Python that the AWS API stand-in supports.
const PYTHON_NEEDED: (u32, u32) = (3, 9);

/// One thing the workspace needs or can use.
#[derive(Debug)]
struct Need {
    name: &'static str,
    /// What it is for; for an optional thing, what happens without it.
    purpose: &'static str,
    required: bool,
    /// Whether `cargo xtask ci` and `deploy` stop without it, required or not.
    pipeline: bool,
    /// What is there: usually a version.
    found: Option<String>,
    mend: String,
}

impl Need {
    fn missing(&self) -> bool {
        self.required && self.found.is_none()
    }

    fn state(&self) -> &'static str {
        match (&self.found, self.required) {
            (Some(_), _) => "present",
            (None, true) => "missing",
            (None, false) => "optional",
        }
    }
}

/// Prints all needs; true when nothing required is missing.
pub(crate) fn run(json: bool, workspace: &Workspace, console: Console, runner: Runner) -> bool {
    let needs = needs(&ThisMachine { workspace, runner });
    if json {
        console.line(&format!("{:#}", as_json(&needs)));
    } else {
        for line in lines(&needs) {
            let style = match line.split_whitespace().next() {
                Some("present") => Style::Good,
                Some("MISSING") => Style::Bad,
                Some("optional") => Style::Warning,
                _ => Style::Quiet,
            };
            console.line(&console.paint(style, &line));
        }
    }
    !needs.iter().any(Need::missing)
}

/// Everything, in the order in which a fresh machine is set up.
fn needs(machine: &dyn Machine) -> Vec<Need> {
    let docker = machine.docker_engine();
    let first_line = |program: &str, args: &[&str]| {
        machine.ask(program, args).map(|answer| answer.lines().next().unwrap_or_default().trim().to_owned())
    };
    let need = |name, purpose, found, mend: &str| Need {
        name,
        purpose,
        required: true,
        pipeline: false,
        found,
        mend: mend.to_owned(),
    };
    let optional =
        |name, purpose, found, mend: &str| Need { required: false, ..need(name, purpose, found, mend) };
    let server_tools = |found, name| Need {
        // An engine may pull the server's image; without one, packages are the only source.
        required: docker.is_none(),
        ..need(
            name,
            "makes the MySQL server's tree from packages, where no image can be pulled",
            found,
            "use a Debian-like system, or start a Docker engine that can pull mysql",
        )
    };
    let mut needs = vec![
        need("platform", "the MySQL plugin's layouts", platform(machine), "use 64-bit Linux on x86"),
        need("Rust compiler", "everything", first_line("rustc", &["--version"]), "rustup toolchain install"),
        need("cargo", "everything", first_line("cargo", &["--version"]), "rustup toolchain install"),
        need(
            "clippy",
            "xtask lint",
            first_line("cargo", &["clippy", "--version"]),
            "rustup component add clippy",
        ),
        need(
            "rustfmt",
            "xtask fmt",
            first_line("cargo", &["fmt", "--version"]),
            "rustup component add rustfmt",
        ),
        need(
            "C compiler",
            "links programs, builds aws-lc",
            first_line("cc", &["--version"]),
            "apt-get install gcc libc6-dev",
        ),
        need(
            "C headers",
            "build aws-lc",
            machine
                .ask("cc", &["-fsyntax-only", "-include", "stdlib.h", "-x", "c", "/dev/null"])
                .map(|_| "stdlib.h".to_owned()),
            "apt-get install libc6-dev",
        ),
        need(
            "git",
            "xtask lint reads what is tracked",
            first_line("git", &["--version"]),
            "apt-get install git",
        ),
        need("Python", "runs the AWS API stand-in; 3.9 or later", python(machine), "apt-get install python3"),
        need(
            "Python venv and pip",
            "install the AWS API stand-in into the cache",
            machine
                .ask("python3", &["-c", "import venv, ensurepip; print(ensurepip.version())"])
                .map(|version| format!("pip {}", version.trim())),
            "apt-get install python3-venv",
        ),
        optional(
            "Docker client",
            "without it, servers run as child processes",
            first_line("docker", &["--version"]),
            "apt-get install docker.io iptables",
        ),
        Need {
            pipeline: true,
            ..optional(
                "Docker engine",
                "without it, servers run as child processes",
                docker.clone().map(|version| format!("version {version} answers")),
                "start it: `dockerd` as root, or `systemctl start docker`",
            )
        },
        server_tools(first_line("apt-get", &["--version"]), "apt-get"),
        server_tools(first_line("dpkg-deb", &["--version"]), "dpkg-deb"),
        optional(
            "cargo-deny",
            "without it, the first `xtask lint` builds it (2 minutes)",
            machine.cargo_deny().map(|program| format!("{} ({program})", tools::CARGO_DENY_VERSION)),
            &tools::cargo_deny_mend(),
        ),
        need(
            "Terraform",
            "infra check, infra local; 1.11 or later",
            terraform(machine),
            terraform::TERRAFORM_MEND,
        ),
        need(
            "Terraform provider",
            "hashicorp/aws, from a mirror",
            machine.terraform_provider(),
            "name the folder above registry.terraform.io in RDS_IAM_TERRAFORM_MIRROR, or unset it to use the registry",
        ),
        need(
            "disk space",
            "10 GB: builds, server trees, images, Terraform's provider",
            enough(machine.free_disk(), DISK_NEEDED),
            "make room, or set CARGO_TARGET_DIR and RDS_IAM_CACHE_DIR to another disk",
        ),
        need(
            "memory",
            "2 GB available: the linker beside a MySQL server",
            enough(machine.free_memory(), MEMORY_NEEDED),
            "end other programs, or add memory",
        ),
        need(
            "docker-registry",
            "a registry for tests and for `deploy --env local`",
            first_line("docker-registry", &["--version"]),
            "apt-get install docker-registry",
        ),
        Need {
            pipeline: !client_builds(machine),
            ..optional(
                "Docker buildx",
                "without it, no images, unless the client is older than 23",
                first_line("docker", &["buildx", "version"]),
                "install Docker's plugin docker-buildx: https://docs.docker.com/go/buildx/",
            )
        },
        Need {
            pipeline: true,
            ..optional(
                "curl",
                "asks the service that was deployed",
                first_line("curl", &["--version"]),
                "apt-get install curl",
            )
        },
    ];
    // What lint takes is installed by it; what gates take fails them where it is missing.
    needs.extend(machine.tools().into_iter().filter(|row| row.tool != Tool::Terraform).map(|row| Need {
        name: row.tool.name(),
        purpose: row.tool.purpose(),
        required: false,
        // lint installs its own where they are not here yet; and what reads the workflows has two makers.
        pipeline: matches!(row.tool, Tool::Tflint | Tool::Trivy),
        found: row.found,
        mend: row.mend,
    }));
    needs
}

/// Whether the Docker client has BuildKit in it.
fn client_builds(machine: &dyn Machine) -> bool {
    let answer = machine.ask("docker", &["--version"]).unwrap_or_default();
    answer.split_whitespace().any(engine::client_builds)
}

fn platform(machine: &dyn Machine) -> Option<String> {
    let (os, architecture) = machine.platform();
    (os == "linux" && architecture == "x86_64").then(|| format!("{os} {architecture}"))
}

fn python(machine: &dyn Machine) -> Option<String> {
    let answer = machine.ask("python3", &["--version"])?;
    let version = answer.trim();
    let mut numbers = version.trim_start_matches("Python ").split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return None };
    ((major, minor) >= PYTHON_NEEDED).then(|| version.to_owned())
}

fn terraform(machine: &dyn Machine) -> Option<String> {
    let answer = machine.ask("terraform", &["version"])?;
    let version = answer.lines().find_map(|line| line.strip_prefix("Terraform v"))?;
    terraform::is_new_enough(version).then(|| format!("Terraform {version}"))
}

fn enough(available: Option<u64>, needed: u64) -> Option<String> {
    let available = available?;
    (available >= needed).then(|| format!("{} GB available", available / GB))
}

fn lines(needs: &[Need]) -> Vec<String> {
    let width = needs.iter().map(|need| need.name.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for need in needs {
        let state = if need.missing() { "MISSING" } else { need.state() };
        let what = need.found.as_deref().unwrap_or(need.purpose);
        lines.push(format!("{state:<8}  {:<width$}  {what}", need.name));
        if need.found.is_none() {
            lines.push(format!("{:<8}  {:<width$}  mend: {}", "", "", need.mend));
        }
    }
    lines.push(String::new());
    let names = |is: fn(&Need) -> bool| {
        needs.iter().filter(|need| is(need)).map(|need| need.name).collect::<Vec<_>>().join(", ")
    };
    let missing = names(Need::missing);
    lines.push(if missing.is_empty() {
        "Nothing required is missing.".to_owned()
    } else {
        format!("Missing: {missing}.")
    });
    let pipeline = names(|need| need.pipeline && need.found.is_none());
    if !pipeline.is_empty() {
        lines.push(format!("`cargo xtask ci` and `deploy` also need: {pipeline}."));
    }
    lines
}

fn as_json(needs: &[Need]) -> Value {
    let needs_json: Vec<Value> = needs
        .iter()
        .map(|need| {
            json!({
                "name": need.name,
                "purpose": need.purpose,
                "required": need.required,
                "pipeline": need.pipeline,
                "state": need.state(),
                "found": need.found,
                "mend": need.mend,
            })
        })
        .collect();
    json!({ "ok": !needs.iter().any(Need::missing), "needs": needs_json })
}

#[cfg(test)]
mod tests;
