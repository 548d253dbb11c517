//! One HTTP request.

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Asks `url` (`http://host:port/path`), with a JSON body if there is one.
pub(crate) async fn ask(
    method: Method,
    url: &str,
    body: Option<&Value>,
) -> anyhow::Result<(StatusCode, String)> {
    let asking = async {
        let rest = url.strip_prefix("http://").context("only http:// is spoken here")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let stream = TcpStream::connect(authority).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Its errors reach us through the response.
        drop(tokio::spawn(connection));
        let mut request = Request::builder().method(method).uri(format!("/{path}")).header(HOST, authority);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let response = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
        let status = response.status();
        let text = response.into_body().collect().await?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&text).into_owned()))
    };
    asking.await.with_context(|| format!("asking {url}"))
}

/// The JSON at `url`.
pub(crate) async fn json(url: &str) -> anyhow::Result<Value> {
    let (status, text) = ask(Method::GET, url, None).await?;
    if status != StatusCode::OK {
        bail!("{url} answered {status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("{url} did not answer with JSON"))
}
