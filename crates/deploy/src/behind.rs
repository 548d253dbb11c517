//! The database, cluster or proxy behind an endpoint, as RDS describes it, and the time by AWS's clock: for finding out
//! why a login is refused.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_rds::Client;
use aws_sdk_rds::types::{DbInstance, DbProxy, TargetHealth};
use rds_iam_infra::arn::ResourceKind;
use rds_iam_token::Region;
use time::PrimitiveDateTime;
use time::macros::format_description;

use crate::aws::CallError;

/// The time limit of the request for AWS's time.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The resource behind an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Behind {
    /// The kind of resource that `rds-db:connect` is about.
    pub kind: ResourceKind,
    /// The name that the operator chose.
    pub identifier: String,
    /// The resource id, `db-…`, `cluster-…` or `prx-…`; empty if RDS returned none.
    pub resource_id: String,
    /// The instance classes: one of an instance, one or more of a cluster, none of a proxy.
    pub classes: Vec<String>,
    /// The databases behind a proxy that it can't use, each with AWS's reason.
    pub unavailable_targets: Vec<String>,
}

impl Behind {
    /// Creates a resource without classes and targets.
    #[must_use]
    pub fn new(kind: ResourceKind, identifier: &str, resource_id: &str) -> Self {
        Self {
            kind,
            identifier: identifier.to_owned(),
            resource_id: resource_id.to_owned(),
            classes: Vec::new(),
            unavailable_targets: Vec::new(),
        }
    }
}

/// Returns the resource with the endpoint `host`, or `None` if RDS has none in this account and region.
///
/// # Errors
/// Returns an error if a call fails.
pub async fn find(aws: &SdkConfig, host: &str) -> Result<Option<Behind>, CallError> {
    let client = Client::new(aws);
    if host.contains(".proxy-") {
        return find_proxy(&client, host).await;
    }
    let instances = instances(&client).await?;
    let instance = instances.iter().find(|instance| {
        instance.endpoint().and_then(|endpoint| endpoint.address()).is_some_and(|name| name == host)
    });
    // A member of a cluster is in policies by the cluster's id.
    let cluster = instance.and_then(DbInstance::db_cluster_identifier);
    match instance {
        Some(instance) if cluster.is_none() => Ok(Some(Behind {
            kind: ResourceKind::Instance,
            identifier: instance.db_instance_identifier().unwrap_or_default().to_owned(),
            resource_id: instance.dbi_resource_id().unwrap_or_default().to_owned(),
            classes: instance.db_instance_class().map(str::to_owned).into_iter().collect(),
            unavailable_targets: Vec::new(),
        })),
        _ => find_cluster(&client, host, cluster, &instances).await,
    }
}

async fn instances(client: &Client) -> Result<Vec<DbInstance>, CallError> {
    let pages = client.describe_db_instances().into_paginator().items().send();
    pages.try_collect().await.map_err(CallError::from_sdk("list the instances", "rds:DescribeDBInstances"))
}

async fn find_cluster(
    client: &Client,
    host: &str,
    name: Option<&str>,
    instances: &[DbInstance],
) -> Result<Option<Behind>, CallError> {
    let pages = client.describe_db_clusters().into_paginator().items().send();
    let clusters = pages.try_collect().await;
    let clusters = clusters.map_err(CallError::from_sdk("list the clusters", "rds:DescribeDBClusters"))?;
    let cluster = clusters.iter().find(|cluster| {
        let endpoints = [cluster.endpoint(), cluster.reader_endpoint()];
        cluster.db_cluster_identifier() == name && name.is_some()
            || endpoints.contains(&Some(host))
            || cluster.custom_endpoints().iter().any(|endpoint| endpoint == host)
    });
    Ok(cluster.map(|cluster| {
        let members = instances.iter().filter(|instance| {
            instance.db_cluster_identifier().is_some()
                && instance.db_cluster_identifier() == cluster.db_cluster_identifier()
        });
        Behind {
            kind: ResourceKind::Cluster,
            identifier: cluster.db_cluster_identifier().unwrap_or_default().to_owned(),
            resource_id: cluster.db_cluster_resource_id().unwrap_or_default().to_owned(),
            classes: members.filter_map(DbInstance::db_instance_class).map(str::to_owned).collect(),
            unavailable_targets: Vec::new(),
        }
    }))
}

async fn find_proxy(client: &Client, host: &str) -> Result<Option<Behind>, CallError> {
    let pages = client.describe_db_proxies().into_paginator().items().send();
    let proxies = pages.try_collect().await;
    let proxies: Vec<DbProxy> =
        proxies.map_err(CallError::from_sdk("list the proxies", "rds:DescribeDBProxies"))?;
    let mut found = proxies.iter().find(|proxy| proxy.endpoint() == Some(host));
    if found.is_none() {
        // One of the proxy's other endpoints, such as that for readers.
        let pages = client.describe_db_proxy_endpoints().into_paginator().items().send();
        let endpoints = pages.try_collect().await;
        let endpoints = endpoints
            .map_err(CallError::from_sdk("list the proxies' endpoints", "rds:DescribeDBProxyEndpoints"))?;
        let endpoint = endpoints.iter().find(|endpoint| endpoint.endpoint() == Some(host));
        let name = endpoint.and_then(|endpoint| endpoint.db_proxy_name());
        found = proxies.iter().find(|proxy| name.is_some() && proxy.db_proxy_name() == name);
    }
    let Some(proxy) = found else { return Ok(None) };
    let name = proxy.db_proxy_name().unwrap_or_default();
    let pages = client.describe_db_proxy_targets().db_proxy_name(name).into_paginator().items().send();
    let targets = pages.try_collect().await;
    let targets = targets.map_err(CallError::from_sdk(
        format!("read the targets of the proxy {name}"),
        "rds:DescribeDBProxyTargets",
    ))?;
    let unavailable = targets.iter().filter_map(|target| {
        let health = target.target_health()?;
        let state = health.state()?.as_str();
        (state != "AVAILABLE")
            .then(|| describe_target(target.rds_resource_id().unwrap_or("a target"), state, health))
    });
    Ok(Some(Behind {
        kind: ResourceKind::Proxy,
        identifier: name.to_owned(),
        resource_id: proxy
            .db_proxy_arn()
            .and_then(|arn| arn.rsplit(':').next())
            .unwrap_or_default()
            .to_owned(),
        classes: Vec::new(),
        unavailable_targets: unavailable.collect(),
    }))
}

fn describe_target(id: &str, state: &str, health: &TargetHealth) -> String {
    let reason = health.reason().map(|reason| format!(", {}", reason.as_str())).unwrap_or_default();
    let description = health.description().map(|text| format!(": {text}")).unwrap_or_default();
    format!("{id} is {state}{reason}{description}")
}

/// Returns the time by AWS's clock, to the second: the header `Date` of an answer to a request without credentials.
///
/// # Errors
/// Returns the reason, as text, if there is no answer within 10 seconds, or none with a time.
pub async fn time_of_aws(aws: &SdkConfig, region: &Region) -> Result<SystemTime, String> {
    let suffix = if region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let url = aws.endpoint_url().map_or_else(|| format!("https://sts.{region}.{suffix}/"), str::to_owned);
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| error.to_string())?;
    let answer = client.get(&url).send().await;
    let answer = answer.map_err(|error| format!("no answer of {url}: {}", error.without_url()))?;
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
    date.and_then(parse_date).ok_or_else(|| format!("the answer of {url} has no time"))
}

/// Parses the date of HTTP: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn parse_date(text: &str) -> Option<SystemTime> {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let time = PrimitiveDateTime::parse(text, format).ok()?;
    Some(time.assume_utc().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::test_client::TestClient;

    fn answer(operation: &str, result: &str) -> String {
        format!("<{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response>")
    }

    fn instance(cluster: &str) -> String {
        format!(
            "<DBInstances><DBInstance><DBInstanceIdentifier>orders</DBInstanceIdentifier>\
             <DbiResourceId>db-ABCDEFGHIJKLMNOPQRSTUVWX12</DbiResourceId>{cluster}\
             <DBInstanceClass>db.t3.micro</DBInstanceClass><Endpoint><Address>orders.c0.eu-west-1.rds.amazonaws.com\
             </Address></Endpoint></DBInstance></DBInstances>"
        )
    }

    #[tokio::test]
    async fn an_instance_is_found_by_its_endpoint() {
        let aws = TestClient::new();
        aws.on("DescribeDBInstances", 200, answer("DescribeDBInstances", &instance("")));
        aws.on("DescribeDBClusters", 200, answer("DescribeDBClusters", ""));
        let found = find(&aws.config(), "orders.c0.eu-west-1.rds.amazonaws.com").await.unwrap().unwrap();
        assert_eq!(found.kind, ResourceKind::Instance);
        assert_eq!(found.identifier, "orders");
        assert_eq!(found.resource_id, "db-ABCDEFGHIJKLMNOPQRSTUVWX12");
        assert_eq!(found.classes, ["db.t3.micro"]);
        assert_eq!(find(&aws.config(), "other.c0.eu-west-1.rds.amazonaws.com").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_member_of_a_cluster_has_the_cluster_s_id() {
        let aws = TestClient::new();
        let member = instance("<DBClusterIdentifier>people</DBClusterIdentifier>");
        aws.on("DescribeDBInstances", 200, answer("DescribeDBInstances", &member));
        let cluster = "<DBClusters><DBCluster><DBClusterIdentifier>people</DBClusterIdentifier>\
                       <DbClusterResourceId>cluster-ABCDEFGHIJKLMNOPQRSTUVWX12</DbClusterResourceId>\
                       <Endpoint>people.cluster-c0.eu-west-1.rds.amazonaws.com</Endpoint></DBCluster></DBClusters>";
        aws.on("DescribeDBClusters", 200, answer("DescribeDBClusters", cluster));
        for host in ["orders.c0.eu-west-1.rds.amazonaws.com", "people.cluster-c0.eu-west-1.rds.amazonaws.com"]
        {
            let found = find(&aws.config(), host).await.unwrap().unwrap();
            assert_eq!(
                (found.kind, found.identifier.as_str(), found.resource_id.as_str()),
                (ResourceKind::Cluster, "people", "cluster-ABCDEFGHIJKLMNOPQRSTUVWX12")
            );
            assert_eq!(found.classes, ["db.t3.micro"]);
        }
    }

    #[tokio::test]
    async fn the_targets_that_a_proxy_can_not_use_are_returned() {
        let aws = TestClient::new();
        let proxies = "<DBProxies><member><DBProxyName>orders</DBProxyName>\
                       <DBProxyArn>arn:aws:rds:eu-west-1:123456789012:db-proxy:prx-0a1b2c3d4e5f67890</DBProxyArn>\
                       <Endpoint>orders.proxy-c0.eu-west-1.rds.amazonaws.com</Endpoint></member></DBProxies>";
        aws.on("DescribeDBProxies", 200, answer("DescribeDBProxies", proxies));
        let target = |state: &str| {
            format!(
                "<member><RdsResourceId>orders</RdsResourceId><TargetHealth><State>{state}</State>\
                 <Reason>AUTH_FAILURE</Reason><Description>no secret</Description></TargetHealth></member>"
            )
        };
        let targets = format!("<Targets>{}{}</Targets>", target("AVAILABLE"), target("UNAVAILABLE"));
        aws.on("DescribeDBProxyTargets", 200, answer("DescribeDBProxyTargets", &targets));
        let found = find(&aws.config(), "orders.proxy-c0.eu-west-1.rds.amazonaws.com").await;
        let found = found.unwrap().unwrap();
        assert_eq!(found.resource_id, "prx-0a1b2c3d4e5f67890");
        assert_eq!(found.unavailable_targets, ["orders is UNAVAILABLE, AUTH_FAILURE: no secret"]);
    }

    #[tokio::test]
    async fn aws_s_time_is_that_of_an_answer() {
        let aws = TestClient::new();
        let region = "eu-west-1".parse().unwrap();
        aws.header("GET /", 302, "Date", "Thu, 01 Jan 1970 00:20:00 GMT");
        let time = time_of_aws(&aws.config(), &region).await.unwrap();
        assert_eq!(time, SystemTime::UNIX_EPOCH + Duration::from_secs(1200));
        let none = TestClient::new();
        let error = time_of_aws(&none.config(), &region).await.unwrap_err();
        assert!(error.ends_with("has no time"), "{error}");
    }
}
