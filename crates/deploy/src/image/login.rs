//! Login to ECR: an authorization token for the registry's API.

use std::net::IpAddr;
use std::time::SystemTime;

use aws_config::SdkConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;

use super::client::Login;
use super::password::RegistryPassword;
use super::registry::Registry;
use super::{ImageError, RegistryName, Repository};
use crate::aws::CallError;

/// A login for ECR, as `docker login` accepts it.
#[derive(Debug)]
#[non_exhaustive]
pub struct RegistryLogin {
    /// The user, `AWS`.
    pub user: String,
    /// The password.
    pub password: RegistryPassword,
    /// The host to log in to, with its port if it has one: the registry that was named, or else the caller's own. On a
    /// single machine it is a loopback address.
    pub endpoint: String,
    /// The end of the login, after 12 hours.
    pub expires_at: Option<SystemTime>,
}

/// Gets a login for `registry`, or for the caller's own registry in the region of `aws`
/// (`ecr:GetAuthorizationToken`). The region of `aws` must be that of `registry`.
///
/// The account of `registry` may be another one than the caller's: a token is valid for every registry that the caller
/// may access, and the parameter `registryIds` is deprecated. Source:
/// <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html>.
///
/// # Errors
/// Returns an error if the call fails, or if ECR returns no login, or one for another region or host.
pub async fn registry_login(
    aws: &SdkConfig,
    registry: Option<&RegistryName>,
) -> Result<RegistryLogin, ImageError> {
    let region = aws.region().map_or("", AsRef::as_ref);
    let name = registry.map_or_else(|| format!("the caller's registry in {region}"), ToString::to_string);
    let Authorization { login, endpoint, expires_at } = authorize(&name, aws).await?;
    match host(&endpoint, registry, region) {
        Some(endpoint) => {
            Ok(RegistryLogin { user: login.user, password: login.password, endpoint, expires_at })
        }
        None => Err(ImageError::OtherRegistry { endpoint, registry: name }),
    }
}

/// Logs in to a repository's registry (`ecr:GetAuthorizationToken`).
pub(super) async fn login(repository: &Repository, aws: &SdkConfig) -> Result<Registry, ImageError> {
    let Authorization { login, endpoint, .. } = authorize(repository.registry(), aws).await?;
    let endpoint = origin(&endpoint, repository)?;
    Ok(Registry::new(&endpoint, repository.clone(), login)?)
}

/// ECR's answer.
struct Authorization {
    login: Login,
    /// The URL of the registry that ECR names, which is not verified yet.
    endpoint: String,
    expires_at: Option<SystemTime>,
}

/// Gets a token; `registry` is for messages.
async fn authorize(registry: &str, aws: &SdkConfig) -> Result<Authorization, ImageError> {
    let call = aws_sdk_ecr::Client::new(aws).get_authorization_token().send();
    let operation = format!("log in to {registry}");
    let answer = call.await.map_err(CallError::from_sdk(operation, "ecr:GetAuthorizationToken"))?;
    let data = answer.authorization_data.unwrap_or_default().into_iter().next();
    let no_login = || ImageError::NoLogin { registry: registry.to_owned() };
    let data = data.ok_or_else(no_login)?;
    let token = data.authorization_token.and_then(|token| STANDARD.decode(token).ok());
    let token = token.and_then(|token| String::from_utf8(token).ok()).ok_or_else(no_login)?;
    let (user, password) = token.split_once(':').ok_or_else(no_login)?;
    Ok(Authorization {
        login: Login { user: user.to_owned(), password: RegistryPassword::new(password) },
        endpoint: data.proxy_endpoint.unwrap_or_default(),
        expires_at: data.expires_at.and_then(|time| SystemTime::try_from(time).ok()),
    })
}

/// Returns the host to log in to: `registry`, or else that of ECR's endpoint, which must be a registry in the region;
/// or ECR's endpoint, if that is a loopback address.
fn host(endpoint: &str, registry: Option<&RegistryName>, region: &str) -> Option<String> {
    if let Some(address) = endpoint.strip_prefix("http://").filter(|host| is_loopback(host)) {
        return Some(address.to_owned());
    }
    let own: RegistryName = endpoint.strip_prefix("https://")?.parse().ok()?;
    let host = registry.unwrap_or(&own);
    let is_in_region = [&own, host].iter().all(|name| name.region().as_str() == region);
    is_in_region.then(|| host.to_string())
}

/// Returns the registry's URL. The token is sent to the repository's own registry over HTTPS, or to a loopback address.
fn origin(endpoint: &str, repository: &Repository) -> Result<Url, ImageError> {
    let is_own = endpoint.strip_prefix("https://").is_some_and(|host| host == repository.registry())
        || endpoint.strip_prefix("http://").is_some_and(is_loopback);
    let url = is_own.then(|| endpoint.parse().ok()).flatten();
    url.ok_or_else(|| ImageError::Endpoint {
        endpoint: endpoint.to_owned(),
        registry: repository.registry().to_owned(),
    })
}

/// Returns whether a host, with or without a port, is a loopback address.
fn is_loopback(host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    ip.is_ok_and(|ip| ip.is_loopback()) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::aws::test_client::TestClient;

    const REGISTRY: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
    const PASSWORD: &str = "eyJwYXlsb2Fk";

    #[test]
    fn the_token_is_sent_to_the_repository_s_registry_or_a_loopback_address() {
        let repository = format!("{REGISTRY}/orders-dev").parse().unwrap();
        let origin = |endpoint: &str| origin(endpoint, &repository);
        for right in [&format!("https://{REGISTRY}"), "http://127.0.0.1:5000", "http://[::1]:5000"] {
            assert_eq!(origin(right).unwrap().as_str(), format!("{right}/"));
        }
        for wrong in [
            "",
            REGISTRY,
            &format!("http://{REGISTRY}"),
            "https://999999999999.dkr.ecr.us-east-1.amazonaws.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com:80",
            "http://127.0.0.1:80/x",
            "http://10.0.0.1:5000",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }

    /// ECR in us-east-1, with a token for this endpoint.
    fn ecr(endpoint: &str) -> TestClient {
        let aws = TestClient::new();
        let token = STANDARD.encode(format!("AWS:{PASSWORD}"));
        let data =
            json!({ "authorizationToken": token, "proxyEndpoint": endpoint, "expiresAt": 4_000_000_000_u64 });
        aws.on("GetAuthorizationToken", 200, json!({ "authorizationData": [data] }).to_string());
        aws
    }

    #[tokio::test]
    async fn a_login_is_for_the_named_registry_or_the_caller_s_own() {
        let own = format!("https://{REGISTRY}");
        let other_account = "999999999999.dkr.ecr.us-east-1.amazonaws.com";
        let dual_stack = "123456789012.dkr-ecr.us-east-1.on.aws";
        for (endpoint, registry, expected) in [
            (&*own, None, REGISTRY),
            (&own, Some(REGISTRY), REGISTRY),
            (&own, Some(other_account), other_account),
            (&own, Some(dual_stack), dual_stack),
            ("http://127.0.0.1:5000", Some(REGISTRY), "127.0.0.1:5000"),
            ("http://127.0.0.1:5000", None, "127.0.0.1:5000"),
        ] {
            let aws = ecr(endpoint);
            let registry: Option<RegistryName> = registry.map(|name| name.parse().unwrap());
            let login = registry_login(&aws.config(), registry.as_ref()).await.unwrap();
            let found = (login.user.as_str(), login.password.expose(), login.endpoint.as_str());
            assert_eq!(found, ("AWS", PASSWORD, expected));
            assert_eq!(login.expires_at, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000)));
            assert!(!format!("{login:?} {login:#?}").contains(PASSWORD));
            // The deprecated parameter is not sent.
            assert_eq!(aws.requests("GetAuthorizationToken"), ["{}"]);
        }
    }

    #[tokio::test]
    async fn a_login_for_another_host_or_region_is_refused() {
        let other_region = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        for (endpoint, registry) in [
            ("", None),
            (REGISTRY, None),
            ("https://example.com", None),
            ("http://10.0.0.1:5000", None),
            (&format!("http://{REGISTRY}"), None),
            (&format!("https://{other_region}"), None),
            (&format!("https://{other_region}"), Some(REGISTRY)),
            // Asked of us-east-1, for a registry elsewhere.
            (&format!("https://{REGISTRY}"), Some(other_region)),
            (&format!("https://{other_region}"), Some(other_region)),
        ] {
            let registry: Option<RegistryName> = registry.map(|name| name.parse().unwrap());
            let error = registry_login(&ecr(endpoint).config(), registry.as_ref()).await.unwrap_err();
            assert!(matches!(error, ImageError::OtherRegistry { .. }), "{endpoint} {registry:?}: {error}");
        }
    }

    #[tokio::test]
    async fn a_refusal_names_the_permission() {
        let aws = TestClient::new();
        aws.on("GetAuthorizationToken", 400, r#"{"__type":"AccessDeniedException","message":"x"}"#);
        let error = registry_login(&aws.config(), None).await.unwrap_err();
        insta::assert_snapshot!(error, @"cannot log in to the caller's registry in us-east-1: denied (AccessDeniedException): allow ecr:GetAuthorizationToken in the caller's role");
        for token in ["", "%", &STANDARD.encode("no colon")] {
            let data = json!({ "authorizationToken": token, "proxyEndpoint": format!("https://{REGISTRY}") });
            aws.replace("GetAuthorizationToken", 200, json!({ "authorizationData": [data] }).to_string());
            let error = registry_login(&aws.config(), None).await.unwrap_err();
            assert!(matches!(error, ImageError::NoLogin { .. }), "{token}: {error}");
        }
    }
}
