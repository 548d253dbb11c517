//! Pools of a configuration, without a server: names, defaults, caches and shared identities.

use std::io::Write;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use rds_iam_token::{ErrorKind, Token};

use super::super::Databases;
use crate::error::Error;
use crate::{MySqlPool, PgPool};

const HOST: &str = "orders.c0ffee.eu-west-1.rds.amazonaws.com";

/// Two connections to one endpoint as one user, one as another user, and one to another endpoint.
fn databases() -> Databases {
    let connection = |name: &str, host: &str, user: &str| {
        format!(
            "    {name}:\n      dsn: mysql://{user}:hunter2@{host}/{name}\n      aws_iam_auth: {{enabled: true}}\n"
        )
    };
    let text = [
        "database:\n  connections:\n".to_owned(),
        connection("writer", HOST, "app"),
        connection("reports", HOST, "app"),
        connection("admin", HOST, "admin"),
        connection("reader", "orders-ro.c0ffee.eu-west-1.rds.amazonaws.com", "app"),
    ];
    let key = Credentials::new("AKIDEXAMPLE", "not-a-real-secret", None, None, "test");
    let mut databases = Databases::from_yaml(&text.concat(), "database.yaml").unwrap().credentials(key);
    for name in ["writer", "reports", "admin", "reader"] {
        // Nothing listens there.
        databases = databases.dial(name, "127.0.0.1:1").unwrap();
    }
    databases
}

async fn token(databases: &Databases, name: &str) -> Token {
    let pool: MySqlPool = databases.get(name).unwrap();
    pool.tokens().token().await.unwrap()
}

fn cause(result: Result<MySqlPool, Error>) -> String {
    let error = result.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.to_string()
}

#[tokio::test]
async fn both_engines_in_one_configuration() {
    let connection = |name: &str, scheme: &str| {
        format!(
            "    {name}:\n      dsn: {scheme}://app@{HOST}/{name}\n      aws_iam_auth: {{enabled: true}}\n"
        )
    };
    let text = [
        "database:\n  default: shop\n  connections:\n".to_owned(),
        connection("shop", "mysql"),
        connection("reports", "postgresql"),
    ];
    let key = Credentials::new("AKIDEXAMPLE", "not-a-real-secret", None, None, "test");
    let databases = Databases::from_yaml(&text.concat(), "database.yaml").unwrap().credentials(key);
    let shop: MySqlPool = databases.get_default().unwrap();
    let reports: PgPool = databases.get("reports").unwrap();
    let ports = [shop.tokens(), reports.tokens()].map(|tokens| tokens.login().endpoint.port());
    assert_eq!(ports, [3306, 5432], "each engine's own");
    // Each is of its own engine alone, also after it was built.
    assert!(
        cause(databases.get("reports"))
            .contains("reports has the driver postgres, and the pool is for MySQL")
    );
    let wrong = databases.get::<sqlx::Postgres>("shop").unwrap_err().to_string();
    assert!(wrong.contains("shop has the driver mysql, and the pool is for PostgreSQL"), "{wrong}");
}

#[tokio::test]
async fn connections_of_one_login_share_their_tokens() {
    let databases = databases();
    let writer = token(&databases, "writer").await;
    assert!(writer.is_same(&token(&databases, "reports").await));
    assert!(!writer.is_same(&token(&databases, "admin").await));
    assert!(!writer.is_same(&token(&databases, "reader").await));
    assert!(writer.is_same(&token(&databases.clone(), "writer").await), "clones share the pools");
}

#[tokio::test]
async fn a_pool_is_built_once_and_again_after_it_was_closed() {
    let databases = databases();
    let first: MySqlPool = databases.get("writer").unwrap();
    let second: MySqlPool = databases.get("writer").unwrap();
    first.close().await;
    assert!(second.sqlx().is_closed(), "a clone");
    let third: MySqlPool = databases.get("writer").unwrap();
    assert!(!third.sqlx().is_closed());
}

#[tokio::test]
async fn a_changed_setting_shares_no_pools_with_earlier_clones() {
    let databases = databases();
    let before = token(&databases, "writer").await;
    let key = Credentials::new("AKIDOTHER", "another-made-up-secret", None, None, "test");
    assert!(!before.is_same(&token(&databases.clone().credentials(key), "writer").await));
    let roots = cause(databases.clone().root_certificates("none").get("writer"));
    assert!(roots.contains("root_certificates: "), "{roots}");
    let dial = cause(databases.clone().dial("writer", "127.0.0.1:x").unwrap().get("writer"));
    assert!(dial.contains("dial: "), "{dial}");
    assert!(before.is_same(&token(&databases, "writer").await));
}

#[tokio::test]
async fn a_wrong_name_lists_the_connections() {
    let databases = databases();
    let list = "use one of writer, reports, admin, reader";
    assert!(cause(databases.get("write")).contains(list));
    assert!(databases.dial("write", "127.0.0.1").unwrap_err().to_string().contains(list));
    let databases = self::databases();
    assert!(cause(databases.get_default()).contains("there is no default: add the key default"));
    let only = "database:\n  connections:\n    a:\n      dsn: mysql://u@h\n      aws_iam_auth: {enabled: true, region: cn-north-1}\n";
    let only = Databases::from_yaml(only, "database.yaml").unwrap();
    let roots = cause(only.get_default());
    assert!(roots.contains("root_certificates: ") && roots.contains("(connection a)"), "{roots}");
}

#[tokio::test]
async fn nothing_shown_has_a_dsn() {
    let databases = databases();
    let pool: MySqlPool = databases.get("writer").unwrap();
    let builder = databases.builder::<sqlx::MySql>("reader").unwrap();
    let shown = format!("{databases:?} {pool:?} {builder:?} {:?}", databases.configuration);
    assert!(!shown.contains("hunter2") && !shown.contains("not-a-real-secret"), "{shown}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_dropped_password_is_warned_of_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let databases = databases();
    for _ in 0..2 {
        drop(databases.builder::<sqlx::MySql>("writer").unwrap());
        drop::<MySqlPool>(databases.get("writer").unwrap());
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("read the connection string").count(), 4, "{log}");
    assert_eq!(log.matches("has a password, which is not used").count(), 4, "one of each connection: {log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_at_the_same_time_get_one_pool() {
    let databases = databases();
    let pools: Vec<MySqlPool> = {
        let tasks = (0..64).map(|_| {
            let databases = databases.clone();
            tokio::spawn(async move { databases.get("writer").unwrap() })
        });
        let tasks: Vec<_> = tasks.collect();
        let mut pools = Vec::new();
        for task in tasks {
            pools.push(task.await.unwrap());
        }
        pools
    };
    pools[0].close().await;
    assert!(pools.iter().all(|pool| pool.sqlx().is_closed()));
}
