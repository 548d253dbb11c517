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

  # AWS begins a session's id with the caller's.
  statement {
    sid       = "OwnSessions"
    actions   = ["ssm:ResumeSession", "ssm:TerminateSession", "ssmmessages:OpenDataChannel"]
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
