//! `rds-iam roots`: prints AWS's certificate authorities for a client's TLS, or compares them with a bundle.

use std::path::PathBuf;
use std::process::ExitCode;

use rds_iam_roots::{Roots, difference};
use rds_iam_token::{Clock, Region};

use crate::{DRIFT, Failure, print};

/// The line that ends a certificate in PEM.
const END: &str = "-----END CERTIFICATE-----";

/// Print the trust roots of RDS and RDS Proxy as PEM, for sslrootcert or --ssl-ca
///
/// Neither set is in every system's trust store, and sslrootcert=system can't verify RDS. Without an option: the roots
/// of databases in all bundled regions, and those of RDS Proxy.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam roots > rds.pem
  export PGPASSWORD=\"$(rds-iam token --hostname $HOST --port 5432 --username ada)\"
  psql \"host=$HOST user=ada dbname=orders sslmode=verify-full sslrootcert=rds.pem\"
  rds-iam roots --refresh global-bundle.pem

Exit status:
  0   the roots are printed; with --refresh: the bundle has the same certificates
  1   the roots of the region are not bundled, or the bundle can't be read
  2   with --refresh: the bundle has other certificates
  64  invalid arguments")]
pub(crate) struct Arguments {
    /// Only the roots of databases in this region, and those of RDS Proxy
    #[arg(long)]
    region: Option<Region>,

    /// Only the roots of RDS Proxy, which are the same in all regions
    #[arg(long)]
    proxy: bool,

    /// Compare the roots of databases with those in BUNDLE, such as AWS's global-bundle.pem; those of RDS Proxy are
    /// compared too if BUNDLE has all of them, as the output of this command, and alone with --proxy
    #[arg(long, value_name = "BUNDLE", conflicts_with = "region")]
    refresh: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if let Some(bundle) = &arguments.refresh {
        let bundle = Roots::read(bundle, Clock::system().now())?;
        let has_proxy = Roots::proxy().iter().all(|root| bundle.iter().any(|found| found == root));
        let shipped = match (arguments.proxy, has_proxy) {
            (true, _) => Roots::proxy(),
            (false, true) => Roots::bundled(),
            (false, false) => Roots::rds(),
        };
        let change = difference(shipped, &bundle);
        print(&change.to_string())?;
        return Ok(if change.is_empty() { ExitCode::SUCCESS } else { DRIFT.into() });
    }
    match (&arguments.region, arguments.proxy) {
        (_, true) => print(text(Roots::proxy())?)?,
        (None, false) => print(text(Roots::bundled())?)?,
        (Some(region), false) => print(&in_region(region)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(roots: &Roots) -> Result<&str, Failure> {
    Ok(std::str::from_utf8(roots.pem())?)
}

/// Returns the roots of a region's databases, and those of RDS Proxy.
fn in_region(region: &Region) -> Result<String, Failure> {
    let host = format!("database.{region}.rds.amazonaws.com");
    // Fails with the address of AWS's bundle if there is none of the region.
    Roots::bundled_for(&rds_iam_token::Endpoint::new(&host, 3306)?, region)?;
    let name = format!("# Amazon RDS {region} ");
    let rds = text(Roots::rds())?.split_inclusive(END).map(str::trim_start);
    let rds: Vec<_> = rds.filter(|block| block.starts_with(&name)).collect();
    Ok(format!("{}\n\n{}", rds.join("\n\n"), text(Roots::proxy())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_s_roots_are_its_own_and_the_proxies() {
        let region: Region = "us-east-1".parse().unwrap();
        let roots = Roots::parse(in_region(&region).unwrap().as_bytes()).unwrap();
        assert!(roots.covers(&region));
        assert!(!roots.covers(&"us-east-2".parse().unwrap()));
        assert_eq!(roots.len(), 3 + Roots::proxy().len());
        assert!(Roots::proxy().iter().all(|root| roots.iter().any(|found| found == root)));
        let error = in_region(&"cn-north-1".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("cn-north-1") && error.contains("global-bundle.pem"), "{error}");
    }
}
