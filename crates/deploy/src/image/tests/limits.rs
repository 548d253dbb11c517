//! Tests of the limits of a registry's answers.

use super::*;
use crate::image::manifest::{Descriptor, MAX_BLOB_BYTES, MAX_MANIFEST_BYTES};
use crate::image::registry::Registry;

async fn registry(server: &TestClient) -> Registry {
    let aws = ecr(server.address(), PASSWORD);
    login::login(&REPOSITORY.parse().unwrap(), &aws.config()).await.unwrap()
}

/// Returns bytes above the limit of a manifest.
fn too_many() -> String {
    " ".repeat(usize::try_from(MAX_MANIFEST_BYTES).unwrap() + 1)
}

#[tokio::test]
async fn a_manifest_is_read_with_a_limit() {
    let (own, digest) = (TestClient::new(), Digest::sha256(b"image"));
    own.on("GET /v2/orders-dev/manifests/v1", 200, too_many())
        .on(&format!("GET /v2/orders-dev/manifests/{digest}"), 200, too_many())
        .on(&format!("GET /v2/orders-dev/referrers/{digest}"), 200, too_many());
    let registry = registry(&own).await;
    let errors = [
        registry.tagged(&"v1".parse().unwrap()).await.unwrap_err(),
        registry.manifest(&digest).await.unwrap_err(),
        registry.artifacts(&digest).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, RegistryErrorKind::TooLarge { limit: MAX_MANIFEST_BYTES });
    }
}

#[tokio::test]
async fn a_manifest_and_a_blob_have_their_digests() {
    let (own, digest) = (TestClient::new(), Digest::sha256(b"image"));
    own.on(&format!("GET /v2/orders-dev/manifests/{digest}"), 200, "other").on(
        &format!("GET /v2/orders-dev/blobs/{digest}"),
        200,
        "other",
    );
    let registry = registry(&own).await;
    assert_eq!(registry.manifest(&digest).await.unwrap_err().kind, RegistryErrorKind::Corrupt);
    let blob = Descriptor { media_type: "x/y".to_owned(), digest, size: 5, artifact_type: None };
    assert_eq!(registry.blob(&blob).await.unwrap_err().kind, RegistryErrorKind::Corrupt);
}

#[tokio::test]
async fn a_blob_is_read_up_to_the_size_of_its_descriptor() {
    let (own, digest) = (TestClient::new(), Digest::sha256(b"layer"));
    let read = format!("GET /v2/orders-dev/blobs/{digest}");
    own.on(&read, 200, "layer");
    let registry = registry(&own).await;
    let blob =
        |size| Descriptor { media_type: "x/y".to_owned(), digest: digest.clone(), size, artifact_type: None };
    assert_eq!(registry.blob(&blob(5)).await.unwrap(), b"layer");
    let error = registry.blob(&blob(4)).await.unwrap_err();
    assert_eq!(error.kind, RegistryErrorKind::TooLarge { limit: 4 });
    // A descriptor above the limits is refused before the blob is requested.
    let requests = own.operations().len();
    let error = registry.blob(&blob(MAX_BLOB_BYTES + 1)).await.unwrap_err();
    assert_eq!(error.kind, RegistryErrorKind::TooLarge { limit: MAX_BLOB_BYTES });
    let error = registry.document(&blob(MAX_MANIFEST_BYTES + 1)).await.unwrap_err();
    assert_eq!(error.kind, RegistryErrorKind::TooLarge { limit: MAX_MANIFEST_BYTES });
    assert_eq!(own.operations().len(), requests);
}
