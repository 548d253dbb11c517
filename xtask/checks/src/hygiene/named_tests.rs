//! Tests that a page names as `path::name`: whether they exist.

use std::fs;
use std::path::Path;

/// Returns the texts between backticks.
pub(super) fn named(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Returns whether a test, `path::name`, is in the file at that path under `root`.
pub(super) fn exists(test: &str, root: &Path) -> bool {
    let Some((path, name)) = test.rsplit_once("::") else { return false };
    let Ok(text) = fs::read_to_string(root.join(path)) else { return false };
    let declared = match Path::new(path).extension().and_then(|extension| extension.to_str()) {
        // A test of both engines is generic.
        Some("rs") if text.contains(&format!("fn {name}<")) => format!("fn {name}<"),
        Some("rs") => format!("fn {name}("),
        Some("py") => format!("def {name}("),
        Some("hcl") => format!("run \"{name}\""),
        _ => name.to_owned(),
    };
    !name.is_empty() && text.contains(&declared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_found_by_its_declaration() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.rs"), "#[test]\nfn works() {} // fails()\n").unwrap();
        fs::write(root.path().join("a.py"), "def test_works():\n").unwrap();
        fs::write(root.path().join("a.tftest.hcl"), "run \"works\" {\n").unwrap();
        fs::write(root.path().join("a.md"), "| A20 |\n").unwrap();
        let page = "`a.rs::works`, `a.py::test_works` and `a.tftest.hcl::works`; `a.md::A20`";
        assert_eq!(named(page).len(), 4);
        for test in named(page) {
            assert!(exists(test, root.path()), "{test}");
        }
        for test in ["a.rs::fails", "a.rs::work", "b.rs::works", "a.rs", "a.rs::", "a.py::works"] {
            assert!(!exists(test, root.path()), "{test}");
        }
    }
}
