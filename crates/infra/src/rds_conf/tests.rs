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

/// What is said of the minimal file with one line replaced, or added where none begins like it.
fn said(line: &str) -> String {
    let key = line.split('=').next().unwrap().trim().trim_start_matches("export ");
    let mut text: String =
        MINIMAL.lines().filter(|l| !l.starts_with(key)).map(|l| format!("{l}\n")).collect();
    text += line;
    RdsConf::parse(&text).unwrap_err().to_string()
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
    insta::assert_snapshot!(arn, @"arn:aws:rds-db:eu-west-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/iam_admin");
    let missing = conf.roots(SystemTime::UNIX_EPOCH).unwrap_err();
    insta::assert_snapshot!(missing, @"cannot read the trust roots in ca bundle.pem; RDS_CA_BUNDLE names a PEM file this program may read");
}

#[test]
fn endpoint_and_port() {
    let with = |lines: &str| {
        let rest = MINIMAL.split_once('\n').unwrap().1;
        RdsConf::parse(&format!("{lines}\n{rest}")).map(|conf| conf.endpoint.to_string())
    };
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
        assert_eq!(with(lines).unwrap(), endpoint);
    }
    insta::assert_snapshot!(with("RDS_ENDPOINT=\"h:5\"\nRDS_PORT=\"6\"").unwrap_err(), @r#"
    rds.conf has 1 problem:
      line 2: RDS_PORT says 6, but RDS_ENDPOINT says 5: keep one of the two
    "#);
    // Only an RDS name says where it lies.
    assert!(with(r#"RDS_ENDPOINT="db.us-east-1.example.com""#).is_ok());
    assert!(with(r#"RDS_ENDPOINT="p.proxy-c0ffee.eu-west-1.rds.amazonaws.com""#).is_ok());
}

#[test]
fn a_written_file() {
    insta::assert_snapshot!(RdsConf::parse(MINIMAL).unwrap(), @r#"
    # What the programs of this deployment need to reach its database. No secrets belong here.
    # KEY="value" lines, parsed, never run by a shell; write \" \\ \$ \` for " \ $ `.

    # Database engine: mysql, the default.
    ENGINE="mysql"

    # Host name that the database or proxy has on AWS, never an alias of it; tokens are signed for it. `host:port` also works.
    RDS_ENDPOINT="orders.c0ffee.eu-west-1.rds.amazonaws.com"

    # Port of that endpoint; by default the engine's own, 3306 for mysql.
    RDS_PORT="3306"

    # AWS region that the endpoint lies in.
    REGION="eu-west-1"

    # Name or ARN, in Secrets Manager, of the master user's secret; only bootstrap reads it.
    MASTER_SECRET_NAME="orders/master"

    # Database that the application uses.
    DB_NAME="orders"

    # Database user that bootstrap creates and then works as, by IAM; never the master user.
    IAM_ADMIN_USER="iam_admin"

    # host:port to connect to where it is not the endpoint: the near end of a tunnel, or this machine. TLS still verifies the endpoint.
    # RDS_DIAL="localhost:13306"

    # PEM file of trust roots that replace the shipped ones.
    # RDS_CA_BUNDLE="/etc/ssl/rds/global-bundle.pem"

    # Resource id (db-…, cluster-… or prx-…) of what the endpoint names; completes the policy in hints.
    # RDS_RESOURCE_ID="prx-0a1b2c3d4e5f67890"

    # AWS account (12 digits) that it lies in; completes the policy in hints.
    # AWS_ACCOUNT_ID="123456789012"
    "#);
}

#[test]
fn lines_that_are_read() {
    let text = MINIMAL.replace("DB_NAME=\"orders\"", " \t DB_NAME=\"a \\\"b\\\\ \\$c\\`#é\" \t # a comment");
    let text = format!("\n# RDS_ENDPOINT=$(hostname)\n   #x\n \t \n{}", text.trim_end());
    assert_eq!(RdsConf::parse(&text).unwrap().database.as_str(), r#"a "b\ $c`#é"#);
    let text = MINIMAL.replace("DB_NAME=\"orders\"", "DB_NAME=\"orders\"#");
    assert!(RdsConf::parse(&text).is_err());
}

#[test]
fn what_a_shell_would_do() {
    insta::assert_snapshot!(said(r#"DB_NAME="$(id)""#), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has a $, but nothing is substituted here: write the value itself, or \$ where that character is meant
    "#);
    insta::assert_snapshot!(said(r#"DB_NAME="`id`""#), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has a `, but nothing is substituted here: write the value itself, or \` where that character is meant
    "#);
    insta::assert_snapshot!(said(r#"DB_NAME="${USER}""#), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has a $, but nothing is substituted here: write the value itself, or \$ where that character is meant
    "#);
    insta::assert_snapshot!(said(r#"DB_NAME="$USER""#), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has a $, but nothing is substituted here: write the value itself, or \$ where that character is meant
    "#);
    insta::assert_snapshot!(said(r#"export DB_NAME="orders""#), @r#"
    rds.conf has 1 problem:
      line 5 begins with `export`: write KEY="value" alone, the file is not run by a shell
    "#);
}

#[test]
fn bad_quotes() {
    insta::assert_snapshot!(said("DB_NAME=orders"), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has no double quote after the `=`: write KEY="value"
    "#);
    insta::assert_snapshot!(said("DB_NAME='orders'"), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has no double quote after the `=`: write KEY="value"
    "#);
    insta::assert_snapshot!(said("DB_NAME="), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has no double quote after the `=`: write KEY="value"
    "#);
    insta::assert_snapshot!(said("DB_NAME=\"orders"), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME lacks its closing quote: write KEY="value" on one line
    "#);
    insta::assert_snapshot!(said("DB_NAME=\"orders\\\""), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME lacks its closing quote: write KEY="value" on one line
    "#);
    insta::assert_snapshot!(said("DB_NAME=\"orders\\"), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME lacks its closing quote: write KEY="value" on one line
    "#);
    insta::assert_snapshot!(said(r#"DB_NAME="or"ders""#), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has text after the closing quote: write a quote inside the value as \", and a comment after # and a space
    "#);
    insta::assert_snapshot!(said(r#"DB_NAME="a";rm"#), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has text after the closing quote: write a quote inside the value as \", and a comment after # and a space
    "#);
    insta::assert_snapshot!(said(r#"DB_NAME="a\nb""#), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has \n, which is not an escape: a backslash is written \\, and only " \ $ ` take one before them
    "#);
    insta::assert_snapshot!(said(r#"DB_NAME = "orders""#), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has a space beside the `=`: write KEY="value"
    "#);
    insta::assert_snapshot!(said(r#"DB_NAME= "orders""#), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has a space beside the `=`: write KEY="value"
    "#);
}

#[test]
fn bad_lines() {
    insta::assert_snapshot!(said("DB_NAME"), @r#"
    rds.conf has 1 problem:
      line 5 is neither an assignment nor a comment: write KEY="value", or # first
    "#);
    insta::assert_snapshot!(RdsConf::parse(&(MINIMAL.to_owned() + "hello")).unwrap_err(), @r#"
    rds.conf has 1 problem:
      line 6 is neither an assignment nor a comment: write KEY="value", or # first
    "#);
    insta::assert_snapshot!(RdsConf::parse(&("\u{feff}".to_owned() + MINIMAL)).unwrap_err(), @r#"
    rds.conf has 1 problem:
      line 1 begins with a byte-order mark: save the file as UTF-8 without one
    "#);
    insta::assert_snapshot!(RdsConf::parse(&MINIMAL.replace('\n', "\r\n")).unwrap_err(), @r#"
    rds.conf has 1 problem:
      line 1 ends in a carriage return: save the file with Unix line endings (LF)
    "#);
    insta::assert_snapshot!(said("DB_NAME=\"a\rb\""), @r#"
    rds.conf has 1 problem:
      line 5 has the control character \r: remove it
    "#);
    insta::assert_snapshot!(said("DB_NAME=\"a\0b\""), @r#"
    rds.conf has 1 problem:
      line 5 has the control character \0: remove it
    "#);
    insta::assert_snapshot!(said("DB_NAME=\"a\tb\""), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME has the control character \t: remove it
    "#);
    insta::assert_snapshot!(said("# \u{1b}[31m"), @r#"
    rds.conf has 1 problem:
      line 6 has the control character \u{1b}: remove it
    "#);
}

#[test]
fn bad_keys() {
    insta::assert_snapshot!(said(r#"RDS_HOST="x""#), @"
    rds.conf has 1 problem:
      line 6: RDS_HOST is not a key of rds.conf: remove the line, or use one of ENGINE, RDS_ENDPOINT, RDS_PORT, REGION, MASTER_SECRET_NAME, DB_NAME, IAM_ADMIN_USER, RDS_DIAL, RDS_CA_BUNDLE, RDS_RESOURCE_ID, AWS_ACCOUNT_ID
    ");
    insta::assert_snapshot!(said(r#"db_name="x""#), @"
    rds.conf has 1 problem:
      line 6: db_name is not a key of rds.conf (did you mean DB_NAME?): remove the line, or use one of ENGINE, RDS_ENDPOINT, RDS_PORT, REGION, MASTER_SECRET_NAME, DB_NAME, IAM_ADMIN_USER, RDS_DIAL, RDS_CA_BUNDLE, RDS_RESOURCE_ID, AWS_ACCOUNT_ID
    ");
    insta::assert_snapshot!(RdsConf::parse(&(MINIMAL.to_owned() + "DB_NAME=\"x\"")).unwrap_err(), @r#"
    rds.conf has 1 problem:
      line 6: DB_NAME is set on line 4 already: remove one of the two
    "#);
    insta::assert_snapshot!(said(r#"DB_NAME="""#), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME is empty: give it a value, such as "orders"
    "#);
    insta::assert_snapshot!(said(r#"RDS_DIAL="""#), @r#"
    rds.conf has 1 problem:
      line 6: RDS_DIAL is empty: give it a value, such as "localhost:13306", or remove the line
    "#);
    insta::assert_snapshot!(RdsConf::parse("").unwrap_err(), @r#"
    rds.conf has 5 problems:
      RDS_ENDPOINT is missing: add a line such as RDS_ENDPOINT="orders.c0ffee.eu-west-1.rds.amazonaws.com"
      REGION is missing: add a line such as REGION="eu-west-1"
      MASTER_SECRET_NAME is missing: add a line such as MASTER_SECRET_NAME="orders/master"
      DB_NAME is missing: add a line such as DB_NAME="orders"
      IAM_ADMIN_USER is missing: add a line such as IAM_ADMIN_USER="iam_admin"
    "#);
}

#[test]
fn bad_values() {
    insta::assert_snapshot!(said(r#"RDS_ENDPOINT="mysql://h""#), @r#"
    rds.conf has 1 problem:
      line 5: RDS_ENDPOINT: endpoint starts with a scheme (mysql://): give only host:port
    "#);
    insta::assert_snapshot!(said(r#"RDS_ENDPOINT="h/orders""#), @r#"
    rds.conf has 1 problem:
      line 5: RDS_ENDPOINT: endpoint "h/orders" has a path or query: give only host:port
    "#);
    insta::assert_snapshot!(said(r#"RDS_ENDPOINT="h:x""#), @r#"
    rds.conf has 1 problem:
      line 5: RDS_ENDPOINT: endpoint port "x" is not a number from 1 to 65535
    "#);
    insta::assert_snapshot!(said(r#"RDS_ENDPOINT=" h""#), @r#"
    rds.conf has 1 problem:
      line 5: RDS_ENDPOINT: endpoint host " h" is neither a DNS name nor an IP address
    "#);
    insta::assert_snapshot!(said(r#"RDS_PORT="0""#), @r#"
    rds.conf has 1 problem:
      line 6: RDS_PORT: not a port: give a number from 1 to 65535
    "#);
    insta::assert_snapshot!(said(r#"RDS_PORT="+1""#), @r#"
    rds.conf has 1 problem:
      line 6: RDS_PORT: not a port: give a number from 1 to 65535
    "#);
    insta::assert_snapshot!(said(r#"REGION="eu-west-1a""#), @r#"
    rds.conf has 1 problem:
      line 5: REGION: "eu-west-1a" is not a region: expected a name such as eu-west-1 (an availability zone has a letter at its end, a region has not)
    "#);
    insta::assert_snapshot!(said(r#"REGION="eu-west-2""#), @r#"
    rds.conf has 1 problem:
      line 5: REGION says eu-west-2, but RDS_ENDPOINT lies in eu-west-1 by its name: write eu-west-1
    "#);
    insta::assert_snapshot!(said(r#"MASTER_SECRET_NAME="arn:aws:rds:eu-west-1:123456789012:db:x""#), @r#"
    rds.conf has 1 problem:
      line 5: MASTER_SECRET_NAME: the ARN of something else: give the name or the ARN of a Secrets Manager secret
    "#);
    insta::assert_snapshot!(said(r#"DB_NAME="orders ""#), @r#"
    rds.conf has 1 problem:
      line 5: DB_NAME: not a database name: it may have 64 characters at most, and no space at its end
    "#);
    insta::assert_snapshot!(said(r#"RDS_DIAL="localhost""#), @r#"
    rds.conf has 1 problem:
      line 6: RDS_DIAL: endpoint "localhost" has no port: give it as host:port (IPv6 as [address]:port)
    "#);
    insta::assert_snapshot!(said(r#"RDS_CA_BUNDLE="-----BEGIN CERTIFICATE-----""#), @r#"
    rds.conf has 1 problem:
      line 6: RDS_CA_BUNDLE: a certificate itself: give the path of a PEM file instead
    "#);
    insta::assert_snapshot!(said(r#"RDS_RESOURCE_ID="my-database""#), @r#"
    rds.conf has 1 problem:
      line 6: RDS_RESOURCE_ID: "my-database" is not a resource id: a policy takes the id that AWS gave (db-…, cluster-… or prx-… and letters and digits), not the name that you gave. Instance: DbiResourceId of `aws rds describe-db-instances`, Terraform aws_db_instance.resource_id. Aurora cluster: DbClusterResourceId, aws_rds_cluster.cluster_resource_id. Proxy: the last part of DBProxyArn, aws_db_proxy.arn (its id is the name)
    "#);
    insta::assert_snapshot!(said(r#"AWS_ACCOUNT_ID="1234-5678-9012""#), @r#"
    rds.conf has 1 problem:
      line 6: AWS_ACCOUNT_ID: "1234-5678-9012" is not an AWS account: give its 12 digits, leading zeros included and without dashes (`aws sts get-caller-identity --query Account --output text` prints them)
    "#);
}

#[test]
fn a_password_in_the_wrong_place_is_not_repeated() {
    for line in [
        r#"DB_PASSWORD="hunter2""#,
        r#"MASTER_SECRET_NAME="{\"password\":\"hunter2\"}""#,
        r#"RDS_ENDPOINT="mysql://root:hunter2@h:3306/orders""#,
        r#"RDS_DIAL="root:hunter2@h""#,
        "password: hunter2",
        r#"DB_NAME="x" hunter2"#,
    ] {
        let error = RdsConf::parse(&(MINIMAL.to_owned() + line)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        let error = said(line);
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let text =
        "# mine\nexport REGION=\"eu-west-1\"\nRDS_PORT=\"x\"\nDB_NAME=$DB\nRDS_HOST=\"h\"\nRDS_PORT=\"1\"\n";
    let error = RdsConf::parse(text).unwrap_err();
    insta::assert_snapshot!(error, @r#"
    rds.conf has 8 problems:
      line 2 begins with `export`: write KEY="value" alone, the file is not run by a shell
      line 3: RDS_PORT: not a port: give a number from 1 to 65535
      line 4: DB_NAME has no double quote after the `=`: write KEY="value"
      line 5: RDS_HOST is not a key of rds.conf: remove the line, or use one of ENGINE, RDS_ENDPOINT, RDS_PORT, REGION, MASTER_SECRET_NAME, DB_NAME, IAM_ADMIN_USER, RDS_DIAL, RDS_CA_BUNDLE, RDS_RESOURCE_ID, AWS_ACCOUNT_ID
      line 6: RDS_PORT is set on line 3 already: remove one of the two
      RDS_ENDPOINT is missing: add a line such as RDS_ENDPOINT="orders.c0ffee.eu-west-1.rds.amazonaws.com"
      MASTER_SECRET_NAME is missing: add a line such as MASTER_SECRET_NAME="orders/master"
      IAM_ADMIN_USER is missing: add a line such as IAM_ADMIN_USER="iam_admin"
    "#);
    let RdsConfError::Invalid { path: None, problems } = error else { panic!("{error}") };
    assert!(problems.iter().any(|p| p.line == Some(6) && p.cause == Cause::Repeated { first: 3 }));
}

#[test]
fn a_file_is_written_in_one_step_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rds.conf");
    let first = RdsConf::parse(MINIMAL).unwrap();
    first.write(&path).unwrap();
    assert_eq!(RdsConf::read(&path).unwrap(), first);
    full().write(&path).unwrap();
    assert_eq!(RdsConf::read(&path).unwrap(), full());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o600, 0o600);
        assert_eq!(mode & 0o133, 0);
    }
}

#[test]
fn files_that_fail() {
    let folder = tempfile::tempdir().unwrap();
    let shown = |error: RdsConfError| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let shown = format!("{error}{cause}").replace(&*folder.path().to_string_lossy(), "/etc");
        // tempfile adds its random name to the system's message.
        shown.split(" at path").next().unwrap().to_owned()
    };
    let path = folder.path().join("rds.conf");
    insta::assert_snapshot!(shown(RdsConf::read(&path).unwrap_err()), @"cannot read /etc/rds.conf; it must be a UTF-8 text file that this program may read: No such file or directory (os error 2)");
    std::fs::write(&path, b"\xff").unwrap();
    insta::assert_snapshot!(shown(RdsConf::read(&path).unwrap_err()), @"cannot read /etc/rds.conf; it must be a UTF-8 text file that this program may read: stream did not contain valid UTF-8");
    std::fs::write(&path, MINIMAL.replace("DB_NAME", "DB")).unwrap();
    insta::assert_snapshot!(shown(RdsConf::read(&path).unwrap_err()), @r#"
    /etc/rds.conf has 2 problems:
      line 4: DB is not a key of rds.conf: remove the line, or use one of ENGINE, RDS_ENDPOINT, RDS_PORT, REGION, MASTER_SECRET_NAME, DB_NAME, IAM_ADMIN_USER, RDS_DIAL, RDS_CA_BUNDLE, RDS_RESOURCE_ID, AWS_ACCOUNT_ID
      DB_NAME is missing: add a line such as DB_NAME="orders"
    "#);
    let nowhere = folder.path().join("none").join("rds.conf");
    insta::assert_snapshot!(shown(full().write(&nowhere).unwrap_err()), @"cannot write /etc/none/rds.conf; its folder must exist and this program must be allowed to write there: No such file or directory (os error 2)");
    // A failed write leaves what was there: a folder cannot be replaced by a file.
    let occupied = folder.path().join("occupied");
    std::fs::create_dir(&occupied).unwrap();
    assert!(matches!(full().write(&occupied), Err(RdsConfError::Write { .. })));
    assert!(occupied.is_dir());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file stays");
}

/// Any value that its type takes survives being written and read.
#[test]
fn values_round_trip() {
    let mut random = fastrand::Rng::with_seed(7);
    let alphabet: Vec<char> = "ab\"\\$`#='(){} -é漢🦀/".chars().collect();
    for _ in 0..5_000 {
        let length = random.usize(1..12);
        let text: String = (0..length).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
        let mut conf = full();
        conf.iam_admin = text.parse().unwrap();
        conf.ca_bundle = Some(text.parse().unwrap());
        if let Ok(database) = text.parse() {
            conf.database = database;
        }
        assert_eq!(RdsConf::parse(&conf.to_string()).unwrap(), conf, "{text:?}");
    }
}

/// A damaged file is an error or a configuration, never a panic, and what it says can be written again.
#[test]
fn damaged_files_do_not_panic() {
    let mut random = fastrand::Rng::with_seed(11);
    let original: Vec<char> = full().to_string().chars().collect();
    let (mut refused, mut read) = (0, 0);
    for _ in 0..3_000 {
        let mut text = original.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..text.len());
            match random.u8(..3) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, random.char('\0'..='\u{ff}')),
                _ => text.truncate(at.max(1)),
            }
        }
        match RdsConf::parse(&String::from_iter(text)) {
            Ok(conf) => {
                assert_eq!(RdsConf::parse(&conf.to_string()).unwrap(), conf);
                read += 1;
            }
            Err(error) => {
                assert!(error.to_string().contains("problem"));
                refused += 1;
            }
        }
    }
    assert!(
        refused > 100 && read > 100,
        "{refused} refused, {read} read: the damage is too little or too much"
    );
}

#[test]
fn a_file_that_is_far_too_large_is_not_read_to_its_end() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 40).unwrap();
    let error = RdsConf::read(file.path()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "it has over 64 KiB");
}
