//! Connections that come and go: no task, descriptor or stream is left. The only test of its program, because it counts
//! the descriptors of the process. `RDS_IAM_TUNNEL` sets the amount of work.

mod setup;

use std::time::Duration;

use rds_iam_emulator_ssm::transfer::{Pattern, Request, amount, request};
use rds_iam_tunnel::{Listener, Tunnel};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::setup::{Setup, connect, eventually, listen};

/// The connections at once.
const CONNECTIONS: usize = 50;

/// What connections could leave.
#[derive(Clone, Copy, Debug)]
struct Counts {
    tasks: usize,
    descriptors: usize,
    /// The streams of the tunnel.
    streams: usize,
    /// The connections of the agents, the agents, and their WebSockets.
    of_emulator: [u64; 3],
}

impl Counts {
    fn now(setup: &Setup, tunnel: &Tunnel) -> Self {
        let stats = setup.emulator.stats();
        Self {
            tasks: Handle::current().metrics().num_alive_tasks(),
            descriptors: descriptors(),
            streams: tunnel.streams(),
            of_emulator: [stats.streams, stats.agents, stats.channels],
        }
    }

    fn is_at_most(&self, other: &Self) -> bool {
        self.tasks <= other.tasks
            && self.descriptors <= other.descriptors
            && self.streams <= other.streams
            && self.of_emulator.iter().zip(other.of_emulator).all(|(one, other)| *one <= other)
    }
}

/// Returns the number of open descriptors, with the one that reads them.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Returns a connection that has reached the target.
async fn used(setup: &Setup, listener: &Listener) -> TcpStream {
    let mut stream = connect(listener).await;
    setup.pattern.echo(&mut stream, 1).await.unwrap();
    stream
}

/// Uses a connection, in one of several ways.
async fn use_one(mut stream: TcpStream, pattern: Pattern, number: usize) {
    match number % 5 {
        // It is closed at once, or in the middle of what is received, in order and by a reset.
        0 => {}
        1 | 2 => {
            request(&mut stream, Request::Download(1 << 20)).await.unwrap();
            stream.read_exact(&mut [0; 1000]).await.unwrap();
            if number % 5 == 2 {
                stream.set_zero_linger().unwrap();
            }
        }
        _ => pattern.echo(&mut stream, number as u64 * 37 % 20_000).await.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_connections_open_and_close_at_once_and_leave_nothing() {
    let setup = Setup::start(|_| {}).await;
    let tunnel = setup.tunnel(|options| options.sessions = 2).await;
    let listener = listen(&tunnel).await;
    drop(used(&setup, &listener).await);
    eventually(|| (tunnel.streams(), setup.emulator.stats().streams) == (0, 0)).await;
    let before = Counts::now(&setup, &tunnel);
    // An open connection counts, so that the test can fail.
    let stream = used(&setup, &listener).await;
    let open = Counts::now(&setup, &tunnel);
    assert!(open.tasks > before.tasks && open.descriptors > before.descriptors, "{open:?} {before:?}");
    assert_eq!((open.streams, open.of_emulator[0]), (1, 1));
    drop(stream);

    let until = Instant::now() + Duration::from_millis(500) * amount();
    let mut total = 0;
    while total == 0 || Instant::now() < until {
        let mut tasks = JoinSet::new();
        for number in total..total + CONNECTIONS {
            let stream = connect(&listener).await;
            tasks.spawn(use_one(stream, setup.pattern.clone(), number));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        total += CONNECTIONS;
    }
    eventually(|| Counts::now(&setup, &tunnel).is_at_most(&before)).await;
    println!("{total} connections; {:?}", setup.emulator.stats());
    assert_eq!((setup.emulator.stats().sessions, before.streams), (2, 0));
    drop(listener);
    setup.end(tunnel).await;
}
