//! The user, and the server's answer to the login.

use rds_iam_infra::Engine;
use rds_iam_token::ServerCode;

use super::{PROXY, assert_fault, failure, healthy, outcome, refused};
use crate::commands::doctor::facts::{Asked, Facts, TlsError};
use crate::commands::doctor::outcome::Outcome;

#[test]
fn a_user_that_is_missing_or_has_a_password() {
    let password = |facts: &mut Facts| {
        facts.asked = Some(Asked::Password("md5".to_owned()));
        facts.login = None;
    };
    assert_fault(
        healthy,
        password,
        "user",
        ["for a password (md5), not for a token: it does not", "node_app"],
    );
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
fn a_user_with_another_way_to_log_in() {
    let kerberos = |facts: &mut Facts| {
        facts.asked = Some(Asked::Other("Kerberos (GSSAPI)".to_owned()));
        facts.login = None;
    };
    let cause = "asks node_app for Kerberos (GSSAPI), not for an IAM token: another way";
    assert_fault(healthy, kerberos, "user", [cause, "use another user"]);
    let nothing = |facts: &mut Facts| (facts.asked, facts.login) = (Some(Asked::Nothing), None);
    let cause = "the server lets node_app in without a password, and asks for no token";
    assert_fault(healthy, nothing, "user", [cause, "use another user"]);
}

#[test]
fn a_server_that_refuses_before_it_asks_for_a_token() {
    for (code, help) in [
        (ServerCode::MySql(1040), "max_connections"),
        (ServerCode::MySql(1049), "The database does not exist"),
        (ServerCode::MySql(1129), "FLUSH HOSTS"),
        (ServerCode::from_sqlstate("53300").unwrap(), "The server has no connection left"),
    ] {
        let message = || "the reason".to_owned();
        let user = |facts: &mut Facts| {
            facts.asked = Some(Asked::Refused { code, message: message() });
            facts.login = None;
        };
        let cause = format!("refused before it asked for a token ({code}: the reason)");
        assert_fault(healthy, user, "login", [&cause, help]);
        let connection = |facts: &mut Facts| {
            facts.tls = Some(Err(TlsError::Refused { code, message: message() }));
            (facts.asked, facts.login) = (None, None);
        };
        let cause = format!("the server refuses connections ({code}: the reason)");
        assert_fault(healthy, connection, "login", [&cause, help]);
    }
    let silent = |facts: &mut Facts| {
        facts.asked = Some(Asked::Failed("no answer within 10 s".to_owned()));
        facts.login = None;
    };
    assert_fault(healthy, silent, "login", ["did not ask for a token: no answer", "try again"]);
    // No user may log in from this host.
    let host = |facts: &mut Facts| {
        let (code, message) = (ServerCode::MySql(1130), "not allowed".to_owned());
        facts.tls = Some(Err(TlsError::Refused { code, message }));
        (facts.asked, facts.login) = (None, None);
    };
    assert_fault(healthy, host, "login", ["refuses connections (1130", "node_app"]);
    // The user's own refusal is that step's.
    let locked = |facts: &mut Facts| {
        let (code, message) = (ServerCode::MySql(3118), "locked".to_owned());
        facts.asked = Some(Asked::Refused { code, message });
        facts.login = None;
    };
    assert_fault(healthy, locked, "user", ["refuses node_app (3118: locked)", "node_app"]);
}

#[test]
fn a_proxy_does_not_show_whether_the_database_has_the_user() {
    for engine in Engine::ALL {
        let mut facts = refused(engine);
        let user = "as the master user";
        assert!(!failure(&facts).2.contains(user), "the server asked the user for a token");
        facts.endpoint = format!("{PROXY}:{}", engine.default_port()).parse().unwrap();
        let (step, _, fix) = failure(&facts);
        assert_eq!(step, "login");
        let (policy, user) = (fix.find("rds-db:connect"), fix.find(user));
        assert!(policy.is_some() && policy < user, "{fix}");
        let detail = "the proxy asks for a token; it does not show whether the database has the user";
        assert_eq!(outcome(&facts, "user"), Outcome::ok(detail));
    }
}
