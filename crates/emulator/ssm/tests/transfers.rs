//! Large transfers through the tunnel, each way and with each fault: every byte is compared, and the memory is limited.
//! `RDS_IAM_TUNNEL` sets the amount of work.

mod setup;

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rds_iam_emulator_ssm::transfer::{Request, amount, request};
use rds_iam_emulator_ssm::{Close, Faults, Settings, Timers};
use rds_iam_tunnel::{StreamError, Tunnel};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::setup::{Setup, connect, eventually, listen};

/// The bytes that are sent in each direction before the other one is used, in transfers that end with a condition.
const PART: u64 = 1 << 20;

/// The most bytes by which the memory of all ends together may grow, whatever the length of a transfer.
const MEMORY: u64 = 160 << 20;

/// The bytes in each direction of transfers that measure memory: so many that keeping them would exceed the limit.
const EXCEEDING: u64 = 192 << 20;

/// Returns the bytes of a transfer in each direction.
fn length() -> u64 {
    u64::from(amount()) * (8 << 20)
}

/// Lets the agent resend more often than the real one, which sends one message again every 100 ms: with 2 % of a
/// million messages lost, or those on their way when a WebSocket is closed, that takes an hour. The limit of
/// unacknowledged messages keeps it from sending more than the client keeps out of order.
fn resend_quickly(settings: &mut Settings) {
    settings.outgoing = 256;
    settings.timers = Timers {
        resend: Duration::from_millis(1),
        first_timeout: Duration::from_millis(20),
        granularity: Duration::from_millis(2),
        ..Timers::default()
    };
}

fn old_agent(settings: &mut Settings) {
    for instance in &mut settings.instances {
        instance.agent_version = "3.0.196.0".into();
    }
}

/// The memory from a time on.
struct Memory {
    before: u64,
}

impl Memory {
    fn measure() -> Self {
        // Resets the highest value. A system that refuses it reports that of all tests, which is no less.
        fs::write("/proc/self/clear_refs", "5").ok();
        Self { before: status("VmRSS") }
    }

    /// Returns the bytes by which the memory was higher since.
    fn highest_growth(&self) -> u64 {
        status("VmHWM").saturating_sub(self.before)
    }
}

/// Returns a value of `/proc/self/status`, in bytes.
fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Transfers through a local port, up and then down, each with these faults from its start on.
async fn each_way(setup: &Setup, tunnel: &Tunnel, faults: Faults) {
    transfer(setup, tunnel, faults, length()).await;
}

/// Transfers `length` bytes in each direction, and limits the memory.
async fn transfer(setup: &Setup, tunnel: &Tunnel, faults: Faults, length: u64) {
    let listener = listen(tunnel).await;
    let mut stream = connect(&listener).await;
    let memory = Memory::measure();
    setup.emulator.set_faults(faults);
    setup.pattern.upload(&mut stream, length).await.unwrap();
    setup.emulator.set_faults(faults);
    setup.pattern.download(&mut stream, length).await.unwrap();
    let growth = memory.highest_growth();
    assert!(growth < MEMORY, "{growth} bytes for {length} each way");
    setup.emulator.set_faults(Faults::default());
}

#[tokio::test]
async fn memory_is_counted() {
    let _setup = Setup::start(|_| {}).await;
    let memory = Memory::measure();
    let length = 64 << 20;
    // Each page is written.
    let touched = std::hint::black_box(vec![1_u8; length]);
    assert!(memory.highest_growth() >= length as u64 * 9 / 10, "{}", touched.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_faults() {
    let setup = Setup::start(|_| {}).await;
    let tunnel = setup.tunnel(|_| {}).await;
    transfer(&setup, &tunnel, Faults::default(), length().max(EXCEEDING)).await;
    let stats = setup.emulator.stats();
    assert_eq!((stats.opened, stats.dialled, stats.lost), (1, 1, 0), "{stats:?}");
    setup.end(tunnel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_an_agent_without_smux() {
    let setup = Setup::start(old_agent).await;
    let tunnel = setup.tunnel(|_| {}).await;
    each_way(&setup, &tunnel, Faults::default()).await;
    setup.end(tunnel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_lost_repeated_and_delayed_messages() {
    let setup = Setup::start(resend_quickly).await;
    let tunnel = setup.tunnel(|_| {}).await;
    let faults = Faults { loss: 0.02, repeat: 0.02, reorder: 0.02, seed: 5, ..Faults::default() };
    each_way(&setup, &tunnel, faults).await;
    let stats = setup.emulator.stats();
    assert!(stats.lost > 100 && stats.repeated > 100 && stats.resent > 50, "{stats:?}");
    assert_eq!((stats.opened, stats.dialled), (1, 1), "{stats:?}");
    setup.end(tunnel).await;
}

/// Transfers with five closes in each direction.
async fn with_closes(settings: impl FnOnce(&mut Settings), faults: Faults) {
    let change = |all: &mut Settings| {
        resend_quickly(all);
        settings(all);
    };
    let setup = Setup::start(change).await;
    let tunnel = setup.tunnel(|options| options.pause = Duration::from_millis(1)).await;
    let faults = Faults { close_after: Some(length() / 8), closes: 5, ..faults };
    each_way(&setup, &tunnel, faults).await;
    let stats = setup.emulator.stats();
    assert_eq!((stats.closed, stats.sessions, stats.dialled), (10, 1, 1), "{stats:?}");
    assert_eq!(stats.lost > 0, faults.loss > 0.0, "{stats:?}");
    setup.end(tunnel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_closes_in_order() {
    with_closes(|_| {}, Faults { close: Close::Frame, ..Faults::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_closes_without_a_close_frame() {
    with_closes(|_| {}, Faults { close: Close::Abrupt, ..Faults::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_closes_of_an_agent_without_smux() {
    with_closes(old_agent, Faults { close: Close::Abrupt, ..Faults::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_lost_and_repeated_messages_and_closes() {
    let faults = Faults { loss: 0.02, repeat: 0.02, seed: 7, close: Close::Abrupt, ..Faults::default() };
    with_closes(|_| {}, faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_closes_of_the_service() {
    // The service closes about every hour. After a second, the client resumes without a pause.
    let setup = Setup::start(|settings| settings.connection_lifetime = Duration::from_millis(1200)).await;
    let tunnel = setup.tunnel(|_| {}).await;
    let listener = listen(&tunnel).await;
    let mut stream = connect(&listener).await;
    let mut passed = 0;
    while passed < length() || setup.emulator.stats().closed < 3 {
        setup.pattern.upload(&mut stream, PART).await.unwrap();
        setup.pattern.download(&mut stream, PART).await.unwrap();
        passed += PART;
    }
    let stats = setup.emulator.stats();
    assert_eq!((stats.sessions, stats.dialled), (1, 1), "{stats:?}");
    setup.end(tunnel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_network_that_is_gone_three_times() {
    let setup = Setup::start(resend_quickly).await;
    let tunnel = setup
        .tunnel(|options| {
            (options.silence, options.pause) = (Duration::from_millis(50), Duration::from_millis(1));
        })
        .await;
    let listener = listen(&tunnel).await;
    let mut stream = connect(&listener).await;
    let gone = AtomicU32::new(0);
    let network = async {
        while gone.load(Ordering::Relaxed) < 3 {
            let before = setup.emulator.stats();
            eventually(|| setup.emulator.stats().messages > before.messages + 100).await;
            setup.emulator.set_faults(Faults { silent: true, ..Faults::default() });
            // The silence is noticed, and another connection opened.
            eventually(|| setup.emulator.stats().opened > before.opened).await;
            setup.emulator.set_faults(Faults::default());
            gone.fetch_add(1, Ordering::Relaxed);
        }
    };
    let transfers = async {
        let mut passed = 0;
        while passed < length() || gone.load(Ordering::Relaxed) < 3 {
            setup.pattern.upload(&mut stream, PART).await.unwrap();
            setup.pattern.download(&mut stream, PART).await.unwrap();
            passed += PART;
        }
    };
    tokio::join!(network, transfers);
    let stats = setup.emulator.stats();
    assert_eq!((stats.sessions, stats.dialled), (1, 1), "{stats:?}");
    setup.end(tunnel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_several_sessions() {
    let setup = Setup::start(|_| {}).await;
    let tunnel = setup.tunnel(|options| options.sessions = 4).await;
    let listener = listen(&tunnel).await;
    let length = length().max(EXCEEDING);
    let memory = Memory::measure();
    join_all((0..4).map(|_| async {
        let mut stream = connect(&listener).await;
        setup.pattern.upload(&mut stream, length / 4).await.unwrap();
        setup.pattern.download(&mut stream, length / 4).await.unwrap();
    }))
    .await;
    let growth = memory.highest_growth();
    assert!(growth < MEMORY, "{growth} bytes");
    let stats = setup.emulator.stats();
    assert_eq!((stats.sessions, stats.channels), (4, 4), "{stats:?}");
    setup.end(tunnel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_program_that_does_not_read() {
    let setup = Setup::start(|_| {}).await;
    let tunnel = setup.tunnel(|options| options.stuck = Duration::from_millis(200)).await;
    let mut stuck = tunnel.open().await.unwrap();
    // More than its buffer: the session is stalled until the stream is closed.
    request(&mut stuck, Request::Download(64 << 20)).await.unwrap();
    let memory = Memory::measure();
    let mut stream = tunnel.open().await.unwrap();
    let mut passed = 0;
    // A write of nothing shows the error of a stream.
    while passed < length() || stuck.write(&[]).await.is_ok() {
        setup.pattern.upload(&mut stream, PART).await.unwrap();
        setup.pattern.download(&mut stream, PART).await.unwrap();
        passed += PART;
        assert!(passed < length() + (1 << 30), "the stream is not closed");
    }
    let growth = memory.highest_growth();
    assert!(growth < MEMORY, "{growth} bytes");
    let error = stuck.read_to_end(&mut Vec::new()).await.unwrap_err();
    let error = error.get_ref().and_then(|inner| inner.downcast_ref::<StreamError>());
    assert!(matches!(error, Some(StreamError::Stuck { .. })), "{error:?}");
    drop((stuck, stream));
    setup.end(tunnel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_database_that_does_not_read() {
    let setup = Setup::start(|_| {}).await;
    let tunnel = setup.tunnel(|options| options.sessions = 2).await;
    let mut stalled = tunnel.open().await.unwrap();
    request(&mut stalled, Request::Stall).await.unwrap();
    let writing = tokio::spawn(async move {
        // More than all buffers on the way.
        stalled.write_all(&vec![0; 64 << 20]).await
    });
    // The other session has no stream.
    each_way(&setup, &tunnel, Faults::default()).await;
    assert!(!writing.is_finished());
    writing.abort();
    setup.end(tunnel).await;
}
