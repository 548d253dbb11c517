//! Tests of runs split over GitHub Actions jobs: programs that another job built, destructions in steps,
//! attestations of images, `--infrastructure-only` and `--accept-scan`.

use std::fs;

use crate::test_repo::TestRepo;

const PREBUILT: (&str, &str) = ("RDS_IAM_PREBUILT", "yes");

/// The same jobs as in the workflows Deploy and Destroy: one builds, others have a role and build nothing.
#[test]
fn a_job_that_takes_programs_over_builds_nothing() {
    let repo = TestRepo::new();
    repo.hand_over();
    repo.run(&["programs", "--env", "dev"], &[]).expect(0);
    assert!(repo.path("../target/lambda/x.zip").is_file(), "the package is built for the job that plans");
    let gates = "validate,tflint,checkov,docker-build,trivy";
    repo.run(&["deploy", "--env", "dev", "--only", gates], &[]).expect(0);
    repo.forget_calls();
    for command in [
        &["deploy", "--env", "dev", "--only", "plan"][..],
        &["deploy", "--env", "dev", "--only", "apply"],
        &["deploy", "--env", "dev", "--from", "rds-conf", "--until", "bootstrap"],
        &["deploy", "--env", "dev", "--from", "rollout"],
        &["rollback", "--env", "dev"],
        &["promote", "--from", "prod", "--to", "dev", "--only", "outputs,promote"],
        &["promote", "--from", "prod", "--to", "dev", "--only", "rollout,smoke"],
        &["destroy", "--env", "dev", "--until", "destroy-plan"],
        &["destroy", "--env", "dev", "--only", "outputs,snapshot"],
        &["destroy", "--env", "dev", "--only", "outputs,destroy"],
    ] {
        repo.run(command, &[PREBUILT, ("RDS_IAM_CONFIRM", "dev")]).expect(0);
    }
    let calls = repo.calls();
    for needed in ["terraform apply", "rds-iam whoami", "rds-iam rollout", "rds-iam snapshot"] {
        assert!(calls.contains(needed), "no {needed} in {calls}");
    }
    for builds in ["cargo ", "docker build", "rustc "] {
        assert!(!calls.lines().any(|call| call.starts_with(builds)), "{builds} in {calls}");
    }
}

#[test]
fn what_was_not_handed_over_is_named() {
    let repo = TestRepo::new();
    repo.hand_over();
    let ended = repo.run(&["deploy", "--env", "dev", "--until", "plan"], &[PREBUILT]);
    ended.expect(23).assert_contains("lambda/x.zip was not passed on");
    assert!(!repo.calls().contains("terraform plan"));
}

/// A destruction that stopped half-way has no outputs any more, in any of its steps.
#[test]
fn a_destruction_in_steps_continues_where_it_stopped() {
    let repo = TestRepo::new();
    repo.hand_over();
    repo.run(&["programs", "--env", "dev"], &[]).expect(0);
    let settings = [PREBUILT, ("RDS_IAM_CONFIRM", "dev")];
    fs::write(repo.stand_in_file("outputs.json"), "{}").unwrap();
    for command in [
        &["destroy", "--env", "dev", "--until", "destroy-plan"][..],
        &["destroy", "--env", "dev", "--only", "outputs,snapshot"],
        &["destroy", "--env", "dev", "--only", "outputs,destroy"],
    ] {
        repo.run(command, &settings).expect(0);
    }
}

#[test]
fn on_github_an_image_without_an_attestation_is_not_promoted() {
    let repo = TestRepo::new();
    let promote = ["promote", "--from", "dev", "--to", "prod"];
    let job = [("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", "acme/orders")];
    repo.run(&promote, &job).expect(3).assert_contains("missing: gh is not on PATH");
    repo.with("gh");
    let refused = repo.run(&promote, &[&job[..], &[("BREAK", "gh attestation verify*")]].concat());
    refused.expect(31).assert_contains("only an image that build.yml built on main is promoted");
    assert!(!repo.calls().contains("image promote"), "{}", repo.calls());
    repo.forget_calls();
    repo.run(&promote, &job).expect(0);
    let calls = repo.calls();
    let manifest = repo.pipeline("prod/promotion-manifest.json").display().to_string();
    let verify = format!(
        "gh attestation verify {manifest} --repo acme/orders --signer-workflow acme/orders/.github/workflows/build.yml \
         --source-ref refs/heads/main --source-digest "
    );
    let verify = calls.find(&verify).unwrap_or_else(|| panic!("no {verify} in {calls}"));
    // The manifest belongs to the copied image, and nothing is copied before.
    let shown = calls.find("rds-iam image show").unwrap();
    let copied = calls.find("rds-iam image promote").unwrap();
    assert!(shown < verify && verify < copied, "{calls}");
    assert!(
        calls.contains(&format!("--manifest {manifest}")) && calls.contains("--attestation verified by gh")
    );
    assert!(!calls.contains("--accept-local"), "{calls}");
    // A name that could be read as an option, or none at all.
    for repository in ["", "--repo", "acme/orders --signer-workflow x"] {
        let job = [("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", repository)];
        repo.run(&promote, &job).expect(31).assert_contains("GITHUB_REPOSITORY is");
    }
}

#[test]
fn a_workstation_says_whether_it_asks_for_an_attestation() {
    let repo = TestRepo::new();
    let promote = ["promote", "--from", "dev", "--to", "prod"];
    repo.run(&promote, &[]).expect(0).assert_contains("no attestation is verified");
    assert!(!repo.calls().contains("gh "), "{}", repo.calls());
    repo.with("gh");
    repo.run(&promote, &[("RDS_IAM_ATTESTATIONS", "acme/orders")]).expect(0);
    assert!(repo.calls().contains("gh attestation verify"), "{}", repo.calls());
}

#[test]
fn infrastructure_is_deployed_without_an_image() {
    let repo = TestRepo::new();
    let only = ["deploy", "--env", "dev", "--infrastructure-only", "--until", "proxy-auth"];
    repo.run(&only, &[]).expect(0);
    let calls = repo.calls();
    assert!(calls.contains("terraform apply"), "{calls}");
    for of_the_image in ["docker build", "trivy image", "image push"] {
        assert!(!calls.contains(of_the_image), "{calls}");
    }
    let plan = repo.run(&["deploy", "--env", "dev", "--infrastructure-only", "--explain"], &[]);
    for stage in ["docker-build", "trivy", "ecr-push", "rollout", "smoke"] {
        assert!(!plan.printed.contains(&format!("\n  {stage} ")), "{}", plan.printed);
    }
}

#[test]
fn an_image_that_was_not_scanned_is_accepted_by_name_alone() {
    let repo = TestRepo::new();
    repo.run(&["deploy", "--env", "dev", "--accept-scan", "off,UNSUPPORTED_IMAGE"], &[]).expect(0);
    assert!(repo.calls().contains("--accept-scan off,UNSUPPORTED_IMAGE"), "{}", repo.calls());
    repo.forget_calls();
    repo.run(&["deploy", "--env", "dev"], &[]).expect(0);
    assert!(!repo.calls().contains("--accept-scan"), "{}", repo.calls());
}

/// The settings of a deployment of a cluster alone, without a proxy and an app.
const PEOPLE: &str = "account_id = \"123456789012\"\nregion = \"eu-west-1\"\nproject = \"orders\"\n\
                      environment = \"people\"\nengine = \"postgresql\"\nproxy = null\napp = null\n\
                      database = { name = \"shop\", cluster = { instances = { one = {} } } }\n\
                      bootstrap = { package = \"../../../../target/lambda/x.zip\", architecture = \"x86_64\" }\n";

fn repo_with_people() -> TestRepo {
    let repo = TestRepo::new();
    let environments = "terraform/stacks/service/environments";
    repo.write(&format!("{environments}/people.s3.tfbackend"), "bucket = \"b\"\n");
    repo.commit(&format!("{environments}/people.tfvars"), PEOPLE);
    repo
}

#[test]
fn a_deployment_without_an_app_has_no_image_stages() {
    let repo = repo_with_people();
    let absent = ["docker-build", "trivy", "ecr-push", "rollout", "smoke", "proxy-auth"];
    for more in [&[][..], &["--infrastructure-only"]] {
        let explained = repo.run(&[&["deploy", "--env", "people", "--explain"], more].concat(), &[]);
        explained.expect(0).assert_contains("proxy-auth: people (postgresql (Aurora)) is without a proxy");
        for stage in absent {
            assert!(!explained.printed.contains(&format!("\n  {stage} ")), "{}", explained.printed);
        }
    }
    let all = repo.run(&["deploy", "--env", "people", "--explain"], &[]);
    all.assert_contains(
        "left out: docker-build, trivy, ecr-push, rollout, smoke: people (postgresql (Aurora))",
    );
    assert!(!repo.run(&["deploy", "--env", "dev", "--explain"], &[]).printed.contains("left out"));

    repo.run(&["deploy", "--env", "people"], &[]).expect(0);
    let calls = repo.calls();
    for made in ["terraform apply", "rds-iam conf", "rds-iam invoke-bootstrap"] {
        assert!(calls.contains(made), "no {made}: {calls}");
    }
    for of_the_image in [
        "docker build",
        "trivy",
        "image push",
        "rds-iam rollout",
        "rds-iam parameters",
        "/api/",
        "proxy-auth",
    ] {
        assert!(!calls.contains(of_the_image), "{of_the_image}: {calls}");
    }
    assert!(
        calls.contains("rds:CreateDBCluster=rds:eu-west-1:123456789012:cluster:orders-people"),
        "{calls}"
    );
}

#[test]
fn a_stage_or_a_run_for_an_app_is_refused_where_there_is_none() {
    let repo = repo_with_people();
    let refused = |args: &[&str], why: &str| {
        repo.run(args, &[]).expect(2).assert_contains(why);
    };
    refused(
        &["docker-build", "--env", "people"],
        "the stage docker-build is for an app, and people is without",
    );
    refused(&["proxy-auth", "--env", "people"], "the stage proxy-auth is for a proxy, and people is without");
    refused(&["deploy", "--env", "people", "--only", "plan,trivy"], "the stage trivy is for an app");
    refused(&["rollback", "--env", "people"], "people has no app");
    refused(&["promote", "--from", "people", "--to", "dev"], "people has no app");
    refused(&["promote", "--from", "dev", "--to", "people"], "people has no app");
    assert!(!repo.calls().contains("terraform"), "{}", repo.calls());
}

/// Writes the plan of a destruction of these resources.
fn destroys(repo: &TestRepo, types: &[&str]) {
    let changes: Vec<_> = types
        .iter()
        .map(|kind| {
            serde_json::json!({
                "address": format!("{kind}.this"), "mode": "managed", "type": kind, "name": "this",
                "change": { "actions": ["delete"] },
            })
        })
        .collect();
    let plan =
        serde_json::json!({ "format_version": "1.2", "planned_values": {}, "resource_changes": changes });
    fs::write(repo.stand_in_file("plan.json"), plan.to_string()).unwrap();
}

#[test]
fn a_cluster_is_destroyed_after_a_snapshot_of_it() {
    let repo = repo_with_people();
    let confirmed = [("RDS_IAM_CONFIRM", "people")];
    repo.run(&["deploy", "--env", "people"], &[]).expect(0);
    repo.forget_calls();
    destroys(&repo, &["aws_rds_cluster_instance", "aws_rds_cluster"]);
    repo.run(
        &["destroy", "--env", "people"],
        &[("RDS_IAM_CONFIRM", "people"), ("BREAK", "rds-iam snapshot*")],
    )
    .expect(33);
    let calls = repo.calls();
    assert!(
        calls.contains("rds-iam snapshot --cluster orders-people --name orders-people-final-"),
        "{calls}"
    );
    assert!(!calls.contains("terraform apply"), "{calls}");
    for allowed in [
        "rds:CreateDBClusterSnapshot=rds:eu-west-1:123456789012:cluster:orders-people",
        "rds:DeleteDBCluster=rds:eu-west-1:123456789012:cluster:orders-people",
    ] {
        assert!(calls.contains(allowed), "no {allowed}: {calls}");
    }
    repo.run(&["destroy", "--env", "people"], &confirmed).expect(0);
    // Its instances alone are no database.
    let repo = repo_with_people();
    repo.run(&["deploy", "--env", "people"], &[]).expect(0);
    destroys(&repo, &["aws_rds_cluster_instance"]);
    repo.run(&["destroy", "--env", "people"], &confirmed)
        .expect(0)
        .assert_contains("none: the database is gone already");
    assert!(!repo.calls().contains("rds-iam snapshot"), "{}", repo.calls());
}

/// The tfvars name the kind, and the state may still have the other one.
#[test]
fn a_database_of_another_kind_than_declared_is_not_destroyed_as_if_it_were_gone() {
    let repo = repo_with_people();
    repo.run(&["deploy", "--env", "people"], &[]).expect(0);
    destroys(&repo, &["aws_db_instance"]);
    repo.run(&["destroy", "--env", "people"], &[("RDS_IAM_CONFIRM", "people")])
        .expect(33)
        .assert_contains(
            "the plan destroys an aws_db_instance, and the environment's tfvars say aws_rds_cluster",
        )
        .assert_contains("database.cluster");
    assert!(!repo.calls().contains("rds-iam snapshot"), "{}", repo.calls());
    repo.run(&["destroy", "--env", "people", "--no-snapshot"], &[("RDS_IAM_CONFIRM", "people")]).expect(0);
}
