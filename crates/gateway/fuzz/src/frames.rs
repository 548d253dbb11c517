//! The headers after the login: however the bytes are split, the decisions are those of a model that reads them whole.

use std::cell::RefCell;

use rds_iam_gateway::postgres::Observer;
use rds_iam_gateway::{Followed, Frames, mysql, postgres};

/// The bytes of a header that have been forwarded before the message is refused, at most.
pub(crate) const HEADER: usize = 5;

/// COM_CHANGE_USER, the command that is refused.
const COM_CHANGE_USER: u8 = 0x11;

/// The decisions about a direction.
#[derive(Debug, Default, PartialEq, Eq)]
struct Decisions {
    /// The first byte and the length of each message that is observed, and its first bytes.
    observed: Vec<(u8, usize, Vec<u8>)>,
    /// The beginning of the refused message.
    refused_at: Option<usize>,
    is_between: bool,
}

/// The result of [`follow`].
pub(crate) struct Follow {
    /// The number of bytes that are forwarded.
    pub(crate) forwarded: usize,
    pub(crate) is_refused: bool,
    pub(crate) is_between: bool,
}

/// Follows pieces up to a refusal.
pub(crate) fn follow<'a>(frames: &mut impl Frames, pieces: impl Iterator<Item = &'a [u8]>) -> Follow {
    let (mut forwarded, mut is_refused) = (0, false);
    for piece in pieces {
        match frames.follow(piece) {
            Followed::Forward => forwarded += piece.len(),
            Followed::Refuse { forward, .. } => {
                assert!(forward <= piece.len(), "{forward} of {} bytes are forwarded", piece.len());
                forwarded += forward;
                is_refused = true;
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    Follow { forwarded, is_refused, is_between: frames.is_between_messages() }
}

/// Splits `bytes` into pieces, whose sizes are `sizes` in turn.
fn pieces<'a>(mut bytes: &'a [u8], sizes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        let size = sizes.next().map_or(1, |size| usize::from(*size) + 1);
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Checks that the decisions are those of the model, for the bytes as a whole, byte by byte, and in pieces.
fn check(
    data: &[u8],
    model: &Decisions,
    decide: impl Fn(&mut dyn Iterator<Item = &[u8]>) -> (Decisions, usize),
) {
    let (sizes, bytes) = data.split_at(data.len().min(SIZES));
    for pieces in [
        &mut std::iter::once(bytes) as &mut dyn Iterator<Item = &[u8]>,
        &mut bytes.chunks(1),
        &mut pieces(bytes, sizes),
    ] {
        let (decisions, forwarded) = decide(pieces);
        let expected = model.refused_at.unwrap_or(bytes.len());
        assert!((expected..expected + HEADER).contains(&forwarded), "{forwarded} bytes, not {expected}");
        assert!(model.refused_at.is_some() || forwarded == bytes.len());
        assert_eq!(
            (&decisions.observed, decisions.refused_at.is_some()),
            (&model.observed, model.refused_at.is_some())
        );
        assert!(model.refused_at.is_some() || decisions.is_between == model.is_between);
    }
}

/// The number of bytes at the beginning of an input that are sizes.
const SIZES: usize = 4;

/// Follows the headers of MySQL's packets in the bytes after the first four, which are the sizes of pieces.
///
/// # Panics
/// If the decisions depend on the pieces, or are others than a model's.
pub fn mysql_frames(data: &[u8]) {
    let bytes = data.get(SIZES..).unwrap_or_default();
    check(data, &mysql_commands(bytes), |pieces| {
        let observed = RefCell::new(Vec::new());
        let mut frames = mysql::ClientFrames::with_observer(|command| {
            assert!(command.head.len() < command.length.min(65), "{command:?}");
            let answer = mysql::refuse_change_user(command);
            if answer.is_none() {
                observed.borrow_mut().push((command.byte, command.length, Vec::new()));
            }
            answer
        });
        let Follow { forwarded, is_refused, is_between } = follow(&mut frames, pieces);
        let refused_at = is_refused.then_some(forwarded);
        (Decisions { observed: observed.into_inner(), refused_at, is_between }, forwarded)
    });
    let is_between = mysql_packets(bytes).1;
    let mut next = None;
    check(data, &Decisions { is_between, ..Decisions::default() }, |pieces| {
        let mut frames = mysql::ServerFrames::new();
        let Follow { forwarded, is_refused, is_between } = follow(&mut frames, pieces);
        let refused_at = is_refused.then_some(forwarded);
        (Decisions { observed: Vec::new(), refused_at, is_between }, forwarded)
    });
    for pieces in [bytes.len().max(1), 1] {
        let mut frames = mysql::ServerFrames::new();
        follow(&mut frames, bytes.chunks(pieces));
        let sequence = *next.get_or_insert(frames.next_sequence());
        assert_eq!(sequence, frames.next_sequence());
    }
}

/// Returns the packets whose headers are in `bytes`, each with the offset of its header, its length and its sequence
/// number, and whether the last one is complete.
fn mysql_packets(bytes: &[u8]) -> (Vec<(usize, usize, u8)>, bool) {
    let (mut packets, mut at, mut is_continued) = (Vec::new(), 0, false);
    while let Some(&[a, b, c, sequence]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        packets.push((at, length, sequence));
        is_continued = length == 0xff_ffff;
        at += 4 + length;
    }
    (packets, at == bytes.len() && !is_continued)
}

/// The model of a client's packets.
fn mysql_commands(bytes: &[u8]) -> Decisions {
    let (packets, is_complete) = mysql_packets(bytes);
    let mut decisions = Decisions::default();
    let (mut is_file, mut continues) = (false, false);
    for (at, length, sequence) in packets {
        let is_part = std::mem::replace(&mut continues, length == 0xff_ffff);
        if is_part {
            continue;
        }
        if is_file || sequence != 0 {
            is_file = length > 0;
        } else if let (Some(&byte), true) = (bytes.get(at + 4), length > 0) {
            if byte == COM_CHANGE_USER {
                decisions.refused_at = Some(at);
                return decisions;
            }
            decisions.observed.push((byte, length, Vec::new()));
        }
    }
    decisions.is_between = is_complete && !is_file;
    decisions
}

/// The most bytes that an observer gets.
const START: usize = 64;

#[derive(Default)]
struct Observed(Vec<(u8, usize, Vec<u8>)>);

impl Observer for Observed {
    const START: usize = START;

    fn observe(&mut self, tag: u8, length: usize, start: &[u8]) -> Option<Vec<u8>> {
        self.0.push((tag, length, start.to_vec()));
        None
    }
}

/// Follows the headers of PostgreSQL's messages in the bytes after the first four, which are the sizes of pieces.
///
/// # Panics
/// If the decisions depend on the pieces, or are others than a model's.
pub fn postgres_frames(data: &[u8]) {
    let model = postgres_messages(data.get(SIZES..).unwrap_or_default());
    macro_rules! check {
        ($frames:ty) => {
            check(data, &model, |pieces| {
                let mut frames = <$frames>::new(Observed::default());
                let Follow { forwarded, is_refused, is_between } = follow(&mut frames, pieces);
                let refused_at = is_refused.then_some(forwarded);
                let observed = std::mem::take(&mut frames.observer_mut().0);
                assert!(frames.observer().0.is_empty());
                (Decisions { observed, refused_at, is_between }, forwarded)
            });
        };
    }
    check!(postgres::ClientFrames<Observed>);
    check!(postgres::ServerFrames<Observed>);
}

/// The model of messages.
fn postgres_messages(bytes: &[u8]) -> Decisions {
    let (mut decisions, mut at) = (Decisions::default(), 0);
    while let Some(&[tag, a, b, c, d]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let length = i32::from_be_bytes([a, b, c, d]);
        let Some(length) = usize::try_from(length).ok().and_then(|length| length.checked_sub(4)) else {
            decisions.refused_at = Some(at);
            return decisions;
        };
        at += HEADER;
        let wanted = length.min(START);
        let Some(start) = bytes.get(at..at + wanted) else { return decisions };
        decisions.observed.push((tag, length, start.to_vec()));
        at += length;
    }
    decisions.is_between = at == bytes.len();
    decisions
}
