//! The requirements of stages that change an environment: a clean clone, and permissions in its account.

use crate::context::Context;
use crate::environment::Environment;
use crate::need::Need;
use rds_iam_infra::Permission;

/// Returns the needs of a stage that changes an environment: on AWS, changes have to be committed.
pub(super) fn committed(context: &Context<'_>, mut needs: Vec<Need>) -> Vec<Need> {
    needs.extend((!context.is_local()).then_some(Need::CleanClone));
    needs
}

/// Returns the permissions of a push.
pub(super) fn push_rights(environment: &Environment) -> Vec<Permission> {
    let repository = environment.repository_arn();
    let actions =
        ["ecr:BatchGetImage", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:DescribeImageScanFindings"];
    std::iter::once(Permission::new("ecr:GetAuthorizationToken", "*"))
        .chain(actions.map(|action| Permission::new(action, &repository)))
        .collect()
}

/// Returns the permission to query an instance for its database user. The document is AWS's own; a tag
/// determines the permitted instances, which IAM's simulator does not support.
pub(super) fn identity_rights(environment: &Environment) -> Vec<Permission> {
    vec![Permission::new(
        "ssm:SendCommand",
        format!("ssm:{}::document/AWS-RunShellScript", environment.region),
    )]
}

/// Returns the permissions of a rollout.
pub(super) fn rollout_rights(environment: &Environment) -> Vec<Permission> {
    let image = environment.parameter_arn(&environment.image_parameter());
    let previous = environment.parameter_arn(&format!("/{}/app/previous-image", environment.name));
    // A group's ARN has an ID besides its name, which policies leave open; the simulator requires one.
    let group = format!(
        "autoScalingGroup:00000000-0000-0000-0000-000000000000:autoScalingGroupName/{}",
        environment.deployment()
    );
    vec![
        Permission::new("ecr:PutImage", environment.repository_arn()),
        Permission::new("ssm:GetParameters", image.clone()),
        Permission::new("ssm:PutParameter", image),
        Permission::new("ssm:PutParameter", previous),
        Permission::new("autoscaling:StartInstanceRefresh", environment.arn("autoscaling", &group)),
    ]
}

/// Returns the ARN of one of the app's settings; the permissions are the same for all of them.
pub(super) fn setting_arn(environment: &Environment) -> String {
    environment.parameter_arn(&format!("{}/endpoint", environment.settings_path()))
}
