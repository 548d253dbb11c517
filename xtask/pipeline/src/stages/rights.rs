//! The requirements of stages that change an environment: a clean clone, and rights in its account.

use crate::context::Context;
use crate::environment::Environment;
use crate::need::Need;

/// The needs of a stage that changes an environment: on AWS, what changes it is committed.
pub(super) fn committed(context: &Context<'_>, mut needs: Vec<Need>) -> Vec<Need> {
    needs.extend((!context.is_local()).then_some(Need::CleanClone));
    needs
}

/// What a push calls.
pub(super) fn push_rights(environment: &Environment) -> Vec<(&'static str, String)> {
    let repository = environment.repository_arn();
    let actions =
        ["ecr:BatchGetImage", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:DescribeImageScanFindings"];
    std::iter::once(("ecr:GetAuthorizationToken", "*".to_owned()))
        .chain(actions.map(|action| (action, repository.clone())))
        .collect()
}

/// What asks an instance as whom it logs in. The document is AWS's own; which instances may be asked, a tag decides, of
/// and IAM's simulator does not know it.
pub(super) fn identity_rights(environment: &Environment) -> Vec<(&'static str, String)> {
    vec![("ssm:SendCommand", format!("ssm:{}::document/AWS-RunShellScript", environment.region))]
}

/// What a rollout calls.
pub(super) fn rollout_rights(environment: &Environment) -> Vec<(&'static str, String)> {
    let image = environment.parameter_arn(&environment.image_parameter());
    let previous = environment.parameter_arn(&format!("/{}/app/previous-image", environment.name));
    // A group has an id besides its name, which policies leave open; the simulator wants one.
    let group = format!(
        "autoScalingGroup:00000000-0000-0000-0000-000000000000:autoScalingGroupName/{}",
        environment.deployment()
    );
    vec![
        ("ecr:PutImage", environment.repository_arn()),
        ("ssm:GetParameters", image.clone()),
        ("ssm:PutParameter", image),
        ("ssm:PutParameter", previous),
        ("autoscaling:StartInstanceRefresh", environment.arn("autoscaling", &group)),
    ]
}

/// The ARN of one of the app's settings; the rights are the same for all of them.
pub(super) fn setting_arn(environment: &Environment) -> String {
    environment.parameter_arn(&format!("{}/endpoint", environment.settings_path()))
}
