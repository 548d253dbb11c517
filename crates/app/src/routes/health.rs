//! Probes and metrics.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};

use crate::{AppState, metrics};

/// Reports that the process serves, without a query: a restart would not fix the database.
pub(super) async fn livez() -> &'static str {
    "alive\n"
}

/// Reports whether the database serves too.
pub(super) async fn readyz(State(state): State<AppState>) -> Response {
    let readiness = state.readiness().await;
    if readiness.ready {
        Json(readiness).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], Json(readiness)).into_response()
    }
}

pub(super) async fn metrics(State(state): State<AppState>) -> Response {
    match state.metrics().encode() {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "writing the metrics failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
