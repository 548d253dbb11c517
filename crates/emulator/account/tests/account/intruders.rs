//! Tests of attacks on the account's AWS API by other users of this machine, web pages and the service
//! itself.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::Result;
use crate::aws::{Answer, Aws, authorization, element};
use crate::machines::{self, AUTO_SCALING};
use crate::program::{Account, until};

const PRIVATE: &str = "/moto-api/rds-iam-account";

#[tokio::test]
async fn only_who_knows_the_account_s_key_is_let_in() -> Result {
    let outer = tempfile::tempdir()?;
    let account = Account::start(outer.path()).await?;
    let aws = &account.aws;
    let host = format!("Host: {}", aws.address());
    let parameters = "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: AmazonSSM.DescribeParameters";
    let regions = "/?Action=DescribeRegions&Version=2016-11-15";
    let known =
        aws.send("POST", "/", &format!("{host}\r\n{parameters}\r\n{}", aws.authorization("ssm")), "{}")?;
    assert_eq!(known.status, 200, "{}", known.body);

    let lower = aws.key.to_lowercase();
    let (short, long) = (aws.key[..aws.key.len() - 1].to_owned(), format!("{}A", aws.key));
    let quoted = format!("x,Credential={}", aws.key);
    let keys =
        ["AKIAMADEUP", "", "/", "*", &lower, &short, &long, &quoted].map(|key| (key, aws.token.as_str()));
    // The ID alone, which logs show, is not enough.
    let twice = format!("{0} {0}", aws.token);
    let tokens = ["", "*", &aws.key, &aws.token[1..], &twice].map(|token| (aws.key.as_str(), token));
    for (key, token) in keys.into_iter().chain(tokens) {
        let authorization = |service| authorization(key, token, service);
        let json =
            aws.send("POST", "/", &format!("{host}\r\n{parameters}\r\n{}", authorization("ssm")), "{}")?;
        refused(&json, "an action in JSON")?;
        let error: serde_json::Value = serde_json::from_str(&json.body)?;
        assert_eq!(error["__type"], "UnrecognizedClientException", "{}", json.body);
        let query = aws.send("GET", regions, &format!("{host}\r\n{}", authorization("ec2")), "")?;
        refused(&query, "an action in a query")?;
        // If no service can be read from the request, the error has the format that most services use.
        let code = element(&query.body, "Code");
        assert!(matches!(code, "AuthFailure" | "InvalidClientTokenId"), "{}", query.body);
        for (method, path) in [("GET", PRIVATE), ("POST", PRIVATE), ("POST", "/moto-api/reset")] {
            let private = aws.send(method, path, &format!("{host}\r\n{}", authorization("ssm")), "{}")?;
            refused(&private, path)?;
        }
    }
    // A presigned request is accepted, and its token is in no log.
    let presigned = format!(
        "{regions}&X-Amz-Credential={}/20260101/us-east-1/ec2/aws4_request&X-Amz-Security-Token={}",
        aws.key, aws.token
    );
    assert_eq!(aws.send("GET", &presigned, &host, "")?.status, 200);
    let log = fs::read_to_string(outer.path().join("aws.log"))?;
    assert!(log.contains("GET /?… "), "{log}");
    assert!(!log.contains(&aws.token), "{log}");
    // No key, and the right one where no request has it.
    for headers in [host.clone(), format!("{host}\r\nX-Key: {0}\r\nCookie: key={0}", aws.key)] {
        for path in ["/", regions, PRIVATE, "/moto-api/data.json", "/favicon.ico", "/latest/meta-data/", "//"]
        {
            refused(&aws.send("GET", path, &headers, "")?, path)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn no_web_page_and_no_foreign_host_is_let_in() -> Result {
    let outer = tempfile::tempdir()?;
    let account = Account::start(outer.path()).await?;
    let aws = &account.aws;
    let (host, key) = (format!("Host: {}", aws.address()), aws.authorization("ec2"));
    let regions = "/?Action=DescribeRegions&Version=2016-11-15";
    let origins = ["https://evil.example", "null", "file://", &aws.url, "http://localhost:3000"];
    for origin in origins {
        let headers = format!("{host}\r\n{key}\r\nOrigin: {origin}");
        for path in [regions, PRIVATE] {
            refused(&aws.send("GET", path, &headers, "")?, origin)?;
        }
        let asked = format!(
            "{host}\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: authorization"
        );
        let preflight = aws.send("OPTIONS", "/", &asked, "")?;
        refused(&preflight, origin)?;
        assert!(!preflight.head.to_lowercase().contains("access-control-allow"), "{}", preflight.head);
    }
    // DNS rebinding: the name now resolves to this address, and the page's request has no foreign origin.
    let port = aws.address().rsplit_once(':').ok_or("no port")?.1;
    for name in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "127.0.0.1@evil.example",
        "0.0.0.0",
    ] {
        let headers = format!("Host: {name}:{port}\r\n{key}");
        refused(&aws.send("GET", regions, &headers, "")?, name)?;
    }
    refused(&aws.send("GET", regions, &key, "")?, "no host")?;
    Ok(())
}

#[tokio::test]
async fn only_the_module_s_own_script_is_run() -> Result {
    let outer = tempfile::tempdir()?;
    let account = Account::start(&outer.path().join("account")).await?;
    let marker = outer.path().join("marker");
    let own = machines::user_data("3000", "3001");
    let touch = format!("touch {}", marker.display());
    let foreign = [
        // The expected lines, with another script between them.
        format!(
            "#!/bin/bash\ncat > /usr/local/sbin/app-start <<'SCRIPT'\n# --env PORT='3000' --env \
             RDS_IAM_SSM_PREFIX='/local/database'\n{touch}\nSCRIPT\n"
        ),
        own.replace("set -euo pipefail\nimage=", &format!("set -euo pipefail\n{touch}\nimage=")),
        own.replace("'/local/app/image'", &format!("'/local/app/image'; {touch}; echo '")),
        own.replace("/local/app/image", &format!("/local/$({touch})/image")),
        own.replace("us-east-1'", &format!("us-east-1'; {touch}; echo '")),
        format!("{own}\n{touch}\n"),
        format!("#!/bin/bash\n{touch}\n{own}"),
        own.replace('\n', "\r\n"),
    ];
    for (number, script) in foreign.iter().enumerate() {
        assert_ne!(*script, own, "{number}");
        let name = format!("g{number}");
        let (status, reason) = refresh(&account.aws, &name, script).await?;
        assert!(!marker.exists(), "script {number} was run");
        assert_eq!(status, "Failed", "{number}: {reason}");
        assert!(reason.contains("user data"), "{number}: {reason}");
    }
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_no_name_becomes_no_path() -> Result {
    let outer = tempfile::tempdir()?;
    let account = Account::start(&outer.path().join("account")).await?;
    let victim = outer.path().join("victim");
    fs::create_dir(&victim)?;
    fs::write(victim.join("kept"), "kept")?;
    let absolute = victim.display().to_string();
    let names = [absolute.as_str(), "../../victim", "..", "a/../../../victim", "-rf", "a b", "a.b", "é"];
    for name in names {
        let (status, reason) = match refresh(&account.aws, name, &machines::user_data("3000", "3001")).await {
            // The AWS API itself may refuse it.
            Err(refused) if refused.to_string().contains("HTTP/1.1 4") => continue,
            done => done?,
        };
        let delete = [("AutoScalingGroupName", name), ("ForceDelete", "true")];
        account.aws.query("autoscaling", AUTO_SCALING, "DeleteAutoScalingGroup", &delete)?;
        still_there(&account.aws, &victim)?;
        assert_eq!(status, "Failed", "{name}: {reason}");
        assert!(reason.contains("is no name"), "{name}: {reason}");
    }
    for name in [absolute.as_str(), "../../victim/kept", "a b"] {
        let made = account.aws.query(
            "rds",
            "2014-10-31",
            "CreateDBInstance",
            &[
                ("DBInstanceIdentifier", name),
                ("Engine", "mysql"),
                ("DBInstanceClass", "db.t4g.medium"),
                ("AllocatedStorage", "20"),
                ("MasterUsername", "dbadmin"),
                ("ManageMasterUserPassword", "true"),
            ],
        );
        if made.is_ok() {
            still_there(&account.aws, &victim)?;
        }
    }
    for name in [absolute.as_str(), "../../victim", ".."] {
        let create = json!({ "repositoryName": name });
        let ecr = |action: &str, body| account.aws.json("ecr", &format!("{}.{action}", crate::ECR), body);
        let refused = ecr("CreateRepository", &create).is_err();
        assert!(refused, "{name}");
        // There is none to be deleted, and nothing is removed.
        assert!(
            ecr("DeleteRepository", &json!({ "repositoryName": name, "force": true })).is_err(),
            "{name}"
        );
    }
    still_there(&account.aws, &victim)
}

/// Checks after the account has polled the AWS API, which it does four times a second.
#[expect(
    clippy::disallowed_methods,
    reason = "that nothing happens can't be awaited: the account polls twice meanwhile"
)]
fn still_there(aws: &Aws, victim: &Path) -> Result {
    for _ in 0..8 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        aws.query("autoscaling", AUTO_SCALING, "DescribeAutoScalingGroups", &[])?;
    }
    let left: Vec<_> = fs::read_dir(victim)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<std::io::Result<_>>()?;
    assert_eq!(left, ["kept"], "in {}", victim.display());
    Ok(())
}

fn refused(answer: &Answer, what: &str) -> Result {
    if answer.status == 403 {
        return Ok(());
    }
    Err(format!("{what} was answered: {}\n{}", answer.head, answer.body).into())
}

/// Refreshes a new group whose launch template has this user data; returns the status and its reason.
async fn refresh(aws: &Aws, group: &str, user_data: &str) -> Result<(String, String)> {
    let images = aws.query("ec2", "2016-11-15", "DescribeImages", &[])?;
    let template = format!("t{}", BASE64_STANDARD.encode(group).replace(['/', '+', '='], "-"));
    let made = [
        ("LaunchTemplateName", template.as_str()),
        ("LaunchTemplateData.ImageId", element(&images, "imageId")),
        ("LaunchTemplateData.InstanceType", "t4g.small"),
        ("LaunchTemplateData.UserData", &BASE64_STANDARD.encode(user_data)),
    ];
    aws.query("ec2", "2016-11-15", "CreateLaunchTemplate", &made)?;
    let made = [
        ("AutoScalingGroupName", group),
        ("MinSize", "1"),
        ("MaxSize", "1"),
        ("AvailabilityZones.member.1", "us-east-1a"),
        ("LaunchTemplate.LaunchTemplateName", &template),
    ];
    aws.query("autoscaling", AUTO_SCALING, "CreateAutoScalingGroup", &made)?;
    let name = [("AutoScalingGroupName", group)];
    aws.query("autoscaling", AUTO_SCALING, "StartInstanceRefresh", &name)?;
    until("the refresh", || {
        let found = aws.query("autoscaling", AUTO_SCALING, "DescribeInstanceRefreshes", &name)?;
        let status = element(&found, "Status").to_owned();
        let is_over = !matches!(status.as_str(), "Pending" | "InProgress" | "Cancelling");
        Ok(is_over.then(|| (status, element(&found, "StatusReason").to_owned())))
    })
    .await
}

/// A call that moto does not support returns an error in AWS's format, with a status that is not retried.
#[tokio::test]
async fn what_is_not_known_is_said_at_once_as_aws_says_it() -> Result {
    let outer = tempfile::tempdir()?;
    let account = Account::start(outer.path()).await?;
    let aws = &account.aws;
    let host = format!("Host: {}", aws.address());
    let form = "Content-Type: application/x-www-form-urlencoded";
    let unknown = "Action=DescribeDBEngineVersions&Version=2014-10-31";
    let headers = format!("{host}\r\n{form}\r\n{}", aws.authorization("rds"));
    let answer = aws.send("POST", "/", &headers, unknown)?;
    assert_eq!(answer.status, 400, "{}\n{}", answer.head, answer.body);
    assert_eq!(element(&answer.body, "Code"), "InvalidAction", "{}", answer.body);

    for (target, body, code) in [
        ("AmazonSSM.DescribePatchGroups", "{}", "UnknownOperationException"),
        ("AmazonSSM.GetParameter", "this is no JSON", "EmulatorFailure"),
    ] {
        let json = format!("Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {target}");
        let headers = format!("{host}\r\n{json}\r\n{}", aws.authorization("ssm"));
        let answer = aws.send("POST", "/", &headers, body)?;
        assert_eq!(answer.status, 400, "{target}: {}\n{}", answer.head, answer.body);
        let error: serde_json::Value = serde_json::from_str(&answer.body)?;
        assert_eq!(error["__type"], code, "{}", answer.body);
    }
    Ok(())
}
