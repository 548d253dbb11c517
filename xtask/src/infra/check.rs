//! `cargo xtask infra check`: everything that can be known about the infrastructure without applying it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::aws::LocalAws;
use super::deployment::{Deployment, Settings};
use super::passed::{Fingerprint, Passed};
use super::terraform::Terraform;
use super::{readme, terraform, tree};
use crate::console::{Console, Style};
use crate::error::Error;
use crate::runner::{Cmd, Runner};
use crate::steps::{Outcome, Step};
use crate::tools;
use crate::workspace::Workspace;

/// How long a module's tests may take; they take seconds.
const TESTS_WITHIN: Duration = Duration::from_secs(300);
/// A zone that is not looked at before an apply.
const SOME_ZONE: &str = "Z0123456789ABCDEFGHIJ";

/// The steps of `cargo xtask infra check`, quick ones first.
pub(crate) fn steps<'a>(workspace: &'a Workspace, console: Console, runner: Runner) -> Vec<Step<'a>> {
    vec![
        Step::new("terraform format", move || format(workspace, runner)),
        Step::new("terraform modules", move || modules(workspace, console, runner)),
        Step::new("programs", move || {
            runner.run(&programs(workspace))?;
            Ok(Outcome::Passed)
        }),
        Step::new("plan rules", move || plan_rules(workspace, runner)),
        Step::new("checkov", move || checkov(workspace, console, runner)),
    ]
}

fn format(workspace: &Workspace, runner: Runner) -> Result<Outcome, Error> {
    let terraform = Terraform::find(workspace, runner)?;
    let fmt = terraform
        .cmd(&workspace.root, ["fmt", "-check", "-diff", "-recursive", "-no-color", "terraform"])
        .hint("run `terraform fmt -recursive terraform`");
    runner.run(&fmt)?;
    Ok(Outcome::Passed)
}

/// Each module and stack: its README's example, and Terraform's own init, validate and test.
fn modules(workspace: &Workspace, console: Console, runner: Runner) -> Result<Outcome, Error> {
    let terraform = Terraform::find(workspace, runner)?;
    let tools = format!("{} {}", terraform::find_terraform(workspace, runner)?, terraform::find_provider()?);
    let (passed, copy) = (Passed::open(tools, workspace)?, tree::copy("check", workspace)?);
    let tree = &copy.path;
    let (modules, stacks) = (tree::folders(&tree.join("modules"))?, tree::folders(&tree.join("stacks"))?);
    for module in &modules {
        readme::check(module)?;
    }
    let mut changed = VecDeque::new();
    for root in stacks.into_iter().chain(modules) {
        let now = passed.fingerprint(&root, tree)?;
        match now.passed() {
            Some(tests) => {
                console.line(&format!("  {}: unchanged since its {tests} tests passed", name(&root, tree)));
            }
            None => changed.push_back((root, now)),
        }
    }
    let test = |(root, now): (PathBuf, Fingerprint)| -> Result<(), Error> {
        let started = Instant::now();
        let tests = test_root(&terraform, &name(&root, tree), &root, runner)?;
        let seconds = started.elapsed().as_secs_f64();
        console.line(&format!("  {}: valid, {tests} tests passed ({seconds:.1} s)", name(&root, tree)));
        now.remember(tests)
    };
    // The first alone, for it fills the provider's cache, which Terraform does not lock.
    if let Some(first) = changed.pop_front() {
        test(first)?;
    }
    let (waiting, failures) = (Mutex::new(changed), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(next) = next else { return };
                    if let Err(error) = test(next) {
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(error);
                    }
                }
            });
        }
    });
    let mut failures: Vec<Error> = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    let Some(last) = failures.pop() else { return Ok(Outcome::Passed) };
    // All of them: they are independent, and a person mends them together.
    for error in failures {
        console.line(&console.paint(Style::Bad, &error.report()));
    }
    Err(last)
}

fn name(root: &Path, tree: &Path) -> String {
    root.strip_prefix(tree).unwrap_or(root).display().to_string()
}

/// One root module: initialised, validated and tested; how many tests passed.
fn test_root(terraform: &Terraform, name: &str, root: &Path, runner: Runner) -> Result<u32, Error> {
    runner.ask_within(&terraform.init(root).args(["-backend=false"]), TESTS_WITHIN)?;
    let validate = terraform.cmd(root, ["validate", "-no-color"]);
    runner.ask_within(&validate.hint(format!("terraform/{name} is not valid")), TESTS_WITHIN)?;
    let test = terraform.cmd(root, ["test", "-no-color"]).hint(format!(
        "its whole output stands above; to try it alone: terraform -chdir=terraform/{name} test"
    ));
    let printed = runner.ask_within(&test, TESTS_WITHIN).inspect_err(|_| {
        // Once more, with all that it prints: the end of it alone seldom tells what failed.
        drop(runner.run(&test));
    })?;
    passed(&printed).filter(|passed| *passed > 0).ok_or_else(|| Error::Found {
        found: format!("terraform/{name} has no tests"),
        mend: "add tests/*.tftest.hcl".to_owned(),
    })
}

/// The number in "Success! 3 passed, 0 failed.".
fn passed(printed: &str) -> Option<u32> {
    let (_, rest) = printed.rsplit_once("Success! ")?;
    rest.split_once(" passed")?.0.parse().ok()
}

/// Plans the whole deployment against an empty AWS API and has the rules judge it.
fn plan_rules(workspace: &Workspace, runner: Runner) -> Result<Outcome, Error> {
    let aws = LocalAws::start(workspace)?;
    let deployment = Deployment::new("plan", aws.url(), workspace, runner)?;
    // The plan only wants its checksum; the real one is built where it is applied.
    let package = deployment.stack("mysql").join("stand-in-for-the-package.zip");
    tree::write(&package, "PK\u{5}\u{6}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")?;
    deployment.configure(&Settings {
        package: &package,
        disposable: false,
        zone_id: SOME_ZONE,
        boundary: None,
    })?;
    deployment.init(None)?;
    deployment.plan("check", &[])?;
    Ok(Outcome::Passed)
}

/// Builds the programs that a plan needs, as `cargo xtask test` builds them: for other packages or
/// targets, cargo would compile their dependencies again.
pub(crate) fn programs(workspace: &Workspace) -> Cmd {
    workspace
        .cargo(["build", "--locked", "--workspace", "--all-targets"])
        .hint("the compiler's message above says what to mend")
}

/// No failed check, and no file that checkov could not read: it takes those for clean.
fn checkov(workspace: &Workspace, console: Console, runner: Runner) -> Result<Outcome, Error> {
    let report = workspace.target.join("infra/checkov.json");
    let scan =
        ["--directory", "terraform", "--framework", "terraform", "--skip-download", "--quiet", "--compact"];
    let check = tools::checkov(workspace, console, runner)?
        .without(&["CKV_", "BC_", "CHECKOV_", "PRISMA_"])
        .args(scan)
        .args(["-o", "cli", "-o", "json", "--output-file-path", &format!("console,{}", report.display())])
        .hint("mend what checkov names, or skip it beside the resource: #checkov:skip=<id>:<reason>");
    runner.run(&check)?;
    let summary = summary(&tree::read(&report)?).ok_or_else(|| Error::Answer {
        command: check.shown(),
        what: "no summary in its report".to_owned(),
    })?;
    if summary.parsing_errors > 0 || summary.passed == 0 {
        return Err(Error::Found {
            found: format!(
                "checkov could not read {} files and passed {} checks",
                summary.parsing_errors, summary.passed
            ),
            mend: "LOG_LEVEL=WARNING shows which; write what it cannot parse in another way".to_owned(),
        });
    }
    console.line(&format!("{} checks passed, {} skipped with a reason", summary.passed, summary.skipped));
    Ok(Outcome::Passed)
}

/// Of a checkov report: how many checks passed and were skipped, and how many files it could not read.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    passed: u64,
    skipped: u64,
    parsing_errors: u64,
}

fn summary(report: &str) -> Option<Summary> {
    let report: Value = serde_json::from_str(report).ok()?;
    let summary = &report["summary"];
    Some(Summary {
        passed: summary["passed"].as_u64()?,
        skipped: summary["skipped"].as_u64()?,
        parsing_errors: summary["parsing_errors"].as_u64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_tests_is_read_from_what_terraform_prints() {
        assert_eq!(passed("  run \"x\"... pass\n\nSuccess! 12 passed, 0 failed.\n"), Some(12));
        assert_eq!(passed("Success! 0 passed, 0 failed.\n"), Some(0));
        assert_eq!(passed("Failure! 1 passed, 2 failed."), None);
    }

    #[test]
    fn files_that_checkov_cannot_read_are_counted() {
        let report = r#"{"summary": {"passed": 3, "failed": 0, "skipped": 1, "parsing_errors": 2}}"#;
        assert_eq!(summary(report), Some(Summary { passed: 3, skipped: 1, parsing_errors: 2 }));
        assert_eq!(summary("{}"), None);
    }
}
