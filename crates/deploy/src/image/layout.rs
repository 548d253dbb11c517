//! Reads an OCI image layout, a folder that holds one image and the artifacts that refer to it, and checks the
//! digest and size of each blob that is read.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::manifest::{Descriptor, MAX_BLOB_BYTES, MAX_MANIFEST_BYTES, Manifest};
use super::{Digest, ImageError};
use rds_iam_report::file;

/// The contents of a layout.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    folder: PathBuf,
    pub(super) image: Manifest,
    /// SBOM and provenance.
    pub(super) artifacts: Vec<Manifest>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    image_layout_version: String,
}

impl Layout {
    /// Reads the manifests. The first one in `index.json` is the image, which must be the subject of the others.
    pub(super) fn read(folder: &Path) -> Result<Self, ImageError> {
        let invalid = |problem: String| ImageError::Layout { folder: folder.to_owned(), problem };
        let version: Version = json(folder, "oci-layout")?;
        if version.image_layout_version != "1.0.0" {
            return Err(invalid(format!(
                "is an image layout of version {:?}, not 1.0.0",
                version.image_layout_version
            )));
        }
        let index: Index = json(folder, "index.json")?;
        let mut manifests = Vec::new();
        for descriptor in &index.manifests {
            let bytes = blob(folder, descriptor)?;
            let manifest = Manifest::parse(bytes);
            let digest = &descriptor.digest;
            manifests.push(
                manifest.ok_or_else(|| invalid(format!("lists {digest}, which is not an image manifest")))?,
            );
        }
        if manifests.is_empty() {
            return Err(invalid("has an index.json without images".to_owned()));
        }
        let image = manifests.remove(0);
        if image.parts.subject.is_some() {
            return Err(invalid(format!("lists {} first, which is an artifact, not an image", image.digest)));
        }
        let refers_to_image = |manifest: &Manifest| {
            manifest.parts.subject.as_ref().is_some_and(|subject| subject.digest == image.digest)
        };
        if let Some(other) = manifests.iter().find(|manifest| !refers_to_image(manifest)) {
            return Err(invalid(format!(
                "lists {}, which does not refer to the image {}",
                other.digest, image.digest
            )));
        }
        Ok(Self { folder: folder.to_owned(), image, artifacts: manifests })
    }

    /// Reads a blob and checks its digest and size.
    pub(super) fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        blob(&self.folder, descriptor)
    }
}

fn json<T: for<'de> Deserialize<'de>>(folder: &Path, name: &str) -> Result<T, ImageError> {
    let path = folder.join(name);
    let text = file::read_text(&path, MAX_MANIFEST_BYTES)
        .map_err(|source| ImageError::Read { path: path.clone(), source })?;
    serde_json::from_str(&text).map_err(|error| {
        let problem = format!("has an invalid {name} (OCI image specification, line {})", error.line());
        ImageError::Layout { folder: folder.to_owned(), problem }
    })
}

fn blob(folder: &Path, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
    let path = folder.join("blobs/sha256").join(descriptor.digest.hex());
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(&path)?.take(MAX_BLOB_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| ImageError::Read { path: path.clone(), source })?;
    if bytes.len() as u64 == descriptor.size && Digest::sha256(&bytes) == descriptor.digest {
        return Ok(bytes);
    }
    let problem = format!("has a blob {} with another digest or size", descriptor.digest);
    Err(ImageError::Layout { folder: folder.to_owned(), problem })
}
