//! Tests of the warnings.

use super::*;
use crate::Mode;
use crate::mysql::fixture::{app, complete, database, report, set, standard};
use crate::mysql::{Object, ObservedAccount, PLUGIN, diff};

#[test]
fn warnings_are_no_drift() {
    let mut observed = complete(|account| {
        account.locked = true;
        account.further_factor = true;
        account.proxies.insert(Account::observed("boss", "%"));
    });
    for host in ["10.0.0.1", "*"] {
        observed.accounts.insert(Account::observed("node_app", host), ObservedAccount::default());
    }
    observed.mandatory_roles = "app_rw".into();
    let other = |plugin: &str, grants: &Grants| ObservedAccount {
        plugin: plugin.into(),
        grants: grants.clone(),
        ..ObservedAccount::default()
    };
    let reads = Grants::from([(database("node_db"), set(&["SELECT", "CREATE"]))]);
    let creates = Grants::from([(Object::Global, set(&["CREATE USER"]))]);
    observed.others = [
        (("", "10.0.%"), other("", &Grants::new())),
        (("", "%"), other("", &Grants::new())),
        (("node_user", "%"), other(PLUGIN, &reads)),
        (("old_admin", "%"), other(PLUGIN, &creates)),
        (("old_app", "%"), other("caching_sha2_password", &reads)),
        (("admin", "%"), other("caching_sha2_password", &creates)),
        (("rdsadmin", "localhost"), other("caching_sha2_password", &reads)),
    ]
    .into_iter()
    .map(|((user, host), found)| (Account::observed(user, host), found))
    .collect();
    let needed = diff(&standard(), &observed).unwrap();
    assert_eq!(needed.changes, []);
    insta::assert_snapshot!(report(Mode::Check, needed), @"
    node_db at orders.c0ffee.eu-west-1.rds.amazonaws.com:3306, read as the master user

    warning: node_app@* exists beside node_app@% and matches no client, because the wildcard of hosts is %; to remove it: DROP USER `node_app`@`*`
    warning: node_app@10.0.0.1 exists beside node_app@% and is used instead by clients from that host; if no client needs it: DROP USER `node_app`@`10.0.0.1`
    warning: node_app@% is locked, which is left; to unlock it: ALTER USER `node_app`@`%` ACCOUNT UNLOCK
    warning: node_app@% requires a second authentication factor, which is left; IAM logins of this project have none and are refused; to require none: ALTER USER `node_app`@`%` DROP 2 FACTOR
    warning: node_app@% may act as boss@%, and only a user with that right can revoke it: REVOKE PROXY ON `boss`@`%` FROM `node_app`@`%`
    warning: the server's mandatory_roles grant every user the privileges of app_rw, after SET ROLE: more than is declared; to stop that, empty mandatory_roles in the parameter group
    warning: the account without a name @10.0.% precedes iam_admin@% and 1 more for clients from its host, whose logins fail or have its privileges; if no client needs it: DROP USER ``@`10.0.%`
    warning: node_user@% is not declared, logs in by IAM and has SELECT, CREATE on node_db.*; it is left: declare it, or if no program needs it: DROP USER `node_user`@`%`
    warning: old_admin@% is not declared, logs in by IAM and has CREATE USER on the whole server (*.*); it is left: declare it, or if no program needs it: DROP USER `old_admin`@`%`
    warning: old_app@% is not declared and has SELECT, CREATE on node_db.*; it is left: declare it, or if no program needs it: DROP USER `old_app`@`%`
    no changes needed: everything is as declared
    ");
}

#[test]
fn a_stricter_requirement_than_tls_is_never_relaxed() {
    for ssl_type in ["X509", "SPECIFIED"] {
        let mut observed = complete(|account| account.ssl_type = ssl_type.into());
        observed.accounts.get_mut(standard().admin()).unwrap().ssl_type = ssl_type.into();
        let needed = diff(&standard(), &observed).unwrap();
        assert_eq!(needed.changes, [], "{ssl_type}");
        let accounts = [standard().admin().clone(), app()];
        assert_eq!(needed.warnings, accounts.map(|account| Warning::StricterTls { account }));
        insta::allow_duplicates! {
            insta::assert_snapshot!(needed.warnings[1], @"node_app@% requires more than TLS, such as a client certificate, which is left; IAM logins of this project present none and are refused; to require TLS only: ALTER USER `node_app`@`%` REQUIRE SSL");
        }
    }
}
