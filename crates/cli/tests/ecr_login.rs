//! `rds-iam ecr-login`, and the credential helper `docker-credential-rds-iam`, with an emulated ECR and a stand-in for
//! docker that records what it is given.

#[path = "../../deploy/src/image/tests/server.rs"]
#[expect(dead_code, reason = "shared with the library's tests, which use all of it")]
mod server;
#[path = "../../deploy/src/aws/test_client.rs"]
#[expect(dead_code, reason = "shared with the library's tests, which use all of it")]
mod test_client;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rds_iam_emulator_account::AwsApi;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use server::{PASSWORD, Server, ecr};
use test_client::TestClient;

const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docker-stand-in.sh");
const REGISTRY: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
const ARGUMENTS: &str = "login\n--username\nAWS\n--password-stdin\n";

/// A folder that is on `PATH`, with the stand-in for docker.
struct Programs {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Programs {
    /// Creates the folder, for the AWS API with these variables.
    fn new(variables: Vec<(String, String)>) -> Self {
        let programs = Self { folder: tempfile::tempdir().unwrap(), variables };
        std::os::unix::fs::symlink(STAND_IN, programs.path("docker")).unwrap();
        programs
    }

    /// Creates the folder, for prepared answers of AWS.
    fn with(aws: &TestClient) -> Self {
        let endpoint = format!("http://{}", aws.address());
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "not-a-real-secret"),
        ];
        Self::new(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns what the stand-in recorded; nothing if it was not started.
    fn recorded(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Starts a program with the stand-in before the programs of the system.
    #[expect(clippy::disallowed_methods, reason = "this is the program under test")]
    fn start(&self, program: &Path, arguments: &[&str]) -> Child {
        let path = format!("{}:/usr/bin:/bin", self.folder.path().display());
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("PATH", path).env("HOME", self.folder.path());
        command.env("RUST_LOG", "trace").envs(self.variables.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs a program with an input, to its end.
    fn run(&self, program: &Path, arguments: &[&str], input: &str) -> Output {
        let mut child = self.start(program, arguments);
        // A program that does not read it may have ended.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        child.wait_with_output().unwrap()
    }

    fn log_in(&self, arguments: &[&str]) -> Output {
        let arguments = [&["ecr-login"][..], arguments].concat();
        self.run(Path::new(env!("CARGO_BIN_EXE_rds-iam")), &arguments, "")
    }

    /// Runs the credential helper, by its link.
    fn help(&self, action: &str, input: &str) -> Output {
        let link = self.path("docker-credential-rds-iam");
        if !link.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rds-iam"), &link).unwrap();
        }
        self.run(&link, &[action], input)
    }

    /// Asserts that docker got this password on its standard input, and that it is nowhere else.
    fn assert_given(&self, password: &str, done: &Output) {
        assert_eq!(self.recorded("input"), password);
        let header = STANDARD.encode(format!("AWS:{password}"));
        let (arguments, environment) = (self.recorded("arguments"), self.recorded("environment"));
        assert!(environment.contains("RUST_LOG=trace"), "{environment}");
        for text in [text(&done.stdout), text(&done.stderr), &arguments, &environment] {
            assert!(!text.contains(password) && !text.contains(&header), "{text}");
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Returns status, standard output and standard error.
fn all(done: &Output) -> (Option<i32>, &str, &str) {
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

/// The password that moto gives.
const MOTO: &str = "123456789012-auth-token";

/// In place of `aws ecr get-login-password --region … | docker login --username AWS --password-stdin …`.
#[tokio::test]
async fn docker_gets_the_login_on_standard_input_alone() {
    let aws = AwsApi::start().await.unwrap();
    let other_account = "999999999999.dkr.ecr.us-east-1.amazonaws.com";
    for (arguments, registries) in [
        (&[REGISTRY][..], &[REGISTRY][..]),
        (&["--region", "us-east-1", REGISTRY], &[REGISTRY]),
        // The caller's own, in the region of AWS_REGION or of the option.
        (&[], &[REGISTRY]),
        (&["--region", "eu-west-1"], &["123456789012.dkr.ecr.eu-west-1.amazonaws.com"]),
        (&[other_account], &[other_account]),
        (&[REGISTRY, other_account], &[REGISTRY, other_account]),
    ] {
        let programs = Programs::new(aws.env());
        let done = programs.log_in(arguments);
        let succeeded = "Login Succeeded\n".repeat(registries.len());
        assert_eq!(all(&done), (Some(0), &*succeeded, ""), "{arguments:?}");
        let expected: String = registries.iter().map(|registry| format!("{ARGUMENTS}{registry}\n")).collect();
        assert_eq!(programs.recorded("arguments"), expected);
        programs.assert_given(&MOTO.repeat(registries.len()), &done);
    }
}

#[test]
fn a_registry_accepts_the_login_that_docker_gets() {
    let registry = Server::start();
    let programs = Programs::with(&ecr(&registry.address, PASSWORD));
    let done = programs.log_in(&[REGISTRY]);
    assert_eq!(all(&done), (Some(0), "Login Succeeded\n", ""));
    // The registry of an account on one machine is a loopback address, whatever its name.
    assert_eq!(programs.recorded("arguments"), format!("{ARGUMENTS}{}\n", registry.address));
    programs.assert_given(PASSWORD, &done);
    let status = |password: &str| {
        let login = STANDARD.encode(format!("AWS:{password}"));
        let mut stream = TcpStream::connect(&registry.address).unwrap();
        write!(stream, "GET /v2/ HTTP/1.0\r\nAuthorization: Basic {login}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).map(str::to_owned)
    };
    assert_eq!(status(&programs.recorded("input")).as_deref(), Some("200"));
    assert_eq!(status("another").as_deref(), Some("401"));
}

#[test]
fn the_status_and_the_output_are_docker_s() {
    let token = STANDARD.encode("AWS:c2VjcmV0");
    let own = json!({ "authorizationToken": token, "proxyEndpoint": format!("https://{REGISTRY}") });
    let aws = TestClient::new();
    aws.on("GetAuthorizationToken", 200, json!({ "authorizationData": [own] }).to_string());
    let programs = Programs::with(&aws);
    std::fs::write(programs.path("refuse"), "").unwrap();
    // The first refusal ends it.
    let done = programs.log_in(&[REGISTRY, "999999999999.dkr.ecr.us-east-1.amazonaws.com"]);
    assert_eq!(all(&done), (Some(9), "", "Error response from daemon: unauthorized\n"));
    assert_eq!(programs.recorded("arguments"), format!("{ARGUMENTS}{REGISTRY}\n"));
    programs.assert_given("c2VjcmV0", &done);
    std::fs::remove_file(programs.path("docker")).unwrap();
    let absent = programs.log_in(&["--program", "absent-program", REGISTRY]);
    let expected = "error: absent-program is not on PATH, so that nothing was logged in: install it, or name another \
                    program with --program, such as docker or podman\n";
    assert_eq!(all(&absent), (Some(1), "", expected));
    // Another program gets the same.
    std::fs::remove_file(programs.path("refuse")).unwrap();
    std::os::unix::fs::symlink(STAND_IN, programs.path("podman")).unwrap();
    let done = programs.log_in(&["--program", "podman", REGISTRY]);
    assert_eq!(all(&done), (Some(0), "Login Succeeded\n", ""));
}

#[test]
fn a_signal_is_forwarded_to_docker() {
    let registry = Server::start();
    for (signal, status) in [(Signal::TERM, 41), (Signal::HUP, 42)] {
        let programs = Programs::with(&ecr(&registry.address, PASSWORD));
        std::fs::write(programs.path("wait"), "").unwrap();
        let mut child = programs.start(Path::new(env!("CARGO_BIN_EXE_rds-iam")), &["ecr-login", REGISTRY]);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status));
    }
}

#[test]
fn nothing_is_started_without_a_login() {
    let aws = TestClient::new();
    let programs = Programs::with(&aws);
    let not_done = |arguments: &[&str], status: i32, expected: &str| {
        let done = programs.log_in(arguments);
        assert_eq!((done.status.code(), text(&done.stdout)), (Some(status), ""), "{arguments:?}");
        assert!(text(&done.stderr).contains(expected), "{arguments:?}: {}", text(&done.stderr));
        assert!(!programs.path("arguments").exists(), "{arguments:?}");
    };
    not_done(
        &["docker.io"],
        64,
        "\"docker.io\" is not a private registry of ECR, such as 123456789012.dkr.ecr.",
    );
    not_done(&[&format!("{REGISTRY}/orders")], 64, "without https:// and without a repository");
    let elsewhere =
        format!("error: --region is eu-west-1, but {REGISTRY} is in us-east-1: leave --region out\n");
    not_done(&["--region", "eu-west-1", REGISTRY], 64, &elsewhere);
    not_done(
        &[],
        1,
        "error: no region: name a registry, add --region, or set AWS_REGION or the profile's region\n",
    );
    assert!(aws.operations().is_empty(), "{:?}", aws.operations());
    aws.on("GetAuthorizationToken", 400, r#"{"__type":"AccessDeniedException","message":"not authorized"}"#);
    let denied = format!(
        "error: cannot log in to {REGISTRY}: denied (AccessDeniedException): allow ecr:GetAuthorizationToken in the \
         caller's role: not authorized\n"
    );
    not_done(&[REGISTRY], 1, &denied);
    let token = STANDARD.encode("AWS:c2VjcmV0");
    let other = json!({ "authorizationToken": token, "proxyEndpoint": "https://registry.example.com" });
    aws.replace("GetAuthorizationToken", 200, json!({ "authorizationData": [other] }).to_string());
    not_done(
        &[REGISTRY],
        1,
        "ECR returned a login for \"https://registry.example.com\", which is not in the region of",
    );
}

#[tokio::test]
async fn the_credential_helper_gets_a_login_for_each_use() {
    let aws = AwsApi::start().await.unwrap();
    let programs = Programs::new(aws.env());
    for registry in [REGISTRY, "999999999999.dkr.ecr.eu-west-1.amazonaws.com", &format!("https://{REGISTRY}")]
    {
        let done = programs.help("get", registry);
        assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), ""), "{registry}");
        let login: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(login, json!({ "ServerURL": registry, "Username": "AWS", "Secret": MOTO }));
    }
    let foreign = programs.help("get", "https://index.docker.io/v1/");
    assert_eq!(all(&foreign), (Some(1), "credentials not found in native keychain\n", ""));
    let login = json!({ "ServerURL": REGISTRY, "Username": "AWS", "Secret": MOTO }).to_string();
    assert_eq!(all(&programs.help("store", &login)), (Some(0), "", ""));
    assert_eq!(all(&programs.help("erase", REGISTRY)), (Some(0), "", ""));
    assert_eq!(all(&programs.help("list", "unused")), (Some(0), "{}\n", ""));
    let version = programs.help("version", "");
    assert!(text(&version.stdout).starts_with("docker-credential-rds-iam (rds-iam) "), "{version:?}");
    let unknown = programs.help("login", "");
    assert_eq!((unknown.status.code(), text(&unknown.stderr)), (Some(1), ""));
    assert!(
        text(&unknown.stdout).starts_with("usage: docker-credential-rds-iam get|store|erase|list|version")
    );
    // Nothing is kept on the disk: the folder, which is its home too, has only the two links.
    let mut left: Vec<_> =
        std::fs::read_dir(programs.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["docker", "docker-credential-rds-iam"]);
}

#[test]
fn an_error_of_the_credential_helper_is_in_its_output_and_readable_at_a_pull() {
    let aws = TestClient::new();
    aws.on("GetAuthorizationToken", 400, r#"{"__type":"AccessDeniedException","message":"not authorized"}"#);
    let programs = Programs::with(&aws);
    let message = format!(
        "cannot log in to {REGISTRY}: denied (AccessDeniedException): allow ecr:GetAuthorizationToken in the caller's \
         role: not authorized\n"
    );
    let denied = programs.help("get", REGISTRY);
    let on_stderr = format!("docker-credential-rds-iam: {message}");
    assert_eq!(all(&denied), (Some(1), &*message, &*on_stderr));
    // Docker would send the password of a registry on this machine to the one that it asks for.
    let token = STANDARD.encode("AWS:c2VjcmV0");
    let local = json!({ "authorizationToken": token, "proxyEndpoint": "http://127.0.0.1:5000" });
    aws.replace("GetAuthorizationToken", 200, json!({ "authorizationData": [local] }).to_string());
    let local = programs.help("get", REGISTRY);
    assert_eq!(local.status.code(), Some(1));
    let expected = format!("ECR returned a login for 127.0.0.1:5000, not for {REGISTRY}");
    assert!(text(&local.stdout).starts_with(&expected), "{local:?}");
    assert!(!format!("{}{}", text(&local.stdout), text(&local.stderr)).contains("c2VjcmV0"), "{local:?}");
}
