//! Tests of the command line.

use super::*;
use clap::CommandFactory;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

/// The arguments of a pipeline task are not parsed here.
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
fn the_demo_s_databases_have_all_their_names() {
    let database = |name: &str| match Cli::try_parse_from(["xtask", "demo", "--database", name]) {
        Ok(Cli { task: Task::Demo(demo) }) => Some(demo.database),
        _ => None,
    };
    for name in ["mysql", "postgres", "postgresql"] {
        assert_eq!(database(name).as_deref(), Some(name));
    }
    assert_eq!(database("sqlite"), None);
}

#[test]
fn the_demo_s_runtime_has_an_old_name() {
    let runtime = |option: &str, name: &str| {
        Cli::try_parse_from(["xtask", "demo", option, name]).map(|cli| match cli.task {
            Task::Demo(demo) => demo.runtime,
            other => panic!("{other:?}"),
        })
    };
    for option in ["--runtime", "--engine"] {
        for name in ["auto", "docker", "process"] {
            assert_eq!(runtime(option, name).unwrap().as_deref(), Some(name));
        }
        let error = runtime(option, "postgresql").unwrap_err().to_string();
        assert!(error.contains("\n  help: `--database postgresql` selects the engine"), "{error}");
        let error = runtime(option, "podman").unwrap_err().to_string();
        assert!(error.contains("--runtime <RUNTIME>': expected auto, docker or process"), "{error}");
    }
}
