//! `rds-iam connect`: runs a program that is logged in to a database, without a password.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::num::NonZero;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use rds_iam_gateway::{Address, Gateway, Limits, LocalPassword, UserRule};
use rds_iam_infra::Engine;
use rds_iam_report::ErrorReport;
use rds_iam_report::log::{self, Format};
use rds_iam_tunnel::Via;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::prelude::*;

use crate::credentials::CredentialsOptions;
use crate::listener::{Database, Listener};
use crate::signals::{Signals, status};
use crate::via::{self, FREE_PORT, LocalTunnel};
use crate::{Failure, Usage};

/// The statuses of a shell for a program that is not found, and for one that can't be executed.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Run a program that is logged in to a database by IAM, without a password
///
/// Opens a port on 127.0.0.1, behind which each connection is logged in with a token over verified TLS, and runs
/// PROGRAM with the address in its environment. The port takes a password that is made for this run alone, and closes
/// with the program. Without PROGRAM, runs mysql or psql.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Parameters of a connection string, after ? and separated by &:
  dial=HOST:PORT     the address to connect to, such as a tunnel's; the string's name is verified
  sslrootcert=FILE   the authorities to trust, instead of AWS's
  region=REGION      the region of the token, if the host's name has none; without it, that of
                     AWS_REGION or --profile
  profile=NAME       the AWS profile
In a shell, quote a connection string with parameters.

Environment of PROGRAM:
  MySQL       MYSQL_HOST, MYSQL_TCP_PORT, MYSQL_UNIX_PORT, MYSQL_PWD, MYSQL_USER, MYSQL_DATABASE
  PostgreSQL  PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE=disable
  both        DATABASE_URL; RDS_IAM_URL, with which a pool of rds-iam-sqlx logs in by itself

Examples:
  rds-iam connect mysql://app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders
  rds-iam connect orders -- mysql -e 'select current_user()'
  rds-iam connect 'mysql://app@orders.example.com/orders?region=eu-west-1&profile=dev'
  rds-iam connect postgres://app@pay.c0ffee.eu-west-1.rds.amazonaws.com/pay -- pg_dump -s
  rds-iam connect postgres://app@pay.c0ffee.eu-west-1.rds.amazonaws.com/pay \\
      --via tag:Name=pay-jump-host -- psql -c 'select now()'

Exit status:
  that of PROGRAM, or 128 plus the number of the signal that ended PROGRAM, or that ended the
       opening of the tunnel (--via)
  1    the connection could not be prepared; PROGRAM was not started
  64   invalid arguments; PROGRAM was not started
  126  PROGRAM can't be executed
  127  the given PROGRAM is not found")]
pub(crate) struct Arguments {
    /// Connection string (mysql://USER@HOST/DATABASE, postgres://USER@HOST/DATABASE), or a name in the gateway's file
    target: String,

    /// Program to run, with its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,

    /// Instance through which a private database is reached: i-…, mi-…, tag:KEY=VALUE or asg:NAME, in the region of the
    /// database's name, or else of the parameter `region`
    #[arg(long, value_name = "INSTANCE")]
    via: Option<Via>,

    /// Sessions of Session Manager over which connections are spread, from 1 to 16
    #[arg(long, value_name = "NUMBER", default_value = "1", requires = "via", value_parser = via::sessions)]
    sessions: NonZero<usize>,

    /// Gateway's file [default: $RDS_IAM_GATEWAY_FILE, or rds-iam/gateway.toml in the configuration folder]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let mut database = Database::find(&arguments.target, arguments.file.as_deref())?;
    database.user()?;
    let engine = database.engine;
    let folder = match engine {
        Engine::MySql => Some(socket_folder()?),
        Engine::Postgres => None,
    };
    let folder = folder.as_ref().map(TempDir::path);
    let program = match &arguments.program[..] {
        // Settings of ~/.my.cnf would win over the environment, and lead to another server.
        [] if engine == Engine::MySql => vec![client(engine)?, "--no-defaults".into()],
        [] => vec![client(engine)?],
        program => program.to_vec(),
    };
    database.find_region(&arguments.credentials).await?;
    let Some(via) = &arguments.via else {
        return run_program(&database, &program, &arguments.credentials, folder, std::future::pending())
            .await;
    };
    let mut signals = Signals::new()?;
    let mut ended = ExitCode::FAILURE;
    let stop = async { ended = status(signals.next().await) };
    let Some(tunnel) = open_tunnel(via, &database, &arguments, stop).await? else { return Ok(ended) };
    database.through = Some(tunnel.address());
    let stop = async { status(signals.next().await) };
    let result = run_program(&database, &program, &arguments.credentials, folder, stop).await;
    tunnel.close().await;
    result
}

/// Opens the tunnel to the database. Its warnings are printed, since they alone explain a connection that the instance
/// could not make.
async fn open_tunnel(
    via: &Via,
    database: &Database,
    arguments: &Arguments,
    stop: impl Future<Output = ()>,
) -> Result<Option<LocalTunnel>, Failure> {
    if database.dsn.dial.is_some() {
        return Err(Usage::failure(
            "both --via and the parameter dial are given: the tunnel's own port is dialled; remove dial",
        ));
    }
    let lines = log::layer(Format::Text, "off,rds_iam_tunnel=warn,rds_iam::via=warn", std::io::stderr, false);
    tracing_subscriber::registry().with(lines).try_init()?;
    let Some(region) = database.region() else {
        unreachable!("a database without a region is an error before")
    };
    let credentials = arguments.credentials.clone().or_profile(database.dsn.profile.clone());
    let (to, sessions) = (database.endpoint()?, arguments.sessions);
    LocalTunnel::open(via, &to, FREE_PORT, sessions, &region, &credentials, stop).await
}

/// Creates the folder of the socket, which is removed with its value.
fn socket_folder() -> Result<TempDir, Failure> {
    tempfile::tempdir().map_err(|error| {
        let parent = std::env::temp_dir();
        format!(
            "cannot create a folder for the socket of MySQL's clients in {}: {error}. Set TMPDIR to a folder that \
             exists and is writable",
            parent.display()
        )
        .into()
    })
}

/// Runs the program, logged in by IAM, and returns its status. MySQL's clients get a socket in `folder`. Until the
/// program starts, `stop` ends this with its status.
async fn run_program(
    database: &Database,
    program: &[OsString],
    credentials: &CredentialsOptions,
    folder: Option<&Path>,
    stop: impl Future<Output = ExitCode>,
) -> Result<ExitCode, Failure> {
    let user = database.user()?.clone();
    let password = LocalPassword::random()?;
    // What comes with MySQL connects to a socket by default, and not all of it reads MYSQL_HOST.
    let socket = folder.map(|folder| folder.join("mysql.sock"));
    let mut addresses: Vec<Address> = vec!["0".parse()?];
    addresses.extend(socket.clone().map(Address::Unix));
    let targets = addresses.into_iter().map(|address| {
        let (user, password) = (UserRule::Always(user.clone()), Some(password.clone()));
        let listener = Listener { name: "connect", address, user, password, limits: Limits::default() };
        database.target(listener, credentials)
    });
    let targets = targets.collect::<Result<_, _>>()?;
    let start = async {
        let gateway = Gateway::bind(targets).await?;
        // An error of the credentials is better read here than in what a driver makes of it.
        gateway.sign().await.map_err(|(_, failure)| failure)?;
        Ok::<_, Failure>(gateway)
    };
    let gateway = tokio::select! {
        biased;
        status = stop => return Ok(status),
        gateway = start => gateway?,
    };
    let Some(Address::Tcp(address)) = gateway.addresses().next().cloned() else {
        unreachable!("the first listener is a port");
    };
    let local = Local {
        port: address.port(),
        user: user.as_str(),
        database: database.dsn.database.as_deref(),
        password: password.expose(),
    };
    let mut environment = match &socket {
        Some(socket) => local.mysql(socket),
        None => local.postgres(),
    };
    environment.push(("RDS_IAM_URL", database.url().into()));

    #[expect(clippy::disallowed_methods, reason = "the program is the caller's, and gets the terminal")]
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]).envs(environment);
    for name in REMOVED {
        command.env_remove(name);
    }
    // Before the program starts: a signal must end it, too.
    let mut ends = Ends::new()?;
    // Ctrl-C is the program's: psql and mysql stop a statement on it.
    let _interrupts = signal(SignalKind::interrupt())?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving =
        tokio::spawn(gateway.serve(async { drop(stopped.await) }, std::future::ready(()), Duration::ZERO));
    let status = match command.spawn() {
        Ok(mut child) => exit_code(ends.wait(&mut child).await?),
        Err(error) => {
            let name = program[0].to_string_lossy().into_owned();
            let status = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
            crate::write(std::io::stderr(), &format!("error: cannot run {name}: {}", ErrorReport(&error)))?;
            status.into()
        }
    };
    drop(stop);
    serving.await?;
    Ok(status)
}

/// Variables of libpq that would choose another server, or another way to log in.
const REMOVED: [&str; 8] = [
    "PGCHANNELBINDING",
    "PGHOSTADDR",
    "PGPASSFILE",
    "PGREQUIREAUTH",
    "PGSERVICE",
    "PGSSLNEGOTIATION",
    "PGSSLROOTCERT",
    "MYSQL_SSL_MODE",
];

/// Returns the engine's command-line client.
fn client(engine: Engine) -> Result<OsString, Failure> {
    let names: &[&str] = match engine {
        Engine::MySql => &["mysql", "mariadb"],
        Engine::Postgres => &["psql"],
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let found = names.iter().find(is_there);
    found.map(|name| OsStr::new(name).to_owned()).ok_or_else(|| {
        format!("no {} on PATH: install it, or name a program after --", names.join(" or ")).into()
    })
}

/// The address of the port, as programs read it.
struct Local<'a> {
    port: u16,
    user: &'a str,
    database: Option<&'a str>,
    password: &'a str,
}

type Environment = Vec<(&'static str, OsString)>;

impl Local<'_> {
    fn url(&self, scheme: &str, parameters: &str) -> OsString {
        let Self { port, user, database, password } = self;
        let encode = |text| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let database = database.map(|name| format!("/{}", encode(name))).unwrap_or_default();
        format!("{scheme}://{}:{password}@127.0.0.1:{port}{database}{parameters}", encode(user)).into()
    }

    fn mysql(&self, socket: &Path) -> Environment {
        let mut environment: Environment = vec![
            ("MYSQL_HOST", "127.0.0.1".into()),
            ("MYSQL_TCP_PORT", self.port.to_string().into()),
            ("MYSQL_UNIX_PORT", socket.into()),
            ("MYSQL_PWD", self.password.into()),
            ("MYSQL_USER", self.user.into()),
            ("DATABASE_URL", self.url("mysql", "")),
        ];
        environment.extend(self.database.map(|name| ("MYSQL_DATABASE", name.into())));
        environment
    }

    fn postgres(&self) -> Environment {
        let mut environment: Environment = vec![
            ("PGHOST", "127.0.0.1".into()),
            ("PGPORT", self.port.to_string().into()),
            ("PGUSER", self.user.into()),
            ("PGPASSWORD", self.password.into()),
            // The port is this process's own; TLS begins behind it.
            ("PGSSLMODE", "disable".into()),
            ("PGGSSENCMODE", "disable".into()),
            ("DATABASE_URL", self.url("postgres", "?sslmode=disable")),
        ];
        environment.extend(self.database.map(|name| ("PGDATABASE", name.into())));
        environment
    }
}

/// SIGTERM and SIGHUP, which end the program that this one runs. They come to this process alone.
pub(crate) struct Ends {
    terminate: Signal,
    hang_up: Signal,
}

impl Ends {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, hang_up: signal(SignalKind::hangup())? })
    }

    /// Waits for a signal.
    pub(crate) async fn next(&mut self) -> rustix::process::Signal {
        tokio::select! {
            _ = self.terminate.recv() => rustix::process::Signal::TERM,
            _ = self.hang_up.recv() => rustix::process::Signal::HUP,
        }
    }

    /// Waits for the end of a program, to which signals are forwarded.
    pub(crate) async fn wait(&mut self, child: &mut Child) -> std::io::Result<ExitStatus> {
        let id = child.id();
        loop {
            tokio::select! {
                status = child.wait() => return status,
                signal = self.next() => forward(id, signal),
            }
        }
    }
}

fn forward(id: Option<u32>, signal: rustix::process::Signal) {
    let id = id.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        // It may have ended a moment ago.
        let _ended_before = rustix::process::kill_process(id, signal);
    }
}

pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).map_or(ExitCode::FAILURE, Into::into)
}
