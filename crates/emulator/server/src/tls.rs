//! The certificate of a server or proxy, from a separate authority for each.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rds_iam_token::Endpoint;

use crate::error::Error;

/// A certificate and its key, and the authority that signed it. The authority's key is not kept.
pub struct ServerIdentity {
    ca_pem: String,
    certificate_pem: String,
    key_pem: String,
}

impl ServerIdentity {
    /// Creates a certificate for the endpoints' hosts, of which the first is the server's own, and for `names`. As on
    /// RDS it does not name the address that the server listens on, so a program that verifies the address it connects
    /// to fails.
    ///
    /// # Errors
    /// Returns [`Error::Certificate`] if the system has no random bytes, or a name can't be in a certificate.
    pub fn new(endpoints: &[Endpoint], names: &[String]) -> Result<Self, Error> {
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "RDS emulator on this machine: test authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        let ca_certificate = ca.self_signed(&ca_key)?;

        let key = KeyPair::generate()?;
        let mut hosts: Vec<_> = endpoints.iter().map(|endpoint| endpoint.host().to_string()).collect();
        hosts.extend_from_slice(names);
        let own = hosts.first().cloned().unwrap_or_default();
        let mut leaf = CertificateParams::new(hosts)?;
        leaf.distinguished_name.push(DnType::CommonName, own.chars().take(64).collect::<String>());
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key))?;

        Ok(Self {
            ca_pem: ca_certificate.pem(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// Returns the authority's certificate, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Returns the certificate, as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Returns the certificate's key, as PEM.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::extensions::GeneralName;
    use x509_parser::pem::parse_x509_pem;

    use super::*;

    #[test]
    fn the_certificate_names_every_endpoint_and_no_other_host() {
        let endpoints = ["db.example.com:3306", "proxy.example.com:3306"].map(|e| e.parse().unwrap());
        let identity = ServerIdentity::new(&endpoints, &[]).unwrap();
        let (_, pem) = parse_x509_pem(identity.certificate_pem().as_bytes()).unwrap();
        let certificate = pem.parse_x509().unwrap();
        assert_eq!(certificate.subject().to_string(), "CN=db.example.com");
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        let expected = ["db.example.com", "proxy.example.com"].map(GeneralName::DNSName);
        assert_eq!(names.value.general_names, expected);
    }
}
