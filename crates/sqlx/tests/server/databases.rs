//! Tests of named connections: pools of a configuration on a server that checks tokens.

use rds_iam_emulator_server::MySql;
use rds_iam_sqlx::{Databases, MySqlPool};
use rds_iam_token::ErrorKind;

use crate::support::{DATABASE, login, server};

/// Two connections to the server, one of them as another user if it is given.
fn databases(mysql: &MySql, other_user: &str) -> Databases {
    let (endpoint, region) = (mysql.endpoint(), login(mysql).region);
    let text = format!(
        "database:
  default: writer
  connections:
    writer:
      driver: mysql
      dsn: \"mysql://app:$TOKEN@{endpoint}/{DATABASE}?sslmode=require\"
      max_open_connections: 2
      max_idle_connections: 1
      aws_iam_auth:
        enabled: true
        region: {region}
        connection_timeout: 20s
    reports:
      dsn: \"mysql://{other_user}@{endpoint}/{DATABASE}\"
      aws_iam_auth:
        enabled: true
        region: {region}
"
    );
    let databases = Databases::from_yaml(&text, "database.yaml").unwrap();
    let databases = databases.credentials(mysql.credentials()).root_certificates(mysql.ca_pem());
    ["writer", "reports"]
        .into_iter()
        .fold(databases, |databases, name| databases.dial(name, mysql.dial()).unwrap())
}

#[tokio::test]
async fn connections_of_one_login_share_their_tokens() {
    let mysql = server().await;
    let databases = databases(&mysql, "app");
    databases.connect_all().await.unwrap();
    let writer: MySqlPool = databases.get_default().unwrap();
    let reports: MySqlPool = databases.get("reports").unwrap();
    for pool in [&writer, &reports] {
        let user: String = sqlx::query_scalar("SELECT CURRENT_USER()").fetch_one(pool).await.unwrap();
        assert_eq!(user, "app@%");
        assert_eq!(pool.stats().tokens.minted, 1, "one token for both");
    }
}

#[tokio::test]
async fn connect_all_reports_a_refused_login() {
    let mysql = server().await;
    let error = databases(&mysql, "stranger").connect_all().await.unwrap_err();
    assert_eq!((error.kind(), error.number()), (ErrorKind::Denied, Some(1045)), "{error:?}");
    assert_eq!(error.subject().unwrap().user.as_str(), "stranger");
}
