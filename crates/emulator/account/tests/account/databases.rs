//! Tests of the MySQL server of a database instance.

use std::net::TcpStream;
use std::path::Path;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use rds_iam_emulator_account::AwsApi;
use rds_iam_token::{Endpoint, Login, sign};
use serde_json::Value;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{ConnectOptions, Connection};

use crate::Result;
use crate::aws::{Aws, element};
use crate::program::{Account, until};

const RDS: &str = "2014-10-31";

#[tokio::test]
async fn a_database_instance_takes_tokens_until_it_is_deleted() -> Result {
    let outer = tempfile::tempdir()?;
    let account = Account::start(outer.path()).await?;
    let made = create(&account.aws)?;
    let endpoint: Endpoint = format!("{}:3306", element(&made, "Address")).parse()?;
    let file = outer.path().join("databases/orders-local.json");
    let about = until("the database", || Ok(std::fs::read_to_string(&file).ok())).await?;
    let about: Value = serde_json::from_str(&about)?;
    let text = |name: &str| about[name].as_str().unwrap();
    let dial: Endpoint = text("dial").parse()?;
    let ca = std::fs::read_to_string(text("ca_file"))?;
    let credentials = credentials(Path::new(text("credentials_file")))?;

    // The master user is that of the managed secret.
    let options = |user: &str, password: &str| {
        MySqlConnectOptions::new()
            .host(&dial.host().to_string())
            .port(dial.port())
            .ssl_mode(MySqlSslMode::VerifyCa)
            .ssl_ca_from_pem(ca.clone().into())
            .enable_cleartext_plugin(true)
            .username(user)
            .password(password)
            .database("shop")
    };
    let aws = AwsApi::connect(&account.aws.url, "us-east-1".parse()?, &account.credentials).await?;
    let master = aws.master_credentials(element(&made, "SecretArn")).await?;
    let mut as_master = options(master.username(), master.password()).connect().await?;
    for sql in
        ["CREATE USER app IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'", "GRANT SELECT ON shop.* TO app"]
    {
        sqlx::raw_sql(sql).execute(&mut as_master).await?;
    }
    as_master.close().await?;

    // Tokens are valid for it, and for a proxy that is created later.
    let log_in = async |endpoint: &Endpoint| -> Result {
        let login = Login::new(endpoint.clone(), "us-east-1".parse()?, "app".parse()?);
        let token = sign(&login, &credentials, now())?;
        Ok(options("app", token.expose()).connect().await?.close().await?)
    };
    log_in(&endpoint).await?;
    let proxy: Endpoint = format!("{}:3306", create_proxy(&account.aws)?).parse()?;
    let mut tries = 0;
    while let Err(refused) = log_in(&proxy).await {
        tries += 1;
        assert!(tries < 100, "{refused}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }

    let delete = [("DBInstanceIdentifier", "orders-local"), ("SkipFinalSnapshot", "true")];
    account.aws.query("rds", RDS, "DeleteDBInstance", &delete)?;
    let gone = || Ok((TcpStream::connect(dial.to_string()).is_err() && !file.exists()).then_some(()));
    until("the database to be gone", gone).await
}

/// Creates the instance, and returns the API's response.
pub(crate) fn create(aws: &Aws) -> Result<String> {
    aws.query(
        "rds",
        RDS,
        "CreateDBInstance",
        &[
            ("DBInstanceIdentifier", "orders-local"),
            ("Engine", "mysql"),
            ("DBInstanceClass", "db.t4g.medium"),
            ("AllocatedStorage", "20"),
            ("DBName", "shop"),
            ("MasterUsername", "dbadmin"),
            ("ManageMasterUserPassword", "true"),
        ],
    )
}

/// Creates a proxy for the instance, and returns its endpoint's name.
fn create_proxy(aws: &Aws) -> Result<String> {
    let subnets = aws.query("ec2", "2016-11-15", "DescribeSubnets", &[])?;
    let made = aws.query(
        "rds",
        RDS,
        "CreateDBProxy",
        &[
            ("DBProxyName", "orders-local"),
            ("EngineFamily", "MYSQL"),
            ("DefaultAuthScheme", "IAM_AUTH"),
            ("RoleArn", "arn:aws:iam::123456789012:role/proxy"),
            ("VpcSubnetIds.member.1", element(&subnets, "subnetId")),
        ],
    )?;
    let register = [("DBProxyName", "orders-local"), ("DBInstanceIdentifiers.member.1", "orders-local")];
    aws.query("rds", RDS, "RegisterDBProxyTargets", &register)?;
    Ok(element(&made, "Endpoint").to_owned())
}

fn credentials(file: &Path) -> Result<Credentials> {
    let text = std::fs::read_to_string(file)?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
        line.map(str::to_owned).ok_or(format!("no {name}"))
    };
    let token = Some(value("aws_session_token")?);
    Ok(Credentials::new(
        value("aws_access_key_id")?,
        value("aws_secret_access_key")?,
        token,
        None,
        "the account",
    ))
}

#[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's")]
fn now() -> SystemTime {
    SystemTime::now()
}
