//! Tests of successful and resumed rollouts.

use super::*;

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
    let (result, progress) = run(&aws, new()).await;
    let record = serde_json::to_value(result.unwrap()).unwrap();
    let expected = serde_json::json!({
        "image": image("new"), "before": image("old"), "outcome": "rolled-out", "seconds": 15
    });
    assert_eq!(record, expected);
    assert_eq!(written(&aws), [put("previous-image", "old"), put("image", "new")]);
    insta::assert_snapshot!(progress, @"
    /dev/app/previous-image: <old>
    /dev/app/image: <new>
    started the instance refresh new of orders-dev
    instances replaced: 50 %
    AWS did not answer; retrying
    the instance refresh ended: Successful
    targets healthy: 1 of 2
    targets healthy: 2 of 2
    ");
}

#[tokio::test]
async fn the_first_image_has_no_previous_one() {
    let aws = deployment(None, None);
    aws.on("DescribeInstanceRefreshes", 200, none())
        .on("DescribeInstanceRefreshes", 200, none())
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 200))
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (result, _) = run(&aws, new()).await;
    let record = result.unwrap();
    assert_eq!((record.before, record.outcome), (None, Outcome::RolledOut));
    assert_eq!(written(&aws), [put("image", "new")]);
}

#[tokio::test]
async fn an_image_that_is_serving_is_left_as_it_is() {
    let aws = deployment(Some("new"), Some("old"));
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101)).on(
        "DescribeTargetHealth",
        200,
        health(&["healthy"]),
    );
    let (result, progress) = run(&aws, new()).await;
    assert_eq!(result.unwrap().outcome, Outcome::Unchanged);
    assert_eq!(progress, "<new> is serving and healthy: nothing to do");
    assert!(!aws.operations().iter().any(|name| name.starts_with("Put") || name.starts_with("Start")));
}

#[tokio::test]
async fn an_image_in_the_parameter_that_never_arrived_is_rolled_out() {
    // The last refresh is older than the parameter's value: an earlier run was interrupted between the two.
    let aws = deployment(Some("new"), Some("old"));
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 50))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 50))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 200))
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (result, _) = run(&aws, new()).await;
    assert_eq!(result.unwrap().outcome, Outcome::RolledOut);
    assert_eq!((written(&aws), aws.requests("StartInstanceRefresh").len()), (vec![], 1));
}

#[tokio::test]
async fn an_interrupted_rollout_is_resumed() {
    let aws = deployment(Some("new"), Some("old"));
    aws.on("DescribeInstanceRefreshes", 200, refresh("InProgress", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (result, progress) = run(&aws, new()).await;
    let record = result.unwrap();
    assert_eq!((record.outcome, record.before), (Outcome::RolledOut, Some(image("old"))));
    assert_eq!((written(&aws), aws.requests("StartInstanceRefresh").len()), (vec![], 0));
    assert!(
        progress.starts_with(
            "the instance refresh some of orders-dev is already bringing the image (InProgress, 50 %)"
        ),
        "{progress}"
    );
}

#[tokio::test]
async fn a_rollout_waits_for_another_refresh() {
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("InProgress", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (result, progress) = run(&aws, new()).await;
    assert_eq!(result.unwrap().outcome, Outcome::RolledOut);
    assert_eq!(written(&aws), [put("previous-image", "old"), put("image", "new")]);
    assert!(
        progress.starts_with("waiting for the instance refresh some of orders-dev to end (InProgress)"),
        "{progress}"
    );
    let endless = deployment(Some("old"), None);
    endless.on("DescribeInstanceRefreshes", 200, refresh("InProgress", 101));
    let (result, _) = run(&endless, new()).await;
    assert!(matches!(result, Err(RolloutError::Busy { .. })));
    assert_eq!(written(&endless), []);
}
