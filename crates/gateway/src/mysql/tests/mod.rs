//! The protocol against scripted peers, and against arbitrary bytes.
//!
//! Only MySQL: the greeting, packets and authentication plugins are this protocol's.

mod accept;
mod connect;
mod error;
mod frames;
mod packet;
mod session;

use mysql_common::constants::CapabilityFlags;
use mysql_common::packets::{AuthPlugin, HandshakeResponse};
use mysql_common::proto::MySerialize as _;
use rds_iam_token::Endpoint;

fn endpoint() -> Endpoint {
    "db.example.com:3306".parse().unwrap()
}

/// Runs a future that never waits for longer than its peer's bytes.
fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn client_flags() -> CapabilityFlags {
    CapabilityFlags::CLIENT_PROTOCOL_41
        | CapabilityFlags::CLIENT_SECURE_CONNECTION
        | CapabilityFlags::CLIENT_PLUGIN_AUTH
        | CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
        | CapabilityFlags::CLIENT_DEPRECATE_EOF
        | CapabilityFlags::CLIENT_SESSION_TRACK
}

/// Returns the payload of a client's login as `ada`.
fn login_payload(plugin: Option<&str>, response: &[u8]) -> Vec<u8> {
    let plugin = plugin.map(|plugin| AuthPlugin::from_bytes(plugin.as_bytes()));
    let database: Option<&[u8]> = Some(b"shop");
    let user: Option<&[u8]> = Some(b"ada");
    let mut payload = Vec::new();
    HandshakeResponse::new(Some(response), (8, 4, 0), user, database, plugin, client_flags(), None, 1 << 24)
        .serialize(&mut payload);
    payload
}
