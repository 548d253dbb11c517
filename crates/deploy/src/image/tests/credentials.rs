//! Tests that the login is sent to the registry only, and is never printed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::image::manifest::{Descriptor, Manifest};
use crate::image::registry::Registry;

async fn registry(server: &TestClient) -> Registry {
    let aws = ecr(server.address(), PASSWORD);
    login::login(&REPOSITORY.parse().unwrap(), &aws.config()).await.unwrap()
}

/// Returns the value of the header after `Basic `.
fn header() -> String {
    STANDARD.encode(format!("AWS:{PASSWORD}"))
}

fn descriptor(bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: "x/y".to_owned(),
        digest: Digest::sha256(bytes),
        size: bytes.len() as u64,
        artifact_type: None,
    }
}

fn assert_no_login(foreign: &TestClient, requests: usize) {
    let heads = foreign.heads();
    assert_eq!(foreign.operations().len(), requests, "{heads}");
    assert!(!heads.to_lowercase().contains("authorization"), "{heads}");
    assert!(!heads.contains(&header()) && !heads.contains(PASSWORD), "{heads}");
}

#[tokio::test]
async fn a_redirect_gets_no_login() {
    let (own, foreign) = (TestClient::new(), TestClient::new());
    let at = |path: &str| format!("http://{}/{path}", foreign.address());
    // The second redirect stays on the other host.
    let blob = descriptor(b"layer");
    own.header(&format!("GET /v2/orders-dev/blobs/{}", blob.digest), 307, "Location", &at("one"));
    own.header("GET /v2/orders-dev/manifests/v1", 302, "Location", &at("one"));
    own.header(&format!("HEAD /v2/orders-dev/blobs/{}", blob.digest), 307, "Location", &at("one"));
    for method in ["GET", "HEAD"] {
        foreign.header(&format!("{method} /one"), 307, "Location", "/two");
        foreign.on(&format!("{method} /two"), 200, "layer");
    }
    let registry = registry(&own).await;
    assert_eq!(registry.blob(&blob).await.unwrap(), b"layer");
    assert_eq!(registry.tagged(&"v1".parse().unwrap()).await.unwrap(), Some(blob.digest.clone()));
    assert!(registry.has_blob(&blob).await.unwrap());
    assert_no_login(&foreign, 6);
    assert_eq!(own.heads().matches(&header()).count(), 3);
}

#[tokio::test]
async fn a_redirect_that_never_ends_is_an_error() {
    let own = TestClient::new();
    own.header("GET /v2/orders-dev/manifests/v1", 307, "Location", "/v2/orders-dev/manifests/v1");
    let error = registry(&own).await.tagged(&"v1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind, RegistryErrorKind::Protocol);
    assert_eq!(own.operations().len(), 4);
}

#[tokio::test]
async fn a_write_is_not_redirected() {
    let (own, foreign) = (TestClient::new(), TestClient::new());
    let location = format!("http://{}/", foreign.address());
    own.header("PUT /v2/orders-dev/manifests/v1", 307, "Location", &location);
    own.header("POST /v2/orders-dev/blobs/uploads/", 307, "Location", &location);
    let registry = registry(&own).await;
    let (manifest, _) = Manifest::artifact("x/y", b"{}", &push::a_manifest());
    let errors = [
        registry.put_manifest("v1", &manifest).await.unwrap_err(),
        registry.put_blob(&Digest::sha256(b"layer"), b"layer".to_vec()).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error.kind, RegistryErrorKind::Answered { status: 307, .. }), "{error}");
    }
    assert_no_login(&foreign, 0);
}

#[tokio::test]
async fn an_upload_to_another_origin_gets_no_login() {
    let (own, foreign) = (TestClient::new(), TestClient::new());
    let location = format!("http://{}/upload?state=1", foreign.address());
    own.header("POST /v2/orders-dev/blobs/uploads/", 202, "Location", &location);
    let digest = Digest::sha256(b"layer");
    let upload = format!("PUT /upload?state=1&digest={}", digest.as_str().replace(':', "%3A"));
    foreign.on(&upload, 201, "");
    registry(&own).await.put_blob(&digest, b"layer".to_vec()).await.unwrap();
    assert_eq!(foreign.requests(&upload), ["layer"]);
    assert_no_login(&foreign, 1);
}

#[tokio::test]
async fn a_realm_for_tokens_gets_no_login() {
    let (own, foreign) = (TestClient::new(), TestClient::new());
    foreign.on("GET /token", 200, r#"{"token":"x"}"#);
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"x\"", foreign.address());
    for operation in ["GET /v2/", "GET /v2/orders-dev/manifests/v1", "POST /v2/orders-dev/blobs/uploads/"] {
        own.header(operation, 401, "WWW-Authenticate", &challenge);
    }
    let registry = registry(&own).await;
    let errors = [
        registry.tagged(&"v1".parse().unwrap()).await.unwrap_err(),
        registry.put_blob(&Digest::sha256(b"layer"), b"layer".to_vec()).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, RegistryErrorKind::Unauthorized);
    }
    assert_no_login(&foreign, 0);
}

#[tokio::test]
async fn an_answer_that_repeats_the_login_is_not_printed() {
    let header = header();
    let wrapped = format!("{}\n{}\x1b[31m", &header[..20], &header[20..]);
    let json = |message: &str| json!({ "errors": [{ "code": "UNKNOWN", "message": message }] }).to_string();
    for body in [
        format!("failed: GET\nAuthorization: Basic {header}\n"),
        format!("{}{header}", "x".repeat(190)),
        format!("cut off: {}", &header[..24]),
        format!("wrapped: {wrapped}"),
        format!("user AWS, password {PASSWORD}"),
        json(&format!("bad header Basic {header}")),
        json(PASSWORD),
        json!({ "errors": [{ "code": PASSWORD, "message": "" }] }).to_string(),
    ] {
        for status in [400, 500] {
            let own = TestClient::new();
            own.on("GET /v2/orders-dev/manifests/v1", status, body.clone());
            let error = registry(&own).await.tagged(&"v1".parse().unwrap()).await.unwrap_err();
            let text = text(&error);
            let parts = [&header[..16], &header[20..30], &PASSWORD[..16], "auth-token"];
            assert!(parts.iter().all(|part| !text.contains(part)), "{body}: {text}");
            assert!(text.contains("its message repeats the login and is left out"), "{body}: {text}");
        }
    }
}

#[tokio::test]
async fn a_message_is_short_and_without_control_characters() {
    let own = TestClient::new();
    own.on("GET /v2/orders-dev/manifests/v1", 500, format!("\x1b]0;title\x07{}", "y".repeat(1 << 20)));
    let error = registry(&own).await.tagged(&"v1".parse().unwrap()).await.unwrap_err();
    let RegistryErrorKind::Answered { status: 500, message } = error.kind else { panic!("{error}") };
    assert!(message.starts_with("]0;title y") && message.len() < 200, "{message}");
}

#[tokio::test]
async fn the_message_of_another_origin_is_left_out() {
    let (own, foreign) = (TestClient::new(), TestClient::new());
    let location = format!("http://{}/one?X-Amz-Signature=0f0f", foreign.address());
    own.header("GET /v2/orders-dev/manifests/v1", 307, "Location", &location);
    foreign.on("GET /one?X-Amz-Signature=0f0f", 400, "<SignatureProvided>0f0f</SignatureProvided>");
    let error = registry(&own).await.tagged(&"v1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind, RegistryErrorKind::Answered { status: 400, message: String::new() });
}
