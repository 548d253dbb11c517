//! A laptop that slept for an hour, and one whose network was gone. The clock of all ends goes an hour ahead at once.

use std::time::Duration;

use rds_iam_emulator_ssm::Faults;
use tokio::io::AsyncReadExt as _;

use crate::setup::{Setup, connect, eventually, listen};

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn sleep_for_an_hour() {
    tokio::time::pause();
    tokio::time::advance(HOUR).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_session_that_the_service_kept_is_resumed() {
    let setup = Setup::start(|settings| settings.idle_timeout = 2 * HOUR).await;
    let tunnel = setup.tunnel(|_| {}).await;
    let listener = listen(&tunnel).await;
    let mut stream = connect(&listener).await;
    setup.pattern.echo(&mut stream, 100_000).await.unwrap();
    sleep_for_an_hour().await;
    // The same connection continues, and there are others.
    setup.pattern.echo(&mut stream, 100_000).await.unwrap();
    setup.pattern.echo(&mut connect(&listener).await, 100_000).await.unwrap();
    let stats = setup.emulator.stats();
    assert_eq!((stats.sessions, stats.dialled), (1, 2), "{stats:?}");
    assert!(stats.opened >= 2, "{stats:?}");
    setup.end(tunnel).await;
}

#[tokio::test]
async fn a_session_that_the_service_ended_is_replaced_at_the_next_connection() {
    let setup = Setup::start(|_| {}).await;
    let tunnel = setup.tunnel(|_| {}).await;
    let listener = listen(&tunnel).await;
    let mut stream = connect(&listener).await;
    setup.pattern.echo(&mut stream, 100_000).await.unwrap();
    // A session ends when it was idle for 20 minutes.
    sleep_for_an_hour().await;
    // The program gets an error, not an end.
    assert!(stream.read_u8().await.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    setup.pattern.echo(&mut connect(&listener).await, 100_000).await.unwrap();
    let stats = setup.emulator.stats();
    assert_eq!((stats.sessions, stats.dialled), (2, 2), "{stats:?}");
    setup.end(tunnel).await;
}

#[tokio::test]
async fn a_network_that_was_gone_is_noticed_and_the_session_resumed() {
    let setup = Setup::start(|_| {}).await;
    let tunnel = setup.tunnel(|options| options.silence = Duration::from_millis(50)).await;
    let listener = listen(&tunnel).await;
    let mut stream = connect(&listener).await;
    setup.pattern.echo(&mut stream, 100_000).await.unwrap();
    setup.emulator.set_faults(Faults { silent: true, ..Faults::default() });
    // No connection lasts while the network is gone, and the client tries again and again.
    eventually(|| setup.emulator.stats().opened >= 3).await;
    setup.emulator.set_faults(Faults::default());
    setup.pattern.echo(&mut stream, 100_000).await.unwrap();
    let stats = setup.emulator.stats();
    assert_eq!((stats.sessions, stats.dialled), (1, 1), "{stats:?}");
    setup.end(tunnel).await;
}
