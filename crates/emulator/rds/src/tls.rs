//! The server's certificate, from an own authority that lives as long as the server.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rds_iam_token::Endpoint;

use crate::error::Error;

/// A certificate and its key, and the authority that signed it. The authority's key is gone.
pub(crate) struct ServerIdentity {
    ca_pem: String,
    certificate_pem: String,
    key_pem: String,
}

impl ServerIdentity {
    /// One that is good for the RDS-style name and for every way to name this machine's loopback.
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "RDS emulator on this machine: test authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        let ca_certificate = ca.self_signed(&ca_key)?;

        let key = KeyPair::generate()?;
        let host = endpoint.host().to_string();
        let names = ["localhost".into(), "127.0.0.1".into(), "::1".into(), host.clone()];
        let mut leaf = CertificateParams::new(names)?;
        leaf.distinguished_name.push(DnType::CommonName, host.chars().take(64).collect::<String>());
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key))?;

        Ok(Self {
            ca_pem: ca_certificate.pem(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(crate) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub(crate) fn key_pem(&self) -> &str {
        &self.key_pem
    }
}
