//! Pushes an image and its artifacts from an OCI image layout to ECR, attaches its gate results, and waits for
//! ECR's scan.

use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use rds_iam_token::Clock;

use super::gates::{GATES, Gates};
use super::layout::Layout;
use super::login::login;
use super::manifest::Descriptor;
use super::record::Pushed;
use super::scan::wait_for_scan;
use super::upload::{attach, attach_document, push_manifest, refuse_other_image, tag};
use super::{ImageError, Repository, Tag};
use crate::PROGRESS;

/// The options of [`push`].
#[derive(Clone, Debug, Default)]
pub struct PushOptions {
    /// The file with the image's gate results, to be attached to it.
    pub gates: Option<PathBuf>,
    /// The statuses with which an unscanned image is accepted: `off`, `UNSUPPORTED_IMAGE`.
    pub accept_scan: Vec<String>,
}

/// Pushes the image in the folder `layout`, reads it back, attaches its artifacts and waits for ECR's scan. Blobs that
/// the repository has are skipped, so a second run resumes an interrupted one.
///
/// # Errors
/// Returns an error if the layout or the gates file is invalid (nothing was pushed then), the tag points at
/// another image, the registry refuses, or the scan has critical or high findings.
pub async fn push(
    aws: &SdkConfig,
    clock: &Clock,
    layout: &Path,
    repository: &Repository,
    name: &Tag,
    options: &PushOptions,
) -> Result<Pushed, ImageError> {
    let layout = Layout::read(layout)?;
    let image = &layout.image;
    let gates = options.gates.as_ref().map(|path| Gates::read(path, &image.digest)).transpose()?;
    let registry = login(repository, aws).await?;
    let tagged = registry.tagged(name).await?;
    refuse_other_image(repository, name, tagged.as_ref(), &image.digest)?;
    let read = async |blob: &Descriptor| layout.blob(blob);
    push_manifest(&registry, image, read).await?;
    tag(&registry, image, name, tagged.is_some()).await?;
    for artifact in &layout.artifacts {
        attach(&registry, &image.digest, artifact, read, clock).await?;
    }
    if let Some((text, _)) = gates {
        attach_document(&registry, image, GATES, text.as_bytes(), clock).await?;
    }
    let scan = wait_for_scan(repository, &image.digest, &options.accept_scan, aws, clock).await?;
    match scan.status.as_str() {
        status if scan.is_done() => {
            tracing::info!(target: PROGRESS, "scan: {status}; no critical or high findings");
        }
        status => tracing::info!(target: PROGRESS, "scan: {status}; accepted without a scan (--accept-scan)"),
    }
    let (repository, tag) = (repository.to_string(), name.to_string());
    Ok(Pushed { repository, digest: image.digest.clone(), tag, size: image.size(), scan })
}
