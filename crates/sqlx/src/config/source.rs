//! The sources of a configuration: the text of a file, in its format, and variables.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use super::error::ConfigError;
use super::schema::{self, Configuration};
use super::section::{Errors, Names};
use super::{env, toml, yaml};

/// The largest file: 1 MiB.
const MOST_BYTES: usize = 1024 * 1024;

/// The format of a file.
#[derive(Clone, Copy)]
pub(super) enum Format {
    Yaml,
    Toml,
}

/// Reads a file, in the format that its name ends in.
pub(super) fn read_file(path: &Path) -> Result<Configuration, ConfigError> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    let format = match extension.as_deref() {
        Some("yaml" | "yml") => Format::Yaml,
        Some("toml") => Format::Toml,
        _ => return Err(ConfigError::Format { path: path.into() }),
    };
    let text = read_text(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    read(&text, &path.display().to_string(), format)
}

fn read_text(path: &Path) -> io::Result<String> {
    // Opening a pipe would block.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MOST_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Reads a text.
pub(super) fn read(text: &str, origin: &str, format: Format) -> Result<Configuration, ConfigError> {
    let mut errors = Errors::new(Names::Paths);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = if text.len() > MOST_BYTES {
        errors.add_syntax(1, "is longer than 1 MiB: keep only the connections in it");
        None
    } else {
        match format {
            Format::Yaml => yaml::parse(text, &mut errors),
            Format::Toml => toml::parse(text, &mut errors),
        }
    };
    let configuration = root.map(|root| schema::read(&root, &mut errors));
    finish(configuration, origin, errors)
}

/// Reads variables.
pub(super) fn read_variables(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Configuration, ConfigError> {
    let mut errors = Errors::new(Names::Variables);
    let root = env::read(variables, &mut errors);
    let configuration = schema::read(&root, &mut errors);
    finish(Some(configuration), "the environment", errors)
}

fn finish(
    configuration: Option<Configuration>,
    origin: &str,
    errors: Errors,
) -> Result<Configuration, ConfigError> {
    let errors = errors.into_sorted();
    match configuration {
        Some(configuration) if errors.is_empty() => {
            let names: Vec<_> = configuration.connections.iter().map(|(name, _)| name).collect();
            tracing::debug!(from = origin, connections = ?names, default = configuration.default, "read the configuration");
            Ok(configuration)
        }
        _ => Err(ConfigError::Invalid { origin: origin.into(), errors }),
    }
}
