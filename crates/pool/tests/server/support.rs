//! A server with one application user, and pools on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use rds_iam_emulator_server::MySql;
use rds_iam_pool::{Credential, Limits, Pool, Target, connect};
use rds_iam_token::{Clock, Endpoint, Login, Minter, TokenSource};
use sqlx::Executor as _;

pub(crate) const DATABASE: &str = "shop";

/// The machine's clock, some seconds off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Off(Arc<AtomicI64>);

impl Off {
    pub(crate) fn by(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl TimeSource for Off {
    fn now(&self) -> SystemTime {
        let now = SharedTimeSource::default().now();
        let seconds = self.0.load(Ordering::SeqCst);
        let by = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { now - by } else { now + by }
    }
}

pub(crate) async fn server() -> MySql {
    let mysql = MySql::builder().database(DATABASE).start().await.expect("a server starts");
    let master = mysql.master();
    let user = master.username().parse().unwrap();
    let mut session =
        connect(&target(&mysql, mysql.dial()), &user, Credential::Password(master.password())).await.unwrap();
    for statement in [
        "CREATE USER 'app'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL",
        "GRANT SELECT, INSERT ON `shop`.* TO 'app'@'%'",
        "CREATE TABLE shop.t (id INT PRIMARY KEY)",
    ] {
        session.execute(statement).await.unwrap();
    }
    mysql
}

pub(crate) fn target(mysql: &MySql, dial: &Endpoint) -> Target {
    Target::new(mysql.endpoint().clone(), mysql.ca_pem()).dial(dial.clone())
}

pub(crate) fn login(mysql: &MySql) -> Login {
    Login::new(mysql.endpoint().clone(), mysql.region().clone(), "app".parse().unwrap())
}

pub(crate) fn tokens(mysql: &MySql, time: &Off) -> TokenSource {
    let clock = Clock::new(time.clone(), TokioSleep::new());
    TokenSource::refresh_ahead(Minter::new(login(mysql), mysql.credentials(), clock))
}

/// Limits that do nothing in the background, so that a test sees only what it did itself.
pub(crate) fn quiet() -> Limits {
    Limits { warm_connections: 0, acquire_timeout: Duration::from_secs(20), ..Limits::default() }
}

pub(crate) fn pool(mysql: &MySql, time: &Off, dial: &Endpoint, limits: Limits) -> Pool {
    Pool::lazy(tokens(mysql, time), target(mysql, dial).database(DATABASE), limits).unwrap()
}

/// Waits, for a bounded time, until `done`.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .unwrap_or_else(|_| panic!("{what} within 30 s"));
}
