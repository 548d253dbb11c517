//! Inspects an image in a repository: its manifest, tags and the contents of its artifacts.

use aws_config::SdkConfig;
use aws_sdk_ecr::error::ProvideErrorMetadata as _;
use aws_sdk_ecr::types::ImageIdentifier;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::gates::{GATES, Gates};
use super::login::login;
use super::manifest::Manifest;
use super::provenance::{PROVENANCE, Provenance};
use super::record::{ImageRecord, PROMOTION, Promotion};
use super::registry::Registry;
use super::{Digest, ImageError, Repository, Tag};
use crate::aws::CallError;
use crate::ssm::get_parameters;

/// The JSON pointer of the label with the commit.
const REVISION: &str = "/config/Labels/org.opencontainers.image.revision";

/// A reference to an image in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageRef {
    /// The image with a digest.
    Digest(Digest),
    /// The image with a tag.
    Tag(Tag),
    /// The running image, by its parameter, such as `/dev/app/image`.
    Running(String),
}

/// Returns an image's record: digest, tags, commit, gate results and promotions.
///
/// # Errors
/// Returns an error if the image does not exist or can't be read.
pub async fn inspect(
    aws: &SdkConfig,
    repository: &Repository,
    image: &ImageRef,
) -> Result<ImageRecord, ImageError> {
    let registry = login(repository, aws).await?;
    let digest = match image {
        ImageRef::Digest(digest) => digest.clone(),
        ImageRef::Tag(tag) => registry.tagged(tag).await?.ok_or_else(|| missing(tag.as_str(), &registry))?,
        ImageRef::Running(parameter) => running(parameter, repository, aws).await?,
    };
    let contents = read_contents(&registry, &digest).await?;
    Ok(ImageRecord {
        repository: repository.to_string(),
        tags: read_tags(repository, &digest, aws).await?,
        size: contents.image.size(),
        digest,
        commit: contents.commit,
        gates: Gates::agreed(&contents.gates).map(|gates| gates.gates).unwrap_or_default(),
        promotions: contents.promotions,
        manifest: String::from_utf8_lossy(&contents.image.bytes).into_owned(),
    })
}

async fn running(parameter: &str, repository: &Repository, aws: &SdkConfig) -> Result<Digest, ImageError> {
    let mut found = get_parameters(aws, &[parameter.to_owned()]).await?;
    let value = found.remove(parameter).map(|found| found.value);
    let digest = value.as_ref().and_then(|value| repository.digest_in(value));
    digest.ok_or_else(|| ImageError::NothingRuns {
        parameter: parameter.to_owned(),
        repository: repository.clone(),
        value,
    })
}

fn missing(name: &str, registry: &Registry) -> ImageError {
    ImageError::Missing { name: name.to_owned(), repository: registry.repository.clone() }
}

/// An image's manifest and the contents of its artifacts.
#[derive(Clone, Debug)]
pub(super) struct ImageContents {
    pub(super) image: Manifest,
    pub(super) artifacts: Vec<Manifest>,
    pub(super) commit: Option<String>,
    /// The gate results of every run over this image.
    pub(super) gates: Vec<Gates>,
    /// All attached statements, also those about other images.
    pub(super) provenance: Vec<Provenance>,
    pub(super) promotions: Vec<Promotion>,
}

/// Reads an image's manifest and artifacts.
pub(super) async fn read_contents(registry: &Registry, digest: &Digest) -> Result<ImageContents, ImageError> {
    let image = registry.manifest(digest).await?;
    let image = image.ok_or_else(|| missing(digest.as_str(), registry))?;
    let mut artifacts = Vec::new();
    for listed in registry.artifacts(digest).await? {
        let artifact = registry.manifest(&listed.digest).await?;
        artifacts.push(artifact.ok_or_else(|| missing(listed.digest.as_str(), registry))?);
    }
    let mut gates: Vec<Gates> = documents(registry, &artifacts, GATES).await?;
    gates.retain(|gates| gates.image == *digest);
    let mut promotions: Vec<Promotion> = documents(registry, &artifacts, PROMOTION).await?;
    // RFC 3339 times of one format sort chronologically.
    promotions.sort_by(|one, other| one.at.cmp(&other.at));
    let config: Value =
        serde_json::from_slice(&registry.document(&image.parts.config).await?).unwrap_or_default();
    let label = config.pointer(REVISION).and_then(Value::as_str).map(str::to_owned);
    let statements: Vec<Value> = documents(registry, &artifacts, PROVENANCE).await?;
    let provenance: Vec<Provenance> = statements.iter().map(Provenance::from).collect();
    let about = provenance.iter().filter(|provenance| provenance.is_about(digest));
    let mut commits: Vec<String> = about.filter_map(|provenance| provenance.commit.clone()).collect();
    commits.extend(label);
    commits.dedup();
    if let [one, other, ..] = commits.as_slice() {
        let (one, other) = (one.clone(), other.clone());
        return Err(ImageError::Commits { image: registry.repository.image(digest), one, other });
    }
    Ok(ImageContents { image, artifacts, commit: commits.pop(), gates, provenance, promotions })
}

/// Returns the documents of all artifacts of a type. A malformed one is ignored: a check that needs it then reports it
/// as missing.
async fn documents<T: DeserializeOwned>(
    registry: &Registry,
    artifacts: &[Manifest],
    artifact_type: &str,
) -> Result<Vec<T>, ImageError> {
    let mut documents = Vec::new();
    for artifact in artifacts {
        if artifact.parts.artifact_type.as_deref() != Some(artifact_type) {
            continue;
        }
        for layer in &artifact.parts.layers {
            documents.extend(serde_json::from_slice(&registry.document(layer).await?).ok());
        }
    }
    Ok(documents)
}

/// Returns an image's tags from ECR's own API: the OCI distribution API can't list them by digest.
pub(super) async fn read_tags(
    repository: &Repository,
    digest: &Digest,
    aws: &SdkConfig,
) -> Result<Vec<String>, ImageError> {
    let id = ImageIdentifier::builder().image_digest(digest.as_str()).build();
    let call =
        aws_sdk_ecr::Client::new(aws).describe_images().repository_name(repository.path()).image_ids(id);
    let call = call.set_registry_id(repository.account().map(str::to_owned)).send();
    match call.await {
        Ok(answer) => {
            let details = answer.image_details.unwrap_or_default();
            Ok(details.into_iter().flat_map(|image| image.image_tags.unwrap_or_default()).collect())
        }
        Err(error) if error.code() == Some("ImageNotFoundException") => Ok(Vec::new()),
        Err(error) => {
            let operation = format!("read the tags of {}", repository.image(digest));
            Err(CallError::from_sdk(operation, "ecr:DescribeImages")(error).into())
        }
    }
}
