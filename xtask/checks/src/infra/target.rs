//! `Target`: an environment of stacks/service that is deployed here, and the engine that selects it.

/// The engine of a deployment that is applied here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// The environment `local`: an instance of RDS for MySQL, RDS Proxy and the app, and their change in place
    Mysql,
    /// The environment `auroratest`: an Aurora PostgreSQL cluster that pauses, and a jump host
    #[value(alias = "postgres")]
    Postgresql,
}

/// An environment of stacks/service that is deployed here, with the settings of its tfvars that are needed outside
/// Terraform.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) environment: &'static str,
    /// The project, which is the value of every resource's tag `Project`.
    pub(crate) project: &'static str,
    pub(crate) region: &'static str,
    /// The prefix of the app's settings.
    pub(crate) parameters: &'static str,
}

/// `local.tfvars`: an instance of RDS for MySQL, RDS Proxy, the app.
pub(crate) const LOCAL: Target =
    Target { environment: "local", project: "orders", region: "us-east-1", parameters: "/local/database" };

/// `localpg.tfvars`: the same as `local`, with PostgreSQL.
pub(crate) const LOCAL_POSTGRES: Target = Target {
    environment: "localpg",
    project: "orders",
    region: "us-east-1",
    parameters: "/localpg/database",
};

/// `auroratest.tfvars`: an Aurora PostgreSQL cluster and a jump host.
pub(crate) const AURORA: Target = Target {
    environment: "auroratest",
    project: "flaskapp",
    region: "eu-west-2",
    parameters: "/auroratest/database",
};

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;
    use rds_iam_process::{file, workspace};

    #[test]
    fn postgresql_has_both_of_its_names() {
        for name in ["postgresql", "postgres"] {
            assert_eq!(Engine::from_str(name, false), Ok(Engine::Postgresql));
        }
        assert_eq!(Engine::from_str("mysql", false), Ok(Engine::Mysql));
        assert!(Engine::from_str("pg", false).is_err());
    }

    /// The settings that are needed outside Terraform are those of the tfvars.
    #[test]
    fn the_targets_are_the_environments_of_the_repository() {
        let folder = workspace::root().join("terraform/stacks/service/environments");
        for target in [&LOCAL, &LOCAL_POSTGRES, &AURORA] {
            let text = file::read(&folder.join(format!("{}.tfvars", target.environment))).unwrap();
            let setting = |name: &str| {
                let settings = text.lines().filter_map(|line| line.split_once('='));
                let mut found = settings.filter(|(found, _)| found.trim() == name).map(|(_, value)| value);
                found.next().unwrap_or_default().trim().trim_matches('"').to_owned()
            };
            let found = ["environment", "project", "region"].map(setting);
            assert_eq!(found, [target.environment, target.project, target.region]);
            assert_eq!(target.parameters, format!("/{}/database", target.environment));
        }
    }
}
