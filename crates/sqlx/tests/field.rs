//! Tests of the pool against a MySQL server in cases from production: a server that becomes read-only, clocks
//! that jump, expiring credentials, locked or limited accounts, tokens in other forms and sizes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use rds_iam_emulator_server::fixtures::{self, SkewedClock, until};
use rds_iam_emulator_server::{AccessKey, MySql};
use rds_iam_sqlx::{Builder, Credential, Error, Limits, MySqlPool, Target, connect};
use rds_iam_token::{Endpoint, Minter, TokenSource};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{ConnectOptions, Executor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

async fn server() -> MySql {
    let mysql = MySql::builder().database("shop").start().await.expect("a server starts");
    fixtures::create_user(&mysql, "app", "SELECT, INSERT ON shop.*").await.unwrap();
    let table = "CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT)";
    fixtures::execute(&mysql, [table]).await.unwrap();
    mysql
}

/// Runs a statement as root, over the server's socket.
async fn as_root(mysql: &MySql, sql: &'static str) {
    let run = mysql.ca_path().parent().and_then(|tls| tls.parent()).unwrap().to_owned();
    let options = MySqlConnectOptions::new().socket(run.join("mysqld.sock")).username("root");
    let mut root = options.ssl_mode(MySqlSslMode::Disabled).connect().await.unwrap();
    root.execute(sql).await.unwrap();
}

/// Returns the connections that the application has on the server.
async fn sessions(mysql: &MySql) -> i64 {
    let mut session = fixtures::as_master(mysql).await.unwrap();
    let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'";
    sqlx::query_scalar(sql).fetch_one(&mut session).await.unwrap()
}

fn tokens(mysql: &MySql, credentials: impl ProvideCredentials + 'static, time: &SkewedClock) -> TokenSource {
    TokenSource::lazy(Minter::new(fixtures::login(mysql, "app"), credentials, time.clock()))
}

/// Limits that do nothing in the background.
fn quiet() -> Limits {
    Limits::default().warm_connections(0).acquire_timeout(Duration::from_secs(20))
}

/// Settings of a pool that logs in with `tokens`.
fn builder(mysql: &MySql, tokens: TokenSource) -> Builder<sqlx::MySql> {
    MySqlPool::builder(mysql.endpoint(), "app")
        .tokens(tokens)
        .dial(mysql.dial())
        .root_certificates(mysql.ca_pem())
        .database("shop")
        .limits(quiet())
}

/// Returns an endpoint that forwards to one server, and later to another.
async fn endpoint(first: &Endpoint) -> (Endpoint, watch::Sender<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    let (leads_to, server) = watch::channel(first.to_string());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let server = server.borrow().clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                // Either side may hang up first.
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    (dial, leads_to)
}

async fn insert(pool: &MySqlPool) -> Result<(), Error> {
    sqlx::query("INSERT INTO t () VALUES ()").execute(pool).await.map_err(|e| pool.explain(e))?;
    Ok(())
}

/// The old writer lives on as a reader, and the endpoint moves to the new one.
#[tokio::test]
async fn a_server_that_became_read_only_is_left() {
    for setting in ["SET GLOBAL read_only = ON", "SET GLOBAL super_read_only = ON"] {
        let (writer, other) = tokio::join!(server(), server());
        let keys = writer.credentials();
        let known = AccessKey::new(keys.access_key_id(), keys.secret_access_key());
        other.enter_key(known.session_token(keys.session_token().unwrap())).unwrap();
        let (dial, leads_to) = endpoint(writer.dial()).await;
        let pool = builder(&writer, tokens(&writer, keys, &SkewedClock::default()))
            .dial(dial)
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

        as_root(&writer, setting).await;
        leads_to.send_replace(other.dial().to_string());
        assert_eq!(insert(&pool).await.unwrap_err().number(), Some(1290), "{setting}");
        for attempt in 1..=10 {
            insert(&pool).await.unwrap_or_else(|e| panic!("{setting}, attempt {attempt}: {e:?}"));
        }
        // The one in use is not taken from its holder, and not used again.
        sqlx::query("SELECT 1").execute(&mut *in_use).await.unwrap();
        drop(in_use);
        for _ in 0..10 {
            insert(&pool).await.unwrap();
        }
        until("no connection to the old writer is left", async || sessions(&writer).await == 0).await;
    }
}

#[tokio::test]
async fn a_server_that_stays_read_only_is_not_stormed() {
    let mysql = server().await;
    let tokens = tokens(&mysql, mysql.credentials(), &SkewedClock::default());
    let pool = builder(&mysql, tokens).max_connections(4).connect().await.unwrap();
    as_root(&mysql, "SET GLOBAL read_only = ON").await;
    // By the server's count: the search for the writer is not among the pool's own connections.
    let before = mysql.logins().unwrap().len();
    let started = std::time::Instant::now();
    for _ in 0..200 {
        assert_eq!(insert(&pool).await.unwrap_err().number(), Some(1290));
    }
    let logins = mysql.logins().unwrap().len() - before;
    // Once in 5 s the connections are discarded, and the pool searches for the writer.
    let turns = 1 + started.elapsed().as_secs() as usize / 5;
    assert!(logins <= turns * 5 + 1, "{logins} logins for 200 refused statements in {turns} turns");
    as_root(&mysql, "SET GLOBAL read_only = OFF").await;
    insert(&pool).await.unwrap();
}

/// Logs in three times; returns the number of logins refused by the server, and of errors returned to
/// callers.
async fn log_in(mysql: &MySql, tokens: &TokenSource) -> (usize, usize) {
    let refused = || mysql.logins().unwrap().iter().filter(|login| !login.accepted()).count();
    let (before, mut errors) = (refused(), 0);
    for _ in 0..3 {
        errors += usize::from(builder(mysql, tokens.clone()).connect().await.is_err());
    }
    (refused() - before, errors)
}

#[tokio::test]
async fn a_clock_that_jumps_costs_at_most_one_refused_login() {
    let mysql = server().await;
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
        let tokens = tokens(&mysql, mysql.credentials(), &time);
        time.set(before);
        // May fail: the clock may be too wrong for any token.
        log_in(&mysql, &tokens).await;
        time.set(after);
        let (refused, errors) = log_in(&mysql, &tokens).await;
        assert!(refused <= 1 && errors <= 1, "from {before} to {after}: {refused} refused, {errors} errors");
        // From then on, none.
        assert_eq!(log_in(&mysql, &tokens).await, (0, 0), "from {before} to {after}, later");
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

#[tokio::test]
async fn no_ended_token_is_sent() {
    let mysql = server().await;
    let time = SkewedClock::default();
    let keys = mysql.credentials();
    let end = time.clock().now() + Duration::from_secs(300);
    let ending = Credentials::new(
        keys.access_key_id(),
        keys.secret_access_key(),
        keys.session_token().map(str::to_owned),
        Some(end),
        "test",
    );
    let tokens = tokens(&mysql, Once(ending, false.into()), &time);
    let limits = quiet().acquire_timeout(Duration::from_secs(2));
    let pool = builder(&mysql, tokens).limits(limits).connect().await.unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(pool.acquire().await.unwrap());
    }
    drop(held);
    until("its connections are idle", async || pool.stats().idle == 4).await;
    time.set(1000);
    mysql.set_clock(1000).unwrap();
    // Sessions outlive the token.
    for _ in 0..10 {
        insert(&pool).await.unwrap();
    }
    mysql.cut_connections().await.unwrap();
    let logins = mysql.logins().unwrap().len();
    drop(insert(&pool).await.unwrap_err());
    for _ in 0..3 {
        let error = insert(&pool).await.unwrap_err();
        assert!(matches!(error, Error::Token { .. }), "{error:?} {:?}", mysql.logins());
        assert!(error.hint().contains("credentials"), "{}", error.hint());
    }
    assert_eq!(mysql.logins().unwrap().len(), logins, "an ended token was sent: {:?}", mysql.logins());
}

/// Attributes that a taken-over account may have kept.
#[tokio::test]
async fn an_account_that_is_locked_or_limited_says_so() {
    let mysql = server().await;
    let tokens = tokens(&mysql, mysql.credentials(), &SkewedClock::default());
    let log_in = async || {
        let target = Target::new(mysql.endpoint().clone(), mysql.ca_pem()).dial(mysql.dial().clone());
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
async fn log_in_with(mysql: &MySql, token: &str) -> sqlx::Result<()> {
    let options =
        fixtures::connect_options(mysql).enable_cleartext_plugin(true).username("app").password(token);
    options.connect().await.map(drop)
}

/// AWS's Go SDKs write `host:port?Action=…`, and sign the same as the others.
#[tokio::test]
async fn a_token_in_the_form_of_the_go_sdks_gets_in() {
    let mysql = server().await;
    let token = tokens(&mysql, mysql.credentials(), &SkewedClock::default()).token().await.unwrap();
    let (host, query) = token.expose().split_once("/?").unwrap();
    for form in [format!("{host}/?{query}"), format!("{host}?{query}")] {
        log_in_with(&mysql, &form).await.unwrap_or_else(|e| panic!("{e}: {:?}", mysql.logins()));
    }
    for form in [format!("{host}//?{query}"), format!("{host}{query}"), format!("https://{host}?{query}")] {
        log_in_with(&mysql, &form).await.expect_err("no signer writes this");
    }
}

#[tokio::test]
async fn a_token_of_many_kilobytes_gets_in() {
    let mysql = server().await;
    for (id, length) in [("AKID8", 8 * 1024), ("AKID40", 40_000)] {
        let session_token = "IQoJb3JpZ2luX2VjE+/=".repeat(length / 20);
        mysql.enter_key(AccessKey::new(id, "secret").session_token(&session_token)).unwrap();
        let keys = Credentials::new(id, "secret", Some(session_token), None, "test");
        let token = tokens(&mysql, keys, &SkewedClock::default()).token().await.unwrap();
        assert!(token.expose().len() > length);
        log_in_with(&mysql, token.expose()).await.unwrap_or_else(|e| panic!("{e}: {:?}", mysql.logins()));
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

#[tokio::test]
async fn the_server_asks_for_a_token_as_rds_does() {
    let mysql = server().await;
    let switch = auth_switch(&mysql).await;
    assert_eq!(switch, b"\xfemysql_clear_password\0", "{}", String::from_utf8_lossy(&switch));
}
