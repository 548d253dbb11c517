//! The steps of `cargo xtask test`: installs the tools, then runs lint, build, Terraform's checks, the tests and the demo
//! on each engine; `--only crates` runs a part; `--only soak`, `--only clients` and `--only tunnel` the long runs.

use clap::ValueEnum;
use serde_json::Value;

use crate::engines;
use rds_iam_checks::infra;
use rds_iam_checks::lint;
use rds_iam_process::console::Console;
use rds_iam_process::engine::{ENGINE_VARIABLE, Engine};
use rds_iam_process::error::Error;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::steps::{Outcome, Step};
use rds_iam_process::tools;
use rds_iam_process::workspace::{SERVER_LIBRARIES, Workspace};

/// A part of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// Format, clippy, docs and tests of the crates: without Terraform, a registry or scanners
    Crates,
    /// The long runs, ten times as long as among all tests: pools under load and faults, generated input
    Soak,
    /// The same of clients: twelve drivers, the database's end under load and generated input, at gateway and RDS Proxy
    Clients,
    /// The same of the tunnel: 1 GiB each way with each fault, a minute of fifty connections, and generated input
    Tunnel,
}

/// The test targets that need a registry, a container engine, Terraform, or Java and Node.js, and are left out of runs of
/// the crates alone.
const NOT_OF_CRATES: [&str; 3] = ["account", "clients", "pipeline"];
/// The modules of unit tests that need a registry.
const MODULES_NOT_OF_CRATES: [&str; 1] = ["image::tests::"];

/// Returns the steps of `cargo xtask test`; `engine` has been chosen (it is not `Auto`).
pub(crate) fn steps<'a>(
    engine: Engine,
    workspace: &'a Workspace,
    console: Console,
    runner: Runner,
) -> Vec<Step<'a>> {
    let mut steps = vec![Step::new("tools", move || {
        tools::install_for_tests(workspace, console, runner).map(|()| Outcome::Passed)
    })];
    steps.extend(lint::steps(workspace, console, runner));
    let mut own = own_steps(engine, workspace, console, runner);
    let tests = own.split_off(2);
    steps.extend(own);
    steps.extend(infra::check_steps(workspace, console, runner));
    steps.extend(tests);
    steps
}

/// Returns the steps of `cargo xtask test --only crates`.
pub(crate) fn crates_steps(
    engine: Engine,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Vec<Step<'_>> {
    let mut steps = lint::rust_steps(workspace, runner);
    steps.extend([
        Step::new("build", move || build(workspace, runner)),
        Step::new("servers", move || {
            runner.run(&prepare(engine, workspace, false))?;
            Ok(Outcome::Passed)
        }),
        Step::new("tests", move || {
            let targets = test_targets(workspace, runner)?;
            runner.run(&tested(crates_tests(&targets, workspace), engine, workspace))?;
            Ok(Outcome::Passed)
        }),
        Step::new("engines", move || {
            let targets = test_targets(workspace, runner)?;
            let build = listed(crates_targets(&targets, workspace), engine, workspace);
            engines::check(&build, workspace, console, runner)
        }),
        doc_tests(engine, workspace, runner),
    ]);
    steps
}

/// The amounts of work of long runs: ten times the defaults of all tests, and 128 times the tunnel's 8 MiB.
const AMOUNTS: [(&str, &str); 4] = [
    ("RDS_IAM_SOAK", "10"),
    ("RDS_IAM_CLIENTS", "20"),
    ("RDS_IAM_TUNNEL", "128"),
    ("PROPTEST_CASES", "2560"),
];
/// The modules of unit tests with property tests.
const SOAK_MODULES: [&str; 3] = ["dsn::tests::", "config::tests::hostile::", "config::duration::"];
/// The integration tests with clients of both engines, of the gateway, and of the emulated RDS Proxy. `drivers` runs the
/// gateway's fuzz targets on generated input, as often as `PROPTEST_CASES` says.
const CLIENT_TESTS: [&str; 5] = ["clients", "connect", "drivers", "gateway", "proxy"];
/// The integration tests of the tunnel with large transfers, many connections and the fuzz targets.
const TUNNEL_TESTS: [&str; 3] = ["transfers", "leaks", "tunnel_drivers"];

/// Returns the steps of `cargo xtask test --only soak`.
pub(crate) fn soak_steps(engine: Engine, workspace: &Workspace, runner: Runner) -> Vec<Step<'_>> {
    long_steps(soak_tests(workspace), engine, workspace, runner)
}

/// Returns the steps of `cargo xtask test --only clients`.
pub(crate) fn clients_steps(engine: Engine, workspace: &Workspace, runner: Runner) -> Vec<Step<'_>> {
    long_steps([("clients", clients_tests(workspace))], engine, workspace, runner)
}

/// Returns the steps of `cargo xtask test --only tunnel`, which needs no database.
pub(crate) fn tunnel_steps(engine: Engine, workspace: &Workspace, runner: Runner) -> Vec<Step<'_>> {
    vec![Step::new("tunnel", move || run_long(tunnel_tests(workspace), engine, workspace, runner))]
}

fn long_steps<'a>(
    runs: impl IntoIterator<Item = (&'static str, Cmd)>,
    engine: Engine,
    workspace: &'a Workspace,
    runner: Runner,
) -> Vec<Step<'a>> {
    let mut steps = vec![
        Step::new("build", move || build(workspace, runner)),
        Step::new("servers", move || {
            runner.run(&prepare(engine, workspace, false))?;
            Ok(Outcome::Passed)
        }),
    ];
    steps.extend(
        runs.into_iter()
            .map(|(name, tests)| Step::new(name, move || run_long(tests, engine, workspace, runner))),
    );
    steps
}

fn run_long(tests: Cmd, engine: Engine, workspace: &Workspace, runner: Runner) -> Result<Outcome, Error> {
    let is_set = |name: &str| std::env::var_os(name).is_some();
    runner.run(&long(tests, engine, workspace, is_set))?;
    Ok(Outcome::Passed)
}

/// Returns the long runs: cargo's commands, and the names of their steps.
fn soak_tests(workspace: &Workspace) -> [(&'static str, Cmd); 2] {
    let tests = || workspace.cargo(LONG);
    [
        ("soak", tests().args(["--test", "properties", "--test", "soak", "--", "--nocapture"])),
        ("generated input", tests().args(["--lib", "--"]).args(SOAK_MODULES)),
    ]
}

fn clients_tests(workspace: &Workspace) -> Cmd {
    workspace.cargo(LONG).args(CLIENT_TESTS.iter().flat_map(|name| ["--test", name]))
}

/// Returns a release build's tests: they measure, too.
fn tunnel_tests(workspace: &Workspace) -> Cmd {
    workspace
        .cargo(["test", "--release", "--locked", "--no-fail-fast"])
        .args(["--package", "rds-iam-emulator-ssm", "--package", "rds-iam-tunnel-fuzz"])
        .args(TUNNEL_TESTS.iter().flat_map(|name| ["--test", name]))
        .args(["--", "--nocapture"])
}

const LONG: [&str; 4] = ["test", "--workspace", "--locked", "--no-fail-fast"];

/// Returns `tests` with the amounts of work that the caller's environment does not set.
fn long(tests: Cmd, engine: Engine, workspace: &Workspace, is_set: impl Fn(&str) -> bool) -> Cmd {
    let amounts = AMOUNTS.into_iter().filter(|(name, _)| !is_set(name));
    amounts.fold(tested(tests, engine, workspace), |tests, (name, amount)| tests.env(name, amount))
}

/// Returns the note about the tests that [`crates_steps`] leaves out.
pub(crate) fn left_out_of_crates() -> String {
    format!(
        "Left out: workflows, Dockerfiles, dependencies' licences, Terraform, the demo, the test targets {}, and the \
         unit tests in {} of rds-iam. `cargo xtask test` runs them all.",
        NOT_OF_CRATES.join(", "),
        MODULES_NOT_OF_CRATES.map(|module| module.trim_end_matches("::")).join(", ")
    )
}

/// Returns the names of the workspace's integration tests.
fn test_targets(workspace: &Workspace, runner: Runner) -> Result<Vec<String>, Error> {
    let ask = workspace.cargo(["metadata", "--no-deps", "--offline", "--format-version=1"]);
    let metadata: Value = serde_json::from_str(&runner.ask(&ask)?).map_err(Error::answer(&ask))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let mut names: Vec<String> = targets
        .filter(|target| target["kind"].as_array().is_some_and(|kinds| kinds.contains(&"test".into())))
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn crates_tests(targets: &[String], workspace: &Workspace) -> Cmd {
    crates_targets(targets, workspace)
        .args(["--"])
        .args(MODULES_NOT_OF_CRATES.iter().flat_map(|module| ["--skip", module]))
}

/// Returns one command for the whole workspace, so that packages have the same features as in the build
/// before.
fn crates_targets(targets: &[String], workspace: &Workspace) -> Cmd {
    let targets = targets.iter().filter(|target| !NOT_OF_CRATES.contains(&target.as_str()));
    workspace
        .cargo([
            "test",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--examples",
            "--benches",
        ])
        .args(targets.flat_map(|target| ["--test".to_owned(), target.clone()]))
}

/// Returns the steps of the tests themselves: build, servers, tests, the engines' counts, doc tests, the demo on each
/// database server.
pub(crate) fn own_steps<'a>(
    engine: Engine,
    workspace: &'a Workspace,
    console: Console,
    runner: Runner,
) -> Vec<Step<'a>> {
    const TESTS: [&str; 5] = ["test", "--workspace", "--locked", "--all-targets", "--no-fail-fast"];
    vec![
        Step::new("build", move || build(workspace, runner)),
        Step::new("servers", move || {
            runner.run(&prepare(engine, workspace, true))?;
            Ok(Outcome::Passed)
        }),
        Step::new("tests", move || {
            runner.run(&tested(workspace.cargo(TESTS), engine, workspace))?;
            Ok(Outcome::Passed)
        }),
        Step::new("engines", move || {
            engines::check(&listed(workspace.cargo(TESTS), engine, workspace), workspace, console, runner)
        }),
        doc_tests(engine, workspace, runner),
        demo_step("demo: mysql", "mysql", engine, workspace, runner),
        demo_step("demo: postgres", "postgres", engine, workspace, runner),
    ]
}

fn demo_step<'a>(
    name: &'static str,
    database: &'static str,
    engine: Engine,
    workspace: &'a Workspace,
    runner: Runner,
) -> Step<'a> {
    Step::new(name, move || {
        runner.run(&demo(database, engine, workspace))?;
        Ok(Outcome::Passed)
    })
}

fn doc_tests(engine: Engine, workspace: &Workspace, runner: Runner) -> Step<'_> {
    Step::new("doc tests", move || {
        let tests = ["test", "--workspace", "--locked", "--doc", "--no-fail-fast"];
        runner.run(&tested(workspace.cargo(tests), engine, workspace))?;
        Ok(Outcome::Passed)
    })
}

/// Builds the inputs of all later steps at once. Building packages one by one would compile their
/// dependencies once for every set of features.
///
/// The libraries that the database servers load are included.
fn build(workspace: &Workspace, runner: Runner) -> Result<Outcome, Error> {
    runner.run(&workspace.cargo(["build", "--workspace", "--locked", "--all-targets"]))?;
    for library in SERVER_LIBRARIES {
        let file = workspace.server_library(library);
        if !file.is_file() {
            return Err(Error::Found {
                found: format!("the build left no {}", file.display()),
                help: format!("{} must be a cdylib whose file is {}", library.package, library.file),
            });
        }
    }
    Ok(Outcome::Passed)
}

/// Downloads and builds the servers of both engines, which takes minutes the first time, with visible progress; inside
/// the tests it would look like a test that hangs.
fn prepare(engine: Engine, workspace: &Workspace, registry: bool) -> Cmd {
    demo_program(workspace, engine)
        .args(["prepare"])
        .args(registry.then_some("--registry"))
        .hint("`cargo xtask doctor` lists what is missing on this machine")
}

/// Returns the command of the demo on a database server, including the checks of its claims.
fn demo(database: &str, engine: Engine, workspace: &Workspace) -> Cmd {
    let binaries = workspace.target.join("debug").display().to_string();
    demo_program(workspace, engine)
        .args(["--bin-dir", &binaries, "--database", database, "--once"])
        .hint("a claim in the table above does not hold, or the platform did not start")
}

fn demo_program(workspace: &Workspace, engine: Engine) -> Cmd {
    let demo = workspace.target.join("debug/rds-iam-demo").display().to_string();
    let demo = Cmd::new(demo, &workspace.root, "the build before this step makes it");
    workspace.with_server_libraries(demo.args(["--runtime", engine.as_str()]))
}

/// Returns a command of tests as one that builds them, if they are not built, and lists their programs.
fn listed(tests: Cmd, engine: Engine, workspace: &Workspace) -> Cmd {
    tested(tests.args(["--no-run", "--message-format=json"]), engine, workspace)
}

/// Returns `cmd` with the variables that tests read.
fn tested(cmd: Cmd, engine: Engine, workspace: &Workspace) -> Cmd {
    workspace
        .with_server_libraries(cmd)
        .env(ENGINE_VARIABLE, engine.as_str())
        .hint("the compiler's message is above")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rds_iam_process::steps;

    #[test]
    fn tests_get_the_engine_and_the_servers_libraries() {
        let workspace = Workspace { root: "/r".into(), target: "/t".into(), cache: "/c".into() };
        insta::assert_snapshot!(
            tested(workspace.cargo(["test"]), Engine::Docker, &workspace).shown(),
            @"RDS_IAM_MYSQL_PLUGIN=/t/debug/libAWSAuthenticationPlugin.so RDS_IAM_POSTGRES_PAM=/t/debug/libpam.so RDS_IAM_EMULATOR_ENGINE=docker cargo test"
        );
        insta::assert_snapshot!(
            prepare(Engine::Process, &workspace, true).shown(),
            @"RDS_IAM_MYSQL_PLUGIN=/t/debug/libAWSAuthenticationPlugin.so RDS_IAM_POSTGRES_PAM=/t/debug/libpam.so /t/debug/rds-iam-demo --runtime process prepare --registry"
        );
        insta::assert_snapshot!(
            demo("mysql", Engine::Docker, &workspace).shown(),
            @"RDS_IAM_MYSQL_PLUGIN=/t/debug/libAWSAuthenticationPlugin.so RDS_IAM_POSTGRES_PAM=/t/debug/libpam.so /t/debug/rds-iam-demo --runtime docker --bin-dir /t/debug --database mysql --once"
        );
        insta::assert_snapshot!(
            demo("postgres", Engine::Process, &workspace).shown(),
            @"RDS_IAM_MYSQL_PLUGIN=/t/debug/libAWSAuthenticationPlugin.so RDS_IAM_POSTGRES_PAM=/t/debug/libpam.so /t/debug/rds-iam-demo --runtime process --bin-dir /t/debug --database postgres --once"
        );
    }

    /// The claims hold on both engines, and nothing is downloaded after the servers are prepared.
    #[test]
    fn the_demo_runs_on_each_engine_after_the_servers_are_prepared() {
        let workspace = Workspace { root: "/r".into(), target: "/t".into(), cache: "/c".into() };
        let console = Console::silent();
        let steps = own_steps(Engine::Docker, &workspace, console, Runner::new(console));
        assert_eq!(
            steps::names(&steps),
            "build, servers, tests, engines, doc tests, demo: mysql, demo: postgres"
        );
    }

    #[test]
    fn the_crates_alone_are_tested_without_what_needs_a_registry() {
        let workspace = Workspace { root: "/r".into(), target: "/t".into(), cache: "/c".into() };
        let targets = ["account", "aws", "clients", "pipeline", "server"].map(str::to_owned);
        insta::assert_snapshot!(
            crates_tests(&targets, &workspace).shown(),
            @"cargo test --workspace --locked --no-fail-fast --lib --bins --examples --benches --test aws --test server -- --skip image::tests::"
        );
    }

    #[test]
    fn long_runs_have_their_amount_of_work() {
        let workspace = Workspace { root: "/r".into(), target: "/t".into(), cache: "/c".into() };
        let shown = |is_set: fn(&str) -> bool| {
            soak_tests(&workspace).map(|(_, tests)| long(tests, Engine::Process, &workspace, is_set).shown())
        };
        let [soak, generated] = [
            "cargo test --workspace --locked --no-fail-fast --test properties --test soak -- --nocapture",
            "cargo test --workspace --locked --no-fail-fast --lib -- dsn::tests:: config::tests::hostile:: config::duration::",
        ];
        for (shown, expected) in shown(|_| false).iter().zip([soak, generated]) {
            assert!(
                shown.ends_with(&format!(
                    " RDS_IAM_SOAK=10 RDS_IAM_CLIENTS=20 RDS_IAM_TUNNEL=128 PROPTEST_CASES=2560 {expected}"
                )),
                "{shown}"
            );
        }
        let [soak_of_the_caller, _] = shown(|name| name == "RDS_IAM_SOAK");
        assert!(
            soak_of_the_caller.ends_with(&format!(
                "=process RDS_IAM_CLIENTS=20 RDS_IAM_TUNNEL=128 PROPTEST_CASES=2560 {soak}"
            )),
            "{soak_of_the_caller}"
        );
        insta::assert_snapshot!(
            clients_tests(&workspace).shown(),
            @"cargo test --workspace --locked --no-fail-fast --test clients --test connect --test drivers --test gateway --test proxy"
        );
        insta::assert_snapshot!(
            tunnel_tests(&workspace).shown(),
            @"cargo test --release --locked --no-fail-fast --package rds-iam-emulator-ssm --package rds-iam-tunnel-fuzz --test transfers --test leaks --test tunnel_drivers -- --nocapture"
        );
    }

    /// A module that is not there would run no test.
    #[test]
    fn modules_of_property_tests_are_there() {
        let sources = rds_iam_process::workspace::root().join("crates/sqlx/src");
        for module in SOAK_MODULES {
            let file = sources.join(module.trim_end_matches("::").replace("::", "/")).with_extension("rs");
            let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
            assert!(text.contains("proptest!"), "{file:?} has no property test");
        }
    }

    /// The targets left out by name exist under that name; otherwise nothing would be left out.
    #[test]
    fn what_is_left_out_is_there() {
        let root = rds_iam_process::workspace::root();
        let workspace = Workspace { root: root.clone(), target: "/t".into(), cache: "/c".into() };
        let targets = test_targets(&workspace, Runner::new(Console::silent())).unwrap();
        for name in
            NOT_OF_CRATES.into_iter().chain(CLIENT_TESTS).chain(TUNNEL_TESTS).chain(["properties", "soak"])
        {
            assert!(targets.iter().any(|target| target == name), "{name} is not in {targets:?}");
        }
        let uses = |file: &str, what: &str| std::fs::read_to_string(root.join(file)).unwrap().contains(what);
        assert!(uses("crates/deploy/src/image/tests/server.rs", "registry_program"));
        assert!(left_out_of_crates().contains("account, clients, pipeline"));
    }
}
