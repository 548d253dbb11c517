//! A server with one application user, and pools on it.

use std::time::Duration;

use rds_iam_emulator_server::MySql;
use rds_iam_emulator_server::fixtures::{self, SkewedClock};
use rds_iam_sqlx::{Builder, Limits, MySqlPool, Target};
use rds_iam_token::{Endpoint, Login, Minter, TokenSource};

pub(crate) const DATABASE: &str = "shop";

pub(crate) async fn server() -> MySql {
    let mysql = MySql::builder().database(DATABASE).start().await.expect("a server starts");
    fixtures::create_user(&mysql, "app", "SELECT, INSERT ON shop.*").await.unwrap();
    fixtures::execute(&mysql, ["CREATE TABLE shop.t (id INT PRIMARY KEY)"]).await.unwrap();
    mysql
}

pub(crate) fn target(mysql: &MySql, dial: &Endpoint) -> Target {
    Target::new(mysql.endpoint().clone(), mysql.ca_pem()).dial(dial.clone())
}

pub(crate) fn login(mysql: &MySql) -> Login {
    fixtures::login(mysql, "app")
}

pub(crate) fn tokens(mysql: &MySql, time: &SkewedClock) -> TokenSource {
    TokenSource::refresh_ahead(Minter::new(login(mysql), mysql.credentials(), time.clock()))
}

/// Limits that do nothing in the background, so that a test sees only what it did itself.
pub(crate) fn quiet() -> Limits {
    Limits::default().warm_connections(0).acquire_timeout(Duration::from_secs(20))
}

/// Settings of a pool that logs in with `tokens`.
pub(crate) fn builder(mysql: &MySql, tokens: TokenSource, limits: Limits) -> Builder<sqlx::MySql> {
    MySqlPool::builder(mysql.endpoint(), "app")
        .tokens(tokens)
        .dial(mysql.dial())
        .root_certificates(mysql.ca_pem())
        .database(DATABASE)
        .limits(limits)
}

pub(crate) fn pool(mysql: &MySql, time: &SkewedClock, dial: &Endpoint, limits: Limits) -> MySqlPool {
    builder(mysql, tokens(mysql, time), limits).dial(dial).connect_lazy().unwrap()
}
