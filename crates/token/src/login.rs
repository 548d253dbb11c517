//! The login that a token is signed for: an endpoint, its region, and a database user. Each is validated once, when
//! it is parsed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// The endpoint, region and user that a token names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Login {
    /// The endpoint *that the database has on AWS*, never a CNAME or the local end of a tunnel.
    pub endpoint: Endpoint,
    /// The endpoint's own region.
    pub region: Region,
    /// The database user to log in as.
    pub user: DbUser,
}

impl Login {
    /// Creates a login of `user` at `endpoint`, which is in `region`.
    #[must_use]
    pub fn new(endpoint: Endpoint, region: Region, user: DbUser) -> Self {
        Self { endpoint, region, user }
    }
}

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
    /// [`EndpointError`] says what is wrong with the host or the port; fix the setting it came from.
    pub fn new(host: &str, port: u16) -> Result<Self, EndpointError> {
        if port == 0 {
            return Err(EndpointError::PortOutOfRange { port: "0".into() });
        }
        Ok(Self { host: host.parse()?, port })
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
    /// Nothing was given.
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

/// An AWS region, such as `eu-west-1`. There is no default: a token signed for the wrong region is
/// refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(String);

impl Region {
    /// Returns the region's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the partition that ARNs in this region begin with: `aws`, `aws-cn`, `aws-us-gov`, or one of
    /// the isolated and sovereign partitions. Source: `partitions.json` of the AWS SDKs.
    #[must_use]
    pub fn partition(&self) -> &'static str {
        const PREFIXES: [(&str, &str); 7] = [
            ("cn-", "aws-cn"),
            ("us-gov-", "aws-us-gov"),
            ("us-iso-", "aws-iso"),
            ("us-isob-", "aws-iso-b"),
            ("eu-isoe-", "aws-iso-e"),
            ("us-isof-", "aws-iso-f"),
            ("eusc-", "aws-eusc"),
        ];
        PREFIXES
            .iter()
            .find(|(prefix, _)| self.0.starts_with(prefix))
            .map_or("aws", |(_, partition)| partition)
    }
}

impl FromStr for Region {
    type Err = RegionError;

    fn from_str(text: &str) -> Result<Self, RegionError> {
        if text.is_empty() {
            return Err(RegionError::Empty);
        }
        let parts: Vec<&str> = text.split('-').collect();
        let lower = |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase());
        let well_formed = match parts.as_slice() {
            [words @ .., number] => {
                words.len() >= 2
                    && words.iter().all(lower)
                    && !number.is_empty()
                    && number.len() <= 2
                    && number.bytes().all(|b| b.is_ascii_digit())
            }
            [] => false,
        };
        if !well_formed {
            return Err(RegionError::Malformed { given: text.into() });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error of a text that is not a region. Fix the setting it came from.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegionError {
    /// Nothing was given, and there is no default.
    #[error("region is empty: name the region that the database is in, such as eu-west-1")]
    Empty,
    /// Not of the form of a region (an availability zone, say).
    #[error(
        "{given:?} is not a region: expected a name such as eu-west-1 (an availability zone has a letter at its end, a region has not)"
    )]
    Malformed {
        /// The text as given.
        given: String,
    },
}

/// A database user's name, without a host part.
///
/// Any name that a server could store is accepted, quotes and non-ASCII included, because callers encode or quote it.
/// Only an empty name and control characters are refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DbUser(String);

impl DbUser {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DbUser {
    type Err = DbUserError;

    fn from_str(text: &str) -> Result<Self, DbUserError> {
        if text.is_empty() {
            return Err(DbUserError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(DbUserError::ControlCharacter { given: text.into() });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for DbUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error of a text that is not a database user. Fix the setting it came from.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DbUserError {
    /// Nothing was given.
    #[error("database user is empty: name the user to log in as")]
    Empty,
    /// A NUL, a line break or the like.
    #[error("database user {given:?} has a control character in it")]
    ControlCharacter {
        /// The text as given; `Debug` shows the character escaped.
        given: String,
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

    #[test]
    fn regions_and_their_partitions() {
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("ap-southeast-5", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(region.parse::<Region>().unwrap().partition(), partition);
        }
        for region in
            ["", "us-east-1a", "US-EAST-1", "us_east_1", "useast1", "us-1", "us-east-", "us-east-100"]
        {
            assert!(region.parse::<Region>().is_err(), "{region:?}");
        }
    }

    #[test]
    fn users() {
        for user in ["node_app", "o'neil", "a`b", "a b&c=d+e%f", "Zoë"] {
            assert_eq!(user.parse::<DbUser>().unwrap().as_str(), user);
        }
        assert_eq!("".parse::<DbUser>(), Err(DbUserError::Empty));
        insta::assert_snapshot!("a\0b".parse::<DbUser>().unwrap_err(), @r#"database user "a\0b" has a control character in it"#);
    }
}
