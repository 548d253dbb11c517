use proptest::prelude::*;

use super::run;
use crate::Failure;
use crate::mysql::packet::{encode, read, write};

#[test]
fn a_packet_is_read_to_its_last_byte_and_no_further() {
    let mut stream = &b"\x02\0\0\x07abNEXT"[..];
    let packet = run(read(&mut stream, 10)).unwrap().unwrap();
    assert_eq!((packet.sequence, packet.next_sequence(), &*packet.payload), (7, 8, &b"ab"[..]));
    assert_eq!(stream, b"NEXT");
}

#[test]
fn an_end_before_a_packet_is_none_and_within_one_an_error() {
    assert!(run(read(&mut &b""[..], 10)).unwrap().is_none());
    for cut in 1..6 {
        let error = run(read(&mut &b"\x02\0\0\0ab"[..cut], 10)).unwrap_err();
        assert!(matches!(error, Failure::Io(_)), "{cut}: {error:?}");
    }
}

#[test]
fn a_packet_over_the_limit_is_refused_by_its_header() {
    let error = run(read(&mut &b"\xff\xff\xff\0"[..], 1000)).unwrap_err();
    assert!(matches!(error, Failure::TooLong { length: 0xff_ffff }), "{error:?}");
    let error = run(read(&mut &b"\x0b\0\0\0"[..], 10)).unwrap_err();
    assert!(matches!(error, Failure::TooLong { length: 11 }), "{error:?}");
}

#[test]
fn payloads_of_16_mb_are_sent_in_parts_and_joined() {
    for length in [0xff_fffe, 0xff_ffff, 0x100_0000] {
        let payload = vec![7; length];
        let (bytes, next) = encode(255, &payload);
        assert_eq!(next, if length < 0xff_ffff { 0 } else { 1 });
        let packet = run(read(&mut &*bytes, length)).unwrap().unwrap();
        assert!(packet.payload == payload, "{length}");
        assert_eq!(packet.next_sequence(), next);
    }
}

#[test]
fn debug_shows_no_payload() {
    let packet = run(read(&mut &b"\x05\0\0\0token"[..], 10)).unwrap().unwrap();
    assert_eq!(format!("{packet:?}"), "Packet { sequence: 0, length: 5 }");
}

proptest! {
    #[test]
    fn what_is_written_is_read(payload: Vec<u8>, sequence: u8) {
        let mut bytes = Vec::new();
        let next = run(write(&mut bytes, sequence, &payload)).unwrap();
        let packet = run(read(&mut &*bytes, payload.len())).unwrap().unwrap();
        prop_assert_eq!(packet.next_sequence(), next);
        prop_assert_eq!(packet.payload, payload);
    }
}
