//! Tests of named connections: pools of a configuration on a server that checks tokens.

use rds_iam_emulator_server::{Server, on_each_engine};
use rds_iam_sqlx::{Databases, Pool};
use rds_iam_token::ErrorKind;

use crate::support::{DATABASE, TestEngine, login};
use crate::{code, scalar};

on_each_engine![
    #[tokio::test]
    connections_of_one_login_share_their_tokens,
    connect_all_reports_a_refused_login,
];

/// Two connections to the server, one of them as another user if it is given.
fn databases<DB: TestEngine>(server: &Server<DB>, other_user: &str) -> Databases {
    let (endpoint, region, driver) = (server.endpoint(), login(server).region, DB::DRIVER);
    let text = format!(
        "database:
  default: writer
  connections:
    writer:
      driver: {driver}
      dsn: \"{driver}://app:$TOKEN@{endpoint}/{DATABASE}?sslmode=require\"
      max_open_connections: 2
      max_idle_connections: 1
      aws_iam_auth:
        enabled: true
        region: {region}
        connection_timeout: 20s
    reports:
      dsn: \"{driver}://{other_user}@{endpoint}/{DATABASE}\"
      aws_iam_auth:
        enabled: true
        region: {region}
"
    );
    let databases = Databases::from_yaml(&text, "database.yaml").unwrap();
    let databases = databases.credentials(server.credentials()).root_certificates(server.ca_pem());
    ["writer", "reports"]
        .into_iter()
        .fold(databases, |databases, name| databases.dial(name, server.dial()).unwrap())
}

async fn connections_of_one_login_share_their_tokens<DB: TestEngine>() {
    let server = DB::server().await;
    let databases = databases(&server, "app");
    databases.connect_all().await.unwrap();
    let writer: Pool<DB> = databases.get_default().unwrap();
    let reports: Pool<DB> = databases.get("reports").unwrap();
    for pool in [&writer, &reports] {
        assert_eq!(scalar(pool, DB::CURRENT_USER).await.unwrap(), DB::APP);
        assert_eq!(pool.stats().tokens.minted, 1, "one token for both");
    }
}

async fn connect_all_reports_a_refused_login<DB: TestEngine>() {
    let server = DB::server().await;
    let error = databases(&server, "stranger").connect_all().await.unwrap_err();
    assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::Denied, DB::UNKNOWN_USER), "{error:?}");
    assert_eq!(error.subject().unwrap().user.as_str(), "stranger");
}
