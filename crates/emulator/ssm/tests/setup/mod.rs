//! The tunnel of this repository before an emulator whose agent reaches a target, for several test programs.

use std::sync::Arc;
use std::time::Duration;

use rds_iam_emulator_ssm::transfer::{Pattern, Target};
use rds_iam_emulator_ssm::{Calls, Emulator, Settings};
use rds_iam_tunnel::{Listener, Options, Remote, Tunnel, native_tls};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};

const INSTANCE: &str = "i-0123456789abcdef0";
const HOST: &str = "shop.internal";
const PORT: u16 = 3306;

/// The test that runs: some count the memory of the process.
static TURN: Mutex<()> = Mutex::const_new(());

/// An emulator whose agent reaches a target.
pub(crate) struct Setup {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) pattern: Pattern,
    _target: Target,
    _turn: MutexGuard<'static, ()>,
}

impl Setup {
    pub(crate) async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let turn = TURN.lock().await;
        let pattern = Pattern::default();
        let target = Target::start(pattern.clone()).await.unwrap();
        let mut settings = Settings::with_instance(INSTANCE);
        settings.hosts.set(HOST, PORT, vec![target.address()]);
        change(&mut settings);
        let emulator = Arc::new(Emulator::start(settings).await.unwrap());
        Self { emulator, pattern, _target: target, _turn: turn }
    }

    pub(crate) async fn tunnel(&self, change: impl FnOnce(&mut Options)) -> Tunnel {
        let mut options = Options::default();
        change(&mut options);
        let remote = Remote { target: INSTANCE.into(), host: HOST.into(), port: PORT };
        Tunnel::start(Calls::new(&self.emulator), remote, native_tls().unwrap(), options).await.unwrap()
    }

    /// Closes a tunnel, and waits until nothing of it is left.
    pub(crate) async fn end(&self, tunnel: Tunnel) {
        tunnel.close().await;
        eventually(|| {
            let stats = self.emulator.stats();
            (stats.agents, stats.channels, stats.streams) == (0, 0, 0)
        })
        .await;
        assert!(self.emulator.sessions().is_empty());
    }
}

pub(crate) async fn listen(tunnel: &Tunnel) -> Listener {
    Listener::bind(tunnel.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap()
}

pub(crate) async fn connect(listener: &Listener) -> TcpStream {
    let stream = TcpStream::connect(listener.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Waits for a condition. The limit only ends a test that fails.
pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the condition is met");
}
