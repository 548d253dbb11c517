//! Simulation of the caller's permissions: a missing one is reported before the first step of a run, not after the
//! database has been changed.

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType, ResourceSpecificResult,
};
use rds_iam_token::Region;

pub use rds_iam_infra::{Permission, PermissionError};

use crate::aws::CallError;
use crate::whoami::Caller;

/// Returns the permissions that the caller lacks, in order, according to IAM's policy simulator
/// (`iam:SimulatePrincipalPolicy`). `tags` are names and values of the tags of the resources, which conditions can
/// test.
///
/// The simulator reads the caller's policies but no resource policies: a permission granted only by a bucket's or
/// repository's policy counts as lacking. A denial by a service control policy does not, because the simulator
/// misjudges its conditions; nor does one that depends on a context key known only in a real call (a tag, an address).
///
/// # Errors
/// Returns an error if IAM can't simulate: the caller lacks that permission, or IAM does not find the principal
/// by the ARN that STS returns, as with a role that has a path. The permissions are then unknown, which is no
/// reason to stop.
pub async fn simulate_permissions(
    aws: &SdkConfig,
    caller: &Caller,
    region: &Region,
    tags: &[(String, String)],
    permissions: &[Permission],
) -> Result<Vec<Permission>, CallError> {
    let client = Client::new(aws);
    let (principal, partition) = principal(&caller.arn);
    let context = context(region, tags);
    let mut lacking = Vec::new();
    for permission in permissions {
        let resource = match permission.resource.as_str() {
            "*" => "*".to_owned(),
            resource => format!("arn:{partition}:{resource}"),
        };
        let call = client
            .simulate_principal_policy()
            .policy_source_arn(&principal)
            .action_names(&permission.action)
            .resource_arns(resource)
            .set_context_entries(Some(context.clone()))
            .send();
        let operation = format!("simulate the permissions of {principal}");
        let answer = call.await.map_err(CallError::from_sdk(operation, "iam:SimulatePrincipalPolicy"))?;
        let denied = answer.evaluation_results().iter().any(|result| is_denied(result, &permission.action));
        lacking.extend(denied.then(|| permission.clone()));
    }
    Ok(lacking)
}

/// Returns the context keys whose values are known before a call.
fn context(region: &Region, tags: &[(String, String)]) -> Vec<ContextEntry> {
    let entry = |key: String, value: &str| {
        ContextEntry::builder()
            .context_key_name(key)
            .context_key_type(ContextKeyTypeEnum::String)
            .context_key_values(value)
            .build()
    };
    let tags = tags.iter().flat_map(|(name, value)| {
        ["RequestTag", "ResourceTag"].map(|kind| entry(format!("aws:{kind}/{name}"), value))
    });
    std::iter::once(entry("aws:RequestedRegion".to_owned(), region.as_str())).chain(tags).collect()
}

/// Returns whether the caller's own policies certainly deny the action.
fn is_denied(result: &EvaluationResult, action: &str) -> bool {
    let by_organisation =
        result.organizations_decision_detail().is_some_and(|detail| !detail.allowed_by_organizations());
    let service = action.split(':').next().unwrap_or_default();
    // The simulator lists the keys of all of the caller's policies, also those about other services.
    let concerns = |key: &String| {
        let prefix = key.split(':').next().unwrap_or_default();
        prefix.eq_ignore_ascii_case("aws") || prefix.eq_ignore_ascii_case(service)
    };
    let in_part =
        result.resource_specific_results().iter().flat_map(ResourceSpecificResult::missing_context_values);
    let depends = result.missing_context_values().iter().chain(in_part).any(concerns);
    *result.eval_decision() != PolicyEvaluationDecisionType::Allowed && !by_organisation && !depends
}

/// Returns the principal with the caller's policies (of a session, its role) and its partition.
pub(crate) fn principal(arn: &str) -> (String, &str) {
    let mut parts = arn.splitn(6, ':').skip(1);
    let partition = parts.next().unwrap_or("aws");
    let account = parts.nth(2).unwrap_or_default();
    let name = parts.next().unwrap_or_default();
    match name.strip_prefix("assumed-role/").and_then(|session| session.split('/').next()) {
        Some(role) => (format!("arn:{partition}:iam::{account}:role/{role}"), partition),
        None => (arn.to_owned(), partition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::test_client::TestClient;

    const USER: &str = "arn:aws:iam::123456789012:user/ada";

    fn permissions() -> [Permission; 2] {
        ["ecr:GetAuthorizationToken=*", "ecr:PutImage=ecr:eu-west-1:123456789012:repository/orders"]
            .map(|text| text.parse().unwrap())
    }

    async fn simulate(aws: &TestClient, arn: &str) -> Result<Vec<Permission>, CallError> {
        let caller = Caller { account: "123456789012".to_owned(), arn: arn.to_owned() };
        let tags = [("Project".to_owned(), "orders".to_owned())];
        let region = "eu-west-1".parse().unwrap();
        simulate_permissions(&aws.config(), &caller, &region, &tags, &permissions()).await
    }

    fn decision(decision: &str, more: &str) -> String {
        format!(
            "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults><member>\
             <EvalActionName>x</EvalActionName><EvalDecision>{decision}</EvalDecision>{more}</member>\
             </EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
        )
    }

    fn missing(key: &str) -> String {
        format!("<MissingContextValues><member>{key}</member></MissingContextValues>")
    }

    #[tokio::test]
    async fn lacking_permissions_of_a_role_are_returned() {
        let aws = TestClient::new();
        // Keys of the role's statements about IAM itself are in every answer.
        aws.on("SimulatePrincipalPolicy", 200, decision("allowed", &missing("iam:PassedToService"))).on(
            "SimulatePrincipalPolicy",
            200,
            decision("implicitDeny", &missing("iam:PassedToService")),
        );
        let role = "arn:aws-us-gov:sts::123456789012:assumed-role/orders-deploy-dev/deploy-7";
        let lacking = simulate(&aws, role).await.unwrap();
        assert_eq!(lacking, permissions()[1..]);
        assert_eq!(
            serde_json::to_string(&lacking).unwrap(),
            r#"["ecr:PutImage on ecr:eu-west-1:123456789012:repository/orders"]"#
        );
        let requests = aws.requests("SimulatePrincipalPolicy");
        for part in [
            "PolicySourceArn=arn%3Aaws-us-gov%3Aiam%3A%3A123456789012%3Arole%2Forders-deploy-dev&",
            "ResourceArns.member.1=arn%3Aaws-us-gov%3Aecr%3Aeu-west-1%3A123456789012%3Arepository%2Forders",
            "ContextKeyName=aws%3ARequestedRegion",
            "ContextKeyName=aws%3AResourceTag%2FProject",
        ] {
            assert!(requests[1].contains(part), "{part}: {}", requests[1]);
        }
        assert!(requests[0].contains("ResourceArns.member.1=%2A"), "{}", requests[0]);
    }

    #[tokio::test]
    async fn an_uncertain_denial_does_not_count_as_lacking() {
        let by_organisation = "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations>\
                               </OrganizationsDecisionDetail>";
        for more in [missing("aws:SourceVpc"), missing("ECR:ResourceTag/Stage"), by_organisation.to_owned()] {
            let aws = TestClient::new();
            aws.on("SimulatePrincipalPolicy", 200, decision("implicitDeny", &more));
            let lacking = simulate(&aws, USER).await.unwrap();
            assert_eq!(lacking, [], "{more}");
        }
    }

    #[tokio::test]
    async fn a_caller_without_permission_to_simulate_gets_the_reason() {
        let aws = TestClient::new();
        let denied =
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>x</Message></Error></ErrorResponse>";
        aws.on("SimulatePrincipalPolicy", 403, denied);
        let error = simulate(&aws, USER).await.unwrap_err();
        let expected = "cannot simulate the permissions of arn:aws:iam::123456789012:user/ada: denied (AccessDenied): allow \
                        iam:SimulatePrincipalPolicy in the caller's role";
        assert_eq!(error.to_string(), expected);
    }
}
