//! Tests of the program `rds-iam-app`: exit status and errors of wrong settings, settings from Parameter Store,
//! credentials from a file, no secret in the log, and a clean stop.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::{Kind, Server, fixtures, on_each_engine};

on_each_engine![
    #[tokio::test]
    from_parameter_store_to_a_page_and_a_clean_end,
    the_commands_of_the_readme_serve_and_check,
];

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Returns the program with nothing of this process's environment.
fn program() -> Command {
    #[expect(clippy::disallowed_methods, reason = "the program itself is what is tested")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_rds-iam-app"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn wrong_settings_end_it_with_status_2_before_the_port_opens() -> Result {
    let output = program().env("PORT", "http").output()?;
    let (_, error) = text(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.starts_with("rds-iam-app: the configuration has 5 problems:\n- "), "{error}");
    Ok(())
}

/// The AWS SDK would panic with it: in the call to Parameter Store, or later.
#[test]
fn an_empty_endpoint_url_is_a_wrong_setting() -> Result {
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SSM"] {
        let output = program()
            .envs([(variable, ""), ("RDS_IAM_SSM_PREFIX", "/dev/database"), ("AWS_REGION", "eu-west-1")])
            .output()?;
        let (_, error) = text(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        let expected = format!(
            "rds-iam-app: the configuration has a problem:\n- {variable} (environment): it is set but empty: give it a value, or unset it\n"
        );
        assert_eq!(error, expected);
    }
    Ok(())
}

#[test]
fn without_credentials_it_says_where_to_get_some() -> Result {
    let output = program()
        .arg("--check")
        .envs([
            ("RDS_IAM_DB_ENDPOINT", "db.example.com"),
            ("RDS_IAM_DB_NAME", "node_db"),
            ("RDS_IAM_DB_USER", "node_app"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ])
        .output()?;
    let (stdout, error) = text(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(stdout.contains("endpoint db.example.com from RDS_IAM_DB_ENDPOINT\n"), "{stdout}");
    assert!(
        error.starts_with("rds-iam-app: tokens can't be signed: no AWS credentials were found:"),
        "{error}"
    );
    Ok(())
}

#[test]
fn a_port_in_use_names_its_variable() -> Result {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    for (variable, other) in [("PORT", "RDS_IAM_MANAGEMENT_PORT"), ("RDS_IAM_MANAGEMENT_PORT", "PORT")] {
        let output = program()
            .envs([
                ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", "not-a-real-secret"),
                ("AWS_REGION", "eu-west-1"),
                ("RDS_IAM_DB_ENDPOINT", "db.example.com"),
                ("RDS_IAM_DB_NAME", "node_db"),
                ("RDS_IAM_DB_USER", "node_app"),
                ("RDS_IAM_BIND", "127.0.0.1"),
                (variable, &port),
                (other, "0"),
            ])
            .output()?;
        let (_, error) = text(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(&format!("{variable} and RDS_IAM_BIND choose another")), "{error}");
    }
    Ok(())
}

#[test]
fn help_names_every_variable() -> Result {
    let (help, _) = text(&program().arg("--help").output()?);
    for variable in rds_iam_app::config::VARIABLES {
        assert!(help.contains(variable.name), "{} is not in\n{help}", variable.name);
    }
    Ok(())
}

async fn from_parameter_store_to_a_page_and_a_clean_end<E: Kind>() -> Result {
    let aws = AwsApi::start().await?;
    let server = fixtures::app_server::<E>().await?;
    fixtures::create_app_tables(&server).await?;
    let (endpoint, region) = (server.endpoint(), server.region().to_string());
    for (name, value) in [
        ("engine", E::SLUG.into()),
        ("endpoint", endpoint.host().to_string()),
        ("port", endpoint.port().to_string()),
        ("dbname", "node_db".into()),
        ("region", region.clone()),
    ] {
        aws.put_parameter(&format!("/dev/database/{name}"), &value).await?;
    }
    let folder = tempfile::tempdir()?;
    let credentials = folder.path().join("credentials");
    server.write_credentials_file(&credentials)?;
    let command = |user: Option<&str>| configured(&aws, &server, &credentials, &region, user);

    // What Parameter Store lacks is named.
    let output = command(None).arg("--check").output()?;
    let (_, error) = text(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains(
            "- database user (not set): set RDS_IAM_DB_USER, or create the parameter /dev/database/username"
        ),
        "{error}"
    );
    let output = command(Some("node_app")).arg("--check").output()?;
    let (stdout, error) = text(&output);
    assert!(output.status.success(), "{error}");
    assert!(stdout.contains("database name node_db from parameter /dev/database/dbname\n"), "{stdout}");

    let mut child = command(Some("node_app")).env("RUST_LOG", "trace").spawn()?;
    let mut log = BufReader::new(child.stdout.take().ok_or("no stdout")?);
    let mut seen = String::new();
    let address = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line)? > 0, "it ended early: {seen}\n{}", rest(&mut child)?);
        seen += &line;
        let event: serde_json::Value = serde_json::from_str(&line)?;
        if event["message"] == "serving" {
            break event["address"].as_str().ok_or("no address")?.to_owned();
        }
    };
    // The rest of the log is read, so that the program never waits for this test.
    let reader = std::thread::spawn(move || log.read_to_string(&mut seen).map(|_| seen));

    let created = ask(&address, "POST /api/insert", r#"{"message":"hello"}"#)?;
    assert!(created.starts_with("HTTP/1.1 201"), "{created}");
    let page = ask(&address, "GET /", "")?;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<p dir=\"auto\">hello</p>"), "{page}");

    #[expect(clippy::disallowed_methods, reason = "std has no way to send a signal")]
    let sent = Command::new("kill").arg(child.id().to_string()).status()?;
    assert!(sent.success());
    let status = child.wait()?;
    let log = reader.join().map_err(|_| "the reader panicked")??;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.lines().last().is_some_and(|line| line.contains("stopped")), "{log}");
    let keys = server.credentials();
    for secret in ["X-Amz-Signature=", keys.secret_access_key()].into_iter().chain(keys.session_token()) {
        assert!(!log.contains(secret), "a secret was logged: {:?}", log.lines().find(|l| l.contains(secret)));
    }
    Ok(())
}

/// Each line is a command for bash, which becomes the program; the build is not repeated.
async fn the_commands_of_the_readme_serve_and_check<E: Kind>() -> Result {
    let region = "eu-west-1";
    let aws = AwsApi::start_in(region.parse()?).await?;
    let server = Server::<E>::builder().database("node_db").region(region.parse()?).start().await?;
    fixtures::create_user(&server, "node_app", "SELECT, INSERT ON node_db.*").await?;
    fixtures::create_app_tables(&server).await?;
    let endpoint = server.endpoint();
    let (host, port) = (endpoint.host(), endpoint.port());
    for (name, value) in [
        ("engine", E::SLUG.into()),
        ("endpoint", host.to_string()),
        ("port", port.to_string()),
        ("dbname", "node_db".into()),
        ("username", "node_app".into()),
        ("region", region.to_owned()),
    ] {
        aws.put_parameter(&format!("/dev/database/{name}"), &value).await?;
    }
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    let engine = if E::SLUG == "mysql" { "mysql" } else { "postgresql" };
    let conf = format!(
        "ENGINE=\"{engine}\"\nRDS_ENDPOINT=\"{host}\"\nRDS_PORT=\"{port}\"\nREGION=\"{region}\"\n\
         MASTER_SECRET_NAME=\"master\"\nDB_NAME=\"node_db\"\nIAM_ADMIN_USER=\"iam_admin\"\n"
    );
    std::fs::write(file("rds.conf"), conf)?;
    server.write_credentials_file(&file("credentials"))?;
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rds-iam-app"), file("rds-iam-app"))?;

    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH")?);
    let readme =
        include_str!("../README.md").split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    let lines = readme.ok_or("no block of commands")?.lines().filter(|line| !line.is_empty());
    let mut ran = Vec::new();
    for line in lines.filter(|line| !line.starts_with("cargo build --workspace --bin rds-iam-app ")) {
        #[expect(clippy::disallowed_methods, reason = "a reader's shell")]
        let mut shell = Command::new("bash");
        shell.args(["-eu", "-c", line]).current_dir(folder.path()).env_clear().envs(aws.env());
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell.env("PATH", &path).env("AWS_SHARED_CREDENTIALS_FILE", file("credentials"));
        shell.env("RDS_IAM_DIAL", server.dial().to_string()).env("RDS_IAM_CA_BUNDLE", server.ca_path());
        shell.env("RDS_IAM_BIND", "127.0.0.1").env("PORT", "0");
        let mut child = shell.spawn()?;
        let mut log = String::new();
        if line.contains("--check") {
            child.stdout.take().ok_or("no stdout")?.read_to_string(&mut log)?;
        } else {
            let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?);
            let address = loop {
                let start = log.len();
                assert!(
                    lines.read_line(&mut log)? > 0,
                    "{line}: it ended early: {log}\n{}",
                    rest(&mut child)?
                );
                let event: serde_json::Value = serde_json::from_str(&log[start..])?;
                if event["message"] == "serving" {
                    break event["address"].as_str().ok_or("no address")?.to_owned();
                }
            };
            let page = ask(&address, "GET /", "")?;
            assert!(page.starts_with("HTTP/1.1 200"), "{line}: {page}");
            #[expect(clippy::disallowed_methods, reason = "std has no way to send a signal")]
            let sent = Command::new("kill").arg(child.id().to_string()).status()?;
            assert!(sent.success());
            lines.read_to_string(&mut log)?;
        }
        assert_eq!(child.wait()?.code(), Some(0), "{line}: {log}");
        ran.push(line.contains("--check"));
    }
    assert_eq!(ran, [false, false, true], "two that serve, and the check");
    Ok(())
}

fn configured<E: Kind>(
    aws: &AwsApi,
    server: &Server<E>,
    credentials: &Path,
    region: &str,
    user: Option<&str>,
) -> Command {
    let mut command = program();
    command
        .envs(aws.env())
        .env("AWS_REGION", region)
        .env("AWS_SHARED_CREDENTIALS_FILE", credentials)
        .env("RDS_IAM_SSM_PREFIX", "/dev/database")
        .env("RDS_IAM_DIAL", server.dial().to_string())
        .env("RDS_IAM_CA_BUNDLE", server.ca_path())
        .env("RDS_IAM_BIND", "127.0.0.1")
        .env("PORT", "0");
    command.envs(user.map(|user| ("RDS_IAM_DB_USER", user)));
    command
}

fn rest(child: &mut Child) -> Result<String> {
    let mut error = String::new();
    child.stderr.take().ok_or("no stderr")?.read_to_string(&mut error)?;
    Ok(error)
}

/// Sends a request over a separate connection, and returns the whole response.
fn ask(address: &str, line: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let length = body.len();
    write!(
        stream,
        "{line} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
