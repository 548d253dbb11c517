//! The parameters that both forms of a connection string have.

use std::time::Duration;

use rds_iam_token::Host;

use super::Dsn;
use super::error::{DsnError, Errors};
use super::password::Password;
use crate::LONGEST;

/// The parameters of a connection string.
#[derive(Default)]
pub(super) struct Parameters {
    has_mode: bool,
    raised_from: Option<&'static str>,
    region: Option<String>,
    profile: Option<String>,
    dial: Option<String>,
    root_certificates: Option<String>,
    connect_timeout: Option<String>,
}

/// The parts of a connection string that each form has in its own places.
pub(super) struct Parts {
    pub(super) scheme: Option<&'static str>,
    pub(super) user: Option<String>,
    /// Host and port, if they are valid.
    pub(super) address: Option<(Host, Option<u16>)>,
    pub(super) database: Option<String>,
    pub(super) password: Password,
}

impl Parameters {
    /// Takes a parameter.
    pub(super) fn take(&mut self, key: &str, value: String) -> Result<(), DsnError> {
        match key {
            "sslmode" => self.set_mode("sslmode", &value),
            "ssl-mode" => self.set_mode("ssl-mode", &value),
            "sslrootcert" => self.set_roots("sslrootcert", value),
            "ssl-ca" | "sslca" => self.set_roots("ssl-ca", value),
            "connect_timeout" => set(&mut self.connect_timeout, "connect_timeout", value),
            "region" => set(&mut self.region, "region", value),
            "profile" => set(&mut self.profile, "profile", value),
            "dial" => set(&mut self.dial, "dial", value),
            _ => Err(unknown(key)),
        }
    }

    /// Checks all texts, and adds the other parts.
    pub(super) fn into_dsn(self, parts: Parts, mut errors: Errors) -> Result<Dsn, DsnError> {
        let Parts { scheme, user, address, database, password } = parts;
        let user = user.filter(|user| !user.is_empty());
        let user = user.map(|user| user.parse().map_err(|_| DsnError::NotText { part: "user" }));
        let user = errors.check(user.transpose());
        let database = errors.check(printable("database", database));
        let region = self.region.map(|text| text.parse().map_err(|source| DsnError::Region { source }));
        let region = errors.check(region.transpose());
        let profile = errors.check(printable("profile", self.profile));
        let dial = self.dial.map(|text| text.parse().map_err(|source| DsnError::Dial { source }));
        let dial = errors.check(dial.transpose());
        let root_certificates = errors.check(printable("sslrootcert", self.root_certificates));
        let connect_timeout = errors.check(self.connect_timeout.as_deref().map(seconds).transpose());
        errors.into_result()?;
        // Without one, there is an error.
        let (host, port) = address.ok_or(DsnError::Host)?;
        Ok(Dsn {
            scheme,
            user: user.flatten(),
            host,
            port,
            database: database.flatten().filter(|name| !name.is_empty()),
            region: region.flatten(),
            profile: profile.flatten(),
            dial: dial.flatten(),
            root_certificates: root_certificates.flatten().map(Into::into),
            connect_timeout: connect_timeout.flatten(),
            password,
            raised_from: self.raised_from,
        })
    }

    fn set_mode(&mut self, key: &'static str, value: &str) -> Result<(), DsnError> {
        if self.has_mode {
            return Err(DsnError::Repeated { key });
        }
        self.has_mode = true;
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
        set(&mut self.root_certificates, key, value)
    }
}

pub(super) fn set<T>(place: &mut Option<T>, key: &'static str, value: T) -> Result<(), DsnError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(DsnError::Repeated { key }),
    }
}

/// Reads libpq's whole seconds. There, 0 is no limit.
fn seconds(text: &str) -> Result<Duration, DsnError> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| is_number).map(Duration::from_secs);
    seconds.filter(|time| !time.is_zero() && *time <= LONGEST).ok_or(DsnError::ConnectTimeout)
}

/// Checks that a text has no control characters.
fn printable(part: &'static str, text: Option<String>) -> Result<Option<String>, DsnError> {
    match text {
        Some(text) if text.contains(char::is_control) => Err(DsnError::NotText { part }),
        text => Ok(text),
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
        ("options", "RDS Proxy refuses it: set defaults on the server, by ALTER ROLE … SET"),
        ("target_session_attrs", "name the endpoint of the writer or of the readers"),
    ] {
        if key == known {
            return DsnError::Unsupported { key: known, instead };
        }
    }
    DsnError::UnknownKey { key: key.chars().take(32).collect() }
}
