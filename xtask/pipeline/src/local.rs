//! The emulated AWS account on this machine: starts and stops `rds-iam-emulator account` in the background,
//! finds its endpoint, registry and database servers, and directs Terraform and the AWS SDKs to it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::Deserialize;
use xshell::cmd;

use crate::context::{self, Context};
use crate::stage::Io;
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{self, Cmd};
use rds_iam_process::workspace::Workspace;

/// The time limit of its start: it takes a second, but minutes if Python packages are installed first.
const READY_WITHIN: Duration = Duration::from_secs(600);
/// The time limit of its end: it stops containers and databases.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// The time limit of a database's start: it takes seconds, but minutes if the server is downloaded first.
const DATABASE_WITHIN: Duration = Duration::from_secs(600);
/// The interval at which its state is polled.
const POLL: Duration = Duration::from_millis(100);

/// A running account, as described in its `account.json`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Account {
    pid: i32,
    pub(crate) aws_endpoint_url: String,
    registry: String,
}

/// Returns the folder of the account.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    context::folder(workspace).join("account")
}

/// Returns the account, if it is running and answers.
pub(crate) fn running(workspace: &Workspace) -> Option<Account> {
    let text = fs::read_to_string(folder(workspace).join("account.json")).ok()?;
    let account: Account = serde_json::from_str(&text).ok()?;
    let address: SocketAddr = account.aws_endpoint_url.trim_start_matches("http://").parse().ok()?;
    let answers = TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok();
    (is_alive(account.pid) && answers).then_some(account)
}

fn is_alive(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// Returns the variables that direct Terraform and the SDKs to the account on this machine, and to no other
/// endpoint.
///
/// # Errors
/// Returns an error if the run has no environment.
pub(crate) fn environment(context: &Context<'_>) -> Result<Vec<(&'static str, String)>, Error> {
    let credentials = folder(context.workspace).join("credentials").display().to_string();
    // If it is not running, a port without a listener, and not AWS.
    let url = running(context.workspace)
        .map_or_else(|| "http://127.0.0.1:1".to_owned(), |account| account.aws_endpoint_url);
    Ok(vec![
        ("AWS_ENDPOINT_URL", url),
        ("AWS_REGION", context.environment()?.region.clone()),
        ("AWS_SHARED_CREDENTIALS_FILE", credentials),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ])
}

/// The server that emulates a database instance on this machine.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Database {
    /// The address to connect to, `host:port`.
    pub(crate) dial: String,
    /// The path of the certificate authority's file.
    pub(crate) ca_file: String,
}

impl Database {
    /// Finds the server of an instance; waits until it answers.
    ///
    /// # Errors
    /// Returns an error if no server emulates the instance.
    pub(crate) fn find(workspace: &Workspace, identifier: &str) -> Result<Self, Error> {
        let path = folder(workspace).join("databases").join(format!("{identifier}.json"));
        let since = Instant::now();
        // The AWS API reports an instance as available at once.
        while !path.is_file() && since.elapsed() < DATABASE_WITHIN && !runner::interrupted() {
            pause();
        }
        file::json(&path, "the account starts a server for each instance; its account.log says why not")
    }
}

/// Returns the address of the proxy that emulates RDS Proxy at an endpoint's host; `None` if there is none.
pub(crate) fn proxy_at(workspace: &Workspace, host: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Proxy {
        dial: String,
    }
    let path = folder(workspace).join("proxies").join(format!("{host}.json"));
    file::json::<Proxy>(&path, "the account writes it").ok().map(|proxy| proxy.dial)
}

/// Returns the command that runs the account.
pub(crate) fn command(workspace: &Workspace) -> Cmd {
    let shell = workspace.shell();
    let program = workspace.target.join("debug/rds-iam-emulator");
    let folder = folder(workspace);
    let account = cmd!(shell, "{program} account --dir {folder}");
    workspace.with_server_libraries(Cmd::from_xshell(account, "cargo xtask programs"))
}

/// Starts the account in the background if it is not running, and waits until it answers. Returns whether it
/// was started.
///
/// # Errors
/// Returns an error with the end of its log if it does not start.
pub(crate) fn start(workspace: &Workspace, io: &Io) -> Result<bool, Error> {
    if let Some(account) = running(workspace) {
        io.console.line(&format!("it runs already: {}", account.aws_endpoint_url));
        return Ok(false);
    }
    let folder = folder(workspace);
    // The files of an earlier account, whose databases are gone.
    file::remove_folder(&folder)?;
    // Outside the folder: the account accepts only a folder without other files.
    let log = folder.with_extension("log");
    file::make_folder(context::folder(workspace).as_path())?;
    let out = File::create(&log).map_err(file::failed("make", &log))?;
    let err = out.try_clone().map_err(file::failed("make", &log))?;
    let cmd = command(workspace);
    io.console.line(&format!("$ {} >{} 2>&1 &", cmd.shown(), log.display()));
    let mut process = cmd.process();
    // A separate process group: Ctrl-C ends the run and not the account, which holds its work.
    process.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
    let mut child = process.spawn().map_err(|source| Error::Run(cmd.not_started(source)))?;
    let since = Instant::now();
    loop {
        if let Some(account) = running(workspace) {
            io.console.line(&format!("an account answers at {}", account.aws_endpoint_url));
            return Ok(true);
        }
        let ended = child.try_wait().ok().flatten();
        if ended.is_some() || since.elapsed() > READY_WITHIN || runner::interrupted() {
            drop(child.kill());
            drop(child.wait());
            let said = fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = said.lines().rev().take(20).collect();
            let tail: String = lines.iter().rev().map(|line| format!("\n  | {line}")).collect();
            let how = ended
                .map_or_else(|| "did not answer in time".to_owned(), |status| format!("ended ({status})"));
            return Err(Error::Found {
                found: format!("the account on this machine {how}{tail}"),
                help: "fix what its log above names; `cargo xtask doctor` lists what is missing here"
                    .to_owned(),
            });
        }
        pause();
    }
}

/// Ends the account with everything in it.
///
/// # Errors
/// Returns an error if it does not end.
pub(crate) fn end(workspace: &Workspace, io: &Io) -> Result<(), Error> {
    let Some(account) = running(workspace) else { return Ok(()) };
    let Some(pid) = Pid::from_raw(account.pid) else { return Ok(()) };
    // It may have ended in the meantime, which is the intended result.
    _ = kill_process(pid, Signal::TERM);
    let since = Instant::now();
    while is_alive(account.pid) && !is_defunct(account.pid) {
        if since.elapsed() > ENDS_WITHIN {
            return Err(Error::Found {
                found: format!("the account on this machine (process {}) does not end", account.pid),
                help: format!(
                    "its log is {}; end it by its number",
                    folder(workspace).with_extension("log").display()
                ),
            });
        }
        pause();
    }
    io.console.line("the account on this machine has ended");
    let folder = folder(workspace);
    fs::remove_dir_all(&folder).map_err(file::failed("remove", &folder))
}

/// Returns whether the process has ended but was not yet reaped.
fn is_defunct(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

/// Waits until the next poll; no event announces a change.
fn pause() {
    thread::park_timeout(POLL);
}

/// Returns the registry of the account, `host:port`.
///
/// # Errors
/// Returns an error if the account is not running.
pub(crate) fn registry(workspace: &Workspace) -> Result<String, Error> {
    running(workspace).map(|account| account.registry).ok_or_else(|| Error::Found {
        found: "the account on this machine does not run".to_owned(),
        help: "cargo xtask account --env local".to_owned(),
    })
}
