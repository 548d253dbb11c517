//! Tests of the rules for the workflows in `.github`, checked on the files themselves. General rules are
//! checked by actionlint and zizmor; these are specific to this project: its roles, its stages, and their
//! limits.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::Parser as _;
use yaml_rust2::{Yaml, YamlLoader};

use crate::args::Options;
use crate::cli::{Cli, Task};
use crate::selection::Run;
use rds_iam_process::workspace;

/// The minutes between the end of a session and the limit of its last stage, for the steps before the stages.
const SPARE_MINUTES: u64 = 5;

fn read(folder: &str) -> BTreeMap<String, Yaml> {
    let mut found = BTreeMap::new();
    collect(&workspace::root().join(folder), &mut found);
    assert!(!found.is_empty(), "{folder}");
    found
}

fn collect(folder: &Path, found: &mut BTreeMap<String, Yaml>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
            continue;
        }
        let name = path.strip_prefix(workspace::root()).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        let documents = YamlLoader::load_from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        found.insert(name, documents.into_iter().next().unwrap());
    }
}

/// Returns the workflow of this file name.
fn workflow(name: &str) -> Yaml {
    read(".github/workflows").remove(&format!(".github/workflows/{name}")).unwrap()
}

struct Job {
    /// `file, job`
    name: String,
    yaml: Yaml,
}

impl Job {
    fn all() -> Vec<Self> {
        let jobs = |(file, workflow): (String, Yaml)| {
            let jobs = workflow["jobs"].as_hash().unwrap().clone();
            jobs.into_iter()
                .map(move |(name, yaml)| Self { name: format!("{file}, {}", name.as_str().unwrap()), yaml })
        };
        read(".github/workflows").into_iter().flat_map(jobs).collect()
    }

    fn steps(&self) -> &[Yaml] {
        self.yaml["steps"].as_vec().map(Vec::as_slice).unwrap_or_default()
    }

    fn has_id_token(&self) -> bool {
        self.yaml["permissions"]["id-token"].as_str() == Some("write")
    }

    fn role(&self) -> Option<&str> {
        self.steps().iter().find_map(|step| step["with"]["role-to-assume"].as_str())
    }

    fn may_change_an_account(&self) -> bool {
        self.role().is_some_and(|role| role.contains("AWS_DEPLOY_ROLE_ARN"))
    }

    fn minutes(&self) -> u64 {
        u64::try_from(self.yaml["timeout-minutes"].as_i64().unwrap()).unwrap()
    }
}

fn uses(step: &Yaml) -> &str {
    step["uses"].as_str().unwrap_or_default()
}

/// Collects every value of a key, at any depth.
fn values<'y>(yaml: &'y Yaml, key: &str, found: &mut Vec<&'y Yaml>) {
    match yaml {
        Yaml::Hash(hash) => {
            for (name, value) in hash {
                if name.as_str() == Some(key) {
                    found.push(value);
                }
                values(value, key, found);
            }
        }
        Yaml::Array(array) => array.iter().for_each(|value| values(value, key, found)),
        _ => {}
    }
}

/// Returns the command lines of xtask in a step, each as words: once with all parts that depend on an input,
/// once without.
fn xtask_commands(step: &Yaml) -> Vec<Vec<String>> {
    let run = step["run"].as_str().unwrap_or_default();
    let mut found = Vec::new();
    for line in run.lines() {
        let words = line.split_once("cargo xtask ").or_else(|| line.split_once("target/debug/xtask "));
        let Some((_, words)) = words.filter(|(before, _)| before.trim().is_empty()) else { continue };
        for with_optional in [true, false] {
            found.push(words_of(words, with_optional));
        }
    }
    found
}

/// Splits a command line into words; `${NAME:+words}` is included or not, and a variable is replaced by a
/// text.
fn words_of(line: &str, with_optional: bool) -> Vec<String> {
    let (mut text, mut rest) = (String::new(), line);
    while let Some((before, after)) = rest.split_once("${") {
        let (inner, after) = after.split_once('}').unwrap();
        text.push_str(before);
        let (_, optional) = inner.split_once(":+").unwrap();
        text.push_str(if with_optional { optional } else { "" });
        rest = after;
    }
    text.push_str(rest);
    let value = |word: &str| {
        let known = |text: &str| match text {
            "$ARCHITECTURE" => "arm64".to_owned(),
            text if text.starts_with('$') => "dev".to_owned(),
            text => text.to_owned(),
        };
        word.split('/').map(known).collect::<Vec<_>>().join("/")
    };
    let words = text.split_whitespace().map(|word| value(word.trim_matches('"')));
    std::iter::once("xtask".to_owned()).chain(words).collect()
}

/// Returns the time limit of all stages of a command line together, in minutes.
fn stage_minutes(words: &[String]) -> u64 {
    let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    match cli.task {
        Task::Deploy { infrastructure_only, options, .. } => {
            let options = if infrastructure_only { options.without_image() } else { options };
            minutes(Run::Deploy, &options)
        }
        Task::Destroy { no_snapshot, options, .. } => {
            let options = if no_snapshot { options.without("snapshot") } else { options };
            minutes(Run::Destroy, &options)
        }
        Task::Rollback { options, .. } => minutes(Run::Rollback, &options),
        Task::Promote { only, report, .. } => minutes(Run::Promote, &Options::from_only(only, report)),
        _ => 0,
    }
}

/// Returns the time limit of all stages of a run on AWS together, in minutes.
fn minutes(run: Run, options: &Options) -> u64 {
    // Prebuilt programs take no time.
    let selection = options.without("programs").selection;
    let stages = selection.select(&run.stages(false), run).unwrap();
    stages.iter().map(|stage| stage.minutes).sum()
}

#[test]
fn every_workflow_begins_without_permissions() {
    for (name, workflow) in read(".github/workflows") {
        let permissions = workflow["permissions"].as_hash();
        assert!(permissions.is_some_and(yaml_rust2::yaml::Hash::is_empty), "{name}: no `permissions: {{}}`");
    }
}

#[test]
fn every_action_is_pinned_by_its_commit() {
    for (name, file) in read(".github") {
        let mut found = Vec::new();
        values(&file, "uses", &mut found);
        for uses in found {
            let uses = uses.as_str().unwrap();
            let commit = uses.split_once('@').map_or("", |(_, commit)| commit);
            let pinned = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(pinned || uses.starts_with("./.github/"), "{name}: {uses}");
        }
    }
}

#[test]
fn jobs_with_a_deploy_role_build_nothing_and_trust_no_cache() {
    let jobs: Vec<Job> = Job::all().into_iter().filter(Job::may_change_an_account).collect();
    let names: Vec<&str> = jobs.iter().map(|job| job.name.rsplit('/').next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "deploy.yml, apply",
            "destroy.yml, destroy",
            "e2e.yml, deploy",
            "e2e.yml, destroy",
            "promote.yml, promote",
            "rollback.yml, rollback"
        ]
    );
    for job in &jobs {
        let name = &job.name;
        assert!(job.has_id_token() && !job.yaml["environment"].is_badvalue(), "{name}: no reviewers");
        assert_eq!(job.yaml["env"]["RDS_IAM_PREBUILT"].as_str(), Some("yes"), "{name}");
        let mut checked = false;
        for step in job.steps() {
            assert!(!uses(step).contains("actions/cache"), "{name}: a cache");
            // Artifacts of another job are compared with the digest in its outputs.
            assert!(
                !uses(step).contains("actions/download-artifact"),
                "{name}: an artifact without a digest"
            );
            if uses(step) == "./.github/actions/take" {
                let digest = step["with"]["sha256"].as_str().unwrap();
                assert!(
                    digest.starts_with("${{ needs.") && digest.ends_with(".outputs.sha256 }}"),
                    "{name}: {digest}"
                );
                checked = true;
            }
            let run = step["run"].as_str().unwrap_or_default();
            for builds in ["cargo", "rustc", "docker build", "pip ", "npm ", "curl"] {
                assert!(!run.contains(builds), "{name}: {run}");
            }
            assert!(checked || !run.contains("target/debug"), "{name}: {run} before anything was compared");
        }
    }
}

/// The job that builds for them has neither a role nor a cache, and its digest is an output.
#[test]
fn what_they_run_is_built_without_credentials_and_caches() {
    let build = workflow("build.yml");
    let jobs = Job::all();
    let job = jobs.iter().find(|job| job.name.ends_with("build.yml, build")).unwrap();
    let permissions = job.yaml["permissions"].as_hash().unwrap();
    assert_eq!((permissions.len(), job.yaml["permissions"]["contents"].as_str()), (1, Some("read")));
    assert!(job.steps().iter().all(|step| !uses(step).contains("actions/cache")));
    assert_eq!(
        build["on"]["workflow_call"]["outputs"]["sha256"]["value"].as_str(),
        Some("${{ jobs.build.outputs.sha256 }}")
    );
    // The job that signs runs no code of the repository.
    let attest = jobs.iter().find(|job| job.name.ends_with("build.yml, attest")).unwrap();
    assert_eq!(attest.steps().len(), 1);
    assert!(uses(&attest.steps()[0]).starts_with("actions/attest@"));
    for job in jobs.iter().filter(|job| job.has_id_token() && job.role().is_none()) {
        let runs_ours =
            job.steps().iter().any(|step| !xtask_commands(step).is_empty() || uses(step).contains("cache"));
        assert!(!runs_ours, "{}: a token for code that is built here", job.name);
    }
    let take = read(".github/actions/take").into_values().next().unwrap();
    let run = take["runs"]["steps"][1]["run"].as_str().unwrap();
    let (compared, unpacked) =
        (run.find("sha256sum --check --strict").unwrap(), run.find("tar --extract").unwrap());
    assert!(compared < unpacked, "{run}");
}

/// All code in the job that runs the tests can request its role: there is no other, and nothing is built there.
#[test]
fn integration_tests_have_a_role_of_their_own_and_are_built_without_it() {
    let jobs = Job::all();
    let job = |name: &str| jobs.iter().find(|job| job.name.ends_with(&format!("integration.yml, {name}")));
    let (build, run) = (job("build").unwrap(), job("run").unwrap());
    assert!(!build.has_id_token() && build.yaml["environment"].is_badvalue());
    assert!(run.has_id_token() && !run.yaml["environment"].is_badvalue());
    assert_eq!(run.role(), Some("${{ inputs.role || vars.AWS_INTEGRATION_ROLE_ARN }}"));
    let at = |is_it: &dyn Fn(&Yaml) -> bool| run.steps().iter().position(is_it).unwrap();
    let script = |step: &Yaml| step["run"].as_str().unwrap_or_default().to_owned();
    let compared = at(&|step| script(step).contains("sha256sum --check --strict"));
    let credentials = at(&|step| uses(step).starts_with("aws-actions/configure-aws-credentials@"));
    let connected = at(&|step| script(step).contains(" connect "));
    assert!(compared < credentials && credentials < connected);
    assert!(run.steps().iter().all(|step| !script(step).contains("cargo") && !uses(step).contains("cache")));
    let session = run.steps()[credentials]["with"]["role-duration-seconds"].as_i64().unwrap();
    let session = u64::try_from(session).unwrap() / 60;
    assert!(run.minutes() + SPARE_MINUTES <= session, "{} of {session}", run.minutes());
    // The GitHub environment that the role trusts is none of a deploy role.
    let terraform =
        fs::read_to_string(workspace::root().join("terraform/modules/github_oidc/main.tf")).unwrap();
    assert!(terraform.contains(":environment:${environment}-integration\""));
}

#[test]
fn every_command_line_is_one_of_xtask() {
    let mut count = 0;
    for job in Job::all() {
        for words in job.steps().iter().flat_map(xtask_commands) {
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{}: {error}", job.name);
            }
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn credentials_outlast_the_stages_that_need_them() {
    let role = fs::read_to_string(workspace::root().join("terraform/modules/github_oidc/main.tf")).unwrap();
    let longest = role.lines().find_map(|line| line.trim().strip_prefix("max_session_duration = ")).unwrap();
    let longest: u64 = longest.parse().unwrap();
    for job in Job::all().iter().filter(|job| job.may_change_an_account()) {
        let (mut session, mut used, mut all) = (0, 0, 0);
        for step in job.steps() {
            if let Some(seconds) = step["with"]["role-duration-seconds"].as_i64() {
                let seconds = u64::try_from(seconds).unwrap();
                assert!(seconds <= longest, "{}: {seconds} s, and AWS gives {longest}", job.name);
                (session, used) = (seconds / 60, 0);
            }
            let commands = xtask_commands(step);
            // Each command line is read in two ways, and the longer one counts.
            let minutes: u64 = commands
                .chunks(2)
                .map(|both| both.iter().map(|words| stage_minutes(words)).max().unwrap())
                .sum();
            (used, all) = (used + minutes, all + minutes);
            assert!(
                used == 0 || used + SPARE_MINUTES <= session,
                "{}: stages of {used} minutes in a session of {session}: {:?}",
                job.name,
                step["run"]
            );
        }
        assert!(all > 0 && all + SPARE_MINUTES <= job.minutes(), "{}: {all} of {}", job.name, job.minutes());
    }
}

#[test]
fn a_deployment_leaves_rds_conf_as_an_artifact() {
    let deploy = workflow("deploy.yml");
    let steps = deploy["jobs"]["apply"]["steps"].as_vec().unwrap();
    let path = |step: &Yaml| step["with"]["path"].as_str().unwrap_or_default().to_owned();
    let uploads = steps.iter().filter(|step| uses(step).starts_with("actions/upload-artifact@"));
    let conf: Vec<String> = uploads.map(path).filter(|path| path.contains("rds.conf")).collect();
    assert_eq!(conf, ["target/pipeline/${{ env.ENVIRONMENT }}/rds.conf"]);
}

#[test]
fn a_release_is_of_a_commit_on_main() {
    let release = workflow("release.yml");
    let jobs = release["jobs"].as_hash().unwrap();
    let check = &release["jobs"]["main"]["steps"];
    assert_eq!(check[0]["with"]["fetch-depth"].as_i64(), Some(0));
    assert!(
        check[1]["run"]
            .as_str()
            .unwrap()
            .contains("git merge-base --is-ancestor \"$GITHUB_SHA\" refs/remotes/origin/main")
    );
    for (name, job) in jobs {
        let mut needs = Vec::new();
        values(job, "needs", &mut needs);
        assert!(name.as_str() == Some("main") || !needs.is_empty(), "{name:?} waits for nothing");
    }
}

/// The stage `lint` checks them.
#[test]
fn advisories_are_looked_up_on_push_and_weekly() {
    let commands = |name: &str| -> Vec<String> {
        let jobs =
            Job::all().into_iter().filter(|job| job.name.starts_with(&format!(".github/workflows/{name},")));
        jobs.flat_map(|job| {
            job.steps().iter().flat_map(xtask_commands).map(|words| words.join(" ")).collect::<Vec<_>>()
        })
        .collect()
    };
    assert_eq!(workflow("ci.yml")["on"]["push"]["branches"][0].as_str(), Some("main"));
    let ci = commands("ci.yml");
    assert!(ci.iter().any(|line| line.starts_with("xtask ci --json ") && !line.contains("--skip")), "{ci:?}");
    let weekly = workflow("advisories.yml");
    let cron = weekly["on"]["schedule"][0]["cron"].as_str().unwrap();
    assert_eq!(cron.split(' ').filter(|field| *field == "*").count(), 2, "{cron}: once a week");
    assert!(commands("advisories.yml").contains(&"xtask ci --only lint".to_owned()));
}

/// `on` is a string in YAML 1.2, and a boolean in 1.1.
#[test]
fn the_parser_reads_what_github_reads() {
    let words = words_of("deploy --env \"$ENVIRONMENT\" --only apply ${X:+--infrastructure-only}", true);
    assert_eq!(words.join(" "), "xtask deploy --env dev --only apply --infrastructure-only");
    assert_eq!(
        words_of("rollback --env \"$E\" ${X:+--x \"$X\"}", false).join(" "),
        "xtask rollback --env dev"
    );
    assert!(!workflow("ci.yml")["on"]["pull_request"].is_badvalue());
}
