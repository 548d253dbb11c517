//! Tests with the golden tokens of AWS's SDKs, and a fixed clock.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::StaticTimeSource;

use super::*;

const HOST: &str = "prod-instance.us-east-1.rds.amazonaws.com";
const SIGNATURE: &str = "d1138cdbc0ca63eec012ec0fc6c2267e03642168f5884a7795320d4c18374c61";

/// Returns botocore's golden token: another order of the parameters than ours.
fn of_botocore() -> String {
    format!(
        "{HOST}:3306/?Action=connect&DBUser=someusername&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20161107T173933Z\
         &X-Amz-SignedHeaders=host&X-Amz-Expires=900&X-Amz-Credential=akid%2F20161107%2Fus-east-1%2Frds-db%2F\
         aws4_request&X-Amz-Signature={SIGNATURE}"
    )
}

/// The time at which botocore's token was signed.
fn signed_at() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_478_540_373)
}

fn explain(text: &str, now: SystemTime) -> Result<String, String> {
    let explanation = Explanation::parse(text, now).map_err(|error| error.to_string())?;
    let json = json(&explanation).unwrap();
    let shown = explanation.to_string();
    for secret in [SIGNATURE, "session-token"] {
        assert!(!json.contains(secret) && !shown.contains(secret), "{json}\n{shown}");
    }
    Ok(shown)
}

#[tokio::test]
async fn the_json_of_the_golden_token_of_the_rust_sdk() {
    let login = Login::new(
        Endpoint::new(HOST, 3306).unwrap(),
        "us-east-1".parse().unwrap(),
        "peccy".parse().unwrap(),
    );
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_724_709_600);
    let clock = Clock::new(StaticTimeSource::new(at), TokioSleep::new());
    let credentials = Credentials::new("akid", "secret", None, None, "test");
    let token = Minter::new(login.clone(), credentials, clock.clone()).mint().await.unwrap();
    let signature = "dd0cba843009474347af724090233265628ace491ea17ce3eb3da098b983ad89";
    assert!(token.expose().ends_with(signature), "{}", token.expose());
    let json = json(&Signed::new(&token, &login, &clock).unwrap()).unwrap();
    insta::assert_snapshot!(json.replace(token.expose(), "TOKEN"), @r#"
    {
      "token": "TOKEN",
      "signed_at": "2024-08-26T22:00:00Z",
      "expires_at": "2024-08-26T22:15:00Z",
      "signer": "akid",
      "login": {
        "host": "prod-instance.us-east-1.rds.amazonaws.com",
        "port": 3306,
        "user": "peccy",
        "region": "us-east-1"
      }
    }
    "#);
}

#[test]
fn a_token_of_another_sdk_is_explained() {
    insta::assert_snapshot!(explain(&of_botocore(), signed_at()).unwrap(), @"
    host        prod-instance.us-east-1.rds.amazonaws.com
    port        3306
    user        someusername
    region      us-east-1
    access key  akid (long-lived)
    signed at   2016-11-07T17:39:33Z
    expires at  2016-11-07T17:54:33Z
    length      336 bytes
    state       valid for 900 s, if the signature is right
    ");
    // The Go SDKs leave the slash out; a pipe adds a line break.
    let of_go = of_botocore().replace("/?", "?") + "\n";
    assert!(explain(&of_go, signed_at()).unwrap().contains("state       valid for 900 s"));
}

#[test]
fn its_state_depends_on_the_time() {
    let at = |seconds: i64| {
        let offset = Duration::from_secs(seconds.unsigned_abs());
        let now = if seconds < 0 { signed_at() - offset } else { signed_at() + offset };
        explain(&of_botocore(), now).unwrap()
    };
    for (seconds, state) in [
        (-301, "not valid: signed 301 s in the future"),
        (-300, "valid for 1200 s, if the signature is right"),
        (899, "valid for 1 s, if the signature is right"),
        (900, "expired 0 s ago"),
        (1000, "expired 100 s ago"),
    ] {
        let shown = at(seconds);
        assert!(shown.contains(&format!("state       {state}\n")), "{seconds}: {shown}");
        assert_eq!(shown.contains("note: it was signed"), seconds < 0, "{shown}");
    }
}

#[test]
fn what_makes_a_database_refuse_it_is_noted() {
    let token = of_botocore();
    for (from, to, note) in [
        (HOST, "127.0.0.1", "note: 127.0.0.1 is not a name that AWS gives to a database"),
        (HOST, "db.example.com", "note: db.example.com is not a name that AWS gives"),
        ("us-east-1%2F", "eu-west-1%2F", "is for the region \"eu-west-1\", but the host is in us-east-1"),
        ("rds-db", "rds", "is for the service \"rds\", not rds-db"),
        ("Expires=900", "Expires=3600", "its lifetime is 3600 s; RDS accepts no more than 900 s"),
        ("connect", "delete", "Action is not connect"),
        (&SIGNATURE[1..], "", "X-Amz-Signature does not have 64 hexadecimal digits"),
        ("akid%2F20161107", "akid%2F20161108", "name different days"),
        (
            "&X-Amz-Expires",
            "&X-Amz-Security-Token=session-token&X-Amz-Expires",
            "temporary credentials signed it",
        ),
    ] {
        let shown = explain(&token.replace(from, to), signed_at()).unwrap();
        assert!(shown.contains(note), "{note}: {shown}");
        assert_eq!(shown.matches("note: ").count(), 1, "{shown}");
    }
    let other = token.replace(HOST, "orders.global-c0ffee.global.rds.amazonaws.com");
    assert!(!explain(&other, signed_at()).unwrap().contains("note: "));
}

#[test]
fn a_text_that_is_no_token_is_refused_without_repeating_it() {
    let token = of_botocore();
    for (text, problem) in [
        (String::new(), "it is empty"),
        ("hunter2".to_owned(), "expected host:port/?Action=connect"),
        (format!("https://{token}"), "it begins with https://"),
        (token.replace(":3306", ""), "the text before the question mark is not host:port"),
        (token.replace("DBUser=some", "DBUser=some\n"), "a space or a line break inside"),
        (token.replace("&X-Amz-Date=20161107T173933Z", ""), "X-Amz-Date is missing"),
        (token.replace("20161107T173933Z", "2016-11-07"), "X-Amz-Date is not a time"),
        (token.replace("Expires=900", "Expires=-1"), "X-Amz-Expires is not a number"),
        (token.replace("%2Faws4_request", ""), "X-Amz-Credential is not KEY/DAY"),
        (format!("{token}&DBUser=admin"), "DBUser is in it twice"),
        (token.replace("someusername", "%ff"), "is not UTF-8"),
    ] {
        let error = explain(&text, signed_at()).unwrap_err();
        assert!(error.contains(problem), "{problem}: {error}");
        assert!(!error.contains("someusername") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_user_cannot_forge_a_line() {
    let token = of_botocore().replace("someusername", "x%0Astate%20valid");
    let shown = explain(&token, signed_at()).unwrap();
    assert!(shown.contains("user        x\\nstate valid\n"), "{shown}");
}

#[test]
fn the_region_is_that_of_the_name_or_else_the_given_one() {
    let resolve = |host: &str, given: Option<&str>| {
        let given = given.map(|region| region.parse().unwrap());
        region_of(&host.parse().unwrap(), given).map_err(|error| error.to_string())
    };
    let found = |region: &str| Ok(Some(region.parse().unwrap()));
    assert_eq!(resolve(HOST, None), found("us-east-1"));
    assert_eq!(resolve(HOST, Some("us-east-1")), found("us-east-1"));
    assert_eq!(resolve("db.example.com", Some("eu-west-1")), found("eu-west-1"));
    assert_eq!(resolve("db.example.com", None), Ok(None));
    let error = resolve(HOST, Some("eu-west-1")).unwrap_err();
    assert!(error.contains("but prod-instance.us-east-1.rds.amazonaws.com is in us-east-1"), "{error}");
}
