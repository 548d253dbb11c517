//! Checks `docs/audit.md`: each finding has an answer, and each test it names exists.

use std::path::Path;

use super::named_tests::{exists, named};
use super::{File, Finding};

/// The page that lists the findings of audits.
const PAGE: &str = "docs/audit.md";

/// The answers to a finding. One of these begins a line of its section.
const ANSWERS: [&str; 3] = ["- Fixed: ", "- Answered: ", "- Not done: "];
const TEST: &str = "- Test: ";

/// Returns the sections of `file` without an answer, and the tests that do not exist under `root`.
pub(super) fn check(file: File<'_>, root: &Path) -> Vec<Finding> {
    let mut wrong = Vec::new();
    if file.path != PAGE {
        return wrong;
    }
    let lines: Vec<_> = file.text.lines().collect();
    let sections: Vec<_> = (0..lines.len()).filter(|&at| lines[at].starts_with("### ")).collect();
    for (index, &start) in sections.iter().enumerate() {
        let section = &lines[start..sections.get(index + 1).copied().unwrap_or(lines.len())];
        let count = |prefixes: &[&str]| {
            section.iter().filter(|line| prefixes.iter().any(|prefix| line.starts_with(prefix))).count()
        };
        if count(&ANSWERS) != 1 {
            let what = "a finding needs exactly one line `- Fixed:`, `- Answered:` or `- Not done:`";
            wrong.push(Finding::on_line(file, start + 1, what));
        }
        if count(&ANSWERS[..1]) == 1 && count(&[TEST]) == 0 {
            wrong.push(Finding::on_line(
                file,
                start + 1,
                "a fixed finding names its test: add a line `- Test:`",
            ));
        }
    }
    for (at, line) in lines.iter().enumerate() {
        let Some(tests) = line.strip_prefix(TEST) else { continue };
        let tests = named(tests);
        if tests.is_empty() {
            wrong.push(Finding::on_line(file, at + 1, "no test is named: write `path/of/the/file::name`"));
        }
        for test in tests.into_iter().filter(|test| !exists(test, root)) {
            wrong.push(Finding::on_line(file, at + 1, format!("there is no test {test}")));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_has_an_answer_and_its_tests_exist() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.rs"), "#[test]\nfn works() {}\n").unwrap();
        std::fs::write(root.path().join("a.py"), "def test_works():\n").unwrap();
        std::fs::write(root.path().join("a.tftest.hcl"), "run \"works\" {\n").unwrap();
        let found = |path: &str, page: &str| {
            let found = check(File { path, text: page }, root.path());
            found
                .into_iter()
                .map(|Finding { place, what }| format!("{place}: {what}"))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let good = "### A · x\n- Fixed: y\n- Test: `a.rs::works`, `a.py::test_works`, `a.tftest.hcl::works`\n\
                    ### B · x\n- Answered: y\n### C · x\n- Not done: y\n";
        assert_eq!(found("docs/audit.md", good), "");
        assert_eq!(found("docs/other.md", "### A\n- Test: `b.rs::x`\n"), "");
        insta::assert_snapshot!(
            found("docs/audit.md", "### A\n- Fixed: y\n### B\n- Fixed: y\n- Test: `b.rs::works`, `a.rs::fails`, `a.rs`\n### C\n- Test: none\n"),
            @r"
        docs/audit.md:1: a fixed finding names its test: add a line `- Test:`
        docs/audit.md:6: a finding needs exactly one line `- Fixed:`, `- Answered:` or `- Not done:`
        docs/audit.md:5: there is no test b.rs::works
        docs/audit.md:5: there is no test a.rs::fails
        docs/audit.md:5: there is no test a.rs
        docs/audit.md:7: no test is named: write `path/of/the/file::name`
        "
        );
    }
}
