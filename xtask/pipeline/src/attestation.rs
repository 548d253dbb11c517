//! GitHub's attestation of an image: a signed statement that its digest was built by this repository's
//! `build.yml`, on main, from the named commit. `gh` verifies it. Unlike the documents pushed with an image,
//! it can't be forged by a caller with push permission (docs/adr/0014-promotion.md).

use std::path::Path;
use std::time::Duration;

use xshell::cmd;

use crate::context::Context;
use rds_iam_process::error::Error;
use rds_iam_process::runner::Cmd;

/// The environment variable with the repository whose attestations are verified, outside GitHub Actions.
pub(super) const VARIABLE: &str = "RDS_IAM_ATTESTATIONS";
/// The workflow that builds images, and the only accepted signer.
const SIGNER: &str = ".github/workflows/build.yml";
/// The branch that it ran on.
const MAIN: &str = "refs/heads/main";
/// The time limit of a verification: some calls of GitHub's API, and the download of its trust root.
const VERIFIED_WITHIN: Duration = Duration::from_secs(120);
pub(crate) const GH_HELP: &str = "GitHub's runners have it; https://cli.github.com";

/// Returns the repository, `OWNER/NAME`, whose attestation a promotion needs: on GitHub Actions its own,
/// elsewhere the one in `RDS_IAM_ATTESTATIONS`. `None` for this machine's account, and on a workstation
/// without the variable.
///
/// # Errors
/// Returns an error if the variable is not a repository name.
pub(super) fn repository(context: &Context<'_>) -> Result<Option<String>, Error> {
    if context.is_local() {
        return Ok(None);
    }
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (name, value) = if set("GITHUB_ACTIONS").is_some() {
        ("GITHUB_REPOSITORY", Some(set("GITHUB_REPOSITORY").unwrap_or_default()))
    } else {
        (VARIABLE, set(VARIABLE))
    };
    match value {
        Some(value) if !is_repository(&value) => Err(Error::Found {
            found: format!("{name} is {value:?}"),
            help: "it is OWNER/NAME of the repository on GitHub that builds the images".to_owned(),
        }),
        value => Ok(value),
    }
}

fn is_repository(text: &str) -> bool {
    let word = |word: &str| {
        let starts = word.starts_with(|first: char| first.is_ascii_alphanumeric() || "._".contains(first));
        starts && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    matches!(text.split('/').collect::<Vec<_>>().as_slice(), [owner, name] if word(owner) && word(name))
}

/// Returns the command that verifies the attestation for a commit of the image whose manifest is in a file.
pub(super) fn verify(repository: &str, manifest: &Path, commit: &str, context: &Context<'_>) -> Cmd {
    let (shell, workflow) = (context.workspace.shell(), format!("{repository}/{SIGNER}"));
    let verify = cmd!(
        shell,
        "gh attestation verify {manifest} --repo {repository} --signer-workflow {workflow}
         --source-ref {MAIN} --source-digest {commit}"
    );
    Cmd::from_xshell(verify, GH_HELP).within(VERIFIED_WITHIN).hint(
        "only an image that build.yml built on main is promoted: deploy that commit by the workflow. gh needs \
         GH_TOKEN with the right `attestations: read`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        for text in ["acme/orders", "a-b/c.d_e", "acme/.github"] {
            assert!(is_repository(text), "{text}");
        }
        for text in
            ["", "acme", "acme/", "/orders", "acme/orders/x", "acme/orders --repo x/y", "-x/y", "a b/c"]
        {
            assert!(!is_repository(text), "{text}");
        }
    }
}
