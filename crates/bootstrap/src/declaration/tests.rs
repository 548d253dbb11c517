//! Tests of parsing users files.

use super::*;

fn refused(text: &str) -> String {
    let error = Declaration::parse(text, "RDS_IAM_USERS").unwrap_err();
    rds_iam_report::ErrorReport(&error).to_string()
}

fn problems(declaration: &Declaration) -> String {
    declaration.violations().into_result(declaration.origin()).unwrap_err().to_string()
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
    let declaration = Declaration::read(&path).unwrap();
    assert_eq!(declaration.origin(), path.to_str().unwrap());
    let [writer, nothing_yet] = declaration.users() else { panic!("two users") };
    assert_eq!((writer.name.as_str(), writer.host.as_deref()), ("writer", Some("10.0.%")));
    assert_eq!(writer.grants[0].privileges, ["select", "INSERT"]);
    assert_eq!((writer.grants[0].database.as_deref(), writer.grants[0].table.as_deref()), (None, None));
    let other = &writer.grants[1];
    assert_eq!((other.database.as_deref(), other.table.as_deref()), (Some("other"), Some("a_table")));
    assert_eq!((nothing_yet.host.as_deref(), nothing_yet.grants.as_slice()), (None, [].as_slice()));
    let schema: Vec<_> = declaration.schema().iter().map(|text| text.sql.as_str()).collect();
    assert_eq!(schema, ["CREATE TABLE IF NOT EXISTS a (i INT);", "CREATE TABLE IF NOT EXISTS b (i INT)"]);
    assert_eq!(declaration.schema_options(), &SchemaOptions::default());
    assert!(declaration.violations().into_result("").is_ok());
}

#[test]
fn what_only_some_engines_have() {
    let text = r#"
        [[user]]
        name = "writer"
        settings = { statement_timeout = "4s" }
        grant = [
            { schema = "public", privileges = ["ALL"] },
            { schema = "public", table = "*", privileges = ["SELECT"] },
            { sequence = "*", privileges = ["USAGE"] },
            { function = "f", privileges = ["EXECUTE"] },
        ]
        [schema]
        name = "app"
        owner = "app_owner"
        extensions = ["citext"]
    "#;
    let declaration = Declaration::parse(text, "users.toml").unwrap();
    let user = &declaration.users()[0];
    assert_eq!(user.settings["statement_timeout"], "4s");
    assert_eq!(user.grants[1].schema.as_deref(), Some("public"));
    assert_eq!(user.grants[2].sequence.as_deref(), Some("*"));
    assert_eq!(user.grants[3].function.as_deref(), Some("f"));
    let options = declaration.schema_options();
    assert_eq!((options.name.as_deref(), options.owner.as_deref()), (Some("app"), Some("app_owner")));
    assert_eq!(options.extensions, ["citext"]);
}

#[test]
fn text_that_is_no_users_file() {
    insta::assert_snapshot!(refused("[[user]]\nname = \"app\"\npassword = \"x\"\n"), @"RDS_IAM_USERS is not a users file (line 3, column 1): unknown field `password`, expected one of `name`, `host`, `settings`, `grant`; the README of rds-iam-bootstrap describes the format");
    insta::assert_snapshot!(refused("[[user]\n"), @"RDS_IAM_USERS is not a users file (line 1, column 8): unclosed array table, expected `]`; the README of rds-iam-bootstrap describes the format");
    insta::assert_snapshot!(refused("[[user]]\nname = \"app\"\ngrant = [{ database = \"db\" }]\n"), @"RDS_IAM_USERS is not a users file (line 3, column 10): missing field `privileges`; the README of rds-iam-bootstrap describes the format");
    // Another file by mistake.
    for text in
        ["aws_secret_access_key = hunter2/hunter2\n", "[[user]]\nname = \"app\"\ngrant = \"hunter2\"\n"]
    {
        let error = Declaration::parse(text, "RDS_IAM_USERS").unwrap_err();
        let printed = format!("{} {error:?}", rds_iam_report::ErrorReport(&error));
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn problems_are_kept_for_the_engine_to_report() {
    let text = "[schema]\nfiles = [\"/does/not/exist.sql\"]\n";
    insta::assert_snapshot!(problems(&Declaration::parse(text, "RDS_IAM_USERS").unwrap()), @"
    RDS_IAM_USERS has 2 problems:
      the users file: declares no [[user]]
      /does/not/exist.sql: cannot be read (No such file or directory (os error 2)); the paths of schema files are relative to the users file
    ");
}

#[test]
fn a_file_that_cannot_be_read() {
    let error = Declaration::read(Path::new("/does/not/exist.toml")).unwrap_err();
    insta::assert_snapshot!(error, @"cannot read the users file /does/not/exist.toml; it must be a UTF-8 text file that this program may read");
}

#[test]
fn files_have_a_size_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (path, schema) = (folder.path().join("users.toml"), folder.path().join("schema.sql"));
    std::fs::write(&path, " ".repeat(1024 * 1024 + 1)).unwrap();
    let error = Declaration::read(&path).unwrap_err();
    insta::assert_snapshot!(std::error::Error::source(&error).unwrap(), @"it has over 1 MiB");

    std::fs::write(&path, "[[user]]\nname = \"a\"\n[schema]\nfiles = [\"schema.sql\"]\n").unwrap();
    std::fs::write(&schema, " ".repeat(1024 * 1024 + 1)).unwrap();
    let problems = problems(&Declaration::read(&path).unwrap());
    assert!(problems.contains("schema.sql: cannot be read (it has over 1 MiB)"), "{problems}");
}
