//! The service's Auto Scaling group: starts, reads and cancels instance refreshes, finds abandoned launches,
//! and reads the health of the load balancer's targets.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_autoscaling::error::ProvideErrorMetadata as _;
use aws_sdk_autoscaling::types::{
    InstanceRefresh, InstanceRefreshStatus, RefreshPreferences, ScalingActivityStatusCode,
};
use aws_sdk_elasticloadbalancingv2::types::TargetHealthStateEnum;

use crate::aws::CallError;

/// The time a refresh waits after an instance is ready (by its launch hook): 30 seconds, for two health checks of the
/// load balancer. The module `ec2` has the same value.
pub(super) const WARMUP: Duration = Duration::from_secs(30);

/// The status of an instance refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Successful,
    Failed,
    Cancelled,
    /// AWS rolled it back, at another user's request.
    RolledBack,
}

/// The number of targets, and of healthy ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) healthy: usize,
    pub(super) total: usize,
    /// The number of consecutive observations with all targets healthy, including this one.
    pub(super) in_a_row: u32,
}

impl Health {
    /// Returns whether there are targets and all of them are healthy.
    pub(super) fn is_complete(self) -> bool {
        self.total > 0 && self.healthy == self.total
    }
}

/// An Auto Scaling group with the clients to observe it.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: String,
    autoscaling: aws_sdk_autoscaling::Client,
    balancing: aws_sdk_elasticloadbalancingv2::Client,
}

/// An instance refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refresh {
    pub(super) id: String,
    pub(super) status: Status,
    /// AWS's status.
    pub(super) state: String,
    pub(super) percent: i32,
    pub(super) reason: Option<String>,
    pub(super) started: Option<SystemTime>,
}

impl Group {
    pub(super) fn new(name: &str, aws: &SdkConfig) -> Self {
        Self {
            name: name.to_owned(),
            autoscaling: aws_sdk_autoscaling::Client::new(aws),
            balancing: aws_sdk_elasticloadbalancingv2::Client::new(aws),
        }
    }

    /// Returns the ARNs of the group's target groups; `None` if the group does not exist.
    pub(super) async fn target_groups(&self) -> Result<Option<Vec<String>>, CallError> {
        let call =
            self.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(&self.name).send();
        let operation = format!("read the Auto Scaling group {}", self.name);
        let answer =
            call.await.map_err(CallError::from_sdk(operation, "autoscaling:DescribeAutoScalingGroups"))?;
        let group = answer.auto_scaling_groups.unwrap_or_default().into_iter().next();
        Ok(group.map(|group| group.target_group_arns.unwrap_or_default()))
    }

    /// Returns the refresh with that id, or else the latest.
    pub(super) async fn refresh(&self, id: Option<&str>) -> Result<Option<Refresh>, CallError> {
        Ok(self.refreshes(id).await?.into_iter().next())
    }

    /// Returns the refresh with that id, or else all of the last six weeks, latest first.
    pub(super) async fn refreshes(&self, id: Option<&str>) -> Result<Vec<Refresh>, CallError> {
        let call = self.autoscaling.describe_instance_refreshes().auto_scaling_group_name(&self.name);
        let call = call.set_instance_refresh_ids(id.map(|id| vec![id.to_owned()])).send();
        let operation = format!("read the instance refreshes of {}", self.name);
        let answer =
            call.await.map_err(CallError::from_sdk(operation, "autoscaling:DescribeInstanceRefreshes"))?;
        Ok(answer.instance_refreshes.unwrap_or_default().into_iter().map(Refresh::from).collect())
    }

    /// Returns AWS's message about an instance whose launch was abandoned after `since`; the outer `None` without one.
    /// A launch that failed for another reason (no capacity) does not count: AWS retries it.
    pub(super) async fn abandoned(&self, since: SystemTime) -> Result<Option<Option<String>>, CallError> {
        let call = self.autoscaling.describe_scaling_activities().auto_scaling_group_name(&self.name).send();
        let operation = format!("read the scaling activities of {}", self.name);
        let answer =
            call.await.map_err(CallError::from_sdk(operation, "autoscaling:DescribeScalingActivities"))?;
        let is_later = |start: Option<aws_sdk_autoscaling::primitives::DateTime>| {
            start.and_then(|start| SystemTime::try_from(start).ok()).is_some_and(|start| start >= since)
        };
        let mut abandoned = answer.activities.unwrap_or_default().into_iter().filter(|activity| {
            activity.status_code == Some(ScalingActivityStatusCode::Cancelled)
                && is_later(activity.start_time)
        });
        Ok(abandoned.next().map(|activity| activity.status_message))
    }

    /// Starts replacing every instance and returns the refresh's id. The preferences are those of the module `ec2`: a
    /// new instance must complete the group's launch hook before an old one is terminated.
    pub(super) async fn start_refresh(&self) -> Result<String, CallError> {
        let preferences =
            RefreshPreferences::builder().min_healthy_percentage(100).max_healthy_percentage(150);
        let preferences =
            preferences.instance_warmup(i32::try_from(WARMUP.as_secs()).unwrap_or(i32::MAX)).build();
        let call = self.autoscaling.start_instance_refresh().auto_scaling_group_name(&self.name);
        let operation = format!("start an instance refresh of {}", self.name);
        let answer = call.preferences(preferences).send().await;
        let answer = answer.map_err(CallError::from_sdk(operation, "autoscaling:StartInstanceRefresh"))?;
        Ok(answer.instance_refresh_id.unwrap_or_default())
    }

    /// Cancels the active refresh, if there is one. It takes a while to end, but does not wait for a launch that may
    /// never get ready.
    pub(super) async fn cancel_refresh(&self) -> Result<(), CallError> {
        let call = self.autoscaling.cancel_instance_refresh().auto_scaling_group_name(&self.name);
        match call.wait_for_transitioning_instances(false).send().await {
            Err(error) if error.code() == Some("ActiveInstanceRefreshNotFound") => Ok(()),
            done => {
                let operation = format!("cancel the instance refresh of {}", self.name);
                done.map(drop).map_err(CallError::from_sdk(operation, "autoscaling:CancelInstanceRefresh"))
            }
        }
    }

    /// Returns the health of the targets in these groups, without those that are draining. The caller counts
    /// `in_a_row`.
    pub(super) async fn health(&self, target_groups: &[String]) -> Result<Health, CallError> {
        let (mut healthy, mut total) = (0, 0);
        for arn in target_groups {
            let call = self.balancing.describe_target_health().target_group_arn(arn).send();
            let operation = format!("read the target health of {arn}");
            let action = "elasticloadbalancing:DescribeTargetHealth";
            let answer = call.await.map_err(CallError::from_sdk(operation, action))?;
            for target in answer.target_health_descriptions.unwrap_or_default() {
                match target.target_health.and_then(|health| health.state) {
                    Some(TargetHealthStateEnum::Draining | TargetHealthStateEnum::UnhealthyDraining) => {
                        continue;
                    }
                    Some(TargetHealthStateEnum::Healthy) => healthy += 1,
                    _ => {}
                }
                total += 1;
            }
        }
        Ok(Health { healthy, total, in_a_row: 0 })
    }
}

impl From<InstanceRefresh> for Refresh {
    fn from(refresh: InstanceRefresh) -> Self {
        let status = match refresh.status {
            Some(InstanceRefreshStatus::Successful) => Status::Successful,
            Some(InstanceRefreshStatus::Failed | InstanceRefreshStatus::RollbackFailed) => Status::Failed,
            Some(InstanceRefreshStatus::Cancelled) => Status::Cancelled,
            Some(InstanceRefreshStatus::RollbackSuccessful) => Status::RolledBack,
            // Pending, InProgress, Baking, Cancelling, RollbackInProgress: not ended, and no other can start.
            _ => Status::Active,
        };
        Self {
            id: refresh.instance_refresh_id.unwrap_or_default(),
            status,
            state: refresh.status.map_or_else(|| "Pending".to_owned(), |status| status.as_str().to_owned()),
            percent: refresh.percentage_complete.unwrap_or_default(),
            reason: refresh.status_reason,
            started: refresh.start_time.and_then(|time| time.try_into().ok()),
        }
    }
}

impl Refresh {
    /// Returns whether it started after the parameter was set. AWS gives start times in whole seconds.
    pub(super) fn started_after(&self, since: Option<SystemTime>) -> bool {
        match (self.started, since) {
            (Some(started), Some(since)) => started + Duration::from_secs(1) > since,
            _ => false,
        }
    }
}
