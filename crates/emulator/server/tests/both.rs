//! Tests of servers of each engine in the default runtime, and once as a child process: token checks, ordered failures,
//! restarts, the relay, file permissions, and removal of all files.

mod common;

use std::time::Duration;

use aws_credential_types::Credentials;
use rds_iam_emulator_server::{
    AccessKey, Error, LoginEvent, MasterCredentials, RefusalCode, Runtime, Server, fixtures, on_each_engine,
};
use rds_iam_token::{Endpoint, Login, sign};
use sqlx::Connection;
use tokio::net::TcpStream;

use self::common::{Result, TestEngine, code, log_in, now, refusal, token, token_of};

const WITHIN: Duration = Duration::from_secs(10);

on_each_engine![
    tokens_are_checked,
    tokens_are_checked_by_a_child_process,
    it_emulates_the_instance_and_its_proxy,
    good_logins_are_refused_when_ordered,
    it_refuses_writes_when_ordered,
    connections_are_cut,
    the_server_goes_away_and_comes_back,
    the_relay_stands_for_the_network,
    no_other_user_may_enter_its_folder,
    credentials_go_into_a_file_that_only_its_owner_reads,
    nothing_stays_behind,
];

/// Returns a server with the database `shop` and the IAM user `app`.
async fn server<E: TestEngine>() -> Result<Server<E>> {
    let server = Server::builder().database("shop").start().await?;
    fixtures::create_user(&server, "app", "SELECT, INSERT ON shop.*").await?;
    Ok(server)
}

/// The checks for every runtime.
async fn a_token_is_checked<E: TestEngine>(server: &Server<E>) -> Result {
    use RefusalCode::{ExpiredToken, InvalidToken, NotAuthorized};
    let good = token(server)?;

    // Logged in over TLS, as the right user.
    let mut app = log_in(server, "app", &good).await?;
    assert_eq!(E::text(&mut app, E::USER[0].into()).await?, E::USER[1]);
    assert_ne!(E::cipher(&mut app).await?, "");
    app.close().await?;
    let login = server.wait_for_login(LoginEvent::accepted, WITHIN).await?;
    assert_eq!(
        (login.user.as_str(), login.access_key_id),
        ("app", Some(server.credentials().access_key_id().into()))
    );

    // Its time.
    server.set_clock(901)?;
    assert_eq!(refusal(server, &good).await?.0, ExpiredToken);
    server.set_clock(-302)?;
    assert_eq!(refusal(server, &good).await?.0, InvalidToken);
    server.set_clock(0)?;

    // Its owner, its address, its text.
    let other = token_of(server, "other", &server.credentials())?;
    assert_eq!(
        refusal(server, &other).await?.1,
        r#"the token is for the user "other", but "app" logs in with it"#
    );
    let login = Login::new("db.example.com:3306".parse()?, server.region().clone(), "app".parse()?);
    let elsewhere = sign(&login, &server.credentials(), now())?;
    assert_eq!(
        refusal(server, elsewhere.expose()).await?.1,
        "the token is for the endpoint db.example.com:3306, which is not this server (sign for the real endpoint, not for an alias or a tunnel)"
    );
    let tampered = good.replace("X-Amz-Expires=900", "X-Amz-Expires=899");
    assert_eq!(
        refusal(server, &tampered).await?.1,
        "the signature does not match: the token was altered or signed with another secret"
    );
    assert_eq!(refusal(server, server.master().password()).await?.0, InvalidToken);

    // Its signer.
    let stranger = Credentials::new("AKIDSTRANGER", "secret", None, None, "test");
    assert_eq!(
        refusal(server, &token_of(server, "app", &stranger)?).await?.1,
        r#"the access key "AKIDSTRANGER" is unknown"#
    );
    server.enter_key(AccessKey::new("AKIDSTRANGER", "secret").expires_at(1_000_000_000))?;
    assert_eq!(refusal(server, &token_of(server, "app", &stranger)?).await?.0, ExpiredToken);
    server.enter_key(AccessKey::new("AKIDSTRANGER", "secret"))?;
    log_in(server, "app", &token_of(server, "app", &stranger)?).await?.close().await?;
    server.allow_users(["someone_else"])?;
    assert_eq!(refusal(server, &good).await?.0, NotAuthorized);
    server.allow_users(["someone_else", "app"])?;
    log_in(server, "app", &good).await?.close().await?;

    // The record has no token, no signature and no password in it.
    let record = format!("{:?}", server.logins()?);
    let signature = good.split("X-Amz-Signature=").nth(1).unwrap();
    for secret in
        [signature, "X-Amz-Signature", server.master().password(), server.credentials().secret_access_key()]
    {
        assert!(!record.contains(secret));
    }
    Ok(())
}

async fn tokens_are_checked<E: TestEngine>() -> Result {
    a_token_is_checked(&server::<E>().await?).await
}

/// Runs without Docker, regardless of the runtime of the other tests.
async fn tokens_are_checked_by_a_child_process<E: TestEngine>() -> Result {
    let server = Server::<E>::builder().runtime(Runtime::Process).database("shop").start().await?;
    assert_eq!(server.runtime(), Runtime::Process);
    fixtures::create_user(&server, "app", "SELECT, INSERT ON shop.*").await?;
    a_token_is_checked(&server).await?;
    going_away_and_coming_back(&server).await
}

/// The same as after a deployment: the instance, and the proxy in front of it, whose endpoint a service signs
/// for.
async fn it_emulates_the_instance_and_its_proxy<E: TestEngine>() -> Result {
    let instance: Endpoint = format!("orders.c0ffee.eu-central-1.rds.amazonaws.com:{}", E::PORT).parse()?;
    let proxy: Endpoint =
        format!("orders.proxy-c0ffee.eu-central-1.rds.amazonaws.com:{}", E::PORT).parse()?;
    let master = MasterCredentials::new("dbadmin", r#"it's a \ and a ' and a ""#)?;
    let builder = Server::<E>::builder().database("shop").region("eu-central-1".parse()?);
    let builder = builder.endpoint(instance.clone()).also_endpoint(proxy.clone());
    let builder = builder.resource_id("db-ABCDEFGHIJKLMNOPQRSTUVWX12").master(master);
    assert!(!format!("{builder:?}").contains("and a"), "the password is shown");
    let server = builder.start().await?;
    assert_eq!((server.endpoint(), server.resource_id()), (&instance, "db-ABCDEFGHIJKLMNOPQRSTUVWX12"));
    assert_eq!((server.master().username(), server.database()), ("dbadmin", "shop"));

    // The master user logs in with the given password.
    fixtures::as_master(&server).await?.close().await?;
    fixtures::create_user(&server, "app", "SELECT, INSERT ON shop.*").await?;
    // So does a service, with a token for either endpoint, but not for a third.
    let sign_for = |endpoint: &Endpoint| -> Result<String> {
        let login = Login::new(endpoint.clone(), server.region().clone(), "app".parse()?);
        Ok(sign(&login, &server.credentials(), now())?.expose().to_owned())
    };
    for endpoint in [&instance, &proxy] {
        log_in(&server, "app", &sign_for(endpoint)?).await?.close().await?;
    }
    let third = sign_for(&"other.c0ffee.eu-central-1.rds.amazonaws.com:3306".parse()?)?;
    assert_eq!(refusal(&server, &third).await?.0, RefusalCode::InvalidToken);
    Ok(())
}

async fn good_logins_are_refused_when_ordered<E: TestEngine>() -> Result {
    let server = server::<E>().await?;
    let token = token(&server)?;
    server.refuse_next(2)?;
    assert_eq!(refusal(&server, &token).await?.0, RefusalCode::Internal);
    assert_eq!(refusal(&server, &token).await?.0, RefusalCode::Internal);
    log_in(&server, "app", &token).await?.close().await?;
    let missed = server.wait_for_login(|login| login.user == "absent", Duration::from_millis(50)).await;
    assert!(matches!(missed, Err(Error::TimedOut { .. })));
    Ok(())
}

async fn it_refuses_writes_when_ordered<E: TestEngine>() -> Result {
    let server = server::<E>().await?;
    let mut master = fixtures::as_master(&server).await?;
    E::run(&mut master, format!("CREATE TABLE {} (id INT PRIMARY KEY)", E::TABLE)).await?;
    let insert = format!("INSERT INTO {} VALUES (1)", E::TABLE);
    server.set_read_only(true).await?;
    let refused = E::run(&mut master, insert.clone()).await.unwrap_err();
    assert_eq!(E::code(&refused).as_deref(), Some(E::READ_ONLY), "{refused}");
    // A new session, of another user, gets the same answer.
    let mut app = log_in(&server, "app", &token(&server)?).await?;
    let refused = E::run(&mut app, insert.clone()).await.unwrap_err();
    assert_eq!(E::code(&refused).as_deref(), Some(E::READ_ONLY), "{refused}");
    server.set_read_only(false).await?;
    E::run(&mut app, insert).await?;
    let count = format!("SELECT CAST(COUNT(*) AS CHAR(1)) FROM {}", E::TABLE);
    assert_eq!(E::text(&mut master, count).await?, "1");
    Ok(())
}

async fn connections_are_cut<E: TestEngine>() -> Result {
    let server = server::<E>().await?;
    let mut first = log_in(&server, "app", &token(&server)?).await?;
    let mut second = fixtures::as_master(&server).await?;
    assert_eq!(server.cut_connections().await?, 2);
    assert!(first.ping().await.is_err());
    assert!(second.ping().await.is_err());
    assert_eq!(server.cut_connections().await?, 0);
    log_in(&server, "app", &token(&server)?).await?.ping().await?;
    Ok(())
}

async fn going_away_and_coming_back<E: TestEngine>(server: &Server<E>) -> Result {
    let mut app = log_in(server, "app", &token(server)?).await?;
    server.stop().await?;
    assert!(app.ping().await.is_err());
    let down = log_in(server, "app", &token(server)?).await.map(drop);
    assert!(
        matches!(down, Err(sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_))),
        "{down:?}"
    );

    server.restart().await?;
    // The same address, the same accounts.
    log_in(server, "app", &token(server)?).await?.close().await?;
    Ok(())
}

async fn the_server_goes_away_and_comes_back<E: TestEngine>() -> Result {
    going_away_and_coming_back(&server::<E>().await?).await
}

async fn the_relay_stands_for_the_network<E: TestEngine>() -> Result {
    let server = server::<E>().await?;
    let mut relay = server.relay().await?;
    let options = fixtures::login_options(&server, "app", &token(&server)?);
    let options = E::at_port(options, relay.dial().port());
    let connect = async || E::Connection::connect_with(&options).await;

    let mut app = connect().await?;
    assert_eq!(relay.accepted(), 1);
    relay.cut().await;
    assert!(app.ping().await.is_err());

    E::throttle(&server, &relay, 1)?;
    assert_eq!(code::<E>(connect().await), E::THROTTLED);
    connect().await?.close().await?;

    relay.refuse_connections(true).await?;
    let unreachable = connect().await.map(drop).unwrap_err();
    assert!(matches!(&unreachable, sqlx::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused));
    relay.refuse_connections(false).await?;
    connect().await?.close().await?;
    assert_eq!(relay.accepted(), 4);
    Ok(())
}

async fn no_other_user_may_enter_its_folder<E: TestEngine>() -> Result {
    use std::os::unix::fs::PermissionsExt as _;

    let server = Server::<E>::builder().start().await?;
    // …/rds-iam-XXXXXX/run/tls/ca.pem: the content of `run` is accessible to the server's user.
    let outer = server.ca_path().ancestors().nth(3).ok_or("no folder around it")?.to_owned();
    assert!(outer.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rds-iam-")));
    assert_eq!(std::fs::metadata(&outer)?.permissions().mode() & 0o777, 0o700);
    Ok(())
}

async fn credentials_go_into_a_file_that_only_its_owner_reads<E: TestEngine>() -> Result {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::<E>::builder().start().await?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("credentials");
    std::fs::write(&path, "old")?;
    server.write_credentials_file(&path)?;
    assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path)?;
    let credentials = server.credentials();
    assert!(text.contains(&format!("aws_secret_access_key = {}\n", credentials.secret_access_key())));
    let shown = format!("{server:?} {:?} {credentials:?}", server.master());
    assert!(!shown.contains(credentials.secret_access_key()) && !shown.contains(server.master().password()));
    Ok(())
}

async fn nothing_stays_behind<E: TestEngine>() -> Result {
    for runtime in [Runtime::Auto, Runtime::Process] {
        let server = Server::<E>::builder().runtime(runtime).start().await?;
        let (ca, dial) = (server.ca_path(), server.dial().to_string());
        assert!(ca.is_file());
        drop(server);
        assert!(!ca.exists());
        assert!(TcpStream::connect(dial).await.is_err());
    }
    Ok(())
}
