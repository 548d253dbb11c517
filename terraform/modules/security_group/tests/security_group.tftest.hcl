# Tests of the module security_group: its README's example, the rules between groups, and optional access.

mock_provider "aws" {}

variables {
  name              = "orders-dev"
  vpc_id            = "vpc-0a1b2c3d4e5f67890"
  vpc_cidr          = "10.20.0.0/16"
  alb_ingress_cidrs = ["0.0.0.0/0"]
  s3_prefix_list_id = "pl-63a5400a"
}

run "readme" {
  command = plan

  variables {
    name              = "orders-dev"
    vpc_id            = "vpc-0a1b2c3d4e5f67890"
    vpc_cidr          = "10.20.0.0/16"
    alb_ingress_cidrs = ["198.51.100.0/24", "203.0.113.7/32"]
    s3_prefix_list_id = "pl-63a5400a"
    tags              = { Environment = "dev" }
  }

  assert {
    condition = toset([
      for rule in aws_vpc_security_group_ingress_rule.alb : "${rule.cidr_ipv4} ${rule.from_port}"
      ]) == toset([
      "198.51.100.0/24 443", "198.51.100.0/24 80", "203.0.113.7/32 443", "203.0.113.7/32 80",
    ])
    error_message = "The given networks can connect to 443, and to 80 for the redirect."
  }

  assert {
    condition = toset(keys(aws_vpc_security_group_ingress_rule.link)) == toset([
      "alb-app", "alb-app-management", "app-proxy", "proxy-database", "bootstrap-database",
    ])
    error_message = "The chain, bootstrap, and no other link."
  }

  assert {
    condition = alltrue([
      for name, rule in aws_vpc_security_group_ingress_rule.link :
      rule.from_port == lookup({ alb-app = 3000, alb-app-management = 3001 }, name, 3306) && rule.to_port == rule.from_port && rule.ip_protocol == "tcp"
    ])
    error_message = "Each link has one port."
  }

  assert {
    condition     = toset(keys(aws_vpc_security_group_egress_rule.endpoints)) == toset(["app", "bootstrap"])
    error_message = "App and bootstrap call AWS APIs; the load balancer, the proxy and the database do not."
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.internet) == 0 && length(aws_security_group.admin) == 0
    error_message = "No internet access and no admin access by default."
  }

  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_egress_rule.endpoints :
      rule.cidr_ipv4 == "10.20.0.0/16" && rule.from_port == 443 && rule.to_port == 443
    ])
    error_message = "Endpoints are used by HTTPS within the VPC."
  }

  assert {
    condition = (
      aws_vpc_security_group_egress_rule.app_s3[0].prefix_list_id == "pl-63a5400a" &&
      aws_vpc_security_group_egress_rule.app_s3[0].from_port == 443 &&
      aws_vpc_security_group_egress_rule.app_s3[0].to_port == 443
    )
    error_message = "S3 is used through its prefix list, by HTTPS."
  }
}

# The rules of the chain contain ids, which exist only after apply.
run "chain" {
  command = apply

  variables {
    admin_access = true
  }

  assert {
    condition = { for name, rule in aws_vpc_security_group_ingress_rule.link : name => [
      rule.referenced_security_group_id, rule.security_group_id,
      ] } == {
      alb-app            = [output.alb_id, output.app_id]
      alb-app-management = [output.alb_id, output.app_id]
      app-proxy          = [output.app_id, output.proxy_id]
      proxy-database     = [output.proxy_id, output.database_id]
      bootstrap-database = [output.bootstrap_id, output.database_id]
      admin-database     = [output.admin_id, output.database_id]
    }
    error_message = "Each group accepts connections from the previous one in the chain."
  }

  assert {
    condition = { for name, rule in aws_vpc_security_group_egress_rule.link : name => [
      rule.security_group_id, rule.referenced_security_group_id,
      ] } == {
      alb-app            = [output.alb_id, output.app_id]
      alb-app-management = [output.alb_id, output.app_id]
      app-proxy          = [output.app_id, output.proxy_id]
      proxy-database     = [output.proxy_id, output.database_id]
      bootstrap-database = [output.bootstrap_id, output.database_id]
      admin-database     = [output.admin_id, output.database_id]
    }
    error_message = "Each group permits connections to the next one in the chain."
  }

  assert {
    condition = length(distinct([
      output.alb_id, output.app_id, output.proxy_id, output.database_id, output.bootstrap_id, output.admin_id,
    ])) == 6
    error_message = "Six groups, six ids."
  }

  assert {
    condition = alltrue([
      for rule in concat(
        values(aws_vpc_security_group_egress_rule.endpoints), aws_vpc_security_group_egress_rule.app_s3,
      ) : !contains([output.database_id, output.proxy_id, output.alb_id], rule.security_group_id)
    ])
    error_message = "Database, proxy and load balancer can't connect outside the chain."
  }

  assert {
    condition = alltrue([
      for rule in concat(
        values(aws_vpc_security_group_ingress_rule.alb), values(aws_vpc_security_group_ingress_rule.link),
        values(aws_vpc_security_group_egress_rule.link), values(aws_vpc_security_group_egress_rule.endpoints),
        aws_vpc_security_group_egress_rule.app_s3,
      ) : length(rule.description) > 0
    ])
    error_message = "Every rule has a description."
  }
}

run "no_admin" {
  command = apply

  assert {
    condition     = output.admin_id == null
    error_message = "admin_id is null without admin_access."
  }
}

run "internet" {
  command = plan

  variables {
    internet_egress = true
  }

  assert {
    condition = (
      toset(keys(aws_vpc_security_group_egress_rule.internet)) == toset(["app", "bootstrap"]) &&
      alltrue([for rule in aws_vpc_security_group_egress_rule.internet : rule.from_port == 443 && rule.to_port == 443])
    )
    error_message = "App and bootstrap can connect to any address by HTTPS."
  }
}

run "postgresql" {
  command = plan

  variables {
    database_port   = 5432
    app_port        = 8080
    management_port = 9090
  }

  assert {
    condition = { for name, rule in aws_vpc_security_group_egress_rule.link : name => rule.to_port } == {
      alb-app = 8080, alb-app-management = 9090, app-proxy = 5432, proxy-database = 5432, bootstrap-database = 5432
    }
    error_message = "The three ports are in their rules."
  }
}

run "direct" {
  command = apply

  variables {
    with_proxy = false
  }

  assert {
    condition = { for name, rule in aws_vpc_security_group_ingress_rule.link : name => [
      rule.referenced_security_group_id, rule.security_group_id,
      ] } == {
      alb-app            = [output.alb_id, output.app_id]
      alb-app-management = [output.alb_id, output.app_id]
      app-database       = [output.app_id, output.database_id]
      bootstrap-database = [output.bootstrap_id, output.database_id]
    }
    error_message = "Without a proxy, the app connects to the database."
  }

  assert {
    condition     = output.proxy_id == null
    error_message = "There is no group of a proxy."
  }
}

# The deployment of a database that people use through a jump host.
run "jump_host_alone" {
  command = apply

  variables {
    with_app          = false
    with_proxy        = false
    with_jump_host    = true
    alb_ingress_cidrs = []
    s3_prefix_list_id = null
    database_port     = 5432
  }

  assert {
    condition = { for name, rule in aws_vpc_security_group_ingress_rule.link : name => [
      rule.referenced_security_group_id, rule.security_group_id, tostring(rule.from_port),
      ] } == {
      bootstrap-database = [output.bootstrap_id, output.database_id, "5432"]
      admin-database     = [output.jump_host_id, output.database_id, "5432"]
    }
    error_message = "Bootstrap and the jump host connect to the database."
  }

  assert {
    condition = !contains([
      for rule in aws_vpc_security_group_ingress_rule.link : rule.security_group_id
    ], output.jump_host_id) && length(aws_vpc_security_group_ingress_rule.alb) == 0
    error_message = "No connection to the jump host is permitted."
  }

  assert {
    condition     = toset(keys(aws_vpc_security_group_egress_rule.endpoints)) == toset(["bootstrap", "admin"])
    error_message = "The jump host reaches Session Manager through the VPC's endpoints."
  }

  assert {
    condition     = output.alb_id == null && output.app_id == null && output.proxy_id == null
    error_message = "Groups of absent parts are null."
  }
}

run "jump_host_beside_a_proxy" {
  command = apply

  variables {
    with_jump_host  = true
    internet_egress = true
  }

  assert {
    condition = {
      for name, rule in aws_vpc_security_group_egress_rule.link : name => rule.referenced_security_group_id
      if startswith(name, "admin-")
    } == { admin-database = output.database_id, admin-proxy = output.proxy_id }
    error_message = "The jump host reaches the database and the proxy, and nothing else."
  }

  assert {
    condition     = toset(keys(aws_vpc_security_group_egress_rule.internet)) == toset(["app", "bootstrap"])
    error_message = "The jump host has no access to the internet."
  }
}
