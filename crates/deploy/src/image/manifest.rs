//! Manifests of images and artifacts. Their bytes are kept unchanged, because the digest is computed from them.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Digest;

/// The media type of an OCI image manifest, which artifacts have too.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an OCI image index.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of a Docker manifest, which older builders write.
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// The media type of a Docker list of images.
pub(super) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Accepted media types.
pub(super) const MANIFESTS: [&str; 2] = [MANIFEST, DOCKER_MANIFEST];

/// The maximum size of a manifest, an index or an artifact's document: 4 MiB, the limit of registries for manifests.
pub(super) const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;
/// The maximum size of a blob: 2 GiB. This project's layers have a few dozen MiB.
pub(super) const MAX_BLOB_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// The media type of an empty config (`{}`), which artifacts have.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A reference to a manifest or blob.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    /// The size in bytes.
    pub(super) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
}

/// A manifest of a layout or registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) digest: Digest,
    pub(super) media_type: String,
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Parts,
}

/// The parsed fields of a manifest.
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
    /// Parses a manifest; `None` if the bytes are not an image or artifact manifest.
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        let parts: Parts = serde_json::from_slice(&bytes).ok()?;
        let media_type = parts.media_type.clone().unwrap_or_else(|| MANIFEST.to_owned());
        let is_known = MANIFESTS.contains(&media_type.as_str());
        is_known.then(|| Self { digest: Digest::sha256(&bytes), media_type, bytes, parts })
    }

    /// Returns an artifact with one document about a subject, and its blobs.
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
        let manifest = Self::parse(manifest.to_string().into_bytes()).expect("it is a manifest");
        (manifest, [b"{}".to_vec(), document.to_vec()])
    }

    /// Returns the manifest's descriptor for an index.
    pub(super) fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest.clone(),
            size: self.bytes.len() as u64,
            artifact_type: self.parts.artifact_type.clone(),
        }
    }

    /// Returns the blobs of config and layers, without duplicates.
    pub(super) fn blobs(&self) -> Vec<&Descriptor> {
        let mut blobs: Vec<&Descriptor> = Vec::new();
        for blob in std::iter::once(&self.parts.config).chain(&self.parts.layers) {
            if !blobs.iter().any(|listed| listed.digest == blob.digest) {
                blobs.push(blob);
            }
        }
        blobs
    }

    /// Returns the compressed size of all blobs, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.blobs().iter().map(|blob| blob.size).sum()
    }
}
