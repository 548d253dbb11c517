//! Uploads to a registry: manifests with their blobs, tags, and artifacts that refer to an image.

use rds_iam_token::Clock;

use super::manifest::{Descriptor, Manifest};
use super::registry::Registry;
use super::{Digest, ImageError, Repository, Tag};
use crate::PROGRESS;

/// Returns an error if a tag points at another image: tags are immutable.
pub(super) fn refuse_other_image(
    repository: &Repository,
    tag: &Tag,
    found: Option<&Digest>,
    image: &Digest,
) -> Result<(), ImageError> {
    match found.filter(|found| *found != image) {
        None => Ok(()),
        Some(found) => Err(ImageError::TagTaken {
            tag: tag.clone(),
            repository: repository.clone(),
            found: found.clone(),
            image: image.clone(),
        }),
    }
}

/// Pushes a manifest by digest, after the blobs that are missing, and reads it back. Reports each blob.
pub(super) async fn push_manifest(
    registry: &Registry,
    manifest: &Manifest,
    read: impl AsyncFn(&Descriptor) -> Result<Vec<u8>, ImageError>,
) -> Result<(), ImageError> {
    push_blobs(registry, manifest, read, true).await?;
    push_and_verify(registry, manifest).await
}

async fn push_blobs(
    registry: &Registry,
    manifest: &Manifest,
    read: impl AsyncFn(&Descriptor) -> Result<Vec<u8>, ImageError>,
    is_reported: bool,
) -> Result<(), ImageError> {
    for blob in manifest.blobs() {
        let result = if registry.has_blob(blob).await? {
            "already exists"
        } else {
            registry.put_blob(&blob.digest, read(blob).await?).await?;
            "pushed"
        };
        if is_reported {
            tracing::info!(target: PROGRESS, "blob {} ({}): {result}", blob.digest, mib(blob.size));
        }
    }
    Ok(())
}

async fn push_and_verify(registry: &Registry, manifest: &Manifest) -> Result<(), ImageError> {
    if registry.manifest(&manifest.digest).await?.is_none() {
        registry.put_manifest(manifest.digest.as_str(), manifest).await?;
    }
    // The bytes are compared: a registry that answers by digest proves nothing about them.
    match registry.manifest(&manifest.digest).await? {
        Some(found) if found.bytes == manifest.bytes => Ok(()),
        found => Err(ImageError::ReadBack {
            name: manifest.digest.to_string(),
            repository: registry.repository.clone(),
            found: found.map(|found| found.digest),
        }),
    }
}

/// Tags an image, unless it `is_tagged` already, and reads the tag back.
pub(super) async fn tag(
    registry: &Registry,
    image: &Manifest,
    tag: &Tag,
    is_tagged: bool,
) -> Result<(), ImageError> {
    let repository = &registry.repository;
    let digest = &image.digest;
    if is_tagged {
        tracing::info!(target: PROGRESS, "image {repository}:{tag} is {digest}: already exists");
        return Ok(());
    }
    registry.put_manifest(tag.as_str(), image).await?;
    let found = registry.tagged(tag).await?;
    if found.as_ref() != Some(digest) {
        return Err(ImageError::ReadBack { name: tag.to_string(), repository: repository.clone(), found });
    }
    tracing::info!(target: PROGRESS, "image {repository}:{tag} is {digest}: pushed");
    Ok(())
}

/// Pushes an artifact that refers to an image.
pub(super) async fn attach(
    registry: &Registry,
    image: &Digest,
    artifact: &Manifest,
    read: impl AsyncFn(&Descriptor) -> Result<Vec<u8>, ImageError>,
    clock: &Clock,
) -> Result<(), ImageError> {
    let kind = artifact.parts.artifact_type.as_deref().unwrap_or(&artifact.parts.config.media_type);
    let digest = &artifact.digest;
    if registry.artifacts(image).await?.iter().any(|listed| listed.digest == *digest) {
        tracing::info!(target: PROGRESS, "artifact {kind} is {digest}: already exists");
        return Ok(());
    }
    push_blobs(registry, artifact, read, false).await?;
    push_and_verify(registry, artifact).await?;
    registry.ensure_referrer(image, artifact, clock).await?;
    tracing::info!(target: PROGRESS, "artifact {kind} is {digest}: pushed");
    Ok(())
}

/// Pushes a document as an artifact that refers to an image.
pub(super) async fn attach_document(
    registry: &Registry,
    image: &Manifest,
    artifact_type: &str,
    document: &[u8],
    clock: &Clock,
) -> Result<(), ImageError> {
    let (artifact, blobs) = Manifest::artifact(artifact_type, document, image);
    let read = async |wanted: &Descriptor| {
        let blob = blobs.iter().find(|blob| Digest::sha256(blob) == wanted.digest);
        Ok(blob.expect("an artifact consists of these blobs").clone())
    };
    attach(registry, &image.digest, &artifact, read, clock).await
}

fn mib(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes % (1 << 20)) * 10) >> 20)
}
