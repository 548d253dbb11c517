//! Tests of plans, which are applied only unchanged, and of destructions.

use std::fs;

use super::test_repo::TestRepo;

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

/// Two jobs on GitHub: the second runs on another machine, with another clone and the first one's artifacts.
#[test]
fn the_bundle_is_all_that_a_second_job_needs() {
    let repo = TestRepo::new();
    repo.run(&["deploy", "--env", "dev", "--until", "plan"], &[]).expect(0);
    repo.keep_alone("dev/bundle");
    repo.run(&["deploy", "--env", "dev", "--from", "docker-build", "--until", "trivy"], &[]).expect(0);
    repo.run(&["deploy", "--env", "dev", "--from", "apply"], &[]).expect(0);
    assert!(repo.calls().contains("terraform apply"));

    // The approved plan is applied.
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
    // A new plan is about other data.
    repo.run(
        &["destroy", "--env", "prod", "--until", "destroy-plan"],
        &[("RDS_IAM_CONFIRM", "prod"), ("PLAN", "other")],
    )
    .expect(0);
    let ended = repo.run(&["destroy", "--env", "prod", "--from", "destroy"], &confirmed);
    ended.expect(34).assert_contains("no last snapshot was taken for this plan");
    assert!(!repo.calls().contains("terraform apply"));
}

/// Also on another machine, as on GitHub, which has no files of the run that stopped.
#[test]
fn a_destruction_that_stopped_half_way_continues() {
    let repo = TestRepo::new();
    let confirmed = [("RDS_IAM_CONFIRM", "prod")];
    // Terraform has forgotten the outputs by then, and maybe destroyed the database.
    fs::write(repo.stand_in_file("outputs.json"), "{}").unwrap();
    repo.run(&["destroy", "--env", "prod"], &[("RDS_IAM_CONFIRM", "prod"), ("BREAK", "terraform apply*")])
        .expect(34)
        .assert_contains("a destruction that stopped half-way continues");
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
fn a_lock_that_another_run_holds_is_reported_with_its_holder() {
    let repo = TestRepo::new();
    let locked = [("BREAK", "terraform apply*"), ("BREAK_HOW", "locked")];
    repo.run(&["deploy", "--env", "dev"], &locked).expect(16).assert_contains(
        "the state is locked by ada@build-7 since 2026-01-01 00:00:00 UTC (OperationTypeApply)",
    );
}
