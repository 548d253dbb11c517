//! Endpoint, DNS, port and TLS.

use rds_iam_infra::Engine;

use super::{HOST, PROXY, assert_fault, failure, healthy, outcome, refused, status};
use crate::commands::doctor::facts::{Facts, TlsError};
use crate::commands::doctor::outcome::Outcome;

#[test]
fn a_region_that_is_not_the_host_s() {
    assert_fault(
        healthy,
        |facts| facts.region = Some("us-east-1".parse().unwrap()),
        "endpoint",
        ["the region is us-east-1, but", "--region eu-west-1"],
    );
    let unknown = |facts: &mut Facts| facts.endpoint = "db.example.com:3306".parse().unwrap();
    assert_fault(healthy, unknown, "endpoint", ["the region is unknown", "--region"]);
}

#[test]
fn a_cname_that_is_signed() {
    let alias = |facts: &mut Facts| {
        facts.endpoint = "db.example.com:3306".parse().unwrap();
        facts.region = Some("eu-west-1".parse().unwrap());
        facts.canonical_name = Some(HOST.to_owned());
    };
    let fix = "@orders.c0ffee.eu-west-1.rds.amazonaws.com:3306/orders --dial db.example.com:3306";
    assert_fault(healthy, alias, "endpoint", ["db.example.com is an alias of orders.c0ffee", fix]);
    let mut facts = healthy(Engine::MySql);
    alias(&mut facts);
    assert!(!facts.may_log_in(), "a token for an alias is not sent");
}

#[test]
fn a_name_that_is_not_aws_s_is_judged_by_the_server_s_answer() {
    let other = |facts: &mut Facts| {
        facts.endpoint = "db.example.com:3306".parse().unwrap();
        facts.region = Some("eu-west-1".parse().unwrap());
    };
    let cause = "db.example.com is not a name of AWS, and the server refused a token";
    assert_fault(refused, other, "endpoint", [cause, "--dial db.example.com:3306"]);
    let mut facts = healthy(Engine::MySql);
    other(&mut facts);
    let endpoint = "db.example.com:3306, eu-west-1; not a name of AWS";
    assert_eq!(outcome(&facts, "endpoint"), Outcome::ok(endpoint));
    facts.login = None;
    let condition = format!("{endpoint}: if this is RDS, it accepts no token for it");
    assert_eq!(outcome(&facts, "endpoint"), Outcome::ok(condition));
}

#[test]
fn dns_that_fails_and_a_closed_port() {
    let no_name = |facts: &mut Facts| facts.addresses = Some(Err("not known".to_owned()));
    assert_fault(healthy, no_name, "dns", ["no address for orders.c0ffee", "enableDnsSupport"]);
    let closed = |facts: &mut Facts| facts.port = Some(Err("refused".to_owned()));
    assert_fault(healthy, closed, "port", ["no TCP connection to orders.c0ffee", "let the database's"]);
    let tunnel = |facts: &mut Facts| {
        closed(facts);
        facts.dial = Some("127.0.0.1:15432".parse().unwrap());
    };
    let fix = "check that the tunnel listens at 127.0.0.1:15432";
    assert_fault(healthy, tunnel, "port", ["no TCP connection to 127.0.0.1:15432", fix]);
}

#[test]
fn a_certificate_that_can_not_be_verified() {
    let other = |facts: &mut Facts| {
        facts.tls = Some(Err(TlsError::OtherName(vec!["other.example.com".to_owned()])));
    };
    assert_fault(healthy, other, "tls", ["is for other.example.com, and not for", "the endpoint"]);
    let unknown = |facts: &mut Facts| facts.tls = Some(Err(TlsError::UnknownAuthority));
    assert_fault(healthy, unknown, "tls", ["not among the trust roots", "--ca-bundle"]);
    let plain = |facts: &mut Facts| facts.tls = Some(Err(TlsError::NotOffered));
    assert_fault(healthy, plain, "tls", ["no TLS", "enable TLS"]);
}

#[test]
fn the_system_s_roots_are_never_right_for_psql() {
    let mut facts = healthy(Engine::Postgres);
    facts.environment.system_roots = true;
    let (step, cause, fix) = failure(&facts);
    assert_eq!(step, "tls");
    assert!(cause.contains("sslrootcert=system"), "{cause}");
    assert!(fix.contains("unset PGSSLROOTCERT"), "{fix}");
    // Those of a proxy are among the system's, and no client of MySQL reads the variable.
    facts.endpoint = format!("{PROXY}:5432").parse().unwrap();
    assert_eq!(status(&facts), 0);
    facts.endpoint = format!("{HOST}:3306").parse().unwrap();
    facts.engine = Engine::MySql;
    assert_eq!(status(&facts), 0);
}
