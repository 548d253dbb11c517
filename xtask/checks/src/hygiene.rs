//! Repository checks beyond the compiler's: no paths or hosts of one machine, lints inherited by each
//! package, no module cycles, no banned words, no library of the emulator in what is shipped, pages of audits, sources
//! and examples whose tests exist, and a warning for long files.

mod audit;
mod blocks;
mod cycles;
mod forbidden_paths;
mod named_tests;
mod shipped;
mod sources;
mod words;

use std::fs;
use std::io;

use rds_iam_process::console::{Console, Style};
use rds_iam_process::error::Error;
use rds_iam_process::runner::Runner;
use rds_iam_process::steps::Outcome;
use rds_iam_process::workspace::Workspace;

/// The length of a source file, in lines, above which a warning is reported.
const LONG_FILE_LINES: usize = 500;

/// A file to check.
#[derive(Clone, Copy, Debug)]
struct File<'a> {
    /// The path relative to the workspace's root, with `/`.
    path: &'a str,
    text: &'a str,
}

/// A violation and its location.
#[derive(Debug)]
struct Finding {
    /// The location: `path` or `path:line`.
    place: String,
    what: String,
}

impl Finding {
    fn on_line(file: File<'_>, line: usize, what: impl Into<String>) -> Self {
        Self { place: format!("{}:{line}", file.path), what: what.into() }
    }

    fn in_file(file: File<'_>, what: impl Into<String>) -> Self {
        Self { place: file.path.to_owned(), what: what.into() }
    }
}

/// Checks every file that git tracks, or would track if all were added.
///
/// # Errors
/// Returns an error with all findings, or an error if git or a file cannot be read.
pub fn run(workspace: &Workspace, console: Console, runner: Runner) -> Result<Outcome, Error> {
    let paths = tracked(workspace, runner)?;
    let mut texts = Vec::new();
    for path in &paths {
        let full = workspace.root.join(path);
        let bytes = match fs::read(&full) {
            Ok(bytes) => bytes,
            // Tracked but deleted, a link to a folder, or removed since git listed it.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => {
                continue;
            }
            Err(source) => return Err(Error::File { action: "read", path: full, source }),
        };
        texts.push((path, String::from_utf8_lossy(&bytes).into_owned()));
    }
    let files: Vec<File<'_>> = texts.iter().map(|(path, text)| File { path, text }).collect();
    let (mut wrong, mut long) = (cycles::check(&files), Vec::new());
    wrong.extend(blocks::check(&files, &workspace.root));
    for &file in &files {
        wrong.extend(check(file));
        wrong.extend(words::check(file));
        wrong.extend(shipped::check(file));
        wrong.extend(audit::check(file, &workspace.root));
        wrong.extend(sources::check(file, &workspace.root));
        long.extend(long_file(file));
    }
    console.line(&format!("{} files checked", paths.len()));
    for Finding { place, what } in &long {
        console.line(&console.paint(Style::Warning, &format!("warning: {place}: {what}")));
    }
    if !wrong.is_empty() {
        return Err(report(&wrong));
    }
    Ok(match long.len() {
        0 => Outcome::Passed,
        1 => Outcome::Warned("1 long file".to_owned()),
        count => Outcome::Warned(format!("{count} long files")),
    })
}

fn tracked(workspace: &Workspace, runner: Runner) -> Result<Vec<String>, Error> {
    let list = workspace
        .git(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .hint("the checks read what git tracks: run this in a git clone");
    let listed = runner.ask(&list)?;
    Ok(listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn report(wrong: &[Finding]) -> Error {
    let mut found = format!("the repository breaks {} of its own rules", wrong.len());
    for Finding { place, what } in wrong {
        found.push_str(&format!("\n  {place}: {what}"));
    }
    Error::Found {
        found,
        help: "each line above has a location and a rule; the reasons are in xtask/checks/src/hygiene"
            .to_owned(),
    }
}

/// Checks one file.
fn check(file: File<'_>) -> Vec<Finding> {
    let mut wrong = forbidden_paths::check(file);
    if file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml") {
        wrong.extend(workspace_lints(file));
    }
    wrong
}

/// Checks that a crate inherits the workspace's lints; otherwise none of the workspace's bans apply to it.
fn workspace_lints(file: File<'_>) -> Option<Finding> {
    let manifest: toml::Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return Some(Finding::in_file(file, format!("not a manifest: {error}"))),
    };
    let inherits = || manifest.get("lints")?.get("workspace")?.as_bool();
    (manifest.contains_key("package") && inherits() != Some(true)).then(|| {
        Finding::in_file(file, "does not inherit the workspace's lints: add [lints] workspace = true")
    })
}

fn long_file(file: File<'_>) -> Option<Finding> {
    let source =
        file.path.starts_with("crates/") && file.path.contains("/src/") && file.path.ends_with(".rs");
    let lines = file.text.lines().count();
    (source && lines > LONG_FILE_LINES)
        .then(|| Finding::in_file(file, format!("{lines} lines: more than one purpose?")))
}

/// Returns the findings of the checks on a file, one per line.
#[cfg(test)]
fn findings(path: &str, text: &str) -> String {
    let lines: Vec<String> = check(File { path, text })
        .iter()
        .map(|finding| format!("{}: {}", finding.place, finding.what))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_the_workspace_lints_is_found() {
        let package = "[package]\nname = \"x\"\n";
        insta::assert_snapshot!(
            findings("crates/x/Cargo.toml", package),
            @"crates/x/Cargo.toml: does not inherit the workspace's lints: add [lints] workspace = true"
        );
        assert!(
            findings("crates/x/Cargo.toml", &format!("{package}[lints]\nworkspace = false\n"))
                .contains("lints")
        );
        assert!(
            findings("crates/x/Cargo.toml", &format!("{package}[lints.rust]\nx = \"deny\"\n"))
                .contains("lints")
        );
        assert!(findings("crates/x/Cargo.toml", "[package\n").contains("not a manifest"));
        assert_eq!(findings("crates/x/Cargo.toml", &format!("{package}[lints]\nworkspace = true\n")), "");
        assert_eq!(findings("Cargo.toml", "[workspace]\n"), "");
    }

    #[test]
    fn a_long_file_is_a_warning() {
        let text = "//\n".repeat(LONG_FILE_LINES + 1);
        assert!(long_file(File { path: "crates/x/src/a.rs", text: &text }).is_some());
        assert!(long_file(File { path: "crates/x/tests/a.rs", text: &text }).is_none());
        assert!(long_file(File { path: "crates/x/src/a.rs", text: &text[3..] }).is_none());
    }

    #[test]
    fn all_findings_are_reported_at_once() {
        let wrong = [
            Finding { place: "a.rs:1".into(), what: "one".into() },
            Finding { place: "b.rs:2".into(), what: "two".into() },
        ];
        insta::assert_snapshot!(report(&wrong).report(), @r"
        error: the repository breaks 2 of its own rules
          a.rs:1: one
          b.rs:2: two
          help: each line above has a location and a rule; the reasons are in xtask/checks/src/hygiene
        ");
    }
}
