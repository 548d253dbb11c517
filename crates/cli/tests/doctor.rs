//! Tests of `rds-iam doctor` as a program: one for each fault that a server, AWS's answers or this machine can have,
//! and one for none. The faults in the answer of DNS are in the tables of the module.

#[path = "../../deploy/src/aws/test_client.rs"]
#[expect(dead_code, reason = "shared with the library's tests, which use all of it")]
mod test_client;

use std::ffi::OsString;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Command, Output};
use std::time::Duration;

use rds_iam_emulator_server::{Error, Kind, Server, fixtures, on_each_engine};
use rds_iam_token::Clock;
use serde_json::Value;
use test_client::TestClient;
use time::OffsetDateTime;
use time::macros::format_description;

const USER: &str = "node_app";
const ID: &str = "db-ABCDEFGHIJKLMNOPQRSTUVWX12";
const PROXY: &str = "orders.proxy-c0ffee123456.us-east-1.rds.amazonaws.com";
const CLUSTER: &str = "people.cluster-c0ffee123456.us-east-1.rds.amazonaws.com";
const CLUSTER_ID: &str = "cluster-ABCDEFGHIJKLMNOPQRSTUVWX12";
const ROLE: &str = "arn:aws:sts::123456789012:assumed-role/orders-task/0a1b";

const SECRETS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI"),
    ("AWS_SESSION_TOKEN", "FwoGZXIvYXdz"),
];

#[expect(
    clippy::disallowed_methods,
    reason = "the pipeline's runner is not a library; this is the program under test"
)]
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rds-iam"));
    let mine = |name: &str| name.starts_with("AWS_") || name.starts_with("PG") || name.starts_with("ECS_");
    for (name, _) in std::env::vars().filter(|(name, _)| mine(name)) {
        command.env_remove(name);
    }
    command.envs([
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("RUST_LOG", "trace"),
    ]);
    command.arg("doctor");
    command
}

/// Returns the arguments of `doctor` for a host that no server has.
fn for_host(aws: &TestClient, host: &str) -> Command {
    let mut command = program();
    command.arg(format!("mysql://{USER}@{host}/orders")).env("AWS_ENDPOINT_URL", url(aws)).envs(SECRETS);
    command
}

/// Returns the arguments of `doctor` for a user of a server, with the server's credentials and roots.
fn for_user<E: Kind>(server: &Server<E>, aws: &TestClient, user: &str) -> Command {
    let mut command = for_endpoint(server, aws, user, &server.endpoint().to_string());
    command.arg("--ca-bundle").arg(server.ca_path());
    command
}

fn for_endpoint<E: Kind>(server: &Server<E>, aws: &TestClient, user: &str, endpoint: &str) -> Command {
    let mut command = without_resource_id(server, aws, user, endpoint);
    command.args(["--resource-id", ID]);
    command
}

fn without_resource_id<E: Kind>(server: &Server<E>, aws: &TestClient, user: &str, endpoint: &str) -> Command {
    let credentials = server.credentials();
    let mut command = program();
    command
        .arg(format!("{}://{user}@{endpoint}/{}", E::SLUG, server.database()))
        .args(["--dial", &server.dial().to_string()])
        .env("AWS_ENDPOINT_URL", url(aws))
        .env("AWS_ACCESS_KEY_ID", credentials.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key())
        .env("AWS_SESSION_TOKEN", credentials.session_token().unwrap_or_default());
    command
}

fn url(aws: &TestClient) -> String {
    format!("http://{}", aws.address())
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs the program, twice: for people and as JSON. Checks the status of both and that no secret is printed. Returns
/// the step that failed first.
fn run(command: &mut Command) -> (i32, Value) {
    let people = command.output().unwrap();
    let output = command.arg("--json").output().unwrap();
    let secrets = command.get_envs().filter_map(|(name, value)| {
        let secret = name == "AWS_SECRET_ACCESS_KEY" || name == "AWS_SESSION_TOKEN";
        value.filter(|value| secret && !value.is_empty())?.to_str().map(str::to_owned)
    });
    for secret in secrets.chain(["X-Amz-Signature".to_owned(), "Action=connect".to_owned()]) {
        assert!(!text(&people).contains(&secret) && !text(&output).contains(&secret), "a secret is printed");
    }
    assert_eq!(people.status.code(), output.status.code(), "{}{}", text(&people), text(&output));
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    let steps = report["steps"].as_array().unwrap();
    let failed = steps.iter().find(|step| step["outcome"] == "failed").cloned().unwrap_or(Value::Null);
    if let Some(fix) = failed["fix"].as_str() {
        let first = fix.lines().next().unwrap();
        assert!(text(&people).contains(first), "{}", text(&people));
    }
    (output.status.code().unwrap(), failed)
}

#[track_caller]
fn assert_fault(command: &mut Command, status: i32, step: &str, cause: &str, fix: &str) {
    let (found, failed) = run(command);
    assert_eq!((found, failed["step"].as_str()), (status, Some(step)), "{failed}");
    assert!(failed["cause"].as_str().unwrap().contains(cause), "{failed}");
    assert!(failed["fix"].as_str().unwrap().contains(fix), "{failed}");
}

fn answer(operation: &str, result: &str) -> String {
    format!("<{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response>")
}

/// Returns AWS, whose clock is `ahead` of this machine's, and whose STS names `arn`.
fn aws(ahead: Duration, arn: &str) -> TestClient {
    let aws = TestClient::new();
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let now = OffsetDateTime::from(Clock::system().now()) + ahead;
    aws.header("GET /", 302, "Date", &now.format(format).unwrap());
    let caller = format!("<Arn>{arn}</Arn><Account>123456789012</Account>");
    aws.on("GetCallerIdentity", 200, answer("GetCallerIdentity", &caller));
    aws
}

fn usual() -> TestClient {
    aws(Duration::ZERO, ROLE)
}

fn decision(decision: &str) -> String {
    let member = format!("<EvalActionName>x</EvalActionName><EvalDecision>{decision}</EvalDecision>");
    let results = format!("<EvaluationResults><member>{member}</member></EvaluationResults>");
    answer("SimulatePrincipalPolicy", &results)
}

/// Adds the description of the server's instance.
fn describe<E: Kind>(aws: &TestClient, server: &Server<E>, class: &str) {
    let host = server.endpoint().host();
    let instance = format!(
        "<DBInstances><DBInstance><DBInstanceIdentifier>orders</DBInstanceIdentifier>\
         <DbiResourceId>{ID}</DbiResourceId><DBInstanceClass>{class}</DBInstanceClass>\
         <Endpoint><Address>{host}</Address></Endpoint></DBInstance></DBInstances>"
    );
    aws.on("DescribeDBInstances", 200, answer("DescribeDBInstances", &instance));
}

async fn a_healthy_setup_has_no_failure<E: Kind>() -> Result<(), Error> {
    let server = fixtures::app_server::<E>().await?;
    let (status, failed) = run(&mut for_user(&server, &usual(), USER));
    assert_eq!((status, failed), (0, Value::Null));
    // Without AWS, too.
    let (status, failed) = run(for_user(&server, &TestClient::new(), USER).env_remove("AWS_SESSION_TOKEN"));
    assert_eq!((status, failed["step"].as_str()), (21, Some("login")), "another session's token is refused");
    let (status, failed) = run(&mut for_user(&server, &TestClient::new(), USER));
    assert_eq!((status, failed), (0, Value::Null));
    Ok(())
}

async fn a_user_that_does_not_exist_is_found<E: Kind>() -> Result<(), Error> {
    let server = fixtures::app_server::<E>().await?;
    let mut command = for_user(&server, &usual(), "node_typo");
    assert_fault(&mut command, 17, "user", "it does not exist", "node_typo");
    Ok(())
}

async fn a_user_with_a_password_is_found<E: Kind>() -> Result<(), Error> {
    let server = fixtures::app_server::<E>().await?;
    // The master user has a password: another plugin, and no membership.
    let master = server.master().username().to_owned();
    let mut command = for_user(&server, &usual(), &master);
    assert_fault(&mut command, 17, "user", "for a password", &master);
    let logins = server.logins()?;
    assert!(logins.is_empty(), "no token is sent to a server that asks for a password: {logins:?}");
    Ok(())
}

async fn a_missing_policy_is_found<E: Kind>() -> Result<(), Error> {
    let server = fixtures::app_server::<E>().await?;
    server.allow_users(["another_user"])?;
    let aws = usual();
    describe(&aws, &server, "db.r6g.large");
    aws.on("SimulatePrincipalPolicy", 200, decision("implicitDeny"));
    let statement = format!(":123456789012:dbuser:{ID}/{USER}");
    let mut command = for_user(&server, &aws, USER);
    assert_fault(&mut command, 19, "policy", "orders-task/0a1b lacks rds-db:connect", &statement);
    // Without the simulator, the statement is printed all the same.
    let mut command = for_user(&server, &TestClient::new(), USER);
    assert_fault(&mut command, 21, "login", "refused the token", &format!(":dbuser:{ID}/{USER}"));
    Ok(())
}

async fn a_name_in_place_of_the_resource_id_is_found<E: Kind>() -> Result<(), Error> {
    let server = fixtures::app_server::<E>().await?;
    server.allow_users(["another_user"])?;
    let aws = usual();
    describe(&aws, &server, "db.r6g.large");
    // Of each run, the id and then the name.
    for answer in ["implicitDeny", "allowed", "implicitDeny", "allowed"] {
        aws.on("SimulatePrincipalPolicy", 200, decision(answer));
    }
    let mut command = for_user(&server, &aws, USER);
    assert_fault(&mut command, 19, "policy", "the name orders in place of the resource id db-", ID);
    assert!(aws.requests("SimulatePrincipalPolicy")[1].contains("dbuser%3Aorders%2Fnode_app"));
    Ok(())
}

async fn a_cluster_s_name_in_place_of_its_resource_id_is_found<E: Kind>() -> Result<(), Error> {
    let endpoint = format!("{CLUSTER}:{}", E::PORT).parse().unwrap();
    let server = Server::<E>::builder().database("orders").also_endpoint(endpoint).start().await?;
    fixtures::create_user(&server, USER, "SELECT ON orders.*").await?;
    server.allow_users(["another_user"])?;
    let aws = usual();
    let member = "<DBInstances><DBInstance><DBInstanceIdentifier>people-1</DBInstanceIdentifier>\
                  <DBClusterIdentifier>people</DBClusterIdentifier><DBInstanceClass>db.r6g.large</DBInstanceClass>\
                  </DBInstance></DBInstances>";
    aws.on("DescribeDBInstances", 200, answer("DescribeDBInstances", member));
    let cluster = format!(
        "<DBClusters><DBCluster><DBClusterIdentifier>people</DBClusterIdentifier>\
         <DbClusterResourceId>{CLUSTER_ID}</DbClusterResourceId><Endpoint>{CLUSTER}</Endpoint></DBCluster></DBClusters>"
    );
    aws.on("DescribeDBClusters", 200, answer("DescribeDBClusters", &cluster));
    // Of each run, the id, which RDS returned, and then the name.
    for answer in ["implicitDeny", "allowed", "implicitDeny", "allowed"] {
        aws.on("SimulatePrincipalPolicy", 200, decision(answer));
    }
    let mut command = without_resource_id(&server, &aws, USER, CLUSTER);
    command.arg("--ca-bundle").arg(server.ca_path());
    let cause = "the name people in place of the resource id cluster-";
    assert_fault(&mut command, 19, "policy", cause, CLUSTER_ID);
    let simulated = aws.requests("SimulatePrincipalPolicy");
    assert!(simulated[0].contains(&format!("dbuser%3A{CLUSTER_ID}%2Fnode_app")), "{}", simulated[0]);
    assert!(simulated[1].contains("dbuser%3Apeople%2Fnode_app"), "{}", simulated[1]);
    Ok(())
}

async fn an_execution_role_is_found<E: Kind>() -> Result<(), Error> {
    let server = fixtures::app_server::<E>().await?;
    server.allow_users(["another_user"])?;
    let aws = aws(Duration::ZERO, "arn:aws:sts::123456789012:assumed-role/ecsTaskExecutionRole/0a1b");
    let mut command = for_user(&server, &aws, USER);
    assert_fault(&mut command, 10, "credentials", "ecsTaskExecutionRole is an execution role", "taskRoleArn");
    Ok(())
}

async fn a_target_that_the_proxy_can_not_use_is_found<E: Kind>() -> Result<(), Error> {
    let endpoint = format!("{PROXY}:{}", E::PORT).parse().unwrap();
    let server = Server::<E>::builder().database("orders").also_endpoint(endpoint).start().await?;
    fixtures::create_user(&server, USER, "SELECT ON orders.*").await?;
    server.refuse_next(100)?;
    let aws = usual();
    let proxies = format!(
        "<DBProxies><member><DBProxyName>orders</DBProxyName><DBProxyArn>arn:aws:rds:us-east-1:123456789012:db-proxy:\
         prx-0a1b2c3d4e5f67890</DBProxyArn><Endpoint>{PROXY}</Endpoint></member></DBProxies>"
    );
    aws.on("DescribeDBProxies", 200, answer("DescribeDBProxies", &proxies));
    let targets = "<Targets><member><RdsResourceId>orders</RdsResourceId><TargetHealth><State>UNAVAILABLE</State>\
                   <Reason>CONNECTION_FAILED</Reason></TargetHealth></member></Targets>";
    aws.on("DescribeDBProxyTargets", 200, answer("DescribeDBProxyTargets", targets));
    let mut command = for_endpoint(&server, &aws, USER, PROXY);
    command.arg("--ca-bundle").arg(server.ca_path());
    let cause = "orders is UNAVAILABLE, CONNECTION_FAILED";
    assert_fault(&mut command, 18, "target", cause, "security group");
    Ok(())
}

async fn an_instance_that_is_too_small_is_found<E: Kind>() -> Result<(), Error> {
    let server = fixtures::app_server::<E>().await?;
    server.refuse_next(100)?;
    let aws = usual();
    describe(&aws, &server, "db.t3.micro");
    aws.on("SimulatePrincipalPolicy", 200, decision("allowed"));
    let mut command = for_user(&server, &aws, USER);
    assert_fault(&mut command, 20, "class", "orders is a db.t3.micro", "modify-db-instance");
    Ok(())
}

async fn a_certificate_that_can_not_be_verified_is_found<E: Kind>() -> Result<(), Error> {
    let server = fixtures::app_server::<E>().await?;
    let host = "other.c0ffee123456.us-east-1.rds.amazonaws.com";
    let mut command = for_endpoint(&server, &usual(), USER, host);
    command.arg("--ca-bundle").arg(server.ca_path());
    let cause = format!("the server's certificate is for {}, and not for {host}", server.endpoint().host());
    assert_fault(&mut command, 15, "tls", &cause, "the endpoint");
    // With AWS's own roots, which did not issue it.
    let endpoint = server.endpoint().to_string();
    let mut command = for_endpoint(&server, &usual(), USER, &endpoint);
    assert_fault(&mut command, 15, "tls", "is not among the trust roots", "--ca-bundle");
    Ok(())
}

async fn the_system_s_roots_are_found_for_psql<E: Kind>() -> Result<(), Error> {
    let server = fixtures::app_server::<E>().await?;
    let endpoint = server.endpoint().to_string();
    let of_unknown_authority = || for_endpoint(&server, &usual(), USER, &endpoint);
    let verified = || for_user(&server, &usual(), USER);
    if E::SLUG == "postgres" {
        for mut command in [of_unknown_authority(), verified()] {
            command.env("PGSSLROOTCERT", "system");
            let cause = "sslrootcert=system (PGSSLROOTCERT)";
            assert_fault(&mut command, 15, "tls", cause, "unset PGSSLROOTCERT");
        }
    } else {
        // No client of MySQL reads the variable.
        let mut command = of_unknown_authority();
        command.env("PGSSLROOTCERT", "system");
        assert_fault(&mut command, 15, "tls", "is not among the trust roots", "--ca-bundle");
        assert_eq!(run(verified().env("PGSSLROOTCERT", "system")), (0, Value::Null));
    }
    assert_eq!(run(verified().env("PGSSLROOTCERT", server.ca_path())), (0, Value::Null));
    Ok(())
}

async fn a_database_that_does_not_exist_is_found<E: Kind>() -> Result<(), Error> {
    let server = fixtures::app_server::<E>().await?;
    let mut command = program();
    let of_server = for_user(&server, &usual(), USER);
    command.envs(of_server.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.args(of_server.get_args().skip(1).map(|argument| {
        let argument = argument.to_str().unwrap();
        argument.replace(&format!("/{}", server.database()), "/no_such_database")
    }));
    let (status, failed) = run(&mut command);
    assert_eq!((status, failed["step"].as_str()), (21, Some("login")), "{failed}");
    assert!(failed["cause"].as_str().unwrap().contains("no_such_database"), "{failed}");
    Ok(())
}

on_each_engine![
    a_healthy_setup_has_no_failure,
    a_user_that_does_not_exist_is_found,
    a_user_with_a_password_is_found,
    a_missing_policy_is_found,
    a_name_in_place_of_the_resource_id_is_found,
    a_cluster_s_name_in_place_of_its_resource_id_is_found,
    an_execution_role_is_found,
    a_target_that_the_proxy_can_not_use_is_found,
    an_instance_that_is_too_small_is_found,
    a_certificate_that_can_not_be_verified_is_found,
    the_system_s_roots_are_found_for_psql,
    a_database_that_does_not_exist_is_found,
];

const HOST: &str = "orders.c0ffee123456.us-east-1.rds.amazonaws.com";

/// Returns a port at which nothing listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn missing_credentials_are_found() {
    let mut command = for_host(&usual(), HOST);
    for (name, _) in SECRETS {
        command.env_remove(name);
    }
    command.args(["--dial", &format!("127.0.0.1:{}", closed_port())]);
    assert_fault(&mut command, 10, "credentials", "no AWS credentials were found", "aws sso login");
    command.env("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x");
    let output = command.output().unwrap();
    assert!(text(&output).contains("this ECS task has no task role"), "{}", text(&output));
}

#[test]
fn an_expired_session_is_found() {
    let aws = usual();
    let expired =
        "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>x</Message></Error></ErrorResponse>";
    aws.replace("GetCallerIdentity", 403, expired);
    let mut command = for_host(&aws, HOST);
    command.args(["--dial", &format!("127.0.0.1:{}", closed_port())]);
    assert_fault(&mut command, 10, "credentials", "AKIDEXAMPLE has ended (ExpiredToken)", "aws sso login");
}

#[test]
fn a_clock_that_is_20_minutes_off_is_found() {
    let mut command = for_host(&aws(Duration::from_secs(20 * 60), ROLE), HOST);
    command.args(["--dial", &format!("127.0.0.1:{}", closed_port())]);
    assert_fault(&mut command, 11, "clock", "behind AWS's", "chronyc");
}

#[test]
fn a_region_that_is_not_the_host_s_is_found() {
    let mut command = for_host(&usual(), HOST);
    command.args(["--region", "eu-west-1", "--offline"]);
    assert_fault(&mut command, 12, "endpoint", "is in us-east-1", "--region us-east-1");
}

#[test]
fn a_name_without_an_address_is_found() {
    let mut command = for_host(&usual(), "orders.invalid");
    command.args(["--region", "us-east-1"]);
    assert_fault(&mut command, 13, "dns", "no address for orders.invalid", "dig orders.invalid");
}

#[test]
fn a_closed_port_is_found() {
    let dial = format!("127.0.0.1:{}", closed_port());
    let mut command = for_host(&usual(), HOST);
    command.args(["--dial", &dial]);
    assert_fault(&mut command, 14, "port", &format!("no TCP connection to {dial}"), "the tunnel");
}

#[test]
fn a_server_that_refuses_connections_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dial = listener.local_addr().unwrap().to_string();
    // MySQL's error in place of the greeting.
    let packet = [&[23_u8, 0, 0, 0, 0xff][..], &1040_u16.to_le_bytes(), b"Too many connections"].concat();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream.and_then(|mut stream| stream.write_all(&packet)));
        }
    });
    let mut command = for_host(&usual(), HOST);
    command.args(["--dial", &dial]);
    let cause = "the server refuses connections (1040: Too many connections)";
    assert_fault(&mut command, 21, "login", cause, "max_connections");
}

#[test]
fn offline_needs_nothing_but_credentials() {
    let mut command = for_host(&usual(), HOST);
    let (status, failed) = run(command.arg("--offline").env("AWS_ENDPOINT_URL", "http://127.0.0.1:1"));
    assert_eq!((status, failed), (0, Value::Null));
    let output = command.output().unwrap();
    assert!(text(&output).contains(r#""reason": "--offline""#), "{}", text(&output));
}

#[test]
fn the_credentials_of_a_profile_are_examined_in_place_of_those_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let keys = "[orders]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = K7MDENGbPxRfi\n";
    std::fs::write(&file, keys).unwrap();
    let command = |profile: &str| {
        let mut command = for_host(&usual(), HOST);
        command.args(["--offline", "--profile", profile]).env("AWS_SHARED_CREDENTIALS_FILE", &file);
        command
    };
    let output = command("orders").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(
        text(&output).contains("AKIDPROFILE") && !text(&output).contains("AKIDEXAMPLE"),
        "{}",
        text(&output)
    );
    let cause = "the AWS profile \"no_such_profile\" is neither in ";
    assert_fault(&mut command("no_such_profile"), 10, "credentials", cause, "correct the profile");
    let mut without_region = program();
    without_region.arg(format!("mysql://{USER}@db.example.com/orders?profile=no_such_profile"));
    without_region.arg("--offline").envs(SECRETS);
    assert_fault(&mut without_region, 10, "credentials", cause, "correct the profile");
}

#[test]
fn the_profile_of_the_target_is_used_without_an_option() {
    let folder = tempfile::tempdir().unwrap();
    let (file, config) = (folder.path().join("credentials"), folder.path().join("config"));
    let keys = |profile: &str, id: &str| {
        format!("[{profile}]\naws_access_key_id = {id}\naws_secret_access_key = K7MDENGbPxRfi\n")
    };
    std::fs::write(&file, keys("orders", "AKIDTARGET") + &keys("other", "AKIDOPTION")).unwrap();
    std::fs::write(&config, "[profile orders]\nregion = eu-west-2\n[profile other]\nregion = eu-west-3\n")
        .unwrap();
    for (arguments, id, region) in
        [(&[][..], "AKIDTARGET", "eu-west-2"), (&["--profile", "other"][..], "AKIDOPTION", "eu-west-3")]
    {
        let mut command = program();
        command
            .arg(format!("mysql://{USER}@db.example.com/orders?profile=orders"))
            .args(["--offline", "--json"])
            .args(arguments)
            .env("AWS_SHARED_CREDENTIALS_FILE", &file)
            .env("AWS_CONFIG_FILE", &config)
            .envs(SECRETS);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["target"]["region"], region, "{report}");
        assert_eq!(report["steps"][0]["detail"], id, "{report}");
    }
}

#[test]
fn an_end_of_the_keys_that_is_no_time_is_not_repeated() {
    // `run` checks that the secret is not printed.
    let not_text = OsString::from_vec(b"2999-01-01T00:00:00Z\xff".to_vec());
    for value in [OsString::from(SECRETS[1].1), not_text] {
        let mut command = for_host(&usual(), HOST);
        command.arg("--offline").env("AWS_CREDENTIAL_EXPIRATION", value);
        let cause = "AWS_CREDENTIAL_EXPIRATION is not a time";
        assert_fault(&mut command, 10, "credentials", cause, "correct the profile");
    }
}

#[test]
fn keys_of_the_environment_that_have_ended_are_found() {
    let mut command = for_host(&usual(), HOST);
    command.arg("--offline").env("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z");
    assert_fault(
        &mut command,
        10,
        "credentials",
        "the AWS credentials of AKIDEXAMPLE ended",
        "aws sso login",
    );
}

#[test]
fn a_password_in_the_target_is_refused_and_not_repeated() {
    let output = program().arg(format!("mysql://{USER}:hunter2@{HOST}/orders")).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output).contains("has a password"), "{}", text(&output));
    assert!(!text(&output).contains("hunter2"), "{}", text(&output));
}
