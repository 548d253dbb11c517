//! Tests of the router with an unreachable database: probes, error responses, metrics, refused requests, response
//! headers, and separate ports.

mod common;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

use common::{KEY, SECRET, SESSION, form, get, post_json, postgres_state, send, state};

async fn app() -> Router {
    rds_iam_app::router(state().await)
}

async fn management() -> Router {
    rds_iam_app::management_router(state().await)
}

#[tokio::test]
async fn alive_without_a_database() {
    let answer = get(&management().await, "/livez").await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "alive\n"));
}

#[tokio::test]
async fn not_ready_and_says_what_would_fix_it() {
    let app = management().await;
    let answer = get(&app, "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "1");
    insta::assert_snapshot!(answer.text, @r#"{"ready":false,"kind":"unreachable","detail":"The database can't be reached: check its state and the way to it."}"#);
    // The second comes from the cache: it costs no attempt to connect.
    assert_eq!(get(&app, "/readyz").await.text, answer.text);
}

#[tokio::test]
async fn failures_report_nothing_to_clients_but_to_wait() {
    let app = app().await;
    let page = get(&app, "/").await;
    let api = get(&app, "/api/messages").await;
    let identity = get(&management().await, "/api/identity").await;
    let inserted = post_json(&app, r#"{"message":"kept?"}"#).await;
    let sent = send(&app, form("message=do+%3Cnot%3E+lose+this")).await;
    for answer in [&page, &api, &identity, &inserted, &sent] {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), "2");
        assert!(answer.text.contains("Try again a little later."), "{}", answer.text);
        for detail in [KEY, SECRET, SESSION, "127.0.0.1", "amazonaws", "refused", "os error", "X-Amz"] {
            assert!(!answer.text.contains(detail), "{detail} in {}", answer.text);
        }
    }
    assert!(page.header("content-type").starts_with("text/html"));
    assert_eq!(api.header("content-type"), "application/problem+json");
    assert_eq!(api.json()["status"], 503);
    assert_eq!(api.json()["request_id"], api.header("x-request-id"));
    assert!(sent.text.contains(r#"value="do &#60;not&#62; lose this""#), "{}", sent.text);
}

#[tokio::test]
async fn metrics_without_a_database() {
    let state = state().await;
    let (app, management) =
        (rds_iam_app::router(state.clone()), rds_iam_app::management_router(state.clone()));
    get(&app, "/").await;
    get(&app, "/no/such/page").await;
    send(
        &management,
        Request::builder().method("BREW").uri("/livez").header("host", "a").body(Body::empty()).unwrap(),
    )
    .await;
    let answer = get(&management, "/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    for line in [
        r#"http_requests_total{method="GET",route="/",status="503"} 1"#,
        r#"http_requests_total{method="GET",route="unmatched",status="404"} 1"#,
        r#"http_requests_total{method="other",route="/livez",status="405"} 1"#,
        r#"http_request_duration_seconds_count{method="GET",route="/"} 1"#,
        r#"rds_iam_pool_connections{state="idle"} 0"#,
        "rds_iam_pool_connections_max 10",
        "rds_iam_tokens_minted_total 1",
        "rds_iam_token_mint_failures_total 0",
        r#"rds_iam_pool_failures_total{cause="denied"} 0"#,
        "rds_iam_token_remaining_seconds ",
        "rds_iam_token_age_seconds ",
        "# EOF",
    ] {
        assert!(answer.text.contains(line), "{line} not in\n{}", answer.text);
    }
    assert!(
        !answer.text.contains(r#"rds_iam_pool_failures_total{cause="unreachable"} 0"#),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("X-Amz"));
}

#[tokio::test]
async fn bad_json_is_refused_before_the_database_is_asked() {
    let app = app().await;
    let problems = [
        (r#"{"message":" "}"#.to_owned(), 422),
        (format!(r#"{{"message":"{}"}}"#, "x".repeat(1001)), 422),
        (r#"{"message":"a\nb"}"#.into(), 422),
        (r#"{"text":"a"}"#.into(), 422),
        (r#"{"message":1}"#.into(), 422),
        (r#"["x"]"#.into(), 422),
        ("null".into(), 422),
        (r#"{"message":"\ud800"}"#.into(), 400),
        ("{".into(), 400),
    ];
    let mut answers = String::new();
    for (body, status) in problems {
        let answer = post_json(&app, body).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        answers += &format!("{} {}\n", answer.status.as_u16(), answer.json()["detail"].as_str().unwrap());
    }
    let untyped =
        send(&app, Request::post("/api/insert").header("host", "a").body("{}".into()).unwrap()).await;
    answers += &format!("{} {}\n", untyped.status.as_u16(), untyped.json()["detail"].as_str().unwrap());
    insta::assert_snapshot!(answers, @r"
    422 The message is empty. Write something first.
    422 The message has 1001 characters; at most 1000 are allowed.
    422 The message holds the control character U+000A. Remove it.
    422 The field `message` is missing.
    422 The field `message` must be a text.
    422 The body must be a JSON object with a field `message`.
    422 The body must be a JSON object with a field `message`.
    400 The body is not valid JSON (line 1, column 19).
    400 The body is not valid JSON (line 1, column 1).
    415 The request needs the header `Content-Type: application/json`.
    ");
}

#[tokio::test]
async fn the_engine_is_a_setting() {
    for (state, name) in [(state().await, "MySQL"), (postgres_state().await, "PostgreSQL")] {
        let app = rds_iam_app::router(state.clone());
        let page = get(&app, "/").await;
        assert_eq!((page.status, page.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"));
        assert!(page.text.contains(&format!("<p>Stored in {name}. ")), "{}", page.text);
        assert_eq!(get(&app, "/api/messages").await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(post_json(&app, r#"{"message":"a"}"#).await.status, StatusCode::SERVICE_UNAVAILABLE);
        let management = rds_iam_app::management_router(state.clone());
        let ready = get(&management, "/readyz").await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(ready.text, @r#"{"ready":false,"kind":"unreachable","detail":"The database can't be reached: check its state and the way to it."}"#);
        }
        assert_eq!(get(&management, "/api/identity").await.status, StatusCode::SERVICE_UNAVAILABLE);
        let metrics = get(&management, "/metrics").await.text;
        assert!(metrics.contains("rds_iam_pool_connections_max 10\n"), "{metrics}");
        state.pool().close().await;
    }
}

#[tokio::test]
async fn bad_pages_are_refused() {
    let app = app().await;
    let mut answers = String::new();
    for query in
        ["limit=0", "limit=101", "limit=ten", "limit=", "before=-1", "before=x", "page=2", "limit=1&limit=2"]
    {
        let answer = get(&app, &format!("/api/messages?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        answers += &format!("{query}: {}\n", answer.json()["detail"].as_str().unwrap());
    }
    insta::assert_snapshot!(answers, @r"
    limit=0: `limit` must be a number from 1 to 100.
    limit=101: `limit` must be a number from 1 to 100.
    limit=ten: `limit` must be a number from 1 to 100.
    limit=: `limit` must be a number from 1 to 100.
    before=-1: `before` must be a message's id, such as an earlier page's `next`.
    before=x: `before` must be a message's id, such as an earlier page's `next`.
    page=2: The query may have `limit` and `before`, each once, and nothing else.
    limit=1&limit=2: The query may have `limit` and `before`, each once, and nothing else.
    ");
}

#[tokio::test]
async fn a_form_with_a_mistake_comes_back_with_what_was_typed() {
    let app = app().await;
    let answer = send(&app, form("message=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E%0D%0A%3Cb%3E")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.header("content-type").starts_with("text/html"));
    assert!(!answer.text.contains("<script>"), "{}", answer.text);
    assert!(answer.text.contains("&#34;&#62;&#60;script&#62;alert(1)"), "{}", answer.text);
    assert!(answer.text.contains("the control character U+000D"), "{}", answer.text);
    assert!(answer.text.contains("aria-invalid"), "{}", answer.text);

    let empty = send(&app, form("message=++")).await;
    assert!(empty.text.contains("The message is empty."), "{}", empty.text);
    let strange = send(&app, form("text=a")).await;
    assert_eq!(strange.status, StatusCode::BAD_REQUEST);
    assert!(strange.text.starts_with("<!doctype html>"), "{}", strange.text);
}

#[tokio::test]
async fn the_body_limit() {
    let app = app().await;
    let large = "x".repeat(16 * 1024 + 1);
    let api = post_json(&app, large.clone()).await;
    assert_eq!(api.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", api.text);
    assert_eq!(api.header("content-type"), "application/problem+json");
    let sent = send(&app, form(format!("message={large}"))).await;
    assert_eq!(sent.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(sent.text.contains("too large"), "{}", sent.text);
    // The longest message that is allowed fits, percent-encoded.
    let longest = send(&app, form(format!("message={}", "%F0%9F%A6%80".repeat(1000)))).await;
    assert_eq!(longest.status, StatusCode::SERVICE_UNAVAILABLE, "it got as far as the database");
}

#[tokio::test]
async fn other_sites_cannot_send_the_form() {
    let app = app().await;
    let sent = async |headers: &[(&'static str, &'static str)]| {
        let mut request = form("message=a");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        send(&app, request).await
    };
    for refused in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example.com")],
        &[("origin", "null")],
    ] {
        let answer = sent(refused).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{refused:?}");
        assert!(answer.text.contains("another site"), "{}", answer.text);
    }
    for allowed in [
        &[][..],
        &[("sec-fetch-site", "same-origin"), ("origin", "https://elsewhere.example.com")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://board.example.com")],
    ] {
        assert_eq!(sent(allowed).await.status, StatusCode::SERVICE_UNAVAILABLE, "{allowed:?}");
    }
}

#[tokio::test]
async fn headers_of_every_answer() {
    let (app, management) = (app().await, management().await);
    for (router, path) in [
        (&app, "/"),
        (&app, "/api/messages"),
        (&app, "/nowhere"),
        (&app, "/style.css"),
        (&management, "/livez"),
        (&management, "/metrics"),
        (&management, "/nowhere"),
    ] {
        let answer = get(router, path).await;
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        let cached = if path == "/style.css" { "public, max-age=300" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), cached, "{path}");
        assert_eq!(answer.header("x-request-id").len(), 32);
    }
}

#[tokio::test]
async fn a_request_id_goes_through() {
    let app = app().await;
    let request = Request::get("/nowhere")
        .header("host", "a")
        .header("x-request-id", "trace-7")
        .body(Body::empty())
        .unwrap();
    let answer = send(&app, request).await;
    assert_eq!(answer.header("x-request-id"), "trace-7");
    assert_eq!(answer.json()["request_id"], "trace-7");
}

#[tokio::test]
async fn unknown_addresses_and_methods() {
    let app = app().await;
    let nowhere = Request::get("/nowhere")
        .header("host", "a")
        .header("accept", "text/html,*/*")
        .body(Body::empty())
        .unwrap();
    let page = send(&app, nowhere).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.text.contains("There is nothing at this address."), "{}", page.text);
    let method = Request::builder()
        .method(Method::DELETE)
        .uri("/api/insert")
        .header("host", "a")
        .body(Body::empty())
        .unwrap();
    let answer = send(&app, method).await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    insta::assert_snapshot!(answer.json()["detail"].as_str().unwrap(), @"This address does not accept this method.");
}

#[tokio::test]
async fn the_state_prints_no_secret() {
    let printed = format!("{:?}", state().await);
    for secret in [SECRET, SESSION, "X-Amz"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn machines_and_people_have_separate_ports() {
    let state = state().await;
    let (app, management) = (rds_iam_app::router(state.clone()), rds_iam_app::management_router(state));
    for path in ["/livez", "/readyz", "/metrics", "/api/identity"] {
        assert_eq!(get(&app, path).await.status, StatusCode::NOT_FOUND, "{path} on PORT");
        assert_ne!(get(&management, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/", "/api/messages", "/style.css"] {
        assert_eq!(get(&management, path).await.status, StatusCode::NOT_FOUND, "{path} on the other port");
    }
    assert!(!get(&app, "/").await.text.contains("/readyz"), "the page links to what it does not serve");
}
