//! Reads the Lambda function's settings: the keys of `rds.conf` from environment variables, and the users file
//! from a variable or from the function's package.

use std::ffi::OsString;
use std::path::Path;

use rds_iam_bootstrap::Declaration;
use rds_iam_infra::rds_conf::{EntryErrorKind, KEYS};
use rds_iam_infra::{Engine, RdsConf, RdsConfError};

use crate::error::FunctionError;

/// The text of a users file.
const USERS: &str = "RDS_IAM_USERS";

/// The folder of the package with a users file for each engine, one of which is read if [`USERS`] is not set.
const USERS_FOLDER: &str = "users";

/// The folder of the unpacked package. Lambda sets it.
const PACKAGE: &str = "LAMBDA_TASK_ROOT";

/// Reads the deployment and the declaration. Variables that are not keys belong to Lambda or to the AWS SDK, and are
/// ignored.
pub(crate) fn deployment(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(RdsConf, Declaration), FunctionError> {
    let conf = conf(&variable).map_err(|problems| FunctionError::environment(&problems))?;
    let declaration = match variable(USERS).map(OsString::into_string) {
        None => {
            let name = users_file(conf.engine);
            let file = variable(PACKAGE).map(|folder| Path::new(&folder).join(&name));
            let file = file.filter(|file| file.exists());
            let missing = || FunctionError::environment(&[format!("{USERS} {}", no_users(&name))]);
            Declaration::read(&file.ok_or_else(missing)?)?
        }
        Some(Ok(users)) if users.trim().is_empty() => {
            return Err(FunctionError::environment(&[format!("{USERS} {EMPTY}")]));
        }
        Some(Ok(users)) => Declaration::parse(&users, USERS)?,
        Some(Err(_)) => return Err(FunctionError::environment(&[format!("{USERS} {NOT_TEXT}")])),
    };
    Ok((conf, declaration))
}

/// Returns the path of an engine's users file in the package.
fn users_file(engine: Engine) -> String {
    format!("{USERS_FOLDER}/{}.toml", engine.rds_engine())
}

fn no_users(file: &str) -> String {
    format!("is missing, and the package has no {file}: set it to the text of a users file")
}

const EMPTY: &str =
    "is empty: set it to the text of a users file, or unset it to use the one of the package for the engine";
const NOT_TEXT: &str = "must be one line of UTF-8 text";

/// Reads the keys of `rds.conf`. Every problem begins with its variable.
fn conf(variable: impl Fn(&str) -> Option<OsString>) -> Result<RdsConf, Vec<String>> {
    let mut problems = Vec::new();
    let mut add = |name: &str, problem: &str| problems.push(format!("{name} {problem}"));
    // As lines of a file, so that a variable has the same meaning and the same checks as the key.
    let mut lines = String::new();
    let mut left_out = Vec::new();
    for key in KEYS {
        let Some(value) = variable(key.name) else { continue };
        match value.into_string() {
            Ok(value) if !value.contains(char::is_control) => {
                lines.push_str(&format!("{}=\"{}\"\n", key.name, escape(&value)));
            }
            _ => {
                add(key.name, NOT_TEXT);
                left_out.push(key.name);
            }
        }
    }
    let conf = match RdsConf::parse(&lines) {
        Ok(conf) => Some(conf),
        Err(RdsConfError::Invalid { errors: found, .. }) => {
            for problem in found {
                // Every line is an assignment, so every problem has a key.
                let name = problem.key.as_deref().unwrap_or("the environment");
                if !left_out.contains(&name) {
                    add(name, &describe(&problem.kind));
                }
            }
            None
        }
        Err(other) => {
            add("the environment", &format!("can't be read: {other}"));
            None
        }
    };
    match conf {
        Some(conf) if problems.is_empty() => Ok(conf),
        _ => Err(problems),
    }
}

/// Describes the problem of a variable: as that of a line, but there are no lines to add or remove.
fn describe(kind: &EntryErrorKind) -> String {
    match kind {
        EntryErrorKind::Missing { example, .. } => format!("is missing: set it, for example to {example}"),
        EntryErrorKind::Empty { example, required: true } => {
            format!("is empty: give it a value, for example {example}")
        }
        EntryErrorKind::Empty { example, .. } => {
            format!("is empty: give it a value, for example {example}, or unset it")
        }
        EntryErrorKind::Value { reason } => format!("is invalid: {reason}"),
        other => other.to_string(),
    }
}

/// Escapes a value for the quotes of `rds.conf`.
fn escape(value: &str) -> String {
    let escaped = |c: char| matches!(c, '"' | '\\' | '$' | '`').then_some('\\').into_iter().chain([c]);
    value.chars().flat_map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use rds_iam_bootstrap::Mode;

    use super::*;

    const REPORTING: &str = "[[user]]\nname = \"reporting\"\ngrant = [{ privileges = [\"SELECT\"] }]\n";

    const MINIMAL: [(&str, &str); 6] = [
        (USERS, REPORTING),
        ("RDS_ENDPOINT", "orders.c0ffee.eu-west-1.rds.amazonaws.com"),
        ("REGION", "eu-west-1"),
        ("MASTER_SECRET_NAME", "orders/master"),
        ("DB_NAME", "orders"),
        ("IAM_ADMIN_USER", "iam_admin"),
    ];

    /// Reads the minimal environment with these variables set, or unset if there is no value.
    fn with(changes: &[(&str, Option<&str>)]) -> Result<(RdsConf, Declaration), FunctionError> {
        deployment(|name| match changes.iter().find(|(changed, _)| *changed == name) {
            Some((_, value)) => value.map(OsString::from),
            None => MINIMAL.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()),
        })
    }

    fn refused(changes: &[(&str, Option<&str>)]) -> String {
        with(changes).unwrap_err().to_string()
    }

    #[test]
    fn variables_mean_the_same_as_the_keys_of_rds_conf() {
        let port = ("RDS_PORT", Some("3307"));
        let (conf, _) = with(&[port, ("DB_NAME", Some("a\"b\\c$d`e"))]).unwrap();
        assert_eq!((conf.endpoint.port(), conf.database.as_str()), (3307, "a\"b\\c$d`e"));
        // The same for every key.
        let keys: Vec<_> = MINIMAL.iter().filter(|(name, _)| *name != USERS).collect();
        let text = keys.iter().map(|(name, value)| format!("{name}=\"{value}\"\n")).collect::<String>()
            + "ENGINE=\"mysql\"\nRDS_PORT=\"3307\"\nRDS_DIAL=\"localhost:1\"\nRDS_CA_BUNDLE=\"/opt/ca.pem\"\n\
               RDS_RESOURCE_ID=\"prx-0a1b2c3d4e5f67890\"\nAWS_ACCOUNT_ID=\"123456789012\"\n";
        let all = [
            port,
            ("ENGINE", Some("mysql")),
            ("RDS_DIAL", Some("localhost:1")),
            ("RDS_CA_BUNDLE", Some("/opt/ca.pem")),
            ("RDS_RESOURCE_ID", Some("prx-0a1b2c3d4e5f67890")),
            ("AWS_ACCOUNT_ID", Some("123456789012")),
        ];
        assert_eq!(all.len() + keys.len(), KEYS.len());
        assert_eq!(with(&all).unwrap().0, RdsConf::parse(&text).unwrap());
    }

    #[test]
    fn all_problems_are_reported_together_by_variable() {
        let wrong = [
            ("REGION", None),
            ("DB_NAME", Some("")),
            ("RDS_PORT", Some("mysql")),
            ("RDS_DIAL", Some("")),
            ("MASTER_SECRET_NAME", Some("a\nb")),
        ];
        insta::assert_snapshot!(refused(&wrong), @"
        error in step 1 of 6: the function's environment has 5 problems:
          MASTER_SECRET_NAME must be one line of UTF-8 text
          RDS_PORT is invalid: not a port: give a number from 1 to 65535
          DB_NAME is empty: give it a value, for example orders
          RDS_DIAL is empty: give it a value, for example localhost:13306, or unset it
          REGION is missing: set it, for example to eu-west-1
        ");
        let endpoint = ("RDS_ENDPOINT", Some("a.eu-west-1.rds.amazonaws.com:3306"));
        insta::assert_snapshot!(refused(&[endpoint, ("RDS_PORT", Some("3307"))]), @r"
    error in step 1 of 6: the function's environment has 1 problem:
      RDS_PORT is 3307, but the port of RDS_ENDPOINT is 3306: keep one of the two
    ");
        insta::assert_snapshot!(refused(&[("REGION", Some("us-east-1"))]), @r"
    error in step 1 of 6: the function's environment has 1 problem:
      REGION is us-east-1, but the endpoint is in eu-west-1; set REGION=eu-west-1
    ");
        let latin = |name: &str| (name == "DB_NAME").then(|| OsString::from_vec(vec![0xe9]));
        assert!(
            deployment(latin).unwrap_err().to_string().contains("DB_NAME must be one line of UTF-8 text")
        );
    }

    #[test]
    fn without_the_variable_the_users_file_of_the_package_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().to_str().unwrap();
        insta::assert_snapshot!(refused(&[(USERS, None)]), @r"
    error in step 1 of 6: the function's environment has 1 problem:
      RDS_IAM_USERS is missing, and the package has no users/mysql.toml: set it to the text of a users file
    ");
        insta::assert_snapshot!(refused(&[(USERS, None), (PACKAGE, Some(package))]), @r"
    error in step 1 of 6: the function's environment has 1 problem:
      RDS_IAM_USERS is missing, and the package has no users/mysql.toml: set it to the text of a users file
    ");
        std::fs::create_dir(folder.path().join(USERS_FOLDER)).unwrap();
        for (engine, users) in
            [(Engine::MySql, REPORTING), (Engine::Postgres, "[[user]]\nname = \"other\"\n")]
        {
            let file = folder.path().join(users_file(engine));
            std::fs::write(&file, users).unwrap();
            let engine = ("ENGINE", Some(engine.as_str()));
            let (_, declaration) = with(&[(USERS, None), (PACKAGE, Some(package)), engine]).unwrap();
            assert_eq!(declaration, Declaration::read(&file).unwrap());
        }
    }

    #[test]
    fn the_users_file_is_a_variable() {
        let (_, declaration) = with(&[]).unwrap();
        assert_eq!(declaration, Declaration::parse(REPORTING, USERS).unwrap());
        insta::assert_snapshot!(refused(&[(USERS, Some("[[users]]"))]), @"
        error in step 1 of 6: RDS_IAM_USERS is not a users file (line 1, column 3): unknown field `users`, expected `user` or `schema`; the README of rds-iam-bootstrap describes the format
        ");
        for empty in ["", " \n"] {
            insta::allow_duplicates! {
                insta::assert_snapshot!(refused(&[(USERS, Some(empty))]), @"
                error in step 1 of 6: the function's environment has 1 problem:
                  RDS_IAM_USERS is empty: set it to the text of a users file, or unset it to use the one of the package for the engine
                ");
            }
        }
    }

    /// The run refuses them first of all, before it connects to anything.
    #[test]
    fn users_that_must_not_be_declared_are_refused_by_variable() {
        let refused = |changes: &[(&str, Option<&str>)]| {
            let (conf, declaration) = with(changes).unwrap();
            let error = declaration.validate(&conf).unwrap_err();
            FunctionError::run(Mode::Apply, &error.into()).to_string()
        };
        let reserved = (USERS, Some("[[user]]\nname = \"rdsadmin\"\n"));
        insta::assert_snapshot!(refused(&[reserved]), @r#"
        error in step 1 of 6: RDS_IAM_USERS has 1 problem:
          user "rdsadmin": rdsadmin belongs to RDS or MySQL and is never changed: name another user
        "#);
        insta::assert_snapshot!(refused(&[(USERS, Some("[schema]\n"))]), @"
        error in step 1 of 6: RDS_IAM_USERS has 1 problem:
          the users file: declares no [[user]]
        ");
        insta::assert_snapshot!(refused(&[("IAM_ADMIN_USER", Some("rdsadmin"))]), @"
        error in step 1 of 6: the deployment's configuration has 1 problem:
          IAM_ADMIN_USER: rdsadmin belongs to RDS or MySQL and is never changed: name another user
        ");
        insta::assert_snapshot!(refused(&[("IAM_ADMIN_USER", Some("iam admin"))]), @r#"
        error in step 1 of 6: the deployment's configuration has 1 problem:
          IAM_ADMIN_USER: the user name "iam admin" has the character ' ': use letters A to Z, digits and _ + = , . @ - only, as in names of IAM users
        "#);
    }
}
