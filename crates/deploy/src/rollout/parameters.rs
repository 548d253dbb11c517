//! The two parameters of a rollout: the image in service and the one before it.

use std::time::SystemTime;

use aws_config::SdkConfig;

use super::error::RolloutError;
use crate::aws::CallError;
use crate::image::{Digest, Repository};
use crate::ssm::{Found, get_parameters, put_parameter};
use rds_iam_infra::outputs::{Parameter, ParameterPath};

/// The last segment of the second parameter's name.
const PREVIOUS: &str = "previous-image";

/// The values of both parameters.
#[derive(Clone, Debug)]
pub(super) struct Images {
    /// The image that instances start.
    pub(super) current: Option<Digest>,
    /// The time when it was set.
    pub(super) since: Option<SystemTime>,
    /// The image before it, which served.
    pub(super) previous: Option<Digest>,
}

/// The names of both parameters, and the repository of their images.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub(super) image: String,
    pub(super) previous: String,
    repository: Repository,
}

impl Parameters {
    pub(super) fn new(image: &ParameterPath, repository: &Repository) -> Self {
        let image = image.as_str().to_owned();
        let (folder, _) = image.rsplit_once('/').expect("a parameter's path begins with a slash");
        Self { previous: format!("{folder}/{PREVIOUS}"), image, repository: repository.clone() }
    }

    pub(super) async fn read(&self, aws: &SdkConfig) -> Result<Images, RolloutError> {
        let names = vec![self.image.clone(), self.previous.clone()];
        let found = get_parameters(aws, &names).await?;
        let digest = |name: &str| found.get(name).map(|found| self.digest(name, found)).transpose();
        Ok(Images {
            current: digest(&self.image)?,
            since: found.get(&self.image).and_then(|found| found.modified),
            previous: digest(&self.previous)?,
        })
    }

    /// Parses a value as strictly as the instances do: `app-start` of the module `ec2` refuses anything else.
    fn digest(&self, name: &str, found: &Found) -> Result<Digest, RolloutError> {
        let digest = if found.kind == "String" { self.repository.digest_in(&found.value) } else { None };
        digest.ok_or_else(|| RolloutError::Parameter {
            name: name.to_owned(),
            value: if found.kind == "String" { format!("{:?}", found.value) } else { found.kind.clone() },
            expected: format!("{}@sha256:<64 hex digits>", self.repository),
        })
    }

    pub(super) async fn write(&self, aws: &SdkConfig, name: &str, digest: &Digest) -> Result<(), CallError> {
        let parameter = Parameter { path: name.to_owned(), value: self.repository.image(digest) };
        put_parameter(aws, &parameter).await
    }
}
