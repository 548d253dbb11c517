use proptest::prelude::*;

use super::*;

fn message() -> Message {
    Message {
        kind: Kind::InputStreamData,
        schema_version: SCHEMA_VERSION,
        created: 0x0102_0304_0506,
        sequence: 7,
        flags: FLAG_SYN,
        id: Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
        payload_type: PayloadType::OUTPUT,
        payload: Bytes::from_static(b"abc"),
    }
}

/// The message above, written by hand from the table of the module.
fn golden() -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend([0, 0, 0, 116]);
    bytes.extend(b"input_stream_data               ");
    bytes.extend([0, 0, 0, 1]);
    bytes.extend([0, 0, 1, 2, 3, 4, 5, 6]);
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 7]);
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    bytes.extend([0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);
    bytes.extend([0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77]);
    // SHA-256 of "abc", from FIPS 180-2.
    bytes.extend([
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    ]);
    bytes.extend([
        0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    ]);
    bytes.extend([0, 0, 0, 1]);
    bytes.extend([0, 0, 0, 3]);
    bytes.extend(b"abc");
    bytes
}

fn decode(bytes: &[u8]) -> Result<Message, MessageError> {
    Message::decode(&Bytes::copy_from_slice(bytes))
}

#[test]
fn a_message_has_the_documented_bytes() {
    assert_eq!(message().encode(), golden());
    assert_eq!(decode(&golden()), Ok(message()));
}

#[test]
fn a_type_may_be_padded_with_nuls() {
    let mut bytes = golden();
    bytes[21..36].fill(0);
    assert_eq!(decode(&bytes), Ok(message()));
}

#[test]
fn a_type_must_be_a_name() {
    for wrong in [[b' '; 32], [0; 32], [0xff; 32], [b'\n'; 32]] {
        let mut bytes = golden();
        bytes[4..36].copy_from_slice(&wrong);
        assert_eq!(decode(&bytes), Err(MessageError::Kind));
    }
}

#[test]
fn a_header_beyond_the_message_is_refused() {
    for header in [0, 115, 120, 124, u32::MAX - 3, u32::MAX] {
        let mut bytes = golden();
        bytes[..4].copy_from_slice(&header.to_be_bytes());
        assert!(
            matches!(
                decode(&bytes),
                Err(MessageError::HeaderLength { .. }
                    | MessageError::PayloadLength { .. }
                    | MessageError::Short { .. })
            ),
            "{header}"
        );
    }
}

#[test]
fn a_longer_header_is_skipped() {
    let mut bytes = golden();
    bytes[3] = 118;
    bytes.splice(116..116, [9, 9]);
    assert_eq!(decode(&bytes), Ok(message()));
}

#[test]
fn a_header_of_more_than_1024_bytes_is_refused() {
    for (header, is_read) in [(1024, true), (1025, false), (1024 * 1024, false)] {
        let mut bytes = golden();
        bytes[..4].copy_from_slice(&(header as u32).to_be_bytes());
        bytes.splice(116..116, vec![0; header - 116]);
        assert_eq!(decode(&bytes).is_ok(), is_read, "{header}");
    }
}

#[test]
fn every_cut_is_refused() {
    let golden = golden();
    for length in 0..golden.len() {
        assert!(decode(&golden[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_changed_payload_is_refused() {
    let mut bytes = golden();
    bytes[120] = b'A';
    assert_eq!(decode(&bytes), Err(MessageError::Digest { sequence: 7 }));
}

#[test]
fn creation_and_digest_are_not_required_of_publication() {
    let mut message = message();
    message.kind = Kind::StartPublication;
    message.created = 0;
    let mut bytes = message.encode().to_vec();
    bytes[80] ^= 1;
    assert_eq!(decode(&bytes), Ok(message.clone()));
    message.kind = Kind::ChannelClosed;
    assert_eq!(Message::decode(&message.encode()), Err(MessageError::NoCreation));
}

#[test]
fn flags_are_four_bytes() {
    for flag in [Flag::DisconnectToPort, Flag::TerminateSession, Flag::ConnectToPortError] {
        assert_eq!(Flag::from_payload(&flag.to_payload()), Some(flag));
    }
    assert_eq!(Flag::TerminateSession.to_payload(), [0, 0, 0, 2].as_slice());
    for wrong in [&[][..], &[0, 0, 1], &[0, 0, 0, 4], &[0, 0, 0, 0, 1]] {
        assert_eq!(Flag::from_payload(wrong), None);
    }
}

prop_compose! {
    fn any_message()(
        kind in prop_oneof![
            Just(Kind::InputStreamData), Just(Kind::OutputStreamData), Just(Kind::Acknowledge),
            Just(Kind::ChannelClosed), Just(Kind::StartPublication), Just(Kind::PausePublication),
            Just(Kind::AgentSessionState), Just(Kind::Other("interactive_shell".to_owned())),
        ],
        created in 1..u64::MAX, sequence: i64, flags in 0..4_u64, id: u128, payload_type: u32,
        payload in proptest::collection::vec(any::<u8>(), 0..2000),
    ) -> Message {
        Message {
            kind, schema_version: SCHEMA_VERSION, created, sequence, flags,
            id: Uuid::from_u128(id), payload_type: PayloadType(payload_type), payload: payload.into(),
        }
    }
}

proptest! {
    #[test]
    fn any_message_is_read_as_it_was_written(message in any_message()) {
        prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn a_changed_byte_of_length_or_payload_is_refused(message in any_message(), at: usize, by in 1..=255_u8) {
        prop_assume!(!matches!(message.kind, Kind::StartPublication | Kind::PausePublication));
        let mut bytes = message.encode().to_vec();
        let at = 116 + at % (bytes.len() - 116);
        bytes[at] ^= by;
        prop_assert!(decode(&bytes).is_err());
    }
}
