"""A test for each patch, which must fail on moto as it is and pass on moto patched.

    python test_moto_patches.py

reports stale patches: a test that passes without its patch shows one that is no longer needed.
"""

import io
import json
import os
import subprocess
import sys
import unittest
import zipfile

os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")

import boto3
import moto
import requests

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import moto_patches

MYSQL = {"Engine": "mysql", "DBInstanceClass": "db.t4g.medium", "AllocatedStorage": 20}
ROLE = "arn:aws:iam::123456789012:role/proxy"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:master-abcdef"
AUTH = {"AuthScheme": "SECRETS", "IAMAuth": "REQUIRED", "SecretArn": SECRET}


class Patches(unittest.TestCase):
    """Each test has the name of its patch."""

    def setUp(self):
        # What boto3 has read about the services is kept from test to test.
        mocked = moto.mock_aws(config={"core": {"reset_boto3_session": False}})
        mocked.start()
        self.addCleanup(mocked.stop)
        self.rds = boto3.client("rds")
        self.ec2 = boto3.client("ec2")
        self.autoscaling = boto3.client("autoscaling")

    def subnets(self):
        return [subnet["SubnetId"] for subnet in self.ec2.describe_subnets()["Subnets"][:2]]

    def proxy(self, **settings):
        settings = {"DBProxyName": "proxy", "EngineFamily": "MYSQL", "RoleArn": ROLE, **settings}
        return self.rds.create_db_proxy(VpcSubnetIds=self.subnets(), **settings)["DBProxy"]

    def described_proxy(self):
        return self.rds.describe_db_proxies(DBProxyName="proxy")["DBProxies"][0]

    def group(self, **settings):
        self.ec2.create_launch_template(LaunchTemplateName="app", LaunchTemplateData={"ImageId": "ami-1"})
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="app",
            MinSize=0,
            MaxSize=0,
            AvailabilityZones=["us-east-1a"],
            LaunchTemplate={"LaunchTemplateName": "app"},
            **settings,
        )

    def test_an_instance_has_a_resource_id_of_its_own(self):
        ids = set()
        for name in ("one", "two"):
            instance = self.rds.create_db_instance(DBInstanceIdentifier=name, **MYSQL)["DBInstance"]
            self.assertRegex(instance["DbiResourceId"], "^db-[A-Z0-9]{26}$")
            again = self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
            self.assertEqual(instance["DbiResourceId"], again["DbiResourceId"])
            ids.add(instance["DbiResourceId"])
        self.assertEqual(len(ids), 2)

    def test_an_instance_lists_its_pending_changes(self):
        settings = {"MasterUsername": "dbadmin", "MasterUserPassword": "made-up-password", **MYSQL}
        instance = self.rds.create_db_instance(DBInstanceIdentifier="orders", **settings)["DBInstance"]
        self.assertEqual(instance["PendingModifiedValues"], {})

    def test_a_proxy_reaches_its_targets_at_the_port_of_their_engine(self):
        self.proxy(Auth=[AUTH])
        self.rds.create_db_instance(DBInstanceIdentifier="db", **MYSQL)
        self.rds.register_db_proxy_targets(DBProxyName="proxy", DBInstanceIdentifiers=["db"])
        (target,) = self.rds.describe_db_proxy_targets(DBProxyName="proxy")["Targets"]
        self.assertEqual(target["Port"], 3306)

    def test_a_proxy_has_the_identifier_of_its_account(self):
        instance = self.rds.create_db_instance(DBInstanceIdentifier="db", **MYSQL)["DBInstance"]
        account = instance["Endpoint"]["Address"].removeprefix("db.")
        self.assertEqual(self.proxy(Auth=[AUTH])["Endpoint"], f"proxy.proxy-{account}")
        self.assertEqual(self.described_proxy()["Endpoint"], f"proxy.proxy-{account}")

    def test_a_proxy_is_created_with_secrets_or_by_iam_alone(self):
        self.assertEqual(self.proxy(DefaultAuthScheme="IAM_AUTH")["DefaultAuthScheme"], "IAM_AUTH")
        self.assertEqual(self.described_proxy()["Auth"], [])
        with_secret = self.proxy(DBProxyName="with-secret", Auth=[AUTH])
        self.assertEqual((with_secret["DefaultAuthScheme"], with_secret["Auth"]), ("NONE", [AUTH]))
        without_secret = {"AuthScheme": "SECRETS", "IAMAuth": "REQUIRED"}
        for refused in ({}, {"Auth": [without_secret]}, {"DefaultAuthScheme": "IAM", "Auth": [AUTH]}):
            with self.assertRaisesRegex(self.rds.exceptions.ClientError, "InvalidParameterValue"):
                self.proxy(DBProxyName="refused", **refused)
        self.assertEqual(len(self.rds.describe_db_proxies()["DBProxies"]), 2)

    def test_a_proxy_can_be_modified(self):
        self.proxy(Auth=[AUTH], RequireTLS=False)
        change = {"DefaultAuthScheme": "IAM_AUTH", "Auth": [], "RequireTLS": True, "IdleClientTimeout": 60}
        answer = self.rds.modify_db_proxy(DBProxyName="proxy", SecurityGroups=["sg-1"], **change)["DBProxy"]
        after = self.described_proxy()
        self.assertEqual(answer, after)
        self.assertEqual({name: after[name] for name in change}, change)
        self.assertEqual((after["VpcSecurityGroupIds"], after["RoleArn"]), (["sg-1"], ROLE))
        # As Terraform names it, and by another name.
        for name in ("proxy", "renamed", "proxy"):
            self.rds.modify_db_proxy(DBProxyName=after["DBProxyName"], NewDBProxyName=name)
            (after,) = self.rds.describe_db_proxies()["DBProxies"]
            self.assertEqual(after["DBProxyName"], name)
            (group,) = self.rds.describe_db_proxy_target_groups(DBProxyName=name)["TargetGroups"]
            self.assertEqual(group["DBProxyName"], name)
        self.proxy(DBProxyName="other", Auth=[AUTH])
        with self.assertRaises(self.rds.exceptions.DBProxyAlreadyExistsFault):
            self.rds.modify_db_proxy(DBProxyName="proxy", NewDBProxyName="other")
        with self.assertRaises(self.rds.exceptions.DBProxyNotFoundFault):
            self.rds.modify_db_proxy(DBProxyName="none", RequireTLS=True)
        with self.assertRaisesRegex(self.rds.exceptions.ClientError, "Missing SecretArn"):
            self.rds.modify_db_proxy(DBProxyName="proxy", DefaultAuthScheme="NONE")

    def test_a_rule_keeps_its_description_whatever_its_peer(self):
        groups = [self.ec2.create_security_group(GroupName=name, Description="test") for name in ("a", "b")]
        group, peer = (group["GroupId"] for group in groups)
        prefix_list = self.ec2.describe_managed_prefix_lists()["PrefixLists"][0]["PrefixListId"]
        peers = {
            "UserIdGroupPairs": {"GroupId": peer},
            "PrefixListIds": {"PrefixListId": prefix_list},
            "IpRanges": {"CidrIp": "10.0.0.0/16"},
        }
        for port, (kind, of) in enumerate(peers.items(), 1):
            rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, kind: [{"Description": kind, **of}]}
            made = self.ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[rule])
            rule_id = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
            (found,) = self.ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule_id])["SecurityGroupRules"]
            self.assertEqual(found.get("Description"), kind)

    def test_a_deleted_vpc_takes_its_own_with_it(self):
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        service = {"ServiceName": "com.amazonaws.us-east-1.ssm", "VpcEndpointType": "Interface"}
        endpoint = self.ec2.create_vpc_endpoint(VpcId=vpc, SubnetIds=[subnet], **service)["VpcEndpoint"]
        self.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])
        self.ec2.delete_subnet(SubnetId=subnet)
        self.ec2.delete_vpc(VpcId=vpc)
        left = self.ec2.describe_network_acls()["NetworkAcls"] + self.ec2.describe_vpc_endpoints()["VpcEndpoints"]
        self.assertEqual([thing for thing in left if thing["VpcId"] == vpc], [])

    def test_endpoint_services_are_listed_without_cloudformation(self):
        wanted = [f"com.amazonaws.us-east-1.{service}" for service in ("ecr.dkr", "s3", "secretsmanager", "ssm")]
        self.assertLessEqual(set(wanted), set(self.ec2.describe_vpc_endpoint_services()["ServiceNames"]))

    def test_a_launch_template_keeps_its_own_tags_to_itself(self):
        def tags(kind):
            return {"ResourceType": kind, "Tags": [{"Key": "kind", "Value": kind}]}

        self.ec2.create_launch_template(
            LaunchTemplateName="app",
            LaunchTemplateData={"TagSpecifications": [tags("instance")]},
            TagSpecifications=[tags("launch-template")],
        )
        self.ec2.create_launch_template(
            LaunchTemplateName="bare",
            LaunchTemplateData={"ImageId": "ami-1"},
            TagSpecifications=[tags("launch-template")],
        )
        (template, bare) = self.ec2.describe_launch_templates()["LaunchTemplates"]
        self.assertEqual(template["Tags"], tags("launch-template")["Tags"])
        for name, expected in (("app", [tags("instance")]), ("bare", None)):
            versions = self.ec2.describe_launch_template_versions(LaunchTemplateName=name)
            data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
            self.assertEqual(data.get("TagSpecifications"), expected)

    def test_a_scaling_policy_has_only_what_belongs_to_its_kind(self):
        self.group()
        self.autoscaling.put_scaling_policy(
            AutoScalingGroupName="app",
            PolicyName="cpu",
            PolicyType="TargetTrackingScaling",
            TargetTrackingConfiguration={
                "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
                "TargetValue": 50.0,
            },
        )
        (policy,) = self.autoscaling.describe_policies()["ScalingPolicies"]
        self.assertNotIn("PredictiveScalingConfiguration", policy)
        self.assertIs(policy["Enabled"], True)

    def test_a_group_keeps_its_default_warmup(self):
        def warmup():
            return self.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"][0].get("DefaultInstanceWarmup")

        self.group(DefaultInstanceWarmup=120)
        self.assertEqual(warmup(), 120)
        self.autoscaling.update_auto_scaling_group(AutoScalingGroupName="app", MaxSize=1)
        self.assertEqual(warmup(), 120)
        self.autoscaling.update_auto_scaling_group(AutoScalingGroupName="app", DefaultInstanceWarmup=60)
        self.assertEqual(warmup(), 60)

    def test_a_hook_notifies_only_where_it_is_told_to(self):
        self.group()
        self.autoscaling.put_lifecycle_hook(
            AutoScalingGroupName="app", LifecycleHookName="ready", DefaultResult="ABANDON", HeartbeatTimeout=600,
            LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
        )
        hook = self.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName="app")["LifecycleHooks"][0]
        self.assertEqual((hook["DefaultResult"], hook["HeartbeatTimeout"]), ("ABANDON", 600))
        self.assertNotIn("NotificationTargetARN", hook)
        self.assertNotIn("RoleARN", hook)

    def interfaces(self):
        return self.ec2.describe_network_interfaces()["NetworkInterfaces"]

    def test_a_terminated_instance_takes_its_interface_with_it(self):
        image = self.ec2.describe_images()["Images"][0]["ImageId"]
        instance = self.ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
        self.assertEqual(len(self.interfaces()), 1)
        self.ec2.terminate_instances(InstanceIds=[instance])
        self.assertEqual(self.interfaces(), [])

    def test_a_root_volume_is_as_large_as_its_image(self):
        image = self.ec2.describe_images()["Images"][0]
        made = self.ec2.run_instances(
            ImageId=image["ImageId"], MinCount=1, MaxCount=1,
            BlockDeviceMappings=[{"DeviceName": image["RootDeviceName"], "Ebs": {"Encrypted": True, "VolumeType": "gp3"}}],
        )["Instances"][0]["InstanceId"]
        attached = [{"Name": "attachment.instance-id", "Values": [made]}]
        (volume,) = self.ec2.describe_volumes(Filters=attached)["Volumes"]
        self.assertEqual((volume["Size"], volume["Encrypted"], volume["VolumeType"]), (8, True, "gp3"))

    def test_an_interface_has_an_association_with_a_public_address_alone(self):
        image = self.ec2.describe_images()["Images"][0]["ImageId"]
        network = {"DeviceIndex": 0, "SubnetId": self.subnets()[0]}
        for public in (True, False):
            self.ec2.run_instances(
                ImageId=image, MinCount=1, MaxCount=1,
                NetworkInterfaces=[{**network, "AssociatePublicIpAddress": public}],
            )
        made = [it["Instances"][0] for it in self.ec2.describe_instances()["Reservations"]]
        associated = {("PublicIpAddress" in it, "Association" in it["NetworkInterfaces"][0]) for it in made}
        self.assertEqual(associated, {(True, True), (False, False)})

    def test_an_instance_is_monitored_as_requested(self):
        image = self.ec2.describe_images()["Images"][0]["ImageId"]
        instance = self.ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
        state = lambda: self.ec2.describe_instances()["Reservations"][0]["Instances"][0]["Monitoring"]["State"]
        (made,) = self.ec2.monitor_instances(InstanceIds=[instance])["InstanceMonitorings"]
        self.assertEqual((made, state()), ({"InstanceId": instance, "Monitoring": {"State": "pending"}}, "enabled"))
        (made,) = self.ec2.unmonitor_instances(InstanceIds=[instance])["InstanceMonitorings"]
        self.assertEqual((made["Monitoring"]["State"], state()), ("disabling", "disabled"))
        with self.assertRaisesRegex(self.ec2.exceptions.ClientError, "InvalidInstanceID.NotFound"):
            self.ec2.monitor_instances(InstanceIds=["i-0123456789abcdef0"])

    def test_a_deleted_nat_gateway_takes_its_interface_with_it(self):
        address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        gateway = self.ec2.create_nat_gateway(SubnetId=self.subnets()[0], AllocationId=address)["NatGateway"]
        self.assertEqual(len(self.interfaces()), 1)
        self.ec2.delete_nat_gateway(NatGatewayId=gateway["NatGatewayId"])
        self.assertEqual(self.interfaces(), [])

    def test_instances_are_refreshed(self):
        self.group()
        name = {"AutoScalingGroupName": "app"}
        self.assertEqual(self.autoscaling.describe_instance_refreshes(**name)["InstanceRefreshes"], [])
        preferences = {"MinHealthyPercentage": 100, "AutoRollback": True}
        first = self.autoscaling.start_instance_refresh(Preferences=preferences, **name)["InstanceRefreshId"]
        second = self.autoscaling.start_instance_refresh(**name)["InstanceRefreshId"]
        found = self.autoscaling.describe_instance_refreshes(**name)["InstanceRefreshes"]
        self.assertEqual([refresh["InstanceRefreshId"] for refresh in found], [second, first])
        self.assertEqual({refresh["Status"] for refresh in found}, {"Successful"})
        (found,) = self.autoscaling.describe_instance_refreshes(InstanceRefreshIds=[first], **name)["InstanceRefreshes"]
        self.assertEqual((found["Preferences"], found["PercentageComplete"]), (preferences, 100))
        with self.assertRaisesRegex(self.autoscaling.exceptions.ClientError, "name not found"):
            self.autoscaling.start_instance_refresh(AutoScalingGroupName="none")
        # Another group of the name has refreshes of its own.
        self.autoscaling.delete_auto_scaling_group(ForceDelete=True, **name)
        self.ec2.delete_launch_template(LaunchTemplateName="app")
        self.group()
        self.assertEqual(self.autoscaling.describe_instance_refreshes(**name)["InstanceRefreshes"], [])

    def test_a_statement_counts_only_if_its_conditions_are_met(self):
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="state")
        denial = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::state/*"}
        plain_http = {**denial, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        s3.put_bucket_policy(Bucket="state", Policy=json.dumps({"Statement": [plain_http]}))
        s3.put_object(Bucket="state", Key="key", Body=b"state")
        self.assertEqual(s3.get_object(Bucket="state", Key="key")["Body"].read(), b"state")
        s3.put_bucket_policy(Bucket="state", Policy=json.dumps({"Statement": [plain_http, denial]}))
        with self.assertRaisesRegex(s3.exceptions.ClientError, "403"):
            s3.put_object(Bucket="state", Key="key", Body=b"state")

    def model_data(self):
        return requests.get("http://motoapi.amazonaws.com/moto-api/data.json").json()

    def test_the_policies_of_a_role_are_simulated(self):
        iam = boto3.client("iam")
        document = lambda *statements: json.dumps({"Version": "2012-10-17", "Statement": statements})
        role = iam.create_role(RoleName="orders", AssumeRolePolicyDocument=document())["Role"]["Arn"]
        users = "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-A"
        statement = {"Effect": "Allow", "Action": "rds-db:connect", "Resource": f"{users}/orders_*"}
        iam.put_role_policy(RoleName="orders", PolicyName="allow", PolicyDocument=document(statement))
        statement = {"Effect": "Deny", "Action": "rds-db:connect", "Resource": f"{users}/orders_admin"}
        policy = iam.create_policy(PolicyName="deny", PolicyDocument=document(statement))["Policy"]["Arn"]
        iam.attach_role_policy(RoleName="orders", PolicyArn=policy)
        names = ["orders_iam", "orders_admin", "other"]
        answer = iam.simulate_principal_policy(
            PolicySourceArn=role,
            ActionNames=["rds-db:connect"],
            ResourceArns=[f"{users}/{name}" for name in names],
        )
        results = answer["EvaluationResults"]
        self.assertEqual([result["EvalResourceName"].rpartition("/")[2] for result in results], names)
        decisions = [result["EvalDecision"] for result in results]
        self.assertEqual(decisions, ["allowed", "explicitDeny", "implicitDeny"])

    def test_old_versions_go_though_versioning_was_suspended(self):
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="states")
        s3.put_bucket_versioning(Bucket="states", VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket="states", Key="lock", Body=b"")
        s3.delete_object(Bucket="states", Key="lock")
        s3.put_bucket_versioning(Bucket="states", VersioningConfiguration={"Status": "Suspended"})
        listed = s3.list_object_versions(Bucket="states")
        versions = [
            {"Key": version["Key"], "VersionId": version["VersionId"]}
            for version in listed["Versions"] + listed["DeleteMarkers"]
        ]
        self.assertEqual(len(versions), 2)
        s3.delete_objects(Bucket="states", Delete={"Objects": versions})
        s3.delete_bucket(Bucket="states")

    def test_the_model_data_can_be_read_without_docker(self):
        role = boto3.client("iam").create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as file:
            file.writestr("bootstrap", "")
        boto3.client("lambda").create_function(
            FunctionName="function", Role=role, Runtime="provided.al2023", Handler="bootstrap",
            Code={"ZipFile": package.getvalue()},
        )
        (function,) = self.model_data()["awslambda"]["LambdaFunction"]
        self.assertEqual(function["function_name"], "function")

    def test_the_model_data_is_of_what_there_is(self):
        vpcs = [self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in range(2)]
        self.rds.create_db_instance(DBInstanceIdentifier="db", **MYSQL)
        self.ec2.delete_vpc(VpcId=vpcs[0])
        self.rds.delete_db_instance(DBInstanceIdentifier="db", SkipFinalSnapshot=True)
        data = self.model_data()
        ids = {vpc["id"] for vpc in data["ec2"]["VPC"]}
        self.assertEqual(ids & set(vpcs), {vpcs[1]})
        self.assertEqual(data["rds"]["DBInstance"], [])


class Applying(unittest.TestCase):
    def test_twice_is_once(self):
        calls = []
        patch = lambda: calls.append("applied")
        moto_patches.apply([patch])
        moto_patches.apply([patch])
        self.assertEqual(calls, ["applied"])

    def test_what_cannot_be_patched_is_named(self):
        class Changed:
            present = True

        def a_method_that_is_gone():
            moto_patches.wrap(Changed, "gone")

        def a_thing_that_moto_has_now():
            moto_patches.add(Changed, "present", False)

        for patch, why in (
            (a_method_that_is_gone, "has no method gone any more"),
            (a_thing_that_moto_has_now, "has present by itself now"),
        ):
            with self.assertRaisesRegex(SystemExit, f"moto .* cannot be patched: {patch.__name__}: .*Changed {why}"):
                moto_patches.apply([patch])
        self.assertIs(Changed.present, True)


def run(case):
    loader = unittest.TestLoader()
    return unittest.TextTestRunner().run(loader.loadTestsFromTestCase(case))


def main(case=Patches, listed=moto_patches.PATCHES, others=(Applying,)):
    """Tests the patches `listed` by `case`, which has a test of the name of each, and then the `others`."""
    names = {name.removeprefix("test_") for name in unittest.TestLoader().getTestCaseNames(case)}
    program = sys.modules["__main__"].__file__
    if unmatched := names ^ {patch.__name__ for patch in listed}:
        sys.exit(f"a patch without a test, or the other way round: {sorted(unmatched)}")

    if sys.argv[1:] == ["--without-patches"]:
        result = run(case)
        failed = {test._testMethodName for test, _ in result.failures + result.errors}
        print(json.dumps(sorted(names - {name.removeprefix("test_") for name in failed})))
        return

    # In another process, for patches cannot be taken back.
    without = subprocess.run(
        [sys.executable, *subprocess._args_from_interpreter_flags(), program, "--without-patches"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if without.returncode != 0:
        sys.exit(f"the tests did not run without patches:\n{without.stderr}")
    if needless := json.loads(without.stdout):
        sys.exit(f"moto {moto.__version__} passes without these patches, so remove them or test them better: {needless}")

    moto_patches.apply(listed)
    if not all([run(tested).wasSuccessful() for tested in (case, *others)]):
        sys.exit(f"moto {moto.__version__}, patched, still fails; see above")


if __name__ == "__main__":
    main()
