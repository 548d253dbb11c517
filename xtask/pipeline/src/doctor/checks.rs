//! Adds to the doctor's list the tools of the checks (Terraform and its provider, checkov, linters,
//! cargo-deny) and of the pipeline (Docker buildx, curl, mmdebstrap, gh, and the gates' tools).

use super::list::{INFRA, List, Met, Need, OPTIONAL, TEST};
use super::machine::{Machine, Source};
use crate::attestation;
use rds_iam_checks::infra::terraform;
use rds_iam_process::tools::{self, CARGO_DENY, CARGO_HACK, CargoTool, Tool};

pub(super) fn of_checks(list: &mut List<'_>) {
    list.add(
        INFRA,
        "Terraform",
        "infra check, infra local; 1.11 or later",
        |list| match terraform(list.machine) {
            Some(version) => Met::Present(version),
            None => match list.machine.unreachable(Source::Release(Tool::Terraform)) {
                None => Met::Fetched(format!("{} from its release", Tool::Terraform.version())),
                Some(why) => {
                    Met::Missing(Some(format!("none of 1.11 or later is here, nor can be had: {why}")))
                }
            },
        },
        tools::TERRAFORM_HELP,
    );
    list.add(
        INFRA,
        "Terraform provider",
        "hashicorp/aws",
        |list| match list.machine.terraform_provider() {
            Ok(from) => Met::Present(from),
            Err(why) => Met::Missing(Some(why)),
        },
        terraform::PROVIDER_HELP,
    );
    list.add(
        INFRA,
        "checkov",
        "checks the Terraform code",
        |list| {
            let missing = list.machine.missing_tools().contains(&Tool::Checkov);
            if missing { list.by_pip("") } else { Met::Present("on this machine".to_owned()) }
        },
        "make the Python Package Index reachable once, or name a mirror of it in pip's settings (index-url)",
    );
    list.add(
        TEST,
        "linters",
        "check workflows and Dockerfiles",
        linters,
        "make the Python Package Index reachable once, or name a mirror of it in pip's settings (index-url)",
    );
    list.add(
        TEST,
        CARGO_DENY.name(),
        "checks licences, bans and sources of dependencies",
        |list| cargo_tool(&CARGO_DENY, list),
        &CARGO_DENY.help(),
    );
}

/// A missing one is built at its first use.
fn cargo_tool(tool: &CargoTool, list: &List<'_>) -> Met {
    match list.machine.cargo_tool(tool) {
        Some(program) => Met::Present(format!("{} ({program})", tool.version())),
        None => Met::Fetched(format!("built from its crate, in {}", tool.build_time())),
    }
}

/// actionlint comes from GitHub if that can be reached, its fork and the others from pip's index.
fn linters(list: &List<'_>) -> Met {
    let mut missing = list.machine.missing_tools();
    missing.retain(|&tool| tool != Tool::Checkov);
    let names = |tools: &[Tool]| tools.iter().map(|tool| tool.name()).collect::<Vec<_>>().join(", ");
    if missing.is_empty() {
        return Met::Present("on this machine".to_owned());
    }
    if let Some(actionlint) = missing.iter_mut().find(|tool| **tool == Tool::Actionlint) {
        if list.machine.unreachable(Source::Release(Tool::Actionlint)).is_none() {
            missing.retain(|&tool| tool != Tool::Actionlint);
            return match missing.as_slice() {
                [] => Met::Fetched("actionlint from its release".to_owned()),
                others => list.by_pip(&format!("actionlint from its release; {}", names(others))),
            };
        }
        *actionlint = Tool::ActionlintFork;
    }
    list.by_pip(&names(&missing))
}

/// Adds the requirements of `ci` and `deploy` alone.
pub(super) fn of_pipeline(list: &mut List<'_>) {
    list.add(
        OPTIONAL,
        "Docker buildx",
        "without it, no images, unless a client on PATH is older than 23",
        |list| list.version("docker", &["buildx", "version"]),
        "install Docker's plugin docker-buildx: https://docs.docker.com/go/buildx/",
    );
    if !list.machine.builds_images() {
        list.for_the_pipeline("Docker buildx");
    }
    list.add(
        OPTIONAL,
        "curl",
        "downloads releases, asks the service that was deployed",
        |list| {
            // The rest of the line lists its libraries.
            let line = list.first_line("curl", &["--version"]);
            Met::present(line.map(|line| line.split(" (").next().unwrap_or_default().to_owned()))
        },
        "apt-get install curl",
    );
    list.for_the_pipeline("curl");
    list.add(
        OPTIONAL,
        CARGO_HACK.name(),
        "builds each combination of features of the published crates",
        |list| cargo_tool(&CARGO_HACK, list),
        &CARGO_HACK.help(),
    );
    list.add(
        OPTIONAL,
        "mmdebstrap",
        "without it, no images where the official base images can't be pulled",
        |list| list.version("mmdebstrap", &["--version"]),
        "apt-get install mmdebstrap",
    );
    list.add(
        OPTIONAL,
        "gh",
        "without it, no promotion with RDS_IAM_ATTESTATIONS, which verifies an image's attestation",
        |list| list.version("gh", &["--version"]),
        attestation::GH_HELP,
    );
    // lint installs its own tools; a gate fails if its tool is missing.
    let rows = list.machine.tools().into_iter();
    list.needs.extend(rows.filter(|row| row.tool != Tool::Terraform && row.tool != Tool::Checkov).map(
        |row| Need {
            name: row.tool.name(),
            purpose: row.tool.purpose(),
            tasks: OPTIONAL,
            // lint installs its own tools if missing; for workflows there are two alternative linters.
            pipeline: matches!(row.tool, Tool::Tflint | Tool::Trivy),
            met: Met::present(row.found),
            help: row.help,
        },
    ));
}

pub(super) fn terraform(machine: &dyn Machine) -> Option<String> {
    let answer = machine.ask("terraform", &["version"])?;
    let version = answer.lines().find_map(|line| line.strip_prefix("Terraform v"))?;
    tools::is_new_enough_terraform(version).then(|| format!("Terraform {version}"))
}
