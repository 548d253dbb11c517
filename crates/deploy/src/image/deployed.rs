//! Marks an image as deployed, so that the repository's lifecycle keeps it.

use aws_config::SdkConfig;

use super::login::login;
use super::push::{name, refuse_other};
use super::{Digest, ImageError, Repository, Tag};

/// What the tag of an image that is deployed begins with; the repository's lifecycle keeps such images.
const DEPLOYED: &str = "deployed-";

/// Gives an image the tag `deployed-<the first 12 digits of its digest>`.
///
/// ECR's lifecycle counts by the time of a push and knows nothing of use: images that are pushed and never run would
/// make the one that runs expire. Tags are immutable, so the mark is a second one, and says nothing that can change.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "this is all that it takes, and callers build it")]
pub struct Deployed {
    /// The image's repository.
    pub repository: Repository,
    /// The image.
    pub digest: Digest,
}

impl Deployed {
    /// Puts the tag, unless it is there. `tell` gets a line that says which.
    ///
    /// # Errors
    /// Where the image is not in the repository, another one has the tag, or the registry refuses.
    pub async fn run(&self, aws: &SdkConfig, tell: &mut dyn FnMut(&str)) -> Result<Tag, ImageError> {
        let registry = login(&self.repository, aws).await?;
        let image = registry.manifest(&self.digest).await?.ok_or_else(|| ImageError::Missing {
            name: self.digest.to_string(),
            repository: self.repository.clone(),
        })?;
        let tag: Tag = format!("{DEPLOYED}{:.12}", self.digest.hex()).parse()?;
        let tagged = registry.tagged(&tag).await?;
        refuse_other(&self.repository, &tag, tagged.as_ref(), &self.digest)?;
        name(&registry, &image, &tag, tagged.is_some(), tell).await?;
        Ok(tag)
    }
}
