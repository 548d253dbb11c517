//! The wildcard names in a database's certificate.

use crate::snapshot::Kind;

/// Returns the wildcard names of the endpoints that a cluster has or may get later; an instance has one. An account's
/// identifier in a region is in all of them (`orders.c0ffee.eu-west-1…`, `orders.cluster-c0ffee.eu-west-1…`), as it is on AWS.
pub(super) fn of_certificate(kind: Kind, endpoint: &str) -> Vec<String> {
    let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host);
    let of_account = host.split_once('.').map_or(host, |(_, rest)| rest);
    match kind {
        Kind::Instance => Vec::new(),
        Kind::Cluster => {
            let of_account = of_account.strip_prefix("cluster-").unwrap_or(of_account);
            // The last one is that of its instances.
            let names = ["cluster-", "cluster-ro-", "cluster-custom-", ""];
            names.into_iter().map(|name| format!("*.{name}{of_account}")).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The endpoints are those of moto's patch: `test_a_cluster_has_the_identifier_of_its_account`.
    #[test]
    fn a_certificate_names_the_endpoints_of_the_account() {
        let of_account = "aaaaaaaaaa.us-east-1.rds.amazonaws.com";
        let names =
            |kinds: &[&str]| kinds.iter().map(|kind| format!("*.{kind}{of_account}")).collect::<Vec<_>>();
        let instance = of_certificate(Kind::Instance, &format!("db.{of_account}:3306"));
        assert_eq!(instance, names(&[]));
        let cluster = of_certificate(Kind::Cluster, &format!("orders.cluster-{of_account}:5432"));
        let kinds = ["cluster-", "cluster-ro-", "cluster-custom-", ""];
        assert_eq!(cluster, names(&kinds));
    }
}
