//! The data channel: the upgrade to a WebSocket, the token in its first message, and the relay behind it.

mod closing;
mod nonsense;
mod relay;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rds_iam_tunnel::content::OpenDataChannel;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use crate::faults::Nonsense;
use crate::sessions::{Service, Session};
use crate::stats::count;

type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

/// Answers a request for the data channel of the session `id`.
pub(crate) async fn open(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    if service.faults.borrow().nonsense == Some(Nonsense::Page) {
        return Html("<html><body>It works!</body></html>").into_response();
    }
    let Some(session) = service.session(&id) else {
        return (StatusCode::NOT_FOUND, "no such session").into_response();
    };
    // Clients may add to the query.
    let has = |pair: &str| request.uri().query().is_some_and(|query| query.split('&').any(|one| one == pair));
    if !session.query().split('&').all(has) {
        return (StatusCode::BAD_REQUEST, "the query is not that of the session's StreamUrl").into_response();
    }
    let Some(accept) = accept_key(request.headers()) else {
        return (StatusCode::UPGRADE_REQUIRED, "a data channel is a WebSocket of version 13").into_response();
    };
    tokio::spawn(async move {
        match hyper::upgrade::on(request).await {
            Ok(upgraded) => {
                let socket =
                    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
                serve(service, session, socket).await;
            }
            Err(error) => tracing::debug!(%error, "a connection was not upgraded"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// Returns the answer to a WebSocket's key, if the request is one for a WebSocket.
fn accept_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let has = |name, word: &str| {
        text(name).is_some_and(|list| list.split(',').any(|one| one.trim().eq_ignore_ascii_case(word)))
    };
    let is_upgrade = has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket");
    if !is_upgrade || text(header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return None;
    }
    let key = derive_accept_key(headers.get(header::SEC_WEBSOCKET_KEY)?.as_bytes());
    HeaderValue::from_str(&key).ok()
}

/// Checks the token of a new WebSocket, and relays.
async fn serve(service: Arc<Service>, session: Arc<Session>, mut socket: WebSocket) {
    let first = tokio::select! {
        first = tokio::time::timeout(service.settings.timers.open, first_text(&mut socket)) => first,
        // A client that comes too late gets the same answer as one with an old token.
        _ = session.wait_for_end() => Ok(None),
    };
    let admitted = match first {
        Ok(Some(text)) => serde_json::from_str::<OpenDataChannel>(&text)
            .map_err(|_| "Invalid request")
            .and_then(|request| session.admit(&request)),
        Ok(None) if session.ended().is_some() => Err("Session is already terminated"),
        Ok(None) => Err("The first message has to be text"),
        Err(_) => Err("No token"),
    };
    match admitted {
        Ok(number) => {
            count(&service.counters.opened);
            relay::run(&service, &session, socket, number).await;
        }
        Err(reason) => {
            count(&service.counters.refused);
            tracing::debug!(session = session.id, reason, "a data channel is refused");
            let frame = CloseFrame { code: CloseCode::Policy, reason: reason.into() };
            // The client may have gone.
            socket.send(Message::Close(Some(frame))).await.ok();
            relay::linger(&mut socket).await;
        }
    }
}

/// Returns the first message if it is text.
async fn first_text(socket: &mut WebSocket) -> Option<String> {
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => return Some(text.as_str().to_owned()),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            Message::Binary(_) | Message::Close(_) => return None,
        }
    }
}
