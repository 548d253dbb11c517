use std::time::{Duration, Instant};

use proptest::prelude::*;
use sqlx::MySql;

use super::*;
use crate::Builder;

fn parse(text: &str) -> Dsn {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> DsnError {
    text.parse::<Dsn>().expect_err(text)
}

const HOST: &str = "mydb-instance.cluster-xyz.us-east-1.rds.amazonaws.com";

#[test]
fn both_forms_are_read() {
    for text in [
        format!("mysql://myapp_user:$TOKEN@{HOST}:3306/myappdb?region=us-east-1"),
        format!("host={HOST} port=3306 user=myapp_user password=$TOKEN dbname=myappdb region=us-east-1"),
        format!(
            "  user = 'myapp_user'  host='{HOST}' port=3306 dbname='myappdb' region=us-east-1 password='<token>' "
        ),
    ] {
        let dsn = parse(&text);
        assert_eq!(dsn.user.unwrap().as_str(), "myapp_user");
        assert_eq!((dsn.host.to_string().as_str(), dsn.port), (HOST, Some(3306)));
        assert_eq!(dsn.database.as_deref(), Some("myappdb"));
        assert_eq!(dsn.region.unwrap().to_string(), "us-east-1");
        assert_eq!(dsn.password, Password::Placeholder);
    }
    let dsn = parse("mysql://app@db.example.com/?dial=127.0.0.1:3307");
    assert_eq!(dsn.dial.unwrap().to_string(), "127.0.0.1:3307");
    assert!(matches!(refused("mysql://app@db.example.com/?dial=127.0.0.1"), DsnError::Dial { .. }));
    let dsn = parse("MYSQL://app@db.example.com");
    assert_eq!((dsn.scheme, dsn.port, dsn.database), (Some("mysql"), None, None));
    for (text, scheme) in [
        (format!("postgresql://myapp_user:$TOKEN@{HOST}:5432/myappdb?sslmode=require"), "postgresql"),
        (format!("postgres://myapp_user@{HOST}:5432/myappdb?sslmode=verify-full"), "postgres"),
        (format!("PostgreSQL://myapp_user:<token>@{HOST}:5432/myappdb"), "postgresql"),
    ] {
        let dsn = parse(&text);
        assert_eq!(
            (dsn.scheme, dsn.port, dsn.database.as_deref()),
            (Some(scheme), Some(5432), Some("myappdb"))
        );
        assert_eq!((dsn.host.to_string().as_str(), dsn.user.unwrap().as_str()), (HOST, "myapp_user"));
    }
}

#[test]
fn the_user_info_ends_at_the_last_at_sign() {
    let token =
        "orders.c0ffee.eu-west-1.rds.amazonaws.com:3306/?Action=connect&DBUser=a@b&X-Amz-Signature=0f";
    let dsn = parse(&format!("mysql://node_app:{token}@{HOST}/orders"));
    assert_eq!(dsn.user.as_ref().unwrap().as_str(), "node_app");
    assert_eq!((dsn.host.to_string().as_str(), dsn.password), (HOST, Password::Dropped));
    assert!(!format!("{dsn:?}").contains("Signature"));
    assert_eq!(refused("mysql://node_app@db.example.com/a?profile=me@work"), DsnError::UserHasDelimiter);
    assert_eq!(
        parse("mysql://node_app@db.example.com/a?profile=me%40work").profile.as_deref(),
        Some("me@work")
    );
    assert_eq!(
        parse("mysql://jane.doe%40example.com@db.example.com").user.unwrap().as_str(),
        "jane.doe@example.com"
    );
}

#[test]
fn placeholders_pass_and_other_passwords_are_dropped() {
    for (password, expected) in [
        ("", Password::None),
        ("$TOKEN", Password::Placeholder),
        ("${DB_TOKEN}", Password::Placeholder),
        ("PLACEHOLDER", Password::Placeholder),
        ("token", Password::Placeholder),
        ("<token>", Password::Placeholder),
        ("hunter2", Password::Dropped),
        ("$hunter 2", Password::Dropped),
        ("p@ss/w?rd", Password::Dropped),
    ] {
        let dsn = parse(&format!("mysql://app:{password}@db.example.com/orders"));
        assert_eq!(dsn.password, expected, "{password}");
        assert!(!format!("{dsn:?}").contains("hunter2"));
    }
    assert_eq!(parse("host=h user=u password='hunter2 \\' x'").password, Password::Dropped);
}

#[test]
fn unencrypted_modes_are_refused_and_weaker_ones_raised() {
    for mode in ["disable", "allow", "prefer", "DISABLED", "PREFERRED"] {
        for text in [format!("mysql://a@h/?sslmode={mode}"), format!("host=h user=a sslmode={mode}")] {
            assert!(matches!(refused(&text), DsnError::Unencrypted { .. }), "{text}");
        }
    }
    for (mode, raised) in [
        ("require", Some("require")),
        ("VERIFY_CA", Some("verify_ca")),
        ("verify-full", None),
        ("VERIFY_IDENTITY", None),
    ] {
        assert_eq!(parse(&format!("mysql://a@h/?ssl-mode={mode}")).raised_from, raised, "{mode}");
    }
    assert_eq!(refused("mysql://a@h/?sslmode=no"), DsnError::UnknownMode { key: "sslmode" });
}

#[test]
fn hosts_of_all_forms_are_read() {
    for (address, host, port) in [
        ("db.example.com.", "db.example.com", None),
        ("db.example.com.:3307", "db.example.com", Some(3307)),
        ("[2001:db8::1]:3307", "[2001:db8::1]", Some(3307)),
        ("[2001:db8::1]", "[2001:db8::1]", None),
        ("192.0.2.1", "192.0.2.1", None),
    ] {
        let dsn = parse(&format!("mysql://a@{address}/x"));
        assert_eq!(
            (dsn.port, format!("{}", dsn.host)),
            (port, parse(&format!("mysql://a@{host}")).host.to_string())
        );
    }
    for text in ["mysql://a@", "mysql://a@/x", "host='' user=a", "user=a"] {
        assert!(matches!(refused(text), DsnError::NoHost { .. }), "{text}");
    }
    for text in
        ["mysql://a@h:0", "mysql://a@h:x", "mysql://a@h1,h2/x", "mysql://a@h i/x", "host=/tmp/s user=a"]
    {
        assert_eq!(refused(text), DsnError::Host, "{text}");
    }
}

#[test]
fn what_can_t_be_used_is_named() {
    assert_eq!(refused(" "), DsnError::Empty);
    assert_eq!(refused("redis://a@h"), DsnError::UnknownScheme);
    assert_eq!(refused("postgresqlx://a@h"), DsnError::UnknownScheme);
    for scheme in ["mysql", "postgresql"] {
        let DsnError::NoHost { example } = refused(&format!("{scheme}://a@/d")) else { panic!("{scheme}") };
        assert!(example.starts_with(&format!("{scheme}://")), "{example}");
    }
    assert!(matches!(
        refused("postgres://a@h/d?options=-c%20work_mem%3D1"),
        DsnError::Unsupported { key: "options", .. }
    ));
    assert!(matches!(
        refused("host=h user=a target_session_attrs=read-write"),
        DsnError::Unsupported { key: "target_session_attrs", .. }
    ));
    assert_eq!(refused("app:hunter2@tcp(h:3306)/orders?tls=true"), DsnError::GoForm);
    assert_eq!(refused("mysql://a@h/?charset=utf8"), DsnError::UnknownKey { key: "charset".into() });
    assert_eq!(refused("host=h user=a host=i"), DsnError::Repeated { key: "host" });
    assert_eq!(
        refused("mysql://a@h/?region=eu-west-1&region=eu-west-1"),
        DsnError::Repeated { key: "region" }
    );
    assert_eq!(
        refused("mysql://a@h/?sslmode=require&ssl-mode=require"),
        DsnError::Repeated { key: "ssl-mode" }
    );
    assert!(matches!(refused("mysql://a@h/?ssl-key=k"), DsnError::Unsupported { key: "ssl-key", .. }));
    assert!(matches!(refused("mysql://a@h/?sslrootcert=system"), DsnError::Unsupported { .. }));
    assert!(matches!(refused("mysql://a@h/?region=eu"), DsnError::Region { .. }));
    for time in ["", "0", "-1", "+5", "1.5", "30s", "2592001", "99999999999999999999"] {
        let text = format!("postgres://a@h/?connect_timeout={}", time.replace('+', "%2B"));
        assert_eq!(refused(&text), DsnError::ConnectTimeout, "{time}");
    }
    for text in ["postgres://a@h/?connect_timeout=30", "host=h user=a connect_timeout=30"] {
        assert_eq!(parse(text).connect_timeout, Some(Duration::from_secs(30)), "{text}");
    }
    assert_eq!(refused("mysql://a%00@h/"), DsnError::NotText { part: "user" });
    for (parameter, part) in [("dbname", "database"), ("profile", "profile"), ("sslrootcert", "sslrootcert")]
    {
        assert_eq!(refused(&format!("host=h user=a {parameter}='a\0b'")), DsnError::NotText { part });
    }
    assert_eq!(refused("mysql://a@h/a%00b"), DsnError::NotText { part: "database" });
    assert_eq!(refused("mysql://a@h/?profile=a%00b"), DsnError::NotText { part: "profile" });
    assert_eq!(refused("mysql://a@h/%ff"), DsnError::NotText { part: "database" });
    assert_eq!(refused("host=h nothing user=a"), DsnError::NoEquals { position: 2 });
    assert_eq!(refused("host=h user='a"), DsnError::OpenQuote { position: 2 });
}

#[test]
fn all_that_is_wrong_is_reported_at_once() {
    let error = refused(
        "postgres://app@h/a%00b?charset=x&options=-c%20work_mem%3D1&connect_timeout=5s&region=eu&sslmode=disable&loc=y",
    );
    let text = error.to_string();
    for part in [
        "unknown parameter \"charset\"",
        "options can't be used",
        "connect_timeout is invalid",
        "region is invalid",
        "sslmode=disable permits",
        "parameter 6 after the ? is unknown",
        "the database of the connection string is not printable",
    ] {
        assert_eq!(text.matches(part).count(), 1, "{part}: {text}");
    }
    let DsnError::Several { errors } =
        refused("host=h port=x user=a connect_timeout=5s dbs=b loc=c hostaddr=d")
    else {
        panic!("several parts are wrong");
    };
    assert!(
        matches!(
            &*errors,
            [
                DsnError::UnknownKey { .. },
                DsnError::UnknownWord { position: 6 },
                DsnError::Unsupported { key: "hostaddr", .. },
                DsnError::Host,
                DsnError::ConnectTimeout,
            ]
        ),
        "{errors:?}"
    );
}

#[test]
fn no_error_repeats_a_password() {
    for text in [
        "mysql://app:hunter2",
        "mysql://app:hunter2/orders",
        "mysql://hunter2@db.example.com:x",
        "mysql://app:hunter2@db.example.com:3306:hunter2",
        "mysql://app:hunter2@/orders",
        "mysql://app:hunter2@[h/orders",
        "mysql://app:hunter2@h/?sslmode=disable",
        "mysql://app/hunter2:x@h@h",
        "mysql://app%00hunter2@h/",
        "postgres://app:hunter2@h/?sslmode=disable",
        "postgresql://app:hunter2@/orders",
        "postgresql://app:hunter2",
        "oracle://app:hunter2@h/",
        "app:hunter2@tcp(h:3306)/orders",
        "app:hunter2@h/orders",
        "host= password=hunter2 user=a",
        "host=h password=a hunter2=b user=a",
        "host=h password=a hunter2 user=a",
        "host=h user=a password='hunter2",
        "host=h port=hunter2 user=a",
        "password=hunter2",
        "host=h user=a pasword=a hunter2=b",
        "mysql://app@h/?pass=a&hunter2=b",
        "mysql://app:p?sslmode=disable&hunter2=b",
        "hunter2",
    ] {
        let error = refused(text);
        let all = format!("{error} {error:?}");
        assert!(!all.contains("hunter2"), "{text}: {all}");
    }
}

#[test]
fn long_strings_are_read_quickly() {
    let long = |text: &str| text.repeat((1 << 20) / text.len());
    for text in [
        long("a"),
        long("@"),
        long("%"),
        long("a=b "),
        long("='\\"),
        format!("host=h user={}", long("a ")),
        format!("mysql://{}", long(":@")),
        format!("mysql://a@{}", long("[:")),
        format!("mysql://a@h/{}", long("%41")),
        format!("mysql://a@h/?{}", long("&")),
        format!("mysql://a@h/?{}", long("a=b&")),
        format!("mysql://a@h/?region={}", long("x")),
    ] {
        let started = Instant::now();
        drop(text.parse::<Dsn>());
        assert!(started.elapsed() < Duration::from_secs(5), "{text:.40}: {:?}", started.elapsed());
    }
}

/// 20,480 cases by default, for these are fast.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: 80 * default.cases, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_text_makes_it_panic(text in "(mysql://|postgres://|host=h )?[a@:/?&=%'\\\\ \\[\\].é\u{0}0-9]{0,40}") {
        if let Ok(dsn) = text.parse::<Dsn>() {
            drop(format!("{dsn:?} {:?}", Builder::<MySql>::from(dsn.clone())));
        }
    }

    /// Its parts, in any order, are no names of a user, a host or a database.
    #[test]
    fn nothing_shows_a_password(
        before in "[a-z@:/?&=%# '\\\\\\[]{0,8}",
        after in "[a-z@:/?&=%# '\\\\\\]]{0,8}",
        form in 0..5_usize,
        tail in "(/db)?(\\?(sslmode|region|profile|x)?(=[a-z-]{0,9})?)?",
    ) {
        let password = format!("{before}Hunter+2{after}");
        let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
        let text = match form {
            0 => format!("mysql://app:{password}@db.example.com{tail}"),
            1 => format!("mysql://:{password}@db.example.com:1{tail}"),
            2 => format!("MySQL://app:{password}@{tail}"),
            3 => format!("host=h user=app password='{quoted}' x=y"),
            _ => format!("user=app password='{quoted}' host=h"),
        };
        let shown = match text.parse::<Dsn>() {
            Ok(dsn) => format!("{dsn:?} {:?}", Builder::<MySql>::from(dsn.clone())),
            Err(error) => format!("{error} {error:?} {}", rds_iam_token::ErrorReport(&error)),
        };
        prop_assert!(!shown.contains("Hunter"), "{text}: {shown}");
    }
}
