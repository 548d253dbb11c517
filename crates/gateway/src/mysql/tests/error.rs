use std::io;

use super::endpoint;
use crate::Failure;
use crate::mysql::ErrorPacket;
use rds_iam_token::ServerCode;

fn refused(packet: &[u8]) -> Failure {
    let error = ErrorPacket::parse(packet).unwrap();
    let code = ServerCode::MySql(error.code());
    Failure::Refused { endpoint: endpoint(), code, message: error.message().into(), packet: packet.to_vec() }
}

#[test]
fn a_refusal_keeps_the_servers_number_and_text_and_gains_help() {
    let packet = b"\xff\x15\x04#28000Access denied for user 'ada'@'10.0.0.1' (using password: YES)";
    let error = ErrorPacket::from_failure(&refused(packet));
    assert_eq!((error.code(), &error.state()), (1045, b"28000"));
    assert_eq!(
        error.message(),
        "Access denied for user 'ada'@'10.0.0.1' (using password: YES) (help: allow the caller rds-db:connect on \
         dbuser:RESOURCE-ID/USER, and check that the user is IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS')"
    );
}

#[test]
fn an_error_before_the_greeting_has_no_sqlstate() {
    let error = ErrorPacket::parse(b"\xff\x10\x04Too many connections").unwrap();
    assert_eq!((error.code(), &error.state(), error.message()), (1040, b"HY000", "Too many connections"));
    assert_eq!(error.payload_before_greeting(), b"\xff\x10\x04Too many connections");
    assert_eq!(error.payload(), b"\xff\x10\x04#HY000Too many connections");
}

#[test]
fn a_failure_is_one_line_with_its_cause_and_help() {
    let source = io::Error::other("connection refused\nby the port");
    let error = ErrorPacket::from_failure(&Failure::Unreachable { dialled: endpoint(), source });
    assert_eq!(error.code(), 1158);
    assert_eq!(
        error.message(),
        "the database at db.example.com:3306 could not be reached: connection refused\\nby the port (help: check the \
         address and the security group. A private database needs --via INSTANCE, or ?dial=HOST:PORT; a tunnel's own \
         messages name its cause)"
    );
}

#[test]
fn a_long_message_ends_at_the_511_bytes_that_clients_show() {
    let error = ErrorPacket::new(1105, *b"HY000", &"ä".repeat(400));
    assert!(error.message().len() <= 511 && error.message().ends_with("ä…"), "{error:?}");
}

#[test]
fn other_packets_are_no_errors() {
    for payload in [&b""[..], b"\xff", b"\xff\x15", b"\0\0\0", b"\xff\x15\x04#280"] {
        assert_eq!(ErrorPacket::parse(payload), None, "{payload:?}");
    }
}
