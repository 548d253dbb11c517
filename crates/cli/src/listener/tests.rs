//! The text of arguments and of the gateway's file, and what is wrong in it.

use super::*;

const ORDERS: &str = "mysql://app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders";

#[test]
fn an_argument_is_a_connection_string_with_or_without_an_address() {
    let listen = |text: &str| Entry::from_argument(text).map(|entry| (entry.listen, entry.url));
    assert_eq!(listen(ORDERS).unwrap(), ("3306".into(), ORDERS.into()));
    assert_eq!(listen(&format!("3307={ORDERS}")).unwrap(), ("3307".into(), ORDERS.into()));
    assert_eq!(listen(&format!("/run/o.sock={ORDERS}")).unwrap(), ("/run/o.sock".into(), ORDERS.into()));
    let with_parameter = "postgres://app@h/db?region=eu-west-1";
    assert_eq!(listen(with_parameter).unwrap(), ("5432".into(), with_parameter.into()));
    for wrong in ["orders", "3306=orders", "redis://h", ""] {
        assert!(listen(wrong).is_err(), "{wrong}");
    }
    let nowhere = Entry::from_argument(&format!("app:hunter2={ORDERS}")).unwrap();
    let error = nowhere.address().unwrap_err();
    assert!(error.is::<Usage>() && !error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn the_file_of_the_readme_is_accepted() {
    let readme = include_str!("../../README.md");
    let block = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    fs::write(&path, block).unwrap();
    let entries = read(&path).unwrap();
    let limits = entries["pay"].limits(&LimitOptions::default()).unwrap();
    assert_eq!((limits.sessions, limits.logins_per_second), (100, 20));
    assert_eq!(limits.idle, Some(Duration::from_secs(3600)));
    let orders = Database::parse(&entries["orders"].url).unwrap();
    assert_eq!((orders.engine, orders.dsn.database.as_deref()), (Engine::MySql, Some("orders")));
}

#[test]
fn a_password_is_refused_and_not_repeated() {
    let error = Database::parse("mysql://app:hunter2@orders/db").err().unwrap().to_string();
    assert!(error.contains("has a password") && !error.contains("hunter2"), "{error}");
    for text in ["app:hunter2@orders/db", "mysql//app:hunter2@orders", "host=orders password=hunter2"] {
        for error in [Database::find(text, None).err(), Database::parse(text).err()] {
            let error = error.unwrap();
            assert!(error.is::<Usage>() && !error.to_string().contains("hunter2"), "{error}");
        }
        let error = Entry::from_argument(text).err().unwrap().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_name_is_that_of_an_entry() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    fs::write(&path, format!("[orders]\nurl = \"{ORDERS}\"\nlisten = \"3306\"\n")).unwrap();
    assert_eq!(Database::find("orders", Some(&path)).unwrap().user().unwrap().as_str(), "app");
    let error = Database::find("pay", Some(&path)).err().unwrap();
    assert!(error.is::<Usage>() && error.to_string().ends_with("which has: orders"), "{error}");
    fs::write(&path, "").unwrap();
    let error = Database::find("pay", Some(&path)).err().unwrap();
    assert!(error.is::<Usage>() && error.to_string().ends_with("which has no listener"), "{error}");
}

#[test]
fn an_entry_s_own_limits_win_over_the_options() {
    let options = LimitOptions {
        max_sessions: NonZero::new(3),
        logins_per_second: NonZero::new(4),
        idle: NonZero::new(60),
    };
    let mut entry = Entry::from_argument(ORDERS).unwrap();
    let limits = |entry: &Entry| {
        let limits = entry.limits(&options).unwrap();
        (limits.sessions, limits.logins_per_second, limits.idle.map(|idle| idle.as_secs()))
    };
    assert_eq!(limits(&entry), (3, 4, Some(60)));
    entry.max_sessions = Some(7);
    assert_eq!(limits(&entry), (7, 4, Some(60)));
    entry.logins_per_second = Some(8);
    entry.idle_seconds = Some(90);
    assert_eq!(limits(&entry), (7, 8, Some(90)));
}

#[test]
fn an_unknown_key_of_the_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    fs::write(&path, format!("[orders]\nurl = \"{ORDERS}\"\nlisten = \"3306\"\nmax_sesions = 3\n")).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("unknown field `max_sesions`"), "{error}");
    fs::write(&path, format!("[orders]\nurl = \"{ORDERS}\"\nlisten = \"3306\"\nmax_sessions = 3\n")).unwrap();
    assert_eq!(read(&path).unwrap()["orders"].max_sessions, Some(3));
}

#[test]
fn an_error_in_the_file_has_the_line_and_the_key_and_never_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let complete = "[pay]\nurl = \"u\"\nlisten = \"1\"\n";
    for (text, place, key) in [
        ("[pay]\nurl = \"mysql://app:hunter2@pay/db\nlisten = \"1\"\n".to_owned(), "line 2: ", ""),
        ("[pay]\nurl = mysql://app:hunter2@pay/db\n".to_owned(), "line 2: ", ""),
        ("pay = \"mysql://app:hunter2@pay/db\"\n".to_owned(), "line 1: ", "in `pay`"),
        (format!("{complete}max_sessions = \"hunter2\"\n"), "line 4: ", "in `pay.max_sessions`"),
        (format!("{complete}\n[orders]\nurl = \"u:hunter2\"\n"), "line 5: ", "in `orders`"),
        (
            format!("{complete}[\"mysql://app:hunter2@U\"]\nurl = \"u\"\nlisten = \"1\"\n"),
            "line 4: ",
            "- _ .",
        ),
        ("\"mysql://app:hunter2@U\" = 1\n".to_owned(), "line 1: ", "- _ ."),
        ("[\"two words hunter2\"]\n".to_owned(), "line 1: ", "- _ ."),
        (format!("{complete}\"mysql://app:hunter2@U\" = 1\n"), "line 4: ", "in `pay`"),
        (format!("{complete}\"hunter2`, expected `\" = 1\n"), "unknown field …", "in `pay`"),
        (format!("{complete}[pay.\"a:hunter2\"]\n"), "unknown field …", ""),
        (format!("{complete}max_sessions = {{ \"a:hunter2\" = 1 }}\n"), "line 4: ", "in `pay.max_sessions`"),
    ] {
        fs::write(&path, &text).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.is::<Usage>(), "{error}");
        let error = error.to_string();
        assert!(error.contains(place) && error.ends_with(key), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn what_is_no_file_and_a_limit_of_nothing_are_refused() {
    let error = read(Path::new("/dev/zero")).unwrap_err().to_string();
    assert!(error.contains("no regular file"), "{error}");
    let mut entry = Entry::from_argument(ORDERS).unwrap();
    entry.max_sessions = Some(0);
    let limits = entry.limits(&LimitOptions::default());
    assert!(limits.unwrap_err().to_string().contains("max_sessions = 0"));
}

#[test]
fn a_pool_s_connection_string_has_what_was_found_besides() {
    let mut database = Database::parse("postgres://app@db.internal/pay").unwrap();
    assert_eq!(database.url(), "postgres://app@db.internal/pay");
    database.region = Some("eu-west-1".parse().unwrap());
    database.through = Some("127.0.0.1:15432".parse().unwrap());
    assert_eq!(database.url(), "postgres://app@db.internal/pay?region=eu-west-1&dial=127.0.0.1:15432");
    let mut database = Database::parse("postgres://app@db.internal/pay?region=eu-west-1").unwrap();
    database.through = Some("[::1]:15432".parse().unwrap());
    assert_eq!(database.url(), "postgres://app@db.internal/pay?region=eu-west-1&dial=[::1]:15432");
}
