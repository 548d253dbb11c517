//! Checks each claim of the demo on the running platform (login by IAM over TLS, stored data, no secret in settings
//! or logs, refused logins, recovery) and adds the measurement to the table.

mod postgres;
mod proxy;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use hyper::{Method, StatusCode};
use rds_iam_emulator_server::{LoginEvent, RefusalCode, fixtures};
use rds_iam_report::ErrorReport;
use rds_iam_sqlx::{Limits, Pool};
use rds_iam_token::{ErrorKind, LIFETIME};
use serde_json::json;
use tracing::info;

use crate::deployment::{ADMIN_USER, APP_USER};
use crate::engine::Engine;
use crate::http;
use crate::logins::{Wrong, attempt};
use crate::platform::{Platform, read};
use crate::table::Table;

/// The age of the app's first token at which it is made to expire: 15 seconds. Its successor then has that
/// much life left on the server's clock, less [`PAST_EXPIRY`].
const FIRST_TOKEN_AGE: u64 = 15;

/// The time since the first token has expired: 2 seconds.
const PAST_EXPIRY: u64 = 2;

/// The time limit for the app to serve again.
const RECOVERY: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(100);

/// The claims about an engine alone.
pub(crate) trait Claims: Engine {
    /// Checks them and adds them to the table.
    async fn prove_own(platform: &Platform<Self>, table: &mut Table);
}

impl Claims for sqlx::MySql {
    async fn prove_own(platform: &Platform<Self>, table: &mut Table) {
        let claim = "standard IAM: the app logs in to RDS Proxy by token, and that by a secret";
        table.add(claim, proxy::by_secret(platform).await);
    }
}

impl Claims for sqlx::Postgres {
    async fn prove_own(platform: &Platform<Self>, table: &mut Table) {
        postgres::prove(platform, table).await;
    }
}

/// Checks every claim and adds it to the table. A failed claim does not prevent the check of the others.
pub(crate) async fn prove<E: Claims>(platform: &mut Platform<E>, table: &mut Table) {
    info!("proving the claims");
    table.add("the app logs in by IAM token, over verified TLS", login(platform).await);
    table.add("its path is RDS Proxy, which logs in by a token of its own", proxy::path(platform).await);
    table.add("a server with another authority's certificate gets no token", stranger(platform).await);
    table.add("a row is written and read back", row(platform).await);
    table.add("no password or token in the app's settings, files or log", no_secret(platform).await);
    table.add("a second bootstrap run changes nothing", bootstrap(platform).await);
    table.add(
        "a good token is let in (or the refusals below would show nothing)",
        attempt(&platform.server, Wrong::Nothing).await,
    );
    for (claim, wrong) in [
        ("refused: an expired token", Wrong::Expired),
        ("refused: another user's token", Wrong::OtherUser),
        ("refused: a token for another host", Wrong::OtherHost),
        ("refused: a tampered token", Wrong::Tampered),
        ("refused: a plain password", Wrong::Password),
        ("refused: an unencrypted connection", Wrong::Unencrypted),
    ] {
        table.add(claim, attempt(&platform.server, wrong).await);
    }
    table.add("refused by the proxy: an expired token", proxy::refused(platform).await);
    E::prove_own(platform, table).await;
    table.add("every connection killed, the first token expired: it serves again", recovery(platform).await);
}

async fn login<E: Engine>(platform: &Platform<E>) -> anyhow::Result<String> {
    let identity = platform.app.identity().await?;
    let text = |field: &str| identity["database"][field].as_str().unwrap_or_default().to_owned();
    let (user, plugin, cipher, version) = (text("user"), text("plugin"), text("cipher"), text("tls_version"));
    ensure!(user == E::SESSION_USER, "the session's user is {user:?}");
    ensure!(plugin == E::CHECKED_BY, "the login is checked by {plugin:?}");
    ensure!(version.starts_with("TLSv1.") && !cipher.is_empty(), "TLS is {version:?}, the cipher {cipher:?}");
    let logins = platform.server.logins()?;
    let accepted = logins.iter().filter(|l| l.user == APP_USER && l.accepted()).count();
    ensure!(accepted > 0, "the server has no record of a token accepted from {APP_USER}");
    Ok(format!("{user}, {plugin}, {version} {cipher}; {accepted} tokens accepted"))
}

/// Connects with the app's own pool and trust roots other than the server's, as a user that no other test
/// uses.
async fn stranger<E: Engine>(platform: &Platform<E>) -> anyhow::Result<String> {
    let server = &platform.server;
    let before = server.logins()?.len();
    let tokens = fixtures::tokens(server, ADMIN_USER);
    let roots = rds_iam_roots::Roots::bundled().pem();
    let pool = Pool::<E>::builder(server.endpoint(), ADMIN_USER)
        .tokens(tokens)
        .dial(server.dial())
        .root_certificates(roots)
        .limits(Limits::default().warm_connections(0));
    let error = pool
        .connect()
        .await
        .err()
        .context("it connected although RDS's roots did not sign the certificate")?;
    ensure!(error.kind() == ErrorKind::Tls, "it failed otherwise: {}", ErrorReport(&error));
    let after = server.logins()?;
    ensure!(!after[before..].iter().any(|l| l.user == ADMIN_USER), "a token was sent all the same");
    Ok(format!("{error}"))
}

async fn row<E: Engine>(platform: &Platform<E>) -> anyhow::Result<String> {
    let message = format!("Grüße aus der Demo 👋 <{}>", std::process::id());
    let insert = format!("{}/api/insert", platform.app.url);
    let (status, answer) = http::ask(Method::POST, &insert, Some(&json!({ "message": message }))).await?;
    ensure!(status == StatusCode::CREATED, "{insert} answered {status}: {answer}");
    let page = http::json(&format!("{}/api/messages", platform.app.url)).await?;
    let found = page["messages"]
        .as_array()
        .and_then(|rows| rows.iter().find(|row| row["message"] == message.as_str()));
    let id = &found.context("the row is not among the ten latest")?["id"];
    let (status, html) = http::ask(Method::GET, &platform.app.url, None).await?;
    ensure!(
        status == StatusCode::OK && html.contains("Grüße aus der Demo 👋"),
        "the page does not show it ({status})"
    );
    ensure!(!html.contains(&message), "the page shows it unescaped");
    Ok(format!("row {id}, in the API and, escaped, on the page"))
}

/// Searches all places that could contain a secret.
async fn no_secret<E: Engine>(platform: &Platform<E>) -> anyhow::Result<String> {
    let pid = platform.app.pid().context("the app has ended")?;
    let process = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        std::fs::read(&path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .with_context(|| format!("reading {path}"))
    };
    let identity = platform.app.identity().await?.to_string();
    let places = [
        ("the app's environment", process("environ")?),
        ("the app's command line", process("cmdline")?),
        ("the app's log", platform.app.log()),
        ("rds.conf", read(platform.conf_file())?),
        ("/api/identity", identity),
    ];
    let credentials = platform.server.credentials();
    let secrets = [
        ("the master's password", platform.server.master().password()),
        ("the secret access key", credentials.secret_access_key()),
        ("the session token", credentials.session_token().unwrap_or("X-Amz-Security-Token")),
        ("a token", "X-Amz-Signature"),
    ];
    for (place, text) in &places {
        ensure!(!text.is_empty(), "{place} is empty, so a search in it shows nothing");
        for (what, secret) in secrets {
            ensure!(!text.contains(secret), "{what} is in {place}");
        }
    }
    Ok(format!("{} places searched", places.len()))
}

async fn bootstrap<E: Engine>(platform: &Platform<E>) -> anyhow::Result<String> {
    // Exits with 2 if there is anything to do.
    platform.bootstrap.run(&["--check"]).await?;
    let report: serde_json::Value = serde_json::from_str(&platform.bootstrap.run(&["--json"]).await?)?;
    let actions = report["actions"].as_array().context("the report has no actions")?;
    ensure!(actions.is_empty(), "it did: {}", report["actions"]);
    Ok("no drift found, nothing done, users verified".into())
}

/// Moves the proxy's clock to just after the end of the app's first token and kills every connection to the database, which
/// ends the app's sessions.
///
/// The app does not notice: by its clock the token is valid for another 14 minutes, and the token that it
/// signs instead really is valid on the proxy's clock, for the few seconds that it needs.
async fn recovery<E: Engine>(platform: &mut Platform<E>) -> anyhow::Result<String> {
    info!("waiting until the app's first token is {FIRST_TOKEN_AGE} s old");
    let age = loop {
        let age =
            platform.app.identity().await?["token"]["age_seconds"].as_u64().context("no token's age")?;
        if age >= FIRST_TOKEN_AGE {
            break age;
        }
        tokio::time::sleep(POLL).await;
    };
    let pid = platform.app.pid();
    let before = platform.proxy.logins()?.len();
    platform.proxy.set_clock(i64::try_from(LIFETIME.as_secs() - age + PAST_EXPIRY)?)?;
    let killed = platform.server.cut_connections().await?;
    let served = tokio::time::timeout(RECOVERY, serves_with_another_token(platform, before)).await;
    // Later tokens are signed by the real time.
    platform.proxy.set_clock(0)?;
    let identity = served.context("it did not serve again within 10 s")??;

    ensure!(platform.app.pid() == pid && pid.is_some(), "the app is not the same process any more");
    let logins = platform.proxy.logins()?.split_off(before);
    let expired = logins.iter().find(|l| l.user == APP_USER && l.code() == Some(RefusalCode::ExpiredToken));
    let reason =
        expired.and_then(LoginEvent::reason).context("the first token was not refused as expired")?;
    ensure!(killed > 0, "no connection was there to be killed");
    Ok(format!(
        "{killed} killed; the proxy: {reason}; then a new token, {} s old, was let in",
        identity["token"]["age_seconds"]
    ))
}

async fn serves_with_another_token<E: Engine>(
    platform: &Platform<E>,
    before: usize,
) -> anyhow::Result<serde_json::Value> {
    loop {
        let identity = platform.app.identity().await;
        let logins = platform.proxy.logins()?.split_off(before);
        let let_in = logins.iter().any(|l| l.user == APP_USER && l.accepted());
        match identity {
            Ok(identity) if let_in => {
                let (status, _) = http::ask(Method::GET, &platform.app.url, None).await?;
                ensure!(status == StatusCode::OK, "the page answered {status}");
                return Ok(identity);
            }
            _ => tokio::time::sleep(POLL).await,
        }
    }
}
