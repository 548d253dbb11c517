//! Properties of signing, verification and parsing, for arbitrary input.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use proptest::prelude::*;
use proptest::test_runner::Config;
use rds_iam_token::{AccessKey, DbUser, Endpoint, LIFETIME, Login, Region, Verifier, VerifyError, sign};

/// 9999-12-31T00:00:00Z, the last day on which a token can be signed and its times still have four-digit years.
const LAST_DAY: u64 = 253_402_214_400;

fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

/// Returns a name, an IPv4 address or an IPv6 address, with a port.
fn endpoints() -> impl Strategy<Value = Endpoint> {
    let host = prop_oneof![
        "[a-z][a-z0-9_-]{0,20}[a-z0-9](\\.[a-z][a-z0-9]{0,10}){0,4}",
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string()),
    ];
    (host, 1..=u16::MAX).prop_map(|(host, port)| Endpoint::new(&host, port).unwrap())
}

fn logins() -> impl Strategy<Value = Login> {
    (endpoints(), "(us|eu|cn|us-gov)-[a-z]{1,12}-[0-9]{1,2}", "\\PC{1,40}").prop_map(
        |(endpoint, region, user)| Login::new(endpoint, region.parse().unwrap(), user.parse().unwrap()),
    )
}

fn times() -> impl Strategy<Value = SystemTime> {
    (0..LAST_DAY, 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanos)| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_signed_token_is_valid_for_its_login_and_life_only(
        login in logins(),
        now in times(),
        age in 0..LIFETIME.as_secs() - 1,
        id in "[A-Za-z0-9/+]{1,30}",
        secret in "\\PC{1,40}",
        session_token in proptest::option::of("\\PC{1,200}"),
    ) {
        let credentials = Credentials::new(&id, &secret, session_token.clone(), None, "test");
        let token = sign(&login, &credentials, now).unwrap();
        let key = AccessKey::new(&id, &secret);
        let key = session_token.map_or(key.clone(), |text| key.session_token(text));
        let server = Verifier::new(login.region.clone(), vec![login.endpoint.clone()], vec![key]);
        let user = login.user.as_str();

        let verified = server.verify(token.expose(), user, now + Duration::from_secs(age));
        let verified = verified.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&verified.access_key_id, &id);
        // Tokens have whole seconds.
        prop_assert!(now.duration_since(verified.signed_at).unwrap() < Duration::from_secs(1));
        prop_assert_eq!(verified.expires_at, verified.signed_at + LIFETIME);

        let expired = server.verify(token.expose(), user, now + LIFETIME);
        prop_assert!(matches!(expired, Err(VerifyError::Expired { .. })), "{expired:?}");
        let other = server.verify(token.expose(), &format!("{user}2"), now);
        prop_assert!(matches!(other, Err(VerifyError::WrongUser { .. })), "{other:?}");
    }

    #[test]
    fn a_token_whose_signature_was_altered_is_refused(
        login in logins(), now in times(), position in 1..=64_usize, digit in 0..16_u8,
    ) {
        let token = sign(&login, &Credentials::new("akid", "secret", None, None, "test"), now).unwrap();
        let mut altered = token.expose().to_owned();
        let position = altered.len() - position;
        altered.replace_range(position..=position, &format!("{digit:x}"));
        prop_assume!(altered != token.expose());
        let key = AccessKey::new("akid", "secret");
        let server = Verifier::new(login.region.clone(), vec![login.endpoint.clone()], vec![key]);
        let refused = server.verify(&altered, login.user.as_str(), now);
        prop_assert_eq!(refused, Err(VerifyError::SignatureMismatch));
    }

    #[test]
    fn no_text_is_a_token_and_verification_never_panics(
        text in "(db:1/?\\?)?([A-Za-z-]{0,12}=?[%&A-F0-9a-z+-]{0,6}){0,6}\\PC{0,20}", user in "\\PC{0,10}",
    ) {
        let server = Verifier::new("eu-west-1".parse().unwrap(), vec!["db:1".parse().unwrap()], Vec::new());
        prop_assert!(server.verify(&text, &user, SystemTime::UNIX_EPOCH).is_err());
    }

    #[test]
    fn every_endpoint_is_parsed_from_its_own_text(endpoint in endpoints()) {
        prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }

    #[test]
    fn an_endpoint_does_not_depend_on_the_case_of_its_name(endpoint in endpoints()) {
        let text = endpoint.to_string();
        prop_assert_eq!(text.to_ascii_uppercase().parse(), Ok(endpoint));
    }

    #[test]
    fn no_error_repeats_a_password(text in "[a-z]{0,8}(://)?[a-z]{1,8}:hunter2@[a-z0-9.:/]{0,20}") {
        let error = text.parse::<Endpoint>().unwrap_err();
        prop_assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }

    #[test]
    fn the_region_of_an_rds_host_is_found(
        name in "[a-z][a-z0-9-]{0,20}(\\.[a-z][a-z0-9-]{0,20}){0,3}",
        region in "(us|eu|cn|us-gov|eusc-de)-[a-z]{1,12}-[0-9]{1,2}",
        suffix in proptest::sample::select(vec!["amazonaws.com", "amazonaws.com.cn", "c2s.ic.gov", "amazonaws.eu"]),
        dot in "\\.?",
    ) {
        for host in [
            format!("{name}.{region}.rds.{suffix}{dot}"),
            format!("{name}.rds.{region}.{suffix}{dot}"),
            format!("{name}.{region}.rds.{suffix}{dot}").to_ascii_uppercase(),
        ] {
            prop_assert_eq!(Region::from_rds_host(&host), Some(region.parse().unwrap()), "{}", host);
        }
        // Another domain may end or continue like AWS's.
        for host in [
            format!("{name}.{region}.rds.{suffix}.example.com"),
            format!("{name}.{region}.rds.x{suffix}"),
            format!("{name}.{region}.redshift.{suffix}"),
            format!("{region}.rds.{suffix}"),
        ] {
            prop_assert_eq!(Region::from_rds_host(&host), None, "{}", host);
        }
    }

    #[test]
    fn parsing_never_panics_and_what_it_accepts_is_stable(
        text in prop_oneof![any::<String>(), "[\\[\\]a-z0-9:./@?#_-]{0,40}"],
    ) {
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            prop_assert_ne!(endpoint.port(), 0);
            prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
        if let Ok(region) = text.parse::<Region>() {
            prop_assert_eq!(region.as_str(), &text);
        }
        if let Ok(user) = text.parse::<DbUser>() {
            prop_assert_eq!(user.as_str(), &text);
        }
        let _region = Region::from_rds_host(&text);
    }
}
