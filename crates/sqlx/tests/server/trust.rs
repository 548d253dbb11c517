//! Tests of TLS: the endpoint is verified, and no token is sent before.

use rds_iam_emulator_server::fixtures::SkewedClock;
use rds_iam_emulator_server::{Server, on_each_engine, only};
use rds_iam_sqlx::Pool;
use rds_iam_token::{Endpoint, ErrorKind};

use crate::scalar;
use crate::support::{TestEngine, builder, pool, quiet, tokens};

on_each_engine![
    #[tokio::test]
    a_login_is_by_token_over_verified_tls,
    a_server_that_cannot_prove_itself_gets_no_token,
    the_address_dialled_is_not_verified,
];

only!(
    #[tokio::test]
    mysql,
    "PostgreSQL has no sql_mode; its driver sets nothing but what the startup message has",
    [a_session_of_mysql_keeps_the_server_s_sql_mode]
);

async fn a_login_is_by_token_over_verified_tls<DB: TestEngine>() {
    let server = DB::server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    assert_eq!(scalar(&pool, DB::CURRENT_USER).await.unwrap(), DB::APP);
    assert_eq!(scalar(&pool, DB::TLS_VERSION).await.unwrap(), "TLSv1.3");
    let logins = server.logins().unwrap();
    assert!(!logins.is_empty() && logins.iter().all(|l| l.accepted() && l.user == "app"), "{logins:?}");
}

async fn a_session_of_mysql_keeps_the_server_s_sql_mode() {
    let mysql = <sqlx::MySql as TestEngine>::server().await;
    let pool = pool(&mysql, &SkewedClock::default(), mysql.dial(), quiet());
    // sqlx would change sql_mode, for which RDS Proxy pins a session. (IGNORE_SPACE is a flag of the
    // handshake.)
    let server_mode = scalar(&pool, "SELECT @@GLOBAL.sql_mode").await.unwrap();
    let session_mode = scalar(&pool, "SELECT @@SESSION.sql_mode").await.unwrap();
    assert_eq!(session_mode.replace("IGNORE_SPACE,", ""), server_mode);
}

async fn a_server_that_cannot_prove_itself_gets_no_token<DB: TestEngine>() {
    let (server, other) = (DB::server().await, DB::server().await);
    // Another authority's certificate.
    let tokens = tokens(&server, &SkewedClock::default());
    let stranger = builder(&server, tokens, quiet()).root_certificates(other.ca_pem());
    let error = stranger.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");

    // The right authority, but another endpoint than the certificate names.
    let elsewhere = Pool::<DB>::builder("elsewhere.c0ffee123456.us-east-1.rds.amazonaws.com", "app")
        .credentials(server.credentials())
        .dial(server.dial())
        .root_certificates(server.ca_pem())
        .limits(quiet());
    let error = elsewhere.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(server.logins().unwrap().is_empty(), "no token was sent");
}

async fn the_address_dialled_is_not_verified<DB: TestEngine>() {
    let server = DB::server().await;
    // The certificate names the endpoint only.
    assert_ne!(server.dial().host(), server.endpoint().host());
    let tunnel = server.relay().await.unwrap();
    for dial in [server.dial(), tunnel.dial()] {
        let pool = pool(&server, &SkewedClock::default(), dial, quiet());
        assert_eq!(scalar(&pool, DB::CURRENT_USER).await.unwrap(), DB::APP, "{dial}");
    }

    // A certificate that names the address dialled, and not the endpoint, proves nothing.
    let local: Endpoint = "127.0.0.1:3306".parse().unwrap();
    let other = Server::<DB>::builder().endpoint(local).start().await.unwrap();
    let tokens = tokens(&server, &SkewedClock::default());
    let local = builder(&server, tokens, quiet()).dial(other.dial()).root_certificates(other.ca_pem());
    let error = local.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(other.logins().unwrap().is_empty(), "no token was sent");
}
