//! What a caller may do, asked of IAM before it is tried: a run learns of a right that it lacks before its first step,
//! and not after the database has been changed.

use std::fmt;
use std::str::FromStr;

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType, ResourceSpecificResult,
};
use rds_iam_token::Region;
use serde::{Serialize, Serializer};

use crate::aws::CallError;
use crate::whoami::Caller;

/// A right: an action on a resource.
///
/// ```
/// use rds_iam_deploy::permissions::Permission;
///
/// let put: Permission = "ecr:PutImage=ecr:eu-west-1:123456789012:repository/orders-dev".parse().unwrap();
/// assert_eq!(put.action, "ecr:PutImage");
/// assert!("ecr:PutImage".parse::<Permission>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing else to a right, and callers build it")]
pub struct Permission {
    /// Such as `ecr:PutImage`.
    pub action: String,
    /// An ARN without `arn:<partition>:`, or `*`.
    pub resource: String,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.action, self.resource)
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is no right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a right is ACTION=RESOURCE, such as ecr:GetAuthorizationToken=*")]
#[non_exhaustive]
pub struct NoPermission;

impl FromStr for Permission {
    type Err = NoPermission;

    fn from_str(text: &str) -> Result<Self, NoPermission> {
        let (action, resource) = text.split_once('=').ok_or(NoPermission)?;
        let is_action =
            action.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
        if is_action && !resource.is_empty() {
            Ok(Self { action: action.to_owned(), resource: resource.to_owned() })
        } else {
            Err(NoPermission)
        }
    }
}

/// Asks IAM's policy simulator (`iam:SimulatePrincipalPolicy`) what the caller's own policies say.
///
/// It knows the caller's policies, and not those of resources: a right that a bucket's or repository's own policy gives
/// counts as lacking here. What an organisation denies does not, for the simulator misjudges its conditions.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the call has no other arguments here, and callers build it")]
pub struct SimulatePermissions {
    /// Who.
    pub caller: Caller,
    /// Where: policies may ask for it.
    pub region: Region,
    /// Tags, names and values, that what is called or made has: policies may ask for them.
    pub tags: Vec<(String, String)>,
    /// What.
    pub permissions: Vec<Permission>,
}

impl SimulatePermissions {
    /// Those that the caller lacks, in order. Where a policy asks for something that is known in a real call alone
    /// (a tag, an address), the right does not count as lacking.
    ///
    /// # Errors
    /// Where IAM is not to be asked: the caller may not ask, or IAM does not know it by what STS tells of it, as with a
    /// role that has a path. Nothing is known then, which is no reason to stop.
    pub async fn run(&self, aws: &SdkConfig) -> Result<Vec<Permission>, CallError> {
        let client = Client::new(aws);
        let (principal, partition) = principal(&self.caller.arn);
        let context = self.context();
        let mut lacking = Vec::new();
        for permission in &self.permissions {
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
            let doing = format!("ask IAM what {principal} may do");
            let answer = call.await.map_err(CallError::from_sdk(doing, "iam:SimulatePrincipalPolicy"))?;
            let denied =
                answer.evaluation_results().iter().any(|result| is_denied(result, &permission.action));
            lacking.extend(denied.then(|| permission.clone()));
        }
        Ok(lacking)
    }

    /// What policies may ask for, as far as it is known before the call.
    fn context(&self) -> Vec<ContextEntry> {
        let entry = |key: String, value: &str| {
            ContextEntry::builder()
                .context_key_name(key)
                .context_key_type(ContextKeyTypeEnum::String)
                .context_key_values(value)
                .build()
        };
        let tags = self.tags.iter().flat_map(|(name, value)| {
            ["RequestTag", "ResourceTag"].map(|of| entry(format!("aws:{of}/{name}"), value))
        });
        std::iter::once(entry("aws:RequestedRegion".to_owned(), self.region.as_str())).chain(tags).collect()
    }
}

/// Whether the caller's own policies deny it for certain.
fn is_denied(result: &EvaluationResult, action: &str) -> bool {
    let by_organisation =
        result.organizations_decision_detail().is_some_and(|detail| !detail.allowed_by_organizations());
    let service = action.split(':').next().unwrap_or_default();
    // The simulator names what any of the caller's policies asks for, be it about another service.
    let concerns = |key: &String| {
        let of = key.split(':').next().unwrap_or_default();
        of.eq_ignore_ascii_case("aws") || of.eq_ignore_ascii_case(service)
    };
    let in_part =
        result.resource_specific_results().iter().flat_map(ResourceSpecificResult::missing_context_values);
    let depends = result.missing_context_values().iter().chain(in_part).any(concerns);
    *result.eval_decision() != PolicyEvaluationDecisionType::Allowed && !by_organisation && !depends
}

/// Whose policies these are, and in which partition: of a session, its role.
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

    fn simulate(arn: &str) -> SimulatePermissions {
        let permissions =
            ["ecr:GetAuthorizationToken=*", "ecr:PutImage=ecr:eu-west-1:123456789012:repository/orders"];
        SimulatePermissions {
            caller: Caller { account: "123456789012".to_owned(), arn: arn.to_owned() },
            region: "eu-west-1".parse().unwrap(),
            tags: vec![("Project".to_owned(), "orders".to_owned())],
            permissions: permissions.map(|text| text.parse().unwrap()).to_vec(),
        }
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
    async fn what_a_role_lacks_is_told() {
        let aws = TestClient::new();
        // What the role's statements about IAM itself ask for is named in every answer.
        aws.on("SimulatePrincipalPolicy", 200, decision("allowed", &missing("iam:PassedToService"))).on(
            "SimulatePrincipalPolicy",
            200,
            decision("implicitDeny", &missing("iam:PassedToService")),
        );
        let simulate = simulate("arn:aws-us-gov:sts::123456789012:assumed-role/orders-deploy-dev/deploy-7");
        let lacking = simulate.run(&aws.config()).await.unwrap();
        assert_eq!(lacking, simulate.permissions[1..]);
        assert_eq!(
            serde_json::to_string(&lacking).unwrap(),
            r#"["ecr:PutImage on ecr:eu-west-1:123456789012:repository/orders"]"#
        );
        let asked = aws.asked("SimulatePrincipalPolicy");
        for part in [
            "PolicySourceArn=arn%3Aaws-us-gov%3Aiam%3A%3A123456789012%3Arole%2Forders-deploy-dev&",
            "ResourceArns.member.1=arn%3Aaws-us-gov%3Aecr%3Aeu-west-1%3A123456789012%3Arepository%2Forders",
            "ContextKeyName=aws%3ARequestedRegion",
            "ContextKeyName=aws%3AResourceTag%2FProject",
        ] {
            assert!(asked[1].contains(part), "{part}: {}", asked[1]);
        }
        assert!(asked[0].contains("ResourceArns.member.1=%2A"), "{}", asked[0]);
    }

    #[tokio::test]
    async fn what_is_not_certain_is_not_lacking() {
        let by_organisation = "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations>\
                               </OrganizationsDecisionDetail>";
        for more in [missing("aws:SourceVpc"), missing("ECR:ResourceTag/Stage"), by_organisation.to_owned()] {
            let aws = TestClient::new();
            aws.on("SimulatePrincipalPolicy", 200, decision("implicitDeny", &more));
            let lacking = simulate("arn:aws:iam::123456789012:user/ada").run(&aws.config()).await.unwrap();
            assert_eq!(lacking, [], "{more}");
        }
    }

    #[tokio::test]
    async fn who_may_not_ask_learns_why() {
        let aws = TestClient::new();
        let denied =
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>x</Message></Error></ErrorResponse>";
        aws.on("SimulatePrincipalPolicy", 403, denied);
        let error = simulate("arn:aws:iam::123456789012:user/ada").run(&aws.config()).await.unwrap_err();
        insta::assert_snapshot!(error, @"cannot ask IAM what arn:aws:iam::123456789012:user/ada may do: denied (AccessDenied): allow the caller's role iam:SimulatePrincipalPolicy there");
    }

    #[test]
    fn a_right_is_an_action_and_a_resource() {
        for text in ["", "=", "ecr:PutImage", "ecr:PutImage=", "PutImage=*", ":PutImage=*", "ecr:=*"] {
            assert_eq!(text.parse::<Permission>(), Err(NoPermission), "{text}");
        }
    }
}
