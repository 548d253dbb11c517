//! The Rust of the emulator's README, which has parts of these tests: `the_page_has_this_code` compares them.

use std::time::Duration;

use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::{AuthSwitch, CreatorEdges, fixtures};
use rds_iam_token::Endpoint;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[test]
fn the_page_has_this_code() {
    let code = without_spaces(include_str!("readme.rs"));
    let blocks = include_str!("../../README.md").split("```rust\n").skip(1);
    let blocks: Vec<_> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 4);
    for block in blocks {
        assert!(code.contains(&without_spaces(block)), "no test has this code of the README:\n{block}");
    }
}

/// The page aligns comments, rustfmt does not.
fn without_spaces(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Only MySQL: the page shows these uses with one engine.
mod mysql {
    use super::*;

    #[tokio::test]
    async fn a_server_fails_as_ordered() -> Result {
        let mysql = rds_iam_emulator_server::MySql::builder().database("shop").start().await?;

        // As the master user, as on RDS: over TLS, with a password.
        //   CREATE USER 'app'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';
        //   ALTER USER 'app'@'%' REQUIRE SSL;
        //   GRANT SELECT, INSERT ON shop.* TO 'app'@'%';
        let master = mysql.master();

        // What the service under test needs.
        let sign_for = mysql.endpoint(); // local-mysql.c0ffee123456.us-east-1.rds.amazonaws.com:3306
        let dial = mysql.dial(); // 127.0.0.1:<port>, which the certificate does not name
        let ca = mysql.ca_pem(); // trust this, verify the endpoint's name
        let credentials = mysql.credentials(); // temporary AWS credentials that the server knows

        // Failures to test.
        mysql.set_clock(901)?; // every token has expired, also those signed now, until it is set back to 0
        mysql.refuse_next(1)?; // a good token is refused
        mysql.set_read_only(true).await?; // the writer has become a reader
        mysql.set_auth_switch(AuthSwitch::Scramble)?; // a stock server's request for the token; RDS's is the default
        mysql.cut_connections().await?; // every client has to log in again
        mysql.stop().await?; // a crash …
        mysql.restart().await?; // … and the server is back, same address, same data
        let mut relay = mysql.relay().await?; // dial this one instead: cut it, close it, throttle, count, redirect

        // The server's reasons; the client only ever gets 1045, of PostgreSQL 28000.
        let reasons = mysql.logins()?;

        assert_eq!(sign_for.to_string(), "local-mysql.c0ffee123456.us-east-1.rds.amazonaws.com:3306");
        assert_eq!((master.username(), dial.host().to_string().as_str()), ("admin", "127.0.0.1"));
        assert!(ca.starts_with("-----BEGIN CERTIFICATE-----") && credentials.session_token().is_some());
        assert!(reasons.is_empty(), "{reasons:?}");
        relay.refuse_connections(true).await?;
        assert_eq!(relay.accepted(), 0);
        Ok(())
    }

    #[tokio::test]
    async fn a_pool_connects_to_the_server() -> Result {
        use rds_iam_emulator_server::MySql;

        let mysql = MySql::builder().database("shop").start().await?;
        let statements = [
            "CREATE USER 'app'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'",
            "ALTER USER 'app'@'%' REQUIRE SSL",
            "GRANT SELECT, INSERT ON shop.* TO 'app'@'%'",
        ];
        fixtures::execute(&mysql, statements).await?;
        let pool = rds_iam_sqlx::MySqlPool::builder(mysql.endpoint(), "app")
            .credentials(mysql.credentials())
            .dial(mysql.dial())
            .root_certificates(mysql.ca_pem())
            .database("shop")
            .connect()
            .await?;

        let user: String = sqlx::query_scalar("SELECT CURRENT_USER()").fetch_one(&pool).await?;
        assert_eq!(user, "app@%");
        Ok(())
    }

    /// The API's own instance and its secret are those of an operator's Terraform.
    #[tokio::test]
    async fn a_server_replaces_an_instance_of_the_account() -> Result {
        use rds_iam_emulator_server::MySql;

        let running = AwsApi::start().await?;
        let secret =
            running.put_secret("rds!db-orders", r#"{"username": "dbadmin", "password": "made up"}"#).await?;
        let (aws_endpoint_url, credentials_file) = (running.url(), running.credentials_file());
        let (region, master_secret_arn) = (running.region().clone(), secret.as_str());
        let instance_endpoint: Endpoint = "orders.c0ffee123456.us-east-1.rds.amazonaws.com:3306".parse()?;
        let proxy_endpoint: Endpoint =
            "orders.proxy-c0ffee123456.us-east-1.rds.amazonaws.com:3306".parse()?;

        let aws = AwsApi::connect(aws_endpoint_url, region.clone(), credentials_file).await?;
        let mysql = MySql::builder()
            .region(region)
            .endpoint(instance_endpoint)
            .also_endpoint(proxy_endpoint)
            .resource_id("db-ABCDEFGHIJKLMNOPQRSTUVWX12")
            .master(aws.master_credentials(master_secret_arn).await?)
            .database("node_db")
            .start()
            .await?;

        assert_eq!(mysql.master().username(), "dbadmin");
        assert_eq!(mysql.resource_id(), "db-ABCDEFGHIJKLMNOPQRSTUVWX12");
        Ok(())
    }
}

mod postgres {
    use super::*;

    #[tokio::test]
    async fn a_server_fails_as_ordered() -> Result {
        let postgres = rds_iam_emulator_server::Postgres::builder().database("shop").start().await?;

        // As the master user `postgres`, in the database `shop`: AWS's own statements.
        fixtures::execute(&postgres, ["CREATE USER app", "GRANT rds_iam TO app"]).await?;
        postgres.throttle_next(1)?; // 53300, "IAM authentication rate limit exceeded"
        postgres.set_creator_edges(CreatorEdges::Count).await?; // 16 and later: as a plain PostgreSQL, see below
        postgres.set_force_ssl(false).await?; // rds.force_ssl = 0
        postgres.as_superuser("ALTER SCHEMA public OWNER TO rdsadmin").await?; // what no user of RDS could do
        postgres.relay().await?.hold(Duration::from_secs(15)); // a paused cluster that wakes

        Ok(())
    }
}
