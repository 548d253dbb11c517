use super::*;
use crate::fixture::{USERS, conf};

fn refused(text: &str) -> String {
    let error = Declaration::parse(text, &conf()).unwrap_err();
    let cause = std::error::Error::source(&error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}\n{cause}"))
}

#[test]
fn a_user_and_a_table() {
    let standard = Declaration::parse(USERS, &conf()).unwrap();
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
fn a_file_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.sql"), "CREATE TABLE IF NOT EXISTS a (i INT);").unwrap();
    let path = folder.path().join("users.toml");
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
        files = ["a.sql"]
        statements = ["CREATE TABLE IF NOT EXISTS b (i INT)"]
    "#;
    std::fs::write(&path, text).unwrap();
    let declaration = Declaration::read(&path, &conf()).unwrap();
    assert_eq!(declaration.users()[0].account.to_string(), "writer@10.0.%");
    assert_eq!(declaration.users()[0].grants[1].table.as_deref(), Some("a_table"));
    assert_eq!(declaration.users()[1].grants, []);
    assert_eq!(declaration.databases(), ["node_db", "other"].into());
    assert_eq!(declaration.tables().iter().map(CreateTable::table).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn all_that_is_wrong_is_told_together() {
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
    the declaration has 15 problems:
      user "o'neil": "SELCT" is not a privilege on a database or table: use names such as SELECT, INSERT or CREATE VIEW
      user "o'neil": PROCESS is a global privilege (ON *.*), which would reach every database on the server: application users get privileges on databases and tables only
      user "o'neil": the account of user "o'neil" has the character '\'' in its name or host: use letters, digits, _ and - (clients quote others each in their own way)
      user "rdsadmin": rdsadmin belongs to RDS or MySQL and is never touched: declare a user of your own
      user "iam_admin": is the IAM_ADMIN_USER of rds.conf, whose privileges follow from everybody else's: leave it out
      user "app": the grant on database "node_db" lists no privileges: list some, or leave the grant out
      user "app": privileges on every database (*.*) are global, and would reach databases that nobody thought of: name the database
      user "app": database "mysql" belongs to the server itself: name one of your own
      user "app": ALL is refused, for it grows with the server's version: name the privileges that the user needs
      user "app": leave `table` out to grant on every table of the database
      user "app": GRANT OPTION is refused: a user that hands its privileges on makes grants that nobody declared
      user "app": is declared twice: put all its grants under one [[user]]
      /does/not/exist.sql: cannot be read (No such file or directory (os error 2)); schema files are looked for beside the users file
      schema.statements: line 1: the statement `DROP TABLE messages …` is refused: only CREATE TABLE IF NOT EXISTS may stand here, since it runs each time; leave changes of tables to migrations
      schema.statements: table t is created twice: keep one statement
    "#);
}

#[test]
fn a_host_in_capitals_is_the_same_host() {
    insta::assert_snapshot!(refused("[[user]]\nname = \"a\"\nhost = \"LOCALHOST\"\n[[user]]\nname = \"a\"\nhost = \"localhost\"\n"), @r#"
    the declaration has 1 problem:
      user "a": is declared twice: put all its grants under one [[user]]
    "#);
}

#[test]
fn text_that_is_no_users_file() {
    insta::assert_snapshot!(refused("[[user]]\nname = \"app\"\npassword = \"x\"\n"), @r#"
    the declaration is not a users file; the README of rds-iam-bootstrap has the format
    TOML parse error at line 3, column 1
      |
    3 | password = "x"
      | ^^^^^^^^
    unknown field `password`, expected one of `name`, `host`, `grant`
    "#);
    insta::assert_snapshot!(refused("[[user]\n"), @r"
    the declaration is not a users file; the README of rds-iam-bootstrap has the format
    TOML parse error at line 1, column 8
      |
    1 | [[user]
      |        ^
    unclosed array table, expected `]`
    ");
    insta::assert_snapshot!(refused(""), @r"
    the declaration has 1 problem:
      the users file: declares no [[user]]
    ");
    insta::assert_snapshot!(refused("[[user]]\nname = \"app\"\ngrant = [{ database = \"db\" }]\n"), @r#"
    the declaration is not a users file; the README of rds-iam-bootstrap has the format
    TOML parse error at line 3, column 10
      |
    3 | grant = [{ database = "db" }]
      |          ^^^^^^^^^^^^^^^^^^^
    missing field `privileges`
    "#);
}

#[test]
fn a_file_that_cannot_be_read() {
    let error = Declaration::read(Path::new("/does/not/exist.toml"), &conf()).unwrap_err();
    insta::assert_snapshot!(error, @"cannot read the users file /does/not/exist.toml; it must be a UTF-8 text file that this program may read");
}

#[test]
fn names_of_rds_conf_are_checked_too() {
    let mut conf = conf();
    conf.iam_admin = "root".parse().unwrap();
    conf.database = "mysql".parse().unwrap();
    insta::assert_snapshot!(Declaration::parse(USERS, &conf).unwrap_err(), @r#"
    the declaration has 3 problems:
      DB_NAME: database "mysql" belongs to the server itself: name one of your own
      IAM_ADMIN_USER: root belongs to RDS or MySQL and is never touched: declare a user of your own
      user "node_app": database "mysql" belongs to the server itself: name one of your own
    "#);
}

#[test]
fn the_master_user_is_never_declared() {
    let declaration = Declaration::parse(USERS, &conf()).unwrap();
    assert!(declaration.refuse_master("admin").is_ok());
    insta::assert_snapshot!(declaration.refuse_master("node_app").unwrap_err(), @r"
    the declaration has 1 problem:
      node_app@%: is the master user, which is never touched: declare a user of your own
    ");
    assert!(declaration.refuse_master("iam_admin").is_err());
}

#[test]
fn files_and_lists_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    std::fs::write(&path, " ".repeat(1024 * 1024 + 1)).unwrap();
    let error = Declaration::read(&path, &conf()).unwrap_err();
    insta::assert_snapshot!(std::error::Error::source(&error).unwrap(), @"it is longer than 1024 KiB");

    std::fs::write(&path, "[[user]]\nname = \"root\"\n".repeat(30)).unwrap();
    let said = Declaration::read(&path, &conf()).unwrap_err().to_string();
    assert!(said.contains("has 30 problems") && said.ends_with("\n  and 10 more"), "{said}");
    assert_eq!(said.lines().count(), 1 + 20 + 1);
}
