//! Properties of `rds.conf`, for arbitrary values and arbitrary text.

use proptest::prelude::*;
use proptest::test_runner::Config;
use rds_iam_infra::rds_conf::{CaBundle, DatabaseName};
use rds_iam_infra::{RdsConf, RdsConfError};
use rds_iam_token::{DbUser, Endpoint};

const FULL: &str = r#"ENGINE="mysql"
RDS_ENDPOINT="orders.example.com"
RDS_PORT="3306"
REGION="eu-west-1"
MASTER_SECRET_NAME="orders/master"
DB_NAME="orders"
IAM_ADMIN_USER="iam_admin"
RDS_DIAL="localhost:13306"
RDS_CA_BUNDLE="ca.pem"
RDS_RESOURCE_ID="prx-0a1b2c3d4e5f67890"
AWS_ACCOUNT_ID="123456789012"
"#;

fn config() -> Config {
    let default = Config::default();
    Config { cases: 2 * default.cases, failure_persistence: None, ..default }
}

/// Text with the characters that a shell, a quote or a comment would give a meaning.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{1,40}", "[ab\"\\\\$`#='(){} é漢🦀-]{1,12}"]
}

fn confs() -> impl Strategy<Value = RdsConf> {
    let endpoint = ("[a-z][a-z0-9]{0,10}\\.example\\.com", 1..=u16::MAX)
        .prop_map(|(host, port)| Endpoint::new(&host, port).unwrap());
    let database = texts().prop_filter_map("not a database name", |text| text.parse::<DatabaseName>().ok());
    let user = texts().prop_filter_map("not a user name", |text| text.parse::<DbUser>().ok());
    let bundle = texts().prop_filter_map("not a path", |text| text.parse::<CaBundle>().ok());
    let dial = proptest::option::of(endpoint.clone());
    let optional = (dial, proptest::option::of(bundle), any::<bool>());
    (endpoint, database, user, optional).prop_map(|(endpoint, database, user, (dial, ca_bundle, has_ids))| {
        let (region, secret) = ("eu-west-1".parse().unwrap(), "orders/master".parse().unwrap());
        let mut conf = RdsConf::new(endpoint, region, secret, database, user);
        (conf.dial, conf.ca_bundle) = (dial, ca_bundle);
        conf.resource_id = has_ids.then(|| "prx-0a1b2c3d4e5f67890".parse().unwrap());
        conf.account_id = has_ids.then(|| "123456789012".parse().unwrap());
        conf
    })
}

/// A text parses to a configuration that can be written again, or to errors that name a line or a missing key.
fn check(text: &str) -> Result<(), TestCaseError> {
    match RdsConf::parse(text) {
        Ok(conf) => prop_assert_eq!(RdsConf::parse(&conf.to_string()).unwrap(), conf),
        Err(RdsConfError::Invalid { errors, .. }) => {
            prop_assert!(!errors.is_empty());
            let lines = text.split('\n').count();
            for error in errors {
                let names_a_line = error.line.is_some_and(|line| (1..=lines).contains(&line));
                prop_assert!(names_a_line || (error.line.is_none() && error.key.is_some()), "{error}");
                prop_assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
        Err(other) => return Err(TestCaseError::fail(other.to_string())),
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_written_configuration_parses_to_itself(conf in confs()) {
        prop_assert_eq!(RdsConf::parse(&conf.to_string()).unwrap(), conf);
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn an_arbitrary_value_never_panics(value in any::<String>(), line in 0..11_usize) {
        let replaced = FULL.lines().enumerate().map(|(number, original)| {
            let (key, _) = original.split_once('=').unwrap();
            if number == line { format!("{key}={value}\n") } else { format!("{original}\n") }
        });
        check(&replaced.collect::<String>())?;
    }

    #[test]
    fn a_damaged_file_never_panics(at in any::<prop::sample::Index>(), change in 0..3_u8, c in any::<char>()) {
        let mut text: Vec<char> = FULL.chars().collect();
        let at = at.index(text.len());
        match change {
            0 => drop(text.remove(at)),
            1 => text.insert(at, c),
            _ => text.truncate(at),
        }
        check(&String::from_iter(text))?;
    }
}
