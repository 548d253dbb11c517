//! The headers of the messages after the login.

use crate::postgres::frames::{ClientFrames, Observer, ServerFrames};
use crate::postgres::message::encode;
use crate::{Followed, Frames};

#[derive(Debug, Default, PartialEq)]
struct Seen(Vec<(u8, usize, Vec<u8>)>);

impl Observer for Seen {
    const START: usize = 64;

    fn observe(&mut self, tag: u8, length: usize, start: &[u8]) -> Option<Vec<u8>> {
        self.0.push((tag, length, start.to_vec()));
        None
    }
}

fn stream() -> (Vec<u8>, Seen) {
    let bodies: [(u8, Vec<u8>); 5] = [
        (b'Q', b"SET x TO 1\0".to_vec()),
        (b'S', vec![]),
        (b'd', vec![7; 200]),
        (b'Z', b"T".to_vec()),
        (b'X', vec![]),
    ];
    let bytes = bodies.iter().flat_map(|(tag, body)| encode(*tag, body)).collect();
    let seen = bodies.map(|(tag, body)| (tag, body.len(), body[..body.len().min(64)].to_vec()));
    (bytes, Seen(seen.to_vec()))
}

#[test]
fn headers_are_read_wherever_the_stream_is_split() {
    let (bytes, expected) = stream();
    for split in 0..=bytes.len() {
        let mut frames = ServerFrames::new(Seen::default());
        assert_eq!(frames.follow(&bytes[..split]), Followed::Forward);
        assert_eq!(frames.follow(&bytes[split..]), Followed::Forward);
        assert_eq!(frames.observer(), &expected, "split at {split}");
        assert!(frames.is_between_messages());
    }
    for size in 1..9 {
        let mut frames = ClientFrames::new(Seen::default());
        for chunk in bytes.chunks(size) {
            assert_eq!(frames.follow(chunk), Followed::Forward);
        }
        assert_eq!(frames.observer(), &expected, "chunks of {size}");
    }
}

#[test]
fn only_a_complete_message_is_an_end() {
    let message = encode(b'd', &[1; 70]);
    for end in 1..message.len() {
        let mut frames: ClientFrames = ClientFrames::new(());
        assert_eq!(frames.follow(&message[..end]), Followed::Forward);
        assert!(!frames.is_between_messages(), "after {end} bytes");
    }
}

#[test]
fn a_message_of_2_gb_passes_and_an_invalid_length_does_not() {
    let mut frames: ClientFrames = ClientFrames::new(());
    assert_eq!(frames.follow(&[b'd', 0x7f, 0xff, 0xff, 0xff, 1, 2]), Followed::Forward);
    for length in [[0, 0, 0, 3], [0, 0, 0, 0], [0x80, 0, 0, 0]] {
        let mut frames: ClientFrames = ClientFrames::new(());
        let bytes = [encode(b'S', b""), vec![b'Q'], length.to_vec(), vec![0; 9]].concat();
        let Followed::Refuse { forward, answer } = frames.follow(&bytes) else { panic!() };
        assert_eq!(forward, 5);
        assert_eq!(answer[0], b'E');
        assert!(answer.windows(6).any(|part| part == b"C08P01"));
    }
}

/// Ends a session at the client's Terminate.
struct Ending;

impl Observer for Ending {
    const START: usize = 0;

    fn observe(&mut self, tag: u8, _length: usize, _start: &[u8]) -> Option<Vec<u8>> {
        (tag == b'X').then(Vec::new)
    }
}

#[test]
fn a_message_that_the_observer_answers_is_not_forwarded() {
    let (bytes, _) = stream();
    let mut frames = ClientFrames::new(Ending);
    assert_eq!(frames.follow(&bytes), Followed::Refuse { forward: bytes.len() - 5, answer: Vec::new() });
}
