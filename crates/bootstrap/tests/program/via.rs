//! Runs through a tunnel: only the instance of an emulated Session Manager can reach the endpoint.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use rds_iam_emulator_server::fixtures::until;
use rds_iam_emulator_server::{Kind, Postgres, PostgresVersion, Runtime, on_each_engine, only};
use rds_iam_emulator_ssm::{Emulator, Faults, Instance, Operation, Settings};
use rds_iam_infra::Engine;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::{Deployed, Deployment, Result, Run};

on_each_engine![users_are_created_through_an_instance, failures_name_the_cause_and_leave_no_session];

only!(
    postgres,
    "a connection to MySQL has the driver's usual time limit",
    [a_paused_cluster_has_its_time_to_wake],
);

/// The instance that is online.
const INSTANCE: &str = "i-0123456789abcdef0";

const POSTGRES_USERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../app/users/postgres.toml");

trait TestEngine: Kind {
    async fn deployed() -> Result<Deployed<Self>>;
}

impl TestEngine for sqlx::MySql {
    async fn deployed() -> Result<Deployed<Self>> {
        Deployment::start("node_db").await
    }
}

impl TestEngine for sqlx::Postgres {
    async fn deployed() -> Result<Deployed<Self>> {
        let builder = Postgres::builder().runtime(Runtime::Process).version(PostgresVersion::NEWEST);
        Deployed::start_with(builder, Engine::Postgres, "node_db", POSTGRES_USERS).await
    }
}

/// A deployment whose endpoint is a name that only the instance knows.
struct Private<E: Kind> {
    deployment: Deployed<E>,
    ssm: Emulator,
    endpoint: String,
}

impl<E: TestEngine> Private<E> {
    async fn start() -> Result<Self> {
        let mut deployment = E::deployed().await?;
        deployment.conf.dial = None;
        let tags: BTreeMap<_, _> = [("Name", "jump"), ("aws:autoscaling:groupName", "workers")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let stopped =
            Instance { is_online: false, tags: tags.clone(), ..Instance::new("i-0123456789abcdef9") };
        let online = Instance { tags, ..Instance::new(INSTANCE) };
        let ssm =
            Emulator::start(Settings { instances: vec![stopped, online], ..Settings::default() }).await?;
        let endpoint = ssm.endpoint();
        let private = Self { deployment, ssm, endpoint };
        private.lead_to(private.deployment.server.dial().to_string().parse()?);
        Ok(private)
    }

    /// Sets the address that the instance finds under the endpoint's name.
    fn lead_to(&self, address: SocketAddr) {
        let endpoint = &self.deployment.conf.endpoint;
        self.ssm.hosts().set(&endpoint.host().to_string(), endpoint.port(), vec![address]);
    }

    async fn bootstrap(&self, via: &str, arguments: &[&str]) -> Result<Run> {
        self.bootstrap_with(via, arguments, &[]).await
    }

    async fn bootstrap_with(
        &self,
        via: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Run> {
        let arguments = [&["--via", via][..], arguments].concat();
        let environment = [&[("AWS_ENDPOINT_URL_SSM", self.endpoint.as_str())][..], environment].concat();
        self.deployment.bootstrap_with(&self.deployment.conf, &arguments, &environment).await
    }

    /// Starts the program, sends it a signal while it waits for the database, and returns its document.
    async fn stop_by(&self, signal: Signal) -> Result<Value> {
        // It accepts connections and sends nothing.
        let silent = TcpListener::bind("127.0.0.1:0").await?;
        self.lead_to(silent.local_addr()?);
        let dialled = self.ssm.stats().dialled;
        let is_waiting = async || self.ssm.stats().dialled > dialled;
        self.stop_when("the instance has connected", is_waiting, signal).await
    }

    /// Starts the program, sends it a signal while it opens its session, whose agent answers nothing, and returns its
    /// document.
    async fn stop_opening_by(&self, signal: Signal) -> Result<Value> {
        self.ssm.set_faults(Faults { silent: true, ..Faults::default() });
        let is_opening = async || !self.ssm.sessions().is_empty();
        let stopped = self.stop_when("a session was started", is_opening, signal).await;
        self.ssm.set_faults(Faults::default());
        stopped
    }

    /// Starts the program, sends it a signal at a certain point, and returns its document.
    async fn stop_when(
        &self,
        what: &str,
        is_reached: impl AsyncFnMut() -> bool,
        signal: Signal,
    ) -> Result<Value> {
        let conf = self.deployment.path("rds.conf");
        self.deployment.conf.write(&conf)?;
        let environment = [("AWS_ENDPOINT_URL_SSM", self.endpoint.as_str())];
        let mut command = self.deployment.run_command(&conf, &["--via", INSTANCE, "--json"], &environment);
        let program = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let id = Pid::from_child(&program);
        let ended = tokio::task::spawn_blocking(move || program.wait_with_output());
        until(what, is_reached).await;
        kill_process(id, signal)?;
        let output = ended.await??;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Checks that no session is left, nor a connection of the instance.
    async fn assert_no_session(&self) {
        assert_eq!(self.ssm.sessions(), Vec::<String>::new());
        let is_over = async || {
            let stats = self.ssm.stats();
            (stats.agents, stats.channels, stats.streams) == (0, 0, 0)
        };
        until("the agents have ended", is_over).await;
    }
}

async fn users_are_created_through_an_instance<E: TestEngine>() -> Result {
    let private = Private::<E>::start().await?;
    let made = private.bootstrap_with(INSTANCE, &[], &[("RUST_LOG", "trace")]).await?.expect(0);
    assert!(made.stdout.contains("made and verified"), "{}", made.stdout);
    assert!(made.stderr.contains("INFO"), "nothing was logged: {}", made.stderr);
    for text in [&made.stdout, &made.stderr] {
        private.deployment.assert_no_secret(text);
        assert!(!text.contains("TokenValue"), "{text}");
    }
    assert_eq!(private.ssm.sessions(), Vec::<String>::new());

    for (via, arguments) in [("tag:Name=jump", &["--json"][..]), ("asg:workers", &["--check", "--json"])] {
        let before = private.ssm.stats().dialled;
        let report = private.bootstrap(via, arguments).await?.expect(0).json()?;
        let endpoint = private.deployment.conf.endpoint.to_string();
        assert_eq!((&report["outcome"], &report["endpoint"]), (&"clean".into(), &endpoint.into()));
        assert!(private.ssm.stats().dialled > before, "{via}");
    }
    let stats = private.ssm.stats();
    assert_eq!((stats.sessions, stats.failed), (3, 0), "{stats:?}");
    private.assert_no_session().await;
    Ok(())
}

async fn failures_name_the_cause_and_leave_no_session<E: TestEngine>() -> Result {
    let private = Private::<E>::start().await?;
    let conf = &private.deployment.conf;

    // Nothing listens on the port any more. The one error has the tunnel's cause, not a reset connection.
    private.lead_to(TcpListener::bind("127.0.0.1:0").await?.local_addr()?);
    let refused = private.bootstrap(INSTANCE, &[]).await?.expect(1);
    let expected = format!(
        "error in step 3 of 6: connecting to the database through the tunnel failed\n  cause: the instance could not \
         connect to {} ({INSTANCE}). Check the name, the port and the security groups; the agent's log on the instance \
         has the cause\n",
        conf.endpoint
    );
    assert_eq!(refused.stderr, expected);
    private.assert_no_session().await;

    private.lead_to("169.254.169.254:80".parse()?);
    let forbidden = private.bootstrap(INSTANCE, &["--json"]).await?.expect(1).json()?;
    let expected = format!("Forwarding to IP address {} is forbidden.", conf.endpoint.host());
    assert!(forbidden["causes"].to_string().contains(&expected), "{forbidden}");
    private.assert_no_session().await;

    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let stopped = private.stop_by(signal).await?;
        assert_eq!(
            (&stopped["step"], &stopped["error"], &stopped["changes_made"]),
            (&3.into(), &"the run was stopped by a signal".into(), &0.into())
        );
        private.assert_no_session().await;
    }

    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let stopped = private.stop_opening_by(signal).await?;
        assert_eq!(
            (&stopped["step"], &stopped["error"]),
            (&2.into(), &"the run was stopped by a signal".into())
        );
        private.assert_no_session().await;
    }

    // From here on, no session is started.
    let before = private.ssm.stats().sessions;
    for (via, expected) in [
        ("i-0123456789abcdef1", "i-0123456789abcdef1 is not connected to Session Manager in us-east-1"),
        ("i-0123456789abcdef9", "i-0123456789abcdef9 is not connected to Session Manager in us-east-1"),
        ("tag:Name=none", "no instance with tag:Name=none is online in Session Manager in us-east-1"),
        ("asg:none", "no instance with asg:none is online in Session Manager in us-east-1"),
    ] {
        let failed = private.bootstrap(via, &["--json"]).await?.expect(1).json()?;
        let error = format!("opening a tunnel through {via} failed");
        assert_eq!((&failed["step"], &failed["error"]), (&2.into(), &error.into()));
        assert!(failed["causes"].to_string().contains(expected), "{failed}");
    }
    private.ssm.deny(Operation::StartSession, "document/");
    let denied = private.bootstrap(INSTANCE, &[]).await?.expect(1).stderr;
    for expected in [
        "error in step 2 of 6: opening a tunnel through i-0123456789abcdef0 failed\n",
        "ssm:StartSession is denied",
        ":document/AWS-StartPortForwardingSessionToRemoteHost",
    ] {
        assert!(denied.contains(expected), "{denied}");
    }
    private.ssm.permit_all();

    let malformed = private.bootstrap("i-1", &["--json"]).await?.expect(64).json()?;
    assert!(malformed["error"].to_string().contains("expected an instance"), "{malformed}");
    let mut with_dial = conf.clone();
    with_dial.dial = Some(private.deployment.server.dial().clone());
    let both = private.deployment.bootstrap_with(&with_dial, &["--via", INSTANCE], &[]).await?.expect(64);
    assert_eq!(
        both.stderr,
        "error in step 1 of 6: RDS_DIAL and --via are both given, and a run can dial one address only\n  \
         Remove RDS_DIAL from rds.conf: the tunnel connects to RDS_ENDPOINT. Or leave out --via.\n"
    );
    let users = private.deployment.write("users.toml", "[[user]]\nname = \"rdsadmin\"\n")?;
    let users = private.bootstrap(INSTANCE, &["--users", &users]).await?.expect(64);
    assert!(users.stderr.contains("rdsadmin"), "{}", users.stderr);
    assert_eq!(private.ssm.stats().sessions, before);
    assert_eq!(private.deployment.server.logins()?.len(), 0);
    Ok(())
}

/// Its endpoint accepts connections at once, and the server answers after longer than the usual limit of 10 seconds.
async fn a_paused_cluster_has_its_time_to_wake() -> Result {
    let private = Private::<sqlx::Postgres>::start().await?;
    let relay = private.deployment.server.relay().await?;
    private.lead_to(relay.dial().to_string().parse()?);
    relay.hold(Duration::from_secs(12));
    private.bootstrap(INSTANCE, &["--plan"]).await?.expect(0);
    assert!(relay.accepted() > 0);
    private.assert_no_session().await;
    Ok(())
}
