//! Tests of the counts of engines.

use super::*;

fn listed(tests: &[&str], reasons: &[(&str, &str, &str)]) -> Listed {
    let reason = |(engine, text, test): &(&str, &str, &str)| Reason {
        engine: (*engine).to_owned(),
        text: (*text).to_owned(),
        tests: vec![(*test).to_owned()],
    };
    Listed {
        name: "crates/sqlx server".to_owned(),
        tests: tests.iter().map(|test| (*test).to_owned()).collect(),
        reasons: reasons.iter().map(reason).collect(),
    }
}

#[test]
fn the_counts_of_both_engines_are_equal() {
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
                // A module of that name, whose tests are in modules of their own.
                "postgres::lockout::f",
            ],
            &[
                ("mysql", "it has a mode", "c"),
                ("mysql", "it has a mode", "d"),
                ("postgres", "SQLSTATE", "e"),
            ],
        ),
        listed(&["mysql::a", "postgres::a"], &[]),
    ];
    let counts = count(&programs).unwrap();
    insta::assert_snapshot!(counts.lines().join("\n"), @"
    engine-neutral tests: 3 on mysql, 3 on postgres; only mysql: 2, only postgres: 1
      only mysql, 2 in crates/sqlx server: it has a mode
      only postgres, 1 in crates/sqlx server: SQLSTATE
    ");
    insta::assert_snapshot!(counts.json(), @r#"{"neutral":{"mysql":3,"postgres":3},"only_mysql":{"reasons":[{"program":"crates/sqlx server","reason":"it has a mode","tests":["trust::c","trust::d"]}],"tests":2},"only_postgres":{"reasons":[{"program":"crates/sqlx server","reason":"SQLSTATE","tests":["e"]}],"tests":1}}"#);
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
        ],
        // Of the other engine.
        &[("postgres", "reason", "d"), ("postgres", "reason", "e")],
    )];
    insta::assert_snapshot!(count(&programs).unwrap_err().report(), @"
    error: the engines do not have the same tests:
      crates/sqlx server: only_mysql::d has no reason in the sources
      crates/sqlx server: trust::b is a test of mysql, and not of postgres
      crates/sqlx server: c is a test of postgres, and not of mysql
      help: register a test with `on_each_engine!`, or with `only!` and the reason
    ");
    // The programs were found, and their tests were not.
    assert!(count(&[listed(&["plain"], &[])]).is_err());
    assert!(count(&[]).is_err());
}

#[test]
fn integration_tests_are_found_among_cargos_messages() {
    let artifact = |folder: &str, kind: &str, name: &str, is_test: bool| {
        json!({
            "reason": "compiler-artifact",
            "manifest_path": format!("/r/{folder}/Cargo.toml"),
            "target": { "kind": [kind], "name": name, "src_path": format!("/r/{folder}/tests/{name}/main.rs") },
            "profile": { "test": is_test },
            "executable": is_test.then(|| format!("/t/debug/deps/{name}-1")),
        })
        .to_string()
    };
    let messages = [
        artifact("crates/sqlx", "test", "server", true),
        artifact("crates/sqlx", "lib", "rds_iam_sqlx", true),
        artifact("crates/app", "test", "binary", true),
        artifact("crates/app", "bench", "pool", false),
        "a line of a build script".to_owned(),
        json!({ "reason": "build-finished", "success": true }).to_string(),
    ];
    let found = programs(&messages.join("\n"), Path::new("/r"));
    let shown: Vec<_> = found
        .iter()
        .map(|found| format!("{} {} {}", found.name, found.executable, found.source.display()))
        .collect();
    assert_eq!(
        shown,
        [
            "crates/app binary /t/debug/deps/binary-1 /r/crates/app/tests/binary/main.rs",
            "crates/sqlx server /t/debug/deps/server-1 /r/crates/sqlx/tests/server/main.rs",
        ]
    );
    assert_eq!(
        tests_in("mysql::a: test\nb: test\nc: benchmark\n\n2 tests, 1 benchmark\n"),
        ["mysql::a", "b"]
    );
}

#[test]
fn the_report_has_the_counts_of_the_last_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let workspace = Workspace { root: path.clone(), target: path.join("target"), cache: path };
    assert_eq!(last(&workspace), None);
    let counts = count(&[listed(&["mysql::a", "postgres::a"], &[])]).unwrap();
    file::make_folder(&context::folder(&workspace)).unwrap();
    file::replace(&file_of(&workspace), counts.json().to_string()).unwrap();
    assert_eq!(last(&workspace), Some(counts.json()));
}
