# Mocked AWS values for the tests of the stacks, where a random word would be invalid.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
}

mock_data "aws_region" {
  defaults = { id = "us-east-1", name = "us-east-1" }
}

mock_data "aws_availability_zones" {
  defaults = {
    names    = ["us-east-1a", "us-east-1b", "us-east-1c"]
    zone_ids = ["use1-az6", "use1-az1", "use1-az2"]
  }
}

mock_data "aws_iam_policy_document" {
  defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
}

mock_data "aws_ssm_parameter" {
  defaults = { value = "ami-0a1b2c3d4e5f67890", insecure_value = "ami-0a1b2c3d4e5f67890" }
}

mock_resource "aws_db_instance" {
  defaults = {
    arn         = "arn:aws:rds:us-east-1:123456789012:db:orders-dev"
    address     = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
    port        = 3306
    resource_id = "db-ABCDEFGHIJKLMNOPQRSTUVWX12"
    master_user_secret = [{
      kms_key_id    = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-4e5f-6789-abcd-ef0123456789"
      secret_arn    = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-4e5f-6789-abcd-ef0123456789-AbCdEf"
      secret_status = "active"
    }]
  }
}

mock_resource "aws_db_proxy" {
  defaults = {
    arn      = "arn:aws:rds:us-east-1:123456789012:db-proxy:prx-0a1b2c3d4e5f67890"
    endpoint = "orders-dev.proxy-c0ffee.us-east-1.rds.amazonaws.com"
  }
}

mock_resource "aws_db_proxy_default_target_group" {
  defaults = { name = "default" }
}

mock_resource "aws_ecr_repository" {
  defaults = {
    arn            = "arn:aws:ecr:us-east-1:123456789012:repository/orders-dev"
    repository_url = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev"
  }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/orders-dev-role" }
}

mock_resource "aws_iam_policy" {
  defaults = { arn = "arn:aws:iam::123456789012:policy/orders-boundary" }
}

mock_resource "aws_iam_openid_connect_provider" {
  defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
}

mock_resource "aws_kms_key" {
  defaults = {
    arn    = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-4e5f-6789-abcd-ef0123456789"
    key_id = "0a1b2c3d-4e5f-6789-abcd-ef0123456789"
  }
}

mock_resource "aws_lb" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/orders-dev/0a1b2c3d4e5f6789"
    arn_suffix = "app/orders-dev/0a1b2c3d4e5f6789"
    dns_name   = "orders-dev-123.us-east-1.elb.amazonaws.com"
    zone_id    = "Z35SXDOTRQ7X7K"
  }
}

mock_resource "aws_lb_target_group" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders-dev/0a1b2c3d4e5f6789"
    arn_suffix = "targetgroup/orders-dev/0a1b2c3d4e5f6789"
  }
}

mock_resource "aws_lb_listener" {
  defaults = {
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/orders-dev/0a1b2c3d4e5f6789/0a1b2c3d4e5f6789"
  }
}

mock_resource "aws_acm_certificate" {
  defaults = {
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-4e5f-6789-abcd-ef0123456789"
    domain_validation_options = [{
      domain_name           = "orders.example.test"
      resource_record_name  = "_x.orders.example.test."
      resource_record_type  = "CNAME"
      resource_record_value = "_y.acm-validations.aws."
    }]
  }
}

mock_resource "aws_acm_certificate_validation" {
  defaults = { certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-4e5f-6789-abcd-ef0123456789" }
}

mock_resource "aws_s3_bucket" {
  defaults = { arn = "arn:aws:s3:::orders-dev-logs-123456789012" }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:orders-dev" }
}

mock_resource "aws_lambda_function" {
  defaults = { arn = "arn:aws:lambda:us-east-1:123456789012:function:orders-dev-bootstrap" }
}

mock_resource "aws_launch_template" {
  defaults = { id = "lt-0a1b2c3d4e5f67890", latest_version = 1 }
}

mock_resource "aws_vpc_endpoint" {
  defaults = { prefix_list_id = "pl-0a1b2c3d", arn = "arn:aws:ec2:us-east-1:123456789012:vpc-endpoint/vpce-0a1b2c3d" }
}

mock_resource "aws_vpc" {
  defaults = { id = "vpc-0a1b2c3d4e5f67890" }
}

mock_resource "aws_subnet" {
  defaults = { id = "subnet-0a1b2c3d4e5f67890" }
}

mock_resource "aws_security_group" {
  defaults = { id = "sg-0a1b2c3d4e5f67890" }
}

mock_resource "aws_rds_cluster" {
  defaults = {
    arn                 = "arn:aws:rds:us-east-1:123456789012:cluster:orders-dev"
    endpoint            = "orders-dev.cluster-c0ffee.us-east-1.rds.amazonaws.com"
    reader_endpoint     = "orders-dev.cluster-ro-c0ffee.us-east-1.rds.amazonaws.com"
    cluster_resource_id = "cluster-ABCDEFGHIJKLMNOPQRSTUVWX12"
    master_user_secret = [{
      kms_key_id    = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-4e5f-6789-abcd-ef0123456789"
      secret_arn    = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!cluster-0a1b2c3d-4e5f-6789-abcd-ef0123456789-AbCdEf"
      secret_status = "active"
    }]
  }
}

mock_resource "aws_db_proxy_endpoint" {
  defaults = { endpoint = "orders-dev-reader.endpoint.proxy-c0ffee.us-east-1.rds.amazonaws.com" }
}

mock_resource "aws_instance" {
  defaults = { id = "i-0a1b2c3d4e5f67890" }
}

mock_data "aws_ec2_instance_type" {
  defaults = { supported_architectures = ["arm64"] }
}
