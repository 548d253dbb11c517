//! Checks the AWS account and permissions of a run's caller with `rds-iam whoami`, before the first stage.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use xshell::cmd;

use crate::context::Context;
use crate::environment::Environment;
use crate::need::Need;
use rds_iam_infra::Permission;
use rds_iam_process::console::{Console, Style};
use rds_iam_process::error::Error;
use rds_iam_process::runner::{RunError, Runner};
use rds_iam_process::workspace;

/// The help text for a missing permission.
pub(super) const HELP: &str = "take the environment's own role (on GitHub: the variable AWS_DEPLOY_ROLE_ARN of that environment), or have an \
     administrator apply terraform/stacks/account, which gives it the right";
/// The time limit of the query, which asks IAM about each permission; the program's own limit is lower.
const ANSWERS_WITHIN: Duration = Duration::from_secs(90);
/// The time limit if the querying program has to be built.
const BUILT_WITHIN: Duration = Duration::from_secs(1200);

/// The account in the tfvars of this repository, of AWS's documentation.
const EXAMPLE_ACCOUNT: &str = "123456789012";

/// The exit status of `rds-iam` for a command line that it does not support.
const WRONG_USE: i32 = 64;

/// The answer of `rds-iam whoami`.
#[derive(Debug, Deserialize)]
struct CallerReport {
    arn: String,
    #[serde(default)]
    lacks: Vec<Permission>,
    not_asked: Option<String>,
}

/// Returns credentials and permissions as needs of a stage in an AWS account. On this machine any credentials
/// are accepted.
pub(super) fn permission_needs<'c>(
    context: &'c Context<'_>,
    rights: impl FnOnce(&'c Environment) -> Vec<Permission>,
) -> Vec<Need> {
    let Some(environment) = context.environment.as_ref().filter(|_| !context.is_local()) else {
        return Vec::new();
    };
    let rights = rights(environment).into_iter().map(Need::Permission);
    std::iter::once(Need::Credentials).chain(rights).collect()
}

/// Checks whether this machine can have credentials, without a request to AWS.
///
/// # Errors
/// Returns an error if there can be none.
pub(super) fn may_log_in() -> Result<(), Error> {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    // On Actions, one line of the workflow is missing, which AWS's SDK can't report.
    if set("GITHUB_ACTIONS") && !set("AWS_ACCESS_KEY_ID") && !set("ACTIONS_ID_TOKEN_REQUEST_URL") {
        return Err(Error::Found {
            found: "this job has no AWS credentials, and may not ask GitHub for an OIDC token".to_owned(),
            help: "give the job `permissions: id-token: write`, and the step aws-actions/configure-aws-credentials"
                .to_owned(),
        });
    }
    Ok(())
}

/// Returns the permissions among `needs` that the caller lacks, each with a message.
///
/// # Errors
/// Returns an error if there are no credentials, or they belong to another account.
pub(super) fn missing_rights<'n>(
    needs: &'n [Need],
    context: &Context<'_>,
    console: Console,
    runner: Runner,
    only_looks: bool,
) -> Result<Vec<(&'n Need, String)>, Error> {
    let environment = context.environment()?;
    if !only_looks && !workspace::is_prebuilt() {
        let note = "building rds-iam, which asks AWS about credentials and rights";
        console.line(&console.paint(Style::Quiet, note));
        let build = context.workspace.cargo(["build", "--quiet", "--locked", "--package", "rds-iam"]);
        runner.ask_within(&build, BUILT_WITHIN)?;
    } else if !asks_aws(context).is_file() {
        return Ok(Vec::new());
    }
    let rights = needs.iter().filter_map(|need| match need {
        Need::Permission(right) => Some((need, right)),
        _ => None,
    });
    let asked = rights.clone().flat_map(|(_, right)| ["--may".to_owned(), right.to_argument()]);
    // The tags that stacks/service sets on all its resources.
    let tags = [("Project", &environment.project), ("Environment", &environment.name)];
    let tags = tags.iter().flat_map(|(name, value)| ["--tag".to_owned(), format!("{name}={value}")]);
    let (shell, rds_iam) = (context.workspace.shell(), context.rds_iam());
    let (region, account) = (&environment.region, &environment.account_id);
    let ask = cmd!(shell, "{rds_iam} whoami --region {region} --account-id {account} {tags...} {asked...}");
    let ask = context.in_account(ask)?;
    let printed = match runner.ask_within(&ask, ANSWERS_WITHIN) {
        Ok(printed) => printed,
        // A dry run builds nothing, and an older program may not support these arguments.
        Err(RunError::Failed { status, .. }) if only_looks && status.code() == Some(WRONG_USE) => {
            return Ok(Vec::new());
        }
        Err(RunError::Failed { tail, .. }) => {
            let account = &environment.account_id;
            return Err(Error::Found {
                found: format!("no credentials for account {account}: {}", tail.lines().join(" ")),
                help: if account == EXAMPLE_ACCOUNT {
                    format!("that is the example's account: set account_id in {}.tfvars", environment.name)
                } else {
                    "log in to that account (AWS_PROFILE, or the role of the GitHub job)".to_owned()
                },
            });
        }
        Err(other) => return Err(other.into()),
    };
    let answer: CallerReport = serde_json::from_str(&printed).map_err(Error::answer(&ask))?;
    if let Some(reason) = answer.not_asked {
        let note = format!("what {} may do is unknown until it is tried: {reason}", answer.arn);
        console.line(&console.paint(Style::Warning, &note));
    }
    let lacking = rights.filter(|(_, right)| answer.lacks.contains(right));
    Ok(lacking.map(|(need, right)| (need, format!("{} may not {right}", answer.arn))).collect())
}

/// Returns the path of the program that queries AWS.
pub(super) fn asks_aws(context: &Context<'_>) -> PathBuf {
    context.workspace.target.join("debug/rds-iam")
}
