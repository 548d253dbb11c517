//! Checks that `docs/examples.md` says of each block of a Markdown page that a reader runs or copies what runs it here: a row
//! for each page and language, with tests that exist, or the reason why nothing does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::named_tests::{exists, named};
use super::{File, Finding};
use crate::pages::blocks;

/// The page with the rows.
const PAGE: &str = "docs/examples.md";

/// The first and the last cell of the header of its tables.
const HEADER: (&str, &str) = ("Page", "Test");

/// The last cell of a row whose blocks nothing runs. A reason follows.
const NONE: &str = "none: ";

/// Languages of blocks that are only shown.
const SHOWN: [&str; 2] = ["text", "diff"];

/// A row: the blocks of these languages, on the page or the pages that a `*` stands for.
struct Row<'a> {
    line: usize,
    page: &'a str,
    languages: Vec<&'a str>,
    test: &'a str,
}

/// Returns the blocks without a language or a row, and the rows without blocks or with tests that do not exist.
pub(super) fn check(files: &[File<'_>], root: &Path) -> Vec<Finding> {
    let page = files.iter().find(|file| file.path == PAGE);
    let rows = page.map(|page| rows(page.text)).unwrap_or_default();
    let mut wrong = Vec::new();
    let mut found = BTreeSet::new();
    for &file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let mut reported = BTreeSet::new();
        for block in blocks(file.text) {
            let language = block.language;
            let row =
                rows.iter().position(|row| row.languages.contains(&language) && is_of(row.page, file.path));
            if let Some(row) = row {
                found.insert((row, language));
            } else if language.is_empty() {
                let what = "a block without a language: write ```text if it is only shown";
                wrong.push(Finding::on_line(file, block.line, what));
            } else if !SHOWN.contains(&language) && reported.insert(language) {
                let what = format!("no row of {PAGE} says what runs the blocks of `{language}`");
                wrong.push(Finding::on_line(file, block.line, what));
            }
        }
    }
    let Some(&page) = page else { return wrong };
    for (at, row) in rows.iter().enumerate() {
        let unused = row.languages.iter().filter(|language| !found.contains(&(at, **language)));
        wrong.extend(unused.map(|language| {
            let what = format!("{} has no block of `{language}` that is in no row above", row.page);
            Finding::on_line(page, row.line, what)
        }));
        if row.test.strip_prefix(NONE).is_some_and(|reason| !reason.is_empty()) {
            continue;
        }
        let tests = named(row.test);
        if tests.is_empty() {
            let what = format!("no test is named: write `path/of/the/file::name`, or `{NONE}` and a reason");
            wrong.push(Finding::on_line(page, row.line, what));
        }
        for test in tests.into_iter().filter(|test| !exists(test, root) && !includes(test, root)) {
            wrong.push(Finding::on_line(page, row.line, format!("there is no test {test}")));
        }
    }
    wrong
}

/// Returns the rows of the tables with the header.
fn rows(text: &str) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut is_checked = None;
    for (line, text) in (1..).zip(text.lines()) {
        let Some(row) = text.trim().strip_prefix('|').and_then(|row| row.strip_suffix('|')) else {
            is_checked = None;
            continue;
        };
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let (first, test) = (cells[0], cells[cells.len() - 1]);
        if is_checked.is_none() {
            is_checked = Some((first, test) == HEADER);
        } else if is_checked == Some(true) && !first.starts_with("--") {
            let page = named(first).into_iter().next().unwrap_or(first);
            rows.push(Row { line, page, languages: named(cells.get(1).unwrap_or(&"")), test });
        }
    }
    rows
}

/// Returns whether a row's page is this one. A `*` is one part of a path.
fn is_of(row: &str, path: &str) -> bool {
    let Some((before, after)) = row.split_once('*') else { return row == path };
    let part = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    part.is_some_and(|part| !part.is_empty() && !part.contains('/'))
}

/// Returns whether a Rust file includes a page as its documentation, whose examples are then doc tests:
/// `path::include_str!("…")`.
fn includes(test: &str, root: &Path) -> bool {
    let Some((path, include)) = test.rsplit_once("::") else { return false };
    let text = fs::read_to_string(root.join(path)).unwrap_or_default();
    include.starts_with("include_str!(\"") && text.contains(&format!("doc = {include}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_has_a_row_and_each_row_a_block() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.rs"), "#![doc = include_str!(\"README.md\")]\nfn runs() {}\n").unwrap();
        let found = |examples: &str| {
            let readme = "```sql\n```\n```rust,no_run\n```\n```text\n```\n```\n```\n```sql\n```\n";
            let files = [
                File { path: "README.md", text: readme },
                File { path: "m/a/README.md", text: "```sh\n```\n" },
                File { path: "a.rs", text: readme },
                File { path: PAGE, text: examples },
            ];
            let found = check(&files, root.path()).into_iter();
            found.map(|Finding { place, what }| format!("{place}: {what}")).collect::<Vec<_>>().join("\n")
        };
        let good = "| Page | Blocks | Test |\n| --- | --- | --- |\n| `README.md` | `sql` | `a.rs::runs` |\n\
                    | `README.md` | `rust` | `a.rs::include_str!(\"README.md\")` |\n| `m/*/README.md` | `sh` | none: AWS |\n";
        insta::assert_snapshot!(found(good), @"README.md:7: a block without a language: write ```text if it is only shown");
        let wrong = "| Page | Blocks | Test |\n| --- | --- | --- |\n| `README.md` | `sql`, `toml` | `a.rs::stops` |\n\
                     | `m/*/*/README.md` | `sh` | none: |\n";
        insta::assert_snapshot!(found(wrong), @"
        README.md:3: no row of docs/examples.md says what runs the blocks of `rust`
        README.md:7: a block without a language: write ```text if it is only shown
        m/a/README.md:1: no row of docs/examples.md says what runs the blocks of `sh`
        docs/examples.md:3: README.md has no block of `toml` that is in no row above
        docs/examples.md:3: there is no test a.rs::stops
        docs/examples.md:4: m/*/*/README.md has no block of `sh` that is in no row above
        docs/examples.md:4: no test is named: write `path/of/the/file::name`, or `none: ` and a reason
        ");
    }
}
