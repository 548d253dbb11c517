//! Tests of the checks before the first stage, and of the errors about settings.

use std::fs;
use std::os::unix::fs::symlink;

use super::test_repo::TestRepo;

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
fn the_tests_need_the_clients_languages_and_the_crates_alone_do_not() {
    let repo = TestRepo::new();
    let without = [("BREAK", "javac -version")];
    repo.run(&["test"], &without)
        .expect(3)
        .assert_contains("missing: JDK: runs pgjdbc, a client of the emulator; 17 or later")
        .assert_contains("help: apt-get install default-jdk-headless");
    repo.run(&["test", "--only", "crates"], &without)
        .expect(0)
        .assert_contains("the test targets account, clients, pipeline");
}

#[test]
fn only_the_demo_on_postgresql_needs_its_packages() {
    let repo = TestRepo::new();
    fs::remove_dir(repo.path("../cache/psql-18-amd64-1")).unwrap();
    symlink(repo.path("../stand-ins/stand-in.sh"), repo.path("../bin/apt-get")).unwrap();
    let without = [("BREAK", "apt-get --version")];
    repo.run(&["prepare-demo", "--database", "postgres"], &without)
        .expect(3)
        .assert_contains("missing: psql: apt-get is not on this machine")
        .assert_contains("nothing was begun; exit status 3");
    repo.run(&["prepare-demo", "--database", "mysql"], &without).expect(0);
}

#[test]
fn the_crates_alone_are_tested_without_terraform_or_scanners_and_what_is_left_out_is_said() {
    let repo = TestRepo::new();
    let ended = repo.run(&["test", "--only", "crates"], &[]);
    ended
        .expect(0)
        .assert_contains("step 1 of 8: format")
        .assert_contains("engine-neutral, one source for both: 1 on mysql, 1 on postgres")
        .assert_contains("Left out: workflows")
        .assert_contains("the test targets account");
    let calls = repo.calls();
    assert!(calls.contains("cargo test --workspace --locked --no-fail-fast --lib"), "{calls}");
    for program in ["terraform ", "zizmor ", "hadolint ", "actionlint ", "cargo-deny ", "docker-registry "] {
        assert!(!calls.lines().any(|call| call.starts_with(program)), "{program}: {calls}");
    }
}

#[test]
fn all_that_is_missing_is_reported_with_its_help() {
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
    // A build of minutes is not started if the run is known to fail.
    assert!(!repo.calls().contains("cargo build") && !repo.calls().contains("whoami"), "{}", repo.calls());
    let repo = TestRepo::new();
    let ended = repo.run(&["deploy", "--env", "dev"], &[("BREAK", "rds-iam whoami*")]);
    ended.expect(3).assert_contains("building rds-iam, which asks AWS");
    ended.assert_contains("missing: no credentials for account 123456789012: broken on purpose: rds-iam");
    assert!(!ended.printed.contains("not checked yet"), "{}", ended.printed);
    ended.assert_contains("help: that is the example's account: set account_id in dev.tfvars");
    assert!(!repo.calls().contains("terraform init"));
    let tfvars = "terraform/stacks/service/environments/dev.tfvars";
    let own = fs::read_to_string(repo.path(tfvars)).unwrap().replace("123456789012", "210987654321");
    repo.commit(tfvars, &own);
    let ended = repo.run(&["deploy", "--env", "dev"], &[("BREAK", "rds-iam whoami*")]);
    ended.expect(3).assert_contains("missing: no credentials for account 210987654321: broken on purpose");
    ended.assert_contains("help: log in to that account (AWS_PROFILE");
    // A gate is skipped only by name, and that is recorded.
    let repo = TestRepo::new();
    repo.without("tflint");
    repo.run(&["deploy", "--env", "dev", "--skip", "tflint"], &[])
        .expect(0)
        .assert_contains("skipped, as asked for by name: tflint");
    let gates = fs::read_to_string(repo.pipeline("dev/bundle/gates.json")).unwrap();
    assert!(gates.contains("\"result\": \"skipped\""), "{gates}");
}

#[test]
fn a_missing_right_is_reported_before_anything_begins() {
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
    // A caller who may not query IAM is not refused.
    let not_asked = "\"lacks\": [], \"not_asked\": \"denied\"";
    let ended = repo.run(&["deploy", "--env", "dev"], &[("RIGHTS", not_asked)]);
    ended.expect(0).assert_contains("user/ada may do is unknown until it is tried: denied");
}

#[test]
fn a_removed_working_directory_is_an_error() {
    let repo = TestRepo::new();
    let ended = repo.run_in_removed_folder(&["deploy", "--env", "dev"]);
    ended.expect(1).assert_contains("working directory").assert_contains("start it in a folder that exists");
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
    repo.run(&["rollout", "--explain"], &[]).expect(0).assert_contains("Set the image's parameter");
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
