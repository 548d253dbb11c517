//! `rds-iam shell`: a command in a terminal of a managed instance, without AWS's plugin.

mod notices;
mod terminal;

use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use rds_iam_token::Region;
use rds_iam_tunnel::{
    AwsApi, KmsKeys, Options, RemoteCommand, Shell, ShellEvent, TunnelError, Via, native_tls, wait_for_ends,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::terminal::RawMode;
use crate::credentials::CredentialsOptions;
use crate::signals::{Signals, status};
use crate::{Failure, Usage};

/// Run a command in a terminal of a managed instance, through Session Manager
///
/// Needs no plugin, no SSH key and no open port: the instance's agent runs COMMAND, by default a login shell. Keys are
/// sent as they are typed. Ctrl-C is sent to COMMAND, too; only while the connection is lost does it end the session.
/// Without a terminal, standard input is sent, and then its end, as Ctrl-D. A session that the account encrypts with a
/// KMS key is encrypted here too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
COMMAND is run by the instance's shell. One word is a command line; several words are a program
and its arguments, and are quoted. Its output, errors included, is that of a terminal, with \\r\\n
at the ends of lines.

INSTANCE is one of
  i-0123456789abcdef0   an instance, or mi-… outside EC2
  tag:KEY=VALUE         an instance with this tag that is online
  asg:NAME              an instance of this Auto Scaling group that is online

Permissions: ssm:StartSession on the instance and the document AWS-StartInteractiveCommand,
ssm:ResumeSession and ssm:TerminateSession on the caller's own sessions; with a tag or a group
also ssm:DescribeInstanceInformation; with a KMS key in the account's session preferences also
kms:GenerateDataKey on it.

Examples:
  rds-iam shell --target i-0123456789abcdef0
  rds-iam shell --target tag:Name=bastion --region eu-west-1 -- sudo journalctl -u app -f
  rds-iam shell --target asg:orders -- 'df -h; free -m'
  rds-iam shell --target i-0123456789abcdef0 -- sh < script.sh

Exit status:
  0    the session ended; agents do not send the status of a command in a terminal
  1    COMMAND could not be started, or the service, an operator or idleness ended the session
  64   invalid arguments; nothing was started
  128+n  signal n ended this program, which ended the session before (130 also for Ctrl-C while
         the connection was lost); a second signal does not wait for the session's end")]
pub(crate) struct Arguments {
    /// Instance that runs the command
    #[arg(long, value_name = "INSTANCE")]
    target: Via,

    /// Region of the instance; by default that of AWS_REGION or the profile
    #[arg(long)]
    region: Option<Region>,

    /// Command to run, with its arguments; by default bash -l
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

/// The command without an argument.
const LOGIN_SHELL: &str = "bash -l";

/// The byte of Ctrl-D, by which a terminal ends the input of a program.
const END_OF_INPUT: u8 = 4;

/// The first and the longest pause before the end of the input is repeated.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// The byte of Ctrl-C.
const INTERRUPT: u8 = 3;

/// The time for which a lost connection is not mentioned. The service closes each about every hour.
const MOMENT: Duration = Duration::from_secs(2);

/// The longest time that the end of the session is waited for.
const END: Duration = Duration::from_secs(5);

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let command = command_line(&arguments.command)?;
    let lost = notices::start()?;
    let region = match arguments.region {
        Some(region) => region,
        None => arguments.credentials.region().await?.ok_or(
            "no region: add --region with the region of the instance, or set AWS_REGION or the profile's region",
        )?,
    };
    let aws = arguments.credentials.connect(&region).await?;
    let api = AwsApi::new(&aws);
    let target = api.instance(&arguments.target).await?;
    let mut signals = Signals::new()?;
    let remote = RemoteCommand { target, command, size: terminal::size().unwrap_or_default() };
    let tls = native_tls()?;
    let started = tokio::select! {
        shell = Shell::start(api, KmsKeys::new(&aws), remote, tls, Options::default()) => Ok(shell?),
        kind = signals.next() => Err(status(kind)),
    };
    let shell = match started {
        Ok(shell) => shell,
        Err(status) => {
            // A session may have been started.
            wait_for_end(wait_for_ends(END), &mut signals).await;
            return Ok(status);
        }
    };
    let ended = relay(&shell, &mut signals, lost).await;
    let closing = async { timeout(END, shell.close()).await.is_ok() };
    wait_for_end(closing, &mut signals).await;
    ended
}

/// Waits until the session has ended, which is the result of `ending`, or until another signal.
async fn wait_for_end(ending: impl Future<Output = bool>, signals: &mut Signals) {
    // A terminal that goes may send SIGHUP twice.
    let stop = async { while signals.next().await == SignalKind::hangup() {} };
    let has_ended = tokio::select! {
        has_ended = ending => has_ended,
        () = stop => false,
    };
    if !has_ended {
        terminal::say("warning: a session may be left; AWS ends it when it is idle");
    }
}

/// Returns the command for the instance's shell.
fn command_line(words: &[String]) -> Result<String, Failure> {
    match words {
        [] => Ok(LOGIN_SHELL.to_owned()),
        [line] if line.trim().is_empty() => {
            Err(Usage::failure("COMMAND is empty: leave it out, or name a program"))
        }
        [line] => Ok(line.clone()),
        words => shlex::try_join(words.iter().map(String::as_str))
            .map_err(|error| Usage::failure(format!("COMMAND cannot be quoted: {error}"))),
    }
}

/// Connects this program's terminal to the command's, until either ends.
async fn relay(
    shell: &Shell,
    signals: &mut Signals,
    lost: watch::Receiver<bool>,
) -> Result<ExitCode, Failure> {
    // Dropped before an error is printed, and by a panic.
    let raw = RawMode::enter()?;
    let mut resized = signal(SignalKind::window_change())?;
    // The window may have changed since the start.
    resize(shell);
    let is_away = Cell::new(false);
    let mut output = pin!(print_output(shell));
    tokio::select! {
        ended = &mut output => ended,
        kind = signals.next() => Ok(status(kind)),
        () = follow_size(shell, &mut resized) => unreachable!("the signal can be received at any time"),
        () = follow_connection(lost, &is_away) => unreachable!("the log lives as long as the program"),
        input = send_input(shell, || raw.is_some() && is_away.get()) => match input {
            Input::Interrupted => Ok(status(SignalKind::interrupt())),
            // What is left of the output is printed.
            Input::SessionEnded => tokio::select! {
                ended = output => ended,
                kind = signals.next() => Ok(status(kind)),
            },
        },
    }
}

/// Prints the output until the session has ended. Returns the status of the command.
async fn print_output(shell: &Shell) -> Result<ExitCode, Failure> {
    let (output, written) = terminal::writer();
    let ended = loop {
        match shell.read().await {
            Ok(ShellEvent::End(status)) => break Ok(status),
            // The writer has failed; its error is below.
            Ok(event) => {
                if output.send(event).await.is_err() {
                    break Err(TunnelError::Closed);
                }
            }
            Err(error) => break Err(error),
        }
    };
    drop(output);
    let written = written.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()));
    written.map_err(|error| format!("cannot write the command's output: {error}"))?;
    Ok(match ended? {
        None => ExitCode::SUCCESS,
        Some(status) => u8::try_from(status).map_or(ExitCode::FAILURE, Into::into),
    })
}

/// The reason why no more input is sent.
enum Input {
    /// Ctrl-C was typed, and could not be sent.
    Interrupted,
    SessionEnded,
}

/// Sends standard input, and its end. While `is_away`, Ctrl-C ends that.
async fn send_input(shell: &Shell, is_away: impl Fn() -> bool) -> Input {
    let mut input = terminal::reader();
    while let Some(bytes) = input.recv().await {
        if is_away() && bytes.contains(&INTERRUPT) {
            return Input::Interrupted;
        }
        if shell.write(&bytes).await.is_err() {
            return Input::SessionEnded;
        }
    }
    // A program that sets up its terminal drops an end that came before, so it is repeated.
    let [mut pause, longest] = PAUSES;
    while shell.write(&[END_OF_INPUT]).await.is_ok() {
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
    Input::SessionEnded
}

/// Tells the person when the connection is lost, and when it is back.
async fn follow_connection(mut lost: watch::Receiver<bool>, is_away: &Cell<bool>) {
    while lost.wait_for(|lost| *lost).await.is_ok() {
        if timeout(MOMENT, lost.wait_for(|lost| !*lost)).await.is_ok() {
            continue;
        }
        is_away.set(true);
        terminal::say("connection lost; resuming. Ctrl-C ends the session");
        if lost.wait_for(|lost| !*lost).await.is_err() {
            return;
        }
        is_away.set(false);
        terminal::say("the session was resumed");
    }
}

async fn follow_size(shell: &Shell, resized: &mut Signal) {
    while resized.recv().await.is_some() {
        resize(shell);
    }
}

fn resize(shell: &Shell) {
    if let Some(size) = terminal::size() {
        shell.resize(size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Result<String, String> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        command_line(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn one_word_is_a_command_line_and_several_are_quoted() {
        assert_eq!(line(&[]).unwrap(), "bash -l");
        assert_eq!(line(&["df -h; free -m"]).unwrap(), "df -h; free -m");
        let quoted = line(&["psql", "-c", "select 'a b'"]).unwrap();
        assert_eq!(shlex::split(&quoted).unwrap(), ["psql", "-c", "select 'a b'"]);
        assert!(line(&[" "]).unwrap_err().starts_with("COMMAND is empty"));
        assert!(line(&["printf", "a\0b"]).unwrap_err().starts_with("COMMAND cannot be quoted"));
    }
}
