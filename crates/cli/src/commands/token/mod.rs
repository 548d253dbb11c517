//! `rds-iam token`: signs a token for a login, in the place of `aws rds generate-db-auth-token`, or explains one.

mod decode;

use std::process::ExitCode;

use rds_iam_report::escape_json;
use rds_iam_token::{Clock, DbUser, Endpoint, EndpointError, Host, Login, Minter, Region, Token};
use serde::Serialize;

use crate::credentials::CredentialsOptions;
use crate::{EX_USAGE, Failure, json, print, stdin, write};
use decode::{Explanation, rfc3339};

/// The maximum size of a token on standard input: many times the largest session token.
const MAX_BYTES: u64 = 1024 * 1024;

/// Print a token, the password of one login; or explain one
///
/// Replaces `aws rds generate-db-auth-token`, with the same options. Prints the token and a line break, nothing else.
/// It is valid for 15 minutes, or until the credentials end, if that is earlier. A login that it started lasts longer.
///
/// The region is the one in the database's name. For a name without one: --region, then AWS_REGION, AWS_DEFAULT_REGION
/// and the profile's. There is no default: a token for another region is refused by the database.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam token --hostname orders.c0ffee.eu-west-1.rds.amazonaws.com --port 3306 --username ada
  PGPASSWORD=\"$(rds-iam token --hostname $HOST --port 5432 --username ada)\" psql ...
  pbpaste | rds-iam token --decode

Exit status:
  0   the token is printed or explained; --decode explains an expired token, too
  1   no credentials, credentials that ended, no region; or the text is no token
  64  invalid arguments")]
pub(crate) struct Arguments {
    /// Name that AWS gave to the database or proxy, not an alias or the end of a tunnel
    #[arg(long, value_name = "HOST", value_parser = host, required_unless_present = "decode")]
    hostname: Option<Host>,

    /// Port of the database, 3306 or 5432 in most cases
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), required_unless_present = "decode")]
    port: Option<u16>,

    /// Database user to log in as
    #[arg(long, value_name = "USER", required_unless_present = "decode")]
    username: Option<DbUser>,

    /// Region of the database, if its name has none
    #[arg(long)]
    region: Option<Region>,

    /// Print JSON: {"token","signed_at","expires_at","signer","login"}; with --decode, the explanation
    #[arg(long)]
    json: bool,

    /// Explain the token on standard input, without its signature and session token
    ///
    /// Its value can only be -, because other users of the machine can read command lines.
    #[arg(
        long,
        value_name = "-",
        num_args = 0..=1,
        default_missing_value = "-",
        conflicts_with_all = ["hostname", "port", "username", "region", "profile", "assume_role"],
    )]
    decode: Option<String>,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

/// Parses a host; one dot at its end is removed, because tokens have names without it.
fn host(text: &str) -> Result<Host, EndpointError> {
    text.strip_suffix('.').unwrap_or(text).parse()
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let clock = Clock::system();
    let Arguments { hostname, port, username, region, json: as_json, decode, credentials } = arguments;
    if let Some(from) = decode {
        if from != "-" {
            // The text is not repeated: it may be a token.
            let message = "error: --decode reads the token from standard input, because other users of the machine can \
                           read command lines: pipe it to `rds-iam token --decode`";
            drop(write(std::io::stderr(), message));
            return Ok(EX_USAGE.into());
        }
        let explanation = Explanation::parse(&stdin(MAX_BYTES)?, clock.now())?;
        print(&if as_json { json(&explanation)? } else { explanation.to_string() })?;
        return Ok(ExitCode::SUCCESS);
    }
    let (Some(hostname), Some(port), Some(user)) = (hostname, port, username) else {
        unreachable!("clap requires them without --decode");
    };
    let region = match region_of(&hostname, region)? {
        Some(region) => region,
        None => credentials.region().await?.ok_or_else(|| {
            format!(
                "no region: the name {hostname} has none. Add --region with the region of the database, or set \
                 AWS_REGION or the profile's region"
            )
        })?,
    };
    let login = Login::new(Endpoint::new(&hostname.to_string(), port)?, region, user);
    let provider = credentials.provider(&login.region).await?;
    let token = Minter::new(login.clone(), provider, clock.clone()).mint().await?;
    if as_json {
        print(&escape_json(&serde_json::to_string_pretty(&Signed::new(&token, &login, &clock)?)?))?;
    } else {
        print(token.expose())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the region of a host, as connection pools of `rds-iam-sqlx` do: that in its name, or else the given one.
fn region_of(host: &Host, given: Option<Region>) -> Result<Option<Region>, Failure> {
    match (Region::from_rds_host(&host.to_string()), given) {
        (Some(named), Some(given)) if named != given => Err(format!(
            "--region is {given}, but {host} is in {named}, and refuses tokens of other regions: write --region \
             {named}, or leave it out"
        )
        .into()),
        (Some(region), _) | (None, Some(region)) => Ok(Some(region)),
        (None, None) => Ok(None),
    }
}

/// The output of `--json`.
#[derive(Serialize)]
struct Signed<'a> {
    token: &'a str,
    signed_at: String,
    expires_at: String,
    /// The access key id.
    signer: String,
    login: LoginFields,
}

#[derive(Serialize)]
struct LoginFields {
    host: String,
    port: u16,
    user: String,
    region: String,
}

impl<'a> Signed<'a> {
    fn new(token: &'a Token, login: &Login, clock: &Clock) -> Result<Self, Failure> {
        Ok(Self {
            token: token.expose(),
            signed_at: rfc3339(token.signed_at()),
            expires_at: rfc3339(token.expires_at()),
            signer: Explanation::parse(token.expose(), clock.now())?.access_key_id,
            login: LoginFields {
                host: login.endpoint.host().to_string(),
                port: login.endpoint.port(),
                user: login.user.to_string(),
                region: login.region.to_string(),
            },
        })
    }
}

#[cfg(test)]
mod tests;
