"""Corrects what moto gets wrong about Aurora clusters, instances and parameters, and adds the endpoints of `rds_endpoints.py`.

Patches as those of `moto_patches.py`, which are applied first; `test_rds_patches.py` has a test for each.
"""

import datetime
import json
import secrets
import string
import types

from moto.core.responses import ActionResult
from moto.rds import exceptions as rds_exceptions
from moto.rds import models as rds
from moto.rds import responses as rds_responses

import rds_endpoints
from moto_patches import Stale, add, wrap
from rds_endpoints import cluster_of, refuse


def a_cluster_has_the_identifier_of_its_account():
    """AWS: a cluster's endpoints are NAME.cluster-ID.REGION… and NAME.cluster-ro-ID.REGION…, with the ID that the
    account's instances have in that region. moto: a random ID for each cluster."""

    @wrap(rds.DBCluster, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.url_identifier = "aaaaaaaaaa"


def a_cluster_is_modified_as_requested():
    """AWS: ModifyDBCluster changes IAM authentication and the exported logs, reports a cluster that does not exist or a
    new name that another has, and changes nothing if it refuses. moto: leaves both as they are, answers 500, puts the
    cluster in the other's place, and deletes it: for good if it refuses, and for a moment if not, in which a snapshot
    of the account would miss it."""

    @wrap(rds.RDSBackend, "modify_db_cluster")
    def modify_db_cluster(original, self, kwargs):
        name = kwargs["db_cluster_identifier"]
        cluster, renamed = cluster_of(self, name), kwargs.get("new_db_cluster_identifier") or name
        if renamed != name and renamed in self.clusters:
            refuse("DBClusterAlreadyExistsFault", f"DBCluster {renamed} already exists.")
        # moto sets attributes of these names.
        kwargs["iam_auth"] = kwargs.pop("enable_iam_database_authentication", None)
        exports = kwargs.pop("cloudwatch_logs_export_configuration", None) or {}
        disabled, enabled = exports.get("DisableLogTypes") or [], exports.get("EnableLogTypes") or []
        logs = [log for log in cluster.enabled_cloudwatch_logs_exports if log not in disabled]
        kwargs["enabled_cloudwatch_logs_exports"] = logs + [log for log in enabled if log not in logs]
        alone = types.SimpleNamespace(clusters={name: cluster})
        answer = original(alone, kwargs)
        self.clusters.update(alone.clusters)
        if renamed != name:
            del self.clusters[name]
        return answer


def a_cluster_has_the_default_group_of_its_engine():
    """AWS: without a parameter group, a cluster has `default.FAMILY`, such as default.aurora-postgresql17. moto:
    default.aurora8.0, whatever the engine."""

    @wrap(rds.DBCluster, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        if not kwargs.get("db_cluster_parameter_group_name") and self.engine.startswith("aurora-"):
            parts = 2 if self.engine == "aurora-mysql" else 1
            family = self.engine + ".".join(self.engine_version.split(".")[:parts])
            self.parameter_group = f"default.{family}"


def a_provisioned_cluster_has_no_scaling_configuration():
    """AWS: only a cluster of Aurora Serverless v1 has a `ScalingConfigurationInfo`. moto: every cluster has one, an empty
    one as a rule, so that Terraform wants to set it."""
    original = vars(rds.DBCluster).get("scaling_configuration_info")
    if not isinstance(original, property):
        raise Stale("DBCluster has no property scaling_configuration_info any more")
    rds.DBCluster.scaling_configuration_info = property(
        lambda self: original.fget(self) if self.engine_mode == "serverless" else None
    )


def a_managed_secret_is_of_its_instance():
    """AWS: a managed master secret holds the instance's master user and a random password, of printable
    characters other than `/`, `@`, quotes and blanks. moto: `admin` and one constant for all."""

    @wrap(rds.MasterUserSecret, "_generate_secret_string")
    def generate_secret_string(_original, self):
        alphabet = string.ascii_letters + string.digits + "!#$%&()*+,-.:;<=>?[]^_{|}~"
        password = "".join(secrets.choice(alphabet) for _ in range(32))
        return json.dumps({"username": self.resource.master_username, "password": password})


def an_instance_keeps_its_performance_insights():
    """AWS: reports the settings of Performance Insights. moto: forgets them."""
    add(
        rds.DBInstance,
        "performance_insights_enabled",
        property(lambda self: bool(getattr(self, "enable_performance_insights", False))),
    )

    @wrap(rds.DBInstance, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.enable_performance_insights = kwargs.get("enable_performance_insights")
        self.performance_insights_kms_key_id = kwargs.get("performance_insights_kms_key_id")
        days = kwargs.get("performance_insights_retention_period")
        self.performance_insights_retention_period = days or (7 if self.enable_performance_insights else None)


def an_instance_has_a_certificate_of_the_default_authority():
    """AWS: the default authority is rds-ca-rsa2048-g1, and `CertificateDetails` repeat the instance's. moto: an
    rds-ca-default that AWS does not have, and no details."""

    @wrap(rds.DBInstance, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.ca_certificate_identifier = kwargs.get("ca_certificate_identifier") or "rds-ca-rsa2048-g1"

    valid = datetime.timedelta(days=365)
    add(
        rds.DBInstance,
        "certificate_details",
        property(lambda self: {"CAIdentifier": self.ca_certificate_identifier, "ValidTill": self.created + valid}),
    )


def a_parameter_that_was_set_has_the_source_user():
    """AWS: says of a parameter that was set that its `Source` is `user`. moto: says nothing, so that
    Terraform does not find it."""

    @wrap(rds.DBParameterGroup, "update_parameters")
    def update_parameters(original, self, new_parameters):
        original(self, [{**parameter, "Source": "user"} for parameter in new_parameters])


def a_cluster_parameter_that_was_set_has_the_source_user():
    """AWS: says of a parameter that was set that its `Source` is `user`. moto: says nothing, so that
    Terraform does not find it."""

    @wrap(rds.DBClusterParameterGroup, "update_cluster_parameters")
    def update_cluster_parameters(original, self, new_parameters):
        original(self, [{**parameter, "Source": "user"} for parameter in new_parameters])


def a_parameter_can_be_reset():
    """AWS: ResetDBParameterGroup and ResetDBClusterParameterGroup give parameters their default values again. moto:
    knows neither."""

    def reset(self, group, names):
        if self.params.get("ResetAllParameters"):
            group.parameters.clear()
        for parameter in self.params.get("Parameters") or []:
            group.parameters.pop(parameter["ParameterName"], None)
        return ActionResult({names: group.name})

    @add(rds_responses.RDSResponse, "reset_db_parameter_group")
    def reset_db_parameter_group(self):
        name = self.params["DBParameterGroupName"]
        if name not in self.backend.db_parameter_groups:
            raise rds_exceptions.DBParameterGroupNotFoundError(name)
        return reset(self, self.backend.db_parameter_groups[name], "DBParameterGroupName")

    @add(rds_responses.RDSResponse, "reset_db_cluster_parameter_group")
    def reset_db_cluster_parameter_group(self):
        name = self.params["DBClusterParameterGroupName"]
        if name not in self.backend.db_cluster_parameter_groups:
            raise rds_exceptions.DBClusterParameterGroupNotFoundError(name)
        return reset(self, self.backend.db_cluster_parameter_groups[name], "DBClusterParameterGroupName")


def an_instance_of_a_cluster_has_its_subnets():
    """AWS: an instance is in the subnets of its cluster, and is not public unless it was asked for. moto: says nothing
    of either."""

    @wrap(rds.DBInstanceClustered, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.publicly_accessible = bool(self.publicly_accessible)
        # moto's name for a cluster without one, which is the name of no group.
        group = self.cluster.db_subnet_group_name
        if not kwargs.get("db_subnet_group_name") and group in self.backend.subnet_groups:
            self.db_subnet_group_name = group


def an_instance_of_a_cluster_takes_logins_as_it_does():
    """AWS: an instance has the port of its cluster, and accepts logins by IAM if the cluster does. moto: the engine's
    port, and never."""

    @wrap(rds.DBInstanceClustered, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.port = self.cluster.port

    if "iam_database_authentication_enabled" in vars(rds.DBInstanceClustered):
        raise Stale("DBInstanceClustered has iam_database_authentication_enabled by itself now")
    rds.DBInstanceClustered.iam_database_authentication_enabled = property(
        lambda self: self.cluster.iam_database_authentication_enabled
    )


def a_deleted_cluster_leaves_its_final_snapshot_alone():
    """AWS: DeleteDBCluster takes a final snapshot or is told to skip it, and takes the automated snapshots with it. moto:
    takes none without a name for it, and keeps the automated ones."""

    @wrap(rds_responses.RDSResponse, "delete_db_cluster")
    def delete_db_cluster(original, self):
        name = self.params["DBClusterIdentifier"]
        skipped, final = self.params.get("SkipFinalSnapshot"), self.params.get("FinalDBSnapshotIdentifier")
        cluster_of(self.backend, name)
        if bool(skipped) == bool(final):
            refuse(
                "InvalidParameterCombination",
                "Specify FinalDBSnapshotIdentifier, or SkipFinalSnapshot, and not both.",
            )
        snapshots = self.backend.cluster_snapshots
        if final and final in snapshots:
            raise rds_exceptions.DBClusterSnapshotAlreadyExistsError(final)
        answer = original(self)
        if self.params.get("DeleteAutomatedBackups") is not False:
            for snapshot in self.backend.describe_db_cluster_snapshots(name, None, snapshot_type="automated"):
                del snapshots[snapshot.db_cluster_snapshot_identifier]
        return answer


PATCHES = [
    a_cluster_has_the_identifier_of_its_account,
    a_cluster_is_modified_as_requested,
    a_cluster_has_the_default_group_of_its_engine,
    a_provisioned_cluster_has_no_scaling_configuration,
    a_managed_secret_is_of_its_instance,
    an_instance_keeps_its_performance_insights,
    an_instance_has_a_certificate_of_the_default_authority,
    a_parameter_that_was_set_has_the_source_user,
    a_cluster_parameter_that_was_set_has_the_source_user,
    a_parameter_can_be_reset,
    an_instance_of_a_cluster_has_its_subnets,
    an_instance_of_a_cluster_takes_logins_as_it_does,
    a_deleted_cluster_leaves_its_final_snapshot_alone,
    *rds_endpoints.PATCHES,
]
