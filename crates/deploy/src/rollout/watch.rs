//! Watches a refresh and then the targets' health, and rolls back on failure. The decisions are in `decide`.

use super::context::{Context, INTERVAL};
use super::decide::{CANCEL_LIMIT, Decision, Direction, FailureReason, Observation, Watched, decide};
use super::error::RolloutError;
use super::group::{Refresh, Status};
use crate::PROGRESS;
use crate::aws::CallError;
use crate::aws::poll::elapsed;
use crate::image::Digest;

/// Watches a refresh to its end, and then the targets. If the image fails, does the same with the good one, which is
/// returned with the reason.
pub(super) async fn watch(
    context: &Context<'_>,
    mut id: String,
    image: &Digest,
    good: Option<Digest>,
) -> Result<Option<(Digest, FailureReason)>, RolloutError> {
    let clock = context.clock;
    let mut direction = Direction::Forward { good };
    let (mut watched, mut start, mut reported) = (Watched::Refresh, clock.now(), String::new());
    let mut healthy_in_a_row = 0;
    loop {
        let observation = match watched {
            Watched::Refresh => observe_refresh(context, &id).await,
            Watched::Targets => observe_targets(context, &mut healthy_in_a_row).await,
        };
        let observation = observation.or_else(|error| match &direction {
            _ if error.is_transient() => Ok(Observation::NoAnswer),
            Direction::Forward { .. } => Err(context.interrupted(error, image)),
            Direction::Back { good, .. } => Err(context.interrupted(error, good)),
        })?;
        report(&observation, &mut reported);
        match decide(&direction, watched, &observation, elapsed(clock, start)) {
            Decision::Wait => clock.sleep(INTERVAL).await,
            Decision::CheckTargets => {
                (watched, start, healthy_in_a_row) = (Watched::Targets, clock.now(), 0);
            }
            Decision::RollBack { good, why } => {
                id = roll_back(context, image, &good, &why).await?;
                (watched, start) = (Watched::Refresh, clock.now());
                direction = Direction::Back { good, why };
            }
            Decision::GiveUp(failure) => {
                // Otherwise AWS would continue to launch instances that do not get ready.
                if is_active_after(&failure)
                    && let Err(error) = context.group.cancel_refresh().await
                {
                    tracing::info!(target: PROGRESS, "{error}. Cancel the instance refresh yourself");
                }
                return Err(failed(context, image, direction, failure));
            }
            Decision::Finish => {
                return Ok(match direction {
                    Direction::Forward { .. } => None,
                    Direction::Back { good, why } => Some((good, why)),
                });
            }
        }
    }
}

async fn observe_refresh(context: &Context<'_>, id: &str) -> Result<Observation, CallError> {
    let Some(refresh) = context.group.refresh(Some(id)).await? else { return Ok(Observation::NoAnswer) };
    let Refresh { status, percent, reason, started, .. } = refresh;
    if let (Status::Active, Some(started)) = (status, started)
        && let Some(reason) = context.group.abandoned(started).await?
    {
        return Ok(Observation::NotReady { reason });
    }
    Ok(Observation::Refresh { status, percent, reason })
}

async fn observe_targets(
    context: &Context<'_>,
    healthy_in_a_row: &mut u32,
) -> Result<Observation, CallError> {
    let mut health = context.group.health(&context.target_groups).await?;
    *healthy_in_a_row = if health.is_complete() { *healthy_in_a_row + 1 } else { 0 };
    health.in_a_row = *healthy_in_a_row;
    Ok(Observation::Health(health))
}

/// Reports an observation, unless it was the last one reported.
fn report(observation: &Observation, reported: &mut String) {
    let line = match observation {
        Observation::Refresh { status: Status::Active, percent, .. } => {
            format!("instances replaced: {percent} %")
        }
        Observation::Refresh { status, .. } => format!("the instance refresh ended: {status:?}"),
        Observation::NotReady { .. } => "a new instance was abandoned: it did not get ready".to_owned(),
        Observation::Health(health) => format!("targets healthy: {} of {}", health.healthy, health.total),
        Observation::NoAnswer => "AWS did not answer; retrying".to_owned(),
    };
    if line != *reported {
        tracing::info!(target: PROGRESS, "{line}");
        *reported = line;
    }
}

/// Sets the parameter to the good image and starts the refresh that installs it. Returns its ID.
async fn roll_back(
    context: &Context<'_>,
    image: &Digest,
    good: &Digest,
    why: &FailureReason,
) -> Result<String, RolloutError> {
    tracing::info!(target: PROGRESS, "failed: {why}; rolling back to {}", context.repository.image(good));
    let written = context.write(&context.parameters.image, good).await;
    written.map_err(|source| context.interrupted(source, image))?;
    let started = restart(context, why).await;
    started.map_err(|source| context.interrupted(source, good))
}

/// Starts a refresh after a failed one, which is cancelled first if it is active.
async fn restart(context: &Context<'_>, why: &FailureReason) -> Result<String, CallError> {
    if is_active_after(why)
        && let Some(latest) = context.group.refresh(None).await?
    {
        context.group.cancel_refresh().await?;
        // If it does not end in time, starting the next one fails with the reason.
        context.wait_for_end(&latest.id, CANCEL_LIMIT).await?;
    }
    context.start_refresh().await
}

fn failed(
    context: &Context<'_>,
    image: &Digest,
    direction: Direction,
    failure: FailureReason,
) -> RolloutError {
    let (image, parameter) = (context.repository.image(image), context.parameters.image.clone());
    match direction {
        Direction::Forward { .. } => RolloutError::NoGoodImage { image, why: failure, parameter },
        Direction::Back { good, why } => RolloutError::RollbackFailed {
            image,
            why: Box::new(why),
            good: context.repository.image(&good),
            rollback: Box::new(failure),
            parameter,
        },
    }
}

/// Returns whether the refresh is still active after this failure.
fn is_active_after(failure: &FailureReason) -> bool {
    matches!(failure, FailureReason::Timeout { .. } | FailureReason::NotReady { .. })
}
