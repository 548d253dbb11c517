//! Tests of parsing Terraform's outputs.

use serde_json::{Value, json};

use super::*;

/// The expected outputs of the stack's own test in Terraform.
const FIXTURE: &str = include_str!("../../../../terraform/stacks/service/outputs.json");

/// Returns the error of the fixture after `change`.
fn error(change: impl FnOnce(&mut Value)) -> OutputsError {
    let mut outputs: Value = serde_json::from_str(FIXTURE).unwrap();
    change(&mut outputs);
    Outputs::parse(&outputs.to_string()).unwrap_err()
}

/// Returns the name and kind of the only error of the fixture after `change`.
fn kind(change: impl FnOnce(&mut Value)) -> (String, AttributeErrorKind) {
    match error(change) {
        OutputsError::Invalid { errors, .. } if errors.len() == 1 => {
            (errors[0].output.clone(), errors[0].kind.clone())
        }
        error => panic!("{error}"),
    }
}

#[test]
fn the_stack_s_example() {
    let outputs = Outputs::parse(FIXTURE).unwrap();
    let (proxy, app) = (outputs.proxy.unwrap(), outputs.app.unwrap());
    assert_eq!(proxy.authentication, Authentication::Iam);
    assert_eq!(proxy.resource_id.as_str(), "prx-0a1b2c3d4e5f67890");
    assert_eq!(outputs.database.resource_id.as_str(), "db-ABCDEFGHIJKLMNOPQRSTUVWX12");
    assert_eq!((outputs.database.kind, outputs.database.engine), (DatabaseKind::Instance, Engine::MySql));
    assert_eq!((outputs.database.reader_endpoint, proxy.reader_endpoint), (None, None));
    assert_eq!(app.image_parameter.as_str(), "/dev/app/image");
    assert_eq!(app.url, "https://orders.example.test");
    assert_eq!(outputs.bootstrap.function_name, "orders-dev-bootstrap");
    assert_eq!(outputs.logs.unwrap().bucket, "orders-dev-logs-123456789012");
    assert_eq!(outputs.jump_host, None);
    assert_eq!(outputs.deployment.environment, "dev");
}

#[test]
fn rds_conf_is_for_bootstrap_and_has_the_database_s_endpoint() {
    let conf = Outputs::parse(FIXTURE).unwrap().rds_conf();
    assert_eq!(RdsConf::parse(&conf.to_string()).unwrap(), conf);
    let lines: Vec<_> = conf.to_string().lines().filter(|l| l.contains('=')).map(str::to_owned).collect();
    let set: Vec<_> = lines.into_iter().filter(|line| !line.starts_with('#')).collect();
    insta::assert_snapshot!(set.join("\n"), @r#"
    ENGINE="mysql"
    RDS_ENDPOINT="orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
    RDS_PORT="3306"
    REGION="us-east-1"
    MASTER_SECRET_NAME="arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-4e5f-6789-abcd-ef0123456789-AbCdEf"
    DB_NAME="node_db"
    IAM_ADMIN_USER="iam_admin"
    RDS_RESOURCE_ID="db-ABCDEFGHIJKLMNOPQRSTUVWX12"
    AWS_ACCOUNT_ID="123456789012"
    "#);
}

#[test]
fn parameters_are_for_the_app_and_have_the_proxy_s_endpoint() {
    let parameters = Outputs::parse(FIXTURE).unwrap().parameters();
    let lines: Vec<_> = parameters.iter().map(|p| format!("{} = {}", p.path, p.value)).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    /dev/database/engine = mysql
    /dev/database/dbname = node_db
    /dev/database/endpoint = orders-dev.proxy-c0ffee.us-east-1.rds.amazonaws.com
    /dev/database/port = 3306
    /dev/database/region = us-east-1
    /dev/database/username = node_app
    ");
}

#[test]
fn other_outputs_are_ignored() {
    let mut outputs: Value = serde_json::from_str(FIXTURE).unwrap();
    outputs["database"]["value"]["storage"] = json!("gp3");
    outputs["password"] = json!({"sensitive": true, "type": "string", "value": "x"});
    let changed = Outputs::parse(&outputs.to_string()).unwrap();
    assert_eq!(changed, Outputs::parse(FIXTURE).unwrap());
}

#[test]
fn outputs_without_an_engine_are_for_mysql() {
    let mut outputs: Value = serde_json::from_str(FIXTURE).unwrap();
    outputs["database"]["value"].as_object_mut().unwrap().remove("engine");
    assert_eq!(Outputs::parse(&outputs.to_string()).unwrap(), Outputs::parse(FIXTURE).unwrap());
}

#[test]
fn an_unsupported_engine_is_refused() {
    let mut outputs: Value = serde_json::from_str(FIXTURE).unwrap();
    outputs["database"]["value"]["engine"] = json!("sqlserver");
    let error = Outputs::parse(&outputs.to_string()).unwrap_err().to_string();
    assert!(error.contains("database.engine"), "{error}");
}

/// Returns the fixture with the database of another kind: a PostgreSQL cluster without proxy, app and logs, but with a jump
/// host.
fn cluster() -> Value {
    let mut outputs: Value = serde_json::from_str(FIXTURE).unwrap();
    let database = &mut outputs["database"]["value"];
    database["engine"] = json!("postgresql");
    database["kind"] = json!("cluster");
    database["endpoint"] = json!("orders-dev.cluster-c0ffee.us-east-1.rds.amazonaws.com");
    database["reader_endpoint"] = json!("orders-dev.cluster-ro-c0ffee.us-east-1.rds.amazonaws.com");
    database["port"] = json!(5432);
    database["resource_id"] = json!("cluster-ABCDEFGHIJKLMNOPQRSTUVWX12");
    outputs["proxy"]["value"] = Value::Null;
    outputs["logs"]["value"] = Value::Null;
    outputs.as_object_mut().unwrap().remove("app");
    let jump_host =
        json!({"instance_id": "i-0a1b2c3d4e5f67890", "security_group_id": "sg-0a1b2c3d4e5f67890"});
    outputs["jump_host"] = json!({"sensitive": false, "type": "dynamic", "value": jump_host});
    outputs
}

#[test]
fn a_cluster_without_proxy_and_app() {
    let outputs = Outputs::parse(&cluster().to_string()).unwrap();
    let Database { engine, kind, reader_endpoint, .. } = &outputs.database;
    assert_eq!((*engine, *kind), (Engine::Postgres, DatabaseKind::Cluster));
    let reader = reader_endpoint.as_ref().unwrap().to_string();
    assert_eq!(reader, "orders-dev.cluster-ro-c0ffee.us-east-1.rds.amazonaws.com:5432");
    assert_eq!((&outputs.proxy, &outputs.app, &outputs.logs), (&None, &None, &None));
    assert_eq!(outputs.jump_host.as_ref().unwrap().instance_id, "i-0a1b2c3d4e5f67890");
    assert_eq!(outputs.parameters(), []);
    let conf = outputs.rds_conf();
    assert_eq!(conf.engine, Engine::Postgres);
    assert_eq!(conf.endpoint.to_string(), "orders-dev.cluster-c0ffee.us-east-1.rds.amazonaws.com:5432");
    assert_eq!(RdsConf::parse(&conf.to_string()).unwrap(), conf);
}

#[test]
fn without_a_proxy_the_app_connects_to_the_database() {
    let mut outputs: Value = serde_json::from_str(FIXTURE).unwrap();
    outputs["database"]["value"]["engine"] = json!("postgresql");
    outputs["database"]["value"]["port"] = json!(5432);
    outputs.as_object_mut().unwrap().remove("proxy");
    let values: Vec<_> =
        Outputs::parse(&outputs.to_string()).unwrap().parameters().into_iter().map(|p| p.value).collect();
    let endpoint = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com";
    assert_eq!(values, ["postgresql", "node_db", endpoint, "5432", "us-east-1", "node_app"]);
}

/// Outputs of stacks without `kind`, such as the example's, have the kind of the resource id.
#[test]
fn the_kind_and_the_resource_id_agree() {
    let mut outputs = cluster();
    outputs["database"]["value"].as_object_mut().unwrap().remove("kind");
    assert_eq!(Outputs::parse(&outputs.to_string()).unwrap().database.kind, DatabaseKind::Cluster);
    outputs["database"]["value"]["kind"] = json!("instance");
    let error = Outputs::parse(&outputs.to_string()).unwrap_err();
    assert!(error.to_string().contains("database.resource_id: it is the id of another kind"), "{error}");
}

#[test]
fn the_endpoints_of_readers_are_in_the_deployment_s_region() {
    for output in ["database", "proxy"] {
        let reader = json!("orders-dev.cluster-ro-c0ffee.eu-west-1.rds.amazonaws.com");
        let (name, kind) = kind(|outputs| outputs[output]["value"]["reader_endpoint"] = reader);
        assert_eq!(name, format!("{output}.reader_endpoint"));
        assert!(
            matches!(&kind, AttributeErrorKind::Value { reason } if reason.contains("eu-west-1")),
            "{kind:?}"
        );
    }
}

#[test]
fn texts_that_are_not_outputs_have_a_kind() {
    let kind = |text: &str| match Outputs::parse(text).unwrap_err() {
        OutputsError::Text { kind, .. } => kind,
        error => panic!("{error}"),
    };
    assert!(matches!(kind(""), TextErrorKind::Json { line: 1, column: 0 }));
    assert!(matches!(kind(&FIXTURE[..FIXTURE.len() / 2]), TextErrorKind::Json { .. }));
    assert!(matches!(kind("{}"), TextErrorKind::Empty));
    assert!(matches!(kind("\"orders-dev\""), TextErrorKind::Other));
    // A plan, and the value of a single output.
    assert!(matches!(kind(r#"{"format_version":"1.2","planned_values":{}}"#), TextErrorKind::Other));
    assert!(matches!(kind(r#"{"function_name":"orders-dev-bootstrap"}"#), TextErrorKind::Other));
}

#[test]
fn missing_sensitive_and_mistyped_outputs_have_a_kind() {
    use AttributeErrorKind::{Missing, Sensitive, Type};
    let typed = |found, expected| Type { expected, found };
    for (output, attribute, value, expected) in [
        ("proxy", "resource_id", None, Missing),
        ("database", "port", Some(json!("3306")), typed("a string", "a number")),
        ("app", "url", Some(json!(null)), typed("null", "a string")),
    ] {
        let found = kind(|outputs| {
            let attributes = outputs[output]["value"].as_object_mut().unwrap();
            drop(match value {
                Some(value) => attributes.insert(attribute.to_owned(), value),
                None => attributes.remove(attribute),
            });
        });
        assert_eq!(found, (format!("{output}.{attribute}"), expected));
    }
    let found = kind(|outputs| drop(outputs.as_object_mut().unwrap().remove("database")));
    assert_eq!(found, ("database".to_owned(), Missing));
    let found = kind(|outputs| drop(outputs["proxy"].as_object_mut().unwrap().remove("value")));
    assert_eq!(found, ("proxy".to_owned(), Missing));
    let found = kind(|outputs| outputs["logs"]["value"] = json!("orders-dev-logs"));
    assert_eq!(found, ("logs".to_owned(), typed("a string", "an object")));
    let found = kind(|outputs| outputs["database"]["sensitive"] = json!(true));
    assert_eq!(found, ("database".to_owned(), Sensitive));
}

#[test]
fn invalid_values_are_refused() {
    for (output, attribute, value) in [
        ("database", "port", json!(65536)),
        ("database", "kind", json!("serverless")),
        ("database", "reader_endpoint", json!("orders:3306")),
        ("app", "url", json!("")),
        ("app", "autoscaling_group", json!("orders\u{1b}[2J")),
        ("bootstrap", "function_name", json!("orders\n")),
        ("proxy", "resource_id", json!("orders-dev")),
        ("proxy", "resource_id", json!("db-ABCDEFGHIJKLMNOPQRSTUVWX12")),
        ("database", "resource_id", json!("prx-0a1b2c3d4e5f67890")),
        ("database", "master_secret_arn", json!("orders/master")),
        ("database", "endpoint", json!("orders-dev.c0ffee.us-east-1.rds.amazonaws.com:3306")),
        ("database", "endpoint", json!("orders-dev.c0ffee.eu-west-1.rds.amazonaws.com")),
        ("proxy", "authentication", json!("IAM_AUTH")),
        ("app", "parameter_path", json!("/dev/database/")),
        ("app", "parameter_path", json!("/aws/database")),
    ] {
        let (name, kind) = kind(|outputs| outputs[output]["value"][attribute] = value.clone());
        assert_eq!(name, format!("{output}.{attribute}"));
        assert!(matches!(kind, AttributeErrorKind::Value { .. }), "{value}: {kind:?}");
    }
}

/// The one wording snapshot of `OutputsError`; other tests check the kind.
#[test]
fn all_errors_are_reported_at_once_with_the_fix() {
    let error = error(|outputs| {
        outputs.as_object_mut().unwrap().remove("bootstrap");
        outputs["proxy"]["value"] = json!({"endpoint": "p", "name": 1});
        outputs["deployment"]["value"]["region"] = json!("us-east-1a");
        outputs["database"]["sensitive"] = json!(true);
        outputs["app"]["value"]["parameter_path"] = json!("/aws/database");
    });
    let texts = ["", "{}", "[]"].map(|text| Outputs::parse(text).unwrap_err().to_string());
    insta::assert_snapshot!(format!("{error}\n{}", texts.join("\n")), @r#"
    the outputs file has 8 problems:
      app.parameter_path: not a parameter path: expected one such as /dev/database, of letters, digits and /_.-, starting with / and not ending with /, of at most 14 levels and 900 characters; AWS reserves names that start with aws or ssm
      bootstrap is missing: run `terraform apply`, which records outputs. If it is still missing, the versions of the stack and this program differ
      database is marked sensitive, but these outputs contain no secrets: remove `sensitive = true`, or the sensitive value that it depends on
      deployment.region: not a region: expected a name such as eu-west-1 (an availability zone has a letter at its end, a region has not)
      proxy.authentication is missing: run `terraform apply`, which records outputs. If it is still missing, the versions of the stack and this program differ
      proxy.port is missing: run `terraform apply`, which records outputs. If it is still missing, the versions of the stack and this program differ
      proxy.name is a number; expected a string: run `terraform apply`. If that does not help, the versions of the stack and this program differ
      proxy.resource_id is missing: run `terraform apply`, which records outputs. If it is still missing, the versions of the stack and this program differ
    the outputs file is not JSON (line 1, column 0): write the file with a successful `terraform output -json`
    the outputs file is empty: nothing is applied yet, or this is another state; run `terraform apply`
    the outputs file is other JSON, without sensitive, type and value of each output: write the file with `terraform output -json`, without the name of an output
    "#);
}

#[test]
fn a_sensitive_value_is_not_repeated() {
    let error = error(|outputs| {
        outputs["database"]["sensitive"] = json!(true);
        outputs["database"]["value"] = json!("hunter2");
        outputs["proxy"]["value"]["port"] = json!("hunter2");
    });
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}

#[test]
fn an_invalid_value_is_not_repeated() {
    let fixture: Value = serde_json::from_str(FIXTURE).unwrap();
    let mut refused = 0;
    for (output, content) in fixture.as_object().unwrap() {
        for attribute in content["value"].as_object().unwrap().keys() {
            let mut changed = fixture.clone();
            changed[output]["value"][attribute] = json!("hunter2://-hunter2:hunter2@h/hunter2 ");
            if let Err(error) = Outputs::parse(&changed.to_string()) {
                refused += 1;
                assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            }
        }
    }
    // The others are names, which may be any text.
    assert_eq!(refused, 18);
}

#[test]
fn errors_of_files_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outputs.json");
    let read = || {
        let error = Outputs::read(&path).unwrap_err();
        rds_iam_report::ErrorReport(&error).to_string().replace(&*folder.path().to_string_lossy(), "/srv")
    };
    assert!(read().starts_with("cannot read /srv/outputs.json; "), "{}", read());
    std::fs::write(&path, "{}").unwrap();
    assert!(read().starts_with("/srv/outputs.json is empty: "), "{}", read());
    std::fs::write(&path, FIXTURE.replace("prx-", "db-")).unwrap();
    assert!(read().starts_with("/srv/outputs.json has 1 problem:\n  proxy.resource_id: "), "{}", read());
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(read().ends_with("over 1 MiB"), "{}", read());
}
