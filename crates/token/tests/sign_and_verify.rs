//! Tests of signing against published vectors, and of verification against every possible error.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use rds_iam_token::{
    AccessKey, Endpoint, LIFETIME, Login, RefusalCode, SignError, Verifier, VerifyError, sign,
};

const HOST: &str = "prod-instance.us-east-1.rds.amazonaws.com:3306";
/// 2024-08-26T22:00:00Z
const NOW: u64 = 1_724_709_600;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn login(endpoint: &str, region: &str, user: &str) -> Login {
    Login::new(endpoint.parse().unwrap(), region.parse().unwrap(), user.parse().unwrap())
}

fn keys(secret: &str, session_token: Option<&str>) -> Credentials {
    Credentials::new("akid", secret, session_token.map(Into::into), None, "test")
}

fn server(endpoint: &str, region: &str, key: AccessKey) -> Verifier {
    Verifier::new(region.parse().unwrap(), vec![endpoint.parse().unwrap()], vec![key])
}

fn parameter<'a>(token: &'a str, name: &str) -> &'a str {
    token
        .split(['?', '&'])
        .find_map(|p| p.strip_prefix(name)?.strip_prefix('='))
        .expect("the parameter is there")
}

#[test]
fn golden_vector_of_the_rust_sdk() {
    let token = sign(&login(HOST, "us-east-1", "peccy"), &keys("secret", None), at(NOW)).unwrap();
    assert_eq!(
        parameter(token.expose(), "X-Amz-Signature"),
        "dd0cba843009474347af724090233265628ace491ea17ce3eb3da098b983ad89"
    );
    assert!(
        token
            .expose()
            .starts_with("prod-instance.us-east-1.rds.amazonaws.com:3306/?Action=connect&DBUser=peccy&")
    );
    assert_eq!(parameter(token.expose(), "X-Amz-Expires"), "900");
}

#[test]
fn golden_vector_of_botocore() {
    // 2016-11-07T17:39:33Z
    let token =
        sign(&login(HOST, "us-east-1", "someusername"), &keys("skid", None), at(1_478_540_373)).unwrap();
    assert_eq!(
        parameter(token.expose(), "X-Amz-Signature"),
        "d1138cdbc0ca63eec012ec0fc6c2267e03642168f5884a7795320d4c18374c61"
    );
}

#[test]
fn every_user_endpoint_and_session_token_round_trips() {
    let users = [
        "node_app",
        "a&b=c",
        "x+y",
        "50%",
        "%41",
        "two words",
        "o'neil",
        "back`tick",
        "say \"hi\"",
        "Zoë",
        "名前",
        "a/b?c#d",
        "DBUser=other",
        "~-_.",
        "*",
    ];
    let places = [
        (HOST, "us-east-1"),
        ("db.abc.rds.cn-north-1.amazonaws.com.cn:3306", "cn-north-1"),
        ("db.abc.us-gov-west-1.rds.amazonaws.com:5432", "us-gov-west-1"),
        ("127.0.0.1:13306", "eu-west-1"),
        ("[2001:db8::1]:3306", "eu-west-1"),
        ("db.example.com:443", "eu-west-1"),
        ("db.example.com:80", "eu-west-1"),
    ];
    let long = "IQoJb3JpZ2luX2VjE+/=".repeat(200);
    for session_token in [None, Some("tok+/="), Some(long.as_str())] {
        let mut key = AccessKey::new("akid", "secret");
        key = session_token.into_iter().fold(key, AccessKey::session_token);
        for (endpoint, region) in places {
            let server = server(endpoint, region, key.clone());
            for user in users {
                let token =
                    sign(&login(endpoint, region, user), &keys("secret", session_token), at(NOW)).unwrap();
                let accepted = server.verify(token.expose(), user, at(NOW));
                let accepted = accepted.unwrap_or_else(|why| panic!("{user} at {endpoint}: {why}"));
                assert_eq!(accepted.access_key_id, "akid");
                assert_eq!((accepted.signed_at, accepted.expires_at), (at(NOW), at(NOW) + LIFETIME));
            }
        }
    }
}

#[test]
fn times_are_checked_at_each_boundary() {
    let server = server(HOST, "us-east-1", AccessKey::new("akid", "secret"));
    let token = sign(&login(HOST, "us-east-1", "app"), &keys("secret", None), at(NOW)).unwrap();
    let verify = |now| server.verify(token.expose(), "app", now).map_err(|r| (r.code(), r.to_string()));
    assert!(verify(at(NOW)).is_ok());
    assert!(verify(at(NOW + 899)).is_ok());
    let expired = (RefusalCode::ExpiredToken, "the token expired 0 s ago".to_owned());
    assert_eq!(verify(at(NOW + 900)), Err(expired));
    assert!(verify(at(NOW - 300)).is_ok(), "a signer's clock may be 5 minutes ahead");
    let ahead = "the token was signed 301 s in the future: the signer's clock is ahead".to_owned();
    assert_eq!(verify(at(NOW - 301)), Err((RefusalCode::InvalidToken, ahead)));
}

#[test]
fn a_token_is_for_one_login_only() {
    let server = |region| server(HOST, region, AccessKey::new("akid", "secret"));
    let token = |endpoint, region, user| {
        sign(&login(endpoint, region, user), &keys("secret", None), at(NOW)).unwrap()
    };
    let refusal = |region, token: rds_iam_token::Token| {
        server(region).verify(token.expose(), "app", at(NOW)).unwrap_err()
    };

    let other_user = refusal("us-east-1", token(HOST, "us-east-1", "root"));
    assert_eq!(other_user, VerifyError::WrongUser { signed_for: "root".into(), user: "app".into() });
    let alias = "alias.example.com:3306";
    let other_host = refusal("us-east-1", token(alias, "us-east-1", "app"));
    assert_eq!(other_host, VerifyError::WrongHost { signed_for: alias.parse().unwrap() });
    let other_port =
        refusal("us-east-1", token("prod-instance.us-east-1.rds.amazonaws.com:3307", "us-east-1", "app"));
    assert_eq!(other_port, VerifyError::WrongPort { signed_for: 3307, expected: 3306 });
    let other_region = refusal("us-east-1", token(HOST, "eu-west-1", "app"));
    let expected = "us-east-1".parse().unwrap();
    assert_eq!(other_region, VerifyError::WrongRegion { signed_for: "eu-west-1".into(), expected });
    for refusal in [other_user, other_host, other_port, other_region] {
        assert_eq!((refusal.code(), refusal.code().status()), (RefusalCode::InvalidToken, 400));
    }
}

#[test]
fn keys_are_checked() {
    let good = AccessKey::new("akid", "secret").session_token("st");
    let token =
        |credentials: &Credentials| sign(&login(HOST, "us-east-1", "app"), credentials, at(NOW)).unwrap();
    let verify = |key: AccessKey, credentials: &Credentials| {
        server(HOST, "us-east-1", key).verify(token(credentials).expose(), "app", at(NOW))
    };
    assert!(verify(good.clone(), &keys("secret", Some("st"))).is_ok());

    let unknown = Credentials::new("other", "secret", None, None, "test");
    let unknown = verify(good.clone(), &unknown);
    assert_eq!(unknown, Err(VerifyError::UnknownKey { access_key_id: "other".into() }));
    for session_token in [None, Some("wrong")] {
        let refusal = verify(good.clone(), &keys("secret", session_token)).unwrap_err();
        assert_eq!(refusal, VerifyError::SessionToken { access_key_id: "akid".into() });
    }
    assert_eq!(verify(good.clone(), &keys("wrong", Some("st"))), Err(VerifyError::SignatureMismatch));

    let ended = verify(good.clone().expires_at(at(NOW - 5)), &keys("secret", Some("st"))).unwrap_err();
    assert!(matches!(ended, VerifyError::KeyExpired { .. }), "{ended}");
    assert_eq!(ended.code(), RefusalCode::ExpiredToken);
    assert!(verify(good.clone().expires_at(at(NOW + 1)), &keys("secret", Some("st"))).is_ok());

    let limited =
        verify(good.clone().users(vec!["admin".parse().unwrap()]), &keys("secret", Some("st"))).unwrap_err();
    assert_eq!(limited, VerifyError::NotAllowed { access_key_id: "akid".into(), user: "app".into() });
    assert_eq!((limited.code(), limited.code().status()), (RefusalCode::NotAuthorized, 403));
}

#[test]
fn no_part_of_a_token_can_be_changed() {
    let server = server(HOST, "us-east-1", AccessKey::new("akid", "secret"));
    let token = sign(&login(HOST, "us-east-1", "app"), &keys("secret", None), at(NOW)).unwrap();
    let text = token.expose();
    for (index, old) in text.char_indices() {
        let new = if old == 'a' { 'b' } else { 'a' };
        let changed = format!("{}{new}{}", &text[..index], &text[index + 1..]);
        let accepted = server.verify(&changed, "app", at(NOW)).is_ok();
        // The digits of a hexadecimal signature or of an escape may change their case, nothing else.
        assert!(!accepted || old.eq_ignore_ascii_case(&new), "{old} → {new} at {index} was accepted");
        let cut = &text[..index];
        assert!(server.verify(cut, "app", at(NOW)).is_err(), "cut at {index}");
    }
}

/// AWS's Go SDKs write `host:port?Action=…`.
#[test]
fn the_slash_before_the_query_may_be_left_out() {
    let server = server(HOST, "us-east-1", AccessKey::new("akid", "secret"));
    let token = sign(&login(HOST, "us-east-1", "a/?b"), &keys("secret", None), at(NOW)).unwrap();
    let text = token.expose();
    assert!(server.verify(&text.replacen("/?", "?", 1), "a/?b", at(NOW)).is_ok());
    for wrong in [text.replacen("/?", "//?", 1), text.replacen("/?", "", 1), text.replacen("/?", "/", 1)] {
        assert!(server.verify(&wrong, "a/?b", at(NOW)).is_err(), "{wrong:?}");
    }
}

/// Signers differ in what they sign for a host in upper case: botocore and this crate write and sign it in
/// lower case; the JavaScript signer writes and signs it as given, which is refused. See the verifier.
#[test]
fn a_host_is_signed_in_lower_case() {
    let server = server(HOST, "us-east-1", AccessKey::new("akid", "secret"));
    let token =
        sign(&login(&HOST.to_uppercase(), "us-east-1", "app"), &keys("secret", None), at(NOW)).unwrap();
    assert!(token.expose().starts_with(HOST));
    let written_in_upper_case = token.expose().replacen(HOST, &HOST.to_uppercase(), 1);
    assert!(server.verify(&written_in_upper_case, "app", at(NOW)).is_ok());
}

#[test]
fn forms_that_are_not_tokens() {
    let server = server(HOST, "us-east-1", AccessKey::new("akid", "secret"));
    let token = sign(&login(HOST, "us-east-1", "app"), &keys("secret", None), at(NOW)).unwrap();
    let good = token.expose();
    let refusal = |text: &str| server.verify(text, "app", at(NOW)).unwrap_err();
    insta::assert_snapshot!(refusal(&format!("{good}&DBUser=root")), @"not an IAM token: DBUser is in it twice");
    for (text, what) in [
        ("hunter2".into(), "not of the form host:port/?query"),
        (format!("https://{good}"), "the text before /? is not host:port"),
        (good.replace("=app", "=%zz"), "the query has a broken %-escape"),
        (good.replace("=app", "=%ff"), "a query parameter is not UTF-8"),
        (good.replace("Expires=900", "Expires=0"), "X-Amz-Expires is not a positive number of seconds"),
        (good.replace("Expires=900", "Expires=%2B900"), "X-Amz-Expires is not a positive number of seconds"),
        (good.replace("HMAC-SHA256", "HMAC-MD5"), "X-Amz-Algorithm is not AWS4-HMAC-SHA256"),
        (good.replace("SignedHeaders=host", "SignedHeaders="), "X-Amz-SignedHeaders is not host alone"),
        (good.replace("T220000Z", "T2200"), "X-Amz-Date is not a date"),
        (
            good.replace("Date=20240826", "Date=20240827"),
            "X-Amz-Credential and X-Amz-Date name different days",
        ),
    ] {
        assert_eq!(refusal(&text), VerifyError::Malformed { what });
    }
    assert_eq!(refusal(&good.replace("&DBUser=app", "")), VerifyError::Missing { parameter: "DBUser" });
    let action = refusal(&good.replace("Action=connect", "Action=delete"));
    assert_eq!(action, VerifyError::WrongAction { action: "delete".into() });
    let service = refusal(&good.replace("rds-db", "s3"));
    assert_eq!(service, VerifyError::WrongService { service: "s3".into() });
    let lifetime = Duration::from_secs(901);
    assert_eq!(refusal(&good.replace("Expires=900", "Expires=901")), VerifyError::TooLong { lifetime });
    for text in ["", "/?", "h:1/?", "h:1/?a", "\0", "h:1/?X-Amz-Signature=é"] {
        assert!(server.verify(text, "app", at(NOW)).is_err(), "{text:?}");
    }
}

#[test]
fn signing_refuses_credentials_that_cannot_work() {
    let login = login(HOST, "us-east-1", "app");
    let until = |end| Credentials::new("akid", "secret", None, Some(at(end)), "test");
    let error = sign(&login, &until(NOW - 7), at(NOW)).unwrap_err();
    insta::assert_snapshot!(error, @"the AWS credentials expired 7 s ago: renew them (aws sso login, a new role session) or check this machine's clock");
    assert!(matches!(sign(&login, &until(NOW), at(NOW)), Err(SignError::CredentialsExpired { .. })));
    let empty = Credentials::new("akid", "", None, None, "test");
    assert!(matches!(sign(&login, &empty, at(NOW)), Err(SignError::CredentialsIncomplete)));
}

#[test]
fn a_clock_that_is_out_of_range_is_an_error() {
    let login = login(HOST, "us-east-1", "app");
    let end = at(i64::MAX.unsigned_abs());
    for now in [end, at(u64::MAX / 4), SystemTime::UNIX_EPOCH - Duration::from_secs(1)] {
        let error = sign(&login, &keys("secret", None), now).unwrap_err();
        assert!(matches!(error, SignError::BadTime { .. }), "{error}");
    }
    // A server with such a clock refuses, and a token of any time has its life.
    let token = sign(&login, &keys("secret", None), at(NOW)).unwrap();
    let server = server(HOST, "us-east-1", AccessKey::new("akid", "secret"));
    assert!(matches!(server.verify(token.expose(), "app", end), Err(VerifyError::Expired { .. })));
    assert!(token.remaining(end).is_zero());
}

#[test]
fn a_token_ends_with_its_credentials() {
    let login = login(HOST, "us-east-1", "app");
    let until = |end| Credentials::new("akid", "secret", None, Some(at(end)), "test");
    let token = sign(&login, &until(NOW + 100), at(NOW)).unwrap();
    assert_eq!(token.expires_at(), at(NOW + 100));
    assert_eq!(token.remaining(at(NOW + 40)), Duration::from_secs(60));
    assert_eq!(token.remaining(at(NOW + 101)), Duration::ZERO);
    assert_eq!(sign(&login, &until(NOW + 5000), at(NOW)).unwrap().expires_at(), at(NOW + 900));
}

#[test]
fn nothing_secret_is_printed() {
    let credentials = keys("very-secret", Some("session-secret"));
    let token = sign(&login(HOST, "us-east-1", "app"), &credentials, at(NOW)).unwrap();
    let key = AccessKey::new("akid", "very-secret").session_token("session-secret");
    let server = server(HOST, "us-east-1", key.clone());
    let printed = format!("{token:?} {token:#?} {key:?} {server:?}");
    for secret in
        ["very-secret", "session-secret", parameter(token.expose(), "X-Amz-Signature"), "X-Amz-Credential"]
    {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    let endpoint: Endpoint = HOST.parse().unwrap();
    assert!(printed.contains("redacted") && printed.contains(&endpoint.host().to_string()));
}
