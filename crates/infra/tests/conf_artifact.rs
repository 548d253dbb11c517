//! Test that `rds.conf` has only keys whose values may be public: the workflow Deploy uploads it as an artifact
//! that every reader of the repository can download.

use std::path::Path;

use rds_iam_infra::Outputs;
use rds_iam_infra::rds_conf::KEYS;

/// All keys of rds.conf: names, addresses and ids. Add a new key only if its value may be public; the parser refuses
/// unknown keys.
const PUBLIC: [&str; 11] = [
    "ENGINE",
    "RDS_ENDPOINT",
    "RDS_PORT",
    "REGION",
    "MASTER_SECRET_NAME",
    "DB_NAME",
    "IAM_ADMIN_USER",
    "RDS_DIAL",
    "RDS_CA_BUNDLE",
    "RDS_RESOURCE_ID",
    "AWS_ACCOUNT_ID",
];

#[test]
fn rds_conf_has_no_field_for_a_secret() {
    let mut keys = KEYS.map(|key| key.name);
    let mut public = PUBLIC;
    keys.sort_unstable();
    public.sort_unstable();
    assert_eq!(keys, public);
    let outputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../terraform/stacks/service/outputs.json");
    let conf = Outputs::read(&outputs).unwrap().rds_conf().to_string();
    for line in conf.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (key, value) = line.split_once('=').unwrap();
        assert!(PUBLIC.contains(&key), "{line}");
        // The value is the secret's name, not the secret.
        assert!(key != "MASTER_SECRET_NAME" || value.starts_with("\"arn:aws:secretsmanager:"), "{line}");
    }
}
