//! The AWS API endpoint, as AWS's own SDKs meet it.

use rds_iam_emulator::AwsApi;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::test]
async fn secrets_and_parameters_are_kept() -> Result {
    let aws = AwsApi::start().await?;
    let config = aws.sdk_config();

    let arn = aws.put_secret("dev/master", r#"{"username":"admin","password":"one"}"#).await?;
    assert!(arn.starts_with("arn:aws:secretsmanager:us-east-1:"), "{arn}");
    assert_eq!(aws.put_secret("dev/master", "two").await?, arn);
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    for id in ["dev/master", &arn] {
        assert_eq!(secrets.get_secret_value().secret_id(id).send().await?.secret_string(), Some("two"));
    }
    let missing = secrets.get_secret_value().secret_id("none").send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());

    aws.put_parameter("/dev/database/port", "1").await?;
    aws.put_parameter("/dev/database/port", "3306").await?;
    aws.put_parameter("/dev/database/dbname", "shop").await?;
    let parameters = aws_sdk_ssm::Client::new(&config);
    let found = parameters.get_parameters_by_path().path("/dev/database").send().await?;
    let mut found: Vec<_> = found.parameters().iter().filter_map(|p| Some((p.name()?, p.value()?))).collect();
    found.sort_unstable();
    assert_eq!(found, [("/dev/database/dbname", "shop"), ("/dev/database/port", "3306")]);
    Ok(())
}

#[tokio::test]
async fn it_ends_when_dropped() -> Result {
    let aws = AwsApi::start().await?;
    let address = aws.url().strip_prefix("http://").unwrap().to_owned();
    assert!(aws.env().contains(&("AWS_ENDPOINT_URL".into(), format!("http://{address}"))));
    assert!(tokio::net::TcpStream::connect(&address).await.is_ok());
    drop(aws);
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
    Ok(())
}
