//! Tests of opening a pool: in one statement from a connection string, with the AWS SDK's default chain, a profile, and an
//! assumed role. The environment is a process's, so each runs as a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc;
use std::{env, fs, thread};

use rds_iam_emulator_server::fixtures::{self, SkewedClock};
use rds_iam_emulator_server::{AccessKey, Server, on_each_engine};
use rds_iam_sqlx::{AssumeRole, Builder, ErrorKind, Pool};
use tracing_subscriber::prelude::*;

use crate::scalar;
use crate::support::{DATABASE, TestEngine, builder, quiet, tokens};

on_each_engine![
    #[tokio::test]
    a_pool_opens_in_one_statement,
    each_phase_is_logged_at_debug,
    a_profile_is_used,
    a_role_is_assumed_with_external_id_and_session_name,
    two_pools_share_one_identity,
    an_alias_is_signed_as_given_and_a_refusal_says_what_it_is,
];

const ROLE: &str = "arn:aws:iam::111122223333:role/orders-db";

/// Starts a server whose own name is the address to dial, and returns its connection string.
async fn local<DB: TestEngine>() -> (Server<DB>, String) {
    let server =
        Server::<DB>::builder().database(DATABASE).certificate_name("127.0.0.1").start().await.unwrap();
    fixtures::create_user(&server, "app", "SELECT ON shop.*").await.unwrap();
    server.accept_endpoint(server.dial()).unwrap();
    let parameters = parameters(&server);
    let dsn = format!("{}://app:$TOKEN@{}/{DATABASE}?{parameters}", DB::DRIVER, server.dial());
    (server, dsn)
}

fn parameters<DB: TestEngine>(server: &Server<DB>) -> String {
    format!("region={}&sslrootcert={}", server.region(), server.ca_path().display())
}

/// Runs the test `name` of this file as a process of its own, in an environment without other settings of AWS.
fn run(name: &str, dsn: &str, environment: &[(&str, &str)]) -> String {
    #[expect(clippy::disallowed_methods, reason = "the program under test, in an environment of its own")]
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "--nocapture", &format!("builder::{name}")]);
    for (key, _) in env::vars_os() {
        if key.to_string_lossy().starts_with("AWS_") {
            child.env_remove(key);
        }
    }
    child.env("AWS_EC2_METADATA_DISABLED", "true").env("TEST_DSN", dsn).envs(environment.iter().copied());
    let output = child.output().unwrap();
    let text =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{name}: {text}");
    text
}

fn dsn() -> String {
    env::var("TEST_DSN").expect("a test above runs this one")
}

/// Runs a generic function for the engine of the connection string.
macro_rules! of_the_engine {
    ($function:ident) => {
        if dsn().starts_with("mysql:") {
            $function::<sqlx::MySql>().await
        } else {
            $function::<sqlx::Postgres>().await
        }
    };
}

async fn assert_is_app<DB: TestEngine>(pool: &Pool<DB>) {
    assert_eq!(scalar(pool, DB::CURRENT_USER).await.unwrap(), DB::APP);
}

fn files(key: &AccessKeyText) -> (tempfile::TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (credentials, config) = (folder.path().join("credentials"), folder.path().join("config"));
    fs::write(&credentials, format!("[work]\n{}", key.0)).unwrap();
    fs::write(&config, "[profile work]\n").unwrap();
    (folder, credentials.display().to_string(), config.display().to_string())
}

/// The keys of a server, as a section of a file.
struct AccessKeyText(String);

impl AccessKeyText {
    fn of<DB: TestEngine>(server: &Server<DB>) -> Self {
        let keys = server.credentials();
        Self(format!(
            "aws_access_key_id = {}\naws_secret_access_key = {}\naws_session_token = {}\n",
            keys.access_key_id(),
            keys.secret_access_key(),
            keys.session_token().unwrap()
        ))
    }
}

async fn a_pool_opens_in_one_statement<DB: TestEngine>() {
    let (server, dsn) = local::<DB>().await;
    let keys = keys_of(&server);
    let environment = keys.each_ref().map(|(name, value)| (*name, value.as_str()));
    run("opens_in_one_statement", &dsn, &environment);
    assert!(server.logins().unwrap().iter().any(|login| login.user == "app" && login.accepted()));

    // The endpoint's own name, and a tunnel.
    let server = DB::server().await;
    let keys = keys_of(&server);
    let environment = keys.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (endpoint, dial, parameters) = (server.endpoint(), server.dial(), parameters(&server));
    let dsn = format!("{}://app@{endpoint}/{DATABASE}?dial={dial}&{parameters}", DB::DRIVER);
    run("opens_in_one_statement", &dsn, &environment);
}

/// Returns the environment with a server's keys.
fn keys_of<DB: TestEngine>(server: &Server<DB>) -> [(&'static str, String); 3] {
    let keys = server.credentials();
    [
        ("AWS_ACCESS_KEY_ID", keys.access_key_id().to_owned()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key().to_owned()),
        ("AWS_SESSION_TOKEN", keys.session_token().unwrap().to_owned()),
    ]
}

async fn each_phase_is_logged_at_debug<DB: TestEngine>() {
    let (server, dsn) = local::<DB>().await;
    let keys = keys_of(&server);
    let environment = keys.each_ref().map(|(name, value)| (*name, value.as_str()));
    let with_password = dsn.replace("$TOKEN", "hunter2-secret") + "&sslmode=require";
    let log = run("opens_in_one_statement", &with_password, &environment);
    let mut rest = log.as_str();
    for phase in [
        "DEBUG rds_iam_sqlx::builder: read the connection string",
        "WARN rds_iam_sqlx::builder: the connection string has a password",
        "WARN rds_iam_sqlx::builder: the connection string asks for less than full verification",
        "DEBUG rds_iam_sqlx::builder: the pool's settings are valid",
        "DEBUG rds_iam_sqlx::pool: opening the first connection",
        "DEBUG rds_iam_token::source: signing an IAM token user=app",
        "DEBUG rds_iam_sqlx::builder::credentials: loading the AWS configuration",
        "DEBUG rds_iam_sqlx::builder::credentials: loaded the AWS configuration",
        "DEBUG rds_iam_token::source: signed an IAM token user=app endpoint=127.0.0.1",
        "DEBUG rds_iam_sqlx::pool: opened the first connection",
    ] {
        let found = rest.find(phase).unwrap_or_else(|| panic!("{phase}: {log}"));
        rest = &rest[found + phase.len()..];
    }
    assert!(log.contains("attempt=1 expires_at="), "{log}");
    assert_eq!(log.matches("WARN").count(), 2, "{log}");
    for secret in ["hunter2-secret", "X-Amz-Signature", "length"]
        .into_iter()
        .chain(keys[1..].iter().map(|(_, v)| v.as_str()))
    {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[tokio::test]
#[ignore = "run by a_pool_opens_in_one_statement and each_phase_is_logged_at_debug"]
async fn opens_in_one_statement() {
    let filter = tracing_subscriber::filter::Targets::new()
        .with_target("rds_iam_sqlx", tracing::Level::DEBUG)
        .with_target("rds_iam_token", tracing::Level::DEBUG);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stdout);
    tracing_subscriber::registry().with(lines).with(filter).init();
    of_the_engine!(open_in_one_statement);
}

async fn open_in_one_statement<DB: TestEngine>() {
    assert_is_app(&Pool::<DB>::connect(&dsn()).await.unwrap()).await;
}

async fn a_profile_is_used<DB: TestEngine>() {
    let (server, dsn) = local::<DB>().await;
    let (_folder, credentials, config) = files(&AccessKeyText::of(&server));
    let environment =
        [("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()), ("AWS_CONFIG_FILE", config.as_str())];
    run("opens_in_one_statement", &format!("{dsn}&profile=work"), &environment);
    run("opens_with_a_profile", &dsn, &environment);
    // Keys in the environment are another identity's.
    let other = [("AWS_ACCESS_KEY_ID", "AKIDOTHER"), ("AWS_SECRET_ACCESS_KEY", "another-made-up-secret")];
    run("opens_with_a_profile", &dsn, &[&environment[..], &other].concat());
    // No other identity takes the place of a profile that does not exist.
    let keys = keys_of(&server);
    let keys = keys.each_ref().map(|(name, value)| (*name, value.as_str()));
    run("fails_without_its_profile", &dsn, &[&environment[..], &keys].concat());
}

#[tokio::test]
#[ignore = "run by a_profile_is_used"]
async fn fails_without_its_profile() {
    of_the_engine!(fail_without_a_profile);
}

async fn fail_without_a_profile<DB: TestEngine>() {
    let builder: Builder<DB> = Builder::from_dsn(&dsn()).unwrap();
    let error = builder.profile("wrok").limits(quiet()).connect().await.unwrap_err();
    let text = rds_iam_token::ErrorReport(&error).to_string();
    assert_eq!(error.kind(), ErrorKind::Credentials, "{text}");
    assert!(text.contains("wrok"), "{text}");
}

#[tokio::test]
#[ignore = "run by a_profile_is_used"]
async fn opens_with_a_profile() {
    of_the_engine!(open_with_a_profile);
}

async fn open_with_a_profile<DB: TestEngine>() {
    let builder: Builder<DB> = Builder::from_dsn(&dsn()).unwrap();
    assert_is_app(&builder.profile("work").limits(quiet()).connect().await.unwrap()).await;
}

async fn a_role_is_assumed_with_external_id_and_session_name<DB: TestEngine>() {
    let (server, dsn) = local::<DB>().await;
    server.enter_key(AccessKey::new("ASIAROLE", "a-made-up-secret").session_token("of-the-role")).unwrap();
    let (url, requests) = sts();
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIDBASE"),
        ("AWS_SECRET_ACCESS_KEY", "another-made-up-secret"),
        ("AWS_ENDPOINT_URL_STS", url.as_str()),
    ];
    let log = run("opens_with_a_role", &dsn, &environment);
    assert!(log.contains("loaded the AWS configuration") && log.contains(ROLE), "{log}");
    for secret in ["given-by-the-owner", "made-up-secret", "of-the-role", "X-Amz-Signature"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret}: {line:?}");
    }
    let request = requests.recv().unwrap();
    for part in [
        "Credential=AKIDBASE/",
        "Action=AssumeRole",
        "ExternalId=given-by-the-owner",
        "RoleSessionName=orders-api",
        "role%2Forders-db",
    ] {
        assert!(request.contains(part), "{part}: {request}");
    }
    // Without a name, the session is called after the user, for CloudTrail.
    let request = requests.recv().unwrap();
    assert!(
        request.contains("RoleSessionName=rds-iam-app&") || request.ends_with("RoleSessionName=rds-iam-app"),
        "{request}"
    );
}

#[tokio::test]
#[ignore = "run by a_role_is_assumed_with_external_id_and_session_name"]
async fn opens_with_a_role() {
    // The SDK's own events have secrets below `info`.
    let filter = tracing_subscriber::filter::Targets::new()
        .with_default(tracing::Level::INFO)
        .with_target("rds_iam_sqlx", tracing::Level::TRACE)
        .with_target("rds_iam_token", tracing::Level::TRACE)
        .with_target("sqlx", tracing::Level::TRACE);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stdout);
    tracing_subscriber::registry().with(lines).with(filter).init();
    of_the_engine!(open_with_a_role);
}

async fn open_with_a_role<DB: TestEngine>() {
    let role = AssumeRole::new(ROLE).external_id("given-by-the-owner").session_name("orders-api");
    for role in [role, AssumeRole::new(ROLE)] {
        let builder: Builder<DB> = Builder::from_dsn(&dsn()).unwrap();
        let pool = builder.assume_role(role).limits(quiet()).connect().await.unwrap();
        assert_is_app(&pool).await;
        pool.close().await;
    }
}

/// Starts a stand-in for AWS STS, which answers every request with the role's keys. Returns its URL, and the requests.
fn sts() -> (String, mpsc::Receiver<String>) {
    const ANSWER: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>a-made-up-secret</SecretAccessKey><SessionToken>of-the-role</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = BufReader::new(client.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let start = head.len();
                client.read_line(&mut head).unwrap();
                let line = head[start..].trim().to_ascii_lowercase();
                if let Some(given) = line.strip_prefix("content-length:") {
                    length = given.trim().parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            client.read_exact(&mut body).unwrap();
            let header = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                ANSWER.len()
            );
            client.get_mut().write_all(format!("{header}{ANSWER}").as_bytes()).unwrap();
            if sender.send(head + &String::from_utf8(body).unwrap()).is_err() {
                return;
            }
        }
    });
    (url, requests)
}

async fn two_pools_share_one_identity<DB: TestEngine>() {
    let server = DB::server().await;
    let tokens = tokens(&server, &SkewedClock::default());
    let first = builder(&server, tokens.clone(), quiet()).connect().await.unwrap();
    let second = builder(&server, first.tokens().clone(), quiet()).connect().await.unwrap();
    assert_is_app(&first).await;
    assert_is_app(&second).await;
    assert_eq!(tokens.stats().minted, 1);
}

/// A token for an alias is signed as given, and refused: the error names the way out.
async fn an_alias_is_signed_as_given_and_a_refusal_says_what_it_is<DB: TestEngine>() {
    let builder = Server::<DB>::builder().database(DATABASE).certificate_name("db.example.com");
    let server = builder.start().await.unwrap();
    fixtures::create_user(&server, "app", "SELECT ON shop.*").await.unwrap();
    let alias = Pool::<DB>::builder("db.example.com", "app")
        .region(server.region())
        .credentials(server.credentials())
        .dial(server.dial())
        .root_certificates(server.ca_pem())
        .database(DATABASE)
        .limits(quiet());
    let error = alias.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
    assert!(error.hint().starts_with("The endpoint is not a name of AWS"), "{}", error.hint());
}
