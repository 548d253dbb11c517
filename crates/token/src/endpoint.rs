//! `Endpoint` and `Host`: a DNS name or IP address with a port, parsed from `host:port` and validated. URLs and
//! user names are refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// A host and a port, written `host:port` (an IPv6 address in brackets).
///
/// ```
/// # use rds_iam_token::Endpoint;
/// let endpoint: Endpoint = "db.abc123.us-east-1.rds.amazonaws.com:3306".parse()?;
/// assert_eq!(endpoint.port(), 3306);
/// assert_eq!("[::1]:3306".parse::<Endpoint>()?.to_string(), "[::1]:3306");
/// assert!("mysql://db.example.com:3306".parse::<Endpoint>().is_err());
/// # Ok::<(), rds_iam_token::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    host: Host,
    port: u16,
}

/// The host part of an [`Endpoint`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there are no other kinds of host")]
pub enum Host {
    /// A DNS name, in lower case.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

impl Endpoint {
    /// Creates an endpoint from its parts. `host` is a DNS name or an IP address (IPv6 with or without
    /// brackets); `port` is 1 to 65535.
    ///
    /// # Errors
    /// Returns [`EndpointError`] if the host or the port is invalid; fix the setting that it came from.
    pub fn new(host: &str, port: u16) -> Result<Self, EndpointError> {
        if port == 0 {
            return Err(EndpointError::PortOutOfRange { port: "0".into() });
        }
        Ok(Self { host: host.parse()?, port })
    }

    /// Parses `host` or `host:port`; a text without a port gets `port`. One dot at the end of the host is removed: TLS and
    /// tokens have names without it.
    ///
    /// ```
    /// # use rds_iam_token::Endpoint;
    /// let endpoint = Endpoint::with_default_port("db.abc123.us-east-1.rds.amazonaws.com.", 3306)?;
    /// assert_eq!(endpoint.to_string(), "db.abc123.us-east-1.rds.amazonaws.com:3306");
    /// assert_eq!(Endpoint::with_default_port("::1", 3306)?.to_string(), "[::1]:3306");
    /// # Ok::<(), rds_iam_token::EndpointError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`EndpointError`] if the host or the port is invalid; fix the setting that it came from.
    pub fn with_default_port(text: &str, port: u16) -> Result<Self, EndpointError> {
        let without_dot = |host: &str| host.strip_suffix('.').unwrap_or(host).to_owned();
        refuse_urls(text)?;
        match text.rsplit_once(':') {
            Some((host, given)) if !host.contains(':') || host.ends_with(']') => {
                format!("{}:{given}", without_dot(host)).parse()
            }
            _ => Self::new(&without_dot(text), port),
        }
    }

    /// Returns the host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the TCP port, 1 to 65535.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        refuse_urls(text)?;
        let (host, port) = match text.rsplit_once(':') {
            // `::1` has colons but no port.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port),
            _ => return Err(EndpointError::NoPort { given: text.into() }),
        };
        // `parse` alone would accept a sign.
        match port.parse() {
            Ok(number) if port.bytes().all(|b| b.is_ascii_digit()) => Self::new(host, number),
            _ => Err(EndpointError::PortOutOfRange { port: port.into() }),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::V6(ip) => write!(f, "[{ip}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

impl FromStr for Host {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        refuse_urls(text)?;
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        match bare.parse() {
            Ok(IpAddr::V4(ip)) if bare == text => return Ok(Host::V4(ip)),
            Ok(IpAddr::V6(ip)) => return Ok(Host::V6(ip)),
            _ => {}
        }
        let label = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        // All digits and dots, but not an IPv4 address: a typing mistake, never a name.
        let numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if text.len() > 253 || numeric || !text.split('.').all(label) {
            return Err(EndpointError::BadHost { host: text.into() });
        }
        Ok(Host::Name(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    /// Writes the host in the format of a connect call: an IPv6 address without brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::V4(ip) => ip.fmt(f),
            Host::V6(ip) => ip.fmt(f),
        }
    }
}

fn refuse_urls(text: &str) -> Result<(), EndpointError> {
    if text.is_empty() {
        return Err(EndpointError::Empty);
    }
    // User info may hold a password, so no message below repeats a text that has an `@`.
    if text.contains('@') {
        return Err(EndpointError::UserInfo);
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(EndpointError::Scheme { scheme: scheme.into() });
    }
    if text.contains(['/', '?', '#']) {
        return Err(EndpointError::Path { given: text.into() });
    }
    Ok(())
}

/// The error of a text that is not an endpoint. Fix the setting it came from.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text is empty.
    #[error("endpoint is empty: give it as host:port")]
    Empty,
    /// A URL was given.
    #[error("endpoint starts with a scheme ({scheme}://): give only host:port")]
    Scheme {
        /// The text before `://`.
        scheme: String,
    },
    /// A user name, perhaps with a password, was given.
    #[error("endpoint has a user name before an @ sign: give only host:port")]
    UserInfo,
    /// A path or query was given.
    #[error("endpoint {given:?} has a path or query: give only host:port")]
    Path {
        /// The text as given.
        given: String,
    },
    /// The port is missing.
    #[error("endpoint {given:?} has no port: give it as host:port (IPv6 as [address]:port)")]
    NoPort {
        /// The text as given.
        given: String,
    },
    /// The port is not a number from 1 to 65535.
    #[error("endpoint port {port:?} is not a number from 1 to 65535")]
    PortOutOfRange {
        /// The port as given.
        port: String,
    },
    /// The host is neither a DNS name nor an IP address.
    #[error("endpoint host {host:?} is neither a DNS name nor an IP address")]
    BadHost {
        /// The host as given.
        host: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let name: Endpoint = "DB.Abc.us-east-1.rds.amazonaws.com:3306".parse().unwrap();
        assert_eq!(name.to_string(), "db.abc.us-east-1.rds.amazonaws.com:3306");
        assert_eq!("127.0.0.1:1".parse::<Endpoint>().unwrap().host(), &Host::V4(Ipv4Addr::LOCALHOST));
        assert_eq!("[::1]:5432".parse::<Endpoint>().unwrap().host(), &Host::V6(Ipv6Addr::LOCALHOST));
        assert_eq!(Endpoint::new("::1", 5432).unwrap().to_string(), "[::1]:5432");
        assert_eq!(Endpoint::new("::1", 5432).unwrap().host().to_string(), "::1");
    }

    #[test]
    fn endpoints_that_are_refused() {
        let error = |text: &str| text.parse::<Endpoint>().unwrap_err();
        insta::assert_snapshot!(error("::1"), @r#"endpoint "::1" has no port: give it as host:port (IPv6 as [address]:port)"#);
        assert_eq!(error(""), EndpointError::Empty);
        assert_eq!(error("mysql://h:1"), EndpointError::Scheme { scheme: "mysql".into() });
        assert_eq!(error("me:hunter2@h:1"), EndpointError::UserInfo);
        assert_eq!(error("h:1/db"), EndpointError::Path { given: "h:1/db".into() });
        assert_eq!(error("h"), EndpointError::NoPort { given: "h".into() });
        for port in ["65536", "+1", "0"] {
            assert_eq!(error(&format!("h:{port}")), EndpointError::PortOutOfRange { port: port.into() });
        }
        for host in
            ["h .com:1", "-h:1", "h.:1", "1.2.3:1", "999.1.1.1:1", "[127.0.0.1]:1", "h\0:1", "é.com:1", ":1"]
        {
            assert!(
                matches!(host.parse::<Endpoint>(), Err(EndpointError::BadHost { .. } | EndpointError::Empty)),
                "{host:?}"
            );
        }
    }
}
