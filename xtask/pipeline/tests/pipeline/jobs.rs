//! What the workflows' jobs rely on: programs that another job built, and attestations of images.

use std::fs;

use crate::house::House;

const PREBUILT: (&str, &str) = ("RDS_IAM_PREBUILT", "yes");

/// As the workflows Deploy and Destroy run it: one job builds, others have a role and build nothing.
#[test]
fn a_job_that_takes_programs_over_builds_nothing() {
    let house = House::new();
    house.hand_over();
    house.run(&["programs", "--env", "dev"], &[]).expect(0);
    assert!(house.repo("../target/lambda/x.zip").is_file(), "the package is built for the job that plans");
    let gates = "validate,tflint,checkov,docker-build,trivy";
    house.run(&["deploy", "--env", "dev", "--only", gates], &[]).expect(0);
    house.forget_calls();
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
        house.run(command, &[PREBUILT, ("RDS_IAM_CONFIRM", "dev")]).expect(0);
    }
    let calls = house.calls();
    for needed in ["terraform apply", "rds-iam whoami", "rds-iam rollout", "rds-iam snapshot"] {
        assert!(calls.contains(needed), "no {needed} in {calls}");
    }
    for builds in ["cargo ", "docker build", "rustc "] {
        assert!(!calls.lines().any(|call| call.starts_with(builds)), "{builds} in {calls}");
    }
}

#[test]
fn what_was_not_handed_over_is_named() {
    let house = House::new();
    house.hand_over();
    let ended = house.run(&["deploy", "--env", "dev", "--until", "plan"], &[PREBUILT]);
    ended.expect(23).says("lambda/x.zip was not handed over");
    assert!(!house.calls().contains("terraform plan"));
}

/// A destruction that stopped half-way has no outputs any more, in whichever of its steps.
#[test]
fn a_destruction_in_steps_goes_on_where_it_stopped() {
    let house = House::new();
    house.hand_over();
    house.run(&["programs", "--env", "dev"], &[]).expect(0);
    let settings = [PREBUILT, ("RDS_IAM_CONFIRM", "dev")];
    fs::write(house.stand_in_file("outputs.json"), "{}").unwrap();
    for command in [
        &["destroy", "--env", "dev", "--until", "destroy-plan"][..],
        &["destroy", "--env", "dev", "--only", "outputs,snapshot"],
        &["destroy", "--env", "dev", "--only", "outputs,destroy"],
    ] {
        house.run(command, &settings).expect(0);
    }
}

#[test]
fn on_github_an_image_without_an_attestation_is_not_promoted() {
    let house = House::new();
    let promote = ["promote", "--from", "dev", "--to", "prod"];
    let job = [("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", "acme/orders")];
    house.run(&promote, &job).expect(3).says("missing: gh is not on PATH");
    house.with("gh");
    let refused = house.run(&promote, &[&job[..], &[("BREAK", "gh attestation verify*")]].concat());
    refused.expect(31).says("only an image that build.yml built on main is promoted");
    assert!(!house.calls().contains("image promote"), "{}", house.calls());
    house.forget_calls();
    house.run(&promote, &job).expect(0);
    let calls = house.calls();
    let manifest = house.pipeline("prod/promotion-manifest.json").display().to_string();
    let verify = format!(
        "gh attestation verify {manifest} --repo acme/orders --signer-workflow acme/orders/.github/workflows/build.yml \
         --source-ref refs/heads/main --source-digest "
    );
    let verify = calls.find(&verify).unwrap_or_else(|| panic!("no {verify} in {calls}"));
    // The manifest is of the image that is copied, and nothing is copied before.
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
        house.run(&promote, &job).expect(31).says("GITHUB_REPOSITORY is");
    }
}

#[test]
fn a_workstation_says_whether_it_asks_for_an_attestation() {
    let house = House::new();
    let promote = ["promote", "--from", "dev", "--to", "prod"];
    house.run(&promote, &[]).expect(0).says("no attestation is verified");
    assert!(!house.calls().contains("gh "), "{}", house.calls());
    house.with("gh");
    house.run(&promote, &[("RDS_IAM_ATTESTATIONS", "acme/orders")]).expect(0);
    assert!(house.calls().contains("gh attestation verify"), "{}", house.calls());
}

#[test]
fn infrastructure_is_deployed_without_an_image() {
    let house = House::new();
    let only = ["deploy", "--env", "dev", "--infrastructure-only", "--until", "proxy-auth"];
    house.run(&only, &[]).expect(0);
    let calls = house.calls();
    assert!(calls.contains("terraform apply"), "{calls}");
    for of_the_image in ["docker build", "trivy image", "image push"] {
        assert!(!calls.contains(of_the_image), "{calls}");
    }
    let plan = house.run(&["deploy", "--env", "dev", "--infrastructure-only", "--explain"], &[]);
    for stage in ["docker-build", "trivy", "ecr-push", "rollout", "smoke"] {
        assert!(!plan.printed.contains(&format!("\n  {stage} ")), "{}", plan.printed);
    }
}

#[test]
fn an_image_that_was_not_scanned_is_accepted_by_name_alone() {
    let house = House::new();
    house.run(&["deploy", "--env", "dev", "--accept-scan", "off,UNSUPPORTED_IMAGE"], &[]).expect(0);
    assert!(house.calls().contains("--accept-scan off,UNSUPPORTED_IMAGE"), "{}", house.calls());
    house.forget_calls();
    house.run(&["deploy", "--env", "dev"], &[]).expect(0);
    assert!(!house.calls().contains("--accept-scan"), "{}", house.calls());
}
