//! `rds-iam gateway`: the auth proxy as a service.

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgAction;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rds_iam_gateway::{Gateway, Row, Target};
use rds_iam_report::log::{self, Format};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::interval;

use crate::credentials::CredentialsOptions;
use crate::listener::{self, Entry, LimitOptions, Setting};
use crate::{Failure, Usage};

/// Listen on local ports and sockets, and log each client in to a database by IAM
///
/// Clients need no password and no TLS; the gateway adds a token, renews it, and verifies the database's certificate.
/// Listeners are open to this machine only: on 127.0.0.1, on ::1, or on a socket that only the same user may open.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without URL, the listeners are those of RDS_IAM_GATEWAY_LISTENERS, one or more [LISTEN=]URL
separated by spaces. Without both, or with --file, all listeners of the gateway's file are opened:
  [orders]
  url = \"mysql://app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders\"
  # A port of 127.0.0.1, an address with a port, or the path of a socket.
  listen = \"3306\"
  max_sessions = 100           # default: --max-sessions
  logins_per_second = 20       # default: --logins-per-second
  idle_seconds = 3600          # default: --idle

Without USER in a connection string, each client names its user. rds-iam connect --help lists its
parameters. A host without a region uses that of AWS_REGION or of the profile.

Examples:
  rds-iam gateway mysql://app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders
  rds-iam gateway 3307=mysql://orders.c0ffee.eu-west-1.rds.amazonaws.com
  rds-iam gateway /run/pay/.s.PGSQL.5432=postgres://app@pay.c0ffee.eu-west-1.rds.amazonaws.com
  rds-iam gateway --admin 127.0.0.1:9090 --test-logins
  rds-iam gateway --file gateway.toml --max-sessions 100 --idle 3600

HTTP endpoints of --admin:
  /startup, /liveness, /readiness, /metrics (Prometheus); POST /quitquitquit drains and ends

On SIGTERM and Ctrl-C, clients are still accepted until none is left, or for --drain seconds.
A second signal ends at once.

Exit status:
  0   it ended after a signal or /quitquitquit
  1   it could not start; the message names the cause
  64  invalid arguments, nothing to listen for, or the content of the gateway's file is wrong")]
pub(crate) struct Arguments {
    /// Connection strings, each with the address to listen on: a port, an address with a port, or a socket's path;
    /// by default those of RDS_IAM_GATEWAY_LISTENERS, separated by spaces
    // Not read by clap: it would divide an argument at spaces, too, which a socket's path may have.
    #[arg(value_name = "[LISTEN=]URL")]
    listeners: Vec<String>,

    /// Gateway's file [default: $RDS_IAM_GATEWAY_FILE, or rds-iam/gateway.toml in the configuration folder]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Address of the HTTP endpoints
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "RDS_IAM_GATEWAY_ADMIN",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true,
        value_parser = optional_address,
    )]
    admin: Setting<SocketAddr>,

    /// Log in to each database before serving, and exit if one refuses; a listener without a user is reported as not
    /// testable
    #[arg(
        long,
        env = "RDS_IAM_GATEWAY_TEST_LOGINS",
        hide_env_values = true,
        action = ArgAction::SetTrue,
        value_parser = switch,
    )]
    test_logins: bool,

    /// Longest time that clients are still served after the first signal, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = DRAIN,
        env = "RDS_IAM_GATEWAY_DRAIN",
        hide_env_values = true,
        value_parser = drain,
    )]
    drain: u64,

    #[command(flatten)]
    limits: LimitOptions,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

/// The default of `--drain`, in seconds.
const DRAIN: &str = "30";

fn drain(text: &str) -> Result<u64, &'static str> {
    let text = if text.is_empty() { DRAIN } else { text };
    text.parse().map_err(|_| "expected a number of seconds")
}

/// Returns the address of HTTP endpoints.
pub(crate) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an address with a port, such as 127.0.0.1:9090")
}

fn optional_address(text: &str) -> Result<Setting<SocketAddr>, &'static str> {
    if text.is_empty() { Ok(None) } else { address(text).map(Some) }
}

/// Returns whether an option without a value is set by its variable. An empty one counts as not set.
fn switch(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("expected 1, true, yes or on, or else 0, false, no or off"),
    }
}

/// The variable of the connection strings.
const LISTENERS_VARIABLE: &str = "RDS_IAM_GATEWAY_LISTENERS";

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let lines = start_log()?;
    raise_descriptor_limit();
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
    let table = lines.map(|lines| tokio::spawn(table(lines, rows)));
    gateway.serve(received(1), received(2), Duration::from_secs(arguments.drain)).await;
    if let Some(table) = table {
        table.abort();
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts the log, and returns the lines of the table if standard output is a terminal.
fn start_log() -> Result<Option<MultiProgress>, Failure> {
    if !io::stdout().is_terminal() {
        log::to_stderr(Format::Json, "warn,rds_iam=info,rds_iam_gateway=info")?;
        return Ok(None);
    }
    let table = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
    // The table is hidden on a terminal that can't move its cursor.
    if io::stderr().is_terminal() && !table.is_hidden() {
        let lines = table.clone();
        log::to_stderr_through(Format::Text, "warn", move || AboveTable(lines.clone()))?;
    } else {
        log::to_stderr(Format::Text, "warn")?;
    }
    Ok(Some(table))
}

/// The terminal above the table. A line that is written elsewhere between two redraws becomes part of the table, or is
/// overwritten by it.
struct AboveTable(MultiProgress);

impl io::Write for AboveTable {
    /// Writes whole lines, as the log has them.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.println(String::from_utf8_lossy(lines).trim_end())?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens the listeners and the HTTP port, and makes sure that there are credentials.
async fn start(arguments: &Arguments) -> Result<(Gateway, Option<SocketAddr>), Failure> {
    let gateway = Gateway::bind(targets(arguments).await?).await?;
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
        let tested = gateway.test_logins().await;
        tested.map_err(|(name, failure)| {
            let cause = rds_iam_report::ErrorReport(&failure);
            format!("the login test of listener {name} failed: {cause}")
        })?;
    }
    Ok((gateway, admin))
}

/// Returns the targets of the listeners.
async fn targets(arguments: &Arguments) -> Result<Vec<Target>, Failure> {
    let variable = std::env::var_os(LISTENERS_VARIABLE).unwrap_or_default();
    let entries = entries(arguments, &variable.to_string_lossy())?;
    let Arguments { limits, credentials, .. } = arguments;
    let mut targets = Vec::with_capacity(entries.len());
    for (name, entry) in &entries {
        targets.push(entry.target(name, limits, credentials).await?);
    }
    Ok(targets)
}

/// Returns an entry of the command line or the variable. Its name is the address to listen on; an error has its number
/// instead, since a wrong address may be a part of a connection string with a password.
fn named((number, text): (usize, &str)) -> Result<(String, Entry), Failure> {
    let checked = Entry::from_argument(text).and_then(|entry| entry.address().map(|_| entry));
    let entry = checked.map_err(|error| listener::within(&format!("listener {number}"), &error))?;
    Ok((entry.listen.clone(), entry))
}

/// Returns the listeners with their names: those of the command line, or else of `--file`, of the variable, or of the
/// usual file.
fn entries(arguments: &Arguments, variable: &str) -> Result<Vec<(String, Entry)>, Failure> {
    let Arguments { listeners, file, .. } = arguments;
    let given: Vec<&str> = match (&listeners[..], file) {
        ([], Some(_)) => Vec::new(),
        ([], None) => variable.split_whitespace().collect(),
        (_, Some(_)) => {
            return Err(Usage::failure("both --file and connection strings are given: choose one"));
        }
        (listeners, None) => listeners.iter().map(String::as_str).collect(),
    };
    if !given.is_empty() {
        return (1..).zip(given).map(named).collect();
    }
    let Some(file) = listener::file(file.as_deref()) else {
        return Err(Usage::failure(format!(
            "nothing to listen for: give connection strings, as arguments or in {LISTENERS_VARIABLE}, or name a file \
             with --file or {}",
            listener::FILE_VARIABLE
        )));
    };
    let entries = listener::read(&file)?;
    if entries.is_empty() {
        return Err(Usage::failure(format!("{} has no listener", file.display())));
    }
    Ok(entries.into_iter().collect())
}

/// Raises the limit of open descriptors to what the system allows: a session needs two, and the usual limit is 1024.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.maximum.is_none() {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        if let Err(error) = raised {
            tracing::debug!(%error, "the limit of open descriptors stays as it is");
        }
    }
}

/// Counts SIGTERM and SIGINT.
fn count_signals() -> io::Result<watch::Receiver<u32>> {
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
async fn table(lines: MultiProgress, rows: impl Fn() -> Vec<Row>) {
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::Command;

    fn parsed(options: &[&str]) -> Arguments {
        let words = [&["rds-iam", "gateway"][..], options].concat();
        match crate::Arguments::try_parse_from(words).unwrap().command {
            Command::Gateway(arguments) => arguments,
            _ => unreachable!("the command is gateway"),
        }
    }

    fn names(arguments: &Arguments, variable: &str) -> Vec<String> {
        entries(arguments, variable).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_command_line_wins_over_the_variable_of_the_listeners() {
        let variable = "3307=mysql://orders/db\n  3308=mysql://orders/db ";
        assert_eq!(names(&parsed(&[]), variable), ["3307", "3308"]);
        assert_eq!(names(&parsed(&["3309=mysql://orders/db"]), variable), ["3309"]);
        // A path may have a space.
        assert_eq!(names(&parsed(&["/run/a b.sock=mysql://orders/db"]), ""), ["/run/a b.sock"]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, "[pay]\nurl = \"postgres://pay/db\"\nlisten = \"5432\"\n").unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(names(&parsed(&["--file", file]), variable), ["pay"]);
        let both = entries(&parsed(&["--file", file, "3309=mysql://orders/db"]), "").unwrap_err();
        assert!(both.is::<Usage>() && both.to_string().starts_with("both --file and"), "{both}");
        let error = entries(&parsed(&[]), "3307=orders:hunter2").unwrap_err();
        assert!(error.is::<Usage>() && !error.to_string().contains("hunter2"), "{error}");
        for second in ["app:hunter2=mysql://orders/db", "app:hunter2@orders/db"] {
            let error = entries(&parsed(&["3307=mysql://orders/db", second]), "").unwrap_err();
            assert!(error.is::<Usage>() && error.to_string().starts_with("listener 2: "), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        std::fs::write(file, "").unwrap();
        let error = entries(&parsed(&["--file", file]), "").unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().ends_with("has no listener"), "{error}");
    }

    #[tokio::test]
    async fn a_line_of_the_table_has_the_counts_of_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("o.sock");
        let listener = format!("{}=mysql://orders.c0ffee.eu-west-1.rds.amazonaws.com", socket.display());
        let gateway = Gateway::bind(targets(&parsed(&[&listener])).await.unwrap()).await.unwrap();
        let mut row = gateway.rows()().remove(0);
        let start = format!("{0}  {0} -> orders.c0ffee.eu-west-1.rds.amazonaws.com:3306  ", socket.display());
        assert_eq!(line(&row), format!("{start}0 open, 0 logins, 0 failed, 0 B up, 0 B down"));
        (row.open, row.opened, row.failed, row.received) = (2, 30, 1, (512, 3 * 1024 * 1024));
        assert_eq!(line(&row), format!("{start}2 open, 30 logins, 1 failed, 512 B up, 3.00 MiB down"));
    }

    #[tokio::test]
    async fn limits_are_read_from_the_options() {
        let options = ["--max-sessions", "3", "--logins-per-second", "4", "--idle", "60"];
        let url = "0=mysql://orders.c0ffee.eu-west-1.rds.amazonaws.com";
        let limits = targets(&parsed(&[&options[..], &[url]].concat())).await.unwrap()[0].limits;
        assert_eq!((limits.sessions, limits.logins_per_second), (3, 4));
        assert_eq!(limits.idle, Some(Duration::from_secs(60)));
        for option in ["--max-sessions", "--logins-per-second", "--idle"] {
            let error = crate::Arguments::try_parse_from(["rds-iam", "gateway", option, "0", url]);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(option) && error.contains("expected a number from 1"), "{error}");
        }
        let error = crate::Arguments::try_parse_from(["rds-iam", "gateway", "--admin", "9090"]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("expected an address with a port, such as 127.0.0.1:9090"), "{error}");
    }

    #[test]
    fn an_empty_setting_counts_as_not_given() {
        let url = "mysql://orders/db";
        let options = ["--max-sessions=", "--logins-per-second=", "--idle=", "--admin=", "--drain=", url];
        let (empty, none) = (parsed(&options), parsed(&[url]));
        assert_eq!(format!("{empty:?}"), format!("{none:?}"));
        assert_eq!((empty.admin, empty.drain, empty.test_logins), (None, 30, false));
        assert!(parsed(&["--test-logins", url]).test_logins);
        for (text, is_on) in
            [("1", true), ("YES", true), ("on", true), ("true", true), ("", false), ("0", false)]
        {
            assert_eq!(switch(text), Ok(is_on), "{text}");
        }
        assert!(switch("maybe").is_err());
    }
}
