"""Patches of moto for an account with real servers behind its resources, and the path that reports their states.

`rds-iam-emulator account` runs a registry, databases and machines beside moto. `PATCHES`, applied after those of
`moto_patches.py`, make moto report them; `test_account.py` has a test for each. `serving` adds `PATH`, which
lists the databases and Auto Scaling groups for that program, and accepts its reports on refreshes and health.
"""

import base64
import datetime
import json
import pathlib
import shutil
import types
import uuid

from moto.autoscaling import exceptions as autoscaling_exceptions
from moto.autoscaling import models as autoscaling
from moto.autoscaling import responses as autoscaling_responses
from moto.core.responses import ActionResult
from moto.ecr import exceptions as ecr_exceptions
from moto.ecr import models as ecr
from moto.ecr import responses as ecr_responses
from moto.elbv2 import models as elbv2
from moto.rds import models as rds

import account_databases
from moto_patches import Stale, add, wrap

# No service of AWS has such a path; a bucket of this name could not be reached.
PATH = "/moto-api/rds-iam-account"

# Where the registry answers, and the folder that its `filesystem` storage is in.
registry = types.SimpleNamespace(address=None, folder=None)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def manifests_of(repository):
    # moto takes no other names; this becomes a path that is removed.
    if ".." in repository or repository.startswith("/"):
        raise ValueError("a repository's name leads out of the registry")
    return pathlib.Path(registry.folder, "docker/registry/v2/repositories", repository, "_manifests")


class RegistryImage(ecr.Image):
    """An image, or what belongs to one, in the registry."""

    # moto keeps track of models by the service that it takes from this.
    __module__ = ecr.__name__

    def __init__(self, repository, link):
        digest = link.read_text()
        algorithm, _, hexadecimal = digest.partition(":")
        blobs = pathlib.Path(registry.folder, "docker/registry/v2/blobs", algorithm)
        manifest = (blobs / hexadecimal[:2] / hexadecimal / "data").read_text()
        media_type = json.loads(manifest).get("mediaType")
        super().__init__(repository.registry_id, None, manifest, repository.name, media_type, digest)
        self.image_pushed_at = self.last_scan = link.stat().st_mtime
        self.image_tags = sorted(
            current.parent.parent.name
            for current in manifests_of(repository.name).glob("tags/*/current/link")
            if current.read_text() == digest
        )
        self.image_tag = next(iter(self.image_tags), None)

    def get_image_size_in_bytes(self):
        layers = json.loads(self.image_manifest).get("layers")
        return None if layers is None else sum(layer["size"] for layer in layers)


def a_login_leads_to_the_registry():
    """AWS: a login is good for twelve hours, at the registry that `proxyEndpoint` names, and is a secret. moto: it
    ended in 2015, is for AWS, and is the same for all."""

    @wrap(ecr_responses.ECRResponse, "get_authorization_token")
    def get_authorization_token(original, self):
        answer = original(self)
        for login in answer.result["authorizationData"]:
            password = pathlib.Path(registry.folder, "password").read_text()
            login["authorizationToken"] = base64.b64encode(f"AWS:{password}".encode()).decode()
            login["proxyEndpoint"] = f"http://{registry.address}"
            login["expiresAt"] = now() + datetime.timedelta(hours=12)
        return answer


def a_repository_has_the_images_of_the_registry():
    """AWS: what is pushed to the registry is in the repository. moto: it is no registry."""
    add(
        ecr.Repository,
        "images",
        property(
            lambda self: [
                RegistryImage(self, link) for link in manifests_of(self.name).glob("revisions/sha256/*/link")
            ],
            # moto's own list, which is empty.
            lambda self, images: None,
        ),
    )


def images_are_changed_in_the_registry_alone():
    """AWS: PutImage and BatchDeleteImage change what the registry has. moto: changes its own list. Here they
    are refused: push to the registry, or delete there."""
    for name in ("put_image", "batch_delete_image"):

        @wrap(ecr_responses.ECRResponse, name)
        def refuse(original, self):
            raise ecr_exceptions.InvalidParameterException(
                f"This emulator of ECR changes no image: do it in the registry at {registry.address}"
            )


def a_deleted_repository_takes_its_images_with_it():
    """AWS: the images of a repository that was deleted by force are gone. moto: it is no registry."""

    @wrap(ecr.ECRBackend, "delete_repository")
    def delete_repository(original, self, *args, **kwargs):
        repository = original(self, *args, **kwargs)
        shutil.rmtree(manifests_of(repository.name).parent, ignore_errors=True)
        return repository


def what_was_pushed_was_scanned():
    """AWS: scans an image that is pushed to a repository that says so. moto: never does, and of a scan that was
    started, it reports a made-up finding. Here nothing is scanned, ever; the description says so."""

    @wrap(ecr.ECRBackend, "describe_image_scan_findings")
    def describe_image_scan_findings(original, self, registry_id, repository_name, image_id):
        repository = self._get_repository(repository_name, registry_id)
        image = repository._get_image(image_id.get("imageTag"), image_id.get("imageDigest"))
        if not repository.image_scanning_configuration.get("scanOnPush"):
            raise ecr_exceptions.ScanNotFoundException(
                image_id=str(image_id), repository_name=repository_name, registry_id=repository.registry_id
            )
        return {
            "registryId": repository.registry_id,
            "repositoryName": repository_name,
            "imageId": {"imageDigest": image.image_digest},
            "imageScanStatus": {"status": "COMPLETE", "description": "Emulated: nothing was scanned."},
            "imageScanFindings": {
                "imageScanCompletedAt": image.last_scan,
                "vulnerabilitySourceUpdatedAt": image.last_scan,
                "findings": [],
                "findingSeverityCounts": {},
            },
        }


class InstanceRefreshInProgress(autoscaling_exceptions.AutoscalingClientError):
    code = "InstanceRefreshInProgress"


class ActiveInstanceRefreshNotFound(autoscaling_exceptions.AutoscalingClientError):
    code = "ActiveInstanceRefreshNotFound"


def refreshes_of(backend, group):
    """The refreshes that `moto_patches.instances_are_refreshed` keeps, the latest first."""
    return vars(backend).get("instance_refreshes", {}).get(group, [])


def is_active(refresh):
    return refresh["Status"] in ("Pending", "InProgress", "Cancelling")


def a_refresh_takes_its_time():
    """AWS: a refresh is pending, then in progress, then over; one at a time, and it can be cancelled. The patched
    moto: it is over at once. Here the program that runs the machines reports its progress."""

    @wrap(autoscaling_responses.AutoScalingResponse, "start_instance_refresh")
    def start_instance_refresh(original, self):
        group = self._get_param("AutoScalingGroupName")
        if any(map(is_active, refreshes_of(self.autoscaling_backend, group))):
            raise InstanceRefreshInProgress("An Instance Refresh is already in progress and blocks this one")
        answer = original(self)
        refresh = refreshes_of(self.autoscaling_backend, group)[0]
        del refresh["EndTime"]
        refresh.update(Status="Pending", PercentageComplete=0, InstancesToUpdate=1)
        return answer

    @add(autoscaling_responses.AutoScalingResponse, "cancel_instance_refresh")
    def cancel_instance_refresh(self):
        for refresh in refreshes_of(self.autoscaling_backend, self._get_param("AutoScalingGroupName")):
            if is_active(refresh):
                refresh["Status"] = "Cancelling"
                return ActionResult({"InstanceRefreshId": refresh["InstanceRefreshId"]})
        raise ActiveInstanceRefreshNotFound("No in progress or pending Instance Refresh found")


def launches_of(group):
    """The machines that refreshes have launched in the group, as scaling activities, the latest first."""
    return vars(group).setdefault("launches", [])


def is_waiting(launch):
    return launch["StatusCode"] == "MidLifecycleAction"


def a_launch_waits_for_its_hook():
    """AWS: where the group has a launch hook, a new instance is `Pending:Wait`, and no instance goes for it, until
    CompleteLifecycleAction. moto: keeps hooks and lets nothing wait for them. Here the program that runs the machines
    reports which are launched, and gets what was completed."""

    @add(autoscaling_responses.AutoScalingResponse, "complete_lifecycle_action")
    def complete_lifecycle_action(self):
        name, hook = self._get_param("AutoScalingGroupName"), self._get_param("LifecycleHookName")
        instance, result = self._get_param("InstanceId"), self._get_param("LifecycleActionResult")
        group = self.autoscaling_backend.autoscaling_groups.get(name)
        hooks = group and self.autoscaling_backend.describe_lifecycle_hooks(name, [hook])
        if result not in ("CONTINUE", "ABANDON"):
            raise autoscaling_exceptions.ValidationError(f"{result} is not a valid LifecycleActionResult")
        for launch in launches_of(group) if hooks else ():
            if launch["InstanceId"] == instance and is_waiting(launch):
                launch["Result"] = result
                return ActionResult({})
        raise autoscaling_exceptions.ValidationError(
            f"No active Lifecycle Action found with instance ID {instance}"
        )

    @wrap(autoscaling_responses.AutoScalingResponse, "describe_scaling_activities")
    def describe_scaling_activities(original, self):
        name = self._get_param("AutoScalingGroupName")
        group = self.autoscaling_backend.autoscaling_groups.get(name)
        return ActionResult({"Activities": launches_of(group) if group else []})

    if not isinstance(vars(autoscaling.FakeAutoScalingGroup).get("instances"), property):
        raise Stale("FakeAutoScalingGroup has no property instances any more")
    autoscaling.FakeAutoScalingGroup.instances = property(
        lambda self: self.instance_states + [waiting_instance(self, l) for l in launches_of(self) if is_waiting(l)]
    )


def waiting_instance(group, launch):
    """As DescribeAutoScalingGroups lists it."""
    template = group.ec2_launch_template
    return types.SimpleNamespace(
        instance_id=launch["InstanceId"],
        instance_type="t4g.small",
        availability_zone=group.availability_zones[0],
        lifecycle_state="Pending:Wait",
        health_status="Healthy",
        protected_from_scale_in=False,
        launch_configuration_name=None,
        launch_template=template and {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name},
        weighted_capacity=None,
    )


def a_target_is_as_healthy_as_its_machine():
    """AWS: asks each target how it is. moto: calls all of them healthy. Here the program that runs the machines
    asks; until it has, they are `initial`."""

    @wrap(elbv2.FakeTargetGroup, "health_for")
    def health_for(original, self, *args):
        health = original(self, *args)
        if health.status == "healthy":
            unknown = ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
            health.status, health.reason, health.description = vars(self).get("machine_health", unknown)
        return health


PATCHES = [
    a_login_leads_to_the_registry,
    a_repository_has_the_images_of_the_registry,
    images_are_changed_in_the_registry_alone,
    a_deleted_repository_takes_its_images_with_it,
    what_was_pushed_was_scanned,
    a_refresh_takes_its_time,
    a_launch_waits_for_its_hook,
    a_target_is_as_healthy_as_its_machine,
]


def group(backend, of):
    template = of.ec2_launch_template
    user_data = template and template.get_version(of.launch_template_version).user_data
    target_groups = backend.elbv2_backend.target_groups
    return {
        "name": of.name,
        "id": of._id,
        "region": backend.region_name,
        "user_data": user_data.decode() if user_data else "",
        "refreshes": [
            {"id": refresh["InstanceRefreshId"], "status": refresh["Status"]}
            for refresh in refreshes_of(backend, of.name)
        ],
        "has_hook": any(
            hook.lifecycle_transition == "autoscaling:EC2_INSTANCE_LAUNCHING"
            for hook in backend.describe_lifecycle_hooks(of.name)
        ),
        "completed": {
            launch["InstanceId"]: launch["Result"]
            for launch in launches_of(of)
            if is_waiting(launch) and "Result" in launch
        },
        "target_groups": [
            {"arn": arn, "health_path": target_groups[arn].health_check_path}
            for arn in of.target_group_arns
            if arn in target_groups
        ],
    }


def backends(of):
    return [backend for regions in list(of.values()) for backend in list(regions.values())]


def what_there_is():
    return {
        "databases": [
            database for backend in backends(rds.rds_backends) for database in account_databases.databases(backend)
        ],
        "groups": [
            group(backend, of)
            for backend in backends(autoscaling.autoscaling_backends)
            for of in list(backend.autoscaling_groups.values())
        ],
    }


def take(report):
    """Takes how far refreshes are, by id, how healthy target groups are, by ARN, and which machines were launched."""
    for backend in backends(autoscaling.autoscaling_backends):
        for of in list(backend.autoscaling_groups.values()):
            for launch in report.get("launches", []):
                if launch["group"] == of._id:
                    launched(of, launch)
        for refreshes in vars(backend).get("instance_refreshes", {}).values():
            for refresh in refreshes:
                if found := report.get("refreshes", {}).get(refresh["InstanceRefreshId"]):
                    progress(refresh, **found)
    for backend in backends(elbv2.elbv2_backends):
        for arn, health in report.get("health", {}).items():
            if arn in backend.target_groups:
                backend.target_groups[arn].machine_health = tuple(health)


def launched(group, report):
    """Takes how the launch of a machine is."""
    launches, instance = launches_of(group), report["instance"]
    found = next((launch for launch in launches if launch["InstanceId"] == instance), None)
    if found is None:
        found = {
            "ActivityId": str(uuid.uuid4()),
            "AutoScalingGroupName": group.name,
            "InstanceId": instance,
            "Description": f"Launching a new EC2 instance: {instance}",
            "Cause": "an instance refresh",
            "StartTime": now(),
        }
        launches.insert(0, found)
    found["StatusCode"] = report["status"]
    if reason := report.get("reason"):
        found["StatusMessage"] = reason
    if not is_waiting(found):
        found.update(EndTime=now(), Progress=100)


def progress(refresh, status, reason=None):
    refresh["Status"] = status
    if reason:
        refresh["StatusReason"] = reason
    if not is_active(refresh):
        refresh["EndTime"] = now()
    if status == "Successful":
        refresh.update(PercentageComplete=100, InstancesToUpdate=0)


def serving(application):
    """The WSGI application, and `PATH` before it."""

    def serve(environ, start_response):
        if environ.get("PATH_INFO") != PATH:
            return application(environ, start_response)
        if environ["REQUEST_METHOD"] == "POST":
            take(json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))
        body = json.dumps(what_there_is()).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return serve
