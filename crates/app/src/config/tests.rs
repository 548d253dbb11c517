//! Tests of the settings: sources, precedence and errors.

use super::*;

use std::time::Duration;

use rds_iam_token::ServerCode;

/// Returns a time at which the bundled trust roots are fresh.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

const GOOD: [(&str, &str); 4] = [
    ("RDS_IAM_DB_ENDPOINT", "orders.c0ffee.eu-west-1.rds.amazonaws.com"),
    ("RDS_IAM_DB_NAME", "node_db"),
    ("RDS_IAM_DB_USER", "node_app"),
    ("AWS_REGION", "eu-west-1"),
];

async fn load(variables: &[(&str, &str)], file: Option<&Path>) -> Result<Config, ConfigError> {
    Config::load(&variables.iter().copied().collect(), file, now()).await
}

/// Loads `GOOD` with some variables added or replaced.
async fn with(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables: Vec<_> = GOOD.into_iter().chain(changes.iter().copied()).collect();
    load(&variables, None).await
}

async fn setting_error(changes: &[(&str, &str)]) -> String {
    let error = with(changes).await.unwrap_err();
    let [error] = error.errors() else { panic!("expected one error: {error}") };
    error.to_string()
}

fn conf(folder: &tempfile::TempDir, more: &str) -> PathBuf {
    let path = folder.path().join("rds.conf");
    let text = format!(
        r#"RDS_ENDPOINT="orders.c0ffee.eu-west-1.rds.amazonaws.com"
RDS_PORT="3307"
REGION="eu-west-1"
MASTER_SECRET_NAME="orders/master"
DB_NAME="node_db"
IAM_ADMIN_USER="iam_admin"
{more}"#
    );
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn the_environment_alone() {
    let config = load(&GOOD, None).await.unwrap();
    assert_eq!(config.login.endpoint.to_string(), "orders.c0ffee.eu-west-1.rds.amazonaws.com:3306");
    assert_eq!(config.dial, config.login.endpoint);
    assert_eq!(config.listen.to_string(), "0.0.0.0:3000");
    assert_eq!(config.management.to_string(), "0.0.0.0:3001");
    assert_eq!((config.pool_max, config.log_filter.as_str()), (DEFAULT_POOL_MAX, DEFAULT_LOG_FILTER));
    assert_eq!(config.roots, Roots::bundled().pem());
    assert_eq!(config.warnings, Vec::<String>::new());
    let origins: Vec<_> = config.origins.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(origins.join("\n"), @r"
    engine mysql from the default
    endpoint orders.c0ffee.eu-west-1.rds.amazonaws.com from RDS_IAM_DB_ENDPOINT
    port 3306 from the default
    database name node_db from RDS_IAM_DB_NAME
    database user node_app from RDS_IAM_DB_USER
    region eu-west-1 from AWS_REGION
    ");
}

#[tokio::test]
async fn other_settings_of_the_environment() {
    let config = with(&[
        ("RDS_IAM_DB_PORT", "3307"),
        ("RDS_IAM_DIAL", "localhost:13306"),
        ("RDS_IAM_POOL_MAX", "4"),
        ("PORT", "0"),
        ("RDS_IAM_BIND", "::1"),
        ("RDS_IAM_LOG", "json"),
        ("RUST_LOG", "rds_iam_sqlx=debug,warn"),
    ])
    .await
    .unwrap();
    assert_eq!((config.login.endpoint.port(), config.pool_max), (3307, 4));
    assert_eq!(config.dial.to_string(), "localhost:13306");
    assert_eq!(config.listen.to_string(), "[::1]:0");
    assert_eq!(config.management.to_string(), "[::1]:0");
    assert_eq!((config.log, config.log_filter.as_str()), (LogFormat::Json, "rds_iam_sqlx=debug,warn"));
}

#[tokio::test]
async fn a_file_gives_all_but_the_user() {
    let folder = tempfile::tempdir().unwrap();
    let file = conf(&folder, "RDS_DIAL=\"localhost:13306\"\nRDS_RESOURCE_ID=\"prx-0a1b2c3d4e5f67890\"\n");
    let config = load(&[("RDS_IAM_DB_USER", "node_app")], Some(&file)).await.unwrap();
    assert_eq!(config.login.endpoint.port(), 3307);
    assert_eq!(config.dial.to_string(), "localhost:13306");
    let permit = config.permit().for_code(Some(ServerCode::MySql(1045))).unwrap();
    assert!(permit.contains("dbuser:prx-0a1b2c3d4e5f67890/node_app"), "{permit}");
    let origins: Vec<_> = config.origins.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(origins.join("\n").replace(&*folder.path().to_string_lossy(), ""), @r"
    engine mysql from ENGINE or its default in /rds.conf
    endpoint orders.c0ffee.eu-west-1.rds.amazonaws.com from RDS_ENDPOINT in /rds.conf
    port 3307 from RDS_ENDPOINT or RDS_PORT in /rds.conf
    database name node_db from DB_NAME in /rds.conf
    database user node_app from RDS_IAM_DB_USER
    region eu-west-1 from REGION in /rds.conf
    ");

    let error = load(&[], Some(&file)).await.unwrap_err();
    insta::assert_snapshot!(error, @r"
    the configuration has a problem:
    - database user (not set): set RDS_IAM_DB_USER, or set RDS_IAM_SSM_PREFIX to read <prefix>/username
    ");
}

#[tokio::test]
async fn the_engine_decides_the_port_and_the_length_of_the_database_s_name() {
    for name in ["postgresql", "postgres"] {
        let config = with(&[("RDS_IAM_ENGINE", name)]).await.unwrap();
        assert_eq!((config.engine, config.login.endpoint.port()), (Engine::Postgres, 5432));
        assert_eq!(config.origins[0].to_string(), "engine postgresql from RDS_IAM_ENGINE");
    }
    let (engine, longest) = (("RDS_IAM_ENGINE", "postgresql"), "d".repeat(64));
    let other_port = with(&[engine, ("RDS_IAM_DB_PORT", "6432")]).await.unwrap();
    assert_eq!(other_port.login.endpoint.port(), 6432);
    assert!(with(&[("RDS_IAM_DB_NAME", &longest)]).await.is_ok());
    insta::assert_snapshot!(setting_error(&[engine, ("RDS_IAM_DB_NAME", &longest)]).await, @"database name (RDS_IAM_DB_NAME): not a database name of PostgreSQL: at most 63 bytes (a character outside ASCII has several)");
    insta::assert_snapshot!(setting_error(&[("RDS_IAM_ENGINE", "oracle")]).await, @r#"engine (RDS_IAM_ENGINE): "oracle" is not a supported engine: expected mysql or postgresql"#);
}

#[tokio::test]
async fn the_engine_of_a_file_is_compared_by_meaning() {
    let folder = tempfile::tempdir().unwrap();
    let file = conf(&folder, "ENGINE=\"postgresql\"\n");
    let user = ("RDS_IAM_DB_USER", "node_app");
    let config = load(&[user, ("RDS_IAM_ENGINE", "postgres")], Some(&file)).await.unwrap();
    assert_eq!((config.engine, config.warnings.as_slice()), (Engine::Postgres, &[][..]));
    let config = load(&[user, ("RDS_IAM_ENGINE", "mysql")], Some(&file)).await.unwrap();
    assert_eq!(config.engine, Engine::MySql);
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    let warning = warning.replace(&*folder.path().to_string_lossy(), "");
    insta::assert_snapshot!(warning, @"engine comes from RDS_IAM_ENGINE; ENGINE or its default in /rds.conf differs, and is not used");
}

#[tokio::test]
async fn the_environment_wins_and_the_difference_shows() {
    let folder = tempfile::tempdir().unwrap();
    let file = conf(&folder, "");
    let config =
        load(&[("RDS_IAM_DB_USER", "node_app"), ("RDS_IAM_DB_NAME", "other")], Some(&file)).await.unwrap();
    assert_eq!(config.database.as_str(), "other");
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    let warning = warning.replace(&*folder.path().to_string_lossy(), "");
    insta::assert_snapshot!(warning, @"database name comes from RDS_IAM_DB_NAME; DB_NAME in /rds.conf differs, and is not used");
}

#[test]
fn parameters_come_last() {
    let found = [
        ("engine", "postgresql"),
        ("endpoint", "db.example.com:3307"),
        ("dbname", "node_db"),
        ("region", "eu-west-1"),
    ];
    let found = found.map(|(name, value)| (format!("/dev/database/{name}"), value.to_owned()));
    let environment: Environment = [("AWS_REGION", "eu-west-1")].into_iter().collect();
    let layers = vec![
        Layer::from_environment(&environment),
        Layer::from_parameters("/dev/database", &found.into_iter().collect()),
    ];
    let error = Config::check(&environment, None, layers.clone(), Default::default(), now()).unwrap_err();
    insta::assert_snapshot!(error, @r"
    the configuration has a problem:
    - database user (not set): set RDS_IAM_DB_USER, or create the parameter /dev/database/username
    ");

    let environment: Environment =
        [("AWS_REGION", "eu-west-1"), ("RDS_IAM_DB_USER", "node_app")].into_iter().collect();
    let layers = vec![Layer::from_environment(&environment), layers[1].clone()];
    let config = Config::check(&environment, None, layers, Default::default(), now()).unwrap();
    assert_eq!(config.login.endpoint.to_string(), "db.example.com:3307");
    assert_eq!(config.engine, Engine::Postgres);
    let origins: Vec<_> = config.origins.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(origins.join("\n"), @r"
    engine postgresql from parameter /dev/database/engine
    endpoint db.example.com from parameter /dev/database/endpoint
    port 3307 from parameter /dev/database/endpoint
    database name node_db from parameter /dev/database/dbname
    database user node_app from RDS_IAM_DB_USER
    region eu-west-1 from AWS_REGION
    ");
}

#[tokio::test]
async fn nothing_at_all() {
    insta::assert_snapshot!(load(&[], None).await.unwrap_err(), @r"
    the configuration has 4 problems:
    - endpoint (not set): set RDS_IAM_DB_ENDPOINT, or name an rds.conf with RDS_ENDPOINT by --config, or set RDS_IAM_SSM_PREFIX to read <prefix>/endpoint
    - database name (not set): set RDS_IAM_DB_NAME, or name an rds.conf with DB_NAME by --config, or set RDS_IAM_SSM_PREFIX to read <prefix>/dbname
    - database user (not set): set RDS_IAM_DB_USER, or set RDS_IAM_SSM_PREFIX to read <prefix>/username
    - region (not set): set AWS_REGION, or name an rds.conf with REGION by --config, or set RDS_IAM_SSM_PREFIX to read <prefix>/region
    ");
}

#[tokio::test]
async fn everything_that_is_wrong_is_listed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("empty.pem");
    std::fs::write(&bundle, "nothing\n").unwrap();
    let error = load(
        &[
            ("RDS_IAM_ENGINE", "aurora-postgresql"),
            ("RDS_IAM_DB_ENDPOINT", "mysql://root:hunter2@db.example.com:3306/node_db"),
            ("RDS_IAM_DB_PORT", "70000"),
            ("RDS_IAM_DB_NAME", ""),
            ("RDS_IAM_DB_USER", "node\0app"),
            ("AWS_REGION", "eu-west-1a"),
            ("RDS_IAM_DIAL", "localhost"),
            ("RDS_IAM_CA_BUNDLE", bundle.to_str().unwrap()),
            ("RDS_IAM_POOL_MAX", "0"),
            ("PORT", "http"),
            ("RDS_IAM_MANAGEMENT_PORT", "65536"),
            ("RDS_IAM_BIND", "localhost"),
            ("RDS_IAM_LOG", "xml"),
            ("RUST_LOG", "a=b=c"),
        ],
        Some(Path::new("missing.conf")),
    )
    .await
    .unwrap_err();
    let text = error.to_string().replace(&*folder.path().to_string_lossy(), "");
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!(text, @r#"
    the configuration has 15 problems:
    - RDS_IAM_DB_NAME (environment): it is set but empty: give it a value, or unset it
    - --config (missing.conf): cannot read missing.conf; it must be a UTF-8 text file that this program may read: No such file or directory (os error 2)
    - engine (RDS_IAM_ENGINE): "aurora-postgresql" is not a supported engine: expected mysql or postgresql. Aurora is a kind of deployment, not an engine: write mysql for Aurora MySQL and postgresql for Aurora PostgreSQL
    - port (RDS_IAM_DB_PORT): it is not a port: write a number from 1 to 65535
    - endpoint (RDS_IAM_DB_ENDPOINT): endpoint has a user name before an @ sign: give only host:port
    - database user (RDS_IAM_DB_USER): database user "node\0app" has a control character in it
    - region (AWS_REGION): "eu-west-1a" is not a region: expected a name such as eu-west-1 (an availability zone has a letter at its end, a region has not)
    - RDS_IAM_DIAL (environment): endpoint "localhost" has no port: give it as host:port (IPv6 as [address]:port)
    - RDS_IAM_CA_BUNDLE (environment): cannot use the trust roots in /empty.pem: it contains no certificate; expected PEM text with one `-----BEGIN CERTIFICATE-----` block per root
    - RDS_IAM_POOL_MAX (environment): it is not a number of connections: write a number from 1 to 1000
    - PORT (environment): it is not a port: write a number from 0 (any free port) to 65535
    - RDS_IAM_MANAGEMENT_PORT (environment): it is not a port: write a number from 0 (any free port) to 65535
    - RDS_IAM_BIND (environment): it is not an IP address: write one, such as 0.0.0.0, 127.0.0.1 or ::
    - RDS_IAM_LOG (environment): write json or human
    - RUST_LOG (environment): error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5; write info, or target=level pairs with commas between
    "#);
}

#[tokio::test]
async fn what_an_unreadable_file_may_hold_is_not_missed() {
    insta::assert_snapshot!(load(&[], Some(Path::new("missing.conf"))).await.unwrap_err(), @r"
    the configuration has 2 problems:
    - --config (missing.conf): cannot read missing.conf; it must be a UTF-8 text file that this program may read: No such file or directory (os error 2)
    - database user (not set): set RDS_IAM_DB_USER, or set RDS_IAM_SSM_PREFIX to read <prefix>/username
    ");
}

#[tokio::test]
async fn an_endpoint_may_have_its_port() {
    let config = with(&[("RDS_IAM_DB_ENDPOINT", "db.example.com:3307")]).await.unwrap();
    assert_eq!(config.login.endpoint.to_string(), "db.example.com:3307");
    let twice = [("RDS_IAM_DB_ENDPOINT", "db.example.com:3307"), ("RDS_IAM_DB_PORT", "3307")];
    assert_eq!(with(&twice).await.unwrap().login.endpoint.port(), 3307);
    let clash = [("RDS_IAM_DB_ENDPOINT", "db.example.com:3307"), ("RDS_IAM_DB_PORT", "3306")];
    insta::assert_snapshot!(setting_error(&clash).await, @"endpoint (RDS_IAM_DB_ENDPOINT): it has port 3307, but RDS_IAM_DB_PORT says 3306: remove one");
    insta::assert_snapshot!(setting_error(&[("RDS_IAM_DB_ENDPOINT", "db.example.com:x")]).await, @r#"endpoint (RDS_IAM_DB_ENDPOINT): endpoint port "x" is not a number from 1 to 65535"#);
    insta::assert_snapshot!(setting_error(&[("RDS_IAM_DB_ENDPOINT", "db example")]).await, @r#"endpoint (RDS_IAM_DB_ENDPOINT): endpoint host "db example" is neither a DNS name nor an IP address"#);
}

#[tokio::test]
async fn a_region_that_the_endpoint_contradicts() {
    insta::assert_snapshot!(setting_error(&[("AWS_REGION", "us-east-1")]).await, @"region (AWS_REGION): it is us-east-1, but the endpoint is in eu-west-1: set it to eu-west-1");
    let china = [("RDS_IAM_DB_ENDPOINT", "orders.c0ffee.rds.cn-north-1.amazonaws.com.cn")];
    insta::assert_snapshot!(setting_error(&china).await, @"region (AWS_REGION): it is eu-west-1, but the endpoint is in cn-north-1: set it to cn-north-1");
    // The writer endpoint of a global database is in the region that currently writes.
    let global = [("RDS_IAM_DB_ENDPOINT", "orders.global-c0ffee123456.global.rds.amazonaws.com")];
    assert_eq!(with(&global).await.unwrap().login.region.as_str(), "eu-west-1");
}

#[tokio::test]
async fn a_region_whose_servers_can_t_be_verified() {
    let china = [
        ("RDS_IAM_DB_ENDPOINT", "orders.c0ffee.rds.cn-north-1.amazonaws.com.cn"),
        ("AWS_REGION", "cn-north-1"),
    ];
    insta::assert_snapshot!(setting_error(&china).await, @"RDS_IAM_CA_BUNDLE (default): no trust root for database servers in cn-north-1 is bundled; download https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/global/global-bundle.pem, and set the CA bundle to that file");
    // A wrong region is the only error, not the trust roots that it would need.
    insta::assert_snapshot!(setting_error(&[("AWS_REGION", "cn-north-1")]).await, @"region (AWS_REGION): it is cn-north-1, but the endpoint is in eu-west-1: set it to eu-west-1");
    // Amazon Trust Services signs for the proxies of all regions.
    let proxy = [
        ("RDS_IAM_DB_ENDPOINT", "orders.proxy-c0ffee.ap-southeast-5.rds.amazonaws.com"),
        ("AWS_REGION", "ap-southeast-5"),
    ];
    assert!(with(&proxy).await.is_ok());
}

#[tokio::test]
async fn the_port_for_machines_is_another_one() {
    let config = with(&[("PORT", "8080"), ("RDS_IAM_MANAGEMENT_PORT", "9090")]).await.unwrap();
    assert_eq!((config.listen.port(), config.management.port()), (8080, 9090));
    let free = with(&[("PORT", "0"), ("RDS_IAM_MANAGEMENT_PORT", "0")]).await.unwrap();
    assert_eq!((free.listen.port(), free.management.port()), (0, 0));
    let same = [("PORT", "8080"), ("RDS_IAM_MANAGEMENT_PORT", "8080")];
    insta::assert_snapshot!(setting_error(&same).await, @"RDS_IAM_MANAGEMENT_PORT (environment): it is 8080, which is PORT as well: set one of the two to another port");
    insta::assert_snapshot!(setting_error(&[("PORT", "3001")]).await, @"RDS_IAM_MANAGEMENT_PORT (default): it is 3001, which is PORT as well: set one of the two to another port");
    insta::assert_snapshot!(setting_error(&[("RDS_IAM_MANAGEMENT_PORT", "3000")]).await, @"RDS_IAM_MANAGEMENT_PORT (environment): it is 3000, which is PORT as well: set one of the two to another port");
    insta::assert_snapshot!(setting_error(&[("PORT", "http"), ("RDS_IAM_MANAGEMENT_PORT", "3000")]).await, @"PORT (environment): it is not a port: write a number from 0 (any free port) to 65535");
    insta::assert_snapshot!(setting_error(&[("PORT", "3001"), ("RDS_IAM_MANAGEMENT_PORT", "http")]).await, @"RDS_IAM_MANAGEMENT_PORT (environment): it is not a port: write a number from 0 (any free port) to 65535");
    insta::assert_snapshot!(setting_error(&[("PORT", ""), ("RDS_IAM_MANAGEMENT_PORT", "3000")]).await, @"PORT (environment): it is set but empty: give it a value, or unset it");
}

/// The file and the environment each have a setting of the bundle; an error names the one in use.
#[tokio::test]
async fn a_bundle_that_cannot_be_read_is_blamed_on_its_own_setting() {
    let folder = tempfile::tempdir().unwrap();
    let file = conf(&folder, "RDS_CA_BUNDLE=\"/none/of-file.pem\"\n");
    let user = ("RDS_IAM_DB_USER", "node_app");
    let refused = async |variables: &[(&str, &str)]| {
        let error = load(variables, Some(&file)).await.unwrap_err().to_string();
        error.replace(&*folder.path().to_string_lossy(), "")
    };
    insta::assert_snapshot!(refused(&[user]).await, @"
    the configuration has a problem:
    - RDS_CA_BUNDLE (/rds.conf): cannot read the trust roots in /none/of-file.pem; the CA bundle must be a PEM file that this program can read: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(refused(&[user, ("RDS_IAM_CA_BUNDLE", "/none/of-variable.pem")]).await, @"
    the configuration has a problem:
    - RDS_IAM_CA_BUNDLE (environment): cannot read the trust roots in /none/of-variable.pem; the CA bundle must be a PEM file that this program can read: No such file or directory (os error 2)
    ");
}

#[tokio::test]
async fn a_prefix_that_is_none() {
    let variables = [("RDS_IAM_SSM_PREFIX", "dev/database/"), ("RDS_IAM_DB_NAME", "node_db")];
    let error = load(&variables, None).await.unwrap_err();
    insta::assert_snapshot!(error.errors()[0], @"RDS_IAM_SSM_PREFIX (environment): it is not a prefix of parameter names: write one such as /dev/database, without a / at the end");
}

/// Parameter Store is not read with a region that is wrong, missing or unknown, which is an error by its own name.
#[tokio::test]
async fn a_wrong_region_is_not_blamed_on_parameter_store() {
    let prefix = ("RDS_IAM_SSM_PREFIX", "/dev/database");
    let refused = async |region: &str| load(&[prefix, ("AWS_REGION", region)], None).await.unwrap_err();
    insta::assert_snapshot!(refused("eu-west-1a").await, @r#"
    the configuration has a problem:
    - region (AWS_REGION): "eu-west-1a" is not a region: expected a name such as eu-west-1 (an availability zone has a letter at its end, a region has not)
    "#);
    insta::assert_snapshot!(refused("").await, @"
    the configuration has a problem:
    - AWS_REGION (environment): it is set but empty: give it a value, or unset it
    ");
    insta::assert_snapshot!(load(&[prefix], Some(Path::new("missing.conf"))).await.unwrap_err(), @"
    the configuration has a problem:
    - --config (missing.conf): cannot read missing.conf; it must be a UTF-8 text file that this program may read: No such file or directory (os error 2)
    ");
}

#[tokio::test]
async fn the_permit_is_of_the_engine() {
    let permit = with(&[("RDS_IAM_ENGINE", "postgresql")]).await.unwrap().permit();
    let help = permit.for_code(ServerCode::from_sqlstate("28000")).unwrap();
    assert!(help.contains("\nGRANT rds_iam TO \"node_app\";\n"), "{help}");
}
