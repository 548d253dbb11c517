# Addresses from before Aurora, and before proxy and app became optional.

moved {
  from = module.rds
  to   = module.rds[0]
}

moved {
  from = module.rds_proxy
  to   = module.rds_proxy[0]
}

moved {
  from = module.logs
  to   = module.logs[0]
}

moved {
  from = module.ecr
  to   = module.ecr[0]
}

moved {
  from = module.alb
  to   = module.alb[0]
}

moved {
  from = module.app
  to   = module.app[0]
}
