# The integration roles: a job of GitHub reaches a deployment's database through its jump host, and nothing else. The
# deployment attaches its policies for one instance, one document and one database user; the boundary limits them, since
# a deployment can change its policies.

data "aws_iam_policy_document" "integration_boundary" {
  for_each = local.integrations

  statement {
    sid       = "DatabaseLogins"
    actions   = ["rds-db:connect"]
    resources = ["arn:${local.partition}:rds-db:*:${local.account_id}:dbuser:*"]
  }

  statement {
    sid       = "TunnelThrough"
    actions   = ["ssm:StartSession"]
    resources = ["arn:${local.partition}:ec2:*:${local.account_id}:instance/*"]

    dynamic "condition" {
      for_each = local.own_tags[each.key]

      content {
        test     = "StringEquals"
        variable = "ssm:resourceTag/${condition.key}"
        values   = [condition.value]
      }
    }

    # Without it, a session without a document would be a shell.
    condition {
      test     = "BoolIfExists"
      variable = "ssm:SessionDocumentAccessCheck"
      values   = ["true"]
    }
  }

  statement {
    sid       = "TunnelBy"
    actions   = ["ssm:StartSession"]
    resources = ["arn:${local.partition}:ssm:*::document/AWS-StartPortForwardingSessionToRemoteHost"]

    # AWS asks for it in each statement that allows the action.
    condition {
      test     = "BoolIfExists"
      variable = "ssm:SessionDocumentAccessCheck"
      values   = ["true"]
    }
  }

  # As in the policy of the module jump_host.
  statement {
    sid       = "OwnSessions"
    actions   = ["ssm:ResumeSession", "ssm:TerminateSession"]
    resources = ["arn:${local.partition}:ssm:*:${local.account_id}:session/*"]

    condition {
      test     = "StringEquals"
      variable = "ssm:resourceTag/aws:ssmmessages:session-id"
      values   = ["$${aws:userid}"]
    }
  }

  statement {
    sid       = "OwnChannels"
    actions   = ["ssmmessages:OpenDataChannel"]
    resources = ["arn:${local.partition}:ssm:*:${local.account_id}:session/$${aws:userid}-*"]
  }
}

resource "aws_iam_policy" "integration_boundary" {
  for_each = local.integrations

  name        = each.value.boundary
  description = "The most that ${each.value.role} can do, whatever the deployment attaches"
  policy      = data.aws_iam_policy_document.integration_boundary[each.key].json
  tags        = var.tags
}

# A session lasts an hour, and so does a job at most.
resource "aws_iam_role" "integration" {
  for_each = local.integrations

  name                 = each.value.role
  description          = "GitHub Actions of ${var.repository}: integration tests on ${local.deployments[each.key]}"
  assume_role_policy   = data.aws_iam_policy_document.trust["integration-${each.key}"].json
  permissions_boundary = aws_iam_policy.integration_boundary[each.key].arn
  tags                 = var.tags
}

# The deploy role's permissions on its integration role: to attach the deployment's policies while the role has its
# boundary. A managed policy, because the inline policies of a deploy role are near IAM's limit.

data "aws_iam_policy_document" "deploy_integration" {
  for_each = local.integrations

  statement {
    sid       = "ReadRole"
    actions   = ["iam:GetRole", "iam:ListAttachedRolePolicies"]
    resources = ["${local.iam}:role/${each.value.role}"]
  }

  statement {
    sid       = "AttachPolicies"
    actions   = ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
    resources = ["${local.iam}:role/${each.value.role}"]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = ["${local.iam}:policy/${each.value.boundary}"]
    }

    condition {
      test     = "ArnLike"
      variable = "iam:PolicyARN"
      values   = ["${local.iam}:policy/${local.deployments[each.key]}-*"]
    }
  }
}

resource "aws_iam_policy" "deploy_integration" {
  for_each = local.integrations

  name        = "${aws_iam_role.deploy[each.key].name}-integration"
  description = "Attach the policies of ${local.deployments[each.key]} to ${each.value.role}"
  policy      = data.aws_iam_policy_document.deploy_integration[each.key].json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "deploy_integration" {
  for_each = local.integrations

  role       = aws_iam_role.deploy[each.key].name
  policy_arn = aws_iam_policy.deploy_integration[each.key].arn
}
