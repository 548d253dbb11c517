//! Tests of servers that are away for a while: one that restarts, and clusters that pause.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rds_iam_emulator_server::fixtures::SkewedClock;
use rds_iam_emulator_server::{Server, on_each_engine};
use rds_iam_sqlx::Error;
use rds_iam_token::{Endpoint, ErrorKind};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{TestEngine, builder, pool, quiet, tokens};
use crate::{refused, scalar};

on_each_engine![
    #[tokio::test]
    a_server_that_restarts_serves_again,
    a_paused_cluster_is_waited_for_and_the_wait_says_so,
    a_cluster_that_stays_paused_is_given_up_in_time,
];

async fn a_server_that_restarts_serves_again<DB: TestEngine>() {
    let server = DB::server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    assert_eq!(scalar(&pool, DB::CURRENT_USER).await.unwrap(), DB::APP);
    // The server is killed, and its user was just created.
    server.stop().await.unwrap();
    server.restart().await.unwrap();
    // A connection that was used in the last second is not tested first.
    if let Err(error) = scalar(&pool, DB::CURRENT_USER).await {
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    }
    assert_eq!(scalar(&pool, DB::CURRENT_USER).await.unwrap(), DB::APP);
}

/// Returns an address that accepts a connection and forwards nothing for a while, as that of a paused cluster does.
async fn paused<DB: TestEngine>(server: &Server<DB>, pause: Duration) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    let (server, awake) = (server.dial().to_string(), tokio::time::Instant::now() + pause);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(awake).await;
                let mut server = TcpStream::connect(server).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    dial
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn a_paused_cluster_is_waited_for_and_the_wait_says_so<DB: TestEngine>() {
    let server = DB::server().await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let dial = paused(&server, Duration::from_secs(4)).await;
    let limits = quiet().acquire_timeout(Duration::from_secs(1)).max_connections(1);
    let pool = builder(&server, tokens(&server, &SkewedClock::default()), limits.clone());
    let pool =
        pool.dial(&dial).limits(limits.connect_timeout(Duration::from_secs(30))).connect_lazy().unwrap();
    let (opened, waited) = tokio::join!(scalar(&pool, DB::CURRENT_USER), async {
        tokio::task::yield_now().await;
        refused(&pool).await
    });
    assert_eq!(opened.unwrap(), DB::APP);
    // The others wait no longer than before.
    assert!(matches!(waited, Error::TimedOut { saturated: true, .. }), "{waited:?}");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let said = "the database has not answered for 3 s; waiting up to 30 s (a paused Aurora cluster takes about 15 s to resume)";
    assert!(log.contains(said) && log.contains("the database answered after "), "{log}");
}

async fn a_cluster_that_stays_paused_is_given_up_in_time<DB: TestEngine>() {
    let server = DB::server().await;
    let dial = paused(&server, Duration::from_secs(600)).await;
    let limits = quiet().connect_timeout(Duration::from_secs(2));
    let error = refused(&pool::<DB>(&server, &SkewedClock::default(), &dial, limits)).await;
    let Error::TimedOut { waited, saturated: false, .. } = error else { panic!("{error:?}") };
    assert_eq!(waited, Duration::from_secs(2));
}
