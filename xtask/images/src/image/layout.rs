//! Builds an OCI image layout, with an image and the artifacts about it, and writes it to a folder.
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The blobs of an image and its artifacts, and the index that lists their manifests, the image's first.
#[derive(Debug, Default)]
pub(super) struct Layout {
    blobs: BTreeMap<String, Vec<u8>>,
    index: Vec<Value>,
}

/// Returns the digest: `sha256:` and 64 hex digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Layout {
    /// Adds a blob, and returns its descriptor.
    pub(super) fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = digest(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        self.blobs.insert(digest, bytes);
        descriptor
    }

    /// Adds an image under a tag, and returns the descriptor of its manifest.
    pub(super) fn image(&mut self, config: &Value, layers: &[Value], tag: &str) -> Value {
        let config = self.blob("application/vnd.oci.image.config.v1+json", bytes(config));
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        let descriptor = self.blob(MANIFEST, bytes(&manifest));
        let mut listed = descriptor.clone();
        listed["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        self.index.push(listed);
        descriptor
    }

    /// Adds a document about the image that `subject` describes.
    pub(super) fn artifact(&mut self, kind: &str, document: Vec<u8>, subject: &Value, created: &str) {
        let config = self.blob(EMPTY, b"{}".to_vec());
        let document = self.blob(kind, document);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": config,
            "layers": [document],
            "subject": subject,
            "annotations": {"org.opencontainers.image.created": created},
        });
        let mut listed = self.blob(MANIFEST, bytes(&manifest));
        listed["artifactType"] = kind.into();
        self.index.push(listed);
    }

    /// Writes the layout into an empty folder.
    ///
    /// # Errors
    /// Returns an error if a file can't be written.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs)?;
        for (digest, blob) in &self.blobs {
            fs::write(blobs.join(digest.trim_start_matches("sha256:")), blob)?;
        }
        fs::write(folder.join("oci-layout"), bytes(&json!({"imageLayoutVersion": "1.0.0"})))?;
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": self.index,
        });
        fs::write(folder.join("index.json"), bytes(&index))
    }
}

/// Returns the canonical form of JSON: no white space, and sorted keys regardless of serde_json's features.
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string().into_bytes()
}
