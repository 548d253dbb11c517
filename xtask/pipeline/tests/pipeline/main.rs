//! The pipeline as its users see it: the real `cargo xtask`, with stand-ins for the programs that it starts.
//! That these work for real is what `deploy --env local` shows.

mod guards;
mod jobs;
mod machine;
mod test_repo;

use std::fs;
use std::path::PathBuf;

use test_repo::TestRepo;

/// Every stage of a deployment: what of its calls is broken, and the exit status.
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
    // Where the environment's settings say that the plan looks for it.
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
        // What comes after an account was changed never ran once something failed before it.
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

/// By effect: no file differs afterwards, and no program was asked for more than what it is.
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
                "of `cargo xtask test --engine docker`: build, servers, tests, doc tests, demo",
                "archive --format tar --output",
                "docker build --progress plain --tag rds-iam-bootstrap-build:",
            ] {
                ended.assert_contains(shown);
            }
        }
        let after = repo.everything();
        let differ = |path: &&PathBuf| before.get(*path) != after.get(*path);
        let changed: Vec<_> = before.keys().chain(after.keys()).filter(differ).collect();
        assert!(changed.is_empty(), "{command:?}: {changed:?}");
    }
    // The last four ask whether something is here, or a host answers.
    let questions =
        ["version", "metadata --no-deps", "whoami", "import venv", "urlopen", "--head", "image inspect"];
    for call in repo.calls().lines() {
        let asks = questions.iter().any(|asks| call.contains(asks));
        assert!(asks, "a dry run called {call}");
    }
}

#[test]
fn the_tests_begin_nothing_where_something_can_not_be_had() {
    let repo = TestRepo::new();
    let ended = repo.run(&["test"], &[("BREAK", "python3 -c import venv*")]);
    ended
        .expect(3)
        .assert_contains("missing: Python venv and pip")
        .assert_contains("help: apt-get install python3-venv");
    ended.assert_contains("nothing was begun");
    assert!(!repo.calls().contains("cargo fmt --all"), "{}", repo.calls());
}

#[test]
fn the_crates_alone_are_tested_without_terraform_or_scanners_and_what_is_left_out_is_said() {
    let repo = TestRepo::new();
    let ended = repo.run(&["test", "--only", "crates"], &[]);
    ended
        .expect(0)
        .assert_contains("step 1 of 7: format")
        .assert_contains("Left out: workflows")
        .assert_contains("the test targets account");
    let calls = repo.calls();
    assert!(calls.contains("cargo test --workspace --locked --no-fail-fast --lib"), "{calls}");
    for program in ["terraform ", "zizmor ", "hadolint ", "actionlint ", "cargo-deny ", "docker-registry "] {
        assert!(!calls.lines().any(|call| call.starts_with(program)), "{program}: {calls}");
    }
}

#[test]
fn what_is_missing_is_told_at_once_with_what_mends_it() {
    let repo = TestRepo::new();
    repo.without("tflint");
    repo.without("curl");
    fs::remove_file(repo.path("terraform/stacks/service/environments/dev.s3.tfbackend")).unwrap();
    let ended = repo.run(&["deploy", "--env", "dev"], &[]);
    ended.expect(3).assert_contains("nothing was begun");
    for missing in [
        "missing: tflint 0.64.0 is not on this machine",
        "help: cargo xtask tools install tflint",
        "missing: terraform/stacks/service/environments/dev.s3.tfbackend is not there, or empty",
        "missing: files differ from the commit",
        "not checked yet: AWS credentials and their rights",
    ] {
        ended.assert_contains(missing);
    }
    // What takes minutes is not begun where it is known that the run can't be.
    assert!(!repo.calls().contains("cargo build") && !repo.calls().contains("whoami"), "{}", repo.calls());
    let repo = TestRepo::new();
    let ended = repo.run(&["deploy", "--env", "dev"], &[("BREAK", "rds-iam whoami*")]);
    ended.expect(3).assert_contains("building rds-iam, which asks AWS");
    ended.assert_contains("missing: no credentials for account 123456789012: broken on purpose: rds-iam");
    assert!(!ended.printed.contains("not checked yet"), "{}", ended.printed);
    assert!(!repo.calls().contains("terraform init"));
    // A gate is left out by name alone, and that is on the record.
    let repo = TestRepo::new();
    repo.without("tflint");
    repo.run(&["deploy", "--env", "dev", "--skip", "tflint"], &[])
        .expect(0)
        .assert_contains("skipped, as asked for by name: tflint");
    let gates = fs::read_to_string(repo.pipeline("dev/bundle/gates.json")).unwrap();
    assert!(gates.contains("\"result\": \"skipped\""), "{gates}");
}

#[test]
fn a_right_that_is_lacking_is_told_before_anything_begins() {
    let repo = TestRepo::new();
    let lacks = "\"lacks\": [\"ecr:PutImage on ecr:eu-west-1:123456789012:repository/orders-dev\", \
                 \"ssm:PutParameter on ssm:eu-west-1:123456789012:parameter/dev/app/image\"]";
    let ended = repo.run(&["deploy", "--env", "dev"], &[("RIGHTS", lacks)]);
    ended.expect(3).assert_contains(
        "missing: arn:aws:iam::123456789012:user/ada may not ecr:PutImage on \
         ecr:eu-west-1:123456789012:repository/orders-dev (for ecr-push, rollout)",
    );
    ended
        .assert_contains("may not ssm:PutParameter on")
        .assert_contains("(for rollout)")
        .assert_contains("AWS_DEPLOY_ROLE_ARN");
    let calls = repo.calls();
    assert!(calls.contains(" --tag Project=orders --tag Environment=dev "), "{calls}");
    assert!(calls.contains(
        " --may lambda:InvokeFunction=lambda:eu-west-1:123456789012:function:orders-dev-bootstrap"
    ));
    assert!(!calls.contains("terraform init"), "{calls}");
    // A plan takes none of these.
    repo.run(&["deploy", "--env", "dev", "--until", "plan"], &[("RIGHTS", lacks)]).expect(0);
    // Who may not ask is not kept out.
    let not_asked = "\"lacks\": [], \"not_asked\": \"denied\"";
    let ended = repo.run(&["deploy", "--env", "dev"], &[("RIGHTS", not_asked)]);
    ended.expect(0).assert_contains("user/ada may do is not known before it does it: denied");
}

#[test]
fn settings_that_are_wrong_are_named() {
    let repo = TestRepo::new();
    repo.run(&["deploy", "--env", ""], &[]).expect(2).assert_contains("the environment's name is empty");
    repo.run(&["deploy", "--env", "../dev"], &[])
        .expect(2)
        .assert_contains("there is no environment \"../dev\"");
    repo.run(&["deploy", "--env", "dev", "--only", "pla"], &[])
        .expect(2)
        .assert_contains("deploy has no stage \"pla\"");
    repo.run(&["deploy"], &[]).expect(2);
    repo.run(&["deploy", "--explain"], &[]).expect(0).assert_contains("rollout");
    repo.run(&["rollout", "--explain"], &[]).expect(0).assert_contains("Point the image's parameter");
    repo.run(&["rollout"], &[])
        .expect(2)
        .assert_contains("the stage rollout is for an environment, and none was named");
    let turned = ["deploy", "--env", "dev", "--from", "smoke", "--until", "plan"];
    repo.run(&turned, &[]).expect(2).assert_contains("smoke comes after plan");
    let promote = |more: &[&str]| {
        repo.run(&[&["promote", "--from", "dev", "--to", "prod", "--dry-run"], more].concat(), &[])
    };
    promote(&["--digest", "sha256:xyz"]).expect(2).assert_contains("\"sha256:xyz\" is no digest");
    promote(&["--accept-skipped", "trivia"]).expect(2).assert_contains("\"trivia\" is no gate of an image");
    promote(&["--reason", " "]).expect(2).assert_contains("the reason is empty");
    promote(&["--accept-skipped", "trivy", "--reason", "so"])
        .expect(0)
        .assert_contains("accepted without: trivy");
    repo.run(&["docker-build"], &[("RDS_IAM_IMAGE_BASES", "some")])
        .expect(3)
        .assert_contains("RDS_IAM_IMAGE_BASES is \"some\"");
    repo.run(&["ci", "--only", "test"], &[("RDS_IAM_EMULATOR_ENGINE", "some")])
        .expect(3)
        .assert_contains("RDS_IAM_EMULATOR_ENGINE is \"some\"");
    let job = [("GITHUB_ACTIONS", "true"), ("AWS_ACCESS_KEY_ID", "")];
    repo.run(&["plan", "--env", "dev"], &job).expect(3).assert_contains("permissions: id-token: write");
}

#[test]
fn only_the_plan_of_what_is_here_is_applied() {
    let repo = TestRepo::new();
    let planned = || repo.run(&["deploy", "--env", "dev", "--until", "trivy"], &[]).expect(0).printed.len();
    let apply = || repo.run(&["deploy", "--env", "dev", "--only", "apply"], &[]);
    planned();
    repo.forget_calls();
    fs::write(repo.pipeline("dev/bundle/plan.tfplan"), "another").unwrap();
    apply().expect(16).assert_contains("the plan itself: planned");
    planned();
    let manifest = repo.pipeline("dev/bundle/plan.manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let mut old: serde_json::Value = serde_json::from_str(&text).unwrap();
    old["made"] = "2020-01-01T00:00:00Z".into();
    fs::write(&manifest, old.to_string()).unwrap();
    apply().expect(16).assert_contains("it was made at 2020-01-01T00:00:00Z, more than 24 hours ago");
    fs::write(&manifest, text.replace("dev", "prod")).unwrap();
    apply().expect(16).assert_contains("environment: planned prod, here dev");
    fs::write(&manifest, "{").unwrap();
    apply().expect(16).assert_contains("is not what it should be");
    assert!(!repo.calls().contains("terraform apply"), "{}", repo.calls());
    // The same clone with other variables is another plan.
    planned();
    fs::write(repo.path("terraform/stacks/service/.terraform.lock.hcl"), "# others\n").unwrap();
    apply().expect(3).assert_contains("files differ from the commit");
}

/// As on GitHub: the second job is another machine, with another clone and what the first one handed on.
#[test]
fn the_bundle_is_all_that_a_second_job_needs() {
    let repo = TestRepo::new();
    repo.run(&["deploy", "--env", "dev", "--until", "plan"], &[]).expect(0);
    repo.keep_alone("dev/bundle");
    repo.run(&["deploy", "--env", "dev", "--from", "docker-build", "--until", "trivy"], &[]).expect(0);
    repo.run(&["deploy", "--env", "dev", "--from", "apply"], &[]).expect(0);
    assert!(repo.calls().contains("terraform apply"));

    // What was approved is what goes.
    let confirmed = [("RDS_IAM_CONFIRM", "dev")];
    repo.run(&["destroy", "--env", "dev", "--until", "destroy-plan"], &confirmed).expect(0);
    repo.keep_alone("dev/bundle");
    repo.forget_calls();
    repo.run(&["destroy", "--env", "dev", "--skip", "destroy-plan"], &confirmed).expect(0);
    let calls = repo.calls();
    assert!(calls.contains("terraform apply") && !calls.contains("terraform plan"), "{calls}");
}

#[test]
fn what_was_made_of_another_commit_is_not_this_ones() {
    let repo = TestRepo::new();
    repo.run(&["deploy", "--env", "dev"], &[]).expect(0);
    repo.commit("crates/token/src/lib.rs", "// newer\n");
    repo.forget_calls();
    let push = repo.run(&["ecr-push", "--env", "dev"], &[]);
    push.expect(3)
        .assert_contains("missing: the images of")
        .assert_contains("help: cargo xtask docker-build --env dev")
        .assert_contains("missing: the verdict of trivy of")
        .assert_contains("cargo xtask deploy --env dev --only ecr-push --skip trivy");
    let rollout = repo.run(&["deploy", "--env", "dev", "--only", "rollout"], &[]);
    rollout.expect(28).assert_contains("pushed.json is of");
    repo.run(&["deploy", "--env", "dev", "--only", "docker-build,trivy,ecr-push"], &[])
        .expect(3)
        .assert_contains("verdict of checkov");
    assert!(!repo.calls().contains("image push") && !repo.calls().contains("rds-iam rollout"));
    // A file that Terraform would read is a change, too, though git does not track it.
    repo.write("terraform/stacks/service/more.tf", "# more\n");
    repo.run(&["deploy", "--env", "dev"], &[]).expect(3).assert_contains("files differ from the commit");
}

#[test]
fn nothing_is_destroyed_without_a_word_about_the_snapshot() {
    let repo = TestRepo::new();
    let confirmed = [("RDS_IAM_CONFIRM", "prod")];
    repo.run(&["destroy", "--env", "prod", "--until", "destroy-plan"], &confirmed).expect(0);
    let ended = repo.run(&["destroy", "--env", "prod", "--from", "destroy"], &confirmed);
    ended
        .expect(3)
        .assert_contains("missing: the last snapshot (for destroy)")
        .assert_contains("--no-snapshot");
    repo.run(&["destroy", "--env", "prod", "--until", "snapshot"], &confirmed).expect(0);
    // Planned anew, it is about other data.
    repo.run(
        &["destroy", "--env", "prod", "--until", "destroy-plan"],
        &[("RDS_IAM_CONFIRM", "prod"), ("PLAN", "other")],
    )
    .expect(0);
    let ended = repo.run(&["destroy", "--env", "prod", "--from", "destroy"], &confirmed);
    ended.expect(34).assert_contains("no last snapshot was taken for this plan");
    assert!(!repo.calls().contains("terraform apply"));
}

/// On another machine, too, as on GitHub: nothing is left there of the run that stopped.
#[test]
fn a_destruction_that_stopped_half_way_goes_on() {
    let repo = TestRepo::new();
    let confirmed = [("RDS_IAM_CONFIRM", "prod")];
    // Terraform has forgotten the outputs by then, and maybe destroyed the database.
    fs::write(repo.stand_in_file("outputs.json"), "{}").unwrap();
    repo.run(&["destroy", "--env", "prod"], &[("RDS_IAM_CONFIRM", "prod"), ("BREAK", "terraform apply*")])
        .expect(34)
        .assert_contains("a destruction that stopped half-way goes on");
    assert!(repo.calls().contains("rds-iam snapshot --instance orders-prod"), "{}", repo.calls());
    repo.forget_calls();
    fs::remove_dir_all(repo.pipeline("prod")).unwrap();
    fs::write(
        repo.stand_in_file("plan.json"),
        "{\"format_version\": \"1.2\", \"planned_values\": {}, \"resource_changes\": []}",
    )
    .unwrap();
    let ended = repo.run(&["destroy", "--env", "prod"], &confirmed);
    ended.expect(0).assert_contains("none: the database is gone already").assert_contains("nothing is left");
    let calls = repo.calls();
    assert!(!calls.contains("rds-iam snapshot"), "{calls}");
    assert!(calls.contains("rds-iam delete-parameters --path /prod/database"), "{calls}");
    // What was never deployed has no state.
    fs::remove_file(repo.stand_in_file("state")).unwrap();
    repo.run(&["destroy", "--env", "prod"], &confirmed)
        .expect(25)
        .assert_contains("nothing is deployed there");
}

#[test]
fn a_plan_of_a_destruction_that_is_not_of_here_takes_no_snapshot() {
    let repo = TestRepo::new();
    let confirmed = [("RDS_IAM_CONFIRM", "prod")];
    repo.run(&["destroy", "--env", "prod", "--until", "destroy-plan"], &confirmed).expect(0);
    repo.commit("crates/token/src/lib.rs", "// newer\n");
    let ended = repo.run(&["destroy", "--env", "prod", "--skip", "destroy-plan"], &confirmed);
    ended.expect(33).assert_contains("this is not the plan of what is here");
    assert!(!repo.calls().contains("rds-iam snapshot"), "{}", repo.calls());
}

#[test]
fn a_report_that_cannot_be_written_hides_no_failure() {
    let repo = TestRepo::new();
    let ended = repo
        .run(&["deploy", "--env", "dev", "--json", "/proc/no/report.json"], &[("BREAK", "terraform fmt*")]);
    ended.expect(10);
    repo.run(&["checkov", "--json", "/proc/no/report.json"], &[]).expect(1);
}

#[test]
fn the_state_of_another_environment_is_refused() {
    let repo = TestRepo::new();
    let text = fs::read_to_string(repo.stand_in_file("outputs.json")).unwrap();
    fs::write(repo.stand_in_file("outputs.json"), text.replace("\"eu-west-1\"", "\"eu-central-1\"")).unwrap();
    repo.run(&["outputs", "--env", "dev"], &[])
        .expect(25)
        .assert_contains("compare the environment's tfvars");
}

#[test]
fn a_plan_with_a_secret_goes_nowhere() {
    let repo = TestRepo::new();
    let plan = r#"{"resource_changes": [{"address": "aws_db_instance.this", "change": {"after": {"password": "hunter2"}, "after_sensitive": {"password": true}}}]}"#;
    fs::write(repo.stand_in_file("plan.json"), plan).unwrap();
    let ended = repo.run(&["deploy", "--env", "dev", "--until", "plan"], &[]);
    ended.expect(13).assert_contains("aws_db_instance.this.password");
    assert!(!ended.printed.contains("hunter2"));
    assert!(!repo.pipeline("dev/bundle/plan.manifest.json").exists());
}

#[test]
fn a_lock_that_somebody_holds_is_told_with_its_holder() {
    let repo = TestRepo::new();
    let locked = [("BREAK", "terraform apply*"), ("BREAK_HOW", "locked")];
    repo.run(&["deploy", "--env", "dev"], &locked).expect(16).assert_contains(
        "the state is locked by ada@build-7 since 2026-01-01 00:00:00 UTC (OperationTypeApply)",
    );
}

#[test]
fn ctrl_c_in_the_middle_of_an_apply_lets_terraform_end_and_tells_what_is_left() {
    let repo = TestRepo::new();
    let child = repo.waits(&["deploy", "--env", "dev"], "terraform apply*");
    // Another run in the same folder meanwhile is told whose it is.
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
