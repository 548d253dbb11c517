# Configuration of a test plan that no rule refuses: a small deployment before its first apply, with one proxy
# that logs in by IAM and one by secret. Rules can't check some of its values, which are known only after apply.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

locals {
  proxies = toset(["iam", "secret"])
}

module "database" {
  source = "./modules/database"
}

module "roles" {
  source   = "./modules/roles"
  for_each = local.proxies

  proxy_authentication = each.key
  database_resource_id = module.database.resource_id
  secret_arn           = module.database.secret_arn
}

module "proxy" {
  source   = "./modules/proxy"
  for_each = local.proxies

  authentication = each.key
  role_arn       = module.roles[each.key].proxy_role_arn
  secret_arn     = module.database.secret_arn
}

module "service" {
  source = "./modules/service"
}
