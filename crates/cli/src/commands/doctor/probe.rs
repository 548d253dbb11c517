//! The observations: credentials, AWS's answers, DNS, and one connection to the server. Every action on the network
//! ends within 10 seconds.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use rds_iam_deploy::aws::{self, CallErrorKind};
use rds_iam_deploy::permissions::{Permission, simulate_permissions};
use rds_iam_deploy::{behind, whoami};
use rds_iam_gateway::{Failure as LoginFailure, Upstream};
use rds_iam_roots::Roots;
use rds_iam_token::{Clock, Endpoint, Host, Login as SignedLogin, Region, Token, sign};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::facts::{CallerError, Credentials, Facts, Login, Policy, TlsError};
use super::login::{self, Answers};
use super::steps::is_aws_name;
use crate::credentials::CredentialsOptions;
use crate::{Failure, one_line};

/// The time limit of each action on the network: 10 seconds.
const LIMIT: Duration = Duration::from_secs(10);

/// The time after which a login of PostgreSQL that was refused without a reason is tried again: a server that restarts
/// refuses so, too.
const CONFIRMATION: Duration = Duration::from_secs(1);

/// Makes all observations.
pub(super) async fn observe(
    facts: &mut Facts,
    options: &CredentialsOptions,
    ca_bundle: Option<&Path>,
    clock: &Clock,
) {
    if !facts.offline {
        resolve(facts).await;
    }
    let region = facts.signing_region();
    let provider = match &region {
        Some(region) if !facts.offline => options.provider(region).await,
        _ => options.local().await,
    };
    let mut aws = match &region {
        Some(region) if !facts.offline => aws::connect(region).await.map_err(|error| error.to_string()),
        Some(_) => Err("--offline".to_owned()),
        None => Err("no region is known".to_owned()),
    };
    if let (Ok(config), Ok(provider)) = (&mut aws, &provider) {
        *config = config.to_builder().credentials_provider(provider.clone()).build();
    }
    let token = credentials(facts, provider, region.as_ref(), clock).await;
    if let (Ok(aws), Some(region)) = (&aws, &region) {
        facts.aws_time = Some(behind::time_of_aws(aws, region).await.map(|time| (time, clock.now())));
        if matches!(facts.credentials, Credentials::Found { .. }) {
            facts.caller = Some(caller(aws).await);
        }
    }
    if !facts.offline {
        connect(facts, ca_bundle, token.as_ref(), clock).await;
    }
    if facts.login_failed() {
        match (&aws, &region) {
            (Ok(aws), Some(region)) => explain(facts, aws, region).await,
            (Err(reason), _) => facts.policy = Some(Policy::Unknown(reason.clone())),
            (_, None) => {}
        }
    }
}

/// Fetches the credentials, and signs a token with them.
async fn credentials(
    facts: &mut Facts,
    provider: Result<SharedCredentialsProvider, Failure>,
    region: Option<&Region>,
    clock: &Clock,
) -> Option<Token> {
    let provider = match provider {
        Ok(provider) => provider,
        Err(error) => {
            facts.credentials = Credentials::Failed(error.to_string());
            return None;
        }
    };
    let found = match timeout(LIMIT, provider.provide_credentials()).await {
        Ok(Ok(found)) => found,
        Ok(Err(error @ CredentialsError::CredentialsNotLoaded(_))) => {
            facts.credentials = Credentials::None(one_line(&error));
            return None;
        }
        Ok(Err(error)) => {
            facts.credentials = Credentials::Failed(one_line(&error));
            return None;
        }
        Err(_) => {
            facts.credentials = Credentials::Failed(no_answer());
            return None;
        }
    };
    let (key_id, expires_at) = (found.access_key_id().to_owned(), found.expiry());
    facts.credentials = Credentials::Found { key_id, expires_at };
    facts.now = clock.now();
    // Expired credentials are reported by their own step.
    if expires_at.is_some_and(|end| end <= facts.now) {
        return None;
    }
    let login = SignedLogin::new(facts.endpoint.clone(), region?.clone(), facts.user.clone());
    let token = sign(&login, &found, facts.now);
    facts.token = Some(match &token {
        Ok(token) => Ok(token.expires_at()),
        Err(error) => Err(one_line(error)),
    });
    token.ok()
}

async fn caller(aws: &SdkConfig) -> Result<whoami::Caller, CallerError> {
    match timeout(LIMIT, whoami::caller(aws)).await {
        Ok(Ok(caller)) => Ok(caller),
        Ok(Err(error)) => Err(match error.kind {
            CallErrorKind::Credentials { code } => CallerError::Rejected { code },
            _ => CallerError::Unknown(one_line(&error)),
        }),
        Err(_) => Err(CallerError::Unknown(no_answer())),
    }
}

/// Resolves the address that is dialled, and the canonical name of a host that is not AWS's.
async fn resolve(facts: &mut Facts) {
    facts.addresses = Some(addresses(facts.dial.as_ref().unwrap_or(&facts.endpoint).clone()).await);
    if let Host::Name(name) = facts.endpoint.host()
        && !is_aws_name(name)
    {
        facts.canonical_name = canonical_name(name.clone()).await;
    }
}

async fn addresses(endpoint: Endpoint) -> Result<Vec<IpAddr>, String> {
    let (host, port) = (endpoint.host().to_string(), endpoint.port());
    match timeout(LIMIT, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let mut found: Vec<_> = found.map(|address| address.ip()).collect();
            found.dedup();
            if found.is_empty() { Err("there is none".to_owned()) } else { Ok(found) }
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(no_answer()),
    }
}

/// Returns the canonical name of a host, if it has another.
async fn canonical_name(host: String) -> Option<String> {
    let lookup = tokio::task::spawn_blocking(move || {
        let hints = dns_lookup::AddrInfoHints { flags: CANONICAL_NAME, ..Default::default() };
        let found = dns_lookup::getaddrinfo(Some(&host), None, Some(hints)).ok()?;
        other_name(&host, found.filter_map(Result::ok).map(|address| address.canonname))
    });
    timeout(LIMIT, lookup).await.ok()?.ok()?
}

/// Returns the canonical name among the addresses of a lookup, of which the first has it, if it is not the host itself.
fn other_name(host: &str, names: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let name = names.into_iter().flatten().next()?;
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    (name != host).then_some(name)
}

/// `AI_CANONNAME`, which has this value on Linux and macOS.
const CANONICAL_NAME: i32 = 2;

/// Dials the server, verifies it, and logs in.
async fn connect(facts: &mut Facts, ca_bundle: Option<&Path>, token: Option<&Token>, clock: &Clock) {
    let Some(Ok(addresses)) = &facts.addresses else { return };
    let dialled = facts.dial.as_ref().unwrap_or(&facts.endpoint);
    let addresses: Vec<_> = addresses.iter().map(|ip| SocketAddr::new(*ip, dialled.port())).collect();
    let roots = roots(facts, ca_bundle);
    let stream = match dial(&addresses).await {
        Ok(stream) => stream,
        Err(error) => {
            facts.port = Some(Err(error.to_string()));
            return;
        }
    };
    facts.port = Some(Ok(()));
    let upstream = roots.and_then(|roots| {
        let upstream = Upstream::new(facts.endpoint.clone(), facts.dial.clone(), &roots);
        upstream.map_err(|error| error.to_string())
    });
    let upstream = match upstream {
        Ok(upstream) => upstream,
        Err(reason) => {
            facts.tls = Some(Err(TlsError::Roots(reason)));
            return;
        }
    };
    let first = attempt(facts, stream, &upstream, token).await;
    let refused = matches!(&first, Some(Login::Refused { code, .. }) if code.is_ambiguous_refusal());
    facts.login = first;
    if refused {
        clock.sleep(CONFIRMATION).await;
        if let Ok(stream) = dial(&addresses).await
            && let Some(second) = attempt(facts, stream, &upstream, token).await
        {
            facts.login = Some(second);
        }
    }
}

async fn dial(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let timed_out = || io::Error::new(io::ErrorKind::TimedOut, no_answer());
    let stream = timeout(LIMIT, TcpStream::connect(addresses)).await.unwrap_or_else(|_| Err(timed_out()))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Verifies the server, and logs in if it asks for the token and there is one.
async fn attempt(
    facts: &mut Facts,
    stream: TcpStream,
    upstream: &Upstream,
    token: Option<&Token>,
) -> Option<Login> {
    let opening = login::open(facts.engine, stream, upstream, &facts.user, facts.database.as_deref());
    let opened = timeout(LIMIT, opening).await.unwrap_or_else(|_| Err(TlsError::Other(no_answer())));
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            facts.tls = Some(Err(error));
            return None;
        }
    };
    facts.tls = Some(Ok(()));
    let mut answers = Answers::new(token.filter(|_| facts.may_log_in()));
    let result = timeout(LIMIT, answers.log_in(opened, upstream)).await;
    let (asked, login) = answers.judge(result.unwrap_or(Err(LoginFailure::TimedOut(LIMIT))));
    facts.asked = Some(asked);
    login
}

fn roots(facts: &Facts, ca_bundle: Option<&Path>) -> Result<Roots, String> {
    match (ca_bundle, facts.signing_region()) {
        (Some(path), _) => Roots::read(path, facts.now),
        (None, Some(region)) => Roots::bundled_for(&facts.endpoint, &region).cloned(),
        (None, None) => Ok(Roots::bundled().clone()),
    }
    .map_err(|error| one_line(&error))
}

/// Asks AWS about the database and the caller's permission.
async fn explain(facts: &mut Facts, aws: &SdkConfig, region: &Region) {
    let found = timeout(LIMIT, behind::find(aws, &facts.host())).await;
    facts.behind = Some(match found {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(one_line(&error)),
        Err(_) => Err(no_answer()),
    });
    let found = facts.behind.iter().flatten().flatten().next();
    let identifier = found.map(|found| found.identifier.clone());
    let id = found.map(|found| found.resource_id.clone()).filter(|id| !id.is_empty());
    facts.resource_id = facts.resource_id.take().or(id);
    // Other refusals are not about the policy.
    if matches!(&facts.login, Some(Login::Refused { code, .. }) if code.is_login_refusal()) {
        let policy = timeout(LIMIT, simulate(facts, aws, region, identifier.as_deref())).await;
        facts.policy = Some(policy.unwrap_or_else(|_| Policy::Unknown(no_answer())));
    }
}

async fn simulate(facts: &Facts, aws: &SdkConfig, region: &Region, identifier: Option<&str>) -> Policy {
    let Some(Ok(caller)) = &facts.caller else {
        return Policy::Unknown("the caller is unknown, so that its policy can't be simulated".to_owned());
    };
    let Some(id) = &facts.resource_id else {
        let reason = "the resource id is unknown: give it with --resource-id";
        return Policy::Unknown(reason.to_owned());
    };
    let permission = |resource: &str| {
        let arn = format!("rds-db:{region}:{}:dbuser:{resource}/{}", caller.account, facts.user);
        Permission::new("rds-db:connect", arn)
    };
    let lacks = async |resource: &str| {
        let lacking = simulate_permissions(aws, caller, region, &[], &[permission(resource)]).await;
        lacking.map(|lacking| !lacking.is_empty()).map_err(|error| one_line(&error))
    };
    match lacks(id).await {
        Ok(false) => Policy::Allowed,
        Err(reason) => Policy::Unknown(reason),
        Ok(true) => match identifier {
            Some(name) if lacks(name).await == Ok(false) => Policy::NamesIdentifier(name.to_owned()),
            _ => Policy::Lacking,
        },
    }
}

fn no_answer() -> String {
    format!("no answer within {} s", LIMIT.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_has_another_canonical_name() {
        const ORDERS: &str = "orders.c0ffee.eu-west-1.rds.amazonaws.com";
        let name = |host: &str, names: &[Option<&str>]| {
            other_name(host, names.iter().map(|name| name.map(str::to_owned)))
        };
        let answer = Some("Orders.C0ffee.eu-west-1.rds.amazonaws.com.");
        assert_eq!(name("db.example.com", &[answer, None]).as_deref(), Some(ORDERS));
        assert_eq!(name(ORDERS, &[answer, None]), None);
        assert_eq!(name("db.example.com", &[None, None]), None);
        assert_eq!(name("db.example.com", &[]), None);
    }

    #[tokio::test]
    async fn the_canonical_name_is_the_resolver_s() {
        // Endpoints are in lower case, and so is this host's name in every list of hosts: another name than the given.
        let name = canonical_name("LOCALHOST".to_owned()).await;
        assert!(name.as_deref().is_some_and(|name| name.starts_with("localhost")), "{name:?}");
    }
}
