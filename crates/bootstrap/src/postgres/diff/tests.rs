//! Tests of the difference between the declared and the observed.

use super::*;
use crate::postgres::fixture::{
    DECLARATION, SIMPLE, V15, V18, complete, corrections, declared, fresh, membership, role,
};
use crate::postgres::{Held, Kind, Membership, Object, ObservedRole, Owned, Privilege, Relation, Routine};

fn held(privilege: &'static str, grantor: &str) -> Held {
    Held { privilege: Privilege::from_name(privilege), grantor: grantor.into(), with_grant_option: false }
}

fn table(schema: &str, table: &str) -> Object {
    Object::Table { schema: schema.into(), table: table.into() }
}

fn relation(owner: &str) -> Relation {
    Relation { kind: Kind::Table, owner: owner.into(), of_extension: false }
}

fn warnings(declared: &Declared, observed: &Observed) -> String {
    let diff = diff(declared, observed).unwrap();
    diff.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn from_nothing_on_15() {
    insta::assert_snapshot!(corrections(&declared(SIMPLE), &fresh(V15)), @r#"
    Master: CREATE ROLE "iam_admin" LOGIN CREATEROLE
    Master: GRANT "rds_iam" TO "iam_admin"
    Master: GRANT USAGE, CREATE ON SCHEMA "public" TO "iam_admin"
    Admin: CREATE TABLE IF NOT EXISTS "public"."messages" (id bigint PRIMARY KEY)
    Admin: CREATE ROLE "app" LOGIN
    Admin: GRANT "rds_iam" TO "app"
    Master: GRANT USAGE ON SCHEMA "public" TO "app"
    Admin: GRANT SELECT, INSERT ON TABLE "public"."messages" TO "app"
    Admin: ALTER DEFAULT PRIVILEGES FOR ROLE "iam_admin" IN SCHEMA "public" GRANT SELECT, INSERT ON TABLES TO "app"
    "#);
}

#[test]
fn from_nothing_on_18() {
    insta::assert_snapshot!(corrections(&declared(SIMPLE), &fresh(V18)), @r#"
    Master: CREATE ROLE "iam_admin" LOGIN CREATEROLE
    Master: GRANT "rds_iam" TO "iam_admin"
    Master: GRANT "rds_iam" TO "iam_admin" WITH ADMIN OPTION
    Master: GRANT USAGE, CREATE ON SCHEMA "public" TO "iam_admin"
    Admin: CREATE TABLE IF NOT EXISTS "public"."messages" (id bigint PRIMARY KEY)
    Admin: CREATE ROLE "app" LOGIN
    Admin: GRANT "rds_iam" TO "app"
    Master: GRANT USAGE ON SCHEMA "public" TO "app"
    Admin: GRANT SELECT, INSERT ON TABLE "public"."messages" TO "app"
    Admin: ALTER DEFAULT PRIVILEGES FOR ROLE "iam_admin" IN SCHEMA "public" GRANT SELECT, INSERT ON TABLES TO "app"
    "#);
}

#[test]
fn everything_that_may_be_declared() {
    let mut observed = fresh(V18);
    observed.databases.insert("archive".into(), "postgres".into());
    observed.schemas.insert("reporting".into(), "postgres".into());
    observed.schemas.insert("app".into(), "postgres".into());
    observed.relations.insert(("reporting".into(), "orders".into()), relation("postgres"));
    for arguments in ["integer", "app.\"T\""] {
        observed.routines.push(Routine {
            schema: "app".into(),
            name: "total".into(),
            arguments: arguments.into(),
            owner: "postgres".into(),
            of_extension: false,
        });
    }
    insta::assert_snapshot!(corrections(&declared(DECLARATION), &observed), @r#"
    Master: CREATE ROLE "iam_admin" LOGIN CREATEROLE
    Master: GRANT "rds_iam" TO "iam_admin"
    Master: GRANT "rds_iam" TO "iam_admin" WITH ADMIN OPTION
    Master: CREATE EXTENSION IF NOT EXISTS "pgcrypto" SCHEMA "public"
    Admin: CREATE ROLE "orders_owner" NOLOGIN
    Admin: GRANT "orders_owner" TO "iam_admin" WITH INHERIT TRUE, SET TRUE
    Master: GRANT USAGE, CREATE ON SCHEMA "app" TO "orders_owner"
    Admin: CREATE TABLE IF NOT EXISTS "app"."orders" (id bigint PRIMARY KEY)
    Admin: CREATE ROLE "orders_app" LOGIN
    Admin: GRANT "rds_iam" TO "orders_app"
    Admin: ALTER ROLE "orders_app" SET search_path = "app", "public"
    Admin: ALTER ROLE "orders_app" SET statement_timeout = '4s'
    Master: GRANT CONNECT ON DATABASE "archive" TO "orders_app"
    Master: GRANT CREATE, CONNECT ON DATABASE "node_db" TO "orders_app"
    Master: GRANT USAGE ON SCHEMA "app" TO "orders_app"
    Master: GRANT USAGE, CREATE ON SCHEMA "public" TO "orders_app"
    Master: GRANT USAGE ON SCHEMA "reporting" TO "orders_app"
    Master: GRANT SELECT ON TABLE "reporting"."orders" TO "orders_app"
    Master: GRANT EXECUTE ON ROUTINE "app"."total"(app."T") TO "orders_app"
    Master: GRANT EXECUTE ON ROUTINE "app"."total"(integer) TO "orders_app"
    Admin: GRANT SELECT ON TABLE "app"."orders" TO "orders_app"
    Admin: ALTER DEFAULT PRIVILEGES FOR ROLE "orders_owner" IN SCHEMA "app" GRANT SELECT ON TABLES TO "orders_app"
    Admin: ALTER DEFAULT PRIVILEGES FOR ROLE "orders_owner" IN SCHEMA "app" GRANT USAGE ON SEQUENCES TO "orders_app"
    "#);
}

#[test]
fn a_schema_is_created() {
    let text = "[[user]]\nname = \"app\"\n[schema]\nname = \"new\"\nstatements = [\"CREATE TABLE IF NOT EXISTS t (a int)\"]\n";
    insta::assert_snapshot!(corrections(&declared(text), &fresh(V18)), @r#"
    Master: CREATE ROLE "iam_admin" LOGIN CREATEROLE
    Master: GRANT "rds_iam" TO "iam_admin"
    Master: GRANT "rds_iam" TO "iam_admin" WITH ADMIN OPTION
    Master: CREATE SCHEMA IF NOT EXISTS "new"
    Master: GRANT USAGE, CREATE ON SCHEMA "new" TO "iam_admin"
    Admin: CREATE TABLE IF NOT EXISTS "new"."t" (a int)
    Admin: CREATE ROLE "app" LOGIN
    Admin: GRANT "rds_iam" TO "app"
    "#);
}

/// Where RDS denies the right to grant `rds_iam`, a run has only optional statements left.
#[test]
fn an_admin_that_may_not_grant_rds_iam() {
    let simple = declared(SIMPLE);
    let mut observed = complete(&simple, &fresh(V18));
    for grants in observed.memberships.values_mut().flatten().filter(|grant| grant.role == "rds_iam") {
        grants.admin = false;
    }
    let changes = diff(&simple, &observed).unwrap().changes;
    let actions: Vec<crate::plan::Action> = changes.into_iter().map(Into::into).collect();
    insta::assert_snapshot!(corrections(&simple, &observed), @r#"Master: GRANT "rds_iam" TO "iam_admin" WITH ADMIN OPTION"#);
    assert!(actions[0].is_optional() && actions[0].group.is_none());
}

#[test]
fn a_second_run_changes_nothing() {
    for version in [V15, V18] {
        let simple = declared(SIMPLE);
        let after = complete(&simple, &fresh(version));
        assert_eq!(diff(&simple, &after).unwrap().changes, []);
        assert_eq!(warnings(&simple, &after), "");
    }
}

#[test]
fn a_user_with_a_password_is_switched() {
    for (version, by) in [(V15, "Admin"), (V18, "Master")] {
        let mut observed = complete(&declared(SIMPLE), &fresh(version));
        observed.roles.insert("old".into(), role());
        let text = format!("{SIMPLE}\n[[user]]\nname = \"old\"\n");
        let expected = format!("Admin: GRANT \"rds_iam\" TO \"old\"\n{by}: ALTER ROLE \"old\" PASSWORD NULL");
        assert_eq!(corrections(&declared(&text), &observed), expected);
    }
}

#[test]
fn attributes_and_settings_that_are_not_declared_are_taken_away() {
    let mut observed = complete(&declared(SIMPLE), &fresh(V18));
    let settings = [("lock_timeout", "1s"), ("role", "rds_superuser"), ("work_mem", "1GB")];
    let here = [("search_path", "x"), ("work_mem", "1GB")].map(|(name, value)| (name.into(), value.into()));
    let changed = ObservedRole {
        settings_here: here.into(),
        creates_roles: true,
        creates_databases: true,
        connection_limit: 3,
        settings: settings.map(|(name, value)| (name.into(), value.into())).into(),
        ..role()
    };
    observed.roles.insert("app".into(), changed);
    let admin = observed.roles.get_mut("iam_admin").unwrap();
    admin.creates_roles = false;
    insta::assert_snapshot!(corrections(&declared(SIMPLE), &observed), @r#"
    Master: ALTER ROLE "iam_admin" CREATEROLE
    Master: ALTER ROLE "app" NOCREATEDB
    Admin: ALTER ROLE "app" NOCREATEROLE CONNECTION LIMIT -1
    Admin: ALTER ROLE "app" RESET lock_timeout
    Admin: ALTER ROLE "app" IN DATABASE "node_db" RESET search_path
    "#);
}

#[test]
fn memberships_that_are_not_declared_end() {
    for version in [V15, V18] {
        let mut observed = complete(&declared(SIMPLE), &fresh(version));
        for (other, grantor) in [("writers", "postgres"), ("readers", "rdsadmin"), ("others", "other")] {
            observed.roles.insert(other.into(), role());
            observed.add_membership(membership("app", other, grantor));
        }
        observed.add_membership(membership("app", "postgres", "postgres"));
        let found = diff(&declared(SIMPLE), &observed).unwrap();
        let statements: Vec<_> = found
            .changes
            .iter()
            .map(|planned| format!("{:?}: {}", planned.actor, planned.change.sql()))
            .collect();
        let revoke = |role: &str| format!("Master: REVOKE \"{role}\" FROM \"app\"");
        if version == V15 {
            assert_eq!(statements, ["others", "postgres", "readers", "writers"].map(revoke));
            assert_eq!(found.warnings, []);
        } else {
            assert_eq!(statements, ["postgres", "readers", "writers"].map(revoke));
            let warning = "app has the role others, which is not declared and only other can revoke: REVOKE \"others\" FROM \"app\" GRANTED BY \"other\"";
            assert_eq!(found.warnings[0].to_string(), warning);
        }
    }
}

#[test]
fn the_right_to_let_others_log_in_by_iam_ends() {
    let mut observed = complete(&declared(SIMPLE), &fresh(V18));
    observed.memberships.remove(&("app".into(), "rds_iam".into()));
    observed.add_membership(Membership { admin: true, ..membership("app", "rds_iam", "iam_admin") });
    let statements = corrections(&declared(SIMPLE), &observed);
    assert_eq!(statements, "Admin: REVOKE ADMIN OPTION FOR \"rds_iam\" FROM \"app\"");
}

#[test]
fn privileges_that_are_not_declared_are_revoked_on_every_level() {
    let mut observed = complete(&declared(SIMPLE), &fresh(V18));
    let messages = ("public".to_owned(), "messages".to_owned());
    assert_eq!(observed.relations[&messages].owner, "iam_admin");
    observed.relations.insert(("public".into(), "old".into()), relation("postgres"));
    let column = |name: &str| Object::Column {
        schema: "public".into(),
        table: "messages".into(),
        column: name.into(),
    };
    let surplus = [
        (Object::Database("node_db".into()), held("CREATE", "postgres")),
        (Object::Schema("public".into()), held("CREATE", "postgres")),
        (column("id"), held("SELECT", "iam_admin")),
        (table("public", "messages"), held("DELETE", "iam_admin")),
        (table("public", "messages"), Held { with_grant_option: true, ..held("SELECT", "iam_admin") }),
        (
            Object::Future {
                owner: "postgres".into(),
                schema: None,
                objects: crate::postgres::FutureObjects::Tables,
            },
            held("DELETE", "postgres"),
        ),
    ];
    let grants = observed.grants.get_mut("app").unwrap();
    for (object, held) in surplus {
        let of_object = grants.entry(object).or_default();
        of_object.retain(|other| other.privilege != held.privilege);
        of_object.insert(held);
    }
    insta::assert_snapshot!(corrections(&declared(SIMPLE), &observed), @r#"
    Master: GRANT SELECT, INSERT ON TABLE "public"."old" TO "app"
    Master: ALTER DEFAULT PRIVILEGES FOR ROLE "postgres" IN SCHEMA "public" GRANT SELECT, INSERT ON TABLES TO "app"
    Master: REVOKE CREATE ON DATABASE "node_db" FROM "app"
    Master: REVOKE CREATE ON SCHEMA "public" FROM "app"
    Master: ALTER DEFAULT PRIVILEGES FOR ROLE "postgres" REVOKE DELETE ON TABLES FROM "app"
    Admin: REVOKE SELECT ("id") ON TABLE "public"."messages" FROM "app"
    Admin: REVOKE DELETE ON TABLE "public"."messages" FROM "app"
    Admin: REVOKE GRANT OPTION FOR SELECT ON TABLE "public"."messages" FROM "app"
    "#);
}

#[test]
fn what_only_another_role_can_change_is_reported() {
    let mut observed = complete(&declared(SIMPLE), &fresh(V18));
    observed.roles.insert("stranger".into(), role());
    observed.relations.insert(("public".into(), "theirs".into()), relation("stranger"));
    observed.owned.insert("app".into(), Owned { count: 2, example: Some("table x".into()) });
    let grants = observed.grants.get_mut("app").unwrap();
    grants.insert(table("public", "theirs"), [held("DELETE", "stranger")].into());
    insta::assert_snapshot!(warnings(&declared(SIMPLE), &observed), @r#"
    app owns 2 objects, such as table x, on which it has every privilege; to end that, in each database: REASSIGN OWNED BY "app" TO "iam_admin"
    app lacks declared privileges on public.theirs, which only its owner stranger can grant: GRANT SELECT, INSERT ON TABLE "public"."theirs" TO "app"
    app lacks declared privileges on tables that stranger will create in public, which only its owner stranger can grant: ALTER DEFAULT PRIVILEGES FOR ROLE "stranger" IN SCHEMA "public" GRANT SELECT, INSERT ON TABLES TO "app"
    app has DELETE on public.theirs, which is not declared and only stranger can revoke: REVOKE DELETE ON TABLE "public"."theirs" FROM "app" GRANTED BY "stranger"
    "#);

    let text = "[[user]]\nname = \"app\"\ngrant = [{ table = \"theirs\", privileges = [\"SELECT\"] }]\n";
    let missing = diff(&declared(text), &observed).unwrap_err();
    insta::assert_snapshot!(format!("{missing}\n{}", missing.help), @r#"
    grant SELECT on public.theirs to app: only its owner stranger may do that
    As stranger: GRANT SELECT ON TABLE "public"."theirs" TO "app";
    "#);
}

#[test]
fn extensions_tables_are_left_to_their_extension() {
    let mut observed = complete(&declared(SIMPLE), &fresh(V15));
    let of_extension = Relation { of_extension: true, ..relation("rdsadmin") };
    observed.relations.insert(("public".into(), "pg_stat_statements".into()), of_extension);
    assert_eq!(corrections(&declared(SIMPLE), &observed), "");
}

#[test]
fn a_database_that_not_everyone_may_use() {
    let mut observed = complete(&declared(SIMPLE), &fresh(V15));
    observed.public_connects = false;
    let grant = |role: &str| format!("Master: GRANT CONNECT ON DATABASE \"node_db\" TO \"{role}\"");
    let both = format!("{}\n{}", grant("iam_admin"), grant("app"));
    assert_eq!(corrections(&declared(SIMPLE), &observed), both);

    // The admin connects before it is a member of the owner of the tables; its other privileges are left.
    let with_owner = declared(&format!("{SIMPLE}owner = \"orders_owner\"\n"));
    for version in [V15, V18] {
        let mut new = Observed { public_connects: false, ..fresh(version) };
        let statements = corrections(&with_owner, &new);
        assert_eq!(statements.matches(&grant("iam_admin")).count(), 1, "{statements}");
        let connects = diff(&with_owner, &new).unwrap().changes.into_iter().find(|planned| {
            planned.change.sql().ends_with("GRANT CONNECT ON DATABASE \"node_db\" TO \"iam_admin\"")
        });
        assert_eq!(connects.map(|planned| planned.step), Some(Step::Admin));
        // An owner of the database needs no grant to connect.
        new.databases.insert("node_db".into(), "iam_admin".into());
        assert!(!corrections(&with_owner, &new).contains(&grant("iam_admin")));
    }
}

#[test]
fn warnings_about_the_server_and_about_others() {
    let mut observed = complete(&declared(SIMPLE), &fresh(V15));
    observed.force_ssl = false;
    observed.add_membership(membership("stray", "rds_iam", "postgres"));
    observed.roles.get_mut("app").unwrap().can_login = false;
    insta::assert_snapshot!(warnings(&declared(SIMPLE), &observed), @r#"
    app may not log in, which is left; to let it: ALTER ROLE "app" LOGIN
    rds.force_ssl is 0: clients may send passwords and data without TLS; set it to 1 in the parameter group
    stray is not declared, and logs in by IAM; it is left: declare it, or if no program needs it: DROP ROLE "stray"
    "#);
}

/// The forecast of each state that locks a master user out, as the state before a run or as what a run would make.
#[test]
fn the_master_users_login_is_forecast() {
    let simple = declared(SIMPLE);
    let path = |roles: &[&str]| roles.iter().map(|role| (*role).to_owned()).collect::<Vec<_>>();
    let forecast = |observed: &Observed| {
        let diff = diff(&simple, observed).unwrap();
        (diff.path_before, diff.path_after)
    };
    let (none, creator, locked) = (
        || Forecast::None,
        |roles: &[&str]| Forecast::CreatorEdge { path: path(roles) },
        |roles: &[&str]| Forecast::LockOut { path: path(roles) },
    );
    let by_admin = creator(&["postgres", "iam_admin", "rds_iam"]);

    // The first run: nothing on 15; on 18 the master user is the creator of the admin.
    assert_eq!(forecast(&fresh(V15)), (none(), none()));
    assert_eq!(forecast(&fresh(V18)), (none(), by_admin.clone()));
    let second = complete(&simple, &fresh(V18));
    assert_eq!(forecast(&second), (by_admin.clone(), by_admin));

    // The master user is a member of a declared user, directly or by a group, whatever the options.
    let mut member = fresh(V15);
    member.roles.insert("app".into(), role());
    member.add_membership(membership("postgres", "app", "postgres"));
    assert_eq!(forecast(&member), (none(), locked(&["postgres", "app", "rds_iam"])));
    let mut group = fresh(V18);
    for name in ["app", "group"] {
        group.roles.insert(name.into(), role());
    }
    let without = |of: Membership| Membership { inherit: false, set: false, ..of };
    group.add_membership(without(membership("postgres", "group", "rdsadmin")));
    group.add_membership(without(membership("group", "app", "rdsadmin")));
    assert_eq!(forecast(&group).1, locked(&["postgres", "group", "app", "rds_iam"]));

    // The state before counts too, and a run does not end it.
    let mut already = fresh(V15);
    already.add_membership(membership("postgres", "rds_iam", "postgres"));
    assert_eq!(forecast(&already), (locked(&["postgres", "rds_iam"]), locked(&["postgres", "rds_iam"])));

    // A member of the master user does not lock it out, and its membership ends.
    let mut reverse = fresh(V15);
    reverse.roles.insert("app".into(), role());
    reverse.add_membership(membership("app", "postgres", "postgres"));
    assert_eq!(forecast(&reverse), (none(), none()));

    // Without a known master user, all that may be it count, but for those that log in by IAM before: unless all do.
    let mut unknown = fresh(V15);
    unknown.masters = ["postgres".into(), "second".into()].into();
    unknown.add_membership(membership("second", "rds_iam", "rdsadmin"));
    assert_eq!(forecast(&unknown), (none(), none()));
    unknown.roles.insert("app".into(), role());
    unknown.add_membership(membership("postgres", "app", "rdsadmin"));
    assert_eq!(forecast(&unknown), (none(), locked(&["postgres", "app", "rds_iam"])));
    unknown.add_membership(membership("app", "rds_iam", "rdsadmin"));
    assert_eq!(forecast(&unknown).0, locked(&["second", "rds_iam"]));
}
