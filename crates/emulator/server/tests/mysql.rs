//! Tests of `MySql` in the default runtime, and once as a child process: token checks, accounts, ordered failures,
//! restarts, the relay, file permissions, and removal of all files.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use rds_iam_emulator_server::{
    AccessKey, AuthSwitch, Error, LoginEvent, MasterCredentials, MySql, RefusalCode, Runtime, fixtures,
};
use rds_iam_token::{Endpoint, Login, sign};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const WITHIN: Duration = Duration::from_secs(10);

/// Returns a server with the database `shop` and the IAM user `app`.
async fn server() -> Result<MySql> {
    let mysql = MySql::builder().database("shop").start().await?;
    fixtures::create_user(&mysql, "app", "SELECT, INSERT ON shop.*").await?;
    Ok(mysql)
}

fn as_master(mysql: &MySql) -> MySqlConnectOptions {
    let master = mysql.master();
    fixtures::connect_options(mysql).username(master.username()).password(master.password())
}

fn as_app(mysql: &MySql, token: &str) -> MySqlConnectOptions {
    fixtures::connect_options(mysql).enable_cleartext_plugin(true).username("app").password(token)
}

#[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's, moved by `set_clock`")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn token_of(mysql: &MySql, user: &str, credentials: &Credentials) -> Result<String> {
    let login = fixtures::login(mysql, user);
    Ok(sign(&login, credentials, now())?.expose().to_owned())
}

fn token(mysql: &MySql) -> Result<String> {
    token_of(mysql, "app", &mysql.credentials())
}

/// Returns the MySQL error number of a refused connection.
fn number(result: sqlx::Result<MySqlConnection>) -> u16 {
    match result {
        Err(sqlx::Error::Database(e)) => e.downcast::<sqlx::mysql::MySqlDatabaseError>().number(),
        other => panic!("neither in nor refused: {other:?}"),
    }
}

/// Tries `token` and returns why the server refused it, after checking that the client gets no reason.
async fn refusal(mysql: &MySql, token: &str) -> Result<(RefusalCode, String)> {
    let before = mysql.logins()?.len();
    assert_eq!(number(as_app(mysql, token).connect().await), 1045);
    let logins = mysql.logins()?;
    assert_eq!(logins.len(), before + 1);
    let last = &logins[before];
    Ok((last.code().unwrap(), last.reason().unwrap().to_owned()))
}

/// The checks for every runtime.
async fn a_token_is_checked(mysql: &MySql) -> Result {
    use RefusalCode::{ExpiredToken, InvalidToken, NotAuthorized};
    let good = token(mysql)?;

    // Logged in over TLS, as the right user.
    let mut app = as_app(mysql, &good).connect().await?;
    let row = sqlx::query("SELECT CURRENT_USER(), DATABASE() IS NULL").fetch_one(&mut app).await?;
    assert_eq!(row.try_get::<String, _>(0)?, "app@%");
    let row = sqlx::query("SHOW STATUS LIKE 'Ssl_cipher'").fetch_one(&mut app).await?;
    assert_ne!(row.try_get::<String, _>(1)?, "");
    app.close().await?;
    let login = mysql.wait_for_login(LoginEvent::accepted, WITHIN).await?;
    assert_eq!(
        (login.user.as_str(), login.access_key_id),
        ("app", Some(mysql.credentials().access_key_id().into()))
    );

    // Its time.
    mysql.set_clock(901)?;
    assert_eq!(refusal(mysql, &good).await?.0, ExpiredToken);
    mysql.set_clock(-302)?;
    assert_eq!(refusal(mysql, &good).await?.0, InvalidToken);
    mysql.set_clock(0)?;

    // Its owner, its address, its text.
    let other = token_of(mysql, "other", &mysql.credentials())?;
    assert_eq!(
        refusal(mysql, &other).await?.1,
        r#"the token is for the user "other", but "app" logs in with it"#
    );
    let login = Login::new("db.example.com:3306".parse()?, mysql.region().clone(), "app".parse()?);
    let elsewhere = sign(&login, &mysql.credentials(), now())?;
    assert_eq!(
        refusal(mysql, elsewhere.expose()).await?.1,
        "the token is for the endpoint db.example.com:3306, which is not this server (sign for the real endpoint, not for an alias or a tunnel)"
    );
    let tampered = good.replace("X-Amz-Expires=900", "X-Amz-Expires=899");
    assert_eq!(
        refusal(mysql, &tampered).await?.1,
        "the signature does not match: the token was altered or signed with another secret"
    );
    assert_eq!(refusal(mysql, mysql.master().password()).await?.0, InvalidToken);

    // Its signer.
    let stranger = Credentials::new("AKIDSTRANGER", "secret", None, None, "test");
    assert_eq!(
        refusal(mysql, &token_of(mysql, "app", &stranger)?).await?.1,
        r#"the access key "AKIDSTRANGER" is unknown"#
    );
    mysql.enter_key(AccessKey::new("AKIDSTRANGER", "secret").expires_at(1_000_000_000))?;
    assert_eq!(refusal(mysql, &token_of(mysql, "app", &stranger)?).await?.0, ExpiredToken);
    mysql.enter_key(AccessKey::new("AKIDSTRANGER", "secret"))?;
    as_app(mysql, &token_of(mysql, "app", &stranger)?).connect().await?.close().await?;
    mysql.allow_users(["someone_else"])?;
    assert_eq!(refusal(mysql, &good).await?.0, NotAuthorized);
    mysql.allow_users(["someone_else", "app"])?;
    as_app(mysql, &good).connect().await?.close().await?;

    // The record has no token, no signature and no password in it.
    let record = format!("{:?}", mysql.logins()?);
    let signature = good.split("X-Amz-Signature=").nth(1).unwrap();
    for secret in
        [signature, "X-Amz-Signature", mysql.master().password(), mysql.credentials().secret_access_key()]
    {
        assert!(!record.contains(secret));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_checked() -> Result {
    let mysql = server().await?;
    a_token_is_checked(&mysql).await
}

/// Runs without Docker, regardless of the runtime of the other tests.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_checked_by_a_child_process() -> Result {
    let mysql = MySql::builder().runtime(Runtime::Process).database("shop").start().await?;
    assert_eq!(mysql.runtime(), Runtime::Process);
    fixtures::create_user(&mysql, "app", "SELECT, INSERT ON shop.*").await?;
    a_token_is_checked(&mysql).await?;
    going_away_and_coming_back(&mysql).await
}

/// The same as after a deployment: the instance, and the proxy in front of it, whose endpoint a service signs
/// for.
#[tokio::test(flavor = "multi_thread")]
async fn it_emulates_the_instance_and_its_proxy() -> Result {
    let instance: Endpoint = "orders.c0ffee.eu-central-1.rds.amazonaws.com:3306".parse()?;
    let proxy: Endpoint = "orders.proxy-c0ffee.eu-central-1.rds.amazonaws.com:3306".parse()?;
    let master = MasterCredentials::new("dbadmin", r#"it's a \ and a ' and a ""#)?;
    let builder = MySql::builder().database("shop").region("eu-central-1".parse()?);
    let builder = builder.endpoint(instance.clone()).also_endpoint(proxy.clone());
    let builder = builder.resource_id("db-ABCDEFGHIJKLMNOPQRSTUVWX12").master(master);
    assert!(!format!("{builder:?}").contains("and a"), "the password is shown");
    let mysql = builder.start().await?;
    assert_eq!((mysql.endpoint(), mysql.resource_id()), (&instance, "db-ABCDEFGHIJKLMNOPQRSTUVWX12"));
    assert_eq!(mysql.master().username(), "dbadmin");

    // The master user logs in with the given password.
    fixtures::create_user(&mysql, "app", "SELECT, INSERT ON shop.*").await?;
    // So does a service, with a token for either endpoint, but not for a third.
    let sign_for = |endpoint: &Endpoint| -> Result<String> {
        let login = Login::new(endpoint.clone(), mysql.region().clone(), "app".parse()?);
        Ok(sign(&login, &mysql.credentials(), now())?.expose().to_owned())
    };
    for endpoint in [&instance, &proxy] {
        as_app(&mysql, &sign_for(endpoint)?).connect().await?.close().await?;
    }
    let third = sign_for(&"other.c0ffee.eu-central-1.rds.amazonaws.com:3306".parse()?)?;
    assert_eq!(refusal(&mysql, &third).await?.0, RefusalCode::InvalidToken);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unencrypted_connection_is_refused() -> Result {
    let mysql = server().await?;
    let plain = as_app(&mysql, &token(&mysql)?).ssl_mode(MySqlSslMode::Disabled);
    assert_eq!(number(plain.connect().await), 1045);
    // The account's own REQUIRE SSL is not the reason for the refusal.
    let mut master = as_master(&mysql).connect().await?;
    sqlx::raw_sql("ALTER USER 'app'@'%' REQUIRE NONE").execute(&mut master).await?;
    assert_eq!(number(plain.connect().await), 1045);
    let reasons = mysql.logins()?.into_iter().map(|l| l.reason().map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(reasons, vec![Some("the connection is not encrypted".to_owned()); 2]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_rds_like() -> Result {
    let mysql = server().await?;
    let mut master = as_master(&mysql).connect().await?;

    // The plugin requires AS 'RDS' and accepts no password.
    for sql in [
        "CREATE USER x IDENTIFIED WITH AWSAuthenticationPlugin AS 'else'",
        "CREATE USER x IDENTIFIED WITH AWSAuthenticationPlugin BY 'password'",
    ] {
        let error = sqlx::raw_sql(sql).execute(&mut master).await.unwrap_err();
        assert!(error.as_database_error().is_some(), "{error}");
    }
    // The master user is not root, and has to encrypt.
    let row = sqlx::query(
        "SELECT COUNT(*) FROM mysql.user WHERE user = 'admin' AND super_priv = 'N' AND file_priv = 'N'",
    );
    assert_eq!(row.fetch_one(&mut master).await?.try_get::<i64, _>(0)?, 1);
    let plain = as_master(&mysql).ssl_mode(MySqlSslMode::Disabled);
    assert_eq!(number(plain.connect().await), 1045);
    // Root can log in only through the socket, and a user without a name not at all.
    for user in ["root", ""] {
        let network = fixtures::connect_options(&mysql).username(user).password("");
        assert!([1045, 1130].contains(&number(network.connect().await)), "{user:?}");
    }
    let databases: Vec<String> = sqlx::query_scalar("SHOW DATABASES").fetch_all(&mut master).await?;
    assert!(databases.contains(&"shop".into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn good_logins_are_refused_when_ordered() -> Result {
    let mysql = server().await?;
    let token = token(&mysql)?;
    mysql.refuse_next(2)?;
    assert_eq!(refusal(&mysql, &token).await?.0, RefusalCode::Internal);
    assert_eq!(refusal(&mysql, &token).await?.0, RefusalCode::Internal);
    as_app(&mysql, &token).connect().await?.close().await?;
    let missed = mysql.wait_for_login(|login| login.user == "absent", Duration::from_millis(50)).await;
    assert!(matches!(missed, Err(Error::TimedOut { .. })));
    Ok(())
}

/// Returns the data of the request for another authentication method, as sent on the wire.
async fn auth_switch(mysql: &MySql) -> Result<Vec<u8>> {
    async fn packet(stream: &mut TcpStream) -> Result<Vec<u8>> {
        let mut payload = vec![0; (stream.read_u32_le().await? & 0xff_ffff) as usize];
        stream.read_exact(&mut payload).await?;
        Ok(payload)
    }
    let mut stream = TcpStream::connect(mysql.dial().to_string()).await?;
    packet(&mut stream).await?;
    // CLIENT_LONG_PASSWORD, CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH
    let capabilities: u32 = 0x1 | 0x200 | 0x8000 | 0x8_0000;
    let mut response = [capabilities.to_le_bytes(), (1u32 << 24).to_le_bytes()].concat();
    response.push(45);
    response.extend([0; 23]);
    response.extend(b"app\0\0caching_sha2_password\0");
    let header = u32::try_from(response.len())? | 1 << 24;
    stream.write_all(&[&header.to_le_bytes()[..], &response].concat()).await?;
    let switch = packet(&mut stream).await?;
    Ok(switch.strip_prefix(b"\xfemysql_clear_password\0").ok_or("no request for a token")?.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_get_in_whatever_comes_with_the_request_for_a_token() -> Result {
    let mysql = server().await?;
    for (form, length) in [(None, 0), (Some(AuthSwitch::Scramble), 21), (Some(AuthSwitch::Empty), 0)] {
        form.map_or(Ok(()), |form| mysql.set_auth_switch(form))?;
        assert_eq!(auth_switch(&mysql).await?.len(), length, "{form:?}");
        as_app(&mysql, &token(&mysql)?).connect().await?.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_refuses_writes_when_ordered() -> Result {
    let mysql = server().await?;
    let mut master = as_master(&mysql).connect().await?;
    master.execute("CREATE TABLE shop.t (id INT PRIMARY KEY)").await?;
    mysql.set_read_only(true).await?;
    let refused = master.execute("INSERT INTO shop.t VALUES (1)").await.unwrap_err();
    assert!(refused.to_string().contains("1290"), "{refused}");
    mysql.set_read_only(false).await?;
    master.execute("INSERT INTO shop.t VALUES (1)").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_cut() -> Result {
    let mysql = server().await?;
    let mut first = as_app(&mysql, &token(&mysql)?).connect().await?;
    let mut second = as_master(&mysql).connect().await?;
    assert_eq!(mysql.cut_connections().await?, 2);
    assert!(first.ping().await.is_err());
    assert!(second.ping().await.is_err());
    assert_eq!(mysql.cut_connections().await?, 0);
    as_app(&mysql, &token(&mysql)?).connect().await?.ping().await?;
    Ok(())
}

async fn going_away_and_coming_back(mysql: &MySql) -> Result {
    let mut app = as_app(mysql, &token(mysql)?).connect().await?;
    mysql.stop().await?;
    assert!(app.ping().await.is_err());
    let down = as_app(mysql, &token(mysql)?).connect().await;
    assert!(
        matches!(down, Err(sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_))),
        "{down:?}"
    );

    mysql.restart().await?;
    // The same address, the same accounts.
    as_app(mysql, &token(mysql)?).connect().await?.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_goes_away_and_comes_back() -> Result {
    going_away_and_coming_back(&server().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_stands_for_the_network() -> Result {
    let mysql = server().await?;
    let mut relay = mysql.relay().await?;
    let through = |token: &str| {
        fixtures::connect_options(&mysql)
            .port(relay.dial().port())
            .enable_cleartext_plugin(true)
            .username("app")
            .password(token)
    };
    let options = through(&token(&mysql)?);

    let mut app = options.connect().await?;
    assert_eq!(relay.accepted(), 1);
    relay.cut().await;
    assert!(app.ping().await.is_err());

    relay.throttle_next(1);
    assert_eq!(number(options.connect().await), 1040);
    options.connect().await?.close().await?;

    relay.refuse_connections(true).await?;
    let unreachable = options.connect().await.unwrap_err();
    assert!(matches!(&unreachable, sqlx::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused));
    relay.refuse_connections(false).await?;
    options.connect().await?.close().await?;
    assert_eq!(relay.accepted(), 4);
    Ok(())
}

#[tokio::test]
async fn no_other_user_may_enter_its_folder() -> Result {
    use std::os::unix::fs::PermissionsExt as _;

    let mysql = MySql::builder().start().await?;
    // …/rds-iam-XXXXXX/run/tls/ca.pem: the content of `run` is accessible to the server's user.
    let outer = mysql.ca_path().ancestors().nth(3).ok_or("no folder around it")?.to_owned();
    assert!(outer.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rds-iam-")));
    assert_eq!(std::fs::metadata(&outer)?.permissions().mode() & 0o777, 0o700);
    Ok(())
}

#[tokio::test]
async fn credentials_go_into_a_file_that_only_its_owner_reads() -> Result {
    use std::os::unix::fs::PermissionsExt;
    let mysql = MySql::builder().start().await?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("credentials");
    std::fs::write(&path, "old")?;
    mysql.write_credentials_file(&path)?;
    assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path)?;
    let credentials = mysql.credentials();
    assert!(text.contains(&format!("aws_secret_access_key = {}\n", credentials.secret_access_key())));
    let shown = format!("{mysql:?} {:?} {credentials:?}", mysql.master());
    assert!(!shown.contains(credentials.secret_access_key()) && !shown.contains(mysql.master().password()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_behind() -> Result {
    for runtime in [Runtime::Auto, Runtime::Process] {
        let mysql = MySql::builder().runtime(runtime).start().await?;
        let (ca, dial) = (mysql.ca_path(), mysql.dial().to_string());
        assert!(ca.is_file());
        drop(mysql);
        assert!(!ca.exists());
        assert!(TcpStream::connect(dial).await.is_err());
    }
    Ok(())
}
