# Mocked AWS values for the tests of the module alb.

mock_resource "aws_lb" {
  defaults = {
    arn      = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/orders-dev/50dc6c495c0c9188"
    dns_name = "orders-dev-1234567890.us-east-1.elb.amazonaws.com"
    zone_id  = "Z35SXDOTRQ7X7K"
  }
}

mock_resource "aws_lb_target_group" {
  defaults = {
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders-dev-3000/943f017f100becff"
  }
}

mock_resource "aws_acm_certificate" {
  defaults = {
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
    domain_validation_options = [{
      domain_name           = "orders.example.com"
      resource_record_name  = "_a79865eb.orders.example.com."
      resource_record_type  = "CNAME"
      resource_record_value = "_424c7224.acm-validations.aws."
    }]
  }
}
