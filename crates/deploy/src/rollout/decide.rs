//! What to do next in a rollout: a pure function of what is seen.

use std::time::Duration;

use crate::image::Digest;

/// How long an instance refresh may take: 20 minutes. An instance takes 4 on the usual day, and 7 at the most (boot, 5
/// minutes to get ready, [`WARMUP`], the end of the old one), so two that are replaced one after the other take 15.
pub(super) const REFRESH_LIMIT: Duration = Duration::from_secs(20 * 60);

/// How long a refresh waits after an instance has shown by its launch hook that it is ready: 30 seconds, for two checks
/// of the load balancer. The module `ec2` has the same.
pub(super) const WARMUP: Duration = Duration::from_secs(30);

/// How long a cancelled refresh may take until it is over.
pub(super) const CANCEL_LIMIT: Duration = Duration::from_secs(5 * 60);

/// The most that all of it takes once something was changed: there, and back.
#[cfg(test)]
pub(super) const BUDGET: Duration =
    Duration::from_secs(2 * (REFRESH_LIMIT.as_secs() + HEALTH_LIMIT.as_secs()) + CANCEL_LIMIT.as_secs());

/// How long targets may take to become healthy once the instances are there: the load balancer needs two good
/// checks of each, and an app its first database connection.
pub(super) const HEALTH_LIMIT: Duration = Duration::from_secs(5 * 60);

/// How many looks in a row must find every target healthy: one good answer may be luck.
pub(super) const HEALTHY_THRESHOLD: u32 = 3;

/// Where the rollout is going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// To the new image, and which one is good should that fail.
    Forward { good: Option<Digest> },
    /// Back to the good one, and why.
    Back { good: Digest, why: FailureReason },
}

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Observation {
    /// The instance refresh.
    Refresh { status: Status, percent: i32, reason: Option<String> },
    /// An instance that the refresh launched was abandoned: it did not get ready.
    NotReady { reason: Option<String> },
    /// The load balancer's targets, but those that are leaving.
    Health(Health),
    /// Nothing: there was no answer.
    NoAnswer,
}

/// How far an instance refresh is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Successful,
    Failed,
    Cancelled,
    /// Somebody had AWS roll it back.
    RolledBack,
}

/// How many targets there are, and how many of them are healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) healthy: usize,
    pub(super) total: usize,
    /// For how many looks in a row all of them have been, this one included.
    pub(super) in_a_row: u32,
}

impl Health {
    pub(super) fn is_whole(self) -> bool {
        self.total > 0 && self.healthy == self.total
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Look again, at the same.
    Look,
    /// Look at the targets: the instances are there.
    LookAtTargets,
    /// The image of this leg runs.
    Finish,
    /// Go back to the good image.
    Return { good: Digest, why: FailureReason },
    /// There is nothing more to be done.
    GiveUp(FailureReason),
}

/// Why an image does not run. `Display` goes on from "failed: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FailureReason {
    /// The instance refresh failed.
    #[error("the instance refresh failed{}", because(reason.as_deref()))]
    Failed {
        /// What AWS says.
        reason: Option<String>,
    },
    /// Somebody cancelled it.
    #[error("the instance refresh was cancelled{}", because(reason.as_deref()))]
    Cancelled {
        /// What AWS says.
        reason: Option<String>,
    },
    /// Somebody had AWS roll it back.
    #[error("the instance refresh was rolled back{}", because(reason.as_deref()))]
    RolledBack {
        /// What AWS says.
        reason: Option<String>,
    },
    /// A new instance did not get ready, and was abandoned before an old one went for it.
    #[error("a new instance did not get ready{}: see the app's log", because(reason.as_deref()))]
    NotReady {
        /// What AWS says.
        reason: Option<String>,
    },
    /// It takes too long.
    #[error("the instance refresh is not over after {minutes} minutes")]
    Time {
        /// How long it was waited for.
        minutes: u64,
    },
    /// The instances are there, and do not serve.
    #[error(
        "{healthy} of {total} targets are healthy {minutes} minutes after the instance refresh: see the app's log"
    )]
    Unhealthy {
        /// How many are.
        healthy: usize,
        /// How many there are.
        total: usize,
        /// How long it was waited for.
        minutes: u64,
    },
    /// The instances are there, and the load balancer does not tell how they are.
    #[error("the targets' health was not told for {minutes} minutes after the instance refresh")]
    HealthUnseen {
        /// How long it was waited for.
        minutes: u64,
    },
}

fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
}

/// Decides by what was seen, and how long this has been looked at. `targets` says at what: the targets, or the
/// refresh.
pub(super) fn next(leg: &Direction, targets: bool, sight: &Observation, waited: Duration) -> Decision {
    let limit = if targets { HEALTH_LIMIT } else { REFRESH_LIMIT };
    let (is_over, minutes) = (waited >= limit, limit.as_secs() / 60);
    let why = match sight.clone() {
        Observation::Refresh { status: Status::Successful, .. } => return Decision::LookAtTargets,
        Observation::Health(health) if health.is_whole() && health.in_a_row >= HEALTHY_THRESHOLD => {
            return Decision::Finish;
        }
        Observation::Refresh { status: Status::Failed, reason, .. } => FailureReason::Failed { reason },
        Observation::Refresh { status: Status::Cancelled, reason, .. } => FailureReason::Cancelled { reason },
        Observation::Refresh { status: Status::RolledBack, reason, .. } => {
            FailureReason::RolledBack { reason }
        }
        // The next one would not either, and until one does, the refresh stands still.
        Observation::NotReady { reason } => FailureReason::NotReady { reason },
        // All are healthy and have not been for long enough: the few looks that lack are worth more than the limit.
        Observation::Health(health) if health.is_whole() => return Decision::Look,
        _ if !is_over => return Decision::Look,
        Observation::Health(Health { healthy, total, .. }) => {
            FailureReason::Unhealthy { healthy, total, minutes }
        }
        Observation::NoAnswer if targets => FailureReason::HealthUnseen { minutes },
        Observation::Refresh { status: Status::Active, .. } | Observation::NoAnswer => {
            FailureReason::Time { minutes }
        }
    };
    match leg {
        Direction::Forward { good: Some(good) } => Decision::Return { good: good.clone(), why },
        Direction::Forward { good: None } | Direction::Back { .. } => Decision::GiveUp(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Digest {
        Digest::sha256(b"good")
    }

    fn to(why: FailureReason) -> Decision {
        Decision::Return { good: good(), why }
    }

    /// Forward with a way back, forward without one, and back.
    fn legs() -> [Direction; 3] {
        let back = Direction::Back { good: good(), why: FailureReason::Time { minutes: 1 } };
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
        let time = || FailureReason::Time { minutes: 20 };
        let [forward, first, back] = &legs();
        let failed = || FailureReason::Failed { reason: None };
        let before = REFRESH_LIMIT - Duration::from_secs(1);
        for (leg, sight, waited, expected) in [
            (forward, refresh(Status::Active), Duration::ZERO, Decision::Look),
            (forward, refresh(Status::Active), before, Decision::Look),
            (forward, refresh(Status::Active), REFRESH_LIMIT, to(time())),
            (first, refresh(Status::Active), REFRESH_LIMIT, Decision::GiveUp(time())),
            (back, refresh(Status::Active), REFRESH_LIMIT, Decision::GiveUp(time())),
            (forward, Observation::NoAnswer, before, Decision::Look),
            (forward, Observation::NoAnswer, REFRESH_LIMIT, to(time())),
            (forward, refresh(Status::Successful), Duration::ZERO, Decision::LookAtTargets),
            // Late, and over all the same.
            (forward, refresh(Status::Successful), REFRESH_LIMIT, Decision::LookAtTargets),
            (back, refresh(Status::Successful), Duration::ZERO, Decision::LookAtTargets),
            (forward, refresh(Status::Failed), Duration::ZERO, to(failed())),
            (first, refresh(Status::Failed), Duration::ZERO, Decision::GiveUp(failed())),
            (back, refresh(Status::Failed), Duration::ZERO, Decision::GiveUp(failed())),
            (
                forward,
                refresh(Status::Cancelled),
                Duration::ZERO,
                to(FailureReason::Cancelled { reason: None }),
            ),
            (
                forward,
                refresh(Status::RolledBack),
                Duration::ZERO,
                to(FailureReason::RolledBack { reason: None }),
            ),
            (forward, not_ready(), Duration::ZERO, to(FailureReason::NotReady { reason: None })),
            (first, not_ready(), Duration::ZERO, Decision::GiveUp(FailureReason::NotReady { reason: None })),
            (back, not_ready(), Duration::ZERO, Decision::GiveUp(FailureReason::NotReady { reason: None })),
        ] {
            assert_eq!(next(leg, false, &sight, waited), expected, "{leg:?} {sight:?} {waited:?}");
        }
    }

    #[test]
    fn then_the_targets_must_be_healthy() {
        let [forward, first, back] = &legs();
        let unhealthy = |healthy, total| FailureReason::Unhealthy { healthy, total, minutes: 5 };
        let before = HEALTH_LIMIT - Duration::from_secs(1);
        for (leg, sight, waited, expected) in [
            (forward, health(0, 0, 0), Duration::ZERO, Decision::Look),
            (forward, health(1, 2, 0), before, Decision::Look),
            (forward, health(2, 2, 1), Duration::ZERO, Decision::Look),
            (forward, health(2, 2, 2), Duration::ZERO, Decision::Look),
            (forward, health(2, 2, 3), Duration::ZERO, Decision::Finish),
            (forward, health(2, 2, 1), HEALTH_LIMIT, Decision::Look),
            (forward, health(1, 2, 0), HEALTH_LIMIT, to(unhealthy(1, 2))),
            // No targets at all are not healthy ones.
            (forward, health(0, 0, 9), HEALTH_LIMIT, to(unhealthy(0, 0))),
            (first, health(0, 1, 0), HEALTH_LIMIT, Decision::GiveUp(unhealthy(0, 1))),
            (back, health(1, 1, 3), Duration::ZERO, Decision::Finish),
            (back, health(0, 1, 0), HEALTH_LIMIT, Decision::GiveUp(unhealthy(0, 1))),
            (forward, Observation::NoAnswer, before, Decision::Look),
            (forward, Observation::NoAnswer, HEALTH_LIMIT, to(FailureReason::HealthUnseen { minutes: 5 })),
        ] {
            assert_eq!(next(leg, true, &sight, waited), expected, "{leg:?} {sight:?} {waited:?}");
        }
    }
}
