//! Tests of Session Manager in the account: its instances, and a tunnel through one of them to a database.

use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::only;
use rds_iam_sqlx::MySqlPool;
use rds_iam_token::Endpoint;
use rds_iam_tunnel::{AwsApi as SessionManager, Listener, Options, Remote, Tunnel, Via, native_tls};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::Result;
use crate::aws::{Aws, element};
use crate::databases::{RDS, create, credentials, place};
use crate::program::{Account, until};

const EC2: &str = "2016-11-15";

only!(
    #[tokio::test]
    mysql,
    "agents find the databases of either engine in the same way",
    [a_tunnel_through_an_instance_reaches_a_database_until_it_is_deleted]
);

async fn a_tunnel_through_an_instance_reaches_a_database_until_it_is_deleted() -> Result {
    let outer = tempfile::tempdir()?;
    let account = Account::start(outer.path()).await?;
    let made = create(&account.aws)?;
    let endpoint: Endpoint = format!("{}:3306", element(&made, "Address")).parse()?;
    let file = outer.path().join("databases/orders-local.json");
    let server = place(&until("the database", || Ok(std::fs::read_to_string(&file).ok())).await?)?;
    let aws = AwsApi::connect(&account.aws.url, "us-east-1".parse()?, &account.credentials).await?;
    let master = aws.master_credentials(element(&made, "SecretArn")).await?;
    let mut as_master = server.mysql(master.username(), master.password()).connect().await?;
    let create_user = "CREATE USER app IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL";
    for sql in [create_user, "GRANT SELECT ON shop.* TO app"] {
        sqlx::raw_sql(sql).execute(&mut as_master).await?;
    }
    as_master.close().await?;

    let instance = launch(&account.aws, &PROFILE)?;
    let by_tag: Via = "tag:role=jump".parse()?;
    assert_eq!(SessionManager::new(&aws.sdk_config()).instance(&by_tag).await?, instance);
    let listener = tunnel(&aws, &instance, &endpoint).await?;
    assert!(greets(&listener).await?);
    // The name in the certificate is the database's, and the address the tunnel's.
    let pool = MySqlPool::builder(&endpoint, "app")
        .region("us-east-1")
        .credentials(credentials(&account.credentials)?)
        .dial(listener.address())
        .root_certificates(server.ca)
        .database("shop")
        .connect()
        .await?;
    let user: String = sqlx::query_scalar("SELECT CURRENT_USER()").fetch_one(&pool).await?;
    assert_eq!(user, "app@%");
    drop(pool);

    let delete = [("DBInstanceIdentifier", "orders-local"), ("SkipFinalSnapshot", "true")];
    account.aws.query("rds", RDS, "DeleteDBInstance", &delete)?;
    until("the database to be gone", || Ok((!file.exists()).then_some(()))).await?;
    assert!(!greets(&tunnel(&aws, &instance, &endpoint).await?).await?);
    Ok(())
}

#[tokio::test]
async fn an_instance_with_a_profile_is_managed_in_its_region_while_it_runs() -> Result {
    let outer = tempfile::tempdir()?;
    let account = Account::start(outer.path()).await?;
    let aws = &account.aws;
    let (instance, unmanaged) = (launch(aws, &PROFILE)?, launch(aws, &[])?);
    assert_eq!(start(aws, "us-east-1", &instance)?, "started");
    assert_eq!(start(aws, "eu-west-1", &instance)?, "TargetNotConnected");
    assert_eq!(start(aws, "us-east-1", &unmanaged)?, "TargetNotConnected");
    let stranger = Aws { url: aws.url.clone(), key: aws.key.clone(), token: "other".into() };
    assert_eq!(start(&stranger, "us-east-1", &instance)?, "UnrecognizedClientException");
    // The account's containers have its key: an instance runs no commands of theirs on this machine.
    let marker = outer.path().join("marker");
    let command = json!({
        "Target": instance,
        "DocumentName": "AWS-StartNonInteractiveCommand",
        "Parameters": { "command": [format!("touch {}", marker.display())] },
    });
    assert_eq!(call(aws, "us-east-1", "StartSession", &command)?["__type"], "InvalidDocument");

    let id = [("InstanceId.1", instance.as_str())];
    let state = || {
        let described = call(aws, "us-east-1", "DescribeInstanceInformation", &json!({}))?;
        let found = described["InstanceInformationList"].as_array().ok_or("no list")?;
        let about = |one: &Value| format!("{} {}", one["InstanceId"], one["PingStatus"]).replace('"', "");
        Ok::<Vec<String>, Box<dyn std::error::Error>>(found.iter().map(about).collect())
    };
    assert_eq!(state()?, [format!("{instance} Online")]);
    aws.query("ec2", EC2, "StopInstances", &id)?;
    assert_eq!(start(aws, "us-east-1", &instance)?, "TargetNotConnected");
    assert_eq!(state()?, [format!("{instance} ConnectionLost")]);
    aws.query("ec2", EC2, "StartInstances", &id)?;
    assert_eq!(start(aws, "us-east-1", &instance)?, "started");
    aws.query("ec2", EC2, "TerminateInstances", &id)?;
    assert_eq!(start(aws, "us-east-1", &instance)?, "TargetNotConnected");
    assert!(state()?.is_empty());
    assert!(!marker.exists(), "a command was run");
    Ok(())
}

/// The instance profile of a jump host.
const PROFILE: [(&str, &str); 1] = [("IamInstanceProfile.Name", "jump")];

/// Launches an instance that has the tag `role` with the value `jump`. Returns its id.
fn launch(aws: &Aws, profile: &[(&str, &str)]) -> Result<String> {
    if !profile.is_empty() {
        aws.query("iam", "2010-05-08", "CreateInstanceProfile", &[("InstanceProfileName", "jump")])?;
    }
    let images = aws.query("ec2", EC2, "DescribeImages", &[])?;
    let mut form = vec![
        ("ImageId", element(&images, "imageId")),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "role"),
        ("TagSpecification.1.Tag.1.Value", "jump"),
    ];
    form.extend(profile);
    Ok(element(&aws.query("ec2", EC2, "RunInstances", &form)?, "instanceId").to_owned())
}

/// Calls an operation of Systems Manager in a region. Returns the answer, an error too.
fn call(aws: &Aws, region: &str, operation: &str, body: &Value) -> Result<Value> {
    let headers = format!(
        "Host: {}\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Target: AmazonSSM.{operation}\r\n{}",
        aws.address(),
        aws.authorization("ssm").replace("us-east-1", region)
    );
    Ok(serde_json::from_str(&aws.send("POST", "/", &headers, &body.to_string())?.body)?)
}

/// Starts a session in a region. Returns `started`, or the code of the error.
fn start(aws: &Aws, region: &str, instance: &str) -> Result<String> {
    let request = json!({ "Target": instance, "DocumentName": "AWS-StartPortForwardingSession" });
    let answer = call(aws, region, "StartSession", &request)?;
    let code = if answer["TokenValue"].is_string() { Some("started") } else { answer["__type"].as_str() };
    Ok(code.ok_or("neither a session nor an error")?.to_owned())
}

/// Opens a local port before a database, through an instance.
async fn tunnel(aws: &AwsApi, instance: &str, endpoint: &Endpoint) -> Result<Listener> {
    let remote =
        Remote { target: instance.to_owned(), host: endpoint.host().to_string(), port: endpoint.port() };
    let calls = SessionManager::new(&aws.sdk_config());
    let tunnel = Tunnel::start(calls, remote, native_tls()?, Options::default()).await?;
    Ok(Listener::bind(tunnel, "127.0.0.1:0".parse()?).await?)
}

/// Returns whether the server behind a port greets, as MySQL does.
async fn greets(listener: &Listener) -> Result<bool> {
    let mut connection = TcpStream::connect(listener.address()).await?;
    Ok(matches!(connection.read(&mut [0; 1]).await, Ok(1)))
}
