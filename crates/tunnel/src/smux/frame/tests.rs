use proptest::prelude::*;

use super::*;

/// Reads a byte stream that comes in `parts`, and joins the data of one stream that follows each other.
fn decode(parts: &[Vec<u8>]) -> Result<Vec<Event>, FrameError> {
    let mut decoder = Decoder::default();
    let mut events: Vec<Event> = Vec::new();
    for part in parts {
        let mut input = Bytes::copy_from_slice(part);
        while let Some(event) = decoder.next(&mut input)? {
            push(&mut events, event);
        }
        assert!(input.is_empty());
    }
    Ok(events)
}

/// Adds an event, or its data to that before it of the same stream.
fn push(events: &mut Vec<Event>, event: Event) {
    match (events.last_mut(), event) {
        (Some(Event::Data(before, data)), Event::Data(stream, more)) if *before == stream => {
            *data = [&data[..], &more[..]].concat().into();
        }
        (_, event) => events.push(event),
    }
}

#[test]
fn frames_have_the_documented_bytes() {
    let mut buffer = BytesMut::new();
    write_header(&mut buffer, Command::Syn, 3, 0);
    write_data(&mut buffer, 3, b"ab");
    write_header(&mut buffer, Command::Fin, 0x0102_0305, 0);
    write_header(&mut buffer, Command::Nop, 0, 0);
    let golden = [
        1, 0, 0, 0, 3, 0, 0, 0, //
        1, 2, 2, 0, 3, 0, 0, 0, b'a', b'b', //
        1, 1, 0, 0, 5, 3, 2, 1, //
        1, 3, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(buffer, golden.as_slice());
    let events = [
        Event::Opened(3),
        Event::Data(3, Bytes::from_static(b"ab")),
        Event::Closed(0x0102_0305),
        Event::KeepAlive,
    ];
    assert_eq!(decode(&[golden.to_vec()]), Ok(events.to_vec()));
}

#[test]
fn a_frame_of_65535_bytes_is_accepted_and_none_of_more_than_32768_is_sent() {
    let mut bytes = vec![1, 2, 0xff, 0xff, 3, 0, 0, 0];
    bytes.extend(vec![7; 65_535]);
    assert_eq!(decode(&[bytes]), Ok(vec![Event::Data(3, vec![7; 65_535].into())]));
    let mut buffer = BytesMut::new();
    write_data(&mut buffer, 3, &[7; 65_535]);
    assert_eq!(buffer.len(), 65_535 + 2 * HEADER);
}

#[test]
fn what_is_no_version_1_is_refused() {
    assert_eq!(decode(&[vec![2, 0, 0, 0, 3, 0, 0, 0]]), Err(FrameError::Version(2)));
    // UPD is in version 2 only.
    assert_eq!(decode(&[vec![1, 4, 8, 0, 3, 0, 0, 0]]), Err(FrameError::Command(4)));
    assert_eq!(decode(&[vec![1, 1, 1, 0, 3, 0, 0, 0]]), Err(FrameError::Length { length: 1 }));
}

fn any_event() -> impl Strategy<Value = Event> {
    let data = proptest::collection::vec(any::<u8>(), 1..3000);
    prop_oneof![
        any::<u32>().prop_map(Event::Opened),
        any::<u32>().prop_map(Event::Closed),
        (any::<u32>(), data).prop_map(|(stream, data)| Event::Data(stream, data.into())),
        Just(Event::KeepAlive),
    ]
}

proptest! {
    #[test]
    fn borders_of_parts_mean_nothing(
        events in proptest::collection::vec(any_event(), 0..20),
        cuts in proptest::collection::vec(1..2000_usize, 0..60),
    ) {
        let mut buffer = BytesMut::new();
        for event in &events {
            match event {
                Event::Opened(stream) => write_header(&mut buffer, Command::Syn, *stream, 0),
                Event::Closed(stream) => write_header(&mut buffer, Command::Fin, *stream, 0),
                Event::Data(stream, data) => write_data(&mut buffer, *stream, data),
                Event::KeepAlive => write_header(&mut buffer, Command::Nop, 0, 0),
            }
        }
        let mut parts = Vec::new();
        for cut in cuts {
            let length = cut.min(buffer.len());
            parts.push(buffer.split_to(length).to_vec());
        }
        parts.push(buffer.to_vec());
        let mut expected = Vec::new();
        events.into_iter().for_each(|event| push(&mut expected, event));
        prop_assert_eq!(decode(&parts), Ok(expected));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(decode(&[bytes]));
    }
}
