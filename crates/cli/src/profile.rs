//! The error of an AWS profile that does not exist. The SDK's own is about its default chain, and names no file.

use std::env;
use std::error::Error;
use std::fmt::{Display, Formatter};

/// The variable that names the profile of the SDK's default chain.
const VARIABLE: &str = "AWS_PROFILE";

/// An AWS profile that is in none of the shared files.
#[derive(Debug)]
pub(crate) struct MissingProfile {
    name: String,
    is_from_variable: bool,
    config: String,
    credentials: String,
    /// The profiles that exist, in order.
    existing: Vec<String>,
}

impl MissingProfile {
    /// Returns the error if the chosen profile, or else that of `AWS_PROFILE`, does not exist. Files that can't be
    /// parsed are left to the SDK's error.
    pub(crate) async fn find(chosen: Option<&str>) -> Option<Self> {
        let variable = env::var(VARIABLE).ok();
        let name = chosen.or(variable.as_deref())?;
        // The environment and files of this process: the SDK reads the same.
        let (environment, files) = (Default::default(), Default::default());
        let set = aws_config::profile::load(&files, &environment, &Default::default(), None).await.ok()?;
        if set.get_profile(name).is_some() {
            return None;
        }
        let mut existing: Vec<String> = set.profiles().map(str::to_owned).collect();
        existing.sort_unstable();
        Some(Self {
            name: name.to_owned(),
            is_from_variable: chosen.is_none(),
            config: file("AWS_CONFIG_FILE", "~/.aws/config"),
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
            existing,
        })
    }
}

/// Returns the path of a shared file, with the variable that it is from.
fn file(variable: &str, default: &str) -> String {
    env::var(variable).map_or_else(|_| default.to_owned(), |path| format!("{path} ({variable})"))
}

impl Display for MissingProfile {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { name, is_from_variable, config, credentials, existing } = self;
        let origin = if *is_from_variable { " of AWS_PROFILE" } else { "" };
        write!(f, "the AWS profile {name:?}{origin} is neither in {config} nor in {credentials}, ")?;
        match &existing[..] {
            [] => f.write_str("which have no profiles: ")?,
            names => write!(f, "which have the profiles {}: name one of these, or ", names.join(", "))?,
        }
        write!(f, "add [profile {name}] to the first file or [{name}] to the second")
    }
}

impl Error for MissingProfile {}
