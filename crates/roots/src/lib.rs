//! AWS's database certificate authorities, bundled or read from a PEM file, with fingerprints and expiry dates.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod certificate;
mod difference;
pub mod manifest;

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use rds_iam_token::{Endpoint, Host, Region};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};

pub use certificate::{Certificate, Fingerprint};
pub use difference::{Difference, difference};
/// The crate whose types are in the public interface: [`Endpoint`] and [`Region`].
pub use rds_iam_token;

/// The public types can be shared between threads and kept by tasks.
const _: () = {
    const fn assert_shareable<T: Send + Sync + 'static>() {}
    assert_shareable::<(Roots, Certificate, Fingerprint, Freshness<'static>, Difference, TrustError)>();
    assert_shareable::<(manifest::Manifest, manifest::Source, manifest::Entry)>();
};

/// The time before its expiry at which a root is reported: enough for a release and its rollout.
pub const WARN_AHEAD: Duration = Duration::from_secs(180 * 24 * 60 * 60);

const RDS_PEM: &str = include_str!("../certificates/rds.pem");
const AMAZON_TRUST_SERVICES_PEM: &str = include_str!("../certificates/amazon-trust-services.pem");

static RDS: LazyLock<Roots> = LazyLock::new(|| bundled(RDS_PEM));
static AMAZON_TRUST_SERVICES: LazyLock<Roots> = LazyLock::new(|| bundled(AMAZON_TRUST_SERVICES_PEM));
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

fn bundled(pem: &str) -> Roots {
    Roots::parse(pem.as_bytes()).expect("the bundled PEM files are parsed by a unit test")
}

/// A set of trusted certificates, as PEM for TLS libraries and with names, fingerprints and dates for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    certificates: Vec<Certificate>,
    pem: String,
}

impl Roots {
    /// Sorts the certificates by name and removes duplicates, so that a refresh changes as few lines as possible.
    fn new(mut certificates: Vec<Certificate>) -> Self {
        certificates.sort_by(|a, b| (a.name(), a.fingerprint()).cmp(&(b.name(), b.fingerprint())));
        certificates.dedup();
        let pem = certificates.iter().map(Certificate::to_pem).collect::<Vec<_>>().join("\n");
        Self { certificates, pem }
    }

    /// Returns the RDS authorities, which sign the certificates of instances and Aurora clusters.
    #[must_use]
    pub fn rds() -> &'static Self {
        &RDS
    }

    /// Returns Amazon Trust Services, which sign the certificates of RDS Proxy.
    #[must_use]
    pub fn proxy() -> &'static Self {
        &AMAZON_TRUST_SERVICES
    }

    /// Returns both sets, for an endpoint that may be either.
    #[must_use]
    pub fn bundled() -> &'static Self {
        &BUNDLED
    }

    /// Returns [`bundled`](Self::bundled), if it can verify the server at `endpoint` in `region`.
    ///
    /// # Errors
    /// Returns [`TrustError::NotBundled`] for an instance or cluster in a region whose authorities are not
    /// bundled (GovCloud, China, regions newer than this release): every handshake there would fail. A
    /// configuration error: use AWS's bundle, don't retry. Proxies are an exception: Amazon Trust Services sign
    /// for all regions.
    pub fn bundled_for(endpoint: &Endpoint, region: &Region) -> Result<&'static Self, TrustError> {
        let is_proxy = matches!(endpoint.host(), Host::Name(name) if name.contains(".proxy-"));
        if is_proxy || BUNDLED.covers(region) {
            return Ok(&BUNDLED);
        }
        Err(TrustError::NotBundled { region: region.clone() })
    }

    /// Parses the certificates of a PEM text, including expired ones. Text between certificates is ignored.
    ///
    /// # Errors
    /// Returns an error if the text contains no certificate, or an invalid one.
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

    /// Reads a PEM file, such as AWS's bundle for a region whose roots are not bundled, without certificates that are expired at
    /// `now`: TLS libraries do not check the dates of a root.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or contains no certificate, an invalid one or only expired
    /// ones. All are configuration errors: report them, don't retry.
    pub fn read(path: &Path, now: SystemTime) -> Result<Self, TrustError> {
        let in_file = |cause| TrustError::File { path: path.to_owned(), cause: Box::new(cause) };
        let pem = read_limited(path).map_err(|source| TrustError::Read { path: path.to_owned(), source })?;
        Self::parse(&pem).and_then(|roots| roots.valid_at(now)).map_err(in_file)
    }

    /// Returns the set without certificates that are expired at `now`: TLS libraries do not check the dates of a root.
    ///
    /// # Errors
    /// Returns [`TrustError::AllExpired`] if none is left.
    pub fn valid_at(self, now: SystemTime) -> Result<Self, TrustError> {
        let count = self.len();
        let valid: Vec<_> = self.certificates.into_iter().filter(|c| c.not_after() > now).collect();
        if valid.is_empty() { Err(TrustError::AllExpired { count }) } else { Ok(Self::new(valid)) }
    }

    /// Returns the set as PEM text, with the name, fingerprint and dates of each certificate in a comment.
    #[must_use]
    pub fn pem(&self) -> &[u8] {
        self.pem.as_bytes()
    }

    /// Returns the certificates by name, in the order of the PEM text.
    pub fn iter(&self) -> std::slice::Iter<'_, Certificate> {
        self.certificates.iter()
    }

    /// Returns the number of certificates; never zero.
    #[expect(clippy::len_without_is_empty, reason = "a set of roots is never empty: parsing refuses that")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Returns the certificates that expire before `moment`, including those already expired.
    pub fn expiring_before(&self, moment: SystemTime) -> impl Iterator<Item = &Certificate> {
        self.iter().filter(move |certificate| certificate.not_after() < moment)
    }

    /// Returns whether the set has a root for the instances of a region. Without one, a connection to an
    /// instance there cannot be verified; the fix is AWS's bundle, with [`read`](Self::read).
    #[must_use]
    pub fn covers(&self, region: &Region) -> bool {
        let name = format!("Amazon RDS {} Root CA ", region.as_str());
        self.iter().any(|certificate| certificate.name().starts_with(&name))
    }

    /// Returns the roots that are expired at `now`, and those that expire within [`WARN_AHEAD`]. Intermediates do not
    /// count: a server with a newer one sends it.
    #[must_use]
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

/// The certificates of a set that need attention. `Display` is for a log line or `doctor`.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Freshness<'a> {
    /// The expired ones.
    pub expired: Vec<&'a Certificate>,
    /// The ones that expire within [`WARN_AHEAD`].
    pub expiring: Vec<&'a Certificate>,
}

impl Freshness<'_> {
    /// Returns whether no certificate needs attention.
    #[must_use]
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
        f.write_str("trust roots need a refresh (a newer release of rds-iam-roots, or a newer CA bundle):")?;
        for certificate in &self.expired {
            write!(f, "\n  expired {}: {}", certificate.not_after_date(), certificate.name())?;
        }
        for certificate in &self.expiring {
            write!(f, "\n  expires {}: {}", certificate.not_after_date(), certificate.name())?;
        }
        Ok(())
    }
}

/// A file or text has no usable trust roots. Each is a configuration error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The file could not be read.
    #[error("cannot read the trust roots in {}; the CA bundle must be a PEM file that this program can read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The contents of the file are invalid.
    #[error("cannot use the trust roots in {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of its contents.
        #[source]
        cause: Box<TrustError>,
    },
    /// The bundled roots cannot verify the servers of a region.
    #[error(
        "no trust root for database servers in {region} is bundled; download {}, and set the CA bundle to that file",
        bundle_of(region)
    )]
    NotBundled {
        /// The region.
        region: Region,
    },
    /// The text contains no PEM certificate.
    #[error(
        "it contains no certificate; expected PEM text with one `-----BEGIN CERTIFICATE-----` block per root"
    )]
    NoCertificates,
    /// A certificate is invalid.
    #[error("certificate {number} is invalid ({cause}); download the bundle again, or remove that block")]
    Unparsable {
        /// The certificate's number, counted from 1.
        number: usize,
        /// The parser's message.
        cause: String,
    },
    /// All certificates have expired.
    #[error(
        "every certificate has expired ({count} of {count}); download the current bundle from AWS, or set no CA bundle to use the bundled roots"
    )]
    AllExpired {
        /// The number of certificates.
        count: usize,
    },
}

/// The largest file of certificates that is read: 8 MiB, fifty times AWS's global bundle.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut pem)?;
    if pem.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has over 8 MiB"));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests;
