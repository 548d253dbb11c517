//! Tests of how checkov's SARIF and report are interpreted.

use std::fs;

use super::*;

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
    let confirmed = |report: &str| {
        fs::write(&file, report).unwrap();
        Evidence::CheckovReport(file.clone())
            .confirm(Tool::Checkov)
            .map_err(|error| error.to_string().replace(&file.display().to_string(), "REPORT"))
            .unwrap_or_else(|error| error)
    };
    let judged_and_skipped = |ids: &[&str], skipped: &str| {
        let checks: Vec<_> = ids.iter().map(|id| serde_json::json!({"check_id": id})).collect();
        let (failed, passed) = checks.split_at(1);
        let summary = serde_json::json!({"passed": 3, "failed": 1, "skipped": 1, "parsing_errors": 0});
        serde_json::json!({
            "results": {"failed_checks": failed, "passed_checks": passed, "skipped_checks": [{"check_id": skipped, "resource": "aws_db_instance.copy"}]},
            "summary": summary,
        })
        .to_string()
    };
    let judged = |ids: &[&str]| judged_and_skipped(ids, "CKV_AWS_18");
    let lines = [
        &judged(&["CKV_AWS_16", "CKV_AWS_17", "CKV_AWS_79"]),
        // Judged for one resource, and skipped beside another.
        &judged_and_skipped(&["CKV_AWS_16", "CKV_AWS_17", "CKV_AWS_79"], "CKV_AWS_16"),
        // Skipped beside the only resource.
        &judged(&["CKV_AWS_16", "CKV_AWS_17"]),
        // The attribute can't be resolved.
        &judged(&["CKV_AWS_79", "CKV_AWS_16"]),
        r#"{"summary": {"passed": 3, "failed": 0, "skipped": 1, "parsing_errors": 2}}"#,
        r#"{"summary": {"passed": 0, "failed": 0, "skipped": 0, "parsing_errors": 0}}"#,
        r#"{"passed": 0, "failed": 0}"#,
        "",
    ];
    insta::assert_snapshot!(lines.map(confirmed).join("\n"), @"
    3 checks passed, 1 failed, 1 skipped with a reason
    CKV_AWS_16 is skipped for aws_db_instance.copy
    checkov judged no resource by CKV_AWS_79: a machine refuses IMDSv1
    checkov judged no resource by CKV_AWS_17: a database has no public address
    checkov could not read 2 files and passed 3 checks
    checkov could not read 0 files and passed 0 checks
    checkov succeeded, but its report REPORT is unusable: no summary
    checkov succeeded, but its report REPORT is unusable: EOF while parsing a value at line 1 column 0
    ");
}
