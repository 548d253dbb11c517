//! Both ends of a reliable stream, and a network between them that the input controls.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rds_iam_tunnel::message::{Kind, Message, PayloadType};
use rds_iam_tunnel::reliable::{Receipt, Receiver, Sender};
use uuid::Uuid;

/// The most messages of one input.
const MESSAGES: u32 = 2000;

struct Link {
    now: Instant,
    sender: Sender,
    receiver: Receiver,
    sent: u32,
    arrived: u32,
    acknowledged: HashSet<i64>,
    messages: VecDeque<Bytes>,
    acknowledgements: VecDeque<i64>,
}

/// Runs the commands in the bytes, and then a network without faults until all messages have arrived.
///
/// # Panics
/// If a message is lost, repeated, out of order or sent again after its acknowledgement, the timeout is not in the
/// future, or the sender keeps more than it needs.
pub fn reliable(data: &[u8]) {
    let mut link = Link {
        now: Instant::now(),
        sender: Sender::new(Kind::InputStreamData),
        receiver: Receiver::default(),
        sent: 0,
        arrived: 0,
        acknowledged: HashSet::new(),
        messages: VecDeque::new(),
        acknowledgements: VecDeque::new(),
    };
    for command in data {
        let argument = u32::from(command >> 3);
        match command & 7 {
            0 => link.send(argument + 1),
            1 => (0..=argument).for_each(|_| link.deliver()),
            2 => (0..=argument).for_each(|_| link.acknowledge()),
            3 => link.messages.truncate(link.messages.len().saturating_sub(argument as usize)),
            4 => drop(link.acknowledgements.pop_front()),
            5 => link.reorder(argument as usize),
            6 => link.advance(Duration::from_millis(u64::from(argument) * u64::from(argument))),
            _ if argument % 4 == 0 => link.reconnect(),
            _ if argument % 4 == 1 => link.sender.pause(),
            _ => link.sender.resume(),
        }
    }
    link.finish();
}

impl Link {
    fn send(&mut self, count: u32) {
        for _ in 0..count {
            if !self.sender.has_room() || self.sent >= MESSAGES {
                return;
            }
            let payload = Bytes::copy_from_slice(&self.sent.to_be_bytes());
            self.sent += 1;
            self.messages.push_back(self.sender.send(PayloadType::OUTPUT, payload, Uuid::nil(), 1, self.now));
        }
    }

    fn deliver(&mut self) {
        let Some(bytes) = self.messages.pop_front() else { return };
        let message = Message::decode(&bytes).expect("a message of the sender");
        let sequence = message.sequence;
        assert_eq!(self.receiver.receive(message), Receipt::Acknowledge);
        self.acknowledgements.push_back(sequence);
        for message in self.receiver.by_ref() {
            assert_eq!(&message.payload[..], self.arrived.to_be_bytes(), "out of order");
            self.arrived += 1;
        }
    }

    fn acknowledge(&mut self) {
        let Some(sequence) = self.acknowledgements.pop_front() else { return };
        self.sender.acknowledge(sequence, self.now);
        self.acknowledged.insert(sequence);
        assert!(self.sender.is_acknowledged(sequence));
    }

    /// Moves the newest message or acknowledgement forward, and repeats it.
    fn reorder(&mut self, places: usize) {
        if let Some(message) = self.messages.back().cloned() {
            self.messages.insert(self.messages.len().saturating_sub(places), message);
        }
        if let Some(sequence) = self.acknowledgements.back().copied() {
            let place = self.acknowledgements.len().saturating_sub(places);
            self.acknowledgements.insert(place, sequence);
        }
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.resend();
    }

    fn reconnect(&mut self) {
        self.messages.clear();
        self.acknowledgements.clear();
        self.sender.reconnected(self.now);
        self.resend();
    }

    fn resend(&mut self) {
        let mut count = 0;
        while let Some(bytes) = self.sender.poll_resend(self.now) {
            let sequence = Message::decode(&bytes).expect("a message of the sender").sequence;
            assert!(!self.acknowledged.contains(&sequence), "an acknowledged message is sent again");
            self.messages.push_back(bytes);
            count += 1;
            assert!(count <= MESSAGES, "one call sends again without end");
        }
        if let Some(next) = self.sender.next_timeout() {
            assert!(next > self.now, "the task would not sleep");
        }
        // A message, its timer, and its number if it is to be sent again.
        assert!(self.sender.kept() <= 3 * self.sent as usize, "more is kept than was sent");
    }

    fn finish(&mut self) {
        self.sender.resume();
        let mut rounds = 0;
        while self.arrived < self.sent || !self.sender.is_idle() {
            self.resend();
            while !self.messages.is_empty() || !self.acknowledgements.is_empty() {
                self.deliver();
                self.acknowledge();
            }
            if let Some(next) = self.sender.next_timeout() {
                self.now = next;
            }
            rounds += 1;
            assert!(rounds < 10_000, "messages do not arrive");
        }
        let left = (self.sender.next_timeout(), self.sender.kept());
        assert_eq!((self.arrived, left), (self.sent, (None, 0)));
    }
}
