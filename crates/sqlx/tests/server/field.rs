//! Tests of the pool in cases from production: a server that becomes read-only, clocks that jump, expiring credentials,
//! locked or limited accounts, tokens in other forms and sizes.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use rds_iam_emulator_server::fixtures::{self, SkewedClock, until};
use rds_iam_emulator_server::{AccessKey, MySql, Server, on_each_engine, only};
use rds_iam_sqlx::{Builder, Credential, Error, Pool, connect};
use rds_iam_token::{Minter, TokenSource};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::code;
use crate::support::{TestEngine, login, quiet, target};

on_each_engine![
    #[tokio::test]
    a_server_that_became_read_only_is_left,
    a_server_that_stays_read_only_is_not_stormed,
    a_clock_that_jumps_costs_at_most_one_refused_login,
    no_ended_token_is_sent,
    a_token_in_the_form_of_the_go_sdks_gets_in,
    a_token_of_many_kilobytes_gets_in,
];

only!(
    #[tokio::test]
    mysql,
    "MySQL has two settings that refuse writes, and the emulator's own is the other one",
    [a_server_with_the_setting_read_only_is_left],
    "the numbers and the attributes of accounts; postgresql.rs has PostgreSQL's SQLSTATE",
    [an_account_that_is_locked_or_limited_says_so],
    "MySQL asks for a token by an auth switch; PostgreSQL asks for a password, which the emulator's own tests cover",
    [the_server_asks_for_a_token_as_rds_does],
);

/// Runs a statement as root, over the server's socket.
async fn as_root(mysql: &MySql, sql: &'static str) {
    let run = mysql.ca_path().parent().and_then(|tls| tls.parent()).unwrap().to_owned();
    let options = MySqlConnectOptions::new().socket(run.join("mysqld.sock")).username("root");
    let mut root = options.ssl_mode(MySqlSslMode::Disabled).connect().await.unwrap();
    root.execute(sql).await.unwrap();
}

fn tokens<DB: TestEngine>(
    server: &Server<DB>,
    credentials: impl ProvideCredentials + 'static,
    time: &SkewedClock,
) -> TokenSource {
    TokenSource::lazy(Minter::new(login(server), credentials, time.clock()))
}

/// Settings of a pool that logs in with `tokens`.
fn builder<DB: TestEngine>(server: &Server<DB>, tokens: TokenSource) -> Builder<DB> {
    crate::support::builder(server, tokens, quiet())
}

/// Inserts another row.
async fn insert<DB: TestEngine>(pool: &Pool<DB>) -> Result<(), Error> {
    static NEXT: AtomicI32 = AtomicI32::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    DB::insert(id).execute(pool).await.map(drop).map_err(|e| pool.explain(e))
}

async fn a_server_that_became_read_only_is_left<DB: TestEngine>() {
    is_left_when(async |server: &Server<DB>| server.set_read_only(true).await.unwrap()).await;
}

async fn a_server_with_the_setting_read_only_is_left() {
    is_left_when(async |mysql: &MySql| as_root(mysql, "SET GLOBAL read_only = ON").await).await;
}

/// The old writer lives on as a reader, and the endpoint moves to the new one.
async fn is_left_when<DB: TestEngine>(becomes_a_reader: impl AsyncFn(&Server<DB>)) {
    let (writer, other) = tokio::join!(DB::server(), DB::server());
    let keys = writer.credentials();
    let known = AccessKey::new(keys.access_key_id(), keys.secret_access_key());
    other.enter_key(known.session_token(keys.session_token().unwrap())).unwrap();
    let endpoint = writer.relay().await.unwrap();
    let pool = builder(&writer, tokens(&writer, keys, &SkewedClock::default()))
        .dial(endpoint.dial())
        .root_certificates([writer.ca_pem(), other.ca_pem()].concat())
        .connect()
        .await
        .unwrap();
    let mut held: Vec<_> = Vec::new();
    for _ in 0..4 {
        held.push(pool.acquire().await.unwrap());
    }
    // One of them stays in use; one has just finished a statement; two are idle.
    let mut in_use = held.pop().unwrap();
    drop(held.pop());
    drop(held);
    until("the others are idle", async || pool.stats().idle == 3).await;

    becomes_a_reader(&writer).await;
    endpoint.lead_to(other.dial());
    assert_eq!(code(&insert(&pool).await.unwrap_err()), DB::READ_ONLY);
    for attempt in 1..=10 {
        insert(&pool).await.unwrap_or_else(|e| panic!("attempt {attempt}: {e:?}"));
    }
    // The one in use is not taken from its holder, and not used again.
    sqlx::raw_sql("SELECT 1").execute(&mut *in_use).await.unwrap();
    drop(in_use);
    for _ in 0..10 {
        insert(&pool).await.unwrap();
    }
    until("no connection to the old writer is left", async || DB::sessions(&writer).await == 0).await;
}

async fn a_server_that_stays_read_only_is_not_stormed<DB: TestEngine>() {
    let server = DB::server().await;
    let tokens = tokens(&server, server.credentials(), &SkewedClock::default());
    let pool = builder(&server, tokens).max_connections(4).connect().await.unwrap();
    server.set_read_only(true).await.unwrap();
    // By the server's count: the search for the writer is not among the pool's own connections.
    let before = server.logins().unwrap().len();
    let started = Instant::now();
    for _ in 0..200 {
        assert_eq!(code(&insert(&pool).await.unwrap_err()), DB::READ_ONLY);
    }
    let logins = server.logins().unwrap().len() - before;
    // Once in 5 s the connections are discarded, and the pool searches for the writer.
    let turns = 1 + started.elapsed().as_secs() as usize / 5;
    assert!(logins <= turns * 5 + 1, "{logins} logins for 200 refused statements in {turns} turns");
    server.set_read_only(false).await.unwrap();
    until("writes are accepted", async || insert(&pool).await.is_ok()).await;
}

/// Logs in `times` times; returns the number of logins refused by the server, and of errors returned to callers.
async fn log_in<DB: TestEngine>(server: &Server<DB>, tokens: &TokenSource, times: usize) -> (usize, usize) {
    let refused = || server.logins().unwrap().iter().filter(|login| !login.accepted()).count();
    let (before, mut errors) = (refused(), 0);
    for _ in 0..times {
        errors += usize::from(builder(server, tokens.clone()).connect().await.is_err());
    }
    (refused() - before, errors)
}

async fn a_clock_that_jumps_costs_at_most_one_refused_login<DB: TestEngine>() {
    let server = DB::server().await;
    // The clock's offset in seconds before and after the jump. A server accepts tokens signed up to 5 min
    // ahead of its own time, and up to 15 min behind.
    for (before, after) in [
        (7200, 0),
        (-7200, 0),
        (86_400 * 365, 0),
        (400, 0),
        (200, 0),
        (5, 0),
        (-5, 0),
        (-600, 0),
        (-890, 0),
        (0, 250),
        (0, -250),
        (0, -800),
        (250, -250),
        (7200, -600),
        (-7200, 250),
        (901, 0),
        (1200, 299),
    ] {
        let time = SkewedClock::default();
        let tokens = tokens(&server, server.credentials(), &time);
        time.set(before);
        // May fail: the clock may be too wrong for any token.
        log_in(&server, &tokens, 1).await;
        time.set(after);
        let (refused, errors) = log_in(&server, &tokens, 3).await;
        assert!(refused <= 1 && errors <= 1, "from {before} to {after}: {refused} refused, {errors} errors");
        // From then on, none.
        assert_eq!(log_in(&server, &tokens, 3).await, (0, 0), "from {before} to {after}, later");
    }
}

/// Returns credentials once, and then fails, like a container's endpoint that answers 500.
#[derive(Debug)]
struct Once(Credentials, AtomicBool);

impl ProvideCredentials for Once {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(match self.1.swap(true, Ordering::SeqCst) {
            false => Ok(self.0.clone()),
            true => Err(CredentialsError::provider_error("500")),
        })
    }
}

async fn no_ended_token_is_sent<DB: TestEngine>() {
    let server = DB::server().await;
    let time = SkewedClock::default();
    let keys = server.credentials();
    let end = time.clock().now() + Duration::from_secs(300);
    let ending = Credentials::new(
        keys.access_key_id(),
        keys.secret_access_key(),
        keys.session_token().map(str::to_owned),
        Some(end),
        "test",
    );
    let tokens = tokens(&server, Once(ending, false.into()), &time);
    let limits = quiet().acquire_timeout(Duration::from_secs(2));
    let pool = builder(&server, tokens).limits(limits).connect().await.unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(pool.acquire().await.unwrap());
    }
    drop(held);
    until("its connections are idle", async || pool.stats().idle == 4).await;
    time.set(1000);
    server.set_clock(1000).unwrap();
    // Sessions outlive the token.
    for _ in 0..10 {
        insert(&pool).await.unwrap();
    }
    server.cut_connections().await.unwrap();
    let logins = server.logins().unwrap().len();
    drop(insert(&pool).await.unwrap_err());
    for _ in 0..3 {
        let error = insert(&pool).await.unwrap_err();
        assert!(matches!(error, Error::Token { .. }), "{error:?} {:?}", server.logins());
        assert!(error.hint().contains("credentials"), "{}", error.hint());
    }
    assert_eq!(server.logins().unwrap().len(), logins, "an ended token was sent: {:?}", server.logins());
}

/// Attributes that a taken-over account may have kept.
async fn an_account_that_is_locked_or_limited_says_so() {
    let mysql = <sqlx::MySql as TestEngine>::server().await;
    let tokens = tokens(&mysql, mysql.credentials(), &SkewedClock::default());
    let log_in = async || {
        let target = target(&mysql, mysql.dial());
        let token = tokens.token().await.unwrap();
        connect::<sqlx::MySql>(&target, &"app".parse().unwrap(), Credential::Token(&token)).await
    };
    as_root(&mysql, "ALTER USER app FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME 1").await;
    mysql.refuse_next(1).unwrap();
    drop(log_in().await.unwrap_err());
    let blocked = log_in().await.unwrap_err();
    assert_eq!((blocked.number(), blocked.kind().as_str()), (Some(3955), "denied"), "{blocked:?}");
    assert!(blocked.hint().contains("ACCOUNT UNLOCK"), "{}", blocked.hint());

    as_root(&mysql, "ALTER USER app FAILED_LOGIN_ATTEMPTS 0 PASSWORD_LOCK_TIME 0 ACCOUNT LOCK").await;
    let locked = log_in().await.unwrap_err();
    assert_eq!((locked.number(), locked.kind().as_str()), (Some(3118), "denied"), "{locked:?}");
    assert!(locked.hint().contains("ACCOUNT UNLOCK"), "{}", locked.hint());

    as_root(&mysql, "ALTER USER app WITH MAX_USER_CONNECTIONS 1 ACCOUNT UNLOCK").await;
    let _first = log_in().await.unwrap();
    let limited = log_in().await.unwrap_err();
    assert_eq!((limited.number(), limited.kind().as_str()), (Some(1226), "throttled"), "{limited:?}");
    assert!(limited.hint().contains("MAX_USER_CONNECTIONS 0"), "{}", limited.hint());
}

/// Logs in as `app` with this token, like a client in another language.
async fn log_in_with<DB: TestEngine>(server: &Server<DB>, token: &str) -> sqlx::Result<()> {
    let options = fixtures::login_options(server, "app", token);
    DB::Connection::connect_with(&options).await.map(drop)
}

/// AWS's Go SDKs write `host:port?Action=…`, and sign the same as the others.
async fn a_token_in_the_form_of_the_go_sdks_gets_in<DB: TestEngine>() {
    let server = DB::server().await;
    let token = tokens(&server, server.credentials(), &SkewedClock::default()).token().await.unwrap();
    let (host, query) = token.expose().split_once("/?").unwrap();
    for form in [format!("{host}/?{query}"), format!("{host}?{query}")] {
        log_in_with(&server, &form).await.unwrap_or_else(|e| panic!("{e}: {:?}", server.logins()));
    }
    for form in [format!("{host}//?{query}"), format!("{host}{query}"), format!("https://{host}?{query}")] {
        log_in_with(&server, &form).await.expect_err("no signer writes this");
    }
}

async fn a_token_of_many_kilobytes_gets_in<DB: TestEngine>() {
    let server = DB::server().await;
    for (id, length) in [("AKID8", 8 * 1024), ("AKID40", 40_000)] {
        let session_token = "IQoJb3JpZ2luX2VjE+/=".repeat(length / 20);
        server.enter_key(AccessKey::new(id, "secret").session_token(&session_token)).unwrap();
        let keys = Credentials::new(id, "secret", Some(session_token), None, "test");
        let token = tokens(&server, keys, &SkewedClock::default()).token().await.unwrap();
        assert!(token.expose().len() > length);
        log_in_with(&server, token.expose()).await.unwrap_or_else(|e| panic!("{e}: {:?}", server.logins()));
    }
}

async fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let header = stream.read_u32_le().await.unwrap();
    let mut payload = vec![0; (header & 0xff_ffff) as usize];
    stream.read_exact(&mut payload).await.unwrap();
    payload
}

/// Returns the request for another authentication method, as sent on the wire.
async fn auth_switch(mysql: &MySql) -> Vec<u8> {
    let mut stream = TcpStream::connect(mysql.dial().to_string()).await.unwrap();
    packet(&mut stream).await;
    // CLIENT_LONG_PASSWORD, CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH
    let capabilities: u32 = 0x1 | 0x200 | 0x8000 | 0x8_0000;
    let mut response = [capabilities.to_le_bytes(), (1u32 << 24).to_le_bytes()].concat();
    response.push(45);
    response.extend([0; 23]);
    response.extend(b"app\0\0caching_sha2_password\0");
    let header = u32::try_from(response.len()).unwrap() | 1 << 24;
    stream.write_all(&[&header.to_le_bytes()[..], &response].concat()).await.unwrap();
    packet(&mut stream).await
}

async fn the_server_asks_for_a_token_as_rds_does() {
    let mysql = <sqlx::MySql as TestEngine>::server().await;
    let switch = auth_switch(&mysql).await;
    assert_eq!(switch, b"\xfemysql_clear_password\0", "{}", String::from_utf8_lossy(&switch));
}
