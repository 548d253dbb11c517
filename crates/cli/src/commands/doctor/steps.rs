//! The steps of the path to a login, in order, and the judgement of each: pure functions of the observations. Those
//! about the server's answer are in `refusal`.

use std::time::{Duration, SystemTime};

use rds_iam_infra::Engine;
use rds_iam_token::{MAX_CLOCK_SKEW, Region};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::facts::{CallerError, Credentials, Facts, Login, TlsError};
use super::outcome::{Outcome, without_network};
use super::refusal;

/// A step: its name, the exit status if it is the first that failed, and its judgement.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) status: u8,
    judge: fn(&Facts) -> Outcome,
}

/// The steps, in order.
pub(super) static STEPS: [Step; 12] = [
    Step { name: "credentials", status: 10, judge: credentials },
    Step { name: "clock", status: 11, judge: clock },
    Step { name: "endpoint", status: 12, judge: endpoint },
    Step { name: "dns", status: 13, judge: dns },
    Step { name: "port", status: 14, judge: port },
    Step { name: "tls", status: 15, judge: tls },
    Step { name: "token", status: 16, judge: token },
    Step { name: "user", status: 17, judge: refusal::user },
    Step { name: "target", status: 18, judge: refusal::target },
    Step { name: "policy", status: 19, judge: refusal::policy },
    Step { name: "class", status: 20, judge: refusal::class },
    Step { name: "login", status: 21, judge: refusal::login },
];

/// Returns the outcome of each step, in order.
pub(super) fn judge(facts: &Facts) -> Vec<(&'static Step, Outcome)> {
    STEPS.iter().map(|step| (step, (step.judge)(facts))).collect()
}

fn credentials(facts: &Facts) -> Outcome {
    let environment = &facts.environment;
    let (key_id, expires_at) = match &facts.credentials {
        Credentials::None(_) if environment.is_task && !environment.has_task_role => {
            return no_task_role("there are no AWS credentials, since this ECS task has no task role");
        }
        Credentials::None(reason) => {
            return Outcome::failed(
                format!("no AWS credentials were found: {reason}"),
                "log in (`aws sso login`) and set AWS_PROFILE, or give the instance, task, pod or function a role; in \
                 the same environment, `aws sts get-caller-identity` prints whose credentials are found",
            );
        }
        Credentials::Failed(reason) => {
            return Outcome::failed(
                format!("the source of the AWS credentials failed: {reason}"),
                "correct the profile or role that it uses, or log in again (`aws sso login`)",
            );
        }
        Credentials::Found { key_id, expires_at } => (key_id, *expires_at),
    };
    if let Some(end) = expires_at.filter(|end| *end <= facts.now) {
        return expired(&format!("the AWS credentials of {key_id} ended at {}", rfc3339(end)));
    }
    match &facts.caller {
        Some(Err(CallerError::Rejected { code })) if code.contains("Expired") => {
            expired(&format!("AWS says that the session of {key_id} has ended ({code})"))
        }
        // A wrong clock has the same codes, and its own step.
        Some(Err(CallerError::Rejected { code })) if skew(facts).is_none() => Outcome::failed(
            format!("AWS rejects the access key {key_id} ({code})"),
            "the key was deleted or deactivated, or its secret or session token is another's: get new credentials, \
             and check with `aws sts get-caller-identity`",
        ),
        Some(Ok(caller)) => match wrong_role(facts, &caller.arn) {
            Some(outcome) => outcome,
            None => Outcome::ok(format!("{key_id}, {}", caller.arn)),
        },
        Some(Err(CallerError::Rejected { code })) => Outcome::ok(format!("{key_id}; STS answered {code}")),
        Some(Err(CallerError::Unknown(reason))) => {
            Outcome::ok(format!("{key_id}; the caller is unknown: {reason}"))
        }
        None => Outcome::ok(key_id.clone()),
    }
}

fn expired(cause: &str) -> Outcome {
    Outcome::failed(
        cause,
        "renew them at their source: `aws sso login`, a new role session, or new keys in the file or variables. A \
         token can be signed with them, and no server accepts it",
    )
}

/// Returns what is wrong with the caller's role. With a login that succeeds, nothing is.
fn wrong_role(facts: &Facts, arn: &str) -> Option<Outcome> {
    if !facts.login_failed() {
        return None;
    }
    let role = arn.split_once(":assumed-role/").and_then(|(_, rest)| rest.split('/').next())?;
    let is_execution_role = role.to_ascii_lowercase().replace(['-', '_'], "").contains("executionrole");
    if is_execution_role {
        return Some(no_task_role(&format!(
            "the caller is {arn}: {role} is an execution role, with which ECS starts the task, and not the role of the \
             program"
        )));
    }
    if facts.environment.is_task && !facts.environment.has_task_role {
        return Some(no_task_role(&format!(
            "this ECS task has no task role, and the caller is {arn}, the role of its machine"
        )));
    }
    None
}

fn no_task_role(cause: &str) -> Outcome {
    Outcome::failed(
        cause,
        "set `taskRoleArn` of the task definition (Terraform: `task_role_arn`) to a role with rds-db:connect, and \
         start the task again; `executionRoleArn` is not for the program",
    )
}

/// Returns the difference of the clocks, and whether this machine's is ahead, if it is too large for AWS.
fn skew(facts: &Facts) -> Option<(Duration, bool)> {
    let (aws, here) = facts.aws_time.as_ref()?.as_ref().ok()?;
    let (difference, ahead) = difference(*aws, *here);
    (difference > MAX_CLOCK_SKEW).then_some((difference, ahead))
}

fn difference(aws: SystemTime, here: SystemTime) -> (Duration, bool) {
    match here.duration_since(aws) {
        Ok(ahead) => (ahead, true),
        Err(behind) => (behind.duration(), false),
    }
}

fn clock(facts: &Facts) -> Outcome {
    match &facts.aws_time {
        Some(Ok((aws, here))) => {
            let (by, ahead) = difference(*aws, *here);
            let direction = if ahead { "ahead of" } else { "behind" };
            if skew(facts).is_none() {
                return Outcome::ok(match by.as_secs() {
                    0 => "agrees with AWS's clock".to_owned(),
                    seconds => format!("{seconds} s {direction} AWS's"),
                });
            }
            let effect = if ahead {
                "tokens are from the future for the server"
            } else {
                "tokens have lost that much of their 15 minutes"
            };
            Outcome::failed(
                format!("this machine's clock is {} {direction} AWS's, so that {effect}", minutes(by)),
                "set it by NTP: `sudo chronyc makestep` or `sudo timedatectl set-ntp true`; in a container or virtual \
                 machine, on the host",
            )
        }
        Some(Err(reason)) => Outcome::skipped(format!("AWS's time is unknown: {reason}")),
        None if facts.offline => Outcome::skipped("--offline"),
        None => Outcome::skipped("no region is known, whose AWS endpoint could be asked"),
    }
}

fn endpoint(facts: &Facts) -> Outcome {
    let host = facts.host();
    let of_host = Region::from_rds_host(&host);
    if let Some(name) = facts.canonical_name.as_deref().filter(|name| is_aws_name(name)) {
        return Outcome::failed(
            format!(
                "{host} is an alias of {name}, and a token is only accepted if it is signed for the latter"
            ),
            format!(
                "make {name} the endpoint. If clients must dial the alias, sign for {name} and dial {host}: `rds-iam doctor \
                 {}://{}@{name}:{}/{} --dial {host}:{}`",
                facts.engine.as_str(),
                facts.user,
                facts.endpoint.port(),
                facts.database.as_deref().unwrap_or_default(),
                facts.endpoint.port()
            ),
        );
    }
    match (&facts.region, of_host) {
        (Some(given), Some(of_host)) if *given != of_host => Outcome::failed(
            format!(
                "the region is {given}, but {host} is in {of_host}: no token for {given} is accepted there"
            ),
            format!("use --region {of_host}, and the same in the program's settings (AWS_REGION, `region`)"),
        ),
        (None, None) => Outcome::failed(
            format!("the region is unknown: {host} does not name one"),
            "give the region of the database: --region REGION",
        ),
        (Some(region), None) if !is_aws_name(&host) => of_other_name(facts, region),
        (Some(region), None) => Outcome::ok(format!("{}, {region}", facts.endpoint)),
        (_, Some(region)) => Outcome::ok(format!("{}, {region}", facts.endpoint)),
    }
}

/// Judges an endpoint that is neither a name of AWS nor an alias of one in DNS, by the server's answer: a database that
/// is not RDS may accept tokens for it.
fn of_other_name(facts: &Facts, region: &Region) -> Outcome {
    let (host, port) = (facts.host(), facts.endpoint.port());
    match &facts.login {
        Some(Login::Refused { code, .. }) if code.is_login_refusal() => Outcome::failed(
            format!(
                "{host} is not a name of AWS, and the server refused a token for it: RDS accepts only those for its own \
                 name"
            ),
            format!(
                "make the name that RDS has for the database the endpoint (`aws rds describe-db-instances`). If clients \
                 must dial {host}: --dial {host}:{port}"
            ),
        ),
        Some(Login::Accepted) => Outcome::ok(format!("{}, {region}; not a name of AWS", facts.endpoint)),
        _ => Outcome::ok(format!(
            "{}, {region}; not a name of AWS: if this is RDS, it accepts no token for it",
            facts.endpoint
        )),
    }
}

/// Returns whether a name is one that AWS gave to a database, cluster or proxy.
pub(super) fn is_aws_name(name: &str) -> bool {
    Region::from_rds_host(name).is_some() || name.ends_with(".rds.amazonaws.com")
}

fn dns(facts: &Facts) -> Outcome {
    let name = facts.dial.as_ref().unwrap_or(&facts.endpoint).host();
    match &facts.addresses {
        Some(Ok(addresses)) => {
            Outcome::ok(addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
        Some(Err(reason)) => Outcome::failed(
            format!("DNS has no address for {name}: {reason}"),
            format!(
                "check the name (`aws rds describe-db-instances`, `describe-db-proxies`), and `dig {name}`. The \
                 database may be deleted or renamed, or this machine's VPC lacks enableDnsSupport and \
                 enableDnsHostnames. If only its VPC knows the name: `rds-iam tunnel --target INSTANCE --to {} \
                 --listen 15432`, and --dial 127.0.0.1:15432 here",
                facts.endpoint
            ),
        ),
        None => without_network(facts),
    }
}

fn port(facts: &Facts) -> Outcome {
    let dialled = facts.dial.as_ref().unwrap_or(&facts.endpoint);
    match &facts.port {
        Some(Ok(())) => Outcome::ok(dialled.to_string()),
        Some(Err(reason)) if facts.dial.is_some() => Outcome::failed(
            format!("no TCP connection to {dialled}: {reason}"),
            format!(
                "check that the tunnel listens at {dialled}, and leads to {}. If it does, let the database's security \
                 group admit its far end, and check whether the database is running",
                facts.endpoint
            ),
        ),
        Some(Err(reason)) => Outcome::failed(
            format!("no TCP connection to {dialled}: {reason}"),
            format!(
                "let the database's security group admit TCP {} from this machine's security group or address, check \
                 the route to its subnets and the port, and whether the database is running. From outside its VPC, \
                 open a tunnel and give its near end: --dial 127.0.0.1:PORT",
                dialled.port()
            ),
        ),
        None => without_network(facts),
    }
}

fn tls(facts: &Facts) -> Outcome {
    const SYSTEM: &str = "sslrootcert=system (PGSSLROOTCERT) makes psql and libpq use the system's trust roots, which do \
                          not have the authorities of RDS";
    const SYSTEM_FIX: &str = "unset PGSSLROOTCERT, or set it to AWS's bundle: `rds-iam roots > rds.pem; export PGSSLROOTCERT=rds.pem`";
    let host = facts.host();
    // The authorities of RDS Proxy are among the system's.
    let system = facts.environment.system_roots && facts.engine == Engine::Postgres && !facts.is_proxy();
    match &facts.tls {
        Some(Ok(())) if system => Outcome::failed(SYSTEM, SYSTEM_FIX),
        Some(Ok(())) => Outcome::ok(format!("the certificate names {host}")),
        Some(Err(TlsError::OtherName(names))) => {
            let names = names.join(", ");
            Outcome::failed(
                format!("the server's certificate is for {names}, and not for {host}"),
                format!(
                    "make the name of the certificate the endpoint, which tokens are signed for, too; or correct the address that \
                     is dialled: another server than {host} answers there"
                ),
            )
        }
        Some(Err(TlsError::UnknownAuthority)) if system => Outcome::failed(SYSTEM, SYSTEM_FIX),
        Some(Err(TlsError::UnknownAuthority)) => Outcome::failed(
            "the server's certificate is of an authority that is not among the trust roots",
            "use AWS's current bundle: --ca-bundle global-bundle.pem, from \
             https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem (GovCloud and China have their own). If \
             it is already in use, another server answers",
        ),
        Some(Err(TlsError::Dates(reason))) => Outcome::failed(
            format!("the server's certificate is not valid now: {reason}"),
            "rotate the certificate (`aws rds modify-db-instance --ca-certificate-identifier …`); or correct this \
             machine's clock",
        ),
        Some(Err(TlsError::NotOffered)) => Outcome::failed(
            "the server offers no TLS, and a token is never sent without it",
            "enable TLS on the server, and check that a database of RDS answers at this address",
        ),
        // `login` reports it.
        Some(Err(TlsError::Refused { .. })) => Outcome::NotReached,
        Some(Err(TlsError::Roots(reason))) => Outcome::failed(
            format!("the trust roots can't be used: {reason}"),
            "give AWS's bundle of the region: --ca-bundle FILE",
        ),
        Some(Err(TlsError::Other(reason))) => Outcome::failed(
            format!("the TLS handshake failed: {reason}"),
            format!("check that a {} server answers at this address, and no other program", facts.engine),
        ),
        None => without_network(facts),
    }
}

fn token(facts: &Facts) -> Outcome {
    match &facts.token {
        Some(Ok(expires_at)) => Outcome::ok(format!(
            "for {} at {}, valid for {}",
            facts.user,
            facts.endpoint,
            minutes(expires_at.duration_since(facts.now).unwrap_or_default())
        )),
        Some(Err(reason)) => Outcome::failed(
            format!("no token could be signed: {reason}"),
            "correct the credentials or the clock that the message names",
        ),
        None => Outcome::NotReached,
    }
}

fn rfc3339(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

fn minutes(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} minutes", seconds / 60),
    }
}
