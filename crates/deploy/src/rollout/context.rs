//! `Context`: the deployment of a rollout, and the operations that its steps share: start an instance refresh,
//! wait for its end, write an image parameter.

use std::time::Duration;

use aws_config::SdkConfig;
use rds_iam_token::Clock;

use super::error::RolloutError;
use super::group::{Group, Status};
use super::parameters::Parameters;
use crate::PROGRESS;
use crate::aws::CallError;
use crate::aws::poll::Poll;
use crate::image::{Digest, Repository};

/// The polling interval: replacing an instance takes minutes, but an operator waits for the last poll.
pub(super) const INTERVAL: Duration = Duration::from_secs(3);

/// The deployment of a rollout.
pub(super) struct Context<'a> {
    pub(super) aws: &'a SdkConfig,
    pub(super) clock: &'a Clock,
    pub(super) repository: Repository,
    pub(super) parameters: Parameters,
    pub(super) group: Group,
    /// The ARNs of the group's target groups.
    pub(super) target_groups: Vec<String>,
}

impl Context<'_> {
    /// Starts a refresh and returns its id.
    pub(super) async fn start_refresh(&self) -> Result<String, CallError> {
        let id = self.group.start_refresh().await?;
        tracing::info!(target: PROGRESS, "started the instance refresh {id} of {}", self.group.name);
        Ok(id)
    }

    /// Waits for the end of a refresh. Returns whether it ended in time.
    pub(super) async fn wait_for_end(&self, id: &str, timeout: Duration) -> Result<bool, CallError> {
        let ended = Poll { interval: INTERVAL, timeout }.until(self.clock, async || {
            let refresh = self.group.refresh(Some(id)).await?;
            Ok(refresh.is_none_or(|refresh| refresh.status != Status::Active).then_some(()))
        });
        Ok(ended.await?.is_some())
    }

    /// Writes a parameter and reports it.
    pub(super) async fn write(&self, name: &str, digest: &Digest) -> Result<(), CallError> {
        self.parameters.write(self.aws, name, digest).await?;
        tracing::info!(target: PROGRESS, "{name}: {}", self.repository.image(digest));
        Ok(())
    }

    /// Returns the error of a call that failed during the rollout; `current` is the image in the image parameter.
    pub(super) fn interrupted(&self, source: CallError, current: &Digest) -> RolloutError {
        let (parameter, image) = (self.parameters.image.clone(), self.repository.image(current));
        RolloutError::Interrupted { parameter, image, source: Box::new(source) }
    }
}
