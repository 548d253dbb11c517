//! AWS regions, their partitions, and the region in the host name of a database.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The DNS suffixes of AWS's partitions. Source: `partitions.json` of the AWS SDKs.
const DNS_SUFFIXES: [&str; 7] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];

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

    /// Returns the region that AWS wrote into the host name of an instance, an Aurora cluster (writer, reader or custom
    /// endpoint), or a proxy.
    ///
    /// Returns `None` if the name has no region: your own DNS names, and the writer endpoint of a global database
    /// (`….global-….global.rds.amazonaws.com`), which moves between regions. Configure the region for those. A token is
    /// valid only in the endpoint's own region, so a configured region that differs from this one is an error.
    ///
    /// Two forms exist: `….<region>.rds.<suffix>`, and in China also `….rds.<region>.amazonaws.com.cn`. Source: the
    /// host patterns of the AWS Advanced JDBC Wrapper (`RdsUtils`).
    ///
    /// ```
    /// use rds_iam_token::Region;
    ///
    /// let region = Region::from_rds_host("orders.proxy-c0ffee.eu-west-1.rds.amazonaws.com");
    /// assert_eq!(region, Some("eu-west-1".parse()?));
    /// assert_eq!(Region::from_rds_host("db.example.com"), None);
    /// # Ok::<(), rds_iam_token::RegionError>(())
    /// ```
    #[must_use]
    pub fn from_rds_host(host: &str) -> Option<Self> {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let labels = DNS_SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix)?.strip_suffix('.'))?;
        let labels: Vec<_> = labels.split('.').collect();
        let ([_, .., region, "rds"] | [_, .., "rds", region]) = labels.as_slice() else { return None };
        region.parse().ok()
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
    /// The text is empty, and there is no default.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_endpoint_in_every_partition() {
        for (host, region) in [
            ("orders.c0ffee.eu-west-1.rds.amazonaws.com", "eu-west-1"),
            ("ORDERS.C0FFEE.EU-WEST-1.RDS.AMAZONAWS.COM.", "eu-west-1"),
            ("orders.cluster-c0ffee.us-east-2.rds.amazonaws.com", "us-east-2"),
            ("orders.cluster-ro-c0ffee.us-east-2.rds.amazonaws.com", "us-east-2"),
            ("reports.cluster-custom-c0ffee.us-east-2.rds.amazonaws.com", "us-east-2"),
            ("orders.proxy-c0ffee.ap-southeast-4.rds.amazonaws.com", "ap-southeast-4"),
            ("reader.endpoint.proxy-c0ffee.ap-southeast-4.rds.amazonaws.com", "ap-southeast-4"),
            ("orders.shardgrp-c0ffee.eu-west-1.rds.amazonaws.com", "eu-west-1"),
            ("orders.c0ffee.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
            ("orders.c0ffee.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("orders.cluster-c0ffee.rds.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1"),
            ("orders.c0ffee.cn-northwest-1.rds.amazonaws.com.cn", "cn-northwest-1"),
            ("orders.c0ffee.us-iso-east-1.rds.c2s.ic.gov", "us-iso-east-1"),
            ("orders.c0ffee.rds.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"),
            ("orders.c0ffee.eusc-de-east-1.rds.amazonaws.eu", "eusc-de-east-1"),
            ("orders.c0ffee.mx-central-1.rds.amazonaws.com", "mx-central-1"),
        ] {
            let found = Region::from_rds_host(host);
            assert_eq!(found.as_ref().map(Region::as_str), Some(region), "{host}");
        }
    }

    #[test]
    fn names_without_a_region() {
        for host in [
            "",
            "localhost",
            "127.0.0.1",
            "db.example.com",
            "orders.global-c0ffee123456.global.rds.amazonaws.com",
            "rds.eu-west-1.amazonaws.com",
            "eu-west-1.rds.amazonaws.com",
            "orders.c0ffee.eu-west-1.rds.amazonaws.com.example.com",
            "orders.c0ffee.eu-west-1.rdsamazonaws.com",
            "orders.c0ffee.eu-west-1.redshift.amazonaws.com",
            "amazonaws.com",
        ] {
            assert_eq!(Region::from_rds_host(host), None, "{host}");
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
}
