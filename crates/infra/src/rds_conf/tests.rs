//! Tests of parsing and writing `rds.conf`.

use super::*;

const MINIMAL: &str = r#"RDS_ENDPOINT="orders.c0ffee.eu-west-1.rds.amazonaws.com"
REGION="eu-west-1"
MASTER_SECRET_NAME="orders/master"
DB_NAME="orders"
IAM_ADMIN_USER="iam_admin"
"#;

fn full() -> RdsConf {
    let mut conf = RdsConf::parse(MINIMAL).unwrap();
    conf.endpoint = Endpoint::new("orders.c0ffee.eu-west-1.rds.amazonaws.com", 13306).unwrap();
    conf.dial = Some("localhost:1".parse().unwrap());
    conf.ca_bundle = Some("ca bundle.pem".parse().unwrap());
    conf.resource_id = Some("prx-0a1b2c3d4e5f67890".parse().unwrap());
    conf.account_id = Some("123456789012".parse().unwrap());
    conf
}

fn errors(text: &str) -> Vec<EntryError> {
    match RdsConf::parse(text).unwrap_err() {
        RdsConfError::Invalid { errors, .. } => errors,
        error => panic!("{error}"),
    }
}

/// Returns the minimal file with one line replaced, or added if no line has its key.
fn with(line: &str) -> String {
    let key = line.split('=').next().unwrap().trim().trim_start_matches("export ");
    let others = MINIMAL.lines().filter(|other| !other.starts_with(key));
    others.map(|other| format!("{other}\n")).collect::<String>() + line
}

/// Returns the line number and kind of the only error in the minimal file with one line replaced.
fn kind(line: &str) -> (Option<usize>, EntryErrorKind) {
    match &errors(&with(line))[..] {
        [error] => (error.line, error.kind.clone()),
        errors => panic!("{line}: {errors:?}"),
    }
}

#[test]
fn the_required_keys_are_enough() {
    let conf = RdsConf::parse(MINIMAL).unwrap();
    assert_eq!(conf.endpoint.to_string(), "orders.c0ffee.eu-west-1.rds.amazonaws.com:3306");
    assert_eq!(conf.connect_to(), &conf.endpoint);
    assert_eq!(conf.region.as_str(), "eu-west-1");
    assert_eq!(conf.master_secret.as_str(), "orders/master");
    assert_eq!(conf.database.as_str(), "orders");
    assert_eq!(conf.iam_admin.as_str(), "iam_admin");
    assert_eq!(conf.arn(&conf.iam_admin), Ok(None));
    assert!(
        matches!(conf.roots(SystemTime::UNIX_EPOCH), Ok(Cow::Borrowed(roots)) if roots == Roots::bundled())
    );
}

#[test]
fn the_optional_keys() {
    let conf = RdsConf::parse(&full().to_string()).unwrap();
    assert_eq!(conf, full());
    assert_eq!(conf.connect_to().to_string(), "localhost:1");
    let arn = conf.arn(&conf.iam_admin).unwrap().unwrap();
    let expected = "arn:aws:rds-db:eu-west-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/iam_admin";
    assert_eq!(arn.to_string(), expected);
    let missing = conf.roots(SystemTime::UNIX_EPOCH).unwrap_err();
    assert!(matches!(&missing, TrustError::Read { path, .. } if path == "ca bundle.pem"), "{missing}");
}

#[test]
fn endpoint_and_port() {
    let text = |lines: &str| format!("{lines}\n{}", MINIMAL.split_once('\n').unwrap().1);
    for (lines, endpoint) in [
        (r#"RDS_ENDPOINT="h""#, "h:3306"),
        (r#"RDS_ENDPOINT="h:5""#, "h:5"),
        ("RDS_ENDPOINT=\"h\"\nRDS_PORT=\"5\"", "h:5"),
        ("RDS_PORT=\"5\"\nRDS_ENDPOINT=\"h:5\"", "h:5"),
        (r#"RDS_ENDPOINT="127.0.0.1:5""#, "127.0.0.1:5"),
        (r#"RDS_ENDPOINT="::1""#, "[::1]:3306"),
        (r#"RDS_ENDPOINT="[::1]""#, "[::1]:3306"),
        (r#"RDS_ENDPOINT="[::1]:5""#, "[::1]:5"),
    ] {
        assert_eq!(RdsConf::parse(&text(lines)).unwrap().endpoint.to_string(), endpoint);
    }
    let differ = errors(&text("RDS_ENDPOINT=\"h:5\"\nRDS_PORT=\"6\""));
    assert!(matches!(
        differ[..],
        [EntryError { line: Some(2), kind: EntryErrorKind::PortsDiffer { .. }, .. }]
    ));
    // Only the name of an RDS host contains its region.
    assert!(RdsConf::parse(&text(r#"RDS_ENDPOINT="db.us-east-1.example.com""#)).is_ok());
    assert!(RdsConf::parse(&text(r#"RDS_ENDPOINT="p.proxy-c0ffee.eu-west-1.rds.amazonaws.com""#)).is_ok());
}

#[test]
fn the_engine_decides_the_port_and_the_length_of_the_database_s_name() {
    for (engine, expected, port) in [
        ("", Engine::MySql, 3306),
        ("ENGINE=\"mysql\"", Engine::MySql, 3306),
        ("ENGINE=\"postgresql\"", Engine::Postgres, 5432),
        ("ENGINE=\"postgres\"", Engine::Postgres, 5432),
    ] {
        let conf = RdsConf::parse(&format!("{MINIMAL}{engine}\n")).unwrap();
        assert_eq!((conf.engine, conf.endpoint.port()), (expected, port), "{engine}");
        // The canonical name is written, and the file means the same.
        assert!(conf.to_string().contains(&format!("\nENGINE=\"{expected}\"\n")), "{conf}");
        assert_eq!(RdsConf::parse(&conf.to_string()).unwrap(), conf);
    }
    let postgres = |name: &str| with(&format!("DB_NAME=\"{name}\"")) + "\nENGINE=\"postgresql\"\n";
    assert!(RdsConf::parse(&postgres(&"d".repeat(63))).is_ok());
    let cut = "ü".repeat(32);
    assert!(RdsConf::parse(&with(&format!("DB_NAME=\"{cut}\""))).is_ok(), "MySQL counts characters");
    let cut = errors(&postgres(&cut)).remove(0);
    insta::assert_snapshot!(cut, @"line 5: DB_NAME: not a database name of PostgreSQL: at most 63 bytes (a character outside ASCII has several)");
    let cluster = errors(&with("ENGINE=\"aurora-mysql\"")).remove(0);
    insta::assert_snapshot!(cluster, @"line 6: ENGINE: not a supported engine: expected mysql or postgresql. Aurora is a kind of deployment, not an engine: write mysql for Aurora MySQL and postgresql for Aurora PostgreSQL");
}

#[test]
fn a_written_file() {
    insta::assert_snapshot!(RdsConf::parse(MINIMAL).unwrap(), @r#"
    # The settings that this deployment's programs need to reach its database. Do not put secrets here.
    # KEY="value" lines, parsed and never run by a shell; write \" \\ \$ \` for " \ $ `.

    # Database engine: mysql (the default) or postgresql, also of an Aurora cluster.
    ENGINE="mysql"

    # AWS host name of the database or proxy, never an alias; tokens are signed for it. `host:port` also works.
    RDS_ENDPOINT="orders.c0ffee.eu-west-1.rds.amazonaws.com"

    # Port of the endpoint; default: the engine's, 3306 for mysql and 5432 for postgresql.
    RDS_PORT="3306"

    # AWS region of the endpoint.
    REGION="eu-west-1"

    # Name or ARN of the master user's secret in Secrets Manager; only bootstrap reads it.
    MASTER_SECRET_NAME="orders/master"

    # Database that the application uses.
    DB_NAME="orders"

    # Database user that bootstrap creates and then uses, with IAM; never the master user.
    IAM_ADMIN_USER="iam_admin"

    # host:port to connect to instead of the endpoint, such as the local end of a tunnel. TLS still verifies the endpoint.
    # RDS_DIAL="localhost:13306"

    # PEM file with trust roots that replace the bundled ones.
    # RDS_CA_BUNDLE="/etc/ssl/rds/global-bundle.pem"

    # Resource id (db-…, cluster-… or prx-…) of the endpoint; completes the policy in error messages.
    # RDS_RESOURCE_ID="prx-0a1b2c3d4e5f67890"

    # AWS account (12 digits) of the endpoint; completes the policy in error messages.
    # AWS_ACCOUNT_ID="123456789012"
    "#);
}

#[test]
fn blanks_comments_and_escapes() {
    let text = MINIMAL.replace("DB_NAME=\"orders\"", " \t DB_NAME=\"a \\\"b\\\\ \\$c\\`#é\" \t # a comment");
    let text = format!("\n# RDS_ENDPOINT=$(hostname)\n   #x\n \t \n{}", text.trim_end());
    assert_eq!(RdsConf::parse(&text).unwrap().database.as_str(), r#"a "b\ $c`#é"#);
    let text = MINIMAL.replace("DB_NAME=\"orders\"", "DB_NAME=\"orders\"#");
    assert!(RdsConf::parse(&text).is_err());
}

#[test]
fn invalid_lines_have_a_kind_and_a_line() {
    use EntryErrorKind::{
        ByteOrderMark, CarriageReturn, ControlCharacter, Empty, Escape, Export, Missing, NotAssignment,
        Repeated, Space, Substitution, Trailing, Unclosed, Unknown, Unquoted,
    };
    for (line, expected) in [
        (r#"DB_NAME="$(id)""#, Substitution('$')),
        (r#"DB_NAME="`id`""#, Substitution('`')),
        (r#"DB_NAME="${USER}""#, Substitution('$')),
        (r#"DB_NAME="$USER""#, Substitution('$')),
        (r#"export DB_NAME="orders""#, Export),
        ("DB_NAME=orders", Unquoted),
        ("DB_NAME='orders'", Unquoted),
        ("DB_NAME=", Unquoted),
        ("DB_NAME=\"orders", Unclosed),
        ("DB_NAME=\"orders\\\"", Unclosed),
        ("DB_NAME=\"orders\\", Unclosed),
        (r#"DB_NAME="or"ders""#, Trailing),
        (r#"DB_NAME="a";rm"#, Trailing),
        (r#"DB_NAME="a\nb""#, Escape('n')),
        (r#"DB_NAME = "orders""#, Space),
        (r#"DB_NAME= "orders""#, Space),
        ("DB_NAME", NotAssignment),
        ("DB_NAME=\"a\rb\"", ControlCharacter('\r')),
        ("DB_NAME=\"a\0b\"", ControlCharacter('\0')),
        ("DB_NAME=\"a\tb\"", ControlCharacter('\t')),
        (r#"DB_NAME="""#, Empty { example: "orders", required: true }),
    ] {
        assert_eq!(kind(line), (Some(5), expected), "{line}");
    }
    for (line, expected) in [
        ("hello", NotAssignment),
        ("# \u{1b}[31m", ControlCharacter('\u{1b}')),
        (r#"RDS_HOST="x""#, Unknown { suggestion: None }),
        (r#"db_name="x""#, Unknown { suggestion: Some("DB_NAME") }),
        ("rds_port=3306", Unknown { suggestion: Some("RDS_PORT") }),
        (r#"region = "eu-west-1""#, Unknown { suggestion: Some("REGION") }),
        (r#"RDS_DIAL="""#, Empty { example: "localhost:13306", required: false }),
    ] {
        assert_eq!(kind(line), (Some(6), expected), "{line}");
    }
    let first = |text: &str| errors(text).remove(0);
    let marked = first(&("\u{feff}".to_owned() + MINIMAL));
    assert_eq!((marked.line, marked.kind), (Some(1), ByteOrderMark));
    let windows = errors(&MINIMAL.replace('\n', "\r\n"));
    assert!(matches!(windows[..], [EntryError { line: Some(1), kind: CarriageReturn, .. }]), "{windows:?}");
    let twice = first(&(MINIMAL.to_owned() + "DB_NAME=\"x\""));
    assert_eq!((twice.line, twice.kind), (Some(6), Repeated { first: 4 }));
    let empty = errors("");
    assert_eq!(empty.len(), 5);
    assert!(empty.iter().all(|error| matches!(error.kind, Missing { .. })), "{empty:?}");
}

#[test]
fn invalid_values_are_refused() {
    for line in [
        r#"RDS_ENDPOINT="mysql://h""#,
        r#"RDS_ENDPOINT="h/orders""#,
        r#"RDS_ENDPOINT="h:x""#,
        r#"RDS_ENDPOINT=" h""#,
        r#"RDS_PORT="0""#,
        r#"RDS_PORT="+1""#,
        r#"REGION="eu-west-1a""#,
        r#"MASTER_SECRET_NAME="arn:aws:rds:eu-west-1:123456789012:db:x""#,
        r#"DB_NAME="orders ""#,
        r#"RDS_DIAL="localhost""#,
        r#"RDS_CA_BUNDLE="-----BEGIN CERTIFICATE-----""#,
        r#"RDS_RESOURCE_ID="my-database""#,
        r#"AWS_ACCOUNT_ID="1234-5678-9012""#,
        r#"ENGINE="sqlserver""#,
    ] {
        let (line_number, kind) = kind(line);
        assert!(matches!(kind, EntryErrorKind::Value { .. }), "{line}: {kind:?}");
        assert!(line_number.is_some_and(|number| number >= 5), "{line}");
    }
    let expected =
        EntryErrorKind::RegionsDiffer { region: "eu-west-2".to_owned(), endpoint: "eu-west-1".to_owned() };
    assert_eq!(kind(r#"REGION="eu-west-2""#), (Some(5), expected));
}

#[test]
fn a_misplaced_password_is_not_repeated() {
    let value_of_each_key = KEYS.map(|key| format!("{}=\"hunter2://hunter2:hunter2@h/hunter2 \"", key.name));
    for line in [
        r#"DB_PASSWORD="hunter2""#,
        r#"MASTER_SECRET_NAME="{\"password\":\"hunter2\"}""#,
        r#"RDS_ENDPOINT="mysql://root:hunter2@h:3306/orders""#,
        r#"RDS_ENDPOINT="-hunter2""#,
        r#"RDS_ENDPOINT="h:hunter2""#,
        r#"RDS_DIAL="root:hunter2@h""#,
        r#"RDS_DIAL="hunter2""#,
        r#"REGION="hunter2""#,
        r#"ENGINE="hunter2""#,
        r#"RDS_PORT="hunter2""#,
        r#"RDS_RESOURCE_ID="hunter2""#,
        r#"RDS_RESOURCE_ID="arn:hunter2""#,
        r#"RDS_RESOURCE_ID="hunter2*""#,
        r#"AWS_ACCOUNT_ID="hunter2""#,
        r#"RDS_CA_BUNDLE="-----BEGIN hunter2""#,
        "password: hunter2",
        "hunter2",
        "hunter2=",
        "hunter2==",
        "hunter2 = x",
        r#"DB_NAME="x" hunter2"#,
    ]
    .into_iter()
    .chain(value_of_each_key.iter().map(String::as_str))
    {
        for text in [MINIMAL.to_owned() + line, with(line)] {
            match RdsConf::parse(&text) {
                Err(error) => assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}"),
                // Nearly every text is the name of a user or the path of a file.
                Ok(_) => {
                    assert!(
                        line.starts_with("IAM_ADMIN_USER") || line.starts_with("RDS_CA_BUNDLE"),
                        "{line}"
                    );
                }
            }
        }
    }
}

/// The one wording snapshot of `RdsConfError`; other tests check the kind.
#[test]
fn all_errors_are_reported_at_once_with_line_and_fix() {
    let text = "\u{feff}# mine\r\nexport REGION=\"eu-west-1\"\nRDS_PORT=\"x\"\nDB_NAME=$DB\nRDS_HOST=\"h\"\nRDS_PORT=\"1\"\n\
                db_name=\"x\"\nRDS_DIAL=\"\"\nhello\nENGINE = \"mysql\"\nRDS_CA_BUNDLE=\"a\nRDS_RESOURCE_ID=\"a\\n\"\n\
                AWS_ACCOUNT_ID=\"$A\"\nMASTER_SECRET_NAME=\"a\" b\n\u{1b}\n";
    insta::assert_snapshot!(RdsConf::parse(text).unwrap_err(), @r#"
    rds.conf has 18 problems:
      line 1 starts with a byte-order mark: save the file as UTF-8 without one
      line 1 ends in a carriage return: save the file with Unix line endings (LF)
      line 2 starts with `export`: write only KEY="value", because no shell runs the file
      line 3: RDS_PORT: not a port: give a number from 1 to 65535
      line 4: DB_NAME has no double quote after the `=`: write KEY="value"
      line 5: RDS_HOST is not a key of rds.conf: remove the line, or use one of ENGINE, RDS_ENDPOINT, RDS_PORT, REGION, MASTER_SECRET_NAME, DB_NAME, IAM_ADMIN_USER, RDS_DIAL, RDS_CA_BUNDLE, RDS_RESOURCE_ID, AWS_ACCOUNT_ID
      line 6: RDS_PORT is already set on line 3: remove one of the two
      line 7: db_name is not a key of rds.conf (did you mean DB_NAME?): remove the line, or use one of ENGINE, RDS_ENDPOINT, RDS_PORT, REGION, MASTER_SECRET_NAME, DB_NAME, IAM_ADMIN_USER, RDS_DIAL, RDS_CA_BUNDLE, RDS_RESOURCE_ID, AWS_ACCOUNT_ID
      line 8: RDS_DIAL is empty: set a value, such as "localhost:13306", or remove the line
      line 9 is neither an assignment nor a comment: write KEY="value", or start the line with #
      line 10: ENGINE has a space next to the `=`: write KEY="value"
      line 11: RDS_CA_BUNDLE has no closing quote: write KEY="value" on one line
      line 12: RDS_RESOURCE_ID has \n, which is not an escape: write a backslash as \\; the other escapes are \" \$ \`
      line 13: AWS_ACCOUNT_ID has a $, but nothing is substituted here: write the value itself, or \$ for that character
      line 14: MASTER_SECRET_NAME has text after the closing quote: write a quote inside the value as \", and a comment after a space and #
      line 15 has the control character \u{1b}: remove it
      RDS_ENDPOINT is missing: add a line such as RDS_ENDPOINT="orders.c0ffee.eu-west-1.rds.amazonaws.com"
      IAM_ADMIN_USER is missing: add a line such as IAM_ADMIN_USER="iam_admin"
    "#);
}

/// The wording of the errors about two values, which need a file that is valid otherwise.
#[test]
fn contradicting_values_name_both() {
    let message = |line: &str| errors(&with(line))[0].to_string();
    assert_eq!(
        message(r#"REGION="eu-west-2""#),
        "line 5: REGION is eu-west-2, but the endpoint is in eu-west-1; set REGION=eu-west-1"
    );
    assert_eq!(
        message("RDS_ENDPOINT=\"h:5\"\nRDS_PORT=\"6\""),
        "line 6: RDS_PORT is 6, but the port of RDS_ENDPOINT is 5: keep one of the two"
    );
}

#[test]
fn a_file_is_written_atomically_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rds.conf");
    let first = RdsConf::parse(MINIMAL).unwrap();
    first.write(&path).unwrap();
    assert_eq!(RdsConf::read(&path).unwrap(), first);
    full().write(&path).unwrap();
    assert_eq!(RdsConf::read(&path).unwrap(), full());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o600, 0o600);
        assert_eq!(mode & 0o133, 0);
    }
}

#[test]
fn errors_of_files_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rds.conf");
    let read = || RdsConf::read(&path).unwrap_err();
    assert!(matches!(read(), RdsConfError::Read { path: found, .. } if found == path));
    std::fs::write(&path, b"\xff").unwrap();
    let name = path.display().to_string();
    assert!(read().to_string().starts_with(&format!("cannot read {name}; ")), "{}", read());
    std::fs::write(&path, MINIMAL.replace("DB_NAME", "DB")).unwrap();
    assert!(read().to_string().starts_with(&format!("{name} has 2 problems:\n  line 4: DB ")), "{}", read());
    let nowhere = folder.path().join("none").join("rds.conf");
    let error = full().write(&nowhere).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot write {}; ", nowhere.display())), "{error}");
    // A failed write changes nothing: a folder cannot be replaced by a file.
    let occupied = folder.path().join("occupied");
    std::fs::create_dir(&occupied).unwrap();
    assert!(matches!(full().write(&occupied), Err(RdsConfError::Write { .. })));
    assert!(occupied.is_dir());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn a_file_over_the_size_limit_is_not_read_to_its_end() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 40).unwrap();
    let error = RdsConf::read(file.path()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.ends_with("over 64 KiB"), "{cause}");
}
