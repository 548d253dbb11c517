//! A client for plain HTTP requests to programs on this machine.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::http::request::Builder;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;

/// A response.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
}

/// The reason why there was no usable response.
#[derive(Debug, Error)]
pub enum HttpError {
    /// No connection.
    #[error("nothing listens there")]
    Connect(#[source] io::Error),
    /// The response is not valid HTTP.
    #[error("invalid HTTP response")]
    Http(#[from] hyper::Error),
    /// The request can't be built.
    #[error("invalid path")]
    Path(#[from] hyper::http::Error),
    /// There was no response within this time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The status differs from the expected one.
    #[error("it answered with status {0}")]
    Status(u16),
    /// The body differs from the expected format.
    #[error("unexpected response body")]
    Body(#[from] serde_json::Error),
}

/// Sends a GET request for `path` to the program at `address`, such as `127.0.0.1:5000`.
///
/// # Errors
/// Returns [`HttpError`] without a response in time.
pub async fn get(address: &str, path: &str, within: Duration) -> Result<Answer, HttpError> {
    let request = Request::builder().method(Method::GET).uri(path);
    ask(address, request, Bytes::new(), within).await
}

/// Sends a request to the program at `address`, adding the host and the length.
///
/// # Errors
/// Returns [`HttpError`] without a response in time.
pub async fn ask(
    address: &str,
    request: Builder,
    body: Bytes,
    within: Duration,
) -> Result<Answer, HttpError> {
    let request =
        request.header(header::HOST, address).header(header::CONNECTION, "close").body(Full::new(body))?;
    let answer = async {
        let stream = TcpStream::connect(address).await.map_err(HttpError::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let answered = async {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            Ok(Answer { status, body: response.into_body().collect().await?.to_bytes() })
        };
        // The connection ends with this request.
        tokio::pin!(answered);
        tokio::select! {
            answer = &mut answered => answer,
            _ = connection => answered.await,
        }
    };
    tokio::time::timeout(within, answer).await.unwrap_or(Err(HttpError::TimedOut(within)))
}
