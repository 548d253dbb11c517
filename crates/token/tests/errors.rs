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
    for (code, kind) in [
        ("28P01", ErrorKind::Denied),
        ("28000", ErrorKind::Denied),
        ("3D000", ErrorKind::Configuration),
        ("53300", ErrorKind::Throttled),
        ("57P01", ErrorKind::Unreachable),
        ("25006", ErrorKind::ReadOnly),
        ("42601", ErrorKind::Other),
    ] {
        assert_eq!(sqlstate(code).kind(), kind, "{code}");
    }
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
