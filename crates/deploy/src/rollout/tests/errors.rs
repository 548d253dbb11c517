//! Tests of the errors of a rollout.

use super::*;

#[tokio::test]
async fn rollout_errors_name_the_image_in_service_and_the_fix() {
    let denied =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>x</Message></Error></ErrorResponse>";
    let mut errors = Vec::new();
    let mut fail = async |aws: &TestClient, target: Target| {
        let error = run(aws, target).await.0.unwrap_err();
        let mut text = ErrorReport(&error).to_string();
        for name in ["old", "older", "new"] {
            text = text.replace(&image(name), &format!("<{name}>")).replace(digest(name).as_str(), name);
        }
        errors.push(text);
    };
    let healthy = || health(&["healthy"]);

    // Before anything is changed.
    let aws = deployment(Some("old"), None);
    fail(&aws, Target::Previous).await;
    let aws = TestClient::new();
    let group = "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult/></DescribeAutoScalingGroupsResponse>";
    aws.on("DescribeAutoScalingGroups", 200, group);
    fail(&aws, new()).await;
    for (kind, value) in [("String", "orders:latest"), ("SecureString", "AQIC…")] {
        let found = serde_json::json!([{"Name": "/dev/app/image", "Type": kind, "Value": value}]);
        let aws = TestClient::new();
        aws.on("DescribeAutoScalingGroups", 200, GROUP).on(
            "GetParameters",
            200,
            serde_json::json!({ "Parameters": found }).to_string(),
        );
        fail(&aws, new()).await;
    }
    let aws = TestClient::new();
    aws.on("DescribeAutoScalingGroups", 200, GROUP).on("GetParameters", 200, r#"{"Parameters":[]}"#).on(
        "DescribeImages",
        400,
        r#"{"__type":"ImageNotFoundException"}"#,
    );
    fail(&aws, new()).await;

    // The refresh can't be started: the parameter gets its old value back.
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101)).on(
        "DescribeTargetHealth",
        200,
        healthy(),
    );
    aws.replace("StartInstanceRefresh", 403, denied);
    fail(&aws, new()).await;
    assert_eq!(written(&aws).last(), Some(&put("image", "old")));

    // Permissions are revoked during the rollout.
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 403, denied)
        .on("DescribeTargetHealth", 200, healthy());
    fail(&aws, new()).await;

    // The rollout fails, and no image is good.
    let aws = deployment(None, None);
    aws.on("DescribeInstanceRefreshes", 200, none()).on("DescribeInstanceRefreshes", 200, none()).on(
        "DescribeInstanceRefreshes",
        200,
        refresh("Failed", 200),
    );
    fail(&aws, new()).await;

    // The rollout fails, and so does the rollback.
    let aws = deployment(Some("old"), None);
    aws.on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Successful", 101))
        .on("DescribeInstanceRefreshes", 200, refresh("Failed", 200))
        .on("DescribeTargetHealth", 200, healthy());
    fail(&aws, new()).await;
    insta::assert_snapshot!(errors.join("\n"), @r#"
    there is no previous image to roll back to: the second rollout writes /dev/app/previous-image. Choose an image with --digest
    orders-dev is not the name of an Auto Scaling group: run `terraform apply` and regenerate outputs.json
    parameter /dev/app/image is set to "orders:latest"; expected 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@sha256:<64 hex digits>. Delete it and retry
    parameter /dev/app/image is set to SecureString; expected 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@sha256:<64 hex digits>. Delete it and retry
    new is not in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: push or promote it first (`rds-iam image push`, `image promote`)
    the rollout of <new> did not start, and /dev/app/image is unchanged: cannot start an instance refresh of orders-dev: denied (AccessDenied): allow autoscaling:StartInstanceRefresh in the caller's role: x
    lost contact with AWS during the rollout; /dev/app/image now points to <new>. Run the same command again to resume: cannot read the instance refreshes of orders-dev: denied (AccessDenied): allow autoscaling:DescribeInstanceRefreshes in the caller's role: x
    the rollout of <new> failed: the instance refresh failed (a reason). There is no good image to roll back to; /dev/app/image has its value from before, or this image if it had none. Fix the image and roll it out
    the rollout of <new> failed: the instance refresh failed (a reason). The rollback to <old> failed too: the instance refresh failed (a reason). /dev/app/image points to <old>. Instances that were not replaced still serve; check the instances and the app's log
    "#);
}
