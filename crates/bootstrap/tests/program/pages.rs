//! The commands of pages that run the program, from their text, by bash in the deployment's folder.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use crate::support::{APP_USERS, Deployment, Result, Run, column, finish};

const FROM_PASSWORDS: &str = include_str!("../../../../docs/migrating-from-passwords.md");
const FROM_RDS_SH: &str = include_str!("../../../../docs/migrating-from-rds-sh.md");

/// Returns the only block of the language that has `part`.
fn block<'a>(page: &'a str, language: &str, part: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let blocks = page.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next());
    let found: Vec<_> = blocks.filter(|block| block.contains(part)).collect();
    let [block] = found[..] else { panic!("blocks of {language} with {part}: {found:?}") };
    block
}

/// Runs a block. `cargo build --workspace --bin rds-iam-bootstrap` makes `target/debug/rds-iam-bootstrap`, as on the
/// reader's machine, and does not compile it again.
async fn run(deployment: &Deployment, block: &str) -> Result<Run> {
    let bin = deployment.path("bin");
    std::fs::create_dir(&bin)?;
    let program = env!("CARGO_BIN_EXE_rds-iam-bootstrap");
    symlink(program, bin.join("rds-iam-bootstrap"))?;
    let cargo = format!(
        "#!/bin/sh\n[ \"$*\" = 'build --workspace --bin rds-iam-bootstrap' ] && mkdir -p target/debug && \
         ln -s '{program}' target/debug/rds-iam-bootstrap\n"
    );
    std::fs::write(bin.join("cargo"), cargo)?;
    std::fs::set_permissions(bin.join("cargo"), std::fs::Permissions::from_mode(0o755))?;
    deployment.conf.write(&deployment.path("rds.conf"))?;
    let path = std::env::var("PATH")?;
    #[expect(clippy::disallowed_methods, reason = "a reader's shell")]
    let mut command = Command::new("bash");
    command
        .args(["-eu", "-c", block])
        .current_dir(deployment.path(""))
        .env_clear()
        .envs(deployment.aws.env());
    command.env("AWS_SHARED_CREDENTIALS_FILE", deployment.credentials()).env("AWS_CONFIG_FILE", "/dev/null");
    command.env("PATH", format!("{}:{path}", bin.display()));
    finish(command).await
}

#[tokio::test]
async fn the_page_about_passwords_plans_and_creates_its_user() -> Result {
    let deployment = Deployment::start("orders").await?;
    deployment.write("users.toml", block(FROM_PASSWORDS, "toml", "orders_iam"))?;
    let ran = run(&deployment, block(FROM_PASSWORDS, "sh", "--users users.toml")).await?.expect(0);
    let plugin = "SELECT CAST(plugin AS CHAR) FROM mysql.user WHERE user = 'orders_iam'";
    assert_eq!(column(&mut deployment.master().await?, plugin).await?, ["AWSAuthenticationPlugin"]);
    assert!(ran.stdout.contains("+ create orders_iam@%"), "{}", ran.stdout);
    Ok(())
}

#[tokio::test]
async fn the_page_about_rds_sh_plans_and_changes_nothing() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let users = std::fs::read_to_string(APP_USERS)?.replace("../schema/mysql.sql", "schema.sql");
    deployment.write("users.toml", &users)?;
    deployment.write("schema.sql", include_str!("../../../app/schema/mysql.sql"))?;
    let planned = run(&deployment, block(FROM_RDS_SH, "sh", "--plan")).await?.expect(0);
    assert!(planned.stdout.contains("+ create node_app@%"), "{}", planned.stdout);
    let users = "SELECT CAST(user AS CHAR) FROM mysql.user WHERE user LIKE '%app' OR user LIKE 'iam%'";
    assert_eq!(column(&mut deployment.master().await?, users).await?, Vec::<String>::new());
    Ok(())
}
