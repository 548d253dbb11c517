//! A run through a tunnel: from a laptop or a job, to a database that only a managed instance reaches.
//!
//! This module is the command's. The Lambda function is in the database's network, and links neither the tunnel nor the
//! SDK of Systems Manager.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rds_iam_bootstrap::{BootstrapError, Report, Settings, Step, run_until};
use rds_iam_token::{Endpoint, ErrorKind};
use rds_iam_tunnel::{AwsApi, Listener, Options, Remote, Tunnel, Via, native_tls, wait_for_ends};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

/// An error of any type.
type Cause = Box<dyn Error + Send + Sync>;

/// The longest time that the end of the session is waited for: 5 seconds. AWS ends a session that was left when it is
/// idle.
const END: Duration = Duration::from_secs(5);

/// Does what [`rds_iam_bootstrap::run()`] does, through an instance. The session is ended however the run ends, also by
/// SIGINT, SIGTERM, SIGHUP (a closed terminal) and SIGQUIT; a second signal does not wait for that.
pub(crate) async fn run(via: &Via, settings: Settings) -> Result<Report, BootstrapError> {
    if settings.conf.dial.is_some() {
        return Err(BootstrapError::DialAndVia);
    }
    // The run checks them again: before it, they would be reported after a session was started.
    settings.declaration.validate(&settings.conf)?;
    settings.conf.roots(settings.clock.now())?;

    let signals = count_signals().map_err(|error| not_opened(via, error.into()))?;
    let received = |number: u32| {
        let mut signals = signals.clone();
        async move { drop(signals.wait_for(|count| *count >= number).await) }
    };
    let opened = tokio::select! {
        opened = open(via, &settings) => Some(opened.map_err(|error| not_opened(via, error))?),
        () = received(1) => None,
    };
    let Some(tunnel) = opened else {
        // A session may have been started.
        wait_for_end(wait_for_ends(END), received(2)).await;
        return Err(BootstrapError::Stopped { step: Step::Credentials, made: 0, left: None });
    };
    let result = run_through(&tunnel, via, settings, received(1)).await;
    let closing = async {
        tunnel.close().await;
        // A session that was being replaced, or started in place of one.
        wait_for_ends(END).await
    };
    let closing = async { timeout(END, closing).await.unwrap_or(false) };
    wait_for_end(closing, received(2)).await;
    result
}

/// Waits until the session has ended, which is the result of `ending`, or until another signal.
async fn wait_for_end(ending: impl Future<Output = bool>, stop: impl Future<Output = ()>) {
    let has_ended = tokio::select! {
        has_ended = ending => has_ended,
        () = stop => false,
    };
    if !has_ended {
        tracing::warn!("a session may be left; AWS ends it when it is idle");
    }
}

/// Opens a tunnel to the endpoint.
async fn open(via: &Via, settings: &Settings) -> Result<Tunnel, Cause> {
    let api = AwsApi::new(&settings.aws);
    let endpoint = &settings.conf.endpoint;
    let remote =
        Remote { target: api.instance(via).await?, host: endpoint.host().to_string(), port: endpoint.port() };
    Ok(Tunnel::start(api, remote, native_tls()?, Options::default()).await?)
}

/// Runs with a local port of the tunnel as the address to dial.
async fn run_through(
    tunnel: &Tunnel,
    via: &Via,
    mut settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<Report, BootstrapError> {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = Listener::bind(tunnel.clone(), any_port).await;
    let listener = listener.map_err(|error| not_opened(via, error.into()))?;
    let address = listener.address();
    let dial = Endpoint::new(&address.ip().to_string(), address.port());
    settings.conf.dial = Some(dial.map_err(|error| not_opened(via, error.into()))?);
    let result = run_until(settings, stop).await;
    result.map_err(|error| explain(error, listener.take_error()))
}

fn not_opened(via: &Via, source: Cause) -> BootstrapError {
    let doing = format!("opening a tunnel through {via}");
    // The causes have their help.
    BootstrapError::Tunnel { step: Step::Credentials, doing, made: 0, help: String::new(), source }
}

/// Replaces the cause of a broken connection by that of the tunnel, if the tunnel has one: the driver knows only that its
/// connection was reset. An error with a code is the server's own.
fn explain(error: BootstrapError, cause: Option<Cause>) -> BootstrapError {
    let Some(cause) = cause else { return error };
    match error {
        BootstrapError::Connect { step, source, made, .. }
            if source.kind() == ErrorKind::Unreachable && source.code().is_none() =>
        {
            let doing = "connecting to the database through the tunnel".to_owned();
            BootstrapError::Tunnel { step, doing, made, help: String::new(), source: cause }
        }
        BootstrapError::Statement { step, doing, made, help, source, .. }
            if rds_iam_sqlx::Error::kind_of(&source) == ErrorKind::Unreachable
                && source.as_database_error().is_none() =>
        {
            BootstrapError::Tunnel { step, doing, made, help, source: cause }
        }
        error => error,
    }
}

/// Counts the signals that end a program.
fn count_signals() -> std::io::Result<watch::Receiver<u32>> {
    let (count, received) = watch::channel(0);
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()] {
        tokio::spawn(count_each(signal(kind)?, count.clone()));
    }
    Ok(received)
}

async fn count_each(mut signal: Signal, count: watch::Sender<u32>) {
    while signal.recv().await.is_some() {
        count.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(source: sqlx::Error) -> BootstrapError {
        let help = "The connection to the server broke.".to_owned();
        let doing = "create table two".to_owned();
        BootstrapError::Statement { step: Step::Users, doing, made: 1, denied: false, help, source }
    }

    #[test]
    fn the_tunnel_is_the_cause_of_a_broken_connection_only() {
        let reset = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        let cause = || Some("the session was ended".into());
        let explained = explain(statement(reset()), cause());
        let BootstrapError::Tunnel { step: Step::Users, made: 1, source, .. } = &explained else {
            panic!("{explained}");
        };
        assert_eq!(
            (explained.to_string(), source.to_string()),
            ("create table two failed".into(), "the session was ended".into())
        );
        assert!(explained.hint().starts_with("The connection to the server broke."), "{}", explained.hint());
        let without_a_cause = explain(statement(reset()), None);
        assert!(matches!(without_a_cause, BootstrapError::Statement { .. }), "{without_a_cause}");
        let of_the_server = explain(statement(sqlx::Error::RowNotFound), cause());
        assert!(matches!(of_the_server, BootstrapError::Statement { .. }), "{of_the_server}");
        let busy = explain(BootstrapError::Busy { holder: "connection 7".into() }, cause());
        assert!(matches!(busy, BootstrapError::Busy { .. }), "{busy}");
    }
}
