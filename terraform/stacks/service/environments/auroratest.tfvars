# A database for people alone: Aurora PostgreSQL 17.5 that pauses after 300 s without connections, reached through a jump
# host, without RDS Proxy and app.
account_id  = "123456789012" # yours
region      = "eu-west-2"
project     = "flaskapp"
environment = "auroratest"
engine      = "postgresql"
disposable  = true

database = {
  name               = "flaskapp_test"
  engine_version     = "17.5"
  ca_cert_identifier = "rds-ca-rsa4096-g1"
  cluster = {
    instances  = { one = {} } # db.serverless
    serverless = { min_capacity = 0, max_capacity = 16, seconds_until_auto_pause = 300 }
  }
}
proxy = null # it would keep the cluster awake
app   = null
# roles = ["developers"]: the roles of those who may open tunnels. integration = { database_user = "db_user" }: the job
# of .github/workflows/integration.yml, if stacks/account has integrations = ["auroratest"].
jump_host = { database_users = ["db_user"] }
bootstrap = {
  package    = "../../../target/lambda/rds-iam-bootstrap-arm64.zip"
  users_file = "environments/auroratest.users.toml"
}
