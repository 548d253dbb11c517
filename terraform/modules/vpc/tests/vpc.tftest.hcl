# Tests of the module vpc: its README's example, defaults, subnets, NAT gateways, zones, and endpoints.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name = "orders-dev"
}

run "readme" {
  command = plan

  variables {
    name           = "orders-dev"
    cidr           = "10.20.0.0/16"
    reserved_cidrs = ["10.0.0.0/16", "192.168.0.0/16"]
    nat_gateways   = "single"
    tags           = { Environment = "dev" }
  }

  assert {
    condition = (
      aws_vpc.this.cidr_block == "10.20.0.0/16" &&
      aws_vpc.this.tags == tomap({ Environment = "dev", Name = "orders-dev" })
    )
    error_message = "The VPC has its range and tags."
  }

  assert {
    condition = (
      keys(aws_nat_gateway.this) == ["us-east-1a"] &&
      keys(aws_route.private) == ["us-east-1a", "us-east-1c"]
    )
    error_message = "One gateway serves both zones' routes."
  }
}

run "defaults" {
  command = plan

  assert {
    condition     = output.availability_zones == tolist(["us-east-1a", "us-east-1c"])
    error_message = "us-east-1b is use1-az3 in the mocked account and must be skipped."
  }

  assert {
    condition = (
      { for zone, subnet in aws_subnet.private : zone => subnet.cidr_block } ==
      { "us-east-1a" = "10.0.0.0/18", "us-east-1c" = "10.0.64.0/18" }
    )
    error_message = "Private subnets are quarters of the range."
  }

  assert {
    condition = (
      { for zone, subnet in aws_subnet.public : zone => subnet.cidr_block } ==
      { "us-east-1a" = "10.0.192.0/21", "us-east-1c" = "10.0.200.0/21" }
    )
    error_message = "Public subnets are in the last quarter."
  }

  assert {
    condition = (
      { for zone, subnet in aws_subnet.database : zone => subnet.cidr_block } ==
      { "us-east-1a" = "10.0.224.0/21", "us-east-1c" = "10.0.232.0/21" }
    )
    error_message = "Database subnets are in the last quarter."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch])
    error_message = "No subnet assigns public addresses automatically."
  }

  assert {
    condition     = aws_vpc.this.enable_dns_support && aws_vpc.this.enable_dns_hostnames
    error_message = "Private names of endpoints need DNS support and host names."
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 2 && length(aws_eip.nat) == 2 && length(aws_route.private) == 2
    error_message = "One NAT gateway, address and route per zone."
  }

  assert {
    condition = toset(keys(aws_vpc_endpoint.interface)) == toset([
      "autoscaling", "ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssm", "ssmmessages",
    ])
    error_message = "The default endpoints."
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled])
    error_message = "SDKs must find the endpoints without configuration."
  }

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.endpoints.cidr_ipv4 == "10.0.0.0/16" &&
      aws_vpc_security_group_ingress_rule.endpoints.from_port == 443 &&
      aws_vpc_security_group_ingress_rule.endpoints.to_port == 443
    )
    error_message = "Endpoints accept only HTTPS from the VPC."
  }

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway"
    error_message = "S3 has a gateway endpoint."
  }

  assert {
    condition = (
      aws_flow_log.this.traffic_type == "ALL" &&
      aws_cloudwatch_log_group.flow_logs.retention_in_days == 365
    )
    error_message = "All traffic is logged and kept for a year."
  }
}

# Values that exist only after apply: the subnets' route tables, and the rules of the default group.
run "applied" {
  command = apply

  assert {
    condition     = length(output.private_subnet_ids) == 2 && length(distinct(output.private_subnet_ids)) == 2
    error_message = "One private subnet per zone."
  }

  assert {
    condition     = output.public_subnet_ids == [aws_subnet.public["us-east-1a"].id, aws_subnet.public["us-east-1c"].id]
    error_message = "Subnets are in the order of the zones."
  }

  assert {
    condition = (
      length(output.database_subnet_ids) == 2 &&
      output.cidr == "10.0.0.0/16" &&
      output.id == aws_vpc.this.id
    )
    error_message = "Outputs have their shape."
  }

  assert {
    condition     = output.s3_prefix_list_id == aws_vpc_endpoint.s3.prefix_list_id
    error_message = "The prefix list is the gateway endpoint's."
  }

  assert {
    condition = alltrue(concat(
      [for each in aws_route_table_association.database : each.route_table_id == aws_route_table.database.id],
      [for route in aws_route.private : route.route_table_id != aws_route_table.database.id],
      [aws_route.public.route_table_id != aws_route_table.database.id],
      [!contains(aws_vpc_endpoint.s3.route_table_ids, aws_route_table.database.id)],
    ))
    error_message = "No route leads out of the database subnets."
  }

  assert {
    condition = alltrue([
      for zone, association in aws_route_table_association.private :
      association.subnet_id == aws_subnet.private[zone].id &&
      association.route_table_id == aws_route_table.private[zone].id
    ])
    error_message = "Each private subnet has its zone's table."
  }

  assert {
    condition = alltrue([
      for zone, route in aws_route.private : route.nat_gateway_id == aws_nat_gateway.this[zone].id
    ])
    error_message = "Each zone uses its own NAT gateway."
  }
}

run "single_nat" {
  command = apply

  variables {
    nat_gateways = "single"
  }

  assert {
    condition = alltrue([
      for route in aws_route.private : route.nat_gateway_id == aws_nat_gateway.this["us-east-1a"].id
    ])
    error_message = "Every zone uses the first zone's NAT gateway."
  }
}

run "no_nat" {
  command = plan

  variables {
    nat_gateways = "none"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_eip.nat) == 0 && length(aws_route.private) == 0
    error_message = "Without NAT, the private subnets have no route to the internet."
  }
}

run "three_zones" {
  command = plan

  variables {
    availability_zone_count = 3
  }

  assert {
    condition     = output.availability_zones == tolist(["us-east-1a", "us-east-1c", "us-east-1d"])
    error_message = "The first three zones that support RDS Proxy."
  }

  assert {
    condition = (
      aws_subnet.private["us-east-1a"].cidr_block == "10.0.0.0/18" &&
      aws_subnet.private["us-east-1d"].cidr_block == "10.0.128.0/18"
    )
    error_message = "A third zone moves none of the others' subnets."
  }
}

run "named_zones" {
  command = plan

  variables {
    availability_zones      = ["us-east-1d", "us-east-1a"]
    availability_zone_count = 3
  }

  assert {
    condition     = output.availability_zones == tolist(["us-east-1d", "us-east-1a"])
    error_message = "Given zones are used in their order, and availability_zone_count is ignored."
  }
}

run "smallest" {
  command = plan

  variables {
    cidr = "192.168.4.0/22"
  }

  assert {
    condition     = endswith(aws_subnet.public["us-east-1a"].cidr_block, "/27")
    error_message = "A load balancer's subnet is a /27 at least."
  }
}

run "neighbours_do_not_overlap" {
  command = plan

  variables {
    cidr           = "10.0.0.0/16"
    reserved_cidrs = ["10.1.0.0/16", "9.255.0.0/16", "10.128.0.0/9", "172.16.0.0/12"]
  }

  assert {
    condition     = length(local.overlapping_cidrs) == 0
    error_message = "Adjacent ranges are no overlap."
  }
}

run "no_endpoints" {
  command = plan

  variables {
    interface_endpoints = []
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0
    error_message = "No endpoints are created if none are given."
  }
}
