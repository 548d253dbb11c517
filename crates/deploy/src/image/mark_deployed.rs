//! Tags an image as deployed, so that the repository's lifecycle policy keeps it.

use aws_config::SdkConfig;

use super::login::login;
use super::upload::{refuse_other_image, tag};
use super::{Digest, ImageError, Repository, Tag};

/// The prefix of the tag of a deployed image; the repository's lifecycle policy keeps such images.
const DEPLOYED: &str = "deployed-";

/// Tags an image as `deployed-<first 12 digits of its digest>`, unless it has that tag, and returns the tag.
///
/// ECR's lifecycle policies count by push time and not by use: later images that are never deployed would expire the
/// one in service. Tags are immutable, so the mark is a second tag, and holds nothing that can change.
///
/// # Errors
/// Returns an error if the image is not in the repository, the tag points at another image, or the registry
/// refuses.
pub async fn mark_deployed(
    aws: &SdkConfig,
    repository: &Repository,
    digest: &Digest,
) -> Result<Tag, ImageError> {
    let registry = login(repository, aws).await?;
    let image = registry
        .manifest(digest)
        .await?
        .ok_or_else(|| ImageError::Missing { name: digest.to_string(), repository: repository.clone() })?;
    let name: Tag = format!("{DEPLOYED}{:.12}", digest.hex()).parse()?;
    let tagged = registry.tagged(&name).await?;
    refuse_other_image(repository, &name, tagged.as_ref(), digest)?;
    tag(&registry, &image, &name, tagged.is_some()).await?;
    Ok(name)
}
