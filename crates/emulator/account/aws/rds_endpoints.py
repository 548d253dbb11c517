"""Custom endpoints of Aurora clusters, and endpoints of RDS proxies besides their own: moto has neither.

Patches as those of `moto_patches.py`; `rds_patches.py` lists them with its own.
"""

import secrets
import string

from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.rds import exceptions as rds_exceptions
from moto.rds import models as rds
from moto.rds import responses as rds_responses

from moto_patches import add, wrap


def refuse(code, message):
    raise rds_exceptions.RDSClientError(code, message)


def unique_id(prefix, length, alphabet=string.ascii_lowercase + string.digits):
    return prefix + "".join(secrets.choice(alphabet) for _ in range(length))


def kept(backend, kind):
    """The resources of a kind that moto lacks, by name: in the backend's own attributes, which a reset of moto clears."""
    return vars(backend).setdefault(kind, {})


def cluster_of(backend, identifier):
    if identifier not in backend.clusters:
        raise rds_exceptions.DBClusterNotFoundError(identifier)
    return backend.clusters[identifier]


def are_tagged_by_arn(kind):
    """Makes the resources of a kind that moto lacks known to the calls about tags."""

    @wrap(rds.RDSBackend, "_get_resource_for_tagging")
    def get_resource_for_tagging(original, self, arn):
        found = next((resource for resource in kept(self, kind).values() if resource.arn == arn), None)
        return found or original(self, arn)


class ClusterEndpoint(rds.RDSBaseModel):
    """A custom endpoint of a cluster."""

    # moto keeps track of models by the service that it takes from this.
    __module__ = rds.__name__
    resource_type = "cluster-endpoint"

    def __init__(self, backend, cluster, name, tags):
        super().__init__(backend)
        self.cluster, self.name, self.tags = cluster, name, tags
        self.unique_id = unique_id("cluster-endpoint-", 26, string.ascii_uppercase + string.digits)
        self.kind, self.static_members, self.excluded_members = "ANY", [], []

    @property
    def resource_id(self):
        return self.name

    @property
    def endpoint(self):
        return f"{self.name}.cluster-custom-{self.cluster.url_identifier}.{self.region}.rds.amazonaws.com"

    def change(self, params):
        """Takes the type and the members that a request names; the two lists of members exclude each other."""
        kind = params.get("EndpointType") or self.kind
        if kind not in ("READER", "ANY"):
            refuse("InvalidParameterValue", f"Invalid custom endpoint type: {kind}")
        static, excluded = params.get("StaticMembers") or [], params.get("ExcludedMembers") or []
        if static and excluded:
            refuse("InvalidParameterCombination", "StaticMembers and ExcludedMembers exclude each other.")
        members = {member.db_instance_identifier for member in self.cluster.members}
        for name in [*static, *excluded]:
            if name not in members:
                raise rds_exceptions.DBInstanceNotFoundError(name)
        self.kind = kind
        if "StaticMembers" in params or "ExcludedMembers" in params:
            self.static_members, self.excluded_members = static, excluded

    def described(self, status="available"):
        return {
            "DBClusterEndpointIdentifier": self.name,
            "DBClusterIdentifier": self.cluster.db_cluster_identifier,
            "DBClusterEndpointResourceIdentifier": self.unique_id,
            "Endpoint": self.endpoint,
            "Status": status,
            "EndpointType": "CUSTOM",
            "CustomEndpointType": self.kind,
            "StaticMembers": self.static_members,
            "ExcludedMembers": self.excluded_members,
            "DBClusterEndpointArn": self.arn,
        }


def custom_endpoints(backend):
    return kept(backend, "cluster_endpoints")


def custom_endpoints_of(cluster):
    # A copy: the account's snapshot may be taken while another request changes them.
    endpoints = list(custom_endpoints(cluster.backend).values())
    return [endpoint for endpoint in endpoints if endpoint.cluster is cluster]


def built_in_endpoints(cluster):
    """The endpoints that every cluster has, as DescribeDBClusterEndpoints lists them."""
    about = {"DBClusterIdentifier": cluster.db_cluster_identifier, "Status": "available"}
    return [
        {**about, "Endpoint": cluster.endpoint, "EndpointType": "WRITER"},
        {**about, "Endpoint": cluster.reader_endpoint, "EndpointType": "READER"},
    ]


def a_cluster_has_custom_endpoints():
    """AWS: custom endpoints of a cluster are at NAME.cluster-custom-ID.REGION… and go with it. moto: does not know
    them."""

    are_tagged_by_arn("cluster_endpoints")
    add(rds.DBCluster, "custom_endpoints", property(lambda self: [it.endpoint for it in custom_endpoints_of(self)]))

    def named(self):
        name = self.params["DBClusterEndpointIdentifier"].lower()
        if name not in custom_endpoints(self.backend):
            refuse("DBClusterEndpointNotFoundFault", f"DBClusterEndpoint {name} not found.")
        return custom_endpoints(self.backend)[name]

    @add(rds_responses.RDSResponse, "create_db_cluster_endpoint")
    def create_db_cluster_endpoint(self):
        cluster = cluster_of(self.backend, self.params["DBClusterIdentifier"])
        name = self.params["DBClusterEndpointIdentifier"].lower()
        if name in custom_endpoints(self.backend):
            refuse("DBClusterEndpointAlreadyExistsFault", f"DBClusterEndpoint {name} already exists.")
        endpoint = ClusterEndpoint(self.backend, cluster, name, self.params.get("Tags") or [])
        endpoint.change(self.params)
        custom_endpoints(self.backend)[name] = endpoint
        return ActionResult(endpoint.described("creating"))

    @add(rds_responses.RDSResponse, "modify_db_cluster_endpoint")
    def modify_db_cluster_endpoint(self):
        endpoint = named(self)
        endpoint.change(self.params)
        return ActionResult(endpoint.described("modifying"))

    @add(rds_responses.RDSResponse, "delete_db_cluster_endpoint")
    def delete_db_cluster_endpoint(self):
        endpoint = named(self)
        del custom_endpoints(self.backend)[endpoint.name]
        return ActionResult(endpoint.described("deleting"))

    @add(rds_responses.RDSResponse, "describe_db_cluster_endpoints")
    def describe_db_cluster_endpoints(self):
        of, name = self.params.get("DBClusterIdentifier"), self.params.get("DBClusterEndpointIdentifier")
        clusters = [cluster_of(self.backend, of)] if of else list(self.backend.clusters.values())
        found = [
            endpoint
            for cluster in clusters
            for endpoint in built_in_endpoints(cluster) + [it.described() for it in custom_endpoints_of(cluster)]
            if name is None or endpoint.get("DBClusterEndpointIdentifier") == name.lower()
        ]
        keys = {
            "db-cluster-endpoint-type": "EndpointType",
            "db-cluster-endpoint-custom-type": "CustomEndpointType",
            "db-cluster-endpoint-id": "DBClusterEndpointIdentifier",
            "db-cluster-endpoint-status": "Status",
        }
        for by in self.params.get("Filters") or []:
            if by["Name"] not in keys:
                refuse("InvalidParameterValue", f"Unrecognized filter name: {by['Name']}")
            wanted = [value.lower() for value in by["Values"]]
            found = [it for it in found if (it.get(keys[by["Name"]]) or "").lower() in wanted]
        return ActionResult({"DBClusterEndpoints": found})

    @wrap(rds.RDSBackend, "delete_db_cluster")
    def delete_db_cluster(original, self, *args, **kwargs):
        cluster = original(self, *args, **kwargs)
        for endpoint in custom_endpoints_of(cluster):
            del custom_endpoints(self)[endpoint.name]
        return cluster


class ProxyEndpoint(rds.RDSBaseModel):
    """An endpoint of a proxy besides its own."""

    __module__ = rds.__name__
    resource_type = "db-proxy-endpoint"

    def __init__(self, backend, proxy, params):
        super().__init__(backend)
        self.proxy, self.name = proxy, params["DBProxyEndpointName"].lower()
        self.unique_id = unique_id("prx-endpoint-", 17)
        self.subnets, self.role = params["VpcSubnetIds"], params.get("TargetRole") or "READ_WRITE"
        ec2 = ec2_backends[backend.account_id][backend.region_name]
        default = lambda: [ec2.get_default_security_group(proxy.vpc_id).id]
        self.security_groups = params.get("VpcSecurityGroupIds") or default()
        self.tags = params.get("Tags") or []

    @property
    def resource_id(self):
        return self.unique_id

    @property
    def endpoint(self):
        return f"{self.name}.endpoint.proxy-aaaaaaaaaa.{self.region}.rds.amazonaws.com"

    def described(self, status="available"):
        return {
            "DBProxyEndpointName": self.name,
            "DBProxyEndpointArn": self.arn,
            "DBProxyName": self.proxy.db_proxy_name,
            "Status": status,
            "VpcId": self.proxy.vpc_id,
            "VpcSecurityGroupIds": self.security_groups,
            "VpcSubnetIds": self.subnets,
            "Endpoint": self.endpoint,
            "CreatedDate": self.created,
            "TargetRole": self.role,
            "IsDefault": False,
        }


def proxy_endpoints(backend):
    return kept(backend, "proxy_endpoints")


def endpoints_of_proxy(proxy):
    endpoints = list(proxy_endpoints(proxy.backend).values())
    return [endpoint for endpoint in endpoints if endpoint.proxy is proxy]


def a_proxy_has_endpoints():
    """AWS: further endpoints of a proxy, read-write or read-only, are at NAME.endpoint.proxy-ID.REGION… and go with it.
    moto: does not know them, and answers 500 if a proxy that is to be deleted does not exist."""

    are_tagged_by_arn("proxy_endpoints")

    def named(self):
        name = self.params["DBProxyEndpointName"].lower()
        if name not in proxy_endpoints(self.backend):
            refuse("DBProxyEndpointNotFoundFault", f"DBProxyEndpoint {name} not found.")
        return proxy_endpoints(self.backend)[name]

    def check_is_free(self, name):
        if name in proxy_endpoints(self.backend):
            refuse("DBProxyEndpointAlreadyExistsFault", f"DBProxyEndpoint {name} already exists.")

    @add(rds_responses.RDSResponse, "create_db_proxy_endpoint")
    def create_db_proxy_endpoint(self):
        (proxy,) = self.backend.describe_db_proxies(self.params["DBProxyName"])
        endpoint = ProxyEndpoint(self.backend, proxy, self.params)
        check_is_free(self, endpoint.name)
        if endpoint.role not in ("READ_WRITE", "READ_ONLY"):
            refuse("InvalidParameterValue", f"Invalid TargetRole: {endpoint.role}")
        proxy_endpoints(self.backend)[endpoint.name] = endpoint
        return ActionResult({"DBProxyEndpoint": endpoint.described("creating")})

    @add(rds_responses.RDSResponse, "modify_db_proxy_endpoint")
    def modify_db_proxy_endpoint(self):
        endpoint = named(self)
        name = (self.params.get("NewDBProxyEndpointName") or endpoint.name).lower()
        if name != endpoint.name:
            check_is_free(self, name)
        endpoints = proxy_endpoints(self.backend)
        endpoints[name] = endpoints.pop(endpoint.name)
        endpoint.name = name
        endpoint.security_groups = self.params.get("VpcSecurityGroupIds") or endpoint.security_groups
        return ActionResult({"DBProxyEndpoint": endpoint.described("modifying")})

    @add(rds_responses.RDSResponse, "delete_db_proxy_endpoint")
    def delete_db_proxy_endpoint(self):
        endpoint = named(self)
        del proxy_endpoints(self.backend)[endpoint.name]
        return ActionResult({"DBProxyEndpoint": endpoint.described("deleting")})

    @add(rds_responses.RDSResponse, "describe_db_proxy_endpoints")
    def describe_db_proxy_endpoints(self):
        if self.params.get("DBProxyEndpointName"):
            found = [named(self)]
        else:
            found = list(proxy_endpoints(self.backend).values())
        if of := self.params.get("DBProxyName"):
            (proxy,) = self.backend.describe_db_proxies(of)
            found = [endpoint for endpoint in found if endpoint.proxy is proxy]
        return ActionResult({"DBProxyEndpoints": [endpoint.described() for endpoint in found]})

    @wrap(rds.RDSBackend, "delete_db_proxy")
    def delete_db_proxy(original, self, proxy_name):
        self.describe_db_proxies(proxy_name)
        proxy = original(self, proxy_name)
        for endpoint in endpoints_of_proxy(proxy):
            del proxy_endpoints(self)[endpoint.name]
        return proxy


PATCHES = [a_cluster_has_custom_endpoints, a_proxy_has_endpoints]
