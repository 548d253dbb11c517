//! Tests of the kinds of server errors.

use std::collections::HashSet;

use rds_iam_token::{ErrorKind, ServerCode};

fn sqlstate(text: &str) -> ServerCode {
    ServerCode::from_sqlstate(text).unwrap()
}

#[test]
fn every_number_of_the_table_has_its_kind() {
    for (number, kind) in [
        (1045, ErrorKind::Denied),
        (1044, ErrorKind::Denied),
        (3955, ErrorKind::Denied),
        (3118, ErrorKind::Denied),
        (1410, ErrorKind::Denied),
        (1524, ErrorKind::Configuration),
        (1049, ErrorKind::Configuration),
        (1040, ErrorKind::Throttled),
        (9501, ErrorKind::Throttled),
        (1226, ErrorKind::Throttled),
        (1053, ErrorKind::Unreachable),
        (1159, ErrorKind::Unreachable),
        (1290, ErrorKind::ReadOnly),
        (1836, ErrorKind::ReadOnly),
        (3159, ErrorKind::Tls),
        (1792, ErrorKind::Other),
        (1064, ErrorKind::Other),
        (1129, ErrorKind::Other),
    ] {
        assert_eq!(ServerCode::MySql(number).kind(), kind, "{number}");
    }
}

#[test]
fn every_sqlstate_of_the_table_has_its_kind() {
    for (code, kind) in [
        ("28P01", ErrorKind::Denied),
        ("28000", ErrorKind::Denied),
        ("42501", ErrorKind::Denied),
        ("3D000", ErrorKind::Configuration),
        ("3F000", ErrorKind::Configuration),
        ("42P01", ErrorKind::Configuration),
        ("42704", ErrorKind::Configuration),
        ("57P04", ErrorKind::Configuration),
        ("53300", ErrorKind::Throttled),
        ("53400", ErrorKind::Throttled),
        ("53200", ErrorKind::Throttled),
        ("57P01", ErrorKind::Unreachable),
        ("57P02", ErrorKind::Unreachable),
        ("57P03", ErrorKind::Unreachable),
        ("57P05", ErrorKind::Unreachable),
        ("08004", ErrorKind::Unreachable),
        ("08006", ErrorKind::Unreachable),
        ("25006", ErrorKind::ReadOnly),
        ("0A000", ErrorKind::Other),
        ("23505", ErrorKind::Other),
        ("42601", ErrorKind::Other),
        ("57014", ErrorKind::Other),
    ] {
        assert_eq!(sqlstate(code).kind(), kind, "{code}");
    }
}

#[test]
fn one_refusal_may_be_that_of_a_server_that_restarts() {
    assert!(sqlstate("28000").is_ambiguous_refusal() && sqlstate("28000").is_login_refusal());
    for code in [sqlstate("28P01"), sqlstate("57P03"), ServerCode::MySql(1045)] {
        assert!(!code.is_ambiguous_refusal(), "{code}");
    }
}

#[test]
fn sqlstates_have_the_help_of_their_own() {
    for (code, part) in [
        ("25006", "writer's endpoint"),
        ("25006", "default_transaction_read_only"),
        ("3D000", "database does not exist"),
        ("3F000", "schema"),
        ("42704", "rds_iam"),
        ("53300", "200 new IAM connections"),
        ("57P03", "Try again"),
        ("57P05", "idle_session_timeout"),
    ] {
        let help = sqlstate(code).help().unwrap_or_else(|| panic!("{code}"));
        assert!(help.contains(part), "{code}: {help}");
    }
    assert_eq!(sqlstate("28000").help(), None);
}

#[test]
fn a_sqlstate_of_a_class_counts_as_its_class() {
    for code in ["08000", "08006", "08P01"] {
        assert_eq!(sqlstate(code).kind(), ErrorKind::Unreachable, "{code}");
    }
    assert_eq!(sqlstate("57014").kind(), ErrorKind::Other);
}

#[test]
fn a_text_that_is_no_sqlstate_is_refused() {
    for text in ["", "2800", "280000", "28 00", "2800é"] {
        assert_eq!(ServerCode::from_sqlstate(text), None, "{text}");
    }
}

#[test]
fn kinds_have_distinct_names() {
    let names: HashSet<_> = ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(names.len(), ErrorKind::ALL.len());
    assert_eq!(ErrorKind::ReadOnly.to_string(), "read-only");
}

#[test]
fn a_code_prints_as_the_server_has_it() {
    assert_eq!(ServerCode::MySql(1045).to_string(), "1045");
    assert_eq!(sqlstate("28P01").to_string(), "28P01");
    assert!(ServerCode::MySql(1524).help().unwrap().contains("AWSAuthenticationPlugin"));
    assert_eq!(ServerCode::MySql(1064).help(), None);
}
