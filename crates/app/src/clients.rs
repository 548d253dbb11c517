//! The client connections of one port: admits them up to a limit, records the phase of each, and disconnects those
//! that exceed a time limit or are replaced by a new one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// The interval at which clients are checked against their limits: one second.
const PERIOD: Duration = Duration::from_secs(1);

/// The limits of a port's clients: their number, and the time of each phase.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built with `..ClientLimits::default()`")]
pub struct ClientLimits {
    /// The largest number of open connections. If all are open, a new one replaces the one that has kept the service
    /// waiting longest, among those of the address that has most.
    pub clients: usize,
    /// The longest time without a request.
    pub idle: Duration,
    /// The longest time from a request head's first byte to its last.
    pub head: Duration,
    /// The longest time from a request's head to the end of its body.
    pub body: Duration,
    /// The longest time from an answer's first blocked write to its end.
    pub answer: Duration,
    /// The age from which a connection is closed after its next answer.
    pub age: Duration,
}

impl Default for ClientLimits {
    /// Returns the public port's limits: 512 clients, since the usual limit of 1024 open files leaves the rest to the
    /// database and the logs; idle for 75 s, longer than the 60 s after which a load balancer itself closes a
    /// connection it keeps; 10 s each for a head and a body, 30 s for an answer; 5 minutes of age.
    fn default() -> Self {
        Self {
            clients: 512,
            idle: Duration::from_secs(75),
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            age: Duration::from_mins(5),
        }
    }
}

/// The phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No byte of the next request has arrived.
    Idle,
    /// A part of a request's head has arrived.
    Head,
    /// The head has arrived; the body may be incomplete.
    Body,
    /// The whole request has arrived: the client waits for the service.
    Work,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    phase: Phase,
    since: Instant,
    /// The time at which a write first had to wait for the client to read; `None` once everything is written.
    blocked: Option<Instant>,
}

/// One client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    group: IpAddr,
    accepted: Instant,
    limits: ClientLimits,
    progress: Mutex<Progress>,
    end: Notify,
    room: Arc<Notify>,
}

impl Client {
    pub(crate) fn limits(&self) -> &ClientLimits {
        &self.limits
    }

    /// Returns whether the connection has reached the age at which it is closed.
    pub(crate) fn is_old(&self) -> bool {
        self.accepted.elapsed() >= self.limits.age
    }

    /// Records that bytes have arrived.
    pub(crate) fn read(&self) {
        let mut progress = self.progress();
        if progress.phase == Phase::Idle {
            (progress.phase, progress.since) = (Phase::Head, Instant::now());
        }
    }

    /// Records that a request's head has arrived.
    pub(crate) fn requested(&self) {
        self.enter(Phase::Body);
    }

    /// Records that a whole request has arrived.
    pub(crate) fn received(&self) {
        self.enter(Phase::Work);
    }

    /// Records that the answer is ready.
    pub(crate) fn answered(&self) {
        self.enter(Phase::Idle);
        self.room.notify_one();
    }

    /// Records that a write has to wait until the client reads.
    pub(crate) fn blocked(&self) {
        self.progress().blocked.get_or_insert_with(Instant::now);
    }

    /// Records that everything has been written.
    pub(crate) fn flushed(&self) {
        self.progress().blocked = None;
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.progress().blocked.is_some()
    }

    /// Returns when this client must be disconnected.
    pub(crate) async fn disconnected(&self) {
        self.end.notified().await;
    }

    fn enter(&self, phase: Phase) {
        let mut progress = self.progress();
        (progress.phase, progress.since) = (phase, Instant::now());
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time since which the service has waited for this client; `None` if the client waits for the service.
    fn waited_for_since(&self) -> Option<Instant> {
        let Progress { phase, since, blocked } = *self.progress();
        blocked.or((phase != Phase::Work).then_some(since))
    }

    /// Returns the limit that this client has exceeded. The middleware limits bodies and handlers, so that they end
    /// with an answer.
    fn exceeded(&self) -> Option<&'static str> {
        let Progress { phase, since, blocked } = *self.progress();
        if blocked.is_some_and(|since| since.elapsed() >= self.limits.answer) {
            return Some("the answer was not read in time");
        }
        match phase {
            Phase::Idle if since.elapsed() >= self.limits.idle => Some("no request in time"),
            Phase::Head if since.elapsed() >= self.limits.head => Some("no whole request head in time"),
            _ => None,
        }
    }
}

/// The open connections of one port.
#[derive(Debug)]
pub(crate) struct Clients {
    limits: ClientLimits,
    open: Mutex<Vec<Arc<Client>>>,
    /// Notified when a client disconnects or can be replaced.
    room: Arc<Notify>,
}

impl Clients {
    pub(crate) fn new(limits: ClientLimits) -> Arc<Self> {
        Arc::new(Self { limits, open: Mutex::default(), room: Arc::default() })
    }

    /// Admits a connection, and replaces another one if the port is full. Waits only while every client waits for
    /// the service.
    pub(crate) async fn admit(self: &Arc<Self>, peer: IpAddr) -> Admitted {
        let now = Instant::now();
        let client = Arc::new(Client {
            group: group(peer),
            accepted: now,
            limits: self.limits,
            progress: Mutex::new(Progress { phase: Phase::Idle, since: now, blocked: None }),
            end: Notify::new(),
            room: Arc::clone(&self.room),
        });
        while !self.add(&client) {
            self.room.notified().await;
        }
        Admitted { client, clients: Arc::clone(self) }
    }

    fn add(&self, client: &Arc<Client>) -> bool {
        let mut open = self.open();
        if open.len() >= self.limits.clients {
            let Some(index) = replaceable(&open) else { return false };
            let replaced = open.swap_remove(index);
            tracing::debug!(peer = %replaced.group, "a client was disconnected: another one needs its place");
            replaced.end.notify_one();
        }
        open.push(Arc::clone(client));
        true
    }

    /// Disconnects clients that have exceeded a limit, without end.
    pub(crate) async fn enforce_limits(&self) {
        loop {
            sleep(PERIOD).await;
            self.open().retain(|client| {
                let Some(reason) = client.exceeded() else { return true };
                tracing::debug!(peer = %client.group, reason, "a client was disconnected");
                client.end.notify_one();
                self.room.notify_one();
                false
            });
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<Arc<Client>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that counts as open until this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) client: Arc<Client>,
    clients: Arc<Clients>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.clients.open().retain(|client| !Arc::ptr_eq(client, &self.client));
        self.clients.room.notify_one();
    }
}

/// Returns the client to replace: of those that the service waits for, one of the address that has most clients, and
/// of these the one that it has waited for longest.
fn replaceable(open: &[Arc<Client>]) -> Option<usize> {
    let mut sizes: HashMap<IpAddr, usize> = HashMap::new();
    for client in open {
        *sizes.entry(client.group).or_default() += 1;
    }
    let waited_for = open.iter().enumerate().filter_map(|(index, client)| {
        let since = client.waited_for_since()?;
        Some((std::cmp::Reverse(sizes[&client.group]), since, index))
    });
    waited_for.min().map(|(.., index)| index)
}

/// Returns the network that counts as one address: an IPv6 host has its whole network of 64 bits.
fn group(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(most: usize) -> Arc<Clients> {
        Clients::new(ClientLimits { clients: most, ..ClientLimits::default() })
    }

    async fn is_disconnected(admitted: &Admitted) -> bool {
        tokio::time::timeout(Duration::ZERO, admitted.client.disconnected()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_wait_of_the_largest_address_ends_first() {
        let clients = clients(4);
        let (few, many) = ([192, 0, 2, 1], [192, 0, 2, 2]);
        let mut admitted = Vec::new();
        for peer in [few, many, many, many] {
            admitted.push(clients.admit(peer.into()).await);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        // The oldest client was just served: the next one has waited longer.
        admitted[1].client.requested();
        admitted[1].client.received();
        admitted[1].client.answered();
        let _new = clients.admit(IpAddr::from([192, 0, 2, 3])).await;
        let mut ended = Vec::new();
        for admitted in &admitted {
            ended.push(is_disconnected(admitted).await);
        }
        assert_eq!(ended, [false, false, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_service_is_not_replaced() {
        let clients = clients(1);
        let busy = clients.admit(IpAddr::from([192, 0, 2, 1])).await;
        busy.client.requested();
        busy.client.received();
        let admitting = tokio::spawn({
            let clients = Arc::clone(&clients);
            async move { clients.admit(IpAddr::from([192, 0, 2, 2])).await }
        });
        tokio::task::yield_now().await;
        assert!(!admitting.is_finished() && !is_disconnected(&busy).await);
        busy.client.answered();
        let _new = admitting.await.unwrap();
        assert!(is_disconnected(&busy).await);
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_limit() {
        let clients = clients(8);
        let limits = ClientLimits::default();
        let admit = async || clients.admit(IpAddr::from([192, 0, 2, 1])).await.client.clone();
        let (idle, head, body, blocked) = (admit().await, admit().await, admit().await, admit().await);
        head.read();
        body.requested();
        blocked.requested();
        blocked.answered();
        blocked.blocked();
        // A client that reads a byte a second makes progress, but does not complete.
        blocked.blocked();
        let exceeded = || [&idle, &head, &body, &blocked].map(|client| client.exceeded().is_some());
        tokio::time::advance(limits.head).await;
        head.read();
        assert_eq!(exceeded(), [false, true, false, false]);
        tokio::time::advance(limits.answer - limits.head).await;
        assert_eq!(exceeded(), [false, true, false, true]);
        blocked.flushed();
        assert_eq!(exceeded(), [false, true, false, false]);
        tokio::time::advance(limits.idle - limits.answer).await;
        assert_eq!(exceeded(), [true, true, false, true]);
    }

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        let group = |text: &str| group(text.parse().unwrap()).to_string();
        assert_eq!(group("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(group("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(group("192.0.2.1"), "192.0.2.1");
    }
}
