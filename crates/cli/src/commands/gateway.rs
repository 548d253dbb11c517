//! `rds-iam gateway` and `rds-iam wait`: the auth proxy as a service.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rds_iam_gateway::{Gateway, Row, Target};
use rds_iam_report::log::{self, Format};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{interval, sleep, timeout};

use crate::Failure;
use crate::credentials::CredentialsOptions;
use crate::listener::{self, Entry};

/// Listen on local ports and sockets, and log each client in to a database by IAM
///
/// Clients need no password and no TLS; the gateway adds a token, renews it, and verifies the database's certificate. Listeners
/// are open to this machine only: on 127.0.0.1, on ::1, or on a socket that only the same user may open.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without URL, all listeners of the gateway's file are opened:
  [orders]
  url = \"mysql://app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders\"
  # A port of 127.0.0.1, an address with a port, or the path of a socket.
  listen = \"3306\"
  max_sessions = 100           # default 500
  logins_per_second = 20       # default 50
  idle_seconds = 3600          # default: sessions are not closed

Without USER in a connection string, each client names its user. rds-iam connect --help lists its parameters.

Examples:
  rds-iam gateway mysql://app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders
  rds-iam gateway 3307=mysql://orders.c0ffee.eu-west-1.rds.amazonaws.com
  rds-iam gateway /run/pay/.s.PGSQL.5432=postgres://app@pay.c0ffee.eu-west-1.rds.amazonaws.com
  rds-iam gateway --admin 127.0.0.1:9090 --test-logins

HTTP endpoints of --admin:
  /startup, /liveness, /readiness, /metrics (Prometheus); POST /quitquitquit drains and ends

On SIGTERM and Ctrl-C, clients are still accepted until none is left, or for --drain seconds. A second signal
ends at once.

Exit status:
  0   it ended after a signal or /quitquitquit
  1   it could not start, or a connection string is wrong; the message names the cause
  64  invalid options")]
pub(crate) struct Arguments {
    /// Connection strings, each with the address to listen on: a port, an address with a port, or a socket's path
    #[arg(value_name = "[LISTEN=]URL")]
    listeners: Vec<String>,

    /// Gateway's file [default: $RDS_IAM_GATEWAY_FILE, or rds-iam/gateway.toml in the configuration folder]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Address of the HTTP endpoints
    #[arg(long, value_name = "ADDRESS", env = "RDS_IAM_GATEWAY_ADMIN")]
    admin: Option<SocketAddr>,

    /// Log in to each database before serving, and exit if one refuses
    #[arg(long, env = "RDS_IAM_GATEWAY_TEST_LOGINS")]
    test_logins: bool,

    /// Longest time that clients are still served after the first signal, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, env = "RDS_IAM_GATEWAY_DRAIN")]
    drain: u64,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let on_terminal = std::io::stdout().is_terminal();
    let format = if on_terminal { Format::Text } else { Format::Json };
    log::to_stderr(format, if on_terminal { "warn" } else { "warn,rds_iam=info,rds_iam_gateway=info" })?;
    // First, so that a signal during the start is not lost.
    let signals = count_signals()?;

    let received = |number: u32| {
        let mut signals = signals.clone();
        async move { drop(signals.wait_for(|count| *count >= number).await) }
    };
    let (gateway, admin) = tokio::select! {
        started = start(&arguments) => started?,
        () = received(1) => return Ok(ExitCode::SUCCESS),
    };
    let rows = gateway.rows();
    for Row { name, address, endpoint, .. } in rows() {
        tracing::info!(listener = name, %address, database = endpoint, "listening");
    }
    if let Some(admin) = admin {
        tracing::info!(address = %admin, "HTTP endpoints");
    }
    let table = on_terminal.then(|| tokio::spawn(table(rows)));
    gateway.serve(received(1), received(2), Duration::from_secs(arguments.drain)).await;
    if let Some(table) = table {
        table.abort();
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the listeners and the HTTP port, and makes sure that there are credentials.
async fn start(arguments: &Arguments) -> Result<(Gateway, Option<SocketAddr>), Failure> {
    let gateway = Gateway::bind(targets(arguments)?).await?;
    let in_target = |(name, failure): (String, rds_iam_gateway::Failure)| {
        format!("{name}: {}", rds_iam_report::ErrorReport(&failure))
    };
    let admin = match arguments.admin {
        None => None,
        Some(address) => {
            let served = gateway.serve_admin(address).await;
            Some(served.map_err(|error| format!("cannot listen on {address} for HTTP: {error}"))?)
        }
    };
    gateway.sign().await.map_err(in_target)?;
    if arguments.test_logins {
        gateway.test_logins().await.map_err(in_target)?;
    }
    Ok((gateway, admin))
}

/// Returns the targets of the command line, or else those of the gateway's file.
fn targets(arguments: &Arguments) -> Result<Vec<Target>, Failure> {
    let Arguments { listeners, file, credentials, .. } = arguments;
    if !listeners.is_empty() {
        if file.is_some() {
            return Err("both --file and connection strings are given: choose one".into());
        }
        let entries = listeners.iter().map(|text| Entry::from_argument(text));
        return entries
            .map(|entry| entry.and_then(|entry| entry.target(&entry.listen, credentials)))
            .collect();
    }
    let Some(file) = listener::file(file.as_deref()) else {
        return Err(format!(
            "nothing to listen for: give connection strings, or name a file with --file or {}",
            listener::FILE_VARIABLE
        )
        .into());
    };
    let entries = listener::read(&file)?;
    if entries.is_empty() {
        return Err(format!("{} has no listener", file.display()).into());
    }
    entries.iter().map(|(name, entry)| entry.target(name, credentials)).collect()
}

/// Counts SIGTERM and SIGINT.
fn count_signals() -> std::io::Result<watch::Receiver<u32>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (count, received) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            count.send_modify(|count| *count += 1);
        }
    });
    Ok(received)
}

/// Shows the listeners on the terminal, one line each, until its task ends.
async fn table(rows: impl Fn() -> Vec<Row>) {
    let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
    let style = ProgressStyle::with_template("{msg}").expect("the template is valid");
    let bars: Vec<_> =
        rows().iter().map(|_| lines.add(ProgressBar::new_spinner().with_style(style.clone()))).collect();
    let mut every_second = interval(Duration::from_secs(1));
    loop {
        every_second.tick().await;
        for (bar, row) in bars.iter().zip(rows()) {
            bar.set_message(line(&row));
        }
    }
}

fn line(row: &Row) -> String {
    let (from_clients, from_database) = row.received;
    format!(
        "{}  {} -> {}  {} open, {} logins, {} failed, {} up, {} down",
        row.name,
        row.address,
        row.endpoint,
        row.open,
        row.opened,
        row.failed,
        HumanBytes(from_clients),
        HumanBytes(from_database)
    )
}

/// Wait until a gateway has started
///
/// For the start of what uses the gateway, in a container beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rds-iam wait --admin 127.0.0.1:9090 --max 60 && exec ./app

Exit status:
  0   the gateway has started
  1   it has not in time
  64  invalid arguments")]
pub(crate) struct WaitArguments {
    /// Address of the gateway's HTTP endpoints
    #[arg(long, value_name = "ADDRESS", env = "RDS_IAM_GATEWAY_ADMIN")]
    admin: SocketAddr,

    /// Longest time to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    max: u64,
}

/// The pause between two requests: 200 milliseconds.
const WAIT_PAUSE: Duration = Duration::from_millis(200);

pub(crate) async fn wait(arguments: WaitArguments) -> Result<ExitCode, Failure> {
    let limit = Duration::from_secs(arguments.max);
    if has_started(arguments.admin).await {
        return Ok(ExitCode::SUCCESS);
    }
    let started = async {
        while !has_started(arguments.admin).await {
            sleep(WAIT_PAUSE).await;
        }
    };
    timeout(limit, started)
        .await
        .map_err(|_| format!("no gateway at {} has started within {} s", arguments.admin, arguments.max))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns whether `/startup` answers with 200.
async fn has_started(admin: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(admin).await?;
        stream
            .write_all(
                format!("GET /startup HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").as_bytes(),
            )
            .await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        Ok::<_, std::io::Error>(&status == b"HTTP/1.1 200")
    };
    timeout(Duration::from_secs(1), asked).await.is_ok_and(|answer| answer.is_ok_and(|is_started| is_started))
}
