//! Checks, on a real deployment, this project's assumptions about AWS that tests without AWS can't cover
//! (docs/aws-assumptions.md): each holds, fails or is unknown, with the evidence.

mod checks;
mod finding;
mod plan;
#[cfg(test)]
mod tests;

use aws_config::SdkConfig;
use serde_json::Value;

use rds_iam_infra::outputs::Outputs;

use finding::Answer;

pub use finding::{Finding, Verdict};

/// Checks every assumption on a deployment, in sequence. The checks only read, except that bootstrap's function is
/// invoked to compare the database's users with their declaration.
pub async fn check_assumptions(aws: &SdkConfig, outputs: &Outputs) -> Vec<Finding> {
    let checks = checks::Checks { outputs, aws };
    let finding = |id: &str, assumption: &str, answer: Result<Answer, String>| {
        let (verdict, evidence) = answer.unwrap_or_else(|reason| (Verdict::Unknown, reason));
        Finding { id: id.to_owned(), assumption: assumption.to_owned(), verdict, evidence }
    };
    vec![
        finding(
            "bootstrap-reads-the-catalog",
            "the IAM admin can read what bootstrap compares, with privileges that RDS's master user can grant",
            checks.bootstrap().await,
        ),
        finding(
            "proxy-end-to-end",
            "a proxy with IAM_AUTH is available and its target healthy, whatever its role can read",
            checks.proxy().await,
        ),
        finding(
            "tls-version-values",
            "tls_version of mysql8.4 allows TLSv1.2 and TLSv1.3",
            checks.tls_version().await,
        ),
        finding(
            "image-referrers",
            "ECR lists the artifacts of an image in the referrers API",
            checks.referrers().await,
        ),
        finding("image-scan", "ECR scans the running image, on its base", checks.image_scan().await),
        finding(
            "refresh-preferences",
            "an instance refresh with at least 100 and at most 150 percent succeeds, also in a group of one",
            checks.refresh().await,
        ),
        finding(
            "scaling-alarms",
            "target tracking created its alarms with the deploy role's permissions",
            checks.scaling_alarms().await,
        ),
        finding(
            "simulator-several-resources",
            "IAM's simulator allows rds:CreateDBInstance on each resource of the call",
            checks.simulator().await,
        ),
    ]
}

/// Returns the finding about a second plan by the role `by` (JSON of `terraform show -json`), which must be empty.
pub fn second_plan(by: &str, plan: &Value) -> Finding {
    let (verdict, evidence) = plan::changes(plan);
    Finding {
        id: format!("second-plan-empty-{by}"),
        assumption: format!("a second plan by the role {by} changes nothing"),
        verdict,
        evidence,
    }
}
