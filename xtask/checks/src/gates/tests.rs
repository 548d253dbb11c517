//! The gates against tools that are not what they should be. tflint and trivy are stand-ins that speak the
//! real ones' formats; `tests/outputs/checkov.sarif` is checkov's own, cut short, the others are written after what
//! the tools' sources write.

use std::fs;
use std::os::unix::fs::symlink;

use time::macros::date;

use super::*;
use rds_iam_process::tools::{self, Found};

const TODAY: Date = date!(2026 - 06 - 01);

/// A repository with a Terraform file, and a stand-in for one tool.
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

    /// What the stand-in is to do.
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
fn tflint_is_told_where_and_how_to_look() {
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
fn what_tflint_finds_fails_and_its_paths_are_from_the_root() {
    let repository = Repository::tflint("tflint-findings.sarif", 0);
    insta::assert_snapshot!(repository.report(repository.pass_tflint()), @r#"
    error: tflint: 1 finding not accepted
      terraform/modules/vpc/variables.tf:4: terraform_unused_declarations: variable "region" is declared but not used
      help: fix what is found, or accept it in gates/baseline.toml, with a reason and an end
    "#);
    let sarif = fs::read_to_string(repository.workspace.target.join("pipeline/sarif/tflint.sarif")).unwrap();
    assert!(sarif.contains("\"uri\": \"terraform/modules/vpc/variables.tf\""), "{sarif}");
}

#[test]
fn a_tflint_that_could_not_look_has_not_passed() {
    // As the real one does: with --force, 1 is left for its own errors.
    let repository = Repository::tflint("tflint-error.sarif", 1);
    assert!(matches!(repository.pass_tflint(), Err(Error::Run(_))));
    let repository = Repository::tflint("tflint-clean.sarif", 2);
    assert!(matches!(repository.pass_tflint(), Err(Error::Run(_))));
    // Should it ever end well with an error.
    let repository = Repository::tflint("tflint-error.sarif", 0);
    insta::assert_snapshot!(repository.report(repository.pass_tflint()), @r#"
    error: tflint ended well, and what it wrote to /target/pipeline/sarif/tflint.sarif is of no use: it reports an error: Failed to initialize plugins; Plugin "aws" not found. Did you run "tflint --init"?
      help: run it again; if it stays so, tflint 0.64.0 is not what this reads
    "#);
}

#[test]
fn a_tflint_that_looked_at_nothing_has_not_passed() {
    let repository = Repository::tflint("tflint-clean.sarif", 0);
    fs::remove_file(repository.workspace.root.join("terraform/modules/vpc/main.tf")).unwrap();
    insta::assert_snapshot!(repository.report(repository.pass_tflint()), @r"
    error: tflint looked at no Terraform files (/repository/terraform)
      help: what it found means nothing then: see above what tflint says about where it looked
    ");
}

#[test]
fn output_that_is_no_sarif_of_the_tool_is_a_failure() {
    let repository = Repository::tflint("tflint-clean.sarif", 0);
    let told = |text: &str| {
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
    insta::assert_snapshot!(wrong.map(told).join("\n"), @"
    error: tflint ended well, and what it wrote to /target/pipeline/sarif/tflint.sarif is of no use: it is empty
    error: tflint ended well, and what it wrote to /target/pipeline/sarif/tflint.sarif is of no use: it is not JSON: expected value at line 1 column 1
    error: tflint ended well, and what it wrote to /target/pipeline/sarif/tflint.sarif is of no use: it is not SARIF: missing field `runs`
    error: tflint ended well, and what it wrote to /target/pipeline/sarif/tflint.sarif is of no use: it has no run of tflint
    error: tflint ended well, and what it wrote to /target/pipeline/sarif/tflint.sarif is of no use: it is SARIF 3.0, not 2.1.0
    error: tflint ended well, and what it wrote to /target/pipeline/sarif/tflint.sarif is of no use: a run without results
    error: tflint ended well, and what it wrote to /target/pipeline/sarif/tflint.sarif is of no use: it has no run of tflint
    error: tflint ended well, and what it wrote to /target/pipeline/sarif/tflint.sarif is of no use: it is not JSON: EOF while parsing an object at line 11 column 0
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
fn trivy_is_told_what_to_look_at() {
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
fn what_trivy_finds_fails_and_a_secret_is_not_repeated() {
    let repository = Repository::trivy("trivy-repository.json", "trivy-findings.sarif");
    let report = repository.report(repository.pass_repository());
    insta::assert_snapshot!(report, @r"
    error: trivy: 3 findings not accepted
      Cargo.lock:12: CVE-2026-0001: Package: libexample, Installed Version: 1.2.3, Vulnerability CVE-2026-0001, Severity: HIGH, Fixed Version: 1.2.4, Link: [CVE-2026-0001](https://avd.aquasec.com/nvd/cve-2026-0001)
      docker/app/Dockerfile:1: DS-0002: Artifact: docker/app/Dockerfile, Type: dockerfile, Vulnerability DS-0002, Severity: HIGH, Message: Specify at least 1 USER command in Dockerfile with non-root user as argument, Link: [DS-0002](https://avd.aquasec.com/misconfig/ds-0002)
      docs/notes.md:3: aws-access-key-id: Artifact: docs/notes.md, Type:, Secret AWS Access Key ID, Severity: CRITICAL
      help: fix what is found, or accept it in gates/baseline.toml, with a reason and an end
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
fn a_trivy_that_wrote_nothing_or_looked_at_nothing_has_not_passed() {
    let repository = Repository::new(Tool::Trivy);
    let (tool, workspace) = (&repository.tool, &repository.workspace);
    let told = |gate: Gate| repository.report(repository.pass(&[gate])).lines().next().unwrap().to_owned();
    let mut lines = vec![told(trivy_repository(tool, workspace))];
    repository.beside("json", "{\"Results\": [");
    lines.push(told(trivy_repository(tool, workspace)));
    repository.beside("json", "{\"SchemaVersion\": 2, \"ArtifactName\": \".\"}");
    lines.push(told(trivy_repository(tool, workspace)));
    lines.push(told(trivy_config(tool, workspace)));
    lines.push(told(trivy_image("app", Path::new("layout"), tool, workspace)));
    repository.beside("json", &output("trivy-repository.json"));
    lines.push(told(trivy_repository(tool, workspace)));
    insta::assert_snapshot!(lines.join("\n"), @r"
    error: trivy ended well, and its report /target/pipeline/reports/trivy-repository.json is of no use: there is none
    error: trivy ended well, and its report /target/pipeline/reports/trivy-repository.json is of no use: EOF while parsing a list at line 1 column 13
    error: trivy looked at no packages (/target/pipeline/reports/trivy-repository.json)
    error: trivy looked at no files of configuration (/target/pipeline/reports/trivy-config.json)
    error: trivy ended well, and its report /target/pipeline/reports/trivy-image-app.json is of no use: it names no image
    error: trivy ended well, and what it wrote to /target/pipeline/sarif/trivy-repository.sarif is of no use: there is no file
    ");
}

#[test]
fn a_file_that_excuses_findings_elsewhere_is_refused() {
    let repository = Repository::trivy("trivy-repository.json", "trivy-clean.sarif");
    fs::write(repository.workspace.root.join(".trivyignore"), "CVE-2026-0001\n").unwrap();
    insta::assert_snapshot!(repository.report(repository.pass_repository()), @"
    error: .trivyignore would excuse findings without a reason or an end
      help: move what is accepted to gates/baseline.toml, and remove it there
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
    error: terraform/modules/vpc/main.tf:2, terraform/modules/vpc/main.tf:4, docker/app/Dockerfile:1 would excuse findings without a reason or an end
      help: move what is accepted to gates/baseline.toml, and remove it there
    ");
}

/// Acceptances of all that `trivy-findings.sarif` finds, until `expires`.
fn accepting(expires: &str) -> String {
    let entry = |rule, place| {
        format!(
            "[[accepted]]\ntool = 'trivy'\nrule = '{rule}'\n{place}\nreason = 'looked at'\nexpires = {expires}\n"
        )
    };
    [
        entry("CVE-2026-0001", "package = 'libexample'"),
        entry("DS-0002", "path = 'docker'"),
        entry("aws-access-key-id", "path = 'docs/notes.md'"),
    ]
    .join("\n")
}

#[test]
fn what_is_accepted_passes_to_its_last_day() {
    let repository = Repository::trivy("trivy-repository.json", "trivy-findings.sarif");
    for expires in ["2026-06-01", "2026-11-28"] {
        repository.baseline(&accepting(expires));
        assert_eq!(repository.pass_repository().unwrap(), Outcome::Passed, "{expires}");
    }
}

#[test]
fn an_acceptance_that_ended_fails_and_says_so() {
    let repository = Repository::trivy("trivy-repository.json", "trivy-findings.sarif");
    repository.baseline(&accepting("2026-05-31"));
    insta::assert_snapshot!(repository.report(repository.pass_repository()), @r"
    error: trivy: 3 findings not accepted
      Cargo.lock:12: CVE-2026-0001: Package: libexample, Installed Version: 1.2.3, Vulnerability CVE-2026-0001, Severity: HIGH, Fixed Version: 1.2.4, Link: [CVE-2026-0001](https://avd.aquasec.com/nvd/cve-2026-0001)
      docker/app/Dockerfile:1: DS-0002: Artifact: docker/app/Dockerfile, Type: dockerfile, Vulnerability DS-0002, Severity: HIGH, Message: Specify at least 1 USER command in Dockerfile with non-root user as argument, Link: [DS-0002](https://avd.aquasec.com/misconfig/ds-0002)
      docs/notes.md:3: aws-access-key-id: Artifact: docs/notes.md, Type:, Secret AWS Access Key ID, Severity: CRITICAL
    gates/baseline.toml:1: CVE-2026-0001 was accepted until 2026-05-31: looked at
    gates/baseline.toml:8: DS-0002 was accepted until 2026-05-31: looked at
    gates/baseline.toml:15: aws-access-key-id was accepted until 2026-05-31: looked at
      help: fix what is found, or accept it in gates/baseline.toml, with a reason and an end
    ");
    // Also where what it accepted is gone: it would be there for the next such finding.
    let repository = Repository::trivy("trivy-repository.json", "trivy-clean.sarif");
    let all = accepting("2026-05-31");
    repository.baseline(all.split("\n\n").next().unwrap());
    insta::assert_snapshot!(repository.report(repository.pass_repository()), @r"
    error: gates/baseline.toml:1: CVE-2026-0001 was accepted until 2026-05-31: looked at
      help: remove the entry in gates/baseline.toml, or look at it again and give it a new end
    ");
}

#[test]
fn an_acceptance_of_another_tool_or_of_nothing_that_is_found_accepts_nothing() {
    let repository = Repository::trivy("trivy-repository.json", "trivy-findings.sarif");
    repository.baseline(&accepting("2026-06-02").replace("'trivy'", "'checkov'"));
    let report = repository.report(repository.pass_repository());
    assert!(report.starts_with("error: trivy: 3 findings not accepted\n"), "{report}");

    let repository = Repository::trivy("trivy-repository.json", "trivy-clean.sarif");
    repository.baseline(&accepting("2026-06-02"));
    let warned = "accepts what is no longer found: gates/baseline.toml:1, gates/baseline.toml:8, gates/baseline.toml:15";
    assert_eq!(repository.pass_repository().unwrap(), Outcome::Warned(warned.to_owned()));
}

#[test]
fn a_baseline_that_is_not_in_order_fails_before_anything_runs() {
    let repository = Repository::trivy("trivy-repository.json", "trivy-clean.sarif");
    repository.baseline("[[accepted]]\ntool = 'trivy'\nrule = 'DS-0002'\npath = 'docker'\n");
    insta::assert_snapshot!(repository.report(repository.pass_repository()), @r"
    error: gates/baseline.toml:1: DS-0002 is accepted without a reason
      help: an entry has tool, rule, path or package or both, reason, and expires: a date within 180 days
    ");
    assert!(!Path::new(&format!("{}.calls", repository.tool.program)).exists());
}

#[test]
fn what_checkov_skips_beside_a_resource_is_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkov.sarif");
    fs::copy(own().join("outputs/checkov.sarif"), &file).unwrap();
    let sarif = Sarif::read(&file, Tool::Checkov, "checkov", "").unwrap();
    let written: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(written["runs"][0]["automationDetails"]["id"], "checkov/");
    let rules: Vec<&str> = sarif.findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!((rules, sarif.suppressed), (vec!["CKV2_AWS_6", "CKV_AWS_18"], 1));
    assert_eq!((sarif.findings[0].path.as_str(), sarif.findings[0].line), ("terraform/main.tf", 1));
}

#[test]
fn checkov_has_to_have_read_all_files_and_passed_something() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkov.json");
    let told = |report: &str| {
        fs::write(&file, report).unwrap();
        Evidence::CheckovReport(file.clone())
            .confirm(Tool::Checkov)
            .map_err(|error| error.to_string().replace(&file.display().to_string(), "REPORT"))
            .unwrap_or_else(|error| error)
    };
    let judged = |ids: &[&str]| {
        let checks: Vec<_> = ids.iter().map(|id| serde_json::json!({"check_id": id})).collect();
        let (failed, passed) = checks.split_at(1);
        let summary = serde_json::json!({"passed": 3, "failed": 1, "skipped": 1, "parsing_errors": 0});
        serde_json::json!({
            "results": {"failed_checks": failed, "passed_checks": passed, "skipped_checks": [{"check_id": "CKV_AWS_79"}]},
            "summary": summary,
        })
        .to_string()
    };
    let lines = [
        &judged(&["CKV_AWS_16", "CKV_AWS_17", "CKV_AWS_79"]),
        // Skipped beside the resource.
        &judged(&["CKV_AWS_16", "CKV_AWS_17"]),
        // Its attribute can't be resolved.
        &judged(&["CKV_AWS_79", "CKV_AWS_16"]),
        r#"{"summary": {"passed": 3, "failed": 0, "skipped": 1, "parsing_errors": 2}}"#,
        r#"{"summary": {"passed": 0, "failed": 0, "skipped": 0, "parsing_errors": 0}}"#,
        r#"{"passed": 0, "failed": 0}"#,
        "",
    ];
    insta::assert_snapshot!(lines.map(told).join("\n"), @"
    3 checks passed, 1 failed, 1 skipped with a reason
    checkov judged no resource by CKV_AWS_79: a machine refuses IMDSv1
    checkov judged no resource by CKV_AWS_17: a database has no public address
    checkov could not read 2 files and passed 3 checks
    checkov could not read 0 files and passed 0 checks
    checkov ended well, and its report REPORT is of no use: no summary
    checkov ended well, and its report REPORT is of no use: EOF while parsing a value at line 1 column 0
    ");
}
