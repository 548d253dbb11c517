//! Requests to the example service.

use std::time::Duration;

use anyhow::{Context as _, bail};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use rds_iam_emulator_account::http;
use serde_json::Value;

/// The time limit of a request: 60 seconds.
const WITHIN: Duration = Duration::from_secs(60);

/// Sends a request to `url` (`http://host:port/path`), with a JSON body if there is one.
pub(crate) async fn ask(
    method: Method,
    url: &str,
    body: Option<&Value>,
) -> anyhow::Result<(StatusCode, String)> {
    let rest = url.strip_prefix("http://").with_context(|| format!("{url} is not an http:// URL"))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut request = Request::builder().method(method).uri(format!("/{path}"));
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    let answer = http::ask(authority, request, body.into(), WITHIN).await;
    let answer = answer.with_context(|| format!("requesting {url}"))?;
    Ok((StatusCode::from_u16(answer.status)?, String::from_utf8_lossy(&answer.body).into_owned()))
}

/// Requests `url` and returns the JSON of the response.
pub(crate) async fn json(url: &str) -> anyhow::Result<Value> {
    let (status, text) = ask(Method::GET, url, None).await?;
    if status != StatusCode::OK {
        bail!("{url} answered {status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("{url} did not answer with JSON"))
}
