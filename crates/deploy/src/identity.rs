//! The database identity of the running service, read from one of its instances.
//!
//! The route `/api/identity` is on the app's management port, which no listener of the load balancer forwards to and no
//! security group opens to the outside. So a Systems Manager command requests it from inside: curl, on an instance that
//! is in service.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_autoscaling::types::LifecycleState;
use aws_sdk_ssm::error::ProvideErrorMetadata as _;
use aws_sdk_ssm::types::CommandInvocationStatus as Status;
use rds_iam_token::Clock;
use serde_json::Value;

use crate::aws::CallError;
use crate::aws::poll::Poll;

/// AWS's own document, which runs shell commands.
const DOCUMENT: &str = "AWS-RunShellScript";

/// The time within which the agent must start the command, in seconds. Systems Manager requires at least 30.
const START_TIMEOUT: i32 = 60;

/// A command takes a second or two once the agent has it.
const POLL: Poll = Poll { interval: Duration::from_secs(1), timeout: Duration::from_secs(120) };

/// The number of characters of a command's output that an error shows.
const MAX_OUTPUT: usize = 400;

/// The answer of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceIdentity {
    /// The id of the instance that answered.
    pub instance: String,
    /// The answer of `/api/identity`.
    pub identity: Value,
}

/// Requests `/api/identity` on one instance of the Auto Scaling group `group`; `port` is the app's management port.
///
/// # Errors
/// Returns an error if a call fails, no instance is in service, Systems Manager can't reach it, or the service
/// does not answer.
pub async fn get_identity(
    aws: &SdkConfig,
    clock: &Clock,
    group: &str,
    port: u16,
) -> Result<ServiceIdentity, IdentityError> {
    let instance = find_instance(aws, group).await?;
    let client = aws_sdk_ssm::Client::new(aws);
    let curl =
        format!("curl --fail --silent --show-error --max-time 15 http://127.0.0.1:{port}/api/identity");
    let send = client.send_command().document_name(DOCUMENT).instance_ids(&instance);
    let send = send.timeout_seconds(START_TIMEOUT).parameters("commands", vec![curl]).send();
    let sent = match send.await {
        Err(error) if error.code() == Some("InvalidInstanceId") => {
            return Err(IdentityError::Unmanaged { instance });
        }
        sent => {
            sent.map_err(CallError::from_sdk(format!("run a command on {instance}"), "ssm:SendCommand"))?
        }
    };
    let id = sent.command.and_then(|command| command.command_id).unwrap_or_default();
    let Some((status, output)) = wait_for_output(&client, clock, &id, &instance).await? else {
        return Err(IdentityError::Timeout { instance, seconds: POLL.timeout.as_secs() });
    };
    if status != Status::Success {
        let (status, output) = (status.as_str().to_owned(), output.chars().take(MAX_OUTPUT).collect());
        return Err(IdentityError::Failed { instance, status, output });
    }
    match serde_json::from_str(&output) {
        Ok(identity) => Ok(ServiceIdentity { instance, identity }),
        Err(source) => Err(IdentityError::NotJson { instance, source }),
    }
}

/// Returns the id of an instance that is in service.
async fn find_instance(aws: &SdkConfig, group: &str) -> Result<String, IdentityError> {
    let client = aws_sdk_autoscaling::Client::new(aws);
    let call = client.describe_auto_scaling_groups().auto_scaling_group_names(group).send();
    let operation = format!("read the Auto Scaling group {group}");
    let answer =
        call.await.map_err(CallError::from_sdk(operation, "autoscaling:DescribeAutoScalingGroups"))?;
    let groups = answer.auto_scaling_groups.unwrap_or_default();
    let mut instances = groups.into_iter().flat_map(|group| group.instances.unwrap_or_default());
    let serving = instances.find(|instance| instance.lifecycle_state == Some(LifecycleState::InService));
    serving
        .and_then(|instance| instance.instance_id)
        .ok_or_else(|| IdentityError::NoInstance { group: group.to_owned() })
}

/// Waits for the end of a command. Returns its status and output, or `None` on timeout.
async fn wait_for_output(
    client: &aws_sdk_ssm::Client,
    clock: &Clock,
    id: &str,
    instance: &str,
) -> Result<Option<(Status, String)>, CallError> {
    POLL.until(clock, async || {
        let call = client.get_command_invocation().command_id(id).instance_id(instance).send();
        let answer = match call.await {
            // The invocation appears a moment after the command.
            Err(error) if error.code() == Some("InvocationDoesNotExist") => return Ok(None),
            answer => answer.map_err(CallError::from_sdk(
                format!("read the result of a command on {instance}"),
                "ssm:GetCommandInvocation",
            ))?,
        };
        let (output, error) = (answer.standard_output_content(), answer.standard_error_content());
        let text = |output: Option<&str>| output.unwrap_or_default().trim().to_owned();
        Ok(match answer.status() {
            Some(Status::Success) => Some((Status::Success, text(output))),
            None | Some(Status::Pending | Status::InProgress | Status::Delayed) => None,
            Some(status) => Some((status.clone(), text(error))),
        })
    })
    .await
}

/// The service's identity could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// No instance is in service.
    #[error(
        "no instance of {group} is in service: check its activities (`aws autoscaling describe-scaling-activities`)"
    )]
    NoInstance {
        /// The Auto Scaling group.
        group: String,
    },
    /// Systems Manager does not manage the instance.
    #[error(
        "Systems Manager can't reach {instance}: check that its agent runs, that its role allows it, and that the VPC \
         has the endpoints ssm and ssmmessages"
    )]
    Unmanaged {
        /// The instance.
        instance: String,
    },
    /// The command failed: the app did not answer with success.
    #[error(
        "the service on {instance} did not answer (the command is {status}: {output}): check the app's log"
    )]
    Failed {
        /// The instance.
        instance: String,
        /// AWS's name for the command's status.
        status: String,
        /// The command's standard error.
        output: String,
    },
    /// The command did not end in time.
    #[error("the command on {instance} timed out after {seconds} s: check it in Systems Manager and retry")]
    Timeout {
        /// The instance.
        instance: String,
        /// The time waited.
        seconds: u64,
    },
    /// The answer is not JSON.
    #[error("the management port of {instance} did not answer with JSON: check that the app runs there")]
    NotJson {
        /// The instance.
        instance: String,
        /// The parser's error.
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::test_client::{TestClient, clock};

    const SENT: &str = r#"{"Command":{"CommandId":"11111111-2222-3333-4444-555555555555"}}"#;

    fn group(states: &[(&str, &str)]) -> String {
        let instance = |(id, state): &(&str, &str)| {
            format!("<member><InstanceId>{id}</InstanceId><LifecycleState>{state}</LifecycleState></member>")
        };
        format!(
            "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups><member><Instances>{}\
             </Instances></member></AutoScalingGroups></DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>",
            states.iter().map(instance).collect::<String>()
        )
    }

    fn invocation(status: &str, output: &str, error: &str) -> String {
        let answer = serde_json::json!({
            "Status": status, "StandardOutputContent": output, "StandardErrorContent": error,
        });
        answer.to_string()
    }

    fn deployment() -> TestClient {
        let aws = TestClient::new();
        let instances = [("i-new", "Pending:Wait"), ("i-old", "InService"), ("i-other", "InService")];
        aws.on("DescribeAutoScalingGroups", 200, group(&instances)).on("SendCommand", 200, SENT);
        aws
    }

    async fn identity(aws: &TestClient) -> Result<ServiceIdentity, IdentityError> {
        get_identity(&aws.config(), &clock(), "orders-dev", 3001).await
    }

    #[tokio::test]
    async fn the_request_goes_to_an_instance_in_service_on_its_management_port() {
        let aws = deployment();
        aws.on("GetCommandInvocation", 400, r#"{"__type":"InvocationDoesNotExist"}"#)
            .on("GetCommandInvocation", 200, invocation("Pending", "", ""))
            .on("GetCommandInvocation", 200, invocation("InProgress", "", ""))
            .on("GetCommandInvocation", 200, invocation("Success", "{\"database\":{}}\n", ""));
        let answer = identity(&aws).await.unwrap();
        assert_eq!(answer.instance, "i-old");
        assert_eq!(answer.identity, serde_json::json!({ "database": {} }));
        let sent: Value = serde_json::from_str(&aws.requests("SendCommand")[0]).unwrap();
        assert_eq!(sent["DocumentName"], DOCUMENT);
        assert_eq!(sent["InstanceIds"], serde_json::json!(["i-old"]));
        let curl = "curl --fail --silent --show-error --max-time 15 http://127.0.0.1:3001/api/identity";
        assert_eq!(sent["Parameters"]["commands"], serde_json::json!([curl]));
    }

    #[tokio::test]
    async fn errors_name_the_fix() {
        let mut errors = Vec::new();
        let mut failed = async |aws: &TestClient| errors.push(identity(aws).await.unwrap_err().to_string());
        let none = TestClient::new();
        none.on("DescribeAutoScalingGroups", 200, group(&[("i-new", "Pending:Wait")]));
        failed(&none).await;
        let aws = deployment();
        aws.replace("SendCommand", 400, r#"{"__type":"InvalidInstanceId"}"#);
        failed(&aws).await;
        aws.replace("SendCommand", 400, r#"{"__type":"AccessDeniedException"}"#);
        failed(&aws).await;
        for answer in [
            invocation("Failed", "", "curl: (22) The requested URL returned error: 503"),
            invocation("Success", "<html>", ""),
            invocation("InProgress", "", ""),
        ] {
            let aws = deployment();
            aws.on("GetCommandInvocation", 200, answer);
            failed(&aws).await;
        }
        insta::assert_snapshot!(errors.join("\n"), @"
        no instance of orders-dev is in service: check its activities (`aws autoscaling describe-scaling-activities`)
        Systems Manager can't reach i-old: check that its agent runs, that its role allows it, and that the VPC has the endpoints ssm and ssmmessages
        cannot run a command on i-old: denied (AccessDeniedException): allow ssm:SendCommand in the caller's role
        the service on i-old did not answer (the command is Failed: curl: (22) The requested URL returned error: 503): check the app's log
        the management port of i-old did not answer with JSON: check that the app runs there
        the command on i-old timed out after 120 s: check it in Systems Manager and retry
        ");
    }
}
