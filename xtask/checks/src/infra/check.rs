//! Steps of `cargo xtask infra check`, which applies nothing: Terraform's format, the validity and tests of
//! each changed module and stack, README examples, a plan of the deployment against the rules, and checkov.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use xshell::cmd;

use super::aws::LocalAws;
use super::cache::{Cache, Fingerprint};
use super::deployment::{Deployment, Settings};
use super::shared_provider::SharedProvider;
use super::target::LOCAL;
use super::terraform::Terraform;
use super::{readme, terraform};
use crate::gates;
use crate::tree;
use rds_iam_process::clock;
use rds_iam_process::console::{Console, Style};
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::steps::{Outcome, Step};
use rds_iam_process::tools;
use rds_iam_process::workspace::{CARGO_HELP, Workspace};

/// The time limit of a module's tests; they take seconds.
const TESTS_WITHIN: Duration = Duration::from_secs(300);
/// A hosted zone that is not read before an apply.
const SOME_ZONE: &str = "Z0123456789ABCDEFGHIJ";

/// Returns the steps of `cargo xtask infra check`, fast ones first.
pub fn steps<'a>(workspace: &'a Workspace, console: Console, runner: Runner) -> Vec<Step<'a>> {
    let mut steps = validate_steps(workspace, console, runner);
    steps.extend([
        Step::new("programs", move || {
            runner.run(&programs(workspace))?;
            Ok(Outcome::Passed)
        }),
        Step::new("plan rules", move || plan_rules(workspace, runner)),
        Step::new("checkov", move || checkov(workspace, console, runner)),
    ]);
    steps
}

/// Returns the steps that need only Terraform.
pub fn validate_steps<'a>(workspace: &'a Workspace, console: Console, runner: Runner) -> Vec<Step<'a>> {
    vec![
        Step::new("terraform format", move || format(workspace, runner)),
        Step::new("terraform modules", move || modules(workspace, console, runner)),
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

/// Checks each module and stack: its README's example, and Terraform's own init, validate and test.
fn modules(workspace: &Workspace, console: Console, runner: Runner) -> Result<Outcome, Error> {
    let terraform = Terraform::find(workspace, runner)?;
    let tools =
        format!("{} {}", terraform::find_terraform(workspace, runner)?, terraform::find_provider(workspace)?);
    let (cache, copy) = (Cache::open(tools, workspace)?, tree::copy("check", workspace)?);
    let tree = &copy.path;
    let (modules, stacks) = (tree::folders(&tree.join("modules"))?, tree::folders(&tree.join("stacks"))?);
    for module in &modules {
        readme::check(module)?;
    }
    let mut changed = VecDeque::new();
    for root in stacks.into_iter().chain(modules) {
        let now = cache.fingerprint(&root, tree)?;
        match now.passed() {
            Some(tests) => {
                console.line(&format!("  {}: unchanged since its {tests} tests passed", name(&root, tree)));
            }
            None => changed.push_back((root, now)),
        }
    }
    let Some((first, _)) = changed.front() else { return Ok(Outcome::Passed) };
    // Alone, since it fills the provider's cache, which Terraform does not lock.
    runner.ask_within(&terraform.init(first).args(["-backend=false"]), TESTS_WITHIN)?;
    let provider = SharedProvider::start(&terraform, first)?;
    let test = |(root, now): (PathBuf, Fingerprint)| -> Result<(), Error> {
        let started = Instant::now();
        let tests = test_root(&terraform, &provider, &name(&root, tree), &root, runner)?;
        let seconds = started.elapsed().as_secs_f64();
        console.line(&format!("  {}: valid, {tests} tests passed ({seconds:.1} s)", name(&root, tree)));
        now.remember(tests)
    };
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
    // All failures: they are independent, and an operator fixes them together.
    for error in failures {
        console.line(&console.paint(Style::Bad, &error.report()));
    }
    Err(last)
}

fn name(root: &Path, tree: &Path) -> String {
    root.strip_prefix(tree).unwrap_or(root).display().to_string()
}

/// Initialises, validates and tests one root module, and returns the number of passed tests.
fn test_root(
    terraform: &Terraform,
    provider: &SharedProvider,
    name: &str,
    root: &Path,
    runner: Runner,
) -> Result<u32, Error> {
    runner.ask_within(&terraform.init(root).args(["-backend=false"]), TESTS_WITHIN)?;
    let validate = provider.attached(terraform.cmd(root, ["validate", "-no-color"]));
    runner.ask_within(&validate.hint(format!("terraform/{name} is not valid")), TESTS_WITHIN)?;
    let test = provider
        .attached(terraform.cmd(root, ["test", "-no-color"]))
        .hint(format!("its whole output is above; to run it alone: terraform -chdir=terraform/{name} test"));
    let printed = runner.ask_within(&test, TESTS_WITHIN).inspect_err(|_| {
        // Runs again with the full output: the last lines seldom show the failure.
        drop(runner.run(&test));
    })?;
    passed(&printed).filter(|passed| *passed > 0).ok_or_else(|| Error::Found {
        found: format!("terraform/{name} has no tests"),
        help: "add tests/*.tftest.hcl".to_owned(),
    })
}

/// Returns the number in "Success! 3 passed, 0 failed.".
fn passed(printed: &str) -> Option<u32> {
    let (_, rest) = printed.rsplit_once("Success! ")?;
    rest.split_once(" passed")?.0.parse().ok()
}

/// Plans the whole deployment against an empty AWS API and checks the plan against the rules.
///
/// # Errors
/// Returns an error if a program fails, or a rule is violated.
pub fn plan_rules(workspace: &Workspace, runner: Runner) -> Result<Outcome, Error> {
    let aws = LocalAws::start(workspace, LOCAL.region)?;
    let deployment = Deployment::new("plan", &LOCAL, aws.url(), aws.credentials(), workspace, runner)?;
    // The plan only needs its checksum; the real package is built when it is applied.
    let package = deployment.stack("service").join("stand-in-for-the-package.zip");
    file::replace(&package, "PK\u{5}\u{6}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")?;
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

/// Returns the command that builds the programs for a plan, with the options of `cargo xtask test`: for other
/// packages or targets, cargo would compile their dependencies again.
pub fn programs(workspace: &Workspace) -> Cmd {
    let shell = workspace.shell();
    Cmd::from_xshell(cmd!(shell, "cargo build --locked --workspace --all-targets"), CARGO_HELP)
        .hint("the compiler's message above says what to fix")
}

/// Runs checkov, installed if missing, and judges its findings.
fn checkov(workspace: &Workspace, console: Console, runner: Runner) -> Result<Outcome, Error> {
    let checkov = tools::checkov(workspace, console, runner)?;
    gates::pass(&[gates::checkov(&checkov, workspace)], workspace, clock::date(clock::now()), console, runner)
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
}
