//! Rules for RDS Proxy: TLS from its clients, no passwords, and a role with the permissions that its authentication
//! needs.

use super::connect::{CONNECT, policies_of};
use super::{Plan, Rule, Verdicts};
use crate::document::ResourceChange;
use crate::node::Node;
use crate::policy::Policy;
use rds_iam_infra::arn::{RdsDbArn, ResourceKind};
use rds_iam_infra::outputs::Authentication;

pub(super) const TLS: Rule = Rule {
    id: "RDSIAM003",
    name: "proxy-without-tls",
    description: "An RDS Proxy accepts connections without TLS.",
    help: "A token is sent in clear text inside TLS: without TLS, an eavesdropper can log in with it. Set \
           require_tls = true; database users that REQUIRE SSL need it on the proxy too.",
    severity: "8.0",
    check: tls,
};

pub(super) const ROLE: Rule = Rule {
    id: "RDSIAM004",
    name: "proxy-role-lacks-permission",
    description: "The role of an RDS Proxy lacks a permission that its database login needs.",
    help: "With end-to-end IAM the proxy logs in by its own role, which needs rds-db:connect on the users of \
           the database itself (db-… or cluster-…, not the proxy's prx-…). With a secret, it needs \
           secretsmanager:GetSecretValue on every linked secret. The rule takes the way from \
           default_auth_scheme, else from the variable `authentication` of the proxy's module, else from the \
           auth blocks: a linked secret is for logging in by secret. Without one, a role with rds-db:connect is \
           for end-to-end IAM. Without the permission the proxy is made, \
           and refuses every connection.",
    severity: "4.0",
    check: role,
};

pub(super) const PASSWORDS: Rule = Rule {
    id: "RDSIAM013",
    name: "proxy-with-passwords",
    description: "An RDS Proxy lets clients log in with a password.",
    help: "Without iam_auth = \"REQUIRED\" in every auth block of a proxy, a client with the password of a linked \
           secret logs in with it, and IAM is not asked. Set iam_auth = \"REQUIRED\" in each.",
    severity: "6.0",
    check: passwords,
};

const GET_SECRET: &str = "secretsmanager:GetSecretValue";

fn tls<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    for proxy in plan.resources(&["aws_db_proxy"]) {
        let setting = proxy.after().get("require_tls");
        if setting.is_unknown() {
            verdicts.unchecked(proxy, "require_tls is known only after apply");
        } else if setting.bool() != Some(true) {
            verdicts.refuse(proxy, "require_tls is not true", "set require_tls = true");
        }
    }
}

fn passwords<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    for proxy in plan.resources(&["aws_db_proxy"]) {
        let auth = proxy.after().get("auth");
        if auth.is_unknown() && plan.sets(proxy, "auth") {
            verdicts.unchecked(proxy, "its auth blocks are known only after apply");
        }
        for block in auth.items() {
            let setting = block.get("iam_auth");
            if setting.is_unknown() {
                verdicts.unchecked(proxy, "iam_auth is known only after apply");
            } else if setting.str() != Some("REQUIRED") {
                verdicts.refuse(
                    proxy,
                    "iam_auth is not \"REQUIRED\"",
                    "set iam_auth = \"REQUIRED\" in every auth block",
                );
            }
        }
    }
}

fn role<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    for proxy in plan.resources(&["aws_db_proxy"]) {
        let role = role_of(plan, proxy);
        match role.candidates[..] {
            _ if role.hidden => verdicts.unchecked(
                proxy,
                "its role could not be determined: role_arn comes through a local or a variable, whose origin a plan \
                 does not show",
            ),
            [_] if role.elsewhere => {
                verdicts.unchecked(proxy, "which of several roles is its own is known only after apply");
            }
            [role] => {
                let (policies, others) = policies_of(plan, role);
                let target = target_of(plan, proxy);
                let proxy = Proxy { proxy, role, policies, others, target };
                match mode(plan, &proxy) {
                    Some(Authentication::Iam) => end_to_end(&proxy, verdicts),
                    Some(Authentication::Secret) => by_secret(&proxy, verdicts),
                    None => verdicts.unchecked(
                        proxy.proxy,
                        "whether it logs in by IAM or by secret is known only after apply",
                    ),
                }
            }
            [] => {
                verdicts
                    .unchecked(proxy, "its role is not part of this plan, so what it may do is not known");
            }
            _ => verdicts.unchecked(proxy, "which of several roles is its own is known only after apply"),
        }
    }
}

struct Proxy<'a> {
    proxy: &'a ResourceChange,
    role: &'a ResourceChange,
    policies: Vec<Policy<'a>>,
    /// Whether the role has policies that the plan does not show.
    others: bool,
    /// The kind of its targets, if the plan shows them and they are of one kind.
    target: Option<ResourceKind>,
}

/// The roles that may be a proxy's own.
struct Candidates<'a> {
    /// The roles that the plan manages.
    candidates: Vec<&'a ResourceChange>,
    /// Whether the role may come from a data source.
    elsewhere: bool,
    /// Whether the plan does not show the role in `role_arn`.
    hidden: bool,
}

fn role_of<'a>(plan: &'a Plan, proxy: &'a ResourceChange) -> Candidates<'a> {
    let roles = plan.resources(&["aws_iam_role"]);
    let given = proxy.after().get("role_arn");
    if let Some(arn) = given.str() {
        let mut candidates: Vec<_> =
            roles.filter(|role| role.after().get("arn").str() == Some(arn)).collect();
        candidates.truncate(1);
        return Candidates { candidates, elsewhere: false, hidden: false };
    }
    let origin = plan.origin(proxy, "role_arn");
    // Other data sources provide parts of an ARN, such as the account.
    let elsewhere = ["aws_iam_role", "aws_iam_roles"].iter().any(|kind| origin.data.contains(*kind));
    let managed = |source: &&ResourceChange| source.stays() && source.kind == "aws_iam_role";
    let candidates = origin.sources.into_iter().filter(managed).collect();
    Candidates { candidates, elsewhere, hidden: given.is_unknown() && origin.open }
}

fn target_of(plan: &Plan, proxy: &ResourceChange) -> Option<ResourceKind> {
    let name = proxy.after().get("name").str();
    let is_own = |target: &&ResourceChange| match target.after().get("db_proxy_name").str() {
        Some(given) => name == Some(given),
        None => {
            plan.origin(target, "db_proxy_name").sources.iter().any(|source| source.address == proxy.address)
        }
    };
    let kind = |target: &ResourceChange| {
        let has = |attribute: &str| !target.after().get(attribute).is_null() && plan.sets(target, attribute);
        match (has("db_cluster_identifier"), has("db_instance_identifier")) {
            (true, false) => Some(ResourceKind::Cluster),
            (false, true) => Some(ResourceKind::Instance),
            _ => None,
        }
    };
    let mut kinds = plan.resources(&["aws_db_proxy_target"]).filter(is_own).map(kind);
    let first = kinds.next()??;
    kinds.all(|kind| kind == Some(first)).then_some(first)
}

fn mode(plan: &Plan, proxy: &Proxy<'_>) -> Option<Authentication> {
    // Since provider 6.15. "NONE" is also the value if it is not set.
    let scheme = proxy.proxy.after().get("default_auth_scheme");
    if scheme.str() == Some("IAM_AUTH") {
        return Some(Authentication::Iam);
    }
    if scheme.is_unknown() && plan.sets(proxy.proxy, "default_auth_scheme") {
        return None;
    }
    let variable = plan.variable(proxy.proxy, "authentication");
    if let Some(mode) = variable.and_then(|value| value.as_str()?.parse().ok()) {
        return Some(mode);
    }
    // `SECRETS` is the only `auth_scheme` that RDS supports.
    let auth = proxy.proxy.after().get("auth");
    if auth.items().any(|block| has_secret(block.get("secret_arn"))) {
        return Some(Authentication::Secret);
    }
    let connects = proxy
        .policies
        .iter()
        .flat_map(|policy| &policy.statements)
        .any(|statement| !statement.deny && statement.covers(CONNECT) == Some(true));
    match connects {
        true => Some(Authentication::Iam),
        // The future permissions of the role would decide.
        false if is_open(proxy) => None,
        false => Some(Authentication::Secret),
    }
}

fn end_to_end<'a>(proxy: &Proxy<'a>, verdicts: &mut Verdicts<'a>) {
    let allowed: Vec<_> = proxy
        .policies
        .iter()
        .flat_map(|policy| &policy.statements)
        .filter(|statement| !statement.deny && statement.covers(CONNECT) == Some(true))
        .flat_map(|statement| &statement.resources)
        .collect();
    let is_target = |kind| match proxy.target {
        Some(target) => kind == target,
        None => kind != ResourceKind::Proxy,
    };
    let is_database = |text: &str| {
        // A pattern is refused by another rule.
        text.contains('*') || text.parse::<RdsDbArn>().is_ok_and(|arn| is_target(arn.resource().kind()))
    };
    let denied = |text: &str| proxy.policies.iter().any(|policy| policy.denies_on(CONNECT, text));
    let takes = |text: &str| is_database(text) && !denied(text);
    if allowed.iter().any(|resource| resource.as_deref().is_some_and(takes)) {
        return;
    }
    if is_open(proxy) || allowed.contains(&&None) {
        return not_told(proxy, CONNECT, verdicts);
    }
    let role = &proxy.role.address;
    let problem = if allowed.is_empty() {
        format!("the proxy logs in by IAM, but its role {role} is not allowed {CONNECT}")
    } else {
        let target = match proxy.target {
            Some(ResourceKind::Cluster) => "cluster, cluster-…",
            Some(ResourceKind::Instance) => "instance, db-…",
            _ => "database, db-… or cluster-…",
        };
        format!("the proxy logs in by IAM, but its role {role} is allowed {CONNECT} on no {target}")
    };
    let remedy = format!("allow {role} {CONNECT} on the database's resource id, for every user of the proxy");
    verdicts.refuse(proxy.proxy, problem, remedy);
}

fn by_secret<'a>(proxy: &Proxy<'a>, verdicts: &mut Verdicts<'a>) {
    let auth = proxy.proxy.after().get("auth");
    if auth.is_unknown() {
        return verdicts.unchecked(proxy.proxy, "its secrets are known only after apply");
    }
    let secrets: Vec<_> = auth.items().map(|block| block.get("secret_arn")).collect();
    if !secrets.iter().any(|secret| has_secret(*secret)) {
        let problem = "the proxy logs in by secret, and none is linked";
        return verdicts.refuse(
            proxy.proxy,
            problem,
            "link the secret of each user: auth { secret_arn = … }",
        );
    }
    let statements: Vec<_> = proxy.policies.iter().flat_map(|policy| &policy.statements).collect();
    for secret in secrets.into_iter().filter(|secret| has_secret(*secret)) {
        let Some(arn) = secret.str() else {
            // The secret is not known, but whether the role may read any is.
            if statements
                .iter()
                .any(|statement| !statement.deny && statement.covers(GET_SECRET) != Some(false))
            {
                not_told(proxy, GET_SECRET, verdicts);
            } else {
                lacks_secret(proxy, "a linked secret", verdicts);
            }
            continue;
        };
        let allows: Vec<_> = statements.iter().map(|statement| statement.allows(GET_SECRET, arn)).collect();
        if proxy.policies.iter().any(|policy| policy.denies_on(GET_SECRET, arn)) {
            lacks_secret(proxy, &secret.shown(), verdicts);
        } else if allows.contains(&Some(true)) {
            continue;
        } else if allows.contains(&None) {
            not_told(proxy, GET_SECRET, verdicts);
        } else {
            lacks_secret(proxy, &secret.shown(), verdicts);
        }
    }
}

/// Returns whether a `secret_arn` is set: provider 5 shows an unset one as an empty text.
fn has_secret(arn: Node<'_>) -> bool {
    !arn.is_null() && arn.str() != Some("")
}

fn lacks_secret<'a>(proxy: &Proxy<'a>, secret: &str, verdicts: &mut Verdicts<'a>) {
    if is_open(proxy) {
        return not_told(proxy, GET_SECRET, verdicts);
    }
    let role = &proxy.role.address;
    let problem =
        format!("the proxy logs in by secret, but its role {role} is not allowed {GET_SECRET} on {secret}");
    let remedy =
        format!("allow {role} {GET_SECRET} on it, and kms:Decrypt on its key where that is a customer's");
    verdicts.refuse(proxy.proxy, problem, remedy);
}

/// Returns whether the role has policies whose text is not known.
fn is_open(proxy: &Proxy<'_>) -> bool {
    proxy.others || proxy.policies.iter().any(|policy| policy.incomplete)
}

fn not_told<'a>(proxy: &Proxy<'a>, action: &str, verdicts: &mut Verdicts<'a>) {
    let role = &proxy.role.address;
    verdicts.unchecked(
        proxy.proxy,
        format!("on what its role {role} is allowed {action} is known only after apply"),
    );
}
