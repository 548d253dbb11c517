"""The databases of an account, as the path of `account.py` lists them: instances, and clusters with their endpoints.

An instance of a cluster is no database of its own: it is one of its cluster's endpoints.
"""

from moto.rds import models as rds

import rds_endpoints


def secret_of(database):
    secret = getattr(database, "master_user_secret", None)
    return secret and secret.secret.arn


# A proxy listens on the default port of its engine, wherever its database does.
PROXY_PORTS = {"MYSQL": 3306, "POSTGRESQL": 5432, "SQLSERVER": 1433}


def proxies_of(backend, kind, identifier):
    """The endpoints of the proxies before a database. By their secrets, a proxy logs in to it; without any, by IAM."""
    endpoints = []
    for proxy in list(backend.db_proxies.values()):
        targets = [target for group in proxy.proxy_target_groups.values() for target in group.targets]
        if any((target.type, target.rds_resource_id.lower()) == (kind, identifier) for target in targets):
            port = PROXY_PORTS[proxy.engine_family]
            hosts = [proxy.endpoint, *(it.endpoint for it in rds_endpoints.endpoints_of_proxy(proxy))]
            by_iam = proxy.default_auth_scheme == "IAM_AUTH"
            secrets = [] if by_iam else [auth["SecretArn"] for auth in proxy.auth or [] if "SecretArn" in auth]
            endpoints += [{"endpoint": f"{host}:{port}", "secrets": secrets} for host in hosts]
    return endpoints


def instance(backend, of):
    return {
        "kind": "instance",
        "identifier": of.db_instance_identifier,
        "region": backend.region_name,
        "engine": of.engine,
        "engine_version": of.engine_version,
        "status": of.status,
        "endpoint": f"{of.address}:{of.port}",
        "endpoints": [],
        "instances": [],
        "proxies": proxies_of(backend, "RDS_INSTANCE", of.db_instance_identifier),
        "resource_id": of.dbi_resource_id,
        "master_secret_arn": secret_of(of),
        "name": of.db_name,
    }


def cluster(backend, of):
    """A cluster: `endpoints` are its own besides the writer's, and those of its instances. It takes no logins until it has
    `instances`."""
    members, custom = of.members, rds_endpoints.custom_endpoints_of(of)
    own = [of.reader_endpoint, *(endpoint.endpoint for endpoint in custom), *(member.address for member in members)]
    return {
        "kind": "cluster",
        "identifier": of.db_cluster_identifier,
        "region": backend.region_name,
        "engine": of.engine,
        "engine_version": of.engine_version,
        "status": of.status,
        "endpoint": f"{of.endpoint}:{of.port}",
        "endpoints": [f"{host}:{of.port}" for host in own],
        "instances": [member.db_instance_identifier for member in members],
        "proxies": proxies_of(backend, "TRACKED_CLUSTER", of.db_cluster_identifier),
        "resource_id": of.db_cluster_resource_id,
        "master_secret_arn": secret_of(of),
        "name": of.database_name,
    }


def databases(backend):
    """The databases of a backend of moto's RDS."""
    alone = [of for of in list(backend.databases.values()) if not isinstance(of, rds.DBInstanceClustered)]
    return [instance(backend, of) for of in alone] + [cluster(backend, of) for of in list(backend.clusters.values())]
