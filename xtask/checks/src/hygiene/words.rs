//! Checks for banned words, with their replacements. CHANGELOG and the decision records are excepted.

use super::{File, Finding};

/// Each banned form and its replacement. In two halves, so that this file passes its own check.
const BANNED: [((&str, &str), &str); 13] = [
    (("me", "nd"), "fix, help or patch"),
    (("me", "nds"), "fix, help or patch"),
    (("me", "nded"), "fix, help or patch"),
    (("me", "nding"), "fix, help or patch"),
    (("who", "ever"), "the caller"),
    (("no", "body"), "no task, no user"),
    (("some", "body"), "another user"),
    (("a", "new"), "again, or restarts"),
    (("is ", "due"), "is expected"),
    (("in ", "vain"), "timed out, or failed"),
    (("tells ", "of"), "reports"),
    (("told ", "apart"), "distinguished"),
    (("for ", "ever"), "forever"),
];

/// Returns whether the file is a historical record: the changes for users, and the decisions.
fn is_history(path: &str) -> bool {
    path == "CHANGELOG.md" || path.starts_with("docs/adr/")
}

/// Returns the banned words of one file.
pub(super) fn check(file: File<'_>) -> Vec<Finding> {
    if is_history(file.path) || file.path.ends_with(".lock") {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let line = line.to_ascii_lowercase();
        let mut add = |form: &str, instead: &str| {
            wrong.push(Finding::on_line(
                file,
                number,
                format!("\"{form}\" is not plain English: write {instead}"),
            ));
        };
        for ((first, second), instead) in BANNED {
            let form = format!("{first}{second}");
            if contains_word(&line, &form) {
                add(&form, instead);
            }
        }
        if names_a_format_by_its_owner(&line) {
            add("as … has it", "in X's format");
        }
    }
    wrong
}

/// Returns whether `form` is in `line` as a separate word or words. `_` separates words, as in identifiers.
fn contains_word(line: &str, form: &str) -> bool {
    line.match_indices(form).any(|(at, _)| {
        let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
        !is_letter(line[..at].chars().next_back()) && !is_letter(line[at + form.len()..].chars().next())
    })
}

/// Returns whether "as", one word, and "has it" follow each other in `line`.
fn names_a_format_by_its_owner(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(4).any(|words| words[0] == "as" && words[2] == "has" && words[3].starts_with("it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Joined here, so that this file passes its own check.
    fn found(parts: &[&str]) -> usize {
        check(File { path: "crates/x/src/a.rs", text: &parts.concat() }).len()
    }

    #[test]
    fn each_banned_form_is_found_in_text_and_in_identifiers() {
        for form in [
            &["what m", "ends it"][..],
            &["let m", "end = 1;"],
            &["fn cargo_deny_m", "end()"],
            &["W", "hoever calls"],
            &["n", "obody"],
            &["begins a", "new"],
            &["what is d", "ue"],
            &["in v", "ain"],
            &["tells o", "f it"],
            &["told a", "part"],
            &["as JUnit h", "as it"],
            &["for e", "ver"],
        ] {
            assert_eq!(found(form), 1, "{form:?}");
        }
    }

    #[test]
    fn other_words_and_history_pass() {
        for text in
            ["recommend, commends, amending, tremendous", "renewed", "this due date", "forever", "new"]
        {
            assert_eq!(found(&[text]), 0, "{text}");
        }
        let text = ["m", "ends"].concat();
        for path in ["CHANGELOG.md", "docs/adr/0001-x.md", "Cargo.lock"] {
            assert!(check(File { path, text: &text }).is_empty(), "{path}");
        }
    }
}
