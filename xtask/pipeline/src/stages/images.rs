//! The stages `docker-build`, which builds the images of app and bootstrap, and `trivy`, which scans the
//! images, their SBOMs and the repository.

use super::checks::{found, gate, shown};
use crate::context::Context;
use crate::need::Need;
use crate::stage::{Action, Artifact, Effect, Part, Stage};
use rds_iam_checks::gates;
use rds_iam_images::image::{self, Bases, Request, Tree, Which};
use rds_iam_process::file;
use rds_iam_process::tools::Tool;

pub(super) const DOCKER_BUILD: Stage = Stage {
    name: "docker-build",
    purpose: "Build the images of app and bootstrap, with SBOM and provenance",
    inputs: &[],
    outputs: &[Artifact::Images],
    effect: Effect::Local,
    part: Part::App,
    undo: "nothing to undo: `docker image prune`, and the images' folder below target/pipeline",
    minutes: 45,
    exit: 14,
    needs: |context| {
        let git = Need::Program("git", "apt-get install git");
        let mut needs = vec![Need::Engine, Need::BuildKit, Need::Processor, Need::Cargo, git];
        if context.bases == Bases::Local {
            needs.push(Need::Packaged("mmdebstrap"));
        }
        needs
    },
    actions: |context| {
        let forget = Action::new("forget which commit earlier images were of", move |_| {
            file::remove(&context.images_of()).map(|()| None)
        });
        let remember = Action::new("note which commit they are of", move |_| {
            file::replace(&context.images_of(), context.commit.identity()).map(|()| None)
        });
        let mut actions = vec![forget];
        for which in Which::ALL {
            let request = request(context, which);
            let commands = image::commands(&request, context.workspace)?;
            actions.push(Action::new(shown(context, &commands), move |io| {
                let built = image::build(&request, context.workspace, io.console, io.runner)?;
                let megabytes = built.size as f64 / 1e6;
                Ok(Some(format!("{} {megabytes:.1} MB", which.name())))
            }));
        }
        actions.push(remember);
        Ok(actions)
    },
};

pub(super) const TRIVY: Stage = Stage {
    name: "trivy",
    purpose: "Scan images, SBOMs and repository for HIGH and CRITICAL weaknesses, secrets and misconfiguration",
    inputs: &[Artifact::Images],
    outputs: &[Artifact::Verdict("trivy")],
    effect: Effect::Local,
    part: Part::App,
    undo: "nothing to undo: only reports are written",
    minutes: 20,
    exit: 15,
    needs: |_| vec![Need::Tool(Tool::Trivy)],
    actions: |context| {
        let (trivy, workspace) = (found(Tool::Trivy, context), context.workspace);
        let mut checks =
            vec![gates::trivy_config(&trivy, workspace), gates::trivy_repository(&trivy, workspace)];
        for which in Which::ALL {
            let (name, images) = (which.name(), context.images());
            checks.push(gates::trivy_image(name, &images.join(name), &trivy, workspace));
            checks.push(gates::trivy_sbom(
                name,
                &images.join(format!("{name}.sbom.cdx.json")),
                &trivy,
                workspace,
            ));
        }
        Ok(vec![gate(context, checks)])
    },
};

fn request(context: &Context<'_>, which: Which) -> Request {
    Request {
        which,
        bases: context.bases,
        tree: if context.commit.changes.is_some() { Tree::Working } else { Tree::Commit },
        commit: context.commit.id.clone(),
        source: context.commit.source.clone(),
        created: context.commit.time.clone(),
        // Images for AWS use no build cache that another branch may have filled.
        no_cache: context.environment.is_some() && !context.is_local(),
        out: context.images().join(which.name()),
    }
}
