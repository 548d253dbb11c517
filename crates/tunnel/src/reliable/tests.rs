//! Both ends over a network that loses, repeats and reorders messages and acknowledgements. Time is simulated.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::message::{Kind, Message, PayloadType};

const MS: Duration = Duration::from_millis(1);

fn send(sender: &mut Sender, payload: &[u8], now: Instant) -> Bytes {
    sender.send(PayloadType::OUTPUT, Bytes::copy_from_slice(payload), Uuid::nil(), 1, now)
}

fn sequence(bytes: &Bytes) -> i64 {
    Message::decode(bytes).unwrap().sequence
}

fn message(sequence: i64) -> Message {
    let mut sender = Sender::new(Kind::OutputStreamData);
    let mut message = Message::decode(&send(&mut sender, &[1], Instant::now())).unwrap();
    message.sequence = sequence;
    message
}

/// Returns the numbers of all messages that are sent again at a time.
fn resent(sender: &mut Sender, now: Instant) -> Vec<i64> {
    std::iter::from_fn(|| sender.poll_resend(now)).map(|bytes| sequence(&bytes)).collect()
}

#[test]
fn all_messages_whose_timeout_passed_are_sent_again_while_acknowledgements_come() {
    let start = Instant::now();
    let mut sender = Sender::new(Kind::InputStreamData);
    let first: Vec<_> = (0..5).map(|byte| send(&mut sender, &[byte], start)).collect();
    assert_eq!(sender.next_timeout(), Some(start + 200 * MS));
    assert_eq!(resent(&mut sender, start + 199 * MS), [0; 0]);
    sender.acknowledge(1, start + 100 * MS);
    assert_eq!(sender.next_timeout(), Some(start + 110 * MS));
    assert_eq!(sender.poll_resend(start + 110 * MS), Some(first[0].clone()), "unchanged, with the same id");
    assert_eq!(resent(&mut sender, start + 110 * MS), [2, 3, 4]);
    assert_eq!(sender.next_timeout(), Some(start + 220 * MS));
    sender.acknowledge(3, start + 120 * MS);
    assert!(sender.is_acknowledged(3) && !sender.is_acknowledged(2) && !sender.is_acknowledged(5));
    (0..5).for_each(|sequence| sender.acknowledge(sequence, start + 130 * MS));
    assert!(sender.is_idle() && sender.is_acknowledged(2));
    assert_eq!((sender.next_timeout(), sender.next_sequence()), (None, 5));
}

#[test]
fn a_receiver_that_acknowledges_nothing_gets_the_oldest_message_only() {
    let start = Instant::now();
    let mut sender = Sender::new(Kind::InputStreamData);
    let mut sent = 0;
    while sender.has_room() {
        send(&mut sender, &[0; 1024], start);
        sent += 1;
    }
    assert!((100..10_000).contains(&sent));
    let mut repeats = 0;
    let mut now = start + 10_000 * MS;
    let kept = sender.kept();
    for _ in 0..100 {
        let numbers = resent(&mut sender, now);
        assert_eq!(numbers, [0]);
        repeats += 1;
        let next = sender.next_timeout().unwrap();
        assert!(next > now);
        now = next;
    }
    assert_eq!((repeats, sender.kept()), (100, kept));
    // The receiver continues: all others follow.
    sender.acknowledge(0, now);
    assert_eq!(resent(&mut sender, now).len(), sent - 1);
}

#[test]
fn a_new_connection_gets_all_unacknowledged_messages_before_new_ones() {
    let start = Instant::now();
    let mut sender = Sender::new(Kind::InputStreamData);
    (0..4).for_each(|byte| drop(send(&mut sender, &[byte], start)));
    sender.acknowledge(0, start + MS);
    sender.acknowledge(2, start + MS);
    sender.reconnected(start + 2 * MS);
    assert!(!sender.has_room());
    assert_eq!(resent(&mut sender, start + 2 * MS), [1, 3]);
    assert!(sender.has_room());
    assert_eq!(sequence(&send(&mut sender, &[9], start + 2 * MS)), 4);
}

#[test]
fn a_paused_sender_sends_nothing() {
    let start = Instant::now();
    let mut sender = Sender::new(Kind::InputStreamData);
    send(&mut sender, &[1], start);
    sender.pause();
    assert!(!sender.has_room());
    assert_eq!((sender.poll_resend(start + 500 * MS), sender.next_timeout()), (None, None));
    sender.resume();
    assert!(sender.has_room() && sender.poll_resend(start + 500 * MS).is_some());
}

#[test]
fn the_first_message_of_an_agent_has_a_flag() {
    let flags = |kind| {
        let mut sender = Sender::new(kind);
        [0, 1].map(|_| Message::decode(&send(&mut sender, &[1], Instant::now())).unwrap().flags)
    };
    assert_eq!((flags(Kind::OutputStreamData), flags(Kind::InputStreamData)), ([1, 0], [0, 0]));
}

#[test]
fn duplicates_are_acknowledged_again_and_passed_on_once() {
    let mut receiver = Receiver::default();
    assert_eq!(receiver.receive(message(1)), Receipt::Acknowledge);
    assert_eq!(receiver.receive(message(1)), Receipt::Acknowledge);
    assert!(receiver.next().is_none());
    assert_eq!(receiver.receive(message(0)), Receipt::Acknowledge);
    let numbers: Vec<_> = std::iter::from_fn(|| receiver.next()).map(|message| message.sequence).collect();
    assert_eq!(numbers, [0, 1]);
    assert_eq!(receiver.receive(message(0)), Receipt::Acknowledge);
    assert!(receiver.next().is_none());
    assert_eq!((receiver.expected(), receiver.receive(message(-1))), (2, Receipt::Ignore));
}

#[test]
fn messages_that_cannot_be_kept_are_not_acknowledged() {
    let mut receiver = Receiver::default();
    let accepted = (1..20_000).take_while(|n| receiver.receive(message(*n)) == Receipt::Acknowledge).count();
    assert_eq!(accepted, 10_000);
    assert_eq!(receiver.receive(message(0)), Receipt::Acknowledge, "the expected message is always accepted");
    assert_eq!(std::iter::from_fn(|| receiver.next()).count(), 10_001);
}

#[test]
fn a_message_that_is_kept_out_of_order_keeps_its_payload_only() {
    let mut receiver = Receiver::default();
    let frame = Message { payload: Bytes::from(vec![0; 10]), ..message(1) }.encode();
    assert_eq!(receiver.receive(Message::decode(&frame).unwrap()), Receipt::Acknowledge);
    assert!(frame.is_unique(), "the frame is kept");
    receiver.receive(message(0));
    assert_eq!(receiver.last().unwrap().payload, [0; 10].as_slice());
}

#[derive(Clone, Debug)]
struct Network {
    /// In percent.
    lost: u32,
    repeated: u32,
    /// The delay of a message, in ms, is drawn from this many.
    delays: u64,
    /// The connection is lost when so many messages have passed.
    closes: Vec<usize>,
    seed: u64,
}

/// The time of arrival, a number for the order, and a message or the number of an acknowledged one.
type Flight = (Instant, u64, Result<Bytes, i64>);

/// Sends `total` messages over the network. Returns the numbers in the order in which they came, and the count of all
/// messages that were sent.
fn transfer(total: u32, network: &Network) -> (Vec<u32>, usize) {
    let mut random = fastrand::Rng::with_seed(network.seed);
    let mut sender = Sender::new(Kind::InputStreamData);
    let mut receiver = Receiver::default();
    let (mut now, mut tick, mut sent, mut new) = (Instant::now(), 0_u64, 0_usize, 0_u32);
    let mut closes = network.closes.clone();
    let mut arrived = Vec::new();
    // Messages to the receiver, and numbers of acknowledgements to the sender, by the time of arrival.
    let mut flying: BinaryHeap<Reverse<Flight>> = BinaryHeap::new();
    let mut transmit = |flying: &mut BinaryHeap<_>, what: Result<Bytes, i64>, now: Instant| {
        let copies =
            u32::from(random.u32(0..100) >= network.lost) + u32::from(random.u32(0..100) < network.repeated);
        for _ in 0..copies {
            tick += 1;
            let delay = MS + random.u64(0..=network.delays) as u32 * MS;
            flying.push(Reverse((now + delay, tick, what.clone())));
        }
    };
    while arrived.len() < total as usize || !sender.is_idle() {
        while let Some(bytes) = sender.poll_resend(now) {
            sent += 1;
            transmit(&mut flying, Ok(bytes), now);
        }
        while new < total && sender.has_room() {
            let bytes = send(&mut sender, &new.to_be_bytes(), now);
            (new, sent) = (new + 1, sent + 1);
            transmit(&mut flying, Ok(bytes), now);
        }
        if closes.first().is_some_and(|after| sent >= *after) {
            closes.remove(0);
            flying.clear();
            sender.reconnected(now);
            continue;
        }
        let arrival = flying.peek().map(|Reverse((at, ..))| *at);
        now = arrival.into_iter().chain(sender.next_timeout()).min().expect("something is always expected");
        while flying.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            match flying.pop().unwrap().0.2 {
                Ok(bytes) => {
                    let message = Message::decode(&bytes).unwrap();
                    let number = message.sequence;
                    if receiver.receive(message) == Receipt::Acknowledge {
                        transmit(&mut flying, Err(number), now);
                    }
                    for message in receiver.by_ref() {
                        arrived.push(u32::from_be_bytes(message.payload[..].try_into().unwrap()));
                    }
                }
                Err(number) => sender.acknowledge(number, now),
            }
        }
        assert!(sent < 1000 * total as usize + 1000, "messages are sent again without end");
    }
    (arrived, sent)
}

#[test]
fn without_loss_nothing_is_sent_twice() {
    let network = Network { lost: 0, repeated: 0, delays: 5, closes: Vec::new(), seed: 1 };
    let (arrived, sent) = transfer(20_000, &network);
    assert_eq!((arrived.len(), sent), (20_000, 20_000));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_message_arrives_once_and_in_order(
        total in 1..2000_u32, lost in 0..40_u32, repeated in 0..40_u32, delays in 0..300_u64,
        closes in proptest::collection::vec(0..3000_usize, 0..5), seed: u64,
    ) {
        let network = Network { lost, repeated, delays, closes, seed };
        let (arrived, _) = transfer(total, &network);
        prop_assert_eq!(arrived, (0..total).collect::<Vec<_>>());
    }
}

/// Sends messages to a receiver that processes one each millisecond. Returns how many were sent, again or not, and the
/// most that waited.
fn transfer_to_slow_receiver(total: usize) -> (usize, usize) {
    let start = Instant::now();
    let mut sender = Sender::new(Kind::InputStreamData);
    let (mut sent, mut new, mut most) = (0, 0, 0);
    let mut queue = std::collections::VecDeque::new();
    let mut now = start;
    while new < total || !sender.is_idle() {
        while let Some(bytes) = sender.poll_resend(now) {
            queue.push_back(sequence(&bytes));
            sent += 1;
        }
        while new < total && sender.has_room() {
            queue.push_back(sequence(&send(&mut sender, &[0], now)));
            (new, sent) = (new + 1, sent + 1);
        }
        most = most.max(queue.len());
        now += MS;
        if let Some(number) = queue.pop_front() {
            sender.acknowledge(number, now);
        }
    }
    (sent, most)
}

#[test]
fn a_slow_receiver_is_not_flooded() {
    let (sent, most) = transfer_to_slow_receiver(50_000);
    assert!(sent < 51_000, "{sent} messages were sent for 50,000");
    assert!(most < 2000, "{most} messages waited");
}
