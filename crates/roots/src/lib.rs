//! Trust roots: which certificate authorities may vouch for a database.
//!
//! A database instance presents a certificate of the *RDS* authorities, a proxy one of *Amazon Trust
//! Services*; neither set is in the public web's root stores as a matter of course. Both ship with the
//! program, so a fresh machine verifies without downloading anything. [`manifest`] records where each
//! certificate came from, a test fails half a year before one expires, and
//! `examples/refresh_trust_roots.rs` brings `rds.pem` up to date from the bundle AWS publishes.
//!
//! What ships was compared, certificate by certificate, with AWS's `global-bundle.pem`. It holds the
//! commercial regions only: for AWS GovCloud, China and regions opened since, ask [`Roots::covers`] and
//! name AWS's bundle for that partition in `RDS_CA_BUNDLE`.
//!
//! ```
//! use rds_iam_roots::Roots;
//!
//! let roots = Roots::bundled();
//! // sqlx: MySqlConnectOptions::new().ssl_ca_from_pem(roots.pem().to_vec())
//! assert!(roots.pem().starts_with(b"# Amazon RDS"));
//! assert!(roots.covers(&"eu-central-1".parse()?));
//! # Ok::<(), rds_iam_token::RegionError>(())
//! ```

mod certificate;
mod difference;
pub mod manifest;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use rds_iam_token::{Endpoint, Host, Region};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};

pub use certificate::{Certificate, Fingerprint};
pub use difference::{Difference, difference};

/// How long before its expiry a root is reported: long enough for a release and its rollout.
pub const WARN_AHEAD: Duration = Duration::from_secs(180 * 24 * 60 * 60);

const RDS_PEM: &str = include_str!("../certificates/rds.pem");
const AMAZON_TRUST_SERVICES_PEM: &str = include_str!("../certificates/amazon-trust-services.pem");

static RDS: LazyLock<Roots> = LazyLock::new(|| shipped(RDS_PEM));
static AMAZON_TRUST_SERVICES: LazyLock<Roots> = LazyLock::new(|| shipped(AMAZON_TRUST_SERVICES_PEM));
static BUNDLED: LazyLock<Roots> =
    LazyLock::new(|| Roots::new(RDS.iter().chain(AMAZON_TRUST_SERVICES.iter()).cloned().collect()));

/// Returns the address of AWS's own bundle for a region. Source: "Using SSL/TLS to encrypt a connection to a DB
/// instance" in the Amazon RDS user guide, of each partition.
fn bundle_of(region: &Region) -> &'static str {
    match region.partition() {
        "aws" => "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",
        "aws-us-gov" => "https://truststore.pki.us-gov-west-1.rds.amazonaws.com/global/global-bundle.pem",
        "aws-cn" => "https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/global/global-bundle.pem",
        _ => "the RDS certificate bundle of its partition",
    }
}

fn shipped(pem: &str) -> Roots {
    Roots::parse(pem.as_bytes()).expect("the shipped PEM files are parsed by a unit test")
}

/// A set of certificates to trust, in the form TLS libraries take (PEM) and with what a person asks about
/// them (names, fingerprints, dates).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    certificates: Vec<Certificate>,
    pem: String,
}

impl Roots {
    /// Holds each certificate once, by name, so that a refresh changes no more lines than it must.
    fn new(mut certificates: Vec<Certificate>) -> Self {
        certificates.sort_by(|a, b| (a.name(), a.fingerprint()).cmp(&(b.name(), b.fingerprint())));
        certificates.dedup();
        let pem = certificates.iter().map(Certificate::to_pem).collect::<Vec<_>>().join("\n");
        Self { certificates, pem }
    }

    /// The RDS authorities: they sign the certificates of instances and Aurora clusters.
    pub fn rds() -> &'static Self {
        &RDS
    }

    /// Amazon Trust Services: they sign the certificates of RDS Proxy.
    pub fn proxy() -> &'static Self {
        &AMAZON_TRUST_SERVICES
    }

    /// Both: right for an endpoint that may be either.
    pub fn bundled() -> &'static Self {
        &BUNDLED
    }

    /// [`bundled`](Self::bundled), where it can verify the server at `endpoint` in `region`.
    ///
    /// # Errors
    /// [`TrustError::NotBundled`] for an instance or cluster in a region whose authorities are not bundled (GovCloud,
    /// China, regions newer than this release): every handshake there would fail. A configuration error: name AWS's
    /// bundle, don't retry. Proxies are excepted: Amazon Trust Services signs for all regions.
    pub fn bundled_for(endpoint: &Endpoint, region: &Region) -> Result<&'static Self, TrustError> {
        let is_proxy = matches!(endpoint.host(), Host::Name(name) if name.contains(".proxy-"));
        if is_proxy || BUNDLED.covers(region) {
            return Ok(&BUNDLED);
        }
        Err(TrustError::NotBundled { region: region.clone() })
    }

    /// Reads the certificates of a PEM text, whatever their dates. Text between certificates is ignored.
    ///
    /// # Errors
    /// Where the text holds no certificate, or one that cannot be read.
    pub fn parse(pem: &[u8]) -> Result<Self, TrustError> {
        let certificates = CertificateDer::pem_slice_iter(pem)
            .enumerate()
            .map(|(index, der)| {
                let unparsable = |cause: String| TrustError::Unparsable { number: index + 1, cause };
                let der = der.map_err(|error| match error {
                    pem::Error::MissingSectionEnd { .. } => unparsable("its END line is missing".to_owned()),
                    error => unparsable(error.to_string()),
                })?;
                Certificate::from_der(der.as_ref()).map_err(unparsable)
            })
            .collect::<Result<Vec<_>, _>>()?;
        if certificates.is_empty() {
            return Err(TrustError::NoCertificates);
        }
        Ok(Self::new(certificates))
    }

    /// Reads a PEM file that replaces the shipped roots (`RDS_CA_BUNDLE`), leaving out what has expired
    /// at `now`: TLS libraries do not look at the dates of a root.
    ///
    /// # Errors
    /// Where the file cannot be read, holds no certificate or a broken one, or only expired ones. All are
    /// configuration errors: report them, don't retry.
    pub fn read(path: &Path, now: SystemTime) -> Result<Self, TrustError> {
        let in_file = |cause| TrustError::File { path: path.to_owned(), cause: Box::new(cause) };
        let pem = std::fs::read(path).map_err(|source| TrustError::Read { path: path.to_owned(), source })?;
        let all = Self::parse(&pem).map_err(in_file)?;
        let count = all.len();
        let valid: Vec<_> = all.certificates.into_iter().filter(|c| c.not_after() > now).collect();
        if valid.is_empty() {
            return Err(in_file(TrustError::AllExpired { count }));
        }
        Ok(Self::new(valid))
    }

    /// The set as a PEM text, each certificate under a comment with its name, fingerprint and dates.
    pub fn pem(&self) -> &[u8] {
        self.pem.as_bytes()
    }

    /// The certificates, by name, as in the PEM text.
    pub fn iter(&self) -> std::slice::Iter<'_, Certificate> {
        self.certificates.iter()
    }

    /// How many certificates there are; never zero.
    #[expect(clippy::len_without_is_empty, reason = "a set of roots is never empty: parsing refuses that")]
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// The certificates that expire before a moment, those already expired at it included.
    pub fn expiring_before(&self, moment: SystemTime) -> impl Iterator<Item = &Certificate> {
        self.iter().filter(move |certificate| certificate.not_after() < moment)
    }

    /// Whether the set has a root for the instances of a region. Where it has not, a connection to an
    /// instance there cannot be verified: the mend is AWS's bundle in `RDS_CA_BUNDLE`.
    pub fn covers(&self, region: &Region) -> bool {
        let name = format!("Amazon RDS {} Root CA ", region.as_str());
        self.iter().any(|certificate| certificate.name().starts_with(&name))
    }

    /// Which roots are expired, and which will be within [`WARN_AHEAD`], at a moment. Intermediates do
    /// not count: a server that has a newer one sends it.
    pub fn freshness(&self, now: SystemTime) -> Freshness<'_> {
        let (expired, expiring) = self
            .expiring_before(now + WARN_AHEAD)
            .filter(|certificate| certificate.is_root())
            .partition(|certificate| certificate.not_after() <= now);
        Freshness { expired, expiring }
    }
}

impl<'a> IntoIterator for &'a Roots {
    type Item = &'a Certificate;
    type IntoIter = std::slice::Iter<'a, Certificate>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Which certificates of a set need attention. Its `Display` is for a log line or `doctor`.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Freshness<'a> {
    /// Expired already.
    pub expired: Vec<&'a Certificate>,
    /// Still valid, but for less than [`WARN_AHEAD`].
    pub expiring: Vec<&'a Certificate>,
}

impl Freshness<'_> {
    /// Whether nothing needs attention.
    pub fn is_fresh(&self) -> bool {
        self.expired.is_empty() && self.expiring.is_empty()
    }
}

impl fmt::Display for Freshness<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_fresh() {
            let days = WARN_AHEAD.as_secs() / 86_400;
            return write!(f, "no trust root expires within {days} days");
        }
        f.write_str("trust roots need a refresh (examples/refresh_trust_roots.rs, or RDS_CA_BUNDLE):")?;
        for certificate in &self.expired {
            write!(f, "\n  expired {}: {}", certificate.not_after_date(), certificate.name())?;
        }
        for certificate in &self.expiring {
            write!(f, "\n  expires {}: {}", certificate.not_after_date(), certificate.name())?;
        }
        Ok(())
    }
}

/// Why a file or text gives no trust roots. Each is a matter of configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The file could not be read.
    #[error("cannot read the trust roots in {}; RDS_CA_BUNDLE names a PEM file this program may read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What the file holds gives no roots.
    #[error("cannot take trust roots from {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        #[source]
        cause: Box<TrustError>,
    },
    /// The bundled roots cannot verify the servers of a region.
    #[error(
        "no trust root for database servers in {region} is bundled; download {}, and name that file as the CA bundle",
        bundle_of(region)
    )]
    NotBundled {
        /// The region.
        region: Region,
    },
    /// There is no PEM certificate.
    #[error(
        "there is no certificate; the file must hold PEM text, one `-----BEGIN CERTIFICATE-----` block for each root"
    )]
    NoCertificates,
    /// A certificate is not one.
    #[error(
        "certificate number {number} is broken ({cause}); download the bundle again, or remove that block"
    )]
    Unparsable {
        /// Which, counted from 1.
        number: usize,
        /// What the parser said.
        cause: String,
    },
    /// Nothing in it is valid any more.
    #[error(
        "every certificate has expired ({count} of {count}); download the current bundle from AWS, or remove RDS_CA_BUNDLE to use the shipped roots"
    )]
    AllExpired {
        /// How many there were.
        count: usize,
    },
}

#[cfg(test)]
mod tests;
