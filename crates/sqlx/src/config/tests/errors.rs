//! Each key wrong in turn, from YAML, TOML and variables.

use super::super::connection::{IAM_KEYS, KEYS};
use super::super::schema::DATABASE_KEYS;
use super::*;

const DSN: &str = "mysql://app:$TOKEN@orders.c0ffee.eu-west-1.rds.amazonaws.com:3306/orders";

/// The keys, each with a value, in the order of the files below.
const VALUES: [(&str, &str); 12] = [
    ("default", "writer"),
    ("driver", "mysql"),
    ("dsn", DSN),
    ("max_open_connections", "25"),
    ("max_idle_connections", "10"),
    ("connection_max_lifetime", "1h"),
    ("connection_max_idle_time", "30m"),
    ("connect_timeout", "30s"),
    ("enabled", "true"),
    ("region", "eu-west-1"),
    ("db_user", "app"),
    ("connection_timeout", "10s"),
];

/// Wrong values, with the message after the key's name.
const WRONG: [(&str, &str, &str); 44] = [
    ("default", "reader", "names no connection: write one of writer"),
    ("default", "", "is empty: write the name of a connection, or remove it"),
    ("driver", "mariadb", "is not the name of an engine: write mysql or postgres"),
    ("driver", "", "is empty: write mysql or postgres, or remove it"),
    (
        "dsn",
        "postgresql://app@h/d",
        "is for postgres, but the driver is mysql: write mysql://…, or driver: postgres",
    ),
    ("dsn", "", "is empty: write a connection string such as mysql://USER@HOST/DATABASE, or remove it"),
    (
        "dsn",
        "redis://app@h/d",
        "is wrong: the connection string has an unknown scheme: write mysql://USER@HOST/DATABASE, or postgresql://…",
    ),
    (
        "dsn",
        "mysql://app@/d",
        "is wrong: the connection string has no host: write mysql://USER@HOST/DATABASE",
    ),
    (
        "dsn",
        "mysql://app@h:hunter2/d",
        "is wrong: the connection string has no valid host or port: write one DNS name or IP address, or HOST:PORT with a port from 1 to 65535",
    ),
    (
        "dsn",
        "mysql://h:hunter2/d",
        "is wrong: the connection string has no valid host or port: write one DNS name or IP address, or HOST:PORT with a port from 1 to 65535",
    ),
    (
        "dsn",
        "host=h user=a password=hunter2 hunter2=x",
        "is wrong: word 4 of the connection string has an unknown parameter: use sslmode, sslrootcert, connect_timeout, region, profile or dial, and write a value with white space in quotes",
    ),
    (
        "dsn",
        "hunter2=x",
        "is wrong: it is neither a URL such as mysql://USER@HOST/DATABASE or postgresql://…, nor host=… user=… dbname=… with no parameters but port, sslmode, sslrootcert, connect_timeout, region, profile or dial",
    ),
    (
        "dsn",
        "mysql://a@h/d?charset=utf8",
        "is wrong: the connection string has the unknown parameter \"charset\": use sslmode, sslrootcert, connect_timeout, region, profile or dial",
    ),
    (
        "dsn",
        "mysql://a@h/d?sslmode=disable",
        "is wrong: sslmode=disable permits unencrypted connections: remove it, since the server is always verified fully",
    ),
    (
        "dsn",
        "app:hunter2@tcp(h:3306)/d",
        "is wrong: the connection string has the form of Go's MySQL driver: write mysql://USER@HOST:PORT/DATABASE",
    ),
    (
        "dsn",
        "mysql://a@h/d?region=hunter2",
        "is wrong: the parameter region is invalid; write one such as eu-west-1",
    ),
    ("dsn", "mysql://a@h/d?dial=hunter2", "is wrong: the parameter dial is invalid; write HOST:PORT"),
    ("max_open_connections", "0", "is 0, and no number of connections is unlimited here: write 1 to 100000"),
    ("max_open_connections", "-1", "is not a whole number: write 1 to 100000"),
    ("max_open_connections", "many", "is not a whole number: write 1 to 100000"),
    ("max_open_connections", "2.5", "is not a whole number: write 1 to 100000"),
    ("max_open_connections", "100001", "is out of range: write 1 to 100000"),
    ("max_open_connections", "99999999999999999999", "is out of range: write 1 to 100000"),
    ("max_idle_connections", "26", "is more than MAX_OPEN: write 25 or less"),
    ("max_idle_connections", "ten", "is not a whole number: write 0 to 100000"),
    (
        "connection_max_lifetime",
        "3600",
        "is a number without a unit: write it with one, such as 30m, 1h30m or 500ms",
    ),
    ("connection_max_lifetime", "0", "is 0, and no time is unlimited here: write more, such as 1h"),
    ("connection_max_lifetime", "721h", "is longer than 30 days: write 720h or less"),
    ("connection_max_idle_time", "-30m", "is negative: write a duration such as 30m"),
    ("connection_max_idle_time", "1d", "has an unknown unit: use h, m, s or ms, such as 1h30m"),
    (
        "connection_max_idle_time",
        "soon",
        "is not a duration: write a number and a unit, such as 30m, 1h30m or 500ms",
    ),
    ("connection_max_idle_time", "2562048h", "is longer than 30 days: write 720h or less"),
    ("connect_timeout", "0s", "is 0, and no time is unlimited here: write more, such as 30s"),
    ("connect_timeout", "30", "is a number without a unit: write it with one, such as 30m, 1h30m or 500ms"),
    ("enabled", "yes", "is neither true nor false: write true"),
    (
        "enabled",
        "false",
        "is false: a login is by IAM token, never by password; for the way from passwords see docs/migrating-from-passwords.md. Set it to true",
    ),
    ("enabled", "", "is empty: write true, or remove it"),
    ("region", "Ireland", "is not the name of an AWS region: write one such as eu-west-1"),
    ("region", "eu-west-2", "is not the region of the DSN's host: write eu-west-1, or remove it"),
    ("region", "", "is empty: write an AWS region such as eu-west-1, or remove it"),
    ("db_user", "", "is empty: write the name of the database user, or remove it"),
    ("db_user", "hunter\u{7f}2", "has a control character: write the name of the database user"),
    (
        "connection_timeout",
        "10",
        "is a number without a unit: write it with one, such as 30m, 1h30m or 500ms",
    ),
    ("connection_timeout", "", "is empty: write a duration such as 10s, or remove it"),
];

/// Returns the values with one replaced.
fn values(key: &str, value: &str) -> Vec<(&'static str, String)> {
    VALUES
        .iter()
        .map(|(name, right)| (*name, if *name == key { value.to_owned() } else { (*right).to_owned() }))
        .collect()
}

fn as_yaml(values: &[(&str, String)]) -> String {
    let mut text = "database:\n".to_owned();
    for (key, value) in values {
        let indent = match *key {
            "default" => 2,
            key if KEYS.contains(&key) => 6,
            _ => 8,
        };
        if *key == "driver" {
            text += "  connections:\n    writer:\n";
        }
        if *key == "enabled" {
            text += "      aws_iam_auth:\n";
        }
        text += &format!("{:indent$}{key}: \"{}\"\n", "", value.replace('\u{7f}', "\\x7f"));
    }
    text
}

fn as_toml(values: &[(&str, String)]) -> String {
    let mut text = "[database]\n".to_owned();
    for (key, value) in values {
        if *key == "driver" {
            text += "[database.connections.writer]\n";
        }
        if *key == "enabled" {
            text += "[database.connections.writer.aws_iam_auth]\n";
        }
        text += &format!("{key} = '''{value}'''\n");
    }
    text
}

fn as_variables(values: &[(&str, String)]) -> Vec<(String, String)> {
    values.iter().map(|(key, value)| (variable(key), value.clone())).collect()
}

fn variable(key: &str) -> String {
    let key = match key {
        "default" => "default".to_owned(),
        key if KEYS.contains(&key) => format!("writer_{key}"),
        key => format!("writer_aws_iam_auth_{key}"),
    };
    format!("DB_{}", key.to_uppercase())
}

fn path(key: &str) -> String {
    match key {
        "default" => "database.default".into(),
        key if KEYS.contains(&key) => format!("database.connections.writer.{key}"),
        key => format!("database.connections.writer.aws_iam_auth.{key}"),
    }
}

/// Returns the line of a key in one of the texts above.
fn line(text: &str, key: &str) -> usize {
    1 + text
        .lines()
        .position(|line| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with([':', ' '])))
        .unwrap()
}

#[test]
fn each_wrong_value_names_file_line_key_and_remedy() {
    let right = values("", "");
    yaml(&as_yaml(&right)).unwrap();
    for (key, value, reason) in WRONG {
        let text = as_yaml(&values(key, value));
        let reason = reason.replace("MAX_OPEN", &path("max_open_connections"));
        let error = yaml(&text).expect_err(value);
        let expected =
            format!("database.yaml has 1 problem:\n  line {}: {} {reason}", line(&text, key), path(key));
        assert_eq!(error.to_string(), expected);
    }
    for key in DATABASE_KEYS.iter().chain(&KEYS).chain(&IAM_KEYS) {
        let is_tested = WRONG.iter().any(|(wrong, ..)| wrong == key);
        assert!(is_tested || ["connections", "aws_iam_auth"].contains(key), "{key}");
    }
}

#[test]
fn the_same_errors_in_toml() {
    toml(&as_toml(&values("", ""))).unwrap();
    for (key, value, reason) in WRONG {
        if value.contains('\u{7f}') {
            continue; // TOML itself refuses control characters.
        }
        let text = as_toml(&values(key, value));
        let reason = reason.replace("MAX_OPEN", &path("max_open_connections"));
        let expected = format!("line {}: {} {reason}", line(&text, key), path(key));
        assert_eq!(problems(toml(&text)), [expected]);
    }
    let numbers = as_toml(&values("", "")).replace("'''25'''", "0x19").replace("'''30m'''", "1800");
    assert_eq!(
        problems(toml(&numbers)),
        [
            "line 6: database.connections.writer.max_open_connections is not a whole number: write 1 to 100000",
            "line 9: database.connections.writer.connection_max_idle_time is a number without a unit: write it with one, such as 30m, 1h30m or 500ms",
        ]
    );
}

#[test]
fn the_same_errors_in_variables() {
    read(&values("", "")).unwrap();
    for (key, value, reason) in WRONG {
        let reason = reason.replace("MAX_OPEN", &variable("max_open_connections"));
        assert_eq!(problems(read(&values(key, value))), [format!("{} {reason}", variable(key))]);
    }
    fn read(values: &[(&str, String)]) -> Result<Configuration, ConfigError> {
        read_variables(as_variables(values).into_iter().map(|(name, value)| (name.into(), value.into())))
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    let text = "database:\n  defualt: a\n  connections:\n    a:\n      driver: mysql\n      max_open_conns: 5\n      password: hunter2\n      max_open_connections: x\n      aws_iam_auth: {enabled: no, user: x}\n    b: 5\n    c/d:\n";
    insta::assert_snapshot!(yaml(text).unwrap_err(), @r"
    database.yaml has 10 problems:
      line 2: database.defualt is unknown (did you mean default?): remove it, or use one of default, connections
      line 4: database.connections.a.dsn is missing: add a connection string such as mysql://USER@HOST/DATABASE
      line 6: database.connections.a.max_open_conns is unknown (did you mean max_open_connections?): remove it, or use one of driver, dsn, max_open_connections, max_idle_connections, connection_max_lifetime, connection_max_idle_time, connect_timeout, aws_iam_auth
      line 7: database.connections.a.password is unknown: remove it, or use one of driver, dsn, max_open_connections, max_idle_connections, connection_max_lifetime, connection_max_idle_time, connect_timeout, aws_iam_auth
      line 8: database.connections.a.max_open_connections is not a whole number: write 1 to 100000
      line 9: database.connections.a.aws_iam_auth.user is unknown (did you mean db_user?): remove it, or use one of enabled, region, db_user, connection_timeout
      line 9: database.connections.a.aws_iam_auth.enabled is neither true nor false: write true
      line 10: database.connections.b has one value or a list: write the keys below it, indented
      line 11: database.connections.(a key that is not a name) names a connection: use 1 to 64 letters, digits, _, - and .
      line 11: database.connections.(a key that is not a name) is empty: write the keys below it, indented
    ");
}

#[test]
fn an_unknown_key_names_its_line() {
    let text = as_yaml(&values("", ""));
    for (line, key, suggestion) in [
        (1, "databases", "is unknown (did you mean database?): remove it, or use one of database"),
        (3, "default2", "is unknown (did you mean default?): remove it, or use one of default, connections"),
        (
            6,
            "dns",
            "is unknown (did you mean dsn?): remove it, or use one of driver, dsn, max_open_connections",
        ),
        (13, "endpoint", "is unknown: remove it, or use one of enabled, region, db_user, connection_timeout"),
    ] {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let indent = lines[line - 1].len() - lines[line - 1].trim_start().len();
        lines.insert(line - 1, format!("{:indent$}{key}: x", ""));
        let problems = problems(yaml(&lines.join("\n")));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("line {line}: ")), "{problems:?}");
        assert!(problems[0].contains(&format!("{key} {suggestion}")), "{problems:?}");
    }
    let typo =
        problems(variables(&[("DB_A_DRIVER", "mysql"), ("DB_A_DNS", "x"), ("DB_A_AWS_IAM_AUTH_REGIN", "x")]));
    assert!(typo.iter().any(|p| p.starts_with("DB_A_DNS is unknown (did you mean DB_A_DSN?)")), "{typo:?}");
    assert!(
        typo.iter()
            .any(|p| p
                .starts_with("DB_A_AWS_IAM_AUTH_REGIN is unknown (did you mean DB_A_AWS_IAM_AUTH_REGION?)")),
        "{typo:?}"
    );
}

#[test]
fn a_section_is_no_variable() {
    let found = problems(variables(&[
        ("DB_A_DSN", "mysql://a@h.b.eu-west-1.rds.amazonaws.com"),
        ("DB_A_AWS_IAM_AUTH", "true"),
        ("DB_A_AWS_IAM_AUTH_REGION", "eu-west-1"),
    ]));
    assert_eq!(
        found,
        ["DB_A_AWS_IAM_AUTH is no variable: set those that begin with it, such as DB_A_AWS_IAM_AUTH_ENABLED"]
    );
}

#[test]
fn disabled_iam_names_the_migration_page() {
    let page = "docs/migrating-from-passwords.md";
    let before = "database:\n  connections:\n    writer:\n      driver: mysql\n      dsn: \"mysql://myuser:MySecretP@ssword@host.rds.amazonaws.com:5432/mydb\"\n";
    insta::assert_snapshot!(yaml(before).unwrap_err(), @r"
    database.yaml has 1 problem:
      line 3: database.connections.writer.aws_iam_auth is missing: a login is by IAM token, never by password; for the way from passwords see docs/migrating-from-passwords.md. Add it with enabled: true
    ");
    for iam in ["aws_iam_auth: {enabled: false, region: us-east-1}", "aws_iam_auth: {region: us-east-1}"] {
        let problems = problems(yaml(&format!("{before}      {iam}\n")));
        assert!(problems.len() == 1 && problems[0].contains(page), "{problems:?}");
    }
}

#[test]
fn more_idle_than_open_is_an_error() {
    let text = for_mysql(WRITER).replace("max_idle_connections: 10", "max_idle_connections: 26");
    assert_eq!(
        problems(yaml(&text)),
        [
            "line 9: database.connections.writer.max_idle_connections is more than database.connections.writer.max_open_connections: write 25 or less"
        ]
    );
    let default = for_mysql(AFTER) + "      max_idle_connections: 11\n";
    assert_eq!(problems(yaml(&default)).len(), 1, "the default of max_open_connections is 10");
}

#[test]
fn values_of_another_shape_are_refused() {
    for (text, problem) in [
        ("", "line 1: database is missing: begin the file with `database:`"),
        ("database:", "line 1: database is empty: write the keys below it, indented"),
        ("database: writer", "line 1: database has one value or a list: write the keys below it, indented"),
        ("[]", "line 1: the text has one value or a list: write the keys below it, indented"),
        (
            "database: {connections: }",
            "line 1: database.connections has no connections: add one with its name, such as writer",
        ),
        (
            "database: {default: a}",
            "line 1: database.connections is missing: add it with a connection, such as writer",
        ),
        (
            "database:\n  connections:\n    a: {aws_iam_auth: [], dsn: mysql://a@h}",
            "line 3: database.connections.a.aws_iam_auth has one value or a list: write the keys below it, indented",
        ),
        (
            "database:\n  connections:\n    a: {aws_iam_auth: {enabled: [true], region: eu-west-1}, dsn: mysql://a@h}",
            "line 3: database.connections.a.aws_iam_auth.enabled has several values: write one, such as true",
        ),
        (
            "database:\n  connections:\n    mysql://a:hunter2@h: {aws_iam_auth: {enabled: true, region: eu-west-1}, dsn: mysql://a@h}",
            "line 3: database.connections.(a key that is not a name) names a connection: use 1 to 64 letters, digits, _, - and .",
        ),
    ] {
        assert_eq!(problems(yaml(text)), [problem], "{text}");
    }
}

#[test]
fn a_missing_section_of_variables_has_the_name_of_a_variable() {
    let missing =
        problems(variables(&[("DB_A_DSN", "mysql://u@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders")]));
    assert!(missing[0].starts_with("DB_A_AWS_IAM_AUTH_ENABLED is missing: "), "{missing:?}");
    assert!(missing[0].ends_with("Set it to true"), "{missing:?}");
    let unknown = problems(variables(&[("DB_A_DSN", "mysql://u@h"), ("DB_A_MAX_CONNECTIONS", "5")]));
    assert!(
        unknown.iter().any(|problem| problem.contains("did you mean DB_A_MAX_OPEN_CONNECTIONS?")
            && problem.contains("DB_A_AWS_IAM_AUTH_ENABLED")),
        "{unknown:?}"
    );
}
