//! Tests of the `rds-iam` program: exit statuses, input and output files of `plan` and `conf`, and
//! `parameters`, `delete-parameters` and `whoami` against an emulated AWS API.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use rds_iam_emulator_account::AwsApi;

const OUTPUTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../terraform/stacks/service/outputs.json");

fn plan(folder: &str) -> String {
    format!("{}/../tfplan/tests/plans/{folder}/plan.json", env!("CARGO_MANIFEST_DIR"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pipeline's runner is not a library; this is the program under test"
)]
fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rds-iam"))
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_plan_s_exit_status_says_whether_it_is_refused() {
    let clean = run(&["plan", &plan("clean")]);
    assert_eq!(clean.status.code(), Some(0), "{}", text(&clean.stderr));
    assert!(text(&clean.stdout).ends_with("Nothing is refused.\n"), "{}", text(&clean.stdout));
    let refused = run(&["plan", "--format", "json", &plan("wildcard")]);
    assert_eq!(refused.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(report["findings"][0]["rule"], "RDSIAM001");
    let failed = run(&["plan", OUTPUTS]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stderr).starts_with("error: "), "{}", text(&failed.stderr));
    assert!(text(&failed.stderr).contains("other JSON, not a plan"), "{}", text(&failed.stderr));
    assert_eq!(run(&["plan"]).status.code(), Some(64));
    assert_eq!(run(&["plan", "x", "--format", "xml"]).status.code(), Some(64));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}

#[test]
fn an_output_never_replaces_an_input() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input.json");
    let (link, hard_link) = (folder.path().join("link"), folder.path().join("hard-link"));
    std::fs::write(&path, "").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    std::fs::hard_link(&path, &hard_link).unwrap();
    let relative = folder.path().join("../").join(folder.path().file_name().unwrap()).join("input.json");
    let digest = format!("sha256:{}", "0".repeat(64));
    let refuse = |input: &str, output: &str| {
        for arguments in [
            &["rollout", "--outputs", input, "--digest", &digest, "--record", output][..],
            &["assumptions", "--outputs", input, "--json", output],
            &["conf", "--outputs", input, "--write", output],
            &["conf", "--outputs", OUTPUTS, "--ca-bundle", input, "--write", output],
            &["plan", input, "--output", output],
        ] {
            // rollout reads its outputs first.
            let content = if arguments[0] == "plan" { plan("clean") } else { OUTPUTS.to_owned() };
            let content = std::fs::read(content).unwrap();
            std::fs::write(&path, &content).unwrap();
            let stdin = std::fs::File::open(&path).unwrap();
            let ended = program().args(arguments).stdin(stdin).output().unwrap();
            let said = text(&ended.stderr);
            assert!(
                said.ends_with(&format!("{output} is an input and would be replaced: name another file\n")),
                "{said}"
            );
            assert_eq!(ended.status.code(), Some(1));
            assert_eq!(std::fs::read(&path).unwrap(), content);
            assert!(link.is_symlink() && hard_link.exists());
        }
    };
    let file = path.to_str().unwrap();
    for other in [&path, &link, &hard_link, &relative] {
        refuse(file, other.to_str().unwrap());
        refuse(other.to_str().unwrap(), file);
    }
    let ended =
        program().args(["plan", "-", "--output", file]).stdin(std::fs::File::open(&path).unwrap()).output();
    assert!(text(&ended.unwrap().stderr).contains("is an input"));
    let layout = folder.path().to_str().unwrap();
    let index = folder.path().join("index.json");
    std::fs::write(&index, "{}").unwrap();
    let push =
        ["image", "push", "--layout", layout, "--repository", "127.0.0.1:1/x", "--region", "us-east-1"];
    let blob = folder.path().join("blobs/sha256/0");
    std::fs::create_dir_all(blob.parent().unwrap()).unwrap();
    std::fs::write(&blob, "layer").unwrap();
    for part in [&index, &blob] {
        let ended = run(&[&push[..], &["--tag", "x", "--record", part.to_str().unwrap()]].concat());
        assert!(text(&ended.stderr).contains("is an input"), "{}", text(&ended.stderr));
        assert!(part.exists());
    }
}

#[test]
fn json_on_a_terminal_is_valid_and_has_no_control_character() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    let mut document: serde_json::Value =
        serde_json::from_slice(&std::fs::read(plan("clean")).unwrap()).unwrap();
    let address = "aws_db_proxy.x\u{1b}[2J\u{7f}\u{9b}2J\n";
    document["resource_changes"][0]["address"] = serde_json::json!(address);
    document["resource_changes"][0]["change"]["actions"] = serde_json::json!(["update"]);
    std::fs::write(&file, document.to_string()).unwrap();
    for format in ["json", "sarif"] {
        let ended = run(&["plan", file.to_str().unwrap(), "--format", format]);
        let printed = text(&ended.stdout);
        assert!(!printed.chars().any(|c| c.is_control() && c != '\n'), "{printed:?}");
        let report: serde_json::Value = serde_json::from_str(printed).unwrap();
        if format == "json" {
            assert!(report.to_string().contains(&serde_json::json!(address).to_string()), "{report}");
        }
    }
}

#[test]
fn a_dash_is_no_output_and_devices_may_be_both() {
    let folder = tempfile::tempdir().unwrap();
    let digest = format!("sha256:{}", "0".repeat(64));
    let plan = plan("clean");
    let image = ["image", "show", "--repository", "127.0.0.1:1/x", "--region", "us-east-1", "--tag", "x"];
    for arguments in [
        &["rollout", "--outputs", OUTPUTS, "--digest", &digest, "--record", "-"][..],
        &["assumptions", "--outputs", OUTPUTS, "--json", "-"],
        &["conf", "--outputs", OUTPUTS, "--write", "-"],
        &["plan", &plan, "--output", "-"],
        &[&image[..], &["--manifest", "-"]].concat(),
    ] {
        let ended = program().args(arguments).current_dir(&folder).output().unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert!(text(&ended.stderr).contains("or /dev/stdout"), "{}", text(&ended.stderr));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
    let printed = run(&["conf", "--outputs", OUTPUTS, "--write", "/dev/stdout"]);
    assert!(text(&printed.stdout).contains("RDS_ENDPOINT="), "{}", text(&printed.stderr));
    let device = run(&["plan", "/dev/null", "--output", "/dev/null"]);
    assert!(!text(&device.stderr).contains("is an input"), "{}", text(&device.stderr));
}

#[test]
fn an_empty_endpoint_url_is_an_error_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("rollout.json");
    std::fs::write(&record, "of an earlier run").unwrap();
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SSM"] {
        let file = record.to_str().unwrap();
        for arguments in [
            &["rollout", "--outputs", OUTPUTS, "--previous", "--record", file][..],
            &["assumptions", "--outputs", OUTPUTS, "--json", file],
        ] {
            let ended = program().args(arguments).env(variable, "").output().unwrap();
            assert_eq!(ended.status.code(), Some(1));
            let expected = format!("error: {variable} is empty; expected a URL. ");
            assert!(text(&ended.stderr).starts_with(&expected), "{}", text(&ended.stderr));
        }
    }
    assert_eq!(std::fs::read_to_string(&record).unwrap(), "of an earlier run");
}

#[test]
fn a_report_goes_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.sarif");
    let file = path.to_str().unwrap();
    let root = "terraform/stacks/service";
    let done = run(&["plan", "--format", "sarif", "--root", root, "--output", file, &plan("proxy_tls")]);
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(2), ""));
    let sarif: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["automationDetails"]["id"], "plan/");
    let place =
        &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(*place, "terraform/stacks/service/main.tf");
    let nowhere = run(&["plan", "--output", folder.path().join("a/b").to_str().unwrap(), &plan("clean")]);
    assert_eq!(nowhere.status.code(), Some(1));
}

#[test]
fn standard_input_is_read_for_a_dash() {
    let mut child = program()
        .args(["plan", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&std::fs::read(plan("proxy_tls")).unwrap()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(2), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("RDSIAM003"));
}

#[test]
fn control_characters_are_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    let change = r#"{"address":"a\u001b[2J\nb","change":{"actions":["create"]}}"#;
    std::fs::write(&file, format!(r#"{{"resource_changes":[{change}]}}"#)).unwrap();
    let done = run(&["assumptions", "--plan", &format!("dev\u{1b}={}", file.display())]);
    assert!(text(&done.stdout).contains(r"a\u{1b}[2J"), "{}", text(&done.stdout));
    assert!(!text(&done.stdout).contains('\u{1b}'));
    let failed = run(&["plan", "/nowhere/\u{1b}[2J"]);
    assert!(text(&failed.stderr).contains(r"/nowhere/\u{1b}[2J"), "{}", text(&failed.stderr));
}

#[test]
fn rds_conf_is_printed_or_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rds.conf");
    let printed = run(&["conf", "--outputs", OUTPUTS]);
    assert_eq!(printed.status.code(), Some(0), "{}", text(&printed.stderr));
    let written = run(&["conf", "--outputs", OUTPUTS, "--write", path.to_str().unwrap()]);
    assert_eq!((written.status.code(), text(&written.stdout)), (Some(0), ""));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text(&printed.stdout));
    let conf = rds_iam_infra::RdsConf::read(&path).unwrap();
    assert_eq!(conf.endpoint.to_string(), "orders-dev.c0ffee.us-east-1.rds.amazonaws.com:3306");
    let (dial, bundle) = ("127.0.0.1:13306", "/etc/rds/ca.pem");
    let here = run(&["conf", "--outputs", OUTPUTS, "--dial", dial, "--ca-bundle", bundle]);
    let conf = rds_iam_infra::RdsConf::parse(text(&here.stdout)).unwrap();
    assert_eq!(conf.connect_to().to_string(), dial);
    assert_eq!(conf.ca_bundle.unwrap().as_str(), bundle);
    assert_eq!(run(&["conf", "--outputs", OUTPUTS, "--dial", "127.0.0.1"]).status.code(), Some(64));
    let missing = run(&["conf", "--outputs", "/nowhere/outputs.json"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("/nowhere/outputs.json"));
}

#[test]
fn a_command_for_a_missing_part_of_the_deployment_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, record) = (folder.path().join("outputs.json"), folder.path().join("rollout.json"));
    let mut outputs: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(OUTPUTS).unwrap()).unwrap();
    for part in ["app", "proxy", "logs"] {
        outputs.as_object_mut().unwrap().remove(part);
    }
    outputs["database"]["value"]["engine"] = "postgresql".into();
    std::fs::write(&file, outputs.to_string()).unwrap();
    let (file, record) = (file.to_str().unwrap(), record.to_str().unwrap());
    for (command, part) in [
        (&["proxy-auth"][..], "proxy"),
        (&["parameters", "--write"], "app"),
        (&["identity"], "app"),
        (&["rollout", "--previous", "--record", record], "app"),
    ] {
        // Without a region, credentials or network: nothing is asked of AWS.
        let done = program().args(command).args(["--outputs", file]).env_clear().output().unwrap();
        let expected = format!(
            "error: this deployment has no {part}, so there is nothing to do: check that the outputs are of the \
             intended environment\n"
        );
        assert_eq!((done.status.code(), text(&done.stderr)), (Some(64), &*expected), "{command:?}");
        assert_eq!(text(&done.stdout), "");
    }
    assert!(!folder.path().join("rollout.json").exists());
    let conf = run(&["conf", "--outputs", file]);
    assert!(text(&conf.stdout).contains("\nENGINE=\"postgresql\"\n"), "{}", text(&conf.stdout));
}

#[tokio::test]
async fn parameters_are_written_once() {
    let aws = AwsApi::start().await.unwrap();
    aws.put_parameter("/dev/database/port", "3306").await.unwrap();
    aws.put_parameter("/dev/database/username", "someone").await.unwrap();
    let run = |args: &[&str]| {
        let mut command = program();
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
            command.env_remove(name);
        }
        let done = command.args(args).envs(aws.env()).env("AWS_CONFIG_FILE", "/dev/null").output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        text(&done.stdout).to_owned()
    };
    let parameters = |write: &[&str]| run(&[&["parameters", "--outputs", OUTPUTS], write].concat());
    let delete = || run(&["delete-parameters", "--path", "/dev/database", "--region", "us-east-1"]);
    let planned = parameters(&[]);
    insta::assert_snapshot!(planned, @r#"
    + /dev/database/engine: "mysql"
    + /dev/database/dbname: "node_db"
    + /dev/database/endpoint: "orders-dev.proxy-c0ffee.us-east-1.rds.amazonaws.com"
      /dev/database/port: "3306"
    + /dev/database/region: "us-east-1"
    ~ /dev/database/username: "someone" -> "node_app"
    4 to be created, 1 to be changed, 1 unchanged
    "#);
    assert_eq!(parameters(&[]), planned, "nothing was written");
    let written = parameters(&["--write"]);
    assert_eq!(written, planned.replace("to be ", ""));
    insta::assert_snapshot!(parameters(&["--write"]), @r#"
      /dev/database/engine: "mysql"
      /dev/database/dbname: "node_db"
      /dev/database/endpoint: "orders-dev.proxy-c0ffee.us-east-1.rds.amazonaws.com"
      /dev/database/port: "3306"
      /dev/database/region: "us-east-1"
      /dev/database/username: "node_app"
    0 created, 0 changed, 6 unchanged
    "#);
    aws.put_parameter("/dev/database/other", "stays").await.unwrap();
    insta::assert_snapshot!(delete(), @"
    - /dev/database/dbname
    - /dev/database/endpoint
    - /dev/database/engine
    - /dev/database/port
    - /dev/database/region
    - /dev/database/username
    6 deleted
    ");
    assert_eq!(delete(), "0 deleted\n");
    assert!(parameters(&[]).ends_with("6 to be created, 0 to be changed, 0 unchanged\n"));
}

#[tokio::test]
async fn a_closed_standard_output_stops_no_change_and_the_error_has_it() {
    let aws = AwsApi::start().await.unwrap();
    let run = |args: &[&str], stdout: Stdio| {
        let mut command = program();
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
            command.env_remove(name);
        }
        command.args(args).envs(aws.env()).env("AWS_CONFIG_FILE", "/dev/null").stdout(stdout);
        let done = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        format!("{}{}", text(&done.stdout), text(&done.stderr))
    };
    let closed = || {
        let (_, writer) = std::io::pipe().unwrap();
        Stdio::from(writer)
    };
    let parameters = ["parameters", "--outputs", OUTPUTS, "--write"];
    let delete = ["delete-parameters", "--path", "/dev/database", "--region", "us-east-1"];
    insta::assert_snapshot!(run(&parameters, closed()), @"error: cannot write to standard output: Broken pipe (os error 32). 6 created, 0 changed, 0 unchanged");
    assert!(run(&parameters, Stdio::piped()).ends_with("0 created, 0 changed, 6 unchanged\n"));
    insta::assert_snapshot!(run(&delete, closed()), @"error: cannot write to standard output: Broken pipe (os error 32). The operation is complete: 6 deleted");
    assert_eq!(run(&delete, Stdio::piped()), "0 deleted\n");
}

#[test]
fn findings_are_written_before_they_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("findings.json");
    let (_, writer) = std::io::pipe().unwrap();
    let second = format!("plan={}", plan("clean"));
    let arguments = ["assumptions", "--plan", &second, "--json", file.to_str().unwrap()];
    let status = program().args(arguments).stdout(writer).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(std::fs::read_to_string(&file).unwrap().contains("second-plan-empty-plan"));
}

#[tokio::test]
async fn the_caller_is_printed_or_refused() {
    let aws = AwsApi::start().await.unwrap();
    let whoami = |account: &str, credentials: &str| {
        let mut command = program();
        command.args(["whoami", "--region", "us-east-1", "--account-id", account]).envs(aws.env());
        // Only the test's credentials.
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
            command.env_remove(name);
        }
        command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", credentials);
        command.env("AWS_EC2_METADATA_DISABLED", "true").output().unwrap()
    };
    let known = aws.credentials_file().display().to_string();
    let done = whoami("123456789012", &known);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(text(&done.stdout).lines().count(), 1);
    let caller: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(caller["account"], "123456789012");
    let other = whoami("999999999999", &known);
    assert_eq!(other.status.code(), Some(1));
    assert!(text(&other.stderr).contains("the deployment is in 999999999999"), "{}", text(&other.stderr));
    let none = whoami("123456789012", "/dev/null");
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("no credentials found: log in"), "{}", text(&none.stderr));
}
