"""Session Manager in an account: the instances that it manages, and the operations that moto lacks.

An emulator of Session Manager, in the program that runs the account, answers these operations. Each call brings it the
instances of its region as they are now. `serve.py` applies `PATCHES` after those of `account.py`;
`test_account_sessions.py` has a test for each.
"""

import contextlib
import http.client
import json
import types

from moto.core.utils import camelcase_to_underscores
from moto.ec2 import models as ec2
from moto.ec2.models import instances
from moto.ssm import responses as ssm_responses

from moto_patches import add, wrap

# The address of the emulator, `host:port`.
emulator = types.SimpleNamespace(address=None)

OPERATIONS = ("StartSession", "ResumeSession", "TerminateSession", "DescribeInstanceInformation")

# In seconds. The emulator answers from its memory.
ANSWER_WITHIN = 10


def instances_have_the_profile_of_their_launch():
    """AWS: all instances of a launch have its instance profile: that of the request, or else of the launch template.
    moto: the first one alone, and only that of the request."""

    @wrap(instances.InstanceBackend, "run_instances")
    def run_instances(original, self, *args, **kwargs):
        reservation = original(self, *args, **kwargs)
        name, arn = kwargs.get("iam_instance_profile_name"), kwargs.get("iam_instance_profile_arn")
        without = reservation.instances
        if name or arn:
            # moto gives it to the first one after this.
            without = without[1:]
        elif template := kwargs.get("launch_template"):
            profile = self._get_template_from_args(template).data.get("IamInstanceProfile") or {}
            name, arn = profile.get("Name"), profile.get("Arn")
        if name or arn:
            for instance in without:
                self.associate_iam_instance_profile(instance.id, name, arn)
        return reservation


def managed_instances(account, region):
    """The instances of a region that Session Manager manages. An agent has the credentials of its instance's profile,
    so that an instance without one is not managed. A stopped instance stays in the list, a terminated one does not."""
    # Without its `__getitem__`, which takes seconds to make the images of a region that has no instances.
    backend = dict(ec2.ec2_backends[account]).get(region)
    if backend is None:
        return []
    return [
        {
            "id": instance.id,
            "is_online": instance.state == "running",
            "tags": dict(backend.tags.get(instance.id, {})),
        }
        for reservation in list(backend.reservations.values())
        for instance in list(reservation.instances)
        if instance.id in backend.iam_instance_profile_associations
        and instance.state in ("running", "stopping", "stopped")
    ]


def sessions_are_those_of_the_emulator():
    """AWS: Session Manager starts, resumes and ends sessions, and lists the instances that it manages. moto: has none
    of these operations. Here the program that runs the account answers them."""

    for operation in OPERATIONS:

        @add(ssm_responses.SimpleSystemManagerResponse, camelcase_to_underscores(operation))
        def forward(self, operation=operation):
            call = {
                "region": self.region,
                "target": f"AmazonSSM.{operation}",
                "body": self.body,
                "instances": managed_instances(self.current_account, self.region),
            }
            # `guard` has checked the token. The emulator does so again, because others can reach its port too.
            headers = {"X-Amz-Security-Token": self.headers.get("X-Amz-Security-Token", "")}
            connection = http.client.HTTPConnection(emulator.address, timeout=ANSWER_WITHIN)
            with contextlib.closing(connection):
                connection.request("POST", "/", json.dumps(call).encode(), headers)
                answer = connection.getresponse()
                body = answer.read().decode()
            return body, {"status": answer.status, "Content-Type": "application/x-amz-json-1.1"}


PATCHES = [instances_have_the_profile_of_their_launch, sessions_are_those_of_the_emulator]
