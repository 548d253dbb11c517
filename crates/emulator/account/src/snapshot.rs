//! A snapshot of the AWS API's resources, and reports to it: the client of `aws/account.py`.

use std::collections::BTreeMap;
use std::iter;
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

/// A database instance, or a cluster with its instances.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Database {
    pub(crate) kind: Kind,
    pub(crate) identifier: String,
    pub(crate) region: String,
    pub(crate) engine: String,
    pub(crate) engine_version: String,
    pub(crate) status: String,
    /// The address, `host:port`; that of a cluster's writer.
    pub(crate) endpoint: String,
    /// The other endpoints of a cluster, as `host:port`: reader, custom ones, and those of its instances.
    pub(crate) endpoints: Vec<String>,
    /// The identifiers of a cluster's instances.
    pub(crate) instances: Vec<String>,
    /// The endpoints of the proxies before it.
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) resource_id: String,
    pub(crate) master_secret_arn: Option<String>,
    /// The database to create at the start.
    pub(crate) name: Option<String>,
}

impl Database {
    /// Returns whether its server can run: a cluster needs an instance.
    pub(crate) fn accepts_logins(&self) -> bool {
        self.status == "available" && (self.kind == Kind::Instance || !self.instances.is_empty())
    }

    /// Returns all endpoints, without those of proxies.
    pub(crate) fn all_endpoints(&self) -> impl Iterator<Item = &String> {
        iter::once(&self.endpoint).chain(&self.endpoints)
    }
}

/// An endpoint of a proxy.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// The address, `host:port`.
    pub(crate) endpoint: String,
    /// The ARNs of the secrets that it logs in with; none if it does so by IAM.
    pub(crate) secrets: Vec<String>,
}

/// The kind of a database.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Instance,
    Cluster,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_accepts_logins_from_its_first_instance_on() {
        let database = |kind, status: &str, instances: &[&str]| Database {
            kind,
            identifier: "orders".into(),
            region: "us-east-1".into(),
            engine: "aurora-postgresql".into(),
            engine_version: "17.5".into(),
            status: status.into(),
            endpoint: "orders.cluster-aaaaaaaaaa.us-east-1.rds.amazonaws.com:5432".into(),
            endpoints: vec!["orders.cluster-ro-aaaaaaaaaa.us-east-1.rds.amazonaws.com:5432".into()],
            instances: instances.iter().map(|&name| name.into()).collect(),
            proxies: Vec::new(),
            resource_id: "cluster-A".into(),
            master_secret_arn: None,
            name: None,
        };
        assert!(!database(Kind::Cluster, "available", &[]).accepts_logins());
        assert!(database(Kind::Cluster, "available", &["one"]).accepts_logins());
        assert!(!database(Kind::Cluster, "creating", &["one"]).accepts_logins());
        assert!(database(Kind::Instance, "available", &[]).accepts_logins());
        assert!(!database(Kind::Instance, "stopped", &[]).accepts_logins());
        let cluster = database(Kind::Cluster, "available", &["one"]);
        let hosts: Vec<_> = cluster.all_endpoints().map(|endpoint| endpoint.split('.').nth(1)).collect();
        assert_eq!(hosts, [Some("cluster-aaaaaaaaaa"), Some("cluster-ro-aaaaaaaaaa")]);
    }
}
