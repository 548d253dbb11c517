//! Tests of the texts of warnings.

use super::*;

#[test]
fn each_warning_says_what_an_operator_can_do() {
    let role = || Role::new("app").unwrap();
    let owned = |count, example: Option<&str>| Owned { count, example: example.map(Into::into) };
    let owner = || Role::new("iam_admin").unwrap();
    let warnings = [
        Warning::Locked { role: role() },
        Warning::Owns { role: role(), owned: owned(1, None), owner: owner() },
        Warning::Owns { role: role(), owned: owned(2, Some("table a\nb")), owner: owner() },
        Warning::NotGranted {
            role: role(),
            object: Object::Schema("s".into()),
            owner: "other".into(),
            sql: "GRANT …".into(),
        },
        Warning::NotRevoked {
            role: role(),
            what: "the role r".into(),
            grantor: "other".into(),
            sql: "REVOKE …".into(),
        },
        Warning::NotDelegated { admin: owner() },
        Warning::PasswordStays { role: role() },
        Warning::CanaryStays { reason: "it may log in" },
        Warning::TlsNotForced,
        Warning::Undeclared { role: "x\"y".into(), through: None },
        Warning::Undeclared { role: "legacy".into(), through: Some("app".into()) },
        Warning::PasswordEnds { role: "legacy".into(), through: "app".into() },
        Warning::MoreUndeclared { count: 3 },
    ];
    let texts: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(texts.join("\n"), @r#"
    app may not log in, which is left; to let it: ALTER ROLE "app" LOGIN
    app owns 1 object, on which it has every privilege; to end that, in each database: REASSIGN OWNED BY "app" TO "iam_admin"
    app owns 2 objects, such as table a\nb, on which it has every privilege; to end that, in each database: REASSIGN OWNED BY "app" TO "iam_admin"
    app lacks declared privileges on schema s, which only its owner other can grant: GRANT …
    app has the role r, which is not declared and only other can revoke: REVOKE …
    the server did not let the master user give iam_admin the right to grant rds_iam; the master user grants it to each user
    the server did not let the master user end the password of app; it has no effect on a user that logs in by IAM
    the role rds_iam_bootstrap_canary is left, because it may log in; it has the name of the role that a run creates to test the master user's login, and that test fails as long as it exists: drop it, or rename it: ALTER ROLE "rds_iam_bootstrap_canary" RENAME TO other_name
    rds.force_ssl is 0: clients may send passwords and data without TLS; set it to 1 in the parameter group
    x"y is not declared, and logs in by IAM; it is left: declare it, or if no program needs it: DROP ROLE "x""y"
    legacy is not declared, and logs in by IAM as a member of app; it is left: declare it, or to end that: REVOKE "app" FROM "legacy"
    legacy is a member of app, which logs in by IAM only, and so does legacy then: ITS LOGIN BY PASSWORD ENDS; to keep it, before the run: REVOKE "app" FROM "legacy"
    3 more undeclared roles log in by IAM
    "#);
}
