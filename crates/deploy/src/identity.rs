//! Asks the service, on one of its instances, as whom it logs in to the database.
//!
//! The route is on the app's management port, which no listener of the load balancer forwards and no security group lets
//! in from outside. So a command of Systems Manager asks from within: curl, on an instance that is in service.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_autoscaling::types::LifecycleState;
use aws_sdk_ssm::error::ProvideErrorMetadata as _;
use aws_sdk_ssm::types::CommandInvocationStatus as Status;
use rds_iam_token::Clock;
use serde_json::Value;

use crate::aws::CallError;
use crate::aws::wait::{Poll, until};

/// AWS's own document, which runs lines of a shell.
const DOCUMENT: &str = "AWS-RunShellScript";

/// How long the agent may take to begin, in seconds: 30 is the least that Systems Manager takes.
const BEGINS_WITHIN: i32 = 60;

/// A command takes a second or two once the agent has it.
const POLL: Poll = Poll { interval: Duration::from_secs(1), timeout: Duration::from_secs(120) };

/// The most characters of what a command printed that an error shows.
const SHOWN: usize = 400;

/// Asks for `/api/identity` on one instance of the group.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing else to say, and callers build it")]
pub struct AskIdentity {
    /// The Auto Scaling group's name.
    pub group: String,
    /// The app's management port.
    pub port: u16,
}

/// What the service answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The instance that was asked.
    pub instance: String,
    /// The answer of `/api/identity`.
    pub identity: Value,
}

impl AskIdentity {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// Where a call fails, no instance is in service, Systems Manager can't reach it, or the service does not answer.
    pub async fn run(&self, aws: &SdkConfig, clock: &Clock) -> Result<Answer, IdentityError> {
        let instance = self.instance(aws).await?;
        let client = aws_sdk_ssm::Client::new(aws);
        let curl = format!(
            "curl --fail --silent --show-error --max-time 15 http://127.0.0.1:{}/api/identity",
            self.port
        );
        let send = client.send_command().document_name(DOCUMENT).instance_ids(&instance);
        let send = send.timeout_seconds(BEGINS_WITHIN).parameters("commands", vec![curl]).send();
        let sent = match send.await {
            Err(error) if error.code() == Some("InvalidInstanceId") => {
                return Err(IdentityError::Unmanaged { instance });
            }
            sent => {
                sent.map_err(CallError::from_sdk(format!("run a command on {instance}"), "ssm:SendCommand"))?
            }
        };
        let id = sent.command.and_then(|command| command.command_id).unwrap_or_default();
        let Some((status, printed)) = self.outcome(&client, clock, &id, &instance).await? else {
            return Err(IdentityError::Time { instance, seconds: POLL.timeout.as_secs() });
        };
        if status != Status::Success {
            let status = status.as_str().to_owned();
            return Err(IdentityError::Failed {
                instance,
                status,
                said: printed.chars().take(SHOWN).collect(),
            });
        }
        match serde_json::from_str(&printed) {
            Ok(identity) => Ok(Answer { instance, identity }),
            Err(source) => Err(IdentityError::NoJson { instance, source }),
        }
    }

    /// The id of an instance that is in service.
    async fn instance(&self, aws: &SdkConfig) -> Result<String, IdentityError> {
        let client = aws_sdk_autoscaling::Client::new(aws);
        let call = client.describe_auto_scaling_groups().auto_scaling_group_names(&self.group).send();
        let doing = format!("look at the Auto Scaling group {}", self.group);
        let answer =
            call.await.map_err(CallError::from_sdk(doing, "autoscaling:DescribeAutoScalingGroups"))?;
        let groups = answer.auto_scaling_groups.unwrap_or_default();
        let mut instances = groups.into_iter().flat_map(|group| group.instances.unwrap_or_default());
        let serving = instances.find(|instance| instance.lifecycle_state == Some(LifecycleState::InService));
        serving
            .and_then(|instance| instance.instance_id)
            .ok_or_else(|| IdentityError::NoInstance { group: self.group.clone() })
    }

    /// How the command ended, and what it printed; nothing where it does not end.
    async fn outcome(
        &self,
        client: &aws_sdk_ssm::Client,
        clock: &Clock,
        id: &str,
        instance: &str,
    ) -> Result<Option<(Status, String)>, CallError> {
        until(clock, POLL, async || {
            let call = client.get_command_invocation().command_id(id).instance_id(instance).send();
            let answer = match call.await {
                // It is there a moment later.
                Err(error) if error.code() == Some("InvocationDoesNotExist") => return Ok(None),
                answer => answer.map_err(CallError::from_sdk(
                    format!("look at a command on {instance}"),
                    "ssm:GetCommandInvocation",
                ))?,
            };
            let printed = |ok: bool| {
                let text =
                    if ok { answer.standard_output_content() } else { answer.standard_error_content() };
                text.unwrap_or_default().trim().to_owned()
            };
            Ok(match answer.status() {
                Some(Status::Success) => Some((Status::Success, printed(true))),
                None | Some(Status::Pending | Status::InProgress | Status::Delayed) => None,
                Some(ended) => Some((ended.clone(), printed(false))),
            })
        })
        .await
    }
}

/// The service did not say as whom it logs in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// No instance serves.
    #[error(
        "no instance of {group} is in service: see its activities (`aws autoscaling describe-scaling-activities`)"
    )]
    NoInstance {
        /// The Auto Scaling group.
        group: String,
    },
    /// Systems Manager does not know the instance.
    #[error(
        "Systems Manager does not reach {instance}: its agent has to run, its role to allow it, and the VPC to have the \
         endpoints ssm and ssmmessages"
    )]
    Unmanaged {
        /// The instance.
        instance: String,
    },
    /// The command failed: the app did not answer with success.
    #[error("the service on {instance} did not answer (the command is {status}: {said}): see the app's log")]
    Failed {
        /// The instance.
        instance: String,
        /// AWS's name for the command's status.
        status: String,
        /// What the command printed to standard error.
        said: String,
    },
    /// The command did not end.
    #[error(
        "the command on {instance} is not over after {seconds} s: see it in Systems Manager, and run this again"
    )]
    Time {
        /// The instance.
        instance: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// What answers there is something else.
    #[error("the management port of {instance} answered something else than JSON: is the app there?")]
    NoJson {
        /// The instance.
        instance: String,
        /// What is wrong with it.
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

    async fn asked(aws: &TestClient) -> Result<Answer, IdentityError> {
        AskIdentity { group: "orders-dev".to_owned(), port: 3001 }.run(&aws.config(), &clock()).await
    }

    #[tokio::test]
    async fn an_instance_in_service_is_asked_at_its_management_port() {
        let aws = deployment();
        aws.on("GetCommandInvocation", 400, r#"{"__type":"InvocationDoesNotExist"}"#)
            .on("GetCommandInvocation", 200, invocation("Pending", "", ""))
            .on("GetCommandInvocation", 200, invocation("InProgress", "", ""))
            .on("GetCommandInvocation", 200, invocation("Success", "{\"database\":{}}\n", ""));
        let answer = asked(&aws).await.unwrap();
        assert_eq!(answer.instance, "i-old");
        assert_eq!(answer.identity, serde_json::json!({ "database": {} }));
        let sent: Value = serde_json::from_str(&aws.asked("SendCommand")[0]).unwrap();
        assert_eq!(sent["DocumentName"], DOCUMENT);
        assert_eq!(sent["InstanceIds"], serde_json::json!(["i-old"]));
        let curl = "curl --fail --silent --show-error --max-time 15 http://127.0.0.1:3001/api/identity";
        assert_eq!(sent["Parameters"]["commands"], serde_json::json!([curl]));
    }

    #[tokio::test]
    async fn failures_say_what_to_look_at() {
        let mut said = Vec::new();
        let mut failed = async |aws: &TestClient| said.push(asked(aws).await.unwrap_err().to_string());
        let none = TestClient::new();
        none.on("DescribeAutoScalingGroups", 200, group(&[("i-new", "Pending:Wait")]));
        failed(&none).await;
        let aws = deployment();
        aws.instead("SendCommand", 400, r#"{"__type":"InvalidInstanceId"}"#);
        failed(&aws).await;
        aws.instead("SendCommand", 400, r#"{"__type":"AccessDeniedException"}"#);
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
        insta::assert_snapshot!(said.join("\n"), @"
        no instance of orders-dev is in service: see its activities (`aws autoscaling describe-scaling-activities`)
        Systems Manager does not reach i-old: its agent has to run, its role to allow it, and the VPC to have the endpoints ssm and ssmmessages
        cannot run a command on i-old: denied (AccessDeniedException): allow the caller's role ssm:SendCommand there
        the service on i-old did not answer (the command is Failed: curl: (22) The requested URL returned error: 503): see the app's log
        the management port of i-old answered something else than JSON: is the app there?
        the command on i-old is not over after 120 s: see it in Systems Manager, and run this again
        ");
    }
}
