//! `rds-iam connect` and `rds-iam gateway` as programs: real clients log in to real servers that check tokens.

mod home;
mod workstation;

use std::path::Path;
use std::process::{Command, Stdio};

use home::{Ended, text};
use rds_iam_emulator_server::fixtures::until;
use rds_iam_emulator_server::{LoginEvent, on_each_engine};
use workstation::{TestEngine, Workstation};

on_each_engine![
    a_client_s_command_runs_as_the_user,
    a_program_is_given_the_address_in_its_environment,
    the_exit_status_is_the_program_s,
    errors_before_the_program_are_reported_and_it_is_not_started,
    nothing_of_it_is_left,
    a_gateway_from_a_file_serves_and_drains,
];

async fn a_client_s_command_runs_as_the_user<E: TestEngine>() {
    let workstation = Workstation::<E>::new().await;
    let output = workstation.connect(&E::client().await, &E::query(E::CURRENT_USER));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).trim(), E::APP);
    let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!shown.contains("X-Amz"), "{shown}");
    let verdicts: Vec<_> = workstation.server.logins().unwrap().iter().map(LoginEvent::code).collect();
    assert_eq!(verdicts, [None]);
}

async fn a_program_is_given_the_address_in_its_environment<E: TestEngine>() {
    let workstation = Workstation::<E>::new().await;
    let output = workstation.connect(Path::new("env"), &[]);
    let environment = text(&output.stdout);
    let scheme = format!("DATABASE_URL={}://app:", E::SCHEME);
    let url = environment.lines().find_map(|line| line.strip_prefix(&scheme)).expect(environment);
    let (password, rest) = url.split_once('@').unwrap();
    assert_eq!(password.len(), 32);
    assert!(rest.starts_with("127.0.0.1:") && rest.contains("/shop"), "{rest}");
    assert!(!environment.contains("X-Amz"), "{environment}");
    assert!(!text(&output.stderr).contains(password), "{}", text(&output.stderr));
}

async fn the_exit_status_is_the_program_s<E: TestEngine>() {
    let workstation = Workstation::<E>::new().await;
    let status = |script: &str| {
        let arguments = ["-c", script].map(str::to_owned);
        workstation.connect(Path::new("sh"), &arguments).status.code()
    };
    assert_eq!(status("exit 7"), Some(7));
    assert_eq!(status("kill -KILL $$"), Some(137));
    let missing = workstation.connect(Path::new("no-such-program"), &[]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(text(&missing.stderr).contains("cannot run no-such-program"), "{}", text(&missing.stderr));
}

async fn errors_before_the_program_are_reported_and_it_is_not_started<E: TestEngine>() {
    let workstation = Workstation::<E>::new().await;
    let mark = workstation.folder.path().join("started");
    let mut without = workstation.program();
    without.env_remove("AWS_SHARED_CREDENTIALS_FILE");
    let output =
        without.arg("connect").arg(workstation.url()).arg("--").arg("touch").arg(&mark).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("credentials"), "{}", text(&output.stderr));
    let with_password = workstation.url().replace("app@", "app:hunter2@");
    let output =
        workstation.program().args(["connect", &with_password, "--", "touch"]).arg(&mark).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("has a password") && !stderr.contains("hunter2"), "{stderr}");
    let mut with_end = workstation.program();
    with_end.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "example");
    with_end.env("AWS_CREDENTIAL_EXPIRATION", "tomorrow").arg("connect").arg(workstation.url());
    let output = with_end.args(["--", "touch"]).arg(&mark).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("AWS_CREDENTIAL_EXPIRATION"), "{}", text(&output.stderr));
    assert!(!mark.exists());
}

async fn nothing_of_it_is_left<E: TestEngine>() {
    let workstation = Workstation::<E>::new().await;
    let script = r#"echo "${MYSQL_UNIX_PORT:-none}"; echo "${PGPORT:-$MYSQL_TCP_PORT}""#;
    let output = workstation.connect(Path::new("sh"), &["-c", script].map(str::to_owned));
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert!(!Path::new(lines[0]).exists(), "{lines:?}");
    assert!(std::net::TcpStream::connect(format!("127.0.0.1:{}", lines[1])).is_err(), "{lines:?}");
}

async fn a_gateway_from_a_file_serves_and_drains<E: TestEngine>() {
    let workstation = Workstation::<E>::new().await;
    let folder = workstation.folder.path();
    // PostgreSQL's clients find a socket by its folder.
    let socket = folder.join(".s.PGSQL.5432");
    let entry = format!("[shop]\nurl = \"{}\"\nlisten = \"{}\"\n", workstation.url(), socket.display());
    std::fs::write(folder.join("gateway.toml"), entry).unwrap();
    let log = folder.join("log");
    let mut gateway = workstation
        .program()
        .env_remove("RUST_LOG")
        .env("RDS_IAM_GATEWAY_FILE", folder.join("gateway.toml"))
        .args(["gateway", "--test-logins"])
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .map(Ended)
        .unwrap();
    until("the gateway listens", async || socket.exists()).await;

    let client = E::client().await;
    let query = async || {
        #[expect(clippy::disallowed_methods, reason = "a client of the program under test")]
        let mut command = Command::new(&client);
        command
            .args(E::query(E::CURRENT_USER))
            .env("MYSQL_UNIX_PORT", &socket)
            .envs([("USER", "app"), ("PGUSER", "app"), ("PGDATABASE", "shop")])
            .env("PGHOST", folder);
        if E::SCHEME == "mysql" {
            command.arg("--user=app");
        }
        command.output().unwrap()
    };
    until("a client is served", async || {
        let output = query().await;
        text(&output.stdout).trim() == E::APP
    })
    .await;
    let id = rustix::process::Pid::from_child(&gateway.0);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let mut status = None;
    until("the gateway ends", async || {
        status = gateway.0.try_wait().unwrap();
        status.is_some()
    })
    .await;
    assert_eq!(status.unwrap().code(), Some(0));
    assert!(!socket.exists());
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.lines().all(|line| line.starts_with('{')), "{log}");
    assert!(log.contains("\"message\":\"listening\"") && !log.contains("X-Amz"), "{log}");
}
