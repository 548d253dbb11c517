//! Updates the bundled RDS trust roots from the bundle that AWS publishes.
//!
//! Download <https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem> (and, for AWS GovCloud and
//! China, those partitions' bundles: "Using SSL/TLS to encrypt a connection" in the Amazon RDS user guide
//! lists them), then review the changes and write them:
//!
//! ```text
//! cargo run -p rds-iam-roots --example refresh -- global-bundle.pem [more.pem …]
//! cargo run -p rds-iam-roots --example refresh -- --write global-bundle.pem [more.pem …]
//! ```
//!
//! The given files together replace `certificates/rds.pem`, without expired certificates; `certificates/manifest.json`
//! records the source of each one. Nothing is written without `--write`. `amazon-trust-services.pem` is updated by
//! hand: its five roots are valid until 2037 and later.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aws_smithy_async::time::SharedTimeSource;
use rds_iam_report::{ErrorReport, file};
use rds_iam_roots::manifest::{Manifest, Source};
use rds_iam_roots::{Roots, difference};
use sha2::{Digest, Sha256};

const RDS_PEM: &str = "rds.pem";

fn main() -> ExitCode {
    let Err(error) = refresh() else { return ExitCode::SUCCESS };
    eprintln!("error: {}", ErrorReport(&*error));
    ExitCode::FAILURE
}

fn refresh() -> Result<(), Box<dyn Error>> {
    let (flags, bundles): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with('-'));
    let write = match flags.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--write"] => true,
        _ => return Err("usage: refresh [--write] BUNDLE.pem…".into()),
    };
    if bundles.is_empty() {
        return Err("missing argument: the downloaded bundle; usage: refresh [--write] BUNDLE.pem…".into());
    }

    let now = SharedTimeSource::default().now();
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/certificates"));
    let mut manifest = Manifest::shipped();
    let mut pem = Vec::new();
    for bundle in &bundles {
        pem.extend_from_slice(Roots::read(Path::new(bundle), now)?.pem());
    }
    let new = Roots::parse(&pem)?;
    println!("{}", difference(Roots::rds(), &new));
    if !write {
        println!("nothing written; --write replaces the bundled file");
        return Ok(());
    }

    manifest.record(RDS_PEM, &new, ("aws-published-bundle", published(&bundles)?));
    file::replace(&folder.join(RDS_PEM), std::str::from_utf8(new.pem())?)?;
    file::replace(&folder.join("manifest.json"), &manifest.to_json())?;
    println!("written to {}; now run `cargo test -p rds-iam-roots`", folder.display());
    Ok(())
}

fn published(bundles: &[String]) -> Result<Source, Box<dyn Error>> {
    let names: Vec<_> = bundles
        .iter()
        .filter_map(|path| Path::new(path).file_name())
        .map(|name| name.to_string_lossy())
        .collect();
    let mut digest = Sha256::new();
    for bundle in bundles {
        digest.update(std::fs::read(bundle)?);
    }
    let version = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(Source {
        name: format!("{}, as AWS publishes it", names.join(" + ")),
        version: format!("sha256:{version}"),
        licence: "published by AWS for its customers' use".to_owned(),
    })
}
