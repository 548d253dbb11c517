//! Tests of the counts of engines.

use super::*;

fn listed(tests: &[&str], sources: Sources) -> Listed {
    let tests = tests.iter().map(|test| (*test).to_owned()).collect();
    Listed { name: "crates/sqlx server".to_owned(), tests, sources }
}

/// Returns the sources in the text of a program's only file.
fn sources(text: &str) -> Sources {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("server.rs");
    std::fs::write(&root, text).unwrap();
    Sources::read(&root).unwrap()
}

/// A test about one engine is found by a module in its path: named for the engine, or whose documentation says so.
#[test]
fn tests_of_each_engine_are_counted() {
    let registered = sources(
        r#"
        on_each_engine![a];
        mod trust {
            on_each_engine![b];
            only!(mysql, "it has a mode", [c, d]);
        }
        only!(postgres, "SQLSTATE", [e]);
        "#,
    );
    // The suites of MySQL have no module of their own.
    let suites = sources(
        "//! Only MySQL: accounts have hosts; `postgres` has roles.
        mod postgres {
            //! Only PostgreSQL: roles have members.
            //!
            //! Something else.
        }",
    );
    let programs = [
        listed(
            &[
                "mysql::a",
                "postgres::a",
                "trust::mysql::b",
                "trust::postgres::b",
                "trust::only_mysql::c",
                "trust::only_mysql::d",
                "only_postgres::e",
                "two_engines::one_service_with_both_pools",
                "plain",
            ],
            registered,
        ),
        listed(&["story::f", "story::g", "postgres::story::g", "postgres::lockout::races::h"], suites),
    ];
    let counts = count(&programs).unwrap();
    insta::assert_snapshot!(counts.lines().join("\n"), @"
    tests: 6 of mysql, 5 of postgres, 2 of no engine
      engine-neutral, one source for both: 2 on mysql, 2 on postgres
      the same test with a source for each: 1 of mysql, 1 of postgres
      with a reason: 3 of mysql alone, 2 of postgres alone
      only mysql, 2 in crates/sqlx server: it has a mode
      only postgres, 1 in crates/sqlx server: SQLSTATE
      only mysql, 1 in crates/sqlx server: accounts have hosts; `postgres` has roles
      only postgres, 1 in crates/sqlx server: roles have members
    ");
    insta::assert_snapshot!(counts.json(), @r#"{"all":{"mysql":6,"neither":2,"postgres":5},"neutral":{"mysql":2,"postgres":2},"only_mysql":{"reasons":[{"program":"crates/sqlx server","reason":"it has a mode","tests":["trust::only_mysql::c","trust::only_mysql::d"]},{"program":"crates/sqlx server","reason":"accounts have hosts; `postgres` has roles","tests":["story::f"]}],"tests":3},"only_postgres":{"reasons":[{"program":"crates/sqlx server","reason":"SQLSTATE","tests":["only_postgres::e"]},{"program":"crates/sqlx server","reason":"roles have members","tests":["postgres::lockout::races::h"]}],"tests":2},"two_sources":{"mysql":1,"postgres":1}}"#);
}

#[test]
fn a_test_of_one_engine_without_a_reason_is_an_error() {
    let programs = [listed(
        &[
            "mysql::a",
            "postgres::a",
            "trust::mysql::b",
            "postgres::c",
            "only_mysql::d",
            "trust::only_postgres::e",
            "postgres::lockout::f",
            "diff::mysql::tests::g",
            "diff::postgres::h::g",
            "i",
            "on_both",
        ],
        sources(
            r#"
            on_each_engine![a];
            // A reason of the other engine, and one of a test in another module.
            only!(postgres, "reason", [d, e]);
            mod diff {
                //! Only PostgreSQL: this does not excuse MySQL.
            }
            #[tokio::test]
            async fn i() { MySqlPool::connect(URL).await; }
            #[tokio::test]
            async fn on_both() { (MySqlPool::connect(URL).await, PgPool::connect(URL).await); }
            "#,
        ),
    )];
    insta::assert_snapshot!(count(&programs).unwrap_err().report(), @"
    error: the engines do not have the same tests:
      crates/sqlx server: i names types of MySQL alone, and is in no module of it
      crates/sqlx server: only_mysql::d is a test of MySQL, has no reason, and is not a test of PostgreSQL
      crates/sqlx server: diff::mysql::tests::g is a test of MySQL, has no reason, and is not a test of PostgreSQL
      crates/sqlx server: trust::mysql::b is a test of MySQL, has no reason, and is not a test of PostgreSQL
      crates/sqlx server: postgres::c is a test of PostgreSQL, has no reason, and is not a test of MySQL
      crates/sqlx server: postgres::lockout::f is a test of PostgreSQL, has no reason, and is not a test of MySQL
      crates/sqlx server: trust::only_postgres::e is a test of PostgreSQL, has no reason, and is not a test of MySQL
      help: register a test with `on_each_engine!`, or with `only!` and the reason; or write the reason into its module's documentation, as a paragraph `Only MySQL: …` or `Only PostgreSQL: …`
    ");
    // The programs were found, and their tests were not.
    let nothing = count(&[listed(&["plain"], Sources::default())]).unwrap_err().report();
    assert!(nothing.contains("the tests were not found"), "{nothing}");
    assert!(count(&[]).is_err());
}

/// One of them would not be counted.
#[test]
fn two_tests_of_an_engine_have_different_names() {
    let sources = sources("//! Only MySQL: reason\non_each_engine![b];");
    let report =
        count(&[listed(&["mysql::a", "a", "mysql::b", "postgres::b"], sources)]).unwrap_err().report();
    assert!(report.contains("server: mysql::a and a differ in the engine's module alone"), "{report}");
}

#[test]
fn programs_of_tests_are_found_among_cargos_messages() {
    let artifact = |folder: &str, kind: &str, name: &str, is_test: bool| {
        json!({
            "reason": "compiler-artifact",
            "manifest_path": format!("/r/{folder}/Cargo.toml"),
            "target": { "kind": [kind], "name": name, "src_path": format!("/r/{folder}/{name}.rs") },
            "profile": { "test": is_test },
            "executable": is_test.then(|| format!("/t/debug/deps/{name}-1")),
        })
        .to_string()
    };
    let messages = [
        artifact("crates/sqlx", "test", "server", true),
        artifact("crates/sqlx", "lib", "rds_iam_sqlx", true),
        artifact("crates/sqlx", "lib", "rds_iam_sqlx", false),
        artifact("crates/app", "bin", "app", true),
        artifact("crates/app", "example", "pool", true),
        artifact("benches", "bench", "pool", true),
        "a line of a build script".to_owned(),
        json!({ "reason": "build-finished", "success": true }).to_string(),
    ];
    let found = programs(&messages.join("\n"), Path::new("/r"));
    let shown: Vec<_> = found
        .iter()
        .map(|Program { name, is_integration, executable, source }| {
            format!("{name} {is_integration} {executable} {}", source.display())
        })
        .collect();
    assert_eq!(
        shown,
        [
            "crates/app app false /t/debug/deps/app-1 /r/crates/app/app.rs",
            "crates/sqlx rds_iam_sqlx false /t/debug/deps/rds_iam_sqlx-1 /r/crates/sqlx/rds_iam_sqlx.rs",
            "crates/sqlx server true /t/debug/deps/server-1 /r/crates/sqlx/server.rs",
        ]
    );
    assert_eq!(
        tests_in("mysql::a: test\nb: test\nc: benchmark\n\n2 tests, 1 benchmark\n"),
        ["mysql::a", "b"]
    );
}

/// Writes counts as a run of the tests does, and returns them.
pub(crate) fn written(workspace: &Workspace) -> Value {
    let counts = Counts { one_source: 1, ..Counts::default() };
    counts.write(workspace).unwrap();
    counts.json()
}
