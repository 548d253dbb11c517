"""Corrects what moto gets wrong about the services of this deployment.

Each function is one patch: its docstring says what AWS does and what moto does. `apply` applies those in
`PATCHES`, and fails with the patch's name when what it patches is no longer there. `test_moto_patches.py` has a test of
the same name for each: it fails on moto as it is and passes on moto patched.
"""

import datetime
import functools
import gc
import inspect
import secrets
import string
import uuid
import weakref

import moto
from moto.autoscaling import exceptions as autoscaling_exceptions
from moto.autoscaling import models as autoscaling
from moto.autoscaling import responses as autoscaling_responses
from moto.core import model_instances
from moto.core.responses import ActionResult
from moto.ec2.models import elastic_network_interfaces as interfaces
from moto.ec2.models import instances
from moto.ec2.models import launch_templates
from moto.ec2.models import nat_gateways
from moto.ec2.models import security_groups
from moto.ec2.models import vpcs
from moto.ec2.responses import instances as instance_responses
from moto.ec2.responses import monitoring
from moto.iam import access_control
from moto.iam import responses as iam_responses
from moto.moto_api._internal.responses import MotoAPIResponse
from moto.rds import exceptions as rds_exceptions
from moto.rds import models as rds
from moto.rds import responses as rds_responses
from moto.s3 import models as s3
from moto.utilities import docker_utilities


class Stale(Exception):
    """moto has changed: the patch has to follow, or is needed no more."""


def wrap(owner, name):
    """Replaces the method `name` of the class `owner` with the decorated function, which gets the original
    as its first argument."""

    original = vars(owner).get(name)
    if not callable(original):
        raise Stale(f"{owner.__qualname__} has no method {name} any more")

    def decorate(replacement):
        @functools.wraps(original)
        def method(*args, **kwargs):
            return replacement(original, *args, **kwargs)

        setattr(owner, name, method)

    return decorate


def add(owner, name, attribute=None):
    """Adds what moto lacks: an attribute, or the decorated method, to the class `owner`."""
    if hasattr(owner, name):
        raise Stale(f"{owner.__qualname__} has {name} by itself now")
    if attribute is not None:
        setattr(owner, name, attribute)
    return lambda method: setattr(owner, name, method)


def an_instance_has_a_resource_id_of_its_own():
    """AWS: `DbiResourceId` is unique; `rds-db:connect` is granted by it. moto: one constant for all."""

    @wrap(rds.DBInstance, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        alphabet = string.ascii_uppercase + string.digits
        self.dbi_resource_id = "db-" + "".join(secrets.choice(alphabet) for _ in range(26))


def an_instance_lists_its_pending_changes():
    """AWS: `PendingModifiedValues` is in every answer, empty if no change is pending. moto: leaves it out."""
    add(rds.DBInstance, "pending_modified_values", {})


def a_proxy_reaches_its_targets_at_the_port_of_their_engine():
    """AWS: a target's port is its database's. moto: 5432, whatever the engine."""
    ports = {"MYSQL": 3306, "POSTGRESQL": 5432, "SQLSERVER": 1433}

    @wrap(rds.RDSBackend, "register_db_proxy_targets")
    def register_db_proxy_targets(original, self, db_proxy_name, *args, **kwargs):
        targets = original(self, db_proxy_name, *args, **kwargs)
        for target in targets:
            target.port = ports[self.db_proxies[db_proxy_name].engine_family]
        return targets


def a_proxy_has_the_identifier_of_its_account():
    """AWS: a proxy's endpoint is NAME.proxy-ID.REGION…, with the ID that the account's instances have in that
    region. moto: NAME.db-proxy-RANDOM.REGION…"""

    @wrap(rds.DBProxy, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.endpoint = f"{self.db_proxy_name}.proxy-aaaaaaaaaa.{self.region}.rds.amazonaws.com"


def check_authentication(default_auth_scheme, auth):
    """What AWS demands of a proxy that is created or modified."""
    if default_auth_scheme not in ("NONE", "IAM_AUTH"):
        raise rds_exceptions.InvalidParameterValue(f"Invalid DefaultAuthScheme: {default_auth_scheme}")
    # An entry of `Auth` has one AuthScheme, SECRETS.
    if any(not entry.get("SecretArn") for entry in auth) or (default_auth_scheme == "NONE" and not auth):
        raise rds_exceptions.InvalidParameterValue("Missing SecretArn")


def a_proxy_is_created_with_secrets_or_by_iam_alone():
    """AWS: `DefaultAuthScheme` IAM_AUTH does without `Auth`; otherwise each entry of `Auth` needs a
    `SecretArn`. moto: knows no DefaultAuthScheme, answers 500 without `Auth`, and wants no secrets."""
    add(rds.DBProxy, "default_auth_scheme", "NONE")

    @wrap(rds_responses.RDSResponse, "create_db_proxy")
    def create_db_proxy(original, self):
        scheme = self.params.get("DefaultAuthScheme") or "NONE"
        self.params["Auth"] = self.params.get("Auth") or []
        check_authentication(scheme, self.params["Auth"])
        answer = original(self)
        self.backend.db_proxies[self.params["DBProxyName"]].default_auth_scheme = scheme
        return answer


def a_proxy_can_be_modified():
    """AWS: ModifyDBProxy changes what it names. moto: does not know it, and answers 500."""
    attributes = {
        "DefaultAuthScheme": "default_auth_scheme",
        "Auth": "auth",
        "RequireTLS": "require_tls",
        "IdleClientTimeout": "idle_client_timeout",
        "DebugLogging": "debug_logging",
        "RoleArn": "role_arn",
        "SecurityGroups": "vpc_security_group_ids",
    }

    @add(rds_responses.RDSResponse, "modify_db_proxy")
    def modify_db_proxy(self):
        proxy = self.backend.describe_db_proxies(self.params.get("DBProxyName"))[0]
        changes = {attributes[name]: self.params[name] for name in attributes if name in self.params}
        check_authentication(
            changes.get("default_auth_scheme", proxy.default_auth_scheme), changes.get("auth", proxy.auth)
        )
        # Terraform always names one, the old one as a rule.
        name = self.params.get("NewDBProxyName") or proxy.db_proxy_name
        proxies = self.backend.db_proxies
        if proxies.get(name, proxy) is not proxy:
            raise rds_exceptions.DBProxyAlreadyExistsFault(name)
        proxies[name] = proxies.pop(proxy.db_proxy_name)
        for group in proxy.proxy_target_groups.values():
            group.db_proxy_name = name
        now = datetime.datetime.now(datetime.timezone.utc)
        vars(proxy).update(changes, db_proxy_name=name, updated_date=now)
        return ActionResult({"DBProxy": proxy})


def a_rule_keeps_its_description_whatever_its_peer():
    """AWS: every rule of a security group may have a description. moto: keeps that of an address range, and
    loses that of a group or prefix list."""
    rule = security_groups.SecurityGroupRule

    @wrap(rule, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        given = inspect.signature(original).bind(self, *args, **kwargs).arguments
        self.prefix_list = given.get("prefix_list_id") or {}

    if not isinstance(vars(rule).get("description"), property):
        raise Stale("SecurityGroupRule has no property description any more")

    def description(self):
        peers = (self.ip_range, self.source_group, self.prefix_list)
        return next((peer["Description"] for peer in peers if "Description" in peer), None)

    rule.description = property(description)


def a_deleted_vpc_takes_its_own_with_it():
    """AWS: a VPC's default network ACL goes with it, and deleted endpoints are forgotten. moto: keeps both."""

    @wrap(vpcs.VPCBackend, "delete_vpc")
    def delete_vpc(original, self, vpc_id):
        vpc = original(self, vpc_id)
        for owned in (self.network_acls, self.vpc_end_points):
            for gone in [name for name, thing in owned.items() if thing.vpc_id == vpc_id]:
                del owned[gone]
        return vpc


def endpoint_services_are_listed_without_cloudformation():
    """AWS: DescribeVpcEndpointServices lists all services that have an endpoint. moto: asks its
    CloudFormation, which is twice the size of all the rest and not installed here, and answers 500."""
    if "cloudformation" not in vpcs.IMPLEMENTED_ENDPOINT_SERVICES:
        raise Stale("CloudFormation is no longer called")
    vpcs.IMPLEMENTED_ENDPOINT_SERVICES.remove("cloudformation")


def a_launch_template_keeps_its_own_tags_to_itself():
    """AWS: a template's tags are not in its data, which tags what is launched. moto: puts them there."""

    @wrap(launch_templates.LaunchTemplateVersion, "__init__")
    def init(original, self, template, number, data, description):
        specifications = data.pop("TagSpecifications", [])
        specifications = [s for s in specifications if s.get("ResourceType") != "launch-template"]
        if specifications:
            data["TagSpecifications"] = specifications
        original(self, template, number, data, description)


def a_scaling_policy_has_only_what_belongs_to_its_kind():
    """AWS: only a predictive policy has a `PredictiveScalingConfiguration`; every policy says whether it is
    enabled. moto: an empty one for every policy, and no word of that."""
    add(autoscaling.FakeScalingPolicy, "enabled", True)

    @wrap(autoscaling.FakeScalingPolicy, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.predictive_scaling_configuration = self.predictive_scaling_configuration or None


def a_group_keeps_its_default_warmup():
    """AWS: a group has a `DefaultInstanceWarmup`, in seconds. moto: forgets it."""

    for name in ("create_auto_scaling_group", "update_auto_scaling_group"):

        @wrap(autoscaling_responses.AutoScalingResponse, name)
        def keep(original, self):
            answer = original(self)
            warmup = self._get_int_param("DefaultInstanceWarmup")
            if warmup is not None:
                group = self.autoscaling_backend.autoscaling_groups[self._get_param("AutoScalingGroupName")]
                group.default_instance_warmup = warmup
            return answer


def a_hook_notifies_only_where_it_is_told_to():
    """AWS: a lifecycle hook has a `NotificationTargetARN` and a `RoleARN` only where they were given. moto: always,
    with its own names."""

    @wrap(autoscaling.LifecycleHook, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.notification_target_arn = self.role_arn = None


def a_terminated_instance_takes_its_interface_with_it():
    """AWS: the primary network interface of an instance goes when the instance does, unless set otherwise.
    moto: it stays forever."""

    @wrap(instances.Instance, "terminate")
    def terminate(original, self, *args, **kwargs):
        for nic in self.nics.values():
            if nic.device_index == 0:
                nic.delete_on_termination = True
        return original(self, *args, **kwargs)


def a_root_volume_is_as_large_as_its_image():
    """AWS: a block device without a size has that of the image's snapshot. moto: refuses it. Here it has 8 GiB, moto's
    size of a volume that no request describes."""

    @wrap(instance_responses.InstanceResponse, "_validate_block_device_mapping")
    def validate_block_device_mapping(original, _self, mapping):
        volume = mapping.get("Ebs")
        if volume and not (volume.get("VolumeSize") or volume.get("SnapshotId")):
            volume["VolumeSize"] = 8
        return original(mapping)


def an_interface_has_an_association_with_a_public_address_alone():
    """AWS: a network interface has an `Association` if it has a public address. moto: always, an empty one as a rule, so
    that Terraform takes every instance for a public one."""
    original = vars(interfaces.NetworkInterface).get("association")
    if not isinstance(original, property):
        raise Stale("NetworkInterface has no property association any more")
    interfaces.NetworkInterface.association = property(lambda self: original.fget(self) or None)


def an_instance_is_monitored_as_requested():
    """AWS: MonitorInstances and UnmonitorInstances turn detailed monitoring on and off. moto: does not implement them."""

    for name, states in (("monitor", ("pending", "enabled")), ("unmonitor", ("disabling", "disabled"))):

        @wrap(monitoring.Monitoring, f"{name}_instances")
        def change(_original, self, states=states):
            found = self.ec2_backend.get_multi_instances_by_id(self._get_param("InstanceIds", []))
            for instance in found:
                instance.monitoring_state = states[1]
            about = [{"InstanceId": instance.id, "Monitoring": {"State": states[0]}} for instance in found]
            return ActionResult({"InstanceMonitorings": about})


def a_deleted_nat_gateway_takes_its_interface_with_it():
    """AWS: a NAT gateway's network interface goes with it. moto: it stays forever."""

    @wrap(nat_gateways.NatGatewayBackend, "delete_nat_gateway")
    def delete_nat_gateway(original, self, nat_gateway_id):
        gateway = original(self, nat_gateway_id)
        if gateway._eni.id in self.enis:
            self.delete_network_interface(gateway._eni.id)
        return gateway


def instances_are_refreshed():
    """AWS: StartInstanceRefresh replaces a group's instances, and DescribeInstanceRefreshes reports its
    progress, the latest first. moto: knows neither. Here the refresh is over at once, and no instance changes.
    """

    def refreshes_of(self):
        name = self._get_param("AutoScalingGroupName")
        if name not in self.autoscaling_backend.autoscaling_groups:
            raise autoscaling_exceptions.ValidationError(
                f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"
            )
        # In the backend's own attributes, which a reset of moto clears.
        return vars(self.autoscaling_backend).setdefault("instance_refreshes", {}).setdefault(name, [])

    @add(autoscaling_responses.AutoScalingResponse, "start_instance_refresh")
    def start_instance_refresh(self):
        refreshes = refreshes_of(self)
        now = datetime.datetime.now(datetime.timezone.utc)
        refresh = {
            "InstanceRefreshId": str(uuid.uuid4()),
            "AutoScalingGroupName": self._get_param("AutoScalingGroupName"),
            "Status": "Successful",
            "StartTime": now,
            "EndTime": now,
            "PercentageComplete": 100,
            "InstancesToUpdate": 0,
            "Strategy": self._get_param("Strategy") or "Rolling",
        }
        for name in ("Preferences", "DesiredConfiguration"):
            if given := self._get_param(name):
                refresh[name] = given
        refreshes.insert(0, refresh)
        return ActionResult({"InstanceRefreshId": refresh["InstanceRefreshId"]})

    @add(autoscaling_responses.AutoScalingResponse, "describe_instance_refreshes")
    def describe_instance_refreshes(self):
        wanted = self._get_param("InstanceRefreshIds", [])
        found = [r for r in refreshes_of(self) if not wanted or r["InstanceRefreshId"] in wanted]
        return ActionResult({"InstanceRefreshes": found})

    @wrap(autoscaling.AutoScalingBackend, "delete_auto_scaling_group")
    def delete_auto_scaling_group(original, self, group_name):
        original(self, group_name)
        vars(self).get("instance_refreshes", {}).pop(group_name, None)


def a_statement_counts_only_if_its_conditions_are_met():
    """AWS: a policy statement whose conditions are not met says nothing. moto: takes it for a denial, and S3
    never passes it the conditions of a request: a bucket that only refuses plain HTTP is closed to all."""

    @wrap(access_control.IAMPolicyStatement, "is_action_permitted")
    def is_action_permitted(original, self, action, resource="*", principal=None, values=None):
        # What is not known of a request meets no condition, not even one of an operator that moto ignores.
        unknown = self._statement.get("Condition") and not values
        if unknown or not self._check_conditions(values):
            return access_control.PermissionResult.NEUTRAL
        return original(self, action, resource, principal, values)


def the_policies_of_a_role_are_simulated():
    """AWS: SimulatePrincipalPolicy says what the policies of a user, group or role decide. moto: does not know it. Here it is
    about the role's own policies alone, without context; of other principals it stays unknown."""
    decisions = {
        access_control.PermissionResult.PERMITTED: "allowed",
        access_control.PermissionResult.DENIED: "explicitDeny",
        access_control.PermissionResult.NEUTRAL: "implicitDeny",
    }

    @add(iam_responses.IamResponse, "simulate_principal_policy")
    def simulate_principal_policy(self):
        source = self._get_param("PolicySourceArn")
        if ":role/" not in source:
            raise NotImplementedError("simulate_principal_policy of another principal than a role")
        role = self.backend.get_role_by_arn(source)
        policies = [access_control.IAMPolicy(policy) for policy in [*role.policies.values(), *role.managed_policies.values()]]

        def decide(action, resource):
            found = {policy.is_action_permitted(action, resource) for policy in policies}
            results = access_control.PermissionResult
            order = (results.DENIED, results.PERMITTED)
            return decisions[next((result for result in order if result in found), results.NEUTRAL)]

        results = [
            {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decide(action, resource)}
            for action in self._get_param("ActionNames", [])
            for resource in self._get_param("ResourceArns", ["*"])
        ]
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def old_versions_go_though_versioning_was_suspended():
    """AWS: a bucket's versions can be deleted after versioning was suspended, which Terraform does before it
    empties a bucket. moto: fails where the latest version is a delete marker, which it cannot dispose of."""
    add(s3.FakeDeleteMarker, "dispose", lambda self: None)


def the_model_data_can_be_read_without_docker():
    """moto: /moto-api/data.json asks a Lambda function for its Docker client, and answers 500 where there is
    no Docker."""
    model = docker_utilities.DockerModel
    if not isinstance(vars(model).get("docker_client"), property):
        raise Stale("DockerModel has no property docker_client any more")

    def docker_client(self):
        raise AttributeError("this moto runs nothing in containers")

    model.docker_client = property(docker_client)


def the_model_data_is_of_what_there_is():
    """moto: /moto-api/data.json lists all that there ever was, deleted or not."""

    @wrap(MotoAPIResponse, "model_data")
    def model_data(original, self, *args):
        models = [model for service in model_instances.model_data.values() for model in service.values()]
        # What is deleted is held by this list alone, or by others that are deleted.
        tracked = [(model, [weakref.ref(instance) for instance in model.instances_tracked]) for model in models]
        for model in models:
            model.instances_tracked = []
        gc.collect()
        for model, references in tracked:
            instances = (reference() for reference in references)
            model.instances_tracked[:0] = [instance for instance in instances if instance is not None]
        return original(self, *args)


PATCHES = [
    an_instance_has_a_resource_id_of_its_own,
    an_instance_lists_its_pending_changes,
    a_proxy_has_the_identifier_of_its_account,
    a_proxy_reaches_its_targets_at_the_port_of_their_engine,
    a_proxy_is_created_with_secrets_or_by_iam_alone,
    a_proxy_can_be_modified,
    a_rule_keeps_its_description_whatever_its_peer,
    a_deleted_vpc_takes_its_own_with_it,
    endpoint_services_are_listed_without_cloudformation,
    a_launch_template_keeps_its_own_tags_to_itself,
    a_scaling_policy_has_only_what_belongs_to_its_kind,
    a_group_keeps_its_default_warmup,
    a_hook_notifies_only_where_it_is_told_to,
    a_terminated_instance_takes_its_interface_with_it,
    a_root_volume_is_as_large_as_its_image,
    an_interface_has_an_association_with_a_public_address_alone,
    an_instance_is_monitored_as_requested,
    a_deleted_nat_gateway_takes_its_interface_with_it,
    instances_are_refreshed,
    a_statement_counts_only_if_its_conditions_are_met,
    the_policies_of_a_role_are_simulated,
    old_versions_go_though_versioning_was_suspended,
    the_model_data_can_be_read_without_docker,
    the_model_data_is_of_what_there_is,
]


def apply(patches=PATCHES):
    """Applies the patches that are not applied yet; ends the program, naming the patch, if one cannot be."""
    applied = vars(moto).setdefault("applied_patches", set())
    for patch in patches:
        if patch.__name__ in applied:
            continue
        try:
            patch()
        except (Stale, AttributeError) as e:
            raise SystemExit(f"moto {moto.__version__} cannot be patched: {patch.__name__}: {e}") from e
        applied.add(patch.__name__)
