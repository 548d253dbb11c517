//! A client of one repository in a registry, through the OCI distribution API: reads and writes blobs,
//! manifests, tags and the list of an image's artifacts.

use std::time::Duration;

use rds_iam_token::Clock;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{self, Login, RegistryClient};
use super::manifest::{
    DOCKER_INDEX, Descriptor, INDEX, MANIFESTS, MAX_BLOB_BYTES, MAX_MANIFEST_BYTES, Manifest,
};
use super::registry_error::{RegistryError, RegistryErrorKind};
use super::{Digest, Repository, Tag};

/// The number and interval of checks whether a registry lists a new artifact by itself.
const REFERRER_CHECKS: u32 = 3;
const REFERRER_INTERVAL: Duration = Duration::from_secs(1);

/// A repository with the login for its registry. It has no `Debug`, which would print the login.
pub(super) struct Registry {
    client: RegistryClient,
    pub(super) repository: Repository,
}

/// A list of artifacts.
#[derive(Deserialize)]
struct Listed {
    manifests: Vec<Value>,
}

impl Registry {
    /// Creates a client without connecting. `endpoint` is the registry's URL; on a single machine, its host is not the
    /// one in the repository's URL.
    pub(super) fn new(endpoint: &Url, repository: Repository, login: Login) -> Result<Self, RegistryError> {
        let base = endpoint.join(&format!("/v2/{}/", repository.path()));
        let base = base.expect("a repository's path is part of a URL");
        match RegistryClient::new(base, login) {
            Ok(client) => Ok(Self { client, repository }),
            Err(kind) => Err(RegistryError {
                operation: "create a client of",
                name: repository.registry().to_owned(),
                repository: repository.to_string(),
                kind,
            }),
        }
    }

    pub(super) async fn has_blob(&self, blob: &Descriptor) -> Result<bool, RegistryError> {
        let digest = blob.digest.as_str();
        let found = self.client.read(Method::HEAD, &format!("blobs/{digest}"), "*/*").await;
        Ok(found.map_err(self.failed("check for the blob", digest))?.is_some())
    }

    /// Reads a blob of at most [`MAX_BLOB_BYTES`].
    pub(super) async fn blob(&self, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        self.read_blob(blob, MAX_BLOB_BYTES).await
    }

    /// Reads a blob that is parsed: a config or an artifact's document.
    pub(super) async fn document(&self, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        self.read_blob(blob, MAX_MANIFEST_BYTES).await
    }

    /// Reads a blob with the size and digest of its descriptor.
    async fn read_blob(&self, blob: &Descriptor, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let digest = blob.digest.as_str();
        let read = async {
            if blob.size > limit {
                return Err(RegistryErrorKind::TooLarge { limit });
            }
            let answer = self.client.read(Method::GET, &format!("blobs/{digest}"), "*/*").await?;
            let missing =
                || RegistryErrorKind::from_answer(StatusCode::NOT_FOUND.as_u16(), "", String::new());
            let bytes = client::body(answer.ok_or_else(missing)?, blob.size).await?;
            if Digest::sha256(&bytes) == blob.digest { Ok(bytes) } else { Err(RegistryErrorKind::Corrupt) }
        };
        read.await.map_err(self.failed("read the blob", digest))
    }

    pub(super) async fn put_blob(&self, digest: &Digest, bytes: Vec<u8>) -> Result<(), RegistryError> {
        let put = async {
            // One request per blob: ECR requires chunks of at least 5 MiB, or none.
            let start = self.client.request(Method::POST, "blobs/uploads/").header(CONTENT_LENGTH, 0);
            let mut url = client::location(&self.client.send(start).await?)?;
            url.query_pairs_mut().append_pair("digest", digest.as_str());
            self.client.send(self.client.upload_to(&url, bytes)).await
        };
        put.await.map(drop).map_err(self.failed("write the blob", digest.as_str()))
    }

    /// Returns the manifest with that digest, if it exists.
    pub(super) async fn manifest(&self, digest: &Digest) -> Result<Option<Manifest>, RegistryError> {
        let failed = |kind| self.failed("read the manifest", digest.as_str())(kind);
        match self.manifest_bytes(digest.as_str(), &MANIFESTS).await.map_err(failed)? {
            None => Ok(None),
            Some(bytes) if Digest::sha256(&bytes) != *digest => Err(failed(RegistryErrorKind::Corrupt)),
            Some(bytes) => {
                Manifest::parse(bytes).map(Some).ok_or_else(|| failed(RegistryErrorKind::NotAnImage))
            }
        }
    }

    /// Returns the digest that a tag points at, if it exists: an image's, or that of a list of images.
    pub(super) async fn tagged(&self, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        let [image, docker_image] = MANIFESTS;
        let found = self.manifest_bytes(tag.as_str(), &[image, docker_image, INDEX, DOCKER_INDEX]).await;
        let found = found.map_err(self.failed("read the tag", tag.as_str()))?;
        Ok(found.map(|bytes| Digest::sha256(&bytes)))
    }

    async fn manifest_bytes(
        &self,
        name: &str,
        accepted: &[&str],
    ) -> Result<Option<Vec<u8>>, RegistryErrorKind> {
        let path = format!("manifests/{name}");
        match self.client.read(Method::GET, &path, &accepted.join(", ")).await? {
            Some(answer) => client::body(answer, MAX_MANIFEST_BYTES).await.map(Some),
            None => Ok(None),
        }
    }

    /// Writes a manifest by digest or tag; its blobs must exist.
    pub(super) async fn put_manifest(&self, name: &str, manifest: &Manifest) -> Result<(), RegistryError> {
        self.put(name, manifest.bytes.clone(), &manifest.media_type).await
    }

    async fn put(&self, name: &str, bytes: Vec<u8>, media_type: &str) -> Result<(), RegistryError> {
        let put = self.client.request(Method::PUT, &format!("manifests/{name}"));
        let put = self.client.send(put.header(CONTENT_TYPE, media_type).body(bytes)).await;
        put.map(drop).map_err(self.failed("write the manifest", name))
    }

    /// Returns the artifacts that refer to an image.
    pub(super) async fn artifacts(&self, image: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let read = async {
            let listed = self.client.read(Method::GET, &format!("referrers/{image}"), INDEX).await;
            let listed = match listed.or_else(without_referrers_api)? {
                Some(answer) => Some(client::body(answer, MAX_MANIFEST_BYTES).await?),
                None => self.manifest_bytes(&referrers_tag(image), &[INDEX]).await?,
            };
            let Some(listed) = listed else { return Ok(Vec::new()) };
            let listed: Listed = serde_json::from_slice(&listed).map_err(|_| RegistryErrorKind::Protocol)?;
            let descriptors = listed.manifests.into_iter().map(serde_json::from_value);
            Ok(descriptors.filter_map(Result::ok).collect())
        };
        read.await.map_err(self.failed("list the artifacts of", image.as_str()))
    }

    /// Ensures that an artifact is listed with its image. A registry without the referrers API does not list it: then
    /// the client must maintain a list under the tag `sha256-<hex>` (OCI distribution specification 1.1, "Referrers
    /// Tag Schema").
    pub(super) async fn ensure_referrer(
        &self,
        image: &Digest,
        artifact: &Manifest,
        clock: &Clock,
    ) -> Result<(), RegistryError> {
        let is_listed = async || {
            let listed = self.artifacts(image).await?;
            Ok::<_, RegistryError>(listed.iter().any(|entry| entry.digest == artifact.digest))
        };
        let name = referrers_tag(image);
        let failed = |kind| self.failed("read the list of artifacts", &name)(kind);
        let list = self.manifest_bytes(&name, &[INDEX]).await.map_err(failed)?;
        // A registry with such a list has no referrers API; one without may need a moment.
        for check in 0..if list.is_some() { 1 } else { REFERRER_CHECKS } {
            if check > 0 {
                clock.sleep(REFERRER_INTERVAL).await;
            }
            if is_listed().await? {
                return Ok(());
            }
        }
        let mut list = match list {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| failed(RegistryErrorKind::Protocol))?,
            None => json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }),
        };
        match list["manifests"].as_array_mut() {
            Some(manifests) => manifests.push(json!(artifact.descriptor())),
            None => return Err(failed(RegistryErrorKind::Protocol)),
        }
        self.put(&name, list.to_string().into_bytes(), INDEX).await?;
        if is_listed().await? {
            return Ok(());
        }
        Err(self.failed("list the artifact", artifact.digest.as_str())(RegistryErrorKind::Protocol))
    }

    fn failed(
        &self,
        operation: &'static str,
        name: &str,
    ) -> impl FnOnce(RegistryErrorKind) -> RegistryError + use<> {
        let (name, repository) = (name.to_owned(), self.repository.to_string());
        move |kind| RegistryError { operation, name, repository, kind }
    }
}

/// A registry without the referrers API must answer 404; some refuse the request instead (containers-roadmap#2783).
fn without_referrers_api<T>(error: RegistryErrorKind) -> Result<Option<T>, RegistryErrorKind> {
    match error {
        RegistryErrorKind::Answered { status: 400 | 405 | 501, .. } => Ok(None),
        error => Err(error),
    }
}

/// Returns the tag of the list of an image's artifacts, in a registry without the referrers API.
fn referrers_tag(image: &Digest) -> String {
    image.as_str().replace(':', "-")
}
