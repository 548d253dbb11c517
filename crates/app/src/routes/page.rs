//! The handlers of the HTML page: shows the ten latest messages and a form, stores the form's message, and serves the
//! style sheet.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Redirect, Response};
use rds_iam_infra::Engine;
use serde::Deserialize;

use crate::AppState;
use crate::error::ApiError;
use crate::message::{MAX_CHARS, Message, Text};
use crate::state::TokenLife;

/// Messages on the page.
const LATEST: u32 = 10;

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    /// `None` if the database is unavailable.
    messages: Option<&'a [Message]>,
    /// The visitor's text, if it could not be stored.
    typed: &'a str,
    /// The error of the text or of the database.
    notice: Option<&'a str>,
    /// True if the notice is about the field.
    invalid: bool,
    /// The name of the database's engine.
    engine: &'static str,
    user: &'a str,
    token: Option<TokenLife>,
}

impl Page<'_> {
    fn html(&self) -> Html<String> {
        // The page's own markup is 3 KB; messages add to that.
        let mut html = String::with_capacity(6 * 1024);
        // Writing to a string does not fail; if it did, the visitor would receive an incomplete page.
        if let Err(error) = self.render_into(&mut html) {
            tracing::error!(%error, "rendering the page failed");
        }
        Html(html)
    }
}

/// Returns the page.
pub(super) async fn latest(State(state): State<AppState>) -> Response {
    match state.store().page(None, LATEST).await {
        Ok(messages) => page(&state, Some(&messages), "", None, false).into_response(),
        Err(error) => {
            let error = state.database_error(&error);
            error.with_body(page(&state, None, "", Some(error.detail()), false))
        }
    }
}

#[derive(Deserialize)]
pub(super) struct NewMessage {
    message: String,
}

/// Stores the form's message and redirects to the page; on an error, returns the form with the visitor's text.
pub(super) async fn insert(
    State(state): State<AppState>,
    form: Result<Form<NewMessage>, FormRejection>,
) -> Response {
    let typed = match form {
        Ok(Form(new)) => new.message,
        Err(_) => {
            let detail = "The form could not be read: it has one field, `message`, sent as a form.";
            return ApiError::new(StatusCode::BAD_REQUEST, detail).into_response();
        }
    };
    // The replacement of bytes that were not UTF-8; JSON refuses the same.
    if typed.contains(char::REPLACEMENT_CHARACTER) {
        let detail = "The message is not UTF-8 text.";
        return ApiError::new(StatusCode::BAD_REQUEST, detail).into_response();
    }
    let text = match Text::parse(&typed) {
        Ok(text) => text,
        Err(error) => {
            let error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
            return error.with_body(page(&state, None, &typed, Some(error.detail()), true));
        }
    };
    match state.store().insert(text, state.now()).await {
        Ok(_) => Redirect::to("/").into_response(),
        Err(error) => {
            let error = state.database_error(&error);
            error.with_body(page(&state, None, &typed, Some(error.detail()), false))
        }
    }
}

fn page(
    state: &AppState,
    messages: Option<&[Message]>,
    typed: &str,
    notice: Option<&str>,
    invalid: bool,
) -> Html<String> {
    let engine = match state.pool().engine() {
        Engine::MySql => "MySQL",
        Engine::Postgres => "PostgreSQL",
    };
    let (user, token) = (state.user(), state.token_life());
    Page { messages, typed, notice, invalid, engine, user, token }.html()
}

/// Returns the style sheet, separate from the page so that the content security policy needs no exception.
pub(super) async fn style() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, include_str!("../../templates/style.css"))
}
