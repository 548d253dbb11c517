//! What there is in the AWS API, and what is reported to it: the other side of `aws/account.py`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::aws::AwsApi;
use crate::error::Error;
use crate::http::{Answer, HttpError};

/// No service of AWS has such a path.
const PATH: &str = "/moto-api/rds-iam-account";

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What there is that has to come alive.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    pub(super) databases: Vec<Database>,
    pub(super) groups: Vec<Group>,
}

/// A database instance.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Database {
    pub(super) identifier: String,
    pub(super) region: String,
    pub(super) engine: String,
    pub(super) status: String,
    /// `host:port`.
    pub(super) endpoint: String,
    /// The endpoints of the proxies before it, as `host:port`.
    pub(super) proxies: Vec<String>,
    pub(super) resource_id: String,
    pub(super) master_secret_arn: Option<String>,
    /// The database that is there from the start.
    pub(super) name: Option<String>,
}

/// An Auto Scaling group.
#[derive(Debug, Deserialize)]
pub(super) struct Group {
    pub(super) name: String,
    /// Unlike the name, another one for another group.
    pub(super) id: String,
    pub(super) region: String,
    pub(super) user_data: String,
    /// The latest first.
    pub(super) refreshes: Vec<Refresh>,
    /// Whether new machines wait until a launch hook is completed.
    pub(super) has_hook: bool,
    /// With what the hook of a machine that waits was completed, by the machine's id.
    pub(super) completed: BTreeMap<String, String>,
    pub(super) target_groups: Vec<TargetGroup>,
}

impl Group {
    /// The refresh that is not over. There is one at most.
    pub(super) fn active_refresh(&self) -> Option<&Refresh> {
        self.refreshes.iter().find(|refresh| refresh.status != Status::Over)
    }
}

/// A refresh of a group's instances.
#[derive(Debug, Deserialize)]
pub(super) struct Refresh {
    pub(super) id: String,
    pub(super) status: Status,
}

/// How far a refresh is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    InProgress,
    Cancelling,
    #[serde(other)]
    Over,
}

/// A load balancer's target group.
#[derive(Debug, Deserialize)]
pub(super) struct TargetGroup {
    pub(super) arn: String,
    /// What the load balancer asks for.
    pub(super) health_path: Option<String>,
}

/// What the AWS API is told.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// By the refresh's id.
    pub(super) refreshes: BTreeMap<String, Progress>,
    /// By the target group's ARN: state, reason and description.
    pub(super) health: BTreeMap<String, Health>,
    /// In the order in which they changed.
    pub(super) launches: Vec<Launch>,
}

/// How the launch of a machine is.
#[derive(Debug, Serialize)]
pub(super) struct Launch {
    /// The id of its group.
    pub(super) group: String,
    /// Its own id.
    pub(super) instance: String,
    /// In AWS's words for a scaling activity.
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

impl Report {
    pub(super) fn is_empty(&self) -> bool {
        self.refreshes.is_empty() && self.health.is_empty() && self.launches.is_empty()
    }
}

/// How far a refresh has come, in AWS's words.
#[derive(Debug, Serialize)]
pub(super) struct Progress {
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// A target's state, and the code and description of the reason where it is not healthy.
pub(super) type Health = (&'static str, Option<&'static str>, Option<String>);

/// Looks at what there is.
///
/// # Errors
/// [`Error::Aws`] when nothing answers.
pub(super) async fn look(aws: &AwsApi) -> Result<Seen, Error> {
    let answer = aws.private(PATH, None, ANSWER_WITHIN).await;
    parsed(answer).map_err(Error::aws("tell what there is"))
}

/// Reports.
///
/// # Errors
/// As [`look`].
pub(super) async fn tell(aws: &AwsApi, report: &Report) -> Result<(), Error> {
    let told = async {
        let report = serde_json::to_string(report)?;
        parsed(aws.private(PATH, Some(report), ANSWER_WITHIN).await)
    };
    told.await.map(drop).map_err(Error::aws("take a report"))
}

fn parsed(answer: Result<Answer, HttpError>) -> Result<Seen, HttpError> {
    let answer = answer?;
    if answer.status != 200 {
        return Err(HttpError::Status(answer.status));
    }
    Ok(serde_json::from_slice(&answer.body)?)
}
