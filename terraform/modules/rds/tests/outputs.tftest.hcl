# The outputs that other modules use: with a mock, because most are known only after the instance is created.
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
  mock_resource "aws_db_instance" {
    defaults = {
      arn         = "arn:aws:rds:us-east-1:123456789012:db:orders-dev"
      id          = "db-ABCDEFGHIJKLMNOPQRSTUVWX12"
      resource_id = "db-ABCDEFGHIJKLMNOPQRSTUVWX12"
      address     = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      endpoint    = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com:3306"
      master_user_secret = [{
        kms_key_id    = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
        secret_arn    = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
        secret_status = "active"
      }]
    }
  }
}

run "outputs" {
  variables {
    name               = "orders-dev"
    subnet_ids         = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
    security_group_ids = ["sg-0a1b2c3d4e5f60001"]
    database_name      = "node_db"
  }

  assert {
    condition = alltrue([
      output.kind == "instance",
      output.engine == "mysql",
      output.reader_address == null,
      output.custom_addresses == {},
      output.instance_identifiers == ["orders-dev"],
      output.pauses == false,
      output.identifier == "orders-dev",
      output.arn == "arn:aws:rds:us-east-1:123456789012:db:orders-dev",
      output.address == "orders-dev.c0ffee.us-east-1.rds.amazonaws.com",
      output.port == 3306,
      output.resource_id == "db-ABCDEFGHIJKLMNOPQRSTUVWX12",
      output.database_name == "node_db",
      output.master_username == "dbadmin",
      output.master_secret_arn == "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf",
      output.kms_key_arn == aws_kms_key.this.arn,
    ])
    error_message = "identifier and resource id apart, the address without its port, the secret by its ARN"
  }

  assert {
    condition = alltrue([
      aws_db_instance.this.kms_key_id == output.kms_key_arn,
      aws_db_instance.this.master_user_secret_kms_key_id == output.kms_key_arn,
      aws_db_instance.this.performance_insights_kms_key_id == output.kms_key_arn,
      alltrue([for group in aws_cloudwatch_log_group.this : group.kms_key_id == output.kms_key_arn]),
    ])
    error_message = "storage, secret, Performance Insights and logs are all under the module's own key"
  }
}
