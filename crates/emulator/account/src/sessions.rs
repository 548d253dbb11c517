//! Session Manager of the account: an emulated one for each region. moto forwards calls to it, as
//! `aws/account_sessions.py` says; agents find the account's databases by their endpoints.
//!
//! Any program on this machine can reach its port, so a call has to bring the session token of the account's key, as it
//! does at the AWS API. Data channels have ports of their own, which their tokens protect.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::post;
use rds_iam_emulator_control::AccessKey;
use rds_iam_emulator_server::Error;
use rds_iam_emulator_ssm::{Answer, Emulator, Hosts, Instance, Settings};
use rds_iam_report::ErrorReport;
use rds_iam_token::Region;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tracing::error;

/// The header with the session token of the caller's key.
const TOKEN: &str = "x-amz-security-token";

/// The emulated Session Manager. Dropping it ends all sessions.
pub(crate) struct Sessions {
    address: SocketAddr,
    hosts: Hosts,
    /// The endpoints of databases that `hosts` has, as `host:port`.
    endpoints: HashSet<String>,
    /// The listener, which ends with this.
    _listener: JoinSet<()>,
}

impl Sessions {
    /// Listens on a free port, for callers with the session token of `key`.
    pub(crate) async fn start(key: &AccessKey) -> Result<Self, Error> {
        let loopback = (Ipv4Addr::LOCALHOST, 0);
        let failed = || Error::io("listen on a port of", Path::new("127.0.0.1"));
        let listener = TcpListener::bind(loopback).await.map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        let hosts = Hosts::default();
        let service = Service {
            token_digest: digest(key.session_token.as_deref().unwrap_or_default().as_bytes()),
            hosts: hosts.clone(),
            emulators: Mutex::default(),
        };
        let router = Router::new().route("/", post(call)).with_state(Arc::new(service));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // It ends with the account.
            axum::serve(listener, router).await.ok();
        });
        Ok(Self { address, hosts, endpoints: HashSet::new(), _listener: tasks })
    }

    /// Returns the address for moto.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes agents find the databases with these endpoints, `host:port`, each at its address if its server runs.
    pub(crate) fn follow(&mut self, databases: &HashMap<String, Option<SocketAddr>>) {
        // No address, rather than no entry: the agent would ask DNS for the name.
        self.endpoints
            .iter()
            .filter(|endpoint| !databases.contains_key(*endpoint))
            .for_each(|gone| self.set(gone, None));
        databases.iter().for_each(|(endpoint, address)| self.set(endpoint, *address));
        self.endpoints = databases.keys().cloned().collect();
    }

    fn set(&self, endpoint: &str, address: Option<SocketAddr>) {
        if let Some((host, port)) = endpoint.rsplit_once(':')
            && let Ok(port) = port.parse()
        {
            self.hosts.set(host, port, address.into_iter().collect());
        }
    }
}

struct Service {
    /// The digest of the session token that calls have to bring.
    token_digest: String,
    /// The hosts that the agents of all regions reach.
    hosts: Hosts,
    emulators: Mutex<HashMap<Region, Emulator>>,
}

/// A call that moto forwards.
#[derive(Deserialize)]
struct Call {
    region: String,
    /// The header `X-Amz-Target`.
    target: String,
    body: String,
    /// The managed instances of the region, as they are now.
    instances: Vec<Managed>,
}

/// A managed instance.
#[derive(Deserialize)]
struct Managed {
    id: String,
    is_online: bool,
    tags: BTreeMap<String, String>,
}

impl From<Managed> for Instance {
    fn from(Managed { id, is_online, tags }: Managed) -> Self {
        Self { is_online, tags, ..Self::new(id) }
    }
}

impl Service {
    async fn answer(&self, call: &[u8]) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let Call { region, target, body, instances } = serde_json::from_slice(call)?;
        let mut emulators = self.emulators.lock().await;
        let emulator = match emulators.entry(region.parse()?) {
            Entry::Occupied(started) => started.into_mut(),
            Entry::Vacant(missing) => {
                let settings = Settings {
                    region,
                    hosts: self.hosts.clone(),
                    serves_api: false,
                    // The containers of the account's machines have its key, and must not reach this machine by it.
                    runs_commands: false,
                    ..Settings::default()
                };
                missing.insert(Emulator::start(settings).await?)
            }
        };
        emulator.set_instances(instances.into_iter().map(Instance::from).collect());
        let answer = emulator.handle(&target, body.as_bytes());
        answer.ok_or_else(|| format!("the emulated Session Manager has no operation {target}").into())
    }
}

/// Answers a call of moto.
async fn call(State(service): State<Arc<Service>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let token = headers.get(TOKEN).map(HeaderValue::as_bytes).unwrap_or_default();
    // Equal digests take as long to compare as different ones, for a caller that does not know the right one.
    if digest(token) != service.token_digest {
        return (StatusCode::FORBIDDEN, String::new());
    }
    match service.answer(&body).await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, answer.body)
        }
        Err(e) => {
            error!("a call of Session Manager failed: {}", ErrorReport(&*e));
            (StatusCode::INTERNAL_SERVER_ERROR, String::new())
        }
    }
}

fn digest(token: &[u8]) -> String {
    hex::encode(Sha256::digest(token))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::{Method, Request};
    use rds_iam_emulator_server::credentials::own_key;
    use serde_json::{Value, json};

    use super::*;
    use crate::http;

    const INSTANCE: &str = "i-0123456789abcdef0";

    /// Calls an operation as moto does. Returns the status and the body.
    async fn ask(
        sessions: &Sessions,
        token: &str,
        region: &str,
        operation: &str,
        body: &Value,
    ) -> (u16, String) {
        let call = json!({
            "region": region,
            "target": format!("AmazonSSM.{operation}"),
            "body": body.to_string(),
            "instances": [{ "id": INSTANCE, "is_online": true, "tags": { "role": "jump" } }],
        });
        let request = Request::builder().method(Method::POST).uri("/").header(TOKEN, token);
        let address = sessions.address().to_string();
        let answer = http::ask(&address, request, call.to_string().into(), Duration::from_secs(10)).await;
        let answer = answer.unwrap();
        (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_call_brings_the_session_token_of_the_account() {
        let key = own_key().unwrap();
        let sessions = Sessions::start(&key).await.unwrap();
        let token = key.session_token.unwrap();
        let by_tag = json!({ "Filters": [{ "Key": "tag:role", "Values": ["jump"] }] });
        for foreign in ["", "other", &token[1..], &key.id] {
            let refused = ask(&sessions, foreign, "us-east-1", "DescribeInstanceInformation", &by_tag).await;
            assert_eq!(refused, (403, String::new()), "{foreign}");
        }
        let (status, found) =
            ask(&sessions, &token, "us-east-1", "DescribeInstanceInformation", &by_tag).await;
        assert!(status == 200 && found.contains(INSTANCE), "{status} {found}");
        let (status, _) = ask(&sessions, &token, "us-east-1", "GetParameter", &json!({})).await;
        assert_eq!(status, 500);
    }

    #[tokio::test]
    async fn a_session_forwards_ports_in_its_region_alone_and_its_port_has_no_api() {
        let key = own_key().unwrap();
        let sessions = Sessions::start(&key).await.unwrap();
        let token = key.session_token.unwrap();
        let start = json!({
            "Target": INSTANCE,
            "DocumentName": "AWS-StartPortForwardingSession",
            "Parameters": { "portNumber": ["22"] },
        });
        let (status, started) = ask(&sessions, &token, "us-east-1", "StartSession", &start).await;
        assert_eq!(status, 200, "{started}");
        let command = json!({
            "Target": INSTANCE,
            "DocumentName": "AWS-StartNonInteractiveCommand",
            "Parameters": { "command": ["id"] },
        });
        let (status, refused) = ask(&sessions, &token, "us-east-1", "StartSession", &command).await;
        assert!(status == 400 && refused.contains("InvalidDocument"), "{status} {refused}");
        let started: Value = serde_json::from_str(&started).unwrap();
        let resume = json!({ "SessionId": started["SessionId"] });
        assert_eq!(ask(&sessions, &token, "us-east-1", "ResumeSession", &resume).await.0, 200);
        let (status, elsewhere) = ask(&sessions, &token, "eu-west-1", "ResumeSession", &resume).await;
        assert!(status == 400 && elsewhere.contains("DoesNotExistException"), "{status} {elsewhere}");

        let url = started["StreamUrl"].as_str().unwrap();
        let address = url.trim_start_matches("ws://").split('/').next().unwrap();
        let request = Request::builder().method(Method::POST).uri("/");
        let request = request.header("x-amz-target", "AmazonSSM.StartSession").header(TOKEN, &token);
        let answer = http::ask(address, request, start.to_string().into(), Duration::from_secs(10)).await;
        assert_eq!(answer.unwrap().status, 404);
    }
}
