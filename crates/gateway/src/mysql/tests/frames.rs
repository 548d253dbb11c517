use proptest::prelude::*;

use crate::mysql::packet::encode;
use crate::mysql::{ClientFrames, ErrorPacket, ServerFrames};
use crate::{Followed, Frames};

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    encode(sequence, payload).0
}

/// Returns the commands in `bytes`, which arrive in pieces of `size`.
fn commands(bytes: &[u8], size: usize) -> Vec<(u8, usize)> {
    let mut commands = Vec::new();
    let mut frames = ClientFrames::with_observer(|command| {
        commands.push((command.byte, command.length));
        None
    });
    for piece in bytes.chunks(size) {
        assert_eq!(frames.follow(piece), Followed::Forward);
    }
    assert!(frames.is_between_messages());
    commands
}

#[test]
fn commands_are_found_wherever_bytes_are_split() {
    let bytes = [packet(0, b"\x03SELECT 1"), packet(0, b"\x0e"), packet(0, &[0x16; 300])].concat();
    for size in 1..bytes.len() {
        assert_eq!(commands(&bytes, size), [(3, 9), (0x0e, 1), (0x16, 300)], "{size}");
    }
}

#[test]
fn an_observer_gets_the_first_64_bytes_of_the_command_alone() {
    let mut heads = Vec::new();
    let mut frames = ClientFrames::with_observer(|command| {
        heads.push(command.head.to_vec());
        None
    });
    let bytes = [packet(0, b"\x03ab"), packet(0, &[b'x'; 100])].concat();
    assert_eq!(frames.follow(&bytes), Followed::Forward);
    assert_eq!(heads, [b"ab".to_vec(), vec![b'x'; 64]]);
}

#[test]
fn a_file_is_no_command_even_after_its_sequence_wraps() {
    let mut bytes = packet(0, b"\x03LOAD DATA");
    // Each part looks like COM_CHANGE_USER; the parts 254 and 510 have the sequence number 0.
    for part in 0..600_u32 {
        bytes.extend(packet(part.wrapping_add(2) as u8, b"\x11"));
    }
    bytes.extend(packet(90, b""));
    bytes.extend(packet(0, b"\x01"));
    for size in [1, 3, 1000, bytes.len()] {
        assert_eq!(commands(&bytes, size), [(3, 10), (1, 1)], "{size}");
    }
    // An empty file is ended by its only packet.
    assert_eq!(commands(&[packet(2, b""), packet(0, b"\x01")].concat(), 7), [(1, 1)]);
}

#[test]
fn nothing_is_between_messages_within_a_packet_or_file() {
    let bytes = packet(0, b"\x03SELECT 1");
    let file = packet(2, b"row");
    let mut frames = ClientFrames::new();
    for end in 0..bytes.len() {
        assert_eq!(frames.is_between_messages(), end == 0, "{end}");
        assert_eq!(frames.follow(&bytes[end..=end]), Followed::Forward);
    }
    assert!(frames.is_between_messages());
    assert_eq!(frames.follow(&file), Followed::Forward);
    assert!(!frames.is_between_messages());
    assert_eq!(frames.follow(&packet(3, b"")), Followed::Forward);
    assert!(frames.is_between_messages());
}

/// Follows a payload of `length` bytes in pieces, without ever having all of it.
fn follow_payload(frames: &mut impl Frames, mut length: usize, byte: u8) {
    let piece = vec![byte; 1 << 20];
    while length > 0 {
        let size = length.min(piece.len());
        assert_eq!(frames.follow(&piece[..size]), Followed::Forward);
        length -= size;
    }
}

#[test]
fn a_command_over_16_mb_is_one_command() {
    let mut count = 0;
    let mut frames = ClientFrames::with_observer(|_| {
        count += 1;
        None
    });
    for (header, length) in
        [(b"\xff\xff\xff\0", 0xff_ffff), (b"\xff\xff\xff\x01", 0xff_ffff), (b"\0\0\0\x02", 0)]
    {
        assert_eq!(frames.follow(header), Followed::Forward);
        // The first byte of a continuation may be that of COM_CHANGE_USER.
        follow_payload(&mut frames, length, if header[3] == 0 { 3 } else { 0x11 });
        assert_eq!(frames.is_between_messages(), length == 0);
    }
    assert_eq!(frames.follow(&packet(0, b"\x0e")), Followed::Forward);
    assert_eq!(count, 2);
}

#[test]
fn the_empty_end_of_a_16_mb_part_does_not_end_a_file() {
    let mut frames = ClientFrames::new();
    assert_eq!(frames.follow(b"\xff\xff\xff\x02"), Followed::Forward);
    follow_payload(&mut frames, 0xff_ffff, 0x11);
    assert_eq!(frames.follow(b"\0\0\0\x03"), Followed::Forward);
    assert!(!frames.is_between_messages());
    // Sequence number 0, still in the file.
    assert_eq!(frames.follow(&packet(0, b"\x11")), Followed::Forward);
    assert_eq!(frames.follow(&packet(5, b"")), Followed::Forward);
    assert!(matches!(frames.follow(&packet(0, b"\x11")), Followed::Refuse { .. }));
}

#[test]
fn com_change_user_is_refused_with_a_reason_and_the_commands_before_it_are_forwarded() {
    let before = packet(0, b"\x0e");
    let bytes = [before.clone(), packet(0, b"\x11ada\0")].concat();
    for split in 0..=bytes.len() {
        let mut frames = ClientFrames::new();
        let mut forwarded = 0;
        for piece in [&bytes[..split], &bytes[split..]] {
            match frames.follow(piece) {
                Followed::Forward => forwarded += piece.len(),
                Followed::Refuse { forward, answer } => {
                    forwarded += forward;
                    assert_eq!(answer[3], 1);
                    let error = ErrorPacket::parse(&answer[4..]).unwrap();
                    assert_eq!(error.code(), 1047);
                    assert!(error.message().contains("COM_RESET_CONNECTION"), "{error:?}");
                    break;
                }
            }
        }
        // A header that arrived without its command has been forwarded: no command is complete after it.
        let header = (before.len()..=before.len() + 4).contains(&split).then_some(split);
        assert_eq!(forwarded, header.unwrap_or(before.len()), "{split}");
    }
}

#[test]
fn a_packet_can_be_inserted_between_those_of_a_server() {
    let mut frames = ServerFrames::new();
    let bytes = packet(254, b"row");
    for end in 0..bytes.len() {
        assert_eq!(frames.is_between_messages(), end == 0);
        assert_eq!(frames.follow(&bytes[end..=end]), Followed::Forward);
    }
    assert!(frames.is_between_messages());
    assert_eq!(frames.next_sequence(), 255);
    assert_eq!(frames.follow(b"\xff\xff\xff\0"), Followed::Forward);
    follow_payload(&mut frames, 0xff_ffff, 0);
    assert!(!frames.is_between_messages());
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_followed_alike_in_any_pieces(bytes: Vec<u8>, size in 1_usize..50) {
        let (mut whole, mut pieces) = (ServerFrames::new(), ServerFrames::new());
        prop_assert_eq!(whole.follow(&bytes), Followed::Forward);
        for piece in bytes.chunks(size) {
            prop_assert_eq!(pieces.follow(piece), Followed::Forward);
        }
        prop_assert_eq!(whole.is_between_messages(), pieces.is_between_messages());
        let mut client = ClientFrames::new();
        for piece in bytes.chunks(size) {
            if let Followed::Refuse { forward, .. } = client.follow(piece) {
                prop_assert!(forward <= piece.len());
                break;
            }
        }
    }
}
