//! Tests of the gates of tflint and trivy: their arguments, their findings, scans that fail or read nothing,
//! and rejected ways to suppress findings. The tools are shims that print the real tools' formats;
//! `tests/outputs/checkov.sarif` is checkov's own, shortened, the others follow the tools' sources.

mod acceptance;
mod checkov;

use std::fs;
use std::os::unix::fs::symlink;

use time::macros::date;

use super::*;
use rds_iam_process::tools::{self, Found};

const TODAY: Date = date!(2026 - 06 - 01);

/// A repository with a Terraform file, and a shim for one tool.
struct Repository {
    folder: tempfile::TempDir,
    workspace: Workspace,
    tool: Found,
}

impl Repository {
    fn new(tool: Tool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let workspace = Workspace { root: at("repository"), target: at("target"), cache: at("cache") };
        for made in ["repository/terraform/modules/vpc", "repository/gates", "bin"] {
            fs::create_dir_all(at(made)).unwrap();
        }
        fs::write(at("repository/terraform/modules/vpc/main.tf"), "").unwrap();
        fs::write(at("repository/gates/baseline.toml"), "").unwrap();
        let program = at("bin").join(tool.name());
        symlink(own().join("stand-ins").join(tool.name()), &program).unwrap();
        let tool = tools::stand_in(tool, &program);
        Self { folder, workspace, tool }
    }

    fn tflint(output: &str, status: u8) -> Self {
        let repository = Self::new(Tool::Tflint);
        repository.beside("sarif", &self::output(output));
        repository.beside("status", &status.to_string());
        repository
    }

    fn trivy(report: &str, sarif: &str) -> Self {
        let repository = Self::new(Tool::Trivy);
        repository.beside("json", &output(report));
        repository.beside("sarif", &output(sarif));
        repository
    }

    /// Sets the shim's behaviour.
    fn beside(&self, suffix: &str, text: &str) {
        fs::write(format!("{}.{suffix}", self.tool.program), text).unwrap();
    }

    fn calls(&self) -> String {
        self.without_folders(&fs::read_to_string(format!("{}.calls", self.tool.program)).unwrap())
    }

    fn baseline(&self, text: &str) {
        fs::write(self.workspace.root.join("gates/baseline.toml"), text).unwrap();
    }

    fn pass(&self, gates: &[Gate]) -> Result<Outcome, Error> {
        let console = Console::silent();
        pass(gates, &self.workspace, TODAY, console, Runner::new(console))
    }

    fn pass_tflint(&self) -> Result<Outcome, Error> {
        self.pass(&[tflint(&self.tool, &self.workspace)])
    }

    fn pass_repository(&self) -> Result<Outcome, Error> {
        self.pass(&[trivy_repository(&self.tool, &self.workspace)])
    }

    fn report(&self, result: Result<Outcome, Error>) -> String {
        self.without_folders(&result.unwrap_err().report())
    }

    fn without_folders(&self, text: &str) -> String {
        text.replace(&self.folder.path().display().to_string(), "")
    }
}

fn own() -> PathBuf {
    rds_iam_process::workspace::root().join("xtask/checks/src/gates/tests")
}

fn output(name: &str) -> String {
    fs::read_to_string(own().join("outputs").join(name)).unwrap()
}

#[test]
fn tflint_gets_its_configuration_and_folder() {
    let repository = Repository::tflint("tflint-clean.sarif", 0);
    assert_eq!(repository.pass_tflint().unwrap(), Outcome::Passed);
    insta::assert_snapshot!(repository.calls(), @r"
    /repository/terraform: --config=/repository/terraform/.tflint.hcl --init
    /repository/terraform: --config=/repository/terraform/.tflint.hcl --recursive --force --format=sarif
    ");
    let gate = tflint(&repository.tool, &repository.workspace);
    let shown: Vec<String> = gate.commands().map(Cmd::shown).collect();
    insta::assert_snapshot!(repository.without_folders(&shown.join("\n")), @r"
    TFLINT_PLUGIN_DIR=/cache/tools/tflint-plugins /bin/tflint --config=/repository/terraform/.tflint.hcl --init
    TFLINT_PLUGIN_DIR=/cache/tools/tflint-plugins /bin/tflint --config=/repository/terraform/.tflint.hcl --recursive --force --format=sarif
    ");
}

#[test]
fn findings_of_tflint_fail_and_their_paths_are_from_the_root() {
    let repository = Repository::tflint("tflint-findings.sarif", 0);
    insta::assert_snapshot!(repository.report(repository.pass_tflint()), @r#"
    error: tflint: 1 finding not accepted
      terraform/modules/vpc/variables.tf:4: terraform_unused_declarations: variable "region" is declared but not used
      help: fix each finding, or accept it in gates/baseline.toml, with a reason and an expiry date
    "#);
    let sarif = fs::read_to_string(repository.workspace.target.join("pipeline/sarif/tflint.sarif")).unwrap();
    assert!(sarif.contains("\"uri\": \"terraform/modules/vpc/variables.tf\""), "{sarif}");
}

#[test]
fn a_tflint_that_could_not_scan_has_not_passed() {
    // With --force, the real tflint ends with 1 only for its own errors.
    let repository = Repository::tflint("tflint-error.sarif", 1);
    assert!(matches!(repository.pass_tflint(), Err(Error::Run(_))));
    let repository = Repository::tflint("tflint-clean.sarif", 2);
    assert!(matches!(repository.pass_tflint(), Err(Error::Run(_))));
    // In case it ends with success despite an error.
    let repository = Repository::tflint("tflint-error.sarif", 0);
    insta::assert_snapshot!(repository.report(repository.pass_tflint()), @r#"
    error: tflint succeeded, but its output /target/pipeline/sarif/tflint.sarif is unusable: it reports an error: Failed to initialize plugins; Plugin "aws" not found. Did you run "tflint --init"?
      help: run it again; if the error stays, the format of tflint 0.64.0 is not supported
    "#);
}

#[test]
fn a_tflint_that_scanned_nothing_has_not_passed() {
    let repository = Repository::tflint("tflint-clean.sarif", 0);
    fs::remove_file(repository.workspace.root.join("terraform/modules/vpc/main.tf")).unwrap();
    insta::assert_snapshot!(repository.report(repository.pass_tflint()), @r"
    error: tflint scanned no Terraform files (/repository/terraform)
      help: its findings mean nothing then: check in tflint's output above which path it searched
    ");
}

#[test]
fn output_that_is_no_sarif_of_the_tool_is_a_failure() {
    let repository = Repository::tflint("tflint-clean.sarif", 0);
    let error_line = |text: &str| {
        repository.beside("sarif", text);
        repository.report(repository.pass_tflint()).lines().next().unwrap().to_owned()
    };
    let clean = output("tflint-clean.sarif");
    let wrong = [
        "",
        "Error: no such rule",
        "{}",
        "{\"version\": \"2.1.0\", \"runs\": []}",
        &clean.replace("\"2.1.0\"", "\"3.0\""),
        &clean.replace("\"results\": []", "\"results\": null"),
        &output("trivy-clean.sarif"),
        &clean[..clean.len() / 2],
    ];
    insta::assert_snapshot!(wrong.map(error_line).join("\n"), @"
    error: tflint succeeded, but its output /target/pipeline/sarif/tflint.sarif is unusable: it is empty
    error: tflint succeeded, but its output /target/pipeline/sarif/tflint.sarif is unusable: it is not JSON: expected value at line 1 column 1
    error: tflint succeeded, but its output /target/pipeline/sarif/tflint.sarif is unusable: it is not SARIF: missing field `runs`
    error: tflint succeeded, but its output /target/pipeline/sarif/tflint.sarif is unusable: it has no run of tflint
    error: tflint succeeded, but its output /target/pipeline/sarif/tflint.sarif is unusable: it is SARIF 3.0, not 2.1.0
    error: tflint succeeded, but its output /target/pipeline/sarif/tflint.sarif is unusable: a run without results
    error: tflint succeeded, but its output /target/pipeline/sarif/tflint.sarif is unusable: it has no run of tflint
    error: tflint succeeded, but its output /target/pipeline/sarif/tflint.sarif is unusable: it is not JSON: EOF while parsing an object at line 11 column 0
    ");
}

#[test]
fn a_tool_that_was_removed_fails_with_the_command_that_installs_it() {
    let mut repository = Repository::new(Tool::Trivy);
    let gone = repository.folder.path().join("bin/gone");
    repository.tool = tools::stand_in(Tool::Trivy, &gone);
    let report = repository.report(repository.pass_repository());
    assert!(report.contains("/bin/gone was not found\n  help: cargo xtask tools install trivy"), "{report}");
}

#[test]
fn trivy_gets_its_subject() {
    let repository = Repository::trivy("trivy-repository.json", "trivy-clean.sarif");
    let (tool, workspace) = (&repository.tool, &repository.workspace);
    let gates = [
        trivy_config(tool, workspace),
        trivy_repository(tool, workspace),
        trivy_sbom("app", Path::new("sbom.cdx.json"), tool, workspace),
    ];
    let names: Vec<&str> = gates.iter().map(|gate| gate.name.as_str()).collect();
    assert_eq!(names, ["trivy-config", "trivy-repository", "trivy-sbom-app"]);
    assert_eq!(repository.pass(&gates).unwrap(), Outcome::Passed);
    repository.beside("json", &output("trivy-image.json"));
    let image = trivy_image("app", Path::new("images/app"), tool, workspace);
    assert_eq!(repository.pass(&[image]).unwrap(), Outcome::Passed);
    insta::assert_snapshot!(repository.calls(), @r"
    config --skip-dirs crates/tfplan/tests/plans --skip-dirs target --skip-dirs **/.terraform . --disable-telemetry --skip-version-check --cache-dir /cache/tools/trivy-data --severity HIGH,CRITICAL --exit-code 0 --format json --output /target/pipeline/reports/trivy-config.json
    convert --severity HIGH,CRITICAL --format sarif --output /target/pipeline/sarif/trivy-config.sarif /target/pipeline/reports/trivy-config.json
    fs --scanners vuln,secret --list-all-pkgs --no-progress --skip-dirs target --skip-dirs **/.terraform . --disable-telemetry --skip-version-check --cache-dir /cache/tools/trivy-data --severity HIGH,CRITICAL --exit-code 0 --format json --output /target/pipeline/reports/trivy-repository.json
    convert --severity HIGH,CRITICAL --format sarif --output /target/pipeline/sarif/trivy-repository.sarif /target/pipeline/reports/trivy-repository.json
    sbom --list-all-pkgs --no-progress sbom.cdx.json --disable-telemetry --skip-version-check --cache-dir /cache/tools/trivy-data --severity HIGH,CRITICAL --exit-code 0 --format json --output /target/pipeline/reports/trivy-sbom-app.json
    convert --severity HIGH,CRITICAL --format sarif --output /target/pipeline/sarif/trivy-sbom-app.sarif /target/pipeline/reports/trivy-sbom-app.json
    image --list-all-pkgs --no-progress --scanners vuln,secret --image-config-scanners misconfig,secret --input images/app --disable-telemetry --skip-version-check --cache-dir /cache/tools/trivy-data --severity HIGH,CRITICAL --exit-code 0 --format json --output /target/pipeline/reports/trivy-image-app.json
    convert --severity HIGH,CRITICAL --format sarif --output /target/pipeline/sarif/trivy-image-app.sarif /target/pipeline/reports/trivy-image-app.json
    ");
}

#[test]
fn findings_of_trivy_fail_and_a_secret_is_not_repeated() {
    let repository = Repository::trivy("trivy-repository.json", "trivy-findings.sarif");
    let report = repository.report(repository.pass_repository());
    insta::assert_snapshot!(report, @r"
    error: trivy: 3 findings not accepted
      Cargo.lock:12: CVE-2026-0001: Package: libexample, Installed Version: 1.2.3, Vulnerability CVE-2026-0001, Severity: HIGH, Fixed Version: 1.2.4, Link: [CVE-2026-0001](https://avd.aquasec.com/nvd/cve-2026-0001)
      docker/app/Dockerfile:1: DS-0002: Artifact: docker/app/Dockerfile, Type: dockerfile, Vulnerability DS-0002, Severity: HIGH, Message: Specify at least 1 USER command in Dockerfile with non-root user as argument, Link: [DS-0002](https://avd.aquasec.com/misconfig/ds-0002)
      docs/notes.md:3: aws-access-key-id: Artifact: docs/notes.md, Type:, Secret AWS Access Key ID, Severity: CRITICAL
      help: fix each finding, or accept it in gates/baseline.toml, with a reason and an expiry date
    ");
    assert!(!report.contains("****"), "{report}");
}

#[test]
fn a_trivy_that_failed_has_not_passed_and_an_old_report_is_not_taken_for_its_own() {
    let repository = Repository::trivy("trivy-repository.json", "trivy-clean.sarif");
    repository.pass_repository().unwrap();
    repository.beside("fails", "FATAL\tdatabase download error");
    let report = repository.report(repository.pass_repository());
    assert!(report.contains("| FATAL\tdatabase download error"), "{report}");
    let left = |name: &str| repository.workspace.target.join("pipeline").join(name).exists();
    assert!(!left("sarif/trivy-repository.sarif") && !left("reports/trivy-repository.json"));
}

#[test]
fn a_trivy_that_wrote_nothing_or_scanned_nothing_has_not_passed() {
    let repository = Repository::new(Tool::Trivy);
    let (tool, workspace) = (&repository.tool, &repository.workspace);
    let error_line =
        |gate: Gate| repository.report(repository.pass(&[gate])).lines().next().unwrap().to_owned();
    let mut lines = vec![error_line(trivy_repository(tool, workspace))];
    repository.beside("json", "{\"Results\": [");
    lines.push(error_line(trivy_repository(tool, workspace)));
    repository.beside("json", "{\"SchemaVersion\": 2, \"ArtifactName\": \".\"}");
    lines.push(error_line(trivy_repository(tool, workspace)));
    lines.push(error_line(trivy_config(tool, workspace)));
    lines.push(error_line(trivy_image("app", Path::new("layout"), tool, workspace)));
    repository.beside("json", &output("trivy-repository.json"));
    lines.push(error_line(trivy_repository(tool, workspace)));
    insta::assert_snapshot!(lines.join("\n"), @r"
    error: trivy succeeded, but its report /target/pipeline/reports/trivy-repository.json is unusable: there is none
    error: trivy succeeded, but its report /target/pipeline/reports/trivy-repository.json is unusable: EOF while parsing a list at line 1 column 13
    error: trivy scanned no packages (/target/pipeline/reports/trivy-repository.json)
    error: trivy scanned no files of configuration (/target/pipeline/reports/trivy-config.json)
    error: trivy succeeded, but its report /target/pipeline/reports/trivy-image-app.json is unusable: it names no image
    error: trivy succeeded, but its output /target/pipeline/sarif/trivy-repository.sarif is unusable: there is no file
    ");
}

#[test]
fn a_file_that_excuses_findings_elsewhere_is_refused() {
    let repository = Repository::trivy("trivy-repository.json", "trivy-clean.sarif");
    fs::write(repository.workspace.root.join(".trivyignore"), "CVE-2026-0001\n").unwrap();
    insta::assert_snapshot!(repository.report(repository.pass_repository()), @"
    error: .trivyignore would suppress findings without a reason or an expiry date
      help: move accepted findings to gates/baseline.toml, and remove it there
    ");
}

#[test]
fn a_comment_that_silences_a_finding_is_refused() {
    let repository = Repository::trivy("trivy-repository.json", "trivy-clean.sarif");
    let root = &repository.workspace.root;
    for (path, text) in [
        ("terraform/modules/vpc/main.tf", "# one\n#trivy:ignore:AWS-0102\nresource {}\n# tflint-ignore: x\n"),
        ("terraform/modules/vpc/.terraform/main.tf", "#trivy:ignore:AWS-0102\n"),
        ("docker/app/Dockerfile", "#tfsec:ignore:x\n"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    insta::assert_snapshot!(repository.report(repository.pass_repository()), @"
    error: terraform/modules/vpc/main.tf:2, terraform/modules/vpc/main.tf:4, docker/app/Dockerfile:1 would suppress findings without a reason or an expiry date
      help: move accepted findings to gates/baseline.toml, and remove it there
    ");
}
