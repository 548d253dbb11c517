//! Tables of observations and judgements: one row for each fault, and one for none.

mod aws;
mod connection;
mod login;

use std::time::{Duration, SystemTime};

use rds_iam_deploy::whoami::Caller;
use rds_iam_infra::Engine;
use rds_iam_token::ServerCode;

use super::facts::{Asked, CallerError, Credentials, Environment, Facts, Login, Policy};
use super::outcome::Outcome;
use super::report;
use super::steps::judge;

const HOST: &str = "orders.c0ffee.eu-west-1.rds.amazonaws.com";
const PROXY: &str = "orders.proxy-c0ffee.eu-west-1.rds.amazonaws.com";
const ID: &str = "db-ABCDEFGHIJKLMNOPQRSTUVWX12";
const ROLE: &str = "arn:aws:sts::123456789012:assumed-role/orders-task/0a1b";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn caller(arn: &str) -> Option<Result<Caller, CallerError>> {
    Some(Ok(Caller::new("123456789012", arn)))
}

fn healthy(engine: Engine) -> Facts {
    Facts {
        engine,
        endpoint: format!("{HOST}:{}", engine.default_port()).parse().unwrap(),
        dial: None,
        user: "node_app".parse().unwrap(),
        database: Some("orders".to_owned()),
        region: None,
        offline: false,
        now: now(),
        environment: Environment::default(),
        credentials: Credentials::Found {
            key_id: "ASIAEXAMPLE".to_owned(),
            expires_at: Some(now() + Duration::from_secs(3600)),
        },
        caller: caller(ROLE),
        aws_time: Some(Ok((now(), now()))),
        canonical_name: None,
        addresses: Some(Ok(vec!["10.0.0.7".parse().unwrap()])),
        port: Some(Ok(())),
        tls: Some(Ok(())),
        token: Some(Ok(now() + Duration::from_secs(900))),
        asked: Some(Asked::Token),
        login: Some(Login::Accepted),
        behind: None,
        policy: None,
        resource_id: None,
    }
}

fn refusal(engine: Engine) -> Login {
    let code = match engine {
        Engine::MySql => ServerCode::MySql(1045),
        Engine::Postgres => ServerCode::from_sqlstate("28000").unwrap(),
    };
    Login::Refused { code, message: "refused".to_owned() }
}

/// A login that the server refused without a reason.
fn refused(engine: Engine) -> Facts {
    let resource_id = Some(ID.to_owned());
    Facts { login: Some(refusal(engine)), policy: Some(Policy::Allowed), resource_id, ..healthy(engine) }
}

fn status(facts: &Facts) -> u8 {
    report::status(&judge(facts))
}

/// Returns the name, the cause and the fix of the first step that failed.
fn failure(facts: &Facts) -> (&'static str, String, String) {
    let failed = judge(facts).into_iter().find_map(|(step, outcome)| match outcome {
        Outcome::Failed { cause, fix } => Some((step.name, cause, fix)),
        _ => None,
    });
    failed.unwrap()
}

fn outcome(facts: &Facts, name: &str) -> Outcome {
    judge(facts).into_iter().find(|(step, _)| step.name == name).map(|(_, outcome)| outcome).unwrap()
}

/// Asserts that a change of the observations, and nothing else, is reported by a step, with these words.
fn assert_fault(base: fn(Engine) -> Facts, change: impl Fn(&mut Facts), step: &str, words: [&str; 2]) {
    for engine in Engine::ALL {
        let mut facts = base(engine);
        change(&mut facts);
        let (name, cause, fix) = failure(&facts);
        assert_eq!(name, step, "{cause}");
        assert!(cause.contains(words[0]), "{cause}");
        assert!(fix.contains(words[1]), "{fix}");
    }
}

#[test]
fn a_healthy_setup_has_no_failure() {
    for engine in Engine::ALL {
        let outcomes = judge(&healthy(engine));
        assert_eq!(report::status(&outcomes), 0);
        let is_fine = |outcome: &Outcome| match outcome {
            Outcome::Ok { .. } => true,
            Outcome::Skipped { reason } => reason == "no proxy",
            _ => false,
        };
        assert!(outcomes.iter().all(|(_, outcome)| is_fine(outcome)));
        // An execution role that may log in is no fault, and neither is a small instance that answers.
        let role = "arn:aws:sts::123456789012:assumed-role/ecsTaskExecutionRole/0a1b";
        assert_eq!(status(&Facts { caller: caller(role), ..healthy(engine) }), 0);
    }
}

#[test]
fn each_step_has_its_exit_status() {
    let statuses: Vec<_> = super::steps::STEPS.iter().map(|step| step.status).collect();
    assert_eq!(statuses, (10..=21).collect::<Vec<_>>());
    for step in &super::steps::STEPS {
        let documented = format!("\n  {}  {}: ", step.status, step.name);
        assert!(super::AFTER_HELP.contains(&documented), "{documented}");
        let row = format!("\n| {} | `{}` |", step.status, step.name);
        assert!(include_str!("../../../README.md").contains(&row), "{row}");
    }
}

#[test]
fn steps_after_a_failure_are_not_reached_unless_they_need_nothing_of_it() {
    let mut facts = healthy(Engine::MySql);
    facts.addresses = Some(Err("not known".to_owned()));
    (facts.port, facts.tls, facts.asked, facts.login) = (None, None, None, None);
    for step in ["port", "tls", "user", "policy", "class", "login"] {
        assert_eq!(outcome(&facts, step), Outcome::NotReached, "{step}");
    }
    assert!(matches!(outcome(&facts, "token"), Outcome::Ok { .. }));
    facts.offline = true;
    assert_eq!(outcome(&facts, "port"), Outcome::skipped("--offline"));
}
