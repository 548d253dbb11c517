//! Tests of the validation of a declaration for PostgreSQL.

use super::*;
use crate::fixture::{conf, declaration};
use crate::postgres::fixture::DECLARATION;
use crate::postgres::{Kind, Scope};

fn check(text: &str) -> Result<Declared, DeclarationError> {
    Declared::new(&Declaration::parse(text, "users.toml").unwrap(), &conf())
}

fn refused(text: &str) -> String {
    check(text).unwrap_err().to_string()
}

fn shown(declared: &Declared) -> String {
    let line = |grant: &Grant| {
        let privileges: Vec<_> = grant.privileges.iter().map(ToString::to_string).collect();
        format!("{:?}: {}", grant.scope, privileges.join(", "))
    };
    declared.users()[0].grants.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn mysqls_example_is_valid_as_it_is() {
    let text = r#"
        [[user]]
        name = "node_app"
        grant = [{ privileges = ["SELECT", "INSERT", "UPDATE", "DELETE"] }]
    "#;
    let declared = check(text).unwrap();
    assert_eq!((declared.admin().name(), declared.database()), ("iam_admin", "node_db"));
    assert_eq!((declared.schema(), declared.owner()), ("public", None));
    assert_eq!(shown(&declared), r#"All { kind: Table, schema: "public" }: SELECT, INSERT, UPDATE, DELETE"#);
    // Its table is made of MySQL's types, which the server refuses; the shape passes.
    assert_eq!(Declared::new(&declaration(), &conf()).unwrap().tables()[0].table(), "messages");
}

#[test]
fn the_example_apps_users_file_is_valid() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../app/users/postgres.toml");
    let declared = Declared::new(&Declaration::read(file.as_ref()).unwrap(), &conf()).unwrap();
    let settings = &declared.users()[0].settings;
    assert_eq!([&settings["lock_timeout"], &settings["statement_timeout"]], ["4s", "4s"]);
    assert_eq!(shown(&declared), r#"All { kind: Table, schema: "public" }: SELECT, INSERT, UPDATE, DELETE"#);
    assert_eq!(declared.tables()[0].table(), "messages");
}

#[test]
fn everything_that_may_be_declared() {
    let declared = check(DECLARATION).unwrap();
    insta::assert_snapshot!(shown(&declared), @r#"
    Database("node_db"): CREATE, CONNECT
    All { kind: Table, schema: "app" }: SELECT
    Schema("public"): USAGE, CREATE
    One { kind: Table, schema: "reporting", name: "orders" }: SELECT
    All { kind: Sequence, schema: "app" }: USAGE
    One { kind: Function, schema: "app", name: "total" }: EXECUTE
    Database("archive"): CONNECT
    "#);
    assert_eq!(declared.owner().unwrap().name(), "orders_owner");
    assert_eq!(declared.extensions(), ["pgcrypto"]);
    assert_eq!(declared.users()[0].settings["search_path"], "app, public");
    assert_eq!(declared.schemas(), ["app", "public", "reporting"].into());
    assert!(matches!(declared.users()[0].grants[1].scope, Scope::All { kind: Kind::Table, .. }));
}

#[test]
fn all_problems_are_reported_together() {
    let text = r#"
        [[user]]
        name = "o'neil"
        [[user]]
        name = "a"
        host = "%"
        settings = { role = "rds_superuser", statement_timeout = "soon", search_path = "A b" }
        [[user.grant]]
        privileges = []
        [[user.grant]]
        privileges = ["ALL", "CREATE VIEW"]
        [[user.grant]]
        schema = "pg_catalog"
        privileges = ["USAGE"]
        [[user.grant]]
        database = "other"
        table = "t"
        privileges = ["SELECT"]
        [[user.grant]]
        table = "t"
        sequence = "s"
        privileges = ["SELECT"]
        [[user.grant]]
        table = "t"
        privileges = ["ALL"]
        [[user.grant]]
        function = "f(int)"
        privileges = ["EXECUTE"]
        [[user]]
        name = "a"
        [[user]]
        name = "iam_admin"
        [schema]
        owner = "a"
        extensions = [""]
        statements = ["DROP TABLE t"]
    "#;
    insta::assert_snapshot!(refused(text), @r#"
    users.toml has 18 problems:
      user "o'neil": the user name "o'neil" has the character '\'': use letters A to Z, digits and _ + = , . @ - only, as in names of IAM users
      user "a": has a host, but PostgreSQL's users have none: leave `host` out, and limit addresses by security groups
      user "a": a grant lists no privileges: list some, or leave the grant out
      user "a": "CREATE VIEW" is not a privilege on a table: expected SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN
      user "a": schema "pg_catalog" belongs to the server itself: name another
      user "a": privileges on objects in database "other" need a run with that DB_NAME: a connection reads and changes one database; CONNECT, CREATE and TEMPORARY on it can be declared here
      user "a": "SELECT" is not a privilege on a database: expected CREATE, TEMPORARY, CONNECT
      user "a": a grant names a table, a sequence or a function: name one of them in each grant
      user "a": ALL on a table is refused because it grows with the server's version: name the privileges that the user needs
      user "a": function "f(int)": name it without its arguments; all functions of that name are meant
      user "a": the setting "role" can't be declared: expected idle_in_transaction_session_timeout, lock_timeout, search_path, statement_timeout
      user "a": search_path = "A b" is not a list of schemas such as "app, public": use lower-case letters, digits and _, or $user
      user "a": statement_timeout = "soon" is not a time such as "4s" or "500ms", of at most 2147483647 ms (24 days)
      user "a": is declared twice: put all its grants under one [[user]]
      user "iam_admin": is the IAM_ADMIN_USER, whose privileges follow from those of all users: leave it out
      schema.owner: is the IAM_ADMIN_USER or a declared user, who could then change the tables: name a role of its own
      schema.extensions: "": the name is empty
      schema.statements: line 1: the statement `DROP TABLE t …` is refused: only CREATE TABLE IF NOT EXISTS is allowed, because it runs each time; change tables by migrations
    "#);
}

#[test]
fn the_master_user_is_never_declared() {
    let declared = check("[[user]]\nname = \"postgres\"\n").unwrap();
    insta::assert_snapshot!(declared.refuse_master("postgres").unwrap_err(), @"
    users.toml has 1 problem:
      postgres: is the master user, which is never changed: declare another user
    ");
    insta::assert_snapshot!(declared.refuse_master("iam_admin").unwrap_err(), @"
    the deployment's configuration has 1 problem:
      IAM_ADMIN_USER: iam_admin is the master user, which is never changed: name another user
    ");
    assert!(declared.refuse_master("other").is_ok());
}

#[test]
fn the_example_services_file_is_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../app/users/postgres.toml");
    let declaration = Declaration::read(path.as_ref()).unwrap();
    let declared = Declared::new(&declaration, &conf()).unwrap();
    assert_eq!(declared.users()[0].role.name(), "node_app");
    assert_eq!(declared.tables()[0].table(), "messages");
}
