//! Tests of `AwsApi`: secrets and parameters through AWS's own SDK, the end of the server, the folder's permissions,
//! and connections to a running server.

use std::path::Path;

use rds_iam_emulator_account::AwsApi;

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

#[tokio::test]
async fn two_of_one_process_share_nothing() -> Result {
    let (one, two) = tokio::try_join!(AwsApi::start(), AwsApi::start())?;
    assert_ne!(one.url(), two.url());
    let arn = one.put_secret("dev/master", "one").await?;
    let secrets = aws_sdk_secretsmanager::Client::new(&two.sdk_config());
    let missing = secrets.get_secret_value().secret_id("dev/master").send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());
    // Nor the numbers that moto makes up.
    assert_ne!(two.put_secret("dev/master", "two").await?, arn);
    drop(one);
    let found = secrets.get_secret_value().secret_id("dev/master").send().await?;
    assert_eq!(found.secret_string(), Some("two"));
    Ok(())
}

#[tokio::test]
async fn no_other_user_may_enter_its_folder() -> Result {
    use std::os::unix::fs::PermissionsExt as _;

    let aws = AwsApi::start().await?;
    let folder = aws.credentials_file().parent().ok_or("no folder around it")?.to_owned();
    assert_eq!(std::fs::metadata(folder)?.permissions().mode() & 0o777, 0o700);
    Ok(())
}

#[tokio::test]
async fn one_that_runs_is_used_and_left_running() -> Result {
    let aws = AwsApi::start_in("eu-central-1".parse()?).await?;
    let arn = aws.put_secret("rds!db-1", r#"{"username":"dbadmin","password":"it's"}"#).await?;
    let other =
        AwsApi::connect(&format!("{}/", aws.url()), "eu-central-1".parse()?, aws.credentials_file()).await?;
    assert_eq!((other.url(), other.python()), (aws.url(), None));

    let master = other.master_credentials(&arn).await?;
    assert_eq!((master.username(), master.password()), ("dbadmin", "it's"));
    let missing = other.master_credentials("none").await.unwrap_err();
    assert_eq!(missing.to_string(), "the AWS API endpoint could not read the secret none");
    for value in ["plain", r#"{"username":"dbadmin"}"#, r#"{"username":"dbadmin","password":5}"#] {
        aws.put_secret("other", value).await?;
        let error = other.master_credentials("other").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the AWS API endpoint could not name the master user of the secret other"
        );
        let cause = std::error::Error::source(&error).unwrap();
        assert_eq!(cause.to_string(), "it is no JSON with a username and a password");
    }

    drop(other);
    aws.put_parameter("/still/there", "yes").await?;
    Ok(())
}

#[tokio::test]
async fn a_failed_connection_is_reported() -> Result {
    for url in
        ["", "127.0.0.1:5000", "ftp://127.0.0.1", "http://", "http://user@127.0.0.1", "http://127.0.0.1/x"]
    {
        let error = AwsApi::connect(url, "us-east-1".parse()?, Path::new("/none")).await.unwrap_err();
        assert!(
            error.to_string().ends_with("but it takes the form http://127.0.0.1:34567"),
            "{url}: {error}"
        );
    }
    let aws = AwsApi::start().await?;
    let url = aws.url().to_owned();
    let credentials = tempfile::NamedTempFile::new()?;
    std::fs::copy(aws.credentials_file(), credentials.path())?;
    let missing = AwsApi::connect(&url, "us-east-1".parse()?, Path::new("/none")).await.unwrap_err();
    assert!(missing.to_string().contains("/none"), "{missing}");
    drop(aws);
    let error = AwsApi::connect(&url, "us-east-1".parse()?, credentials.path()).await.unwrap_err();
    assert!(error.to_string().contains(&format!("answer at {url}: is it running there?")), "{error}");
    Ok(())
}
