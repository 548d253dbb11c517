//! Whatever is switched off says why: a relaxed lint, an ignored test, an ignored example.

use super::{File, Finding};

pub(super) fn check(file: File<'_>) -> Vec<Finding> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut wrong = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let line = line.trim_start();
        let what = if line.starts_with("#[") || line.starts_with("#![") {
            without_reason(&attribute(&lines[index..]))
        } else if line.starts_with("//") {
            ignored_example(line)
        } else {
            None
        };
        wrong.extend(what.map(|what| Finding::at(file, index + 1, what)));
    }
    wrong
}

/// The attribute that begins on the first of `lines`, without white space and with its strings
/// emptied unless they are.
fn attribute(lines: &[&str]) -> String {
    let mut attribute = String::new();
    let (mut depth, mut string, mut escaped) = (0_usize, false, false);
    for c in lines.iter().flat_map(|line| line.trim().chars()) {
        if string {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    string = false;
                    attribute.push('"');
                }
                _ if attribute.ends_with('"') => attribute.push('…'),
                _ => {}
            }
            continue;
        }
        match c {
            '"' => string = true,
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if !c.is_whitespace() {
            attribute.push(c);
        }
        if c == ']' && depth == 0 {
            break;
        }
    }
    attribute
}

/// What is wrong with an attribute, if it switches something off without a reason.
fn without_reason(attribute: &str) -> Option<&'static str> {
    let body = attribute.trim_start_matches(['#', '!', '[']);
    let relaxes = |level: &str| {
        let call = format!("{level}(");
        body.starts_with(&call) || (body.starts_with("cfg_attr(") && body.contains(&format!(",{call}")))
    };
    let ignores = body.starts_with("ignore]")
        || (body.starts_with("cfg_attr(") && (body.contains(",ignore)") || body.contains(",ignore,")));
    if (relaxes("allow") || relaxes("expect")) && !body.contains("reason=\"…\"") {
        Some("a lint is relaxed without a reason: add reason = \"…\"")
    } else if ignores || body.contains("ignore=\"\"") {
        Some("a test is ignored without a reason: #[ignore = \"…\"]")
    } else {
        None
    }
}

/// What is wrong with a line of a doc comment, if it opens an example that nobody compiles.
fn ignored_example(line: &str) -> Option<&'static str> {
    let info = line.trim_start_matches(['/', '!', ' ']).strip_prefix("```")?;
    let ignored = info.split([',', ' ']).any(|word| word == "ignore" || word.starts_with("ignore-"));
    (ignored && !info.contains('('))
        .then_some("an example is ignored without a reason: write ```ignore (why), or no_run")
}

#[cfg(test)]
mod tests {
    use super::super::findings;

    fn is_found(source: &str) -> bool {
        !findings("crates/x/src/a.rs", source).is_empty()
    }

    #[test]
    fn a_relaxed_lint_needs_a_reason() {
        insta::assert_snapshot!(
            findings("crates/x/src/a.rs", "fn a() {}\n#[allow(dead_code)]\nfn b() {}\n"),
            @r#"crates/x/src/a.rs:2: a lint is relaxed without a reason: add reason = "…""#
        );
        assert!(is_found("#![allow(unsafe_code)]"));
        assert!(is_found("    #[expect(\n        unused,\n        dead_code,\n    )]"));
        assert!(is_found("#[cfg_attr(test, allow(unused))]"));
        assert!(is_found("#[allow(unused, reason = \"\")]"));
        assert!(!is_found("#[allow(unused, reason = \"FFI: [see] below\")]"));
        assert!(!is_found("#[expect(\n    unused,\n    reason = \"it \\\" is\"\n)]"));
        assert!(!is_found("#[doc = \"allow(x)\"]"));
        assert!(!is_found("let x = \"#[al\"; // not an attribute"));
    }

    #[test]
    fn an_ignored_test_needs_a_reason() {
        assert!(is_found("#[test]\n#[ignore]\nfn t() {}"));
        assert!(is_found("#[cfg_attr(windows, ignore)]"));
        assert!(is_found("#[ignore = \"\"]"));
        assert!(!is_found("#[ignore = \"needs a second machine\"]"));
        assert!(!is_found("#[arg(ignore_case = true)]"));
    }

    #[test]
    fn an_ignored_example_needs_a_reason() {
        assert!(is_found("/// ```ignore"));
        assert!(is_found("//! ```rust,ignore"));
        assert!(!is_found("/// ```ignore (needs a Lambda runtime)"));
        assert!(!is_found("/// ```no_run"));
        assert!(!is_found("// ignore this"));
    }
}
