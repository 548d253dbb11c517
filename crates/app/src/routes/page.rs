//! The page: the ten latest messages and a form.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::AppState;
use crate::message::{MAX_CHARS, Message, Text};
use crate::problem::Problem;
use crate::state::TokenLife;

/// Messages on the page.
const LATEST: u32 = 10;

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    /// `None` where the database can't be asked.
    messages: Option<&'a [Message]>,
    /// What the visitor typed, if it could not be stored.
    typed: &'a str,
    /// What is wrong with it, or with the database.
    notice: Option<&'a str>,
    /// Whether the notice is about the field.
    invalid: bool,
    user: &'a str,
    token: Option<TokenLife>,
}

impl Page<'_> {
    fn html(&self) -> Html<String> {
        // The page's own markup is 3 KB; messages add to that.
        let mut html = String::with_capacity(6 * 1024);
        // Writing to a string does not fail; if it did, the visitor would see a page cut short.
        if let Err(error) = self.render_into(&mut html) {
            tracing::error!(%error, "rendering the page failed");
        }
        Html(html)
    }
}

/// The page.
pub(super) async fn latest(State(state): State<AppState>) -> Response {
    match state.store().page(None, LATEST).await {
        Ok(messages) => page(&state, Some(&messages), "", None, false).into_response(),
        Err(error) => {
            let problem = state.failed(&error);
            problem.with_body(page(&state, None, "", Some(problem.detail()), false))
        }
    }
}

#[derive(Deserialize)]
pub(super) struct NewMessage {
    message: String,
}

/// Stores what the form sent, and back to the page; or the form again, with what was typed.
pub(super) async fn insert(
    State(state): State<AppState>,
    form: Result<Form<NewMessage>, FormRejection>,
) -> Response {
    let typed = match form {
        Ok(Form(new)) => new.message,
        Err(_) => {
            let detail = "The form could not be read: it has one field, `message`, sent as a form.";
            return Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
        }
    };
    // What is left of bytes that were no text; JSON refuses the same.
    if typed.contains(char::REPLACEMENT_CHARACTER) {
        let detail = "The message is not UTF-8 text.";
        return Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
    }
    let text = match Text::parse(&typed) {
        Ok(text) => text,
        Err(error) => {
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
            return problem.with_body(page(&state, None, &typed, Some(problem.detail()), true));
        }
    };
    match state.store().insert(text, state.now()).await {
        Ok(_) => Redirect::to("/").into_response(),
        Err(error) => {
            let problem = state.failed(&error);
            problem.with_body(page(&state, None, &typed, Some(problem.detail()), false))
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
    Page { messages, typed, notice, invalid, user: state.user(), token: state.token_life() }.html()
}

/// The page's style sheet, apart from the page so that the content security policy needs no exception.
pub(super) async fn style() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, include_str!("../../templates/style.css"))
}
