//! What is known of an image that lies in a repository.

use aws_config::SdkConfig;
use aws_sdk_ecr::error::ProvideErrorMetadata as _;
use aws_sdk_ecr::types::ImageIdentifier;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::gates::{GATES, Gate, Gates};
use super::login::login;
use super::manifest::Manifest;
use super::promote::{PROMOTION, Promotion};
use super::provenance::{PROVENANCE, Provenance};
use super::registry::Registry;
use super::{Digest, ImageError, Repository, Tag};
use crate::aws::CallError;
use crate::ssm::get_parameters;

/// The label that names the commit.
const REVISION: &str = "/config/Labels/org.opencontainers.image.revision";

/// Looks an image up.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing else to ask, and callers build it")]
pub struct Show {
    /// Where.
    pub repository: Repository,
    /// Which.
    pub image: Which,
}

/// How an image is named.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "registries know no third way, and callers build it")]
pub enum Which {
    /// By what it is.
    Digest(Digest),
    /// By a name that it was given.
    Tag(Tag),
    /// By the parameter that names what runs, such as `/dev/app/image`.
    Running(String),
}

/// What is known of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageRecord {
    /// Where it lies.
    pub repository: String,
    /// What it is.
    pub digest: Digest,
    /// How it is named there.
    pub tags: Vec<String>,
    /// Bytes of its config and layers, as they travel.
    pub size: u64,
    /// The commit that it was built from: its label's and its provenance's, which agree.
    pub commit: Option<String>,
    /// Its gates, as all runs agree on them; none where there are no results.
    pub gates: Vec<Gate>,
    /// How it came here, and where it went.
    pub promotions: Vec<Promotion>,
    /// Its manifest, as it is in the registry: the text that its digest is of.
    #[serde(skip)]
    pub manifest: String,
}

impl Show {
    /// Looks it up.
    ///
    /// # Errors
    /// Where it is not there, or cannot be read.
    pub async fn run(&self, aws: &SdkConfig) -> Result<ImageRecord, ImageError> {
        let registry = login(&self.repository, aws).await?;
        let digest = match &self.image {
            Which::Digest(digest) => digest.clone(),
            Which::Tag(tag) => registry.tagged(tag).await?.ok_or_else(|| missing(tag.as_str(), &registry))?,
            Which::Running(parameter) => self.running(parameter, aws).await?,
        };
        let known = Known::of(&registry, &digest).await?;
        Ok(ImageRecord {
            repository: self.repository.to_string(),
            tags: tags(&self.repository, &digest, aws).await?,
            size: known.image.size(),
            digest,
            commit: known.commit,
            gates: Gates::agreed(&known.gates).map(|gates| gates.gates).unwrap_or_default(),
            promotions: known.promotions,
            manifest: String::from_utf8_lossy(&known.image.bytes).into_owned(),
        })
    }
}

impl Show {
    async fn running(&self, parameter: &str, aws: &SdkConfig) -> Result<Digest, ImageError> {
        let mut found = get_parameters(aws, &[parameter.to_owned()]).await?;
        let value = found.remove(parameter).map(|found| found.value);
        let digest = value.as_ref().and_then(|value| self.repository.digest_in(value));
        digest.ok_or_else(|| ImageError::NothingRuns {
            parameter: parameter.to_owned(),
            repository: self.repository.clone(),
            value,
        })
    }
}

fn missing(name: &str, registry: &Registry) -> ImageError {
    ImageError::Missing { name: name.to_owned(), repository: registry.repository.clone() }
}

/// An image with its artifacts, read.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) image: Manifest,
    pub(super) artifacts: Vec<Manifest>,
    pub(super) commit: Option<String>,
    /// The results of every run over this image.
    pub(super) gates: Vec<Gates>,
    /// All statements that come with it, those about other images included.
    pub(super) provenance: Vec<Provenance>,
    pub(super) promotions: Vec<Promotion>,
}

impl Known {
    pub(super) async fn of(registry: &Registry, digest: &Digest) -> Result<Self, ImageError> {
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
        // RFC 3339 of one form sorts by time.
        promotions.sort_by(|one, other| one.at.cmp(&other.at));
        let config: Value =
            serde_json::from_slice(&registry.blob(&image.parts.config).await?).unwrap_or_default();
        let text = |value: &Value, place: &str| value.pointer(place)?.as_str().map(str::to_owned);
        let label = text(&config, REVISION);
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
        Ok(Self { image, artifacts, commit: commits.pop(), gates, provenance, promotions })
    }
}

/// The documents of all artifacts of a type. One that is not of that type's form says nothing, and is passed over:
/// whoever needs it misses it.
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
            documents.extend(serde_json::from_slice(&registry.blob(layer).await?).ok());
        }
    }
    Ok(documents)
}

/// The tags that name an image, by ECR's own API: a registry's does not tell.
pub(super) async fn tags(
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
            let doing = format!("look for the tags of {}", repository.image(digest));
            Err(CallError::from_sdk(doing, "ecr:DescribeImages")(error).into())
        }
    }
}
