//! Tests of `rds-iam token`: tokens as a server verifies them, regions, credentials, and output without secrets.

use std::io::Write as _;

use std::process::{Command, Output, Stdio};

use rds_iam_token::{AccessKey, Clock, Endpoint, Region, Verifier};
use serde_json::Value;

const HOST: &str = "orders.c0ffee.eu-west-1.rds.amazonaws.com";
const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "not-a-real-secret";
const SESSION: &str = "not/a+real=session-token";
const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", SECRET)];

/// The options of a login, without a region.
fn login<'a>(host: &'a str, user: &'a str) -> [&'a str; 7] {
    ["token", "--hostname", host, "--port", "3306", "--username", user]
}

/// Returns the program with these variables and no others.
#[expect(clippy::disallowed_methods, reason = "this is the program under test")]
fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rds-iam"));
    command.args(arguments).env_clear().envs([
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("RUST_LOG", "trace"),
    ]);
    command.envs(variables.iter().copied());
    command
}

/// Runs the program; it never prints a secret to standard error.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let done = program(arguments, variables).output().unwrap();
    for secret in [SECRET, SESSION, "X-Amz-Signature"] {
        assert!(!text(&done.stderr).contains(secret), "{}", text(&done.stderr));
    }
    done
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Returns the token that the program printed, and nothing else.
fn token(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let done = run(arguments, variables);
    assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), ""));
    let token = text(&done.stdout).strip_suffix('\n').unwrap();
    assert!(!token.contains(char::is_whitespace), "{token:?}");
    token.to_owned()
}

/// Verifies a token as the server at `host` does.
fn verify(token: &str, host: &str, region: &str, user: &str, key: AccessKey) {
    let endpoint = Endpoint::new(host, 3306).unwrap();
    let server = Verifier::new(region.parse::<Region>().unwrap(), vec![endpoint], vec![key]);
    server.verify(token, user, Clock::system().now()).unwrap();
}

fn failed(arguments: &[&str], variables: &[(&str, &str)], cause: &str) {
    let done = run(arguments, variables);
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(1), ""), "{cause}");
    let error = text(&done.stderr);
    assert!(error.starts_with("error: ") && error.lines().count() == 1, "{error}");
    assert!(error.contains(cause), "{cause}: {error}");
}

#[test]
fn a_server_accepts_the_token() {
    for user in ["ada", "a b&c=d+e%f", "Zoë"] {
        let printed = token(&login(HOST, user), &KEYS);
        verify(&printed, HOST, "eu-west-1", user, AccessKey::new(ID, SECRET));
        let temporary = [&KEYS[..], &[("AWS_SESSION_TOKEN", SESSION)]].concat();
        let printed = token(&login(&format!("{HOST}."), user), &temporary);
        verify(&printed, HOST, "eu-west-1", user, AccessKey::new(ID, SECRET).session_token(SESSION));
    }
}

#[test]
fn the_region_comes_from_the_name_an_option_the_environment_or_the_profile() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::write(&config, "[default]\nregion = eu-west-2\n[profile other]\nregion = eu-west-3\n").unwrap();
    let alias = "db.example.com";
    let files = [("AWS_CONFIG_FILE", config.to_str().unwrap())];
    let with = |variables: &[(&'static str, &'static str)]| [&KEYS[..], variables].concat();
    let check = |host: &str, options: &[&str], variables: &[(&str, &str)], region: &str| {
        let printed = token(&[&login(host, "ada")[..], options].concat(), variables);
        verify(&printed, host, region, "ada", AccessKey::new(ID, SECRET));
    };
    let both = with(&[("AWS_REGION", "us-west-1"), ("AWS_DEFAULT_REGION", "us-west-2")]);
    check(alias, &["--region", "eu-north-1"], &both, "eu-north-1");
    check(alias, &[], &both, "us-west-1");
    check(alias, &[], &with(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "us-west-2")]), "us-west-2");
    check(alias, &[], &[&KEYS[..], &files].concat(), "eu-west-2");
    check(alias, &[], &[&KEYS[..], &files, &[("AWS_PROFILE", "other")]].concat(), "eu-west-3");
    // The database accepts no other region than that of its name.
    check(HOST, &[], &both, "eu-west-1");
    failed(&login(alias, "ada"), &KEYS, "no region: the name db.example.com has none. Add --region");
    failed(&login(alias, "ada"), &with(&[("AWS_REGION", "eu-west-1a")]), "AWS_REGION: \"eu-west-1a\" is not");
    let other = [&login(HOST, "ada")[..], &["--region", "us-east-1"]].concat();
    failed(
        &other,
        &KEYS,
        "--region is us-east-1, but orders.c0ffee.eu-west-1.rds.amazonaws.com is in eu-west-1",
    );
}

#[test]
fn a_profile_is_read_from_the_files_in_place_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let keys = format!("[other]\naws_access_key_id = OTHER\naws_secret_access_key = {SECRET}\n");
    std::fs::write(&file, keys).unwrap();
    let files = [&KEYS[..], &[("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap())]].concat();
    let of = |profile: &'static str| [&login(HOST, "ada")[..], &["--profile", profile]].concat();
    let printed = token(&of("other"), &files);
    verify(&printed, HOST, "eu-west-1", "ada", AccessKey::new("OTHER", SECRET));
    failed(&login(HOST, "ada"), &[], "no AWS credentials were found");
    let empty = [&KEYS[..], &[("AWS_ENDPOINT_URL_STS", "")]].concat();
    failed(&login(HOST, "ada"), &empty, "AWS_ENDPOINT_URL_STS is empty");
}

#[test]
fn a_profile_that_does_not_exist_is_reported_with_the_files() {
    let missing = |host: &'static str| [&login(host, "ada")[..], &["--profile", "nope"]].concat();
    let nowhere = "error: the AWS profile \"nope\" is neither in /dev/null (AWS_CONFIG_FILE) nor in /dev/null \
                   (AWS_SHARED_CREDENTIALS_FILE), which have no profiles: add [profile nope] to the first file or \
                   [nope] to the second\n";
    // A name without a region fails for the profile, too.
    for host in [HOST, "db.example.com"] {
        let done = run(&missing(host), &KEYS);
        assert_eq!((done.status.code(), text(&done.stderr)), (Some(1), nowhere));
    }
    let folder = tempfile::tempdir().unwrap();
    let (config, file) = (folder.path().join("config"), folder.path().join("credentials"));
    // In this file, the section of a profile has a prefix.
    std::fs::write(&config, "[profile work]\nregion = eu-west-2\n[nope]\nregion = eu-west-3\n").unwrap();
    std::fs::write(&file, "[home]\naws_access_key_id = X\n").unwrap();
    let files = [
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()),
    ];
    let other =
        "which have the profiles home, work: name one of these, or add [profile nope] to the first file";
    failed(&missing(HOST), &[&KEYS[..], &files].concat(), other);
    // Keys of the environment come before the profile of a variable.
    let variable = [("AWS_PROFILE", "nope")];
    token(&login(HOST, "ada"), &[&KEYS[..], &variable].concat());
    let expected = "the AWS profile \"nope\" of AWS_PROFILE is neither in /dev/null (AWS_CONFIG_FILE)";
    failed(&login(HOST, "ada"), &variable, expected);
    failed(&login(HOST, "ada"), &[&variable[..], &files].concat(), "the AWS profile \"nope\" of AWS_PROFILE");
}

#[test]
fn files_without_their_variables_are_named_by_their_usual_paths() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(&[&login(HOST, "ada")[..], &["--profile", "nope"]].concat(), &KEYS);
    command.env_remove("AWS_CONFIG_FILE").env_remove("AWS_SHARED_CREDENTIALS_FILE");
    let done = command.env("HOME", folder.path()).output().unwrap();
    let expected = "is neither in ~/.aws/config nor in ~/.aws/credentials, which have no profiles";
    assert!(text(&done.stderr).contains(expected), "{}", text(&done.stderr));
}

#[test]
fn a_text_of_a_credential_process_neither_begins_a_line_nor_steers_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let (config, script) = (folder.path().join("config"), folder.path().join("login.sh"));
    std::fs::write(&script, r"printf 'no login\n\n::error::forged\r\n\033[2J' >&2; exit 1").unwrap();
    std::fs::write(&config, format!("[default]\ncredential_process = sh {}\n", script.display())).unwrap();
    let path = std::env::var("PATH").unwrap();
    let files = [("AWS_CONFIG_FILE", config.to_str().unwrap()), ("PATH", &path)];
    let expected = r"no login ::error::forged \u{1b}[2J";
    failed(&login(HOST, "ada"), &files, expected);
    let url = format!("postgres://ada@{HOST}/orders");
    failed(&["connect", &url, "--", "true"], &files, expected);
    // The result of doctor is on standard output.
    let done = run(&["doctor", &url, "--offline"], &files);
    assert_eq!(done.status.code(), Some(10), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains(expected), "{}", text(&done.stdout));
    assert!(!text(&done.stdout).lines().any(|line| line.trim().starts_with("::")), "{}", text(&done.stdout));
}

#[test]
fn credentials_that_have_ended_are_refused() {
    let end = |value: &'static str| [&KEYS[..], &[("AWS_CREDENTIAL_EXPIRATION", value)]].concat();
    failed(&login(HOST, "ada"), &end("2020-01-01T00:00:00Z"), "the AWS credentials expired");
    failed(
        &login(HOST, "ada"),
        &end("tomorrow"),
        "AWS_CREDENTIAL_EXPIRATION is not a time; expected one such as",
    );
    token(&login(HOST, "ada"), &end("2999-01-01T00:00:00+00:00"));
    let folder = tempfile::tempdir().unwrap();
    let (config, answer) = (folder.path().join("config"), folder.path().join("answer.json"));
    let keys = format!(
        r#"{{"Version":1,"AccessKeyId":"{ID}","SecretAccessKey":"{SECRET}","SessionToken":"{SESSION}","Expiration":"2020-01-01T00:00:00Z"}}"#
    );
    std::fs::write(&answer, keys).unwrap();
    std::fs::write(&config, format!("[default]\ncredential_process = cat {}\n", answer.display())).unwrap();
    let path = std::env::var("PATH").unwrap();
    let files = [("AWS_CONFIG_FILE", config.to_str().unwrap()), ("PATH", &path)];
    failed(&login(HOST, "ada"), &files, "the AWS credentials expired");
}

#[test]
fn json_has_the_expiry_and_the_signer() {
    let arguments = [&login(HOST, "ada")[..], &["--json"]].concat();
    let json: Value = serde_json::from_str(text(&run(&arguments, &KEYS).stdout)).unwrap();
    verify(json["token"].as_str().unwrap(), HOST, "eu-west-1", "ada", AccessKey::new(ID, SECRET));
    let expected = serde_json::json!({"host": HOST, "port": 3306, "user": "ada", "region": "eu-west-1"});
    assert_eq!((&json["signer"], &json["login"]), (&ID.into(), &expected));
    assert!(json["expires_at"].as_str().unwrap() > json["signed_at"].as_str().unwrap(), "{json}");
    // The credentials end before the token would.
    let soon = json["signed_at"].as_str().unwrap().replace('Z', ".999+00:00");
    let ended = [&KEYS[..], &[("AWS_CREDENTIAL_EXPIRATION", &soon)]].concat();
    let done = run(&arguments, &ended);
    // Or they have ended by now.
    if done.status.success() {
        let json: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert!(soon.starts_with(json["expires_at"].as_str().unwrap().trim_end_matches('Z')), "{json}");
    }
}

/// Runs `token --decode` on an input.
fn decode(options: &[&str], input: &str) -> Output {
    let mut command = program(&[&["token"], options].concat(), &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_token_is_explained_without_its_secrets() {
    let temporary = [&KEYS[..], &[("AWS_SESSION_TOKEN", SESSION)]].concat();
    let printed = token(&login(HOST, "ada"), &temporary);
    let signature = printed.split_once("X-Amz-Signature=").unwrap().1;
    for options in [&["--decode"][..], &["--decode", "-"], &["--decode", "--json"], &["--json", "--decode=-"]]
    {
        let done = decode(options, &format!("{printed}\n"));
        assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), ""), "{options:?}");
        let shown = text(&done.stdout);
        for secret in [signature, SECRET, SESSION, "not%2Fa"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        for part in [HOST, "3306", "ada", "eu-west-1", ID, "temporary", "valid"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert_eq!(serde_json::from_str::<Value>(shown).is_ok(), options.contains(&"--json"), "{shown}");
    }
    let cut = decode(&["--decode"], &printed[..printed.find("&X-Amz-SignedHeaders").unwrap()]);
    assert_eq!(cut.status.code(), Some(0));
    assert!(text(&cut.stdout).contains("note: X-Amz-Signature does not have 64"), "{}", text(&cut.stdout));
    let garbage = decode(&["--decode"], "hunter2");
    assert_eq!((garbage.status.code(), text(&garbage.stdout)), (Some(1), ""));
    assert!(!text(&garbage.stderr).contains("hunter2"), "{}", text(&garbage.stderr));
}

#[test]
fn a_token_on_the_command_line_is_refused_without_repeating_it() {
    let printed = token(&login(HOST, "ada"), &KEYS);
    let done = decode(&["--decode", &printed], "");
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(64), ""));
    let error = text(&done.stderr);
    assert!(error.contains("--decode reads the token from standard input"), "{error}");
    assert!(!error.contains("X-Amz"), "{error}");
}

#[test]
fn arguments_are_those_of_the_aws_cli() {
    for missing in ["--hostname", "--port", "--username"] {
        let mut arguments = login(HOST, "ada").to_vec();
        let at = arguments.iter().position(|argument| *argument == missing).unwrap();
        arguments.drain(at..at + 2);
        let done = run(&arguments, &KEYS);
        assert_eq!(done.status.code(), Some(64));
        assert!(text(&done.stderr).contains(missing), "{}", text(&done.stderr));
    }
    for wrong in [
        &["--hostname", "mysql://h"][..],
        &["--hostname", "h:3306"],
        &["--port", "0"],
        &["--username", ""],
        &["--region", "eu-west-1a"],
        &["--assume-role", "orders"],
        &["--external-id", "x"],
    ] {
        let mut arguments = login(HOST, "ada").to_vec();
        arguments.retain(|argument| *argument != wrong[0]);
        let done = run(&[&arguments[..], wrong].concat(), &KEYS);
        assert_eq!(done.status.code(), Some(64), "{wrong:?}");
    }
}
