use super::*;
use crate::fixture::{conf, declaration as standard};
use crate::mysql::{Limits, PLUGIN, RoutineKind};
use crate::{Mode, Outcome, Report};

fn declared(users: &str) -> Declaration {
    Declaration::parse(users, &conf()).unwrap()
}

fn app() -> Account {
    Account::new("node_app", "%").unwrap()
}

fn set(names: &[&'static str]) -> BTreeSet<Privilege> {
    names.iter().map(|name| Privilege::named(name)).collect()
}

fn database(pattern: &str) -> Object {
    Object::Database { pattern: pattern.into() }
}

/// A server with the database and nothing else.
fn fresh() -> Observed {
    Observed { databases: ["mysql".into(), "node_db".into()].into(), ..Observed::default() }
}

/// What is there after a plan was carried out.
fn applied(plan: &Plan, before: &Observed) -> Observed {
    let mut after = before.clone();
    for action in &plan.actions {
        let account = |account: &Account| account.clone();
        match &action.change {
            Change::CreateAccount { account: a }
            | Change::UseIam { account: a, .. }
            | Change::RequireTls { account: a } => {
                let require_ssl = action.sql().ends_with(" REQUIRE SSL");
                let found = after.accounts.entry(account(a)).or_default();
                found.plugin = PLUGIN.into();
                found.is_iam = true;
                if require_ssl {
                    found.ssl_type = "ANY".into();
                }
            }
            Change::LiftLimits { account: a, .. } => {
                after.accounts.get_mut(a).unwrap().limits = Limits::default();
            }
            Change::Grant { account: a, object, privileges } => {
                let grants = &mut after.accounts.get_mut(a).unwrap().grants;
                grants.entry(object.clone()).or_default().extend(privileges.iter().cloned());
            }
            Change::Revoke { account: a, object, privileges, .. } => {
                let grants = &mut after.accounts.get_mut(a).unwrap().grants;
                grants.get_mut(object).unwrap().retain(|privilege| !privileges.contains(privilege));
            }
            Change::RevokeRole { account: a, role } => {
                assert!(after.accounts.get_mut(a).unwrap().roles.remove(role));
            }
            Change::CreateTable { table, .. } => {
                after.tables.insert(("node_db".into(), table.clone()));
            }
        }
    }
    after
}

/// A server on which the default is in place, changed by `change`.
fn complete(change: impl FnOnce(&mut ObservedAccount)) -> Observed {
    let mut observed = applied(&plan(&standard(), &fresh()).unwrap(), &fresh());
    change(observed.accounts.get_mut(&app()).unwrap());
    observed
}

/// The statements, with who runs them; carrying them out leaves nothing to do.
fn mends(declaration: &Declaration, observed: &Observed) -> Vec<String> {
    let needed = plan(declaration, observed).unwrap();
    let left = plan(declaration, &applied(&needed, observed)).unwrap();
    assert_eq!(left.actions, [], "a second run has something to do");
    needed.actions.iter().map(|action| format!("{:?}: {}", action.actor, action.sql())).collect()
}

fn report(mode: Mode, plan: Plan) -> Report {
    Report {
        mode,
        outcome: if plan.actions.is_empty() { Outcome::Clean } else { Outcome::Drift },
        endpoint: conf().endpoint.to_string(),
        database: "node_db".into(),
        read_as: Actor::Master,
        actions: plan.actions,
        warnings: plan.warnings,
        logins: Vec::new(),
        logins_not_tried: 0,
    }
}

#[test]
fn nothing_there() {
    insta::assert_snapshot!(report(Mode::Plan, plan(&standard(), &fresh()).unwrap()), @r"
    node_db at orders.c0ffee.eu-west-1.rds.amazonaws.com:3306, read as the master user

    as the master user:
      + create iam_admin@% (login by IAM, over TLS only)
          CREATE USER IF NOT EXISTS `iam_admin`@`%` IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL;
      + grant CREATE USER on the whole server (*.*) to iam_admin@%
          GRANT CREATE USER ON *.* TO `iam_admin`@`%`;
      + grant SELECT, INSERT, UPDATE, DELETE, CREATE, GRANT OPTION on node\_db.* to iam_admin@%
          GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON `node\_db`.* TO `iam_admin`@`%` WITH GRANT OPTION;
      + grant SELECT on mysql.columns_priv to iam_admin@%
          GRANT SELECT ON `mysql`.`columns_priv` TO `iam_admin`@`%`;
      + grant SELECT on mysql.db to iam_admin@%
          GRANT SELECT ON `mysql`.`db` TO `iam_admin`@`%`;
      + grant SELECT on mysql.global_grants to iam_admin@%
          GRANT SELECT ON `mysql`.`global_grants` TO `iam_admin`@`%`;
      + grant SELECT on mysql.procs_priv to iam_admin@%
          GRANT SELECT ON `mysql`.`procs_priv` TO `iam_admin`@`%`;
      + grant SELECT on mysql.proxies_priv to iam_admin@%
          GRANT SELECT ON `mysql`.`proxies_priv` TO `iam_admin`@`%`;
      + grant SELECT on mysql.role_edges to iam_admin@%
          GRANT SELECT ON `mysql`.`role_edges` TO `iam_admin`@`%`;
      + grant SELECT on mysql.tables_priv to iam_admin@%
          GRANT SELECT ON `mysql`.`tables_priv` TO `iam_admin`@`%`;
      + grant SELECT on mysql.user to iam_admin@%
          GRANT SELECT ON `mysql`.`user` TO `iam_admin`@`%`;

    as the IAM admin:
      + create table messages
          CREATE TABLE IF NOT EXISTS `node_db`.`messages` (
              id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
              message VARCHAR(1000) CHARACTER SET utf8mb4 NOT NULL,
              created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
          );
      + create node_app@% (login by IAM, over TLS only)
          CREATE USER IF NOT EXISTS `node_app`@`%` IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL;
      + grant SELECT, INSERT, UPDATE, DELETE on node\_db.* to node_app@%
          GRANT SELECT, INSERT, UPDATE, DELETE ON `node\_db`.* TO `node_app`@`%`;

    14 changes needed; run without --plan to make them
    ");
    mends(&standard(), &fresh());
}

#[test]
fn all_there() {
    let needed = plan(&standard(), &complete(|_| ())).unwrap();
    assert_eq!(needed, Plan::default());
    insta::assert_snapshot!(report(Mode::Check, needed), @r"
    node_db at orders.c0ffee.eu-west-1.rds.amazonaws.com:3306, read as the master user

    no changes needed: everything is as declared
    ");
}

#[test]
fn what_differs_is_mended_and_nothing_else() {
    let grants = |object: Object, names: &'static [&'static str]| {
        move |account: &mut ObservedAccount| {
            account.grants.entry(object).or_default().extend(set(names));
        }
    };
    type Case = (&'static str, Box<dyn FnOnce(&mut ObservedAccount)>, &'static [&'static str]);
    let table = || Object::Table { database: "node_db".into(), table: "messages".into() };
    let column = || Object::Column { database: "other".into(), table: "t".into(), column: "c`".into() };
    let routine =
        || Object::Routine { database: "node_db".into(), kind: RoutineKind::Procedure, routine: "p".into() };
    let role = || Account::observed("r'1", "%");
    let cases: [Case; 18] = [
        (
            "a password",
            Box::new(|a| {
                a.plugin = "caching_sha2_password".into();
                a.is_iam = false;
            }),
            &[
                "Admin: ALTER USER `node_app`@`%` IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL",
            ],
        ),
        (
            "the plugin set up otherwise",
            Box::new(|a| a.is_iam = false),
            &[
                "Admin: ALTER USER `node_app`@`%` IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL",
            ],
        ),
        ("no TLS", Box::new(|a| a.ssl_type.clear()), &["Admin: ALTER USER `node_app`@`%` REQUIRE SSL"]),
        (
            "a password and a client certificate, which stays",
            Box::new(|a| {
                a.plugin = "caching_sha2_password".into();
                a.is_iam = false;
                a.ssl_type = "SPECIFIED".into();
            }),
            &["Admin: ALTER USER `node_app`@`%` IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'"],
        ),
        (
            "a missing privilege",
            Box::new(|a| {
                a.grants.get_mut(&database(r"node\_db")).unwrap().remove(&Privilege::named("INSERT"));
            }),
            &[r"Admin: GRANT INSERT ON `node\_db`.* TO `node_app`@`%`"],
        ),
        (
            "a surplus that the admin has too",
            Box::new(grants(database(r"node\_db"), &["CREATE"])),
            &[r"Admin: REVOKE CREATE ON `node\_db`.* FROM `node_app`@`%`"],
        ),
        (
            "a surplus that it has not",
            Box::new(grants(database(r"node\_db"), &["DROP"])),
            &[r"Master: REVOKE DROP ON `node\_db`.* FROM `node_app`@`%`"],
        ),
        (
            "the right to hand on",
            Box::new(grants(database(r"node\_db"), &["GRANT OPTION"])),
            &[r"Admin: REVOKE GRANT OPTION ON `node\_db`.* FROM `node_app`@`%`"],
        ),
        (
            "another database",
            Box::new(grants(database("other"), &["SELECT"])),
            &["Master: REVOKE SELECT ON `other`.* FROM `node_app`@`%`"],
        ),
        (
            "a wildcard",
            Box::new(grants(database("node_db"), &["SELECT", "INSERT"])),
            &["Master: REVOKE SELECT, INSERT ON `node_db`.* FROM `node_app`@`%`"],
        ),
        (
            "a table",
            Box::new(grants(table(), &["SELECT"])),
            &["Admin: REVOKE SELECT ON `node_db`.`messages` FROM `node_app`@`%`"],
        ),
        (
            "a column elsewhere",
            Box::new(grants(column(), &["SELECT", "UPDATE"])),
            &["Master: REVOKE SELECT (`c```), UPDATE (`c```) ON `other`.`t` FROM `node_app`@`%`"],
        ),
        (
            "a routine",
            Box::new(grants(routine(), &["EXECUTE", "GRANT OPTION"])),
            &["Master: REVOKE GRANT OPTION, EXECUTE ON PROCEDURE `node_db`.`p` FROM `node_app`@`%`"],
        ),
        (
            "global privileges",
            Box::new(grants(Object::Global, &["PROCESS", "ROLE_ADMIN"])),
            &["Master: REVOKE PROCESS, ROLE_ADMIN ON *.* FROM `node_app`@`%`"],
        ),
        (
            "a role",
            Box::new(move |a| a.roles.extend([role()])),
            &["Master: REVOKE `r'1`@`%` FROM `node_app`@`%`"],
        ),
        (
            "limits",
            Box::new(|a| {
                a.limits.connections = 9;
                a.limits.failed_login_attempts = 5;
                a.limits.password_lock_days = -1;
            }),
            &[
                "Admin: ALTER USER `node_app`@`%` WITH MAX_USER_CONNECTIONS 0 FAILED_LOGIN_ATTEMPTS 0 PASSWORD_LOCK_TIME 0",
            ],
        ),
        (
            "global privileges that are restricted on the database",
            Box::new(|a| {
                a.grants = Grants::from([(Object::Global, set(&["SELECT"]))]);
                a.restricted.insert(r"node\_db".into());
            }),
            &[
                "Master: REVOKE SELECT ON *.* FROM `node_app`@`%`",
                r"Admin: GRANT SELECT, INSERT, UPDATE, DELETE ON `node\_db`.* TO `node_app`@`%`",
            ],
        ),
        ("nothing", Box::new(|_| ()), &[]),
    ];
    for (name, change, expected) in cases {
        assert_eq!(mends(&standard(), &complete(change)), expected, "{name}");
    }
}

#[test]
fn the_admin_is_mended_by_the_master() {
    let mut observed = complete(|_| ());
    let admin = observed.accounts.get_mut(standard().admin()).unwrap();
    admin.ssl_type.clear();
    admin.grants.get_mut(&database(r"node\_db")).unwrap().extend(set(&["DROP"]));
    admin.grants.get_mut(&database(r"node\_db")).unwrap().remove(&Privilege::GRANT_OPTION);
    admin.grants.get_mut(&Object::Global).unwrap().extend(set(&["PROCESS"]));
    insta::assert_snapshot!(mends(&standard(), &observed).join("\n"), @r"
    Master: ALTER USER `iam_admin`@`%` REQUIRE SSL
    Master: GRANT USAGE ON `node\_db`.* TO `iam_admin`@`%` WITH GRANT OPTION
    Master: REVOKE PROCESS ON *.* FROM `iam_admin`@`%`
    Master: REVOKE DROP ON `node\_db`.* FROM `iam_admin`@`%`
    ");
}

#[test]
fn with_partial_revokes_names_are_plain() {
    let fresh = Observed { partial_revokes: true, ..fresh() };
    let needed = plan(&standard(), &fresh).unwrap();
    assert!(needed.actions.iter().all(|action| !action.sql().contains('\\')));
    mends(&standard(), &fresh);
    // Whoever turned it on after the first run has grants that no longer match anything.
    let mut observed = complete(|_| ());
    observed.partial_revokes = true;
    let mended = mends(&standard(), &observed);
    assert!(
        mended
            .contains(&"Admin: GRANT SELECT, INSERT, UPDATE, DELETE ON `node_db`.* TO `node_app`@`%`".into())
    );
    assert!(mended.contains(
        &r"Master: REVOKE SELECT, INSERT, UPDATE, DELETE ON `node\_db`.* FROM `node_app`@`%`".into()
    ));
}

#[test]
fn several_users_databases_and_tables() {
    let users = r#"
        [[user]]
        name = "reader"
        grant = [{ privileges = ["SELECT"] }, { database = "o`ther%", table = "t_1", privileges = ["SELECT"] }]
        [[user]]
        name = "writer"
        host = "10.0.%"
        grant = [{ privileges = ["INSERT"] }, { privileges = ["LOCK TABLES"] }]
        [[user]]
        name = "nobody"
    "#;
    let mut observed = fresh();
    observed.databases.insert("o`ther%".into());
    observed.tables.insert(("o`ther%".into(), "t_1".into()));
    insta::assert_snapshot!(mends(&declared(users), &observed).join("\n"), @r"
    Master: CREATE USER IF NOT EXISTS `iam_admin`@`%` IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL
    Master: GRANT CREATE USER ON *.* TO `iam_admin`@`%`
    Master: GRANT SELECT, INSERT, LOCK TABLES ON `node\_db`.* TO `iam_admin`@`%` WITH GRANT OPTION
    Master: GRANT SELECT ON `o``ther\%`.* TO `iam_admin`@`%` WITH GRANT OPTION
    Master: GRANT SELECT ON `mysql`.`columns_priv` TO `iam_admin`@`%`
    Master: GRANT SELECT ON `mysql`.`db` TO `iam_admin`@`%`
    Master: GRANT SELECT ON `mysql`.`global_grants` TO `iam_admin`@`%`
    Master: GRANT SELECT ON `mysql`.`procs_priv` TO `iam_admin`@`%`
    Master: GRANT SELECT ON `mysql`.`proxies_priv` TO `iam_admin`@`%`
    Master: GRANT SELECT ON `mysql`.`role_edges` TO `iam_admin`@`%`
    Master: GRANT SELECT ON `mysql`.`tables_priv` TO `iam_admin`@`%`
    Master: GRANT SELECT ON `mysql`.`user` TO `iam_admin`@`%`
    Admin: CREATE USER IF NOT EXISTS `reader`@`%` IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL
    Admin: GRANT SELECT ON `node\_db`.* TO `reader`@`%`
    Admin: GRANT SELECT ON `o``ther%`.`t_1` TO `reader`@`%`
    Admin: CREATE USER IF NOT EXISTS `writer`@`10.0.%` IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL
    Admin: GRANT INSERT, LOCK TABLES ON `node\_db`.* TO `writer`@`10.0.%`
    Admin: CREATE USER IF NOT EXISTS `nobody`@`%` IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL
    ");
}

#[test]
fn a_missing_database_or_table_is_an_error() {
    let observed = Observed { databases: ["mysql".into()].into(), ..Observed::default() };
    let missing = plan(&standard(), &observed).unwrap_err();
    insta::assert_snapshot!(format!("{missing}\n{}", missing.hint()), @r"
    database node_db does not exist
    RDS creates a database along with the instance only where it is told its name (Terraform: db_name). Check DB_NAME and the users file, or create it as the master user: CREATE DATABASE `node_db`;
    ");

    let users = "[[user]]\nname = \"a\"\ngrant = [{ table = \"t\", privileges = [\"SELECT\"] }]\n";
    let missing = plan(&declared(users), &fresh()).unwrap_err();
    insta::assert_snapshot!(format!("{missing}\n{}", missing.hint()), @r"
    table node_db.t does not exist
    Privileges on a table need the table: declare it under [schema], or create it first.
    ");
    let made = format!("{users}[schema]\nstatements = [\"CREATE TABLE IF NOT EXISTS t (i INT)\"]\n");
    let needed = mends(&declared(&made), &fresh());
    let at = |begin: &str| needed.iter().position(|sql| sql.contains(begin)).unwrap();
    assert!(at("CREATE TABLE") < at("GRANT SELECT ON `node_db`.`t`"));
}

#[test]
fn what_a_person_should_look_at_is_no_drift() {
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
    let needed = plan(&standard(), &observed).unwrap();
    assert_eq!(needed.actions, []);
    insta::assert_snapshot!(report(Mode::Check, needed), @r"
    node_db at orders.c0ffee.eu-west-1.rds.amazonaws.com:3306, read as the master user

    warning: node_app@* exists beside node_app@% and matches no client, since the wildcard of hosts is %; to remove it: DROP USER `node_app`@`*`
    warning: node_app@10.0.0.1 exists beside node_app@% and is used in its place by clients from that host; if no client needs it: DROP USER `node_app`@`10.0.0.1`
    warning: node_app@% is locked, which is left as it is; to let it in again: ALTER USER `node_app`@`%` ACCOUNT UNLOCK
    warning: node_app@% demands a second authentication factor, which is left as it is; IAM logins of this project have none and are refused: to demand none: ALTER USER `node_app`@`%` DROP 2 FACTOR
    warning: node_app@% may act as boss@%, and only a user with that right can take it away: REVOKE PROXY ON `boss`@`%` FROM `node_app`@`%`
    warning: the server's mandatory_roles give every user what app_rw may do, after SET ROLE: more than is declared; to end it, empty mandatory_roles in the parameter group
    warning: the account without a name @10.0.% comes before iam_admin@% and 1 more for clients from its host, whose logins fail or have its privileges; if no client needs it: DROP USER ``@`10.0.%`
    warning: node_user@% is not declared, logs in by IAM and has SELECT, CREATE on node_db.*; it stays as it is: declare it, or if no program needs it: DROP USER `node_user`@`%`
    warning: old_admin@% is not declared, logs in by IAM and has CREATE USER on the whole server (*.*); it stays as it is: declare it, or if no program needs it: DROP USER `old_admin`@`%`
    warning: old_app@% is not declared and has SELECT, CREATE on node_db.*; it stays as it is: declare it, or if no program needs it: DROP USER `old_app`@`%`
    no changes needed: everything is as declared
    ");
}

#[test]
fn a_stricter_demand_than_tls_is_never_weakened() {
    for ssl_type in ["X509", "SPECIFIED"] {
        let mut observed = complete(|account| account.ssl_type = ssl_type.into());
        observed.accounts.get_mut(standard().admin()).unwrap().ssl_type = ssl_type.into();
        let needed = plan(&standard(), &observed).unwrap();
        assert_eq!(needed.actions, [], "{ssl_type}");
        let accounts = [standard().admin().clone(), app()];
        assert_eq!(needed.warnings, accounts.map(|account| Warning::StricterTls { account }));
        insta::allow_duplicates! {
            insta::assert_snapshot!(needed.warnings[1], @"node_app@% demands more than TLS, such as a client certificate, which is left as it is; IAM logins of this project show none and are refused: to demand TLS only: ALTER USER `node_app`@`%` REQUIRE SSL");
        }
    }
}

#[test]
fn the_json_document_is_an_interface() {
    let observed = complete(|account| {
        account.is_iam = false;
        account.plugin = "caching_sha2_password".into();
        account.locked = true;
    });
    let needed = plan(&standard(), &Observed { tables: BTreeSet::new(), ..observed }).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&report(Mode::Plan, needed)).unwrap(), @r#"
    {
      "mode": "plan",
      "outcome": "drift",
      "endpoint": "orders.c0ffee.eu-west-1.rds.amazonaws.com:3306",
      "database": "node_db",
      "read_as": "master",
      "actions": [
        {
          "step": 5,
          "as": "admin",
          "change": "create_table",
          "account": null,
          "summary": "create table messages",
          "sql": "CREATE TABLE IF NOT EXISTS `node_db`.`messages` (\n    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,\n    message VARCHAR(1000) CHARACTER SET utf8mb4 NOT NULL,\n    created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)\n)"
        },
        {
          "step": 5,
          "as": "admin",
          "change": "use_iam",
          "account": "node_app@%",
          "summary": "switch node_app@% from caching_sha2_password to IAM: its password ends",
          "sql": "ALTER USER `node_app`@`%` IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL"
        }
      ],
      "warnings": [
        "node_app@% is locked, which is left as it is; to let it in again: ALTER USER `node_app`@`%` ACCOUNT UNLOCK"
      ],
      "logins": [],
      "logins_not_tried": 0
    }
    "#);
}
