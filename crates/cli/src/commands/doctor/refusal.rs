//! Why a server does not let a user in: judged by what it asked for, its code, and what AWS says of the caller's policy
//! and of the database.

use rds_iam_infra::arn::{AccountId, ResourceId};
use rds_iam_infra::remedy;
use rds_iam_token::{DbUser, ErrorKind, ServerCode};

use super::facts::{Asked, Facts, Login, Policy, TlsError};
use super::outcome::{Outcome, without_network};

/// The reason to examine nothing after a login.
const ACCEPTED: &str = "the login succeeded";

pub(super) fn user(facts: &Facts) -> Outcome {
    let user = &facts.user;
    let asks = match &facts.asked {
        Some(Asked::Token) if facts.is_proxy() => {
            return Outcome::ok(
                "the proxy asks for a token; it does not show whether the database has the user",
            );
        }
        Some(Asked::Token) => return Outcome::ok("the server asks for a token"),
        Some(Asked::Password(method)) => format!("asks {user} for a password ({method}), not for a token"),
        Some(Asked::Other(method)) => format!("asks {user} for {method}, not for an IAM token"),
        Some(Asked::Nothing) => format!("lets {user} in without a password, and asks for no token"),
        Some(Asked::Refused { code, message }) if is_about_user(*code) => {
            return Outcome::failed(
                format!("the server refuses {user} ({code}: {message}): {}", missing(facts)),
                create(facts, user),
            );
        }
        // These are not about the user: `login` reports them.
        Some(Asked::Refused { .. } | Asked::Failed(_)) => return Outcome::NotReached,
        None => return without_network(facts),
    };
    if facts.is_proxy() {
        return Outcome::failed(
            format!("the proxy {asks}"),
            format!(
                "let the proxy require IAM: `aws rds modify-db-proxy --db-proxy-name NAME --auth \
                 IAMAuth=REQUIRED,…`, or `--default-auth-scheme IAM_AUTH`. The user on the database:\n{}",
                remedy::user_statements(facts.engine, user)
            ),
        );
    }
    // Only a request for a password is the same for a user that does not exist.
    match &facts.asked {
        Some(Asked::Password(_)) => {
            Outcome::failed(format!("the server {asks}: {}", missing(facts)), create(facts, user))
        }
        _ => Outcome::failed(
            format!("the server {asks}: another way to log in is set for this user"),
            format!("use another user, or let this one log in by IAM alone: {}", create(facts, user)),
        ),
    }
}

/// Returns the statements that let a user log in by IAM.
fn create(facts: &Facts, user: &DbUser) -> String {
    format!(
        "as the master user, and never for the master user itself, which would lose its login by password:\n{}",
        remedy::user_statements(facts.engine, user)
    )
}

/// Returns what a server that asks for a password shows of the user. No server says which of the two it is.
fn missing(facts: &Facts) -> String {
    let role = match facts.engine {
        rds_iam_infra::Engine::MySql => "has a plugin other than AWSAuthenticationPlugin",
        rds_iam_infra::Engine::Postgres => "is no member of rds_iam",
    };
    format!("it does not exist (for this client's address), or {role}")
}

fn is_about_user(code: ServerCode) -> bool {
    code.is_login_refusal() || matches!(code, ServerCode::MySql(1130 | 1524 | 1698 | 3118 | 3955))
}

pub(super) fn target(facts: &Facts) -> Outcome {
    if !facts.is_proxy() {
        return Outcome::skipped("no proxy");
    }
    match (&facts.login, &facts.behind) {
        (Some(Login::Accepted), _) => Outcome::ok(ACCEPTED),
        (None, _) => without_network(facts),
        (_, Some(Ok(Some(behind)))) if behind.unavailable_targets.is_empty() => {
            Outcome::ok(format!("each target of {} is available", behind.identifier))
        }
        (_, Some(Ok(Some(behind)))) => Outcome::failed(
            format!(
                "the proxy {} can't use its database: {}",
                behind.identifier,
                behind.unavailable_targets.join("; ")
            ),
            "PENDING_PROXY_CAPACITY: wait. CONNECTION_FAILED: let the database's security group admit the proxy's. \
             AUTH_FAILURE: the proxy's role needs rds-db:connect on the database, or secretsmanager:GetSecretValue on its \
             secret, which must have the user's current password",
        ),
        (_, Some(Ok(None))) => Outcome::skipped("no such proxy is in the caller's account and region"),
        (_, Some(Err(reason))) => Outcome::skipped(reason.clone()),
        (_, None) => Outcome::skipped("AWS can't be asked"),
    }
}

pub(super) fn policy(facts: &Facts) -> Outcome {
    match (&facts.login, &facts.policy) {
        (Some(Login::Accepted), _) => Outcome::ok(ACCEPTED),
        (None, _) => without_network(facts),
        (_, Some(Policy::Allowed)) => Outcome::ok("the caller may rds-db:connect as this user"),
        (_, Some(Policy::Lacking)) => Outcome::failed(
            format!("{} lacks rds-db:connect on this database as {}", caller(facts), facts.user),
            statement(facts),
        ),
        (_, Some(Policy::NamesIdentifier(name))) => Outcome::failed(
            format!(
                "the policy of {} has the name {name} in place of the resource id {}, and so allows nothing",
                caller(facts),
                facts.resource_id.as_deref().unwrap_or_default()
            ),
            statement(facts),
        ),
        (_, Some(Policy::Unknown(reason))) => Outcome::skipped(reason.clone()),
        (_, None) => Outcome::skipped("the server's answer is not about the policy"),
    }
}

fn caller(facts: &Facts) -> &str {
    facts.caller.as_ref().and_then(|caller| caller.as_ref().ok()).map_or("the caller", |caller| &caller.arn)
}

/// Returns the statement that the caller's role needs.
fn statement(facts: &Facts) -> String {
    let account = facts.caller.as_ref().and_then(|caller| caller.as_ref().ok());
    let account: Option<AccountId> = account.and_then(|caller| caller.account.parse().ok());
    let resource: Option<ResourceId> = facts.resource_id.as_deref().and_then(|id| id.parse().ok());
    let Some(region) = facts.signing_region() else { return "allow rds-db:connect".to_owned() };
    let json = remedy::policy_statement(&region, account.as_ref(), resource.as_ref(), &facts.user);
    format!("attach a policy with this statement to the caller's role:\n{json}")
}

/// Returns whether an instance class has so little memory that its logins by IAM may time out.
fn is_small(class: &str) -> bool {
    matches!(class.rsplit('.').next(), Some("micro" | "nano"))
}

pub(super) fn class(facts: &Facts) -> Outcome {
    let small = |classes: &[String]| classes.iter().find(|class| is_small(class)).cloned();
    match (&facts.login, &facts.behind) {
        (Some(Login::Accepted), _) => Outcome::ok(ACCEPTED),
        (None, _) => without_network(facts),
        (_, Some(Ok(Some(behind)))) => match small(&behind.classes).filter(|_| may_be_small(facts)) {
            Some(class) => Outcome::failed(
                format!(
                    "{} is a {class}: IAM authentication needs 300 to 1000 MiB of memory beside the database's, and \
                     logins time out or are refused without it",
                    behind.identifier
                ),
                format!(
                    "use a larger class: `aws rds modify-db-instance --db-instance-identifier {} --db-instance-class \
                     db.t4g.medium --apply-immediately`",
                    behind.identifier
                ),
            ),
            None if behind.classes.is_empty() => Outcome::skipped("a proxy has no class"),
            None => Outcome::ok(behind.classes.join(", ")),
        },
        (_, Some(Ok(None))) => Outcome::skipped("no such database is in the caller's account and region"),
        (_, Some(Err(reason))) => Outcome::skipped(reason.clone()),
        (_, None) => Outcome::skipped("AWS can't be asked"),
    }
}

/// Returns whether a lack of memory can be the cause: the server did not answer or refused without a reason, and the
/// policy is not known to be wrong.
fn may_be_small(facts: &Facts) -> bool {
    let silent = match &facts.login {
        Some(Login::Failed(_)) => true,
        Some(Login::Refused { code, .. }) => code.is_login_refusal(),
        _ => false,
    };
    silent && !matches!(facts.policy, Some(Policy::Lacking | Policy::NamesIdentifier(_)))
}

pub(super) fn login(facts: &Facts) -> Outcome {
    let user = &facts.user;
    match &facts.login {
        Some(Login::Accepted) => Outcome::ok(format!("as {user}")),
        Some(Login::Refused { code, message }) if code.is_login_refusal() => {
            let log = match facts.is_proxy() {
                true => "/aws/rds/proxy/NAME, then /aws/rds/instance/NAME/iam-db-auth-error",
                false => {
                    "/aws/rds/instance/NAME/iam-db-auth-error, or /aws/rds/cluster/NAME/iam-db-auth-error"
                }
            };
            // A proxy asks for a token before it knows whether the database has the user.
            let if_so = match facts.is_proxy() {
                true => format!(
                    "If it has one, but the database has no such user, {}\nIf it has both",
                    create(facts, user)
                ),
                false => "If it has one".to_owned(),
            };
            Outcome::failed(
                format!("the server refused the token ({code}: {message})"),
                format!("{}\n{if_so}, the reason is in the log {log}", statement(facts)),
            )
        }
        Some(Login::Refused { code, message }) => {
            Outcome::failed(format!("the server refused the login ({code}: {message})"), help(facts, *code))
        }
        Some(Login::Failed(reason)) => Outcome::failed(
            format!("the server did not answer the token: {reason}"),
            "try again; a paused cluster takes about 15 s to resume. If it stays so, check the server's state, memory and \
             number of connections, and the targets of a proxy",
        ),
        None => before_token(facts),
    }
}

/// Returns the outcome of a login that ended before the server asked the user for anything.
fn before_token(facts: &Facts) -> Outcome {
    match (&facts.tls, &facts.asked) {
        (Some(Err(TlsError::Refused { code, message })), _) => {
            Outcome::failed(format!("the server refuses connections ({code}: {message})"), help(facts, *code))
        }
        (_, Some(Asked::Refused { code, message })) if !is_about_user(*code) => Outcome::failed(
            format!("the server refused before it asked for a token ({code}: {message})"),
            help(facts, *code),
        ),
        (_, Some(Asked::Failed(reason))) => Outcome::failed(
            format!("the server did not ask for a token: {reason}"),
            format!("check that a {} server answers at this address, and try again", facts.engine),
        ),
        _ => without_network(facts),
    }
}

/// Returns the help of a code that names its reason.
fn help(facts: &Facts, code: ServerCode) -> String {
    let database = facts.database.as_deref().and_then(|name| name.parse().ok());
    let statements = facts.signing_region().and_then(|region| {
        let login = rds_iam_token::Login::new(facts.endpoint.clone(), region, facts.user.clone());
        remedy::for_refusal(&remedy::Refusal {
            engine: facts.engine,
            login: &login,
            code: Some(code),
            account: None,
            resource: None,
            privileges: &["SELECT"],
            database: database.as_ref(),
        })
    });
    let help = code.help().map(str::to_owned);
    statements.or(help).unwrap_or_else(|| {
        let of_kind = match code.kind() {
            ErrorKind::Throttled => {
                "the server limits connections or logins: wait, and try again. If it stays so, close connections, or raise \
                 max_connections"
            }
            ErrorKind::Unreachable => "the server is starting, stopping or failing over: try again",
            _ => "the message names the cause",
        };
        of_kind.to_owned()
    })
}
