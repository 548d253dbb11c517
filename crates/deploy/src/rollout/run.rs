//! A rollout, step by step. What to do next is decided in `decide`.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_ecr::error::ProvideErrorMetadata as _;
use aws_sdk_ecr::types::ImageIdentifier;
use rds_iam_token::Clock;

use super::decide::{
    CANCEL_LIMIT, Decision, Direction, FailureReason, Observation, REFRESH_LIMIT, Status, next,
};
use super::group::{Group, Refresh};
use super::parameters::{Images, Parameters};
use super::{Outcome, Record, RolloutError, Target};
use crate::aws::wait::{Poll, since, until};
use crate::aws::{CallError, Cause};
use crate::image::{Digest, Repository};

/// How often to look: instances take minutes, and a person waits for the last look.
pub(super) const LOOK: Duration = Duration::from_secs(3);

/// A rollout at work.
pub(super) struct Run<'a> {
    pub(super) aws: &'a SdkConfig,
    pub(super) clock: &'a Clock,
    pub(super) tell: &'a mut dyn FnMut(&str),
    pub(super) repository: Repository,
    pub(super) parameters: Parameters,
    pub(super) group: Group,
    /// ARNs of the target groups.
    pub(super) targets: Vec<String>,
}

impl Run<'_> {
    pub(super) async fn find_targets(&mut self) -> Result<(), RolloutError> {
        let problem = match self.group.target_groups().await? {
            Some(targets) if !targets.is_empty() => {
                self.targets = targets;
                return Ok(());
            }
            Some(_) => "is in no target group, so nothing tells whether its instances are healthy",
            None => "is the name of no Auto Scaling group",
        };
        Err(RolloutError::Group { group: self.group.name.clone(), problem })
    }

    pub(super) async fn rollout(&mut self, target: &Target) -> Result<Record, RolloutError> {
        let start = self.clock.now();
        let mut images = self.parameters.read(self.aws).await?;
        let image = self.wanted(target, &images)?;
        self.check_is_there(&image).await?;
        let latest = self.wait_for_others(&image, &images).await?;
        if latest.is_none() {
            // Others may have changed it while this waited.
            images = self.parameters.read(self.aws).await?;
        }
        let is_same = images.current.as_ref() == Some(&image);
        let has_arrived = latest.is_none() && self.has_arrived(&images).await?;
        let before = if is_same { images.previous.clone() } else { images.current.clone() };
        let name = |digest: &Digest| self.repository.image(digest);
        let record = Record {
            image: name(&image),
            before: before.as_ref().map(name),
            outcome: Outcome::RolledOut,
            seconds: 0,
            why: None,
        };
        let record =
            |outcome, why, clock| Record { outcome, why, seconds: since(clock, start).as_secs(), ..record };
        if is_same && has_arrived && self.group.health(&self.targets).await?.is_whole() {
            (self.tell)(&format!(
                "{} runs, and is healthy: there is nothing to do",
                self.repository.image(&image)
            ));
            return Ok(record(Outcome::Unchanged, None, self.clock));
        }
        // One that once arrived is good, also where a target fails at this moment.
        let good = if has_arrived { images.current.clone() } else { images.previous.clone() };
        let good = good.filter(|good| *good != image);
        let refresh = match latest {
            Some(refresh) => refresh.id,
            None => self.begin(&image, &images, has_arrived).await?,
        };
        let watched = self.watch(refresh, &image, good).await;
        if let (Err(RolloutError::NothingToReturnTo { .. }), Some(current)) = (&watched, &images.current) {
            // An instance that starts again reads the parameter: it must not find what has just failed.
            let name = self.parameters.image.clone();
            self.put(&name, current, &image).await?;
            (self.tell)(&format!("{name}: {}", self.repository.image(current)));
        }
        let Some((good, why)) = watched? else {
            return Ok(record(Outcome::RolledOut, None, self.clock));
        };
        if let (true, Some(previous)) = (has_arrived, &images.previous) {
            // It was given the image that runs again, which is no way back from that.
            let name = self.parameters.previous.clone();
            self.put(&name, previous, &good).await?;
        }
        Ok(record(Outcome::Returned, Some(why), self.clock))
    }

    fn wanted(&self, target: &Target, images: &Images) -> Result<Digest, RolloutError> {
        match (target, &images.previous) {
            (Target::Image(digest), _) => Ok(digest.clone()),
            (Target::Previous, Some(previous)) => Ok(previous.clone()),
            (Target::Previous, None) => {
                Err(RolloutError::NoPrevious { parameter: self.parameters.previous.clone() })
            }
        }
    }

    async fn check_is_there(&self, image: &Digest) -> Result<(), RolloutError> {
        let id = ImageIdentifier::builder().image_digest(image.as_str()).build();
        let call = aws_sdk_ecr::Client::new(self.aws).describe_images().image_ids(id);
        let call = call.set_registry_id(self.repository.account().map(str::to_owned));
        let Err(error) = call.repository_name(self.repository.path()).send().await else { return Ok(()) };
        if error.code() == Some("ImageNotFoundException") {
            return Err(RolloutError::NotInRepository {
                digest: image.clone(),
                repository: self.repository.clone(),
            });
        }
        let doing = format!("look for {}", self.repository.image(image));
        Err(CallError::from_sdk(doing, "ecr:DescribeImages")(error).into())
    }

    /// The refresh that is bringing this very image, where an earlier run was interrupted. Any other that is going
    /// on (Terraform starts one for a new launch template) is waited for.
    async fn wait_for_others(
        &mut self,
        image: &Digest,
        images: &Images,
    ) -> Result<Option<Refresh>, RolloutError> {
        let Some(latest) = self.group.refresh(None).await? else { return Ok(None) };
        if latest.status != Status::Active {
            return Ok(None);
        }
        let Refresh { id, state, percent, .. } = &latest;
        let of = &self.group.name;
        if images.current.as_ref() == Some(image) && latest.began_after(images.since) {
            (self.tell)(&format!(
                "the instance refresh {id} of {of} brings it already ({state}, {percent} %)"
            ));
            return Ok(Some(latest));
        }
        (self.tell)(&format!("waiting for the instance refresh {id} of {of}, which is going on ({state})"));
        let poll = Poll { interval: LOOK, timeout: REFRESH_LIMIT };
        if self.is_over(id, poll).await? {
            return Ok(None);
        }
        let minutes = REFRESH_LIMIT.as_secs() / 60;
        Err(RolloutError::Busy { id: id.clone(), group: of.clone(), minutes })
    }

    async fn is_over(&self, id: &str, poll: Poll) -> Result<bool, CallError> {
        let seen = until(self.clock, poll, async || {
            let refresh = self.group.refresh(Some(id)).await?;
            Ok(refresh.is_none_or(|refresh| refresh.status != Status::Active).then_some(()))
        });
        Ok(seen.await?.is_some())
    }

    /// Whether the image that the parameter names has been brought by a refresh. One that failed since, such as
    /// Terraform's for another machine image, does not change that.
    async fn has_arrived(&self, images: &Images) -> Result<bool, CallError> {
        let refreshes = self.group.refreshes(None).await?;
        let brought =
            |refresh: &Refresh| refresh.status == Status::Successful && refresh.began_after(images.since);
        // AWS forgets refreshes after six weeks.
        Ok(images.current.is_some() && (refreshes.is_empty() || refreshes.iter().any(brought)))
    }

    /// Names the image and starts the refresh that brings it; the refresh's id.
    async fn begin(
        &mut self,
        image: &Digest,
        images: &Images,
        has_arrived: bool,
    ) -> Result<String, RolloutError> {
        let Parameters { image: parameter, previous, .. } = self.parameters.clone();
        let current = images.current.as_ref();
        if let Some(current) =
            current.filter(|current| has_arrived && images.previous.as_ref() != Some(current))
        {
            self.parameters.write(self.aws, &previous, current).await?;
            (self.tell)(&format!("{previous}: {}", self.repository.image(current)));
        }
        if current != Some(image) {
            self.parameters.write(self.aws, &parameter, image).await?;
            (self.tell)(&format!("{parameter}: {}", self.repository.image(image)));
        }
        match self.start_refresh().await {
            Ok(id) => Ok(id),
            Err(source) => {
                let Some(current) = current else { return Err(self.lost(source, image)) };
                self.put(&parameter, current, image).await?;
                Err(RolloutError::NotBegun {
                    image: self.repository.image(image),
                    parameter,
                    source: Box::new(source),
                })
            }
        }
    }

    async fn start_refresh(&mut self) -> Result<String, CallError> {
        let id = self.group.start_refresh().await?;
        (self.tell)(&format!("the instance refresh {id} of {} has begun", self.group.name));
        Ok(id)
    }

    /// Watches a refresh to its end, and then the targets; where the image fails, the same again for the good one,
    /// which is then returned with the reason.
    async fn watch(
        &mut self,
        mut id: String,
        image: &Digest,
        good: Option<Digest>,
    ) -> Result<Option<(Digest, FailureReason)>, RolloutError> {
        let mut leg = Direction::Forward { good };
        let (mut at_targets, mut begun, mut in_a_row, mut told) = (false, self.clock.now(), 0, String::new());
        loop {
            let seen = self.look(at_targets.then_some(&mut in_a_row), &id).await;
            let sight = seen.map_err(|source| match &leg {
                Direction::Forward { .. } => self.lost(source, image),
                Direction::Back { good, .. } => self.lost(source, good),
            })?;
            self.tell_once(&sight, &mut told);
            match next(&leg, at_targets, &sight, since(self.clock, begun)) {
                Decision::Look => self.clock.sleep(LOOK).await,
                Decision::LookAtTargets => (at_targets, begun, in_a_row) = (true, self.clock.now(), 0),
                Decision::Return { good, why } => {
                    id = self.go_back(image, &good, &why).await?;
                    (at_targets, begun) = (false, self.clock.now());
                    leg = Direction::Back { good, why };
                }
                Decision::GiveUp(failed) => {
                    // Otherwise AWS would go on launching what does not get ready.
                    let stopped =
                        if is_going_on(&failed) { self.group.cancel_refresh().await } else { Ok(()) };
                    if let Err(error) = stopped {
                        (self.tell)(&format!("{error}: cancel it by hand"));
                    }
                    return Err(self.gave_up(image, leg, failed));
                }
                Decision::Finish => {
                    return Ok(match leg {
                        Direction::Forward { .. } => None,
                        Direction::Back { good, why } => Some((good, why)),
                    });
                }
            }
        }
    }

    fn gave_up(&self, image: &Digest, leg: Direction, failed: FailureReason) -> RolloutError {
        let (image, parameter) = (self.repository.image(image), self.parameters.image.clone());
        match leg {
            Direction::Forward { .. } => RolloutError::NothingToReturnTo { image, why: failed, parameter },
            Direction::Back { good, why } => {
                let good = self.repository.image(&good);
                RolloutError::NotReturned {
                    image,
                    why: Box::new(why),
                    good,
                    back: Box::new(failed),
                    parameter,
                }
            }
        }
    }

    /// Looks at the targets where `in_a_row` is given, which counts for how many looks all were healthy.
    async fn look(&self, in_a_row: Option<&mut u32>, id: &str) -> Result<Observation, CallError> {
        let seen = match in_a_row {
            Some(in_a_row) => self.group.health(&self.targets).await.map(|mut health| {
                *in_a_row = if health.is_whole() { *in_a_row + 1 } else { 0 };
                health.in_a_row = *in_a_row;
                Observation::Health(health)
            }),
            None => self.look_at_refresh(id).await,
        };
        match seen {
            Err(error) if matches!(error.cause, Cause::Throttled { .. } | Cause::Unreachable) => {
                Ok(Observation::NoAnswer)
            }
            seen => seen,
        }
    }

    async fn look_at_refresh(&self, id: &str) -> Result<Observation, CallError> {
        let Some(Refresh { status, percent, reason, started, .. }) = self.group.refresh(Some(id)).await?
        else {
            return Ok(Observation::NoAnswer);
        };
        if let (Status::Active, Some(started)) = (status, started)
            && let Some(reason) = self.group.abandoned(started).await?
        {
            return Ok(Observation::NotReady { reason });
        }
        Ok(Observation::Refresh { status, percent, reason })
    }

    fn tell_once(&mut self, sight: &Observation, told: &mut String) {
        let line = match sight {
            Observation::Refresh { status: Status::Active, percent, .. } => {
                format!("instances replaced: {percent} %")
            }
            Observation::Refresh { status, .. } => format!("the instance refresh is over: {status:?}"),
            Observation::NotReady { .. } => "a new instance was abandoned: it did not get ready".to_owned(),
            Observation::Health(health) => format!("targets healthy: {} of {}", health.healthy, health.total),
            Observation::NoAnswer => "AWS did not answer; looking again".to_owned(),
        };
        if line != *told {
            (self.tell)(&line);
            *told = line;
        }
    }

    /// Names the good image again and starts the refresh that brings it; the refresh's id.
    async fn go_back(
        &mut self,
        image: &Digest,
        good: &Digest,
        why: &FailureReason,
    ) -> Result<String, RolloutError> {
        (self.tell)(&format!("failed: {why}; going back to {}", self.repository.image(good)));
        let parameter = self.parameters.image.clone();
        self.put(&parameter, good, image).await?;
        (self.tell)(&format!("{parameter}: {}", self.repository.image(good)));
        let begun = self.restart(why).await;
        begun.map_err(|source| self.lost(source, good))
    }

    /// Starts a refresh after one that failed, which is ended first where it is still going on.
    async fn restart(&mut self, why: &FailureReason) -> Result<String, CallError> {
        if is_going_on(why)
            && let Some(latest) = self.group.refresh(None).await?
        {
            self.group.cancel_refresh().await?;
            // Where it does not end in time, starting the next one says so.
            self.is_over(&latest.id, Poll { interval: LOOK, timeout: CANCEL_LIMIT }).await?;
        }
        self.start_refresh().await
    }

    /// Writes a parameter while another image is on its way; `named` is what the image parameter names if it fails.
    async fn put(&self, name: &str, digest: &Digest, named: &Digest) -> Result<(), RolloutError> {
        self.parameters.write(self.aws, name, digest).await.map_err(|source| self.lost(source, named))
    }

    fn lost(&self, source: CallError, named: &Digest) -> RolloutError {
        let (parameter, image) = (self.parameters.image.clone(), self.repository.image(named));
        RolloutError::Lost { parameter, image, source: Box::new(source) }
    }
}

/// Whether the refresh is not over, although its image is given up.
fn is_going_on(why: &FailureReason) -> bool {
    matches!(why, FailureReason::Time { .. } | FailureReason::NotReady { .. })
}

impl Refresh {
    /// Whether it began when the parameter already named what it names. AWS tells its beginning in whole seconds.
    fn began_after(&self, since: Option<SystemTime>) -> bool {
        match (self.started, since) {
            (Some(started), Some(since)) => started + Duration::from_secs(1) > since,
            _ => false,
        }
    }
}
