//! What every request passes through, outermost first: observation (request id, span, metrics, access
//! log, error bodies, security headers), panics, the check of its host, cross-site check, its whole body,
//! timeout.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{Method, StatusCode, Version};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, timeout};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::timeout::TimeoutLayer;
use tracing::Instrument;

use crate::clients::{Client, ClientLimits};
use crate::problem::{Problem, render};
use crate::{AppState, accepts};

/// How long a request may take once it has arrived: 10 seconds, more than the wait for a connection and a
/// statement's limit together. With the body's 10 seconds, it is within the shutdown's deadline.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest body: 16 KiB, above any message of 1000 characters, percent-encoded.
pub(crate) const BODY_LIMIT: usize = 16 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id that is taken over from a client: 64 characters.
const MAX_REQUEST_ID: usize = 64;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A year, for this host alone: what other hosts of the domain can do is not known here.
const TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// The whole stack around `routes`.
pub(crate) fn wrap(routes: Router<AppState>, state: &AppState) -> Router<AppState> {
    routes.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(state.clone(), observe))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(from_fn(with_one_host))
            .layer(CsrfLayer::new())
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(from_fn(with_whole_body))
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIMEOUT)),
    )
}

/// Refuses what RFC 9112, section 3.2, has a server refuse: HTTP/1.1 without a host, and any request with two
/// hosts or with none that could be one.
async fn with_one_host(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_good = match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => is_host(host),
        (Some(_), Some(_)) => false,
    };
    if is_good {
        return next.run(request).await;
    }
    Problem::new(StatusCode::BAD_REQUEST, "The request must have exactly one valid `Host` header.")
        .into_response()
}

/// Empty is allowed: it is what a client sends for an address without a host.
fn is_host(value: &HeaderValue) -> bool {
    value.is_empty() || Authority::try_from(value.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
}

/// Reads the body before anything is done for the request, so that a client that sends it slowly holds
/// nothing but its own connection.
async fn with_whole_body(request: Request, next: Next) -> Response {
    let client = request.extensions().get::<Arc<Client>>().cloned();
    let limits = client.as_ref().map_or_else(ClientLimits::default, |client| *client.limits());
    let (parts, body) = request.into_parts();
    let reading = Bytes::from_request(Request::from_parts(parts.clone(), body), &());
    let body = match timeout(limits.body, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => return rejection.status().into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    if let Some(client) = client {
        client.received();
    }
    next.run(Request::from_parts(parts, body.into())).await
}

async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = known_method(request.method());
    let route = route(&request);
    let as_page = wants_page(&request);
    let is_https = is_https(request.headers());
    let span = tracing::info_span!("request", %id, method, path = request.uri().path());

    let response = next.run(request).instrument(span.clone()).await;
    let mut response = render(response, as_page, &id);
    add_headers(response.headers_mut(), &id, is_https);

    let (status, took) = (response.status(), started.elapsed());
    state.metrics().observe(method, route, status.as_u16(), took);
    let (status, micros) = (status.as_u16(), took.as_micros());
    let _in_span = span.enter();
    match status {
        500.. => tracing::warn!(status, micros, "answered"),
        400.. => tracing::info!(status, micros, "answered"),
        _ => tracing::debug!(status, micros, "answered"),
    }
    response
}

/// The client's own id where it is short and plain, or a new one of 128 random bits.
fn request_id(headers: &HeaderMap) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'=' | b':' | b';');
    match headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()) {
        Some(id) if (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(plain) => id.to_owned(),
        _ => format!("{:032x}", fastrand::u128(..)),
    }
}

/// The method as a label: a client cannot make up new ones.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

/// The route's template as a label: a client cannot make up new ones.
fn route(request: &Request) -> &'static str {
    let matched = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    crate::routes::PATHS.into_iter().find(|path| *path == matched).unwrap_or("unmatched")
}

/// Whether a failure is shown as a page: to a browser, anywhere but under `/api/`.
fn wants_page(request: &Request) -> bool {
    !request.uri().path().starts_with("/api/") && accepts::prefers_html(request.headers())
}

/// Whether the load balancer took the request over HTTPS; it sets this header and overwrites a client's.
/// Without one, a client says so of its own answer only, and over HTTP browsers ignore what follows from it.
fn is_https(headers: &HeaderMap) -> bool {
    headers.get(FORWARDED_PROTO).is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

fn add_headers(headers: &mut HeaderMap, id: &str, is_https: bool) {
    if is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, TRANSPORT_SECURITY);
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Not `no-referrer`, under which a browser hides from us that our own form was sent from here.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// The panic itself has been logged, with its place, by the hook that [`crate::logging::start`] sets.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here. The details are in the log.")
        .into_response()
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use axum::body::Body;
    use axum::http::header::ACCEPT;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use rds_iam_pool::{Limits, Pool, Target};
    use rds_iam_token::{Clock, Login, Minter, TokenSource};
    use tower::ServiceExt;

    use super::*;

    fn id_for(given: &'static [u8]) -> String {
        request_id(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(given).unwrap())]))
    }

    #[test]
    fn a_plain_request_id_is_taken_over_and_no_other() {
        assert_eq!(
            id_for(b"Root=1-67891233-abcdef012345678912345678"),
            "Root=1-67891233-abcdef012345678912345678"
        );
        let too_long: &[u8] = &[b'a'; 65];
        for odd in [b"".as_slice(), b"a b", b"a\"b", b"<script>", b"\xff", too_long] {
            let made = id_for(odd);
            assert!(made.len() == 32 && made.bytes().all(|b| b.is_ascii_hexdigit()), "{odd:?}: {made}");
        }
        assert_ne!(id_for(b""), id_for(b""));
    }

    /// Routes that no service should have, behind the whole stack.
    async fn ask(path: &str) -> (StatusCode, HeaderMap, String) {
        let login = Login::new(
            "db.example.com:3306".parse().unwrap(),
            "eu-west-1".parse().unwrap(),
            "node_app".parse().unwrap(),
        );
        let credentials = Credentials::new("AKIDEXAMPLE", "not-a-real-secret", None, None, "test");
        let tokens = TokenSource::lazy(Minter::new(login, credentials, Clock::system()));
        let target = Target::new("127.0.0.1:9".parse().unwrap(), Vec::new());
        let state = AppState::new(
            Pool::lazy(tokens.clone(), target, Limits::default()).unwrap(),
            &tokens,
            String::new(),
        );
        let routes = Router::new()
            .route("/panic", get(async || -> &'static str { panic!("a secret in a panic") }))
            .route("/slow", get(std::future::pending::<&'static str>));
        let app: Router = wrap(routes, &state).with_state(state);
        let request = Request::get(path).header(HOST, "a").header(ACCEPT, "text/html");
        let request = request.body(Body::empty()).unwrap();
        let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_panic_ends_its_request_only() {
        let (status, headers, text) = ask("/panic").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], POLICY);
        assert!(text.contains("Something went wrong here.") && !text.contains("secret"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_an_end_is_ended() {
        let (status, headers, text) = ask("/slow").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(headers["retry-after"], "5");
        assert!(text.contains("The request took too long."), "{text}");
    }
}
