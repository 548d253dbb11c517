//! Tests of image operations against a real registry and prepared AWS responses.

mod credentials;
mod errors;
mod limits;
mod promote;
mod push;
mod scan;
mod server;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::aws::test_client;
use crate::aws::test_client::{TestClient, clock};
use crate::test_progress::Progress;

use server::{PASSWORD, Server, ecr};

const REPOSITORY: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev";
const COMMIT: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";
const TAG: &str = "0a1b2c3d4e5f";

/// An OCI image layout written by a build.
struct Built {
    folder: PathBuf,
    image: Digest,
}

/// Builds an image of one layer, with SBOM and provenance. `content` distinguishes it from others.
fn build(folder: &Path, content: &str) -> Built {
    build_with(folder, content, &Value::Null)
}

/// Builds an image with other provenance: another statement, or another kind of bases.
fn build_with(folder: &Path, content: &str, stated: &Value) -> Built {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |media_type: &str, bytes: &[u8]| {
        let digest = Digest::sha256(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    };
    let text = |value: Value| value.to_string().into_bytes();
    // Large enough to be cut off in transit.
    let layer = content.repeat((1 << 20) / content.len());
    let labels = json!({ "org.opencontainers.image.revision": COMMIT });
    let config = put(
        "application/vnd.oci.image.config.v1+json",
        &text(json!({
            "architecture": "amd64", "os": "linux", "config": { "Labels": labels },
            "rootfs": { "type": "layers", "diff_ids": [] }
        })),
    );
    let image = put(
        manifest::MANIFEST,
        &text(json!({
            "schemaVersion": 2, "mediaType": manifest::MANIFEST, "config": config,
            "layers": [put("application/vnd.oci.image.layer.v1.tar", layer.as_bytes())]
        })),
    );
    let artifact = |artifact_type: &str, document: Value| {
        let document = put(artifact_type, &text(document));
        let mut listed = put(
            manifest::MANIFEST,
            &text(json!({
                "schemaVersion": 2, "mediaType": manifest::MANIFEST, "artifactType": artifact_type,
                "config": put("application/vnd.oci.empty.v1+json", b"{}"), "layers": [document], "subject": image
            })),
        );
        listed["artifactType"] = json!(artifact_type);
        listed
    };
    let digest: Digest = image["digest"].as_str().unwrap().parse().unwrap();
    let provenance = match stated {
        Value::Null => provenance(&digest, "pinned"),
        Value::String(bases) => provenance(&digest, bases),
        other => other.clone(),
    };
    let index = json!({ "schemaVersion": 2, "manifests": [
        image,
        artifact("application/vnd.cyclonedx+json", json!({ "bomFormat": "CycloneDX" })),
        artifact("application/vnd.in-toto+json", provenance),
    ]});
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    Built { folder: folder.to_owned(), image: image["digest"].as_str().unwrap().parse().unwrap() }
}

/// Returns the statement of a build about an image on bases of that kind.
fn provenance(image: &Digest, bases: &str) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1",
        "subject": [{ "name": "rds-iam-app", "digest": { "sha256": image.hex() } }],
        "predicate": { "buildDefinition": {
            "externalParameters": { "bases": bases },
            "resolvedDependencies": [{ "digest": { "gitCommit": COMMIT } }],
        }}
    })
}

/// Writes the results of two gates for an image, one of them with that result.
fn gates(folder: &Path, image: &Digest, result: &str) -> PathBuf {
    let path = folder.join("gates.json");
    let gates = json!({
        "commit": COMMIT, "image": image, "run": "ada@laptop", "at": "2026-01-01T00:00:00Z",
        "gates": [{ "name": "checkov", "result": "passed" }, { "name": "trivy", "result": result, "reason": "not here" }]
    });
    std::fs::write(&path, gates.to_string()).unwrap();
    path
}

/// Returns the options of a push with these gate results.
fn with_gates(gates: PathBuf) -> PushOptions {
    PushOptions { gates: Some(gates), ..PushOptions::default() }
}

/// Pushes a build under a tag. Returns the result and the reported progress.
async fn push_as(
    tag: &str,
    built: &Built,
    options: &PushOptions,
    aws: &TestClient,
) -> (Result<Pushed, ImageError>, Vec<String>) {
    let (progress, repository, tag) =
        (Progress::capture(), REPOSITORY.parse().unwrap(), tag.parse().unwrap());
    let result = push(&aws.config(), &clock(), &built.folder, &repository, &tag, options).await;
    (result, progress.lines())
}

async fn push_built(
    built: &Built,
    options: &PushOptions,
    aws: &TestClient,
) -> (Result<Pushed, ImageError>, Vec<String>) {
    push_as(TAG, built, options, aws).await
}

async fn inspect_image(image: ImageRef, aws: &TestClient) -> Result<ImageRecord, ImageError> {
    inspect(&aws.config(), &REPOSITORY.parse().unwrap(), &image).await
}

/// Returns an error with its causes, which must not contain the login, in either of its forms.
fn text(error: &dyn std::error::Error) -> String {
    use base64::Engine as _;
    let header = base64::engine::general_purpose::STANDARD.encode(format!("AWS:{PASSWORD}"));
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    for form in [&text, &format!("{error:?}")] {
        assert!(!form.contains(PASSWORD) && !form.contains(&header), "{form}");
    }
    text
}
