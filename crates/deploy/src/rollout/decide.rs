//! Decides the next step of a rollout from an observation and the time waited, as a pure function. Defines the
//! time limits of a rollout and the reasons of a failure.

use std::time::Duration;

use super::group::{Health, Status};
use crate::image::Digest;

/// The time limit of an instance refresh: 20 minutes. Replacing an instance takes 4 minutes as a rule and 7 at most
/// (boot, 5 minutes to get ready, [warm-up](super::group::WARMUP), termination of the old one), so two in sequence
/// take 15.
pub(super) const REFRESH_LIMIT: Duration = Duration::from_secs(20 * 60);

/// The time limit of cancelling a refresh.
pub(super) const CANCEL_LIMIT: Duration = Duration::from_secs(5 * 60);

/// The time limit of a rollout with its rollback, once anything was changed.
#[cfg(test)]
pub(super) const BUDGET: Duration =
    Duration::from_secs(2 * (REFRESH_LIMIT.as_secs() + HEALTH_LIMIT.as_secs()) + CANCEL_LIMIT.as_secs());

/// The time limit for targets to become healthy once the instances are ready: the load balancer needs two successful
/// checks of each, and an app its first database connection.
pub(super) const HEALTH_LIMIT: Duration = Duration::from_secs(5 * 60);

/// The number of consecutive observations with all targets healthy that ends a rollout: a single one may be luck.
pub(super) const HEALTHY_THRESHOLD: u32 = 3;

/// The direction of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// To the new image; `good` is the image to roll back to.
    Forward { good: Option<Digest> },
    /// Back to the good image, with the reason.
    Back { good: Digest, why: FailureReason },
}

/// The object that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    Refresh,
    Targets,
}

/// The result of one poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Observation {
    /// The state of the instance refresh.
    Refresh { status: Status, percent: i32, reason: Option<String> },
    /// An instance launched by the refresh was abandoned, because it did not get ready.
    NotReady { reason: Option<String> },
    /// The health of the load balancer's targets, without those that are draining.
    Health(Health),
    /// AWS did not answer.
    NoAnswer,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Poll the same object again.
    Wait,
    /// Watch the targets: the instances are ready.
    CheckTargets,
    /// End: the image of this direction is serving.
    Finish,
    /// Roll back to the good image.
    RollBack { good: Digest, why: FailureReason },
    /// End with an error.
    GiveUp(FailureReason),
}

/// The reason why an image is not serving. `Display` continues "failed: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FailureReason {
    /// The instance refresh failed.
    #[error("the instance refresh failed{}", detail(reason.as_deref()))]
    Failed {
        /// AWS's reason.
        reason: Option<String>,
    },
    /// Another user cancelled the refresh.
    #[error("the instance refresh was cancelled{}", detail(reason.as_deref()))]
    Cancelled {
        /// AWS's reason.
        reason: Option<String>,
    },
    /// AWS rolled back the refresh at another user's request.
    #[error("the instance refresh was rolled back{}", detail(reason.as_deref()))]
    RolledBack {
        /// AWS's reason.
        reason: Option<String>,
    },
    /// A new instance did not get ready and was abandoned before an old one was terminated.
    #[error("a new instance did not get ready{}: check the app's log", detail(reason.as_deref()))]
    NotReady {
        /// AWS's reason.
        reason: Option<String>,
    },
    /// The refresh exceeded its time limit.
    #[error("the instance refresh timed out after {minutes} minutes")]
    Timeout {
        /// The time waited.
        minutes: u64,
    },
    /// The instances are ready but not healthy.
    #[error(
        "{healthy} of {total} targets are healthy {minutes} minutes after the instance refresh: check the app's log"
    )]
    Unhealthy {
        /// The number of healthy targets.
        healthy: usize,
        /// The number of targets.
        total: usize,
        /// The time waited.
        minutes: u64,
    },
    /// The instances are ready, but their health is unknown.
    #[error("AWS did not report the targets' health for {minutes} minutes after the instance refresh")]
    HealthUnknown {
        /// The time waited.
        minutes: u64,
    },
}

fn detail(reason: Option<&str>) -> String {
    reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
}

/// Decides by an observation and the time since the watch began.
pub(super) fn decide(
    direction: &Direction,
    watched: Watched,
    observation: &Observation,
    waited: Duration,
) -> Decision {
    let limit = match watched {
        Watched::Refresh => REFRESH_LIMIT,
        Watched::Targets => HEALTH_LIMIT,
    };
    let (is_over, minutes) = (waited >= limit, limit.as_secs() / 60);
    let why = match observation.clone() {
        Observation::Refresh { status: Status::Successful, .. } => return Decision::CheckTargets,
        Observation::Health(health) if health.is_complete() && health.in_a_row >= HEALTHY_THRESHOLD => {
            return Decision::Finish;
        }
        Observation::Refresh { status: Status::Failed, reason, .. } => FailureReason::Failed { reason },
        Observation::Refresh { status: Status::Cancelled, reason, .. } => FailureReason::Cancelled { reason },
        Observation::Refresh { status: Status::RolledBack, reason, .. } => {
            FailureReason::RolledBack { reason }
        }
        // The next instance would not get ready either, and until one does, the refresh makes no progress.
        Observation::NotReady { reason } => FailureReason::NotReady { reason },
        // All are healthy, but not for long enough: the few polls still needed are worth exceeding the limit.
        Observation::Health(health) if health.is_complete() => return Decision::Wait,
        _ if !is_over => return Decision::Wait,
        Observation::Health(Health { healthy, total, .. }) => {
            FailureReason::Unhealthy { healthy, total, minutes }
        }
        Observation::NoAnswer if watched == Watched::Targets => FailureReason::HealthUnknown { minutes },
        Observation::Refresh { status: Status::Active, .. } | Observation::NoAnswer => {
            FailureReason::Timeout { minutes }
        }
    };
    match direction {
        Direction::Forward { good: Some(good) } => Decision::RollBack { good: good.clone(), why },
        Direction::Forward { good: None } | Direction::Back { .. } => Decision::GiveUp(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Digest {
        Digest::sha256(b"good")
    }

    fn roll_back(why: FailureReason) -> Decision {
        Decision::RollBack { good: good(), why }
    }

    /// Forward with a good image, forward without one, and back.
    fn directions() -> [Direction; 3] {
        let back = Direction::Back { good: good(), why: FailureReason::Timeout { minutes: 1 } };
        [Direction::Forward { good: Some(good()) }, Direction::Forward { good: None }, back]
    }

    fn refresh(status: Status) -> Observation {
        Observation::Refresh { status, percent: 50, reason: None }
    }

    fn not_ready() -> Observation {
        Observation::NotReady { reason: None }
    }

    fn health(healthy: usize, total: usize, in_a_row: u32) -> Observation {
        Observation::Health(Health { healthy, total, in_a_row })
    }

    #[test]
    fn a_refresh_is_watched_to_its_end() {
        let time = || FailureReason::Timeout { minutes: 20 };
        let [forward, first, back] = &directions();
        let failed = || FailureReason::Failed { reason: None };
        let before = REFRESH_LIMIT - Duration::from_secs(1);
        for (direction, observation, waited, expected) in [
            (forward, refresh(Status::Active), Duration::ZERO, Decision::Wait),
            (forward, refresh(Status::Active), before, Decision::Wait),
            (forward, refresh(Status::Active), REFRESH_LIMIT, roll_back(time())),
            (first, refresh(Status::Active), REFRESH_LIMIT, Decision::GiveUp(time())),
            (back, refresh(Status::Active), REFRESH_LIMIT, Decision::GiveUp(time())),
            (forward, Observation::NoAnswer, before, Decision::Wait),
            (forward, Observation::NoAnswer, REFRESH_LIMIT, roll_back(time())),
            (forward, refresh(Status::Successful), Duration::ZERO, Decision::CheckTargets),
            // Late, but successful.
            (forward, refresh(Status::Successful), REFRESH_LIMIT, Decision::CheckTargets),
            (back, refresh(Status::Successful), Duration::ZERO, Decision::CheckTargets),
            (forward, refresh(Status::Failed), Duration::ZERO, roll_back(failed())),
            (first, refresh(Status::Failed), Duration::ZERO, Decision::GiveUp(failed())),
            (back, refresh(Status::Failed), Duration::ZERO, Decision::GiveUp(failed())),
            (
                forward,
                refresh(Status::Cancelled),
                Duration::ZERO,
                roll_back(FailureReason::Cancelled { reason: None }),
            ),
            (
                forward,
                refresh(Status::RolledBack),
                Duration::ZERO,
                roll_back(FailureReason::RolledBack { reason: None }),
            ),
            (forward, not_ready(), Duration::ZERO, roll_back(FailureReason::NotReady { reason: None })),
            (first, not_ready(), Duration::ZERO, Decision::GiveUp(FailureReason::NotReady { reason: None })),
            (back, not_ready(), Duration::ZERO, Decision::GiveUp(FailureReason::NotReady { reason: None })),
        ] {
            assert_eq!(
                decide(direction, Watched::Refresh, &observation, waited),
                expected,
                "{direction:?} {observation:?} {waited:?}"
            );
        }
    }

    #[test]
    fn then_the_targets_must_be_healthy() {
        let [forward, first, back] = &directions();
        let unhealthy = |healthy, total| FailureReason::Unhealthy { healthy, total, minutes: 5 };
        let before = HEALTH_LIMIT - Duration::from_secs(1);
        for (direction, observation, waited, expected) in [
            (forward, health(0, 0, 0), Duration::ZERO, Decision::Wait),
            (forward, health(1, 2, 0), before, Decision::Wait),
            (forward, health(2, 2, 1), Duration::ZERO, Decision::Wait),
            (forward, health(2, 2, 2), Duration::ZERO, Decision::Wait),
            (forward, health(2, 2, 3), Duration::ZERO, Decision::Finish),
            (forward, health(2, 2, 1), HEALTH_LIMIT, Decision::Wait),
            (forward, health(1, 2, 0), HEALTH_LIMIT, roll_back(unhealthy(1, 2))),
            // Zero targets are not healthy.
            (forward, health(0, 0, 9), HEALTH_LIMIT, roll_back(unhealthy(0, 0))),
            (first, health(0, 1, 0), HEALTH_LIMIT, Decision::GiveUp(unhealthy(0, 1))),
            (back, health(1, 1, 3), Duration::ZERO, Decision::Finish),
            (back, health(0, 1, 0), HEALTH_LIMIT, Decision::GiveUp(unhealthy(0, 1))),
            (forward, Observation::NoAnswer, before, Decision::Wait),
            (
                forward,
                Observation::NoAnswer,
                HEALTH_LIMIT,
                roll_back(FailureReason::HealthUnknown { minutes: 5 }),
            ),
        ] {
            assert_eq!(
                decide(direction, Watched::Targets, &observation, waited),
                expected,
                "{direction:?} {observation:?} {waited:?}"
            );
        }
    }
}
