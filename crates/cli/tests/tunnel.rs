//! `rds-iam connect --via` and `rds-iam tunnel` as programs: clients reach a server that checks tokens through an
//! emulated Session Manager. The server's name is known to the instance alone.

mod home;
mod workstation;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

use home::{Ended, Home, text};
use rds_iam_emulator_server::fixtures::until;
use rds_iam_emulator_server::{LoginEvent, on_each_engine};
use rds_iam_emulator_ssm::{ApiError, Emulator, Faults, Instance, Operation, Settings};
use rustix::process::{Pid, Signal, kill_process};
use workstation::{TestEngine, Workstation};

on_each_engine![
    psql_and_mysql_go_through_the_tunnel_from_a_script,
    the_database_s_own_name_is_verified_through_the_tunnel,
    a_script_of_many_clients_outlives_the_ends_of_its_websockets,
    a_port_is_forwarded_until_the_end,
];

const INSTANCE: &str = "i-0123456789abcdef0";

/// A private database: its name leads nowhere but at the instance.
struct Private<E: TestEngine> {
    workstation: Workstation<E>,
    ssm: Emulator,
}

impl<E: TestEngine> Private<E> {
    async fn new() -> Self {
        let workstation = Workstation::<E>::new().await;
        let ssm = Emulator::start(Settings::with_instance(INSTANCE)).await.unwrap();
        let private = Self { workstation, ssm };
        private.name(&private.workstation.server.endpoint().host().to_string());
        private
    }

    /// Lets the instance find the server under a name.
    fn name(&self, host: &str) {
        let server = &self.workstation.server;
        let address: SocketAddr = server.dial().to_string().parse().unwrap();
        self.ssm.hosts().set(host, server.endpoint().port(), vec![address]);
    }

    fn url(&self, host: &str) -> String {
        let server = &self.workstation.server;
        format!(
            "{}://app@{host}:{}/shop?region={}&sslrootcert={}",
            E::SCHEME,
            server.endpoint().port(),
            server.region(),
            server.ca_path().display()
        )
    }

    fn own_url(&self) -> String {
        self.url(&self.workstation.server.endpoint().host().to_string())
    }

    fn program(&self) -> Command {
        let mut command = self.workstation.program();
        command.env("AWS_ENDPOINT_URL_SSM", self.ssm.endpoint());
        command
    }

    async fn wait_for_the_end(&self) {
        until("the sessions end", async || self.ssm.sessions().is_empty() && self.ssm.stats().agents == 0)
            .await;
    }
}

fn query<E: TestEngine>(client: &std::path::Path) -> String {
    let words = std::iter::once(client.display().to_string()).chain(E::query(E::CURRENT_USER));
    let words: Vec<_> = words.collect();
    shlex::try_join(words.iter().map(String::as_str)).unwrap()
}

/// Starts `rds-iam tunnel`. Returns the line that it prints when the port is open.
fn opened(command: &mut Command) -> (Ended, String) {
    let mut tunnel = Ended(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(tunnel.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (tunnel, line.trim_end().to_owned())
}

fn assert_nothing_secret(shown: &str) {
    for secret in ["X-Amz", "TokenValue", "token_value"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// As an unattended script: no terminal, no other program, no `/etc/hosts`, no token by hand.
async fn psql_and_mysql_go_through_the_tunnel_from_a_script<E: TestEngine>() {
    let private = Private::<E>::new().await;
    let client = query::<E>(&E::client().await);
    let script = format!(
        "set -eu\nfor _ in 1 2; do\n    \"$RDS_IAM\" connect \"$URL\" --via {INSTANCE} --sessions 2 -- {client}\ndone\n"
    );
    let mut shell = private.program();
    let program = shell.get_program().to_owned();
    #[expect(clippy::disallowed_methods, reason = "a user's script runs the program under test")]
    let mut script_command = Command::new("sh");
    script_command.env_clear().envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = script_command
        .args(["-c", &script])
        .env("RDS_IAM", program)
        .env("URL", private.own_url())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).split_whitespace().collect::<Vec<_>>(), [E::APP; 2]);
    assert_eq!(text(&output.stderr), "");
    let verdicts: Vec<_> =
        private.workstation.server.logins().unwrap().iter().map(LoginEvent::code).collect();
    assert_eq!(verdicts, [None, None]);
    private.wait_for_the_end().await;
    let stats = private.ssm.stats();
    assert_eq!((stats.sessions, stats.dialled), (4, 2), "{stats:?}");

    // An agent that serves one connection at a time, and should be newer.
    let old = Instance { agent_version: "3.0.196.0".to_owned(), ..Instance::new(INSTANCE) };
    private.ssm.set_instances(vec![old]);
    let mut command = private.program();
    command.arg("connect").arg(private.own_url()).args(["--via", INSTANCE, "--"]).arg(E::client().await);
    let output = command.args(E::query(E::CURRENT_USER)).output().unwrap();
    assert_eq!(text(&output.stdout).trim(), E::APP, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("older than 3.1.1374.0"), "{}", text(&output.stderr));

    // The status is the program's, and its session ends, too.
    let failed =
        shell.arg("connect").arg(private.own_url()).args(["--via", INSTANCE, "--", "false"]).output();
    assert_eq!(failed.unwrap().status.code(), Some(1));
    private.wait_for_the_end().await;
}

async fn the_database_s_own_name_is_verified_through_the_tunnel<E: TestEngine>() {
    let private = Private::<E>::new().await;
    let other = "other.c0ffee123456.us-east-1.rds.amazonaws.com";
    private.name(other);
    let client = E::client().await;
    let mut command = private.program();
    command.arg("connect").arg(private.url(other)).args(["--via", INSTANCE, "--"]).arg(&client);
    let output = command.args(E::query(E::CURRENT_USER)).output().unwrap();
    assert!(!output.status.success());
    let stderr = text(&output.stderr);
    assert!(stderr.contains("certificate") && stderr.contains(other), "{stderr}");
    assert_eq!(private.workstation.server.logins().unwrap().len(), 0, "a token was sent");
    private.wait_for_the_end().await;
}

async fn a_script_of_many_clients_outlives_the_ends_of_its_websockets<E: TestEngine>() {
    let private = Private::<E>::new().await;
    let client = query::<E>(&E::client().await);
    // Each WebSocket ends within a login or a query.
    private.ssm.set_faults(Faults { close_after: Some(10), closes: 5, ..Faults::default() });
    let script = format!(
        "for _ in 1 2 3 4 5 6; do {client} || exit 1; done\nfor _ in $(seq 20); do {client} & done\nwait"
    );
    let mut command = private.program();
    command.arg("connect").arg(private.own_url()).args(["--via", INSTANCE, "--sessions", "2"]);
    let output = command.args(["--", "sh", "-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout).split_whitespace().collect::<Vec<_>>(),
        [E::APP; 26],
        "{}",
        text(&output.stderr)
    );
    private.wait_for_the_end().await;
    let stats = private.ssm.stats();
    assert_eq!((stats.closed, stats.sessions, stats.dialled), (5, 2, 26), "{stats:?}");
}

async fn a_port_is_forwarded_until_the_end<E: TestEngine>() {
    let private = Private::<E>::new().await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let endpoint = private.workstation.server.endpoint();
    let region = private.workstation.server.region().to_string();
    let mut command = private.program();
    command.args(["tunnel", "--target", INSTANCE, "--to", &endpoint.to_string(), "--region", &region]);
    let (mut tunnel, line) = opened(command.args(["--listen", &port]));
    let (address, rest) = line.split_once(" -> ").unwrap();
    assert_eq!((address, rest), (&*format!("127.0.0.1:{port}"), &*format!("{endpoint} through {INSTANCE}")));

    // The client logs in by itself: the endpoint's name is verified and signed for, the tunnel's port is dialled.
    let url = format!("{}&dial={address}", private.own_url());
    let client = E::client().await;
    let mut command = private.program();
    let output =
        command.args(["connect", &url, "--"]).arg(client).args(E::query(E::CURRENT_USER)).output().unwrap();
    assert_eq!(text(&output.stdout).trim(), E::APP, "{}", text(&output.stderr));

    kill_process(Pid::from_child(&tunnel.0), Signal::TERM).unwrap();
    assert_eq!(tunnel.0.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(address).is_err());
    private.wait_for_the_end().await;
    let mut log = String::new();
    tunnel.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_nothing_secret(&log);
}

/// An emulated Session Manager with one instance, and the files of a person.
struct Place {
    home: Home,
    ssm: Emulator,
}

impl Place {
    async fn new() -> Self {
        let ssm = Emulator::start(Settings::with_instance(INSTANCE)).await.unwrap();
        Self { home: Home::new(), ssm }
    }

    fn program(&self) -> Command {
        let mut command = self.home.program();
        command.env("AWS_ENDPOINT_URL_SSM", self.ssm.endpoint()).env("AWS_REGION", "us-east-1");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.program().env("RUST_LOG", "trace").args(arguments).output().unwrap()
    }

    /// Runs `connect --via` with a program that must not be started.
    fn refused(&self, via: &str) -> String {
        let mark = self.home.path("started");
        let url = format!("postgres://app@{}/shop", home::HOST);
        let output = self.run(&["connect", &url, "--via", via, "--", "touch", home::argument(&mark)]);
        let stderr = text(&output.stderr).to_owned();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(!mark.exists(), "PROGRAM was started: {stderr}");
        assert_nothing_secret(&stderr);
        assert_eq!(self.ssm.sessions(), Vec::<String>::new());
        stderr
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_can_not_be_started_says_why_and_nothing_is_run() {
    let place = Place::new().await;
    let unknown = place.refused("i-0fedcba9876543210");
    assert!(
        unknown.contains("i-0fedcba9876543210 is not connected to Session Manager in eu-west-1"),
        "{unknown}"
    );
    let stopped = Instance { is_online: false, ..Instance::new(INSTANCE) };
    place.ssm.set_instances(vec![stopped]);
    assert!(place.refused(INSTANCE).contains("Check that the instance is in this region and runs"));
    place.ssm.set_instances(vec![Instance::new(INSTANCE)]);

    for resource in ["instance/", "document/"] {
        place.ssm.deny(Operation::StartSession, resource);
        let denied = place.refused(INSTANCE);
        assert!(
            denied.contains("ssm:StartSession is denied. Allow the caller's role this statement: "),
            "{denied}"
        );
        for arn in [
            format!("arn:aws:ec2:eu-west-1:123456789012:instance/{INSTANCE}"),
            "arn:aws:ssm:eu-west-1::document/AWS-StartPortForwardingSessionToRemoteHost".to_owned(),
        ] {
            assert!(denied.contains(&arn), "{denied}");
        }
        place.ssm.permit_all();
    }
    for (error, expected) in [
        (
            ApiError::new("InvalidDocument", "Document does not exist."),
            "AWS-StartPortForwardingSessionToRemoteHost can't be used in eu-west-1: Document does not exist.",
        ),
        (ApiError::expired(), "AWS rejected the credentials (ExpiredTokenException)"),
        (ApiError::new("Unheard", "Of."), "ssm:StartSession failed with Unheard: Of."),
        (
            ApiError::new("Unheard", "Of.\n::error::x"),
            r"ssm:StartSession failed with Unheard: Of.\n::error::x",
        ),
        // These are not repeated: each attempt may have begun a session.
        (ApiError::throttled(), "ssm:StartSession was throttled (ThrottlingException): retry in a minute"),
        (ApiError::internal(), "ssm:StartSession failed with InternalServerError"),
    ] {
        place.ssm.fail_next(Operation::StartSession, error);
        let refused = place.refused(INSTANCE);
        assert!(refused.contains(expected), "{refused}");
    }
    let none = place.refused("tag:Name=jump-host");
    assert!(none.contains("no instance with tag:Name=jump-host is online"), "{none}");
    place.ssm.deny(Operation::DescribeInstanceInformation, "");
    let denied = place.refused("asg:orders");
    assert!(denied.contains("ssm:DescribeInstanceInformation is denied"), "{denied}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_start_no_session() {
    let place = Place::new().await;
    let url = format!("postgres://app@{}/shop", home::HOST);
    let dialled = format!("{url}?dial=127.0.0.1:5432");
    for (arguments, expected) in [
        (&["connect", &url, "--via", "jump-host"][..], "expected an instance"),
        (&["connect", &url, "--sessions", "2"], "--via"),
        (&["connect", &dialled, "--via", INSTANCE, "--", "true"], "both --via and the parameter dial"),
        (&["connect", &url, "--via", INSTANCE, "--sessions", "0"], "expected a number from 1 to 16"),
        (&["connect", &url, "--via", INSTANCE, "--sessions", "17"], "expected a number from 1 to 16"),
        (&["tunnel", "--target", INSTANCE, "--to", "db.internal"], "--to"),
        (
            &["tunnel", "--target", INSTANCE, "--to", "db.internal:5432", "--listen", "10.0.0.1:80"],
            "--listen",
        ),
        (
            &["tunnel", "--target", INSTANCE, "--to", "db.internal:5432", "--listen", "/tmp/socket"],
            "--listen",
        ),
    ] {
        let output = place.run(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = place.run(&["tunnel", "--target", INSTANCE, "--to", "db.internal:5432", "--listen", &port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr)
            .contains(&format!("127.0.0.1:{port} could not be opened: Address already in use"))
    );
    assert_eq!(place.ssm.stats().sessions, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_found_by_its_tag_or_group_and_only_if_it_is_online() {
    let place = Place::new().await;
    let tagged = |id: &str, is_online, key: &str, value: &str| Instance {
        is_online,
        tags: [(key.to_owned(), value.to_owned())].into(),
        ..Instance::new(id)
    };
    place.ssm.set_instances(vec![
        tagged("i-0aaaaaaaaaaaaaaa0", false, "Name", "jump"),
        tagged("i-0ccccccccccccccc0", true, "Name", "jump"),
        tagged("i-0bbbbbbbbbbbbbbb0", true, "Name", "jump"),
        tagged("i-0ddddddddddddddd0", true, "aws:autoscaling:groupName", "orders"),
    ]);
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    place.ssm.hosts().set("db.internal", 5432, vec![target.local_addr().unwrap()]);
    for (via, instance) in [("tag:Name=jump", "i-0bbbbbbbbbbbbbbb0"), ("asg:orders", "i-0ddddddddddddddd0")] {
        let mut command = place.program();
        let (_tunnel, line) = opened(command.args(["tunnel", "--target", via, "--to", "db.internal:5432"]));
        let (address, rest) = line.split_once(" -> ").unwrap();
        assert_eq!(rest, format!("db.internal:5432 through {instance}"));
        let mut near = TcpStream::connect(address).unwrap();
        near.write_all(b"question").unwrap();
        let (mut far, _) = target.accept().unwrap();
        let mut received = [0; 8];
        far.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"question");
    }
}

/// The local program finds its connection reset; the cause is in the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_the_instance_can_not_reach_is_named() {
    let place = Place::new().await;
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.ssm.hosts().set("db.internal", 5432, vec![nowhere]);
    let mut command = place.program();
    let (mut tunnel, line) =
        opened(command.args(["tunnel", "--target", INSTANCE, "--to", "db.internal:5432"]));
    let mut near = TcpStream::connect(line.split(' ').next().unwrap()).unwrap();
    assert!(near.read_to_end(&mut Vec::new()).is_err(), "the connection is reset");
    kill_process(Pid::from_child(&tunnel.0), Signal::INT).unwrap();
    assert_eq!(tunnel.0.wait().unwrap().code(), Some(0));
    let mut log = String::new();
    tunnel.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(
        log.contains(&format!("the instance could not connect to db.internal:5432 ({INSTANCE})")),
        "{log}"
    );
    assert!(!log.contains("has ended"), "the end was this program's: {log}");
}

/// The agent ends a session to the instance's metadata once its handshake is complete: the tunnel may be open by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_the_agent_forbids_is_named() {
    let place = Place::new().await;
    let mut command = place.program();
    command.args(["tunnel", "--target", INSTANCE, "--to", "169.254.169.254:80"]).stderr(Stdio::piped());
    let mut tunnel = Ended(command.spawn().unwrap());
    let mut lines = BufReader::new(tunnel.0.stderr.take().unwrap()).lines();
    let forbidden = "Forwarding to IP address 169.254.169.254 is forbidden.";
    assert!(lines.any(|line| line.unwrap().contains(forbidden)));
}

/// Of a tunnel that is being opened, no session is left by a signal, nor by an error.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_while_the_tunnel_opens_leaves_no_session() {
    let place = Place::new().await;
    // The agent is connected, and says nothing.
    place.ssm.set_faults(Faults { silent: true, ..Faults::default() });
    let url = format!("postgres://app@{}/shop", home::HOST);
    let connect = ["connect", &url, "--via", INSTANCE, "--sessions", "2", "--", "true"];
    let tunnel = ["tunnel", "--target", INSTANCE, "--to", "db.internal:5432", "--sessions", "2"];
    for (arguments, signal, expected) in [
        (&connect[..], Signal::TERM, 143),
        (&connect, Signal::INT, 130),
        (&connect, Signal::HUP, 129),
        (&tunnel, Signal::TERM, 0),
        (&tunnel, Signal::HUP, 0),
        (&tunnel, Signal::QUIT, 0),
    ] {
        let mut command = place.program();
        let mut running = Ended(command.args(arguments).stderr(Stdio::piped()).spawn().unwrap());
        until("the sessions are started", async || place.ssm.sessions().len() == 2).await;
        kill_process(Pid::from_child(&running.0), signal).unwrap();
        assert_eq!(running.0.wait().unwrap().code(), Some(expected), "{arguments:?} {signal:?}");
        assert_eq!(place.ssm.sessions(), Vec::<String>::new(), "{arguments:?} {signal:?}");
        let mut stderr = String::new();
        running.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert!(!stderr.contains("has not ended"), "{stderr}");
    }
}

/// The tunnel is open then, and the program not yet started.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_while_the_token_waits_for_its_credentials_starts_no_program() {
    let place = Place::new().await;
    let (asked, started) = (place.home.path("asked"), place.home.path("started"));
    // The calls of AWS get keys at once; the token's credentials take their time.
    let keys = r#"{"Version":1,"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"wJalrXUtnFEMI"}"#;
    let script = format!(
        "if mkdir {first} 2>/dev/null; then echo '{keys}'; else touch {asked}; exec sleep 30; fi\n",
        first = place.home.path("first").display(),
        asked = asked.display()
    );
    let script = place.home.write("keys.sh", &script);
    let config = format!("[default]\ncredential_process = sh {}\n", script.display());
    let config = place.home.write("config", &config);
    let url = format!("postgres://app@{}/shop", home::HOST);
    for (signal, expected) in
        [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129), (Signal::QUIT, 131)]
    {
        for mark in ["first", "asked"] {
            let mark = place.home.path(mark);
            drop(std::fs::remove_file(&mark).or_else(|_| std::fs::remove_dir(&mark)));
        }
        let mut command = place.program();
        command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .env("AWS_CONFIG_FILE", &config);
        command.args(["connect", &url, "--via", INSTANCE, "--", "touch", home::argument(&started)]);
        let mut running = Ended(command.stderr(Stdio::null()).spawn().unwrap());
        until("the token's credentials are asked for", async || asked.exists()).await;
        kill_process(Pid::from_child(&running.0), signal).unwrap();
        assert_eq!(running.0.wait().unwrap().code(), Some(expected), "{signal:?}");
        assert!(!started.exists(), "PROGRAM was started after {signal:?}");
        assert_eq!(place.ssm.sessions(), Vec::<String>::new(), "{signal:?}");
    }
}

/// Connections do not wait without an end, and the next one has another session.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_may_not_be_resumed_is_replaced() {
    let place = Place::new().await;
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    place.ssm.hosts().set("db.internal", 5432, vec![target.local_addr().unwrap()]);
    place.ssm.deny(Operation::ResumeSession, "");
    let mut command = place.program();
    let (mut tunnel, line) =
        opened(command.args(["tunnel", "--target", INSTANCE, "--to", "db.internal:5432"]));
    let address = line.split(' ').next().unwrap();

    let mut near = TcpStream::connect(address).unwrap();
    let (_far, _) = target.accept().unwrap();
    place.ssm.set_faults(Faults { close_after: Some(1), closes: 1, ..Faults::default() });
    near.write_all(b"question").unwrap();
    assert!(near.read_to_end(&mut Vec::new()).is_err(), "the connection is reset");
    let mut near = TcpStream::connect(address).unwrap();
    near.write_all(b"question").unwrap();
    let (mut far, _) = target.accept().unwrap();
    let mut received = [0; 8];
    far.read_exact(&mut received).unwrap();
    assert_eq!((&received, place.ssm.stats().sessions), (b"question", 2));

    kill_process(Pid::from_child(&tunnel.0), Signal::TERM).unwrap();
    tunnel.0.wait().unwrap();
    let mut log = String::new();
    tunnel.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("ssm:ResumeSession is denied. Allow the caller's role this statement"), "{log}");
}
