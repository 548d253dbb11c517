//! Tests of the router with a server of each engine that checks IAM tokens: messages, pages, identity, readiness, lost
//! connections, throttled and refused logins, and no secret in the log.

mod common;
#[path = "common/engine.rs"]
mod engine;

use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use rds_iam_app::{AppState, Permit};
use rds_iam_emulator_server::fixtures::{self, APP_DATABASE, APP_USER, until};
use rds_iam_emulator_server::{Server, on_each_engine, only};
use rds_iam_report::log::{self, Format};
use rds_iam_sqlx::{Limits, Pool};
use rds_iam_token::{Clock, Endpoint, Login, Minter, TokenSource};
use sqlx::Row;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

use common::{form, get, post_json, send};
use engine::TestEngine;

on_each_engine![
    #[tokio::test]
    what_is_written_is_read_back,
    pages,
    identity,
    a_missing_table_is_reported_with_its_fix,
    cut_connections_and_a_refused_token_go_unnoticed,
    a_database_that_comes_back_is_used_again,
    throttled_logins_are_busy_not_denied,
    a_refused_login_is_logged_with_what_permits_it_and_no_secret_is,
];

only!(
    #[tokio::test]
    mysql,
    "MySQL counts statements by their kind; PostgreSQL counts transactions of all sessions together, and late",
    [identity_is_asked_once_a_second]
);

/// How long requests wait for a connection where it is not what a test is about: longer than a login takes on a busy machine.
const PATIENT: Duration = Duration::from_secs(20);
/// How long requests wait for a connection that they do not get.
const BRIEF: Duration = Duration::from_secs(2);

/// Returns a server with the database and the user, and without the table.
async fn bare_server<DB: TestEngine>() -> Server<DB> {
    LazyLock::force(&LOG);
    DB::bare_server().await
}

async fn server<DB: TestEngine>() -> Server<DB> {
    let server = bare_server().await;
    fixtures::create_app_tables(&server).await.unwrap();
    server
}

fn app<DB: TestEngine>(server: &Server<DB>) -> Router {
    app_at(server, server.dial(), PATIENT)
}

/// Returns the routes of both ports together; they have no common path.
fn app_at<DB: TestEngine>(server: &Server<DB>, dial: &Endpoint, acquire_timeout: Duration) -> Router {
    let state = state_at(server, dial, acquire_timeout);
    rds_iam_app::management_router(state.clone()).fallback_service(rds_iam_app::router(state))
}

fn state_at<DB: TestEngine>(server: &Server<DB>, dial: &Endpoint, acquire_timeout: Duration) -> AppState {
    let tokens =
        TokenSource::refresh_ahead(Minter::new(login(server), server.credentials(), Clock::system()));
    let pool = Pool::<DB>::builder(server.endpoint(), APP_USER)
        .tokens(tokens)
        .dial(dial)
        .root_certificates(server.ca_pem())
        .database(APP_DATABASE)
        .limits(Limits::default().acquire_timeout(acquire_timeout))
        .connect_lazy();
    AppState::new(DB::database(pool.unwrap()), permit(server))
}

fn login<DB: TestEngine>(server: &Server<DB>) -> Login {
    Login::new(server.endpoint().clone(), server.region().clone(), APP_USER.parse().unwrap())
}

/// Returns what permits the service's login.
fn permit<DB: TestEngine>(server: &Server<DB>) -> Permit {
    Permit::new(DB::ENGINE, login(server), APP_DATABASE.parse().unwrap())
}

async fn what_is_written_is_read_back<DB: TestEngine>() {
    let server = server::<DB>().await;
    let app = app(&server);
    assert!(get(&app, "/").await.text.contains("Nothing here yet."));

    for message in [
        "plain",
        "日本語, العربية, 🦀 and e\u{301}",
        "<script>alert('x')</script>",
        "'; DROP TABLE messages; --",
    ] {
        let created =
            post_json(&app, serde_json::json!({ "message": format!("  {message} ") }).to_string()).await;
        assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
        assert_eq!(created.json()["message"], message);
        let latest = get(&app, "/api/messages?limit=1").await.json();
        assert_eq!(latest["messages"][0], created.json(), "the row is what was answered");
    }
    let longest = "🦀".repeat(1000);
    let created = post_json(&app, serde_json::json!({ "message": longest }).to_string()).await;
    assert_eq!(created.json()["message"], longest);

    let sent = send(&app, form("message=from+the+form+%26+back")).await;
    assert_eq!((sent.status, sent.header("location")), (StatusCode::SEE_OTHER, "/"));
    let page = get(&app, "/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text.contains(&format!("<p>Stored in {}.", DB::NAME)), "{}", page.text);
    assert!(page.text.contains("from the form &#38; back"), "{}", page.text);
    assert!(page.text.contains("日本語"), "{}", page.text);
    assert!(!page.text.contains("<script>"), "{}", page.text);
    assert!(page.text.contains("&#60;script&#62;"), "{}", page.text);
    assert!(page.text.find("from the form") < page.text.find("plain"), "newest first");
}

async fn pages<DB: TestEngine>() {
    let server = server::<DB>().await;
    let app = app(&server);
    for number in 1..=25 {
        post_json(&app, format!(r#"{{"message":"message {number}"}}"#)).await;
    }
    let mut pages = Vec::new();
    let mut path = "/api/messages?limit=10".to_owned();
    let sizes = loop {
        let page = get(&app, &path).await.json();
        let messages = page["messages"].as_array().unwrap();
        pages.push(messages.iter().map(|m| m["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
        let Some(next) = page["next"].as_u64() else { break pages.iter().map(Vec::len).collect::<Vec<_>>() };
        path = format!("/api/messages?limit=10&before={next}");
    };
    assert_eq!(sizes, [10, 10, 5]);
    let expected: Vec<_> = (1..=25).rev().map(|number| format!("message {number}")).collect();
    assert_eq!(pages.concat(), expected);
    // A full last page has no next, and there is nothing before the first message.
    assert!(get(&app, "/api/messages?limit=25").await.json()["next"].is_null());
    assert_eq!(get(&app, "/api/messages?before=1").await.json()["messages"].as_array().unwrap().len(), 0);
    assert_eq!(get(&app, "/").await.text.matches("<li>").count(), 10);
}

async fn identity<DB: TestEngine>() {
    let server = server::<DB>().await;
    let answer = get(&app(&server), "/api/identity").await;
    let identity = answer.json();
    assert_eq!(identity["database"]["engine"], DB::ENGINE.to_string());
    assert_eq!(identity["database"]["user"], DB::SESSION_USER);
    assert_eq!(identity["database"]["plugin"], DB::PLUGIN);
    assert!(identity["database"]["cipher"].as_str().unwrap().starts_with("TLS_"), "{identity}");
    assert!(identity["database"]["tls_version"].as_str().unwrap().starts_with("TLSv1."), "{identity}");
    let (age, left) = (&identity["token"]["age_seconds"], &identity["token"]["remaining_seconds"]);
    assert!((898..=900).contains(&(age.as_u64().unwrap() + left.as_u64().unwrap())), "{identity}");
    assert_eq!(identity["pool"]["max"], 10);
    assert!(!answer.text.contains("X-Amz"), "{}", answer.text);
}

async fn identity_is_asked_once_a_second() {
    const REQUESTS: u64 = 20;
    let mysql = server::<sqlx::MySql>().await;
    let app = app(&mysql);
    let asked = async || {
        let status = sqlx::raw_sql("SHOW GLOBAL STATUS LIKE 'Com_show_create_user'");
        let row = status.fetch_one(&mut fixtures::as_master(&mysql).await.unwrap()).await.unwrap();
        row.get::<String, _>(1).parse::<u64>().unwrap()
    };
    let before = asked().await;
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..REQUESTS {
        let app = app.clone();
        requests.spawn(async move { get(&app, "/api/identity").await.status });
    }
    assert!(requests.join_all().await.iter().all(|status| *status == StatusCode::OK));
    let times = asked().await - before;
    assert!(
        (1..REQUESTS / 2).contains(&times),
        "{REQUESTS} requests at once asked the database {times} times"
    );
}

async fn a_missing_table_is_reported_with_its_fix<DB: TestEngine>() {
    let server = bare_server::<DB>().await;
    let app = app(&server);
    let ready = get(&app, "/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    insta::allow_duplicates! {
        insta::assert_snapshot!(ready.text, @r#"{"ready":false,"kind":"configuration","detail":"The table `messages` is missing: run rds-iam-bootstrap with this app's schema."}"#);
    }
    assert_eq!(get(&app, "/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    fixtures::create_app_tables(&server).await.unwrap();
    assert_eq!(get(&app, "/").await.status, StatusCode::OK);
    until("ready", async || get(&app, "/readyz").await.status == StatusCode::OK).await;
}

async fn cut_connections_and_a_refused_token_go_unnoticed<DB: TestEngine>() {
    let server = server::<DB>().await;
    let app = app(&server);
    post_json(&app, r#"{"message":"before"}"#).await;
    for path in ["/", "/api/messages", "/api/identity", "/readyz"] {
        assert!(server.cut_connections().await.unwrap() > 0);
        let answer = get(&app, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    }
    // A token signed again within the same second would be equal.
    let age = async || get(&app, "/api/identity").await.json()["token"]["age_seconds"].as_u64();
    until("the token is not of this second", async || age().await >= Some(2)).await;
    server.refuse_next(1).unwrap();
    server.cut_connections().await.unwrap();
    assert_eq!(get(&app, "/").await.status, StatusCode::OK);
    assert_eq!(post_json(&app, r#"{"message":"after"}"#).await.status, StatusCode::CREATED);
}

async fn a_database_that_comes_back_is_used_again<DB: TestEngine>() {
    let server = server::<DB>().await;
    let app = app_at(&server, server.dial(), BRIEF);
    assert_eq!(get(&app, "/").await.status, StatusCode::OK);
    server.stop().await.unwrap();
    let answer = get(&app, "/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&app, "/livez").await.status, StatusCode::OK);
    assert_eq!(get(&app, "/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    server.restart().await.unwrap();
    until("served again", async || get(&app, "/").await.status == StatusCode::OK).await;
    until("ready again", async || get(&app, "/readyz").await.status == StatusCode::OK).await;
}

async fn throttled_logins_are_busy_not_denied<DB: TestEngine>() {
    let server = server::<DB>().await;
    let relay = server.relay().await.unwrap();
    DB::throttle(&server, &relay, u32::MAX);
    let app = app_at(&server, relay.dial(), BRIEF);
    let answer = get(&app, "/api/messages").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "5");
    assert!(answer.text.contains("Try again a little later."), "{}", answer.text);
    let ready = get(&app, "/readyz").await.json();
    assert!(["throttled", "unreachable"].contains(&ready["kind"].as_str().unwrap()), "{ready}");
    DB::throttle(&server, &relay, 0);
    until("served", async || get(&app, "/").await.status == StatusCode::OK).await;
}

async fn a_refused_login_is_logged_with_what_permits_it_and_no_secret_is<DB: TestEngine>() {
    let server = server::<DB>().await;
    server.allow_users(["another_user"]).unwrap();
    let app = app(&server);
    let request = async || {
        let refused = Request::get("/").header("host", "a").header("x-request-id", "refused-1");
        send(&app, refused.body(Body::empty()).unwrap()).await
    };
    // PostgreSQL also refuses logins while it restarts: the pool has the first refusal confirmed.
    let mut answer = request().await;
    until("denied", async || {
        let is_denied = answer.header("retry-after") == "30";
        if !is_denied {
            answer = request().await;
        }
        is_denied
    })
    .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.text.contains("denied"), "{}", answer.text);
    assert_eq!(get(&app, "/readyz").await.json()["kind"], "denied");

    server.allow_users(["node_app"]).unwrap();
    until("served", async || get(&app, "/").await.status == StatusCode::OK).await;
    post_json(&app, r#"{"message":"logged?"}"#).await;
    get(&app, "/api/identity").await;

    // Everything that any crate logged in this process, at any level.
    let log = LOG.text();
    let permit = permit(&server).for_code(Some(DB::refused())).unwrap();
    let field = format!("\"permit\":{}", serde_json::json!(permit));
    let line = log.lines().find(|line| line.contains("refused-1") && line.contains(&field));
    let line = line.unwrap_or_else(|| panic!("no line has what permits the login"));
    for part in [&*DB::refused().to_string(), "rds-db:connect", "denied"] {
        assert!(line.contains(part), "{part} not in {line}");
    }
    // A reader pastes it from the text format.
    let text = TEXT_LOG.text();
    assert!(text.contains(&format!("permit={permit}")), "{text}");
    let credentials = server.credentials();
    for secret in [
        "X-Amz-Signature=",
        credentials.secret_access_key(),
        credentials.session_token().unwrap_or("X-Amz-Signature="),
        server.master().password(),
    ] {
        assert!(!log.contains(secret), "a secret was logged: {:?}", log.lines().find(|l| l.contains(secret)));
    }
}

/// The log of this process, at every level.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let lines = tracing_subscriber::fmt::layer().json().with_writer(log.clone());
    let text = log::layer(Format::Text, "info", TEXT_LOG.clone(), false);
    tracing_subscriber::registry().with(text).with(lines).try_init().unwrap();
    log
});

/// The log of this process in the text format.
static TEXT_LOG: LazyLock<Log> = LazyLock::new(Log::default);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
