//! Pushes an image and its artifacts from an OCI image layout.

use std::path::PathBuf;

use aws_config::SdkConfig;
use rds_iam_token::Clock;
use serde::Serialize;

use super::gates::{GATES, Gates};
use super::layout::Layout;
use super::login::login;
use super::manifest::{Descriptor, Manifest};
use super::registry::{Registry, RegistryError};
use super::scan::{Scan, scan};
use super::{Digest, ImageError, Repository, Tag};

/// Pushes what is in a layout.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "this is all that a push takes, and callers build it")]
pub struct Push {
    /// The layout's folder.
    pub layout: PathBuf,
    /// Where to.
    pub repository: Repository,
    /// The name that the image gets there, for good.
    pub tag: Tag,
    /// The results of its gates, to travel with it.
    pub gates: Option<PathBuf>,
    /// Statuses with which an image that ECR did not scan is accepted: `off`, `UNSUPPORTED_IMAGE`.
    pub accept_scan: Vec<String>,
}

/// An image that lies in its repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pushed {
    /// Where it lies.
    pub repository: String,
    /// What it is.
    pub digest: Digest,
    /// How it is named.
    pub tag: String,
    /// Bytes of its config and layers, as they travel.
    pub size: u64,
    /// What ECR's scan found.
    pub scan: Scan,
}

impl Push {
    /// Pushes what is not there yet, reads it back, and waits for the scan. `tell` gets a line for each thing that
    /// happens. Running it again goes on where an earlier run stopped.
    ///
    /// # Errors
    /// Where the layout or the gates are not what they should be (then nothing was pushed), the tag names another
    /// image, the registry refuses, or the scan finds something critical or high.
    pub async fn run(
        &self,
        aws: &SdkConfig,
        clock: &Clock,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Pushed, ImageError> {
        let layout = Layout::read(&self.layout)?;
        let image = &layout.image;
        let gates = self.gates.as_ref().map(|path| Gates::read(path, &image.digest)).transpose()?;
        let registry = login(&self.repository, aws).await?;
        let tagged = registry.tagged(&self.tag).await?;
        refuse_other(&self.repository, &self.tag, tagged.as_ref(), &image.digest)?;
        let read = async |blob: &Descriptor| layout.blob(blob);
        put(&registry, image, read, tell).await?;
        name(&registry, image, &self.tag, tagged.is_some(), tell).await?;
        for artifact in &layout.artifacts {
            attach(&registry, &image.digest, artifact, read, clock, tell).await?;
        }
        if let Some((text, _)) = gates {
            attach_document(&registry, image, GATES, text.as_bytes(), clock, tell).await?;
        }
        let scan = scan(&self.repository, &image.digest, &self.accept_scan, aws, clock).await?;
        tell(&match scan.status.as_str() {
            status if scan.is_done() => format!("scan: {status}; nothing critical or high"),
            status => format!("scan: {status}; the image was not scanned, which was accepted by name"),
        });
        let (repository, tag) = (self.repository.to_string(), self.tag.to_string());
        Ok(Pushed { repository, digest: image.digest.clone(), tag, size: image.size(), scan })
    }
}

/// A tag is given once.
pub(super) fn refuse_other(
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

/// Puts a manifest there by its digest, after the blobs that are not there yet, and reads it back.
pub(super) async fn put(
    registry: &Registry,
    manifest: &Manifest,
    read: impl AsyncFn(&Descriptor) -> Result<Vec<u8>, ImageError>,
    tell: &mut dyn FnMut(&str),
) -> Result<(), ImageError> {
    for blob in manifest.blobs() {
        let (digest, mib) = (&blob.digest, mib(blob.size));
        if registry.has_blob(blob).await? {
            tell(&format!("blob {digest} ({mib}): there already"));
        } else {
            registry.put_blob(digest, read(blob).await?).await?;
            tell(&format!("blob {digest} ({mib}): pushed"));
        }
    }
    if registry.manifest(&manifest.digest).await?.is_none() {
        registry.put_manifest(manifest.digest.as_str(), manifest).await?;
    }
    // Of the very bytes: a digest says no more.
    match registry.manifest(&manifest.digest).await? {
        Some(found) if found.bytes == manifest.bytes => Ok(()),
        found => Err(ImageError::ReadBack {
            name: manifest.digest.to_string(),
            repository: registry.repository.clone(),
            found: found.map(|found| found.digest),
        }),
    }
}

/// Gives an image its tag, and reads that back.
pub(super) async fn name(
    registry: &Registry,
    image: &Manifest,
    tag: &Tag,
    is_there: bool,
    tell: &mut dyn FnMut(&str),
) -> Result<(), ImageError> {
    let repository = &registry.repository;
    let digest = &image.digest;
    if is_there {
        tell(&format!("image {repository}:{tag} is {digest}: there already"));
        return Ok(());
    }
    registry.put_manifest(tag.as_str(), image).await?;
    let found = registry.tagged(tag).await?;
    if found.as_ref() != Some(digest) {
        return Err(ImageError::ReadBack { name: tag.to_string(), repository: repository.clone(), found });
    }
    tell(&format!("image {repository}:{tag} is {digest}: pushed"));
    Ok(())
}

/// Puts an artifact there that refers to an image.
pub(super) async fn attach(
    registry: &Registry,
    image: &Digest,
    artifact: &Manifest,
    read: impl AsyncFn(&Descriptor) -> Result<Vec<u8>, ImageError>,
    clock: &Clock,
    tell: &mut dyn FnMut(&str),
) -> Result<(), ImageError> {
    let kind = artifact.parts.artifact_type.as_deref().unwrap_or(&artifact.parts.config.media_type);
    let digest = &artifact.digest;
    if registry.artifacts(image).await?.iter().any(|listed| listed.digest == *digest) {
        tell(&format!("artifact {kind} is {digest}: there already"));
        return Ok(());
    }
    put(registry, artifact, read, &mut |_| ()).await?;
    registry.ensure_referrer(image, artifact, clock).await?;
    tell(&format!("artifact {kind} is {digest}: pushed"));
    Ok(())
}

/// Puts a document there as an artifact that refers to an image.
pub(super) async fn attach_document(
    registry: &Registry,
    image: &Manifest,
    artifact_type: &str,
    document: &[u8],
    clock: &Clock,
    tell: &mut dyn FnMut(&str),
) -> Result<(), ImageError> {
    let (artifact, blobs) = Manifest::artifact(artifact_type, document, image);
    let read = async |wanted: &Descriptor| {
        let blob = blobs.iter().find(|blob| Digest::sha256(blob) == wanted.digest);
        Ok(blob.expect("an artifact consists of these blobs").clone())
    };
    attach(registry, &image.digest, &artifact, read, clock, tell).await
}

/// Copies an artifact or image from one registry to another: the bytes that it is.
pub(super) async fn blob_of(from: &Registry, blob: &Descriptor) -> Result<Vec<u8>, ImageError> {
    let bytes: Result<_, RegistryError> = from.blob(blob).await;
    Ok(bytes?)
}

fn mib(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes % (1 << 20)) * 10) >> 20)
}
