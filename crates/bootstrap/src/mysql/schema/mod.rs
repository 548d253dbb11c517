//! The tables of a declaration. Only `CREATE TABLE IF NOT EXISTS` is allowed: it changes no existing table, so it may
//! run every time. Migrations are another program's work.
//!
//! The statement runs as the IAM admin, who may read the accounts of the whole server. So a table is made from
//! columns only: a table that is made from a query or another table, or whose rows are outside of the database, could
//! show its users rows that they have no privilege on.

mod lexer;

use lexer::{Kind, Token, tokens};

use super::names::identifier;

/// MySQL's limit for the name of a table, in characters.
const NAME_LENGTH: usize = 64;

/// A `CREATE TABLE IF NOT EXISTS` statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CreateTable {
    table: String,
    definition: String,
    has_foreign_key: bool,
}

impl CreateTable {
    /// Parses statements that are separated by `;`.
    ///
    /// # Errors
    /// Returns [`SchemaError`] if a statement is not `CREATE TABLE IF NOT EXISTS name (columns) options`, or is
    /// cut off.
    pub(crate) fn parse(sql: &str) -> Result<Vec<Self>, SchemaError> {
        let tokens = tokens(sql)?;
        let statements = tokens.split(|token| token.is(sql, ";")).filter(|tokens| !tokens.is_empty());
        statements.map(|tokens| Self::from_tokens(sql, tokens)).collect()
    }

    /// Returns the table's name.
    #[must_use]
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// Returns whether a column refers to another table: its creator needs REFERENCES.
    pub(crate) fn has_foreign_key(&self) -> bool {
        self.has_foreign_key
    }

    /// Returns the statement. It names the database, so that none has to be selected.
    pub(crate) fn sql(&self, database: &str) -> String {
        let (database, table) = (identifier(database), identifier(&self.table));
        format!("CREATE TABLE IF NOT EXISTS {database}.{table} {}", self.definition)
    }

    fn from_tokens(sql: &str, tokens: &[Token]) -> Result<Self, SchemaError> {
        const HEAD: [&str; 5] = ["CREATE", "TABLE", "IF", "NOT", "EXISTS"];
        let line = tokens[0].line;
        let is_head =
            tokens.len() > HEAD.len() && HEAD.iter().zip(tokens).all(|(word, token)| token.is(sql, word));
        if !is_head {
            let first: Vec<_> = tokens.iter().take(3).map(|token| token.text(sql)).collect();
            return Err(SchemaError::Refused { line, begins: first.join(" ") });
        }
        let (name, definition) = (&tokens[HEAD.len()], &tokens[HEAD.len() + 1..]);
        let text = name.text(sql);
        let table = match name.kind {
            Kind::Word => text.to_owned(),
            Kind::Backticks => text[1..text.len() - 1].replace("``", "`"),
            Kind::Number | Kind::Text | Kind::Symbol => String::new(),
        };
        if table.is_empty() {
            return Err(SchemaError::NoName { line });
        }
        if table.chars().count() > NAME_LENGTH || table.ends_with(' ') {
            return Err(SchemaError::Name { line, table });
        }
        let (Some(first), Some(last)) = (definition.first(), definition.last()) else {
            return Err(SchemaError::NoDefinition { line, table });
        };
        if first.is(sql, ".") {
            return Err(SchemaError::Qualified { line, database: table });
        }
        refuse_other_rows(sql, &table, definition)?;
        if !first.is(sql, "(") {
            return Err(SchemaError::NoDefinition { line, table });
        }
        let has_foreign_key = definition.iter().any(|token| token.is(sql, "REFERENCES"));
        Ok(Self { table, definition: sql[first.start..last.end].to_owned(), has_foreign_key })
    }
}

/// Refuses a table that has rows from the start. Sources: "CREATE TABLE Statement" and "Keywords and Reserved Words" in
/// MySQL's manual.
fn refuse_other_rows(sql: &str, table: &str, definition: &[Token]) -> Result<(), SchemaError> {
    // Each query has one of these. Both are reserved, so they are nothing else without quotes.
    const QUERY: [&str; 2] = ["SELECT", "TABLE"];
    // Begin a query or a copy of a table. Within brackets they may also be parts of an expression, an index
    // (WITH PARSER) or a partition (VALUES LESS THAN).
    const BEGIN: [&str; 6] = ["AS", "IGNORE", "LIKE", "REPLACE", "VALUES", "WITH"];
    const BEGIN_IN_BRACKETS: [&str; 3] = ["LIKE", "VALUES", "WITH"];
    let (mut depth, mut after_columns, mut before) = (0_usize, false, "");
    for token in definition {
        let word = token.keyword(sql);
        let is_any = |words: &[&str]| words.iter().any(|other| other.eq_ignore_ascii_case(word));
        let own = || (table.to_owned(), word.to_ascii_uppercase());
        if is_any(&QUERY) || (depth == 0 && is_any(&BEGIN)) || (before == "(" && is_any(&BEGIN_IN_BRACKETS)) {
            let (table, word) = own();
            return Err(SchemaError::NotFromColumns { line: token.line, table, word });
        }
        let elsewhere = (depth == 0 && is_any(&["CONNECTION", "UNION"]))
            || (is_any(&["DIRECTORY"])
                && ["DATA", "INDEX"].iter().any(|other| other.eq_ignore_ascii_case(before)));
        if after_columns && elsewhere {
            let (table, option) = own();
            return Err(SchemaError::Elsewhere { line: token.line, table, option });
        }
        match word {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        after_columns |= depth == 0;
        before = word;
    }
    Ok(())
}

/// The error of a schema statement. The remedy is to correct the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemaError {
    /// The statement is not `CREATE TABLE IF NOT EXISTS`.
    #[error(
        "line {line}: the statement `{begins} …` is refused: only CREATE TABLE IF NOT EXISTS is allowed, because it runs each time; change tables by migrations"
    )]
    Refused {
        /// The line of the statement, from 1.
        line: usize,
        /// Its first words.
        begins: String,
    },
    /// The table's name is missing.
    #[error(
        "line {line}: CREATE TABLE IF NOT EXISTS names no table: write the name, plain or between backticks"
    )]
    NoName {
        /// The line of the statement, from 1.
        line: usize,
    },
    /// A table's name that MySQL refuses.
    #[error(
        "line {line}: {table:?} is not a name for a table: MySQL allows {NAME_LENGTH} characters, and no space at the end"
    )]
    Name {
        /// The line of the statement, from 1.
        line: usize,
        /// The name.
        table: String,
    },
    /// A character beyond U+FFFF in a name, which MySQL stores as a question mark: two names could become one.
    #[error(
        "line {line}: a name has the character {character:?}, which MySQL stores as a question mark: use another"
    )]
    NameCharacter {
        /// The line, from 1.
        line: usize,
        /// The character.
        character: char,
    },
    /// The definition after the name is missing.
    #[error("line {line}: table {table} has no definition: write its columns between brackets")]
    NoDefinition {
        /// The line of the statement, from 1.
        line: usize,
        /// The table.
        table: String,
    },
    /// The table is made from a query or another table.
    #[error(
        "line {line}: table {table} is made from a query or another table ({word}), which could hold what its users may not read: write its columns between brackets, and nothing but options after them"
    )]
    NotFromColumns {
        /// The line of the word, from 1.
        line: usize,
        /// The table.
        table: String,
        /// The word of the query or copy.
        word: String,
    },
    /// An option that places the rows outside of the database.
    #[error(
        "line {line}: table {table} has the option {option}, which places its rows outside of the database: leave it out"
    )]
    Elsewhere {
        /// The line of the option, from 1.
        line: usize,
        /// The table.
        table: String,
        /// The option.
        option: String,
    },
    /// The table's name has a database.
    #[error(
        "line {line}: the table's name begins with the database {database:?}: leave it out, tables are created in DB_NAME"
    )]
    Qualified {
        /// The line of the statement, from 1.
        line: usize,
        /// The name before the dot.
        database: String,
    },
    /// A quote or comment is not closed.
    #[error("line {line}: {what} is not closed")]
    Unclosed {
        /// The line of its beginning, from 1.
        line: usize,
        /// The quote or comment.
        what: &'static str,
    },
    /// A quote after a backslash, which servers interpret in two ways.
    #[error(
        "line {line}: a text has a quote after a backslash, which ends the text on some servers: double the quote instead"
    )]
    EscapedQuote {
        /// The line of the text's beginning, from 1.
        line: usize,
    },
    /// A character that no table needs outside of quotes, and that servers interpret in several ways.
    #[error(
        "line {line}: the character {character:?} is not allowed outside of quotes: leave it out, or write a name that has it between backticks"
    )]
    Character {
        /// The line, from 1.
        line: usize,
        /// The character.
        character: char,
    },
    /// A number with an `e` and no exponent.
    #[error("line {line}: a number has an e and no exponent after it: write it out, as in 1.0e5")]
    Number {
        /// The line, from 1.
        line: usize,
    },
    /// A comment that MySQL runs.
    #[error(
        "line {line}: a comment that begins with /*! or /*+ is run by the server: write it as a plain comment, or leave it out"
    )]
    Executable {
        /// The line of its beginning, from 1.
        line: usize,
    },
}

#[cfg(test)]
mod tests;
