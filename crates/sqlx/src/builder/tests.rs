use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use sqlx::MySql;

use super::*;
use crate::{MySqlPool, PgBuilder, PgPool};

const HOST: &str = "orders.c0ffee.eu-west-1.rds.amazonaws.com";

fn keys() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "not-a-real-secret", None, None, "test")
}

fn builder(endpoint: &str) -> Builder<MySql> {
    MySqlPool::builder(endpoint, "node_app").credentials(keys())
}

/// Returns the names of the wrong settings, and the message.
fn refused(builder: Builder<MySql>) -> (Vec<&'static str>, String) {
    match builder.connect_lazy().unwrap_err() {
        error @ Error::Settings { .. } => {
            let text = error.to_string();
            let Error::Settings { errors } = error else { unreachable!() };
            (errors.iter().map(|error| error.setting).collect(), text)
        }
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_region_comes_from_the_host_or_is_given() {
    for (builder, region) in [
        (builder(HOST), "eu-west-1"),
        (builder(&format!("{HOST}.:3307")), "eu-west-1"),
        (builder(HOST).region("eu-west-1"), "eu-west-1"),
        (builder("db.example.com").region("eu-west-3"), "eu-west-3"),
        (builder("192.0.2.7").region("eu-west-3"), "eu-west-3"),
        (builder("[2001:db8::1]:3307").region("eu-west-3"), "eu-west-3"),
        (builder("2001:db8::1").region("eu-west-3"), "eu-west-3"),
        (builder("orders.global-c0ffee.global.rds.amazonaws.com").region("eu-west-1"), "eu-west-1"),
    ] {
        let pool = builder.connect_lazy().unwrap();
        assert_eq!(pool.tokens().login().region.as_str(), region);
        assert!(!pool.tokens().login().endpoint.host().to_string().ends_with('.'));
    }
}

#[tokio::test]
async fn each_wrong_setting_is_named_with_what_would_be_right() {
    for (builder, setting, says) in [
        (builder("db.example.com"), "region", "`region`"),
        (builder(HOST).region("eu-west-2"), "region", "the endpoint is in eu-west-1"),
        (builder(HOST).region("eu-west-1a"), "region", "an availability zone has a letter"),
        (builder(""), "endpoint", "empty"),
        (builder("mysql://app:hunter2@h"), "endpoint", "user"),
        (builder(&format!("{HOST}:0")), "endpoint", "1 to 65535"),
        (builder(HOST).dial("127.0.0.1:x"), "dial", "1 to 65535"),
        (builder(HOST).user(""), "user", "name the user"),
        (builder(HOST).database(""), "database", "name one"),
        (builder(HOST).database("shop\0x"), "database", "control character"),
        (builder(HOST).database("shop\nx"), "database", "control character"),
        (builder(HOST).max_connections(0), "max_connections", "choose 1 to 100000"),
        (builder(HOST).root_certificates("none"), "root_certificates", "no certificate"),
    ] {
        let (settings, text) = refused(builder);
        assert_eq!(settings, [setting], "{text}");
        assert!(text.contains(says), "{says}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let without_user = Builder::<MySql>::from_dsn("mysql://db.example.com").unwrap().credentials(keys());
    let (settings, text) = refused(without_user.limits(Limits::default().connects_per_second(0)));
    assert_eq!(settings, ["connects_per_second", "region", "user"], "{text}");
    assert!(text.contains("mysql://USER@HOST"), "{text}");
}

#[cfg(feature = "bundled-roots")]
#[test]
fn a_server_alone_needs_no_user_and_no_credentials() {
    let dsn = format!("mysql://{HOST}:3307/orders?dial=127.0.0.1:13306");
    let builder = Builder::<MySql>::from_dsn(&dsn).unwrap();
    let target = builder.target().unwrap();
    assert_eq!(target.endpoint().to_string(), format!("{HOST}:3307"));
    assert_eq!(target.dialled().to_string(), "127.0.0.1:13306");
    assert_eq!(target.database_name(), Some("orders"));
    assert!(target.roots_pem().starts_with(b"# "));
    let error = Builder::<MySql>::from_dsn("mysql://db.example.com").unwrap().target().unwrap_err();
    assert!(error.to_string().contains("region"), "{error}");
}

#[cfg(feature = "bundled-roots")]
#[tokio::test]
async fn china_and_govcloud_need_their_own_roots() {
    for host in [
        "orders.c0ffee.us-gov-west-1.rds.amazonaws.com",
        "orders.c0ffee.rds.cn-north-1.amazonaws.com.cn",
        "orders.c0ffee.cn-north-1.rds.amazonaws.com.cn",
    ] {
        let (settings, text) = refused(builder(host));
        assert_eq!(settings, ["root_certificates"], "{text}");
        assert!(text.contains("global-bundle.pem"), "{text}");
        let given = rds_iam_roots::Roots::bundled().pem();
        builder(host).root_certificates(given).connect_lazy().unwrap();
    }
    let late = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let clock = Clock::new(At(late), aws_smithy_async::rt::sleep::TokioSleep::new());
    let given = builder(HOST).clock(clock).root_certificates(rds_iam_roots::Roots::proxy().pem());
    assert!(refused(given).1.contains("expired"));
}

#[tokio::test]
async fn a_connection_string_of_the_other_engine_is_refused() {
    let dsn = |scheme: &str| format!("{scheme}://node_app@{HOST}/orders");
    for scheme in ["postgres", "postgresql"] {
        let (settings, text) = refused(Builder::<MySql>::from_dsn(&dsn(scheme)).unwrap().credentials(keys()));
        assert_eq!(settings, ["endpoint"], "{text}");
        assert!(text.contains(&format!("is for {scheme}, and the pool for MySQL")), "{text}");
        let pool: PgPool =
            Builder::from_dsn(&dsn(scheme)).unwrap().credentials(keys()).connect_lazy().unwrap();
        assert_eq!(pool.tokens().login().endpoint.port(), 5432);
    }
    let builder: PgBuilder = Builder::from_dsn(&dsn("mysql")).unwrap();
    let text = builder.credentials(keys()).connect_lazy().unwrap_err().to_string();
    assert!(text.contains("is for mysql, and the pool for PostgreSQL"), "{text}");
}

#[derive(Debug)]
struct At(std::time::SystemTime);

impl aws_smithy_async::time::TimeSource for At {
    fn now(&self) -> std::time::SystemTime {
        self.0
    }
}

#[tokio::test]
async fn tokens_of_another_login_are_refused() {
    let pool = builder(HOST).connect_lazy().unwrap();
    let tokens = pool.tokens().clone();
    let same = MySqlPool::builder(HOST, "node_app").tokens(tokens.clone()).connect_lazy().unwrap();
    assert_eq!(same.tokens().login(), pool.tokens().login());
    for other in [
        MySqlPool::builder(HOST, "other").tokens(tokens.clone()),
        MySqlPool::builder(format!("{HOST}:3307"), "node_app").tokens(tokens.clone()),
        builder(HOST).tokens(tokens.clone()),
        MySqlPool::builder(HOST, "node_app").tokens(tokens.clone()).sign_on_demand(),
    ] {
        let (settings, text) = refused(other);
        assert_eq!(settings, ["tokens"], "{text}");
    }
}

#[cfg(feature = "aws-config")]
#[tokio::test]
async fn a_role_is_checked_before_it_is_requested() {
    const ARN: &str = "arn:aws:iam::111122223333:role/orders-db";
    builder(HOST).assume_role(ARN).connect_lazy().unwrap();
    builder(HOST).assume_role("arn:aws:iam::111122223333:role/teams/a/orders-db").connect_lazy().unwrap();
    builder(HOST)
        .assume_role(AssumeRole::new(ARN).external_id("a:b/c").session_name("a.b"))
        .connect_lazy()
        .unwrap();
    for (role, says) in [
        (AssumeRole::new("orders-db"), "write arn:aws:iam::ACCOUNT:role/NAME"),
        (AssumeRole::new("arn:aws:iam::111122223333:user/jane"), "write arn:aws:iam::ACCOUNT:role/NAME"),
        (AssumeRole::new(format!("{ARN}\n")), "write arn:aws:iam::ACCOUNT:role/NAME"),
        (AssumeRole::new("arn:aws-cn:iam::111122223333:role/a"), "partition aws-cn"),
        (AssumeRole::new(ARN).session_name("a b"), "session name"),
        (AssumeRole::new(ARN).session_name("a"), "session name"),
        (AssumeRole::new(ARN).external_id("a id-that-is-confidential"), "external id"),
    ] {
        assert!(!format!("{role:?}").contains("confidential"));
        let (settings, text) = refused(builder(HOST).assume_role(role));
        assert_eq!(settings, ["assume_role"], "{text}");
        assert!(text.contains(says) && !text.contains("confidential"), "{text}");
    }
    let (settings, _) = refused(builder(HOST).profile("work"));
    assert_eq!(settings, ["profile"]);
    for profile in ["", " ", "work\0"] {
        let (settings, text) = refused(MySqlPool::builder(HOST, "node_app").profile(profile));
        assert_eq!(settings, ["profile"], "{text}");
    }
    MySqlPool::builder(HOST, "node_app").profile("work").connect_lazy().unwrap();
}

#[tokio::test]
async fn what_is_set_after_a_connection_string_takes_precedence() {
    let dsn = "host=orders.c0ffee.eu-west-1.rds.amazonaws.com user=ignored dbname=orders";
    let pool: MySqlPool =
        Builder::from_dsn(dsn).unwrap().user("node_app").credentials(keys()).connect_lazy().unwrap();
    assert_eq!(pool.tokens().login().user.as_str(), "node_app");
    assert_eq!(pool.tokens().login().endpoint.port(), 3306);
}

/// Texts that no setting, or not every one, may have.
#[tokio::test]
async fn hostile_settings_do_not_panic_or_forge_lines_of_a_log() {
    let long = "x".repeat(1 << 20);
    for text in ["", " ", "\0", "a\nb", "\u{1b}[31m", "\u{202e}", "é", "[", "::", "a:b:c", "h:99999", &long]
    {
        type Set = fn(Builder<MySql>, &str) -> Builder<MySql>;
        let setters: [(&str, Set); 6] = [
            ("endpoint", |_, text| builder(text)),
            ("user", |builder, text| builder.user(text)),
            ("database", |builder, text| builder.database(text)),
            ("region", |builder, text| builder.region(text)),
            ("dial", |builder, text| builder.dial(text)),
            ("root_certificates", |builder, text| builder.root_certificates(text)),
        ];
        for (setting, set) in setters {
            let short: String = text.chars().take(8).collect();
            match set(builder(HOST), text).connect_lazy() {
                Ok(_) => assert!(
                    matches!(setting, "user" | "database" | "endpoint" | "dial"),
                    "{setting} {short:?}"
                ),
                Err(error) => {
                    let error = error.to_string();
                    assert!(!error.chars().any(char::is_control), "{setting}: {error:?}");
                }
            }
        }
    }
}
