# Addresses from before load balancer, app and proxy became optional.

moved {
  from = aws_security_group.alb
  to   = aws_security_group.alb[0]
}

moved {
  from = aws_security_group.app
  to   = aws_security_group.app[0]
}

moved {
  from = aws_security_group.proxy
  to   = aws_security_group.proxy[0]
}

moved {
  from = aws_vpc_security_group_egress_rule.app_s3
  to   = aws_vpc_security_group_egress_rule.app_s3[0]
}
