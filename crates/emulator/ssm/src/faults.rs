//! The faults of the data channel, and the dice that decide about each message.

use std::time::Duration;

/// The faults of every data channel. The default has none.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the caller decides about each")]
pub struct Faults {
    /// The share of messages that are lost, in each direction, from 0.0 to 1.0.
    pub loss: f64,
    /// The share of messages that arrive twice, in each direction.
    pub repeat: f64,
    /// The share of messages that arrive after their successor, in each direction.
    pub reorder: f64,
    /// The seed of these decisions: the same seed and the same messages have the same faults.
    pub seed: u64,
    /// Closes each WebSocket after this many bytes, counted in both directions.
    pub close_after: Option<u64>,
    /// Closes each WebSocket after this time, instead of after [`Settings::connection_lifetime`].
    ///
    /// [`Settings::connection_lifetime`]: crate::Settings::connection_lifetime
    pub close_every: Option<Duration>,
    /// The most WebSockets that `close_after` and `close_every` close, counted from the call of
    /// [`Emulator::set_faults`](crate::Emulator::set_faults).
    pub closes: u32,
    /// How they are closed.
    pub close: Close,
    /// Neither reads nor writes, and answers no ping, as if the network had gone.
    pub silent: bool,
    /// Answers each new WebSocket with this, after its token was accepted.
    pub nonsense: Option<Nonsense>,
}

/// The way in which a WebSocket is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are these two")]
pub enum Close {
    /// A Close frame with code 1000. What was written before is still delivered.
    #[default]
    Frame,
    /// The end of the TCP connection, without a Close frame.
    Abrupt,
}

/// An answer that is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nonsense {
    /// An HTTP response with status 200 and a page, instead of the upgrade to a WebSocket.
    Page,
    /// A text message.
    Text,
    /// A binary message of random bytes, shorter than a header.
    Short,
    /// A binary message whose header length is larger than the message.
    HeaderLength,
    /// A message whose payload does not have its digest.
    Digest,
    /// A message of an unknown type.
    Type,
    /// A handshake request that is not JSON, and no other.
    Handshake,
    /// After the handshake, a frame of an unknown smux version in the stream.
    Smux,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            loss: 0.0,
            repeat: 0.0,
            reorder: 0.0,
            seed: 0,
            close_after: None,
            close_every: None,
            closes: u32::MAX,
            close: Close::Frame,
            silent: false,
            nonsense: None,
        }
    }
}

/// The fate of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    Lose,
    Repeat,
    /// Is kept until the next message has passed.
    Delay,
}

/// Decides about the messages of one direction.
#[derive(Debug)]
pub(crate) struct Dice(fastrand::Rng);

impl Dice {
    /// Returns the dice of a direction of the `connection`-th WebSocket: each has other faults.
    pub(crate) fn new(seed: u64, connection: u64, up: bool) -> Self {
        Self(fastrand::Rng::with_seed(seed ^ (connection << 1) ^ u64::from(up)))
    }

    pub(crate) fn decide(&mut self, faults: &Faults) -> Fate {
        let thrown = self.0.f64();
        if thrown < faults.loss {
            Fate::Lose
        } else if thrown < faults.loss + faults.repeat {
            Fate::Repeat
        } else if thrown < faults.loss + faults.repeat + faults.reorder {
            Fate::Delay
        } else {
            Fate::Pass
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(faults: &Faults, connection: u64) -> Vec<Fate> {
        let mut dice = Dice::new(faults.seed, connection, true);
        (0..10_000).map(|_| dice.decide(faults)).collect()
    }

    #[test]
    fn without_faults_every_message_passes() {
        assert!(fates(&Faults::default(), 1).iter().all(|fate| *fate == Fate::Pass));
    }

    #[test]
    fn a_seed_decides_and_the_rates_hold() {
        let faults = Faults { loss: 0.1, repeat: 0.2, reorder: 0.3, seed: 7, ..Faults::default() };
        let all = fates(&faults, 1);
        assert_eq!(all, fates(&faults, 1));
        assert_ne!(all, fates(&faults, 2));
        assert_ne!(all, fates(&Faults { seed: 8, ..faults }, 1));
        for (fate, expected) in [(Fate::Lose, 1_000), (Fate::Repeat, 2_000), (Fate::Delay, 3_000)] {
            let count = all.iter().filter(|one| **one == fate).count();
            assert!(count.abs_diff(expected) < 200, "{fate:?}: {count}");
        }
    }
}
