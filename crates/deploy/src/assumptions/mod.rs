//! Checks on a real deployment what this project assumes of AWS and no test without AWS can show
//! (docs/aws-assumptions.md): each assumption holds, does not hold, or stays unknown, with the evidence.

mod checks;
mod plan;
#[cfg(test)]
mod tests;

use aws_config::SdkConfig;
use serde::Serialize;
use serde_json::Value;

use rds_iam_infra::outputs::Outputs;

/// Checks every assumption on a deployment.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing else to check against, and callers build it")]
pub struct CheckAssumptions {
    /// The deployment.
    pub outputs: Outputs,
}

/// What was found about one assumption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Its id in docs/aws-assumptions.md.
    pub id: String,
    /// The assumption.
    pub assumption: String,
    /// Whether it holds.
    pub verdict: Verdict,
    /// AWS's answer, in short; of an unknown one, the reason.
    pub evidence: String,
}

/// Whether an assumption holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// It does.
    Holds,
    /// It does not.
    Fails,
    /// AWS did not say.
    Unknown,
}

/// The verdict on one assumption, with its evidence.
type Answer = (Verdict, String);

impl CheckAssumptions {
    /// Checks them, one after the other. They only read, except that bootstrap's function is invoked to compare the
    /// database's users with their declaration.
    pub async fn run(&self, aws: &SdkConfig) -> Vec<Finding> {
        let checks = checks::Checks { outputs: &self.outputs, aws };
        let finding = |id: &str, assumption: &str, answer: Result<Answer, String>| {
            let (verdict, evidence) = answer.unwrap_or_else(|reason| (Verdict::Unknown, reason));
            Finding { id: id.to_owned(), assumption: assumption.to_owned(), verdict, evidence }
        };
        vec![
            finding(
                "bootstrap-reads-the-catalog",
                "the IAM admin may read what bootstrap compares, by rights that RDS's master may grant",
                checks.bootstrap().await,
            ),
            finding(
                "proxy-end-to-end",
                "a proxy with IAM_AUTH is available and its target healthy, whatever its role may read",
                checks.proxy().await,
            ),
            finding(
                "tls-version-values",
                "tls_version of mysql8.4 allows TLSv1.2 and TLSv1.3",
                checks.tls_version().await,
            ),
            finding(
                "image-referrers",
                "ECR lists the artifacts of an image by the referrers API",
                checks.referrers().await,
            ),
            finding("image-scan", "ECR scans the image that runs, on its base", checks.image_scan().await),
            finding(
                "refresh-preferences",
                "an instance refresh with at least 100 and at most 150 percent ends well, also in a group of one",
                checks.refresh().await,
            ),
            finding(
                "scaling-alarms",
                "target tracking made its alarms by the deploy role's rights",
                checks.scaling_alarms().await,
            ),
            finding(
                "simulator-several-resources",
                "IAM's simulator allows rds:CreateDBInstance on each resource that the call names",
                checks.simulator().await,
            ),
        ]
    }
}

/// The finding about a second plan, which has to be empty: by the role `by`, from `terraform show -json`.
pub fn second_plan(by: &str, plan: &Value) -> Finding {
    let (verdict, evidence) = plan::changes(plan);
    Finding {
        id: format!("second-plan-empty-{by}"),
        assumption: format!("a second plan by the role {by} changes nothing"),
        verdict,
        evidence,
    }
}
