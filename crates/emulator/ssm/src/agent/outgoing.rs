//! Messages to the client: numbered, kept until they are acknowledged, and sent again as the agent does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use rds_iam_tunnel::content::Acknowledgement;
use rds_iam_tunnel::message::{FLAG_SYN, Kind, Message, PayloadType, SCHEMA_VERSION};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::cipher::Cipher;
use crate::clock::{now, random_id};
use crate::sessions::{Service, lock};
use crate::settings::Timers;
use crate::stats::count;

/// The messages to the client.
pub(crate) struct Outgoing {
    service: Arc<Service>,
    link: mpsc::Sender<Bytes>,
    /// Whether there is a client. Without one, the agent stops sending.
    attached: watch::Receiver<bool>,
    sent: Mutex<Sent>,
    space: Arc<Semaphore>,
    acknowledged: Notify,
    cipher: OnceLock<Cipher>,
}

struct Sent {
    next: i64,
    /// The messages without an acknowledgement, by their number.
    waiting: BTreeMap<i64, Waiting>,
    trip: RoundTrip,
}

struct Waiting {
    message: Bytes,
    sent_at: Instant,
    _space: OwnedSemaphorePermit,
}

impl Outgoing {
    pub(crate) fn new(
        service: Arc<Service>,
        link: mpsc::Sender<Bytes>,
        attached: watch::Receiver<bool>,
    ) -> Self {
        let trip = RoundTrip::new(&service.settings.timers);
        Self {
            space: Arc::new(Semaphore::new(service.settings.outgoing.min(Semaphore::MAX_PERMITS))),
            service,
            link,
            attached,
            sent: Mutex::new(Sent { next: 0, waiting: BTreeMap::new(), trip }),
            acknowledged: Notify::new(),
            cipher: OnceLock::new(),
        }
    }

    /// Encrypts the output of commands from now on.
    pub(crate) fn encrypt(&self, cipher: Cipher) {
        // It is set once, in the handshake.
        self.cipher.get_or_init(|| cipher);
    }

    /// Sends a stream message, once there is a client and space for it.
    pub(crate) async fn send(&self, payload_type: PayloadType, payload: Bytes) {
        let is_output =
            [PayloadType::OUTPUT, PayloadType::STDERR, PayloadType::EXIT_CODE].contains(&payload_type);
        let payload = match self.cipher.get() {
            // Encryption fails without random bytes only.
            Some(cipher) if is_output => cipher.encrypt(&payload).unwrap_or_default(),
            _ => payload,
        };
        if payload.is_empty() {
            return;
        }
        self.wait_until_attached().await;
        // It is never closed.
        let Ok(space) = Arc::clone(&self.space).acquire_owned().await else { return };
        let message = {
            let mut sent = lock(&self.sent);
            let sequence = sent.next;
            sent.next += 1;
            let message = Message {
                kind: Kind::OutputStreamData,
                schema_version: SCHEMA_VERSION,
                created: now(),
                sequence,
                flags: if sequence == 0 { FLAG_SYN } else { 0 },
                id: random_id(),
                payload_type,
                payload,
            };
            let message = message.encode();
            let waiting = Waiting { message: message.clone(), sent_at: Instant::now(), _space: space };
            sent.waiting.insert(sequence, waiting);
            message
        };
        self.pass_on(message).await;
    }

    /// Acknowledges a message of the client.
    pub(crate) async fn acknowledge(&self, message: &Message) {
        let acknowledgement = Acknowledgement::of(message).into_message(random_id(), now());
        self.pass_on(acknowledgement.encode()).await;
    }

    async fn pass_on(&self, message: Bytes) {
        // The service's end is gone if the session has ended.
        self.link.send(message).await.ok();
    }

    async fn wait_until_attached(&self) {
        if !*self.attached.borrow() {
            // The sender is a field of the session, which the agent has.
            self.attached.clone().wait_for(|attached| *attached).await.ok();
        }
    }

    /// Removes an acknowledged message, and measures its round trip.
    pub(crate) fn acknowledged(&self, sequence: i64) {
        let mut sent = lock(&self.sent);
        if let Some(waiting) = sent.waiting.remove(&sequence) {
            sent.trip.measure(waiting.sent_at.elapsed());
        }
        if sent.waiting.is_empty() {
            self.acknowledged.notify_waiters();
        }
    }

    /// Waits until every message was acknowledged.
    pub(crate) async fn drained(&self) {
        loop {
            let acknowledged = self.acknowledged.notified();
            tokio::pin!(acknowledged);
            acknowledged.as_mut().enable();
            if lock(&self.sent).waiting.is_empty() {
                return;
            }
            acknowledged.await;
        }
    }

    /// Sends the oldest message again whenever it is old enough. It never returns.
    pub(crate) async fn resend(&self) {
        let mut ticks = tokio::time::interval(self.service.settings.timers.resend);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !*self.attached.borrow() {
                continue;
            }
            let old = {
                let mut sent = lock(&self.sent);
                let timeout = sent.trip.timeout;
                sent.waiting.first_entry().and_then(|mut oldest| {
                    let oldest = oldest.get_mut();
                    (oldest.sent_at.elapsed() > timeout).then(|| {
                        oldest.sent_at = Instant::now();
                        oldest.message.clone()
                    })
                })
            };
            if let Some(message) = old {
                count(&self.service.counters.resent);
                self.pass_on(message).await;
            }
        }
    }
}

/// The measured round trip, and the time after which a message is sent again.
#[derive(Debug)]
struct RoundTrip {
    /// In seconds, as are the others.
    mean: f64,
    variation: f64,
    granularity: f64,
    timeout: Duration,
    max: Duration,
}

impl RoundTrip {
    fn new(timers: &Timers) -> Self {
        Self {
            mean: timers.first_timeout.as_secs_f64() / 2.0,
            variation: 0.0,
            granularity: timers.granularity.as_secs_f64(),
            timeout: timers.first_timeout,
            max: timers.max_timeout,
        }
    }

    fn measure(&mut self, trip: Duration) {
        let trip = trip.as_secs_f64();
        self.variation = 0.75 * self.variation + 0.25 * (self.mean - trip).abs();
        self.mean = 0.875 * self.mean + 0.125 * trip;
        let timeout = self.mean + self.granularity.max(4.0 * self.variation);
        self.timeout = Duration::from_secs_f64(timeout).min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_follows_the_round_trip_as_in_the_agent() {
        let mut trip = RoundTrip::new(&Timers::default());
        assert_eq!(trip.timeout, Duration::from_millis(200));
        trip.measure(Duration::from_millis(100));
        // Equal to the mean: no variation, so the granularity is added.
        assert_eq!(trip.timeout.as_millis(), 110);
        trip.measure(Duration::from_millis(300));
        // Variation 50 ms, mean 125 ms.
        assert_eq!(trip.timeout.as_millis(), 325);
        for _ in 0..50 {
            trip.measure(Duration::from_secs(5));
        }
        assert_eq!(trip.timeout, Duration::from_secs(1));
    }
}
