//! A snapshot of the AWS API's resources, and reports to it: the client of `aws/account.py`.

use std::collections::BTreeMap;
use std::time::Duration;

use rds_iam_emulator_server::Error;
use serde::{Deserialize, Serialize};

use crate::aws::AwsApi;
use crate::http::{Answer, HttpError};

/// A path that no AWS service has.
const PATH: &str = "/moto-api/rds-iam-account";

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The resources that need real servers.
#[derive(Debug, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) databases: Vec<Database>,
    pub(crate) groups: Vec<Group>,
}

/// A database instance.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Database {
    pub(crate) identifier: String,
    pub(crate) region: String,
    pub(crate) engine: String,
    pub(crate) status: String,
    /// The address, `host:port`.
    pub(crate) endpoint: String,
    /// The endpoints of the proxies before it, as `host:port`.
    pub(crate) proxies: Vec<String>,
    pub(crate) resource_id: String,
    pub(crate) master_secret_arn: Option<String>,
    /// The database to create at the start.
    pub(crate) name: Option<String>,
}

/// An Auto Scaling group.
#[derive(Debug, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// The ID; unlike the name, unique among all groups.
    pub(crate) id: String,
    pub(crate) region: String,
    pub(crate) user_data: String,
    /// The refreshes, the latest first.
    pub(crate) refreshes: Vec<Refresh>,
    /// Whether new machines wait until a launch hook is completed.
    pub(crate) has_hook: bool,
    /// The result of a waiting machine's launch hook, by the machine's id.
    pub(crate) completed: BTreeMap<String, String>,
    pub(crate) target_groups: Vec<TargetGroup>,
}

impl Group {
    /// Returns the refresh in progress, if there is one.
    pub(crate) fn active_refresh(&self) -> Option<&Refresh> {
        self.refreshes.iter().find(|refresh| refresh.status != Status::Over)
    }
}

/// A refresh of a group's instances.
#[derive(Debug, Deserialize)]
pub(crate) struct Refresh {
    pub(crate) id: String,
    pub(crate) status: Status,
}

/// The progress of a refresh.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    InProgress,
    Cancelling,
    #[serde(other)]
    Over,
}

/// A load balancer's target group.
#[derive(Debug, Deserialize)]
pub(crate) struct TargetGroup {
    pub(crate) arn: String,
    /// The path of the load balancer's health checks.
    pub(crate) health_path: Option<String>,
}

/// A report to the AWS API.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// The progress by the refresh's ID.
    pub(crate) refreshes: BTreeMap<String, Progress>,
    /// The health by the target group's ARN: state, reason and description.
    pub(crate) health: BTreeMap<String, Health>,
    /// The launches, in the order in which they changed.
    pub(crate) launches: Vec<Launch>,
}

/// The state of a machine's launch.
#[derive(Debug, Serialize)]
pub(crate) struct Launch {
    /// The ID of its group.
    pub(crate) group: String,
    /// The ID of the instance.
    pub(crate) instance: String,
    /// The status, in AWS's words for a scaling activity.
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl Report {
    pub(crate) fn is_empty(&self) -> bool {
        self.refreshes.is_empty() && self.health.is_empty() && self.launches.is_empty()
    }
}

/// The progress of a refresh, in AWS's words.
#[derive(Debug, Serialize)]
pub(crate) struct Progress {
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// A target's state, and the code and description of the reason if it is not healthy.
pub(crate) type Health = (&'static str, Option<&'static str>, Option<String>);

/// Fetches a snapshot.
///
/// # Errors
/// Returns [`Error::Aws`] without a response.
pub(crate) async fn fetch(aws: &AwsApi) -> Result<Snapshot, Error> {
    let answer = aws.private(PATH, None, ANSWER_WITHIN).await;
    parsed(answer).map_err(Error::aws("list its resources"))
}

/// Sends a report.
///
/// # Errors
/// Returns the errors of [`fetch`].
pub(crate) async fn report(aws: &AwsApi, report: &Report) -> Result<(), Error> {
    let sent = async {
        let report = serde_json::to_string(report)?;
        parsed(aws.private(PATH, Some(report), ANSWER_WITHIN).await)
    };
    sent.await.map(drop).map_err(Error::aws("accept a report"))
}

fn parsed(answer: Result<Answer, HttpError>) -> Result<Snapshot, HttpError> {
    let answer = answer?;
    if answer.status != 200 {
        return Err(HttpError::Status(answer.status));
    }
    Ok(serde_json::from_slice(&answer.body)?)
}
