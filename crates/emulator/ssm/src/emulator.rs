//! A running emulator: the port of the API and the data channel, and what a test changes.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::answer::{Answer, ApiError};
use crate::clock::random_id;
use crate::error::Error;
use crate::faults::Faults;
use crate::operation::Operation;
use crate::sessions::Service;
use crate::settings::{Hosts, Instance, Settings};
use crate::stats::Stats;
use crate::tls::Identity;
use crate::{api, channel};

/// A running emulator. Dropping it ends all sessions.
pub struct Emulator {
    service: Arc<Service>,
    address: SocketAddr,
    ca_pem: Option<String>,
    /// The listeners, which end with the emulator.
    _listeners: JoinSet<()>,
}

impl Emulator {
    /// Starts an emulator on a free port of the loopback address.
    ///
    /// # Errors
    /// Returns an error if the system gives no port or no random bytes.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let identity = settings.tls.then(|| Identity::new(&settings.region)).transpose()?;
        let (listener, address) = listen().await?;
        let service = Arc::new(Service::new(settings));
        let mut listeners = JoinSet::new();
        let (scheme, listening) = match &identity {
            Some(identity) => {
                let (secured, secured_address) = listen().await?;
                listeners.spawn(identity.forward(secured, address));
                ("wss", secured_address)
            }
            None => ("ws", address),
        };
        let host = service.settings.stream_host.clone().unwrap_or_else(|| listening.ip().to_string());
        service.set_origin(format!("{scheme}://{host}:{}", listening.port()));
        let router = router(Arc::clone(&service));
        listeners.spawn(async move {
            let listener = listener.tap_io(|connection| {
                // A failure only delays packets.
                connection.set_nodelay(true).ok();
            });
            // It ends with the emulator.
            axum::serve(listener, router).await.ok();
        });
        tracing::info!("an emulated Session Manager at {address}");
        Ok(Self { service, address, ca_pem: identity.map(|identity| identity.ca_pem), _listeners: listeners })
    }

    /// Returns the URL of the API, without TLS: for `AWS_ENDPOINT_URL_SSM`. It answers if [`Settings::serves_api`] is
    /// set.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the certificate, as PEM, of the authority for `wss`, if [`Settings::tls`] is set.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Answers a call of the API: `target` is the header `X-Amz-Target`. Returns `None` for operations that the
    /// emulator does not have. The caller has checked the signature.
    #[must_use]
    pub fn handle(&self, target: &str, body: &[u8]) -> Option<Answer> {
        Operation::from_target(target).map(|operation| api::handle(&self.service, operation, body))
    }

    /// Returns the hosts that agents can reach; they can be changed at any time.
    #[must_use]
    pub fn hosts(&self) -> &Hosts {
        &self.service.settings.hosts
    }

    /// Replaces the managed instances. Sessions of instances that are gone continue.
    pub fn set_instances(&self, instances: Vec<Instance>) {
        self.service.set_instances(instances);
    }

    /// Changes the faults of all data channels, open ones included.
    pub fn set_faults(&self, faults: Faults) {
        self.service.set_faults(faults);
    }

    /// Denies an operation on resources whose ARN contains `resource`, as the caller's policies would.
    pub fn deny(&self, operation: Operation, resource: &str) {
        self.service.deny(operation, resource.to_owned());
    }

    /// Permits everything again.
    pub fn permit_all(&self) {
        self.service.permit_all();
    }

    /// Makes the next call of an operation fail. Errors of several calls are used in their order.
    pub fn fail_next(&self, operation: Operation, error: ApiError) {
        self.service.fail_next(operation, error);
    }

    /// Returns the ids of the sessions that have not ended.
    #[must_use]
    pub fn sessions(&self) -> Vec<String> {
        self.service.open_sessions().iter().map(|session| session.id.clone()).collect()
    }

    /// Ends a session, as an operator does in the console. The client is sent `output` as the reason.
    pub fn end_session(&self, id: &str, output: &str) {
        self.service.end_session(id, output.to_owned());
    }

    /// Returns the counts of now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.service.counters.snapshot()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        for session in self.service.open_sessions() {
            session.end(String::new(), false);
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn listen() -> Result<(TcpListener, SocketAddr), Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::Listen)?;
    let address = listener.local_addr().map_err(Error::Listen)?;
    Ok((listener, address))
}

fn router(service: Arc<Service>) -> Router {
    let channels = Router::new().route("/v1/data-channel/{session}", any(channel::open));
    let router = if service.settings.serves_api { channels.route("/", post(call)) } else { channels };
    router.with_state(service)
}

/// Answers a call of the API over HTTP.
async fn call(State(service): State<Arc<Service>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let answer = match Operation::from_target(target) {
        Some(operation) => api::handle(&service, operation, &body),
        None => api::unknown(),
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (header::CONTENT_TYPE, Answer::CONTENT_TYPE.to_owned()),
        (HeaderName::from_static("x-amzn-requestid"), random_id().to_string()),
    ];
    (status, headers, answer.body).into_response()
}
