//! Credentials, the clock, and what AWS says of policy, proxy and instance.

use std::time::Duration;

use rds_iam_deploy::behind::Behind;
use rds_iam_infra::Engine;
use rds_iam_infra::arn::ResourceKind;

use super::{ID, PROXY, assert_fault, caller, healthy, now, outcome, refused};
use crate::commands::doctor::facts::{CallerError, Credentials, Environment, Facts, Login, Policy};
use crate::commands::doctor::outcome::Outcome;

#[test]
fn no_credentials() {
    assert_fault(
        healthy,
        |facts| facts.credentials = Credentials::None("nowhere".to_owned()),
        "credentials",
        ["no AWS credentials were found", "aws sso login"],
    );
}

#[test]
fn an_expired_session() {
    let ended = |facts: &mut Facts| {
        let expires_at = Some(now() - Duration::from_secs(600));
        facts.credentials = Credentials::Found { key_id: "ASIAEXAMPLE".to_owned(), expires_at };
    };
    assert_fault(healthy, ended, "credentials", ["ended at 2025-12-31T23:50:00Z", "aws sso login"]);
    // Keys in a file do not say when they end; STS does.
    let rejected = |facts: &mut Facts| {
        facts.caller = Some(Err(CallerError::Rejected { code: "ExpiredToken".to_owned() }));
    };
    assert_fault(refused, rejected, "credentials", ["has ended (ExpiredToken)", "aws sso login"]);
}

#[test]
fn an_execution_role_instead_of_the_task_role() {
    let execution = |facts: &mut Facts| {
        facts.caller = caller("arn:aws:sts::123456789012:assumed-role/ecsTaskExecutionRole/0a1b");
    };
    assert_fault(refused, execution, "credentials", ["is an execution role", "taskRoleArn"]);
    let machine = |facts: &mut Facts| {
        facts.environment = Environment { is_task: true, ..Environment::default() };
    };
    assert_fault(refused, machine, "credentials", ["has no task role", "taskRoleArn"]);
    let none = |facts: &mut Facts| {
        machine(facts);
        facts.credentials = Credentials::None("nowhere".to_owned());
    };
    assert_fault(healthy, none, "credentials", ["has no task role", "taskRoleArn"]);
}

#[test]
fn a_clock_that_is_off() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let ahead = |facts: &mut Facts| facts.aws_time = Some(Ok((now() - minutes(20), now())));
    assert_fault(healthy, ahead, "clock", ["20 minutes ahead of AWS's", "chronyc"]);
    let behind = |facts: &mut Facts| facts.aws_time = Some(Ok((now() + minutes(20), now())));
    assert_fault(healthy, behind, "clock", ["20 minutes behind AWS's", "chronyc"]);
    // STS refuses signatures by such a clock: the credentials are right.
    let rejected = |facts: &mut Facts| {
        ahead(facts);
        facts.caller = Some(Err(CallerError::Rejected { code: "SignatureDoesNotMatch".to_owned() }));
    };
    assert_fault(refused, rejected, "clock", ["20 minutes", "chronyc"]);
    let mut facts = healthy(Engine::MySql);
    assert_eq!(outcome(&facts, "clock"), Outcome::ok("agrees with AWS's clock"));
    facts.aws_time = Some(Ok((now() + minutes(5), now())));
    assert_eq!(outcome(&facts, "clock"), Outcome::ok("300 s behind AWS's"));
}

#[test]
fn a_policy_that_is_missing_or_has_a_name_in_place_of_the_id() {
    let statement = format!("arn:aws:rds-db:eu-west-1:123456789012:dbuser:{ID}/node_app");
    let lacking = |facts: &mut Facts| facts.policy = Some(Policy::Lacking);
    assert_fault(refused, lacking, "policy", ["orders-task/0a1b lacks rds-db:connect", &statement]);
    let name = |facts: &mut Facts| facts.policy = Some(Policy::NamesIdentifier("orders".to_owned()));
    assert_fault(refused, name, "policy", ["the name orders in place of the resource id", &statement]);
    // Without AWS, the statement is the fix of the login.
    let unknown = |facts: &mut Facts| facts.policy = Some(Policy::Unknown("--offline".to_owned()));
    assert_fault(refused, unknown, "login", ["refused the token", &statement]);
}

/// Returns what RDS says of the database, as the fields of a description.
fn behind(classes: &[&str], unavailable: &[&str]) -> Option<Result<Option<Behind>, String>> {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let mut behind = Behind::new(ResourceKind::Instance, "orders", ID);
    behind.classes = texts(classes);
    behind.unavailable_targets = texts(unavailable);
    Some(Ok(Some(behind)))
}

#[test]
fn a_proxy_without_an_available_target() {
    let proxy = |facts: &mut Facts| {
        facts.endpoint = format!("{PROXY}:{}", facts.engine.default_port()).parse().unwrap();
        facts.login = Some(Login::Failed("no answer within 10 s".to_owned()));
        facts.behind = behind(&[], &["orders is UNAVAILABLE, AUTH_FAILURE"]);
    };
    assert_fault(healthy, proxy, "target", ["orders is UNAVAILABLE, AUTH_FAILURE", "rds-db:connect"]);
    let available = |facts: &mut Facts| {
        proxy(facts);
        facts.behind = behind(&[], &[]);
    };
    assert_fault(healthy, available, "login", ["did not answer the token", "targets of a proxy"]);
}

#[test]
fn an_instance_class_that_is_too_small() {
    let small = |facts: &mut Facts| facts.behind = behind(&["db.t3.micro"], &[]);
    assert_fault(refused, small, "class", ["orders is a db.t3.micro", "modify-db-instance"]);
    let lacking = |facts: &mut Facts| {
        small(facts);
        facts.policy = Some(Policy::Lacking);
    };
    assert_fault(refused, lacking, "policy", ["lacks", "statement"]);
    let large = |facts: &mut Facts| facts.behind = behind(&["db.r6g.large"], &[]);
    assert_fault(refused, large, "login", ["refused the token", "iam-db-auth-error"]);
}
