locals {
  # Decided by what is given, never by what is made, so that a plan knows it.
  makes_certificate = var.certificate_arn == null && var.domain_name != null
  tls               = var.certificate_arn != null || local.makes_certificate
}

resource "aws_lb" "this" {
  #checkov:skip=CKV2_AWS_28:a web ACL holds an organisation's own rules; it is associated by the output arn
  name               = var.name
  load_balancer_type = "application"
  internal           = false
  subnets            = var.subnet_ids
  security_groups    = [var.security_group_id]

  # A header that is no valid one is how requests are smuggled past a proxy.
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection

  access_logs {
    bucket  = var.access_log_bucket
    enabled = true
  }

  tags = merge(var.tags, { Name = var.name })
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; behind it only its security group reaches the app's
  # A new port or VPC means a new group, which must exist before the listener lets go of the old one: its name has to
  # differ.
  name        = "${var.name}-${var.target_port}"
  vpc_id      = var.vpc_id
  target_type = "instance"
  protocol    = "HTTP"
  port        = var.target_port

  # What is in flight may finish; the app's requests take milliseconds, not the minutes of the default.
  deregistration_delay = 30

  # At a port that no listener forwards to. Ready means that the app can get a database connection. Out after half a minute, so that one slow answer changes
  # nothing; in after twenty seconds.
  health_check {
    path                = "/readyz"
    port                = tostring(var.management_port)
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  tags = merge(var.tags, { Name = var.name })

  lifecycle {
    create_before_destroy = true
  }
}

# One listener on port 80 for both ways, since two could not exist at once while one replaces the other.
resource "aws_lb_listener" "http" {
  #checkov:skip=CKV_AWS_2:redirects to HTTPS wherever there is a certificate; without, the environment is thrown away
  #checkov:skip=CKV_AWS_103:as above: there is no TLS to choose a version of
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = local.tls ? "redirect" : "forward"
    target_group_arn = local.tls ? null : aws_lb_target_group.this.arn

    dynamic "redirect" {
      for_each = local.tls ? ["https"] : []

      content {
        protocol    = "HTTPS"
        port        = "443"
        status_code = "HTTP_301"
      }
    }
  }

  tags = merge(var.tags, { Name = "${var.name}-http" })
}

resource "aws_lb_listener" "https" {
  count = local.tls ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  # TLS 1.2 and 1.3 with forward secrecy and authenticated ciphers only, and post-quantum key exchange for clients that
  # have it: what AWS recommends. The API's own default still speaks TLS 1.0.
  ssl_policy      = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
  certificate_arn = coalesce(one(aws_acm_certificate_validation.this[*].certificate_arn), var.certificate_arn)

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }

  tags = merge(var.tags, { Name = "${var.name}-https" })
}
