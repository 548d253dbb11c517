//! `FileValue`: a value of `rds.conf` or of Terraform's outputs, parsed with an error that does not repeat it.

use std::str::FromStr;

use rds_iam_token::{DbUser, Endpoint, Host, Region};

use crate::arn::{AccountId, ResourceId};
use crate::engine::{self, Engine};

/// A value of a file. The file may have a secret in the wrong place, so the error is the expected form, not that of
/// [`FromStr`], which may repeat the text.
pub(crate) trait FileValue: FromStr {
    /// The error of every text of another form, with the fix.
    const ERROR: &'static str;

    fn from_file(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| Self::ERROR.to_owned())
    }
}

impl FileValue for AccountId {
    const ERROR: &'static str = "not an AWS account: give its 12 digits, leading zeros included and without dashes (`aws sts \
                                 get-caller-identity --query Account --output text` prints them)";
}

impl FileValue for DbUser {
    const ERROR: &'static str = "not a database user: use a name without control characters";
}

impl FileValue for Endpoint {
    const ERROR: &'static str =
        "not an address: give only host:port, without a scheme, user or path (IPv6 as [address]:port)";
}

impl FileValue for Engine {
    const ERROR: &'static str = "not a supported engine: expected mysql or postgresql";

    fn from_file(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("not a supported engine: {}", engine::expected(text)))
    }
}

impl FileValue for Host {
    const ERROR: &'static str =
        "not a host: give a DNS name or an IP address, without a scheme, user, port or path";
}

impl FileValue for Region {
    const ERROR: &'static str = "not a region: expected a name such as eu-west-1 (an availability zone has a letter at its end, \
                                 a region has not)";
}

impl FileValue for ResourceId {
    const ERROR: &'static str = "not a resource id: use the id that AWS gave (db-…, cluster-… or prx-… and letters and digits), \
                                 not a name, an ARN or a pattern. Instance: DbiResourceId of `aws rds \
                                 describe-db-instances`, Terraform aws_db_instance.resource_id. Aurora cluster: \
                                 DbClusterResourceId, aws_rds_cluster.cluster_resource_id. Proxy: the last part of \
                                 DBProxyArn, aws_db_proxy.arn (its id is the name)";
}
