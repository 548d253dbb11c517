# The policy for those who may open a tunnel through the host: one instance and one document, and their own sessions.

data "aws_iam_policy_document" "tunnel" {
  # AWS evaluates both resources; without the check, a session without a document would be a shell.
  statement {
    sid     = "StartTunnel"
    actions = ["ssm:StartSession"]
    resources = [
      "arn:${local.partition}:ec2:${local.region}:${local.account_id}:instance/${aws_instance.this.id}",
      "arn:${local.partition}:ssm:${local.region}::document/AWS-StartPortForwardingSessionToRemoteHost",
    ]

    condition {
      test     = "BoolIfExists"
      variable = "ssm:SessionDocumentAccessCheck"
      values   = ["true"]
    }
  }

  # Every session has this tag of AWS, with the caller's aws:userid: of a role, its id and the name of the role's session.
  # The session's own id is no such proof: it begins with the name alone.
  statement {
    sid       = "OwnSessions"
    actions   = ["ssm:ResumeSession", "ssm:TerminateSession"]
    resources = ["arn:${local.partition}:ssm:${local.region}:${local.account_id}:session/*"]

    condition {
      test     = "StringEquals"
      variable = "ssm:resourceTag/aws:ssmmessages:session-id"
      values   = ["$${aws:userid}"]
    }
  }

  # As in AWS's sample policies. The client itself sends the session's token and needs no permission.
  statement {
    sid       = "OwnChannels"
    actions   = ["ssmmessages:OpenDataChannel"]
    resources = ["arn:${local.partition}:ssm:${local.region}:${local.account_id}:session/$${aws:userid}-*"]
  }
}

resource "aws_iam_policy" "tunnel" {
  name        = "${var.name}-tunnel"
  description = "Open tunnels through the jump host of ${var.name}, without a shell"
  policy      = data.aws_iam_policy_document.tunnel.json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "tunnel" {
  for_each = toset(var.tunnel_roles)

  role       = each.key
  policy_arn = aws_iam_policy.tunnel.arn
}
