//! Excerpts in Markdown that name their file: what a page shows of the code has to stand there.

use std::path::Path;

use super::{File, Finding};

/// Begins the part of a fence that names the file.
const FILE: &str = ",file=";

/// Excerpts of `file` that do not stand in the file under `root` that they name.
pub(super) fn check(file: File<'_>, root: &Path) -> Vec<Finding> {
    let mut wrong = Vec::new();
    let mut lines = file.text.lines().enumerate();
    if !file.path.ends_with(".md") {
        return wrong;
    }
    while let Some((at, line)) = lines.next() {
        let Some((_, named)) = line.strip_prefix("```").and_then(|fence| fence.split_once(FILE)) else {
            continue;
        };
        let excerpt: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let text = std::fs::read_to_string(root.join(named)).unwrap_or_default();
        if !text.contains(&format!("{}\n", excerpt.join("\n"))) {
            wrong.push(Finding::at(file, at + 1, format!("this does not stand in {named} any more")));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_stands_in_the_file_that_it_names() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.rs"), "fn a() {\n    b();\n}\n").unwrap();
        let found = |page: &str| {
            let found = check(File { path: "docs/page.md", text: page }, root.path());
            found
                .into_iter()
                .map(|Finding { place, what }| format!("{place}: {what}"))
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(found("text\n```rust,file=a.rs\n    b();\n```\n```rust\nother();\n```\n"), "");
        assert_eq!(
            found("text\n```rust,file=a.rs\nc();\n```\n"),
            "docs/page.md:2: this does not stand in a.rs any more"
        );
        assert!(found("```rust,file=b.rs\nb();\n```\n").contains("b.rs"));
    }
}
