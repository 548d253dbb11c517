//! The five classes of failures that document 003 lists (`docs/sources.md`): each has a kind, its cause, and the steps to
//! take.

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use rds_iam_emulator_server::fixtures::SkewedClock;
use rds_iam_emulator_server::on_each_engine;
use rds_iam_sqlx::{Builder, Error, Pool};
use rds_iam_token::{ErrorKind, ErrorReport};

use crate::code;
use crate::support::{TestEngine, pool, quiet};

on_each_engine![
    #[tokio::test]
    no_credentials_are_a_credentials_error,
    an_endpoint_that_can_t_be_read_is_a_configuration_error,
    a_missing_user_is_a_configuration_error,
    settings_that_make_no_pool_are_configuration_errors,
    a_refused_login_names_policy_user_region_and_clock,
];

const ENDPOINT: &str = "orders.c0ffee123456.eu-west-1.rds.amazonaws.com";

/// A machine without AWS credentials.
#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded_no_source()))
    }
}

/// Returns the error of a connection string.
fn refused<DB: TestEngine>(dsn: &str) -> Error {
    let builder = Builder::<DB>::from_dsn(dsn).map_err(Error::from);
    builder.and_then(Builder::connect_lazy).expect_err(dsn)
}

/// Asserts that a text has all parts.
#[track_caller]
fn assert_names(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// 1, AWS configuration errors.
async fn no_credentials_are_a_credentials_error<DB: TestEngine>() {
    let server = DB::server().await;
    let builder = Pool::<DB>::builder(server.endpoint(), "app");
    let builder = builder.dial(server.dial()).root_certificates(server.ca_pem());
    let error = builder.credentials(NoCredentials).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert_names(
        &ErrorReport(&error).to_string(),
        &["logging in as app at", "no AWS credentials were found"],
    );
    let steps = ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "role", "aws sts get-caller-identity"];
    assert_names(error.hint(), &steps);
    assert!(server.logins().unwrap().is_empty(), "nothing was sent");
}

/// 2, endpoint extraction errors.
async fn an_endpoint_that_can_t_be_read_is_a_configuration_error<DB: TestEngine>() {
    let scheme = DB::DRIVER;
    let dsns = [
        &format!("{scheme}://node_app@/orders"),
        "host= user=node_app",
        "node_app@orders",
        "",
        &format!("{scheme}://node_app@db:port/orders"),
    ];
    let errors = dsns.map(|dsn| {
        let error = refused::<DB>(dsn);
        assert_eq!(error.kind(), ErrorKind::Configuration, "{dsn}");
        assert_names(error.hint(), &["`Dsn` has both forms"]);
        // A connection string of this engine.
        ErrorReport(&error).to_string().replace("no host: write postgresql:", "no host: write mysql:")
    });
    let wrong_host = "the connection string has no valid host or port: write one DNS name or IP address, or HOST:PORT with a port from 1 to 65535";
    let expected = [
        "the connection string has no host: write mysql://USER@HOST/DATABASE",
        wrong_host,
        "word 1 of the connection string is not key=value: write host=HOST user=USER dbname=DATABASE",
        "the connection string is empty: write mysql://USER@HOST/DATABASE, or postgresql://…",
        wrong_host,
    ];
    assert_eq!(errors, expected);
    let error = Pool::<DB>::builder("two hosts", "node_app").connect_lazy().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(
        error.to_string(),
        r#"the pool can't be created: endpoint: endpoint host "two hosts" is neither a DNS name nor an IP address"#
    );
}

/// 3, the user is not found.
async fn a_missing_user_is_a_configuration_error<DB: TestEngine>() {
    for dsn in [format!("{}://{ENDPOINT}/orders", DB::DRIVER), format!("host={ENDPOINT} dbname=orders")] {
        let error = refused::<DB>(&dsn);
        assert_eq!(error.kind(), ErrorKind::Configuration, "{dsn}");
        assert_names(&error.to_string(), &["user", "://USER@HOST"]);
    }
}

/// 4, the store of credentials can't be created. Every wrong setting is reported, before anything is dialled.
async fn settings_that_make_no_pool_are_configuration_errors<DB: TestEngine>() {
    let builder = Pool::<DB>::builder(ENDPOINT, "node_app").credentials(NoCredentials);
    let builder = builder.region("us-east-1").root_certificates("no certificate").max_connections(0);
    let error = builder.connect_lazy().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_names(&error.to_string(), &["region", "eu-west-1", "root_certificates", "max_connections"]);
    assert_names(error.hint(), &["Correct"]);
}

/// 5, connection failures: a login that the server refuses.
async fn a_refused_login_names_policy_user_region_and_clock<DB: TestEngine>() {
    let server = DB::server().await;
    server.allow_users(["another_user"]).unwrap();
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    let error = Error::from(pool.acquire().await.unwrap_err());
    // By its code, not by a text.
    assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::Denied, DB::DENIED));
    assert_names(&error.to_string(), &["app", &server.endpoint().to_string()]);
    let steps = [
        "rds-db:connect",
        "resource id",
        "user exists",
        DB::IAM_USER,
        "endpoint and region",
        "clock",
        "credentials",
        "iam-db-auth-error",
    ];
    assert_names(error.hint(), &steps);
    assert!(!error.hint().contains("CloudTrail"), "it records no logins");
    // The code that the hint explains, once.
    let report = ErrorReport(&error).to_string().replace(&server.dial().to_string(), "");
    assert_eq!(report.matches(DB::DENIED).count(), 1, "{report}");
}
