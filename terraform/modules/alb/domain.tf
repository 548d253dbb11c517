# The load balancer's domain: an ACM certificate validated by DNS, if none is given, and the Route 53 alias record.

resource "aws_acm_certificate" "this" {
  count = local.makes_certificate ? 1 : 0

  domain_name       = var.domain_name
  validation_method = "DNS"
  tags              = merge(var.tags, { Name = var.domain_name })

  # A certificate can't be deleted before its listener has the new one.
  lifecycle {
    create_before_destroy = true
  }
}

locals {
  # One name, so one option.
  validation = local.makes_certificate ? one(aws_acm_certificate.this[0].domain_validation_options) : null
}

resource "aws_route53_record" "validation" {
  count = local.makes_certificate ? 1 : 0

  zone_id = var.zone_id
  name    = local.validation.resource_record_name
  type    = local.validation.resource_record_type
  records = [local.validation.resource_record_value]
  ttl     = 300
  # ACM requires the same record for every certificate of the name, so the record may exist already.
  allow_overwrite = true
}

# The load balancer refuses a certificate before it is issued.
resource "aws_acm_certificate_validation" "this" {
  count = local.makes_certificate ? 1 : 0

  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = [aws_route53_record.validation[0].fqdn]
}

resource "aws_route53_record" "alias" {
  count = var.zone_id != null ? 1 : 0

  zone_id = var.zone_id
  name    = var.domain_name
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = true
  }
}
