//! Checks `docs/sources.md`: each row of a table with a column `Test` names tests, and they exist.

use std::path::Path;

use super::named_tests::{exists, named};
use super::{File, Finding};

/// The page that lists what a source describes, with its equivalent here.
const PAGE: &str = "docs/sources.md";

/// The header of the column with tests, the last one of a table.
const TESTS: &str = "Test";

/// The cell of a row that no test can show. A reason follows.
const NONE: &str = "none: ";

/// Returns the rows of `file` without a test or a reason, and the tests that do not exist under `root`.
pub(super) fn check(file: File<'_>, root: &Path) -> Vec<Finding> {
    let mut wrong = Vec::new();
    if file.path != PAGE {
        return wrong;
    }
    let (mut in_table, mut checked, mut rows) = (false, false, 0);
    for (at, line) in file.text.lines().enumerate() {
        let Some(cell) = last_cell(line) else {
            in_table = false;
            continue;
        };
        if !in_table {
            (in_table, checked) = (true, cell == TESTS);
            continue;
        }
        let separates = cell.contains('-') && cell.trim_matches(['-', ':']).is_empty();
        if !checked || separates {
            continue;
        }
        rows += 1;
        if cell.strip_prefix(NONE).is_some_and(|reason| !reason.is_empty()) {
            continue;
        }
        let tests = named(cell);
        if tests.is_empty() {
            let what = format!("no test is named: write `path/of/the/file::name`, or `{NONE}` and a reason");
            wrong.push(Finding::on_line(file, at + 1, what));
        }
        for test in tests.into_iter().filter(|test| !exists(test, root)) {
            wrong.push(Finding::on_line(file, at + 1, format!("there is no test {test}")));
        }
    }
    if rows == 0 {
        wrong.push(Finding::in_file(file, format!("no table has a last column {TESTS}: nothing is checked")));
    }
    wrong
}

/// Returns the last cell of a table's row.
fn last_cell(line: &str) -> Option<&str> {
    let row = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(row.rsplit('|').next().unwrap_or(row).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_row_names_a_test_that_exists() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.rs"), "#[test]\nfn works() {}\n").unwrap();
        let found = |path: &str, page: &str| {
            let found = check(File { path, text: page }, root.path());
            let lines = found.into_iter().map(|Finding { place, what }| format!("{place}: {what}"));
            lines.collect::<Vec<_>>().join("\n")
        };
        let good = "| A | B |\n| --- | --- |\n| x | no tests here |\n\n| A | Test |\n| --- | --- |\n\
                    | x | `a.rs::works` |\n| y | none: AWS only |\n";
        assert_eq!(found(PAGE, good), "");
        let wrong = "| A | Test |\n|---|---|\n| x | `a.rs::works`, `a.rs::wrong_name` |\n| y | see above |\n| z | none: |\n| | |\n";
        insta::assert_snapshot!(found(PAGE, wrong), @r"
        docs/sources.md:3: there is no test a.rs::wrong_name
        docs/sources.md:4: no test is named: write `path/of/the/file::name`, or `none: ` and a reason
        docs/sources.md:5: no test is named: write `path/of/the/file::name`, or `none: ` and a reason
        docs/sources.md:6: no test is named: write `path/of/the/file::name`, or `none: ` and a reason
        ");
        assert_eq!(found("docs/other.md", wrong), "");
        let none = "| A | B |\n| --- | --- |\n| x | `a.rs::wrong_name` |\n";
        assert_eq!(found(PAGE, none), "docs/sources.md: no table has a last column Test: nothing is checked");
    }
}
