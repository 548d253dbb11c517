# The load balancer, its target group and its listeners. The certificate of domain_name is in domain.tf.

locals {
  # Depends only on inputs, never on created resources, so that it is known in a plan.
  makes_certificate = var.certificate_arn == null && var.domain_name != null
  tls               = var.certificate_arn != null || local.makes_certificate
}

resource "aws_lb" "this" {
  #checkov:skip=CKV2_AWS_28:a web ACL contains an organisation's own rules; it is associated through the output arn
  name               = var.name
  load_balancer_type = "application"
  internal           = false
  subnets            = var.subnet_ids
  security_groups    = [var.security_group_id]

  # Invalid headers can be used to smuggle requests past a proxy.
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection

  access_logs {
    bucket  = var.access_log_bucket
    enabled = true
  }

  tags = merge(var.tags, { Name = var.name })
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; the app's security group accepts only that of the load balancer
  # A new port or VPC needs a new group, which must exist before the listener releases the old one: the names must
  # differ.
  name        = "${var.name}-${var.target_port}"
  vpc_id      = var.vpc_id
  target_type = "instance"
  protocol    = "HTTP"
  port        = var.target_port

  # Requests in flight can finish; the app's requests take milliseconds, not the minutes of the default.
  deregistration_delay = 30

  # On a port that no listener forwards to. Ready means that the app can get a database connection. A target becomes
  # unhealthy after half a minute, so that one slow answer has no effect, and healthy after twenty seconds.
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

# One listener on port 80 for both cases, because two could not exist at once while one replaces the other.
resource "aws_lb_listener" "http" {
  #checkov:skip=CKV_AWS_2:redirects to HTTPS if there is a certificate; without one, the environment is disposable
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
  # support it, as AWS recommends. The API's own default still allows TLS 1.0.
  ssl_policy      = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
  certificate_arn = coalesce(one(aws_acm_certificate_validation.this[*].certificate_arn), var.certificate_arn)

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }

  tags = merge(var.tags, { Name = "${var.name}-https" })
}
