//! Checks of the settings that replace AWS's endpoints: variables, and the profile.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;

/// The error of an empty `AWS_ENDPOINT_URL`, or one of its forms for a single service (`AWS_ENDPOINT_URL_SSM`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmptyEndpointUrl {
    /// The variable, or the key of the AWS profile.
    pub variable: String,
}

impl fmt::Display for EmptyEndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = &self.variable;
        write!(f, "{variable} is empty; expected a URL. Unset {variable} to use AWS's own endpoints")
    }
}

impl Error for EmptyEndpointUrl {}

/// Checks the environment, and the URL of the configuration that was loaded from it and the AWS profile
/// (`SdkConfig::endpoint_url`), for the AWS SDK, which panics in a call to an empty endpoint. A program calls it before
/// its first call. Other invalid URLs are errors of the call.
///
/// # Errors
/// Returns an error if `AWS_ENDPOINT_URL`, one of its forms for a single service, or the loaded URL is empty.
pub fn check_endpoint_urls(loaded: Option<&str>) -> Result<(), EmptyEndpointUrl> {
    check(std::env::vars_os(), loaded)
}

fn check(
    variables: impl Iterator<Item = (OsString, OsString)>,
    loaded: Option<&str>,
) -> Result<(), EmptyEndpointUrl> {
    let empty =
        variables.filter(|(_, value)| value.is_empty()).filter_map(|(name, _)| name.into_string().ok());
    let is_endpoint = |name: &String| name == "AWS_ENDPOINT_URL" || name.starts_with("AWS_ENDPOINT_URL_");
    let of_profile = (loaded == Some("")).then(|| "endpoint_url of the AWS profile".to_owned());
    let first = empty.filter(is_endpoint).min().or(of_profile);
    first.map_or(Ok(()), |variable| Err(EmptyEndpointUrl { variable }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(variables: &[(&str, &str)]) -> Result<(), String> {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        check(variables, None).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_url_is_refused_and_its_variable_named() {
        let all =
            "AWS_ENDPOINT_URL is empty; expected a URL. Unset AWS_ENDPOINT_URL to use AWS's own endpoints";
        assert_eq!(
            checked(&[("AWS_ENDPOINT_URL_RDS", "http://h"), ("AWS_ENDPOINT_URL", "")]),
            Err(all.into())
        );
        let one = checked(&[("AWS_ENDPOINT_URL", "http://h"), ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "")]);
        assert!(one.unwrap_err().starts_with("AWS_ENDPOINT_URL_SECRETS_MANAGER is empty; "));
    }

    #[test]
    fn an_empty_url_of_a_profile_is_refused() {
        assert_eq!(check(std::iter::empty(), None), Ok(()));
        assert_eq!(check(std::iter::empty(), Some("http://h")), Ok(()));
        let error = check(std::iter::empty(), Some("")).unwrap_err().to_string();
        assert!(error.starts_with("endpoint_url of the AWS profile is empty; "), "{error}");
    }

    #[test]
    fn other_variables_are_not_checked() {
        assert_eq!(checked(&[]), Ok(()));
        assert_eq!(checked(&[("AWS_ENDPOINT_URL", "http://h"), ("AWS_REGION", "")]), Ok(()));
        assert_eq!(checked(&[("AWS_ENDPOINT_URLS", "")]), Ok(()));
    }
}
