use super::decide::{BUDGET, HEALTH_LIMIT, REFRESH_LIMIT};
use super::run::LOOK;
use super::*;
use crate::aws::test_client::{TestClient, clock};
use rds_iam_infra::Outputs;

const OUTPUTS: &str = include_str!("../../../../terraform/stacks/service/outputs.json");
const REPOSITORY: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev";

/// A group that is in one target group.
const GROUP: &str = "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups><member>\
                     <TargetGroupARNs><member>arn:group</member></TargetGroupARNs></member></AutoScalingGroups>\
                     </DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>";

fn digest(name: &str) -> Digest {
    Digest::sha256(name.as_bytes())
}

fn image(name: &str) -> String {
    format!("{REPOSITORY}@{}", digest(name))
}

fn rollout(target: Target) -> Rollout {
    Rollout { app: Outputs::parse(OUTPUTS).unwrap().app, target }
}

/// A deployment whose group has one target group. Both parameters are there if they are named; the image parameter
/// got its value at second 100.
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

/// What AWS says of the latest refresh, which began so many seconds after 1970.
fn refresh(status: &str, began: u64) -> String {
    refreshes(&[(status, began)])
}

/// What AWS says of several, the latest first.
fn refreshes(all: &[(&str, u64)]) -> String {
    let member = |(status, began): &(&str, u64)| {
        let (minute, second) = (began / 60, began % 60);
        format!(
            "<member><InstanceRefreshId>some</InstanceRefreshId><Status>{status}</Status>\
             <PercentageComplete>50</PercentageComplete><StatusReason>it was said so</StatusReason>\
             <StartTime>1970-01-01T00:{minute:02}:{second:02}Z</StartTime></member>"
        )
    };
    format!(
        "<DescribeInstanceRefreshesResponse><DescribeInstanceRefreshesResult><InstanceRefreshes>{}</InstanceRefreshes>\
         </DescribeInstanceRefreshesResult></DescribeInstanceRefreshesResponse>",
        all.iter().map(member).collect::<String>()
    )
}

/// The group's scaling activities: status, and when it began, in seconds after 1970.
fn activities(of: &[(&str, u64)]) -> String {
    let activity = |(status, began): &(&str, u64)| {
        let (minute, second) = (began / 60, began % 60);
        format!(
            "<member><StatusCode>{status}</StatusCode><StatusMessage>it was abandoned</StatusMessage>\
             <StartTime>1970-01-01T00:{minute:02}:{second:02}Z</StartTime></member>"
        )
    };
    format!(
        "<DescribeScalingActivitiesResponse><DescribeScalingActivitiesResult><Activities>{}</Activities>\
         </DescribeScalingActivitiesResult></DescribeScalingActivitiesResponse>",
        of.iter().map(activity).collect::<String>()
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

/// How it ended, what was told, and what was written, in its order.
async fn run(aws: &TestClient, target: Target) -> (Result<Record, RolloutError>, String) {
    let mut said = Vec::new();
    let ended = rollout(target).run(&aws.config(), &clock(), &mut |line| said.push(line.to_owned())).await;
    let mut said = said.join("\n");
    for name in ["old", "older", "new"] {
        said = said.replace(&image(name), &format!("<{name}>"));
    }
    (ended, said)
}

/// The parameters that were written: name and image.
fn written(aws: &TestClient) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let put = |body: String| {
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        (text(&body["Name"]), text(&body["Value"]))
    };
    aws.asked("PutParameter").into_iter().map(put).collect()
}

fn put(name: &str, value: &str) -> (String, String) {
    (format!("/dev/app/{name}"), image(value))
}

fn new() -> Target {
    Target::Image(digest("new"))
}

#[tokio::test]
async fn an_image_is_rolled_out() {
    let aws = deployment(Some("old"), Some("older"));
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("DescribeInstanceRefreshes", 0, "")
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 200))
        .on("DescribeTargetHealth", 200, health(&["healthy", "initial", "draining"]))
        .on("DescribeTargetHealth", 200, health(&["healthy", "healthy", "draining"]));
    let (ended, said) = run(&aws, new()).await;
    let record = serde_json::to_value(ended.unwrap()).unwrap();
    let expected = serde_json::json!({
        "image": image("new"), "before": image("old"), "outcome": "rolled-out", "seconds": 15
    });
    assert_eq!(record, expected);
    assert_eq!(written(&aws), [put("previous-image", "old"), put("image", "new")]);
    insta::assert_snapshot!(said, @"
    /dev/app/previous-image: <old>
    /dev/app/image: <new>
    the instance refresh new of orders-dev has begun
    instances replaced: 50 %
    AWS did not answer; looking again
    the instance refresh is over: Successful
    targets healthy: 1 of 2
    targets healthy: 2 of 2
    ");
}

#[tokio::test]
async fn the_first_image_has_none_before_it() {
    let aws = deployment(None, None);
    aws.on("DescribeInstanceRefreshes", 200, none())
        .on("DescribeInstanceRefreshes", 200, none())
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 200))
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (ended, _) = run(&aws, new()).await;
    let record = ended.unwrap();
    assert_eq!((record.before, record.outcome), (None, Outcome::RolledOut));
    assert_eq!(written(&aws), [put("image", "new")]);
}

#[tokio::test]
async fn what_runs_and_is_healthy_is_left() {
    let aws = deployment(Some("new"), Some("old"));
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101)).on(
        "DescribeTargetHealth",
        200,
        health(&["healthy"]),
    );
    let (ended, said) = run(&aws, new()).await;
    assert_eq!(ended.unwrap().outcome, Outcome::Unchanged);
    assert_eq!(said, "<new> runs, and is healthy: there is nothing to do");
    assert!(!aws.operations().iter().any(|name| name.starts_with("Put") || name.starts_with("Start")));
}

#[tokio::test]
async fn what_is_named_and_never_arrived_is_brought() {
    // The last refresh is older than the parameter's value: an earlier run was interrupted between the two.
    let aws = deployment(Some("new"), Some("old"));
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 50))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 50))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 200))
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (ended, _) = run(&aws, new()).await;
    assert_eq!(ended.unwrap().outcome, Outcome::RolledOut);
    assert_eq!((written(&aws), aws.asked("StartInstanceRefresh").len()), (vec![], 1));
}

#[tokio::test]
async fn an_interrupted_rollout_goes_on() {
    let aws = deployment(Some("new"), Some("old"));
    aws.on("DescribeInstanceRefreshes", 200, refresh("InProgress", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (ended, said) = run(&aws, new()).await;
    let record = ended.unwrap();
    assert_eq!((record.outcome, record.before), (Outcome::RolledOut, Some(image("old"))));
    assert_eq!((written(&aws), aws.asked("StartInstanceRefresh").len()), (vec![], 0));
    assert!(
        said.starts_with("the instance refresh some of orders-dev brings it already (InProgress, 50 %)"),
        "{said}"
    );
}

#[tokio::test]
async fn another_s_refresh_is_waited_for() {
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("InProgress", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (ended, said) = run(&aws, new()).await;
    assert_eq!(ended.unwrap().outcome, Outcome::RolledOut);
    assert_eq!(written(&aws), [put("previous-image", "old"), put("image", "new")]);
    assert!(
        said.starts_with("waiting for the instance refresh some of orders-dev, which is going on"),
        "{said}"
    );
    let endless = deployment(Some("old"), None);
    endless.on("DescribeInstanceRefreshes", 200, refresh("InProgress", 101));
    let (ended, _) = run(&endless, new()).await;
    assert!(matches!(ended, Err(RolloutError::Busy { .. })));
    assert_eq!(written(&endless), []);
}

#[tokio::test]
async fn an_image_that_does_not_serve_is_returned_from() {
    let aws = deployment(Some("old"), Some("older"));
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101));
    // The new image never does; the old one does at once.
    for _ in 0..=HEALTH_LIMIT.as_secs() / LOOK.as_secs() {
        aws.on("DescribeTargetHealth", 200, health(&["unhealthy"]));
    }
    aws.on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (ended, said) = run(&aws, new()).await;
    let record = ended.unwrap();
    assert_eq!(record.outcome, Outcome::Returned);
    let expected = [
        put("previous-image", "old"),
        put("image", "new"),
        put("image", "old"),
        put("previous-image", "older"),
    ];
    assert_eq!(written(&aws), expected);
    assert_eq!(aws.asked("StartInstanceRefresh").len(), 2);
    insta::assert_snapshot!(said, @"
    /dev/app/previous-image: <old>
    /dev/app/image: <new>
    the instance refresh new of orders-dev has begun
    the instance refresh is over: Successful
    targets healthy: 0 of 1
    failed: 0 of 1 targets are healthy 5 minutes after the instance refresh: see the app's log; going back to <old>
    /dev/app/image: <old>
    the instance refresh new of orders-dev has begun
    the instance refresh is over: Successful
    targets healthy: 1 of 1
    ");
}

#[tokio::test]
async fn a_refresh_that_does_not_end_is_cancelled_first() {
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101)).on(
        "DescribeInstanceRefreshes",
        200,
        refresh("Successful", 101),
    );
    for _ in 0..=REFRESH_LIMIT.as_secs() / LOOK.as_secs() {
        aws.on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200));
    }
    aws.on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("Cancelling", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("Cancelled", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 300))
        .on("CancelInstanceRefresh", 200, CANCELLED)
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (ended, _) = run(&aws, new()).await;
    assert_eq!(ended.unwrap().why, Some(FailureReason::Time { minutes: 20 }));
    let order: Vec<_> =
        aws.operations().into_iter().filter(|name| name.ends_with("cel") || !name.starts_with("D")).collect();
    let tail = ["PutParameter", "CancelInstanceRefresh", "StartInstanceRefresh"];
    assert_eq!(order[order.len() - 3..], tail);
}

#[tokio::test]
async fn an_image_that_never_gets_ready_is_given_up_at_the_first_instance() {
    let aws = deployment(Some("old"), Some("older"));
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        // When the refresh is cancelled.
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("Cancelled", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 300))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 300))
        // One that was abandoned before, and one that AWS tries again, say nothing of this image.
        .instead("DescribeScalingActivities", 200, activities(&[("Failed", 220), ("Cancelled", 150)]))
        .on("DescribeScalingActivities", 200, activities(&[("Cancelled", 210), ("Cancelled", 150)]))
        .on("DescribeScalingActivities", 200, activities(&[("Successful", 310), ("Cancelled", 210)]))
        .on("CancelInstanceRefresh", 200, CANCELLED)
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (ended, said) = run(&aws, new()).await;
    let record = ended.unwrap();
    assert_eq!((record.outcome, record.before), (Outcome::Returned, Some(image("old"))));
    assert_eq!(record.why, Some(FailureReason::NotReady { reason: Some("it was abandoned".to_owned()) }));
    assert_eq!(written(&aws)[1..3], [put("image", "new"), put("image", "old")]);
    insta::assert_snapshot!(said, @"
    /dev/app/previous-image: <old>
    /dev/app/image: <new>
    the instance refresh new of orders-dev has begun
    instances replaced: 50 %
    a new instance was abandoned: it did not get ready
    failed: a new instance did not get ready (it was abandoned): see the app's log; going back to <old>
    /dev/app/image: <old>
    the instance refresh new of orders-dev has begun
    instances replaced: 50 %
    the instance refresh is over: Successful
    targets healthy: 1 of 1
    ");
}

#[tokio::test]
async fn the_first_image_that_never_gets_ready_is_not_launched_again_and_again() {
    let aws = deployment(None, None);
    aws.on("DescribeInstanceRefreshes", 200, none())
        .on("DescribeInstanceRefreshes", 200, none())
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .instead("DescribeScalingActivities", 200, activities(&[("Cancelled", 210)]))
        .on("CancelInstanceRefresh", 200, CANCELLED);
    let (ended, _) = run(&aws, new()).await;
    assert!(matches!(
        ended,
        Err(RolloutError::NothingToReturnTo { why: FailureReason::NotReady { .. }, .. })
    ));
    assert_eq!(aws.asked("CancelInstanceRefresh").len(), 1);
}

#[tokio::test]
async fn a_refresh_that_failed_for_another_reason_makes_no_other_image_good() {
    // The image arrived, and Terraform's refresh for another machine image failed later.
    let aws = deployment(Some("old"), Some("older"));
    let before = refreshes(&[("Failed", 150), ("Successful", 101)]);
    aws.on("DescribeInstanceRefreshes", 200, before.clone())
        .on("DescribeInstanceRefreshes", 200, before)
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("Cancelled", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 300))
        .instead("DescribeScalingActivities", 200, activities(&[("Cancelled", 210)]))
        .on("CancelInstanceRefresh", 200, CANCELLED)
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (ended, _) = run(&aws, new()).await;
    assert!(matches!(ended.unwrap().why, Some(FailureReason::NotReady { .. })));
    assert!(written(&aws).contains(&put("image", "old")), "{:?}", written(&aws));
    assert!(!written(&aws).contains(&put("image", "older")), "{:?}", written(&aws));
}

#[tokio::test]
async fn where_no_image_is_good_the_parameter_names_what_it_named() {
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("Failed", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Failed", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .instead("DescribeScalingActivities", 200, activities(&[("Cancelled", 210)]))
        .on("CancelInstanceRefresh", 200, CANCELLED);
    let (ended, _) = run(&aws, new()).await;
    assert!(matches!(ended, Err(RolloutError::NothingToReturnTo { .. })), "{ended:?}");
    assert_eq!(written(&aws).last(), Some(&put("image", "old")));
}

#[tokio::test]
async fn there_and_back_take_no_longer_than_one_budget() {
    // The refresh never ends, is late to be cancelled, and neither does the one of the way back.
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("CancelInstanceRefresh", 200, CANCELLED)
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let clock = clock();
    let start = clock.now();
    let ended = rollout(new()).run(&aws.config(), &clock, &mut |_| {}).await;
    assert!(matches!(ended, Err(RolloutError::NotReturned { .. })), "{ended:?}");
    let took = clock.now().duration_since(start).unwrap();
    assert!(took > REFRESH_LIMIT * 2 && took <= BUDGET, "{took:?}");
    assert!(BUDGET.as_secs() <= 60 * 60, "a session of two hours holds all that comes before it as well");
    assert_eq!(written(&aws).last(), Some(&put("image", "old")));
}

#[tokio::test]
async fn failures_say_what_runs_and_how_to_go_on() {
    let denied =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>x</Message></Error></ErrorResponse>";
    let mut said = Vec::new();
    let mut failed = async |aws: &TestClient, target: Target| {
        let (ended, _) = run(aws, target).await;
        let error = ended.unwrap_err();
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            text = format!("{text}: {source}");
        }
        for name in ["old", "older", "new"] {
            text = text.replace(&image(name), &format!("<{name}>")).replace(digest(name).as_str(), name);
        }
        said.push(text);
    };
    let healthy = || health(&["healthy"]);

    // Before anything is changed.
    let aws = deployment(Some("old"), None);
    failed(&aws, Target::Previous).await;
    let aws = TestClient::new();
    let group = "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult/></DescribeAutoScalingGroupsResponse>";
    aws.on("DescribeAutoScalingGroups", 200, group);
    failed(&aws, new()).await;
    for (kind, value) in [("String", "orders:latest"), ("SecureString", "AQIC…")] {
        let found = serde_json::json!([{"Name": "/dev/app/image", "Type": kind, "Value": value}]);
        let aws = TestClient::new();
        aws.on("DescribeAutoScalingGroups", 200, GROUP).on(
            "GetParameters",
            200,
            serde_json::json!({ "Parameters": found }).to_string(),
        );
        failed(&aws, new()).await;
    }
    let aws = TestClient::new();
    aws.on("DescribeAutoScalingGroups", 200, GROUP).on("GetParameters", 200, r#"{"Parameters":[]}"#).on(
        "DescribeImages",
        400,
        r#"{"__type":"ImageNotFoundException"}"#,
    );
    failed(&aws, new()).await;

    // The refresh may not be started: the parameter gets its old value back.
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101)).on(
        "DescribeTargetHealth",
        200,
        healthy(),
    );
    aws.instead("StartInstanceRefresh", 403, denied);
    failed(&aws, new()).await;
    assert_eq!(written(&aws).last(), Some(&put("image", "old")));

    // Permissions end while it is going on.
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 403, denied)
        .on("DescribeTargetHealth", 200, healthy());
    failed(&aws, new()).await;

    // It fails, and nothing is good.
    let aws = deployment(None, None);
    aws.on("DescribeInstanceRefreshes", 200, none()).on("DescribeInstanceRefreshes", 200, none()).on(
        "DescribeInstanceRefreshes",
        200,
        refresh("Failed", 200),
    );
    failed(&aws, new()).await;

    // It fails, and so does the way back.
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Failed", 200))
        .on("DescribeTargetHealth", 200, healthy());
    failed(&aws, new()).await;
    insta::assert_snapshot!(said.join("\n"), @r#"
    there is no image to go back to: /dev/app/previous-image is written by the second rollout; name one with --digest
    orders-dev is the name of no Auto Scaling group: run `terraform apply`, and write the outputs anew
    the parameter /dev/app/image holds "orders:latest" where 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@sha256:<64 hex digits> is due: the machines would not start it either; delete it, and run this again
    the parameter /dev/app/image holds SecureString where 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@sha256:<64 hex digits> is due: the machines would not start it either; delete it, and run this again
    new is not in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: push or promote it first (`rds-iam image push`, `image promote`)
    the rollout of <new> did not begin, and /dev/app/image is as it was: cannot start an instance refresh of orders-dev: denied (AccessDenied): allow the caller's role autoscaling:StartInstanceRefresh there
    the rollout lost sight of what is going on, and /dev/app/image names <new>: the same command again goes on from there: cannot look at the instance refreshes of orders-dev: denied (AccessDenied): allow the caller's role autoscaling:DescribeInstanceRefreshes there
    the rollout of <new> failed: the instance refresh failed (it was said so); there is no last good image to go back to, and /dev/app/image names what it named before, or this image where it named none: fix the image and roll out that
    the rollout of <new> failed: the instance refresh failed (it was said so); and going back to <old> failed: the instance refresh failed (it was said so); /dev/app/image names <old>. Instances that were not replaced still serve; see the instances' state and the app's log
    "#);
}
