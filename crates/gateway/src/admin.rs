//! The gateway's HTTP endpoints, on a port of their own: probes, metrics, and the request to end.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::state::{Status, Watched};

/// The media type of the metrics.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Returns the endpoints:
///
/// | Endpoint | Answer |
/// | --- | --- |
/// | `GET /startup` | 200 once all listeners are open and the requested login tests have succeeded |
/// | `GET /liveness` | 200 as long as the gateway runs |
/// | `GET /readiness` | 200 if another session would be accepted; 503 with the reason while starting, draining or full |
/// | `GET /metrics` | metrics for Prometheus |
/// | `POST /quitquitquit` | 202; the gateway drains and ends, as on SIGTERM |
pub(crate) fn router(watched: Arc<Watched>) -> Router {
    Router::new()
        .route("/startup", get(startup))
        .route("/liveness", get(|| async { "alive\n" }))
        .route("/readiness", get(readiness))
        .route("/metrics", get(metrics))
        .route("/quitquitquit", post(quit))
        .with_state(watched)
}

async fn startup(State(watched): State<Arc<Watched>>) -> Response {
    match watched.status() {
        Status::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
        Status::Serving | Status::Draining => "started\n".into_response(),
    }
}

async fn readiness(State(watched): State<Arc<Watched>>) -> Response {
    match watched.not_ready() {
        None => "ready\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(watched): State<Arc<Watched>>) -> Response {
    ([(header::CONTENT_TYPE, METRICS)], watched.metrics.encode()).into_response()
}

async fn quit(State(watched): State<Arc<Watched>>) -> Response {
    watched.quit();
    (StatusCode::ACCEPTED, "draining\n").into_response()
}
