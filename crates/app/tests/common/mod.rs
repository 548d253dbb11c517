//! What the router's tests share: requests, and answers read whole.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// An answer, read whole.
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
    send(app, Request::get(path).body(Body::empty()).unwrap()).await
}

pub(crate) async fn post_json(app: &Router, body: impl Into<Body>) -> Answer {
    let request = Request::post("/api/insert").header("content-type", "application/json");
    send(app, request.body(body.into()).unwrap()).await
}

/// What a browser sends with the page's form; `body` is already encoded.
pub(crate) fn form(body: impl Into<Body>) -> Request<Body> {
    Request::post("/insert")
        .header("host", "board.example.com")
        .header("accept", "text/html")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.into())
        .unwrap()
}
