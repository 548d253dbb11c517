//! Checks whether release archives, hosts, pip's index and apt's sources can be reached, with curl, Python
//! and apt: they use this machine's proxies, mirrors and certificates. Each check takes seconds.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use xshell::cmd;

use crate::file;
use crate::runner::{Cmd, RunError, Runner};
use crate::workspace::Workspace;

/// The connect timeout, in seconds.
const CONNECT_WITHIN: &str = "5";
/// The response timeout, in seconds, for a program with such an option.
const ANSWER_WITHIN: &str = "10";
/// The time limit of a query.
const WITHIN: Duration = Duration::from_secs(15);
/// The environment variable with the emulator's Debian mirror.
const MIRROR_VARIABLE: &str = "RDS_IAM_EMULATOR_DEBIAN_MIRROR";

/// Checks that a release can be downloaded from `url`.
///
/// # Errors
/// Returns curl's last line, or the message that curl is missing.
pub fn release(url: &str, workspace: &Workspace, runner: Runner) -> Result<(), String> {
    answer(&head(url, &["--fail", "--location"], workspace), runner)
}

/// Checks that the host of `url` answers.
///
/// # Errors
/// Returns the connection's error.
pub fn host(url: &str, workspace: &Workspace, runner: Runner) -> Result<(), String> {
    match runner.ask_within(&head(url, &[], workspace), WITHIN) {
        Err(RunError::NotFound { .. }) => connect(url),
        asked => asked.map(drop).map_err(|error| last_line(&error)),
    }
}

fn head(url: &str, options: &[&str], workspace: &Workspace) -> Cmd {
    let shell = workspace.shell();
    let curl = cmd!(
        shell,
        "curl --silent --show-error --connect-timeout {CONNECT_WITHIN} --max-time {ANSWER_WITHIN} --output /dev/null {options...} --head {url}"
    );
    Cmd::from_xshell(curl, "apt-get install curl")
}

/// The same check without curl.
fn connect(url: &str) -> Result<(), String> {
    let host = url.split("://").last().and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
    let (done, answered) = mpsc::channel();
    // Name resolution has no time limit of its own.
    thread::spawn(move || {
        let mut addresses = match (host.as_str(), 443).to_socket_addrs() {
            Ok(addresses) => addresses,
            Err(error) => return drop(done.send(Err(format!("{host}: {error}")))),
        };
        let reached = addresses.any(|address| TcpStream::connect_timeout(&address, WITHIN / 3).is_ok());
        drop(done.send(if reached { Ok(()) } else { Err(format!("{host} does not answer")) }));
    });
    answered.recv_timeout(WITHIN).unwrap_or_else(|_| Err("no answer within 15 s".to_owned()))
}

/// Checks that pip reaches its package index: the one in its settings, or else the Python Package Index.
///
/// # Errors
/// Returns the connection's error; the index's answer is not checked.
pub fn python_index(workspace: &Workspace, runner: Runner) -> Result<(), String> {
    let python = workspace.tool("python3", String::new()).args(["-c", include_str!("reach.py")]);
    answer(&python, runner)
}

/// Checks that apt reaches a package source of this machine.
///
/// # Errors
/// Returns apt's last line, or the message that it has no sources.
pub fn packages(workspace: &Workspace, runner: Runner) -> Result<(), String> {
    let sources = match std::env::var(MIRROR_VARIABLE) {
        Ok(mirror) if !mirror.is_empty() => {
            vec![format!("{}/dists/sid/InRelease", mirror.trim_end_matches('/'))]
        }
        _ => sources(workspace, runner)?,
    };
    let folder = workspace.cache.join("tmp");
    file::make_folder(&folder).map_err(|error| error.to_string())?;
    let to = folder.join(format!("reached-{}", std::process::id()));
    let mut why = "apt knows no source of packages".to_owned();
    let shell = workspace.shell();
    for source in sources {
        let fetch = cmd!(
            shell,
            "/usr/lib/apt/apt-helper -o Acquire::http::Timeout=5 -o Acquire::https::Timeout=5 -o Acquire::Retries=0 download-file {source} {to}"
        );
        let answered = answer(&Cmd::from_xshell(fetch, ""), runner);
        // The file is not needed; one that can't be removed is replaced by the next check.
        drop(file::remove(&to));
        match answered {
            Ok(()) => return Ok(()),
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

/// Returns the `InRelease` files of up to three repositories of this machine.
fn sources(workspace: &Workspace, runner: Runner) -> Result<Vec<String>, String> {
    let format = "$(REPO_URI)dists/$(RELEASE)/InRelease";
    let shell = workspace.shell();
    let ask =
        Cmd::from_xshell(cmd!(shell, "apt-get indextargets --format {format} 'Created-By: Packages'"), "");
    let mut sources: Vec<String> = runner
        .ask_within(&ask, WITHIN)
        .map_err(|error| last_line(&error))?
        .lines()
        .map(str::to_owned)
        .collect();
    sources.dedup();
    sources.truncate(3);
    Ok(sources)
}

fn answer(cmd: &Cmd, runner: Runner) -> Result<(), String> {
    runner.ask_within(cmd, WITHIN).map(drop).map_err(|error| last_line(&error))
}

/// Returns a program's last line, or the reason why it could not run.
fn last_line(error: &RunError) -> String {
    match error {
        RunError::Failed { tail, status, .. } => {
            tail.lines().last().cloned().unwrap_or_else(|| status.to_string())
        }
        RunError::NotFound { program, .. } => format!("{program} is not on this machine"),
        RunError::NoAnswer { .. } => "no answer within 15 s".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;
    use crate::console::Console;

    fn workspace() -> Workspace {
        Workspace { root: crate::workspace::root(), target: "/t".into(), cache: "/c".into() }
    }

    fn runner() -> Runner {
        Runner::new(Console::silent())
    }

    /// Starts a server on this machine that gives one answer.
    fn answers(status: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            drop(std::io::Read::read(&mut stream, &mut request));
            drop(stream.write_all(
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes(),
            ));
        });
        url
    }

    fn nothing_there() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/file", listener.local_addr().unwrap())
    }

    #[test]
    fn a_release_has_to_be_there_and_a_host_to_answer_alone() {
        assert_eq!(release(&answers("200 OK"), &workspace(), runner()), Ok(()));
        let missing = release(&answers("404 Not Found"), &workspace(), runner());
        assert!(missing.is_err_and(|why| why.contains("404")));
        assert_eq!(host(&answers("401 Unauthorized"), &workspace(), runner()), Ok(()));
    }

    #[test]
    fn what_does_not_answer_is_told_with_the_reason() {
        let (release, host) = (
            release(&nothing_there(), &workspace(), runner()),
            host(&nothing_there(), &workspace(), runner()),
        );
        for refused in [release, host] {
            let why = refused.unwrap_err();
            assert!(why.starts_with("curl: (7)"), "{why}");
        }
    }
}
