//! The handlers of the JSON API: stores a message, lists messages by page, and reports the identity of the database
//! session with the state of token and pool.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::AppState;
use crate::error::ApiError;
use crate::message::{Message, Text};
use crate::state::TokenLife;
use crate::store::Identity;

/// The default number of messages on a page.
const DEFAULT_LIMIT: u32 = 10;

/// The largest number of messages on a page.
const MAX_LIMIT: u32 = 100;

/// Stores a message and returns the row.
pub(super) async fn insert(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Message>), ApiError> {
    let text = Text::parse(&new_message(&headers, &body)?)
        .map_err(|error| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    let stored = state.store().insert(text, state.now()).await;
    let message = stored.map_err(|error| state.database_error(&error))?;
    Ok((StatusCode::CREATED, Json(message)))
}

/// Returns the text in `{"message": text}`; other fields are ignored. The content type is required because another
/// site's page can't send it without a preflight request.
fn new_message(headers: &HeaderMap, body: &[u8]) -> Result<String, ApiError> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        let detail = "The request needs the header `Content-Type: application/json`.";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        bad_request(format!("The body is not valid JSON (line {}, column {}).", error.line(), error.column()))
    })?;
    match value {
        Value::Object(mut fields) => match fields.remove("message") {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err("The field `message` must be a text."),
            None => Err("The field `message` is missing."),
        },
        _ => Err("The body must be a JSON object with a field `message`."),
    }
    .map_err(|detail| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    limit: Option<String>,
    before: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Page {
    messages: Vec<Message>,
    /// The value of `before` for the next, older page; null on the last.
    next: Option<u64>,
}

/// Returns a page of messages, newest first.
pub(super) async fn messages(
    State(state): State<AppState>,
    range: Result<Query<Range>, QueryRejection>,
) -> Result<Json<Page>, ApiError> {
    let Query(range) = range.map_err(|_| {
        bad_request("The query may have `limit` and `before`, each once, and nothing else.".into())
    })?;
    let limit = match &range.limit {
        None => DEFAULT_LIMIT,
        Some(given) => given
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| bad_request(format!("`limit` must be a number from 1 to {MAX_LIMIT}.")))?,
    };
    let before = match &range.before {
        None => None,
        Some(given) => Some(given.parse().map_err(|_| {
            bad_request("`before` must be a message's id, such as an earlier page's `next`.".into())
        })?),
    };
    // One more than requested shows whether there is a next page.
    let mut messages =
        state.store().page(before, limit + 1).await.map_err(|error| state.database_error(&error))?;
    let more = messages.len() > limit as usize;
    messages.truncate(limit as usize);
    let next = messages.last().filter(|_| more).map(|message| message.id);
    Ok(Json(Page { messages, next }))
}

#[derive(Serialize)]
pub(super) struct Whoami {
    database: Identity,
    token: Option<TokenLife>,
    pool: PoolState,
}

#[derive(Serialize)]
struct PoolState {
    open: u32,
    idle: u32,
    max: u32,
    connects: u64,
}

/// Returns the session's identity in the database, and the state of token and pool. Never the token.
pub(super) async fn identity(State(state): State<AppState>) -> Result<Json<Whoami>, ApiError> {
    let database = state.identity().await?;
    let stats = state.pool().stats();
    Ok(Json(Whoami {
        database,
        token: state.token_life(),
        pool: PoolState { open: stats.size, idle: stats.idle, max: stats.max, connects: stats.connects },
    }))
}

fn bad_request(detail: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, detail)
}
