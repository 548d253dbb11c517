//! Tests of rollouts against prepared AWS responses.

mod errors;
mod forward;
mod rollback;

use super::context::INTERVAL;
use super::decide::{BUDGET, HEALTH_LIMIT, REFRESH_LIMIT};
use super::*;
use crate::aws::test_client::{TestClient, clock};
use crate::image::Digest;
use crate::test_progress::Progress;
use rds_iam_infra::Outputs;
use rds_iam_report::ErrorReport;

const OUTPUTS: &str = include_str!("../../../../../terraform/stacks/service/outputs.json");
const REPOSITORY: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev";

/// A group in one target group.
const GROUP: &str = "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups><member>\
                     <TargetGroupARNs><member>arn:group</member></TargetGroupARNs></member></AutoScalingGroups>\
                     </DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>";

fn digest(name: &str) -> Digest {
    Digest::sha256(name.as_bytes())
}

fn image(name: &str) -> String {
    format!("{REPOSITORY}@{}", digest(name))
}

fn app() -> App {
    Outputs::parse(OUTPUTS).unwrap().app.unwrap()
}

/// Returns a deployment whose group has one target group. The two parameters exist if they have a value here;
/// the image parameter was set at second 100.
fn deployment(current: Option<&str>, previous: Option<&str>) -> TestClient {
    let aws = TestClient::new();
    let parameter = |name: &str, value: &str| serde_json::json!({"Name": name, "Type": "String", "Value": image(value), "LastModifiedDate": 100.5});
    let found = [("/dev/app/image", current), ("/dev/app/previous-image", previous)];
    let found: Vec<_> = found.iter().filter_map(|(name, value)| Some(parameter(name, (*value)?))).collect();
    aws.on("DescribeAutoScalingGroups", 200, GROUP)
        .on("DescribeScalingActivities", 200, activities(&[]))
        .on("DescribeImages", 200, r#"{"imageDetails":[{}]}"#)
        .on("GetParameters", 200, serde_json::json!({ "Parameters": found }).to_string())
        .on("PutParameter", 200, r#"{"Version":2}"#)
        .on(
            "StartInstanceRefresh",
            200,
            "<StartInstanceRefreshResponse><StartInstanceRefreshResult><InstanceRefreshId>new</InstanceRefreshId>\
             </StartInstanceRefreshResult></StartInstanceRefreshResponse>",
        );
    aws
}

/// AWS's answer about the latest refresh, which started `start` seconds after 1970.
fn refresh(status: &str, start: u64) -> String {
    refreshes(&[(status, start)])
}

/// AWS's answer about several refreshes, latest first.
fn refreshes(all: &[(&str, u64)]) -> String {
    let member = |(status, start): &(&str, u64)| {
        let (minute, second) = (start / 60, start % 60);
        format!(
            "<member><InstanceRefreshId>some</InstanceRefreshId><Status>{status}</Status>\
             <PercentageComplete>50</PercentageComplete><StatusReason>a reason</StatusReason>\
             <StartTime>1970-01-01T00:{minute:02}:{second:02}Z</StartTime></member>"
        )
    };
    format!(
        "<DescribeInstanceRefreshesResponse><DescribeInstanceRefreshesResult><InstanceRefreshes>{}</InstanceRefreshes>\
         </DescribeInstanceRefreshesResult></DescribeInstanceRefreshesResponse>",
        all.iter().map(member).collect::<String>()
    )
}

/// Returns the group's scaling activities: status, and start in seconds after 1970.
fn activities(all: &[(&str, u64)]) -> String {
    let activity = |(status, start): &(&str, u64)| {
        let (minute, second) = (start / 60, start % 60);
        format!(
            "<member><StatusCode>{status}</StatusCode><StatusMessage>it was abandoned</StatusMessage>\
             <StartTime>1970-01-01T00:{minute:02}:{second:02}Z</StartTime></member>"
        )
    };
    format!(
        "<DescribeScalingActivitiesResponse><DescribeScalingActivitiesResult><Activities>{}</Activities>\
         </DescribeScalingActivitiesResult></DescribeScalingActivitiesResponse>",
        all.iter().map(activity).collect::<String>()
    )
}

const CANCELLED: &str =
    "<CancelInstanceRefreshResponse><CancelInstanceRefreshResult/></CancelInstanceRefreshResponse>";

fn none() -> String {
    "<DescribeInstanceRefreshesResponse><DescribeInstanceRefreshesResult/></DescribeInstanceRefreshesResponse>"
        .to_owned()
}

fn health(states: &[&str]) -> String {
    let target =
        |state: &&str| format!("<member><TargetHealth><State>{state}</State></TargetHealth></member>");
    format!(
        "<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions>{}\
         </TargetHealthDescriptions></DescribeTargetHealthResult></DescribeTargetHealthResponse>",
        states.iter().map(target).collect::<String>()
    )
}

/// Rolls out an image. Returns the result and the reported progress.
async fn run(aws: &TestClient, target: Target) -> (Result<Record, RolloutError>, String) {
    let captured = Progress::capture();
    let result = roll_out(&aws.config(), &clock(), &app(), &target).await;
    let mut progress = captured.lines().join("\n");
    for name in ["old", "older", "new"] {
        progress = progress.replace(&image(name), &format!("<{name}>"));
    }
    (result, progress)
}

/// Returns the writes of parameters, in order: name and image.
fn written(aws: &TestClient) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let put = |body: String| {
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        (text(&body["Name"]), text(&body["Value"]))
    };
    aws.requests("PutParameter").into_iter().map(put).collect()
}

fn put(name: &str, value: &str) -> (String, String) {
    (format!("/dev/app/{name}"), image(value))
}

fn new() -> Target {
    Target::Image(digest("new"))
}
