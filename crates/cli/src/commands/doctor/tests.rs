//! Tables of observations and judgements: one row for each fault, and one for none.

use std::time::{Duration, SystemTime};

use rds_iam_deploy::behind::Behind;
use rds_iam_deploy::whoami::Caller;
use rds_iam_infra::Engine;
use rds_iam_infra::arn::ResourceKind;
use rds_iam_token::ServerCode;

use super::facts::{Asked, CallerError, Credentials, Environment, Facts, Login, Policy, TlsError};
use super::outcome::Outcome;
use super::steps::judge;
use super::{Target, report};

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
    assert_fault(healthy, ended, "credentials", ["ended 10 minutes ago", "aws sso login"]);
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
    facts.aws_time = Some(Ok((now() + minutes(5), now())));
    assert_eq!(status(&facts), 0);
}

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
fn dns_that_fails_and_a_closed_port() {
    let no_name = |facts: &mut Facts| facts.addresses = Some(Err("not known".to_owned()));
    assert_fault(healthy, no_name, "dns", ["no address for orders.c0ffee", "enableDnsSupport"]);
    let closed = |facts: &mut Facts| facts.port = Some(Err("refused".to_owned()));
    assert_fault(healthy, closed, "port", ["no TCP connection to orders.c0ffee", "security group"]);
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

#[test]
fn a_user_that_is_missing_or_has_a_password() {
    let password = |facts: &mut Facts| {
        facts.asked = Some(Asked::Other("a password's method".to_owned()));
        facts.login = None;
    };
    assert_fault(healthy, password, "user", ["it does not exist", "node_app"]);
    for (engine, cause, fix) in [
        (
            Engine::MySql,
            "a plugin other than AWSAuthenticationPlugin",
            "IDENTIFIED WITH AWSAuthenticationPlugin",
        ),
        (Engine::Postgres, "no member of rds_iam", "GRANT rds_iam TO \"node_app\""),
    ] {
        let mut facts = healthy(engine);
        password(&mut facts);
        let failed = failure(&facts);
        assert!(failed.1.contains(cause) && failed.2.contains(fix), "{failed:?}");
        facts.endpoint = format!("{PROXY}:{}", engine.default_port()).parse().unwrap();
        assert!(failure(&facts).2.contains("IAMAuth=REQUIRED"), "{failed:?}");
    }
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

#[test]
fn steps_after_a_failure_are_not_reached_unless_they_need_nothing_of_it() {
    let mut facts = healthy(Engine::MySql);
    facts.addresses = Some(Err("not known".to_owned()));
    (facts.port, facts.tls, facts.asked, facts.login) = (None, None, None, None);
    let outcome = |facts: &Facts, name: &str| {
        judge(facts).into_iter().find(|(step, _)| step.name == name).map(|(_, outcome)| outcome).unwrap()
    };
    for step in ["port", "tls", "user", "policy", "class", "login"] {
        assert_eq!(outcome(&facts, step), Outcome::NotReached, "{step}");
    }
    assert!(matches!(outcome(&facts, "token"), Outcome::Ok { .. }));
    facts.offline = true;
    assert_eq!(outcome(&facts, "port"), Outcome::skipped("--offline"));
}

#[test]
fn a_target_is_parsed_and_never_repeated() {
    let target: Target = format!("mysql://node_app@{HOST}/orders").parse().unwrap();
    assert_eq!(target.endpoint.to_string(), format!("{HOST}:3306"));
    let target: Target = format!("postgres://node_app@{HOST}:6432/orders").parse().unwrap();
    assert_eq!((target.engine, target.endpoint.port()), (Engine::Postgres, 6432));
    for text in [
        format!("mysql://node_app:hunter2@{HOST}/orders"),
        format!("mysql://{HOST}/orders"),
        "host=hunter2".to_owned(),
        format!("postgres://node_app@{HOST}/?sslrootcert=system"),
    ] {
        let error = text.parse::<Target>().err().unwrap();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
