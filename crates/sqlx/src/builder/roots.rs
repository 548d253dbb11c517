//! The trust roots of a pool: the bundled ones, a PEM text or a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rds_iam_token::{Endpoint, Region};

/// Where trust roots come from.
pub(super) enum RootCertificates {
    Bundled,
    Pem(Vec<u8>),
    File(PathBuf),
}

impl RootCertificates {
    /// Returns the roots as PEM, or why there are none and what to set. Expired ones are removed: TLS libraries do not
    /// check the dates of a root.
    pub(super) fn resolve(
        &self,
        server: Option<&(&Endpoint, Region)>,
        now: SystemTime,
    ) -> Result<Vec<u8>, String> {
        match self {
            Self::Bundled => bundled(server, now),
            Self::Pem(pem) => given(pem, now),
            Self::File(path) => read(path, now),
        }
    }
}

impl fmt::Debug for RootCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled => f.write_str("bundled"),
            Self::Pem(_) => f.write_str("given"),
            Self::File(path) => path.fmt(f),
        }
    }
}

#[cfg(feature = "bundled-roots")]
fn bundled(server: Option<&(&Endpoint, Region)>, now: SystemTime) -> Result<Vec<u8>, String> {
    use rds_iam_roots::Roots;

    let Some((endpoint, region)) = server else { return Ok(Vec::new()) };
    let roots = Roots::bundled_for(endpoint, region).map_err(|error| error.to_string())?;
    let freshness = roots.freshness(now);
    if !freshness.is_fresh() {
        tracing::warn!("{freshness}");
    }
    Ok(roots.pem().to_vec())
}

#[cfg(not(feature = "bundled-roots"))]
fn bundled(_: Option<&(&Endpoint, Region)>, _: SystemTime) -> Result<Vec<u8>, String> {
    Err("none are set: set them, or enable the feature `bundled-roots` of rds-iam-sqlx".into())
}

#[cfg(feature = "bundled-roots")]
fn given(pem: &[u8], now: SystemTime) -> Result<Vec<u8>, String> {
    let roots = rds_iam_roots::Roots::parse(pem).and_then(|roots| roots.valid_at(now));
    roots.map(|roots| roots.pem().to_vec()).map_err(|error| rds_iam_token::ErrorReport(&error).to_string())
}

#[cfg(feature = "bundled-roots")]
fn read(path: &Path, now: SystemTime) -> Result<Vec<u8>, String> {
    let roots = rds_iam_roots::Roots::read(path, now);
    roots.map(|roots| roots.pem().to_vec()).map_err(|error| rds_iam_token::ErrorReport(&error).to_string())
}

#[cfg(not(feature = "bundled-roots"))]
fn given(pem: &[u8], _: SystemTime) -> Result<Vec<u8>, String> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    match pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
        true => Ok(pem.to_vec()),
        false => {
            Err("the text has no certificate: set PEM text with a BEGIN CERTIFICATE block per root".into())
        }
    }
}

#[cfg(not(feature = "bundled-roots"))]
fn read(path: &Path, now: SystemTime) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(path).map_err(|error| format!("can't read {}: {error}", path.display()))?;
    given(&pem, now)
}
