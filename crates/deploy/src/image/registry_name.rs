//! Names of ECR's private registries.

use std::fmt;
use std::str::FromStr;

use rds_iam_token::Region;

use super::NameError;

/// The DNS suffixes of registries in each partition: of `….dkr.ecr.<region>`, and of `….dkr-ecr.<region>`, which has
/// IPv6 too. Sources: <https://docs.aws.amazon.com/general/latest/gr/ecr.html>, and the names that
/// awslabs/amazon-ecr-credential-helper accepts.
const SUFFIXES: [(&str, &str, Option<&str>); 8] = [
    ("aws", "amazonaws.com", Some("on.aws")),
    ("aws-us-gov", "amazonaws.com", Some("on.aws")),
    ("aws-cn", "amazonaws.com.cn", Some("on.amazonwebservices.com.cn")),
    ("aws-eusc", "amazonaws.eu", None),
    ("aws-iso", "c2s.ic.gov", None),
    ("aws-iso-b", "sc2s.sgov.gov", None),
    ("aws-iso-e", "cloud.adc-e.uk", None),
    ("aws-iso-f", "csp.hci.ic.gov", None),
];

/// The host name of an account's private registry in ECR, such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com`.
///
/// ```
/// use rds_iam_deploy::image::RegistryName;
///
/// let name: RegistryName = "123456789012.dkr-ecr-fips.us-east-1.on.aws".parse()?;
/// assert_eq!(name.region().as_str(), "us-east-1");
/// # Ok::<(), rds_iam_deploy::image::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistryName {
    host: String,
    region: Region,
}

impl RegistryName {
    /// Returns the registry's host.
    pub fn as_str(&self) -> &str {
        &self.host
    }

    /// Returns the registry's region.
    pub fn region(&self) -> &Region {
        &self.region
    }
}

impl FromStr for RegistryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let expected = "a private registry of ECR, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com: the account's \
                        12 digits and the region, without https:// and without a repository";
        match region(text) {
            Some(region) => Ok(Self { host: text.to_owned(), region }),
            None => Err(NameError { given: text.to_owned(), expected }),
        }
    }
}

/// Returns the region in a registry's name; `None` for any other text.
fn region(name: &str) -> Option<Region> {
    let (account, rest) = name.split_once('.')?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let strip = |prefixes: [&str; 2]| prefixes.into_iter().find_map(|prefix| rest.strip_prefix(prefix));
    let (is_dual_stack, rest) = match strip(["dkr.ecr.", "dkr.ecr-fips."]) {
        Some(rest) => (false, rest),
        None => (true, strip(["dkr-ecr.", "dkr-ecr-fips."])?),
    };
    let (region, suffix) = rest.split_once('.')?;
    let region: Region = region.parse().ok()?;
    let (_, ipv4, dual_stack) = SUFFIXES.iter().find(|(partition, ..)| *partition == region.partition())?;
    let expected = if is_dual_stack { *dual_stack } else { Some(*ipv4) };
    (is_account && expected == Some(suffix)).then_some(region)
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_name_has_its_region() {
        for (name, region) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
            ("012345678901.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
            ("123456789012.dkr-ecr-fips.us-east-1.on.aws", "us-east-1"),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "cn-north-1"),
            ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
            ("123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
            ("123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"),
        ] {
            let parsed: RegistryName = name.parse().unwrap();
            assert_eq!((parsed.as_str(), parsed.region().as_str()), (name, region));
        }
    }

    #[test]
    fn another_host_is_no_registry_that_gets_a_password() {
        for wrong in [
            "",
            "123456789012",
            "docker.io",
            "public.ecr.aws",
            "127.0.0.1:5000",
            "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/orders",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com:443",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.",
            "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
            "accountid012.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.amazonaws.com",
            "123456789012.dkr.ecr.eu.amazonaws.com",
            "api.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.example.com",
            "123456789012.dkr.ecr.eu-west-1.example.com",
            // Names of another partition than the region's.
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.cn",
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.c2s.ic.gov",
            // The two forms, mixed up.
            "123456789012.dkr.ecr.eu-west-1.on.aws",
            "123456789012.dkr-ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr-ecr.eusc-de-east-1.amazonaws.eu",
        ] {
            assert!(wrong.parse::<RegistryName>().is_err(), "{wrong}");
        }
    }
}
