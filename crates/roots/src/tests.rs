//! Tests of trust roots: the bundled ones and their manifest, PEM files that replace them, expiry, and
//! refreshes.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_async::time::SharedTimeSource;
use rcgen::{CertificateParams, CertifiedKey, DnType, KeyPair, date_time_ymd};

use super::manifest::{Entry, Manifest, Source};
use super::*;

fn files() -> [(&'static str, &'static str, &'static Roots); 2] {
    [
        ("rds.pem", RDS_PEM, Roots::rds()),
        ("amazon-trust-services.pem", AMAZON_TRUST_SERVICES_PEM, Roots::proxy()),
    ]
}

fn day(year: i32, month: u8, day: u8) -> SystemTime {
    date_time_ymd(year, month, day).into()
}

/// Returns a self-signed certificate that ends with a year.
fn ending(name: &str, year: i32) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(year, 12, 31);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().pem()
}

/// Fails half a year ahead. The fix is to run `examples/refresh.rs`.
#[test]
fn bundled_roots_are_fresh() {
    let freshness = Roots::bundled().freshness(SharedTimeSource::default().now());
    assert!(freshness.is_fresh(), "{freshness}");
}

#[test]
fn manifest_and_pem_files_agree() {
    let manifest = Manifest::shipped();
    assert_eq!(manifest::SHIPPED, manifest.to_json(), "the manifest is in the format of a refresh");
    assert_eq!(manifest.files.len(), files().len());
    for (name, text, roots) in files() {
        assert_eq!(text.as_bytes(), roots.pem(), "{name} is in the format of a refresh, comments included");
        let recorded = &manifest.files[name];
        assert_eq!(recorded.len(), roots.len(), "{name}");
        for (entry, certificate) in recorded.iter().zip(roots) {
            assert_eq!(*entry, Entry::new(certificate, &entry.source), "{name}");
            assert!(manifest.sources.contains_key(&entry.source), "{}", entry.source);
        }
    }
}

/// Holds for the bundled roots and any later bundle: AWS adds regions, and its own environments.
#[test]
fn rds_roots_of_each_commercial_region() {
    let mut kinds: BTreeMap<Region, BTreeSet<&str>> = BTreeMap::new();
    for certificate in Roots::rds().iter().filter(|certificate| certificate.is_root()) {
        let name = certificate.name().strip_prefix("Amazon RDS ").unwrap();
        let (region, kind) = name.split_once(" Root CA ").unwrap();
        if let Ok(region) = region.parse() {
            kinds.entry(region).or_default().insert(kind);
        }
    }
    assert!(kinds.len() >= 27, "{} regions", kinds.len());
    for (region, kinds) in kinds {
        assert!(Roots::rds().covers(&region) && !Roots::proxy().covers(&region), "{region}");
        assert!(kinds.is_superset(&["RSA2048 G1", "RSA4096 G1", "ECC384 G1"].into()), "{region}: {kinds:?}");
    }
    assert!(!Roots::bundled().covers(&"us-east-99".parse().unwrap()));
}

#[test]
fn proxy_roots_are_those_amazon_trust_services_lists() {
    let names: Vec<_> = Roots::proxy().iter().map(Certificate::name).collect();
    assert_eq!(
        names,
        [
            "Amazon Root CA 1",
            "Amazon Root CA 2",
            "Amazon Root CA 3",
            "Amazon Root CA 4",
            "Starfield Services Root Certificate Authority - G2",
        ]
    );
    // The fingerprint that https://www.amazontrust.com/repository/ gives for Amazon Root CA 1.
    insta::assert_snapshot!(
        Roots::proxy().iter().next().unwrap().fingerprint(),
        @"8E:CD:E6:88:4F:3D:87:B1:12:5B:A3:1A:C3:FC:B1:3D:70:16:DE:7F:57:CC:90:4F:E1:CB:97:C6:AE:98:19:6E"
    );
    assert!(Roots::proxy().iter().all(|root| Roots::bundled().iter().any(|other| other == root)));
    assert!(Roots::rds().iter().all(|root| Roots::bundled().iter().any(|other| other == root)));
}

/// sqlx verifies with rustls.
#[test]
fn rustls_accepts_every_bundled_root() {
    let mut store = rustls::RootCertStore::empty();
    let (added, refused) = store.add_parsable_certificates(
        CertificateDer::pem_slice_iter(Roots::bundled().pem()).map(|certificate| certificate.unwrap()),
    );
    assert_eq!((added, refused), (Roots::bundled().len(), 0));
}

#[test]
fn pem_round_trips_and_repeats_are_dropped() {
    let pem = [Roots::bundled().pem(), Roots::proxy().pem()].concat();
    let again = Roots::parse(&pem).unwrap();
    assert_eq!(&again, Roots::bundled());
    assert_eq!(again.iter().next().unwrap().der(), Roots::rds().iter().next().unwrap().der());
}

#[test]
fn a_certificate_debugs_in_a_line() {
    let text = format!("{:?}", Roots::proxy().iter().next().unwrap());
    insta::assert_snapshot!(text, @r#"Certificate { subject: "C=US, O=Amazon, CN=Amazon Root CA 1", fingerprint: "8E:CD:E6:88:4F:3D:87:B1:12:5B:A3:1A:C3:FC:B1:3D:70:16:DE:7F:57:CC:90:4F:E1:CB:97:C6:AE:98:19:6E", not_after: "2038-01-17T00:00:00Z", .. }"#);
}

#[test]
fn freshness_at_each_boundary() {
    let pem = ending("short", 2030) + &ending("long", 2040);
    let roots = Roots::parse(pem.as_bytes()).unwrap();
    let end = day(2030, 12, 31);
    let second = Duration::from_secs(1);
    let counts = |now| {
        let freshness = roots.freshness(now);
        (freshness.expired.len(), freshness.expiring.len(), freshness.is_fresh())
    };
    assert_eq!(counts(end - WARN_AHEAD), (0, 0, true));
    assert_eq!(counts(end - WARN_AHEAD + second), (0, 1, false));
    assert_eq!(counts(end - second), (0, 1, false));
    assert_eq!(counts(end), (1, 0, false));
    assert_eq!(counts(day(2040, 12, 30)), (1, 1, false));
    assert_eq!(roots.expiring_before(day(2035, 1, 1)).map(Certificate::name).collect::<Vec<_>>(), ["short"]);
    insta::assert_snapshot!(roots.freshness(day(2040, 12, 30)), @r#"
    trust roots need a refresh (a newer release of rds-iam-roots, or a newer CA bundle):
      expired 2030-12-31: short
      expires 2040-12-31: long
    "#);
    insta::assert_snapshot!(roots.freshness(day(2026, 1, 1)), @"no trust root expires within 180 days");
}

#[test]
fn a_file_replaces_the_bundled_roots_without_expired_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, ending("old", 2021) + &ending("new", 2040)).unwrap();
    let roots = Roots::read(&path, day(2026, 1, 1)).unwrap();
    assert_eq!(roots.iter().map(Certificate::name).collect::<Vec<_>>(), ["new"]);
    assert_eq!(Roots::parse(roots.pem()).unwrap(), roots);
}

/// The one wording snapshot of `TrustError`.
#[test]
fn invalid_files_are_refused_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let mut errors = Vec::new();
    let mut read = |content: Option<&[u8]>| {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let error = Roots::read(&path, day(2026, 1, 1)).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap();
        errors.push(format!("{error}: {cause}").replace(&*folder.path().to_string_lossy(), "/etc/ssl"));
    };
    read(None);
    read(Some(b""));
    read(Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    read(Some(b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"));
    read(Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n"));
    read(Some(KeyPair::generate().unwrap().serialize_pem().as_bytes()));
    read(Some((ending("a", 2021) + &ending("b", 2022)).as_bytes()));
    let mut cut = ending("a", 2040) + Roots::proxy().pem.as_str();
    let end = cut.rfind("\n-----END").unwrap();
    cut.replace_range(end - 64..end, "");
    read(Some(cut.as_bytes()));
    insta::assert_snapshot!(errors.join("\n"), @"
    cannot read the trust roots in /etc/ssl/ca.pem; the CA bundle must be a PEM file that this program can read: No such file or directory (os error 2)
    cannot use the trust roots in /etc/ssl/ca.pem: it contains no certificate; expected PEM text with one `-----BEGIN CERTIFICATE-----` block per root
    cannot use the trust roots in /etc/ssl/ca.pem: certificate 1 is invalid (Parsing Error: Der(UnexpectedTag { expected: Some(Tag(16)), actual: Tag(0) })); download the bundle again, or remove that block
    cannot use the trust roots in /etc/ssl/ca.pem: certificate 1 is invalid (base64 decode error: InvalidCharacter(33)); download the bundle again, or remove that block
    cannot use the trust roots in /etc/ssl/ca.pem: certificate 1 is invalid (its END line is missing); download the bundle again, or remove that block
    cannot use the trust roots in /etc/ssl/ca.pem: it contains no certificate; expected PEM text with one `-----BEGIN CERTIFICATE-----` block per root
    cannot use the trust roots in /etc/ssl/ca.pem: every certificate has expired (2 of 2); download the current bundle from AWS, or set no CA bundle to use the bundled roots
    cannot use the trust roots in /etc/ssl/ca.pem: certificate 6 is invalid (base64 decode error: InvalidTrailingPadding); download the bundle again, or remove that block
    ");
}

#[test]
fn an_intermediate_is_not_a_root() {
    let CertifiedKey { cert, .. } = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    assert!(Roots::parse(cert.pem().as_bytes()).unwrap().iter().all(Certificate::is_root));

    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "the root");
    let mut params = CertificateParams::default();
    params.not_after = date_time_ymd(2040, 1, 1);
    params.distinguished_name.push(DnType::CommonName, "an intermediate");
    let issued = params.signed_by(&key, &rcgen::Issuer::new(ca, ca_key)).unwrap();
    let roots = Roots::parse(issued.pem().as_bytes()).unwrap();
    assert!(!roots.iter().next().unwrap().is_root());
    let later = day(9000, 1, 1);
    assert!(roots.freshness(later).is_fresh());
    assert_eq!(roots.expiring_before(later).count(), 1);
}

#[test]
fn a_refresh_shows_what_changes() {
    let old = Roots::parse((ending("gone", 2040) + Roots::proxy().pem.as_str()).as_bytes()).unwrap();
    let change = difference(&old, Roots::proxy());
    assert_eq!((change.added.len(), change.removed.len(), change.kept.len()), (0, 1, 5));
    assert!(!change.is_empty());
    let shown = change.to_string();
    let (line, total) = shown.split_once('\n').unwrap();
    assert!(line.starts_with("- gone, valid to 2040-12-31, SHA-256 "), "{line}");
    assert_eq!(total, "0 added, 1 removed, 5 kept");
    let same = difference(Roots::proxy(), Roots::proxy());
    assert!(same.is_empty());
    insta::assert_snapshot!(same, @"0 added, 0 removed, 5 kept");
}

#[test]
fn a_refresh_records_sources() {
    let source = |name: &str| Source { name: name.into(), version: "1".into(), licence: "MIT".into() };
    let new = Roots::parse((ending("a new one", 2040) + Roots::proxy().pem.as_str()).as_bytes()).unwrap();
    let mut manifest = Manifest { sources: BTreeMap::new(), files: BTreeMap::new() };
    manifest.record("a.pem", Roots::proxy(), ("first", source("first")));
    manifest.record("a.pem", &new, ("second", source("second")));
    let sources: Vec<_> = manifest.files["a.pem"].iter().map(|entry| entry.source.as_str()).collect();
    assert_eq!(sources, ["first", "first", "first", "first", "first", "second"]);
    assert_eq!(manifest.sources.keys().collect::<Vec<_>>(), ["first", "second"]);
    manifest.record(
        "a.pem",
        &Roots::parse(ending("x", 2040).as_bytes()).unwrap(),
        ("third", source("third")),
    );
    assert_eq!(manifest.sources.keys().collect::<Vec<_>>(), ["third"]);
}

#[test]
fn a_server_that_no_bundled_root_can_verify_is_refused_before_it_is_dialled() {
    let roots = |host: &str, region: &str| {
        let endpoint = format!("{host}:3306").parse().unwrap();
        Roots::bundled_for(&endpoint, &region.parse().unwrap()).map_err(|error| error.to_string())
    };
    assert!(roots("orders.c0ffee.eu-west-1.rds.amazonaws.com", "eu-west-1").is_ok());
    assert!(roots("orders.proxy-c0ffee.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1").is_ok());
    for (host, region) in [
        ("orders.c0ffee.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("orders.c0ffee.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("orders.cluster-c0ffee.us-east-99.rds.amazonaws.com", "us-east-99"),
    ] {
        let error = roots(host, region).unwrap_err();
        assert!(error.contains(region) && error.contains("download https://"), "{error}");
    }
}

#[test]
fn a_file_without_an_end_is_refused() {
    let error = Roots::read(Path::new("/dev/zero"), SystemTime::UNIX_EPOCH).unwrap_err();
    let TrustError::Read { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::FileTooLarge);
}
