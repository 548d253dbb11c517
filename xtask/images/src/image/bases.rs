//! Selects the builder and base image of a build: the official ones that the Dockerfile pins by digest, or
//! local ones made of Debian's packages if the official ones can't be pulled.

use std::fs;
use std::path::Path;

use xshell::cmd;

use super::base::{Base, Bases, Pair};
use super::docker::{client, docker};
use super::{Which, local};
use rds_iam_process::console::{Console, Style};
use rds_iam_process::error::Error;
use rds_iam_process::file::failed as file;
use rds_iam_process::runner::{self, Runner};
use rds_iam_process::tools::reach;
use rds_iam_process::workspace::Workspace;

impl Bases {
    /// Returns the official images if the engine has them or their registries answer; otherwise local ones,
    /// which is reported.
    pub fn that_can_be_had(workspace: &Workspace, console: Console, runner: Runner) -> Self {
        let text = fs::read_to_string(workspace.root.join(Which::App.dockerfile())).unwrap_or_default();
        let Some(Pair { builder, base }) = pinned(&text) else { return Self::Pinned };
        let why = [builder, base].iter().find_map(|base| {
            let (shell, client, id, image) = (workspace.shell(), client(), "{{.Id}}", base.reference());
            let inspect = docker(cmd!(shell, "{client} image inspect --format {id} {image}"));
            if runner.ask(&inspect).is_ok() {
                return None;
            }
            reach::host(&base.registry(), workspace, runner).err()
        });
        // A check that was interrupted has no result.
        let Some(why) = why.filter(|_| !runner::interrupted()) else { return Self::Pinned };
        let note = format!(
            "no official base images can be pulled ({why}): images are built on bases made of Debian's packages; \
             RDS_IAM_IMAGE_BASES=pinned insists on the official ones"
        );
        console.line(&console.paint(Style::Warning, &note));
        Self::Local
    }
}

/// Returns the names of the base images of a build.
///
/// # Errors
/// Returns an error if the Dockerfile pins none, or local ones can't be made.
pub(super) fn resolve(
    bases: Bases,
    dockerfile: &Path,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<Pair, Error> {
    match bases {
        Bases::Local => local::prepare(workspace, console, runner),
        Bases::Pinned => {
            let text = fs::read_to_string(dockerfile).map_err(file("read", dockerfile))?;
            pinned(&text).ok_or_else(|| Error::Found {
                found: format!("{} does not pin its bases", dockerfile.display()),
                help: "give ARG BUILDER and ARG BASE defaults that end with @sha256:<64 hex digits>"
                    .to_owned(),
            })
        }
    }
}

/// Returns the defaults of a Dockerfile's arguments.
fn pinned(dockerfile: &str) -> Option<Pair> {
    let default = |argument: &str| {
        let line = dockerfile.lines().find_map(|line| line.strip_prefix(argument))?;
        let (name, digest) = line.trim().split_once('@')?;
        let hex = digest.strip_prefix("sha256:")?;
        let is_digest = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then(|| Base { name: name.to_owned(), digest: digest.to_owned() })
    };
    Some(Pair { builder: default("ARG BUILDER=")?, base: default("ARG BASE=")? })
}

#[cfg(test)]
mod tests {
    use super::super::Which;
    use super::*;
    use rds_iam_process::workspace;

    fn dockerfile(which: &str) -> String {
        fs::read_to_string(workspace::root().join("docker").join(which).join("Dockerfile")).unwrap()
    }

    #[test]
    fn both_images_are_pinned_to_the_same_bases_and_built_in_the_same_stage() {
        let until_base = |text: &str| {
            let from = text.find("ARG BUILDER=").expect("arguments");
            let to = text.find("FROM ${BASE}").expect("a stage on the base");
            text[from..to].to_owned()
        };
        let (app, bootstrap) = (dockerfile("app"), dockerfile("bootstrap"));
        assert!(pinned(&app).is_some());
        assert_eq!(until_base(&app), until_base(&bootstrap));
        // The SBOM queries cargo for these together.
        for program in Which::ALL.map(Which::program) {
            assert!(app.contains(&format!("--package {program} --bin {program} ")), "{program}");
        }
    }

    /// Cargo reads the manifest of each member, also of those that are in no image.
    #[test]
    fn a_build_has_the_manifests_of_all_members() {
        let read = |file: &str| fs::read_to_string(workspace::root().join(file)).unwrap();
        let (ignored, manifest) = (read(".dockerignore"), read("Cargo.toml").parse::<toml::Table>().unwrap());
        let has = |line: &str| ignored.lines().any(|found| found == line);
        for member in manifest["workspace"]["members"].as_array().unwrap() {
            let member = member.as_str().unwrap();
            let in_excluded = |line: &str| line.starts_with("crates/") && member.starts_with(line);
            let is_included = member.starts_with("crates/") && !ignored.lines().any(in_excluded);
            assert!(is_included || has(&format!("!{member}/Cargo.toml")), "{member}");
        }
    }

    #[test]
    fn the_gateway_s_image_has_the_same_bases() {
        let (app, gateway) = (dockerfile("app"), dockerfile("gateway"));
        assert!(pinned(&gateway).is_some());
        assert_eq!(pinned(&app), pinned(&gateway));
    }

    #[test]
    fn the_builder_has_the_rust_that_the_workspace_names() {
        let toolchain = fs::read_to_string(workspace::root().join("rust-toolchain.toml")).unwrap();
        let toolchain: toml::Table = toolchain.parse().unwrap();
        let version = toolchain["toolchain"]["channel"].as_str().unwrap();
        let builder = pinned(&dockerfile("app")).unwrap().builder.name;
        assert!(builder.contains(&format!("/rust:{version}-")), "{builder}, but Rust {version}");
    }

    #[test]
    fn each_base_names_the_host_of_its_registry() {
        let Pair { builder, base } = pinned(&dockerfile("app")).unwrap();
        assert_eq!(builder.registry(), "https://docker.io/v2/");
        assert_eq!(base.registry(), "https://gcr.io/v2/");
        assert!(
            builder.reference().starts_with("docker.io/library/rust:")
                && builder.reference().contains("@sha256:")
        );
    }

    #[test]
    fn what_is_not_a_digest_pins_nothing() {
        let hex = "0".repeat(64);
        let text = |digest: &str| format!("ARG BUILDER=rust@{digest}\nARG BASE=base@sha256:{hex}\n");
        assert!(pinned(&text(&format!("sha256:{hex}"))).is_some());
        for digest in ["sha256:00", "latest", &format!("sha512:{hex}"), &format!("sha256:{}", "x".repeat(64))]
        {
            assert_eq!(pinned(&text(digest)), None);
        }
        assert_eq!(pinned("ARG BUILDER=rust:1\n"), None);
    }
}
