//! The routers of the public port (page and API) and of the management port (probes, metrics and identity), with all
//! middleware.

mod api;
mod health;
mod page;

use axum::Router;
use axum::routing::{get, post};

use crate::AppState;

/// Creates the public service: the page and the API, with all middleware.
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .route("/", get(page::latest))
        .route("/insert", post(page::insert))
        .route("/style.css", get(page::style))
        .route("/api/insert", post(api::insert))
        .route("/api/messages", get(api::messages));
    crate::middleware::apply(routes, &state).with_state(state)
}

/// Creates the management service: probes, metrics and the login's identity, for a port that is not public.
pub fn management_router(state: AppState) -> Router {
    let routes = Router::new()
        .route("/api/identity", get(api::identity))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics));
    crate::middleware::apply(routes, &state).with_state(state)
}
