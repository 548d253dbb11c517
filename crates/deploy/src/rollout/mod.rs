//! Puts an image into service: sets the parameter that instances start from to its digest, replaces the instances, and
//! watches until the load balancer reports all of them healthy. If that fails, it rolls back to the last good image
//! in the same way.
//!
//! A new instance counts once it has completed the group's launch hook, which it does when its app is ready. So an
//! image that never gets ready replaces nothing: the first instance with it is abandoned, which ends the rollout, and
//! the earlier instances serve throughout. A rollback always starts its own refresh, even if nothing was replaced:
//! the latest refresh is then one that brought the image in the parameter. AWS's own rollback of a refresh is not
//! used: it restores the group's configuration, but what changes here is a parameter.
//!
//! The image in service is one parameter, `app.image_parameter` of the outputs. The image it replaces is written to the
//! parameter `previous-image` beside it before anything changes: after any interruption, a second run resumes the
//! rollout, and a rollback is possible.

mod context;
mod decide;
mod error;
mod group;
mod parameters;
mod record;
mod run;
mod watch;

use aws_config::SdkConfig;
use rds_iam_token::Clock;

use crate::aws::CallError;
use crate::image::Repository;
use crate::ssm::get_parameters;
use rds_iam_infra::outputs::App;

use context::Context;
use group::Group;
use parameters::Parameters;

pub use decide::FailureReason;
pub use error::RolloutError;
pub use record::{Outcome, Record, Target};

/// Rolls out an image. One that is already serving and healthy is left as it is. Dropping the future leaves the
/// deployment in its current state; a second run resumes the rollout.
///
/// # Errors
/// Returns an error if nothing was changed, or neither the image nor the last good one is serving; each error
/// states the value of the parameter. A successful rollback is not an error but [`Outcome::Returned`].
pub async fn roll_out(
    aws: &SdkConfig,
    clock: &Clock,
    app: &App,
    target: &Target,
) -> Result<Record, RolloutError> {
    let repository: Repository = app.repository_url.parse()?;
    let parameters = Parameters::new(&app.image_parameter, &repository);
    let group = Group::new(&app.autoscaling_group, aws);
    let target_groups = find_target_groups(&group).await?;
    run::run(&Context { aws, clock, repository, parameters, group, target_groups }, target).await
}

/// Returns the ARNs of the group's target groups, of which there must be at least one.
async fn find_target_groups(group: &Group) -> Result<Vec<String>, RolloutError> {
    let problem = match group.target_groups().await? {
        Some(target_groups) if !target_groups.is_empty() => return Ok(target_groups),
        Some(_) => "is in no target group, so the health of its instances is unknown",
        None => "is not the name of an Auto Scaling group",
    };
    Err(RolloutError::Group { group: group.name.clone(), problem })
}

/// Returns the value of the image parameter, to report after an interruption; `None` if it is not set.
///
/// # Errors
/// Returns an error if it can't be read.
pub async fn current_image(aws: &SdkConfig, app: &App) -> Result<Option<String>, CallError> {
    let name = app.image_parameter.as_str().to_owned();
    let mut found = get_parameters(aws, std::slice::from_ref(&name)).await?;
    Ok(found.remove(&name).map(|found| found.value))
}

#[cfg(test)]
mod tests;
