//! Checks that the example in a module's README is the one that its tests run.

use std::path::Path;

use crate::tree;
use rds_iam_process::error::Error;
use rds_iam_process::file;

/// Checks that the first `hcl` block of the module's README has the inputs of the test run "readme".
///
/// # Errors
/// Returns an error if one of them is missing, or they differ.
pub(crate) fn check(module: &Path) -> Result<(), Error> {
    let name = module.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let wrong = |found: &str| {
        Error::Found {
        found: format!("terraform/modules/{name}: {found}"),
        help: "README.md's first ```hcl block is a call of the module, and the run \"readme\" in tests/ has the \
               same inputs under `variables`, so that the example is known to work"
            .to_owned(),
    }
    };
    let readme = file::read(&module.join("README.md"))?;
    let example = example(&readme).ok_or_else(|| wrong("README.md has no example"))?;
    let mut tested = None;
    for file in tree::entries(&module.join("tests"))? {
        if file.to_string_lossy().ends_with(".tftest.hcl") {
            tested = tested.or(run_variables(&file::read(&file)?));
        }
    }
    let tested = tested.ok_or_else(|| wrong("no test has a run \"readme\" with variables"))?;
    if example == tested {
        return Ok(());
    }
    let first = example.iter().chain(&tested).find(|line| !(example.contains(line) && tested.contains(line)));
    Err(wrong(&format!(
        "README.md's example is not what its tests run: {}",
        first.map_or("", String::as_str)
    )))
}

/// Returns the arguments of the module call in the first `hcl` block, without `source`.
fn example(readme: &str) -> Option<Vec<String>> {
    let (_, block) = readme.split_once("```hcl\n")?;
    let (block, _) = block.split_once("```")?;
    let call = braces(&block[block.find("module ")?..])?;
    Some(
        lines(call)
            .into_iter()
            .filter(|line| !line.starts_with("source") && !line.starts_with("version"))
            .collect(),
    )
}

/// Returns the variables of the run "readme".
fn run_variables(test: &str) -> Option<Vec<String>> {
    let run = braces(&test[test.find("run \"readme\"")?..])?;
    Some(lines(braces(&run[run.find("variables")?..])?))
}

/// Returns the text between the first brace and its closing brace. Braces in strings would count; an example
/// has none.
fn braces(text: &str) -> Option<&str> {
    let start = text.find('{')? + 1;
    let mut open = 1;
    for (at, c) in text[start..].char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(&text[start..start + at]);
        }
    }
    None
}

/// Returns the lines without comments, indentation and alignment, sorted by name.
fn lines(block: &str) -> Vec<String> {
    let mut lines: Vec<String> = block
        .lines()
        .map(|line| line.split_once(" #").map_or(line, |(code, _)| code))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    lines.sort();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "# vpc\n\n```hcl\nmodule \"vpc\" {\n  source = \"../vpc\"\n\n  name = \"a\" # yours\n  cidr = \"10.0.0.0/16\"\n  map  = {\n    a = 1\n  }\n}\n```\n";

    #[test]
    fn the_example_and_the_test_are_compared_by_their_inputs() {
        let test = "run \"other\" {\n variables { name = \"b\" }\n}\nrun \"readme\" {\n  command = plan\n  variables {\n    cidr = \"10.0.0.0/16\"\n    name = \"a\"\n    map = {\n      a = 1\n    }\n  }\n}\n";
        assert_eq!(example(README), run_variables(test));
        assert_ne!(example(README), run_variables(&test.replace("a = 1", "a = 2")));
        assert_eq!(example("no example"), None);
        assert_eq!(run_variables("run \"x\" {}"), None);
    }

    #[test]
    fn a_module_without_an_example_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("vpc");
        std::fs::create_dir_all(module.join("tests")).unwrap();
        std::fs::write(module.join("README.md"), README).unwrap();
        let error = check(&module).unwrap_err();
        assert_eq!(error.to_string(), "terraform/modules/vpc: no test has a run \"readme\" with variables");
        let test = "run \"readme\" {\n variables {\n name = \"a\"\n }\n}\n";
        std::fs::write(module.join("tests/a.tftest.hcl"), test).unwrap();
        let error = check(&module).unwrap_err();
        assert!(error.to_string().contains("not what its tests run: "), "{error}");
    }
}
