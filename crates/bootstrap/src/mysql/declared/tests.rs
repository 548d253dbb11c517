//! Tests of the validation of a declaration for MySQL.

use super::*;
use crate::fixture::{conf, declaration};

fn check(text: &str) -> Result<Declared, DeclarationError> {
    Declared::new(&Declaration::parse(text, "users.toml").unwrap(), &conf())
}

fn refused(text: &str) -> String {
    check(text).unwrap_err().to_string()
}

#[test]
fn a_user_and_a_table() {
    let standard = Declared::new(&declaration(), &conf()).unwrap();
    assert_eq!(standard.admin().to_string(), "iam_admin@%");
    assert_eq!(standard.database(), "node_db");
    let [user] = standard.users() else { panic!("one user") };
    assert_eq!(user.account.to_string(), "node_app@%");
    let [grant] = user.grants.as_slice() else { panic!("one grant") };
    assert_eq!((grant.database.as_str(), &grant.table), ("node_db", &None));
    let privileges: Vec<_> = grant.privileges.iter().map(ToString::to_string).collect();
    assert_eq!(privileges, ["SELECT", "INSERT", "UPDATE", "DELETE"]);
    let tables: Vec<_> = standard.tables().iter().map(CreateTable::table).collect();
    assert_eq!(tables, ["messages"]);
}

#[test]
fn hosts_databases_and_tables() {
    let text = r#"
        [[user]]
        name = "writer"
        host = "10.0.%"
        [[user.grant]]
        privileges = ["select", "INSERT"]
        [[user.grant]]
        database = "other"
        table = "a_table"
        privileges = ["SELECT"]

        [[user]]
        name = "nothing_yet"

        [schema]
        statements = ["CREATE TABLE IF NOT EXISTS a (i INT);", "CREATE TABLE IF NOT EXISTS b (i INT)"]
    "#;
    let declared = check(text).unwrap();
    assert_eq!(declared.users()[0].account.to_string(), "writer@10.0.%");
    assert_eq!(declared.users()[0].grants[1].table.as_deref(), Some("a_table"));
    assert_eq!(declared.users()[1].grants, []);
    assert_eq!(declared.databases(), ["node_db", "other"].into());
    assert_eq!(declared.tables().iter().map(CreateTable::table).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn all_problems_are_reported_together() {
    let text = r#"
        [[user]]
        name = "o'neil"
        grant = [{ privileges = ["SELCT", "PROCESS"] }]
        [[user]]
        name = "rdsadmin"
        [[user]]
        name = "iam_admin"
        [[user]]
        name = "app"
        [[user.grant]]
        privileges = []
        [[user.grant]]
        database = "*"
        privileges = ["SELECT"]
        [[user.grant]]
        database = "mysql"
        privileges = ["ALL"]
        [[user.grant]]
        table = "*"
        privileges = ["GRANT OPTION"]
        [[user]]
        name = "app"
        [schema]
        files = ["/does/not/exist.sql"]
        statements = ["DROP TABLE messages", "CREATE TABLE IF NOT EXISTS t (i INT); CREATE TABLE IF NOT EXISTS t (i INT)"]
    "#;
    insta::assert_snapshot!(refused(text), @r#"
    users.toml has 15 problems:
      /does/not/exist.sql: cannot be read (No such file or directory (os error 2)); the paths of schema files are relative to the users file
      user "o'neil": "SELCT" is not a privilege on a database or table: use names such as SELECT, INSERT or CREATE VIEW
      user "o'neil": PROCESS is a global privilege (ON *.*), which would reach every database on the server: application users get privileges on databases and tables only
      user "o'neil": the user name "o'neil" has the character '\'': use letters A to Z, digits and _ + = , . @ - only, as in names of IAM users
      user "rdsadmin": rdsadmin belongs to RDS or MySQL and is never changed: name another user
      user "iam_admin": is the IAM_ADMIN_USER, whose privileges follow from those of all users: leave it out
      user "app": the grant on database "node_db" lists no privileges: list some, or leave the grant out
      user "app": privileges on every database (*.*) are global, and would reach databases that the author did not think of: name the database
      user "app": database "mysql" belongs to the server itself: name another
      user "app": ALL is refused because it grows with the server's version: name the privileges that the user needs
      user "app": leave `table` out to grant on every table of the database
      user "app": GRANT OPTION is refused: a user that grants its privileges to others makes undeclared grants
      user "app": is declared twice: put all its grants under one [[user]]
      schema.statements, statement 1 of 2: line 1: the statement `DROP TABLE messages …` is refused: only CREATE TABLE IF NOT EXISTS is allowed, because it runs each time; change tables by migrations
      schema.statements, statement 2 of 2: table t is created twice: keep one statement
    "#);
}

#[test]
fn a_host_in_capitals_is_the_same_host() {
    insta::assert_snapshot!(refused("[[user]]\nname = \"a\"\nhost = \"LOCALHOST\"\n[[user]]\nname = \"a\"\nhost = \"localhost\"\n"), @r#"
    users.toml has 1 problem:
      user "a": is declared twice: put all its grants under one [[user]]
    "#);
}

#[test]
fn names_of_rds_conf_are_checked_too() {
    let mut conf = conf();
    conf.iam_admin = "root".parse().unwrap();
    conf.database = "mysql".parse().unwrap();
    insta::assert_snapshot!(Declared::new(&declaration(), &conf).unwrap_err(), @r#"
    the deployment's configuration has 2 problems:
      DB_NAME: database "mysql" belongs to the server itself: name another
      IAM_ADMIN_USER: root belongs to RDS or MySQL and is never changed: name another user
    "#);
}

#[test]
fn the_master_user_is_never_declared() {
    let declared = Declared::new(&declaration(), &conf()).unwrap();
    assert!(declared.refuse_master("admin").is_ok());
    insta::assert_snapshot!(declared.refuse_master("node_app").unwrap_err(), @"
    users.toml has 1 problem:
      node_app@%: is the master user, which is never changed: declare another user
    ");
    insta::assert_snapshot!(declared.refuse_master("iam_admin").unwrap_err(), @"
    the deployment's configuration has 1 problem:
      IAM_ADMIN_USER: iam_admin is the master user, which is never changed: name another user
    ");
}

#[test]
fn many_problems_are_cut_off() {
    let refused = refused(&"[[user]]\nname = \"root\"\n".repeat(30));
    assert!(refused.contains("has 30 problems") && refused.ends_with("\n  and 10 more"), "{refused}");
    assert_eq!(refused.lines().count(), 1 + 20 + 1);
}

#[test]
fn what_only_postgresql_has_is_refused_with_the_reason() {
    let text = r#"
        [[user]]
        name = "app"
        settings = { statement_timeout = "4s" }
        grant = [{ schema = "public", sequence = "*", privileges = ["SELECT"] }]
        [schema]
        name = "app"
        extensions = ["citext"]
    "#;
    insta::assert_snapshot!(refused(text), @r#"
    users.toml has 5 problems:
      schema.name: is for PostgreSQL: set ENGINE="postgresql" in rds.conf, or leave it out; MySQL creates the tables in the database of rds.conf
      schema.extensions: is for PostgreSQL: set ENGINE="postgresql" in rds.conf, or leave it out; MySQL creates the tables in the database of rds.conf
      user "app": has settings, which are for PostgreSQL: set ENGINE="postgresql" in rds.conf, or leave `settings` out and set limits in the parameter group or by the service
      user "app": a grant has the key `schema`, which is for PostgreSQL: set ENGINE="postgresql" in rds.conf, or leave it out and name a database or a table
      user "app": a grant has the key `sequence`, which is for PostgreSQL: set ENGINE="postgresql" in rds.conf, or leave it out and name a database or a table
    "#);
}
