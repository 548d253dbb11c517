//! Tests of the proxy before a database, and of the change of its logins.

use std::path::Path;

use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::only;
use rds_iam_token::{Endpoint, Login, sign};
use serde_json::Value;
use sqlx::{ConnectOptions, Connection};

use crate::Result;
use crate::aws::element;
use crate::databases::{BY_IAM, Place, RDS, create, create_proxy, credentials, now, place};
use crate::program::{Account, until};

only!(
    #[tokio::test]
    mysql,
    "the account gives a proxy its logins in the same way before either engine",
    [a_proxy_logs_in_by_its_secret_until_it_is_changed_to_iam]
);

async fn a_proxy_logs_in_by_its_secret_until_it_is_changed_to_iam() -> Result {
    let outer = tempfile::tempdir()?;
    let account = Account::start(outer.path()).await?;
    let made = create(&account.aws)?;
    let file = outer.path().join("databases/orders-local.json");
    let about = until("the database", || Ok(std::fs::read_to_string(&file).ok())).await?;
    let server = place(&about)?;
    let about: Value = serde_json::from_str(&about)?;
    let credentials = credentials(Path::new(about["credentials_file"].as_str().ok_or("no credentials")?))?;

    // The user logs in by password: a token is none to it.
    let aws = AwsApi::connect(&account.aws.url, "us-east-1".parse()?, &account.credentials).await?;
    let master = aws.master_credentials(element(&made, "SecretArn")).await?;
    let mut as_master = server.mysql(master.username(), master.password()).connect().await?;
    let create_user = "CREATE USER app IDENTIFIED WITH caching_sha2_password BY 'made-up' REQUIRE SSL";
    for sql in [create_user, "GRANT SELECT ON shop.* TO app"] {
        sqlx::raw_sql(sql).execute(&mut as_master).await?;
    }
    let secret = aws.put_secret("app", r#"{"username": "app", "password": "made-up"}"#).await?;
    let by_secret = [
        ("Auth.member.1.AuthScheme", "SECRETS"),
        ("Auth.member.1.IAMAuth", "REQUIRED"),
        ("Auth.member.1.SecretArn", &*secret),
    ];
    let host = create_proxy(&account.aws, "MYSQL", "DBInstanceIdentifiers.member.1", &by_secret)?;
    let endpoint: Endpoint = format!("{host}:3306").parse()?;
    let file = outer.path().join(format!("proxies/{host}.json"));
    let log_in = async |at: &Place| -> Result {
        let login = Login::new(endpoint.clone(), "us-east-1".parse()?, "app".parse()?);
        let token = sign(&login, &credentials, now())?;
        Ok(at.mysql("app", token.expose()).connect().await?.close().await?)
    };
    let first = until("the proxy", || Ok(std::fs::read_to_string(&file).ok())).await?;
    log_in(&place(&first)?).await?;

    // From now on, the user logs in by token alone, as the changed proxy does.
    let by_token = "ALTER USER app IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'";
    sqlx::raw_sql(by_token).execute(&mut as_master).await?;
    as_master.close().await?;
    let [by_iam] = BY_IAM;
    account.aws.query("rds", RDS, "ModifyDBProxy", &[("DBProxyName", "orders-local"), by_iam])?;
    let changed = || Ok(std::fs::read_to_string(&file).ok().filter(|about| *about != first));
    log_in(&place(&until("the changed proxy", changed).await?)?).await
}
