//! Login to ECR: an authorization token for the registry's API.

use std::net::IpAddr;

use aws_config::SdkConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;

use super::client::Login;
use super::registry::Registry;
use super::{ImageError, Repository};
use crate::aws::CallError;

/// Logs in to a repository's registry (`ecr:GetAuthorizationToken`).
pub(super) async fn login(repository: &Repository, aws: &SdkConfig) -> Result<Registry, ImageError> {
    let call = aws_sdk_ecr::Client::new(aws).get_authorization_token().send();
    let operation = format!("log in to {}", repository.registry());
    let answer = call.await.map_err(CallError::from_sdk(operation, "ecr:GetAuthorizationToken"))?;
    let data = answer.authorization_data.unwrap_or_default().into_iter().next();
    let no_login = || ImageError::NoLogin { registry: repository.registry().to_owned() };
    let data = data.ok_or_else(no_login)?;
    let endpoint = data.proxy_endpoint.unwrap_or_default();
    let endpoint = origin(&endpoint, repository)?;
    let token = data.authorization_token.and_then(|token| STANDARD.decode(token).ok());
    let token = token.and_then(|token| String::from_utf8(token).ok()).ok_or_else(no_login)?;
    let (user, password) = token.split_once(':').ok_or_else(no_login)?;
    let login = Login { user: user.to_owned(), password: password.to_owned() };
    Ok(Registry::new(&endpoint, repository.clone(), login)?)
}

/// Returns the registry's URL. The token is sent to the repository's own registry over HTTPS, or to a loopback address.
fn origin(endpoint: &str, repository: &Repository) -> Result<Url, ImageError> {
    let is_loopback = |host: &str| {
        let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
        let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        ip.is_ok_and(|ip| ip.is_loopback()) && port.parse::<u16>().is_ok()
    };
    let is_own = endpoint.strip_prefix("https://").is_some_and(|host| host == repository.registry())
        || endpoint.strip_prefix("http://").is_some_and(is_loopback);
    let url = is_own.then(|| endpoint.parse().ok()).flatten();
    url.ok_or_else(|| ImageError::Endpoint {
        endpoint: endpoint.to_owned(),
        registry: repository.registry().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_sent_to_the_repository_s_registry_or_a_loopback_address() {
        let registry = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
        let repository = format!("{registry}/orders-dev").parse().unwrap();
        let origin = |endpoint: &str| origin(endpoint, &repository);
        for right in [&format!("https://{registry}"), "http://127.0.0.1:5000", "http://[::1]:5000"] {
            assert_eq!(origin(right).unwrap().as_str(), format!("{right}/"));
        }
        for wrong in [
            "",
            registry,
            &format!("http://{registry}"),
            "https://999999999999.dkr.ecr.us-east-1.amazonaws.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com:80",
            "http://127.0.0.1:80/x",
            "http://10.0.0.1:5000",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }
}
