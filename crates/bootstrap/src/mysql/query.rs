//! Queries whose conditions are lists of names, each limited in time.

use std::collections::BTreeSet;

use sqlx::AssertSqlSafe;
use sqlx::mysql::{MySqlConnection, MySqlRow};

pub(crate) use crate::answer::answer;

/// A query of constant text, and its values. A value is never part of the text.
pub(super) struct Query {
    sql: String,
    values: Vec<String>,
}

impl Query {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    pub(super) fn and(mut self, sql: &'static str) -> Self {
        self.sql.push_str(sql);
        self
    }

    pub(super) fn value(mut self, value: &str) -> Self {
        self.sql.push('?');
        self.values.push(value.to_owned());
        self
    }

    /// Appends ` IN (…)` these values; without values, no row matches.
    pub(super) fn one_of<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        let before = self.values.len();
        self.values.extend(values.into_iter().map(str::to_owned));
        let marks = vec!["?"; self.values.len() - before].join(", ");
        self.sql.push_str(&format!(" IN ({})", if marks.is_empty() { "NULL" } else { &marks }));
        self
    }

    /// Returns the rows. The statement stays prepared: closing it would cost a round trip, and it ends with the
    /// connection.
    pub(super) async fn rows(self, connection: &mut MySqlConnection) -> Result<Vec<MySqlRow>, sqlx::Error> {
        let mut query = sqlx::query(AssertSqlSafe(self.sql));
        for value in self.values {
            query = query.bind(value);
        }
        answer(query.fetch_all(connection)).await
    }
}

/// Returns both lists, without repetition.
pub(super) fn names<'a>(
    declared: &BTreeSet<&'a str>,
    others: impl Iterator<Item = &'a str>,
) -> BTreeSet<&'a str> {
    declared.iter().copied().chain(others).collect()
}
