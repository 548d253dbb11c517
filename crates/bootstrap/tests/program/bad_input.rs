//! Bad input: each is an error that names the setting or object and says what to do, and changes nothing.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use rds_iam_bootstrap::{Declaration, Failure, Mode, Settings, run};
use rds_iam_infra::Engine;

use crate::support::{APP_USERS, Deployment, Result, column, execute, finish};

#[tokio::test]
async fn files_and_flags() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let nowhere = deployment.path("none.conf");
    let missing = deployment.program(&nowhere, &[], &[]).await?.expect(64);
    insta::assert_snapshot!(missing.stderr(&deployment), @r"
    error in step 1 of 6: cannot read <folder>/none.conf; it must be a UTF-8 text file that this program may read
      cause: No such file or directory (os error 2)
    ");

    deployment.write(
        "bad.conf",
        "RDS_ENDPOINT=\"https://db.example.com\"\nREGION=\"\"\nDB_NAME=\"$(id)\"\nNODE=\"x\"\n",
    )?;
    let bad = deployment.program(&deployment.path("bad.conf"), &[], &[]).await?.expect(64);
    assert!(bad.stderr.contains("REGION"), "{}", bad.stderr);
    let json = deployment.program(&deployment.path("bad.conf"), &["--json"], &[]).await?.expect(64).json()?;
    assert_eq!((&json["outcome"], &json["step"]), (&"failed".into(), &1.into()));

    // No region is guessed, even if AWS_REGION is set.
    let text = deployment.conf.to_string();
    let text: Vec<_> = text.lines().filter(|line| !line.starts_with("REGION")).collect();
    deployment.write("no-region.conf", &text.join("\n"))?;
    let no_region = deployment.program(&deployment.path("no-region.conf"), &[], &[]).await?.expect(64);
    assert!(no_region.stderr.contains("REGION"), "{}", no_region.stderr);

    let users =
        deployment.write("users.toml", "[[user]]\nname = \"o'neil`\"\n[[user]]\nname = \"rdsadmin\"\n")?;
    let hostile = deployment.bootstrap(&["--users", &users]).await?.expect(64);
    insta::assert_snapshot!(hostile.stderr(&deployment), @r#"
    error in step 1 of 6: <folder>/users.toml has 2 problems:
      user "o'neil`": the user name "o'neil`" has the character '\'': use letters A to Z, digits and _ + = , . @ - only, as in names of IAM users
      user "rdsadmin": rdsadmin belongs to RDS or MySQL and is never changed: name another user
    "#);
    let users = deployment.write("users.toml", "[[user]]\nname = \"admin\"\n")?;
    let master = deployment.bootstrap(&["--users", &users]).await?.expect(64);
    insta::assert_snapshot!(master.stderr(&deployment), @"
    error in step 1 of 6: <folder>/users.toml has 1 problem:
      admin@%: is the master user, which is never changed: declare another user
    ");

    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER"] {
        let empty = deployment
            .bootstrap_with(&deployment.conf, &["--json"], &[(variable, "")])
            .await?
            .expect(64)
            .json()?;
        let expected =
            format!("{variable} is empty; expected a URL. Unset {variable} to use AWS's own endpoints");
        assert_eq!((&empty["step"], &empty["error"]), (&1.into(), &expected.into()));
    }

    let without_users = finish(deployment.command(&deployment.path("rds.conf"))).await?.expect(64);
    assert!(without_users.stderr.contains("--users <FILE>"), "{}", without_users.stderr);

    deployment.bootstrap(&["--plan", "--check"]).await?.expect(64);
    deployment.bootstrap(&["--unknown"]).await?.expect(64);
    let json = deployment.bootstrap(&["--unknown", "--json"]).await?.expect(64).json()?;
    assert_eq!((&json["outcome"], &json["step"]), (&"failed".into(), &1.into()));
    assert_eq!(json["error"], "unexpected argument '--unknown' found");
    for text in ["--help", "--version"] {
        let shown = deployment.bootstrap(&["--json", text]).await?.expect(0);
        assert!(shown.stdout.contains("rds-iam-bootstrap"), "{}", shown.stdout);
    }
    let help = deployment.bootstrap(&["--help"]).await?.expect(0);
    for text in ["Exit status:", "64  ", "--check", "RUST_LOG"] {
        assert!(help.stdout.contains(text), "{}", help.stdout);
    }
    assert_eq!(deployment.server.logins()?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn secrets_and_credentials() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let master = deployment.server.master();
    let mut failures = Vec::new();

    let mut conf = deployment.conf.clone();
    conf.master_secret = "no/such".parse()?;
    failures.push(deployment.bootstrap_with(&conf, &[], &[]).await?.expect(1));

    conf.master_secret = "bad/one".parse()?;
    for value in [
        master.password().to_owned(),
        serde_json::json!({ "username": master.username() }).to_string(),
        serde_json::json!({ "username": master.username(), "password": "" }).to_string(),
        serde_json::json!({ "username": master.username(), "password": "out of date" }).to_string(),
    ] {
        deployment.aws.put_secret("bad/one", &value).await?;
        failures.push(deployment.bootstrap_with(&conf, &[], &[]).await?.expect(1));
    }

    let empty = deployment.write("empty", "")?;
    failures.push(
        deployment
            .bootstrap_with(&deployment.conf, &[], &[("AWS_SHARED_CREDENTIALS_FILE", &empty)])
            .await?
            .expect(1),
    );

    let failures: Vec<_> = failures.iter().map(|run| run.stderr(&deployment)).collect();
    assert!(failures.iter().all(|text| !text.contains(master.password())));
    insta::assert_snapshot!(failures.join("\n"), @r#"
    error in step 2 of 6: there is no secret no/such in region us-east-1
      Check MASTER_SECRET_NAME and REGION: `aws secretsmanager describe-secret --secret-id no/such --region us-east-1`.

    error in step 2 of 6: the secret bad/one can't be used: it is not a JSON object
      The secret must be JSON such as {"username":"…","password":"…"}, as RDS writes it. Check that MASTER_SECRET_NAME names the master user's secret.

    error in step 2 of 6: the secret bad/one can't be used: it lacks the field "password"
      The secret must be JSON such as {"username":"…","password":"…"}, as RDS writes it. Check that MASTER_SECRET_NAME names the master user's secret.

    error in step 2 of 6: the secret bad/one can't be used: its field "password" is empty or not text
      The secret must be JSON such as {"username":"…","password":"…"}, as RDS writes it. Check that MASTER_SECRET_NAME names the master user's secret.

    error in step 3 of 6: connecting to the database failed
      cause: logging in as admin at local-mysql.c0ffee123456.us-east-1.rds.amazonaws.com:3306 through <dial> failed: the server denied access
      cause: error returned from database: 1045 (28000): Access denied for user 'admin'@'<host>' (using password: YES)
      The server does not accept the password in the master secret: it is out of date, or belongs to another instance. Check MASTER_SECRET_NAME against RDS_ENDPOINT.

    error in step 2 of 6: the caller's AWS credentials can't sign an IAM token
      cause: no AWS credentials were found: configure a profile, an instance, task or pod role, or the AWS_* variables
      cause: the credential provider was not enabled
      cause: no credentials found in chain. Attempted:
          Environment: the credential provider was not enabled: environment variable not set
          Profile: the credential provider was not enabled
          WebIdentityToken: the credential provider was not enabled: $AWS_WEB_IDENTITY_TOKEN_FILE was not set
          EcsContainer: the credential provider was not enabled: ECS provider not configured
          Ec2InstanceMetadata: the credential provider was not enabled: IMDS disabled by AWS_EC2_METADATA_DISABLED env var set to `true`
      Log in to AWS, or give this program a role or profile; `aws sts get-caller-identity` shows whether that works.
    "#);

    // It is found by ARN.
    let arn = deployment
        .aws
        .put_secret(
            "orders/master",
            &serde_json::json!({ "username": master.username(), "password": master.password() }).to_string(),
        )
        .await?;
    let mut conf = deployment.conf.clone();
    conf.master_secret = arn.parse()?;
    deployment.bootstrap_with(&conf, &["--plan"], &[]).await?.expect(0);
    Ok(())
}

#[tokio::test]
async fn expired_credentials_are_reported_before_anything_is_contacted() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let declaration = Declaration::read(APP_USERS.as_ref())?;
    let mut settings = Settings::load(deployment.conf.clone(), declaration, Mode::Apply).await?;
    let expired = Some(UNIX_EPOCH + Duration::from_secs(1_600_000_000));
    let credentials = Credentials::new("AKIDEXAMPLE", "not-a-real-secret", None, expired, "test");
    let provider = SharedCredentialsProvider::new(credentials);
    settings.aws = deployment.aws.sdk_config().into_builder().credentials_provider(provider).build();
    let error = run(settings).await.unwrap_err();
    let failure = Failure::new(Mode::Apply, &error);
    assert_eq!((failure.step, error.exit_code()), (2, 1));
    assert!(failure.causes.iter().any(|cause| cause.contains("expired")), "{failure}");
    assert_eq!(deployment.server.logins()?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn databases_and_servers() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut conf = deployment.conf.clone();
    conf.database = "no_such".parse()?;
    let mut failures = vec![deployment.bootstrap_with(&conf, &[], &[]).await?.expect(1)];
    failures.push(deployment.bootstrap_with(&conf, &["--plan"], &[]).await?.expect(1));

    // Another certificate authority than the server's.
    let mut conf = deployment.conf.clone();
    conf.ca_bundle = None;
    failures.push(deployment.bootstrap_with(&conf, &[], &[]).await?.expect(1));

    // The right authority, for another name.
    let mut conf = deployment.conf.clone();
    conf.endpoint = "other.c0ffee123456.us-east-1.rds.amazonaws.com:3306".parse()?;
    failures.push(deployment.bootstrap_with(&conf, &[], &[]).await?.expect(1));

    // No server at all.
    let mut conf = deployment.conf.clone();
    conf.dial = Some("127.0.0.1:1".parse()?);
    failures.push(deployment.bootstrap_with(&conf, &[], &[]).await?.expect(1));

    let failures: Vec<_> = failures.iter().map(|run| run.stderr(&deployment)).collect();
    insta::assert_snapshot!(failures.join("\n"), @r#"
    error in step 3 of 6: database no_such does not exist
      RDS creates a database along with the instance only if it is given a name (Terraform: db_name). Check DB_NAME and the users file, or create it as the master user: CREATE DATABASE `no_such`;

    error in step 3 of 6: database no_such does not exist
      RDS creates a database along with the instance only if it is given a name (Terraform: db_name). Check DB_NAME and the users file, or create it as the master user: CREATE DATABASE `no_such`;

    error in step 3 of 6: connecting to the database failed
      cause: logging in as admin at local-mysql.c0ffee123456.us-east-1.rds.amazonaws.com:3306 through <dial> failed: TLS could not be verified
      cause: error communicating with database: invalid peer certificate: UnknownIssuer
      The server's certificate does not name the endpoint's host, or is not issued under the trust roots in use: check the endpoint, that the address dialled leads to it, and that the roots are current.

    error in step 3 of 6: connecting to the database failed
      cause: logging in as admin at other.c0ffee123456.us-east-1.rds.amazonaws.com:3306 through <dial> failed: TLS could not be verified
      cause: error communicating with database: invalid peer certificate: certificate not valid for name "other.c0ffee123456.us-east-1.rds.amazonaws.com"; certificate is only valid for DnsName("local-mysql.c0ffee123456.us-east-1.rds.amazonaws.com")
      The server's certificate does not name the endpoint's host, or is not issued under the trust roots in use: check the endpoint, that the address dialled leads to it, and that the roots are current.

    error in step 3 of 6: connecting to the database failed
      cause: logging in as admin at local-mysql.c0ffee123456.us-east-1.rds.amazonaws.com:3306 through 127.0.0.1:1 failed: the server can't be reached
      cause: error communicating with database: Connection refused (os error 111)
      The server did not answer: check the endpoint's name, the server's state, the security groups and the port. A private database is reached through a tunnel.
    "#);
    let users = "SELECT CAST(User AS CHAR) FROM mysql.user WHERE User IN ('iam_admin', 'node_app')";
    assert_eq!(
        column(&mut deployment.master().await?, users).await?,
        Vec::<String>::new(),
        "nothing was changed"
    );
    Ok(())
}

#[tokio::test]
async fn the_other_engine_answers() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut conf = deployment.conf.clone();
    conf.engine = Engine::Postgres;
    let users = deployment.write("users.toml", "[[user]]\nname = \"app\"\n")?;
    let planned = deployment.bootstrap_with(&conf, &["--users", &users, "--plan"], &[]).await?.expect(64);
    let failed = deployment.bootstrap_with(&conf, &["--users", &users], &[]).await?.expect(64);
    assert_eq!(planned.stderr, failed.stderr);
    insta::assert_snapshot!(failed.stderr(&deployment), @"
    error in step 1 of 6: ENGINE is postgresql, but a MySQL server answers at <dial>
      Set ENGINE to mysql or postgresql, the engine of the instance or cluster, or correct RDS_ENDPOINT, RDS_PORT or RDS_DIAL.
    ");
    Ok(())
}

#[tokio::test]
async fn an_account_that_only_its_equals_may_change() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut master = deployment.master().await?;
    execute(&mut master, "CREATE USER node_app IDENTIFIED BY 'old password'").await?;
    execute(&mut master, "GRANT SYSTEM_USER ON *.* TO node_app").await?;
    let refused = deployment.bootstrap(&[]).await?.expect(1);
    insta::assert_snapshot!(refused.stderr(&deployment), @"
    error in step 5 of 6: switch node_app@% from caching_sha2_password to IAM: its password ends failed
      cause: error returned from database: 1227 (42000): Access denied; you need (at least one of) the SYSTEM_USER privilege(s) for this operation
      The cause names the missing privilege. If it is SYSTEM_USER: the account has it, and only a user who has it too may change that account. As such a user: REVOKE SYSTEM_USER ON *.* FROM it, or declare another account. If it is ROLE_ADMIN: the master user lacks it, and so can't revoke roles.
      12 changes were made and stay; once the cause is fixed, the next run finishes the job.
    ");
    Ok(())
}

#[tokio::test]
async fn a_table_is_not_made_from_the_servers_own() -> Result {
    let deployment = Deployment::start("node_db").await?;
    for (n, definition) in [
        "AS SELECT user u, authentication_string a FROM mysql.user",
        "(i INT) SELECT user u FROM mysql.user",
        "(i INT) AVG_ROW_LENGTH=1e5SELECT user u FROM mysql.user",
        // A number may have a point before its exponent.
        "(i INT) AVG_ROW_LENGTH=1.e5SELECT user u FROM mysql.user",
        "(i INT) AVG_ROW_LENGTH=1.e5AS SELECT user u FROM mysql.user",
        "(i INT) AVG_ROW_LENGTH=1.e5TABLE mysql.role_edges",
        "(column_0 INT) AVG_ROW_LENGTH=1.e5VALUES ROW(1)",
        "TABLE mysql.user",
    ]
    .iter()
    .enumerate()
    {
        let sql = format!("CREATE TABLE IF NOT EXISTS t {definition}");
        // The server would create it.
        let there = format!("CREATE TABLE node_db.there_{n} {definition}");
        execute(&mut deployment.master().await?, &there).await?;
        let users = format!(
            "[[user]]\nname = \"a\"\ngrant = [{{ privileges = [\"SELECT\", \"INSERT\"] }}]\n\
             [schema]\nstatements = [\"{sql}\"]\n"
        );
        let users = deployment.write("users.toml", &users)?;
        let refused = deployment.bootstrap(&["--users", &users]).await?.expect(64);
        assert!(refused.stderr.contains("from a query or another table"), "{}", refused.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn a_report_that_cannot_be_written() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let conf = deployment.path("rds.conf");
    deployment.conf.write(&conf)?;
    let into_a_full_disk = |conf: &std::path::Path, arguments: &[&str]| -> Result<_> {
        let mut command = deployment.command(conf);
        command
            .args(["--users", APP_USERS])
            .args(arguments)
            .stdout(std::fs::File::options().write(true).open("/dev/full")?);
        Ok(finish(command))
    };
    for arguments in [["--plan"].as_slice(), &["--json"]] {
        let run = into_a_full_disk(&conf, arguments)?.await?.expect(1);
        assert!(run.stderr.contains("error: the run finished, but its report could not be written"));
    }
    let failed = into_a_full_disk(&deployment.path("none.conf"), &["--json"])?.await?.expect(64);
    assert!(failed.stderr.starts_with("error in step 1 of 6: cannot read"), "{}", failed.stderr);
    Ok(())
}
