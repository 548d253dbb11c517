//! Manifests: what an image or an artifact consists of. Their bytes are kept as they came, for they are what the
//! digest is of.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Digest;

/// Of an image, and of an artifact too.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Of a list of manifests.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's own, which an older builder makes.
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Those that are taken.
pub(super) const MANIFESTS: [&str; 2] = [MANIFEST, DOCKER_MANIFEST];
/// The config of an artifact, which has none: `{}`.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Where something lies, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
}

/// A manifest as it lies in a layout or a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) digest: Digest,
    pub(super) media_type: String,
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Parts,
}

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parts {
    media_type: Option<String>,
    pub(super) artifact_type: Option<String>,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    pub(super) subject: Option<Descriptor>,
}

impl Manifest {
    /// Reads one; nothing where the bytes are no manifest of an image or artifact.
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        let parts: Parts = serde_json::from_slice(&bytes).ok()?;
        let media_type = parts.media_type.clone().unwrap_or_else(|| MANIFEST.to_owned());
        let is_known = MANIFESTS.contains(&media_type.as_str());
        is_known.then(|| Self { digest: Digest::sha256(&bytes), media_type, bytes, parts })
    }

    /// An artifact of one document about a subject, with the blobs it consists of.
    pub(super) fn artifact(artifact_type: &str, document: &[u8], subject: &Self) -> (Self, [Vec<u8>; 2]) {
        let descriptor = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": Digest::sha256(bytes), "size": bytes.len() });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": artifact_type,
            "config": descriptor(EMPTY, b"{}"),
            "layers": [descriptor(artifact_type, document)],
            "subject": descriptor(&subject.media_type, &subject.bytes),
        });
        let manifest = Self::parse(manifest.to_string().into_bytes()).expect("it is one");
        (manifest, [b"{}".to_vec(), document.to_vec()])
    }

    /// How a list names it.
    pub(super) fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest.clone(),
            size: self.bytes.len() as u64,
            artifact_type: self.parts.artifact_type.clone(),
        }
    }

    /// What it consists of, each once.
    pub(super) fn blobs(&self) -> Vec<&Descriptor> {
        let mut blobs: Vec<&Descriptor> = Vec::new();
        for blob in std::iter::once(&self.parts.config).chain(&self.parts.layers) {
            if !blobs.iter().any(|listed| listed.digest == blob.digest) {
                blobs.push(blob);
            }
        }
        blobs
    }

    /// Bytes of all its blobs, as they travel.
    pub(super) fn size(&self) -> u64 {
        self.blobs().iter().map(|blob| blob.size).sum()
    }
}
