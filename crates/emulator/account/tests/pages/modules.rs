//! The commands of the READMEs of Terraform's modules that call AWS.

use super::page::blocks;
use super::shell::Shell;
use super::{Result, account};

const BOOTSTRAP_LAMBDA: &str = include_str!("../../../../../terraform/modules/bootstrap_lambda/README.md");
const RDS_PROXY: &str = include_str!("../../../../../terraform/modules/rds_proxy/README.md");

/// The emulated function answers with its event.
#[tokio::test]
async fn the_bootstrap_function_is_invoked() -> Result {
    let aws = account().await?;
    // Version 1 of the AWS CLI does not have this option: its payloads are always raw.
    let shell = Shell::new(&aws).await?.with_values(&[("--cli-binary-format raw-in-base64-out", "")]);
    shell
        .run(
            r#"python3 -c 'import zipfile; zipfile.ZipFile("function.zip", "w").writestr("bootstrap", "")'
            aws iam create-role --role-name bootstrap --assume-role-policy-document '{"Version": "2012-10-17", "Statement": []}'
            aws lambda create-function --function-name orders-dev-bootstrap --runtime provided.al2023 --handler bootstrap \
              --role arn:aws:iam::123456789012:role/bootstrap --zip-file fileb://function.zip"#,
        )
        .await?;
    let [invoke]: [String; 1] =
        blocks(BOOTSTRAP_LAMBDA, "sh").try_into().expect("the page has one block of commands");
    let printed = shell.run(&invoke).await?;
    assert!(
        printed.starts_with(r#"{"mode":"check"}"#) && printed.contains(r#""StatusCode": 200"#),
        "{printed}"
    );
    Ok(())
}

#[tokio::test]
async fn a_proxy_is_switched_to_iam() -> Result {
    let aws = account().await?;
    let shell = Shell::new(&aws).await?;
    shell
        .run(
            "subnets=$(aws ec2 describe-subnets --query 'Subnets[:2].SubnetId' --output text)
            aws rds create-db-proxy --db-proxy-name orders-dev --engine-family MYSQL --vpc-subnet-ids $subnets \
              --role-arn arn:aws:iam::123456789012:role/orders-dev-proxy --auth \
              AuthScheme=SECRETS,IAMAuth=REQUIRED,SecretArn=arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-AbCdEf",
        )
        .await?;
    let scheme = "aws rds describe-db-proxies --db-proxy-name orders-dev --query 'DBProxies[].DefaultAuthScheme' --output text";
    assert_eq!(shell.run(scheme).await?, "NONE\n");
    let [switch]: [String; 1] =
        blocks(RDS_PROXY, "console").try_into().expect("the page has one block of commands");
    shell.run(&switch).await?;
    assert_eq!(shell.run(scheme).await?, "IAM_AUTH\n");
    Ok(())
}
