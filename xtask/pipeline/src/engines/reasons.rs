//! Reads the lists of `only!` in the sources of a test program: the engine, the tests, and the reason.

use std::fs;
use std::path::Path;

use rds_iam_process::error::Error;
use rds_iam_process::file;

/// A list of `only!`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) engine: String,
    pub(super) text: String,
    pub(super) tests: Vec<String>,
}

/// A token of the macro's arguments.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// Returns the reasons in the sources of a test program: those in the folder of a `main.rs`, or in its only file.
///
/// # Errors
/// Returns an error if a file can't be read, or has a list without a reason.
pub(super) fn of(source: &Path) -> Result<Vec<Reason>, Error> {
    let is_folder = source.file_name().is_some_and(|name| name == "main.rs");
    let mut waiting = vec![source.parent().filter(|_| is_folder).unwrap_or(source).to_owned()];
    let mut reasons = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let entries = entries.map_err(file::failed("list", &path))?;
            waiting.extend(entries.into_iter().map(|entry| entry.path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let found = read(&file::read(&path)?).ok_or_else(|| Error::Found {
                found: format!("{} has a list of `only!` that can't be read", path.display()),
                help: "write only!(mysql, \"the reason\", [test, test])".to_owned(),
            })?;
            reasons.extend(found);
        }
    }
    Ok(reasons)
}

/// Returns the reasons in a file's text; `None` if one can't be read.
fn read(text: &str) -> Option<Vec<Reason>> {
    let mut reasons = Vec::new();
    for (start, _) in text.match_indices("only!(") {
        let line = text[..start].rsplit('\n').next().unwrap_or_default();
        // Not in a comment, a text or the path of another macro.
        if line.trim().is_empty() {
            reasons.extend(lists(&tokens(&text[start + "only!(".len()..])?)?);
        }
    }
    Some(reasons)
}

/// Splits the arguments of a macro, up to the parenthesis that ends them.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let (mut tokens, mut depth) = (Vec::new(), 0_usize);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ')' if depth == 0 => return Some(tokens),
            '"' => {
                let mut content = String::new();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => match characters.next()? {
                            // A line that goes on.
                            '\n' => while characters.next_if(|next| next.is_whitespace()).is_some() {},
                            escaped => content.push(escaped),
                        },
                        other => content.push(other),
                    }
                }
                tokens.push(Token::Text(content));
            }
            '/' if characters.peek() == Some(&'/') => {
                while characters.next_if(|next| *next != '\n').is_some() {}
            }
            character if character.is_alphanumeric() || character == '_' => {
                let mut word = String::from(character);
                while let Some(next) = characters.next_if(|next| next.is_alphanumeric() || *next == '_') {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            character if character.is_whitespace() => {}
            character => {
                match character {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                tokens.push(Token::Sign(character));
            }
        }
    }
    None
}

/// Returns the lists in the arguments: an attribute if there is one, the engine, and each reason with its tests.
fn lists(tokens: &[Token]) -> Option<Vec<Reason>> {
    let mut rest = tokens;
    if let [Token::Sign('#'), ..] = rest {
        let end = rest.iter().position(|token| *token == Token::Sign(']'))?;
        rest = &rest[end + 1..];
    }
    let (Token::Word(engine), mut rest) = rest.split_first()? else { return None };
    let mut reasons = Vec::new();
    loop {
        match rest {
            [] | [Token::Sign(',')] if !reasons.is_empty() => return Some(reasons),
            [Token::Sign(','), Token::Text(text), Token::Sign(','), Token::Sign('['), list @ ..] => {
                let end = list.iter().position(|token| *token == Token::Sign(']'))?;
                let tests = list[..end].iter().filter_map(|token| match token {
                    Token::Word(test) => Some(test.clone()),
                    _ => None,
                });
                let tests: Vec<_> = tests.collect();
                if text.is_empty() || tests.is_empty() {
                    return None;
                }
                reasons.push(Reason { engine: engine.clone(), text: text.clone(), tests });
                rest = &list[end + 1..];
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(engine: &str, text: &str, tests: &[&str]) -> Reason {
        let tests = tests.iter().map(|test| (*test).to_owned()).collect();
        Reason { engine: engine.into(), text: text.into(), tests }
    }

    #[test]
    fn each_list_has_its_engine_its_tests_and_its_reason() {
        let text = r#"
//! only!(in a comment)
use rds_iam_emulator_server::{on_each_engine, only};

only!(mysql, "PostgreSQL has no plugins", [loaded]);
only!(
    #[tokio::test(flavor = "multi_thread")]
    postgres,
    "two \"meanings\" (28000), \
     and one more",
    [first, second], // the refusals
    "another",
    [third,],
);
async fn loaded() { let text = "only!("; }
"#;
        let expected = [
            reason("mysql", "PostgreSQL has no plugins", &["loaded"]),
            reason("postgres", "two \"meanings\" (28000), and one more", &["first", "second"]),
            reason("postgres", "another", &["third"]),
        ];
        assert_eq!(read(text).unwrap(), expected);
        assert_eq!(read("fn nothing() {}").unwrap(), []);
    }

    #[test]
    fn a_list_without_a_reason_is_an_error() {
        for text in [
            "only!(mysql, [a])",
            "only!(mysql, \"\", [a])",
            "only!(mysql, \"reason\", [])",
            "only!(mysql)",
            "only!()",
            "only!(mysql, \"reason\", [a]",
            "only!(mysql, \"reason",
            "only!(mysql, \"reason\", [a], \"other\")",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_folder_of_a_main_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let only = |test: &str| format!("only!(mysql, \"reason\", [{test}]);\n");
        fs::create_dir(folder.path().join("deep")).unwrap();
        for (name, text) in
            [("main.rs", "mod deep;\n".into()), ("deep/mod.rs", only("a")), ("b.rs", only("b"))]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(of(&folder.path().join("main.rs")).unwrap().len(), 2);
        assert_eq!(of(&folder.path().join("b.rs")).unwrap(), [reason("mysql", "reason", &["b"])]);
        fs::write(folder.path().join("b.rs"), "only!(mysql, [b]);\n").unwrap();
        let error = of(&folder.path().join("b.rs")).unwrap_err().report();
        assert!(error.contains("b.rs has a list") && error.contains("the reason"), "{error}");
    }
}
