//! The two parameters of a rollout: which image runs, and which one ran before it.

use std::time::SystemTime;

use aws_config::SdkConfig;

use super::RolloutError;
use crate::aws::CallError;
use crate::image::{Digest, Repository};
use crate::ssm::{Found, get_parameters, put_parameter};
use rds_iam_infra::outputs::{Parameter, ParameterPath};

/// The last segment of the second one's name.
const PREVIOUS: &str = "previous-image";

/// Both parameters, as they were read.
#[derive(Clone, Debug)]
pub(super) struct Images {
    /// What the machines start.
    pub(super) current: Option<Digest>,
    /// Since when.
    pub(super) since: Option<SystemTime>,
    /// What they started before, and served.
    pub(super) previous: Option<Digest>,
}

/// Their names, and the repository that their images lie in.
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

    /// The machines take nothing else either: `app-start` of the module `ec2` refuses it.
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
