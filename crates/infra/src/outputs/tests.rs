use serde_json::{Value, json};

use super::*;

/// What the stack's own test in Terraform compares its outputs with.
const FIXTURE: &str = include_str!("../../../../terraform/stacks/service/outputs.json");

/// What is said of the fixture after `change`.
fn said(change: impl FnOnce(&mut Value)) -> String {
    let mut outputs: Value = serde_json::from_str(FIXTURE).unwrap();
    change(&mut outputs);
    Outputs::parse(&outputs.to_string()).unwrap_err().to_string()
}

/// What is said of the fixture with one attribute set, or taken away by `None`.
fn said_of(output: &str, attribute: &str, value: Option<Value>) -> String {
    said(|outputs| {
        let attributes = outputs[output]["value"].as_object_mut().unwrap();
        match value {
            Some(value) => attributes.insert(attribute.to_owned(), value),
            None => attributes.remove(attribute),
        };
    })
}

#[test]
fn the_stack_s_example() {
    let outputs = Outputs::parse(FIXTURE).unwrap();
    assert_eq!(outputs.proxy.authentication, Authentication::Iam);
    assert_eq!(outputs.proxy.resource_id.as_str(), "prx-0a1b2c3d4e5f67890");
    assert_eq!(outputs.database.resource_id.as_str(), "db-ABCDEFGHIJKLMNOPQRSTUVWX12");
    assert_eq!(outputs.app.image_parameter.as_str(), "/dev/app/image");
    assert_eq!(outputs.app.url, "https://orders.example.test");
    assert_eq!(outputs.bootstrap.function_name, "orders-dev-bootstrap");
    assert_eq!(outputs.logs.bucket, "orders-dev-logs-123456789012");
    assert_eq!(outputs.deployment.environment, "dev");
}

#[test]
fn rds_conf_is_for_bootstrap_and_names_the_database() {
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
fn parameters_are_for_the_app_and_name_the_proxy() {
    let parameters = Outputs::parse(FIXTURE).unwrap().parameters();
    let lines: Vec<_> = parameters.iter().map(|p| format!("{} = {}", p.path, p.value)).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    /dev/database/dbname = node_db
    /dev/database/endpoint = orders-dev.proxy-c0ffee.us-east-1.rds.amazonaws.com
    /dev/database/port = 3306
    /dev/database/region = us-east-1
    /dev/database/username = node_app
    ");
}

#[test]
fn what_else_a_stack_puts_out_is_its_own() {
    let mut outputs: Value = serde_json::from_str(FIXTURE).unwrap();
    outputs["database"]["value"]["storage"] = json!("gp3");
    outputs["password"] = json!({"sensitive": true, "type": "string", "value": "x"});
    let changed = Outputs::parse(&outputs.to_string()).unwrap();
    assert_eq!(changed, Outputs::parse(FIXTURE).unwrap());
}

#[test]
fn outputs_without_an_engine_are_of_mysql() {
    let mut outputs: Value = serde_json::from_str(FIXTURE).unwrap();
    outputs["database"]["value"].as_object_mut().unwrap().remove("engine");
    assert_eq!(Outputs::parse(&outputs.to_string()).unwrap(), Outputs::parse(FIXTURE).unwrap());
}

#[test]
fn an_engine_that_is_not_supported_is_refused() {
    let mut outputs: Value = serde_json::from_str(FIXTURE).unwrap();
    outputs["database"]["value"]["engine"] = json!("sqlserver");
    let error = Outputs::parse(&outputs.to_string()).unwrap_err().to_string();
    assert!(error.contains("database.engine"), "{error}");
}

#[test]
fn an_aurora_cluster_is_a_database_too() {
    let mut outputs: Value = serde_json::from_str(FIXTURE).unwrap();
    outputs["database"]["value"]["resource_id"] = json!("cluster-ABCDEFGHIJKLMNOPQRSTUVWX12");
    assert!(Outputs::parse(&outputs.to_string()).is_ok());
}

#[test]
fn texts_that_are_something_else() {
    let said = |text: &str| Outputs::parse(text).unwrap_err().to_string();
    insta::assert_snapshot!(said(""), @"what Terraform put out is not JSON (line 1, column 0): write the file with `terraform output -json`, where that succeeds");
    insta::assert_snapshot!(said(&FIXTURE[..FIXTURE.len() / 2]), @"what Terraform put out is not JSON (line 55, column 59): write the file with `terraform output -json`, where that succeeds");
    insta::assert_snapshot!(said("{}"), @"what Terraform put out holds no outputs: nothing is applied yet, or this is another state; run `terraform apply`");
    insta::assert_snapshot!(said("\"orders-dev\""), @"what Terraform put out holds something else than outputs, each with sensitive, type and value: write it with `terraform output -json`, without the name of an output");
    // A plan, and the value of a single output.
    insta::assert_snapshot!(said(r#"{"format_version":"1.2","planned_values":{}}"#), @"what Terraform put out holds something else than outputs, each with sensitive, type and value: write it with `terraform output -json`, without the name of an output");
    insta::assert_snapshot!(said(r#"{"function_name":"orders-dev-bootstrap"}"#), @"what Terraform put out holds something else than outputs, each with sensitive, type and value: write it with `terraform output -json`, without the name of an output");
}

#[test]
fn outputs_that_are_wrong() {
    insta::assert_snapshot!(said(|o| drop(o.as_object_mut().unwrap().remove("proxy"))), @"
    what Terraform put out has 1 problem:
      proxy is missing: run `terraform apply`, which records outputs; if it is missing then, the stack and this program are of different versions
    ");
    insta::assert_snapshot!(said_of("proxy", "resource_id", None), @"
    what Terraform put out has 1 problem:
      proxy.resource_id is missing: run `terraform apply`, which records outputs; if it is missing then, the stack and this program are of different versions
    ");
    insta::assert_snapshot!(said_of("database", "port", Some(json!("3306"))), @"
    what Terraform put out has 1 problem:
      database.port is a string where a number is due: run `terraform apply`; if it stays, the stack and this program are of different versions
    ");
    insta::assert_snapshot!(said_of("database", "port", Some(json!(65536))), @"
    what Terraform put out has 1 problem:
      database.port: 65536 is not a port: expected 1 to 65535
    ");
    insta::assert_snapshot!(said_of("app", "url", Some(Value::Null)), @"
    what Terraform put out has 1 problem:
      app.url is null where a string is due: run `terraform apply`; if it stays, the stack and this program are of different versions
    ");
    insta::assert_snapshot!(said_of("app", "url", Some(json!(""))), @"
    what Terraform put out has 1 problem:
      app.url: it is empty: run `terraform apply`
    ");
    insta::assert_snapshot!(said_of("proxy", "resource_id", Some(json!("orders-dev"))), @r#"
    what Terraform put out has 1 problem:
      proxy.resource_id: "orders-dev" is not a resource id: a policy takes the id that AWS gave (db-…, cluster-… or prx-… and letters and digits), not the name that you gave. Instance: DbiResourceId of `aws rds describe-db-instances`, Terraform aws_db_instance.resource_id. Aurora cluster: DbClusterResourceId, aws_rds_cluster.cluster_resource_id. Proxy: the last part of DBProxyArn, aws_db_proxy.arn (its id is the name)
    "#);
    insta::assert_snapshot!(said_of("proxy", "resource_id", Some(json!("db-ABCDEFGHIJKLMNOPQRSTUVWX12"))), @"
    what Terraform put out has 1 problem:
      proxy.resource_id: db-ABCDEFGHIJKLMNOPQRSTUVWX12 names something else: expected prx-…
    ");
    insta::assert_snapshot!(said_of("database", "resource_id", Some(json!("prx-0a1b2c3d4e5f67890"))), @"
    what Terraform put out has 1 problem:
      database.resource_id: prx-0a1b2c3d4e5f67890 names something else: expected db-… or cluster-…
    ");
    insta::assert_snapshot!(said_of("database", "master_secret_arn", Some(json!("orders/master"))), @"
    what Terraform put out has 1 problem:
      database.master_secret_arn: it is not an ARN: expected arn:<partition>:secretsmanager:…
    ");
    insta::assert_snapshot!(said_of("database", "endpoint", Some(json!("orders-dev.c0ffee.us-east-1.rds.amazonaws.com:3306"))), @r#"
    what Terraform put out has 1 problem:
      database.endpoint: endpoint host "orders-dev.c0ffee.us-east-1.rds.amazonaws.com:3306" is neither a DNS name nor an IP address
    "#);
    insta::assert_snapshot!(said_of("database", "endpoint", Some(json!("orders-dev.c0ffee.eu-west-1.rds.amazonaws.com"))), @"
    what Terraform put out has 1 problem:
      database.endpoint: it lies in eu-west-1 by its name, but deployment.region is us-east-1
    ");
    insta::assert_snapshot!(said_of("proxy", "authentication", Some(json!("IAM_AUTH"))), @r#"
    what Terraform put out has 1 problem:
      proxy.authentication: "IAM_AUTH" is neither "iam" nor "secret"
    "#);
    insta::assert_snapshot!(said_of("app", "parameter_path", Some(json!("/dev/database/"))), @r#"
    what Terraform put out has 1 problem:
      app.parameter_path: "/dev/database/" is not the path of a parameter: expected one such as /dev/database, of letters, digits and /_.-, with a / at its beginning and none at its end
    "#);
    insta::assert_snapshot!(said_of("app", "parameter_path", Some(json!("/aws/database"))), @r#"
    what Terraform put out has 1 problem:
      app.parameter_path: "/aws/database" is not a path that parameters may have: names that begin with aws or ssm are AWS's own
    "#);
    insta::assert_snapshot!(said(|o| o["logs"]["value"] = json!("orders-dev-logs")), @"
    what Terraform put out has 1 problem:
      logs is a string where an object is due: run `terraform apply`; if it stays, the stack and this program are of different versions
    ");
    insta::assert_snapshot!(said(|o| o["database"]["sensitive"] = json!(true)), @"
    what Terraform put out has 1 problem:
      database is marked sensitive, and these outputs hold no secret: take `sensitive = true` off it, or what makes it so
    ");
}

#[test]
fn every_problem_is_reported_at_once() {
    let said = said(|outputs| {
        outputs.as_object_mut().unwrap().remove("logs");
        outputs["proxy"]["value"] = json!({"endpoint": "p", "name": 1});
        outputs["deployment"]["value"]["region"] = json!("us-east-1a");
    });
    insta::assert_snapshot!(said, @r#"
    what Terraform put out has 6 problems:
      deployment.region: "us-east-1a" is not a region: expected a name such as eu-west-1 (an availability zone has a letter at its end, a region has not)
      logs is missing: run `terraform apply`, which records outputs; if it is missing then, the stack and this program are of different versions
      proxy.authentication is missing: run `terraform apply`, which records outputs; if it is missing then, the stack and this program are of different versions
      proxy.port is missing: run `terraform apply`, which records outputs; if it is missing then, the stack and this program are of different versions
      proxy.name is a number where a string is due: run `terraform apply`; if it stays, the stack and this program are of different versions
      proxy.resource_id is missing: run `terraform apply`, which records outputs; if it is missing then, the stack and this program are of different versions
    "#);
}

#[test]
fn a_sensitive_value_is_not_repeated() {
    let said = said(|outputs| {
        outputs["database"]["sensitive"] = json!(true);
        outputs["database"]["value"] = json!("hunter2");
        outputs["proxy"]["value"]["port"] = json!("hunter2");
    });
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn files_are_named_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outputs.json");
    let said = |path: &Path| {
        let error = Outputs::read(path).unwrap_err();
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}").replace(&*folder.path().to_string_lossy(), "/srv")
    };
    insta::assert_snapshot!(said(&path), @"cannot read /srv/outputs.json; `terraform output -json` writes it, as a UTF-8 text file: No such file or directory (os error 2)");
    std::fs::write(&path, "{}").unwrap();
    insta::assert_snapshot!(said(&path), @"/srv/outputs.json holds no outputs: nothing is applied yet, or this is another state; run `terraform apply`");
    std::fs::write(&path, FIXTURE.replace("prx-", "db-")).unwrap();
    insta::assert_snapshot!(said(&path), @"
    /srv/outputs.json has 1 problem:
      proxy.resource_id: db-0a1b2c3d4e5f67890 names something else: expected prx-…
    ");
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    insta::assert_snapshot!(said(&path), @"cannot read /srv/outputs.json; `terraform output -json` writes it, as a UTF-8 text file: it has over 1 MiB");
}
