//! The provenance of an image: an in-toto statement in SLSA's format.
//! <https://slsa.dev/spec/v1.0/provenance>
//!
//! It has the inputs of the build, not its time or machine: it is the same for each build of a commit. It is
//! not signed: trusting it means trusting the registry's push permissions.

use serde_json::{Value, json};

use super::base::Pair;
use super::{Request, Tree};

/// Returns the statement about the image with a digest (`sha256:…`).
pub(super) fn statement(request: &Request, bases: &Pair, digest: &str) -> Value {
    let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
    let image = |base: &super::base::Base| json!({"uri": format!("docker://{}", base.name), "digest": {"sha256": hex(&base.digest)}});
    let mut source = json!({
        "uri": format!("git+{}", request.source),
        "digest": {"gitCommit": request.commit},
    });
    if request.tree == Tree::Working {
        source["annotations"] = json!({"modified": true});
    }
    let builder = format!("{}/blob/{}/xtask/images/src/image/mod.rs", request.source, request.commit);
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": request.which.program(), "digest": {"sha256": hex(digest)}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": format!("{}/blob/{}/docs/adr/0009-images.md", request.source, request.commit),
                "externalParameters": {
                    "dockerfile": request.which.dockerfile(),
                    "bases": request.bases,
                    "buildArgs": {"BUILDER": reference(&bases.builder), "BASE": reference(&bases.base)},
                },
                "resolvedDependencies": [source, image(&bases.builder), image(&bases.base)],
            },
            "runDetails": {"builder": {"id": builder}},
        },
    })
}

fn reference(base: &super::base::Base) -> String {
    format!("{}@{}", base.name, base.digest)
}

#[cfg(test)]
mod tests {
    use super::super::Which;
    use super::super::base::{Base, Bases};
    use super::*;

    fn statement_of(tree: Tree) -> Value {
        let request = Request {
            which: Which::App,
            bases: Bases::Local,
            tree,
            commit: "0123456789abcdef0123456789abcdef01234567".into(),
            source: "https://example.com/us/it".into(),
            created: "2026-01-02T03:04:05Z".into(),
            no_cache: false,
            out: "target/app".into(),
        };
        let base = |name: &str| Base { name: name.into(), digest: "sha256:bb".into() };
        let bases = Pair { builder: base("local/builder:1"), base: base("local/base:1") };
        statement(&request, &bases, "sha256:aa")
    }

    #[test]
    fn a_statement_names_image_commit_and_bases() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&statement_of(Tree::Commit)).unwrap(), @r#"
        {
          "_type": "https://in-toto.io/Statement/v1",
          "predicate": {
            "buildDefinition": {
              "buildType": "https://example.com/us/it/blob/0123456789abcdef0123456789abcdef01234567/docs/adr/0009-images.md",
              "externalParameters": {
                "bases": "local",
                "buildArgs": {
                  "BASE": "local/base:1@sha256:bb",
                  "BUILDER": "local/builder:1@sha256:bb"
                },
                "dockerfile": "docker/app/Dockerfile"
              },
              "resolvedDependencies": [
                {
                  "digest": {
                    "gitCommit": "0123456789abcdef0123456789abcdef01234567"
                  },
                  "uri": "git+https://example.com/us/it"
                },
                {
                  "digest": {
                    "sha256": "bb"
                  },
                  "uri": "docker://local/builder:1"
                },
                {
                  "digest": {
                    "sha256": "bb"
                  },
                  "uri": "docker://local/base:1"
                }
              ]
            },
            "runDetails": {
              "builder": {
                "id": "https://example.com/us/it/blob/0123456789abcdef0123456789abcdef01234567/xtask/images/src/image/mod.rs"
              }
            }
          },
          "predicateType": "https://slsa.dev/provenance/v1",
          "subject": [
            {
              "digest": {
                "sha256": "aa"
              },
              "name": "rds-iam-app"
            }
          ]
        }
        "#);
    }

    #[test]
    fn files_that_are_no_commits_are_told_as_such() {
        let dependencies =
            statement_of(Tree::Working)["predicate"]["buildDefinition"]["resolvedDependencies"].take();
        assert_eq!(dependencies[0]["annotations"]["modified"], true);
    }
}
