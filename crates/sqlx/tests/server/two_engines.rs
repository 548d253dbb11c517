//! Test of a service with pools of both engines.

use rds_iam_emulator_server::AccessKey;
use rds_iam_sqlx::{Databases, Limits, MySqlPool, PgPool};
use rds_iam_token::ErrorKind;

use crate::support::{DATABASE, TestEngine, login};

#[tokio::test]
async fn one_service_with_both_pools() {
    let (mysql, postgres) =
        tokio::join!(<sqlx::MySql as TestEngine>::server(), <sqlx::Postgres as TestEngine>::server());
    let text = format!(
        "database:
  default: shop
  connections:
    shop:
      driver: mysql
      dsn: \"mysql://app@{}/{DATABASE}\"
      aws_iam_auth: {{ enabled: true, region: {} }}
    reports:
      driver: postgres
      dsn: \"postgresql://app:$TOKEN@{}/{DATABASE}?sslmode=require\"
      aws_iam_auth: {{ enabled: true, region: {} }}
",
        mysql.endpoint(),
        login(&mysql).region,
        postgres.endpoint(),
        login(&postgres).region,
    );
    // One identity, which both servers accept.
    let keys = mysql.credentials();
    let known = AccessKey::new(keys.access_key_id(), keys.secret_access_key());
    postgres.enter_key(known.session_token(keys.session_token().unwrap())).unwrap();
    let databases = Databases::from_yaml(&text, "database.yaml").unwrap().credentials(keys);
    let databases = databases.root_certificates([mysql.ca_pem(), postgres.ca_pem()].concat());
    let databases = databases.dial("shop", mysql.dial()).unwrap().dial("reports", postgres.dial()).unwrap();
    databases.connect_all().await.unwrap();
    let shop: MySqlPool = databases.get_default().unwrap();
    let reports: PgPool = databases.get("reports").unwrap();
    sqlx::query("INSERT INTO t VALUES (?)").bind(7).execute(&shop).await.unwrap();
    let id: i32 = sqlx::query_scalar("SELECT id FROM t").fetch_one(&shop).await.unwrap();
    sqlx::query("INSERT INTO t VALUES ($1)").bind(id).execute(&reports).await.unwrap();
    let copied: i32 = sqlx::query_scalar("SELECT id FROM t").fetch_one(&reports).await.unwrap();
    assert_eq!(copied, 7);
    // A pool for the other engine's server says so.
    let wrong = PgPool::builder(mysql.endpoint(), "app")
        .credentials(mysql.credentials())
        .dial(mysql.dial())
        .root_certificates(mysql.ca_pem())
        .limits(Limits::default())
        .connect()
        .await
        .unwrap_err();
    assert!(
        wrong.to_string().ends_with("a MySQL server answered, and the login is for PostgreSQL"),
        "{wrong}"
    );
    assert_eq!(wrong.kind(), ErrorKind::Configuration);
}
