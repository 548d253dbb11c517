//! Tests of the sources and keys. `testdata` has the examples of source document 003.

mod errors;
mod files;
mod hostile;
#[cfg(feature = "bundled-roots")]
mod pools;

use std::time::Duration;

use super::connection::{Connection, EngineName};
use super::error::ConfigError;
use super::schema::Configuration;
use super::source::{self, Format, read_variables};
use crate::limits::Limits;

/// The configuration example of source document 003.
const WRITER: &str = include_str!("testdata/writer.yaml");
/// The result of its migration from passwords.
const AFTER: &str = include_str!("testdata/after.yaml");

fn yaml(text: &str) -> Result<Configuration, ConfigError> {
    source::read(text, "database.yaml", Format::Yaml)
}

fn toml(text: &str) -> Result<Configuration, ConfigError> {
    source::read(text, "database.toml", Format::Toml)
}

fn variables(variables: &[(&str, &str)]) -> Result<Configuration, ConfigError> {
    read_variables(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

/// Returns the lines of an error's message after the first, without their indentation.
fn problems(result: Result<Configuration, ConfigError>) -> Vec<String> {
    let Err(error) = result else { return Vec::new() };
    assert_eq!(error.kind(), rds_iam_token::ErrorKind::Configuration);
    error.to_string().lines().skip(1).map(|line| line.trim_start().to_owned()).collect()
}

/// Returns the example for MySQL: the driver's name and the scheme are the only differences.
fn for_mysql(example: &str) -> String {
    example.replace("driver: postgres", "driver: mysql").replace("postgresql://", "mysql://")
}

fn only(configuration: &Configuration) -> (&str, &Connection) {
    let [(name, connection)] = configuration.connections.as_slice() else { panic!("one connection") };
    (name, connection)
}

#[test]
fn both_examples_of_the_source_load_unchanged() {
    assert_examples(WRITER, AFTER, EngineName::Postgres);
    for driver in ["postgresql", "pgx"] {
        let [writer, after] =
            [WRITER, AFTER].map(|text| text.replace("driver: postgres", &format!("driver: {driver}")));
        assert_examples(&writer, &after, EngineName::Postgres);
    }
    // The scheme is enough.
    let [writer, after] = [WRITER, AFTER].map(|text| text.replace("      driver: postgres\n", ""));
    assert_examples(&writer, &after, EngineName::Postgres);
}

#[test]
fn both_examples_of_the_source_load_for_mysql() {
    assert_examples(&for_mysql(WRITER), &for_mysql(AFTER), EngineName::MySql);
}

fn assert_examples(writer: &str, after: &str, engine: EngineName) {
    let writer = yaml(writer).unwrap();
    assert_eq!(writer.default.as_deref(), Some("writer"));
    let (name, connection) = only(&writer);
    assert_eq!((name, connection.driver), ("writer", engine));
    assert_eq!(connection.user.as_str(), "myapp_user");
    assert_eq!(connection.region.as_str(), "us-east-1");
    let dsn = &connection.dsn;
    assert_eq!(dsn.host.to_string(), "mydb-instance.cluster-xyz.us-east-1.rds.amazonaws.com");
    assert_eq!((dsn.port, dsn.database.as_deref()), (Some(5432), Some("myappdb")));
    let limits = Limits::default()
        .max_connections(25)
        .max_idle_connections(10)
        .max_lifetime(Duration::from_secs(3600))
        .idle_timeout(Duration::from_secs(1800))
        .acquire_timeout(Duration::from_secs(10));
    assert_eq!(connection.limits, limits);

    let after = yaml(after).unwrap();
    assert_eq!(after.default, None);
    let (_, connection) = only(&after);
    assert_eq!((connection.user.as_str(), connection.driver), ("myuser", engine));
    assert_eq!((connection.dsn.port, connection.dsn.database.as_deref()), (Some(5432), Some("mydb")));
    assert_eq!(connection.limits, Limits::default());
}

#[test]
fn a_driver_that_contradicts_the_scheme_is_an_error() {
    for (text, is, driver) in [
        (AFTER.replace("driver: postgres", "driver: mysql"), "postgres", "mysql"),
        (AFTER.replace("postgresql://", "mysql://"), "mysql", "postgres"),
    ] {
        let expected = format!(
            "line 6: database.connections.writer.dsn is for {is}, but the driver is {driver}: write {driver}://…, or driver: {is}"
        );
        assert_eq!(problems(yaml(&text)), [expected]);
    }
}

#[test]
fn pairs_need_a_driver() {
    let pairs = AFTER.replace(
        "postgresql://myuser:$TOKEN@host.rds.amazonaws.com:5432/mydb",
        "host=host.rds.amazonaws.com port=5432 user=myuser password=$TOKEN dbname=mydb",
    );
    let configuration = yaml(&pairs).unwrap();
    assert_eq!(only(&configuration).1.driver, EngineName::Postgres);
    assert_eq!(
        problems(yaml(&pairs.replace("      driver: postgres\n", ""))),
        [
            "line 3: database.connections.writer.driver is missing: the DSN does not name the engine either: add driver: mysql, or driver: postgres"
        ]
    );
}

#[test]
fn the_variables_of_the_source_load() {
    let source = [
        ("DB_WRITER_DRIVER", "postgres"),
        ("DB_WRITER_DSN", "postgresql://myapp_user:$TOKEN@host.rds.amazonaws.com:5432/mydb?sslmode=require"),
        ("DB_WRITER_AWS_IAM_AUTH_ENABLED", "true"),
        ("DB_WRITER_AWS_IAM_AUTH_REGION", "us-east-1"),
        ("DB_WRITER_MAX_OPEN_CONNECTIONS", "25"),
    ];
    let for_mysql = source.map(|(name, value)| (name, for_mysql(value).replacen("postgres", "mysql", 1)));
    let for_mysql = for_mysql.each_ref().map(|(name, value)| (*name, value.as_str()));
    for (source, engine) in [(source, EngineName::Postgres), (for_mysql, EngineName::MySql)] {
        let configuration = variables(&source).unwrap();
        let (name, connection) = only(&configuration);
        assert_eq!(
            (name, connection.driver, connection.user.as_str(), connection.limits.max_connections),
            ("writer", engine, "myapp_user", 25)
        );
    }
}

#[test]
fn toml_has_the_same_keys() {
    let configuration = toml(
        r#"
        database.default = "reader"
        [database.connections.writer]
        dsn = 'mysql://app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders'
        max_open_connections = 1_000
        connection_max_lifetime = "1h30m"
        aws_iam_auth = { enabled = true, connection_timeout = "1.5s" }
        [database.connections.reader]
        driver = "mysql"
        dsn = "host=orders.ro.eu-west-1.rds.amazonaws.com user=app dbname=orders"
        aws_iam_auth.enabled = true
        "#,
    )
    .unwrap();
    assert_eq!(configuration.default.as_deref(), Some("reader"));
    let names: Vec<_> = configuration.connections.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["writer", "reader"], "in the order of the file");
    let limits = &configuration.connections[0].1.limits;
    assert_eq!(limits.max_connections, 1000);
    assert_eq!(limits.max_lifetime, Duration::from_secs(5400));
    assert_eq!(limits.acquire_timeout, Duration::from_millis(1500));
}

#[test]
fn db_user_goes_before_the_dsn() {
    let text = for_mysql(AFTER) + "        db_user: other\n";
    assert_eq!(only(&yaml(&text).unwrap()).1.user.as_str(), "other");
    let without = text.replace("myuser:$TOKEN@", "");
    assert_eq!(only(&yaml(&without).unwrap()).1.user.as_str(), "other");
    let neither = for_mysql(AFTER).replace("myuser:$TOKEN@", "");
    assert_eq!(
        problems(yaml(&neither)),
        [
            "line 7: database.connections.writer.aws_iam_auth.db_user is missing: the DSN has no user either: add the user there, or here"
        ]
    );
}

#[test]
fn the_time_to_connect_is_the_key_s_or_the_dsn_s() {
    let in_dsn = AFTER.replace("5432/mydb", "5432/mydb?connect_timeout=20");
    let key = "      connect_timeout: 30s\n";
    for (text, expected) in [
        (AFTER.to_owned(), None),
        (in_dsn.clone(), Some(20)),
        (in_dsn + key, Some(30)),
        (AFTER.to_owned() + key, Some(30)),
    ] {
        let configuration = yaml(&text).unwrap();
        let limits = &only(&configuration).1.limits;
        assert_eq!(limits.connect_timeout, expected.map(Duration::from_secs));
        assert_eq!(limits.acquire_timeout, Limits::default().acquire_timeout);
    }
}

#[test]
fn the_region_is_the_host_s_or_is_given() {
    let text = |host: &str, parameters: &str, region: &str| {
        format!(
            "database:\n  connections:\n    a:\n      dsn: mysql://u@{host}/d{parameters}\n      aws_iam_auth:\n        enabled: true\n{region}"
        )
    };
    let rds = "a.b.eu-west-1.rds.amazonaws.com";
    let (same, other) = ("        region: eu-west-1\n", "        region: eu-west-2\n");
    for (host, parameters, region) in [
        (rds, "", ""),
        (rds, "?region=eu-west-1", ""),
        (rds, "", same),
        (rds, "?region=eu-west-1", same),
        ("db.example.com", "?region=eu-west-1", ""),
        ("db.example.com", "", same),
        ("a.b.rds.cn-north-1.amazonaws.com.cn", "?region=cn-north-1", ""),
    ] {
        yaml(&text(host, parameters, region)).unwrap();
    }
    for (host, parameters, region, problem) in [
        (
            rds,
            "",
            other,
            "line 7: database.connections.a.aws_iam_auth.region is not the region of the DSN's host: write eu-west-1, or remove it",
        ),
        (
            rds,
            "?region=eu-west-2",
            "",
            "line 4: database.connections.a.dsn has a parameter region that is not the region of its host: write eu-west-1, or remove it",
        ),
        (
            "db.example.com",
            "?region=eu-west-1",
            other,
            "line 7: database.connections.a.aws_iam_auth.region is not the DSN's parameter region: remove one of the two",
        ),
        (
            "db.example.com",
            "",
            "",
            "line 5: database.connections.a.aws_iam_auth.region is missing: the DSN's host does not name it: add the region of the endpoint, such as eu-west-1",
        ),
    ] {
        assert_eq!(problems(yaml(&text(host, parameters, region))), [problem]);
    }
}

#[test]
fn names_with_underscores_in_variables() {
    let configuration = variables(&[
        ("DB_DEFAULT", "READ_ONLY"),
        ("DB_READ_DSN", "mysql://a@r.b.eu-west-1.rds.amazonaws.com/d"),
        ("DB_READ_AWS_IAM_AUTH_ENABLED", "true"),
        ("DB_READ_ONLY_DSN", "mysql://a@ro.b.eu-west-1.rds.amazonaws.com/d"),
        ("DB_READ_ONLY_AWS_IAM_AUTH_ENABLED", "true"),
        ("DB_READ_ONLY_AWS_IAM_AUTH_DB_USER", "b"),
        ("DB_READ_ONLY_MAX_OPEN_CONNECTIONS", "3"),
    ])
    .unwrap();
    assert_eq!(configuration.default.as_deref(), Some("read_only"));
    let found: Vec<_> = configuration
        .connections
        .iter()
        .map(|(name, connection)| {
            (name.as_str(), connection.user.as_str(), connection.limits.max_connections)
        })
        .collect();
    assert_eq!(found, [("read", "a", 10), ("read_only", "b", 3)]);
}

#[test]
fn variables_of_other_programs_are_ignored() {
    let ours =
        [("DB_A_DSN", "mysql://a@r.b.eu-west-1.rds.amazonaws.com/d"), ("DB_A_AWS_IAM_AUTH_ENABLED", "true")];
    let others = [
        ("DB_HOST", "x"),
        ("DB_PASSWORD", "hunter2"),
        ("DB_DSN", "x"),
        ("DB__DSN", "x"),
        ("db_b_dsn", "x"),
        ("XDB_B_DSN", "x"),
        ("DB_AB_MAX_OPEN_CONNECTIONS", "x"),
        ("PATH", "x"),
    ];
    let configuration = variables(&[&ours[..], &others].concat()).unwrap();
    assert_eq!(only(&configuration).0, "a");
    let error = variables(&others).unwrap_err();
    insta::assert_snapshot!(error, @r"
    the environment has 1 problem:
      no connection was found: set DB_WRITER_DSN, or another name's
    ");
}
