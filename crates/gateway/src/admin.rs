//! The gateway's HTTP endpoints, on a port of their own: probes, metrics, and the request to end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::limit::ACCEPT_PAUSE;
use crate::state::{Status, Watched};

/// The media type of the metrics.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The most connections at the same time: 32. Probes and Prometheus need a few; more would take the descriptors of clients.
const MAX_CONNECTIONS: usize = 32;

/// The time in which a connection has to send the headers of a request: 5 seconds.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);

/// Serves the endpoints until its task is ended.
pub(crate) async fn serve(listener: TcpListener, watched: Arc<Watched>) {
    let router = router(watched);
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an HTTP client could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Beyond the limit, a connection is closed at once.
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else { continue };
        let service = TowerToHyperService::new(router.clone().layer(Extension(ConnectInfo(peer))));
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "an HTTP connection failed");
            }
            drop(permit);
        });
    }
}

/// The headers of requests that a browser sends for a page, and of those that a proxy on this machine passes on.
const FOREIGN: [&str; 5] = ["origin", "sec-fetch-site", "forwarded", "x-forwarded-for", "x-forwarded-host"];

/// Returns the endpoints:
///
/// | Endpoint | Answer |
/// | --- | --- |
/// | `GET /startup` | 200 once all listeners are open and the requested login tests have succeeded |
/// | `GET /liveness` | 200 as long as the gateway runs |
/// | `GET /readiness` | 200 if another session would be accepted; 503 with the reason while starting, draining or full |
/// | `GET /metrics` | metrics for Prometheus |
/// | `POST /quitquitquit` | 202; the gateway drains and ends, as on SIGTERM. 403 unless it comes from this machine, and not from a web page |
fn router(watched: Arc<Watched>) -> Router {
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

async fn quit(
    State(watched): State<Arc<Watched>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    // Probes may come from elsewhere. A page in a browser of this machine can send this request too; browsers then name it.
    let is_foreign = FOREIGN.iter().any(|name| headers.contains_key(*name));
    if !peer.ip().to_canonical().is_loopback() || is_foreign {
        let reason = "only a program of this machine may end the gateway: POST to 127.0.0.1 directly\n";
        return (StatusCode::FORBIDDEN, reason).into_response();
    }
    watched.quit();
    (StatusCode::ACCEPTED, "draining\n").into_response()
}
