"""A test for each patch of `rds_patches.py`, which must fail without it, on moto with the patches of `moto_patches.py`, and
pass with it. And tests of what moto itself gets right about clusters, so that an upgrade shows a change.

    python test_rds_patches.py
"""

import json
import os
import sys
import unittest
import unittest.mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_moto_patches

import boto3
import moto
from moto.rds import models as rds

import moto_patches
import rds_patches

AURORA = {"Engine": "aurora-postgresql", "EngineVersion": "17.5", "MasterUsername": "postgres"}
MYSQL = {"Engine": "aurora-mysql", "EngineVersion": "8.0.mysql_aurora.3.08.0", "MasterUsername": "admin"}
BY_PASSWORD = {"MasterUserPassword": "made-up-password"}
CLASS = {"DBInstanceClass": "db.serverless", "Engine": "aurora-postgresql"}


class Clusters(unittest.TestCase):
    def setUp(self):
        mocked = moto.mock_aws(config={"core": {"reset_boto3_session": False}})
        mocked.start()
        self.addCleanup(mocked.stop)
        self.rds = boto3.client("rds")
        self.ec2 = boto3.client("ec2")

    def cluster(self, name="orders", **settings):
        if not settings.get("ManageMasterUserPassword"):
            settings = {**BY_PASSWORD, **settings}
        return self.rds.create_db_cluster(DBClusterIdentifier=name, **{**AURORA, **settings})["DBCluster"]

    def member(self, name="one", **settings):
        settings = {**CLASS, "DBClusterIdentifier": "orders", **settings}
        return self.rds.create_db_instance(DBInstanceIdentifier=name, **settings)["DBInstance"]

    def described(self, name="orders"):
        return self.rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]

    def modified(self, **change):
        self.rds.modify_db_cluster(DBClusterIdentifier="orders", ApplyImmediately=True, **change)
        return self.described()

    def subnets(self):
        return [subnet["SubnetId"] for subnet in self.ec2.describe_subnets()["Subnets"][:2]]

    def proxy(self, name="proxy", family="POSTGRESQL"):
        return self.rds.create_db_proxy(
            DBProxyName=name, EngineFamily=family, RoleArn=test_moto_patches.ROLE, VpcSubnetIds=self.subnets(),
            DefaultAuthScheme="IAM_AUTH",
        )["DBProxy"]

    def refused(self, code):
        return self.assertRaisesRegex(self.rds.exceptions.ClientError, f"\\({code}\\)")


class Patches(Clusters):
    """Each test has the name of its patch."""

    def test_a_cluster_has_the_identifier_of_its_account(self):
        cluster = self.cluster()
        account = self.member()["Endpoint"]["Address"].removeprefix("one.")
        for found in (cluster, self.described()):
            self.assertEqual(found["Endpoint"], f"orders.cluster-{account}")
            self.assertEqual(found["ReaderEndpoint"], f"orders.cluster-ro-{account}")

    def test_a_cluster_is_modified_as_requested(self):
        self.cluster(EnableCloudwatchLogsExports=["postgresql"])
        found = self.modified(
            EnableIAMDatabaseAuthentication=True,
            CloudwatchLogsExportConfiguration={"EnableLogTypes": ["iam-db-auth-error", "postgresql"]},
        )
        self.assertIs(found["IAMDatabaseAuthenticationEnabled"], True)
        self.assertEqual(sorted(found["EnabledCloudwatchLogsExports"]), ["iam-db-auth-error", "postgresql"])
        # What is not named stays.
        found = self.modified(BackupRetentionPeriod=14)
        self.assertIs(found["IAMDatabaseAuthenticationEnabled"], True)
        self.assertEqual((found["BackupRetentionPeriod"], len(found["EnabledCloudwatchLogsExports"])), (14, 2))
        found = self.modified(
            EnableIAMDatabaseAuthentication=False,
            CloudwatchLogsExportConfiguration={"DisableLogTypes": ["postgresql", "upgrade"]},
        )
        self.assertIs(found["IAMDatabaseAuthenticationEnabled"], False)
        self.assertEqual(found["EnabledCloudwatchLogsExports"], ["iam-db-auth-error"])
        with self.assertRaises(self.rds.exceptions.DBClusterNotFoundFault):
            self.rds.modify_db_cluster(DBClusterIdentifier="none", BackupRetentionPeriod=1)
        # A refused request changes nothing, and the cluster is there all the time.
        with self.refused("InvalidParameterCombination"):
            self.rds.modify_db_cluster(
                DBClusterIdentifier="orders", RotateMasterUserPassword=True, EnableIAMDatabaseAuthentication=True
            )
        self.assertIs(self.described()["IAMDatabaseAuthenticationEnabled"], False)
        there, clusters = [], rds.rds_backends["123456789012"]["us-east-1"].clusters

        original = rds.DBCluster.__setattr__

        def observe(cluster, name, value):
            there.append("orders" in clusters)
            original(cluster, name, value)

        with unittest.mock.patch.object(rds.DBCluster, "__setattr__", observe):
            self.modified(BackupRetentionPeriod=7)
        self.assertEqual(set(there), {True})
        self.cluster("other")
        with self.refused("DBClusterAlreadyExistsFault"):
            self.modified(NewDBClusterIdentifier="other")
        self.rds.modify_db_cluster(DBClusterIdentifier="orders", NewDBClusterIdentifier="renamed", ApplyImmediately=True)
        names = [it["DBClusterIdentifier"] for it in self.rds.describe_db_clusters()["DBClusters"]]
        self.assertEqual(sorted(names), ["other", "renamed"])

    def test_a_cluster_has_the_default_group_of_its_engine(self):
        group = lambda **settings: self.cluster(**settings)["DBClusterParameterGroup"]
        self.assertEqual(group(name="one"), "default.aurora-postgresql17")
        self.assertEqual(group(name="two", **MYSQL), "default.aurora-mysql8.0")
        self.assertEqual(group(name="three", DBClusterParameterGroupName="own"), "own")

    def test_a_provisioned_cluster_has_no_scaling_configuration(self):
        self.cluster()
        self.assertNotIn("ScalingConfigurationInfo", self.described())
        self.cluster("old", EngineVersion="13.9", EngineMode="serverless")
        self.assertEqual(self.described("old")["ScalingConfigurationInfo"]["MaxCapacity"], 16)

    def test_a_managed_secret_is_of_its_instance(self):
        passwords = set()
        for name in ("one", "two"):
            instance = self.rds.create_db_instance(
                DBInstanceIdentifier=name, MasterUsername=f"master_{name}", ManageMasterUserPassword=True, **test_moto_patches.MYSQL
            )["DBInstance"]
            arn = instance["MasterUserSecret"]["SecretArn"]
            secret = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
            self.assertEqual(secret["username"], f"master_{name}")
            self.assertRegex(secret["password"], "^[!-~]{32}$")
            self.assertNotRegex(secret["password"], "[/@\"'` ]")
            passwords.add(secret["password"])
        self.assertEqual(len(passwords), 2)

    def test_an_instance_keeps_its_performance_insights(self):
        def settings(instance):
            names = ("Enabled", "KMSKeyId", "RetentionPeriod")
            return [instance.get(f"PerformanceInsights{name}") for name in names]

        key = "arn:aws:kms:us-east-1:123456789012:key/1"
        created = self.rds.create_db_instance(
            DBInstanceIdentifier="db", EnablePerformanceInsights=True, PerformanceInsightsKMSKeyId=key, **test_moto_patches.MYSQL
        )["DBInstance"]
        self.assertEqual(settings(created), [True, key, 7])
        change = {"EnablePerformanceInsights": False, "DBInstanceIdentifier": "db"}
        self.assertEqual(self.rds.modify_db_instance(**change)["DBInstance"]["PerformanceInsightsEnabled"], False)
        without = self.rds.create_db_instance(DBInstanceIdentifier="without", **test_moto_patches.MYSQL)["DBInstance"]
        self.assertEqual(settings(without), [False, None, None])

    def test_an_instance_has_a_certificate_of_the_default_authority(self):
        authority = lambda found: (found["CACertificateIdentifier"], found["CertificateDetails"]["CAIdentifier"])
        self.cluster()
        self.assertEqual(authority(self.member()), ("rds-ca-rsa2048-g1",) * 2)
        self.rds.modify_db_instance(DBInstanceIdentifier="one", CACertificateIdentifier="rds-ca-ecc384-g1")
        (found,) = self.rds.describe_db_instances(DBInstanceIdentifier="one")["DBInstances"]
        self.assertEqual(authority(found), ("rds-ca-ecc384-g1",) * 2)
        alone = {**test_moto_patches.MYSQL, "CACertificateIdentifier": "rds-ca-rsa4096-g1"}
        found = self.rds.create_db_instance(DBInstanceIdentifier="alone", **alone)["DBInstance"]
        self.assertEqual(authority(found), ("rds-ca-rsa4096-g1",) * 2)

    def test_a_parameter_that_was_set_has_the_source_user(self):
        name = {"DBParameterGroupName": "group"}
        self.rds.create_db_parameter_group(DBParameterGroupFamily="mysql8.4", Description="test", **name)
        parameter = {"ParameterName": "require_secure_transport", "ParameterValue": "1", "ApplyMethod": "immediate"}
        self.rds.modify_db_parameter_group(Parameters=[parameter], **name)
        (found,) = self.rds.describe_db_parameters(**name)["Parameters"]
        self.assertEqual((found["ParameterValue"], found.get("Source")), ("1", "user"))

    def test_a_cluster_parameter_that_was_set_has_the_source_user(self):
        name = {"DBClusterParameterGroupName": "group"}
        self.rds.create_db_cluster_parameter_group(
            DBParameterGroupFamily="aurora-postgresql17", Description="test", **name
        )
        parameter = {"ParameterName": "rds.force_ssl", "ParameterValue": "1", "ApplyMethod": "immediate"}
        self.rds.modify_db_cluster_parameter_group(Parameters=[parameter], **name)
        (found,) = self.rds.describe_db_cluster_parameters(**name)["Parameters"]
        self.assertEqual((found["ParameterValue"], found.get("Source")), ("1", "user"))

    def test_a_parameter_can_be_reset(self):
        def parameters(*names):
            return [{"ParameterName": name, "ParameterValue": "1", "ApplyMethod": "immediate"} for name in names]

        name = {"DBClusterParameterGroupName": "group"}
        about = {"DBParameterGroupFamily": "aurora-postgresql17", "Description": "test"}
        self.rds.create_db_cluster_parameter_group(**about, **name)
        self.rds.modify_db_cluster_parameter_group(Parameters=parameters("a", "b", "c"), **name)
        left = lambda: [it["ParameterName"] for it in self.rds.describe_db_cluster_parameters(**name)["Parameters"]]
        reset = self.rds.reset_db_cluster_parameter_group(Parameters=parameters("b", "other"), **name)
        self.assertEqual((reset["DBClusterParameterGroupName"], left()), ("group", ["a", "c"]))
        self.rds.reset_db_cluster_parameter_group(ResetAllParameters=True, **name)
        self.assertEqual(left(), [])
        name = {"DBParameterGroupName": "group"}
        self.rds.create_db_parameter_group(**about, **name)
        self.rds.modify_db_parameter_group(Parameters=parameters("a", "b"), **name)
        self.rds.reset_db_parameter_group(Parameters=parameters("a"), **name)
        (found,) = self.rds.describe_db_parameters(**name)["Parameters"]
        self.assertEqual(found["ParameterName"], "b")
        with self.refused("DBParameterGroupNotFound"):
            self.rds.reset_db_cluster_parameter_group(DBClusterParameterGroupName="none", ResetAllParameters=True)

    def test_an_instance_of_a_cluster_has_its_subnets(self):
        self.rds.create_db_subnet_group(
            DBSubnetGroupName="private", DBSubnetGroupDescription="test", SubnetIds=self.subnets()
        )
        self.cluster(DBSubnetGroupName="private")
        found = self.member()
        self.assertEqual(found["DBSubnetGroup"]["DBSubnetGroupName"], "private")
        self.assertIs(found["PubliclyAccessible"], False)
        self.assertIs(self.member("two", PubliclyAccessible=True)["PubliclyAccessible"], True)
        # Without a group, the cluster's subnets are those of the VPC, which is the name of no group here.
        self.cluster("other")
        self.assertNotIn("DBSubnetGroup", self.member("three", DBClusterIdentifier="other"))

    def test_an_instance_of_a_cluster_takes_logins_as_it_does(self):
        self.cluster(EnableIAMDatabaseAuthentication=True, Port=5433)
        found = self.member()
        self.assertEqual((found["Endpoint"]["Port"], found["DbInstancePort"]), (5433, 5433))
        self.assertIs(found["IAMDatabaseAuthenticationEnabled"], True)
        self.modified(EnableIAMDatabaseAuthentication=False)
        (found,) = self.rds.describe_db_instances(DBInstanceIdentifier="one")["DBInstances"]
        self.assertIs(found["IAMDatabaseAuthenticationEnabled"], False)

    def test_a_deleted_cluster_leaves_its_final_snapshot_alone(self):
        self.cluster(ManageMasterUserPassword=True)
        delete = lambda **how: self.rds.delete_db_cluster(DBClusterIdentifier="orders", **how)
        snapshots = lambda: [
            (it["DBClusterSnapshotIdentifier"], it["SnapshotType"])
            for it in self.rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
        ]
        self.assertEqual([kind for _, kind in snapshots()], ["automated"])
        for wrong in ({}, {"SkipFinalSnapshot": True, "FinalDBSnapshotIdentifier": "final"}):
            with self.refused("InvalidParameterCombination"):
                delete(**wrong)
        self.member()
        with self.refused("InvalidDBClusterStateFault"):
            delete(FinalDBSnapshotIdentifier="final")
        self.rds.delete_db_instance(DBInstanceIdentifier="one", SkipFinalSnapshot=True)
        delete(FinalDBSnapshotIdentifier="final")
        self.assertEqual(snapshots(), [("final", "manual")])
        self.cluster(ManageMasterUserPassword=True)
        with self.refused("DBClusterSnapshotAlreadyExistsFault"):
            delete(FinalDBSnapshotIdentifier="final")
        self.assertEqual(self.described()["Status"], "available")
        delete(SkipFinalSnapshot=True)
        self.assertEqual(snapshots(), [("final", "manual")])
        self.assertEqual(boto3.client("secretsmanager").list_secrets()["SecretList"], [])
        with self.assertRaises(self.rds.exceptions.DBClusterNotFoundFault):
            delete(SkipFinalSnapshot=True)

    def custom(self, **by):
        found = self.rds.describe_db_cluster_endpoints(**by)["DBClusterEndpoints"]
        return [endpoint for endpoint in found if endpoint["EndpointType"] == "CUSTOM"]

    def test_a_cluster_has_custom_endpoints(self):
        account = self.cluster()["Endpoint"].removeprefix("orders.cluster-")
        self.cluster("other")
        for name in ("one", "two"):
            self.member(name)
        create = lambda name="Reports", cluster="orders", **settings: self.rds.create_db_cluster_endpoint(
            DBClusterIdentifier=cluster, DBClusterEndpointIdentifier=name, **{"EndpointType": "READER", **settings}
        )
        tags = [{"Key": "team", "Value": "reports"}]
        made = create(StaticMembers=["two"], Tags=tags)
        self.assertEqual((made["Status"], made["Endpoint"]), ("creating", f"reports.cluster-custom-{account}"))
        self.assertRegex(made["DBClusterEndpointResourceIdentifier"], "^cluster-endpoint-[A-Z0-9]{26}$")
        arn = made["DBClusterEndpointArn"]
        self.assertEqual(arn, "arn:aws:rds:us-east-1:123456789012:cluster-endpoint:reports")
        self.assertEqual(self.rds.list_tags_for_resource(ResourceName=arn)["TagList"], tags)
        (found,) = self.custom(DBClusterEndpointIdentifier="reports")
        self.assertEqual((found["Status"], found["CustomEndpointType"]), ("available", "READER"))
        self.assertEqual((found["StaticMembers"], found["ExcludedMembers"]), (["two"], []))
        self.assertEqual(self.described()["CustomEndpoints"], [made["Endpoint"]])
        self.assertEqual(self.described("other").get("CustomEndpoints", []), [])
        types = [it["EndpointType"] for it in self.rds.describe_db_cluster_endpoints(DBClusterIdentifier="orders")["DBClusterEndpoints"]]
        self.assertEqual(types, ["WRITER", "READER", "CUSTOM"])
        with self.refused("InvalidParameterValue"):
            self.rds.describe_db_cluster_endpoints(Filters=[{"Name": "no-such-filter", "Values": ["custom"]}])
        for values, count in ((["custom"], 1), (["writer"], 2)):
            by = [{"Name": "db-cluster-endpoint-type", "Values": values}]
            self.assertEqual(len(self.rds.describe_db_cluster_endpoints(Filters=by)["DBClusterEndpoints"]), count)
        # One list of members replaces the other; what is not named stays.
        modify = lambda **change: self.rds.modify_db_cluster_endpoint(DBClusterEndpointIdentifier="reports", **change)
        self.assertEqual(modify(ExcludedMembers=["one"])["Status"], "modifying")
        modify(EndpointType="ANY")
        (found,) = self.custom()
        self.assertEqual(
            (found["CustomEndpointType"], found["StaticMembers"], found["ExcludedMembers"]), ("ANY", [], ["one"])
        )
        for code, wrong in (
            ("DBClusterEndpointAlreadyExistsFault", lambda: create("reports")),
            ("DBClusterNotFoundFault", lambda: create("new", "none")),
            ("DBInstanceNotFound", lambda: create("new", StaticMembers=["three"])),
            ("DBInstanceNotFound", lambda: create("new", "other", StaticMembers=["one"])),
            ("InvalidParameterValue", lambda: create("new", EndpointType="WRITER")),
            ("InvalidParameterCombination", lambda: modify(StaticMembers=["one"], ExcludedMembers=["two"])),
        ):
            with self.refused(code):
                wrong()
        self.assertEqual(self.rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier="reports")["Status"], "deleting")
        with self.refused("DBClusterEndpointNotFoundFault"):
            modify(EndpointType="ANY")
        # It goes with its cluster.
        create("of-other", "other")
        self.rds.delete_db_cluster(DBClusterIdentifier="other", SkipFinalSnapshot=True)
        self.assertEqual(self.custom(), [])

    def test_a_proxy_has_endpoints(self):
        account = self.proxy()["Endpoint"].removeprefix("proxy.")
        create = lambda name="Reader", proxy="proxy", **settings: self.rds.create_db_proxy_endpoint(
            DBProxyName=proxy, DBProxyEndpointName=name, VpcSubnetIds=self.subnets(), **settings
        )["DBProxyEndpoint"]
        described = lambda **by: self.rds.describe_db_proxy_endpoints(**by)["DBProxyEndpoints"]
        tags = [{"Key": "team", "Value": "reports"}]
        made = create(TargetRole="READ_ONLY", VpcSecurityGroupIds=["sg-1"], Tags=tags)
        self.assertEqual((made["Status"], made["Endpoint"]), ("creating", f"reader.endpoint.{account}"))
        arn = made["DBProxyEndpointArn"]
        self.assertRegex(arn, "^arn:aws:rds:us-east-1:123456789012:db-proxy-endpoint:prx-endpoint-[a-z0-9]{17}$")
        self.assertEqual(self.rds.list_tags_for_resource(ResourceName=arn)["TagList"], tags)
        (found,) = described(DBProxyEndpointName="reader", DBProxyName="proxy")
        self.assertEqual(found, {**made, "Status": "available"})
        self.assertEqual((found["TargetRole"], found["VpcSecurityGroupIds"]), ("READ_ONLY", ["sg-1"]))
        self.assertEqual((found["VpcSubnetIds"], found["IsDefault"]), (self.subnets(), False))
        plain = create("plain")
        self.assertEqual(plain["TargetRole"], "READ_WRITE")
        self.assertRegex(plain["VpcSecurityGroupIds"][0], "^sg-")
        change = {"NewDBProxyEndpointName": "renamed", "VpcSecurityGroupIds": ["sg-2"]}
        self.rds.modify_db_proxy_endpoint(DBProxyEndpointName="reader", **change)
        (found,) = described(DBProxyEndpointName="renamed")
        self.assertEqual((found["DBProxyEndpointArn"], found["VpcSecurityGroupIds"]), (arn, ["sg-2"]))
        self.proxy("other")
        create("of-other", "other")
        self.assertEqual(len(described()), 3)
        self.assertEqual([it["DBProxyEndpointName"] for it in described(DBProxyName="other")], ["of-other"])
        rename = {"DBProxyEndpointName": "plain", "NewDBProxyEndpointName": "renamed"}
        for code, wrong in (
            ("DBProxyEndpointAlreadyExistsFault", lambda: create("plain")),
            ("DBProxyEndpointAlreadyExistsFault", lambda: self.rds.modify_db_proxy_endpoint(**rename)),
            ("DBProxyEndpointNotFoundFault", lambda: described(DBProxyEndpointName="none")),
            ("DBProxyNotFoundFault", lambda: create("new", "none")),
            ("DBProxyNotFoundFault", lambda: self.rds.delete_db_proxy(DBProxyName="none")),
            ("InvalidParameterValue", lambda: create("new", TargetRole="WRITE_ONLY")),
        ):
            with self.refused(code):
                wrong()
        self.rds.delete_db_proxy_endpoint(DBProxyEndpointName="plain")
        # It goes with its proxy.
        self.rds.delete_db_proxy(DBProxyName="proxy")
        self.assertEqual([it["DBProxyEndpointName"] for it in described()], ["of-other"])


class RightAlready(Clusters):
    """What moto gets right, and what patches for instances do for clusters too."""

    def test_a_managed_secret_is_of_its_cluster(self):
        arn = self.cluster(ManageMasterUserPassword=True)["MasterUserSecret"]["SecretArn"]
        secret = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        self.assertEqual(secret["username"], "postgres")
        self.assertEqual(len(secret["password"]), 32)

    def test_a_cluster_has_a_resource_id_of_its_own(self):
        ids = {self.cluster(name)["DbClusterResourceId"] for name in ("one", "two")}
        self.assertEqual(len(ids), 2)
        for resource_id in ids:
            self.assertRegex(resource_id, "^cluster-[A-Z0-9]{26}$")

    def test_capacity_and_pauses(self):
        capacity = {"MinCapacity": 0.0, "MaxCapacity": 16.0, "SecondsUntilAutoPause": 300}
        self.cluster(ServerlessV2ScalingConfiguration=capacity)
        self.assertEqual(self.described()["ServerlessV2ScalingConfiguration"], capacity)
        changed = {"MinCapacity": 0.0, "MaxCapacity": 8.5, "SecondsUntilAutoPause": 600}
        found = self.modified(ServerlessV2ScalingConfiguration=changed)
        self.assertEqual(found["ServerlessV2ScalingConfiguration"], changed)

    def test_a_protected_cluster_stays(self):
        self.cluster(DeletionProtection=True)
        with self.refused("InvalidParameterCombination"):
            self.rds.delete_db_cluster(DBClusterIdentifier="orders", SkipFinalSnapshot=True)
        self.assertIs(self.modified(DeletionProtection=False)["DeletionProtection"], False)
        self.rds.delete_db_cluster(DBClusterIdentifier="orders", SkipFinalSnapshot=True)

    def test_settings_of_an_instance(self):
        self.cluster(EnableCloudwatchLogsExports=["postgresql"])
        self.assertEqual(self.described()["EnabledCloudwatchLogsExports"], ["postgresql"])
        found = self.member(
            CACertificateIdentifier="rds-ca-rsa4096-g1", EnablePerformanceInsights=True, PromotionTier=3
        )
        self.assertEqual((found["CACertificateIdentifier"], found["PromotionTier"]), ("rds-ca-rsa4096-g1", 3))
        self.assertIs(found["PerformanceInsightsEnabled"], True)
        self.assertRegex(found["DbiResourceId"], "^db-[A-Z0-9]{26}$")

    def test_the_first_instance_writes_until_it_is_deleted(self):
        self.cluster()
        for name in ("one", "two"):
            self.member(name)
        writers = lambda: {it["DBInstanceIdentifier"]: it["IsClusterWriter"] for it in self.described()["DBClusterMembers"]}
        self.assertEqual(writers(), {"one": True, "two": False})
        self.rds.delete_db_instance(DBInstanceIdentifier="one", SkipFinalSnapshot=True)
        self.assertEqual(writers(), {"two": True})

    def test_a_proxy_reaches_a_cluster_at_the_port_of_its_engine(self):
        for name, family, engine, port in (("pg", "POSTGRESQL", AURORA, 5432), ("my", "MYSQL", MYSQL, 3306)):
            endpoint = self.cluster(name, **engine)["Endpoint"]
            self.proxy(name, family)
            self.rds.register_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[name])
            (target,) = self.rds.describe_db_proxy_targets(DBProxyName=name)["Targets"]
            self.assertEqual((target["Type"], target["Endpoint"], target["Port"]), ("TRACKED_CLUSTER", endpoint, port))


if __name__ == "__main__":
    moto_patches.apply()
    test_moto_patches.main(Patches, rds_patches.PATCHES, (RightAlready,))
