//! Checks the assumptions about AWS on a deployment, one function each: the report of bootstrap, proxy,
//! `tls_version`, image referrers, image scan, instance refresh, scaling alarms and IAM's simulator.

use aws_config::SdkConfig;
use aws_sdk_autoscaling::types::RefreshPreferences;
use aws_sdk_iam::types::PolicyEvaluationDecisionType;
use aws_sdk_rds::types::TargetState;

use super::finding::{Answer, Verdict};
use crate::aws::CallError;
use crate::image::{ImageRecord, ImageRef, Repository, inspect};
use crate::invoke_bootstrap::{InvokeBootstrapError, invoke_bootstrap};
use crate::permissions::principal;
use crate::whoami::whoami;
use rds_iam_infra::Engine;
use rds_iam_infra::arn::AccountId;
use rds_iam_infra::outputs::{App, Outputs};
use rds_iam_report::ErrorReport;

/// The family of parameter groups that the module `rds` uses.
const FAMILY: &str = "mysql8.4";

pub(super) struct Checks<'a> {
    pub(super) outputs: &'a Outputs,
    pub(super) aws: &'a SdkConfig,
}

fn text(error: impl std::error::Error) -> String {
    ErrorReport(&error).to_string()
}

fn verdict(holds: bool) -> Verdict {
    if holds { Verdict::Holds } else { Verdict::Fails }
}

impl Checks<'_> {
    pub(super) async fn bootstrap(&self) -> Result<Answer, String> {
        let function = &self.outputs.bootstrap.function_name;
        let report = match invoke_bootstrap(self.aws, function, "check").await {
            Ok(report) => report,
            Err(error @ InvokeBootstrapError::Failed { .. }) => {
                return Ok((Verdict::Fails, text(error)));
            }
            Err(error) => return Err(text(error)),
        };
        let outcome = report["outcome"].as_str().unwrap_or("no outcome");
        Ok((verdict(outcome != "failed" && outcome != "no outcome"), format!("a check ended with {outcome}")))
    }

    pub(super) async fn proxy(&self) -> Result<Answer, String> {
        let name = &self.outputs.proxy.as_ref().ok_or("this deployment has no proxy")?.name;
        let client = aws_sdk_rds::Client::new(self.aws);
        let operation = || format!("read the proxy {name}");
        let answer = client.describe_db_proxies().db_proxy_name(name).send().await;
        let answer =
            answer.map_err(|error| text(CallError::from_sdk(operation(), "rds:DescribeDBProxies")(error)))?;
        let proxy = answer.db_proxies().first().ok_or("the proxy does not exist")?;
        let targets = client.describe_db_proxy_targets().db_proxy_name(name).send().await;
        let targets = targets
            .map_err(|error| text(CallError::from_sdk(operation(), "rds:DescribeDBProxyTargets")(error)))?;
        let health: Vec<String> = targets
            .targets()
            .iter()
            .map(|target| {
                let health = target.target_health();
                let state = health.and_then(|health| health.state()).map_or("no state", TargetState::as_str);
                let reason = health.and_then(|health| health.description()).unwrap_or_default();
                format!("{state} {reason}").trim_end().to_owned()
            })
            .collect();
        let status = proxy.status().map_or("no status", |status| status.as_str());
        let scheme = proxy.default_auth_scheme().unwrap_or("NONE");
        let is_healthy =
            !health.is_empty() && health.iter().all(|state| state == TargetState::Available.as_str());
        let evidence = format!("{status}, {scheme}, targets: {}", health.join("; "));
        Ok((verdict(status == "available" && scheme == "IAM_AUTH" && is_healthy), evidence))
    }

    pub(super) async fn tls_version(&self) -> Result<Answer, String> {
        let engine = self.outputs.database.engine;
        if engine != Engine::MySql {
            return Err(format!("this deployment has {engine}, which has no tls_version"));
        }
        let client = aws_sdk_rds::Client::new(self.aws);
        let mut marker: Option<String> = None;
        loop {
            let call = client.describe_engine_default_parameters().db_parameter_group_family(FAMILY);
            let answer = call.set_marker(marker).send().await;
            let operation = format!("read the default parameters of {FAMILY}");
            let answer = answer.map_err(|error| {
                text(CallError::from_sdk(operation, "rds:DescribeEngineDefaultParameters")(error))
            })?;
            let defaults = answer.engine_defaults.ok_or("AWS answered without defaults")?;
            let mut parameters = defaults.parameters().iter();
            if let Some(found) = parameters.find(|found| found.parameter_name() == Some("tls_version")) {
                let allowed = found.allowed_values().unwrap_or_default();
                let holds = ["TLSv1.2", "TLSv1.3"].iter().all(|version| allowed.contains(version));
                let value = found.parameter_value().unwrap_or("no default");
                return Ok((verdict(holds), format!("{value}; allowed: {allowed}")));
            }
            marker = defaults.marker;
            if marker.is_none() {
                return Err(format!("{FAMILY} has no parameter tls_version"));
            }
        }
    }

    fn app(&self) -> Result<&App, String> {
        self.outputs.app.as_ref().ok_or_else(|| "this deployment has no app".to_owned())
    }

    fn repository(&self) -> Result<Repository, String> {
        self.app()?.repository_url.parse().map_err(text)
    }

    async fn running_image(&self, repository: &Repository) -> Result<ImageRecord, String> {
        let image = ImageRef::Running(self.app()?.image_parameter.as_str().to_owned());
        inspect(self.aws, repository, &image).await.map_err(text)
    }

    pub(super) async fn referrers(&self) -> Result<Answer, String> {
        let repository = self.repository()?;
        let image = self.running_image(&repository).await?;
        // Without the API, a push maintains the list of artifacts under this tag.
        let list = image.digest.as_str().replace(':', "-");
        let call = aws_sdk_ecr::Client::new(self.aws).describe_images().repository_name(repository.path());
        let id = aws_sdk_ecr::types::ImageIdentifier::builder().image_tag(&list).build();
        let call = call.set_registry_id(repository.account().map(str::to_owned)).image_ids(id);
        let by_tag = match call.send().await {
            Ok(answer) => !answer.image_details().is_empty(),
            Err(error) => {
                let failed = CallError::from_sdk(
                    "find the tag with the list of artifacts".to_owned(),
                    "ecr:DescribeImages",
                );
                let is_missing =
                    aws_sdk_ecr::error::ProvideErrorMetadata::code(&error) == Some("ImageNotFoundException");
                if !is_missing {
                    return Err(text(failed(error)));
                }
                false
            }
        };
        let found = image.commit.is_some() && !image.gates.is_empty();
        let evidence = format!(
            "commit {}, {} gates, {} promotions; list under the tag {list}: {by_tag}",
            image.commit.as_deref().unwrap_or("unknown"),
            image.gates.len(),
            image.promotions.len(),
        );
        Ok((verdict(found && !by_tag), evidence))
    }

    pub(super) async fn image_scan(&self) -> Result<Answer, String> {
        let repository = self.repository()?;
        let image = self.running_image(&repository).await?;
        let id = aws_sdk_ecr::types::ImageIdentifier::builder().image_digest(image.digest.as_str()).build();
        let call = aws_sdk_ecr::Client::new(self.aws).describe_image_scan_findings();
        let call = call.repository_name(repository.path()).image_id(id);
        let answer = call.set_registry_id(repository.account().map(str::to_owned)).send().await;
        let operation = "read the scan of the running image".to_owned();
        let answer = answer
            .map_err(|error| text(CallError::from_sdk(operation, "ecr:DescribeImageScanFindings")(error)))?;
        let status = answer.image_scan_status();
        let state = status.and_then(|status| status.status()).map_or("no status", |state| state.as_str());
        let description = status.and_then(|status| status.description()).unwrap_or_default();
        let done = ["COMPLETE", "ACTIVE"].contains(&state);
        Ok((verdict(done), format!("{state} {description}").trim_end().to_owned()))
    }

    pub(super) async fn refresh(&self) -> Result<Answer, String> {
        let group = &self.app()?.autoscaling_group;
        let client = aws_sdk_autoscaling::Client::new(self.aws);
        let call = client.describe_instance_refreshes().auto_scaling_group_name(group).send().await;
        let operation = format!("read the instance refreshes of {group}");
        let answer = call.map_err(|error| {
            text(CallError::from_sdk(operation, "autoscaling:DescribeInstanceRefreshes")(error))
        })?;
        let Some(latest) = answer.instance_refreshes().first() else {
            return Err(format!("{group} was never refreshed"));
        };
        let status = latest.status().map_or("no status", |status| status.as_str());
        let preferences = latest.preferences();
        let least = preferences.and_then(RefreshPreferences::min_healthy_percentage);
        let most = preferences.and_then(RefreshPreferences::max_healthy_percentage);
        let reason = latest.status_reason().unwrap_or_default();
        let evidence = format!("{status}, at least {least:?} and at most {most:?} percent {reason}");
        let holds = status == "Successful" && least == Some(100) && most == Some(150);
        Ok((verdict(holds), evidence.trim_end().to_owned()))
    }

    pub(super) async fn scaling_alarms(&self) -> Result<Answer, String> {
        let group = &self.app()?.autoscaling_group;
        let client = aws_sdk_autoscaling::Client::new(self.aws);
        let call = client.describe_policies().auto_scaling_group_name(group).send().await;
        let operation = format!("read the scaling policies of {group}");
        let answer = call
            .map_err(|error| text(CallError::from_sdk(operation, "autoscaling:DescribePolicies")(error)))?;
        let tracking = answer.scaling_policies().iter();
        let tracking = tracking.filter(|policy| policy.policy_type() == Some("TargetTrackingScaling"));
        let alarms: Vec<usize> = tracking.map(|policy| policy.alarms().len()).collect();
        if alarms.is_empty() {
            return Err(format!("{group} has no target tracking policy"));
        }
        let holds = alarms.iter().all(|&count| count > 0);
        Ok((verdict(holds), format!("{} policies with {alarms:?} alarms", alarms.len())))
    }

    pub(super) async fn simulator(&self) -> Result<Answer, String> {
        let deployment = &self.outputs.deployment;
        let account: AccountId = deployment.account_id.clone();
        let caller = whoami(self.aws, &account).await.map_err(text)?;
        let (source, partition) = principal(&caller.arn);
        let arn = |kind: &str| {
            let (region, account, name) = (&deployment.region, &deployment.account_id, &deployment.name);
            format!("arn:{partition}:rds:{region}:{account}:{kind}:{name}")
        };
        let client = aws_sdk_iam::Client::new(self.aws);
        let call = client.simulate_principal_policy().policy_source_arn(&source);
        let call = call.action_names("rds:CreateDBInstance");
        let call = ["db", "subgrp", "pg", "og"].iter().fold(call, |call, kind| call.resource_arns(arn(kind)));
        let operation = format!("simulate the permissions of {source}");
        let answer = call.send().await;
        let answer = answer
            .map_err(|error| text(CallError::from_sdk(operation, "iam:SimulatePrincipalPolicy")(error)))?;
        let mut decisions = Vec::new();
        for result in answer.evaluation_results() {
            let parts = result.resource_specific_results();
            if parts.is_empty() {
                let resource = result.eval_resource_name().unwrap_or("*");
                decisions.push((resource.to_owned(), result.eval_decision().clone()));
            }
            decisions.extend(
                parts.iter().map(|part| {
                    (part.eval_resource_name().to_owned(), part.eval_resource_decision().clone())
                }),
            );
        }
        if decisions.is_empty() {
            return Err("IAM answered without a decision".to_owned());
        }
        let holds = decisions.iter().all(|(_, decision)| *decision == PolicyEvaluationDecisionType::Allowed);
        let evidence =
            decisions.iter().map(|(resource, decision)| format!("{resource}: {}", decision.as_str()));
        Ok((verdict(holds), evidence.collect::<Vec<_>>().join("; ")))
    }
}
