"""A test for each patch of `account.py`, which must fail without it, on moto with the patches of `moto_patches.py`, and pass
with it. And the snapshot and reports of the program that runs the account.

    python test_account.py
"""

import base64
import io
import json
import os
import pathlib
import sys
import tempfile
import types
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_moto_patches

import boto3
import moto

import account
import moto_patches
import rds_endpoints
import rds_patches

DIGEST, SBOM = f"sha256:{'ab' * 32}", f"sha256:{'cd' * 32}"
LAYERS = [{"size": 1000}, {"size": 24}]


class Playing(unittest.TestCase):
    def setUp(self):
        mocked = moto.mock_aws(config={"core": {"reset_boto3_session": False}})
        mocked.start()
        self.addCleanup(mocked.stop)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        account.registry.address, account.registry.folder = "127.0.0.1:5000", folder.name
        pathlib.Path(folder.name, "password").write_text("made-up")
        self.ecr = boto3.client("ecr")
        self.autoscaling = boto3.client("autoscaling")

    def repository(self, **settings):
        self.ecr.create_repository(repositoryName="app", **settings)

    def push(self, digest=DIGEST, tag="1", layers=LAYERS):
        """What the registry writes into its folder when an image is pushed."""
        algorithm, hexadecimal = digest.split(":")
        root = pathlib.Path(account.registry.folder, "docker/registry/v2")
        manifests = root / "repositories/app/_manifests"
        files = {
            root / "blobs" / algorithm / hexadecimal[:2] / hexadecimal / "data": json.dumps(
                {"mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": layers}
            ),
            manifests / "revisions" / algorithm / hexadecimal / "link": digest,
        }
        if tag:
            files[manifests / "tags" / tag / "current/link"] = digest
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def group(self):
        """A group of one machine behind a target group."""
        ec2, elb = boto3.client("ec2"), boto3.client("elbv2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.target_group = elb.create_target_group(
            Name="app", Protocol="HTTP", Port=3000, VpcId=vpc, HealthCheckPath="/readyz"
        )["TargetGroups"][0]["TargetGroupArn"]
        ec2.create_launch_template(
            LaunchTemplateName="app",
            LaunchTemplateData={
                "ImageId": ec2.describe_images()["Images"][0]["ImageId"],
                "InstanceType": "t4g.small",
                "UserData": "IyEvYmluL2Jhc2gK",
            },
        )
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="app",
            MinSize=1,
            MaxSize=1,
            AvailabilityZones=["us-east-1a"],
            LaunchTemplate={"LaunchTemplateName": "app"},
            TargetGroupARNs=[self.target_group],
        )

    def start_refresh(self):
        return self.autoscaling.start_instance_refresh(AutoScalingGroupName="app")["InstanceRefreshId"]

    def refresh(self):
        found = self.autoscaling.describe_instance_refreshes(AutoScalingGroupName="app")["InstanceRefreshes"]
        return {name: found[0].get(name) for name in ("Status", "StatusReason", "PercentageComplete")}

    def health(self):
        found = boto3.client("elbv2").describe_target_health(TargetGroupArn=self.target_group)
        return [target["TargetHealth"]["State"] for target in found["TargetHealthDescriptions"]]


class Patches(Playing):
    """Each test has the name of its patch."""

    def test_a_login_leads_to_the_registry(self):
        (login,) = self.ecr.get_authorization_token()["authorizationData"]
        self.assertEqual(login["proxyEndpoint"], "http://127.0.0.1:5000")
        self.assertEqual(base64.b64decode(login["authorizationToken"]), b"AWS:made-up")
        self.assertGreater(login["expiresAt"].timestamp(), account.now().timestamp() + 11 * 3600)

    def test_a_repository_has_the_images_of_the_registry(self):
        self.repository()
        self.push()
        self.push(SBOM, tag=None, layers=[])
        (image,) = self.ecr.describe_images(repositoryName="app", imageIds=[{"imageDigest": DIGEST}])["imageDetails"]
        self.assertEqual((image["imageTags"], image["imageSizeInBytes"]), (["1"], 1024))
        for ids in ({}, {"imageIds": [{"imageTag": "1"}, {"imageDigest": SBOM}]}):
            found = self.ecr.describe_images(repositoryName="app", **ids)["imageDetails"]
            self.assertEqual({image["imageDigest"] for image in found}, {DIGEST, SBOM})
        with self.assertRaises(self.ecr.exceptions.ImageNotFoundException):
            self.ecr.describe_images(repositoryName="app", imageIds=[{"imageTag": "2"}])
        with self.assertRaises(self.ecr.exceptions.RepositoryNotEmptyException):
            self.ecr.delete_repository(repositoryName="app")

    def test_images_are_changed_in_the_registry_alone(self):
        self.repository()
        manifest = json.dumps({"mediaType": "application/vnd.oci.image.manifest.v1+json"})
        for change in (
            lambda: self.ecr.put_image(repositoryName="app", imageManifest=manifest),
            lambda: self.ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "1"}]),
        ):
            with self.assertRaisesRegex(self.ecr.exceptions.ClientError, "in the registry at 127.0.0.1:5000"):
                change()

    def test_a_deleted_repository_takes_its_images_with_it(self):
        self.repository()
        self.push()
        self.ecr.delete_repository(repositoryName="app", force=True)
        repositories = pathlib.Path(account.registry.folder, "docker/registry/v2/repositories")
        self.assertEqual(list(repositories.iterdir()), [])

    def test_what_was_pushed_was_scanned(self):
        wanted = {"repositoryName": "app", "imageId": {"imageDigest": DIGEST}}
        self.repository(imageScanningConfiguration={"scanOnPush": True})
        with self.assertRaises(self.ecr.exceptions.ImageNotFoundException):
            self.ecr.describe_image_scan_findings(**wanted)
        self.push()
        found = self.ecr.describe_image_scan_findings(**wanted)
        self.assertEqual(found["imageScanStatus"]["status"], "COMPLETE")
        self.assertIn("nothing was scanned", found["imageScanStatus"]["description"])
        self.assertEqual(found["imageScanFindings"]["findingSeverityCounts"], {})
        self.ecr.put_image_scanning_configuration(
            repositoryName="app", imageScanningConfiguration={"scanOnPush": False}
        )
        with self.assertRaises(self.ecr.exceptions.ScanNotFoundException):
            self.ecr.describe_image_scan_findings(**wanted)

    def test_a_refresh_takes_its_time(self):
        self.group()
        first = self.start_refresh()
        self.assertEqual(self.refresh(), {"Status": "Pending", "StatusReason": None, "PercentageComplete": 0})
        with self.assertRaisesRegex(self.autoscaling.exceptions.ClientError, "InstanceRefreshInProgress"):
            self.start_refresh()
        account.take({"refreshes": {first: {"status": "InProgress"}}})
        self.assertEqual(self.refresh()["Status"], "InProgress")
        account.take({"refreshes": {first: {"status": "Failed", "reason": "it ended"}}})
        self.assertEqual(self.refresh(), {"Status": "Failed", "StatusReason": "it ended", "PercentageComplete": 0})
        with self.assertRaisesRegex(self.autoscaling.exceptions.ClientError, "ActiveInstanceRefreshNotFound"):
            self.autoscaling.cancel_instance_refresh(AutoScalingGroupName="app")
        second = self.start_refresh()
        self.autoscaling.cancel_instance_refresh(AutoScalingGroupName="app")
        self.assertEqual(self.refresh()["Status"], "Cancelling")
        account.take({"refreshes": {second: {"status": "Cancelled"}}})
        third = self.start_refresh()
        account.take({"refreshes": {third: {"status": "Successful"}}})
        self.assertEqual((self.refresh()["Status"], self.refresh()["PercentageComplete"]), ("Successful", 100))

    def test_a_launch_waits_for_its_hook(self):
        self.group()
        complete = lambda result, instance="i-1", hook="ready": self.autoscaling.complete_lifecycle_action(
            AutoScalingGroupName="app", LifecycleHookName=hook, InstanceId=instance, LifecycleActionResult=result
        )
        self.autoscaling.put_lifecycle_hook(
            AutoScalingGroupName="app", LifecycleHookName="ready",
            LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING", DefaultResult="ABANDON", HeartbeatTimeout=600,
        )
        self.start_refresh()
        with self.assertRaisesRegex(self.autoscaling.exceptions.ClientError, "No active Lifecycle Action"):
            complete("CONTINUE")
        (group,) = account.what_there_is()["groups"]
        self.assertEqual((group["has_hook"], group["completed"]), (True, {}))
        launch = {"group": group["id"], "instance": "i-1", "status": "MidLifecycleAction"}
        account.take({"launches": [launch]})
        (described,) = self.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        states = {instance["InstanceId"]: instance["LifecycleState"] for instance in described["Instances"]}
        self.assertEqual((len(states), states["i-1"]), (2, "Pending:Wait"))
        self.assertEqual(sorted(states.values()), ["InService", "Pending:Wait"])
        for wrong in (("CONTINUE", "i-2"), ("CONTINUE", "i-1", "other"), ("PERHAPS",)):
            with self.assertRaises(self.autoscaling.exceptions.ClientError):
                complete(*wrong)
        complete("ABANDON")
        (group,) = account.what_there_is()["groups"]
        self.assertEqual(group["completed"], {"i-1": "ABANDON"})
        account.take({"launches": [{**launch, "status": "Cancelled", "reason": "it was not ready"}]})
        activities = self.autoscaling.describe_scaling_activities(AutoScalingGroupName="app")["Activities"]
        self.assertEqual([(a["StatusCode"], a["StatusMessage"]) for a in activities], [("Cancelled", "it was not ready")])
        (described,) = self.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        self.assertEqual(len(described["Instances"]), 1)
        with self.assertRaises(self.autoscaling.exceptions.ClientError):
            complete("CONTINUE")

    def test_a_target_is_as_healthy_as_its_machine(self):
        self.group()
        self.assertEqual(self.health(), ["initial"])
        for state in ("healthy", "unhealthy"):
            account.take({"health": {self.target_group: [state, None, None]}})
            self.assertEqual(self.health(), [state])


class Snapshots(Playing):
    def snapshot(self, method="GET", body=b""):
        """What PATH answers."""
        said = []
        environ = {"PATH_INFO": account.PATH, "REQUEST_METHOD": method, "CONTENT_LENGTH": str(len(body))}
        environ["wsgi.input"] = io.BytesIO(body)
        (answer,) = account.serving(None)(environ, lambda status, headers: said.append(status))
        self.assertEqual(said, ["200 OK"])
        return json.loads(answer)

    def test_databases_and_their_proxies(self):
        client = boto3.client("rds")
        self.assertEqual(self.snapshot(), {"databases": [], "groups": []})
        made = client.create_db_instance(
            DBInstanceIdentifier="db", DBName="shop", EngineVersion="8.4.7", MasterUsername="dbadmin", ManageMasterUserPassword=True,
            **test_moto_patches.MYSQL,
        )["DBInstance"]
        subnets = [subnet["SubnetId"] for subnet in boto3.client("ec2").describe_subnets()["Subnets"][:2]]
        for name in ("of-it", "of-none"):
            client.create_db_proxy(
                DBProxyName=name, EngineFamily="MYSQL", RoleArn=test_moto_patches.ROLE, VpcSubnetIds=subnets,
                DefaultAuthScheme="IAM_AUTH",
            )
        client.register_db_proxy_targets(DBProxyName="of-it", DBInstanceIdentifiers=["db"])
        proxy = client.describe_db_proxies(DBProxyName="of-it")["DBProxies"][0]["Endpoint"]
        (found,) = self.snapshot()["databases"]
        self.assertEqual(
            found,
            {
                "kind": "instance",
                "identifier": "db",
                "region": "us-east-1",
                "engine": "mysql",
                "engine_version": "8.4.7",
                "status": "available",
                "endpoint": f"{made['Endpoint']['Address']}:3306",
                "endpoints": [],
                "instances": [],
                "proxies": [{"endpoint": f"{proxy}:3306", "secrets": []}],
                "resource_id": made["DbiResourceId"],
                "master_secret_arn": made["MasterUserSecret"]["SecretArn"],
                "name": "shop",
            },
        )

    def test_a_cluster_and_its_endpoints(self):
        client = boto3.client("rds")
        made = client.create_db_cluster(
            DBClusterIdentifier="orders", Engine="aurora-postgresql", EngineVersion="17.5", DatabaseName="shop",
            MasterUsername="postgres", ManageMasterUserPassword=True,
        )["DBCluster"]
        account_id = "aaaaaaaaaa.us-east-1.rds.amazonaws.com:5432"
        expected = {
            "kind": "cluster",
            "identifier": "orders",
            "region": "us-east-1",
            "engine": "aurora-postgresql",
            "engine_version": "17.5",
            "status": "available",
            "endpoint": f"orders.cluster-{account_id}",
            "endpoints": [f"orders.cluster-ro-{account_id}"],
            "instances": [],
            "proxies": [],
            "resource_id": made["DbClusterResourceId"],
            "master_secret_arn": made["MasterUserSecret"]["SecretArn"],
            "name": "shop",
        }
        self.assertEqual(self.snapshot()["databases"], [expected])
        for name in ("one", "two"):
            client.create_db_instance(
                DBInstanceIdentifier=name, DBClusterIdentifier="orders", DBInstanceClass="db.serverless",
                Engine="aurora-postgresql",
            )
        for name, kind in (("reports", "READER"), ("any", "ANY")):
            client.create_db_cluster_endpoint(
                DBClusterIdentifier="orders", DBClusterEndpointIdentifier=name, EndpointType=kind
            )
        subnets = [subnet["SubnetId"] for subnet in boto3.client("ec2").describe_subnets()["Subnets"][:2]]
        # An instance of the cluster's name is another target.
        for name, target in (("of-it", {"DBClusterIdentifiers": ["orders"]}), ("other", {"DBInstanceIdentifiers": ["orders"]})):
            client.create_db_proxy(
                DBProxyName=name, EngineFamily="POSTGRESQL", RoleArn=test_moto_patches.ROLE, VpcSubnetIds=subnets,
                DefaultAuthScheme="IAM_AUTH",
            )
            client.register_db_proxy_targets(DBProxyName=name, **target)
            client.create_db_proxy_endpoint(
                DBProxyName=name, DBProxyEndpointName=f"{name}-reader", VpcSubnetIds=subnets, TargetRole="READ_ONLY"
            )
        (found,) = self.snapshot()["databases"]
        hosts = lambda *names: [f"{name}{account_id}" for name in names]
        custom, members = ["reports.cluster-custom-", "any.cluster-custom-"], ["one.", "two."]
        expected["instances"] = ["one", "two"]
        expected["endpoints"] = hosts("orders.cluster-ro-", *custom, *members)
        proxies = hosts("of-it.proxy-", "of-it-reader.endpoint.proxy-")
        expected["proxies"] = [{"endpoint": endpoint, "secrets": []} for endpoint in proxies]
        self.assertEqual(found, expected)

    def test_a_proxy_has_the_port_of_its_engine(self):
        client = boto3.client("rds")
        subnets = [subnet["SubnetId"] for subnet in boto3.client("ec2").describe_subnets()["Subnets"][:2]]
        client.create_db_instance(
            DBInstanceIdentifier="mysql", Port=3307, MasterUsername="dbadmin", ManageMasterUserPassword=True,
            **test_moto_patches.MYSQL,
        )
        client.create_db_cluster(
            DBClusterIdentifier="postgres", Engine="aurora-postgresql", Port=5433, MasterUsername="postgres",
            ManageMasterUserPassword=True,
        )
        for name, target in (("mysql", "DBInstanceIdentifiers"), ("postgres", "DBClusterIdentifiers")):
            client.create_db_proxy(
                DBProxyName=name, EngineFamily={"mysql": "MYSQL", "postgres": "POSTGRESQL"}[name],
                RoleArn=test_moto_patches.ROLE, VpcSubnetIds=subnets, DefaultAuthScheme="IAM_AUTH",
            )
            client.register_db_proxy_targets(DBProxyName=name, **{target: [name]})
        client.create_db_proxy_endpoint(DBProxyName="postgres", DBProxyEndpointName="more", VpcSubnetIds=subnets)
        ports = lambda addresses: [address.rsplit(":")[-1] for address in addresses]
        endpoints = lambda proxies: [proxy["endpoint"] for proxy in proxies]
        found = {
            it["identifier"]: (ports([it["endpoint"]]), ports(endpoints(it["proxies"])))
            for it in self.snapshot()["databases"]
        }
        self.assertEqual(found, {"mysql": (["3307"], ["3306"]), "postgres": (["5433"], ["5432", "5432"])})

    def test_a_proxy_has_secrets_until_it_logs_in_by_iam(self):
        client = boto3.client("rds")
        subnets = [subnet["SubnetId"] for subnet in boto3.client("ec2").describe_subnets()["Subnets"][:2]]
        client.create_db_instance(
            DBInstanceIdentifier="db", MasterUsername="dbadmin", ManageMasterUserPassword=True, **test_moto_patches.MYSQL
        )
        client.create_db_proxy(
            DBProxyName="proxy", EngineFamily="MYSQL", RoleArn=test_moto_patches.ROLE, VpcSubnetIds=subnets,
            Auth=[test_moto_patches.AUTH],
        )
        client.register_db_proxy_targets(DBProxyName="proxy", DBInstanceIdentifiers=["db"])
        secrets = lambda: [proxy["secrets"] for proxy in self.snapshot()["databases"][0]["proxies"]]
        self.assertEqual(secrets(), [[test_moto_patches.AUTH["SecretArn"]]])
        client.modify_db_proxy(DBProxyName="proxy", DefaultAuthScheme="IAM_AUTH")
        self.assertEqual(secrets(), [[]])

    def test_a_request_may_change_endpoints_while_a_snapshot_is_taken(self):
        changing, changed = {}, []

        def change(_):
            changed.append(changing.setdefault(f"endpoint-{len(changing)}", endpoint))
            return of

        of = types.SimpleNamespace()
        of.backend = types.SimpleNamespace(cluster_endpoints=changing, proxy_endpoints=changing)
        endpoint = type("Endpoint", (), {"cluster": property(change), "proxy": property(change)})()
        for endpoints_of in (rds_endpoints.custom_endpoints_of, rds_endpoints.endpoints_of_proxy):
            changing.clear()
            changing["one"] = endpoint
            self.assertEqual(endpoints_of(of), [endpoint])
        self.assertEqual(len(changed), 2)

    def test_groups_and_reports_of_them(self):
        self.group()
        refresh = self.start_refresh()
        (found,) = self.snapshot()["groups"]
        self.assertEqual((found["name"], found["region"]), ("app", "us-east-1"))
        self.assertEqual(found["user_data"], "#!/bin/bash\n")
        self.assertEqual(found["target_groups"], [{"arn": self.target_group, "health_path": "/readyz"}])
        self.assertEqual(found["refreshes"], [{"id": refresh, "status": "Pending"}])
        report = {"refreshes": {refresh: {"status": "InProgress"}}, "health": {self.target_group: ["healthy", None, None]}}
        (after,) = self.snapshot("POST", json.dumps(report).encode())["groups"]
        self.assertEqual(after["refreshes"], [{"id": refresh, "status": "InProgress"}])
        self.assertEqual(self.health(), ["healthy"])


if __name__ == "__main__":
    moto_patches.apply()
    moto_patches.apply(rds_patches.PATCHES)
    test_moto_patches.main(Patches, account.PATCHES, (Snapshots,))
