//! A certificate with its names, dates and fingerprint.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

/// The number of base64 characters per PEM line (RFC 7468).
const PEM_LINE: usize = 64;

/// A trusted certificate with its names and dates. Two are equal if their bytes are.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    fingerprint: Fingerprint,
    subject: String,
    name: String,
    self_issued: bool,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Certificate {
    /// Parses a DER certificate; the error is the parser's message.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, String> {
        let (rest, x509) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the certificate", rest.len()));
        }
        let subject = x509.subject().to_string();
        let name = x509.subject().iter_common_name().next().and_then(|cn| cn.as_str().ok());
        Ok(Self {
            fingerprint: Fingerprint(Sha256::digest(der).into()),
            name: name.unwrap_or(&subject).to_owned(),
            self_issued: x509.subject().as_raw() == x509.issuer().as_raw(),
            not_before: system_time(x509.validity().not_before)?,
            not_after: system_time(x509.validity().not_after)?,
            subject,
            der: der.to_owned(),
        })
    }

    /// Returns the DER bytes, in rustls's type.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the SHA-256 fingerprint of the DER bytes.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Returns the whole subject, such as `C=US, O=Amazon, CN=Amazon Root CA 1`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the subject's common name, such as `Amazon Root CA 1`, or the whole subject if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether issuer and subject are equal, as in a root; an intermediate has another issuer.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.self_issued
    }

    /// Returns the start of its validity.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// Returns the end of its validity.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Returns the day of its expiry (UTC), such as `2061-05-25`.
    pub(super) fn not_after_date(&self) -> String {
        OffsetDateTime::from(self.not_after).date().to_string()
    }

    /// Returns the PEM block, after a comment with name, fingerprint and dates.
    pub(super) fn to_pem(&self) -> String {
        let base64 = STANDARD.encode(&self.der);
        let mut pem = format!("# {}\n# SHA-256 {}\n", self.name.escape_debug(), self.fingerprint);
        pem += &format!("# valid {} to {}\n", rfc3339(self.not_before), rfc3339(self.not_after));
        pem += "-----BEGIN CERTIFICATE-----\n";
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at(rest.len().min(PEM_LINE));
            pem += line;
            pem += "\n";
            rest = tail;
        }
        pem + "-----END CERTIFICATE-----\n"
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("fingerprint", &self.fingerprint.to_string())
            .field("not_after", &rfc3339(self.not_after))
            .finish_non_exhaustive()
    }
}

/// A SHA-256 certificate fingerprint. Displays as `openssl x509 -fingerprint -sha256` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Returns the digest's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// Returns a time such as `2061-05-25T22:34:57Z`.
pub(crate) fn rfc3339(moment: SystemTime) -> String {
    OffsetDateTime::from(moment).format(&Rfc3339).expect("X.509 dates have four-digit years")
}

fn system_time(asn1: ASN1Time) -> Result<SystemTime, String> {
    let seconds = asn1.timestamp();
    let moment = match u64::try_from(seconds) {
        Ok(seconds) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)),
        Err(_) => SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(seconds.unsigned_abs())),
    };
    moment.ok_or_else(|| format!("its date {asn1} is out of range"))
}
