//! The stage `promote`: copies an image by digest from one environment's repository to another's, without a
//! build, after checking that its commit is on main and, if configured, its attestation.

use std::time::Duration;

use serde_json::Value;
use xshell::cmd;

use super::rights::{committed, push_rights};
use crate::attestation;
use crate::context::{Context, Promotion};
use crate::environment::Environment;
use crate::gate_results;
use crate::need::Need;
use crate::permissions::permission_needs;
use crate::stage::{Action, Artifact, Effect, Io, Part, Stage};
use rds_iam_infra::Permission;
use rds_iam_process::error::Error;
use rds_iam_process::file;

/// The gates that an image must have passed.
pub(crate) const GATES_OF_IMAGES: [&str; 4] = ["validate", "tflint", "checkov", "trivy"];
/// The time limit of a query to AWS or a registry.
const SHOWN_WITHIN: Duration = Duration::from_secs(120);
/// The branch that images must be built from.
const MAIN: &str = "main";

pub(super) const PROMOTE: Stage = Stage {
    name: "promote",
    purpose: "Copy the image that runs in one environment to the other's repository, and record the promotion",
    inputs: &[Artifact::Programs, Artifact::Outputs],
    outputs: &[Artifact::Pushed, Artifact::Users, Artifact::Proxy],
    effect: Effect::Remote,
    part: Part::App,
    undo: "nothing runs it there yet; the repository's lifecycle removes old images",
    minutes: 30,
    exit: 31,
    needs: |context| {
        let mut needs = committed(context, permission_needs(context, push_rights));
        if let Some(Promotion { from, .. }) = context.promotion.as_ref().filter(|_| !context.is_local()) {
            let may = |action, resource| Need::Permission(Permission::new(action, resource));
            needs.extend([
                may("ecr:BatchGetImage", from.repository_arn()),
                may("ecr:GetDownloadUrlForLayer", from.repository_arn()),
                may("ssm:GetParameters", from.parameter_arn(&from.image_parameter())),
            ]);
        }
        needs.push(Need::Program("git", "apt-get install git"));
        // An invalid repository name is reported when the stage begins.
        if !matches!(attestation::repository(context), Ok(None)) {
            needs.push(Need::Program("gh", attestation::GH_HELP));
        }
        needs
    },
    actions: |context| {
        let mut what =
            "check that the digest is of a commit on main, passed its gates and runs where it comes from; \
                        copy it"
                .to_owned();
        if let Some(Promotion { digest, accept_skipped, reason, .. }) = &context.promotion {
            let digest = digest.as_deref().unwrap_or("whichever runs there");
            what.push_str(&format!("\n    digest: {digest}\n    reason: {reason:?}"));
            match attestation::repository(context)? {
                Some(repository) => {
                    what.push_str(&format!("\n    attestation: of {repository}, by `gh attestation verify`"));
                }
                None => what.push_str("\n    attestation: none is asked for"),
            }
            if !accept_skipped.is_empty() {
                what.push_str(&format!("\n    accepted without: {}", accept_skipped.join(", ")));
            }
        }
        Ok(vec![Action::new(what, move |io| promote(context, io))])
    },
};

fn promote(context: &Context<'_>, io: &Io) -> Result<Option<String>, Error> {
    let to = context.environment()?;
    let Some(Promotion { from, digest, accept_skipped, reason }) = &context.promotion else {
        return Err(Error::Found {
            found: "a promotion needs an environment to come from".to_owned(),
            help: "cargo xtask promote --from A --to B".to_owned(),
        });
    };
    let (shell, rds_iam) = (context.workspace.shell(), context.rds_iam());
    let manifest = context.file("promotion-manifest.json");
    let (repository, region) = (from.repository(), &from.region);
    let show =
        cmd!(shell, "{rds_iam} image show --repository {repository} --region {region} --manifest {manifest}");
    let show = match digest {
        Some(digest) => show.args(["--digest", digest]),
        None => show.args(["--parameter", &from.image_parameter()]),
    };
    let show = context.in_account(show)?;
    let shown = io.runner.capture(&show, SHOWN_WITHIN)?;
    let image: Value = serde_json::from_str(&shown).map_err(Error::answer(&show))?;
    let field = |name: &str| image[name].as_str().unwrap_or_default();
    let (digest, commit) = (field("digest"), field("commit"));
    on_main(context, commit, io)?;
    let attested = attestation::repository(context)?;
    if let Some(repository) = &attested {
        io.runner.run(&attestation::verify(repository, &manifest, commit, context))?;
    }
    let place = |name: &str, environment: &Environment| {
        let path = context.file(name);
        let place = serde_json::json!({
            "environment": environment.name,
            "repository": environment.repository(),
            "region": environment.region,
            "image_parameter": environment.image_parameter(),
        });
        file::replace(&path, format!("{place:#}\n")).map(|()| path.display().to_string())
    };
    let record = context.file("promotion.json").display().to_string();
    let (from_file, to_file) = (place("promote-from.json", from)?, place("promote-to.json", to)?);
    let (by, gates) = (gate_results::who(), GATES_OF_IMAGES.join(","));
    let copy = cmd!(
        shell,
        "{rds_iam} image promote --digest {digest} --record {record} --from {from_file} --to {to_file}
         --by {by} --reason {reason} --require {gates}"
    );
    let mut copy = context.in_account(copy)?;
    let note = match &attested {
        Some(_) => ", by a verified attestation".to_owned(),
        None if context.is_local() => String::new(),
        // Without an attestation, the documents of an image are only as trustworthy as its pushers.
        None => format!("; no attestation is verified ({} is not set)", attestation::VARIABLE),
    };
    if let Some(repository) = attested {
        copy = copy.args(["--attestation", &format!("verified by gh for {repository} and {commit}")]);
    }
    if context.is_local() {
        copy = copy.args(["--accept-local"]);
    }
    if !accept_skipped.is_empty() {
        copy = copy.args(["--accept-skipped".to_owned(), accept_skipped.join(",")]);
    }
    io.runner.run(&copy.hint("nothing was changed where the message above does not say so"))?;
    // The same record as after a push: the next image to roll out.
    let pushed = serde_json::json!({ "repository": to.repository(), "digest": digest, "tag": commit });
    file::replace(&context.file("pushed.json"), format!("{pushed:#}\n"))?;
    Ok(Some(format!(
        "{} of {}{note}",
        digest.chars().take(19).collect::<String>(),
        commit.chars().take(12).collect::<String>()
    )))
}

/// Refuses an image that was built from another branch, or from uncommitted changes.
fn on_main(context: &Context<'_>, commit: &str, io: &Io) -> Result<(), Error> {
    // A git ref, such as main itself, is not the commit that an image was built from.
    let is_id = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id {
        return Err(Error::Found {
            found: format!("the image says that it was built from {commit:?}, which is no commit's id"),
            help: "deploy from a commit, without uncommitted changes, and promote that".to_owned(),
        });
    }
    let git = |args: &[&str]| io.runner.ask(&context.workspace.git(args.iter().copied()));
    let remote = format!("refs/remotes/origin/{MAIN}");
    // A clone without that remote has its own main.
    let main =
        if git(&["rev-parse", "--verify", "--quiet", &remote]).is_ok() { remote.as_str() } else { MAIN };
    if git(&["merge-base", "--is-ancestor", commit, main]).is_ok() {
        io.console.line(&format!("{commit} is on {main}"));
        return Ok(());
    }
    Err(Error::Found {
        found: format!("the image was built from {commit}, which is not a commit on {main}"),
        help: "merge it and deploy that; or `git fetch`, where this clone is behind".to_owned(),
    })
}
