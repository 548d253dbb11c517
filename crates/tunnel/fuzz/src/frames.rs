//! The frames of streams.

use bytes::Bytes;
use rds_iam_tunnel::smux::frame::{Decoder, Event, HEADER};

/// The bytes at the beginning of an input that are sizes of pieces.
const SIZES: usize = 4;

/// The events up to an error, and whether there is one. Data that follows other data of its stream is joined.
type Events = (Vec<Event>, bool);

/// Reads the frames in the bytes after the first four, which are the sizes of pieces.
///
/// # Panics
/// If the events depend on the pieces, or data is lost.
pub fn frames(data: &[u8]) {
    let (sizes, bytes) = data.split_at(data.len().min(SIZES));
    let expected = expected(bytes);
    assert_eq!(read([bytes].into_iter()), expected);
    assert_eq!(read(bytes.chunks(1)), expected);
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    let pieces = std::iter::from_fn(|| {
        let size = sizes.next().map_or(1, |size| usize::from(*size) + 1);
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(read(pieces), expected);
}

/// Returns the events in the bytes, without the decoder.
fn expected(mut bytes: &[u8]) -> Events {
    let mut events = Vec::new();
    while let Some((header, mut rest)) = bytes.split_first_chunk::<HEADER>() {
        let [version, command, length @ .., a, b, c, d] = *header;
        let length = usize::from(u16::from_le_bytes(length));
        let stream = u32::from_le_bytes([a, b, c, d]);
        match (version, command, length) {
            (1, 0, 0) => events.push(Event::Opened(stream)),
            (1, 1, 0) => events.push(Event::Closed(stream)),
            (1, 2, _) => {
                let (data, after) = rest.split_at(length.min(rest.len()));
                join(&mut events, stream, data);
                rest = after;
            }
            (1, 3, 0) => events.push(Event::KeepAlive),
            _ => return (events, true),
        }
        bytes = rest;
    }
    (events, false)
}

/// Returns the events that the decoder reads from pieces of the bytes.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Events {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for piece in pieces {
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(Event::Data(stream, data))) => {
                    assert!(!data.is_empty());
                    join(&mut events, stream, &data);
                }
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return (events, true),
            }
        }
        assert!(input.is_empty(), "bytes are left");
    }
    (events, false)
}

/// Adds data, if there is any, to that before it of the same stream.
fn join(events: &mut Vec<Event>, stream: u32, more: &[u8]) {
    match events.last_mut() {
        _ if more.is_empty() => {}
        Some(Event::Data(before, data)) if *before == stream => *data = [&data[..], more].concat().into(),
        _ => events.push(Event::Data(stream, Bytes::copy_from_slice(more))),
    }
}
