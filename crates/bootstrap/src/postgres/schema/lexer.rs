//! SQL as tokens, split where PostgreSQL splits it. A split in another place could hide a word from the checks, so a
//! text that the server splits in surprising ways, or only under some settings, is refused.
//!
//! Source: "Lexical Structure" in PostgreSQL's manual.

use super::SchemaError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name without quotes.
    Word,
    Number,
    /// A name in double quotes.
    Name,
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
    while let Some(c) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let unclosed = |what| SchemaError::Unclosed { line, what };
        let (kind, length) = match c {
            ' ' | '\t' | '\n' | '\r' | '\u{c}' => (None, 1),
            '-' if rest.starts_with("--") => (None, rest.find(['\n', '\r']).unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (None, comment(rest).ok_or_else(|| unclosed("a comment"))?),
            '"' => (Some(Kind::Name), quoted(rest, '"').ok_or_else(|| unclosed("a name in double quotes"))?),
            '\'' => {
                // A letter before a quote gives the backslash a meaning (E'…', U&'…').
                if let Some(before) =
                    tokens.last().filter(|token| token.end == at && token.kind == Kind::Word)
                {
                    return Err(SchemaError::Prefix { line, prefix: before.text(sql).to_owned() });
                }
                let length = quoted(rest, '\'').ok_or_else(|| unclosed("a quoted text"))?;
                // With standard_conforming_strings off the text would end elsewhere.
                if rest[..length].contains('\\') {
                    return Err(SchemaError::Backslash { line });
                }
                (Some(Kind::Text), length)
            }
            // Texts between dollars, parameters and escapes outside of quotes: no table needs them.
            '$' | '\\' => return Err(SchemaError::Character { line, character: c }),
            _ if c.is_control() => return Err(SchemaError::Character { line, character: c }),
            _ if is_word_start(c) => (Some(Kind::Word), rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
            _ if c.is_ascii_digit() => (Some(Kind::Number), number(rest)),
            _ => (Some(Kind::Symbol), c.len_utf8()),
        };
        if let Some(kind) = kind {
            let before = tokens.last().filter(|token| token.end == at);
            // `U&"…"` and `1abc`, which versions split differently.
            if let (Kind::Word | Kind::Name, Some(before)) = (kind, before)
                && (before.kind == Kind::Number || (kind == Kind::Name && before.is(sql, "&")))
            {
                return Err(SchemaError::Prefix { line, prefix: before.text(sql).to_owned() });
            }
            tokens.push(Token { kind, start: at, end: at + length, line });
        }
        line += rest[..length].matches('\n').count();
        at += length;
    }
    Ok(tokens)
}

/// Returns whether a name may begin with the character. Each one beyond ASCII is a letter, spaces too.
fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_word(c: char) -> bool {
    is_word_start(c) || c.is_ascii_digit() || c == '$'
}

fn number(rest: &str) -> usize {
    rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len())
}

/// Returns the length of a comment, in which others may be.
fn comment(rest: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

/// Returns the length of a quoted text, with both `quote`s. A doubled quote is an escaped one.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(sql: &str) -> Vec<&str> {
        tokens(sql).unwrap().iter().map(|token| token.text(sql)).collect()
    }

    #[test]
    fn texts_names_and_comments_end_where_the_server_ends_them() {
        for (sql, expected) in [
            ("a/* x /* ; */ y */b", &["a", "b"][..]),
            ("a -- ; '\nb", &["a", "b"]),
            ("'it''s; ' \"a\"\"; b\"", &["'it''s; '", "\"a\"\"; b\""]),
            ("a$1b c", &["a$1b", "c"]),
            ("1.5 10", &["1.5", "10"]),
            ("AS\u{a0}SELECT", &["AS\u{a0}SELECT"]),
            ("a::int;b", &["a", ":", ":", "int", ";", "b"]),
        ] {
            assert_eq!(split(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_is_split_in_surprising_ways_is_refused() {
        for sql in ["$$ ' $$", "$a$;$a$", "$1", "\\x", "a\u{b}b", "a\0"] {
            assert!(matches!(tokens(sql), Err(SchemaError::Character { line: 1, .. })), "{sql:?}");
        }
        for sql in ["E'a\\'b'", "e'x'", "U&'\\0061'", "B'1'", "1abc", "1e5", "U&\"d\\0061t\""] {
            let error = tokens(sql);
            let is_refused = matches!(
                error,
                Err(SchemaError::Prefix { line: 1, .. } | SchemaError::Backslash { line: 1 })
            );
            assert!(is_refused, "{sql}: {error:?}");
        }
        assert!(matches!(tokens("'a\\'"), Err(SchemaError::Backslash { line: 1 })));
        for sql in ["/* /* */", "'a''", "\"a"] {
            assert!(matches!(tokens(sql), Err(SchemaError::Unclosed { line: 1, .. })), "{sql}");
        }
    }
}
