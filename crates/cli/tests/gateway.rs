//! `rds-iam gateway` and `rds-iam wait` as programs, without a database: their settings, and the wait for a start. The
//! listeners are PostgreSQL's, where a client is answered before the database is dialled; nothing else depends on the
//! engine.

mod home;
mod screen;
mod terminal;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use home::{Ended, HOST, Home, argument, text};
use rds_iam_emulator_server::fixtures::until;

/// Returns the argument for a listener at the socket `name`.
fn listener(home: &Home, name: &str) -> String {
    format!("{}=postgres://{HOST}", home.path(name).display())
}

/// Starts `rds-iam gateway` with HTTP endpoints on a free port, and waits until it serves.
async fn start(home: &Home, command: &mut Command) -> Running {
    let log = home.path("log");
    command.args(["--admin", "127.0.0.1:0"]).stdout(Stdio::null());
    let process = command.stderr(std::fs::File::create(&log).unwrap()).spawn().map(Ended).unwrap();
    let mut admin = None;
    until("the gateway has opened its HTTP port", async || {
        admin = std::fs::read_to_string(&log).unwrap().lines().find_map(admin_address);
        admin.is_some()
    })
    .await;
    let running = Running { _process: process, admin: admin.unwrap() };
    let is_ready = async || running.readiness().is_some_and(|(status, _)| status == 200);
    until("the gateway serves", is_ready).await;
    running
}

/// Returns the address of the HTTP port, if this line of the log has it.
fn admin_address(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    if line["message"] != "HTTP endpoints" {
        return None;
    }
    line["address"].as_str()?.parse().ok()
}

struct Running {
    _process: Ended,
    admin: SocketAddr,
}

impl Running {
    fn readiness(&self) -> Option<(u16, String)> {
        get(self.admin, "/readiness")
    }
}

/// Returns the status and the text of an answer.
fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split("\r\n\r\n").nth(1)?.trim().to_owned()))
}

/// Connects to a socket, asks for TLS, and reads the answer, `N`: the session has its permit.
fn client(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).unwrap();
    let mut answer = [0];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *b"N");
    stream
}

#[tokio::test]
async fn listeners_and_limits_are_read_from_variables() {
    let home = Home::new();
    let mut command = home.program();
    command.arg("gateway").env("RDS_IAM_GATEWAY_MAX_SESSIONS", "1");
    let listeners = format!("{}  {}\n", listener(&home, "a.sock"), listener(&home, "b.sock"));
    let gateway = start(&home, command.env("RDS_IAM_GATEWAY_LISTENERS", listeners)).await;
    assert!(home.path("a.sock").exists());
    let socket = home.path("b.sock");
    let _first = client(&socket);
    let full = format!("{} has 1 sessions open, its limit", socket.display());
    assert_eq!(gateway.readiness(), Some((503, full)));
}

#[tokio::test]
async fn an_entry_s_own_limit_wins_over_the_option() {
    let home = Home::new();
    let entry = |name: &str, limit: &str| {
        let socket = home.path(&format!("{name}.sock"));
        format!("[{name}]\nurl = \"postgres://{HOST}\"\nlisten = \"{}\"\n{limit}", socket.display())
    };
    let file = home.write("gateway.toml", &(entry("one", "") + &entry("two", "max_sessions = 2\n")));
    let mut command = home.program();
    let gateway = start(&home, command.args(["gateway", "--max-sessions", "1", "--file"]).arg(&file)).await;
    let two = home.path("two.sock");
    let _first = client(&two);
    assert_eq!(gateway.readiness(), Some((200, "ready".to_owned())));
    let _second = client(&two);
    assert_eq!(gateway.readiness(), Some((503, "two has 2 sessions open, its limit".to_owned())));
    let _of_one = client(&home.path("one.sock"));
    assert_eq!(gateway.readiness(), Some((503, "one has 1 sessions open, its limit".to_owned())));
}

#[test]
fn a_limit_of_nothing_is_refused_in_options_and_variables() {
    let home = Home::new();
    for option in ["--max-sessions", "--logins-per-second", "--idle"] {
        let variable = format!("RDS_IAM_GATEWAY_{}", option[2..].to_uppercase().replace('-', "_"));
        // The last argument ends the program if the value is accepted.
        let by_option = home.program().args(["gateway", option, "0", "orders"]).output().unwrap();
        let by_variable = home.program().args(["gateway", "orders"]).env(variable, "0").output().unwrap();
        for refused in [by_option, by_variable] {
            assert_eq!(refused.status.code(), Some(64));
            assert!(text(&refused.stderr).contains(option), "{}", text(&refused.stderr));
        }
    }
    let entry = format!("[orders]\nurl = \"postgres://{HOST}\"\nlisten = \"5432\"\nmax_sessions = 0\n");
    let file = home.write("gateway.toml", &entry);
    let mut command = home.program();
    let refused =
        command.args(["gateway", "--max-sessions", "3", "--file", argument(&file)]).output().unwrap();
    assert_eq!(refused.status.code(), Some(64));
    assert!(text(&refused.stderr).contains("orders: max_sessions = 0"), "{}", text(&refused.stderr));
}

#[test]
fn what_is_wrong_in_settings_is_an_invalid_argument_and_shows_no_password() {
    let home = Home::new();
    let refused = |command: &mut Command, expected: &str| {
        let refused = command.output().unwrap();
        let error = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(64), "{error}");
        assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
    };
    refused(home.program().arg("gateway"), "nothing to listen for");
    let listeners = format!("app:hunter2=mysql://{HOST}");
    refused(home.program().arg("gateway").env("RDS_IAM_GATEWAY_LISTENERS", listeners), "listener 1: ");
    for (content, expected) in [
        ("", "has no listener"),
        ("[orders]\nurl = \"mysql://h\"\nlisten = \"1\"\nlimit = 1\n", "unknown field `limit`"),
        ("[orders]\nlisten = \"1\"\n", "missing field `url`"),
        ("[orders\n", "cannot read the gateway's file"),
        ("[\"mysql://app:hunter2@U\"]\nurl = \"mysql://h\"\nlisten = \"1\"\n", "line 1: a table's name"),
    ] {
        let file = home.write("gateway.toml", content);
        refused(home.program().args(["gateway", "--file", argument(&file)]), expected);
    }
}

#[tokio::test]
async fn a_host_without_a_region_uses_that_of_the_environment() {
    let home = Home::new();
    let listener = format!("{}=postgres://orders.example.com", home.path("a.sock").display());
    let without = home.program().args(["gateway", &listener]).output().unwrap();
    let error = text(&without.stderr);
    assert_eq!(without.status.code(), Some(1), "{error}");
    assert!(error.contains("no region: ") && error.contains("?region=REGION"), "{error}");
    assert!(!error.contains("pool"), "{error}");
    let keys = "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalrXUtnFEMI\n";
    let config = home.write("config", &format!("[profile far]\nregion = eu-west-1\n{keys}"));
    let mut by_profile = home.program();
    by_profile.args(["connect", "postgres://app@orders.example.com/orders?profile=far", "--", "true"]);
    let by_profile = by_profile.env("AWS_CONFIG_FILE", config).output().unwrap();
    assert_eq!(by_profile.status.code(), Some(0), "{}", text(&by_profile.stderr));
    let mut command = home.program();
    // Variables as Compose files write them.
    for name in ["MAX_SESSIONS", "LOGINS_PER_SECOND", "IDLE", "DRAIN"] {
        command.env(format!("RDS_IAM_GATEWAY_{name}"), "");
    }
    command.env("RDS_IAM_GATEWAY_TEST_LOGINS", "no").env("AWS_REGION", "eu-west-1");
    let gateway = start(&home, command.args(["gateway", &listener])).await;
    assert_eq!(gateway.readiness(), Some((200, "ready".to_owned())));
}

#[test]
fn a_login_test_that_fails_is_reported_as_such() {
    let home = Home::new();
    let listener = format!("0=postgres://app@{HOST}/orders?dial={}", free_address());
    let mut command = home.program();
    command.args(["gateway", &listener]).env("RDS_IAM_GATEWAY_TEST_LOGINS", "yes");
    let refused = command.output().unwrap();
    let error = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(error.contains("error: the login test of listener 0 failed: "), "{error}");
}

fn wait(home: &Home, admin: SocketAddr, max: u64) -> Command {
    let mut command = home.program();
    command.args(["wait", "--admin", &admin.to_string(), "--max", &max.to_string()]);
    command
}

/// Returns an address at which nothing listens.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_wait_ends_when_the_gateway_has_started() {
    let home = Home::new();
    let admin = free_address();
    let mut waiting = wait(&home, admin, 60).spawn().map(Ended).unwrap();
    let mut command = home.program();
    command.args(["gateway", &listener(&home, "a.sock"), "--admin", &admin.to_string()]);
    let _gateway = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Ended).unwrap();
    let mut status = None;
    until("the wait ends", async || {
        status = waiting.0.try_wait().unwrap();
        status.is_some()
    })
    .await;
    assert_eq!(status.unwrap().code(), Some(0));
    assert!(home.path("a.sock").exists(), "the gateway had not started");
    assert_eq!(wait(&home, admin, 1).status().unwrap().code(), Some(0), "it has started already");
}

#[tokio::test]
async fn a_wait_fails_if_the_gateway_does_not_start_in_time() {
    let home = Home::new();
    let admin = free_address();
    // The login that the gateway waits for: this database accepts a connection, and does not answer.
    let database = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://app@{HOST}/orders?dial={}", database.local_addr().unwrap());
    let mut command = home.program();
    command.args(["gateway", &format!("0={url}"), "--test-logins", "--admin", &admin.to_string()]);
    let _gateway = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Ended).unwrap();
    until("the gateway has opened its HTTP port", async || get(admin, "/startup").is_some()).await;
    let late = wait(&home, admin, 1).output().unwrap();
    assert_eq!(late.status.code(), Some(1));
    let expected = format!("error: no gateway at {admin} has started within 1 s\n");
    assert_eq!(text(&late.stderr), expected);
    assert_eq!(get(admin, "/startup"), Some((503, "starting".to_owned())));
}

/// Starts a gateway with one listener, at the socket `a.sock`, on a terminal. Returns what the terminal has got so far.
fn start_on_terminal(home: &Home, no_color: &str) -> (Ended, Arc<Mutex<Vec<u8>>>) {
    let listener = listener(home, "a.sock");
    let mut command = terminal::on_terminal(env!("CARGO_BIN_EXE_rds-iam"), &["gateway", &listener]);
    home.prepare(&mut command);
    command.env("TERM", "xterm").env("NO_COLOR", no_color).stdout(Stdio::piped());
    let mut process = command.spawn().map(Ended).unwrap();
    let shown = Arc::new(Mutex::new(Vec::new()));
    let (mut output, writer) = (process.0.stdout.take().unwrap(), Arc::clone(&shown));
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            writer.lock().unwrap().extend_from_slice(&bytes[..count]);
        }
    });
    (process, shown)
}

#[tokio::test]
async fn warnings_on_a_terminal_are_lines_above_the_table() {
    for (no_color, styled) in [("", true), ("1", false)] {
        let home = Home::new();
        let (_gateway, shown) = start_on_terminal(&home, no_color);
        let output = || String::from_utf8_lossy(&shown.lock().unwrap()).into_owned();
        let socket = home.path("a.sock");
        let row = format!("{0}  {0} -> {HOST}:5432  0 open, 0 logins, ", socket.display());
        // The table is drawn last, so that the lines are complete with it.
        let lines_with = async |failed: usize| {
            let row = format!("{row}{failed} failed, 0 B up, 0 B down");
            let mut lines = Vec::new();
            until("the table has the number of failed logins", async || {
                lines = screen::lines(&output(), terminal::COLUMNS);
                lines.contains(&row)
            })
            .await;
            lines
        };
        let mut lines = lines_with(0).await;
        for failed in 1..=2 {
            let mut client = UnixStream::connect(&socket).unwrap();
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            lines = lines_with(failed).await;
        }
        let [first, second, last] = &lines[..] else { panic!("{lines:#?}") };
        for line in [first, second] {
            assert!(line.contains(" WARN ") && line.contains(" login failed "), "{lines:#?}");
        }
        assert!(last.starts_with(&row), "{lines:#?}");
        assert_eq!(terminal::is_styled(&output()), styled, "{:?}", output());
    }
}
