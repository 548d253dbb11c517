//! Tests of the server of a database instance, and of that of a cluster.

use std::net::TcpStream;
use std::path::Path;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::only;
use rds_iam_token::{Endpoint, Login, sign};
use serde_json::Value;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use crate::Result;
use crate::aws::{Aws, element};
use crate::program::{Account, until};

only!(
    #[tokio::test]
    mysql,
    "the account starts a server of either engine in the same way: MySQL's as an instance, PostgreSQL's as a cluster",
    [a_database_instance_takes_tokens_until_it_is_deleted]
);
only!(
    #[tokio::test]
    postgres,
    "the account starts a server of either engine in the same way: MySQL's as an instance, PostgreSQL's as a cluster",
    [a_cluster_takes_tokens_for_each_of_its_endpoints_until_it_is_deleted]
);

pub(crate) const RDS: &str = "2014-10-31";

async fn a_database_instance_takes_tokens_until_it_is_deleted() -> Result {
    let outer = tempfile::tempdir()?;
    let account = Account::start(outer.path()).await?;
    let made = create(&account.aws)?;
    let endpoint: Endpoint = format!("{}:3306", element(&made, "Address")).parse()?;
    let file = outer.path().join("databases/orders-local.json");
    let about = until("the database", || Ok(std::fs::read_to_string(&file).ok())).await?;
    let about: Value = serde_json::from_str(&about)?;
    let server = place(&about.to_string())?;
    let credentials = credentials(Path::new(about["credentials_file"].as_str().unwrap()))?;

    // The master user is that of the managed secret.
    let aws = AwsApi::connect(&account.aws.url, "us-east-1".parse()?, &account.credentials).await?;
    let master = aws.master_credentials(element(&made, "SecretArn")).await?;
    let mut as_master = server.mysql(master.username(), master.password()).connect().await?;
    for sql in
        ["CREATE USER app IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'", "GRANT SELECT ON shop.* TO app"]
    {
        sqlx::raw_sql(sql).execute(&mut as_master).await?;
    }
    as_master.close().await?;

    // A token is for the instance, or for a proxy that is created later.
    let log_in = async |endpoint: &Endpoint, at: &Place| -> Result {
        let login = Login::new(endpoint.clone(), "us-east-1".parse()?, "app".parse()?);
        let token = sign(&login, &credentials, now())?;
        Ok(at.mysql("app", token.expose()).connect().await?.close().await?)
    };
    log_in(&endpoint, &server).await?;
    let host = create_proxy(&account.aws, "MYSQL", "DBInstanceIdentifiers.member.1", &BY_IAM)?;
    let (proxy, file_of_proxy): (Endpoint, _) =
        (format!("{host}:3306").parse()?, outer.path().join(format!("proxies/{host}.json")));
    let at_proxy = place(&until("the proxy", || Ok(std::fs::read_to_string(&file_of_proxy).ok())).await?)?;
    log_in(&proxy, &at_proxy).await?;
    let refused = log_in(&proxy, &server).await.unwrap_err().to_string();
    assert!(refused.contains("1045"), "{refused}");

    let delete = [("DBInstanceIdentifier", "orders-local"), ("SkipFinalSnapshot", "true")];
    account.aws.query("rds", RDS, "DeleteDBInstance", &delete)?;
    let is_gone =
        |at: &Place, file: &Path| TcpStream::connect(at.dial.to_string()).is_err() && !file.exists();
    let gone = || Ok((is_gone(&server, &file) && is_gone(&at_proxy, &file_of_proxy)).then_some(()));
    until("the database and its proxy to be gone", gone).await
}

async fn a_cluster_takes_tokens_for_each_of_its_endpoints_until_it_is_deleted() -> Result {
    let outer = tempfile::tempdir()?;
    let account = Account::start(outer.path()).await?;
    let (made, endpoints) = create_cluster(&account.aws)?;
    let file = outer.path().join("databases/orders-local.json");
    let about = until("the database", || Ok(std::fs::read_to_string(&file).ok())).await?;
    let about: Value = serde_json::from_str(&about)?;
    let server = place(&about.to_string())?;
    let credentials = credentials(Path::new(about["credentials_file"].as_str().unwrap()))?;

    let options = |at: &Place, user: &str, password: &str| {
        PgConnectOptions::new_without_pgpass()
            .host(&at.dial.host().to_string())
            .port(at.dial.port())
            .ssl_mode(PgSslMode::VerifyCa)
            .ssl_root_cert_from_pem(at.ca.clone().into())
            .username(user)
            .password(password)
            .database("shop")
    };
    let aws = AwsApi::connect(&account.aws.url, "us-east-1".parse()?, &account.credentials).await?;
    let master = aws.master_credentials(element(&made, "SecretArn")).await?;
    assert_eq!(master.username(), "dbadmin");
    let mut as_master = options(&server, master.username(), master.password()).connect().await?;
    let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut as_master).await?;
    assert!(version.starts_with("15."), "{version}");
    for sql in ["CREATE USER app", "GRANT rds_iam TO app"] {
        sqlx::raw_sql(sql).execute(&mut as_master).await?;
    }
    as_master.close().await?;

    let proxy = create_proxy(&account.aws, "POSTGRESQL", "DBClusterIdentifiers.member.1", &BY_IAM)?;
    let file_of_proxy = outer.path().join(format!("proxies/{proxy}.json"));
    let at_proxy = place(&until("the proxy", || Ok(std::fs::read_to_string(&file_of_proxy).ok())).await?)?;
    let log_in = async |host: &str, at: &Place, user: &str| -> Result {
        let login = Login::new(format!("{host}:5432").parse()?, "us-east-1".parse()?, user.parse()?);
        let token = sign(&login, &credentials, now())?;
        Ok(options(at, "app", token.expose()).connect().await?.close().await?)
    };
    let at_server = endpoints.iter().map(|host| (host, &server));
    for (host, at) in at_server.chain([(&proxy, &at_proxy)]) {
        let mut tries = 0;
        while let Err(refused) = log_in(host, at, "app").await {
            tries += 1;
            assert!(tries < 100, "{host}: {refused}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    let refused = log_in(&endpoints[0], &server, "other").await.unwrap_err().to_string();
    assert!(refused.contains("PAM authentication failed for user \"app\""), "{refused}");

    let delete = [("DBInstanceIdentifier", "orders-local-1"), ("SkipFinalSnapshot", "true")];
    account.aws.query("rds", RDS, "DeleteDBInstance", &delete)?;
    let delete = [("DBClusterIdentifier", "orders-local"), ("SkipFinalSnapshot", "true")];
    account.aws.query("rds", RDS, "DeleteDBCluster", &delete)?;
    let gone = || Ok((TcpStream::connect(server.dial.to_string()).is_err() && !file.exists()).then_some(()));
    until("the database to be gone", gone).await
}

/// Creates a cluster with an instance and a custom endpoint. Returns the API's response, and the hosts of all endpoints.
fn create_cluster(aws: &Aws) -> Result<(String, Vec<String>)> {
    let cluster = ("DBClusterIdentifier", "orders-local");
    let engine = ("Engine", "aurora-postgresql");
    let made = aws.query(
        "rds",
        RDS,
        "CreateDBCluster",
        &[
            cluster,
            engine,
            ("EngineVersion", "15.10"),
            ("DatabaseName", "shop"),
            ("MasterUsername", "dbadmin"),
            ("ManageMasterUserPassword", "true"),
        ],
    )?;
    let instance =
        [cluster, engine, ("DBInstanceIdentifier", "orders-local-1"), ("DBInstanceClass", "db.serverless")];
    let instance = aws.query("rds", RDS, "CreateDBInstance", &instance)?;
    let custom = [cluster, ("DBClusterEndpointIdentifier", "reports-local"), ("EndpointType", "READER")];
    let custom = aws.query("rds", RDS, "CreateDBClusterEndpoint", &custom)?;
    let hosts = [
        element(&made, "Endpoint"),
        element(&made, "ReaderEndpoint"),
        element(&instance, "Address"),
        element(&custom, "Endpoint"),
    ];
    Ok((made.clone(), hosts.map(str::to_owned).into()))
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

/// The logins of a proxy by tokens alone.
pub(crate) const BY_IAM: [(&str, &str); 1] = [("DefaultAuthScheme", "IAM_AUTH")];

/// Creates a proxy for the database, which is the value of the parameter `target`, with the parameters `logins`, and
/// returns its endpoint's name.
pub(crate) fn create_proxy(aws: &Aws, family: &str, target: &str, logins: &[(&str, &str)]) -> Result<String> {
    let subnets = aws.query("ec2", "2016-11-15", "DescribeSubnets", &[])?;
    let mut form = vec![
        ("DBProxyName", "orders-local"),
        ("EngineFamily", family),
        ("RoleArn", "arn:aws:iam::123456789012:role/proxy"),
        ("VpcSubnetIds.member.1", element(&subnets, "subnetId")),
    ];
    form.extend(logins);
    let made = aws.query("rds", RDS, "CreateDBProxy", &form)?;
    let register = [("DBProxyName", "orders-local"), (target, "orders-local")];
    aws.query("rds", RDS, "RegisterDBProxyTargets", &register)?;
    Ok(element(&made, "Endpoint").to_owned())
}

/// The address of a server or proxy, and the certificate of its authority.
pub(crate) struct Place {
    pub(crate) dial: Endpoint,
    pub(crate) ca: String,
}

impl Place {
    /// Returns the options of a connection to MySQL's database `shop` there.
    pub(crate) fn mysql(&self, user: &str, password: &str) -> MySqlConnectOptions {
        MySqlConnectOptions::new()
            .host(&self.dial.host().to_string())
            .port(self.dial.port())
            .ssl_mode(MySqlSslMode::VerifyCa)
            .ssl_ca_from_pem(self.ca.clone().into())
            .enable_cleartext_plugin(true)
            .username(user)
            .password(password)
            .database("shop")
    }
}

/// Reads a file about a database or proxy.
pub(crate) fn place(about: &str) -> Result<Place> {
    let about: Value = serde_json::from_str(about)?;
    let text = |name: &str| about[name].as_str().ok_or(format!("no {name}"));
    Ok(Place { dial: text("dial")?.parse()?, ca: std::fs::read_to_string(text("ca_file")?)? })
}

pub(crate) fn credentials(file: &Path) -> Result<Credentials> {
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
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
