//! Tests of the program's commands that call AWS and a registry.

#[path = "../../deploy/src/image/tests/server.rs"]
mod server;
#[path = "../../deploy/src/aws/test_client.rs"]
#[expect(dead_code, reason = "shared with the library's tests, which use all of it")]
mod test_client;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use rds_iam_token::{AccessKey, Clock, Endpoint, Verifier};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use server::{PASSWORD, Server, ecr};
use test_client::TestClient;

const OUTPUTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../terraform/stacks/service/outputs.json");
const REPOSITORY: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev";

#[expect(
    clippy::disallowed_methods,
    reason = "the pipeline's runner is not a library; this is the program under test"
)]
fn program(aws: &TestClient) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rds-iam"));
    command.env("AWS_ENDPOINT_URL", format!("http://{}", aws.address())).envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("RUST_LOG", "trace"),
    ]);
    command
}

fn run(aws: &TestClient, arguments: &[&str]) -> Output {
    program(aws).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Writes the smallest possible layout, an image without layers, and returns its digest.
fn layout(folder: &Path) -> String {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(blobs.join(&hex), bytes).unwrap();
        json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": format!("sha256:{hex}"), "size": bytes.len() })
    };
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let config = put(br#"{"architecture":"amd64","os":"linux"}"#);
    let manifest = json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [] });
    let mut image = put(manifest.to_string().as_bytes());
    image["mediaType"] = json!(media_type);
    std::fs::write(folder.join("index.json"), json!({ "manifests": [image] }).to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    image["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_push_prints_the_login_nowhere() {
    let server = Server::start();
    let folder = server.folder("built");
    let digest = layout(&folder);
    let record = folder.join("pushed.json");
    let push = |aws: &TestClient| {
        let (layout, record) = (folder.to_str().unwrap(), record.to_str().unwrap());
        let which = ["--repository", REPOSITORY, "--region", "us-east-1", "--tag", "1.0"];
        let done =
            run(aws, &[&["image", "push", "--layout", layout, "--record", record][..], &which].concat());
        let header = base64::engine::general_purpose::STANDARD.encode(format!("AWS:{PASSWORD}"));
        for said in [&done.stdout, &done.stderr] {
            assert!(!text(said).contains(PASSWORD) && !text(said).contains(&header), "{}", text(said));
        }
        done
    };
    let done = push(&ecr(&server.address, PASSWORD));
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains(&format!("image {REPOSITORY}:1.0 is {digest}: pushed")));
    let pushed: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    assert_eq!((&pushed["digest"], &pushed["tag"]), (&json!(digest), &json!("1.0")));
    // A failed run leaves no record of an earlier one.
    let refused = push(&ecr(&server.address, "another"));
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("the registry rejected the login"), "{}", text(&refused.stderr));
    assert!(!record.exists());
}

#[test]
fn an_incomplete_environment_file_is_refused_before_any_call() {
    let aws = TestClient::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let whole = json!({ "environment": "dev", "repository": REPOSITORY, "region": "us-east-1", "image_parameter": "/dev/app/image" });
    std::fs::write(path("dev.json"), whole.to_string()).unwrap();
    std::fs::write(path("prod.json"), r#"{"environment":"prod"}"#).unwrap();
    let digest = format!("sha256:{}", "0".repeat(64));
    let (from, to, record) = (path("dev.json"), path("prod.json"), path("promotion.json"));
    let which = ["image", "promote", "--from", &from, "--to", &to, "--digest", &digest];
    let who = ["--by", "ada", "--reason", "release 7", "--record", &record];
    let refused = run(&aws, &[&which[..], &who].concat());
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.contains("prod.json: missing field `repository`") && said.contains("image_parameter"),
        "{said}"
    );
    assert!(aws.operations().is_empty() && !folder.path().join("promotion.json").exists());
}

#[test]
fn a_record_that_cannot_be_written_is_refused_before_any_call() {
    let aws = TestClient::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let environment = json!({ "environment": "dev", "repository": REPOSITORY, "region": "us-east-1", "image_parameter": "/dev/app/image" });
    std::fs::write(path("dev.json"), environment.to_string()).unwrap();
    layout(folder.path());
    let (layout, environment, record) = (path(""), path("dev.json"), path("missing/record.json"));
    let digest = format!("sha256:{}", "0".repeat(64));
    let repository = ["--repository", REPOSITORY, "--region", "us-east-1"];
    let environments = ["--from", &environment, "--to", &environment, "--by", "ada", "--reason", "release 7"];
    for arguments in [
        &["rollout", "--outputs", OUTPUTS, "--digest", &digest, "--record", &record][..],
        &[&["image", "push", "--layout", &layout, "--tag", "1", "--record", &record][..], &repository]
            .concat(),
        &[&["image", "show", "--digest", &digest, "--manifest", &record][..], &repository].concat(),
        &[&["image", "promote", "--digest", &digest, "--record", &record][..], &environments].concat(),
        &["assumptions", "--outputs", OUTPUTS, "--json", &record],
    ] {
        let refused = run(&aws, arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        let expected = format!("cannot write {record}; its folder must exist and be writable");
        assert!(text(&refused.stderr).contains(&expected), "{arguments:?}: {}", text(&refused.stderr));
    }
    assert!(aws.operations().is_empty(), "{:?}", aws.operations());
}

#[test]
fn drift_has_an_exit_status() {
    let aws = TestClient::new();
    let invoke = "POST /2015-03-31/functions/orders-dev-bootstrap/invocations";
    aws.on(invoke, 200, r#"{"outcome":"drift"}"#);
    for (mode, status) in [("check", 2), ("plan", 0)] {
        let done = run(&aws, &["invoke-bootstrap", "--outputs", OUTPUTS, "--mode", mode]);
        assert_eq!(
            (done.status.code(), text(&done.stdout)),
            (Some(status), "{\n  \"outcome\": \"drift\"\n}\n")
        );
    }
    assert_eq!(run(&aws, &["invoke-bootstrap", "--outputs", OUTPUTS, "--mode", "x"]).status.code(), Some(64));
}

/// AWS with a rollout that never ends.
fn endless(image: &str) -> TestClient {
    let aws = TestClient::new();
    let list = |name: &str, member: &str| {
        format!("<{name}Response><{name}Result>{member}</{name}Result></{name}Response>")
    };
    let targets = "<AutoScalingGroups><member><TargetGroupARNs><member>arn:group</member></TargetGroupARNs></member>\
                   </AutoScalingGroups>";
    let active = "<InstanceRefreshes><member><InstanceRefreshId>new</InstanceRefreshId><Status>InProgress</Status>\
                  </member></InstanceRefreshes>";
    let named = json!({ "Parameters": [{ "Name": "/dev/app/image", "Type": "String", "Value": image }] });
    aws.on("DescribeAutoScalingGroups", 200, list("DescribeAutoScalingGroups", targets))
        .on("GetParameters", 200, r#"{"Parameters":[]}"#)
        .on("GetParameters", 200, r#"{"Parameters":[]}"#)
        .on("GetParameters", 200, named.to_string())
        .on("PutParameter", 200, r#"{"Version":1}"#)
        .on("DescribeImages", 200, r#"{"imageDetails":[{}]}"#)
        .on("DescribeInstanceRefreshes", 200, list("DescribeInstanceRefreshes", ""))
        .on("DescribeInstanceRefreshes", 200, list("DescribeInstanceRefreshes", ""))
        .on("DescribeInstanceRefreshes", 200, list("DescribeInstanceRefreshes", active))
        .on(
            "StartInstanceRefresh",
            200,
            list("StartInstanceRefresh", "<InstanceRefreshId>new</InstanceRefreshId>"),
        );
    aws
}

#[test]
#[expect(clippy::disallowed_methods, reason = "kill(1) is what sends a signal without unsafe code")]
fn an_interrupted_rollout_reports_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("rollout.json");
    std::fs::write(&record, "of an earlier run").unwrap();
    let digest = format!("sha256:{}", "a".repeat(64));
    let image = format!("{REPOSITORY}@{digest}");
    let aws = endless(&image);
    for signal in ["INT", "TERM"] {
        let mut child = program(&aws)
            .args([
                "rollout",
                "--outputs",
                OUTPUTS,
                "--digest",
                &digest,
                "--record",
                record.to_str().unwrap(),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        // The second run resumes the first one's refresh, or waits for it.
        let started = output.into_iter().find(|line| line.contains("instance refresh new of orders-dev"));
        assert!(started.is_some());
        let sent =
            Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap();
        assert!(sent.success());
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(130), "{}", text(&done.stderr));
        let said = text(&done.stderr);
        assert!(
            said.starts_with(&format!("error: interrupted; /dev/app/image points to {image}.")),
            "{said}"
        );
        assert!(!record.exists());
    }
    let usage =
        run(&aws, &["rollout", "--outputs", OUTPUTS, "--record", "x", "--digest", &digest, "--previous"]);
    assert_eq!(usage.status.code(), Some(64));
}

#[test]
fn a_snapshot_is_of_an_instance_or_a_cluster() {
    let aws = TestClient::new();
    for (option, describe, kind) in [
        ("--instance", "DescribeDBSnapshots", "Instance"),
        ("--cluster", "DescribeDBClusterSnapshots", "Cluster"),
    ] {
        let snapshot = if kind == "Cluster" { "DBClusterSnapshot" } else { "DBSnapshot" };
        let existing = format!(
            "<{describe}Response><{describe}Result><{snapshot}s><{snapshot}><DB{kind}Identifier>orders-dev\
             </DB{kind}Identifier><Status>available</Status><{snapshot}Arn>arn:{kind}</{snapshot}Arn></{snapshot}>\
             </{snapshot}s></{describe}Result></{describe}Response>"
        );
        aws.on(describe, 200, existing);
        let done = run(&aws, &["snapshot", option, "orders-dev", "--name", "final", "--region", "us-east-1"]);
        let expected = format!("final of orders-dev: already exists (arn:{kind})\n");
        assert_eq!((done.status.code(), text(&done.stdout)), (Some(0), &*expected), "{}", text(&done.stderr));
    }
    let calls = aws.operations();
    for wrong in [&[][..], &["--instance", "a", "--cluster", "a"]] {
        let refused = run(&aws, &[&["snapshot", "--name", "final", "--region", "us-east-1"], wrong].concat());
        assert_eq!(refused.status.code(), Some(64), "{}", text(&refused.stderr));
    }
    assert_eq!(aws.operations(), calls);
}

/// AWS with a role, whose credentials and identity it returns.
fn with_role() -> TestClient {
    let aws = TestClient::new();
    let credentials = "<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>of-the-role</SecretAccessKey>\
                       <SessionToken>session-of-the-role</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>";
    let arn = "arn:aws:sts::123456789012:assumed-role/orders/rds-iam";
    let user = format!("<Arn>{arn}</Arn><AssumedRoleId>AROA:rds-iam</AssumedRoleId>");
    let role = format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials>{credentials}</Credentials><AssumedRoleUser>{user}\
         </AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
    );
    let caller = format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><Account>123456789012</Account>\
         <UserId>AROA:rds-iam</UserId></GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    aws.on("AssumeRole", 200, role).on("GetCallerIdentity", 200, caller);
    aws
}

const ROLE: &str = "arn:aws:iam::123456789012:role/orders";

#[test]
fn a_token_is_signed_by_an_assumed_role() {
    let aws = with_role();
    let host = "orders.c0ffee.us-east-1.rds.amazonaws.com";
    let login = ["token", "--hostname", host, "--port", "3306", "--username", "ada", "--json"];
    let role = ["--assume-role", ROLE, "--external-id", "given-by-the-owner"];
    let done = run(&aws, &[&login[..], &role].concat());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let signed: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(signed["signer"], "ASIAROLE");
    let key = AccessKey::new("ASIAROLE", "of-the-role").session_token("session-of-the-role");
    let endpoint = Endpoint::new(host, 3306).unwrap();
    let server = Verifier::new("us-east-1".parse().unwrap(), vec![endpoint], vec![key]);
    server.verify(signed["token"].as_str().unwrap(), "ada", Clock::system().now()).unwrap();
    let request = aws.requests("AssumeRole").remove(0);
    assert!(request.contains("ExternalId=given-by-the-owner"), "{request}");
    assert!(request.contains("RoleSessionName=rds-iam"), "{request}");
    // AWS's reason is in the error, and no secret.
    let denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole\
                  </Message></Error></ErrorResponse>";
    aws.replace("AssumeRole", 403, denied);
    let refused = run(&aws, &[&login[..], &role].concat());
    assert_eq!((refused.status.code(), text(&refused.stdout)), (Some(1), ""));
    assert!(
        text(&refused.stderr).contains("not authorized to perform: sts:AssumeRole"),
        "{}",
        text(&refused.stderr)
    );
}

#[test]
fn a_command_calls_aws_by_an_assumed_role() {
    let aws = with_role();
    let whoami = ["whoami", "--region", "us-east-1", "--account-id", "123456789012", "--assume-role", ROLE];
    let done = run(&aws, &whoami);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(aws.operations(), ["AssumeRole", "GetCallerIdentity"]);
    assert!(aws.heads().contains("Credential=ASIAROLE/"), "{}", aws.heads());
    let without = run(&aws, &whoami[..5]);
    assert_eq!(without.status.code(), Some(0), "{}", text(&without.stderr));
    assert_eq!(aws.operations().len(), 3);
}
