//! The routes, in one table.

mod api;
mod health;
mod page;

use axum::Router;
use axum::routing::{get, post};

use crate::AppState;

/// Every path below, for the metrics' labels.
pub(crate) const PATHS: [&str; 9] = [
    "/",
    "/insert",
    "/style.css",
    "/api/insert",
    "/api/messages",
    "/api/identity",
    "/livez",
    "/readyz",
    "/metrics",
];

/// The service for people: the page and the API, with the layers around them.
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .route("/", get(page::latest))
        .route("/insert", post(page::insert))
        .route("/style.css", get(page::style))
        .route("/api/insert", post(api::insert))
        .route("/api/messages", get(api::messages));
    crate::edge::wrap(routes, &state).with_state(state)
}

/// The service for machines: probes, metrics and the login's identity, for a port that only they reach.
pub fn management_router(state: AppState) -> Router {
    let routes = Router::new()
        .route("/api/identity", get(api::identity))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics));
    crate::edge::wrap(routes, &state).with_state(state)
}
