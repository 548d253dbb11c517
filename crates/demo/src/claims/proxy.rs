//! The claims about the path of the app: through an emulated RDS Proxy, which logs in to the database end to end by IAM, or, for
//! MySQL, by a secret too.

use anyhow::{Context as _, ensure};
use hyper::{Method, StatusCode};
use rds_iam_emulator_proxy::{Backend, Proxy, Secret, Settings};
use rds_iam_emulator_server::{LoginEvent, credentials, fixtures};
use rds_iam_sqlx::{Limits, Pool};
use rds_iam_token::{ErrorKind, LIFETIME};
use serde_json::json;
use tracing::info;

use crate::deployment::{APP_USER, DATABASE};
use crate::engine::Engine;
use crate::http;
use crate::platform::Platform;

/// The user of MySQL whose password is in a secret.
const SECRET_USER: &str = "secret_app";

/// Checks that the app's token is for the proxy, and the database's token by the proxy.
pub(super) async fn path<E: Engine>(platform: &Platform<E>) -> anyhow::Result<String> {
    let key = |logins: &[LoginEvent]| {
        let accepted = logins.iter().rfind(|login| login.user == APP_USER && login.accepted());
        accepted.and_then(|login| login.access_key_id.clone())
    };
    let at_proxy = key(&platform.proxy.logins()?).context("the proxy has no record of the app")?;
    let at_server = key(&platform.server.logins()?).context("the server has no record of the app's user")?;
    let (app, proxy) = (platform.server.credentials(), platform.proxy.endpoint());
    ensure!(at_proxy == app.access_key_id(), "the app's token was signed by {at_proxy}");
    ensure!(at_server != at_proxy, "the proxy logged in with the app's key");
    let stats = platform.proxy.stats();
    ensure!(stats.clients > 0 && stats.connections > 0, "no session is open: {stats:?}");
    Ok(format!(
        "{proxy}, emulated: {} of the app's sessions, {} of the database's, which were opened with tokens of the \
         proxy's own key; RDS Proxy would pin {}",
        stats.clients,
        stats.connections,
        stats.pinned.values().sum::<u64>(),
    ))
}

/// Tries tokens that have expired on the proxy's clock, and not on the database's.
pub(super) async fn refused<E: Engine>(platform: &Platform<E>) -> anyhow::Result<String> {
    let (server, proxy) = (&platform.server, &platform.proxy);
    let before = proxy.logins()?.len();
    let pool = Pool::<E>::builder(proxy.endpoint(), APP_USER)
        .credentials(server.credentials())
        .dial(proxy.dial())
        .root_certificates(proxy.ca_pem())
        .database(DATABASE)
        .limits(Limits::default().warm_connections(0));
    proxy.set_clock(i64::try_from(LIFETIME.as_secs())?)?;
    let connected = pool.connect().await;
    proxy.set_clock(0)?;
    let error = connected.err().context("the proxy let it in")?;
    ensure!(error.kind() == ErrorKind::Denied, "it failed otherwise: {error}");
    let logins = proxy.logins()?.split_off(before);
    let reason = logins.iter().find_map(LoginEvent::reason).context("the proxy has no record of it")?;
    ensure!(reason.contains("expired"), "refused, but not for that: {reason}");
    Ok(format!("{} to the client; the proxy's log: {reason}", E::REFUSED))
}

/// Starts the app once more, as a user with a password, which only another proxy has.
pub(super) async fn by_secret(platform: &Platform<sqlx::MySql>) -> anyhow::Result<String> {
    info!("starting a proxy that logs in by secret, and another app before it");
    let password = credentials::made_up_password()?;
    let server = &platform.server;
    let create = [
        format!(
            "CREATE USER {SECRET_USER}@'%' IDENTIFIED WITH caching_sha2_password BY '{password}' REQUIRE SSL"
        ),
        format!("GRANT SELECT, INSERT ON {DATABASE}.* TO {SECRET_USER}@'%'"),
    ];
    fixtures::execute(server, create).await?;
    let mut settings = Settings::before(server)?;
    let endpoint = format!("secret-proxy.proxy-c0ffee123456.{}.rds.amazonaws.com:3306", server.region());
    settings.endpoint = endpoint.parse()?;
    settings.backend = Backend::Secrets(vec![Secret::new(SECRET_USER, &password)]);
    let proxy = Proxy::start(settings).await?;
    let before = server.logins()?.len();

    let app = platform.start_app("/secret/database", SECRET_USER, &proxy).await?;
    let measured = async {
        let identity = app.identity().await?;
        let text = |field: &str| identity["database"][field].as_str().unwrap_or_default().to_owned();
        let (user, plugin) = (text("user"), text("plugin"));
        ensure!(user == format!("{SECRET_USER}@%"), "the session's user is {user:?}");
        ensure!(plugin == "caching_sha2_password", "the login is checked by {plugin:?}");
        let insert = format!("{}/api/insert", app.url);
        let message = json!({ "message": "through standard IAM" });
        let (status, answer) = http::ask(Method::POST, &insert, Some(&message)).await?;
        ensure!(status == StatusCode::CREATED, "{insert} answered {status}: {answer}");
        let accepted = proxy.logins()?.iter().filter(|login| login.accepted()).count();
        ensure!(accepted > 0, "the proxy has no record of the app's token");
        let by_token = server.logins()?.split_off(before);
        ensure!(!by_token.iter().any(|login| login.user == SECRET_USER), "a token was used at the database");
        ensure!(!app.log().contains(&password), "the password is in the app's log");
        Ok(format!(
            "{user}, {plugin}; {accepted} tokens accepted by the proxy, none at the database; a row written"
        ))
    };
    let measured = measured.await;
    app.end().await;
    measured
}
