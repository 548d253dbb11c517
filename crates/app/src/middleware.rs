//! The middleware of every request, outermost first: security headers, observation (request id, span, metrics, access
//! log, error bodies), panics, check of the `Host` header, cross-site check, reading of the body, timeout.
//!
//! Request ids are not `tower_http::request_id`'s, which keeps any id that a client sends; the access log is not
//! `tower_http::trace`'s, because one line has id, route, status and duration, which the metrics share.

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
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tracing::Instrument;

use crate::clients::{Client, ClientLimits};
use crate::error::{ApiError, render};
use crate::{AppState, accepts};

/// The time limit of a request whose body has arrived: 10 seconds, more than the wait for a connection and a
/// statement's limit together. With the body's 10 seconds, it is within the shutdown's deadline.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest body: 16 KiB, above any message of 1000 characters, percent-encoded.
pub(crate) const BODY_LIMIT: usize = 16 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id that is accepted from a client: 64 characters.
const MAX_REQUEST_ID: usize = 64;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A year, for this host only: other hosts of the domain may not support HTTPS.
const TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Not `no-referrer`, with which a browser would not report that the page's own form was sent from here.
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Applies all middleware to `routes`.
pub(crate) fn apply(routes: Router<AppState>, state: &AppState) -> Router<AppState> {
    routes.layer(
        ServiceBuilder::new()
            .layer(SetResponseHeaderLayer::overriding(CONTENT_SECURITY_POLICY, POLICY))
            .layer(SetResponseHeaderLayer::overriding(X_CONTENT_TYPE_OPTIONS, NO_SNIFF))
            .layer(SetResponseHeaderLayer::overriding(REFERRER_POLICY, SAME_ORIGIN))
            .layer(SetResponseHeaderLayer::if_not_present(CACHE_CONTROL, NO_STORE))
            .layer(from_fn_with_state(state.clone(), observe))
            .layer(CatchPanicLayer::custom(panic_response))
            .layer(from_fn(check_host))
            .layer(CsrfLayer::new())
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(from_fn(read_body))
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIMEOUT)),
    )
}

/// Refuses requests as RFC 9112, section 3.2, requires: HTTP/1.1 without a host, and any request with two hosts or an
/// invalid one.
async fn check_host(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_valid = match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => is_host(host),
        (Some(_), Some(_)) => false,
    };
    if is_valid {
        return next.run(request).await;
    }
    ApiError::new(StatusCode::BAD_REQUEST, "The request must have exactly one valid `Host` header.")
        .into_response()
}

/// Returns whether a `Host` header is valid. An empty one is: clients send it for an address without a host.
fn is_host(value: &HeaderValue) -> bool {
    value.is_empty() || Authority::try_from(value.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
}

/// Reads the body before the request is handled, so that a client that sends it slowly occupies only its own
/// connection.
async fn read_body(request: Request, next: Next) -> Response {
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
    let method = method_label(request.method());
    let route = route_label(&request);
    let as_page = wants_page(&request);
    let is_https = is_https(request.headers());
    let span = tracing::info_span!("request", %id, method, path = request.uri().path());

    let response = next.run(request).instrument(span.clone()).await;
    let mut response = render(response, as_page, &id);
    if is_https {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, TRANSPORT_SECURITY);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }

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

/// Returns the client's request id if it is short and plain, else a new one of 128 random bits.
fn request_id(headers: &HeaderMap) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'=' | b':' | b';');
    match headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()) {
        Some(id) if (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(plain) => id.to_owned(),
        _ => format!("{:032x}", fastrand::u128(..)),
    }
}

/// Returns the method as a label. Its values are bounded.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

/// Returns the route's template as a label. Its values are bounded: the templates are in the router.
fn route_label(request: &Request) -> String {
    request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned()
}

/// Returns whether an error is rendered as a page: for a browser, except under `/api/`.
fn wants_page(request: &Request) -> bool {
    !request.uri().path().starts_with("/api/") && accepts::prefers_html(request.headers())
}

/// Returns whether the load balancer received the request over HTTPS. It overwrites this header of a client. Without a
/// load balancer, a client's header affects only its own response, and browsers ignore the result over HTTP.
fn is_https(headers: &HeaderMap) -> bool {
    headers.get(FORWARDED_PROTO).is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// Creates the response of a request that panicked. The hook that [`crate::logging::start`] sets has logged the panic.
fn panic_response(_: Box<dyn Any + Send>) -> Response {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here. The details are in the log.")
        .into_response()
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use axum::body::Body;
    use axum::http::header::ACCEPT;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use rds_iam_infra::Engine;
    use rds_iam_sqlx::MySqlPool;
    use rds_iam_token::{Clock, Login, Minter, TokenSource};
    use tower::ServiceExt;

    use super::*;
    use crate::permit::Permit;

    fn id_for(given: &'static [u8]) -> String {
        request_id(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(given).unwrap())]))
    }

    #[test]
    fn only_a_plain_request_id_is_accepted() {
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

    /// Requests routes that only a test has, behind all middleware.
    async fn request(path: &str) -> (StatusCode, HeaderMap, String) {
        let login = Login::new(
            "db.example.com:3306".parse().unwrap(),
            "eu-west-1".parse().unwrap(),
            "node_app".parse().unwrap(),
        );
        let permit = Permit::new(Engine::MySql, login.clone(), "node_db".parse().unwrap());
        let credentials = Credentials::new("AKIDEXAMPLE", "not-a-real-secret", None, None, "test");
        let tokens = TokenSource::lazy(Minter::new(login, credentials, Clock::system()));
        let pool = MySqlPool::builder("db.example.com", "node_app")
            .tokens(tokens)
            .dial("127.0.0.1:9")
            .connect_lazy();
        let state = AppState::new(pool.unwrap(), permit);
        let routes = Router::new()
            .route("/panic", get(async || -> &'static str { panic!("a secret in a panic") }))
            .route("/slow", get(std::future::pending::<&'static str>));
        let app: Router = apply(routes, &state).with_state(state);
        let request = Request::get(path).header(HOST, "a").header(ACCEPT, "text/html");
        let request = request.body(Body::empty()).unwrap();
        let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_panic_ends_its_request_only() {
        let (status, headers, text) = request("/panic").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], POLICY);
        assert!(text.contains("Something went wrong here.") && !text.contains("secret"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_too_long_times_out() {
        let (status, headers, text) = request("/slow").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(headers["retry-after"], "5");
        assert!(text.contains("The request took too long."), "{text}");
    }
}
