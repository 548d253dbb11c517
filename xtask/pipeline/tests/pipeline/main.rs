//! Tests of the pipeline's program from the user's side, with shims for the programs that it starts: `ci`,
//! `deploy`, `promote`, `rollback` and `destroy`, failing stages, dry runs, Ctrl-C, and reports.

mod guards;
mod jobs;
mod machine;
mod plans;
mod preflight;
mod test_repo;

use std::fs;
use std::path::PathBuf;

use test_repo::TestRepo;

/// Every stage of a deployment: the call that is broken, and the exit status.
const DEPLOY: [(&str, &str, i32); 14] = [
    ("programs", "cargo build --locked --package rds-iam", 23),
    ("validate", "terraform validate*", 10),
    ("tflint", "tflint *--format=sarif", 11),
    ("checkov", "python -I -m checkov.main --dir*", 12),
    ("plan", "terraform plan*", 13),
    ("docker-build", "docker build --*", 14),
    ("trivy", "trivy image*", 15),
    ("apply", "terraform apply*", 16),
    ("rds-conf", "rds-iam conf*", 17),
    ("proxy-auth", "rds-iam proxy-auth*", 18),
    ("ecr-push", "rds-iam image push*", 19),
    ("bootstrap", "rds-iam invoke-bootstrap*", 27),
    ("rollout", "rds-iam rollout*", 28),
    ("smoke", "curl */api/messages", 30),
];

#[test]
fn a_deployment_runs_every_stage_and_leaves_its_records() {
    let repo = TestRepo::new();
    let ended = repo.run(&["deploy", "--env", "dev", "--json", "report.json", "--junit", "report.xml"], &[]);
    ended.expect(0).assert_contains("14 stages passed, 0 failed, 0 not run");
    for (stage, ..) in DEPLOY {
        assert!(ended.row(stage).contains("passed"), "{}", ended.printed);
    }
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(repo.path("report.json")).unwrap()).unwrap();
    assert_eq!((&report["exit"], &report["environment"]), (&0.into(), &"dev".into()));
    assert_eq!(report["stages"].as_array().unwrap().len(), 14);
    assert!(fs::read_to_string(repo.path("report.xml")).unwrap().contains("tests=\"14\""));
    let gates = fs::read_to_string(repo.pipeline("dev/bundle/gates.json")).unwrap();
    for gate in ["validate", "tflint", "checkov", "trivy"] {
        assert!(gates.contains(&format!("\"name\": \"{gate}\"")), "{gates}");
    }
    for image in ["app", "bootstrap"] {
        assert!(repo.pipeline(&format!("dev/images/{image}/index.json")).is_file());
        assert!(repo.pipeline(&format!("dev/images/{image}.sbom.cdx.json")).is_file());
    }
    // At the path where, by the environment's settings, the plan expects it.
    assert!(repo.path("../target/lambda/x.zip").is_file());
    // The plan was spent; a second apply has none.
    repo.run(&["apply", "--env", "dev"], &[]).expect(3).assert_contains("missing: the plan (for apply)");
}

#[test]
fn each_stage_that_breaks_stops_a_deployment_with_its_own_status() {
    let repo = TestRepo::new();
    for (at, (stage, pattern, status)) in DEPLOY.into_iter().enumerate() {
        let ended = repo.run(&["deploy", "--env", "dev"], &[("BREAK", pattern)]);
        ended.expect(status);
        assert!(ended.row(stage).contains("FAILED"), "{stage}\n{}", ended.printed);
        ended.assert_contains("broken on purpose").assert_contains(&format!("exit status {status}"));
        // A stage after a change to the account does not run if an earlier stage failed.
        for (later, ..) in &DEPLOY[(at + 1).max(7)..] {
            let row = ended.row(later);
            let beside = matches!(
                (stage, *later),
                ("rds-conf" | "proxy-auth", "proxy-auth" | "ecr-push" | "bootstrap")
            );
            assert!(
                row.ends_with(&format!("{stage} failed")) && row.contains("not run") || beside,
                "{stage}: {row}"
            );
        }
    }
}

#[test]
fn a_pull_request_is_stopped_by_each_of_its_stages() {
    let repo = TestRepo::new();
    for (stage, pattern, status) in [
        ("lint", "cargo fmt*", 22),
        ("programs", "cargo build --locked --workspace*", 23),
        ("validate", "terraform fmt*", 10),
        ("tflint", "tflint *--init", 11),
        ("checkov", "python -I -m checkov.main --dir*", 12),
        ("plan", "rds-iam plan*", 13),
        ("docker-build", "docker save*", 14),
        ("trivy", "trivy fs*", 15),
        ("test", "cargo test*--doc*", 24),
    ] {
        let ended = repo.run(&["ci"], &[("BREAK", pattern)]);
        ended.expect(status).assert_contains("broken on purpose");
        assert!(ended.row(stage).contains("FAILED"), "{stage}\n{}", ended.printed);
    }
    repo.run(&["ci"], &[]).expect(0).assert_contains("9 stages passed, 0 failed");
}

#[test]
fn promotions_rollbacks_and_destructions_stop_where_they_break() {
    let repo = TestRepo::new();
    let promote = ["promote", "--from", "dev", "--to", "prod"];
    repo.run(&promote, &[("BREAK", "rds-iam image show*")]).expect(31);
    repo.run(&promote, &[("BREAK", "rds-iam image promote*")]).expect(31);
    let elsewhere = [("COMMIT", "0123456789012345678901234567890123456789")];
    repo.run(&promote, &elsewhere).expect(31).assert_contains("which is not a commit on main");
    repo.run(&promote, &[]).expect(0);
    assert!(repo.calls().contains("rds-iam rollout --outputs"));
    repo.run(&["rollback", "--env", "prod"], &[("BREAK", "rds-iam rollout --prev*")]).expect(29);
    repo.run(&["rollback", "--env", "prod"], &[]).expect(0);

    let confirmed = |pattern| [("RDS_IAM_CONFIRM", "prod"), ("BREAK", pattern)];
    let destroy = ["destroy", "--env", "prod"];
    for (stage, pattern, status) in [
        ("outputs", "terraform output*", 25),
        ("destroy-plan", "terraform show*", 32),
        ("snapshot", "rds-iam snapshot*", 33),
        ("destroy", "terraform apply*", 34),
    ] {
        let ended = repo.run(&destroy, &confirmed(pattern));
        ended.expect(status);
        assert!(ended.row(stage).contains("FAILED"), "{}", ended.printed);
    }
    repo.run(&destroy, &confirmed("nothing")).expect(0).assert_contains("nothing is left");
}

#[test]
fn nothing_is_destroyed_before_its_name_was_typed() {
    let repo = TestRepo::new();
    repo.run(&["destroy", "--env", "prod"], &[])
        .expect(1)
        .assert_contains("the destruction of prod was not confirmed");
    let typed = [("RDS_IAM_CONFIRM", "dev")];
    repo.run(&["destroy", "--env", "prod"], &typed)
        .expect(3)
        .assert_contains("\"dev\" is not prod: nothing was destroyed");
    let calls = repo.calls();
    assert!(calls.contains("terraform plan"), "{calls}");
    assert!(!calls.contains("terraform apply") && !calls.contains("snapshot"), "{calls}");
    let only = ["destroy", "--env", "prod", "--no-snapshot"];
    repo.run(&only, &[("RDS_IAM_CONFIRM", "prod")]).expect(0).assert_contains("none, as asked for");
    assert!(!repo.calls().contains("snapshot"));
}

/// By effect: no file differs afterwards, and programs were only queried for their versions.
#[test]
fn a_dry_run_changes_nothing() {
    let repo = TestRepo::new();
    let before = repo.everything();
    for command in [
        &["ci"][..],
        &["deploy", "--env", "dev"],
        &["promote", "--from", "dev", "--to", "prod"],
        &["rollback", "--env", "dev"],
        &["destroy", "--env", "dev"],
        &["validate"],
        &["tflint"],
        &["checkov"],
        &["plan"],
        &["plan", "--env", "dev"],
        &["docker-build"],
        &["trivy"],
        &["apply", "--env", "dev"],
        &["outputs", "--env", "dev"],
        &["rds-conf", "--env", "dev"],
        &["proxy-auth", "--env", "dev"],
        &["ecr-push", "--env", "dev"],
        &["bootstrap", "--env", "dev"],
        &["rollout", "--env", "dev"],
        &["smoke", "--env", "dev"],
        &["programs", "--env", "dev"],
    ] {
        let ended = repo.run(&[command, &["--dry-run"]].concat(), &[]);
        ended.expect(0).assert_contains("Dry run: nothing was changed.");
        if command == ["ci"] {
            for shown in [
                "of `cargo xtask lint`: format, repository, workflows, Dockerfiles, dependencies, advisories, lints",
                "of `cargo xtask test --runtime docker`: build, servers, tests, engines, doc tests, demo: mysql, demo: postgres",
                "archive --format tar --output",
                "docker build --progress plain --tag rds-iam-bootstrap-build:",
            ] {
                ended.assert_contains(shown);
            }
        }
        if command == ["tflint"] {
            let folder = repo.path("terraform");
            ended.assert_contains(&format!("  $ (cd {} && TFLINT_PLUGIN_DIR=", folder.display()));
        }
        // Pasted in any directory, it is the same command.
        if command == ["plan", "--env", "dev"] {
            let chdir = format!("terraform -chdir={}", repo.path("terraform/stacks/service").display());
            for subcommand in ["init", "plan", "show"] {
                ended.assert_contains(&format!("/pipeline/dev/terraform {chdir} {subcommand} "));
            }
            ended.assert_contains("$ TF_DATA_DIR=/");
        }
        let after = repo.everything();
        let differ = |path: &&PathBuf| before.get(*path) != after.get(*path);
        let changed: Vec<_> = before.keys().chain(after.keys()).filter(differ).collect();
        assert!(changed.is_empty(), "{command:?}: {changed:?}");
    }
    // The last four check for a file or for a host's answer.
    let questions =
        ["version", "metadata --no-deps", "whoami", "import venv", "urlopen", "--head", "image inspect"];
    for call in repo.calls().lines() {
        let asks = questions.iter().any(|asks| call.contains(asks));
        assert!(asks, "a dry run called {call}");
    }
}

#[test]
fn a_report_that_cannot_be_written_hides_no_failure() {
    let repo = TestRepo::new();
    // Writing to it fails as on a full disk.
    let full = "/dev/full";
    let ended = repo.run(&["deploy", "--env", "dev", "--json", full], &[("BREAK", "terraform fmt*")]);
    ended.expect(10);
    repo.run(&["checkov", "--json", full], &[]).expect(1);
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_first_stage() {
    let repo = TestRepo::new();
    let old = repo.path("old.json");
    fs::write(&old, "old").unwrap();
    for option in ["--json", "--junit"] {
        let other = if option == "--json" { "--junit" } else { "--json" };
        let reports = [option, "/proc/no/report", other, old.to_str().unwrap()];
        let ended = repo.run(&[&["deploy", "--env", "dev"][..], &reports].concat(), &[]);
        ended.expect(3).assert_contains("/proc/no").assert_contains("nothing was begun");
    }
    assert_eq!(fs::read_to_string(&old).unwrap(), "old");
    assert!(!repo.calls().contains("terraform apply"), "{}", repo.calls());
}

#[test]
fn ctrl_c_in_the_middle_of_an_apply_lets_terraform_end_and_reports_what_is_left() {
    let repo = TestRepo::new();
    let child = repo.waits(&["deploy", "--env", "dev"], "terraform apply*");
    // Another run in the same folder reports the holder meanwhile.
    let other = repo.run(&["plan", "--env", "dev"], &[]);
    other
        .expect(1)
        .assert_contains("another run is at work")
        .assert_contains(&format!("process {}", child.id()));
    let ended = TestRepo::interrupt(child);
    ended
        .expect(130)
        .assert_contains("stopping")
        .assert_contains("apply: Terraform saves its state when it is stopped");
    assert!(repo.stand_in_file("interrupted").exists(), "Terraform was not given the time to end");
    assert!(ended.row("apply").contains("stopped"), "{}", ended.printed);
    assert!(ended.row("smoke").contains("the run was interrupted"), "{}", ended.printed);
    // The next run carries on.
    fs::remove_file(repo.stand_in_file("waiting")).unwrap();
    repo.run(&["deploy", "--env", "dev"], &[]).expect(0);
}

#[test]
fn on_github_a_failure_is_an_annotation_and_a_row_of_the_summary() {
    let repo = TestRepo::new();
    let summary = repo.path("summary.md");
    let job = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
        ("BREAK", "tflint *--format=sarif"),
    ];
    let ended = repo.run(&["deploy", "--env", "dev", "--until", "plan"], &job);
    ended
        .expect(11)
        .assert_contains("::error title=tflint::")
        .assert_contains("::group::")
        .assert_contains("::endgroup::");
    let told = fs::read_to_string(&summary).unwrap();
    assert!(told.contains("| tflint | FAILED |"), "{told}");
    repo.without("tflint");
    repo.run(&["tflint"], &job)
        .expect(3)
        .assert_contains("::error title=tflint::tflint 0.64.0 is not on this machine");
}
