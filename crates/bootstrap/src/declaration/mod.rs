//! Reads the users file into a `Declaration`: the users, privileges and tables that should exist.
//!
//! The format is described in the crate's README. Nothing here depends on a database engine: the engine's module
//! validates names, privileges and statements, and reports all violations together.

mod error;
pub(crate) mod rules;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rds_iam_report::file::read_text;
use serde::Deserialize;

pub(crate) use error::Violations;
pub use error::{DeclarationError, Violation};

/// The size limit of a users or schema file, in bytes: far more than a real one has, and read in an instant.
const FILE_LIMIT: u64 = 1024 * 1024;

/// The users, their privileges and the tables that should exist, as a users file declares them.
///
/// ```
/// use rds_iam_bootstrap::Declaration;
///
/// let users = r#"
/// [[user]]
/// name = "reporting"
/// grant = [{ privileges = ["SELECT"] }]
/// "#;
/// let declaration = Declaration::parse(users, "the example")?;
/// assert_eq!(declaration.users()[0].name, "reporting");
/// # Ok::<(), rds_iam_bootstrap::DeclarationError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    origin: String,
    users: Vec<User>,
    schema: Vec<SchemaText>,
    options: SchemaOptions,
    violations: Violations,
}

/// A user that should exist.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct User {
    /// The name.
    pub name: String,
    /// The hosts that the user may connect from, if the engine has such a limit.
    pub host: Option<String>,
    /// The settings of the user's sessions, if the engine has such settings.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The privileges, all of them.
    #[serde(rename = "grant", default)]
    pub grants: Vec<Grant>,
}

/// Privileges on a database, or on objects in it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Grant {
    /// The database; `None` is that of `rds.conf`.
    pub database: Option<String>,
    /// The schema, if the engine has schemas within a database.
    pub schema: Option<String>,
    /// The table; `None` is every table of the database.
    pub table: Option<String>,
    /// The sequence, if the engine has sequences.
    pub sequence: Option<String>,
    /// The function, if the engine has privileges on functions by name.
    pub function: Option<String>,
    /// The names of the privileges.
    pub privileges: Vec<String>,
}

/// SQL statements that create tables.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaText {
    /// The file or key that has the statements, for error messages.
    pub origin: String,
    /// The statements.
    pub sql: String,
}

/// The schema that the tables are created in, if the engine has schemas within a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaOptions {
    /// The schema's name.
    pub name: Option<String>,
    /// The role that owns the tables.
    pub owner: Option<String>,
    /// The extensions that the tables need.
    pub extensions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsersFile {
    #[serde(default)]
    user: Vec<User>,
    #[serde(default)]
    schema: Schema,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Schema {
    name: Option<String>,
    owner: Option<String>,
    #[serde(default)]
    extensions: Vec<String>,
    #[serde(default)]
    files: Vec<PathBuf>,
    #[serde(default)]
    statements: Vec<String>,
}

impl Declaration {
    /// Parses the text of a users file. `origin` names the text in errors. Paths of schema files are relative to the
    /// working directory.
    ///
    /// # Errors
    /// Returns [`DeclarationError::Syntax`] if the text is not in the format of a users file.
    pub fn parse(text: &str, origin: &str) -> Result<Self, DeclarationError> {
        Self::from_text(text, origin.to_owned(), Path::new(""))
    }

    /// Reads a users file. Paths of schema files are relative to its folder.
    ///
    /// # Errors
    /// Returns [`DeclarationError`] if the file can't be read, or is not in the format of a users file.
    pub fn read(path: &Path) -> Result<Self, DeclarationError> {
        let text = read_text(path, FILE_LIMIT)
            .map_err(|source| DeclarationError::Read { path: path.to_owned(), source })?;
        Self::from_text(&text, path.display().to_string(), path.parent().unwrap_or(Path::new("")))
    }

    /// Returns the name of the file or setting that the declaration is from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the users, in the order of the file.
    #[must_use]
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// Returns the statements that create tables: those of the schema files, then those of the users file.
    #[must_use]
    pub fn schema(&self) -> &[SchemaText] {
        &self.schema
    }

    /// Returns the schema that the tables are created in.
    #[must_use]
    pub fn schema_options(&self) -> &SchemaOptions {
        &self.options
    }

    /// Returns the violations found so far, to which the engine's validation adds its own.
    pub(crate) fn violations(&self) -> Violations {
        self.violations.clone()
    }

    fn from_text(text: &str, origin: String, folder: &Path) -> Result<Self, DeclarationError> {
        let file: UsersFile = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => return Err(DeclarationError::syntax(origin, text, &error)),
        };
        let mut violations = Violations::default();
        if file.user.is_empty() {
            violations.add("the users file", "declares no [[user]]");
        }
        let (schema, options) = file.schema.read(folder, &mut violations);
        Ok(Self { origin, users: file.user, schema, options, violations })
    }
}

impl Schema {
    fn read(self, folder: &Path, violations: &mut Violations) -> (Vec<SchemaText>, SchemaOptions) {
        let mut texts = Vec::new();
        for file in &self.files {
            let path = folder.join(file);
            let origin = path.display().to_string();
            let unreadable = |error: io::Error| {
                format!("cannot be read ({error}); the paths of schema files are relative to the users file")
            };
            if let Some(sql) = violations.keep(&origin, read_text(&path, FILE_LIMIT).map_err(unreadable)) {
                texts.push(SchemaText { origin, sql });
            }
        }
        let count = self.statements.len();
        let origin = |number: usize| match count {
            1 => "schema.statements".to_owned(),
            _ => format!("schema.statements, statement {} of {count}", number + 1),
        };
        let statements = self.statements.into_iter().enumerate();
        texts.extend(statements.map(|(number, sql)| SchemaText { origin: origin(number), sql }));
        (texts, SchemaOptions { name: self.name, owner: self.owner, extensions: self.extensions })
    }
}

#[cfg(test)]
mod tests;
