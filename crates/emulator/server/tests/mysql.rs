//! Tests of `MySql` alone, in the default runtime: TLS, accounts, the request for a token.

mod common;

use rds_iam_emulator_server::{AuthSwitch, MySql, fixtures, only};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{ConnectOptions, Connection, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::common::{Result, TestEngine as _, token};

only!(
    mysql,
    "the number of the refusal, and that no attribute of the account is its cause; postgres.rs has PostgreSQL's messages",
    [an_unencrypted_connection_is_refused],
    "accounts with plugins, hosts and MySQL's privileges",
    [accounts_are_rds_like],
    "PostgreSQL asks for a token by a message without variants",
    [clients_get_in_whatever_comes_with_the_request_for_a_token],
);

/// Returns a server with the database `shop` and the IAM user `app`.
async fn server() -> Result<MySql> {
    let mysql = MySql::builder().database("shop").start().await?;
    fixtures::create_user(&mysql, "app", "SELECT, INSERT ON shop.*").await?;
    Ok(mysql)
}

fn as_master(mysql: &MySql) -> MySqlConnectOptions {
    let master = mysql.master();
    fixtures::login_options(mysql, master.username(), master.password())
}

fn as_app(mysql: &MySql, token: &str) -> MySqlConnectOptions {
    fixtures::login_options(mysql, "app", token)
}

/// Returns the MySQL error number of a refused connection.
fn number(result: sqlx::Result<MySqlConnection>) -> u16 {
    let error = result.expect_err("the login is refused");
    sqlx::MySql::code(&error).and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{error:?}"))
}

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
        let network = fixtures::login_options(&mysql, user, "");
        assert!([1045, 1130].contains(&number(network.connect().await)), "{user:?}");
    }
    let databases: Vec<String> = sqlx::query_scalar("SHOW DATABASES").fetch_all(&mut master).await?;
    assert!(databases.contains(&"shop".into()));
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

async fn clients_get_in_whatever_comes_with_the_request_for_a_token() -> Result {
    let mysql = server().await?;
    for (form, length) in [(None, 0), (Some(AuthSwitch::Scramble), 21), (Some(AuthSwitch::Empty), 0)] {
        form.map_or(Ok(()), |form| mysql.set_auth_switch(form))?;
        assert_eq!(auth_switch(&mysql).await?.len(), length, "{form:?}");
        as_app(&mysql, &token(&mysql)?).connect().await?.close().await?;
    }
    Ok(())
}
