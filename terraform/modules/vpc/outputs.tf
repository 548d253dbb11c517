# Outputs of the network module: the VPC, its zones and subnets, and S3's prefix list.

output "id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "The VPC's IPv4 range."
  value       = aws_vpc.this.cidr_block
}

output "availability_zones" {
  description = "Names of the zones used, in the order of the subnets."
  value       = local.availability_zones
}

output "public_subnet_ids" {
  description = "Subnets for the load balancer, one per zone."
  value       = [for zone in local.availability_zones : aws_subnet.public[zone].id]
  # Resources in these subnets need internet access as soon as they start.
  depends_on = [aws_route.public, aws_route_table_association.public]
}

output "private_subnet_ids" {
  description = "Subnets for instances, functions and the proxy, one per zone."
  value       = [for zone in local.availability_zones : aws_subnet.private[zone].id]
  # An instance first pulls an image, and a function first reads a secret: routes and endpoints must be created before
  # them, and destroyed after them.
  depends_on = [
    aws_route.private,
    aws_route_table_association.private,
    aws_vpc_endpoint.interface,
    aws_vpc_endpoint.s3,
    aws_vpc_security_group_ingress_rule.endpoints,
  ]
}

output "database_subnet_ids" {
  description = "Subnets without a route to the internet, one per zone."
  value       = [for zone in local.availability_zones : aws_subnet.database[zone].id]
  depends_on  = [aws_route_table_association.database]
}

output "s3_prefix_list_id" {
  description = "Managed prefix list of S3, for security group rules."
  value       = aws_vpc_endpoint.s3.prefix_list_id
}
