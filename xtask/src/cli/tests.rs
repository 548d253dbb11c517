//! The command line as a person and the pipeline see it.

use super::*;
use clap::CommandFactory;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

/// What follows a task of the pipeline's is not read here, whatever it is.
#[test]
fn a_task_of_the_pipelines_takes_any_words() {
    for words in [
        "deploy --help",
        "ci --only lint --dry-run",
        "plan -h",
        "infra package --for aws",
        "tools",
        "test -- x",
    ] {
        let cli = Cli::try_parse_from(["xtask"].into_iter().chain(words.split(' '))).unwrap();
        assert!(matches!(cli.task, Task::Pipeline(_)), "{words}");
    }
    assert_eq!(Cli::try_parse_from(["xtask", "deplyo"]).unwrap_err().exit_code(), 2);
}

#[test]
fn help_has_a_line_for_each_task() {
    insta::assert_snapshot!(Cli::command().render_help(), @"
    The tasks of this workspace

    Usage: cargo xtask <COMMAND>

    Commands:
      demo          Start the platform on this machine and prove what it claims
      ci            Run what a pull request must pass; nothing is written but build folders
      deploy        Deploy an environment: gates, plan, images, apply, users, rollout
      destroy       Destroy an environment, after its name was typed and a last snapshot taken
      promote       Move the image that runs in one environment to another, and roll it out there
      rollback      Roll the image out that served before this one
      test          Check and test everything, as CI does
      account       Stage: stand up the account on this machine: AWS API, registry, and stacks/account
                    in it
      apply         Stage: apply the plan that was judged, and no other
      bootstrap     Stage: create or mend the database users, and verify them
      checkov       Stage: check the Terraform code against checkov's security rules
      docker-build  Stage: build the images of app and bootstrap, with SBOM and provenance
      ecr-push      Stage: push both images by digest, tagged with the commit, and wait for the
                    registry's scan
      outputs       Stage: read what Terraform put out for the deployment that is there
      plan          Stage: plan the deployment, and have the rules judge the plan
      programs      Stage: build the programs that the pipeline runs, and bootstrap's Lambda package
      proxy-auth    Stage: switch the proxy to end-to-end IAM where the deployment asks for it, and read
                    that back
      rds-conf      Stage: write rds.conf, which bootstrap reads
      rollout       Stage: point the image's parameter at the digest, refresh the machines, watch their
                    health, or go back
      smoke         Stage: ask the service over HTTP whether it is ready, and whom it logs in as
      tflint        Stage: lint the Terraform code by tflint's rules and AWS's
      trivy         Stage: scan images, SBOMs and repository for HIGH and CRITICAL weaknesses, secrets
                    and misconfiguration
      validate      Stage: check Terraform's format, and each module's and stack's validity and tests
      infra         Check the infrastructure, or live its whole life on this machine
      lint          Check format, lints, documentation, dependencies and the repository's own rules
      fmt           Format the code
      bench         Measure release builds and save the results to target/bench/latest.json
      tools         List the tools that check and deploy, or install them at their pinned versions
      doctor        List everything this machine needs, present or missing, with the command that mends
                    it
      help          Print this message or the help of a task

    Options:
      -h, --help  Print help

    Examples:
      cargo xtask doctor                   what is missing on this machine
      cargo xtask demo --once              the whole platform, its claims proved, and gone again
      cargo xtask test --engine process    all tests, without Docker
      cargo xtask test --only crates       the Rust crates alone, without Terraform or a registry
      cargo xtask infra local              the deployment applied, changed and destroyed, without AWS
      cargo xtask bench -- --help          what the benchmark program can be told

    Environment:
      RDS_IAM_EMULATOR_ENGINE   auto, docker or process; as --engine
      RDS_IAM_CACHE_DIR         where tools and servers are kept [default: ~/.cache/rds-iam]
      RDS_IAM_TERRAFORM_MIRROR  a filesystem mirror to take Terraform's AWS provider from
      RDS_IAM_IMAGE_BASES       pinned or local: official base images, or ones made of Debian's packages
      RDS_IAM_ATTESTATIONS      OWNER/NAME on GitHub, whose attestation of an image a promotion asks for
      RDS_IAM_PREBUILT          set where xtask and its programs were built elsewhere: nothing is built
      RDS_IAM_CONFIRM           the environment that may be destroyed, where nobody can type its name
      RDS_IAM_OFFLINE           advisories: CI passes where they can't be fetched, and says so
      NO_COLOR                  no colours on a terminal either

    Exit status:
      0         done
      1         something failed or is missing
      2         the command line is wrong
      3         nothing was begun: something is missing
      10 to 34  the stage that stopped the pipeline; the same command with --explain lists them
      130       Ctrl-C
    ");
}
