//! Tests of an account: resources created in its AWS API get real servers, and nothing is left at the end.

mod aws;
mod databases;
mod intruders;
mod machines;
mod program;
mod proxies;
mod sessions;

use std::net::TcpStream;

use serde_json::json;

use program::{Account, program};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const ECR: &str = "AmazonEC2ContainerRegistry_V20150921";

#[tokio::test]
async fn it_has_a_registry_and_ends_when_asked() -> Result {
    let outer = tempfile::tempdir()?;
    let folder = outer.path().join("account");
    let mut account = Account::start(&folder).await?;
    let logins = account.aws.json("ecr", &format!("{ECR}.GetAuthorizationToken"), &json!({}))?;
    let login = &logins["authorizationData"][0];
    assert_eq!(login["proxyEndpoint"], format!("http://{}", account.registry));
    let asked = |login: &str| {
        let request = format!("GET /v2/ HTTP/1.0\r\nAuthorization: Basic {login}\r\n\r\n");
        let mut stream = TcpStream::connect(&account.registry)?;
        std::io::Write::write_all(&mut stream, request.as_bytes())?;
        let answer = std::io::read_to_string(stream)?;
        Ok::<_, std::io::Error>(answer.split(' ').nth(1).unwrap_or_default().to_owned())
    };
    assert_eq!(asked(login["authorizationToken"].as_str().unwrap())?, "200");
    // `AWS:other`, and the value that every moto account has.
    for foreign in ["QVdTOm90aGVy", "QVdTOjEyMzQ1Njc4OTAxMi1hdXRoLXRva2Vu"] {
        assert_eq!(asked(foreign)?, "401");
    }

    let second = program(&folder).stderr(std::process::Stdio::piped()).spawn()?.wait_with_output()?;
    let said = String::from_utf8(second.stderr)?;
    let expected = format!("but an account uses it already, process {}: use that one", account.child.id());
    assert!(second.status.code() == Some(1) && said.contains(&expected), "{said}");

    account.end()?;
    for address in [&account.registry, account.aws.url.trim_start_matches("http://")] {
        assert!(TcpStream::connect(address).is_err());
    }
    let mut left: Vec<_> =
        std::fs::read_dir(&folder)?.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["account.lock", "aws.log", "machines.log", "registry.log"]);
    Ok(())
}
