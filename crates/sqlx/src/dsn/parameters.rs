//! The parameters that both forms of a connection string have.

use std::path::PathBuf;

use rds_iam_token::{Endpoint, Region};

use super::error::DsnError;

/// The names of the parameters, for messages.
pub(crate) const KNOWN: &str = "sslmode, sslrootcert, region, profile or dial";

/// The parameters of a connection string.
#[derive(Default)]
pub(super) struct Parameters {
    mode: Option<()>,
    pub(super) raised_from: Option<&'static str>,
    region: Option<String>,
    pub(super) profile: Option<String>,
    dial: Option<String>,
    pub(super) root_certificates: Option<PathBuf>,
}

impl Parameters {
    /// Takes a parameter.
    pub(super) fn take(&mut self, key: &str, value: String) -> Result<(), DsnError> {
        match key {
            "sslmode" => self.set_mode("sslmode", &value),
            "ssl-mode" => self.set_mode("ssl-mode", &value),
            "sslrootcert" => self.set_roots("sslrootcert", value),
            "ssl-ca" | "sslca" => self.set_roots("ssl-ca", value),
            "region" => set(&mut self.region, "region", value),
            "profile" => set(&mut self.profile, "profile", value),
            "dial" => set(&mut self.dial, "dial", value),
            _ => Err(unknown(key)),
        }
    }

    /// Returns the parameter `region`.
    pub(super) fn region(&self) -> Result<Option<Region>, DsnError> {
        let parse = |text: &String| text.parse().map_err(|source| DsnError::Region { source });
        self.region.as_ref().map(parse).transpose()
    }

    /// Returns the parameter `dial`.
    pub(super) fn dial(&self) -> Result<Option<Endpoint>, DsnError> {
        let parse = |text: &String| text.parse().map_err(|source| DsnError::Dial { source });
        self.dial.as_ref().map(parse).transpose()
    }

    fn set_mode(&mut self, key: &'static str, value: &str) -> Result<(), DsnError> {
        set(&mut self.mode, key, ())?;
        let mode =
            |modes: &[&'static str]| modes.iter().copied().find(|mode| value.eq_ignore_ascii_case(mode));
        if let Some(mode) = mode(&["disable", "disabled", "allow", "prefer", "preferred"]) {
            return Err(DsnError::Unencrypted { key, mode });
        }
        if let Some(mode) = mode(&["require", "required", "verify-ca", "verify_ca"]) {
            self.raised_from = Some(mode);
        } else if mode(&["verify-full", "verify_identity"]).is_none() {
            return Err(DsnError::UnknownMode { key });
        }
        Ok(())
    }

    fn set_roots(&mut self, key: &'static str, value: String) -> Result<(), DsnError> {
        if value == "system" {
            let instead =
                "the system's trust roots do not have AWS's: name a file, or remove it for the bundled ones";
            return Err(DsnError::Unsupported { key, instead });
        }
        set(&mut self.root_certificates, key, value.into())
    }
}

pub(super) fn set<T>(place: &mut Option<T>, key: &'static str, value: T) -> Result<(), DsnError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(DsnError::Repeated { key }),
    }
}

fn unknown(key: &str) -> DsnError {
    const CERTIFICATE: &str = "a client certificate is not needed: the login is by token";
    const SOCKET: &str = "name the server's host, and another address to dial as dial=HOST:PORT";
    for (known, instead) in [
        ("sslcert", CERTIFICATE),
        ("ssl-cert", CERTIFICATE),
        ("sslkey", CERTIFICATE),
        ("ssl-key", CERTIFICATE),
        ("socket", SOCKET),
        ("hostaddr", SOCKET),
        ("passfile", "no password is read: the login is by token"),
    ] {
        if key == known {
            return DsnError::Unsupported { key: known, instead };
        }
    }
    DsnError::UnknownKey { key: key.chars().take(32).collect() }
}
