//! The tests that `cargo test` reports as failed, each with the command that runs it alone.

use crate::shell;

/// The maximum length of the list: all names are in the output.
const LISTED: usize = 20;

/// The failed tests in the output read so far.
#[derive(Debug, Default)]
pub(super) struct FailedTests {
    is_list: bool,
    /// The tests of the target that ran last.
    names: Vec<String>,
    commands: Vec<String>,
}

impl FailedTests {
    /// Reads the next line.
    pub(super) fn read(&mut self, line: &str) {
        if line == "failures:" {
            // The first list has the tests' output, the last one only their names.
            self.is_list = true;
            self.names.clear();
        } else if line.starts_with("test result: ") {
            self.is_list = false;
        } else if let Some(target) = failed_target(line) {
            if self.names.is_empty() {
                self.commands.push(command(target, None));
            }
            self.commands.extend(self.names.drain(..).map(|name| command(target, Some(&name))));
        } else if let (true, Some(name)) = (self.is_list, line.strip_prefix("    ")) {
            self.names.push(name.to_owned());
        }
    }

    /// Returns the help for a run of tests that failed.
    pub(super) fn help(&self) -> Option<String> {
        if self.commands.is_empty() {
            return None;
        }
        let mut help = "these tests failed; each command runs one alone".to_owned();
        for command in self.commands.iter().take(LISTED) {
            help.push_str(&format!("\n    {command}"));
        }
        if self.commands.len() > LISTED {
            help.push_str(&format!("\n    and {} more, named above", self.commands.len() - LISTED));
        }
        Some(help)
    }
}

/// Returns the options by which cargo names a target: `-p rds-iam-sqlx --lib`.
fn failed_target(line: &str) -> Option<&str> {
    let (_, target) = line.strip_prefix("error: ")?.split_once("test failed, to rerun pass `")?;
    target.strip_suffix('`')
}

/// Returns a command for the whole workspace: one package alone would be rebuilt with other features.
fn command(target: &str, name: Option<&str>) -> String {
    let mut target: Vec<&str> = target.split_whitespace().collect();
    if let Some(at) = target.iter().position(|word| *word == "-p") {
        target.drain(at..(at + 2).min(target.len()));
    }
    let filter = name.map(|name| ["--", "--exact", name]);
    let words = ["cargo", "test", "--workspace"].into_iter().chain(target);
    shell::render(std::iter::empty(), words.chain(filter.into_iter().flatten()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(output: &str) -> String {
        let mut failed = FailedTests::default();
        output.lines().for_each(|line| failed.read(line));
        failed.help().unwrap_or_default()
    }

    #[test]
    fn failed_tests_are_listed_with_the_commands_that_run_them() {
        let output = "\
running 3 tests
test tests::good ... ok
test tests::bad ... FAILED
failures:
---- tests::bad stdout ----
    left: 1
failures:
    left: 2
failures:
    tests::bad
    tests::worse
test result: FAILED. 1 passed; 2 failed; 0 ignored
error: test failed, to rerun pass `-p rds-iam-sqlx --lib`
running 1 test
    not a name
test result: ok. 1 passed; 0 failed; 0 ignored
error: test failed, to rerun pass `-p xtask --test pipeline`
failures:
    crates/token/src/lib.rs - sign (line 7)
test result: FAILED. 0 passed; 1 failed; 0 ignored
error: doctest failed, to rerun pass `-p rds-iam-token --doc`
error: 3 targets failed:
    `-p rds-iam-sqlx --lib`";
        insta::assert_snapshot!(help(output), @"
        these tests failed; each command runs one alone
            cargo test --workspace --lib -- --exact tests::bad
            cargo test --workspace --lib -- --exact tests::worse
            cargo test --workspace --test pipeline
            cargo test --workspace --doc -- --exact 'crates/token/src/lib.rs - sign (line 7)'
        ");
        assert_eq!(help("error: could not compile `xtask`"), "");
    }

    #[test]
    fn a_long_list_of_failed_tests_is_cut() {
        let names: String = (0..25).map(|number| format!("    test_{number}\n")).collect();
        let output =
            format!("failures:\n{names}test result: FAILED.\nerror: test failed, to rerun pass `--lib`");
        let help = help(&output);
        assert!(help.contains("test_19\n    and 5 more"), "{help}");
    }
}
