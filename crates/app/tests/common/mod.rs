//! Helpers for tests in this process: application state with an unreachable database, listeners, requests and
//! complete responses.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::SocketAddr;
use std::time::Duration;

use aws_credential_types::Credentials;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use rds_iam_app::{AppState, Database, Listeners, Permit};
use rds_iam_infra::Engine;
use rds_iam_roots::Roots;
use rds_iam_sqlx::{Limits, Pool};
use rds_iam_token::{Clock, Endpoint, Login, Minter, TokenSource};
use tokio::net::TcpListener;
use tower::ServiceExt;

pub(crate) const KEY: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "a-secret-that-must-not-show";
pub(crate) const SESSION: &str = "a-session-token-that-must-not-show";

/// Returns state over a pool whose server refuses every connection.
pub(crate) async fn state() -> AppState {
    state_of::<sqlx::MySql>(Engine::MySql).await
}

/// Returns state over a pool of PostgreSQL whose server refuses every connection.
pub(crate) async fn postgres_state() -> AppState {
    state_of::<sqlx::Postgres>(Engine::Postgres).await
}

async fn state_of<DB: rds_iam_sqlx::Engine>(engine: Engine) -> AppState
where
    Pool<DB>: Into<Database>,
{
    // A port that was just free and is closed again.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial: Endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
    drop(listener);
    let login = Login::new(
        format!("orders.c0ffee.eu-west-1.rds.amazonaws.com:{}", engine.default_port()).parse().unwrap(),
        "eu-west-1".parse().unwrap(),
        "node_app".parse().unwrap(),
    );
    let permit = Permit::new(engine, login.clone(), "node_db".parse().unwrap());
    let credentials = Credentials::new(KEY, SECRET, Some(SESSION.into()), None, "test");
    let tokens = TokenSource::lazy(Minter::new(login, credentials, Clock::system()));
    let pool = Pool::<DB>::builder(&tokens.login().endpoint, &tokens.login().user)
        .tokens(tokens.clone())
        .dial(dial)
        .root_certificates(Roots::bundled().pem())
        .database("node_db")
        .limits(Limits::default().acquire_timeout(Duration::from_millis(500)))
        .connect_lazy();
    AppState::new(pool.unwrap(), permit)
}

/// Returns listeners on any free ports, and the public address.
pub(crate) async fn listeners() -> (Listeners, SocketAddr) {
    let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listeners = Listeners { public: bind().await, management: bind().await };
    let address = listeners.public.local_addr().unwrap();
    (listeners, address)
}

/// A complete response.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

pub(crate) async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, text }
}

pub(crate) async fn get(app: &Router, path: &str) -> Answer {
    send(app, Request::get(path).header("host", "board.example.com").body(Body::empty()).unwrap()).await
}

pub(crate) async fn post_json(app: &Router, body: impl Into<Body>) -> Answer {
    let request = Request::post("/api/insert")
        .header("host", "board.example.com")
        .header("content-type", "application/json");
    send(app, request.body(body.into()).unwrap()).await
}

/// Returns a browser's request with the page's form; `body` is already encoded.
pub(crate) fn form(body: impl Into<Body>) -> Request<Body> {
    Request::post("/insert")
        .header("host", "board.example.com")
        .header("accept", "text/html")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.into())
        .unwrap()
}
