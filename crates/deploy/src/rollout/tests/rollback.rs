//! Tests of rollbacks.

use super::*;

#[tokio::test]
async fn an_unhealthy_image_is_rolled_back() {
    let aws = deployment(Some("old"), Some("older"));
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101));
    // The new image never gets healthy; the old one is healthy at once.
    for _ in 0..=HEALTH_LIMIT.as_secs() / INTERVAL.as_secs() {
        aws.on("DescribeTargetHealth", 200, health(&["unhealthy"]));
    }
    aws.on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (result, progress) = run(&aws, new()).await;
    let record = result.unwrap();
    assert_eq!(record.outcome, Outcome::Returned);
    let expected = [
        put("previous-image", "old"),
        put("image", "new"),
        put("image", "old"),
        put("previous-image", "older"),
    ];
    assert_eq!(written(&aws), expected);
    assert_eq!(aws.requests("StartInstanceRefresh").len(), 2);
    insta::assert_snapshot!(progress, @"
    /dev/app/previous-image: <old>
    /dev/app/image: <new>
    started the instance refresh new of orders-dev
    the instance refresh ended: Successful
    targets healthy: 0 of 1
    failed: 0 of 1 targets are healthy 5 minutes after the instance refresh: check the app's log; rolling back to <old>
    /dev/app/image: <old>
    started the instance refresh new of orders-dev
    the instance refresh ended: Successful
    targets healthy: 1 of 1
    ");
}

#[tokio::test]
async fn a_refresh_that_times_out_is_cancelled_before_the_rollback() {
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101)).on(
        "DescribeInstanceRefreshes",
        200,
        refresh("Successful", 101),
    );
    for _ in 0..=REFRESH_LIMIT.as_secs() / INTERVAL.as_secs() {
        aws.on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200));
    }
    aws.on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("Cancelling", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("Cancelled", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 300))
        .on("CancelInstanceRefresh", 200, CANCELLED)
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (result, _) = run(&aws, new()).await;
    assert_eq!(result.unwrap().why, Some(FailureReason::Timeout { minutes: 20 }));
    let order: Vec<_> =
        aws.operations().into_iter().filter(|name| name.ends_with("cel") || !name.starts_with("D")).collect();
    let tail = ["PutParameter", "CancelInstanceRefresh", "StartInstanceRefresh"];
    assert_eq!(order[order.len() - 3..], tail);
}

#[tokio::test]
async fn an_image_that_never_gets_ready_is_rolled_back_after_the_first_instance() {
    let aws = deployment(Some("old"), Some("older"));
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        // During the cancellation.
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("Cancelled", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 300))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 300))
        // A launch abandoned earlier, and one that AWS retries, say nothing about this image.
        .replace("DescribeScalingActivities", 200, activities(&[("Failed", 220), ("Cancelled", 150)]))
        .on("DescribeScalingActivities", 200, activities(&[("Cancelled", 210), ("Cancelled", 150)]))
        .on("DescribeScalingActivities", 200, activities(&[("Successful", 310), ("Cancelled", 210)]))
        .on("CancelInstanceRefresh", 200, CANCELLED)
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (result, progress) = run(&aws, new()).await;
    let record = result.unwrap();
    assert_eq!((record.outcome, record.before), (Outcome::Returned, Some(image("old"))));
    assert_eq!(record.why, Some(FailureReason::NotReady { reason: Some("it was abandoned".to_owned()) }));
    assert_eq!(written(&aws)[1..3], [put("image", "new"), put("image", "old")]);
    insta::assert_snapshot!(progress, @"
    /dev/app/previous-image: <old>
    /dev/app/image: <new>
    started the instance refresh new of orders-dev
    instances replaced: 50 %
    a new instance was abandoned: it did not get ready
    failed: a new instance did not get ready (it was abandoned): check the app's log; rolling back to <old>
    /dev/app/image: <old>
    started the instance refresh new of orders-dev
    instances replaced: 50 %
    the instance refresh ended: Successful
    targets healthy: 1 of 1
    ");
}

#[tokio::test]
async fn a_first_image_that_never_gets_ready_is_not_launched_repeatedly() {
    let aws = deployment(None, None);
    aws.on("DescribeInstanceRefreshes", 200, none())
        .on("DescribeInstanceRefreshes", 200, none())
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .replace("DescribeScalingActivities", 200, activities(&[("Cancelled", 210)]))
        .on("CancelInstanceRefresh", 200, CANCELLED);
    let (result, _) = run(&aws, new()).await;
    assert!(matches!(result, Err(RolloutError::NoGoodImage { why: FailureReason::NotReady { .. }, .. })));
    assert_eq!(aws.requests("CancelInstanceRefresh").len(), 1);
}

#[tokio::test]
async fn a_refresh_that_failed_for_another_reason_does_not_change_the_good_image() {
    // The image arrived, and Terraform's refresh for another machine image failed later.
    let aws = deployment(Some("old"), Some("older"));
    let before = refreshes(&[("Failed", 150), ("Successful", 101)]);
    aws.on("DescribeInstanceRefreshes", 200, before.clone())
        .on("DescribeInstanceRefreshes", 200, before)
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("Cancelled", 200))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 300))
        .replace("DescribeScalingActivities", 200, activities(&[("Cancelled", 210)]))
        .on("CancelInstanceRefresh", 200, CANCELLED)
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let (result, _) = run(&aws, new()).await;
    assert!(matches!(result.unwrap().why, Some(FailureReason::NotReady { .. })));
    assert!(written(&aws).contains(&put("image", "old")), "{:?}", written(&aws));
    assert!(!written(&aws).contains(&put("image", "older")), "{:?}", written(&aws));
}

#[tokio::test]
async fn without_a_good_image_the_parameter_gets_its_value_back() {
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("Failed", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Failed", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .replace("DescribeScalingActivities", 200, activities(&[("Cancelled", 210)]))
        .on("CancelInstanceRefresh", 200, CANCELLED);
    let (result, _) = run(&aws, new()).await;
    assert!(matches!(result, Err(RolloutError::NoGoodImage { .. })), "{result:?}");
    assert_eq!(written(&aws).last(), Some(&put("image", "old")));
}

#[tokio::test]
async fn a_rollout_with_its_rollback_stays_within_the_budget() {
    // The refresh never ends and is cancelled late; the one of the rollback never ends either.
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("InProgress", 200))
        .on("CancelInstanceRefresh", 200, CANCELLED)
        .on("DescribeTargetHealth", 200, health(&["healthy"]));
    let clock = clock();
    let start = clock.now();
    let result = roll_out(&aws.config(), &clock, &app(), &new()).await;
    assert!(matches!(result, Err(RolloutError::RollbackFailed { .. })), "{result:?}");
    let took = clock.now().duration_since(start).unwrap();
    assert!(took > REFRESH_LIMIT * 2 && took <= BUDGET, "{took:?}");
    assert!(BUDGET.as_secs() <= 60 * 60, "a role session of two hours covers it, with the stages before it");
    assert_eq!(written(&aws).last(), Some(&put("image", "old")));
}
