//! The steps of a rollout: check the image, wait for other refreshes, start a refresh, watch it.

use aws_sdk_ecr::error::ProvideErrorMetadata as _;
use aws_sdk_ecr::types::ImageIdentifier;

use super::context::Context;
use super::decide::{FailureReason, REFRESH_LIMIT};
use super::error::RolloutError;
use super::group::{Refresh, Status};
use super::parameters::{Images, Parameters};
use super::record::{Outcome, Record, Target};
use super::watch::watch;
use crate::PROGRESS;
use crate::aws::CallError;
use crate::aws::poll::elapsed;
use crate::image::Digest;

/// Runs a rollout from its checks to its outcome.
pub(super) async fn run(context: &Context<'_>, target: &Target) -> Result<Record, RolloutError> {
    let start = context.clock.now();
    let mut images = context.parameters.read(context.aws).await?;
    let image = choose_image(context, target, &images)?;
    check_exists(context, &image).await?;
    let resumed = wait_for_others(context, &image, &images).await?;
    if resumed.is_none() {
        // Another rollout may have changed them during the wait.
        images = context.parameters.read(context.aws).await?;
    }
    let is_same = images.current.as_ref() == Some(&image);
    let has_arrived = resumed.is_none() && has_arrived(context, &images).await?;
    let before = if is_same { images.previous.clone() } else { images.current.clone() };
    let record = |outcome: Outcome, why: Option<FailureReason>| Record {
        image: context.repository.image(&image),
        before: before.as_ref().map(|digest| context.repository.image(digest)),
        outcome,
        seconds: elapsed(context.clock, start).as_secs(),
        why,
    };
    if is_same && has_arrived && context.group.health(&context.target_groups).await?.is_complete() {
        let image = context.repository.image(&image);
        tracing::info!(target: PROGRESS, "{image} is serving and healthy: nothing to do");
        return Ok(record(Outcome::Unchanged, None));
    }
    // An image that arrived once is good, even if a target is unhealthy right now.
    let good = if has_arrived { images.current.clone() } else { images.previous.clone() };
    let good = good.filter(|good| *good != image);
    let refresh = match resumed {
        Some(refresh) => refresh.id,
        None => start_refresh(context, &image, &images, has_arrived).await?,
    };
    let watched = watch(context, refresh, &image, good).await;
    if let (Err(RolloutError::NoGoodImage { .. }), Some(current)) = (&watched, &images.current) {
        // An instance that restarts reads the parameter: it must not get the image that has just failed.
        let restored = context.write(&context.parameters.image, current).await;
        restored.map_err(|source| context.interrupted(source, &image))?;
    }
    let Some((good, why)) = watched? else { return Ok(record(Outcome::RolledOut, None)) };
    if let (true, Some(previous)) = (has_arrived, &images.previous) {
        // The parameter was set to the image that runs again, which is no rollback target for itself.
        let restored = context.parameters.write(context.aws, &context.parameters.previous, previous).await;
        restored.map_err(|source| context.interrupted(source, &good))?;
    }
    Ok(record(Outcome::Returned, Some(why)))
}

fn choose_image(context: &Context<'_>, target: &Target, images: &Images) -> Result<Digest, RolloutError> {
    match (target, &images.previous) {
        (Target::Image(digest), _) => Ok(digest.clone()),
        (Target::Previous, Some(previous)) => Ok(previous.clone()),
        (Target::Previous, None) => {
            Err(RolloutError::NoPrevious { parameter: context.parameters.previous.clone() })
        }
    }
}

async fn check_exists(context: &Context<'_>, image: &Digest) -> Result<(), RolloutError> {
    let repository = &context.repository;
    let id = ImageIdentifier::builder().image_digest(image.as_str()).build();
    let call = aws_sdk_ecr::Client::new(context.aws).describe_images().image_ids(id);
    let call = call.set_registry_id(repository.account().map(str::to_owned));
    let Err(error) = call.repository_name(repository.path()).send().await else { return Ok(()) };
    if error.code() == Some("ImageNotFoundException") {
        return Err(RolloutError::NotInRepository { digest: image.clone(), repository: repository.clone() });
    }
    let operation = format!("find {}", repository.image(image));
    Err(CallError::from_sdk(operation, "ecr:DescribeImages")(error).into())
}

/// Returns the active refresh if it installs this image, after an interrupted run. Waits for the end of any
/// other one: Terraform starts one for a new launch template.
async fn wait_for_others(
    context: &Context<'_>,
    image: &Digest,
    images: &Images,
) -> Result<Option<Refresh>, RolloutError> {
    let group = &context.group.name;
    let Some(latest) = context.group.refresh(None).await? else { return Ok(None) };
    if latest.status != Status::Active {
        return Ok(None);
    }
    let Refresh { id, state, percent, .. } = &latest;
    if images.current.as_ref() == Some(image) && latest.started_after(images.since) {
        tracing::info!(
            target: PROGRESS,
            "the instance refresh {id} of {group} is already bringing the image ({state}, {percent} %)"
        );
        return Ok(Some(latest));
    }
    tracing::info!(target: PROGRESS, "waiting for the instance refresh {id} of {group} to end ({state})");
    if context.wait_for_end(id, REFRESH_LIMIT).await? {
        return Ok(None);
    }
    let minutes = REFRESH_LIMIT.as_secs() / 60;
    Err(RolloutError::Busy { id: id.clone(), group: group.clone(), minutes })
}

/// Returns whether a refresh has installed the image in the parameter. A later one that failed, such as
/// Terraform's for another machine image, does not change that.
async fn has_arrived(context: &Context<'_>, images: &Images) -> Result<bool, CallError> {
    let refreshes = context.group.refreshes(None).await?;
    let brought =
        |refresh: &Refresh| refresh.status == Status::Successful && refresh.started_after(images.since);
    // AWS deletes the record of a refresh after six weeks.
    Ok(images.current.is_some() && (refreshes.is_empty() || refreshes.iter().any(brought)))
}

/// Writes the parameters, starts the refresh that installs the image, and returns its ID.
async fn start_refresh(
    context: &Context<'_>,
    image: &Digest,
    images: &Images,
    has_arrived: bool,
) -> Result<String, RolloutError> {
    let Parameters { image: parameter, previous, .. } = &context.parameters;
    let current = images.current.as_ref();
    let left = current.filter(|current| has_arrived && images.previous.as_ref() != Some(current));
    if let Some(left) = left {
        context.write(previous, left).await?;
    }
    if current != Some(image) {
        context.write(parameter, image).await?;
    }
    match (context.start_refresh().await, current) {
        (Ok(id), _) => Ok(id),
        (Err(source), None) => Err(context.interrupted(source, image)),
        (Err(source), Some(current)) => {
            let restored = context.parameters.write(context.aws, parameter, current).await;
            restored.map_err(|source| context.interrupted(source, image))?;
            let (image, parameter) = (context.repository.image(image), parameter.clone());
            Err(RolloutError::NotStarted { image, parameter, source: Box::new(source) })
        }
    }
}
