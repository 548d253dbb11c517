//! `rds-iam connect`: runs a program that is logged in to a database, without a password.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use rds_iam_gateway::{Address, Gateway, Limits, LocalPassword, UserRule};
use rds_iam_infra::Engine;
use rds_iam_report::ErrorReport;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::Failure;
use crate::credentials::CredentialsOptions;
use crate::listener::{self, Database, Listener};

/// The statuses of a shell for a program that is not found, and for one that can't be executed.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Run a program that is logged in to a database by IAM, without a password
///
/// Opens a port on 127.0.0.1, behind which each connection is logged in with a token over verified TLS, and runs PROGRAM with
/// the address in its environment. The port takes a password that is made for this run alone, and closes with the program.
/// Without PROGRAM, runs mysql or psql.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Parameters of a connection string, after ? and separated by &:
  dial=HOST:PORT     the address to connect to, such as a tunnel's; the name in the string is verified
  sslrootcert=FILE   the authorities to trust, instead of AWS's
  region=REGION      the region of the token, if the host's name has none
  profile=NAME       the AWS profile

Environment of PROGRAM:
  MySQL       MYSQL_HOST, MYSQL_TCP_PORT, MYSQL_UNIX_PORT, MYSQL_PWD, MYSQL_USER, MYSQL_DATABASE
  PostgreSQL  PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE=disable
  both        DATABASE_URL

Examples:
  rds-iam connect mysql://app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders
  rds-iam connect orders -- mysql -e 'select current_user()'
  rds-iam connect postgres://app@pay.c0ffee.eu-west-1.rds.amazonaws.com/pay -- pg_dump -s

Exit status:
  that of PROGRAM, or 128 plus the number of the signal that ended it
  1    the connection could not be prepared, or the connection string is wrong; PROGRAM was not started
  64   invalid options
  126  PROGRAM can't be executed
  127  PROGRAM is not found")]
pub(crate) struct Arguments {
    /// Connection string (mysql://USER@HOST/DATABASE, postgres://USER@HOST/DATABASE), or a name in the gateway's file
    target: String,

    /// Program to run, with its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,

    /// Gateway's file [default: $RDS_IAM_GATEWAY_FILE, or rds-iam/gateway.toml in the configuration folder]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let database = find(&arguments)?;
    let user = database.user.clone().ok_or("the connection string names no user: write USER@HOST")?;
    let engine = database.engine;
    let program = match &arguments.program[..] {
        // Settings of ~/.my.cnf would win over the environment, and lead to another server.
        [] if engine == Engine::MySql => vec![client(engine)?, "--no-defaults".into()],
        [] => vec![client(engine)?],
        program => program.to_vec(),
    };
    let password = LocalPassword::random()?;
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("mysql.sock");
    let mut addresses: Vec<Address> = vec!["0".parse()?];
    if engine == Engine::MySql {
        // What comes with MySQL connects to a socket by default, and not all of it reads MYSQL_HOST.
        addresses.push(Address::Unix(socket.clone()));
    }
    let targets = addresses.into_iter().map(|address| {
        let (user, password) = (UserRule::Always(user.clone()), Some(password.clone()));
        let listener = Listener { name: "connect", address, user, password, limits: Limits::default() };
        database.target(listener, &arguments.credentials)
    });
    let gateway = Gateway::bind(targets.collect::<Result<_, _>>()?).await?;
    // An error of the credentials is better read here than in what a driver makes of it.
    gateway.sign().await.map_err(|(_, failure)| failure)?;
    let Some(Address::Tcp(address)) = gateway.addresses().next().cloned() else {
        unreachable!("the first listener is a port");
    };
    let local = Local {
        port: address.port(),
        user: user.as_str(),
        database: database.name.as_deref(),
        password: password.expose(),
    };
    let environment = match engine {
        Engine::MySql => local.mysql(&socket),
        Engine::Postgres => local.postgres(),
    };

    #[expect(clippy::disallowed_methods, reason = "the program is the caller's, and gets the terminal")]
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]).envs(environment);
    for name in REMOVED {
        command.env_remove(name);
    }
    // Before the program starts: a signal must end it, too.
    let mut ends = [SignalKind::terminate(), SignalKind::hangup()]
        .map(signal)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    // Ctrl-C is the program's: psql and mysql stop a statement on it.
    let _interrupts = signal(SignalKind::interrupt())?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving =
        tokio::spawn(gateway.serve(async { drop(stopped.await) }, std::future::ready(()), Duration::ZERO));
    let status = match command.spawn() {
        Ok(mut child) => {
            let id = child.id();
            let (terminate, hang_up) = ends.split_at_mut(1);
            loop {
                tokio::select! {
                    status = child.wait() => break exit_code(status?),
                    _ = terminate[0].recv() => forward(id, rustix::process::Signal::TERM),
                    _ = hang_up[0].recv() => forward(id, rustix::process::Signal::HUP),
                }
            }
        }
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

/// Returns the database of a connection string, or of a name in the gateway's file.
fn find(arguments: &Arguments) -> Result<Database, Failure> {
    let Arguments { target, file, .. } = arguments;
    if target.contains("://") {
        return Database::parse(target);
    }
    let Some(file) = listener::file(file.as_deref()) else {
        return Err(format!(
            "{target:?} is no connection string, and there is no file with names: write mysql://USER@HOST/DATABASE or \
             postgres://USER@HOST/DATABASE, or name the file with --file or {}",
            listener::FILE_VARIABLE
        )
        .into());
    };
    let entries = listener::read(&file)?;
    let Some(entry) = entries.get(target) else {
        let names: Vec<_> = entries.keys().map(String::as_str).collect();
        return Err(
            format!("{target:?} is not in {}, which has: {}", file.display(), names.join(", ")).into()
        );
    };
    Database::parse(&entry.url)
}

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

    fn mysql(&self, socket: &std::path::Path) -> Environment {
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

fn forward(id: Option<u32>, signal: rustix::process::Signal) {
    let id = id.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        // It may have ended a moment ago.
        let _ended_before = rustix::process::kill_process(id, signal);
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).map_or(ExitCode::FAILURE, Into::into)
}
