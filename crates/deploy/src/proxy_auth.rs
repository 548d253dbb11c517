//! Switches a proxy to end-to-end IAM (`DefaultAuthScheme = IAM_AUTH`), which Terraform's AWS provider 5 can't name.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_rds::Client;
use aws_sdk_rds::error::ProvideErrorMetadata as _;
use aws_sdk_rds::types::{DbProxy, DbProxyStatus, DefaultAuthScheme};
use rds_iam_token::Clock;

use crate::aws::CallError;
use crate::aws::wait::{Poll, until};
use rds_iam_infra::outputs::{Authentication, Proxy};

/// A proxy takes some minutes to be made or modified.
const POLL: Poll = Poll { interval: Duration::from_secs(5), timeout: Duration::from_secs(30 * 60) };

/// Makes a proxy log in to its database the way the outputs say.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the outputs say everything, and callers build it")]
pub struct SwitchProxy {
    /// The proxy.
    pub proxy: Proxy,
}

/// What there was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Switch {
    /// Nothing: it is to log in with secrets, as Terraform makes it.
    BySecret,
    /// Nothing: it is end-to-end already.
    Already,
    /// It was switched, and says so.
    Switched,
}

impl SwitchProxy {
    /// Switches it where that is due. The second time there is nothing to do.
    ///
    /// # Errors
    /// Where a call fails, there is no such proxy, or it is or gets into a state that it does not leave by itself.
    pub async fn run(&self, aws: &SdkConfig, clock: &Clock) -> Result<Switch, ProxyAuthError> {
        if self.proxy.authentication == Authentication::Secret {
            return Ok(Switch::BySecret);
        }
        let client = Client::new(aws);
        if self.available(&client, clock, |_| true).await? == DefaultAuthScheme::IamAuth.as_str() {
            return Ok(Switch::Already);
        }
        let name = &self.proxy.name;
        let modify =
            client.modify_db_proxy().db_proxy_name(name).default_auth_scheme(DefaultAuthScheme::IamAuth);
        let doing = format!("switch the proxy {name} to IAM_AUTH");
        modify.send().await.map_err(CallError::from_sdk(doing, "rds:ModifyDBProxy"))?;
        // It may say that it is available before it begins.
        self.available(&client, clock, |scheme| scheme == DefaultAuthScheme::IamAuth.as_str()).await?;
        Ok(Switch::Switched)
    }

    /// Waits until the proxy is available with a default scheme that is due; that scheme.
    async fn available(
        &self,
        client: &Client,
        clock: &Clock,
        is_due: impl Fn(&str) -> bool,
    ) -> Result<String, ProxyAuthError> {
        let name = || self.proxy.name.clone();
        let mut last = String::new();
        let seen = until(clock, POLL, async || {
            let Some(proxy) = self.look(client).await? else {
                return Ok(Some(Err(ProxyAuthError::Missing { name: name() })));
            };
            let scheme = proxy.default_auth_scheme.unwrap_or_else(|| "NONE".to_owned());
            let status = proxy.status.map_or_else(String::new, |status| status.as_str().to_owned());
            let seen = match DbProxyStatus::from(status.as_str()) {
                DbProxyStatus::Available if is_due(&scheme) => Some(Ok(scheme.clone())),
                DbProxyStatus::Available
                | DbProxyStatus::Creating
                | DbProxyStatus::Modifying
                | DbProxyStatus::Reactivating
                | DbProxyStatus::Suspending => None,
                _ => Some(Err(ProxyAuthError::Ended { name: name(), status: status.clone() })),
            };
            last = format!("{status}, with {scheme} as its default");
            Ok(seen)
        });
        let seen = seen.await?;
        let minutes = POLL.timeout.as_secs() / 60;
        seen.unwrap_or_else(|| Err(ProxyAuthError::Time { name: name(), last, minutes }))
    }

    async fn look(&self, client: &Client) -> Result<Option<DbProxy>, CallError> {
        let name = &self.proxy.name;
        match client.describe_db_proxies().db_proxy_name(name).send().await {
            Ok(answer) => Ok(answer.db_proxies.unwrap_or_default().into_iter().next()),
            Err(error) if error.code() == Some("DBProxyNotFoundFault") => Ok(None),
            Err(error) => {
                Err(CallError::from_sdk(format!("look at the proxy {name}"), "rds:DescribeDBProxies")(error))
            }
        }
    }
}

/// The proxy does not log in as it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyAuthError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// There is no such proxy.
    #[error("there is no proxy {name}: run `terraform apply`, and write the outputs anew")]
    Missing {
        /// The proxy's name.
        name: String,
    },
    /// It is in a state that it does not leave by itself.
    #[error("the proxy {name} is {status}, which it does not leave by itself: {}", mend(status))]
    Ended {
        /// The proxy's name.
        name: String,
        /// Its status, as AWS names it.
        status: String,
    },
    /// It takes longer than this program waits.
    #[error(
        "the proxy {name} is {last} after {minutes} minutes: see its events, and run this again, which goes on \
         waiting for it"
    )]
    Time {
        /// The proxy's name.
        name: String,
        /// What was seen last.
        last: String,
        /// How long it was waited for.
        minutes: u64,
    },
}

fn mend(status: &str) -> &'static str {
    match status {
        "incompatible-network" => "give it subnets with free addresses, in zones that host RDS Proxy",
        "insufficient-resource-limits" => {
            "raise the account's quota, or use fewer or smaller databases behind it"
        }
        _ => "make it anew by `terraform apply`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::test_client::{TestClient, clock};
    use rds_iam_infra::Outputs;

    const OUTPUTS: &str = include_str!("../../../terraform/stacks/service/outputs.json");

    const MODIFIED: &str = "<ModifyDBProxyResponse><ModifyDBProxyResult/></ModifyDBProxyResponse>";

    fn switch() -> SwitchProxy {
        SwitchProxy { proxy: Outputs::parse(OUTPUTS).unwrap().proxy }
    }

    fn is(status: &str, scheme: &str) -> String {
        format!(
            "<DescribeDBProxiesResponse><DescribeDBProxiesResult><DBProxies><member>\
             <DBProxyName>orders-dev</DBProxyName><Status>{status}</Status>\
             <DefaultAuthScheme>{scheme}</DefaultAuthScheme></member></DBProxies></DescribeDBProxiesResult>\
             </DescribeDBProxiesResponse>"
        )
    }

    #[tokio::test]
    async fn it_is_switched_once() {
        let aws = TestClient::new();
        aws.on("DescribeDBProxies", 200, is("creating", "NONE"))
            .on("DescribeDBProxies", 200, is("available", "NONE"))
            .on("ModifyDBProxy", 200, MODIFIED)
            .on("DescribeDBProxies", 200, is("modifying", "NONE"))
            .on("DescribeDBProxies", 200, is("available", "IAM_AUTH"));
        assert_eq!(switch().run(&aws.config(), &clock()).await.unwrap(), Switch::Switched);
        let asked = aws.asked("ModifyDBProxy");
        assert!(asked[0].contains("DBProxyName=orders-dev&DefaultAuthScheme=IAM_AUTH"), "{asked:?}");
        assert_eq!(switch().run(&aws.config(), &clock()).await.unwrap(), Switch::Already);
        assert_eq!(aws.asked("ModifyDBProxy").len(), 1);
    }

    #[tokio::test]
    async fn a_proxy_of_secrets_is_left() {
        let aws = TestClient::new();
        let mut switch = switch();
        switch.proxy.authentication = Authentication::Secret;
        assert_eq!(switch.run(&aws.config(), &clock()).await.unwrap(), Switch::BySecret);
        assert!(aws.operations().is_empty());
    }

    #[tokio::test]
    async fn failures_say_what_to_do() {
        let mut said = Vec::new();
        let none = "<ErrorResponse><Error><Code>DBProxyNotFoundFault</Code></Error></ErrorResponse>";
        for (status, answer) in [
            (404, none.to_owned()),
            (200, is("incompatible-network", "NONE")),
            (200, is("deleting", "NONE")),
            (200, is("modifying", "NONE")),
            (200, is("available", "NONE")),
        ] {
            let aws = TestClient::new();
            aws.on("DescribeDBProxies", status, answer).on("ModifyDBProxy", 200, MODIFIED);
            said.push(switch().run(&aws.config(), &clock()).await.unwrap_err().to_string());
        }
        insta::assert_snapshot!(said.join("\n"), @"
        there is no proxy orders-dev: run `terraform apply`, and write the outputs anew
        the proxy orders-dev is incompatible-network, which it does not leave by itself: give it subnets with free addresses, in zones that host RDS Proxy
        the proxy orders-dev is deleting, which it does not leave by itself: make it anew by `terraform apply`
        the proxy orders-dev is modifying, with NONE as its default after 30 minutes: see its events, and run this again, which goes on waiting for it
        the proxy orders-dev is available, with NONE as its default after 30 minutes: see its events, and run this again, which goes on waiting for it
        ");
    }
}
