//! Login to ECR: an authorization token for the registry's API.

use std::net::IpAddr;

use aws_config::SdkConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_client::secrets::RegistryAuth;

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
    let (host, is_plain) = host(&endpoint, repository)?;
    let token = data.authorization_token.and_then(|token| STANDARD.decode(token).ok());
    let token = token.and_then(|token| String::from_utf8(token).ok()).ok_or_else(no_login)?;
    let (user, password) = token.split_once(':').ok_or_else(no_login)?;
    let login = RegistryAuth::Basic(user.to_owned(), password.to_owned());
    Ok(Registry::new(host, is_plain, repository.clone(), login).await)
}

/// Returns the registry's host, and whether it is accessed by plain HTTP. The token is sent to the repository's own
/// registry over HTTPS, or to a loopback address.
fn host(endpoint: &str, repository: &Repository) -> Result<(String, bool), ImageError> {
    if let Some(host) = endpoint.strip_prefix("https://")
        && host == repository.registry()
    {
        return Ok((host.to_owned(), false));
    }
    let is_loopback = |host: &str| {
        let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
        let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        ip.is_ok_and(|ip| ip.is_loopback()) && port.parse::<u16>().is_ok()
    };
    match endpoint.strip_prefix("http://") {
        Some(host) if is_loopback(host) => Ok((host.to_owned(), true)),
        _ => Err(ImageError::Endpoint {
            endpoint: endpoint.to_owned(),
            registry: repository.registry().to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_sent_to_the_repository_s_registry_or_a_loopback_address() {
        let registry = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
        let repository = format!("{registry}/orders-dev").parse().unwrap();
        let host = |endpoint: &str| host(endpoint, &repository);
        assert_eq!(host(&format!("https://{registry}")).unwrap(), (registry.to_owned(), false));
        assert_eq!(host("http://127.0.0.1:5000").unwrap(), ("127.0.0.1:5000".to_owned(), true));
        assert_eq!(host("http://[::1]:5000").unwrap(), ("[::1]:5000".to_owned(), true));
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
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }
}
