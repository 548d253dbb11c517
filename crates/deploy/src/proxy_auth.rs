//! End-to-end IAM authentication of an RDS Proxy (`DefaultAuthScheme = IAM_AUTH`), which Terraform's AWS provider 5
//! has no argument for.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_rds::Client;
use aws_sdk_rds::error::ProvideErrorMetadata as _;
use aws_sdk_rds::types::{DbProxy, DbProxyStatus, DefaultAuthScheme};
use rds_iam_token::Clock;

use crate::aws::CallError;
use crate::aws::poll::Poll;
use rds_iam_infra::outputs::{Authentication, Proxy};

/// Creating or modifying a proxy takes some minutes.
const POLL: Poll = Poll { interval: Duration::from_secs(5), timeout: Duration::from_secs(30 * 60) };

/// The result of [`enable_iam_auth`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyAuth {
    /// Left as it is: the outputs say that the proxy logs in with secrets, as Terraform configures it.
    Secrets,
    /// Left as it is: the scheme was `IAM_AUTH` before the call.
    AlreadyEnabled,
    /// Changed to `IAM_AUTH`.
    Enabled,
}

/// Changes a proxy to end-to-end IAM authentication if the outputs say so, and waits until it is available. A second
/// call changes nothing.
///
/// # Errors
/// Returns an error if a call fails, the proxy does not exist, or its status is or becomes one that it does not
/// leave by itself.
pub async fn enable_iam_auth(
    aws: &SdkConfig,
    clock: &Clock,
    proxy: &Proxy,
) -> Result<ProxyAuth, ProxyAuthError> {
    if proxy.authentication == Authentication::Secret {
        return Ok(ProxyAuth::Secrets);
    }
    let (client, name) = (Client::new(aws), &proxy.name);
    if wait_until_available(&client, clock, name, |_| true).await? == DefaultAuthScheme::IamAuth.as_str() {
        return Ok(ProxyAuth::AlreadyEnabled);
    }
    let modify = client.modify_db_proxy().db_proxy_name(name).default_auth_scheme(DefaultAuthScheme::IamAuth);
    let operation = format!("change the proxy {name} to IAM_AUTH");
    modify.send().await.map_err(CallError::from_sdk(operation, "rds:ModifyDBProxy"))?;
    // The status may still be `available` with the old scheme before the change begins.
    wait_until_available(&client, clock, name, |scheme| scheme == DefaultAuthScheme::IamAuth.as_str())
        .await?;
    Ok(ProxyAuth::Enabled)
}

/// Waits until the proxy is available with an expected default scheme, and returns that scheme.
async fn wait_until_available(
    client: &Client,
    clock: &Clock,
    name: &str,
    is_expected: impl Fn(&str) -> bool,
) -> Result<String, ProxyAuthError> {
    let mut last = String::new();
    let available = POLL.until(clock, async || {
        let Some(proxy) = find_proxy(client, name).await? else {
            return Ok(Some(Err(ProxyAuthError::Missing { name: name.to_owned() })));
        };
        let scheme = proxy.default_auth_scheme.unwrap_or_else(|| "NONE".to_owned());
        let status = proxy.status.map_or_else(String::new, |status| status.as_str().to_owned());
        let result = match DbProxyStatus::from(status.as_str()) {
            DbProxyStatus::Available if is_expected(&scheme) => Some(Ok(scheme.clone())),
            DbProxyStatus::Available
            | DbProxyStatus::Creating
            | DbProxyStatus::Modifying
            | DbProxyStatus::Reactivating
            | DbProxyStatus::Suspending => None,
            _ => Some(Err(ProxyAuthError::Failed { name: name.to_owned(), status: status.clone() })),
        };
        last = format!("{status} with the default scheme {scheme}");
        Ok(result)
    });
    let available = available.await?;
    let minutes = POLL.timeout.as_secs() / 60;
    available.unwrap_or_else(|| Err(ProxyAuthError::Timeout { name: name.to_owned(), last, minutes }))
}

async fn find_proxy(client: &Client, name: &str) -> Result<Option<DbProxy>, CallError> {
    match client.describe_db_proxies().db_proxy_name(name).send().await {
        Ok(answer) => Ok(answer.db_proxies.unwrap_or_default().into_iter().next()),
        Err(error) if error.code() == Some("DBProxyNotFoundFault") => Ok(None),
        Err(error) => {
            Err(CallError::from_sdk(format!("read the proxy {name}"), "rds:DescribeDBProxies")(error))
        }
    }
}

/// The proxy's authentication was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyAuthError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The proxy does not exist.
    #[error("the proxy {name} does not exist: run `terraform apply` and regenerate outputs.json")]
    Missing {
        /// The proxy's name.
        name: String,
    },
    /// The proxy has a status that it does not leave by itself.
    #[error("the proxy {name} has the status {status} and does not leave it by itself: {}", help(status))]
    Failed {
        /// The proxy's name.
        name: String,
        /// AWS's status.
        status: String,
    },
    /// The proxy is not ready in time.
    #[error(
        "the proxy {name} is {last} after {minutes} minutes: check its events, and run the same command again to keep \
         waiting"
    )]
    Timeout {
        /// The proxy's name.
        name: String,
        /// The last observed status and scheme.
        last: String,
        /// The time waited.
        minutes: u64,
    },
}

fn help(status: &str) -> &'static str {
    match status {
        "incompatible-network" => "give it subnets with free addresses, in zones that support RDS Proxy",
        "insufficient-resource-limits" => {
            "raise the account's quota, or use fewer or smaller databases with it"
        }
        _ => "create it again with `terraform apply`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::test_client::{TestClient, clock};
    use rds_iam_infra::Outputs;

    const OUTPUTS: &str = include_str!("../../../terraform/stacks/service/outputs.json");

    const MODIFIED: &str = "<ModifyDBProxyResponse><ModifyDBProxyResult/></ModifyDBProxyResponse>";

    fn outputs_proxy() -> Proxy {
        Outputs::parse(OUTPUTS).unwrap().proxy.unwrap()
    }

    async fn enable(aws: &TestClient) -> Result<ProxyAuth, ProxyAuthError> {
        enable_iam_auth(&aws.config(), &clock(), &outputs_proxy()).await
    }

    fn proxy(status: &str, scheme: &str) -> String {
        format!(
            "<DescribeDBProxiesResponse><DescribeDBProxiesResult><DBProxies><member>\
             <DBProxyName>orders-dev</DBProxyName><Status>{status}</Status>\
             <DefaultAuthScheme>{scheme}</DefaultAuthScheme></member></DBProxies></DescribeDBProxiesResult>\
             </DescribeDBProxiesResponse>"
        )
    }

    #[tokio::test]
    async fn the_scheme_is_changed_once() {
        let aws = TestClient::new();
        aws.on("DescribeDBProxies", 200, proxy("creating", "NONE"))
            .on("DescribeDBProxies", 200, proxy("available", "NONE"))
            .on("ModifyDBProxy", 200, MODIFIED)
            .on("DescribeDBProxies", 200, proxy("modifying", "NONE"))
            .on("DescribeDBProxies", 200, proxy("available", "IAM_AUTH"));
        assert_eq!(enable(&aws).await.unwrap(), ProxyAuth::Enabled);
        let requests = aws.requests("ModifyDBProxy");
        assert!(requests[0].contains("DBProxyName=orders-dev&DefaultAuthScheme=IAM_AUTH"), "{requests:?}");
        assert_eq!(enable(&aws).await.unwrap(), ProxyAuth::AlreadyEnabled);
        assert_eq!(aws.requests("ModifyDBProxy").len(), 1);
    }

    #[tokio::test]
    async fn a_proxy_with_secrets_is_left() {
        let aws = TestClient::new();
        let mut proxy = outputs_proxy();
        proxy.authentication = Authentication::Secret;
        let result = enable_iam_auth(&aws.config(), &clock(), &proxy).await;
        assert_eq!(result.unwrap(), ProxyAuth::Secrets);
        assert!(aws.operations().is_empty());
    }

    #[tokio::test]
    async fn errors_name_the_fix() {
        let mut errors = Vec::new();
        let none = "<ErrorResponse><Error><Code>DBProxyNotFoundFault</Code></Error></ErrorResponse>";
        for (status, answer) in [
            (404, none.to_owned()),
            (200, proxy("incompatible-network", "NONE")),
            (200, proxy("deleting", "NONE")),
            (200, proxy("modifying", "NONE")),
            (200, proxy("available", "NONE")),
        ] {
            let aws = TestClient::new();
            aws.on("DescribeDBProxies", status, answer).on("ModifyDBProxy", 200, MODIFIED);
            errors.push(enable(&aws).await.unwrap_err().to_string());
        }
        insta::assert_snapshot!(errors.join("\n"), @"
        the proxy orders-dev does not exist: run `terraform apply` and regenerate outputs.json
        the proxy orders-dev has the status incompatible-network and does not leave it by itself: give it subnets with free addresses, in zones that support RDS Proxy
        the proxy orders-dev has the status deleting and does not leave it by itself: create it again with `terraform apply`
        the proxy orders-dev is modifying with the default scheme NONE after 30 minutes: check its events, and run the same command again to keep waiting
        the proxy orders-dev is available with the default scheme NONE after 30 minutes: check its events, and run the same command again to keep waiting
        ");
    }
}
