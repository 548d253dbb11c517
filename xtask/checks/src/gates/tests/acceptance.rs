//! Tests of the findings that `gates/baseline.toml` accepts, and of their expiry.

use std::path::Path;

use super::*;

/// Returns entries that accept all findings of `trivy-findings.sarif` until `expires`.
fn accepting(expires: &str) -> String {
    let entry = |rule, place| {
        format!(
            "[[accepted]]\ntool = 'trivy'\nrule = '{rule}'\n{place}\nreason = 'reviewed'\nexpires = {expires}\n"
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
    insta::assert_snapshot!(repository.report(repository.pass_repository()), @"
    error: trivy: 3 findings not accepted
      Cargo.lock:12: CVE-2026-0001: Package: libexample, Installed Version: 1.2.3, Vulnerability CVE-2026-0001, Severity: HIGH, Fixed Version: 1.2.4, Link: [CVE-2026-0001](https://avd.aquasec.com/nvd/cve-2026-0001)
      docker/app/Dockerfile:1: DS-0002: Artifact: docker/app/Dockerfile, Type: dockerfile, Vulnerability DS-0002, Severity: HIGH, Message: Specify at least 1 USER command in Dockerfile with non-root user as argument, Link: [DS-0002](https://avd.aquasec.com/misconfig/ds-0002)
      docs/notes.md:3: aws-access-key-id: Artifact: docs/notes.md, Type:, Secret AWS Access Key ID, Severity: CRITICAL
    gates/baseline.toml:1: CVE-2026-0001 was accepted until 2026-05-31: reviewed
    gates/baseline.toml:8: DS-0002 was accepted until 2026-05-31: reviewed
    gates/baseline.toml:15: aws-access-key-id was accepted until 2026-05-31: reviewed
      help: fix each finding, or accept it in gates/baseline.toml, with a reason and an expiry date
    ");
    // Also if the accepted finding is gone: the entry would accept the next such finding.
    let repository = Repository::trivy("trivy-repository.json", "trivy-clean.sarif");
    let all = accepting("2026-05-31");
    repository.baseline(all.split("\n\n").next().unwrap());
    insta::assert_snapshot!(repository.report(repository.pass_repository()), @r"
    error: gates/baseline.toml:1: CVE-2026-0001 was accepted until 2026-05-31: reviewed
      help: remove the entry in gates/baseline.toml, or review it and set a new expiry date
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
