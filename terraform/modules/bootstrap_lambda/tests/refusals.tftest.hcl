# Tests of inputs that the module bootstrap_lambda refuses.

mock_provider "aws" {}

variables {
  name               = "orders-dev"
  package            = "tests/package.zip"
  role_arn           = "arn:aws:iam::123456789012:role/orders-dev-bootstrap"
  subnet_ids         = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
  security_group_ids = ["sg-0a1b2c3d4e5f60001"]
  rds_conf = {
    RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
    REGION             = "us-east-1"
    MASTER_SECRET_NAME = "orders/master-password"
    DB_NAME            = "node_db"
    IAM_ADMIN_USER     = "iam_admin"
  }
}

# The values above are valid, so each failure below comes from the value that the run changes.
run "nothing" {
  command = plan
}

run "name_in_capitals" {
  command = plan

  variables {
    name = "Orders"
  }

  expect_failures = [var.name]
}

run "package_that_is_not_there" {
  command = plan

  variables {
    package = "tests/no-such.zip"
  }

  expect_failures = [var.package]
}

run "architecture_by_another_name" {
  command = plan

  variables {
    architecture = "amd64"
  }

  expect_failures = [var.architecture]
}

run "role_by_name" {
  command = plan

  variables {
    role_arn = "orders-dev-bootstrap"
  }

  expect_failures = [var.role_arn]
}

run "subnets_none" {
  command = plan

  variables {
    subnet_ids = []
  }

  expect_failures = [var.subnet_ids]
}

run "security_groups_none" {
  command = plan

  variables {
    security_group_ids = []
  }

  expect_failures = [var.security_group_ids]
}

run "key_unknown" {
  command = plan

  variables {
    rds_conf = {
      RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "orders/master"
      DB_NAME            = "node_db"
      IAM_ADMIN_USER     = "iam_admin"
      RDS_HOST           = "orders"
    }
  }

  expect_failures = [var.rds_conf]
}

run "key_in_lower_case" {
  command = plan

  variables {
    rds_conf = {
      RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "orders/master"
      DB_NAME            = "node_db"
      IAM_ADMIN_USER     = "iam_admin"
      region             = "us-east-1"
    }
  }

  expect_failures = [var.rds_conf]
}

run "key_missing" {
  command = plan

  variables {
    rds_conf = {
      RDS_ENDPOINT   = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      REGION         = "us-east-1"
      DB_NAME        = "node_db"
      IAM_ADMIN_USER = "iam_admin"
    }
  }

  expect_failures = [var.rds_conf]
}

run "key_empty" {
  command = plan

  variables {
    rds_conf = {
      RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "orders/master"
      DB_NAME            = ""
      IAM_ADMIN_USER     = "iam_admin"
    }
  }

  expect_failures = [var.rds_conf]
}

run "secret_itself" {
  command = plan

  variables {
    rds_conf = {
      RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "{\"username\":\"dbadmin\",\"password\":\"x\"}"
      DB_NAME            = "node_db"
      IAM_ADMIN_USER     = "iam_admin"
    }
  }

  expect_failures = [var.rds_conf]
}

run "access_key" {
  command = plan

  variables {
    rds_conf = {
      RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "orders/master"
      DB_NAME            = "node_db"
      IAM_ADMIN_USER     = "iam_admin"
      RDS_DIAL           = "AKIAIOSFODNN7EXAMPLE"
    }
  }

  expect_failures = [var.rds_conf]
}

run "token" {
  command = plan

  variables {
    rds_conf = {
      RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "orders/master"
      DB_NAME            = "node_db"
      IAM_ADMIN_USER     = "iam_admin"
      RDS_DIAL           = "host:3306/?Action=connect&X-Amz-Signature=00"
    }
  }

  expect_failures = [var.rds_conf]
}

run "certificate" {
  command = plan

  variables {
    rds_conf = {
      RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "orders/master"
      DB_NAME            = "node_db"
      IAM_ADMIN_USER     = "iam_admin"
      RDS_CA_BUNDLE      = "-----BEGIN CERTIFICATE-----"
    }
  }

  expect_failures = [var.rds_conf]
}

run "users_by_file" {
  command = plan

  variables {
    users = "users.toml"
  }

  expect_failures = [var.users]
}

run "users_over_3_kb" {
  command = plan

  variables {
    users = format("[[user]]\nname = \"node_app\"\n# %s", join("", [for i in range(1000) : "üü"]))
  }

  expect_failures = [var.users]
}

run "users_with_a_password" {
  command = plan

  variables {
    users = "[[user]]\nname = \"node_app\"\npassword = \"x\""
  }

  expect_failures = [var.users]
}

run "timeout_short" {
  command = plan

  variables {
    timeout_seconds = 5
  }

  expect_failures = [var.timeout_seconds]
}

run "timeout_long" {
  command = plan

  variables {
    timeout_seconds = 901
  }

  expect_failures = [var.timeout_seconds]
}

run "concurrency_of_many" {
  command = plan

  variables {
    reserved_concurrency = 2
  }

  expect_failures = [var.reserved_concurrency]
}

run "retention_unknown" {
  command = plan

  variables {
    log_retention_days = 100
  }

  expect_failures = [var.log_retention_days]
}

run "engine_of_rds" {
  command = plan

  variables {
    rds_conf = {
      RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
      DB_NAME            = "node_db"
      IAM_ADMIN_USER     = "iam_admin"
      ENGINE             = "aurora-postgresql"
    }
  }

  expect_failures = [var.rds_conf]
}

run "id_of_the_proxy" {
  command = plan

  variables {
    rds_conf = {
      RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
      DB_NAME            = "node_db"
      IAM_ADMIN_USER     = "iam_admin"
      RDS_RESOURCE_ID    = "prx-0a1b2c3d4e5f67890"
    }
  }

  expect_failures = [var.rds_conf]
}

run "name_for_the_id" {
  command = plan

  variables {
    rds_conf = {
      RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
      DB_NAME            = "node_db"
      IAM_ADMIN_USER     = "iam_admin"
      RDS_RESOURCE_ID    = "orders-dev"
    }
  }

  expect_failures = [var.rds_conf]
}
