//! Tests of the difference between the declared and the observed.

use super::*;
use crate::Mode;
use crate::mysql::fixture::{complete, corrections, database, declared, fresh, report, set, standard};
use crate::mysql::grants::RoutineKind;

#[test]
fn nothing_there() {
    insta::assert_snapshot!(report(Mode::Plan, diff(&standard(), &fresh()).unwrap()), @r"
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
    corrections(&standard(), &fresh());
}

#[test]
fn all_there() {
    let needed = diff(&standard(), &complete(|_| ())).unwrap();
    assert_eq!(needed, Diff::default());
    insta::assert_snapshot!(report(Mode::Check, needed), @r"
    node_db at orders.c0ffee.eu-west-1.rds.amazonaws.com:3306, read as the master user

    no changes needed: everything is as declared
    ");
}

#[test]
fn what_differs_is_corrected_and_nothing_else() {
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
                a.grants.get_mut(&database(r"node\_db")).unwrap().remove(&Privilege::from_name("INSERT"));
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
            "the right to grant",
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
        assert_eq!(corrections(&standard(), &complete(change)), expected, "{name}");
    }
}

#[test]
fn the_master_user_corrects_the_admin() {
    let mut observed = complete(|_| ());
    let admin = observed.accounts.get_mut(standard().admin()).unwrap();
    admin.ssl_type.clear();
    admin.grants.get_mut(&database(r"node\_db")).unwrap().extend(set(&["DROP"]));
    admin.grants.get_mut(&database(r"node\_db")).unwrap().remove(&Privilege::GRANT_OPTION);
    admin.grants.get_mut(&Object::Global).unwrap().extend(set(&["PROCESS"]));
    insta::assert_snapshot!(corrections(&standard(), &observed).join("\n"), @r"
    Master: ALTER USER `iam_admin`@`%` REQUIRE SSL
    Master: GRANT USAGE ON `node\_db`.* TO `iam_admin`@`%` WITH GRANT OPTION
    Master: REVOKE PROCESS ON *.* FROM `iam_admin`@`%`
    Master: REVOKE DROP ON `node\_db`.* FROM `iam_admin`@`%`
    ");
}

#[test]
fn with_partial_revokes_names_are_plain() {
    let fresh = Observed { partial_revokes: true, ..fresh() };
    let needed = diff(&standard(), &fresh).unwrap();
    assert!(needed.changes.iter().all(|action| !action.change.sql().contains('\\')));
    corrections(&standard(), &fresh);
    // Where it was turned on after the first run, grants no longer match anything.
    let mut observed = complete(|_| ());
    observed.partial_revokes = true;
    let corrected = corrections(&standard(), &observed);
    assert!(
        corrected
            .contains(&"Admin: GRANT SELECT, INSERT, UPDATE, DELETE ON `node_db`.* TO `node_app`@`%`".into())
    );
    assert!(corrected.contains(
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
        name = "unprivileged"
    "#;
    let mut observed = fresh();
    observed.databases.insert("o`ther%".into());
    observed.tables.insert(("o`ther%".into(), "t_1".into()));
    insta::assert_snapshot!(corrections(&declared(users), &observed).join("\n"), @r"
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
    Admin: CREATE USER IF NOT EXISTS `unprivileged`@`%` IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL
    ");
}

#[test]
fn a_missing_database_or_table_is_an_error() {
    let observed = Observed { databases: ["mysql".into()].into(), ..Observed::default() };
    let missing = diff(&standard(), &observed).unwrap_err();
    insta::assert_snapshot!(format!("{missing}\n{}", missing.help), @"
    database node_db does not exist
    RDS creates a database along with the instance only if it is given a name (Terraform: db_name). Check DB_NAME and the users file, or create it as the master user: CREATE DATABASE `node_db`;
    ");

    let users = "[[user]]\nname = \"a\"\ngrant = [{ table = \"t\", privileges = [\"SELECT\"] }]\n";
    let missing = diff(&declared(users), &fresh()).unwrap_err();
    insta::assert_snapshot!(format!("{missing}\n{}", missing.help), @r"
    table node_db.t does not exist
    Privileges on a table need the table: declare it under [schema], or create it first.
    ");
    let made = format!("{users}[schema]\nstatements = [\"CREATE TABLE IF NOT EXISTS t (i INT)\"]\n");
    let needed = corrections(&declared(&made), &fresh());
    let at = |begin: &str| needed.iter().position(|sql| sql.contains(begin)).unwrap();
    assert!(at("CREATE TABLE") < at("GRANT SELECT ON `node_db`.`t`"));
}

#[test]
fn the_json_document_is_an_interface() {
    let observed = complete(|account| {
        account.is_iam = false;
        account.plugin = "caching_sha2_password".into();
        account.locked = true;
    });
    let needed = diff(&standard(), &Observed { tables: BTreeSet::new(), ..observed }).unwrap();
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
        "node_app@% is locked, which is left; to unlock it: ALTER USER `node_app`@`%` ACCOUNT UNLOCK"
      ],
      "logins": [],
      "logins_not_tried": 0
    }
    "#);
}
