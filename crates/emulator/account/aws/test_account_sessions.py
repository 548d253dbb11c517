"""A test for each patch of `account_sessions.py`, and the instances that Session Manager manages.

    python test_account_sessions.py
"""

import http.server
import json
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_moto_patches

import boto3
import moto

import account_sessions
import moto_patches

ACCOUNT = "123456789012"
NO_TARGET = {"__type": "TargetNotConnected", "Message": "i-1 is not connected."}


class Emulator(http.server.BaseHTTPRequestHandler):
    """Answers each call with the next of `answers`, and keeps the calls with their tokens."""

    answers, calls = [], []

    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Emulator.calls.append((call, self.headers["X-Amz-Security-Token"]))
        status, body = Emulator.answers.pop(0)
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Launching(unittest.TestCase):
    def setUp(self):
        mocked = moto.mock_aws(config={"core": {"reset_boto3_session": False}})
        mocked.start()
        self.addCleanup(mocked.stop)
        self.ec2 = boto3.client("ec2")
        self.image = self.ec2.describe_images()["Images"][0]["ImageId"]
        boto3.client("iam").create_instance_profile(InstanceProfileName="jump")

    def launch(self, count=1, **settings):
        """Launches instances, and returns their ids."""
        made = self.ec2.run_instances(MinCount=count, MaxCount=count, **settings)["Instances"]
        return [instance["InstanceId"] for instance in made]

    def launch_with_profile(self, count=1, **settings):
        return self.launch(count, ImageId=self.image, IamInstanceProfile={"Name": "jump"}, **settings)

    def template(self):
        data = {"ImageId": self.image, "InstanceType": "t4g.small", "IamInstanceProfile": {"Name": "jump"}}
        self.ec2.create_launch_template(LaunchTemplateName="jump", LaunchTemplateData=data)

    def managed(self, region="us-east-1"):
        return account_sessions.managed_instances(ACCOUNT, region)


class Patches(Launching):
    """Each test has the name of its patch."""

    def test_instances_have_the_profile_of_their_launch(self):
        self.template()
        of_requests = self.launch_with_profile(count=2)
        of_template = self.launch(ImageId=self.image, LaunchTemplate={"LaunchTemplateName": "jump"})
        self.launch(ImageId=self.image)
        found = self.ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
        self.assertEqual({it["InstanceId"] for it in found}, {*of_requests, *of_template})

    def test_sessions_are_those_of_the_emulator(self):
        server = http.server.HTTPServer(("127.0.0.1", 0), Emulator)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        account_sessions.emulator.address = f"127.0.0.1:{server.server_port}"
        started = {"SessionId": "s-1", "TokenValue": "t", "StreamUrl": "ws://127.0.0.1:1/"}
        Emulator.calls = []
        Emulator.answers = [(200, started), (400, NO_TARGET), (200, {"InstanceInformationList": []})]
        (instance,) = self.launch_with_profile()
        key = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_session_token": "a token"}
        ssm = boto3.client("ssm", **key)
        answer = ssm.start_session(Target=instance)
        self.assertEqual({name: answer[name] for name in started}, started)
        elsewhere = boto3.client("ssm", region_name="eu-west-1")
        with self.assertRaisesRegex(elsewhere.exceptions.TargetNotConnected, "i-1 is not connected."):
            elsewhere.resume_session(SessionId="s-1")
        self.assertEqual(ssm.describe_instance_information()["InstanceInformationList"], [])
        ((start, token), (resume, _), (describe, _)) = Emulator.calls
        self.assertEqual((start["region"], start["target"], token), ("us-east-1", "AmazonSSM.StartSession", "a token"))
        self.assertEqual(json.loads(start["body"]), {"Target": instance})
        self.assertEqual(start["instances"], [{"id": instance, "is_online": True, "tags": {}}])
        self.assertEqual((resume["region"], resume["target"]), ("eu-west-1", "AmazonSSM.ResumeSession"))
        self.assertEqual(resume["instances"], [])
        self.assertEqual(describe["target"], "AmazonSSM.DescribeInstanceInformation")


class Managed(Launching):
    def test_an_instance_is_managed_if_it_has_a_profile_until_it_is_terminated(self):
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "jump"}]}]
        (instance,) = self.launch_with_profile(TagSpecifications=tags)
        self.launch(ImageId=self.image)
        found = {"id": instance, "is_online": True, "tags": {"role": "jump"}}
        self.assertEqual(self.managed(), [found])
        self.assertEqual(self.managed("eu-west-1"), [])
        self.ec2.stop_instances(InstanceIds=[instance])
        self.assertEqual(self.managed(), [{**found, "is_online": False}])
        self.ec2.start_instances(InstanceIds=[instance])
        self.assertEqual(self.managed(), [found])
        self.ec2.terminate_instances(InstanceIds=[instance])
        self.assertEqual(self.managed(), [])

    def test_an_instance_of_a_group_has_its_tag(self):
        self.template()
        boto3.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName="jump", MinSize=2, MaxSize=2, AvailabilityZones=["us-east-1a"],
            LaunchTemplate={"LaunchTemplateName": "jump"},
        )
        groups = [instance["tags"]["aws:autoscaling:groupName"] for instance in self.managed()]
        self.assertEqual(groups, ["jump"] * 2)


if __name__ == "__main__":
    moto_patches.apply()
    test_moto_patches.main(Patches, account_sessions.PATCHES, (Managed,))
