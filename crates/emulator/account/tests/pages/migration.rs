//! The commands of `docs/migrating-from-passwords.md` that call AWS, `mysql` and `psql`, in the order of the page, and those
//! of its ways back.

use rds_iam_emulator_server::{MySql, Postgres, fixtures};

use super::page::{INLINE, parts, words};
use super::shell::Shell;
use super::{CREATE_INSTANCE, RESOURCE_ID, Result, account, server};

const PAGE: &str = include_str!("../../../../../docs/migrating-from-passwords.md");

const PASSWORD: &str = "a password of the old user";

/// What the page expects to exist: the service's role, and the password's secret with its rotation.
const SET_UP: &str = r#"
aws iam create-role --role-name orders-service --assume-role-policy-document '{"Version": "2012-10-17", "Statement": []}'
python3 -c 'import zipfile; zipfile.ZipFile("function.zip", "w").writestr("rotate.py", "")'
aws lambda create-function --function-name rotate --runtime python3.13 --handler rotate.handler --zip-file fileb://function.zip \
  --role arn:aws:iam::123456789012:role/orders-service
aws secretsmanager create-secret --name orders/orders_app --secret-string 'a password'
aws secretsmanager rotate-secret --secret-id orders/orders_app --rotation-rules AutomaticallyAfterDays=30 \
  --rotation-lambda-arn arn:aws:lambda:eu-west-1:123456789012:function:rotate
"#;

#[tokio::test]
async fn a_service_moves_from_a_password_to_iam() -> Result {
    let (aws, mysql, postgres) = tokio::try_join!(
        account(),
        server(MySql::builder().database("orders")),
        server(Postgres::builder().database("orders"))
    )?;
    let old = format!("CREATE USER 'orders_app'@'%' IDENTIFIED BY '{PASSWORD}'");
    fixtures::execute(&mysql, [old]).await?;
    fixtures::execute(&postgres, [format!("CREATE USER orders_app PASSWORD '{PASSWORD}'")]).await?;
    fixtures::create_user(&mysql, "orders_iam", "SELECT ON orders.*").await?;
    fixtures::create_user(&postgres, "orders_iam", "SELECT ON orders.*").await?;
    let shell = Shell::new(&aws).await?.reaches(&mysql)?;
    let id = shell.run(&CREATE_INSTANCE.replace("ENGINE", "mysql")).await?;
    let shell = shell.with_values(&[(RESOURCE_ID, id.trim())]);
    shell.run(SET_UP).await?;
    // Of PostgreSQL, with the file that the page has downloaded for MySQL.
    let other = Shell::new(&aws).await?.reaches(&postgres)?;
    other.write("global-bundle.pem", postgres.ca_pem())?;

    let password = format!("{PASSWORD}\n");
    let (mut compared, mut ran) = (0, 0);
    for part in parts(PAGE) {
        let is_command = match part.language.as_str() {
            "json" => {
                shell.write("policy.json", &part.text)?;
                false
            }
            // `rds-iam-bootstrap` has tests of its own.
            "sh" => !part.text.starts_with("cargo build "),
            // Not the part of a command for Aurora.
            INLINE => part.text.starts_with("aws ") && !part.text.contains('…'),
            _ => false,
        };
        if !is_command {
            continue;
        }
        let shell = if part.text.contains("psql ") { &other } else { &shell };
        let output = shell.run_with_input(&part.text, &password).await?;
        ran += 1;
        if let Some(expected) = part.output {
            assert_eq!(words(&output), words(&shell.filled_in(&expected)), "{}", part.text);
            compared += 1;
        }
    }
    assert_eq!((ran, compared), (16, 8), "commands, and outputs that are compared");
    Ok(())
}
