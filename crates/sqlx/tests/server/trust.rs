//! Tests of TLS: the endpoint is verified, and no token is sent before.

use rds_iam_emulator_server::MySql;
use rds_iam_emulator_server::fixtures::SkewedClock;
use rds_iam_sqlx::MySqlPool;
use rds_iam_token::{Endpoint, ErrorKind};
use sqlx::Row as _;

use crate::scalar;
use crate::support::{builder, pool, quiet, server, tokens};

#[tokio::test]
async fn a_login_is_by_token_over_verified_tls() {
    let mysql = server().await;
    let pool = pool(&mysql, &SkewedClock::default(), mysql.dial(), quiet());
    assert_eq!(scalar(&pool, "SELECT CURRENT_USER()").await.unwrap(), "app@%");
    let mut connection = pool.acquire().await.unwrap();
    let status =
        sqlx::query("SHOW SESSION STATUS LIKE 'Ssl_version'").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(status.get::<String, _>(1), "TLSv1.3");
    let logins = mysql.logins().unwrap();
    assert!(!logins.is_empty() && logins.iter().all(|l| l.accepted() && l.user == "app"), "{logins:?}");

    // sqlx would change sql_mode, for which RDS Proxy pins a session. (IGNORE_SPACE is a flag of the
    // handshake.)
    let server_mode = scalar(&pool, "SELECT @@GLOBAL.sql_mode").await.unwrap();
    let session_mode = scalar(&pool, "SELECT @@SESSION.sql_mode").await.unwrap();
    assert_eq!(session_mode.replace("IGNORE_SPACE,", ""), server_mode);
}

#[tokio::test]
async fn a_server_that_cannot_prove_itself_gets_no_token() {
    let (mysql, other) = (server().await, server().await);
    // Another authority's certificate.
    let tokens = tokens(&mysql, &SkewedClock::default());
    let stranger = builder(&mysql, tokens, quiet()).root_certificates(other.ca_pem());
    let error = stranger.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");

    // The right authority, but another endpoint than the certificate names.
    let elsewhere = MySqlPool::builder("elsewhere.c0ffee123456.us-east-1.rds.amazonaws.com", "app")
        .credentials(mysql.credentials())
        .dial(mysql.dial())
        .root_certificates(mysql.ca_pem())
        .limits(quiet());
    let error = elsewhere.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(mysql.logins().unwrap().is_empty(), "no token was sent");
}

#[tokio::test]
async fn the_address_dialled_is_not_verified() {
    let mysql = server().await;
    // The certificate names the endpoint only.
    assert_ne!(mysql.dial().host(), mysql.endpoint().host());
    let tunnel = mysql.relay().await.unwrap();
    for dial in [mysql.dial(), tunnel.dial()] {
        let pool = pool(&mysql, &SkewedClock::default(), dial, quiet());
        assert_eq!(scalar(&pool, "SELECT CURRENT_USER()").await.unwrap(), "app@%", "{dial}");
    }

    // A certificate that names the address dialled, and not the endpoint, proves nothing.
    let local: Endpoint = "127.0.0.1:3306".parse().unwrap();
    let other = MySql::builder().endpoint(local).start().await.unwrap();
    let tokens = tokens(&mysql, &SkewedClock::default());
    let local = builder(&mysql, tokens, quiet()).dial(other.dial()).root_certificates(other.ca_pem());
    let error = local.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(other.logins().unwrap().is_empty(), "no token was sent");
}
