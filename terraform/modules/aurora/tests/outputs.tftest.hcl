# The outputs that other modules use: with a mock, because most are known only after the cluster is created.
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/orders-dev-rds-monitoring" }
  }
  mock_resource "aws_rds_cluster" {
    defaults = {
      arn                 = "arn:aws:rds:us-east-1:123456789012:cluster:orders-dev"
      id                  = "orders-dev"
      cluster_resource_id = "cluster-ABCDEFGHIJKLMNOPQRSTUVWX12"
      endpoint            = "orders-dev.cluster-c0ffee.us-east-1.rds.amazonaws.com"
      reader_endpoint     = "orders-dev.cluster-ro-c0ffee.us-east-1.rds.amazonaws.com"
      master_user_secret = [{
        kms_key_id    = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
        secret_arn    = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!cluster-0a1b2c3d-AbCdEf"
        secret_status = "active"
      }]
    }
  }
  mock_resource "aws_rds_cluster_endpoint" {
    defaults = { endpoint = "orders-dev-reports.cluster-custom-c0ffee.us-east-1.rds.amazonaws.com" }
  }
}

run "outputs" {
  variables {
    name               = "orders-dev"
    subnet_ids         = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
    security_group_ids = ["sg-0a1b2c3d4e5f60001"]
    engine             = "postgresql"
    database_name      = "orders"
    instances          = { one = {}, two = { promotion_tier = 2 } }
    serverless         = { min_capacity = 0.5, max_capacity = 4 }
    custom_endpoints   = { reports = { static_members = ["two"] } }
  }

  assert {
    condition = alltrue([
      output.identifier == "orders-dev",
      output.arn == "arn:aws:rds:us-east-1:123456789012:cluster:orders-dev",
      output.address == "orders-dev.cluster-c0ffee.us-east-1.rds.amazonaws.com",
      output.reader_address == "orders-dev.cluster-ro-c0ffee.us-east-1.rds.amazonaws.com",
      output.custom_addresses == { reports = "orders-dev-reports.cluster-custom-c0ffee.us-east-1.rds.amazonaws.com" },
      output.instance_identifiers == tolist(["orders-dev-one", "orders-dev-two"]),
      output.resource_id == "cluster-ABCDEFGHIJKLMNOPQRSTUVWX12",
      output.database_name == "orders",
      output.master_username == "dbadmin",
      output.master_secret_arn == "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!cluster-0a1b2c3d-AbCdEf",
      output.kms_key_arn == aws_kms_key.this.arn,
      output.pauses == false,
    ])
    error_message = "identifier and resource id apart, writer and readers, the secret by its ARN"
  }

  assert {
    condition = alltrue(concat([
      aws_rds_cluster.this.kms_key_id == output.kms_key_arn,
      aws_rds_cluster.this.master_user_secret_kms_key_id == output.kms_key_arn,
      ],
      [for instance in aws_rds_cluster_instance.this : instance.performance_insights_kms_key_id == output.kms_key_arn],
      [for group in aws_cloudwatch_log_group.this : group.kms_key_id == output.kms_key_arn],
    ))
    error_message = "storage, secret, Performance Insights and logs are all under the module's own key"
  }
}
