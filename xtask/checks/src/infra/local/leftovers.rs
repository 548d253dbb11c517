//! The resources that the AWS API lists by the tag of a project: those that a destruction must remove, and those that
//! are still listed after it.

use serde_json::json;

use crate::infra::aws::LocalAws;
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;

/// Checks that the AWS API lists at least `fewest` resources of a project by their tags. With fewer, finding none after a
/// destruction would prove nothing.
///
/// # Errors
/// Returns an error if there are fewer, or the AWS API does not answer.
pub(super) fn expect_tagged(
    fewest: usize,
    project: &str,
    aws: &LocalAws,
    console: Console,
) -> Result<(), Error> {
    let tagged = tagged(project, aws)?;
    console.line(&format!("the AWS API lists {} resources of this project", tagged.len()));
    if tagged.len() >= fewest {
        return Ok(());
    }
    Err(Error::Found {
        found: format!("by their tags, the AWS API lists no more than {}", tagged.join(", ")),
        help: "every resource gets the provider's default_tags; see the stacks' providers.tf".to_owned(),
    })
}

/// Checks that no resource still has the project's tag.
///
/// # Errors
/// Returns an error with the resources that have it, or if the AWS API does not answer.
pub(super) fn expect_nothing_left(project: &str, aws: &LocalAws) -> Result<(), Error> {
    let mut left = Vec::new();
    for arn in tagged(project, aws)? {
        if !is_listed_after_its_end(aws, &arn)? {
            left.push(arn);
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(Error::Found {
        found: format!("the AWS API still has {}", left.join(", ")),
        help: "find the resource that leaves it behind; on AWS it would cost money".to_owned(),
    })
}

/// Returns the ARNs of all resources that have the project's tag.
fn tagged(project: &str, aws: &LocalAws) -> Result<Vec<String>, Error> {
    let (mut arns, mut token) = (Vec::new(), String::new());
    loop {
        let wanted = json!({
            "TagFilters": [{ "Key": "Project", "Values": [project] }], "PaginationToken": token,
        });
        let page = aws.call("tagging", "ResourceGroupsTaggingAPI_20170126.GetResources", &wanted)?;
        let found = page["ResourceTagMappingList"].as_array().into_iter().flatten();
        arns.extend(found.filter_map(|resource| Some(resource["ResourceARN"].as_str()?.to_owned())));
        token = page["PaginationToken"].as_str().unwrap_or_default().to_owned();
        if token.is_empty() {
            return Ok(arns);
        }
    }
}

/// Returns whether a resource is deleted although it is listed: keys wait for days, and NAT gateways and
/// instances are shown as deleted and terminated for an hour, on AWS and in the emulator.
fn is_listed_after_its_end(aws: &LocalAws, arn: &str) -> Result<bool, Error> {
    if arn.split(':').nth(2) == Some("kms") {
        let key = aws.call("kms", "TrentService.DescribeKey", &json!({ "KeyId": arn }))?;
        return Ok(key["KeyMetadata"]["KeyState"] == "PendingDeletion");
    }
    let described = |action: &str, parameter: &str, id: &str| {
        aws.query("ec2", &format!("Action={action}&Version=2016-11-15&{parameter}.1={id}"))
    };
    if let Some((_, id)) = arn.split_once(":natgateway/") {
        return Ok(described("DescribeNatGateways", "NatGatewayId", id)?.contains("<state>deleted</state>"));
    }
    let Some((_, id)) = arn.split_once(":instance/") else { return Ok(false) };
    Ok(described("DescribeInstances", "InstanceId", id)?.contains("<name>terminated</name>"))
}
