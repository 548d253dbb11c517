//! The tables of a declaration. Only `CREATE TABLE IF NOT EXISTS` is allowed: it changes no existing table, so it may
//! run every time. Migrations are another program's work.
//!
//! The statement runs as the tables' owner, who may read what other users may not. So a table is made from columns only:
//! one that is made from a query or another table could show its users rows that they have no privilege on.

mod lexer;
mod sequences;

use lexer::{Kind, Token, tokens};

use super::names::{NAME_LENGTH, identifier};

/// A `CREATE TABLE IF NOT EXISTS` statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CreateTable {
    table: String,
    definition: String,
    sequences: Vec<String>,
}

impl CreateTable {
    /// Parses statements that are separated by `;`.
    ///
    /// # Errors
    /// Returns [`SchemaError`] if a statement is not `CREATE TABLE IF NOT EXISTS name (columns)`, or is cut off.
    pub(crate) fn parse(sql: &str) -> Result<Vec<Self>, SchemaError> {
        let tokens = tokens(sql)?;
        let statements = tokens.split(|token| token.is(sql, ";")).filter(|tokens| !tokens.is_empty());
        statements.map(|tokens| Self::from_tokens(sql, tokens)).collect()
    }

    /// Returns the table's name, in the server's form: in lower case if it is without quotes.
    #[must_use]
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// Returns the names of the sequences that the table's creation makes, as far as they follow from the statement.
    pub(crate) fn sequences(&self) -> &[String] {
        &self.sequences
    }

    /// Returns the statement. It names the schema, so that it depends on no search path.
    pub(crate) fn sql(&self, schema: &str) -> String {
        let (schema, table) = (identifier(schema), identifier(&self.table));
        format!("CREATE TABLE IF NOT EXISTS {schema}.{table} {}", self.definition)
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
        let Some(table) = name_of(sql, name) else {
            return Err(SchemaError::NoName { line });
        };
        if table.len() > NAME_LENGTH {
            return Err(SchemaError::Name { line, table });
        }
        let (Some(first), Some(last)) = (definition.first(), definition.last()) else {
            return Err(SchemaError::NoDefinition { line, table });
        };
        if first.is(sql, ".") {
            return Err(SchemaError::Qualified { line, schema: table });
        }
        check_definition(sql, &table, definition)?;
        let sequences = sequences::of_columns(sql, &table, definition);
        Ok(Self { table, definition: sql[first.start..last.end].to_owned(), sequences })
    }
}

/// Returns the name that a token is, in the server's form.
fn name_of(sql: &str, token: &Token) -> Option<String> {
    let text = token.text(sql);
    let name = match token.kind {
        Kind::Word => text.to_ascii_lowercase(),
        Kind::Name => text[1..text.len() - 1].replace("\"\"", "\""),
        Kind::Number | Kind::Text | Kind::Symbol => String::new(),
    };
    (!name.is_empty()).then_some(name)
}

/// Refuses a table that has rows from the start, and options after the columns. Source: "CREATE TABLE" in PostgreSQL's
/// manual.
fn check_definition(sql: &str, table: &str, definition: &[Token]) -> Result<(), SchemaError> {
    // Each query has one of these. They are reserved, so they are nothing else without quotes. (VALUES is no reserved
    // word, but begins a query only after a bracket.)
    const QUERY: [&str; 2] = ["SELECT", "TABLE"];
    let (mut depth, mut before) = (0_usize, "");
    for (number, token) in definition.iter().enumerate() {
        let word = token.keyword(sql);
        let is_any = |words: &[&str]| words.iter().any(|other| other.eq_ignore_ascii_case(word));
        let not_from_columns = || SchemaError::NotFromColumns {
            line: token.line,
            table: table.to_owned(),
            word: word.to_ascii_uppercase(),
        };
        if depth == 0 && number == 0 && word != "(" {
            let is_copy = is_any(&["AS", "PARTITION", "OF"]);
            let (line, table) = (token.line, table.to_owned());
            return Err(if is_copy { not_from_columns() } else { SchemaError::NoDefinition { line, table } });
        }
        let begins_element = depth == 1 && (before == "(" || before == ",");
        if is_any(&QUERY)
            || (begins_element && is_any(&["LIKE"]))
            || (before == "(" && is_any(&["VALUES", "WITH"]))
        {
            return Err(not_from_columns());
        }
        match word {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return check_options(sql, table, &definition[number + 1..]);
        }
        before = word;
    }
    Err(SchemaError::Unclosed { line: definition[0].line, what: "the bracket before the columns" })
}

/// Refuses everything after the columns but `PARTITION BY …` and `WITH (fillfactor = …)`.
fn check_options(sql: &str, table: &str, options: &[Token]) -> Result<(), SchemaError> {
    let Some(first) = options.first() else { return Ok(()) };
    let is = |number: usize, word: &str| options.get(number).is_some_and(|token| token.is(sql, word));
    let is_fillfactor = is(0, "WITH")
        && is(1, "(")
        && is(2, "fillfactor")
        && is(3, "=")
        && options.get(4).is_some_and(|token| token.kind == Kind::Number)
        && is(5, ")")
        && options.len() == 6;
    let closes = options.iter().rposition(|token| token.is(sql, ")"));
    let is_partitioned = is(0, "PARTITION")
        && is(1, "BY")
        && ["RANGE", "LIST", "HASH"].iter().any(|way| is(2, way))
        && is(3, "(")
        && closes == Some(options.len() - 1)
        && !options.iter().any(|token| token.is(sql, "SELECT"));
    if is_fillfactor || is_partitioned {
        return Ok(());
    }
    let (table, option) = (table.to_owned(), first.text(sql).to_ascii_uppercase());
    Err(SchemaError::Option { line: first.line, table, option })
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
        "line {line}: CREATE TABLE IF NOT EXISTS names no table: write the name, plain or between double quotes"
    )]
    NoName {
        /// The line of the statement, from 1.
        line: usize,
    },
    /// A table's name that is too long.
    #[error("line {line}: {table:?} is not a name for a table: PostgreSQL allows {NAME_LENGTH} bytes")]
    Name {
        /// The line of the statement, from 1.
        line: usize,
        /// The name.
        table: String,
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
        "line {line}: table {table} is made from a query or another table ({word}), which could hold what its users may not read: write its columns between brackets"
    )]
    NotFromColumns {
        /// The line of the word, from 1.
        line: usize,
        /// The table.
        table: String,
        /// The word of the query or copy.
        word: String,
    },
    /// An option after the columns.
    #[error(
        "line {line}: table {table} has the option {option} after its columns: only PARTITION BY and WITH (fillfactor = …) are allowed"
    )]
    Option {
        /// The line of the option, from 1.
        line: usize,
        /// The table.
        table: String,
        /// The option's first word.
        option: String,
    },
    /// The table's name has a schema.
    #[error(
        "line {line}: the table's name begins with the schema {schema:?}: leave it out, tables are created in the schema of the key `schema.name`"
    )]
    Qualified {
        /// The line of the statement, from 1.
        line: usize,
        /// The name before the dot.
        schema: String,
    },
    /// A quote, comment or bracket is not closed.
    #[error("line {line}: {what} is not closed")]
    Unclosed {
        /// The line of its beginning, from 1.
        line: usize,
        /// The quote, comment or bracket.
        what: &'static str,
    },
    /// A backslash in a text.
    #[error(
        "line {line}: a text has a backslash, which escapes the next character on some servers: leave it out"
    )]
    Backslash {
        /// The line of the text's beginning, from 1.
        line: usize,
    },
    /// A word or number directly before a quote or a name.
    #[error(
        "line {line}: {prefix:?} stands directly before a quote or a name, which gives that another meaning: put a space there, or write a plain text"
    )]
    Prefix {
        /// The line, from 1.
        line: usize,
        /// The word.
        prefix: String,
    },
    /// A character that no table needs outside of quotes.
    #[error(
        "line {line}: the character {character:?} is not allowed outside of quotes: leave it out, or write a name that has it between double quotes"
    )]
    Character {
        /// The line, from 1.
        line: usize,
        /// The character.
        character: char,
    },
}

#[cfg(test)]
mod tests;
