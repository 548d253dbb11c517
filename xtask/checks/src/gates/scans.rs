//! Defines each scan as a `Gate`, with its commands and files: tflint and checkov on the Terraform code,
//! trivy on configuration, the repository, images and SBOMs.

use std::path::{Path, PathBuf};

use super::evidence::Evidence;
use super::{Command, Gate};
use rds_iam_process::runner::Cmd;
use rds_iam_process::tools::{Found, Tool};
use rds_iam_process::workspace::Workspace;

/// The folder with all Terraform files.
const TERRAFORM: &str = "terraform";
/// The severities of trivy's findings that fail a run.
const SEVERITIES: &str = "HIGH,CRITICAL";
/// Folders of the repository with built or downloaded files.
const NOT_OURS: [&str; 2] = ["target", "**/.terraform"];
/// Deliberately insecure configuration: test data of the rules for plans.
const BAD_ON_PURPOSE: &str = "crates/tfplan/tests/plans";

/// Returns the scan of every module and stack by tflint. Its first command fetches the ruleset that
/// `.tflint.hcl` pins, once.
pub fn tflint(tflint: &Found, workspace: &Workspace) -> Gate {
    let folder = workspace.root.join(TERRAFORM);
    let config = format!("--config={}", folder.join(".tflint.hcl").display());
    let plugins = workspace.cache.join("tools/tflint-plugins").display().to_string();
    let cmd = || {
        // A user's own settings must not change the subject of the scan.
        tflint
            .cmd(&folder)
            .without(&["TFLINT_", "TF_"])
            .env("TFLINT_PLUGIN_DIR", plugins.as_str())
            .args([&config])
    };
    let init = cmd().args(["--init"]).hint(
        "the ruleset comes from GitHub, whose API answers few requests without a token (set GITHUB_TOKEN), and is \
         verified with what Sigstore publishes (tuf-repo-cdn.sigstore.dev): both must be reachable",
    );
    // With --force, findings do not fail the command, only a scan that could not run.
    let scan = cmd().args(["--recursive", "--force", "--format=sarif"]);
    let sarif = sarif(workspace, "tflint");
    Gate {
        tool: Tool::Tflint,
        name: "tflint".to_owned(),
        commands: vec![run(init), Command { cmd: scan, to: Some(sarif.clone()) }],
        sarif,
        base: TERRAFORM,
        evidence: Evidence::TerraformFiles(folder),
    }
}

/// Returns the scan of the Terraform code by checkov. A check that is skipped beside a resource, with a
/// reason, is not a finding.
pub fn checkov(checkov: &Found, workspace: &Workspace) -> Gate {
    let (sarif, report) = (sarif(workspace, "checkov"), report(workspace, "checkov"));
    let files = format!("{},{}", sarif.display(), report.display());
    // Without --quiet, the report also lists the passed checks, which are the evidence.
    let scan = ["--framework", "terraform", "--skip-download", "--compact", "--soft-fail"];
    let cmd = checkov
        .cmd(&workspace.root)
        .without(&["CKV_", "BC_", "CHECKOV_", "PRISMA_"])
        // checkov reads settings from the home folder, which could skip checks.
        .settings(&[("HOME", workspace.target.display().to_string())])
        .args(["--directory", TERRAFORM])
        .args(scan)
        .args(["-o", "sarif", "-o", "json", "--output-file-path", &files]);
    Gate {
        tool: Tool::Checkov,
        name: "checkov".to_owned(),
        commands: vec![run(cmd)],
        sarif,
        base: "",
        evidence: Evidence::CheckovReport(report),
    }
}

/// Returns the scan of the repository's configuration by trivy: Dockerfiles and Terraform.
pub fn trivy_config(trivy: &Found, workspace: &Workspace) -> Gate {
    let options = ["config", "--skip-dirs", BAD_ON_PURPOSE].map(str::to_owned);
    let options = options.into_iter().chain(skipped()).chain([".".to_owned()]);
    trivy_scan("trivy-config", options, Evidence::TrivyConfiguration, trivy, workspace)
}

/// Returns the scan of the repository by trivy: known vulnerabilities of dependencies, and secrets.
pub fn trivy_repository(trivy: &Found, workspace: &Workspace) -> Gate {
    let options = ["fs", "--scanners", "vuln,secret", "--list-all-pkgs", "--no-progress"].map(str::to_owned);
    let options = options.into_iter().chain(skipped()).chain([".".to_owned()]);
    trivy_scan("trivy-repository", options, Evidence::TrivyPackages, trivy, workspace)
}

/// Returns the scan of the image `name` in an OCI layout by trivy: its packages, files and configuration.
pub fn trivy_image(name: &str, layout: &Path, trivy: &Found, workspace: &Workspace) -> Gate {
    let scanners = ["--scanners", "vuln,secret", "--image-config-scanners", "misconfig,secret"];
    let options = ["image", "--list-all-pkgs", "--no-progress"].into_iter().chain(scanners);
    let options = options.map(str::to_owned).chain(["--input".to_owned(), layout.display().to_string()]);
    trivy_scan(&format!("trivy-image-{name}"), options, Evidence::TrivyImage, trivy, workspace)
}

/// Returns the scan of an image's SBOM (CycloneDX) by trivy; it has components that the image itself no
/// longer shows.
pub fn trivy_sbom(name: &str, sbom: &Path, trivy: &Found, workspace: &Workspace) -> Gate {
    let options = ["sbom", "--list-all-pkgs", "--no-progress"].map(str::to_owned);
    let options = options.into_iter().chain([sbom.display().to_string()]);
    trivy_scan(&format!("trivy-sbom-{name}"), options, Evidence::TrivyPackages, trivy, workspace)
}

/// Returns a scan by trivy. trivy writes its own report first, which shows what was scanned; the SARIF is
/// made from it.
fn trivy_scan(
    name: &str,
    options: impl IntoIterator<Item = String>,
    evidence: fn(PathBuf) -> Evidence,
    trivy: &Found,
    workspace: &Workspace,
) -> Gate {
    let (sarif, report) = (sarif(workspace, name), report(workspace, name));
    let (to_sarif, to_report) = (sarif.display().to_string(), report.display().to_string());
    let cache = workspace.cache.join("tools/trivy-data").display().to_string();
    // Both also read Terraform's variables from the environment.
    let cmd = || trivy.cmd(&workspace.root).without(&["TRIVY_", "TF_"]);
    let scan = cmd()
        .args(options)
        .args(["--disable-telemetry", "--skip-version-check", "--cache-dir", &cache])
        .args(["--severity", SEVERITIES, "--exit-code", "0"])
        .args(["--format", "json", "--output", &to_report])
        .hint(
            "where it could not fetch its database: the container registries that have it must be reachable",
        );
    let convert = cmd().args([
        "convert",
        "--severity",
        SEVERITIES,
        "--format",
        "sarif",
        "--output",
        &to_sarif,
        &to_report,
    ]);
    Gate {
        tool: Tool::Trivy,
        name: name.to_owned(),
        commands: vec![run(scan), run(convert)],
        sarif,
        base: "",
        evidence: evidence(report),
    }
}

fn run(cmd: Cmd) -> Command {
    Command { cmd, to: None }
}

fn skipped() -> impl Iterator<Item = String> {
    NOT_OURS.into_iter().flat_map(|folder| ["--skip-dirs".to_owned(), folder.to_owned()])
}

fn sarif(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join("pipeline/sarif").join(format!("{name}.sarif"))
}

/// Returns the path of the tool's own report, which has more data than its SARIF.
fn report(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join("pipeline/reports").join(format!("{name}.json"))
}
