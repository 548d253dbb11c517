//! The WebSocket of a data channel.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt as _;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::ConnectError;
use crate::content::{OpenDataChannel, to_json};

/// The time for name resolution, TCP, TLS and the WebSocket's upgrade.
const LIMIT: Duration = Duration::from_secs(15);

/// The most bytes of a message that is read: far more than the service sends.
const MAX_MESSAGE: usize = 1024 * 1024;

/// An address that is no URL.
const UNREADABLE: ConnectError = ConnectError::Url("it could not be read");

/// A connection, with TLS or, on loopback, without.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Io for S {}

pub(super) type Socket = WebSocketStream<Box<dyn Io>>;

/// Opens a data channel, and sends its first message.
///
/// # Errors
/// Returns the reason why that failed. Neither the address nor the token is in it.
pub(super) async fn connect(
    url: &str,
    tls: &Arc<ClientConfig>,
    open: &OpenDataChannel,
) -> Result<Socket, ConnectError> {
    timeout(LIMIT, dial(url, tls, open)).await.unwrap_or(Err(ConnectError::TimedOut(LIMIT)))
}

async fn dial(url: &str, tls: &Arc<ClientConfig>, open: &OpenDataChannel) -> Result<Socket, ConnectError> {
    let (uri, address) = Address::parse(url)?;
    let request = uri.into_client_request().map_err(|_| UNREADABLE)?;
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Io> = if address.is_tls {
        let name =
            ServerName::try_from(address.host).map_err(|_| ConnectError::Url("its host is no name"))?;
        Box::new(TlsConnector::from(tls.clone()).connect(name, stream).await?)
    } else {
        Box::new(stream)
    };
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    let (mut socket, _) = client_async_with_config(request, stream, Some(config)).await.map_err(websocket)?;
    let open = String::from_utf8_lossy(&to_json(open)).into_owned();
    socket.send(Message::text(open)).await.map_err(websocket)?;
    Ok(socket)
}

fn websocket(error: tokio_tungstenite::tungstenite::Error) -> ConnectError {
    ConnectError::WebSocket(Box::new(error))
}

/// Returns the host in an address, for messages.
pub(super) fn host(url: &str) -> String {
    url.parse::<Uri>()
        .ok()
        .and_then(|uri| uri.host().map(str::to_owned))
        .unwrap_or_else(|| "an invalid URL".to_owned())
}

#[derive(Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: u16,
    is_tls: bool,
}

impl Address {
    fn parse(url: &str) -> Result<(Uri, Self), ConnectError> {
        let uri: Uri = url.parse().map_err(|_| UNREADABLE)?;
        let is_tls = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(ConnectError::Url("its scheme is not wss")),
        };
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or(ConnectError::Url("it has no host"))?;
        let host = authority.host();
        let default = if is_tls { 443 } else { 80 };
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str().ends_with(host) => default,
            // The parser accepts any digits.
            None => return Err(ConnectError::Url("its port is no number up to 65,535")),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !is_tls && !is_loopback {
            return Err(ConnectError::NoTls);
        }
        Ok((uri, Self { host, port, is_tls }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, ConnectError> {
        Address::parse(url).map(|(_, address)| address)
    }

    #[test]
    fn only_loopback_is_reached_without_tls() {
        let address = |host: &str, port, is_tls| Address { host: host.to_owned(), port, is_tls };
        let service = "wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/s?role=publish_subscribe";
        assert_eq!(parse(service).unwrap(), address("ssmmessages.eu-west-1.amazonaws.com", 443, true));
        assert_eq!(parse("ws://127.0.0.1:8080/x").unwrap(), address("127.0.0.1", 8080, false));
        assert_eq!(parse("ws://[::1]/x").unwrap(), address("::1", 80, false));
        for wrong in
            ["ws://ssmmessages.eu-west-1.amazonaws.com/", "ws://10.0.0.1/", "ws://localhost.example.com/"]
        {
            assert!(matches!(parse(wrong), Err(ConnectError::NoTls)), "{wrong}");
        }
        for wrong in
            ["", "wss://", "https://example.com/", "/path", "example.com:1", "wss://example.com:99999/"]
        {
            assert!(matches!(parse(wrong), Err(ConnectError::Url(_))), "{wrong}");
        }
    }
}
