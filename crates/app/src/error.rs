//! The error responses: fixed text, never a cause. Handlers return an [`ApiError`]; [`render`] writes its body, as a
//! page or as JSON.

use std::borrow::Cow;

use askama::Template;
use axum::body::{Body, HttpBody as _};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The error of a request, as its client receives it.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    detail: Cow<'static, str>,
    retry_after: Option<u16>,
}

impl ApiError {
    /// Creates an error. `detail` says what the client can do; for a 5xx it is fixed text.
    pub(crate) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), retry_after: None }
    }

    /// Sets the number of seconds after which the client may retry.
    pub(crate) fn retry_after(self, seconds: u16) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Creates a response with this error's status and headers, and the caller's body.
    pub(crate) fn with_body(&self, body: impl IntoResponse) -> Response {
        let mut response = (self.status, body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    /// Creates the error for a status that a layer set without a body.
    fn from_status(status: StatusCode) -> Self {
        let detail = match status {
            StatusCode::BAD_REQUEST => "The request could not be understood.",
            StatusCode::FORBIDDEN => {
                "The request was sent by another site's page. Send it from this site's own page."
            }
            StatusCode::NOT_FOUND => "There is nothing at this address.",
            StatusCode::METHOD_NOT_ALLOWED => "This address does not accept this method.",
            StatusCode::REQUEST_TIMEOUT => "The request did not arrive in time. Send it again.",
            StatusCode::PAYLOAD_TOO_LARGE => "The request is too large.",
            StatusCode::SERVICE_UNAVAILABLE => "The request took too long. Try again a little later.",
            _ if status.is_server_error() => "Something went wrong here. The details are in the log.",
            _ => "The request was refused.",
        };
        let error = Self::new(status, detail);
        if status == StatusCode::SERVICE_UNAVAILABLE { error.retry_after(5) } else { error }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.with_body(());
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of an error response that has none yet.
pub(crate) fn render(response: Response, as_page: bool, request_id: &str) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let error = match parts.extensions.remove::<ApiError>() {
        Some(error) => error,
        None if body.size_hint().exact() == Some(0) => ApiError::from_status(status),
        None => return Response::from_parts(parts, body),
    };
    let view = View {
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail: error.detail(),
        request_id,
    };
    let (kind, text) = if as_page {
        ("text/html; charset=utf-8", view.render().map_err(drop))
    } else {
        ("application/problem+json", serde_json::to_string(&view).map_err(drop))
    };
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(seconds) = error.retry_after {
        parts.headers.insert(RETRY_AFTER, seconds.into());
    }
    Response::from_parts(parts, Body::from(text.unwrap_or_default()))
}

/// The fields of RFC 9457, and the request's id, by which it can be found in the log.
#[derive(Serialize, Template)]
#[template(path = "error.html")]
struct View<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
}
