//! Tests of the pipeline's safeguards: refused Lambda packages, images and deployments, secrets redacted from
//! output, categories of SARIF files, advisories, and build caches that commits do not share.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::test_repo::TestRepo;

/// Returns the key that GitHub's `upload-sarif` accepts only once, even in two files: codeql-action
/// `createRunKey`.
fn run_key(run: &Value) -> String {
    let driver = &run["tool"]["driver"];
    let of_driver = ["name", "fullName", "version", "semanticVersion", "guid"].map(|field| &driver[field]);
    json!([of_driver, run["automationDetails"]["id"]]).to_string()
}

#[test]
fn no_two_files_of_findings_have_one_category() {
    let repo = TestRepo::new();
    repo.run(&["ci"], &[]).expect(0);
    repo.run(&["plan", "--env", "dev"], &[]).expect(0);
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    for entry in fs::read_dir(repo.pipeline("sarif")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let sarif: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for run in sarif["runs"].as_array().unwrap() {
            let other = keys.insert(run_key(run), name.clone());
            assert_eq!(other, None, "{name} has the key of another file: {}", run_key(run));
        }
    }
    assert!(keys.len() >= 9, "{keys:?}");
}

#[test]
fn a_package_that_needs_a_newer_c_library_stops_every_run() {
    let repo = TestRepo::new();
    let program = repo.stand_in_file("newer");
    let mut bytes = fs::read("/bin/true").unwrap();
    let name = b"GLIBC_2.34\0";
    let found: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(name)).collect();
    assert!(!found.is_empty(), "this machine's own programs need another version");
    for at in found {
        bytes[at..at + name.len()].copy_from_slice(b"GLIBC_2.39\0");
    }
    fs::write(&program, bytes).unwrap();
    let newer = [("PROGRAM", program.to_str().unwrap())];
    for run in [&["ci", "--only", "programs"][..], &["plan", "--env", "dev"]] {
        let ended = repo.run(run, &newer);
        ended.expect(23).assert_contains("it needs glibc 2.39, and Amazon Linux 2023 has 2.34");
    }
}

#[test]
fn the_verdict_on_images_is_of_these_images_alone() {
    let repo = TestRepo::new();
    repo.run(&["deploy", "--env", "dev", "--until", "trivy"], &[]).expect(0);
    // The same commit with other bytes: another base, or a manual change in the folder.
    let image = repo.stand_in_file("image.tar");
    fs::write(&image, TestRepo::image("another program")).unwrap();
    repo.run(&["docker-build", "--env", "dev"], &[]).expect(0);
    let ended = repo.run(&["deploy", "--env", "dev", "--from", "apply"], &[]);
    ended.expect(3).assert_contains("missing: the verdict of trivy");
    assert!(!repo.calls().contains("image push") && !repo.calls().contains("terraform apply"));
    repo.run(&["deploy", "--env", "dev", "--from", "trivy"], &[]).expect(0);
}

#[test]
fn nothing_that_is_not_committed_reaches_aws() {
    let repo = TestRepo::new();
    repo.run(&["deploy", "--env", "dev"], &[]).expect(0);
    repo.write("crates/token/Cargo.toml", "# not committed\n");
    repo.forget_calls();
    let before = "programs,validate,tflint,checkov,docker-build,trivy";
    for stage in ["ecr-push", "proxy-auth", "bootstrap", "rollout"] {
        let stages = format!("{before},{stage}");
        let ended = repo.run(&["deploy", "--env", "dev", "--only", &stages], &[]);
        ended.expect(3).assert_contains("files differ from the commit");
    }
    for run in [
        &["deploy", "--env", "dev", "--only", &format!("{before},ecr-push,rollout")][..],
        &["rollback", "--env", "dev"],
        &["promote", "--from", "dev", "--to", "prod"],
    ] {
        repo.run(run, &[]).expect(3).assert_contains("files differ from the commit");
    }
    assert!(!repo.calls().contains("image push"), "{}", repo.calls());
}

#[test]
fn the_apps_image_alone_is_pushed_to_aws() {
    let repo = TestRepo::new();
    repo.run(&["deploy", "--env", "dev"], &[]).expect(0);
    let calls = repo.calls();
    let pushes: Vec<_> = calls.lines().filter(|call| call.starts_with("rds-iam image push")).collect();
    assert_eq!(pushes.len(), 1, "{pushes:?}");
    assert!(pushes[0].contains("/images/app "), "{pushes:?}");
}

#[test]
fn an_image_is_marked_before_it_is_rolled_out() {
    let repo = TestRepo::new();
    repo.run(&["deploy", "--env", "dev"], &[]).expect(0);
    let digest = format!("--digest sha256:{:064}", 1);
    let calls = repo.calls();
    let at = |call: &str| calls.lines().position(|line| line.starts_with(call) && line.contains(&digest));
    let (marked, rolled_out) = (at("rds-iam image deployed"), at("rds-iam rollout"));
    assert!(marked.is_some() && marked < rolled_out, "{calls}");
    // An image that is not marked may expire while it runs.
    let ended = repo.run(&["deploy", "--env", "dev"], &[("BREAK", "rds-iam image deployed*")]);
    ended.expect(28);
    repo.forget_calls();
    repo.run(&["promote", "--from", "dev", "--to", "prod"], &[]).expect(0);
    assert!(repo.calls().contains("rds-iam image deployed"), "{}", repo.calls());
}

#[test]
fn a_deployment_to_aws_does_not_skip_checkov() {
    let repo = TestRepo::new();
    let ended = repo.run(&["deploy", "--env", "dev", "--skip", "checkov"], &[]);
    ended.expect(2).assert_contains("can't skip checkov");
    let ended = repo.run(&["promote", "--from", "dev", "--to", "prod", "--accept-skipped", "checkov"], &[]);
    ended.expect(2).assert_contains("can't accept an image that skipped checkov");
    assert!(!repo.calls().contains("terraform"), "{}", repo.calls());
    // Nor does a skip count that is in the record already.
    repo.run(&["deploy", "--env", "dev", "--until", "plan"], &[]).expect(0);
    let path = repo.pipeline("dev/bundle/gates.json");
    let mut gates: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for gate in gates["gates"].as_array_mut().unwrap() {
        if gate["name"] == "checkov" {
            gate["result"] = json!("skipped");
        }
    }
    fs::write(&path, gates.to_string()).unwrap();
    let ended = repo.run(&["apply", "--env", "dev"], &[]);
    ended.expect(3).assert_contains("verdict of checkov").assert_contains("cargo xtask checkov --env dev");
    assert!(!repo.calls().contains("terraform apply"), "{}", repo.calls());
}

#[test]
fn a_deployment_of_infrastructure_alone_pushes_nothing() {
    let repo = TestRepo::new();
    // What nothing will run only makes what runs expire.
    let ended = repo.run(&["deploy", "--env", "dev", "--skip", "rollout,smoke"], &[]);
    ended.expect(2).assert_contains("help: for infrastructure alone: --infrastructure-only");
    assert!(!repo.calls().contains("image push"), "{}", repo.calls());
    repo.run(&["deploy", "--env", "dev", "--infrastructure-only"], &[]).expect(0);
    let calls = repo.calls();
    assert!(calls.contains("terraform apply") && calls.contains("invoke-bootstrap"), "{calls}");
    for call in ["image push", "docker build", "rds-iam rollout", "trivy "] {
        assert!(!calls.contains(call), "{call}: {calls}");
    }
}

#[test]
fn a_secret_of_the_environment_is_in_no_output_in_any_form() {
    let repo = TestRepo::new();
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\n-----END PRIVATE KEY-----";
    let secrets = [
        ("MYSQL_PWD", "hunter2 & \"hunter3\""),
        ("GH_PAT", "github_pat_made_up"),
        ("GPG_PASSPHRASE", "correct horse battery"),
        ("SECRET_KEY_BASE", "0123456789abcdef"),
        ("DATABASE_URL", "mysql://ada:lovelace1815@db.example.test/orders"),
        ("DOCKER_AUTH_CONFIG", "{\"auths\": {\"r\": {\"auth\": \"YWRhOmxvdmVsYWNl\"}}}"),
        ("HTTPS_PROXY", "http://ada:lovelace1815@proxy.example.test:3128"),
        ("TLS_KEY_PEM", pem),
        ("SHORT_TOKEN", "prefix-of-a-token"),
        ("LONG_TOKEN", "prefix-of-a-token-and-its-end"),
    ];
    let names = secrets.map(|(name, _)| name).join(" ");
    let variables: Vec<_> = secrets.into_iter().chain([("LEAK", names.as_str())]).collect();
    let ended = repo.run(&["validate"], &variables);
    ended.expect(0).assert_contains("leaked");
    let log = fs::read_to_string(repo.pipeline("ci/logs/validate.log")).unwrap();
    for printed in [&ended.printed, &log] {
        for part in [
            "hunter2",
            "hunter3",
            "github_pat_made_up",
            "correct",
            "0123456789abcdef",
            "lovelace1815",
            "YWRhOmxvdmVsYWNl",
            "MIIEvQIBADANBgkqhkiG9w0BAQEF",
            "and-its-end",
            // The base64 of some of them.
            "aHVudGVyMi",
            "Z2l0aHViX3BhdF9tYWRlX3Vw",
            "MDEyMzQ1Njc4OWFiY2RlZg",
        ] {
            assert!(!printed.contains(part), "{part} is in\n{printed}");
        }
    }
}

#[test]
fn a_plans_summary_says_what_is_refused_and_what_could_not_be_checked() {
    let repo = TestRepo::new();
    let plan = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/tfplan/tests/plans/proxy_tls/plan.json");
    fs::copy(plan, repo.stand_in_file("plan.json")).unwrap();
    let ended = repo.run(&["plan", "--env", "dev"], &[]);
    ended.expect(13).assert_contains("the rules refuse the plan for 2 reasons");
    let told = fs::read_to_string(repo.pipeline("dev/plan.md")).unwrap();
    assert!(told.contains("RDSIAM003 `aws_db_proxy.plain`: require_tls is"), "{told}");
    assert!(told.contains("Not checked"), "{told}");
}

#[test]
fn ci_looks_advisories_up_or_says_openly_that_it_did_not() {
    let repo = TestRepo::new();
    let lint = ["ci", "--only", "lint"];
    repo.run(&lint, &[]).expect(0);
    assert!(repo.calls().contains("cargo-deny --locked check --disable-fetch"), "{}", repo.calls());
    // A finding fails the run, offline or not.
    let found = ("BREAK", "cargo-deny *advisories");
    repo.run(&lint, &[found, ("RDS_IAM_OFFLINE", "advisories")]).expect(22);
    // An unavailable check fails, unless the operator excluded it.
    let unreachable = ("BREAK", "cargo-deny *fetch db*");
    repo.run(&lint, &[unreachable]).expect(22).assert_contains("RDS_IAM_OFFLINE=advisories");
    repo.run(&lint, &[unreachable, ("RDS_IAM_OFFLINE", "other")]).expect(22);
    let offline = repo.run(&lint, &[unreachable, ("RDS_IAM_OFFLINE", "advisories")]);
    offline.expect(0).assert_contains("not run: the advisory database");
    // A contributor's own machine need not reach GitHub.
    repo.run(&["lint"], &[unreachable]).expect(0).assert_contains("not run: the advisory database");
}

#[test]
fn ci_checks_the_published_crates_with_each_set_of_features_and_as_packages() {
    let repo = TestRepo::new();
    repo.run(&["ci", "--only", "lint"], &[]).expect(0);
    let calls = repo.calls();
    assert!(calls.contains("cargo-hack hack clippy --locked --feature-powerset --package="), "{calls}");
    assert!(calls.contains("cargo publish --dry-run --workspace --locked"), "{calls}");
    repo.run(&["ci", "--only", "lint"], &[("BREAK", "cargo publish*")]).expect(22);
    // They take minutes: a contributor's own run leaves them to CI.
    repo.forget_calls();
    repo.run(&["lint"], &[]).expect(0);
    assert!(!repo.calls().contains("publish") && !repo.calls().contains("cargo-hack"), "{}", repo.calls());
}

#[test]
fn images_for_aws_share_no_cache_with_other_commits() {
    let repo = TestRepo::new();
    let ids = || {
        let text = fs::read_to_string(repo.pipeline("dev/images/app.context/docker/app/Dockerfile")).unwrap();
        let other =
            fs::read_to_string(repo.pipeline("dev/images/bootstrap.context/docker/bootstrap/Dockerfile"))
                .unwrap();
        let ids = |text: &str| -> Vec<String> {
            let ids =
                text.split("type=cache,id=").skip(1).map(|rest| rest.split(',').next().unwrap().to_owned());
            ids.collect()
        };
        // The second image finds what was built for the first.
        assert_eq!(ids(&text), ids(&other));
        ids(&text)
    };
    repo.run(&["docker-build", "--env", "dev"], &[]).expect(0);
    let first = ids();
    assert_eq!(first.len(), 2, "{first:?}");
    assert!(repo.calls().contains("docker build --progress plain") && repo.calls().contains(" --no-cache "));
    repo.commit("crates/token/src/lib.rs", "// another branch's\n");
    repo.run(&["docker-build", "--env", "dev"], &[]).expect(0);
    assert!(ids().iter().all(|id| !first.contains(id)), "{first:?}");
}

/// The service must run on the deployed engine, and log in as that engine's users of tokens do.
#[test]
fn a_service_on_another_engine_or_with_a_password_does_not_pass() {
    let repo = TestRepo::new();
    repo.run(&["deploy", "--env", "dev"], &[]).expect(0);
    let outputs = repo.stand_in_file("outputs.json");
    let on_postgres = fs::read_to_string(&outputs).unwrap().replace("\"mysql\"", "\"postgresql\"");
    let by_token =
        r#""engine": "postgresql", "user": "node_app", "plugin": "rds_iam", "tls_version": "TLSv1.3""#;
    let smoke = |login: &str| repo.run(&["smoke", "--env", "dev"], &[("LOGIN", login)]);
    smoke(by_token).expect(30).assert_contains("the service runs on postgresql, and the database is mysql");
    fs::write(&outputs, on_postgres).unwrap();
    repo.run(&["outputs", "--env", "dev"], &[]).expect(0);
    smoke(by_token).expect(0).assert_contains("it serves, as node_app");
    smoke("").expect(30).assert_contains("the service runs on mysql, and the database is postgresql");
    smoke(&by_token.replace("\"rds_iam\"", "null")).expect(30).assert_contains("by token and over TLS");
}
