//! Puts an image into service: points the parameter that the machines start by at its digest, replaces the
//! instances, and watches until the load balancer finds all of them healthy. Where that fails, the last good image
//! comes back by the same way.
//!
//! A new instance counts once it has completed the group's launch hook, which it does when its app is ready. So an image
//! that never gets ready replaces nothing: the first instance with it is abandoned, which ends the rollout, and the
//! instances of before serve throughout. The way back always has a refresh of its own, also where nothing was replaced:
//! then the latest refresh is one that brought the image that the parameter names. AWS's own rollback of a refresh plays
//! no part: it goes back to the group's configuration, and what changes here is a parameter.
//!
//! What runs is one parameter, `app.image_parameter` of the outputs. The image that is left is written beside it, as
//! `previous-image`, before anything changes: whatever interrupts a rollout, running it again goes on, and going back
//! is possible.

mod decide;
mod error;
mod group;
mod parameters;
mod run;

use aws_config::SdkConfig;
use rds_iam_token::Clock;
use serde::Serialize;

use crate::aws::CallError;
use crate::image::{Digest, Repository};
use crate::ssm::get_parameters;
use rds_iam_infra::outputs::App;

use group::Group;
use parameters::Parameters;
use run::Run;

pub use decide::FailureReason;
pub use error::RolloutError;

/// Which image to put into service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way to name an image, and callers build it")]
pub enum Target {
    /// The one of this digest, in the deployment's repository.
    Image(Digest),
    /// The one that ran before: a rollback.
    Previous,
}

/// A rollout in one deployment.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the outputs say everything else, and callers build it")]
pub struct Rollout {
    /// The service, as the outputs tell of it.
    pub app: App,
    /// Which image.
    pub target: Target,
}

/// How a rollout ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// The image that was asked for, `<repository>@sha256:…`.
    pub image: String,
    /// The image that ran before; none at the first rollout.
    pub before: Option<String>,
    /// Whether it runs.
    pub outcome: Outcome,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// Why it does not run, where it was returned from.
    #[serde(skip)]
    pub why: Option<FailureReason>,
}

/// Whether the image that was asked for runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// It does.
    RolledOut,
    /// It did before.
    Unchanged,
    /// It does not, and the one that ran before does again.
    Returned,
}

/// What the image parameter names now, for those who interrupt a rollout; nothing where there is none.
///
/// # Errors
/// Where it can't be read.
pub async fn named_image(app: &App, aws: &SdkConfig) -> Result<Option<String>, CallError> {
    let name = app.image_parameter.as_str().to_owned();
    let mut found = get_parameters(aws, std::slice::from_ref(&name)).await?;
    Ok(found.remove(&name).map(|found| found.value))
}

impl Rollout {
    /// Rolls it out. `tell` gets a line for each thing that happens. What runs already, and is healthy, is left.
    /// Dropping the future leaves things as they are then; running it again goes on.
    ///
    /// # Errors
    /// Where the image does not run and neither does the last good one, or nothing was begun; each error says what
    /// the parameter names. An image that failed and was returned from is no error but [`Outcome::Returned`].
    pub async fn run(
        &self,
        aws: &SdkConfig,
        clock: &Clock,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Record, RolloutError> {
        let repository: Repository = self.app.repository_url.parse()?;
        let parameters = Parameters::new(&self.app.image_parameter, &repository);
        let group = Group::new(&self.app.autoscaling_group, aws);
        let mut run = Run { aws, clock, tell, repository, parameters, group, targets: Vec::new() };
        run.find_targets().await?;
        run.rollout(&self.target).await
    }
}

#[cfg(test)]
mod tests;
