# Addresses from before app and proxy became optional.

moved {
  from = aws_iam_role.app
  to   = aws_iam_role.app[0]
}

moved {
  from = aws_iam_instance_profile.app
  to   = aws_iam_instance_profile.app[0]
}

moved {
  from = aws_iam_role_policy.app_connect
  to   = aws_iam_role_policy.app_connect[0]
}

moved {
  from = aws_iam_role_policy.app_run
  to   = aws_iam_role_policy.app_run[0]
}

moved {
  from = aws_iam_role_policy.app_session
  to   = aws_iam_role_policy.app_session[0]
}

moved {
  from = aws_iam_role.proxy
  to   = aws_iam_role.proxy[0]
}

moved {
  from = aws_iam_role_policy.proxy
  to   = aws_iam_role_policy.proxy[0]
}
