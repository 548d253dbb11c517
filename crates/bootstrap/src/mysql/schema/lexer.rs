//! SQL as tokens, split where MySQL splits it. A split in another place could hide a word from the checks, so a text
//! that MySQL splits in surprising ways, or only under some settings, is refused.
//!
//! Sources: `lex_one_token` in `sql/sql_lex.cc` of MySQL 8.0 to 9.7; "Comments", "String Literals" and
//! "Schema Object Names" in its manual.

use super::SchemaError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name without quotes. A name may begin with a digit.
    Word,
    Number,
    Backticks,
    Text,
    Symbol,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) line: usize,
}

impl Token {
    pub(super) fn text<'a>(&self, sql: &'a str) -> &'a str {
        &sql[self.start..self.end]
    }

    /// Returns the word or symbol. Empty for all other tokens, which can't be keywords.
    pub(super) fn keyword<'a>(&self, sql: &'a str) -> &'a str {
        if matches!(self.kind, Kind::Word | Kind::Symbol) { self.text(sql) } else { "" }
    }

    pub(super) fn is(&self, sql: &str, expected: &str) -> bool {
        self.keyword(sql).eq_ignore_ascii_case(expected)
    }
}

/// Splits a text into tokens, without spaces and comments.
pub(super) fn tokens(sql: &str) -> Result<Vec<Token>, SchemaError> {
    let mut tokens: Vec<Token> = Vec::new();
    let (mut at, mut line) = (0, 1);
    // For the server, a comment ends there.
    if let Some(nul) = sql.find('\0') {
        let line = 1 + sql[..nul].matches('\n').count();
        return Err(SchemaError::Character { line, character: '\0' });
    }
    while let Some(c) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let unclosed = |what| SchemaError::Unclosed { line, what };
        // After `name.` there is a name, even if it resembles a number: `t.1e5x`.
        let before = tokens.last().filter(|token| token.end == at);
        let after_point = before.is_some_and(|token| token.is(sql, "."));
        let after_name = before.is_some_and(|token| token.kind == Kind::Word);
        let (kind, length) = match c {
            ' ' | '\t' | '\n' | '\r' => (None, 1),
            '#' => (None, to_line_end(rest)),
            '-' if is_dashes(rest) => (None, to_line_end(rest)),
            '/' if rest.starts_with("/*!") || rest.starts_with("/*+") => {
                return Err(SchemaError::Executable { line });
            }
            '/' if rest.starts_with("/*") => {
                (None, 4 + rest[2..].find("*/").ok_or_else(|| unclosed("a comment"))?)
            }
            '`' => (Some(Kind::Backticks), quoted(rest, '`').ok_or_else(|| unclosed("a name in backticks"))?),
            '\'' | '"' => {
                let length = quoted(rest, c).ok_or_else(|| unclosed("a quoted text"))?;
                // With NO_BACKSLASH_ESCAPES the text would end there, and the rest be a statement.
                if rest[..length].contains(['\\', c].iter().collect::<String>().as_str()) {
                    return Err(SchemaError::EscapedQuote { line });
                }
                (Some(Kind::Text), length)
            }
            // Variables, texts between dollars and escapes outside of quotes: no table needs them, and their ends
            // differ between versions.
            '@' | '$' | '\\' => return Err(SchemaError::Character { line, character: c }),
            _ if c.is_ascii_control() => return Err(SchemaError::Character { line, character: c }),
            _ if is_word(c) && after_point => (Some(Kind::Word), word(rest)),
            _ if c.is_ascii_digit() => number(rest).ok_or(SchemaError::Number { line })?,
            _ if is_word(c) => (Some(Kind::Word), word(rest)),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) && !after_name => {
                let length = fraction(rest, 1).ok_or(SchemaError::Number { line })?;
                (Some(Kind::Number), length)
            }
            _ => (Some(Kind::Symbol), c.len_utf8()),
        };
        if let Some(kind) = kind {
            let beyond = rest[..length].chars().find(|c| *c > '\u{ffff}');
            if let (Kind::Word | Kind::Backticks, Some(character)) = (kind, beyond) {
                return Err(SchemaError::NameCharacter { line, character });
            }
            tokens.push(Token { kind, start: at, end: at + length, line });
        }
        line += rest[..length].matches('\n').count();
        at += length;
    }
    Ok(tokens)
}

/// Returns whether a character is part of a name, as every one beyond ASCII is, spaces too.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

fn word(rest: &str) -> usize {
    rest.find(|c| !is_word(c)).unwrap_or(rest.len())
}

/// Returns the token that begins with a digit: a number, or a name. A number ends where it is complete: `1e5SELECT` and
/// `1.SELECT` are two tokens, `1SELECT` is a name. `None` if it is neither for the server.
fn number(rest: &str) -> Option<(Option<Kind>, usize)> {
    for (prefix, radix) in [("0x", 16), ("0b", 2)] {
        if let Some(digits) = rest.strip_prefix(prefix) {
            let length = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
            if length > 0 && !digits[length..].starts_with(is_word) {
                return Some((Some(Kind::Number), prefix.len() + length));
            }
            return Some((Some(Kind::Word), word(rest)));
        }
    }
    let whole = digits(rest);
    let after = &rest[whole..];
    if after.starts_with('.') {
        return Some((Some(Kind::Number), fraction(rest, whole + 1)?));
    }
    if after.starts_with(['e', 'E'])
        && let Some(length) = exponent(&after[1..])
    {
        return Some((Some(Kind::Number), whole + 1 + length));
    }
    if after.starts_with(is_word) {
        return Some((Some(Kind::Word), word(rest)));
    }
    Some((Some(Kind::Number), whole))
}

/// Returns the length of a number whose point is before `from`. `None` if it has an `e` and no exponent: there the
/// server drops the number and treats the next character as a token.
fn fraction(rest: &str, from: usize) -> Option<usize> {
    let length = from + digits(&rest[from..]);
    let after = &rest[length..];
    if after.starts_with(['e', 'E']) { Some(length + 1 + exponent(&after[1..])?) } else { Some(length) }
}

fn exponent(rest: &str) -> Option<usize> {
    let sign = usize::from(rest.starts_with(['+', '-']));
    match digits(&rest[sign..]) {
        0 => None,
        length => Some(sign + length),
    }
}

fn digits(rest: &str) -> usize {
    rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())
}

/// Returns whether `--` begins a comment: only before a space or the end. MySQL's spaces are ASCII only.
fn is_dashes(rest: &str) -> bool {
    rest.strip_prefix("--")
        .is_some_and(|after| after.chars().next().is_none_or(|c| c == ' ' || c.is_ascii_control()))
}

fn to_line_end(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

/// Returns the length of a quoted text, with both `quote`s. A doubled quote is an escaped one; in texts, so is one
/// after a backslash.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote != '`' {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(sql: &str) -> Vec<(Kind, &str)> {
        tokens(sql).unwrap().iter().map(|token| (token.kind, token.text(sql))).collect()
    }

    #[test]
    fn numbers_end_where_the_server_ends_them() {
        use Kind::{Number, Symbol, Text, Word};
        for (sql, expected) in [
            ("1e5SELECT", &[(Number, "1e5"), (Word, "SELECT")][..]),
            ("1E+5SELECT", &[(Number, "1E+5"), (Word, "SELECT")]),
            ("1.e5SELECT", &[(Number, "1.e5"), (Word, "SELECT")]),
            ("1.5e-5SELECT", &[(Number, "1.5e-5"), (Word, "SELECT")]),
            ("1.SELECT", &[(Number, "1."), (Word, "SELECT")]),
            ("1.5SELECT", &[(Number, "1.5"), (Word, "SELECT")]),
            (".5e5SELECT", &[(Number, ".5e5"), (Word, "SELECT")]),
            (".e5SELECT", &[(Symbol, "."), (Word, "e5SELECT")]),
            ("1SELECT", &[(Word, "1SELECT")]),
            ("1eSELECT", &[(Word, "1eSELECT")]),
            ("1e+SELECT", &[(Word, "1e"), (Symbol, "+"), (Word, "SELECT")]),
            ("0x1F", &[(Number, "0x1F")]),
            ("0x1F.5", &[(Number, "0x1F"), (Number, ".5")]),
            ("0x10SELECT", &[(Word, "0x10SELECT")]),
            ("0X1F", &[(Word, "0X1F")]),
            ("0b1SELECT", &[(Word, "0b1SELECT")]),
            ("0b12", &[(Word, "0b12")]),
            ("0e5SELECT", &[(Number, "0e5"), (Word, "SELECT")]),
            ("1..5", &[(Number, "1."), (Number, ".5")]),
            ("t.5e5SELECT", &[(Word, "t"), (Symbol, "."), (Word, "5e5SELECT")]),
            ("t .5e5SELECT", &[(Word, "t"), (Number, ".5e5"), (Word, "SELECT")]),
            ("t/**/.5e5SELECT", &[(Word, "t"), (Number, ".5e5"), (Word, "SELECT")]),
            ("x'41'SELECT", &[(Word, "x"), (Text, "'41'"), (Word, "SELECT")]),
            ("AS\u{a0}SELECT", &[(Word, "AS\u{a0}SELECT")]),
            ("a$$b", &[(Word, "a$$b")]),
        ] {
            assert_eq!(split(sql), expected, "{sql}");
        }
        assert_eq!(
            split("`t`.5e5SELECT"),
            [(Kind::Backticks, "`t`"), (Number, ".5e5"), (Word, "SELECT")],
            "after a quoted name there is no name without its point"
        );
    }

    #[test]
    fn what_the_server_splits_in_surprising_ways_is_refused() {
        for sql in ["1.e(", "1.5e+SELECT", ".5ex", "1.e"] {
            assert!(matches!(tokens(sql), Err(SchemaError::Number { line: 1 })), "{sql}");
        }
        for sql in ["@a", "@@b", "$$ ' $$", "\\N", "a\0b", "a\u{b}b", "a\u{7f}"] {
            assert!(matches!(tokens(sql), Err(SchemaError::Character { line: 1, .. })), "{sql:?}");
        }
        assert!(tokens("'@ $ \\\\ \u{b}' `@`").is_ok());
    }
}
